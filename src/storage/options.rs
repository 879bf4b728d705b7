//! What opening a database needs to know, as plain values: no RocksDB type, so that the configuration can fill it.
//!
//! The names are those of Kvrocks's `rocksdb.*` settings where it has one; sizes are bytes here. What the format fixes
//! (table `format_version` 5, the families and their order, a WAL that is always on) is not a setting and stands in
//! `rocks/tune.rs`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::seq::Seq;
use crate::clock::{Clock, SystemClock, UnixMs};

const MIB: u64 = 1024 * 1024;

/// A block compression. Every one of them can be read whatever is chosen for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Blocks as they are.
    None,
    /// Snappy.
    Snappy,
    /// Zlib.
    Zlib,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// How much RocksDB writes to its own `LOG` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogDetail {
    /// Everything, per compaction and flush.
    Info,
    /// Odd things only.
    Warn,
    /// Errors only.
    Error,
}

/// How to open a directory.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The directory that holds `db/`; created when missing.
    pub dir: PathBuf,
    /// Whether keys carry their cluster slot (`cluster-enabled`). Checked against the first stored keys.
    pub slot_encoded: bool,
    /// RocksDB's own settings.
    pub rocksdb: RocksSettings,
    /// The last update known to have been on disk before the last stop, from the state file; `None` when nothing is known.
    pub last_synced_seq: Option<Seq>,
    /// Open although the WAL is damaged or ends before `last_synced_seq`, giving up what came after the damage.
    pub accept_wal_loss: bool,
    /// The wall clock of the compaction filters, which run on RocksDB's threads.
    pub unix_now: fn() -> UnixMs,
    /// Whether those filters leave expired keys alone for [`super::filters::PATIENCE_MS`]; may be changed at any time. So it is on a
    /// replica, which may stand where its primary was some time ago. Shared by the clones of these options, and so by the databases
    /// that are opened with them one after the other.
    pub patient_filters: Arc<AtomicBool>,
}

impl OpenOptions {
    /// Default settings for this directory, keys without slots.
    pub fn new(dir: impl Into<PathBuf>) -> OpenOptions {
        OpenOptions {
            dir: dir.into(),
            slot_encoded: false,
            rocksdb: RocksSettings::default(),
            last_synced_seq: None,
            accept_wal_loss: false,
            unix_now: || SystemClock::new().turn().unix(),
            patient_filters: Arc::default(),
        }
    }
}

/// RocksDB's settings. [`RocksSettings::default`] suits a small machine: little memory while idle, Kvrocks's values elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct RocksSettings {
    /// Uncompressed size of a data block, in bytes.
    pub block_size: u64,
    /// Bytes of blocks kept in memory, shared by all families; index and filter blocks count too.
    pub block_cache_size: u64,
    /// Bytes of one memtable of one family before it is written out; a process takes up to a quarter less (`rocks/stagger.rs`).
    pub write_buffer_size: u64,
    /// Memtables a family may have, the one being filled included, before writes stop.
    pub max_write_buffer_number: u32,
    /// Full memtables that are merged into one file.
    pub min_write_buffer_number_to_merge: u32,
    /// Bytes of all memtables together before the largest is written out; 0 is no limit.
    pub db_write_buffer_size: u64,
    /// Files kept open; -1 is all.
    pub max_open_files: i32,
    /// Bytes of a file on level 1.
    pub target_file_size_base: u64,
    /// Background flushes and compactions together.
    pub max_background_jobs: u32,
    /// Threads that one compaction may use.
    pub max_subcompactions: u32,
    /// Compactions run at a lower CPU priority than the loop.
    pub low_priority_compactions: bool,
    /// No compaction but on command.
    pub disable_auto_compactions: bool,
    /// Bytes a second of flushes and compactions; 0 is no limit.
    pub rate_limit_bytes_per_second: u64,
    /// Bytes a second that writes are slowed down to at first when compaction lags; 0 lets RocksDB choose.
    pub delayed_write_rate: u64,
    /// Bytes a compaction reads ahead.
    pub compaction_readahead_size: u64,
    /// Files on level 0 that start a compaction.
    pub level0_file_num_compaction_trigger: u32,
    /// Files on level 0 that slow writes down.
    pub level0_slowdown_writes_trigger: u32,
    /// Files on level 0 that stop writes.
    pub level0_stop_writes_trigger: u32,
    /// Bytes of level 1.
    pub max_bytes_for_level_base: u64,
    /// How many times larger each further level is.
    pub max_bytes_for_level_multiplier: f64,
    /// Whether level sizes follow the size of the last level.
    pub level_compaction_dynamic_level_bytes: bool,
    /// Compression of blocks from `compression_start_level` down.
    pub compression: Compression,
    /// The codec's own level; 32767 is its default.
    pub compression_level: i32,
    /// First level that is compressed.
    pub compression_start_level: u32,
    /// Whether records in the WAL are compressed (with Zstandard).
    pub wal_compression: bool,
    /// Seconds that a WAL is kept after its contents were written out; decides how far back a replica may continue.
    pub wal_ttl_seconds: u64,
    /// Megabytes (2^20) of such WALs.
    pub wal_size_limit_mb: u64,
    /// Bytes of live WALs before the oldest memtables are written out; 0 lets RocksDB choose.
    pub max_total_wal_size: u64,
    /// Large values go to blob files.
    pub enable_blob_files: bool,
    /// Bytes from which a value is large.
    pub min_blob_size: u64,
    /// Bytes of a blob file.
    pub blob_file_size: u64,
    /// Whether blob files are cleared of dead values.
    pub enable_blob_garbage_collection: bool,
    /// Percent of the oldest blob files that are cleared.
    pub blob_garbage_collection_age_cutoff: u32,
    /// Index and filter blocks are in the block cache instead of in memory for good.
    pub cache_index_and_filter_blocks: bool,
    /// Bytes of whole rows kept in memory; 0 is none.
    pub row_cache_size: u64,
    /// Removing obsolete files and freeing memory is left to background threads.
    pub avoid_unnecessary_blocking_io: bool,
    /// Count what happens (for INFO); costs a few percent of throughput.
    pub statistics: bool,
    /// Seconds between two dumps of statistics into `LOG`; 0 is never.
    pub stats_dump_period_sec: u32,
    /// What RocksDB writes to `LOG`.
    pub log_detail: LogDetail,
    /// Bytes of one `LOG` file.
    pub max_log_file_size: u64,
    /// `LOG` files kept.
    pub keep_log_file_num: u32,
}

impl Default for RocksSettings {
    fn default() -> RocksSettings {
        RocksSettings {
            block_size: 16 * 1024,
            block_cache_size: 128 * MIB,
            write_buffer_size: 64 * MIB,
            max_write_buffer_number: 4,
            min_write_buffer_number_to_merge: 1,
            db_write_buffer_size: 0,
            max_open_files: 8096,
            target_file_size_base: 128 * MIB,
            max_background_jobs: 4,
            max_subcompactions: 2,
            low_priority_compactions: true,
            disable_auto_compactions: false,
            rate_limit_bytes_per_second: 0,
            delayed_write_rate: 0,
            compaction_readahead_size: 2 * MIB,
            level0_file_num_compaction_trigger: 4,
            level0_slowdown_writes_trigger: 20,
            level0_stop_writes_trigger: 40,
            max_bytes_for_level_base: 256 * MIB,
            max_bytes_for_level_multiplier: 10.0,
            level_compaction_dynamic_level_bytes: false,
            compression: Compression::None,
            compression_level: 32767,
            compression_start_level: 2,
            wal_compression: false,
            wal_ttl_seconds: 3 * 3600,
            wal_size_limit_mb: 16384,
            max_total_wal_size: 512 * MIB,
            enable_blob_files: false,
            min_blob_size: 4096,
            blob_file_size: 256 * MIB,
            enable_blob_garbage_collection: true,
            blob_garbage_collection_age_cutoff: 25,
            cache_index_and_filter_blocks: true,
            row_cache_size: 0,
            avoid_unnecessary_blocking_io: true,
            statistics: true,
            stats_dump_period_sec: 0,
            log_detail: LogDetail::Warn,
            max_log_file_size: 16 * MIB,
            keep_log_file_num: 4,
        }
    }
}
