//! Changes of role: who goes on without a copy, and what clients see that wait.

use crate::common::server::wait_for_blocked;
use crate::common::{DEADLINE, Value};
use crate::data::{assert_same, write_all_types};
use crate::{attach, follow, number, offset, promote, start_all, still_serves, wait_caught_up};

const READONLY: &str = "READONLY You can't write against a read only replica.";

#[test]
fn siblings_and_the_old_primary_go_on_without_a_copy() {
    let nodes = start_all::<3>();
    attach(&nodes[1], &nodes[0]);
    attach(&nodes[2], &nodes[0]);
    for round in 0..6 {
        let primary = &nodes[round % 3];
        let others = [&nodes[(round + 1) % 3], &nodes[(round + 2) % 3]];
        let mut conn = primary.connect();
        write_all_types(&mut conn, round as u64, 3);
        conn.ok("CLIENT PAUSE 100000 WRITE");
        let next = others[0];
        wait_caught_up(next, primary);
        let at = offset(primary);
        promote(next);
        follow(primary, next);
        follow(others[1], next);
        conn.ok("CLIENT UNPAUSE");
        assert_eq!(offset(next), at, "a promotion writes nothing");
        next.connect().ok(&format!("SET round {round}"));
        wait_caught_up(primary, next);
        wait_caught_up(others[1], next);
        assert_same(next, primary);
        assert_same(next, others[1]);
    }
    for node in &nodes {
        assert_eq!(number(node, "sync_full"), 0);
        assert_eq!(number(node, "sync_partial_err"), 0);
    }
}

#[test]
fn a_switch_without_a_write_and_back_needs_no_copy() {
    let [one, two] = start_all();
    one.connect().ok("SET a 1");
    attach(&two, &one);
    promote(&two);
    attach(&one, &two);
    promote(&one);
    attach(&two, &one);
    still_serves(&one);
    wait_caught_up(&two, &one);
    assert_same(&one, &two);
    assert_eq!(number(&one, "sync_full") + number(&two, "sync_full"), 0);
}

#[test]
fn a_replica_refuses_writes_of_every_sort() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let mut conn = replica.connect();
    for line in [
        "SET a 1",
        "DEL a",
        "FLUSHALL",
        "BLPOP l 0",
        "LPUSH l 1",
        "EXPIRE a 1",
        "MSET a 1 b 2",
        "GETDEL a",
    ] {
        assert_eq!(conn.call(line), Value::error(READONLY), "{line}");
    }
    conn.ok("MULTI");
    assert_eq!(conn.call("SET a 1"), Value::error(READONLY));
    assert!(conn.call("EXEC").text().starts_with("EXECABORT"));
    // Reads and administration go on.
    assert!(conn.call("GET a").is_null());
    assert!(conn.call("CONFIG SET replica-read-only no").is_error());
}

#[test]
fn writes_that_a_pause_holds_get_readonly_when_their_node_is_demoted() {
    let [primary, replica] = start_all();
    primary.connect().ok("SET counter 1");
    attach(&replica, &primary);
    let mut admin = primary.connect();
    admin.ok("CLIENT PAUSE 100000 WRITE");
    let mut single = primary.connect();
    single.send_line("INCR counter");
    let mut transaction = primary.connect();
    for line in ["MULTI", "INCR counter", "INCR counter"] {
        assert!(!transaction.call(line).is_error());
    }
    transaction.send_line("EXEC");
    wait_for_blocked(&mut admin, 2);
    promote(&replica);
    follow(&primary, &replica);
    // The role alone releases them, before the pause ends.
    assert_eq!(single.read(), Value::error(READONLY));
    let refused = transaction.read();
    assert!(
        refused.is_error() && refused.text().contains("READONLY"),
        "{refused:?}"
    );
    admin.ok("CLIENT UNPAUSE");
    assert_eq!(replica.connect().call("GET counter").text(), "1");
    wait_caught_up(&primary, &replica);
    assert_same(&primary, &replica);
}

#[test]
fn those_who_wait_for_keys_are_sent_away_by_a_demotion() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let mut admin = primary.connect();
    let mut waiters = Vec::new();
    for line in ["BLPOP l 0", "BRPOPLPUSH a b 0", "BZPOPMIN z 0"] {
        let mut waiter = primary.connect();
        waiter.send_line(line);
        waiters.push(waiter);
    }
    wait_for_blocked(&mut admin, 3);
    follow(&primary, &replica);
    for waiter in &mut waiters {
        assert_eq!(
            waiter.read(),
            Value::error(
                "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
            )
        );
        assert!(waiter.closes_within(DEADLINE));
    }
    promote(&primary);
    still_serves(&primary);
}

#[test]
fn a_promoted_replica_serves_the_writes_sent_behind_the_promotion() {
    let [primary, replica] = start_all();
    primary.connect().ok("SET a 1");
    attach(&replica, &primary);
    let mut conn = replica.connect();
    let commands = [
        vec!["REPLICAOF", "NO", "ONE"],
        vec!["INCR", "a"],
        vec!["INCR", "a"],
    ];
    let replies = conn.pipeline(&commands);
    assert_eq!(replies, [Value::ok(), Value::Int(2), Value::Int(3)]);
}
