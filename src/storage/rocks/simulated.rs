//! A database that stands in for RocksDB in simulations: a log of real write batches, ordered maps, and faults on order.
//!
//! [`Disk`] is what outlives a process, [`Store`] what an open database is. A directory for which a disk is [`Mounted`] is opened
//! here instead of by RocksDB; nothing of this is in the program.

mod batch;
mod disk;
pub(super) mod either;
mod image;

pub use disk::{Crash, Disk, Faults, Logged, Mounted, Refusal, disk_at};
pub use image::{Cursor, Image};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::either::Backing;
use super::super::cf::Cf;
use super::super::error::{CommitFailure, OpenError, StoreError, WriteError};
use super::super::options::OpenOptions;
use super::super::seq::Seq;
use super::filter::FilterLink;
use super::{Rocks, Shared, WriteMode};

/// An open simulated database.
pub struct Store {
    disk: Disk,
    state: Mutex<StoreState>,
}

struct StoreState {
    image: Image,
    /// Why it takes no writes any more, and whether what is in the log can be synced.
    stopped: Option<(String, bool)>,
}

impl Store {
    fn state(&self) -> MutexGuard<'_, StoreState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present state.
    pub fn image(&self) -> Image {
        self.state().image.clone()
    }

    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub fn get(&self, cf: Cf, key: &[u8]) -> Option<Arc<[u8]>> {
        self.state().image.get(cf, key)
    }

    /// Whether a look-up from memory alone finds its key there, be it present or absent.
    pub fn is_cached(&self) -> bool {
        self.disk.faults(|faults| {
            let is_cold = faults.cold_reads > 0;
            faults.cold_reads = faults.cold_reads.saturating_sub(1);
            !is_cold
        })
    }

    pub fn last_seq(&self) -> Seq {
        self.state().image.seq()
    }

    pub fn is_stalled(&self) -> bool {
        self.disk.faults(|faults| faults.is_stalled)
    }

    pub fn write(&self, record: &[u8], mode: WriteMode) -> Result<(), WriteError> {
        let failed = |text: &str, reached_wal| {
            Err(WriteError::Failed(CommitFailure {
                text: text.to_owned(),
                reached_wal,
            }))
        };
        let mut state = self.state();
        if let Some((text, _)) = &state.stopped {
            return failed(text, Some(false));
        }
        if mode.no_slowdown && self.is_stalled() {
            return Err(WriteError::Stalled);
        }
        let changes = match batch::parse(record) {
            Ok(changes) => changes,
            Err(text) => {
                state.stopped = Some((text.to_owned(), true));
                return failed(text, Some(false));
            }
        };
        if let Some(refusal) = self.disk.faults(|faults| faults.refuse_append.take()) {
            let text = "the simulated disk refused an append";
            state.stopped = Some((text.to_owned(), refusal.syncs_still));
            if refusal.reached {
                self.disk.append(record, changes.len() as u32);
            }
            return failed(text, refusal.is_known.then_some(refusal.reached));
        }
        self.disk.append(record, changes.len() as u32);
        state.image.apply(&changes);
        drop(state);
        if mode.sync {
            let synced = self.sync();
            return synced.or_else(|error| failed(&error.to_string(), Some(true)));
        }
        Ok(())
    }

    pub fn sync(&self) -> Result<(), StoreError> {
        if let Some((text, false)) = &self.state().stopped {
            return Err(StoreError::Stopped { text: text.clone() });
        }
        let mut disk = self.disk.state();
        if std::mem::take(&mut disk.faults.refuse_sync) {
            return Err(StoreError::Io {
                text: "the simulated disk refused a sync".to_owned(),
            });
        }
        disk.synced = disk.log.len();
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.disk.state().is_open = false;
    }
}

/// Opens the database on a simulated disk.
pub(super) fn open(disk: Disk, options: &OpenOptions) -> Result<Rocks, OpenError> {
    if std::mem::replace(&mut disk.state().is_open, true) {
        return Err(OpenError::Locked {
            dir: options.dir.clone(),
        });
    }
    let opened = open_locked(&disk, options);
    if opened.is_err() {
        disk.state().is_open = false;
    }
    opened
}

fn open_locked(disk: &Disk, options: &OpenOptions) -> Result<Rocks, OpenError> {
    if std::mem::take(&mut disk.state().faults.refuse_open) {
        return Err(OpenError::Io {
            what: "the simulated disk refused to be opened".to_owned(),
        });
    }
    let image = disk.recovered();
    let recovered = image.seq();
    if let Some(synced) = options.last_synced_seq
        && synced > recovered
        && !options.accept_wal_loss
    {
        return Err(OpenError::WalLoss { recovered, synced });
    }
    // RocksDB writes out what it has recovered, synced, before the database is open.
    let mut state = disk.state();
    state.synced = state.log.len();
    drop(state);
    Ok(Rocks(Arc::new(Shared {
        engine: Backing::Simulated(Store {
            disk: disk.clone(),
            state: Mutex::new(StoreState {
                image,
                stopped: None,
            }),
        }),
        link: Arc::new(FilterLink::default()),
        scans: Arc::default(),
        lock: None,
        options: options.clone(),
        families_count: Cf::COUNT as u32,
        is_replaced: false,
    })))
}

#[cfg(test)]
mod tests;
