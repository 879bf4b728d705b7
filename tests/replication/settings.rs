//! Passwords, names, announced addresses, and nodes that follow themselves or each other.

use crate::common::{Setup, Value, wait_until};
use crate::{
    attach, follow, number, promote, start, start_all, still_serves, wait_caught_up, wait_link_up,
    wait_problem,
};

#[test]
fn a_password_is_asked_for_refused_and_mended_live() {
    let primary = start(Setup::new().arg("--requirepass", "hush"));
    let replica = start(Setup::new());
    let mut theirs = primary.connect();
    theirs.ok("AUTH hush");
    theirs.ok("SET a 1");
    follow(&replica, &primary);
    wait_problem(&replica, "wants a password");
    let mut conn = replica.connect();
    conn.ok("CONFIG SET masterauth wrong");
    wait_problem(&replica, "refuses masterauth");
    // The change is heard at once, not after the wait.
    conn.ok("CONFIG SET masterauth hush");
    wait_link_up(&replica);
    wait_until("the write is there", || {
        conn.call("GET a") == Value::bulk("1")
    });
    assert!(!replica.log().contains("hush"), "a password in the log");
    // A new one does not touch the link that is up.
    theirs.ok("CONFIG SET requirepass other");
    theirs.ok("SET b 1");
    wait_until("the write is there", || {
        conn.call("GET b") == Value::bulk("1")
    });
    assert_eq!(replica.info("master_link_status"), "up");
    // The next link is asked for it.
    theirs.call("CLIENT KILL TYPE replica");
    promote(&replica);
    follow(&replica, &primary);
    wait_problem(&replica, "refuses masterauth");
    conn.ok("CONFIG SET masterauth other");
    wait_link_up(&replica);
}

#[test]
fn a_full_copy_is_made_with_a_password() {
    let setup = || {
        Setup::new()
            .arg("--requirepass", "hush")
            .arg("--masterauth", "hush")
    };
    let (primary, node) = (start(setup()), start(setup()));
    node.expect_log("copying all data");
    let (mut theirs, mut ours) = (primary.connect(), node.connect());
    for conn in [&mut theirs, &mut ours] {
        conn.ok("AUTH hush");
    }
    theirs.ok("SET a 1");
    theirs.ok("SET b 1");
    ours.ok("SET mine 1");
    ours.ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_until("the copy is there", || {
        ours.call("GET a") == Value::bulk("1")
    });
    assert!(ours.call("GET mine").is_null());
}

#[test]
fn a_password_that_is_set_later_is_that_of_a_copy_too() {
    let (primary, node) = (
        start(Setup::new().arg("--requirepass", "hush")),
        start(Setup::new()),
    );
    node.expect_log("copying all data");
    let (mut theirs, mut ours) = (primary.connect(), node.connect());
    theirs.ok("AUTH hush");
    theirs.ok("SET a 1");
    theirs.ok("SET b 1");
    ours.ok("SET mine 1");
    follow(&node, &primary);
    wait_problem(&node, "wants a password");
    ours.ok("CONFIG SET masterauth hush");
    wait_until("the copy is there", || {
        ours.call("GET a") == Value::bulk("1")
    });
    assert!(ours.call("GET mine").is_null());
}

#[test]
fn a_password_that_nobody_asks_for_is_named() {
    let primary = start(Setup::new());
    let replica = start(Setup::new().arg("--masterauth", "hush"));
    primary.connect().ok("SET a 1");
    follow(&replica, &primary);
    wait_problem(&replica, "refuses masterauth");
    replica.connect().cmd(&["CONFIG", "SET", "masterauth", ""]);
    wait_caught_up(&replica, &primary);
}

#[test]
fn another_db_name_is_refused() {
    let primary = start(Setup::new().arg("--db-name", "theirs"));
    let replica = start(Setup::new());
    follow(&replica, &primary);
    wait_problem(&replica, "db-name is 'theirs'");
    promote(&replica);
    still_serves(&replica);
    still_serves(&primary);
}

#[test]
fn the_announced_address_is_shown() {
    let primary = start(Setup::new());
    let replica = start(
        Setup::new()
            .arg("--replica-announce-ip", "replica.example")
            .arg("--replica-announce-port", "7001"),
    );
    primary.connect().ok("SET a 1");
    attach(&replica, &primary);
    let row = primary.info("slave0");
    assert!(row.starts_with("ip=replica.example,port=7001,"), "{row}");
}

#[test]
fn a_node_that_follows_itself_says_so() {
    let node = start(Setup::new());
    node.connect().ok("SET a 1");
    node.connect()
        .ok(&format!("REPLICAOF 127.0.0.1 {}", node.port()));
    wait_problem(&node, "the primary is this node itself");
    assert_eq!(node.info("master_link_status"), "down");
    promote(&node);
    still_serves(&node);
    assert_eq!(node.connect().call("GET a").text(), "1");
}

#[test]
fn a_loop_of_replicas_says_so_and_is_undone_by_one_command() {
    let [one, two, three] = start_all::<3>();
    one.connect().ok("SET a 1");
    attach(&two, &one);
    attach(&three, &two);
    follow(&one, &three);
    wait_until("one of them names the loop", || {
        [&one, &two, &three].into_iter().any(|node| {
            node.connect()
                .call("INFO replication")
                .text()
                .contains("master_link_problem:the primary follows this node")
        })
    });
    promote(&one);
    still_serves(&one);
    wait_caught_up(&two, &one);
    wait_caught_up(&three, &two);
    let copies: u64 = [&one, &two, &three]
        .into_iter()
        .map(|node| number(node, "sync_full"))
        .sum();
    assert_eq!(copies, 0);
}

#[test]
fn a_primary_that_is_not_there_is_tried_until_it_is() {
    let mut primary = start(Setup::new());
    primary.connect().ok("SET a 1");
    let replica = start(Setup::new());
    let port = primary.port();
    primary.kill();
    replica.connect().ok(&format!("REPLICAOF 127.0.0.1 {port}"));
    wait_problem(&replica, "no connection to the primary");
    assert_eq!(replica.info("master_link_status"), "down");
    primary.restart();
    wait_caught_up(&replica, &primary);
}

#[test]
fn a_stopped_primary_is_taken_for_silent_and_found_again() {
    let [primary, replica] = start_all();
    primary.connect().ok("SET a 1");
    attach(&replica, &primary);
    replica.connect().ok("CONFIG SET repl-timeout 1");
    promote(&replica);
    attach(&replica, &primary);
    primary.signal("STOP");
    wait_problem(&replica, "silent");
    primary.signal("CONT");
    wait_caught_up(&replica, &primary);
    assert_eq!(number(&primary, "sync_full"), 0);
}
