//! INFO stats and keyspace.

use super::{Facts, Fields};
use crate::pubsub::Kind;

pub(super) fn stats(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let stats = &node.stats;
    let kib = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    fields.add("total_connections_received", stats.connections_received);
    fields.add("total_commands_processed", stats.commands_processed);
    fields.add(
        "instantaneous_ops_per_sec",
        stats.ops_per_second.per_second(),
    );
    fields.add("total_net_input_bytes", stats.net_input_bytes);
    fields.add("total_net_output_bytes", stats.net_output_bytes);
    fields.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    fields.add(
        "instantaneous_input_kbps",
        kib(stats.input_rate.per_second()),
    );
    fields.add(
        "instantaneous_output_kbps",
        kib(stats.output_rate.per_second()),
    );
    fields.add("instantaneous_input_repl_kbps", "0.00");
    fields.add("instantaneous_output_repl_kbps", "0.00");
    fields.add("rejected_connections", stats.rejected_connections);
    let replication = &facts.node.replication;
    fields.add("sync_full", replication.full_syncs);
    fields.add("sync_partial_ok", replication.partial_syncs);
    fields.add("sync_partial_err", replication.refused_syncs);
    fields.add("expired_keys", stats.expired_keys);
    fields.add("expired_stale_perc", "0.00");
    fields.add("expired_time_cap_reached_count", 0);
    fields.add(
        "expire_cycle_cpu_milliseconds",
        stats.expire_cycle_us / 1000,
    );
    fields.zeros(&[
        "evicted_keys",
        "evicted_clients",
        "total_eviction_exceeded_time",
        "current_eviction_exceeded_time",
    ]);
    fields.add("keyspace_hits", stats.keyspace_hits + node.changes.hits);
    fields.add(
        "keyspace_misses",
        stats.keyspace_misses + node.changes.misses,
    );
    fields.add("pubsub_channels", node.pubsub.count(Kind::Channel));
    fields.add("pubsub_patterns", node.pubsub.count(Kind::Pattern));
    fields.add("pubsubshard_channels", node.pubsub.count(Kind::Shard));
    fields.zeros(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "tracking_total_keys",
        "tracking_total_items",
        "tracking_total_prefixes",
        "unexpected_error_replies",
    ]);
    fields.add("total_error_replies", stats.total_error_replies);
    fields.add("dump_payload_sanitizations", 0);
    fields.add("total_reads_processed", stats.reads);
    fields.add("total_writes_processed", stats.writes);
    fields.zeros(&[
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
        "reply_buffer_shrinks",
        "reply_buffer_expands",
    ]);
    // The names of later Redis versions where they have the field.
    fields.add("eventloop_cycles", stats.turns);
    fields.add(
        "client_query_buffer_limit_disconnections",
        stats.query_limit_disconnections,
    );
    fields.add(
        "client_output_buffer_limit_disconnections",
        stats.output_limit_disconnections,
    );
    fields.add("total_commits", stats.commits);
    fields.add("total_paused_commands", stats.paused_commands);
    let reads = &facts.node.cold_reads;
    fields.add("cold_reads_pending", reads.pending());
    fields.add("cold_read_bytes", reads.room.bytes());
    fields.add("total_cold_commands", stats.cold.commands);
    fields.add("total_cold_waits", stats.cold.rounds);
    fields.add("total_cold_keys_read", stats.cold.reads);
    fields.add("total_cold_commands_read_directly", stats.cold.direct);
}

pub(super) fn keyspace(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let Some(counts) = facts.key_counts else {
        return;
    };
    let age_ms = facts.node.turn.unix().0.saturating_sub(counts.at.0);
    for (db, count) in counts.by_db.iter().filter(|(_, count)| count.keys > 0) {
        // Time has gone on since they were counted.
        let avg_ttl_ms = count.avg_ttl_ms.saturating_sub(age_ms);
        fields.line(format_args!(
            "db{}:keys={},expires={},avg_ttl={avg_ttl_ms}",
            db.0, count.keys, count.expires
        ));
    }
}
