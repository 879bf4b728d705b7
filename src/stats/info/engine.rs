//! INFO rocksdb: the engine, by Kvrocks's names where it has the field.

use super::{Facts, Fields};
use crate::storage::cf::Cf;
use crate::storage::rocks::Rocks;

pub(super) fn rocksdb(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let Ok(rocks) = facts.node.view.database() else {
        return fields.add("is_open", 0);
    };
    let of_one = |property: &str| rocks.property_int(Some(Cf::Default), property).unwrap_or(0);
    let of_all = |property: &str| -> u64 {
        let each = Cf::ALL
            .iter()
            .filter_map(|&cf| rocks.property_int(Some(cf), property));
        each.sum()
    };
    fields.add("is_open", 1);
    fields.add("block_cache_usage", rocks.block_cache_usage());
    fields.add(
        "block_cache_pinned_usage[default]",
        of_one("rocksdb.block-cache-pinned-usage"),
    );
    families(rocks, fields);
    tickers(rocks, fields);
    for (name, property) in [
        ("all_mem_tables", "rocksdb.size-all-mem-tables"),
        ("cur_mem_tables", "rocksdb.cur-size-all-mem-tables"),
    ] {
        fields.add(name, of_all(property));
    }
    fields.add("snapshots", of_one("rocksdb.num-snapshots"));
    fields.add(
        "num_immutable_tables",
        of_all("rocksdb.num-immutable-mem-table"),
    );
    fields.add("num_running_flushes", of_one("rocksdb.num-running-flushes"));
    fields.add(
        "memtable_flush_pending",
        of_all("rocksdb.mem-table-flush-pending"),
    );
    fields.add("compaction_pending", of_all("rocksdb.compaction-pending"));
    fields.add(
        "num_running_compactions",
        of_one("rocksdb.num-running-compactions"),
    );
    fields.add("num_live_versions", of_all("rocksdb.num-live-versions"));
    fields.add(
        "num_super_version",
        of_all("rocksdb.current-super-version-number"),
    );
    fields.add("num_background_errors", of_all("rocksdb.background-errors"));
    fields.add(
        "total_sst_files_size",
        of_all("rocksdb.total-sst-files-size"),
    );
    fields.add(
        "estimate_pending_compaction_bytes",
        of_all("rocksdb.estimate-pending-compaction-bytes"),
    );
    fields.add("is_write_stopped", of_one("rocksdb.is-write-stopped"));
    fields.add(
        "actual_delayed_write_rate",
        of_one("rocksdb.actual-delayed-write-rate"),
    );
}

fn families(rocks: &Rocks, fields: &mut Fields<'_>) {
    for cf in Cf::ALL {
        for (name, property) in [
            ("estimate_keys", "rocksdb.estimate-num-keys"),
            (
                "index_and_filter_cache_usage",
                "rocksdb.estimate-table-readers-mem",
            ),
            ("num_files_at_level0", "rocksdb.num-files-at-level0"),
        ] {
            let value = rocks.property_int(Some(cf), property).unwrap_or(0);
            fields.add(&format!("{name}[{}]", cf.name()), value);
        }
    }
}

/// RocksDB's own counters: all zero unless its statistics are on.
fn tickers(rocks: &Rocks, fields: &mut Fields<'_>) {
    for (name, ticker) in [
        ("block_cache_hit", "rocksdb.block.cache.hit"),
        ("block_cache_miss", "rocksdb.block.cache.miss"),
        ("bytes_written", "rocksdb.bytes.written"),
        ("bytes_read", "rocksdb.bytes.read"),
        ("wal_bytes", "rocksdb.wal.bytes"),
        ("flush_write_bytes", "rocksdb.flush.write.bytes"),
        ("compact_read_bytes", "rocksdb.compact.read.bytes"),
        ("compact_write_bytes", "rocksdb.compact.write.bytes"),
        ("stall_micros", "rocksdb.stall.micros"),
    ] {
        fields.add(name, rocks.ticker(ticker).unwrap_or(0));
    }
}
