//! The follower thread: the socket of this node's link to its primary around [`Link`](super::handshake::Link), the stream's
//! frames, and the acknowledgements.
//!
//! [`rounds`] is what it does. Batches are validated there, and go to the loop whole and in order; the loop applies them and says
//! how far it is. What is on its way to the loop is bounded: above the bound the socket is not read.

mod rounds;
#[cfg(test)]
mod stepped;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::task::Poll;

use self::rounds::Rounds;
use super::frames::Message;
use super::handshake::{LinkSettings, LinkState, Position, Problem};
use super::history::Peer as PeerKind;
use super::parting::GivenUp;
use super::runner::{RoundClock, Runner};
use crate::client::Peer;
use crate::reactor::HelperWaker;
use crate::storage::received::{BatchRules, ReceivedBatch};
use crate::storage::replication_id::{Ending, ReplicationId};
use crate::storage::seq::Seq;

/// What the loop tells the follower.
pub enum ToFollower {
    /// Where this node stands, in answer to [`FollowerEvent::AskPosition`].
    Position(Position),
    /// The copy that was fetched is this node's database now, with these rules for batches, or why it is not.
    Copied(Result<BatchRules, String>),
    /// What was given to the loop and is not committed is lost: begin anew.
    Restart,
    /// Close the connection and make another (CLIENT KILL).
    Reconnect,
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
    Message(Message),
    /// The primary's last update, and the id that it writes under.
    Status {
        last: Seq,
        id: Option<ReplicationId>,
    },
    /// The run ids of the primary and of those above it.
    Path(Vec<String>),
    /// A connection was made; the handshake comes next.
    Connected(Peer),
    /// The state of the link has changed.
    State(Shown),
    /// A full copy begins; what is replaced holds so many updates that the primary does not have.
    CopyBegins { given_up: GivenUp },
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
    pub primary: PeerKind,
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

/// How a full copy is fetched, with the settings in force and from what sort of primary: blocks, looks at the flag that says when
/// to give up, and leaves the files where the loop finds them. In a simulation it is not ready at once, and called again.
pub type Fetch =
    Box<dyn FnMut(&LinkSettings, PeerKind, &Arc<AtomicBool>) -> Poll<Result<(), String>> + Send>;

/// The histories in this node's log, the newest first, down to one that is enough; none where the log cannot be read. Blocks for
/// the disk.
pub type OwnEndings = Box<dyn Fn(&dyn Fn(ReplicationId) -> bool) -> Vec<Ending> + Send>;

/// What a follower is started with.
pub struct FollowerStart {
    /// Host name or address of the primary.
    pub host: String,
    pub port: u16,
    pub settings: LinkSettings,
    pub rules: BatchRules,
    pub fetch: Fetch,
    pub own_endings: OwnEndings,
}

/// The loop's end of the follower. Nobody waits for the thread: told to stop, it ends by itself.
pub struct Follower {
    sender: Sender<ToFollower>,
    waker: HelperWaker,
    gauge: Arc<FollowerGauge>,
    clock: RoundClock,
    #[cfg(test)]
    stepped: Option<Rounds>,
}

impl Follower {
    /// Starts the thread, which connects at once.
    pub fn start(
        runner: &Runner,
        start: FollowerStart,
        notify: impl Fn(FollowerEvent) + Send + 'static,
    ) -> io::Result<Follower> {
        let poll = runner.poll()?;
        let waker = poll.waker()?;
        let (sender, receiver) = mpsc::channel();
        let gauge = Arc::new(FollowerGauge::default());
        let rounds = Rounds::new(
            start,
            runner.clone(),
            waker.clone(),
            poll,
            receiver,
            Arc::clone(&gauge),
            Box::new(notify),
        );
        let mut follower = Follower {
            sender,
            waker,
            gauge,
            clock: rounds.clock(),
            #[cfg(test)]
            stepped: None,
        };
        follower.run(runner, rounds)?;
        Ok(follower)
    }

    fn run(&mut self, runner: &Runner, rounds: Rounds) -> io::Result<()> {
        match runner {
            Runner::Threads => {
                let thread = std::thread::Builder::new().name("follower".to_owned());
                thread.spawn(move || rounds.run())?;
            }
            #[cfg(test)]
            Runner::Stepped(_) => {
                // The first round connects.
                self.wake();
                self.stepped = Some(rounds);
            }
        }
        Ok(())
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
        let now = self.clock.now().0;
        now.saturating_sub(self.gauge.heard_at_ms.load(Ordering::Acquire))
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("the follower cannot be woken: {error}");
        }
    }
}
