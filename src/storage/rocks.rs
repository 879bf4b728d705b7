//! The only file that names rocksdb types.
use super::cf::Cf;
use std::path::Path;
use std::sync::Arc;

const NAMES: [&str; 7] = [
    "default",
    "metadata",
    "zset_score",
    "pubsub",
    "propagate",
    "stream",
    "search",
];

#[derive(Clone)]
pub struct Rocks(Arc<rocksdb::DB>);

#[derive(Debug)]
pub struct StoreError(String);
impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> StoreError {
        StoreError(error.to_string())
    }
}

pub struct KeyRange<'a> {
    pub lower: &'a [u8],
    pub upper: Option<&'a [u8]>,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}
pub struct Snapshot;

pub struct RocksIter<'a> {
    iter: rocksdb::DBRawIterator<'a>,
    direction: Direction,
}

impl Rocks {
    pub fn open_at(dir: &Path) -> Result<Rocks, StoreError> {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        Ok(Rocks(Arc::new(rocksdb::DB::open_cf(&options, dir, NAMES)?)))
    }
    fn cf(&self, cf: Cf) -> &rocksdb::ColumnFamily {
        self.0.cf_handle(NAMES[cf as usize]).expect("opened")
    }
    pub fn get(
        &self,
        cf: Cf,
        key: &[u8],
    ) -> Result<Option<rocksdb::DBPinnableSlice<'_>>, StoreError> {
        Ok(self.0.get_pinned_cf(self.cf(cf), key)?)
    }
    pub fn iter(
        &self,
        cf: Cf,
        range: KeyRange<'_>,
        direction: Direction,
        _snapshot: Option<&Snapshot>,
        fill: bool,
    ) -> RocksIter<'_> {
        let mut options = rocksdb::ReadOptions::default();
        options.fill_cache(fill);
        options.set_iterate_lower_bound(range.lower);
        if let Some(upper) = range.upper {
            options.set_iterate_upper_bound(upper);
        }
        let mut iter = self.0.raw_iterator_cf_opt(self.cf(cf), options);
        match direction {
            Direction::Forward => iter.seek_to_first(),
            Direction::Backward => iter.seek_to_last(),
        }
        RocksIter { iter, direction }
    }
    pub fn write_for_test(&self, record: &[u8]) -> Result<(), StoreError> {
        Ok(self.0.write(rocksdb::WriteBatch::from_data(record))?)
    }
}

impl RocksIter<'_> {
    pub fn key(&self) -> Result<Option<&[u8]>, StoreError> {
        if !self.iter.valid() {
            self.iter.status()?;
        }
        Ok(self.iter.key())
    }
    pub fn entry(&self) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        if !self.iter.valid() {
            self.iter.status()?;
        }
        Ok(self.iter.item())
    }
    pub fn advance(&mut self) {
        match self.direction {
            Direction::Forward => self.iter.next(),
            Direction::Backward => self.iter.prev(),
        }
    }
}
