//! The follower thread: the socket of this node's link to its primary around [`Link`], the stream's frames, and the
//! acknowledgements.
//!
//! Batches are validated here, and go to the loop whole and in order; the loop applies them and says how far it is. What is on
//! its way to the loop is bounded: above the bound the socket is not read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use super::acks::AckSchedule;
use super::connect::connect;
use super::frames::{Frame, FrameReader};
use super::handshake::{Action, Link, LinkSettings, LinkState, Position, Problem};
use super::history::Peer;
use super::timed::{Halt, StopFlags};
use super::wire::{LineReader, Request};
use crate::clock::{Clock, MonoMs, SystemClock};
use crate::limits::RECEIVED_IN_FLIGHT_BYTES_MAX;
use crate::storage::received::{BatchRules, ReceivedBatch};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);
const READ_BYTES: usize = 64 * 1024;
/// Reads of the socket before the loop's messages are looked at again.
const READS_PER_TURN_MAX: usize = 16;

/// What the loop tells the follower.
pub enum ToFollower {
    /// Where this node stands, in answer to [`FollowerEvent::AskPosition`].
    Position(Position),
    /// The copy that was fetched is this node's database now, with these rules for batches, or why it is not.
    Copied(Result<BatchRules, String>),
    /// What was given to the loop and is not committed is lost: begin anew.
    Restart,
    /// The configuration has changed.
    Settings(LinkSettings),
    /// End. A connection that is being made, a lookup and a full copy are given up.
    Stop,
}

/// What the follower tells the loop, in order.
#[derive(Debug)]
pub enum FollowerEvent {
    /// Where does this node stand, once everything before this is committed?
    AskPosition,
    /// The next batch of the stream.
    Batch(ReceivedBatch),
    /// A message for subscribers.
    Message { channel: Bytes, payload: Bytes },
    /// The primary's last update, and the id that it writes under.
    Status {
        last: Seq,
        id: Option<ReplicationId>,
    },
    /// The run ids of the primary and of those above it.
    Path(Vec<String>),
    /// The state of the link has changed.
    State(Shown),
    /// A full copy begins; what is replaced holds so many updates that the primary does not have.
    CopyBegins { given_up: Option<u64> },
    /// The files are there: put them in the place of the database.
    CopyFetched,
    /// Something is the matter that was not before.
    Problem(Problem),
    /// The thread has ended. The loop, which need not wait for that, may say the same to itself: nothing of this following
    /// counts from then on.
    Stopped,
}

/// What INFO and ROLE show of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    pub state: LinkState,
    pub primary: Peer,
}

/// What both threads look at without messages.
#[derive(Debug, Default)]
pub struct FollowerGauge {
    /// The last update applied and committed.
    applied: AtomicU64,
    /// Bytes of batches given to the loop and not committed yet.
    in_flight_bytes: AtomicU64,
    /// Milliseconds since the follower's start at which something last came.
    heard_at_ms: AtomicU64,
    /// The thread is to end: a copy under way is given up.
    stops: Arc<AtomicBool>,
}

/// How a full copy is fetched: blocks, looks at the flag that says when to give up, and leaves the files where the loop finds
/// them.
pub type Fetch = Box<dyn FnMut(&Arc<AtomicBool>) -> Result<(), String> + Send>;

/// What a follower is started with.
pub struct FollowerStart {
    /// Host name or address of the primary.
    pub host: String,
    pub port: u16,
    pub settings: LinkSettings,
    pub rules: BatchRules,
    pub fetch: Fetch,
}

/// The loop's end of the follower. Nobody waits for the thread: told to stop, it ends by itself.
pub struct Follower {
    sender: Sender<ToFollower>,
    waker: Arc<Waker>,
    gauge: Arc<FollowerGauge>,
    clock: SystemClock,
}

impl Follower {
    /// Starts the thread, which connects at once.
    pub fn start(
        start: FollowerStart,
        notify: impl Fn(FollowerEvent) + Send + 'static,
    ) -> io::Result<Follower> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, receiver) = mpsc::channel();
        let gauge = Arc::new(FollowerGauge::default());
        let clock = SystemClock::new();
        let link = Link::new(start.settings, MonoMs(0));
        let shell = Shell {
            poll,
            receiver,
            gauge: Arc::clone(&gauge),
            _waker: Arc::clone(&waker),
            clock,
            host: start.host,
            port: start.port,
            rules: start.rules,
            fetch: start.fetch,
            notify: Box::new(notify),
            link,
            shown: None,
            connection: None,
        };
        std::thread::Builder::new()
            .name("follower".to_owned())
            .spawn(move || shell.run())?;
        Ok(Follower {
            sender,
            waker,
            gauge,
            clock,
        })
    }

    /// Tells the follower something.
    pub fn tell(&self, message: ToFollower) {
        if matches!(message, ToFollower::Stop) {
            self.gauge.stops.store(true, Ordering::Release);
        }
        if self.sender.send(message).is_ok() {
            self.wake();
        }
    }

    /// Everything up to `seq` is committed; `bytes` of batches were.
    pub fn applied(&self, seq: Seq, bytes: u64) {
        self.gauge.applied.store(seq.get(), Ordering::Release);
        // What was given up with a restart is not counted any more.
        let left = |in_flight: u64| Some(in_flight.saturating_sub(bytes));
        let _ = self
            .gauge
            .in_flight_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
        self.wake();
    }

    /// Milliseconds since something last came from the primary.
    pub fn silence_ms(&self) -> u64 {
        let now = self.clock.turn().now().0;
        now.saturating_sub(self.gauge.heard_at_ms.load(Ordering::Acquire))
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("the follower cannot be woken: {error}");
        }
    }
}

/// A connection to the primary.
struct Connection {
    stream: TcpStream,
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
}

struct Shell {
    poll: Poll,
    receiver: Receiver<ToFollower>,
    gauge: Arc<FollowerGauge>,
    /// Kept, or the wake-up for the last message would go with the loop's end of the follower.
    _waker: Arc<Waker>,
    clock: SystemClock,
    host: String,
    port: u16,
    rules: BatchRules,
    fetch: Fetch,
    notify: Box<dyn Fn(FollowerEvent) + Send>,
    link: Link,
    shown: Option<Shown>,
    connection: Option<Connection>,
}

impl Shell {
    fn run(mut self) {
        let mut events = Events::with_capacity(16);
        loop {
            self.act();
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    log::error!("the follower cannot poll: {error}");
                    break;
                }
            }
            if let Some(connection) = &mut self.connection {
                for event in events.iter().filter(|event| event.token() == SOCKET) {
                    connection.is_writable |= event.is_writable();
                    connection.is_readable |=
                        event.is_readable() || event.is_read_closed() || event.is_error();
                }
            }
            if !self.take_messages() {
                break;
            }
            self.read();
            self.acknowledge();
            self.write();
            let now = self.now();
            self.link.tick(now);
        }
        self.connection = None;
        (self.notify)(FollowerEvent::Stopped);
    }

    fn now(&self) -> MonoMs {
        self.clock.turn().now()
    }

    fn timeout(&self) -> Duration {
        let now = self.now();
        let ack = self.connection.as_ref().and_then(|connection| {
            let streaming = connection.streaming.as_ref()?;
            Some(streaming.acks.next_deadline())
        });
        let deadline = [self.link.next_deadline(), ack].into_iter().flatten().min();
        let has_more = self
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
                ToFollower::Settings(settings) => self.link.set_settings(settings, now),
                ToFollower::Stop => return false,
            }
        }
        true
    }

    fn act(&mut self) {
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
                Action::Copy { given_up } => self.copy(given_up),
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
        let result = connect(&self.host, self.port, timeout, &stop).and_then(|stream| {
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, SOCKET, interest)
                .map_err(Halt::Io)?;
            Ok(stream)
        });
        let now = self.now();
        match result {
            Ok(stream) => {
                self.connection = Some(Connection {
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

    fn stream(&mut self, primary: Peer, next: Seq) {
        let now = self.now();
        let applied = Seq::new(next.get() - 1);
        self.gauge.applied.store(applied.get(), Ordering::Release);
        if let Some(connection) = &mut self.connection {
            connection.streaming = Some(Streaming {
                frames: FrameReader::new(primary == Peer::Stillpoint),
                acks: AckSchedule::new(primary, applied, now),
                next,
            });
        }
        self.parse();
    }

    fn copy(&mut self, given_up: Option<u64>) {
        (self.notify)(FollowerEvent::CopyBegins { given_up });
        self.shown = Some(Shown {
            state: self.link.state(),
            primary: self.link.primary(),
        });
        if let Some(shown) = self.shown {
            (self.notify)(FollowerEvent::State(shown));
        }
        match (self.fetch)(&self.gauge.stops) {
            // The loop answers when it has put the files in place.
            Ok(()) => (self.notify)(FollowerEvent::CopyFetched),
            Err(text) => {
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
            let result = io::Read::read(&mut connection.stream, &mut connection.arrived[before..]);
            let bytes = *result.as_ref().unwrap_or(&0);
            connection.arrived.truncate(before + bytes);
            let now = self.clock.turn().now();
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
            Frame::Message { channel, payload } => {
                (self.notify)(FollowerEvent::Message { channel, payload });
            }
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
            self.link.applied();
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
            match io::Write::write(&mut connection.stream, &connection.out) {
                Ok(written) => {
                    connection.out.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.is_writable = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let now = self.clock.turn().now();
                    self.link.lost(&error.to_string(), now);
                    return;
                }
            }
        }
    }
}
