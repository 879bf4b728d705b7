//! What the follower thread does, in rounds: reads the stream, takes what the loop says, acknowledges. The sockets and the clock come
//! in, so that a simulation can run the rounds as well.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;

use super::{Fetch, FollowerEvent, FollowerGauge, FollowerStart, OwnEndings, Shown, ToFollower};
use crate::client::Peer;
use crate::clock::MonoMs;
use crate::limits::RECEIVED_IN_FLIGHT_BYTES_MAX;
use crate::reactor::{HelperPoll, HelperWaker, Readiness, Stream};
use crate::replication::acks::AckSchedule;
use crate::replication::frames::{Frame, FrameReader};
use crate::replication::handshake::{Action, Link};
use crate::replication::history::{Endings, Peer as PeerKind};
use crate::replication::parting::{GivenUp, Parted, add_endings};
use crate::replication::runner::{RoundClock, Runner};
use crate::replication::timed::{Halt, StopFlags};
use crate::replication::wire::{LineReader, Request};
use crate::storage::received::{BatchRules, ReceivedBatch};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

const READ_BYTES: usize = 64 * 1024;
/// Reads of the socket before the loop's messages are looked at again.
const READS_PER_TURN_MAX: usize = 16;

/// A connection to the primary.
struct Connection {
    /// As what its socket is registered.
    number: u64,
    stream: Stream,
    arrived: BytesMut,
    lines: LineReader,
    out: Vec<u8>,
    is_writable: bool,
    is_readable: bool,
    streaming: Option<Streaming>,
}

/// What a connection is while records flow.
struct Streaming {
    frames: FrameReader,
    acks: AckSchedule,
    /// Where the next record must begin.
    next: Seq,
    /// Where the first one had to.
    from: Seq,
}

/// The thread's state.
pub(super) struct Rounds {
    runner: Runner,
    poll: HelperPoll,
    ready: Vec<Readiness>,
    receiver: Receiver<ToFollower>,
    gauge: Arc<FollowerGauge>,
    /// Kept, or the wake-up for the last message would go with the loop's end of the follower.
    _waker: HelperWaker,
    clock: RoundClock,
    host: String,
    port: u16,
    rules: BatchRules,
    fetch: Fetch,
    /// A copy was begun and is not there: it is asked for again. On a thread that has happened before anything else does.
    pub is_fetching: bool,
    own_endings: OwnEndings,
    notify: Box<dyn Fn(FollowerEvent) + Send>,
    link: Link,
    shown: Option<Shown>,
    connection: Option<Connection>,
    /// How many there were.
    connections: u64,
}

impl Rounds {
    /// Connects at once, in the first round.
    pub fn new(
        start: FollowerStart,
        runner: Runner,
        waker: HelperWaker,
        poll: HelperPoll,
        receiver: Receiver<ToFollower>,
        gauge: Arc<FollowerGauge>,
        notify: Box<dyn Fn(FollowerEvent) + Send>,
    ) -> Rounds {
        let clock = runner.clock();
        let link = Link::new(start.settings, clock.now());
        Rounds {
            runner,
            poll,
            ready: Vec::new(),
            receiver,
            gauge,
            _waker: waker,
            clock,
            host: start.host,
            port: start.port,
            rules: start.rules,
            fetch: start.fetch,
            is_fetching: false,
            own_endings: start.own_endings,
            notify,
            link,
            shown: None,
            connection: None,
            connections: 0,
        }
    }

    /// Its clock.
    pub fn clock(&self) -> RoundClock {
        self.clock
    }

    /// The thread: sleeps and does rounds until it is told to stop.
    pub fn run(mut self) {
        loop {
            self.act();
            let timeout = self.sleep_time();
            if let Err(error) = self.wait(Some(timeout)) {
                log::error!("the follower cannot poll: {error}");
                break;
            }
            if !self.round() {
                break;
            }
        }
        self.connection = None;
        (self.notify)(FollowerEvent::Stopped);
    }

    /// Waits until something is ready or somebody wakes it, at most for `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(timeout, &mut self.ready)
    }

    /// Takes what has come, from the socket and from the loop, and answers. False at the end.
    pub fn round(&mut self) -> bool {
        if let Some(connection) = &mut self.connection {
            // Of a connection that was closed since, nothing is told any more.
            let number = connection.number;
            for event in self.ready.iter().filter(|event| event.number == number) {
                connection.is_writable |= event.is_writable;
                connection.is_readable |= event.is_readable;
            }
        }
        if !self.take_messages() {
            return false;
        }
        self.read();
        self.acknowledge();
        self.write();
        let now = self.now();
        self.link.tick(now);
        true
    }

    fn now(&self) -> MonoMs {
        self.clock.now()
    }

    /// The time is this from now on.
    #[cfg(test)]
    pub fn set_now(&mut self, now: MonoMs) {
        self.clock = RoundClock::Given(now);
    }

    /// How long it may sleep when nothing becomes ready and nobody wakes it.
    pub fn sleep_time(&self) -> Duration {
        let now = self.now();
        let ack = self.connection.as_ref().and_then(|connection| {
            let streaming = connection.streaming.as_ref()?;
            Some(streaming.acks.next_deadline())
        });
        let deadline = [self.link.next_deadline(), ack].into_iter().flatten().min();
        let has_more = self.poll.has_events()
            || self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.is_readable && !self.is_full());
        match deadline {
            _ if has_more => Duration::ZERO,
            Some(deadline) => Duration::from_millis(deadline.since(now)),
            None => Duration::from_secs(1),
        }
    }

    /// Whether the loop has enough to do.
    fn is_full(&self) -> bool {
        self.gauge.in_flight_bytes.load(Ordering::Acquire) > RECEIVED_IN_FLIGHT_BYTES_MAX
    }

    /// False at the end.
    fn take_messages(&mut self) -> bool {
        while let Ok(message) = self.receiver.try_recv() {
            let now = self.now();
            match message {
                ToFollower::Position(position) => self.link.position(position, now),
                ToFollower::Copied(Ok(rules)) => {
                    self.rules = rules;
                    self.link.copied(now);
                }
                ToFollower::Copied(Err(text)) => self.link.copy_failed(&text, now),
                ToFollower::Restart => {
                    self.gauge.in_flight_bytes.store(0, Ordering::Release);
                    self.link
                        .bad_stream("a write to this node's disk has failed", now);
                }
                ToFollower::Reconnect => self.link.lost("closed by CLIENT KILL", now),
                ToFollower::Settings(settings) => self.link.set_settings(settings, now),
                ToFollower::Stop => return false,
            }
        }
        true
    }

    /// Does what the link wants done.
    pub fn act(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match action {
                Action::Connect => self.connect(),
                Action::Close => self.connection = None,
                Action::Send(bytes) => {
                    if let Some(connection) = &mut self.connection {
                        connection.out.extend_from_slice(&bytes);
                    }
                    self.write();
                }
                Action::Path(path) => (self.notify)(FollowerEvent::Path(path)),
                Action::AskPosition => (self.notify)(FollowerEvent::AskPosition),
                Action::Stream { primary, next } => self.stream(primary, next),
                Action::Copy {
                    parted,
                    last,
                    remembered,
                } => self.copy(&parted, last, remembered),
                Action::Report(problem) => (self.notify)(FollowerEvent::Problem(problem)),
            }
        }
        let shown = Shown {
            state: self.link.state(),
            primary: self.link.primary(),
        };
        if self.shown != Some(shown) {
            self.shown = Some(shown);
            (self.notify)(FollowerEvent::State(shown));
        }
    }

    fn connect(&mut self) {
        let timeout = self
            .link
            .next_deadline()
            .map_or(1000, |deadline| deadline.since(self.now()).max(1));
        let stop = StopFlags::new([Arc::clone(&self.gauge.stops)]);
        let connected = self.runner.connect(&self.host, self.port, timeout, &stop);
        self.connections += 1;
        let number = self.connections;
        let result = connected.and_then(|mut stream| {
            self.poll.register(&mut stream, number).map_err(Halt::Io)?;
            Ok(stream)
        });
        let now = self.now();
        match result {
            Ok(stream) => {
                (self.notify)(FollowerEvent::Connected(peer_of(&stream)));
                self.connection = Some(Connection {
                    number,
                    stream,
                    arrived: BytesMut::with_capacity(READ_BYTES),
                    lines: LineReader::default(),
                    out: Vec::new(),
                    is_writable: true,
                    is_readable: true,
                    streaming: None,
                });
                self.link.connected(now);
            }
            Err(error) => self.link.lost(&error.to_string(), now),
        }
    }

    fn stream(&mut self, primary: PeerKind, next: Seq) {
        let now = self.now();
        let applied = Seq::new(next.get() - 1);
        self.gauge.applied.store(applied.get(), Ordering::Release);
        if let Some(connection) = &mut self.connection {
            connection.streaming = Some(Streaming {
                frames: FrameReader::new(primary == PeerKind::Stillpoint),
                acks: AckSchedule::new(primary, applied, now),
                next,
                from: next,
            });
        }
        self.parse();
    }

    fn copy(&mut self, parted: &Parted, last: Seq, remembered: Endings) {
        let ours = |is_enough: &dyn Fn(ReplicationId) -> bool| {
            let mut endings = (self.own_endings)(is_enough);
            add_endings(&mut endings, remembered);
            endings
        };
        let given_up = GivenUp::count(last, parted, ours);
        (self.notify)(FollowerEvent::CopyBegins { given_up });
        self.shown = Some(Shown {
            state: self.link.state(),
            primary: self.link.primary(),
        });
        if let Some(shown) = self.shown {
            (self.notify)(FollowerEvent::State(shown));
        }
        self.fetch();
    }

    /// Fetches the copy.
    pub fn fetch(&mut self) {
        let (settings, primary) = (self.link.settings(), self.link.primary());
        let fetched = (self.fetch)(settings, primary, &self.gauge.stops);
        self.is_fetching = fetched.is_pending();
        match fetched {
            Poll::Pending => {}
            // The loop answers when it has put the files in place.
            Poll::Ready(Ok(())) => (self.notify)(FollowerEvent::CopyFetched),
            Poll::Ready(Err(text)) => {
                let now = self.now();
                self.link.copy_failed(&text, now);
            }
        }
    }

    fn read(&mut self) {
        for _ in 0..READS_PER_TURN_MAX {
            if self.is_full() {
                return;
            }
            let Some(connection) = &mut self.connection else {
                return;
            };
            if !connection.is_readable {
                return;
            }
            let missing = connection.streaming.as_ref().map_or(0, |streaming| {
                streaming.frames.missing(connection.arrived.len())
            });
            let room = READ_BYTES.max(missing.min(1 << 20));
            let before = connection.arrived.len();
            connection.arrived.resize(before + room, 0);
            let result = connection.stream.read(&mut connection.arrived[before..]);
            let bytes = *result.as_ref().unwrap_or(&0);
            connection.arrived.truncate(before + bytes);
            let now = self.clock.now();
            match result {
                Ok(0) => {
                    self.link.lost("the primary has closed the connection", now);
                    return self.act();
                }
                Ok(bytes) => {
                    connection.is_readable = bytes == room;
                    self.gauge.heard_at_ms.store(now.0, Ordering::Release);
                    self.link.heard(now);
                    self.parse();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.is_readable = false;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.link.lost(&error.to_string(), now);
                    return self.act();
                }
            }
        }
    }

    /// Takes what has arrived apart: lines of the handshake, then frames.
    fn parse(&mut self) {
        loop {
            let now = self.now();
            let Some(connection) = &mut self.connection else {
                return;
            };
            if let Some(streaming) = &mut connection.streaming {
                match streaming.frames.take(&mut connection.arrived) {
                    Ok(None) => return,
                    Ok(Some(frame)) => self.frame(frame),
                    Err(fault) => {
                        self.link.bad_stream(&fault.to_string(), now);
                        return self.act();
                    }
                }
            } else {
                match connection.lines.take(&mut connection.arrived) {
                    Ok(None) => return,
                    Ok(Some(line)) => {
                        self.link.line(&line, now);
                        self.act();
                    }
                    Err(_) => {
                        self.link.lost("the primary's answer is too long", now);
                        return self.act();
                    }
                }
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
        let now = self.now();
        let streaming = self
            .connection
            .as_mut()
            .and_then(|connection| connection.streaming.as_mut());
        let Some(streaming) = streaming else {
            return;
        };
        match frame {
            Frame::Record(bytes) => match ReceivedBatch::validate(bytes, &self.rules) {
                Ok(batch) if batch.starts_at(streaming.next) => {
                    streaming.next = streaming.next.after_batch(batch.count());
                    let bytes = batch.bytes().len() as u64;
                    self.gauge
                        .in_flight_bytes
                        .fetch_add(bytes, Ordering::AcqRel);
                    (self.notify)(FollowerEvent::Batch(batch));
                }
                Ok(batch) => {
                    let text = format!(
                        "a record begins at {}, and {} is the next one here",
                        batch.first_seq(),
                        streaming.next
                    );
                    self.link.bad_stream(&text, now);
                    self.act();
                }
                Err(fault) => {
                    self.link.bad_stream(&fault.to_string(), now);
                    self.act();
                }
            },
            Frame::GetAck => {
                let received = Seq::new(streaming.next.get() - 1);
                streaming.acks.asked(received);
            }
            Frame::Status { last, id } => (self.notify)(FollowerEvent::Status { last, id }),
            Frame::Path(path) => {
                self.link.path(&path, now);
                (self.notify)(FollowerEvent::Path(path));
                self.act();
            }
            Frame::Message(message) => (self.notify)(FollowerEvent::Message(message)),
            Frame::Ping | Frame::Unknown(_) => {}
        }
    }

    fn acknowledge(&mut self) {
        let now = self.now();
        let applied = Seq::new(self.gauge.applied.load(Ordering::Acquire));
        let Some(connection) = &mut self.connection else {
            return;
        };
        let Some(streaming) = &mut connection.streaming else {
            return;
        };
        streaming.acks.applied(applied);
        if let Some(seq) = streaming.acks.take(now) {
            if applied >= streaming.next {
                return;
            }
            // The first acknowledgement of a stream says where it begins.
            if applied >= streaming.from {
                self.link.applied();
            }
            // One that the socket does not take is dropped: the next one says more.
            if connection.out.is_empty() {
                connection.out = Request::Ack { seq }.to_bytes();
            }
        }
    }

    fn write(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        while connection.is_writable && !connection.out.is_empty() {
            match connection.stream.write(&connection.out) {
                Ok(written) => {
                    connection.out.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.is_writable = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let now = self.clock.now();
                    self.link.lost(&error.to_string(), now);
                    return;
                }
            }
        }
    }
}

/// Both ends of the connection, for CLIENT LIST.
fn peer_of(stream: &Stream) -> Peer {
    let text = |addr: io::Result<std::net::SocketAddr>| {
        addr.map_or_else(|_| String::new(), |addr| addr.to_string())
    };
    match stream {
        Stream::Tcp(stream) => Peer {
            addr: text(stream.peer_addr()),
            laddr: text(stream.local_addr()),
            fd: stream.as_raw_fd(),
        },
        _ => Peer {
            addr: String::new(),
            laddr: String::new(),
            fd: -1,
        },
    }
}
