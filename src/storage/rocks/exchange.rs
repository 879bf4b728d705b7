//! Closing a database that is in use by other threads, and opening it, or what was put in its place, again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::super::error::OpenError;
use super::super::options::OpenOptions;
use super::super::seq::Seq;
use super::open::{self, DirLock};
use super::{REOPEN_POLL_INTERVAL, ReopenError, Rocks};

/// A database that was closed; its directory stays locked as long as this lives.
pub struct Closed {
    options: Box<OpenOptions>,
    lock: Option<DirLock>,
}

impl Rocks {
    /// Closes the database. Waits, for a worker: every other handle and snapshot has to be dropped meanwhile; after
    /// `patience` the attempt ends and the database is open as before.
    pub fn close(mut self, patience: Duration) -> Result<Closed, Rocks> {
        #[cfg(test)]
        let patience = match self.simulated() {
            // Nothing else happens while this waits.
            Some(_) => Duration::ZERO,
            None => patience,
        };
        let mut waited = Duration::ZERO;
        let closed = loop {
            if let Some(shared) = Arc::get_mut(&mut self.0) {
                break Closed {
                    options: Box::new(shared.options.clone()),
                    lock: shared.lock.take(),
                };
            }
            if waited >= patience {
                return Err(self);
            }
            std::thread::sleep(REOPEN_POLL_INTERVAL);
            waited += REOPEN_POLL_INTERVAL;
        };
        drop(self);
        Ok(closed)
    }

    /// Closes the database and opens it again, which is how RocksDB recovers from a failed write to its WAL. Waits: for
    /// a worker.
    ///
    /// Every other handle and snapshot has to be dropped meanwhile; after `patience` the attempt ends with
    /// [`ReopenError::InUse`]. `committed` is the last update whose commit was reported: it must still be there. The
    /// directory stays locked throughout.
    pub fn reopen(self, committed: Seq, patience: Duration) -> Result<Rocks, ReopenError> {
        let closed = self.close(patience).map_err(ReopenError::InUse)?;
        closed
            .open(Some(committed))
            .map_err(|failed| ReopenError::Failed(failed.1))
    }
}

impl Closed {
    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.options.dir
    }

    /// The options it was open with.
    pub fn options(&self) -> &OpenOptions {
        &self.options
    }

    /// Opens what is in the directory now. `synced` is an update that must be there, as far as one is known. On an error
    /// the directory stays closed and locked.
    pub fn open(self, synced: Option<Seq>) -> Result<Rocks, (Closed, OpenError)> {
        let options = OpenOptions {
            last_synced_seq: synced,
            accept_wal_loss: false,
            ..(*self.options).clone()
        };
        open::open_locked(&options, self.lock.clone()).map_err(|error| (self, error))
    }
}
