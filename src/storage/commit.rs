//! Commits: on which thread a group of writes is appended to the WAL, in one strict order.
//!
//! The loop appends a group itself where nothing can make it wait: the policy needs no sync before the reply, RocksDB
//! takes writes at full speed, the group is small, and no earlier group is still on its way. Otherwise the group, and
//! every later one until all are through, goes to the flusher ([`super::flusher`]). A group is *in the WAL* once
//! committed, and survives a `kill -9` of the process from then on; it survives a power cut once synced.
//!
//! The [`Committer`] belongs to the loop. It does no I/O but the inline append, and never waits.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{CommitFailure, StoreError, WriteError};
use super::flusher::{Flusher, Syncer};
use super::rocks::{Rocks, WriteMode};
use super::seq::Seq;

/// A longer record is appended by the flusher, in bytes. Measured with large values: 1.5 us a KiB, so this holds the loop
/// for a millisecond.
pub const INLINE_RECORD_BYTES_MAX: usize = 512 * 1024;

/// A record of more updates is appended by the flusher. Small values under random keys take 2 to 3 us each, nearly all of
/// it the memtable's skip list missing the processor's caches: from some sixty on, the hand-over and the two wake-ups
/// (20 us) cost less than what the loop and the other processor gain by working at the same time.
pub const INLINE_RECORD_UPDATES_MAX: u32 = 64;

/// Names one group; they are numbered in the order of submission, without gaps being promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

/// One record on its way to the WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Greater than that of every group before.
    pub id: GroupId,
    /// The number of its first update.
    pub first: Seq,
    /// RocksDB's write batch bytes; shared with those who send it to replicas.
    pub record: Bytes,
    /// Updates in the record: how far the sequence advances.
    pub count: u32,
}

/// When the WAL is synced to disk (`wal-sync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalSync {
    /// Before the replies leave.
    Always,
    /// Once a second.
    EverySecond,
    /// When the system likes.
    No,
}

/// What became of a group at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the WAL; `seq` is its last update.
    Committed {
        /// The last update written.
        seq: Seq,
    },
    /// It is on its way; an event will tell.
    Queued,
    /// It was not written, or that is unknown. No later group is accepted until [`Committer::retry`].
    Failed(CommitFailure),
}

/// What the flusher and the syncer tell the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitEvent {
    /// Every group up to this one is in the WAL (and, with `wal-sync always`, synced).
    Committed {
        /// The newest of them.
        up_to: GroupId,
        /// The last update written by it.
        seq: Seq,
    },
    /// RocksDB slows or stops writes; commits come late until [`CommitEvent::Resumed`].
    Stalled {
        /// The oldest group that waits.
        waiting: GroupId,
    },
    /// RocksDB takes writes at full speed again.
    Resumed,
    /// A group failed, and with it every group submitted after it.
    Failed {
        /// The oldest group that failed.
        from: GroupId,
        /// Why, and whether anything of them is in the WAL.
        failure: CommitFailure,
    },
    /// Everything up to `seq` is on disk.
    Synced {
        /// The last update synced.
        seq: Seq,
    },
    /// The system refused to sync: what was acknowledged may be lost. The process has to end.
    SyncFailed {
        /// The system's words.
        text: String,
    },
}

/// Takes events to the loop, from any thread.
pub type Notify = Arc<dyn Fn(CommitEvent) + Send + Sync>;

/// The log that groups are appended to: RocksDB, or a stand-in for tests.
pub trait Log: Clone + Send + 'static {
    /// Appends one record.
    fn write(&self, record: &[u8], mode: WriteMode) -> Result<(), WriteError>;
    /// Syncs what was appended before the call.
    fn sync_wal(&self) -> Result<(), StoreError>;
    /// The last update appended.
    fn last_seq(&self) -> Seq;
    /// Whether an append would be slowed down or stopped now.
    fn is_stalled(&self) -> bool;
}

impl Log for Rocks {
    fn write(&self, record: &[u8], mode: WriteMode) -> Result<(), WriteError> {
        Rocks::write(self, record, mode)
    }

    fn sync_wal(&self) -> Result<(), StoreError> {
        Rocks::sync_wal(self)
    }

    fn last_seq(&self) -> Seq {
        Rocks::last_seq(self)
    }

    fn is_stalled(&self) -> bool {
        Rocks::is_stalled(self)
    }
}

/// The loop's end of the commit path.
///
/// `committed <= submitted` in group order; a group is appended inline only while the two are equal.
pub struct Committer<L: Log = Rocks> {
    log: L,
    policy: WalSync,
    flusher: Flusher,
    syncer: Syncer,
    /// Groups at the flusher whose event was not handled yet, oldest first, with their bytes.
    queued: VecDeque<(GroupId, usize)>,
    queued_bytes: usize,
    /// The newest group ever submitted.
    newest: GroupId,
    /// RocksDB did not take writes at full speed when last heard of.
    stalled: bool,
    failed: Option<CommitFailure>,
    synced_seq: Option<Seq>,
    /// The loop's: neither sent nor shared.
    _loop_owned: PhantomData<*const ()>,
}

impl<L: Log> Committer<L> {
    /// Starts the flusher and the syncer over `log`; `notify` is called from both.
    pub fn start(log: L, policy: WalSync, notify: Notify) -> Committer<L> {
        Committer::over(
            Flusher::start(log.clone(), policy, Arc::clone(&notify)),
            Syncer::start(log.clone(), policy, notify),
            log,
            policy,
        )
    }

    /// The same without threads: the helpers work when [`Committer::step_flusher`] and [`Committer::step_syncer`] are called.
    #[cfg(test)]
    pub fn stepped(log: L, policy: WalSync, notify: Notify) -> Committer<L> {
        Committer::over(
            Flusher::stepped(log.clone(), policy, Arc::clone(&notify)),
            Syncer::stepped(log.clone(), policy, notify),
            log,
            policy,
        )
    }

    /// The flusher takes what waits for it and does its round; gives whether there was anything.
    #[cfg(test)]
    pub fn step_flusher(&mut self) -> bool {
        self.flusher.step()
    }

    /// The syncer does its round; gives whether it tried to sync.
    #[cfg(test)]
    pub fn step_syncer(&mut self) -> bool {
        self.syncer.step()
    }

    fn over(flusher: Flusher, syncer: Syncer, log: L, policy: WalSync) -> Committer<L> {
        Committer {
            flusher,
            syncer,
            log,
            policy,
            queued: VecDeque::new(),
            queued_bytes: 0,
            newest: GroupId(0),
            stalled: false,
            failed: None,
            synced_seq: None,
            _loop_owned: PhantomData,
        }
    }

    /// Commits a group: at once if nothing stands in the way, else through the flusher.
    ///
    /// Panics if the id is not above that of every group before: order is what everything else rests on.
    pub fn submit(&mut self, group: Group) -> Submitted {
        assert!(
            group.id > self.newest,
            "group {:?} submitted after {:?}",
            group.id,
            self.newest
        );
        self.newest = group.id;
        if let Some(failure) = &self.failed {
            let text = failure.text.clone();
            return Submitted::Failed(CommitFailure {
                text,
                reached_wal: Some(false),
            });
        }
        if self.may_append_inline(&group) {
            match self.log.write(
                &group.record,
                WriteMode {
                    no_slowdown: true,
                    sync: false,
                },
            ) {
                Ok(()) => {
                    return Submitted::Committed {
                        seq: self.log.last_seq(),
                    };
                }
                Err(WriteError::Stalled) => {}
                Err(WriteError::Failed(failure)) => {
                    self.failed = Some(failure.clone());
                    return Submitted::Failed(failure);
                }
            }
        }
        let bytes = group.record.len();
        self.queued.push_back((group.id, bytes));
        self.queued_bytes += bytes;
        self.flusher.push(group);
        Submitted::Queued
    }

    fn may_append_inline(&self, group: &Group) -> bool {
        self.policy != WalSync::Always
            && self.queued.is_empty()
            && !self.stalled
            && group.record.len() <= INLINE_RECORD_BYTES_MAX
            && group.count <= INLINE_RECORD_UPDATES_MAX
    }

    /// Takes an event of the flusher or the syncer into account. The loop passes every event here once, in order, before
    /// it acts on it.
    pub fn handle(&mut self, event: &CommitEvent) {
        match event {
            CommitEvent::Committed { up_to, seq } => {
                while let Some((id, bytes)) = self.queued.front().copied() {
                    if id > *up_to {
                        break;
                    }
                    self.queued.pop_front();
                    self.queued_bytes -= bytes;
                }
                if self.policy == WalSync::Always {
                    self.synced_seq = self.synced_seq.max(Some(*seq));
                }
            }
            CommitEvent::Stalled { .. } => self.stalled = true,
            CommitEvent::Resumed => self.stalled = false,
            CommitEvent::Failed { failure, .. } => {
                self.queued.clear();
                self.queued_bytes = 0;
                self.stalled = false;
                self.failed = Some(failure.clone());
                self.flusher.forget_failure();
            }
            CommitEvent::Synced { seq } => self.synced_seq = self.synced_seq.max(Some(*seq)),
            CommitEvent::SyncFailed { .. } => {}
        }
    }

    /// Changes `wal-sync`; groups that are on their way keep their order.
    pub fn set_policy(&mut self, policy: WalSync) {
        self.policy = policy;
        self.flusher.set_policy(policy);
        self.syncer.set_policy(policy);
    }

    /// Asks for a sync now, whatever the policy; [`CommitEvent::Synced`] follows.
    pub fn request_sync(&self) {
        self.syncer.request_sync();
    }

    /// Bytes of records on their way.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Whether every group submitted was reported committed or failed.
    pub fn is_idle(&self) -> bool {
        self.queued.is_empty()
    }

    /// Whether RocksDB slows or stops writes, as far as the loop has heard.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Why groups are refused, after a failed commit.
    pub fn failure(&self) -> Option<&CommitFailure> {
        self.failed.as_ref()
    }

    /// The last update known to be on disk.
    pub fn synced_seq(&self) -> Option<Seq> {
        self.synced_seq
    }

    /// Accepts groups again after a failure: the database has recovered, or is worth a try.
    pub fn retry(&mut self) {
        self.failed = None;
    }

    /// Ends the commit path without waiting: the threads finish what they have, and [`Retired::join`], on a worker,
    /// waits for them. For reopening the database.
    pub fn retire(self) -> Retired {
        let Committer {
            mut flusher,
            mut syncer,
            ..
        } = self;
        flusher.stop();
        syncer.stop();
        Retired { flusher, syncer }
    }

    /// Commits everything queued, syncs, and ends the threads. Waits for the disk: for the end of the process.
    ///
    /// Returns the last update synced, or why it could not be.
    pub fn shutdown(self) -> Result<Seq, StoreError> {
        let log = self.log.clone();
        self.retire().join();
        let seq = log.last_seq();
        log.sync_wal()?;
        Ok(seq)
    }
}

/// A commit path that has been told to end; its threads hold the database until [`Retired::join`] returns.
pub struct Retired {
    flusher: Flusher,
    syncer: Syncer,
}

impl Retired {
    /// Waits for the threads to end. Blocks as long as the disk does.
    pub fn join(self) {
        self.flusher.join();
        self.syncer.join();
    }
}

#[cfg(test)]
mod tests;
