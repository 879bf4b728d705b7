//! Iterators and snapshots.

use std::mem::ManuallyDrop;

use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions, ReadTier, SnapshotWithThreadMode};

use super::super::cf::Cf;
use super::super::error::StoreError;
use super::super::seq::Seq;
use super::{Rocks, store_error};

/// Which keys an iterator visits.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyRange<'a> {
    /// First key that belongs to the range.
    pub lower: &'a [u8],
    /// First key beyond the range; `None` is up to the last key of the family.
    pub upper: Option<&'a [u8]>,
}

/// From which end an iterator starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lower bound upwards.
    Forward,
    /// From the upper bound downwards.
    Reverse,
}

/// How an iterator reads.
#[derive(Clone, Copy)]
pub struct IterOptions<'a> {
    /// Where to start.
    pub direction: Direction,
    /// The state to read; `None` is the state when the iterator is made.
    pub snapshot: Option<&'a Snapshot>,
    /// Whether blocks read from disk enter the block cache. False for long scans, so that they do not empty it.
    pub fill_cache: bool,
    /// Read memory only: the iterator fails with [`StoreError::NotCached`] where it would need the disk.
    pub cached_only: bool,
}

impl Default for IterOptions<'_> {
    fn default() -> Self {
        IterOptions { direction: Direction::Forward, snapshot: None, fill_cache: true, cached_only: false }
    }
}

/// A position in a range of one family, lending each entry until the next step.
///
/// It holds the state of the database at its creation, and with it memtables and files that are otherwise gone: short
/// lives only, or a worker.
pub struct RocksIter<'a> {
    raw: DBRawIteratorWithThreadMode<'a, DB>,
    direction: Direction,
    started: bool,
}

impl<'a> RocksIter<'a> {
    pub(super) fn new(rocks: &'a Rocks, cf: Cf, range: KeyRange<'_>, how: IterOptions<'a>) -> RocksIter<'a> {
        let mut read = ReadOptions::default();
        if !range.lower.is_empty() {
            read.set_iterate_lower_bound(range.lower);
        }
        if let Some(upper) = range.upper {
            read.set_iterate_upper_bound(upper);
        }
        read.fill_cache(how.fill_cache);
        if how.cached_only {
            read.set_read_tier(ReadTier::BlockCache);
        }
        if let Some(snapshot) = how.snapshot {
            read.set_snapshot(&*snapshot.inner);
        }
        let raw = rocks.engine().db.raw_iterator_cf_opt(rocks.engine().handle(cf), read);
        RocksIter { raw, direction: how.direction, started: false }
    }

    /// The next key and value, or `None` at the end of the range.
    ///
    /// After an error the iterator is at its end.
    #[allow(clippy::should_implement_trait)] // it lends, which Iterator cannot say
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        match (self.started, self.direction) {
            (false, Direction::Forward) => self.raw.seek_to_first(),
            (false, Direction::Reverse) => self.raw.seek_to_last(),
            (true, Direction::Forward) => self.raw.next(),
            (true, Direction::Reverse) => self.raw.prev(),
        }
        self.started = true;
        self.current()
    }

    /// Goes to `key`, or to the nearest one after it in the iterator's direction, and lends that entry.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        match self.direction {
            Direction::Forward => self.raw.seek(key),
            Direction::Reverse => self.raw.seek_for_prev(key),
        }
        self.started = true;
        self.current()
    }

    fn current(&self) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        match self.raw.item() {
            Some(item) => Ok(Some(item)),
            None => match self.raw.status() {
                Ok(()) => Ok(None),
                Err(error) => Err(store_error(error)),
            },
        }
    }
}

/// A state of the database that stays readable, from any thread.
///
/// It keeps the database open. Compaction filters do not respect it (RocksDB's rule): a scan that must not lose expired
/// or replaced subkeys registers its versions with [`super::super::filters::ScanRegistry`].
pub struct Snapshot {
    inner: ManuallyDrop<SnapshotWithThreadMode<'static, DB>>,
    /// Keeps the database that `inner` points into.
    rocks: Rocks,
}

impl Snapshot {
    pub(super) fn new(rocks: &Rocks) -> Snapshot {
        let rocks = rocks.clone();
        let db: *const DB = &rocks.engine().db;
        // SAFETY: the database lives in an allocation that `rocks` keeps, it is never moved out of it, and `drop`
        // releases `inner` before `rocks`. No reference with the 'static lifetime leaves this type.
        let db: &'static DB = unsafe { &*db };
        Snapshot { inner: ManuallyDrop::new(db.snapshot()), rocks }
    }

    /// The last update that the snapshot shows.
    pub fn seq(&self) -> Seq {
        Seq::new(self.inner.sequence_number())
    }

    /// The database it was taken of.
    pub fn rocks(&self) -> &Rocks {
        &self.rocks
    }

    pub(super) fn read_options(&self) -> ReadOptions {
        let mut read = ReadOptions::default();
        read.set_snapshot(&*self.inner);
        read
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: `inner` is not used after this, and `rocks`, whose database it points into, is dropped after it.
        unsafe { ManuallyDrop::drop(&mut self.inner) }
    }
}
