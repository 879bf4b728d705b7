//! The feeder thread: the sockets of the links to replicas around [`Feeding`], and beside it the thread that reads the WAL for
//! replicas that are behind.
//!
//! The loop tells it what was committed; it tells the loop when a link has gone, and when an acknowledgement has come that
//! somebody waits for. How far each replica is stands in its [`Gauge`](super::feeding::Gauge) at any time.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, Waker};

use super::acks::SILENCE_MS_MIN;
use super::feeding::{Attachment, Feeding, Fill};
use super::progress::ReplicaId;
use super::ring::Committed;
use crate::clock::{Clock, MonoMs, SystemClock};
use crate::limits::REPLICATION_RING_BYTES_MAX;
use crate::reactor::Stream;
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

const WAKER: Token = Token(usize::MAX);
/// Milliseconds between two looks at silent links.
const TICK_MS: u64 = 100;
/// Writes to one link before the others have their turn.
const WRITES_PER_TURN_MAX: usize = 8;

/// What the loop tells the feeder.
pub enum ToFeeder {
    /// A replica was accepted: its socket, and what it is sent first.
    Attach {
        attachment: Attachment,
        stream: Stream,
        /// Sent before the stream.
        greeting: Vec<u8>,
        /// What the replica has sent behind its PSYNC already.
        arrived: Vec<u8>,
    },
    /// A record was committed.
    Committed(Committed),
    /// What was committed up to here was not told, or is not true any more.
    Restart(Seq),
    /// This node writes under another id now, or under none.
    SetHistory(Option<ReplicationId>),
    /// The run ids of this node and of those above it.
    SetPath(Vec<String>),
    /// A message for the subscribers of replicas.
    Message { channel: Bytes, payload: Bytes },
    /// Ask for acknowledgements now.
    AskForAcks,
    /// Close these links; `None` for all.
    Close(Option<ReplicaId>),
    /// Seconds after which a silent link is given up.
    SetTimeout(u32),
    /// A piece of the WAL was read.
    Piece(ReplicaId, Result<Vec<Committed>, String>),
    /// End, closing all links.
    Stop,
}

/// What the feeder tells the loop.
#[derive(Debug, PartialEq, Eq)]
pub enum FeederEvent {
    /// The link has ended, for this reason.
    Gone { id: ReplicaId, why: String },
    /// An acknowledgement has reached what the loop waits for.
    Acknowledged,
}

/// Reads the WAL for one link after the other: gives whole committed records from a sequence on, none when there is nothing
/// yet. Lives on a thread of its own.
pub trait WalPieces: Send + 'static {
    /// The next records from `from` on, up to `up_to`.
    fn read(&mut self, id: ReplicaId, from: Seq, up_to: Seq) -> Result<Vec<Committed>, String>;
    /// The link is not read for any more.
    fn forget(&mut self, id: ReplicaId);
}

/// The loop's end of the feeder.
pub struct Feeder {
    sender: Sender<ToFeeder>,
    waker: Arc<Waker>,
    awaited: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Feeder {
    /// Starts both threads. `notify` is called on the feeder's.
    pub fn start(
        wal: impl WalPieces,
        last: Seq,
        timeout_s: u32,
        notify: impl Fn(FeederEvent) + Send + 'static,
    ) -> io::Result<Feeder> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, receiver) = mpsc::channel();
        let (asking, asked) = mpsc::channel();
        let awaited = Arc::new(AtomicU64::new(u64::MAX));
        let shell = Shell {
            poll,
            receiver,
            asking,
            links: HashMap::new(),
            feeding: Feeding::new(last, REPLICATION_RING_BYTES_MAX),
            awaited: Arc::clone(&awaited),
            clock: SystemClock::new(),
            timeout_ms: silence_ms(timeout_s),
            notify: Box::new(notify),
            history: None,
        };
        let mut feeder = Feeder {
            sender,
            waker,
            awaited,
            threads: Vec::new(),
        };
        let answer = feeder.sender.clone();
        let answer_waker = Arc::clone(&feeder.waker);
        feeder.spawn("wal-reader", move || {
            read_wal(wal, &asked, &answer, &answer_waker)
        })?;
        feeder.spawn("feeder", move || shell.run())?;
        Ok(feeder)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Tells the feeder something.
    pub fn tell(&self, message: ToFeeder) {
        if self.sender.send(message).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("the feeder cannot be woken: {error}");
        }
    }

    /// The loop wants to hear of acknowledgements that reach `seq`; `None`: of none.
    pub fn set_awaited(&self, seq: Option<Seq>) {
        self.awaited
            .store(seq.map_or(u64::MAX, Seq::get), Ordering::Release);
    }

    /// Ends the threads and waits for them.
    pub fn stop(self) {
        self.tell(ToFeeder::Stop);
        for thread in self.threads {
            if thread.join().is_err() {
                log::error!("a thread of replication panicked");
            }
        }
    }
}

/// Milliseconds of silence that end a link, by `repl-timeout`.
fn silence_ms(timeout_s: u32) -> u64 {
    (u64::from(timeout_s) * 1000).max(SILENCE_MS_MIN)
}

/// A request for a piece of the WAL.
struct Ask {
    id: ReplicaId,
    from: Seq,
    up_to: Seq,
}

/// What the reading thread is asked.
enum ToReader {
    Read(Ask),
    Forget(ReplicaId),
}

fn read_wal(
    mut wal: impl WalPieces,
    asked: &Receiver<ToReader>,
    answer: &Sender<ToFeeder>,
    waker: &Waker,
) {
    while let Ok(message) = asked.recv() {
        match message {
            ToReader::Forget(id) => wal.forget(id),
            ToReader::Read(Ask { id, from, up_to }) => {
                let piece = wal.read(id, from, up_to);
                if answer.send(ToFeeder::Piece(id, piece)).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        }
    }
}

struct Shell {
    poll: Poll,
    receiver: Receiver<ToFeeder>,
    asking: Sender<ToReader>,
    links: HashMap<ReplicaId, Socket>,
    feeding: Feeding,
    awaited: Arc<AtomicU64>,
    clock: SystemClock,
    timeout_ms: u64,
    notify: Box<dyn Fn(FeederEvent) + Send>,
    history: Option<ReplicationId>,
}

struct Socket {
    stream: Stream,
    is_writable: bool,
    /// Sent before everything else.
    greeting: Vec<u8>,
}

impl Shell {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut next_tick = self.now().0 + TICK_MS;
        let mut has_more = false;
        loop {
            let timeout = match (has_more, self.links.is_empty()) {
                (true, _) => Some(Duration::ZERO),
                (false, true) => None,
                (false, false) => Some(Duration::from_millis(
                    next_tick.saturating_sub(self.now().0),
                )),
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    log::error!("the feeder cannot poll: {error}");
                    return;
                }
            }
            let mut readable = Vec::new();
            for event in &events {
                if event.token() == WAKER {
                    continue;
                }
                let id = ReplicaId(event.token().0 as u64);
                let Some(socket) = self.links.get_mut(&id) else {
                    continue;
                };
                socket.is_writable |= event.is_writable();
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    readable.push(id);
                }
            }
            for id in readable {
                self.read(id);
            }
            while let Ok(message) = self.receiver.try_recv() {
                if !self.take(message) {
                    return;
                }
            }
            let now = self.now();
            if now.0 >= next_tick {
                next_tick = now.0 + TICK_MS;
                for id in self.feeding.tick(now, self.timeout_ms, self.history) {
                    self.drop_link(id, "it is silent for longer than repl-timeout");
                }
            }
            has_more = self.pump();
        }
    }

    fn now(&self) -> MonoMs {
        self.clock.turn().now()
    }

    /// False at the end.
    fn take(&mut self, message: ToFeeder) -> bool {
        match message {
            ToFeeder::Attach {
                attachment,
                stream,
                greeting,
                arrived,
            } => self.attach(attachment, stream, greeting, &arrived),
            ToFeeder::Committed(record) => self.feeding.committed(record),
            ToFeeder::Restart(last) => self.feeding.restart(last),
            ToFeeder::SetHistory(id) => {
                self.history = id;
                self.feeding.tell_history(id);
            }
            ToFeeder::SetPath(path) => self.feeding.tell_path(&path),
            ToFeeder::Message { channel, payload } => self.feeding.message(&channel, &payload),
            ToFeeder::AskForAcks => self.feeding.ask_for_acks(),
            ToFeeder::Close(Some(id)) => self.drop_link(id, "closed by this node"),
            ToFeeder::Close(None) => {
                for id in self.feeding.ids() {
                    self.drop_link(id, "closed by this node");
                }
            }
            ToFeeder::SetTimeout(seconds) => self.timeout_ms = silence_ms(seconds),
            ToFeeder::Piece(id, Ok(records)) => self.feeding.piece(id, &records),
            ToFeeder::Piece(id, Err(text)) => {
                self.drop_link(id, &format!("the log cannot be read for it: {text}"));
            }
            ToFeeder::Stop => return false,
        }
        true
    }

    fn attach(
        &mut self,
        attachment: Attachment,
        mut stream: Stream,
        greeting: Vec<u8>,
        arrived: &[u8],
    ) {
        let id = attachment.id;
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(id.0 as usize);
        if let Err(error) = stream.register(self.poll.registry(), token, interest) {
            (self.notify)(FeederEvent::Gone {
                id,
                why: error.to_string(),
            });
            return;
        }
        let now = self.now();
        self.feeding.attach(attachment, now);
        self.links.insert(
            id,
            Socket {
                stream,
                is_writable: true,
                greeting,
            },
        );
        if let Err(why) = self.feeding.received(id, arrived, now) {
            self.drop_link(id, &why);
        }
    }

    fn drop_link(&mut self, id: ReplicaId, why: &str) {
        self.feeding.detach(id);
        if let Some(mut socket) = self.links.remove(&id) {
            // Closing takes it out of the poll as well.
            let _ = socket.stream.deregister(self.poll.registry());
            let _ = self.asking.send(ToReader::Forget(id));
            (self.notify)(FeederEvent::Gone {
                id,
                why: why.to_owned(),
            });
        }
    }

    fn read(&mut self, id: ReplicaId) {
        let mut buffer = [0; 4096];
        let awaited = self.awaited.load(Ordering::Acquire);
        loop {
            let Some(socket) = self.links.get_mut(&id) else {
                return;
            };
            match socket.stream.read(&mut buffer) {
                Ok(0) => return self.drop_link(id, "it has closed the connection"),
                Ok(bytes) => {
                    let now = self.now();
                    match self.feeding.received(id, &buffer[..bytes], now) {
                        Ok(Some(acknowledged)) if acknowledged.get() >= awaited => {
                            (self.notify)(FeederEvent::Acknowledged);
                        }
                        Ok(_) => {}
                        Err(why) => return self.drop_link(id, &why),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.drop_link(id, &error.to_string()),
            }
        }
    }

    /// Sends what can be sent; says whether a socket would have taken more.
    fn pump(&mut self) -> bool {
        let mut has_more = false;
        for id in self.feeding.ids() {
            for number in 0.. {
                if number == WRITES_PER_TURN_MAX {
                    has_more = true;
                    break;
                }
                match self.send_once(id) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => {
                        self.drop_link(id, &why);
                        break;
                    }
                }
            }
        }
        has_more
    }

    /// Writes once to a link's socket; whether it may take more and there may be more.
    fn send_once(&mut self, id: ReplicaId) -> Result<bool, String> {
        if let Fill::NeedsWal { from } = self.feeding.fill(id) {
            let up_to = self.feeding.last();
            let _ = self.asking.send(ToReader::Read(Ask { id, from, up_to }));
        }
        let now = self.now();
        let Some(socket) = self.links.get_mut(&id) else {
            return Ok(false);
        };
        let is_greeting = !socket.greeting.is_empty();
        let bytes = if is_greeting {
            &socket.greeting[..]
        } else {
            self.feeding.sendable(id)
        };
        if bytes.is_empty() || !socket.is_writable {
            return Ok(false);
        }
        match socket.stream.write(bytes) {
            Ok(written) => {
                socket.is_writable = written == bytes.len();
                if is_greeting {
                    socket.greeting.drain(..written);
                } else {
                    self.feeding.sent(id, written, now);
                }
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.is_writable = false;
                Ok(false)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }
}
