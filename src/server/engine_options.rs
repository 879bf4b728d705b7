//! From the settings to the engine's options.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::config::{self, Config};
use crate::storage::options::{Compression, OpenOptions, RocksSettings};

const MIB: u64 = 1 << 20;

/// What opening the database needs to know.
pub(super) fn open_options(config: &Config) -> OpenOptions {
    let mut options = OpenOptions::new(&config.dir);
    options.slot_encoded = config.cluster_enabled;
    options.accept_wal_loss = config.accept_wal_loss;
    options.rocksdb = rocks_settings(config);
    // Until the node is known to be a primary.
    options.patient_filters = Arc::new(AtomicBool::new(true));
    options
}

fn rocks_settings(config: &Config) -> RocksSettings {
    let given = &config.rocksdb;
    RocksSettings {
        block_size: given.block_size,
        block_cache_size: given.block_cache_size_mib * MIB,
        write_buffer_size: given.write_buffer_size_mib * MIB,
        max_write_buffer_number: given.max_write_buffer_number.unsigned_abs(),
        max_open_files: given.max_open_files,
        target_file_size_base: given.target_file_size_base_mib * MIB,
        max_background_jobs: given.max_background_jobs.unsigned_abs(),
        max_subcompactions: given.max_subcompactions,
        disable_auto_compactions: given.disable_auto_compactions,
        rate_limit_bytes_per_second: given.max_io_mib * MIB,
        compaction_readahead_size: given.compaction_readahead_size,
        level0_file_num_compaction_trigger: given.level0_file_num_compaction_trigger.unsigned_abs(),
        level0_slowdown_writes_trigger: given.level0_slowdown_writes_trigger.unsigned_abs(),
        level0_stop_writes_trigger: given.level0_stop_writes_trigger.unsigned_abs(),
        max_bytes_for_level_base: given.max_bytes_for_level_base,
        max_bytes_for_level_multiplier: f64::from(given.max_bytes_for_level_multiplier),
        level_compaction_dynamic_level_bytes: given.level_compaction_dynamic_level_bytes,
        compression: compression(given.compression),
        compression_level: given.compression_level,
        compression_start_level: given.compression_start_level,
        wal_compression: given.wal_compression != config::Compression::No,
        wal_ttl_seconds: given.wal_ttl_s,
        wal_size_limit_mb: given.wal_size_limit_mib,
        max_total_wal_size: given.max_total_wal_size_mib * MIB,
        enable_blob_files: given.enable_blob_files,
        min_blob_size: given.min_blob_size,
        blob_file_size: given.blob_file_size,
        enable_blob_garbage_collection: given.enable_blob_garbage_collection,
        blob_garbage_collection_age_cutoff: given.blob_garbage_collection_age_cutoff,
        cache_index_and_filter_blocks: given.cache_index_and_filter_blocks,
        row_cache_size: given.row_cache_size_mib * MIB,
        avoid_unnecessary_blocking_io: given.avoid_unnecessary_blocking_io,
        stats_dump_period_sec: given.stats_dump_period_s,
        ..RocksSettings::default()
    }
}

fn compression(setting: config::Compression) -> Compression {
    match setting {
        config::Compression::No => Compression::None,
        config::Compression::Snappy => Compression::Snappy,
        config::Compression::Zlib => Compression::Zlib,
        config::Compression::Lz4 => Compression::Lz4,
        config::Compression::Zstd => Compression::Zstd,
    }
}
