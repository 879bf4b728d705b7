//! The syncer: the thread that syncs the WAL once a second, and when it is asked to. It never appends.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

#[cfg(test)]
use super::Step;
use super::{Helper, spawn, unpoisoned};
use crate::storage::commit::{CommitEvent, Log, Notify, WalSync};
use crate::storage::error::StoreError;
use crate::storage::seq::Seq;

/// Time between two syncs with `wal-sync everysec`.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// The loop's handle on the syncer thread.
pub(in crate::storage) struct Syncer {
    control: Arc<SyncControl>,
    thread: Helper,
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
    fn new(policy: WalSync) -> Arc<SyncControl> {
        Arc::new(SyncControl {
            state: Mutex::new(SyncState {
                policy,
                requested: false,
                stopping: false,
            }),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, SyncState> {
        unpoisoned(self.state.lock())
    }
}

impl Syncer {
    pub(in crate::storage) fn start<L: Log>(log: L, policy: WalSync, notify: Notify) -> Syncer {
        Syncer::start_every(SYNC_INTERVAL, log, policy, notify)
    }

    pub(in crate::storage) fn start_every<L: Log>(
        interval: Duration,
        log: L,
        policy: WalSync,
        notify: Notify,
    ) -> Syncer {
        let control = SyncControl::new(policy);
        let theirs = Arc::clone(&control);
        Syncer {
            control,
            thread: spawn("syncer", move || {
                sync_until_stopped(interval, &log, &theirs, &notify)
            }),
        }
    }

    /// One without a thread: [`Syncer::step`] does what a thread does once a second.
    #[cfg(test)]
    pub(in crate::storage) fn stepped<L: Log>(log: L, policy: WalSync, notify: Notify) -> Syncer {
        let control = SyncControl::new(policy);
        let theirs = Arc::clone(&control);
        let mut round = SyncRound::default();
        let step: Step = Box::new(move || {
            let mut state = theirs.lock();
            let (requested, policy) = (std::mem::take(&mut state.requested), state.policy);
            drop(state);
            !round.has_ended && round.sync(requested, policy, &log, &notify)
        });
        Syncer {
            control,
            thread: Helper::Stepped(step),
        }
    }

    #[cfg(test)]
    pub(in crate::storage) fn step(&mut self) -> bool {
        self.thread.step()
    }

    pub(in crate::storage) fn set_policy(&self, policy: WalSync) {
        self.control.lock().policy = policy;
    }

    pub(in crate::storage) fn request_sync(&self) {
        self.control.lock().requested = true;
        self.control.changed.notify_one();
    }

    pub(in crate::storage) fn stop(&mut self) {
        self.control.lock().stopping = true;
        self.control.changed.notify_one();
    }

    pub(in crate::storage) fn join(self) {
        self.thread.join("syncer");
    }
}

fn sync_until_stopped<L: Log>(interval: Duration, log: &L, control: &SyncControl, notify: &Notify) {
    let mut round = SyncRound::default();
    while !round.has_ended {
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
        round.sync(requested, policy, log, notify);
    }
}

/// What the syncer knows from one round to the next.
#[derive(Default)]
struct SyncRound {
    synced: Option<Seq>,
    /// The system has refused: there is no next one.
    has_ended: bool,
}

impl SyncRound {
    /// Syncs if the policy or a request asks for it and there is anything new. Gives whether it tried.
    fn sync<L: Log>(&mut self, requested: bool, policy: WalSync, log: &L, notify: &Notify) -> bool {
        let seq = log.last_seq();
        if !requested && (policy != WalSync::EverySecond || self.synced == Some(seq)) {
            return false;
        }
        match log.sync_wal() {
            Ok(()) => {
                self.synced = Some(seq);
                notify(CommitEvent::Synced { seq });
            }
            // A write has failed before: the loop knows, or is about to, and reopens the database.
            Err(StoreError::Stopped { .. }) => {}
            Err(error) => {
                notify(CommitEvent::SyncFailed {
                    text: error.to_string(),
                });
                self.has_ended = true;
            }
        }
        true
    }
}
