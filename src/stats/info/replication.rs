//! INFO replication, of a primary without replicas. Nothing here waits for anything: it is what a controller polls.

use super::{Facts, Fields};
use crate::node::Role;
use crate::replication::history::long_id;
use crate::storage::replication_id::ReplicationId;

pub(super) fn replication(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let last = node.last_seq.get();
    let role = match node.role {
        Role::Primary => "master",
        Role::Replica => "slave",
    };
    fields.add("role", role);
    fields.add("connected_slaves", 0);
    fields.add("master_failover_state", "no-failover");
    let id = ReplicationId::from_bytes(node.replication_id.as_bytes());
    fields.add("master_replid", long_id(id));
    fields.add("master_replid2", long_id(None));
    // The last committed update: the offset of a Redis replication stream in tools' eyes.
    fields.add("master_repl_offset", last);
    fields.add("second_repl_offset", -1);
    // The write-ahead log serves instead of a backlog in memory.
    fields.zeros(&[
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ]);
    // As Kvrocks names it: its controller picks the candidate with the highest one.
    fields.add("sequence", last);
    fields.add("replication_id", &node.replication_id);
}
