//! Full copies: a node with a past of its own, what its clients see of the exchange, and copies that are given up.

use crate::common::{Conn, Setup, Value, wait_until};
use crate::data::{assert_same, write_all_types};
use crate::{attach, follow, number, promote, start, start_all, still_serves, wait_caught_up};

#[test]
fn a_diverged_node_is_copied_and_its_own_past_is_gone() {
    let [primary, node] = start_all();
    node.expect_log("copying all data");
    write_all_types(&mut primary.connect(), 1, 100);
    write_all_types(&mut node.connect(), 2, 50);
    node.connect().ok("SET mine 1");
    attach(&node, &primary);
    assert!(node.connect().call("GET mine").is_null());
    assert_same(&primary, &node);
    assert_eq!(number(&primary, "sync_full"), 1);
    assert_eq!(number(&primary, "sync_partial_err"), 1);
    assert_eq!(number(&primary, "sync_partial_ok"), 1);
    // The stream goes on from there.
    write_all_types(&mut primary.connect(), 3, 10);
    wait_caught_up(&node, &primary);
    assert_same(&primary, &node);
}

#[test]
fn a_copy_survives_a_restart_and_is_not_made_again() {
    let [primary, mut node] = start_all();
    node.expect_log("copying all data");
    write_all_types(&mut primary.connect(), 1, 20);
    write_all_types(&mut node.connect(), 2, 20);
    attach(&node, &primary);
    node.kill();
    primary.connect().ok("SET later 1");
    node.restart();
    wait_caught_up(&node, &primary);
    assert_same(&primary, &node);
    assert_eq!(number(&primary, "sync_full"), 1);
    promote(&node);
    still_serves(&node);
}

#[test]
fn what_was_written_after_a_split_is_given_up_and_counted() {
    let [primary, node] = start_all();
    primary.expect_log("copying all data");
    attach(&node, &primary);
    primary.connect().ok("SET common 1");
    wait_caught_up(&node, &primary);
    // The other one is promoted, and the old primary does not hear of it.
    promote(&node);
    wait_until("the replica has gone", || {
        primary.info("connected_slaves") == "0"
    });
    for number in 0..3 {
        primary.connect().ok(&format!("SET lost{number} 1"));
    }
    for number in 0..10 {
        node.connect().ok(&format!("SET kept{number} 1"));
    }
    attach(&primary, &node);
    assert_same(&primary, &node);
    assert!(primary.connect().call("GET lost0").is_null());
    let log = primary.log();
    let words = "3 writes of this node that it does not have are given up";
    assert!(log.contains(words), "{log}");
    assert_eq!(number(&node, "sync_full"), 1);
}

#[test]
fn clients_see_the_old_data_or_the_new_and_loading_between() {
    let [primary, node] = start_all();
    node.expect_log("copying all data");
    let mut theirs = primary.connect();
    theirs.ok("MSET a new b new");
    write_all_types(&mut theirs, 1, 100);
    let mut ours = node.connect();
    ours.ok("MSET a old b old");
    write_all_types(&mut ours, 2, 100);
    let mut watcher = node.connect();
    watcher.ok("WATCH a");
    watcher.ok("MULTI");
    watcher.call("GET a");
    let mut blocked = node.connect();
    blocked.send_line("BLPOP nothing 0");
    crate::common::server::wait_for_blocked(&mut ours, 1);
    follow(&node, &primary);
    let unblocked = blocked.read();
    assert!(unblocked.text().starts_with("UNBLOCKED "), "{unblocked:?}");
    assert!(blocked.closes_within(crate::common::DEADLINE));
    let mut states = Vec::new();
    wait_until("the new data is there", || {
        let reply = ours.call("MGET a b");
        let state = match &reply {
            Value::Error(text) if text.starts_with(b"LOADING ") => "loading".to_owned(),
            reply => {
                let [a, b] = reply.items() else {
                    panic!("{reply:?}")
                };
                assert_eq!(a, b, "half old, half new");
                a.text()
            }
        };
        // What must be answered meanwhile.
        assert!(!ours.call("INFO replication").is_error());
        if states.last() != Some(&state) {
            states.push(state.clone());
        }
        state == "new"
    });
    let order: Vec<&str> = states
        .iter()
        .map(String::as_str)
        .filter(|state| *state != "loading")
        .collect();
    assert!(order == ["old", "new"] || order == ["new"], "{states:?}");
    assert_eq!(watcher.call("EXEC"), Value::NullArray);
    wait_caught_up(&node, &primary);
    assert_same(&primary, &node);
}

#[test]
fn replicas_of_a_copied_node_are_copied_too() {
    let [primary, middle, bottom] = start_all::<3>();
    middle.expect_log("copying all data");
    bottom.expect_log("copying all data");
    write_all_types(&mut primary.connect(), 1, 20);
    write_all_types(&mut middle.connect(), 2, 20);
    attach(&bottom, &middle);
    attach(&middle, &primary);
    wait_caught_up(&bottom, &middle);
    assert_same(&primary, &bottom);
    assert_eq!(number(&middle, "sync_full"), 1);
}

#[test]
fn a_copy_is_given_up_by_promotion() {
    let primary = start(Setup::new().arg("--max-replication-mb", "1"));
    let node = start(Setup::new());
    node.expect_log("copying all data");
    let mut conn = primary.connect();
    let value = incompressible(1 << 20);
    for number in 0..30 {
        assert_eq!(
            conn.cmd(&[b"SET", format!("big{number}").as_bytes(), &value]),
            Value::ok()
        );
    }
    let mut ours: Conn = node.connect();
    ours.ok("SET mine 1");
    follow(&node, &primary);
    wait_until("the copy has begun", || {
        node.connect()
            .call("INFO replication")
            .text()
            .contains("master_sync_in_progress:1")
    });
    promote(&node);
    assert_eq!(ours.call("GET mine").text(), "1");
    still_serves(&node);
    assert_eq!(node.info("role"), "master");
}

/// Bytes that take as much room on disk.
pub fn incompressible(bytes: usize) -> Vec<u8> {
    crate::common::Rng::new(7).bytes(bytes)
}

#[test]
fn files_are_not_sent_over_a_unix_socket_and_whoever_asks_is_told() {
    use std::io::{Read, Write};
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("socket");
    let primary = start(Setup::new().arg("--unixsocket", &path.to_string_lossy()));
    primary.connect().ok("SET a 1");
    for request in [
        "_fetch_meta\r\n",
        "_fetch_meta\r\n",
        "_fetch_file 000001.sst\r\n",
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
        let limit = Some(std::time::Duration::from_secs(30));
        stream
            .set_read_timeout(limit)
            .expect("a timeout above zero");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        // Up to the end of the connection.
        stream.read_to_string(&mut answer).expect("an answer");
        assert_eq!(
            answer, "-ERR files of a full copy are sent over TCP alone\r\n",
            "{request}"
        );
    }
    still_serves(&primary);
}
