//! Iterators and snapshots.

use std::mem::ManuallyDrop;

use rocksdb::{DB, ReadOptions, ReadTier};

use super::super::cf::Cf;
use super::super::error::StoreError;
use super::super::seq::Seq;
use super::backing::{self, Raw, State};
use super::{Rocks, store_error};
use crate::limits::DELETED_KEYS_ON_LOOP_MAX;

/// A key and its value, lent.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

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
    Backward,
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
    /// Read memory only, and step over at most [`DELETED_KEYS_ON_LOOP_MAX`] deleted keys at a time: the iterator fails with
    /// [`StoreError::NotCached`] where it would need the disk, or longer.
    pub cached_only: bool,
}

impl Default for IterOptions<'_> {
    fn default() -> Self {
        IterOptions {
            direction: Direction::Forward,
            snapshot: None,
            fill_cache: true,
            cached_only: false,
        }
    }
}

/// A position in a range of one family, on its first entry from the start.
///
/// It holds the state of the database at its creation, and with it memtables and files that are otherwise gone: short
/// lives only, or a worker.
pub struct RocksIter<'a> {
    raw: Raw<'a>,
    direction: Direction,
    /// [`RocksIter::next`] has lent the current entry.
    lent: bool,
}

impl<'a> RocksIter<'a> {
    pub(super) fn new(
        rocks: &'a Rocks,
        cf: Cf,
        range: KeyRange<'_>,
        how: IterOptions<'a>,
    ) -> RocksIter<'a> {
        let mut raw = RocksIter::raw(rocks, cf, range, how);
        match how.direction {
            Direction::Forward => raw.seek_to_first(),
            Direction::Backward => raw.seek_to_last(),
        }
        RocksIter {
            raw,
            direction: how.direction,
            lent: false,
        }
    }

    fn raw(rocks: &'a Rocks, cf: Cf, range: KeyRange<'_>, how: IterOptions<'a>) -> Raw<'a> {
        #[cfg(test)]
        if let Some(store) = rocks.simulated() {
            let image = how.snapshot.and_then(Snapshot::image).cloned();
            let image = image.unwrap_or_else(|| store.image());
            return Raw::Simulated(image.cursor(cf, range));
        }
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
            read.set_max_skippable_internal_keys(DELETED_KEYS_ON_LOOP_MAX);
        }
        if let Some(snapshot) = how.snapshot {
            read.set_snapshot(backing::engine_state(&snapshot.inner));
        }
        let engine = rocks.engine();
        backing::raw(engine.db.raw_iterator_cf_opt(engine.handle(cf), read))
    }

    /// The key it stands on, `None` beyond the last one.
    pub fn key(&self) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.entry()?.map(|(key, _)| key))
    }

    /// The key and value it stands on, `None` beyond the last one.
    pub fn entry(&self) -> Result<Option<Entry<'_>>, StoreError> {
        match self.raw.item() {
            Some(item) => Ok(Some(item)),
            None => match self.raw.status() {
                Ok(()) => Ok(None),
                Err(error) => Err(store_error(error)),
            },
        }
    }

    /// Steps to the next entry in its direction; at the end it stays there.
    pub fn advance(&mut self) {
        match self.direction {
            Direction::Forward => self.raw.next(),
            Direction::Backward => self.raw.prev(),
        }
        self.lent = false;
    }

    /// Goes to `key`, or to the nearest entry behind it in its direction.
    pub fn seek(&mut self, key: &[u8]) {
        match self.direction {
            Direction::Forward => self.raw.seek(key),
            Direction::Backward => self.raw.seek_for_prev(key),
        }
        self.lent = false;
    }

    /// Lends one entry after the other, the current one first; `None` beyond the last one.
    #[allow(clippy::should_implement_trait, reason = "lends from itself")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>, StoreError> {
        if self.lent {
            self.advance();
        }
        self.lent = true;
        self.entry()
    }
}

/// A state of the database that stays readable, from any thread.
///
/// It keeps the database open. Compaction filters do not respect it (RocksDB's rule): a scan that must not lose expired
/// or replaced subkeys registers its versions with [`super::super::filters::ScanRegistry`].
pub struct Snapshot {
    inner: ManuallyDrop<State>,
    /// Keeps the database that `inner` points into.
    rocks: Rocks,
}

impl Snapshot {
    pub(super) fn new(rocks: &Rocks) -> Snapshot {
        let rocks = rocks.clone();
        #[cfg(test)]
        if let Some(store) = rocks.simulated() {
            let inner = ManuallyDrop::new(State::Simulated(store.image()));
            return Snapshot { inner, rocks };
        }
        let db: *const DB = &rocks.engine().db;
        // SAFETY: the database lives in an allocation that `rocks` keeps, it is never moved out of it, and `drop`
        // releases `inner` before `rocks`. No reference with the 'static lifetime leaves this type.
        let db: &'static DB = unsafe { &*db };
        Snapshot {
            inner: ManuallyDrop::new(backing::state(db.snapshot())),
            rocks,
        }
    }

    /// The last update that the snapshot shows.
    pub fn seq(&self) -> Seq {
        Seq::new(self.inner.sequence_number())
    }

    /// The database it was taken of.
    pub fn rocks(&self) -> &Rocks {
        &self.rocks
    }

    /// What it shows of a simulated database, if it is of one.
    #[cfg(test)]
    pub(super) fn image(&self) -> Option<&super::simulated::Image> {
        match &*self.inner {
            State::Engine(_) => None,
            State::Simulated(image) => Some(image),
        }
    }

    pub(super) fn read_options(&self) -> ReadOptions {
        let mut read = ReadOptions::default();
        read.set_snapshot(backing::engine_state(&self.inner));
        read
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // SAFETY: `inner` is not used after this, and `rocks`, whose database it points into, is dropped after it.
        unsafe { ManuallyDrop::drop(&mut self.inner) }
    }
}
