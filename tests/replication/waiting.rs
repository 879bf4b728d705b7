//! WAIT, `min-replicas-to-write`, and `replica-serve-stale-data`.

use crate::common::server::wait_for_blocked;
use crate::common::{DEADLINE, Setup, Value, wait_until};
use crate::{
    attach, follow, promote, start, start_all, still_serves, wait_caught_up, wait_link_up,
};

#[test]
fn wait_counts_the_replicas_that_have_the_clients_last_write() {
    let [primary, one, two] = start_all::<3>();
    let mut conn = primary.connect();
    assert_eq!(conn.call("WAIT 0 0"), Value::Int(0));
    assert_eq!(conn.call("WAIT 1 10"), Value::Int(0));
    attach(&one, &primary);
    attach(&two, &primary);
    for number in 0..50 {
        conn.ok(&format!("SET k {number}"));
        assert_eq!(conn.call("WAIT 2 0"), Value::Int(2));
        for replica in [&one, &two] {
            if number % 10 == 0 {
                assert_eq!(replica.connect().call("GET k").text(), number.to_string());
            }
        }
    }
    // More than there are.
    assert_eq!(conn.call("WAIT 3 20"), Value::Int(2));
    // A client that has written nothing.
    assert_eq!(primary.connect().call("WAIT 2 0"), Value::Int(2));
    // Those who lack it do not count.
    one.connect().ok("CLIENT PAUSE 100000 ALL");
    conn.ok("SET k last");
    assert_eq!(conn.call("WAIT 1 0"), Value::Int(1));
    assert_eq!(conn.call("WAIT 2 20"), Value::Int(1));
    conn.send_line("WAIT 2 0");
    let mut admin = primary.connect();
    wait_for_blocked(&mut admin, 1);
    one.connect().ok("CLIENT UNPAUSE");
    assert_eq!(conn.read(), Value::Int(2));
}

#[test]
fn wait_in_a_transaction_does_not_wait() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    replica.connect().ok("CLIENT PAUSE 100000 ALL");
    let mut conn = primary.connect();
    for line in ["MULTI", "SET a 1", "WAIT 5 0", "SET b 1"] {
        conn.call(line);
    }
    let replies = conn.call("EXEC");
    assert_eq!(replies.items().len(), 3, "{replies:?}");
    assert!(
        matches!(replies.items()[1], Value::Int(0 | 1)),
        "{replies:?}"
    );
}

#[test]
fn wait_ends_by_unblock_timeout_disconnect_and_demotion() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let mut admin = primary.connect();
    let mut conn = primary.connect();
    conn.ok("SET a 1");
    assert_eq!(conn.call("WAIT 1 0"), Value::Int(1));
    let id = conn.call("CLIENT ID").int();
    conn.send_line("WAIT 9 0");
    wait_for_blocked(&mut admin, 1);
    assert_eq!(admin.call(&format!("CLIENT UNBLOCK {id}")), Value::Int(1));
    assert_eq!(conn.read(), Value::Int(1));
    conn.send_line("WAIT 9 0");
    wait_for_blocked(&mut admin, 1);
    drop(conn);
    wait_for_blocked(&mut admin, 0);
    // A replica that goes: those who wait for it wait on, until another one comes.
    let mut conn = primary.connect();
    conn.ok("SET b 1");
    conn.send_line("WAIT 2 0");
    wait_for_blocked(&mut admin, 1);
    promote(&replica);
    wait_until("the replica has gone", || {
        primary.info("connected_slaves") == "0"
    });
    assert!(!conn.has_reply_now());
    let [another] = start_all();
    follow(&replica, &primary);
    attach(&another, &primary);
    assert_eq!(conn.read(), Value::Int(2));
    // A demotion ends the wait.
    conn.send_line("WAIT 9 0");
    wait_for_blocked(&mut admin, 1);
    promote(&another);
    follow(&primary, &another);
    let reply = conn.read().text();
    assert!(reply.starts_with("UNBLOCKED "), "{reply}");
    assert!(conn.closes_within(DEADLINE));
}

#[test]
fn writes_need_their_replicas() {
    const REFUSED: &str = "NOREPLICAS Not enough good replicas to write.";
    let [primary, replica] = start_all();
    let mut conn = primary.connect();
    conn.ok("SET before 1");
    conn.ok("CONFIG SET min-replicas-to-write 1");
    assert_eq!(conn.call("SET a 1"), Value::error(REFUSED));
    assert_eq!(conn.call("GET before").text(), "1");
    attach(&replica, &primary);
    wait_until("a replica is good enough", || {
        conn.call("SET a 1") == Value::ok()
    });
    assert_eq!(primary.info("min_slaves_good_slaves"), "1");
    conn.ok("CONFIG SET min-replicas-to-write 2");
    assert_eq!(conn.call("SET a 2"), Value::error(REFUSED));
    conn.ok("MULTI");
    assert_eq!(conn.call("SET a 2"), Value::error(REFUSED));
    assert!(conn.call("EXEC").text().starts_with("EXECABORT"));
    conn.ok("CONFIG SET min-replicas-to-write 1");
    conn.ok("SET a 3");
    promote(&replica);
    wait_until("no replica is left", || {
        conn.call("SET a 4") == Value::error(REFUSED)
    });
    // No lag is asked for: the setting is off, as in Redis.
    conn.ok("CONFIG SET min-replicas-max-lag 0");
    conn.ok("SET a 5");
}

#[test]
fn a_replica_that_has_lost_its_primary_can_refuse_to_answer() {
    const DOWN: &str =
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    let mut primary = start(Setup::new());
    primary.connect().ok("SET a 1");
    let replica = start(Setup::new().arg("--replica-serve-stale-data", "no"));
    attach(&replica, &primary);
    let mut conn = replica.connect();
    assert_eq!(conn.call("GET a").text(), "1");
    // What is queued now is judged again when it is to run.
    let mut queuing = replica.connect();
    queuing.ok("MULTI");
    assert_eq!(queuing.call("GET a").text(), "QUEUED");
    primary.kill();
    wait_until("the link is down", || {
        conn.call("GET a") == Value::error(DOWN)
    });
    let refused = format!("EXECABORT Transaction discarded because of: {DOWN}");
    assert_eq!(queuing.call("EXEC"), Value::error(&refused));
    for line in ["EXISTS a", "DBSIZE", "KEYS *"] {
        assert_eq!(conn.call(line), Value::error(DOWN), "{line}");
    }
    for line in ["PING", "INFO", "ROLE", "CONFIG GET port"] {
        assert!(!conn.call(line).is_error() || line == "PING", "{line}");
    }
    assert_eq!(
        conn.call("SET a 2"),
        Value::error("READONLY You can't write against a read only replica.")
    );
    // One below is told so too, and says it.
    let below = start(Setup::new());
    follow(&below, &replica);
    crate::wait_problem(&below, "lost its own primary");
    primary.restart();
    wait_link_up(&replica);
    wait_caught_up(&below, &replica);
    assert_eq!(conn.call("GET a").text(), "1");
    conn.ok("CONFIG SET replica-serve-stale-data yes");
    primary.kill();
    wait_until("the link is down", || {
        replica.info("master_link_status") == "down"
    });
    assert_eq!(conn.call("GET a").text(), "1");
    promote(&replica);
    still_serves(&replica);
}
