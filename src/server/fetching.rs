//! How a replica fetches full copies: one at a time, on the thread of its follower.
//!
//! What a fetch leaves when it fails stays for the next try of the same follower. It goes once there will be none: when the follower is
//! given up, when its link comes up without a copy, and when the process starts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::task::Poll;
use std::time::Duration;

use super::Server;
use super::engine_options::open_options;
use super::workers::Job;
use crate::replication::evidence::SEARCH_BYTES_MAX;
use crate::replication::fetch::{
    self, FetchError, FetchProgress, FetchRequest, Introduction, fetch,
};
use crate::replication::follower::{Fetch, OwnEndings};
use crate::replication::history::Peer;
use crate::replication::parting::GivenUp;
use crate::replication::timed::{Halt, StopFlags};
use crate::storage::error::OpenError;
use crate::storage::options::OpenOptions;
use crate::storage::rocks::db_dir;
use crate::storage::swap;
use crate::storage::wal_source::WalSource;

/// Between two looks whether an earlier fetch has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The fetches of this process.
#[derive(Default)]
pub(super) struct Fetching {
    /// How far the one under way is.
    progress: Arc<FetchProgress>,
    /// Held by whoever writes a copy: the thread of a follower that was given up may be at it still when the next one begins. Counts
    /// the fetches.
    turn: Arc<Mutex<u64>>,
    /// What was left by so many fetches is gone, or a worker is about to remove it.
    discarded: u64,
    /// Primaries that were followed so far.
    follows: u64,
}

impl Fetching {
    /// How far the fetch under way is: bytes that have come, and those of the files whose sizes are known so far.
    pub(super) fn copied_bytes(&self) -> (u64, u64) {
        let done = self.progress.bytes_done.load(Ordering::Relaxed);
        (done, self.progress.bytes_known.load(Ordering::Relaxed))
    }

    /// Waits for the end of a fetch, whose follower was told to stop.
    pub(super) fn await_end(&self) {
        let _ended = self.turn.lock();
    }

    /// What the fetches so far may have left.
    pub(super) fn leftovers(&self) -> Leftovers {
        Leftovers {
            turn: Arc::clone(&self.turn),
            fetches: self.discarded,
        }
    }
}

/// What the first so many fetches of this process, and earlier processes, have left.
pub(super) struct Leftovers {
    turn: Arc<Mutex<u64>>,
    fetches: u64,
}

impl Leftovers {
    /// Removes it, unless another fetch has begun since: that one sees to it, and what it fetches must stay.
    pub(super) fn discard(&self, dir: &Path) {
        if let Some(fetches) = try_take(&self.turn)
            && *fetches == self.fetches
        {
            discard(dir);
        }
    }
}

/// The turn, if nobody has it.
fn try_take(turn: &Mutex<u64>) -> Option<MutexGuard<'_, u64>> {
    match turn.try_lock() {
        Ok(guard) => Some(guard),
        // A count that a panic cannot have spoilt.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Waits until no other fetch is under way.
fn alone<'a>(turn: &'a Mutex<u64>, stop: &StopFlags) -> Result<MutexGuard<'a, u64>, Halt> {
    loop {
        let guard = try_take(turn);
        // In this order: whoever has told this fetch to stop may take the lock for its end.
        stop.check()?;
        match guard {
            Some(guard) => return Ok(guard),
            None => stop.pause(LOOK)?,
        }
    }
}

fn discard(dir: &Path) {
    if let Err(error) = fetch::discard(dir) {
        log::warn!("what was fetched of a full copy cannot be removed: {error}");
    }
}

/// Why there is no copy.
enum Failure {
    /// What has come so far is good for the next try.
    Fetch(FetchError),
    /// It is not.
    Useless(OpenError),
}

/// Fetches a copy. Tables of an earlier try are only known by their names, and the database of the primary may have been replaced since:
/// then the copy is a mixture, which the engine would notice when somebody reads it.
fn fetch_checked(
    request: &FetchRequest,
    progress: &FetchProgress,
    cancel: &Arc<AtomicBool>,
    options: &OpenOptions,
) -> Result<(), Failure> {
    let fetched = fetch(request, progress, cancel).map_err(Failure::Fetch)?;
    log::info!(
        "a full copy was fetched: {} files, {} bytes; {} files were there already",
        fetched.files,
        fetched.bytes,
        fetched.kept
    );
    match fetched.kept {
        0 => Ok(()),
        _ => swap::check_tables(options).map_err(Failure::Useless),
    }
}

/// Fetches a copy once no other fetch is under way, and leaves what the next try of the same follower can use.
fn fetch_alone(
    request: &FetchRequest,
    turn: &Mutex<u64>,
    progress: &FetchProgress,
    cancel: &Arc<AtomicBool>,
    options: &OpenOptions,
) -> Result<(), String> {
    let stop = StopFlags::new([Arc::clone(cancel)]);
    let mut fetches = alone(turn, &stop).map_err(|halt| halt.to_string())?;
    *fetches += 1;
    let result = fetch_checked(request, progress, cancel, options);
    let is_useless = matches!(result, Err(Failure::Useless(_)));
    if is_useless || stop.check().is_err() {
        discard(&request.dir);
    }
    result.map_err(|failure| match failure {
        Failure::Fetch(error) => error.to_string(),
        Failure::Useless(error) => {
            format!(
                "files that were fetched earlier are not of this copy, all are discarded: {error}"
            )
        }
    })
}

/// Says in the log that this node's data is about to be replaced, and what goes with it.
pub(super) fn announce_copy(given_up: GivenUp) {
    log::warn!("copying all data of the primary; {given_up}");
}

impl Server {
    /// How the follower of this primary fetches a copy.
    pub(super) fn fetcher(&mut self, host: &str, port: u16) -> Fetch {
        #[cfg(test)]
        if let crate::replication::runner::Runner::Stepped(dialer) = &self.runner {
            return super::simulated::fetcher(dialer, host, port);
        }
        self.fetching.follows += 1;
        self.fetching.progress = Arc::default();
        let config = &self.node.config;
        let host = host.to_owned();
        let dir = config.dir.clone();
        let options = open_options(config);
        // New with every following: what an earlier one has fetched is of a database that may have changed.
        let origin = format!(
            "{host}:{port} {} {}",
            self.node.run_id, self.fetching.follows
        );
        let reserve_bytes = config.disk_reserve;
        let progress = Arc::clone(&self.fetching.progress);
        let turn = Arc::clone(&self.fetching.turn);
        Box::new(move |settings, primary, cancel| {
            let request = FetchRequest {
                host: host.clone(),
                port,
                user: settings.user.clone(),
                own: (primary == Peer::Stillpoint).then(|| Introduction {
                    port: settings.port,
                    ip: settings.ip.clone(),
                    run_id: settings.run_id.clone(),
                }),
                password: (!settings.password.is_empty()).then(|| settings.password.clone()),
                dir: dir.clone(),
                origin: origin.clone(),
                connect_ms: settings.connect_ms.min(settings.timeout_ms),
                stall_ms: settings.timeout_ms,
                reserve_bytes,
            };
            Poll::Ready(fetch_alone(&request, &turn, &progress, cancel, &options))
        })
    }

    /// Has what is left of fetches removed: there is no follower that would go on with it.
    pub(super) fn discard_unused_copy(&mut self) {
        // Whoever holds it has just begun, or was told to stop and clears away itself.
        let Some(fetches) = try_take(&self.fetching.turn).map(|fetches| *fetches) else {
            return;
        };
        if std::mem::replace(&mut self.fetching.discarded, fetches) == fetches {
            return;
        }
        let (leftovers, dir) = (self.fetching.leftovers(), self.node.config.dir.clone());
        self.workers
            .give(Job::new(move |_| leftovers.discard(&dir)));
    }
}

/// The histories in the log of the database in this directory, for who counts what a full copy gives up.
pub(super) fn own_endings(dir: &Path) -> OwnEndings {
    let dir = dir.to_owned();
    Box::new(move |is_enough| {
        let found = WalSource::new(db_dir(&dir)).endings(is_enough, SEARCH_BYTES_MAX);
        found.unwrap_or_else(|error| {
            log::warn!("this node's log does not tell how much is given up: {error}");
            Vec::new()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_begins_when_the_one_before_has_ended_and_not_once_it_was_told_to_stop() {
        let turn = Mutex::new(0);
        let flag = Arc::new(AtomicBool::new(false));
        let stop = StopFlags::new([Arc::clone(&flag)]);
        std::thread::scope(|scope| {
            let held = alone(&turn, &stop).expect("nobody else");
            let waiting = scope.spawn(|| alone(&turn, &stop).is_ok());
            drop(held);
            assert!(waiting.join().expect("no panic"));
            let _held = alone(&turn, &stop).expect("nobody else");
            let waiting = scope.spawn(|| alone(&turn, &stop).is_ok());
            flag.store(true, Ordering::Release);
            assert!(!waiting.join().expect("no panic"));
        });
        // Free, but told to stop.
        assert!(matches!(alone(&turn, &stop), Err(Halt::Cancelled)));
    }

    #[test]
    fn what_fetches_have_left_is_removed_unless_another_one_has_begun() {
        let dir = tempfile::tempdir().expect("a directory");
        let copy = swap::copy_dir(dir.path());
        let fetching = Fetching::default();
        let leave = || std::fs::create_dir_all(copy.join("000009.sst")).expect("a file");
        leave();
        let leftovers = fetching.leftovers();
        let held = fetching.turn.lock().expect("nobody else");
        leftovers.discard(dir.path());
        drop(held);
        assert!(copy.exists(), "a fetch is under way");
        leftovers.discard(dir.path());
        assert!(!copy.exists());
        leave();
        *fetching.turn.lock().expect("nobody else") += 1;
        leftovers.discard(dir.path());
        assert!(copy.exists(), "a later one has brought it");
    }
}
