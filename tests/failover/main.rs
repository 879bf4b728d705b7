//! FAILOVER over sockets, and what can go wrong in one: every fault at every step of the switch.
//!
//! A switch is stopped at a step by a proxy before each of the two nodes (`common::proxy`), never by a hook in the server:
//!
//! | step | what does not pass | the old primary | the target |
//! | --- | --- | --- | --- |
//! | [`pair::Step::Acknowledgement`] | what the target says to its primary | waits for it, writes parked | replica |
//! | [`pair::Step::Offer`] | what the old primary says to the target | has offered, writes parked | replica, knows nothing |
//! | [`pair::Step::Answer`] | what the target answers | has offered, writes parked | primary |
//!
//! After each fault [`pair::Pair::settled`] checks the promise: one node accepts writes, the other is its replica without a full
//! copy, and what writers were told is written is there once, in order.
//!
//! `connection.rs` is about what comes before these steps, `target_ends.rs` kills the target, `primary_ends.rs` the old primary, `cuts.rs` the link; `words.rs` has ABORT, REPLICAOF
//! and a second FAILOVER, `timeouts.rs` TIMEOUT and FORCE, `targets.rs` targets that misbehave, `redis_cases.rs` the cases of
//! Redis's integration/failover, `roles.rs` what a node says that it is, `sentinel.rs` an unmodified redis-sentinel.

#[path = "../common/mod.rs"]
mod common;
#[path = "../replication/data.rs"]
mod data;
#[path = "../replication/peer.rs"]
#[allow(dead_code)]
mod peer;

mod connection;
mod cuts;
mod load;
mod pair;
mod primary_ends;
mod redis_cases;
mod roles;
mod sentinel;
mod target_ends;
mod targets;
mod timeouts;
mod words;

use common::{Server, Value, wait_until};

/// What a replica answers to a write.
pub const READONLY: &str = "READONLY You can't write against a read only replica.";

/// INFO's `master_failover_state`.
pub fn state(server: &Server) -> String {
    server.info("master_failover_state")
}

/// Waits until no failover runs any more.
pub fn wait_over(server: &Server) {
    let mut conn = server.connect();
    wait_until("the failover is over", || {
        common::server::info_field(&mut conn, "master_failover_state") == "no-failover"
    });
}

/// Waits until INFO says that the failover waits for something with these words.
pub fn wait_waits_for(server: &Server, words: &str) {
    let mut conn = server.connect();
    wait_until(&format!("the failover waits for {words}"), || {
        let info = conn.call("INFO replication").text();
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("failover_waits_for:"));
        line.is_some_and(|what| what.contains(words))
    });
}

/// Waits until it has this role, as INFO names it.
pub fn wait_role(server: &Server, role: &str) {
    let mut conn = server.connect();
    wait_until(&format!("its role is {role}"), || {
        common::server::info_field(&mut conn, "role") == role
    });
}

/// A write is refused because the node is a replica.
pub fn refuses_writes(server: &Server) {
    let reply = server.connect().call("SET refused 1");
    assert_eq!(reply, Value::error(READONLY));
}
