//! What the database says of itself, and its upkeep: flushes, compactions, options changed while it is open.

use rocksdb::statistics::Ticker;
use rocksdb::{BottommostLevelCompaction, ColumnFamily, CompactOptions, FlushOptions};

use super::super::cf::Cf;
use super::super::error::StoreError;
use super::stagger::staggered;
use super::{KeyRange, Rocks, store_error};

impl Rocks {
    /// Bytes in memtables that are not in a table file yet.
    pub fn unflushed_bytes(&self) -> u64 {
        let bytes_of = |cf| self.property_int(Some(cf), "rocksdb.cur-size-all-mem-tables");
        Cf::ALL.into_iter().filter_map(bytes_of).sum()
    }

    /// RocksDB's estimate of the keys in a family, deleted ones not yet compacted included.
    pub fn estimate_keys(&self, cf: Cf) -> u64 {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            return store.image().len(cf) as u64;
        }
        self.property_int(Some(cf), "rocksdb.estimate-num-keys")
            .unwrap_or(0)
    }

    /// A property in RocksDB's own name and text, of one family or (`None`) of the database.
    pub fn property(&self, cf: Option<Cf>, name: &str) -> Option<String> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return None;
        }
        let engine = self.engine();
        match cf {
            Some(cf) => engine.db.property_value_cf(engine.handle(cf), name),
            None => engine.db.property_value(name),
        }
        .unwrap_or(None)
    }

    /// A property whose text is a number.
    pub fn property_int(&self, cf: Option<Cf>, name: &str) -> Option<u64> {
        self.property(cf, name)?.parse().ok()
    }

    /// A statistics counter by RocksDB's name, such as `rocksdb.bytes.written`; `None` for an unknown name, 0 for all
    /// when statistics are off.
    pub fn ticker(&self, name: &str) -> Option<u64> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return None;
        }
        let ticker: Ticker = name.parse().ok()?;
        Some(self.engine().tuned.db().get_ticker_count(ticker))
    }

    /// Bytes in the block cache now.
    pub fn block_cache_usage(&self) -> u64 {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return 0;
        }
        self.engine().tuned.cache().get_usage() as u64
    }

    /// Writes the memtables of every family out. Blocks until done.
    pub fn flush(&self) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return Ok(());
        }
        let engine = self.engine();
        let families: Vec<&ColumnFamily> = engine.families.to_vec();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        engine
            .db
            .flush_cfs_opt(&families, &options)
            .map_err(store_error)
    }

    /// Compacts a range of a family, its last level included, so that every entry passes the filters. Blocks until done.
    pub fn compact_range(&self, cf: Cf, range: KeyRange<'_>) {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return;
        }
        let engine = self.engine();
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        let lower = (!range.lower.is_empty()).then_some(range.lower);
        engine
            .db
            .compact_range_cf_opt(engine.handle(cf), lower, range.upper, &options);
    }

    /// Changes a setting of every family while open, under RocksDB's own name and text. The size of memtables is less by this
    /// process's share, as at the start.
    pub fn set_family_option(&self, name: &str, value: &str) -> Result<(), StoreError> {
        #[cfg(test)]
        if let Some(store) = self.simulated() {
            let _ = store;
            return Ok(());
        }
        let engine = self.engine();
        let size = value.parse().map(staggered);
        let value = match size {
            Ok(bytes) if name == "write_buffer_size" => &bytes.to_string(),
            _ => value,
        };
        for cf in Cf::ALL {
            engine
                .db
                .set_options_cf(engine.handle(cf), &[(name, value)])
                .map_err(store_error)?;
        }
        Ok(())
    }
}
