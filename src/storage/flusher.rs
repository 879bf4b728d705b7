//! The two threads of the commit path: the flusher, which appends what the loop must not, and the syncer, which syncs
//! the WAL once a second and never appends.
//!
//! Both talk to the loop through [`Notify`] alone. The flusher keeps the order of its queue strictly: after a failed
//! append it drops everything behind it, until the loop has seen the failure and says so through the same queue.

mod syncer;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, LockResult, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::commit::{CommitEvent, Group, GroupId, Log, Notify, WalSync};
use super::error::{CommitFailure, StoreError, WriteError};
use super::rocks::WriteMode;
pub(in crate::storage) use syncer::Syncer;

/// Time between two looks at whether a stall is over, while nothing is there to be appended.
const STALL_POLL_INTERVAL: Duration = Duration::from_millis(5);

const FLUSHER: &str = "flusher";

/// The loop's handle on the flusher thread.
pub(super) struct Flusher {
    inbox: Arc<Inbox>,
    thread: Helper,
}

/// Who does a helper's work.
enum Helper {
    Thread(JoinHandle<()>),
    /// Nobody, until a simulation says: one step each time it is called. Gives whether there was anything to do.
    #[cfg(test)]
    Stepped(Step),
}

/// One step of a helper, to the end of what it would do before it waits again.
#[cfg(test)]
type Step = Box<dyn FnMut() -> bool + Send>;

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

    /// The same without waiting.
    #[cfg(test)]
    fn take_now(&self) -> (VecDeque<Job>, WalSync) {
        let mut state = self.lock();
        (std::mem::take(&mut state.jobs), state.policy)
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
        let (inbox, worker) = FlusherThread::new(log, policy, notify);
        Flusher {
            inbox,
            thread: spawn(FLUSHER, move || worker.run()),
        }
    }

    /// One without a thread: [`Flusher::step`] does a thread's next round.
    #[cfg(test)]
    pub(super) fn stepped<L: Log>(log: L, policy: WalSync, notify: Notify) -> Flusher {
        let (inbox, mut worker) = FlusherThread::new(log, policy, notify);
        let step: Step = Box::new(move || {
            let (jobs, policy) = worker.inbox.take_now();
            let is_busy = !jobs.is_empty() || worker.stalled;
            worker.round(jobs, policy);
            is_busy
        });
        Flusher {
            inbox,
            thread: Helper::Stepped(step),
        }
    }

    #[cfg(test)]
    pub(super) fn step(&mut self) -> bool {
        self.thread.step()
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
        self.thread.join(FLUSHER);
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
    fn new(log: L, policy: WalSync, notify: Notify) -> (Arc<Inbox>, FlusherThread<L>) {
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
        (inbox, worker)
    }

    fn run(mut self) {
        while let Some((jobs, policy)) =
            self.inbox.take(self.stalled.then_some(STALL_POLL_INTERVAL))
        {
            self.round(jobs, policy);
        }
    }

    fn round(&mut self, jobs: VecDeque<Job>, policy: WalSync) {
        self.append_all(jobs, policy);
        // With writers parked until the stall is over, no append would find out that it is.
        if self.stalled && !self.log.is_stalled() {
            self.resume();
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

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Helper {
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(handle) => Helper::Thread(handle),
        // At start-up, when the system gives no thread, there is nothing to serve with.
        Err(error) => panic!("cannot start the {name} thread: {error}"),
    }
}

impl Helper {
    #[cfg(test)]
    fn step(&mut self) -> bool {
        match self {
            Helper::Thread(_) => false,
            Helper::Stepped(step) => step(),
        }
    }

    /// Waits until it has ended.
    fn join(self, name: &str) {
        match self {
            Helper::Thread(thread) => {
                if thread.join().is_err() {
                    log::error!("the {name} thread has panicked");
                }
            }
            // What a flusher does before it ends; a syncer that was told to end syncs no more.
            #[cfg(test)]
            Helper::Stepped(mut step) => {
                if name == FLUSHER {
                    step();
                }
            }
        }
    }
}
