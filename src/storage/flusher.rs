//! The two threads of the commit path: the flusher, which appends what the loop must not, and the syncer, which syncs
//! the WAL once a second and never appends.
//!
//! Both talk to the loop through [`Notify`] alone. The flusher keeps the order of its queue strictly: after a failed
//! append it drops everything behind it, until the loop has seen the failure and says so through the same queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, LockResult, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::commit::{CommitEvent, Group, GroupId, Log, Notify, WalSync};
use super::error::{CommitFailure, StoreError, WriteError};
use super::rocks::WriteMode;
use super::seq::Seq;

/// Time between two syncs with `wal-sync everysec`.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two looks at whether a stall is over, while nothing is there to be appended.
const STALL_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The loop's handle on the flusher thread.
pub(super) struct Flusher {
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
}

/// What waits for the flusher.
struct Inbox {
    state: Mutex<InboxState>,
    filled: Condvar,
}

struct InboxState {
    jobs: VecDeque<Job>,
    policy: WalSync,
    stopping: bool,
}

enum Job {
    Append(Group),
    /// The loop knows of the failure; what follows was submitted after it.
    ForgetFailure,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, InboxState> {
        unpoisoned(self.state.lock())
    }

    /// Everything that waits, and the policy to append it under; `None` once stopped and empty.
    ///
    /// With a `patience`, comes back empty-handed when nothing has come for that long.
    fn take(&self, patience: Option<Duration>) -> Option<(VecDeque<Job>, WalSync)> {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.stopping {
                return None;
            }
            let Some(patience) = patience else {
                state = unpoisoned(self.filled.wait(state));
                continue;
            };
            let (woken, timeout) = unpoisoned(self.filled.wait_timeout(state, patience));
            if timeout.timed_out() {
                return Some((VecDeque::new(), woken.policy));
            }
            state = woken;
        }
        Some((std::mem::take(&mut state.jobs), state.policy))
    }
}

/// A panic elsewhere leaves these queues whole, as nothing is half done under their locks.
fn unpoisoned<T>(result: LockResult<T>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

impl Flusher {
    pub(super) fn start<L: Log>(log: L, policy: WalSync, notify: Notify) -> Flusher {
        let inbox = Arc::new(Inbox {
            state: Mutex::new(InboxState {
                jobs: VecDeque::new(),
                policy,
                stopping: false,
            }),
            filled: Condvar::new(),
        });
        let worker = FlusherThread {
            log,
            inbox: Arc::clone(&inbox),
            notify,
            stalled: false,
            failed: false,
        };
        Flusher {
            inbox,
            thread: spawn("flusher", move || worker.run()),
        }
    }

    pub(super) fn push(&self, group: Group) {
        self.inbox.lock().jobs.push_back(Job::Append(group));
        self.inbox.filled.notify_one();
    }

    pub(super) fn forget_failure(&self) {
        self.inbox.lock().jobs.push_back(Job::ForgetFailure);
        self.inbox.filled.notify_one();
    }

    pub(super) fn set_policy(&self, policy: WalSync) {
        self.inbox.lock().policy = policy;
    }

    /// Ends the thread after what is queued.
    pub(super) fn stop(&mut self) {
        self.inbox.lock().stopping = true;
        self.inbox.filled.notify_one();
    }

    pub(super) fn join(self) {
        join(self.thread, "flusher");
    }
}

struct FlusherThread<L> {
    log: L,
    inbox: Arc<Inbox>,
    notify: Notify,
    /// The loop was told that RocksDB stalls.
    stalled: bool,
    /// The loop was told of a failure and has not answered.
    failed: bool,
}

impl<L: Log> FlusherThread<L> {
    fn run(mut self) {
        while let Some((jobs, policy)) =
            self.inbox.take(self.stalled.then_some(STALL_POLL_INTERVAL))
        {
            self.append_all(jobs, policy);
            // With writers parked until the stall is over, no append would find out that it is.
            if self.stalled && !self.log.is_stalled() {
                self.resume();
            }
        }
    }

    fn resume(&mut self) {
        if std::mem::take(&mut self.stalled) {
            (self.notify)(CommitEvent::Resumed);
        }
    }

    /// Appends a run of groups, and tells the loop of all at once, unless a stall keeps them apart.
    fn append_all(&mut self, jobs: VecDeque<Job>, policy: WalSync) {
        let mut appended = Appended::default();
        for job in jobs {
            let group = match job {
                Job::ForgetFailure => {
                    self.failed = false;
                    continue;
                }
                Job::Append(_) if self.failed => continue,
                Job::Append(group) => group,
            };
            let was_stalled = self.stalled;
            match self.append(&group, &mut appended, policy) {
                Ok(()) => appended.push(group.id),
                Err(failure) => {
                    self.report(&mut appended, policy);
                    self.fail(group.id, failure);
                }
            }
            if was_stalled {
                // While it stalls, each append may take long: nobody waits for the next one's.
                self.report(&mut appended, policy);
            }
        }
        self.report(&mut appended, policy);
    }

    /// Appends one group, waiting for RocksDB if need be.
    fn append(
        &mut self,
        group: &Group,
        appended: &mut Appended,
        policy: WalSync,
    ) -> Result<(), CommitFailure> {
        let at_once = WriteMode {
            no_slowdown: true,
            sync: false,
        };
        match self.log.write(&group.record, at_once) {
            Ok(()) => {
                self.resume();
                return Ok(());
            }
            Err(WriteError::Failed(failure)) => return Err(failure),
            Err(WriteError::Stalled) => {}
        }
        self.report(appended, policy);
        if !self.stalled {
            self.stalled = true;
            (self.notify)(CommitEvent::Stalled { waiting: group.id });
        }
        match self.log.write(
            &group.record,
            WriteMode {
                no_slowdown: false,
                ..at_once
            },
        ) {
            Ok(()) => Ok(()),
            Err(WriteError::Failed(failure)) => Err(failure),
            Err(WriteError::Stalled) => Err(CommitFailure {
                text: "the database stalled a write that was willing to wait".to_owned(),
                reached_wal: Some(false),
            }),
        }
    }

    /// Tells the loop what was appended so far, after a sync where the policy asks for one.
    fn report(&mut self, appended: &mut Appended, policy: WalSync) {
        let Some((oldest, newest)) = appended.take() else {
            return;
        };
        let seq = self.log.last_seq();
        if policy == WalSync::Always
            && let Err(error) = self.log.sync_wal()
        {
            match error {
                // A later append has failed, and RocksDB does not sync the log any more. The groups are in it, so what
                // will become of them shows only when the database was reopened.
                StoreError::Stopped { text } => {
                    self.fail(
                        oldest,
                        CommitFailure {
                            text,
                            reached_wal: Some(true),
                        },
                    );
                }
                // Neither acknowledged nor taken back: the process ends on this event.
                error => {
                    self.failed = true;
                    (self.notify)(CommitEvent::SyncFailed {
                        text: error.to_string(),
                    });
                }
            }
            return;
        }
        (self.notify)(CommitEvent::Committed { up_to: newest, seq });
    }

    /// Reports a failure, unless an earlier group's was reported that takes this one along.
    fn fail(&mut self, from: GroupId, failure: CommitFailure) {
        if !std::mem::replace(&mut self.failed, true) {
            self.stalled = false;
            (self.notify)(CommitEvent::Failed { from, failure });
        }
    }
}

/// Groups that were appended and not reported: the oldest and the newest of them.
#[derive(Default)]
struct Appended(Option<(GroupId, GroupId)>);

impl Appended {
    fn push(&mut self, id: GroupId) {
        let oldest = self.0.map_or(id, |(oldest, _)| oldest);
        self.0 = Some((oldest, id));
    }

    fn take(&mut self) -> Option<(GroupId, GroupId)> {
        self.0.take()
    }
}

/// The loop's handle on the syncer thread.
pub(super) struct Syncer {
    control: Arc<SyncControl>,
    thread: JoinHandle<()>,
}

struct SyncControl {
    state: Mutex<SyncState>,
    changed: Condvar,
}

struct SyncState {
    policy: WalSync,
    requested: bool,
    stopping: bool,
}

impl SyncControl {
    fn lock(&self) -> MutexGuard<'_, SyncState> {
        unpoisoned(self.state.lock())
    }
}

impl Syncer {
    pub(super) fn start<L: Log>(log: L, policy: WalSync, notify: Notify) -> Syncer {
        Syncer::start_every(SYNC_INTERVAL, log, policy, notify)
    }

    pub(super) fn start_every<L: Log>(
        interval: Duration,
        log: L,
        policy: WalSync,
        notify: Notify,
    ) -> Syncer {
        let control = Arc::new(SyncControl {
            state: Mutex::new(SyncState {
                policy,
                requested: false,
                stopping: false,
            }),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&control);
        Syncer {
            control,
            thread: spawn("syncer", move || {
                sync_until_stopped(interval, &log, &theirs, &notify)
            }),
        }
    }

    pub(super) fn set_policy(&self, policy: WalSync) {
        self.control.lock().policy = policy;
    }

    pub(super) fn request_sync(&self) {
        self.control.lock().requested = true;
        self.control.changed.notify_one();
    }

    pub(super) fn stop(&mut self) {
        self.control.lock().stopping = true;
        self.control.changed.notify_one();
    }

    pub(super) fn join(self) {
        join(self.thread, "syncer");
    }
}

fn sync_until_stopped<L: Log>(interval: Duration, log: &L, control: &SyncControl, notify: &Notify) {
    let mut synced: Option<Seq> = None;
    loop {
        let (requested, policy) = {
            let state = control.lock();
            let (mut state, _) = control
                .changed
                .wait_timeout_while(state, interval, |state| !state.requested && !state.stopping)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            if state.stopping {
                return;
            }
            (std::mem::take(&mut state.requested), state.policy)
        };
        let seq = log.last_seq();
        if !requested && (policy != WalSync::EverySecond || synced == Some(seq)) {
            continue;
        }
        match log.sync_wal() {
            Ok(()) => {
                synced = Some(seq);
                notify(CommitEvent::Synced { seq });
            }
            // A write has failed before: the loop knows, or is about to, and reopens the database.
            Err(StoreError::Stopped { .. }) => {}
            Err(error) => {
                notify(CommitEvent::SyncFailed {
                    text: error.to_string(),
                });
                return;
            }
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(handle) => handle,
        // At start-up, when the system gives no thread, there is nothing to serve with.
        Err(error) => panic!("cannot start the {name} thread: {error}"),
    }
}

fn join(thread: JoinHandle<()>, name: &str) {
    if thread.join().is_err() {
        log::error!("the {name} thread has panicked");
    }
}
