//! The feeder thread: the sockets of the links to replicas around [`Feeding`](super::feeding::Feeding), and beside it the thread
//! that reads the WAL for replicas that are behind.
//!
//! [`rounds`] is what the feeder does, [`reader`] the other thread. The loop tells it what was committed; it tells the loop when a link
//! has gone, and when an acknowledgement has come that somebody waits for. How far each replica is stands in its
//! [`Gauge`](super::feeding::Gauge) at any time.

mod reader;
mod rounds;
#[cfg(test)]
mod stepped;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use self::reader::Reader;
use self::rounds::Rounds;
use super::feeding::Attachment;
use super::frames::Message;
use super::progress::ReplicaId;
use super::ring::Committed;
use super::runner::Runner;
use crate::reactor::{HelperWaker, Stream};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

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
    Message(Message),
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
    waker: HelperWaker,
    awaited: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
    #[cfg(test)]
    stepped: Option<stepped::Stepped>,
}

impl Feeder {
    /// Starts both threads. `notify` is called on the feeder's.
    pub fn start(
        runner: &Runner,
        wal: impl WalPieces,
        last: Seq,
        timeout_s: u32,
        notify: impl Fn(FeederEvent) + Send + 'static,
    ) -> io::Result<Feeder> {
        let poll = runner.poll()?;
        let waker = poll.waker()?;
        let (sender, receiver) = mpsc::channel();
        let (asking, asked) = mpsc::channel();
        let awaited = Arc::new(AtomicU64::new(u64::MAX));
        let reader = Reader::new(wal, asked, sender.clone(), waker.clone());
        let notify = Box::new(notify);
        let rounds = Rounds::new(
            poll,
            receiver,
            asking,
            last,
            Arc::clone(&awaited),
            timeout_s,
            notify,
        );
        let mut feeder = Feeder {
            sender,
            waker,
            awaited,
            threads: Vec::new(),
            #[cfg(test)]
            stepped: None,
        };
        feeder.run(runner, rounds, reader)?;
        Ok(feeder)
    }

    fn run(&mut self, runner: &Runner, rounds: Rounds, reader: Reader) -> io::Result<()> {
        match runner {
            Runner::Threads => {
                self.spawn("wal-reader", move || reader.run())?;
                self.spawn("feeder", move || rounds.run())
            }
            #[cfg(test)]
            Runner::Stepped(_) => {
                self.stepped = Some(stepped::Stepped::new(rounds, reader));
                Ok(())
            }
        }
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
        #[cfg(test)]
        if let Some(stepped) = self.stepped {
            return stepped.stop();
        }
        for thread in self.threads {
            if thread.join().is_err() {
                log::error!("a thread of replication panicked");
            }
        }
    }
}
