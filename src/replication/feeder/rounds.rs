//! What the feeder thread does, in rounds: reads acknowledgements, takes what the loop says, sends what can be sent. The time and what
//! became ready come in, so that a simulation can run the rounds as well.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use super::reader::{Ask, ToReader};
use super::{FeederEvent, ToFeeder};
use crate::clock::{Clock, MonoMs, SystemClock};
use crate::limits::REPLICATION_RING_BYTES_MAX;
use crate::reactor::{HelperPoll, Readiness, Stream};
use crate::replication::acks::SILENCE_MS_MIN;
use crate::replication::feeding::{Attachment, Feeding, Fill};
use crate::replication::progress::ReplicaId;
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

/// Milliseconds between two looks at silent links.
const TICK_MS: u64 = 100;
/// Writes to one link before the others have their turn.
const WRITES_PER_TURN_MAX: usize = 8;

/// Milliseconds of silence that end a link, by `repl-timeout`.
fn silence_ms(timeout_s: u32) -> u64 {
    (u64::from(timeout_s) * 1000).max(SILENCE_MS_MIN)
}

/// The thread's state.
pub(super) struct Rounds {
    poll: HelperPoll,
    ready: Vec<Readiness>,
    receiver: Receiver<ToFeeder>,
    asking: Sender<ToReader>,
    links: HashMap<ReplicaId, Socket>,
    feeding: Feeding,
    awaited: Arc<AtomicU64>,
    /// The time of this round.
    now: MonoMs,
    next_tick: MonoMs,
    /// A socket would take more than it was given in the last round.
    has_more: bool,
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

impl Rounds {
    /// Behind `last`, the last committed update, without links.
    pub fn new(
        poll: HelperPoll,
        receiver: Receiver<ToFeeder>,
        asking: Sender<ToReader>,
        last: Seq,
        awaited: Arc<AtomicU64>,
        timeout_s: u32,
        notify: Box<dyn Fn(FeederEvent) + Send>,
    ) -> Rounds {
        Rounds {
            poll,
            ready: Vec::new(),
            receiver,
            asking,
            links: HashMap::new(),
            feeding: Feeding::new(last, REPLICATION_RING_BYTES_MAX),
            awaited,
            now: MonoMs(0),
            next_tick: MonoMs(0),
            has_more: false,
            timeout_ms: silence_ms(timeout_s),
            notify,
            history: None,
        }
    }

    /// The thread: sleeps and does rounds until it is told to stop.
    pub fn run(mut self) {
        let clock = SystemClock::new();
        loop {
            let timeout = self.sleep_time(clock.turn().now());
            if let Err(error) = self.wait(timeout) {
                log::error!("the feeder cannot poll: {error}");
                return;
            }
            if !self.round(clock.turn().now()) {
                return;
            }
        }
    }

    /// Waits until something is ready or somebody wakes it, at most for `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(timeout, &mut self.ready)
    }

    /// How long it may sleep when nothing becomes ready and nobody wakes it; `None` for ever.
    pub fn sleep_time(&self, now: MonoMs) -> Option<Duration> {
        let has_more = self.has_more || self.poll.has_events();
        match (has_more, self.links.is_empty()) {
            (true, _) => Some(Duration::ZERO),
            (false, true) => None,
            (false, false) => Some(Duration::from_millis(self.next_tick.since(now))),
        }
    }

    /// Takes what has come, from sockets and from the loop, and sends what can be sent. False at the end.
    pub fn round(&mut self, now: MonoMs) -> bool {
        self.now = now;
        let ready = std::mem::take(&mut self.ready);
        for event in &ready {
            if let Some(socket) = self.links.get_mut(&ReplicaId(event.number)) {
                socket.is_writable |= event.is_writable;
            }
        }
        for event in ready.iter().filter(|event| event.is_readable) {
            self.read(ReplicaId(event.number));
        }
        self.ready = ready;
        while let Ok(message) = self.receiver.try_recv() {
            if !self.take(message) {
                return false;
            }
        }
        if now >= self.next_tick {
            self.next_tick = MonoMs(now.0 + TICK_MS);
            for id in self.feeding.tick(now, self.timeout_ms, self.history) {
                self.drop_link(id, "it is silent for longer than repl-timeout");
            }
        }
        self.has_more = self.pump();
        true
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
            ToFeeder::Message(message) => self.feeding.message(&message),
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
        if let Err(error) = self.poll.register(&mut stream, id.0) {
            (self.notify)(FeederEvent::Gone {
                id,
                why: error.to_string(),
            });
            return;
        }
        let now = self.now;
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
            let _ = self.poll.deregister(&mut socket.stream);
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
                    let now = self.now;
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
        let now = self.now;
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
