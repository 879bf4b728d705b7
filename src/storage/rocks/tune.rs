//! Turns [`RocksSettings`] into RocksDB's options, and fixes what the format fixes.
//!
//! What Kvrocks reads and writes is set here and nowhere else: table `format_version` 5 (the crate's default, 7, is
//! unreadable to every Kvrocks), bytewise order, no merge operator, no prefix extractor, and a plain WAL without the
//! `track_and_verify_wals` records. Source: storage/storage.cc `InitTableOptions`, `InitRocksDBOptions`, `Open`.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType,
    DBRecoveryMode, DataBlockIndexType, Env, LogLevel, Options, statistics::StatsLevel,
};

use super::super::cf::Cf;
use super::super::options::{Compression, LogDetail, RocksSettings};
use super::stagger::staggered;

/// The table format of every file we write; 2 to 7 can be read.
const TABLE_FORMAT_VERSION: i32 = 5;
/// Levels of the tree; a directory may not have files on a deeper one.
const LEVELS: usize = 7;
/// Of a memtable's size, what its filter takes, from its first moment on: ten bits a key where an entry takes 60 bytes.
const MEMTABLE_FILTER_RATIO: f64 = 0.02;
const MIB: usize = 1024 * 1024;

/// The options of the database and those of each family, sharing one block cache.
pub(super) struct Tuned {
    db: Options,
    cache: Cache,
    settings: RocksSettings,
}

impl Tuned {
    /// Builds the database's options. Cannot fail but for settings that RocksDB cannot parse.
    pub(super) fn new(settings: &RocksSettings) -> Result<Tuned, rocksdb::Error> {
        Ok(Tuned {
            db: db_options(settings)?,
            cache: Cache::new_lru_cache(settings.block_cache_size as usize),
            settings: settings.clone(),
        })
    }

    /// The database's options; statistics are read through them too.
    pub(super) fn db(&self) -> &Options {
        &self.db
    }

    /// The block cache that all families share.
    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The options of one family; `None` stands for a family of a newer Kvrocks, which is kept as it is.
    pub(super) fn family(&self, cf: Option<Cf>) -> Options {
        let mut options = self.db.clone();
        options.set_block_based_table_factory(&self.table());
        options.set_disable_auto_compactions(self.settings.disable_auto_compactions);
        if matches!(cf, Some(Cf::Metadata | Cf::Default)) {
            // Most point reads that reach these memtables are for keys they do not hold (HSET asks whether the field is
            // new): a filter answers them with one cache miss instead of a walk through the skip list.
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_RATIO);
        }
        if self.settings.enable_blob_files {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(self.settings.min_blob_size);
            options.set_blob_file_size(self.settings.blob_file_size);
            options.set_blob_compression_type(compression(self.settings.compression));
            options.set_enable_blob_gc(self.settings.enable_blob_garbage_collection);
            options.set_blob_gc_age_cutoff(
                f64::from(self.settings.blob_garbage_collection_age_cutoff) / 100.0,
            );
        }
        options
    }

    fn table(&self) -> BlockBasedOptions {
        let mut table = BlockBasedOptions::default();
        table.set_format_version(TABLE_FORMAT_VERSION);
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        table.set_partition_filters(true);
        table.set_metadata_block_size(4096);
        table.set_bloom_filter(10.0, false);
        table.set_optimize_filters_for_memory(true);
        table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        table.set_data_block_hash_ratio(0.75);
        table.set_block_size(self.settings.block_size as usize);
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(self.settings.cache_index_and_filter_blocks);
        table.set_cache_index_and_filter_blocks_with_high_priority(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table
    }
}

fn db_options(settings: &RocksSettings) -> Result<Options, rocksdb::Error> {
    // The crate has no setter for these; RocksDB's own option text has.
    let text = format!("delayed_write_rate={}", settings.delayed_write_rate);
    let mut options = Options::default().get_options_from_string(text)?;
    options.set_compaction_style(DBCompactionStyle::Level);
    options.set_num_levels(LEVELS as i32);
    // `storage/survey.rs` says why, and what it has refused before RocksDB sees the logs.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_manual_wal_flush(false);
    options.set_track_and_verify_wals_in_manifest(false);
    options.set_paranoid_checks(true);

    options.set_write_buffer_size(staggered(settings.write_buffer_size) as usize);
    options.set_max_write_buffer_number(settings.max_write_buffer_number as i32);
    options.set_min_write_buffer_number_to_merge(settings.min_write_buffer_number_to_merge as i32);
    options.set_db_write_buffer_size(settings.db_write_buffer_size as usize);
    options.set_max_open_files(settings.max_open_files);
    options.set_target_file_size_base(settings.target_file_size_base);
    options.set_max_background_jobs(settings.max_background_jobs as i32);
    options.set_max_subcompactions(settings.max_subcompactions);
    options.set_compaction_readahead_size(settings.compaction_readahead_size as usize);
    options.set_level_zero_file_num_compaction_trigger(
        settings.level0_file_num_compaction_trigger as i32,
    );
    options.set_level_zero_slowdown_writes_trigger(settings.level0_slowdown_writes_trigger as i32);
    options.set_level_zero_stop_writes_trigger(settings.level0_stop_writes_trigger as i32);
    options.set_max_bytes_for_level_base(settings.max_bytes_for_level_base);
    options.set_max_bytes_for_level_multiplier(settings.max_bytes_for_level_multiplier);
    options.set_level_compaction_dynamic_level_bytes(settings.level_compaction_dynamic_level_bytes);
    let codec = compression(settings.compression);
    let per_level: Vec<DBCompressionType> = (0..LEVELS)
        .map(|level| {
            if level < settings.compression_start_level as usize {
                DBCompressionType::None
            } else {
                codec
            }
        })
        .collect();
    options.set_compression_per_level(&per_level);
    options.set_compression_options(-14, settings.compression_level, 0, 0);
    if settings.wal_compression {
        options.set_wal_compression_type(DBCompressionType::Zstd);
    }
    options.set_wal_ttl_seconds(settings.wal_ttl_seconds);
    options.set_wal_size_limit_mb(settings.wal_size_limit_mb);
    options.set_max_total_wal_size(settings.max_total_wal_size);
    options.set_max_manifest_file_size(64 * MIB);
    if settings.row_cache_size > 0 {
        options.set_row_cache(&Cache::new_lru_cache(settings.row_cache_size as usize));
    }
    if settings.rate_limit_bytes_per_second > 0 {
        let rate = i64::try_from(settings.rate_limit_bytes_per_second).unwrap_or(i64::MAX);
        options.set_auto_tuned_ratelimiter(rate, 100 * 1000, 10);
    }
    options.set_avoid_unnecessary_blocking_io(settings.avoid_unnecessary_blocking_io);

    options.set_log_level(match settings.log_detail {
        LogDetail::Info => LogLevel::Info,
        LogDetail::Warn => LogLevel::Warn,
        LogDetail::Error => LogLevel::Error,
    });
    options.set_max_log_file_size(settings.max_log_file_size as usize);
    options.set_keep_log_file_num(settings.keep_log_file_num as usize);
    options.set_stats_dump_period_sec(settings.stats_dump_period_sec);
    options.set_stats_persist_period_sec(0);
    if settings.statistics {
        options.enable_statistics();
        options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    }
    if settings.low_priority_compactions {
        // The environment is one for the whole process; compactions run in its low-priority pool, flushes, which
        // writers may wait for, in the other.
        let mut env = Env::new()?;
        env.lower_thread_pool_cpu_priority();
        options.set_env(&env);
    }
    Ok(options)
}

fn compression(codec: Compression) -> DBCompressionType {
    match codec {
        Compression::None => DBCompressionType::None,
        Compression::Snappy => DBCompressionType::Snappy,
        Compression::Zlib => DBCompressionType::Zlib,
        Compression::Lz4 => DBCompressionType::Lz4,
        Compression::Zstd => DBCompressionType::Zstd,
    }
}
