//! How a replica fetches full copies: one at a time, on the thread of its follower.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use super::Server;
use crate::replication::evidence::SEARCH_BYTES_MAX;
use crate::replication::fetch::{FetchProgress, FetchRequest, Introduction, fetch};
use crate::replication::follower::{Fetch, OwnEndings};
use crate::replication::history::Peer;
use crate::replication::timed::{Halt, StopFlags};
use crate::storage::rocks::db_dir;
use crate::storage::wal_source::WalSource;

/// Between two looks whether an earlier fetch has ended.
const LOOK: Duration = Duration::from_millis(20);

/// The fetches of this process.
#[derive(Default)]
pub(super) struct Fetching {
    /// How far the one under way is.
    progress: Arc<FetchProgress>,
    /// Held by whoever writes a copy: the thread of a follower that was given up may be at it still when the next one begins.
    turn: Arc<Mutex<()>>,
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
}

/// Waits until no other fetch is under way.
fn alone<'a>(turn: &'a Mutex<()>, stop: &StopFlags) -> Result<MutexGuard<'a, ()>, Halt> {
    loop {
        let guard = match turn.try_lock() {
            Ok(guard) => Some(guard),
            // Nothing is kept under the lock that a panic could have spoilt.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        // In this order: whoever has told this fetch to stop may take the lock for its end.
        stop.check()?;
        match guard {
            Some(guard) => return Ok(guard),
            None => stop.pause(LOOK)?,
        }
    }
}

impl Server {
    /// How the follower of this primary fetches a copy.
    pub(super) fn fetcher(&mut self, host: &str, port: u16) -> Fetch {
        #[cfg(test)]
        if let crate::replication::runner::Runner::Stepped(dialer) = &self.runner {
            return super::simulated::fetcher(dialer, &self.node.config.dir, host, port);
        }
        self.fetching.follows += 1;
        self.fetching.progress = Arc::default();
        let config = &self.node.config;
        let host = host.to_owned();
        let dir = config.dir.clone();
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
            let stop = StopFlags::new([Arc::clone(cancel)]);
            let _alone = alone(&turn, &stop).map_err(|halt| halt.to_string())?;
            let fetched = fetch(&request, &progress, cancel).map_err(|error| error.to_string())?;
            log::info!(
                "a full copy was fetched: {} files, {} bytes; {} files were there already",
                fetched.files,
                fetched.bytes,
                fetched.kept
            );
            Ok(())
        })
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
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_fetch_begins_when_the_one_before_has_ended_and_not_once_it_was_told_to_stop() {
        let turn = Mutex::new(());
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
}
