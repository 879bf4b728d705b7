//! The handle over RocksDB. This module and its children are the only ones that name RocksDB's types.
//!
//! [`Rocks`] is a counted handle that every thread may hold: reads, writes and maintenance go through it, and the last
//! one to go closes the database. Writing is safe from any thread for RocksDB, but the order of records is the order
//! of the calls, so only [`super::commit`] writes.

mod backing;
mod checkpoint;
mod exchange;
mod filter;
mod iter;
mod open;
mod stagger;
mod tune;
mod upkeep;

#[cfg(test)]
pub mod simulated;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod open_tests;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocksdb::{ColumnFamily, DB, ErrorKind, ReadOptions, ReadTier, WriteBatch, WriteOptions};

use super::cf::Cf;
pub use super::error::{CommitFailure, OpenError, StoreError, WriteError};
use super::filters::ScanRegistry;
use super::options::OpenOptions;
use super::seq::Seq;
use super::survey;
use super::wal::BATCH_HEADER_BYTES;

use self::backing::{Backing, Slice};
pub use self::exchange::Closed;
use self::filter::FilterLink;
pub use self::iter::{Direction, Entry, IterOptions, KeyRange, RocksIter, Snapshot};
pub use self::open::DirLock;
pub(super) use self::open::check_tables;
use self::tune::Tuned;

/// An open database. Clones are the same database; it closes when the last of them, and of its snapshots, is gone.
#[derive(Clone)]
pub struct Rocks(Arc<Shared>);

/// What the clones of a handle share.
struct Shared {
    engine: Backing,
    link: Arc<FilterLink>,
    scans: Arc<ScanRegistry>,
    /// Keeps other servers out; released after the database is closed.
    lock: Option<DirLock>,
    options: OpenOptions,
    families_count: u32,
    is_replaced: bool,
}

/// Why a database was not reopened.
pub enum ReopenError {
    /// Somebody still holds a handle or a snapshot; the database is open as before.
    InUse(Rocks),
    /// It was closed, and could not be opened. A later attempt with [`Rocks::open`] may succeed; nobody holds the
    /// directory's lock until then.
    Failed(OpenError),
}

impl std::fmt::Display for ReopenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReopenError::InUse(_) => f.write_str("other threads still read from the database"),
            ReopenError::Failed(error) => error.fmt(f),
        }
    }
}

/// Time between two looks at whether a database to be reopened is still in use.
const REOPEN_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The database itself with what each call needs at hand.
struct Engine {
    db: DB,
    /// Into `db`, in the order of [`Cf::ALL`]: a look-up by name on every read would cost more than the array.
    families: [&'static ColumnFamily; Cf::COUNT],
    read: ReadOptions,
    read_cached: ReadOptions,
    read_uncached: ReadOptions,
    /// Indexed by `sync` and `no_slowdown`.
    write: [[WriteOptions; 2]; 2],
    tuned: Tuned,
    /// The system has refused an append to the WAL.
    append_refused: AtomicBool,
}

impl Engine {
    fn handle(&self, cf: Cf) -> &ColumnFamily {
        self.families[cf.index()]
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Running compactions must lose sight of the database before it goes; then the count of `engine` is one.
        self.link.disconnect();
    }
}

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteMode {
    /// Fail with [`WriteError::Stalled`] instead of waiting when RocksDB slows or stops writes.
    pub no_slowdown: bool,
    /// Return after the WAL was synced to disk.
    pub sync: bool,
}

/// A value where RocksDB has it, without a copy; its block or memtable stays in memory as long as this lives.
pub struct Pinned<'a>(Slice<'a>);

impl<'a> Pinned<'a> {
    fn new(slice: rocksdb::DBPinnableSlice<'a>) -> Pinned<'a> {
        Pinned(backing::slice(slice))
    }
}

impl Deref for Pinned<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Pinned<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Rocks {
    /// Opens the database below `options.dir`, creating it when there is none.
    ///
    /// Everything that can be checked is checked before RocksDB opens the directory for writing; on an error nothing in
    /// it has changed. The steps and their reasons are in `rocks/open.rs`.
    pub fn open(options: &OpenOptions) -> Result<Rocks, OpenError> {
        #[cfg(test)]
        if let Some(disk) = simulated::disk_at(&options.dir) {
            return simulated::open(disk, options);
        }
        open::open(options)
    }

    /// The simulated database that this is, if it is one.
    #[cfg(test)]
    pub fn simulated(&self) -> Option<&simulated::Store> {
        self.0.engine.simulated()
    }

    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The options it was opened with.
    pub fn options(&self) -> &OpenOptions {
        &self.0.options
    }

    /// Whether the last run was cut off while it put a full copy in place, so that what the state file says was synced is not
    /// said of this data. Whoever opens it stores a state file that fits, then calls [`super::swap::finish`].
    pub fn is_replaced(&self) -> bool {
        self.0.is_replaced
    }

    /// Its column families have the ids from 0 up to here, this one not included: more than [`Cf::COUNT`] where a newer Kvrocks
    /// has written.
    pub fn families_count(&self) -> u32 {
        self.0.families_count
    }

    /// The directory of the database's own files (`db/`).
    pub fn db_dir(&self) -> &Path {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return &self.0.options.dir;
        }
        self.engine().db.path()
    }

    /// The value under a key, read from disk if need be.
    pub fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Pinned<'_>>, StoreError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return Ok(store
                .get(cf, key)
                .map(|value| Pinned(Slice::Simulated(value))));
        }
        let engine = self.engine();
        match engine
            .db
            .get_pinned_cf_opt(engine.handle(cf), key, &engine.read)
        {
            Ok(value) => Ok(value.map(Pinned::new)),
            Err(error) => Err(store_error(error)),
        }
    }

    /// The value under a key, from memory alone: `None` when the answer would need the disk.
    pub fn get_cached_only(
        &self,
        cf: Cf,
        key: &[u8],
    ) -> Result<Option<Option<Pinned<'_>>>, StoreError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let value = store
                .get(cf, key)
                .map(|value| Pinned(Slice::Simulated(value)));
            return Ok(store.is_cached().then_some(value));
        }
        let engine = self.engine();
        match engine
            .db
            .get_pinned_cf_opt(engine.handle(cf), key, &engine.read_cached)
        {
            Ok(value) => Ok(Some(value.map(Pinned::new))),
            Err(error) => match store_error(error) {
                StoreError::NotCached => Ok(None),
                other => Err(other),
            },
        }
    }

    /// The values under several keys of a family, read from disk if need be.
    pub fn multi_get<'k>(
        &self,
        cf: Cf,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Vec<Result<Option<Pinned<'_>>, StoreError>> {
        #[cfg(test)]
        if self.simulated().is_some() {
            return keys.into_iter().map(|key| self.get(cf, key)).collect();
        }
        let engine = self.engine();
        let values =
            engine
                .db
                .batched_multi_get_cf_opt(engine.handle(cf), keys, false, &engine.read);
        values
            .into_iter()
            .map(|value| {
                value
                    .map(|value| value.map(Pinned::new))
                    .map_err(store_error)
            })
            .collect()
    }

    /// The value that a key had when the snapshot was taken.
    pub fn get_at(
        &self,
        snapshot: &Snapshot,
        cf: Cf,
        key: &[u8],
    ) -> Result<Option<Pinned<'_>>, StoreError> {
        #[cfg(test)]
        if let Some(image) = snapshot.image() {
            let value = image.get(cf, key);
            return Ok(value.map(|value| Pinned(Slice::Simulated(value))));
        }
        let engine = self.engine();
        match engine
            .db
            .get_pinned_cf_opt(engine.handle(cf), key, &snapshot.read_options())
        {
            Ok(value) => Ok(value.map(Pinned::new)),
            Err(error) => Err(store_error(error)),
        }
    }

    /// An iterator over a range of a family.
    pub fn iter<'a>(
        &'a self,
        cf: Cf,
        range: KeyRange<'_>,
        direction: Direction,
        snapshot: Option<&'a Snapshot>,
        fill_cache: bool,
    ) -> RocksIter<'a> {
        self.iter_with(
            cf,
            range,
            IterOptions {
                direction,
                snapshot,
                fill_cache,
                cached_only: false,
            },
        )
    }

    /// An iterator over a range of a family, with every choice.
    pub fn iter_with<'a>(
        &'a self,
        cf: Cf,
        range: KeyRange<'_>,
        how: IterOptions<'a>,
    ) -> RocksIter<'a> {
        RocksIter::new(self, cf, range, how)
    }

    /// The present state, to be read later or elsewhere.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self)
    }

    /// Writes one record (RocksDB's write batch bytes; the sequence in its header is ignored and assigned here).
    ///
    /// The bytes must form a valid batch: RocksDB stops all later writes after a malformed one, so a batch from
    /// elsewhere is validated before. Several threads may call this; the order of the records is the order of the
    /// calls.
    pub fn write(&self, record: &[u8], mode: WriteMode) -> Result<(), WriteError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return store.write(record, mode);
        }
        let engine = self.engine();
        let options = &engine.write[usize::from(mode.sync)][usize::from(mode.no_slowdown)];
        let before = self.last_seq();
        if record.len() < BATCH_HEADER_BYTES {
            return Err(WriteError::Failed(CommitFailure {
                text: "a record is shorter than its header".to_owned(),
                reached_wal: Some(false),
            }));
        }
        match engine.db.write_opt(WriteBatch::from_data(record), options) {
            Ok(()) => Ok(()),
            Err(error) if mode.no_slowdown && error.kind() == ErrorKind::Incomplete => {
                Err(WriteError::Stalled)
            }
            Err(error) => {
                let text = error.into_string();
                if text.contains(REFUSED_APPEND) && text.contains(".log") {
                    engine.append_refused.store(true, Ordering::Relaxed);
                }
                Err(WriteError::Failed(CommitFailure {
                    text,
                    reached_wal: survey::ends_in(self.db_dir(), record, before.next()),
                }))
            }
        }
    }

    /// Whether RocksDB slows or stops writes now.
    pub fn is_stalled(&self) -> bool {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return store.is_stalled();
        }
        self.property_int(None, "rocksdb.is-write-stopped") == Some(1)
            || self
                .property_int(None, "rocksdb.actual-delayed-write-rate")
                .is_some_and(|rate| rate > 0)
    }

    /// The number of the last update written.
    pub fn last_seq(&self) -> Seq {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return store.last_seq();
        }
        Seq::new(self.engine().db.latest_sequence_number())
    }

    /// Syncs the WAL to disk: everything written before the call. Blocks for the disk, but not writers.
    pub fn sync_wal(&self) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return store.sync();
        }
        let engine = self.engine();
        match engine.db.flush_wal(true).map_err(store_error) {
            // RocksDB does not touch a log again that the system has refused to append to. What was appended before is whole, and
            // what was acknowledged of it must not wait for the room to reopen. (After a refused sync it would be no use to try.)
            Err(StoreError::Stopped { text }) if engine.append_refused.load(Ordering::Relaxed) => {
                survey::sync_logs(self.db_dir()).map_err(|error| StoreError::Io {
                    text: format!("{error}, after {text}"),
                })
            }
            result => result,
        }
    }

    /// Versions of subkeys that compaction must keep for running scans.
    pub fn scans(&self) -> &Arc<ScanRegistry> {
        &self.0.scans
    }

    /// Syncs the WAL and stops background work; the handle stays readable and closes the database when it goes.
    pub fn shut_down(&self) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return store.sync();
        }
        let synced = self.sync_wal();
        self.0.link.disconnect();
        self.engine().db.cancel_all_background_work(true);
        synced
    }
}

/// What RocksDB says of a file that it does not touch again after a failed write; no system call has failed then.
/// Source: RocksDB `file/writable_file_writer.h` `GetWriterHasPreviousError`.
const PREVIOUS_ERROR: &str = "Writer has previous error";

/// What RocksDB says of a `write` that the system refused. Source: RocksDB `env/io_posix.cc` `PosixWritableFile::Append`.
const REFUSED_APPEND: &str = "While appending to file";

/// Sorts RocksDB's errors by who has to act.
fn store_error(error: rocksdb::Error) -> StoreError {
    if error.as_ref().contains(PREVIOUS_ERROR) {
        return StoreError::Stopped {
            text: error.into_string(),
        };
    }
    match error.kind() {
        ErrorKind::Incomplete => StoreError::NotCached,
        ErrorKind::Corruption
        | ErrorKind::NotSupported
        | ErrorKind::InvalidArgument
        | ErrorKind::NotFound => StoreError::Corrupted {
            text: error.into_string(),
        },
        _ => StoreError::Io {
            text: error.into_string(),
        },
    }
}

/// Where the database's files are, below a data directory.
pub fn db_dir(dir: &Path) -> PathBuf {
    dir.join("db")
}

fn read_tier(tier: ReadTier) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_read_tier(tier);
    options
}
