//! INFO replication: Redis 7.0's fields, and those of Kvrocks that its controller reads. The offset is that of everything executed
//! before the command, whose reply leaves when it is committed; a commit that RocksDB holds up is not waited for: controllers
//! poll this.

use super::{Facts, Fields};
use crate::node::Node;
use crate::node::replication::Followed;
use crate::replication::handshake::LinkState;

pub(super) fn replication(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let replication = &node.replication;
    let last = facts.seq.get();
    let primary = node.named_primary();
    fields.add("role", if primary.is_none() { "master" } else { "slave" });
    if let Some(primary) = &primary {
        followed_primary(node, primary, last, fields);
    }
    let mut rows = replication.progress.rows(node.now());
    rows.extend(node.copying_replicas());
    fields.add("connected_slaves", rows.len());
    let lag_max = u64::from(node.config.min_replicas_max_lag_s);
    if node.config.min_replicas_to_write != 0 && lag_max != 0 {
        let good = replication.progress.good_count(lag_max, node.now());
        fields.add("min_slaves_good_slaves", good);
    }
    for (number, row) in rows.iter().enumerate() {
        fields.add(&format!("slave{number}"), row);
    }
    for (name, value) in node.failover.fields() {
        fields.add(name, value);
    }
    let history = &replication.history;
    fields.add("master_replid", history.master_replid());
    fields.add("master_replid2", history.master_replid2());
    // The last update executed: the offset of a Redis replication stream in tools' eyes.
    fields.add("master_repl_offset", last);
    fields.add("second_repl_offset", history.second_repl_offset());
    // The write-ahead log serves instead of a backlog in memory.
    fields.zeros(&[
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ]);
    // As Kvrocks names it: its controller picks the candidate with the highest one.
    fields.add("sequence", last);
    let id = history.current();
    fields.add("replication_id", id.as_ref().map_or("", |id| id.as_str()));
}

fn followed_primary(node: &Node, followed: &Followed, last: u64, fields: &mut Fields<'_>) {
    let is_up = followed.is_up();
    fields.add("master_host", &followed.host);
    fields.add("master_port", followed.port);
    fields.add("master_link_status", if is_up { "up" } else { "down" });
    let silence_s = if is_up {
        (followed.silence_ms / 1000) as i64
    } else {
        -1
    };
    fields.add("master_last_io_seconds_ago", silence_s);
    let copies = followed.state() == LinkState::Sync;
    fields.add("master_sync_in_progress", u8::from(copies));
    if copies {
        // A primary says how large a file is right before it: the total grows while files come.
        let left = followed.copy_bytes.saturating_sub(followed.copied_bytes);
        fields.add("master_sync_total_bytes", followed.copy_bytes);
        fields.add("master_sync_read_bytes", followed.copied_bytes);
        fields.add("master_sync_left_bytes", left);
    }
    let read = followed.read_next.get().saturating_sub(1).max(last);
    fields.add("slave_read_repl_offset", read);
    fields.add("slave_repl_offset", last);
    if !is_up {
        let down_s = followed
            .down_since
            .map_or(-1, |since| (node.now().since(since) / 1000) as i64);
        fields.add("master_link_down_since_seconds", down_s);
    }
    if let Some(problem) = &followed.problem {
        fields.add("master_link_problem", problem);
    }
    fields.add("slave_priority", node.config.replica_priority);
    fields.add("slave_read_only", 1);
    fields.add("replica_announced", u8::from(node.config.replica_announced));
}
