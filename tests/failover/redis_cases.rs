//! The cases of Redis 7.0's integration/failover, by their names. Its own file cannot pass here: it compares nodes with DEBUG
//! DIGEST and takes permissions away with ACL. (unit/wait runs as it is: `scripts/redis-suite unit/wait`.)

use crate::common::nodes::{attach, follow, number, start_all, wait_caught_up, wait_link_up};
use crate::common::{Server, Value, wait_until};
use crate::data::{assert_same, write_all_types};
use crate::load::Load;
use crate::{READONLY, refuses_writes, state, wait_over, wait_role, wait_waits_for};

/// Three nodes, two of them replicas of the first.
fn three() -> [Server; 3] {
    let nodes = start_all::<3>();
    for node in &nodes {
        node.expect_log("failover");
    }
    write_all_types(&mut nodes[0].connect(), 1, 3);
    attach(&nodes[1], &nodes[0]);
    attach(&nodes[2], &nodes[0]);
    nodes
}

fn to(target: &Server, options: &str) -> String {
    format!("FAILOVER TO 127.0.0.1 {} {options}", target.port())
}

/// What each node has counted so far.
fn counts(nodes: &[Server; 3]) -> [u64; 2] {
    let sum = |field: &str| nodes.iter().map(|node| number(node, field)).sum();
    [sum("sync_full"), sum("sync_partial_ok")]
}

fn assert_roles(nodes: &[Server; 3], primary: usize) {
    for (at, node) in nodes.iter().enumerate() {
        wait_role(node, if at == primary { "master" } else { "slave" });
    }
}

fn assert_all_same(nodes: &[Server; 3], primary: usize) {
    for node in nodes {
        if node.port() != nodes[primary].port() {
            wait_link_up(node);
            let (mut ours, mut theirs) = (node.connect(), nodes[primary].connect());
            wait_until("it holds everything", || {
                let offset =
                    |conn: &mut _| crate::common::server::info_field(conn, "master_repl_offset");
                offset(&mut ours) == offset(&mut theirs)
            });
            assert_same(node, &nodes[primary]);
        }
    }
}

#[test]
fn failover_command_fails_without_connected_replica() {
    let [node, other] = start_all();
    let reply = node.connect().call(&to(&other, ""));
    assert_eq!(
        reply,
        Value::error("ERR FAILOVER requires connected replicas.")
    );
}

#[test]
fn failover_command_fails_with_wrong_words() {
    let nodes = three();
    let not_a_replica = "ERR FAILOVER target HOST and PORT is not a replica.";
    let force = "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
    let port = nodes[1].port();
    for (line, error) in [
        // With invalid host.
        (format!("FAILOVER TO invalidhost {port}"), not_a_replica),
        // With invalid port.
        (
            "FAILOVER TO 127.0.0.1 invalidport".to_owned(),
            "ERR value is not an integer or out of range",
        ),
        // With just force and timeout.
        ("FAILOVER FORCE TIMEOUT 100".to_owned(), force),
        // With force without timeout.
        (to(&nodes[1], "FORCE"), force),
    ] {
        assert_eq!(
            nodes[0].connect().call(&line),
            Value::error(error),
            "{line}"
        );
    }
    // When sent to a replica.
    let reply = nodes[1].connect().call(&to(&nodes[1], ""));
    assert_eq!(
        reply,
        Value::error("ERR FAILOVER is not valid when server is a replica.")
    );
    assert_roles(&nodes, 0);
}

#[test]
fn failover_command_to_specific_replica_works() {
    let nodes = three();
    let before = counts(&nodes);
    // Something that the replica lacks.
    let load = Load::start(&nodes[0], "w");
    nodes[1].signal("STOP");
    load.wait_for_writes(100);
    nodes[1].signal("CONT");
    nodes[0].connect().ok(&to(&nodes[1], ""));
    wait_over(&nodes[0]);
    let ended = load.end();
    follow(&nodes[2], &nodes[1]);
    assert_roles(&nodes, 1);
    assert_all_same(&nodes, 1);
    for node in &nodes {
        ended.check(node);
    }
    // Both are accepted where they stand.
    let after = counts(&nodes);
    assert_eq!([after[0] - before[0], after[1] - before[1]], [0, 2]);
}

#[test]
fn failover_command_to_any_replica_works() {
    let nodes = three();
    let before = counts(&nodes);
    // This one is stopped, so that the other is chosen.
    nodes[1].signal("STOP");
    nodes[0].connect().ok("SET CASE 1");
    nodes[0].connect().ok("FAILOVER");
    wait_over(&nodes[0]);
    nodes[1].signal("CONT");
    follow(&nodes[1], &nodes[2]);
    assert_roles(&nodes, 2);
    assert_all_same(&nodes, 2);
    let after = counts(&nodes);
    assert_eq!(after[0] - before[0], 0);
    assert_eq!(nodes[0].info("last_failover_result"), "taken-over");
}

#[test]
fn failover_to_a_replica_with_force_works() {
    let nodes = three();
    nodes[1].signal("STOP");
    // It never acknowledges this write.
    nodes[0].connect().ok("SET case 2");
    nodes[0].connect().ok(&to(&nodes[1], "TIMEOUT 100 FORCE"));
    wait_waits_for(&nodes[0], "a connection to ");
    assert_eq!(state(&nodes[0]), "failover-in-progress");
    // Nobody accepts writes: there are never two.
    let mut held = nodes[0].connect();
    held.send_line("SET held 1");
    refuses_writes(&nodes[2]);
    assert!(!held.has_reply_now());
    nodes[1].signal("CONT");
    assert_eq!(held.read(), Value::error(READONLY));
    wait_over(&nodes[0]);
    follow(&nodes[2], &nodes[1]);
    assert_roles(&nodes, 1);
    assert!(nodes[0].log().contains("time is over and FORCE was given"));
    // What lay in its socket it may or may not have read before the offer: in Redis too this is the condition on which a copy
    // might be needed.
    nodes[0].expect_log("copying all data");
    nodes[2].expect_log("copying all data");
    nodes[1].connect().ok("SET case 3");
    assert_all_same(&nodes, 1);
}

#[test]
fn failover_with_timeout_aborts_if_replica_never_catches_up() {
    let nodes = three();
    let before = counts(&nodes);
    nodes[1].signal("STOP");
    nodes[0].connect().ok("SET CASE 1");
    nodes[0].connect().ok(&to(&nodes[1], "TIMEOUT 500"));
    wait_over(&nodes[0]);
    nodes[1].signal("CONT");
    assert_roles(&nodes, 0);
    assert_all_same(&nodes, 0);
    // Nobody had to begin anew.
    assert_eq!(counts(&nodes), before);
}

#[test]
fn failovers_can_be_aborted() {
    let nodes = three();
    let before = counts(&nodes);
    nodes[1].signal("STOP");
    let mut conn = nodes[0].connect();
    conn.ok("SET CASE 2");
    conn.ok(&to(&nodes[1], "TIMEOUT 60000"));
    assert_eq!(state(&nodes[0]), "waiting-for-sync");
    // Reads go on.
    assert_eq!(conn.call("GET CASE").text(), "2");
    conn.ok("FAILOVER ABORT");
    assert_eq!(state(&nodes[0]), "no-failover");
    nodes[1].signal("CONT");
    assert_roles(&nodes, 0);
    assert_all_same(&nodes, 0);
    assert_eq!(counts(&nodes), before);
}

/// Redis takes PSYNC away from the target's user; here the target has been made another's replica, and refuses the offer.
#[test]
fn failover_aborts_if_target_rejects_sync_request() {
    use crate::common::proxy::Proxy;
    let nodes = start_all::<2>();
    let proxy = Proxy::new();
    let target = crate::pair::behind(&proxy, crate::common::Setup::new());
    let nodes = {
        let [first, second] = nodes;
        first.expect_log("failover");
        [first, target, second]
    };
    write_all_types(&mut nodes[0].connect(), 1, 3);
    attach(&nodes[1], &nodes[0]);
    attach(&nodes[2], &nodes[0]);
    proxy.stall_at(crate::common::proxy::Way::ToServer, "OFFER");
    let before = counts(&nodes);
    let line = format!("FAILOVER TO 127.0.0.1 {}", proxy.port());
    nodes[0].connect().ok(&line);
    wait_until("the offer is made", || {
        state(&nodes[0]) == "failover-in-progress"
    });
    // A write that comes in the meantime runs when the target has refused.
    let mut held = nodes[0].connect();
    held.send_line("SET FOO BAR");
    follow(&nodes[1], &nodes[2]);
    wait_caught_up(&nodes[1], &nodes[2]);
    proxy.let_pass();
    assert_eq!(held.read(), Value::ok());
    wait_over(&nodes[0]);
    let result = nodes[0].info("last_failover_result");
    assert_eq!(
        result,
        "aborted: the target refused: this node follows another primary"
    );
    follow(&nodes[1], &nodes[0]);
    wait_caught_up(&nodes[1], &nodes[0]);
    assert_roles(&nodes, 0);
    assert_all_same(&nodes, 0);
    assert_eq!(counts(&nodes)[0], before[0]);
}
