//! A simulated disk: what of a node outlives its process. The log of appended batches, how much of it a power cut would leave, the
//! state file, and the faults that a test orders.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::super::seq::Seq;
use super::batch;
use super::image::Image;

/// One record of the log.
#[derive(Clone)]
pub struct Logged {
    /// Its first update.
    pub first: u64,
    /// How many updates it holds.
    pub count: u32,
    pub bytes: Arc<[u8]>,
}

impl Logged {
    /// Its last update.
    pub fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }
}

/// How the next append fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether the record stands in the log all the same.
    pub reached: bool,
    /// Whether that can be found out.
    pub is_known: bool,
    /// Whether what was appended before can still be synced.
    pub syncs_still: bool,
}

/// Faults in force, and what happens under them.
#[derive(Default)]
pub struct Faults {
    /// The next append fails like this.
    pub refuse_append: Option<Refusal>,
    /// The next sync fails.
    pub refuse_sync: bool,
    /// The next attempt to open the database fails.
    pub refuse_open: bool,
    /// Appends that do not wait are refused for the moment.
    pub is_stalled: bool,
    /// The next look-ups from memory alone find nothing there, so many times.
    pub cold_reads: u32,
}

/// How a process ended without its doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process alone: everything appended is there.
    Process,
    /// The machine: of what was appended and not synced, so many records are left (at most as many as there were).
    Power {
        unsynced_records_left: usize,
        /// Of each write into the state file that was not synced, so many bytes are left.
        state_bytes_left: usize,
    },
}

pub(super) struct DiskState {
    pub log: Vec<Logged>,
    /// So many of its first records are in tables alone: they came with a full copy.
    pub tables_only: usize,
    /// Records on stable storage.
    pub synced: usize,
    /// A full copy that was fetched and is not in place.
    pub copy: Option<Vec<Logged>>,
    /// A copy was put in place, and the state file may speak of the data before.
    pub is_replaced: bool,
    /// Full copies that were put in place.
    pub copies: usize,
    pub state_file: Option<Vec<u8>>,
    /// The state file on stable storage.
    pub synced_state_file: Option<Vec<u8>>,
    /// What was written into it since, and where.
    pub unsynced_state: Vec<(usize, Vec<u8>)>,
    pub faults: Faults,
    pub free_bytes: u64,
    /// Whether a process has it open.
    pub is_open: bool,
}

/// A disk; clones are the same one.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<DiskState>>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a simulated disk")
    }
}

thread_local! {
    /// Simulated disks of this thread's tests, by data directory.
    static MOUNTED: RefCell<BTreeMap<PathBuf, Disk>> = const { RefCell::new(BTreeMap::new()) };
}

/// The simulated disk at a data directory, if there is one.
pub fn disk_at(dir: &Path) -> Option<Disk> {
    MOUNTED.with_borrow(|mounted| mounted.get(dir).cloned())
}

/// A disk at its place. It leaves when this goes.
pub struct Mounted {
    dir: PathBuf,
    pub disk: Disk,
}

impl Mounted {
    /// An empty disk for the data directory `dir`, which exists nowhere else and for this thread only.
    pub fn new(dir: &Path) -> Mounted {
        let disk = Disk(Arc::new(Mutex::new(DiskState {
            log: Vec::new(),
            tables_only: 0,
            synced: 0,
            copy: None,
            is_replaced: false,
            copies: 0,
            state_file: None,
            synced_state_file: None,
            unsynced_state: Vec::new(),
            faults: Faults::default(),
            free_bytes: 1 << 40,
            is_open: false,
        })));
        MOUNTED.with_borrow_mut(|mounted| mounted.insert(dir.to_path_buf(), disk.clone()));
        Mounted {
            dir: dir.to_path_buf(),
            disk,
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        MOUNTED.with_borrow_mut(|mounted| mounted.remove(&self.dir));
    }
}

impl Disk {
    pub(super) fn state(&self) -> MutexGuard<'_, DiskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the faults in force.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.state().faults)
    }

    /// The last update in the log.
    pub fn last_seq(&self) -> Seq {
        let last = self.state().log.last().map_or(0, Logged::last);
        Seq::new(last)
    }

    /// The last update that a power cut would leave.
    pub fn synced_seq(&self) -> Seq {
        let state = self.state();
        let last = state.synced.checked_sub(1).map(|at| state.log[at].last());
        Seq::new(last.unwrap_or(0))
    }

    /// Records that a power cut may take.
    pub fn unsynced_records(&self) -> usize {
        let state = self.state();
        state.log.len() - state.synced
    }

    /// The record in the log that holds `seq`, or the first one behind it.
    pub fn record_at(&self, seq: Seq) -> Option<Logged> {
        let state = self.state();
        let log = &state.log[state.tables_only..];
        let behind = log.partition_point(|record| record.last() < seq.get());
        log.get(behind).cloned()
    }

    /// The first update in the log.
    pub fn oldest(&self) -> Option<Seq> {
        let first = self.record_at(Seq::ZERO);
        first.map(|record| Seq::new(record.first))
    }

    /// The records in the log, the newest first.
    pub fn newest_first(&self) -> Vec<Logged> {
        let state = self.state();
        state.log[state.tables_only..]
            .iter()
            .rev()
            .cloned()
            .collect()
    }

    /// What a checkpoint that is made now holds.
    pub fn checkpoint(&self) -> Vec<Logged> {
        self.state().log.clone()
    }

    /// A full copy of another disk's data was fetched, and waits to be put in place.
    pub fn put_copy(&self, records: Vec<Logged>) {
        self.state().copy = Some(records);
    }

    /// Whether a fetched copy waits.
    pub fn has_copy(&self) -> bool {
        self.state().copy.is_some()
    }

    /// Puts the fetched copy in the place of the data, if there is one.
    pub fn replace(&self) -> bool {
        let mut state = self.state();
        let Some(copy) = state.copy.take() else {
            return false;
        };
        state.tables_only = copy.len();
        state.synced = copy.len();
        state.log = copy;
        state.is_replaced = true;
        state.copies += 1;
        true
    }

    /// The state file speaks of the copy that was put in place.
    pub fn finish_replacement(&self) {
        self.state().is_replaced = false;
    }

    /// Full copies that were put in place.
    pub fn copies(&self) -> usize {
        self.state().copies
    }

    /// What a process that opens the database now would find.
    pub fn recovered(&self) -> Image {
        let mut image = Image::default();
        for record in &self.state().log {
            if let Ok(changes) = batch::parse(&record.bytes) {
                image.apply(&changes);
            }
        }
        image
    }

    pub(super) fn append(&self, record: &[u8], count: u32) {
        let mut state = self.state();
        let first = state.log.last().map_or(0, Logged::last) + 1;
        let mut bytes = record.to_vec();
        // The engine writes the number that it gives into the record.
        bytes[..8].copy_from_slice(&first.to_le_bytes());
        state.log.push(Logged {
            first,
            count,
            bytes: bytes.into(),
        });
    }

    /// The process that has it open is gone; call it after everything of the process was dropped.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.is_open = false;
        state.faults = Faults::default();
        if let Crash::Power {
            unsynced_records_left,
            state_bytes_left,
        } = crash
        {
            let left = state.synced.saturating_add(unsynced_records_left);
            state.log.truncate(left);
            let mut file = state.synced_state_file.clone();
            for (at, bytes) in std::mem::take(&mut state.unsynced_state) {
                let left = &bytes[..bytes.len().min(state_bytes_left)];
                if let Some(file) = &mut file {
                    file[at..at + left.len()].copy_from_slice(left);
                }
            }
            state.synced_state_file.clone_from(&file);
            state.state_file = file;
        }
    }

    pub fn free_bytes(&self) -> u64 {
        self.state().free_bytes
    }

    /// The state file's bytes.
    pub fn state_file(&self) -> Option<Vec<u8>> {
        self.state().state_file.clone()
    }

    /// Puts a new state file in place, synced.
    pub fn create_state_file(&self, bytes: Vec<u8>) {
        self.state().state_file = Some(bytes);
        self.sync_state();
    }

    /// Writes into the state file, and does not sync it.
    pub fn write_state_at(&self, bytes: &[u8], at: usize) {
        let mut state = self.state();
        if let Some(file) = &mut state.state_file {
            file[at..at + bytes.len()].copy_from_slice(bytes);
        }
        state.unsynced_state.push((at, bytes.to_vec()));
    }

    /// Syncs the state file.
    pub fn sync_state(&self) {
        let mut state = self.state();
        state.synced_state_file = state.state_file.clone();
        state.unsynced_state.clear();
    }
}
