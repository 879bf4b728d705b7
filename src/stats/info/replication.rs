//! INFO replication, of a primary without replicas. The offset is that of everything executed before the
//! command, whose reply leaves when it is committed; a commit that RocksDB holds up is not waited for: controllers poll this.

use super::{Facts, Fields};
use crate::node::Role;

pub(super) fn replication(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let last = facts.seq.get();
    let role = match node.role {
        Role::Primary => "master",
        Role::Replica => "slave",
    };
    fields.add("role", role);
    fields.add("connected_slaves", 0);
    fields.add("master_failover_state", "no-failover");
    fields.add("master_replid", long_id(&node.replication_id));
    fields.add("master_replid2", "0".repeat(LONG_ID_DIGITS));
    // The last update executed: the offset of a Redis replication stream in tools' eyes.
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

/// Digits of a replication id as Redis shows it.
const LONG_ID_DIGITS: usize = 40;

/// The id of a history in the form that Redis's tools expect: the codes of its 16 characters in hexadecimal, zeros behind them.
fn long_id(id: &str) -> String {
    let digits: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<LONG_ID_DIGITS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_forty_digits_and_keeps_what_it_is_made_of() {
        assert_eq!(
            long_id("ABCDEFGHI0123456"),
            "41424344454647484930313233343536".to_owned() + "00000000"
        );
    }
}
