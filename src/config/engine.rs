//! RocksDB's settings, `rocksdb.*` and `max-io-mb`, each once; names, units and bounds are Kvrocks's (`config.cc`).
//!
//! Defaults are Kvrocks's where the files on disk depend on them, and else those of a small machine: a cache of 64 MiB and
//! 1 GiB of log for replicas. Names no RocksDB type: `storage` turns the fields into options.

use super::Config;
use super::choices::{BLOCK_CACHE, BlockCache, COMPRESSION, Compression, WAL_COMPRESSION};
use super::forms::YesNo;
use super::numbers::int;
use super::setting::Effect::OnlyDefault;
use super::setting::settings;

/// Levels of the tree, fixed by Kvrocks's format.
pub const LEVELS: u32 = 7;

const INT_MAX: i64 = i32::MAX as i64;

settings! {
    /// RocksDB's settings. Sizes are in the unit that the name ends in.
    #[derive(Clone, Debug, PartialEq)]
    struct EngineConfig, fields pub, at config => config.rocksdb;

    extra {}

    // Memory.

    /// MiB of the block cache that all column families share.
    "rocksdb.block_cache_size": block_cache_size_mib: u64 = 64, int(0, INT_MAX), AtStart;
    /// Kind of block cache.
    "rocksdb.block_cache_type": block_cache_type: BlockCache = BlockCache::Lru, BLOCK_CACHE, AtStart;
    /// Keep index and filter blocks in the block cache.
    "rocksdb.cache_index_and_filter_blocks": cache_index_and_filter_blocks: bool = true, YesNo, AtStart;
    /// MiB of a cache of whole rows; 0 for none.
    "rocksdb.row_cache_size": row_cache_size_mib: u64 = 0, int(0, INT_MAX), AtStart;
    /// MiB of one memtable, in each column family.
    "rocksdb.write_buffer_size": write_buffer_size_mib: u64 = 64, int(1, 4096), Live;
    /// Memtables of a column family, the one being written included.
    "rocksdb.max_write_buffer_number": max_write_buffer_number: i32 = 4, int(2, 256), Live;
    /// Open table files; -1 keeps all open.
    "rocksdb.max_open_files": max_open_files: i32 = 8096, int(-1, INT_MAX), AtStart;

    // The log.

    /// Seconds for which the log of committed writes is kept for replicas; 0 for no limit in time.
    "rocksdb.wal_ttl_seconds": wal_ttl_s: u64 = 3 * 3600, int(0, INT_MAX), AtStart;
    /// MiB of log kept for replicas; 0 for no limit in size.
    "rocksdb.wal_size_limit_mb": wal_size_limit_mib: u64 = 1024, int(0, INT_MAX), AtStart;
    /// MiB of log that a start may have to replay; above it memtables are flushed. 0 lets RocksDB choose.
    "rocksdb.max_total_wal_size": max_total_wal_size_mib: u64 = 512, int(0, INT_MAX), AtStart;
    /// Compression of the log.
    "rocksdb.wal_compression": wal_compression: Compression = Compression::No, WAL_COMPRESSION, AtStart;

    // Tables.

    /// Bytes of a block before compression.
    "rocksdb.block_size": block_size: u64 = 16 * 1024, int(1024, INT_MAX), AtStart;
    /// Compression of blocks.
    "rocksdb.compression": compression: Compression = Compression::No, COMPRESSION, Live;
    /// Level of compression as its library counts; 32767 for the library's default.
    "rocksdb.compression_level": compression_level: i32 = 32767, int(i32::MIN as i64, INT_MAX), AtStart;
    /// First level of the tree that is compressed.
    "rocksdb.compression_start_level": compression_start_level: u32 = 2, int(0, LEVELS as i64 - 1), Live;
    /// MiB of a table file of level 1.
    "rocksdb.target_file_size_base": target_file_size_base_mib: u64 = 128, int(1, 1024), Live;

    // Compaction.

    /// Flushes and compactions at a time.
    "rocksdb.max_background_jobs": max_background_jobs: i32 = 4, int(1, 32), AtStart;
    /// Threads of one compaction.
    "rocksdb.max_subcompactions": max_subcompactions: u32 = 2, int(1, 16), AtStart;
    /// Files of level 0 from which on they are compacted.
    "rocksdb.level0_file_num_compaction_trigger": level0_file_num_compaction_trigger: i32 = 4, int(1, 1024), Live;
    /// Files of level 0 from which on writes are slowed down.
    "rocksdb.level0_slowdown_writes_trigger": level0_slowdown_writes_trigger: i32 = 20, int(1, 1024), Live;
    /// Files of level 0 from which on writes stop.
    "rocksdb.level0_stop_writes_trigger": level0_stop_writes_trigger: i32 = 40, int(1, 1024), Live;
    /// Only compact when asked to.
    "rocksdb.disable_auto_compactions": disable_auto_compactions: bool = false, YesNo, Live;
    /// Bytes that a compaction reads ahead.
    "rocksdb.compaction_readahead_size": compaction_readahead_size: u64 = 2 << 20, int(0, 64 << 20), AtStart;
    /// Let the sizes of the levels follow that of the last.
    "rocksdb.level_compaction_dynamic_level_bytes": level_compaction_dynamic_level_bytes: bool = false, YesNo,
        AtStart;
    /// Bytes of level 1.
    "rocksdb.max_bytes_for_level_base": max_bytes_for_level_base: u64 = 256 << 20, int(1 << 20, INT_MAX), Live;
    /// How many times larger each further level is.
    "rocksdb.max_bytes_for_level_multiplier": max_bytes_for_level_multiplier: u32 = 10, int(1, 100), Live;
    /// MiB a second that flushes and compactions may write; 0 for no limit.
    "max-io-mb": max_io_mib: u64 = 0, int(0, INT_MAX), AtStart;
    /// Let RocksDB choose a rate below `max-io-mb`.
    "rocksdb.rate_limiter_auto_tuned": rate_limiter_auto_tuned: bool = true, YesNo, AtStart;
    /// Seconds between two reports in RocksDB's own log; 0 for none.
    "rocksdb.stats_dump_period_sec": stats_dump_period_s: u32 = 0, int(0, INT_MAX), AtStart;
    /// Delete obsolete files in the background.
    "rocksdb.avoid_unnecessary_blocking_io": avoid_unnecessary_blocking_io: bool = true, YesNo, AtStart;

    // Large values.

    /// Keep large values in files of their own.
    "rocksdb.enable_blob_files": enable_blob_files: bool = false, YesNo, Live;
    /// Bytes from which on a value counts as large.
    "rocksdb.min_blob_size": min_blob_size: u64 = 4096, int(0, INT_MAX), Live;
    /// Bytes of a file of large values.
    "rocksdb.blob_file_size": blob_file_size: u64 = 256 << 20, int(0, INT_MAX), Live;
    /// Collect the garbage in files of large values.
    "rocksdb.enable_blob_garbage_collection": enable_blob_garbage_collection: bool = true, YesNo, Live;
    /// Percent of those files, oldest first, that are looked at.
    "rocksdb.blob_garbage_collection_age_cutoff": blob_garbage_collection_age_cutoff: u32 = 25, int(0, 100), Live;

    // How this server uses RocksDB: not to be chosen.

    /// Write the log and the memtable in two queues.
    "rocksdb.enable_pipelined_write": enable_pipelined_write: bool = false, YesNo, AtStart,
        OnlyDefault("one thread writes: a second queue would only add a hand-over");
    /// Sync each write.
    "rocksdb.write_options.sync": write_options_sync: bool = false, YesNo, AtStart,
        OnlyDefault("wal-sync says when the log is synced");
    /// Write without a log.
    "rocksdb.write_options.disable_wal": write_options_disable_wal: bool = false, YesNo, AtStart,
        OnlyDefault("without the log a crash would lose acknowledged writes");
    /// Fail rather than wait.
    "rocksdb.write_options.no_slowdown": write_options_no_slowdown: bool = false, YesNo, AtStart,
        OnlyDefault("the server itself decides which writes may wait in RocksDB");
    /// Let writes go behind compactions.
    "rocksdb.write_options.low_pri": write_options_low_pri: bool = false, YesNo, AtStart,
        OnlyDefault("the server itself decides which writes may wait in RocksDB");
}

/// What an option of a running database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyOption {
    /// RocksDB's name for it.
    pub name: &'static str,
    /// RocksDB's text for the value.
    pub value: String,
}

impl EngineConfig {
    /// Milliseconds for which logs are kept for replicas that are behind.
    pub fn wal_ttl_ms(&self) -> u64 {
        self.wal_ttl_s.saturating_mul(1000)
    }

    /// The option to set on every column family of the open database after `setting`, a name of the table, has changed;
    /// `None` for settings that are not RocksDB's or only count at the start.
    pub fn family_option(&self, setting: &str) -> Option<FamilyOption> {
        let (name, value) = match setting {
            "rocksdb.write_buffer_size" => (
                "write_buffer_size",
                (self.write_buffer_size_mib << 20).to_string(),
            ),
            "rocksdb.max_write_buffer_number" => (
                "max_write_buffer_number",
                self.max_write_buffer_number.to_string(),
            ),
            "rocksdb.compression" | "rocksdb.compression_start_level" => (
                "compression_per_level",
                self.compression_per_level()
                    .map(Compression::rocksdb_name)
                    .join(":"),
            ),
            "rocksdb.target_file_size_base" => (
                "target_file_size_base",
                (self.target_file_size_base_mib << 20).to_string(),
            ),
            "rocksdb.level0_file_num_compaction_trigger" => (
                "level0_file_num_compaction_trigger",
                self.level0_file_num_compaction_trigger.to_string(),
            ),
            "rocksdb.level0_slowdown_writes_trigger" => (
                "level0_slowdown_writes_trigger",
                self.level0_slowdown_writes_trigger.to_string(),
            ),
            "rocksdb.level0_stop_writes_trigger" => (
                "level0_stop_writes_trigger",
                self.level0_stop_writes_trigger.to_string(),
            ),
            "rocksdb.disable_auto_compactions" => (
                "disable_auto_compactions",
                self.disable_auto_compactions.to_string(),
            ),
            "rocksdb.max_bytes_for_level_base" => (
                "max_bytes_for_level_base",
                self.max_bytes_for_level_base.to_string(),
            ),
            "rocksdb.max_bytes_for_level_multiplier" => (
                "max_bytes_for_level_multiplier",
                self.max_bytes_for_level_multiplier.to_string(),
            ),
            "rocksdb.enable_blob_files" => {
                ("enable_blob_files", self.enable_blob_files.to_string())
            }
            "rocksdb.min_blob_size" => ("min_blob_size", self.min_blob_size.to_string()),
            "rocksdb.blob_file_size" => ("blob_file_size", self.blob_file_size.to_string()),
            "rocksdb.enable_blob_garbage_collection" => (
                "enable_blob_garbage_collection",
                self.enable_blob_garbage_collection.to_string(),
            ),
            "rocksdb.blob_garbage_collection_age_cutoff" => (
                "blob_garbage_collection_age_cutoff",
                self.blob_age_cutoff().to_string(),
            ),
            _ => return None,
        };
        Some(FamilyOption { name, value })
    }

    /// Compression of each level.
    pub fn compression_per_level(&self) -> [Compression; LEVELS as usize] {
        let mut levels = [Compression::No; LEVELS as usize];
        for level in levels
            .iter_mut()
            .skip(self.compression_start_level as usize)
        {
            *level = self.compression;
        }
        levels
    }

    /// The share of files of large values that garbage collection looks at, from 0 to 1.
    pub fn blob_age_cutoff(&self) -> f64 {
        f64::from(self.blob_garbage_collection_age_cutoff) / 100.0
    }

    /// Whether the settings go together; else the name of one that does not, and the reason.
    pub(super) fn check(config: &Config) -> Result<(), (&'static str, String)> {
        let engine = &config.rocksdb;
        if engine.level0_slowdown_writes_trigger < engine.level0_file_num_compaction_trigger {
            let reason = "must not be below rocksdb.level0_file_num_compaction_trigger";
            return Err(("rocksdb.level0_slowdown_writes_trigger", reason.to_string()));
        }
        if engine.level0_stop_writes_trigger < engine.level0_slowdown_writes_trigger {
            let reason = "must not be below rocksdb.level0_slowdown_writes_trigger";
            return Err(("rocksdb.level0_stop_writes_trigger", reason.to_string()));
        }
        Ok(())
    }
}
