//! INFO persistence. There is no snapshot and no append-only file: every acknowledged write is in the write-ahead log, and
//! `wal_*` say how far that log is on disk for good. Redis's fields are what its tools expect of a server without both.

use super::{Facts, Fields};
use crate::config::WalSync;

pub(super) fn persistence(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let is_writing = node.write_refusal.is_none();
    let written = if is_writing { "ok" } else { "err" };
    fields.zeros(&[
        "loading",
        "async_loading",
        "current_cow_peak",
        "current_cow_size",
        "current_cow_size_age",
    ]);
    fields.add("current_fork_perc", "0.00");
    fields.zeros(&["current_save_keys_processed", "current_save_keys_total"]);
    fields.add("rdb_changes_since_last_save", node.stats.changes_since_save);
    fields.add("rdb_bgsave_in_progress", 0);
    // What LASTSAVE answers: data are saved as they are written.
    fields.add("rdb_last_save_time", node.turn.unix_us / 1_000_000);
    fields.add("rdb_last_bgsave_status", "ok");
    fields.add("rdb_last_bgsave_time_sec", -1);
    fields.add("rdb_current_bgsave_time_sec", -1);
    fields.zeros(&[
        "rdb_saves",
        "rdb_last_cow_size",
        "rdb_last_load_keys_expired",
        "rdb_last_load_keys_loaded",
        "aof_enabled",
        "aof_rewrite_in_progress",
        "aof_rewrite_scheduled",
    ]);
    fields.add("aof_last_rewrite_time_sec", -1);
    fields.add("aof_current_rewrite_time_sec", -1);
    fields.add("aof_last_bgrewrite_status", "ok");
    fields.zeros(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    fields.add("aof_last_write_status", written);
    fields.zeros(&[
        "aof_last_cow_size",
        "module_fork_in_progress",
        "module_fork_last_cow_size",
    ]);
    let policy = match node.config.wal_sync {
        WalSync::Always => "always",
        WalSync::EverySec => "everysec",
        WalSync::No => "no",
    };
    let synced = node.synced_seq.map_or(0, |seq| seq.get());
    fields.add("wal_sync", policy);
    fields.add("wal_synced_sequence", synced);
    fields.add(
        "wal_unsynced_updates",
        node.last_seq.get().saturating_sub(synced),
    );
    fields.add("writes_refused", u8::from(!is_writing));
    if let Some(free) = node.disk_free_bytes {
        fields.add("disk_free_bytes", free);
    }
    fields.add("disk_reserve_bytes", node.config.disk_reserve);
}
