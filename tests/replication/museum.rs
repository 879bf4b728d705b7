//! Bugs that Redis, Valkey, Kvrocks and Dragonfly had around pauses and failovers, where replicas are concerned. Each test is named
//! after what went wrong; the whole list is in tests/pause/museum.rs.

use std::time::Duration;

use crate::common::server::{blocked_count, info_field, wait_for_blocked};
use crate::common::{Conn, DEADLINE, Server, Setup, Value, holds_within, wait_until};
use crate::data::{assert_same, write_all_types};
use crate::peer::{FakePrimary, Link};
use crate::{
    attach, follow, number, offset, promote, start, start_all, still_serves, wait_caught_up,
    wait_reply,
};

const READONLY: &str = "READONLY You can't write against a read only replica.";

/// Sends a line and waits until one more client is blocked.
fn park(server: &Server, line: &str) -> Conn {
    let (mut admin, mut conn) = (server.connect(), server.connect());
    let before = blocked_count(&mut admin);
    conn.send_line(line);
    wait_for_blocked(&mut admin, before + 1);
    assert!(!conn.has_reply_now());
    conn
}

/// Line 3: the primary's own PING moved its offset, so that the replica's never equalled it (redis 6029). Keep-alives, here, are
/// no part of the history.
#[test]
fn a_keep_alive_moved_the_offset() {
    let [primary, replica] = start_all();
    primary.connect().ok("SET a 1");
    attach(&replica, &primary);
    let at = offset(&primary);
    let mut link = Link::follow_with_extras(&primary, 1);
    link.record();
    let mut keep_alives = 0;
    while keep_alives < 3 {
        let line = link.line();
        // No record comes.
        assert!(line.starts_with('+'), "{line}");
        keep_alives += usize::from(line.starts_with("+status "));
    }
    assert_eq!([offset(&primary), offset(&replica)], [at, at]);
}

/// Line 4: asking for acknowledgements, and deleting what a reader found expired, moved the offset during a pause (redis 8170).
#[test]
fn wait_and_expiry_moved_the_offset_during_a_pause() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let mut conn = primary.connect();
    for number in 0..20 {
        conn.ok(&format!("SET k{number} v PX 50"));
    }
    conn.ok("CLIENT PAUSE 100000 WRITE");
    wait_caught_up(&replica, &primary);
    let at = offset(&primary);
    for server in [&primary, &replica] {
        let mut reader = server.connect();
        for number in 0..20 {
            wait_until("the key has expired", || {
                reader.call(&format!("GET k{number}")).is_null()
            });
        }
    }
    for _ in 0..10 {
        assert_eq!(primary.connect().call("WAIT 1 0"), Value::Int(1));
    }
    assert_eq!([offset(&primary), offset(&replica)], [at, at]);
}

/// Line 5: who was paused was sent away together with those who wait for keys, when the primary became a replica (redis 8302).
#[test]
fn paused_clients_were_dropped_with_the_blocked_ones_on_demotion() {
    let [primary, replica] = start_all();
    primary.connect().ok("SET a 1");
    attach(&replica, &primary);
    let mut blocked = park(&primary, "BLPOP list 0");
    primary.connect().ok("CLIENT PAUSE 100000 WRITE");
    let mut paused = park(&primary, "INCR a");
    let mut paused_pop = park(&primary, "BLPOP list 0");
    promote(&replica);
    follow(&primary, &replica);
    let sent_away = blocked.read().text();
    assert!(sent_away.starts_with("UNBLOCKED "), "{sent_away}");
    assert!(blocked.closes_within(DEADLINE));
    for conn in [&mut paused, &mut paused_pop] {
        assert_eq!(conn.read(), Value::error(READONLY));
        // And are there still.
        assert_eq!(conn.call("GET a").text(), "1");
    }
}

/// Line 6: a connection that had named itself a replica passed the pause, and what it wrote ended the server (redis 8712).
#[test]
fn a_replicas_connection_passed_the_pause() {
    let primary = start(Setup::new());
    let mut admin = primary.connect();
    admin.ok("SET a 1");
    admin.ok("CLIENT PAUSE 100000 WRITE");
    // Before its stream it is a client like any other.
    let mut link = Link::connect(&primary);
    assert_eq!(link.ask(&["replconf", "listening-port", "7777"]), "+OK");
    link.command(&["SET", "b", "1"]);
    wait_for_blocked(&mut admin, 1);
    let frozen = offset(&primary);
    // Behind its PSYNC only acknowledgements count: the one behind the write is heard, so the write was passed over.
    let mut stream = Link::follow_with_extras(&primary, 1);
    stream.record();
    stream.command(&["SET", "c", "1"]);
    stream.command(&["replconf", "ack", &frozen.to_string()]);
    assert_eq!(primary.connect().call("WAIT 1 30000"), Value::Int(1));
    assert_eq!(offset(&primary), frozen);
    admin.ok("CLIENT UNPAUSE");
    assert_eq!(link.line(), "+OK");
    assert_eq!(admin.call("EXISTS a b c"), Value::Int(2));
    still_serves(&primary);
}

/// Line 7: a paused replica counted what it had read and not applied, and was promoted without it (redis 9448).
#[test]
fn a_paused_replica_counted_what_it_had_not_applied() {
    let [mut primary, replica] = start_all();
    attach(&replica, &primary);
    replica.connect().ok("CLIENT PAUSE 100000 WRITE");
    let at = offset(&replica);
    let mut conn = primary.connect();
    for number in 0..50 {
        conn.ok(&format!("SET k{number} v"));
    }
    // Neither to those who wait nor to those who compare numbers does it claim them.
    assert_eq!(conn.call("WAIT 1 100"), Value::Int(0));
    let mut theirs = replica.connect();
    for field in ["slave_repl_offset", "master_repl_offset", "sequence"] {
        assert_eq!(info_field(&mut theirs, field), at.to_string(), "{field}");
    }
    let row = primary.info("slave0");
    assert!(row.contains(&format!("offset={at},")), "{row}");
    assert!(theirs.call("GET k0").is_null());
    // What it counts when it is promoted it has.
    primary.kill();
    promote(&replica);
    replica.connect().ok("CLIENT UNPAUSE");
    let applied = offset(&replica) - at;
    let keys = theirs.call("DBSIZE").int() as u64;
    // The first write of a term stores its id with it.
    assert!(
        applied == 0 && keys == 0 || applied == keys + 1,
        "{applied} {keys}"
    );
}

/// Line 9: the old primary stayed paused when it had handed over, and was found so when it became one again (redis 9618, 9676,
/// 10985).
#[test]
fn the_old_primary_stayed_paused_after_a_hand_over() {
    let [one, two] = start_all();
    one.connect().ok("SET a 1");
    attach(&two, &one);
    for (from, to) in [(&one, &two), (&two, &one), (&one, &two)] {
        from.connect()
            .ok(&format!("FAILOVER TO 127.0.0.1 {}", to.port()));
        // It says that it is a replica as soon as it is no primary.
        wait_until("it has handed over", || {
            from.info("role") == "slave" && from.info("master_failover_state") == "no-failover"
        });
        assert_eq!(from.info("paused_reason"), "none");
        still_serves(to);
        wait_caught_up(from, to);
    }
    // By the operator's hand.
    promote(&one);
    still_serves(&one);
    // A pause of the operator's own is his to end: it neither holds the new replica's stream, nor is it lost.
    one.connect().ok("CLIENT PAUSE 100000 WRITE");
    let mut held = park(&one, "SET held 1");
    one.connect().ok("CLIENT UNPAUSE");
    assert_eq!(held.read(), Value::ok());
}

/// Line 10: purposes were mixed up, and CLIENT UNPAUSE let writes go on in the middle of a shutdown (redis 45a155bd0).
#[test]
fn unpause_let_writes_go_on_during_a_shutdown() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    // It holds the shutdown up.
    replica.connect().ok("CLIENT PAUSE 100000 ALL");
    let mut admin = primary.connect();
    admin.ok("CONFIG SET shutdown-timeout 1000");
    admin.ok("SET a 1");
    let mut leaving = park(&primary, "SHUTDOWN");
    let mut held = park(&primary, "INCR a");
    let at = offset(&primary);
    admin.ok("CLIENT UNPAUSE");
    admin.ok("CLIENT PAUSE 100000 WRITE");
    admin.ok("CLIENT UNPAUSE");
    assert_eq!(blocked_count(&mut admin), 2);
    assert!(!held.has_reply_now());
    assert_eq!(offset(&primary), at);
    // The other way round: the end of the shutdown does not end the operator's pause.
    admin.ok("CLIENT PAUSE 100000 WRITE");
    admin.ok("SHUTDOWN ABORT");
    assert!(leaving.read().is_error());
    wait_for_blocked(&mut admin, 1);
    assert!(!held.has_reply_now());
    admin.ok("CLIENT UNPAUSE");
    assert_eq!(held.read(), Value::Int(2));
}

/// Line 16: SHUTDOWN failed inside its own blocked call: the client that had sent it was blocked when the time came (redis 10439,
/// 10440, 14420).
#[test]
fn shutdown_failed_inside_its_own_blocked_call() {
    let [mut primary, replica] = start_all();
    attach(&replica, &primary);
    let mut theirs = replica.connect();
    theirs.ok("CLIENT PAUSE 100000 ALL");
    primary.connect().ok("CONFIG SET shutdown-timeout 1000");
    primary.connect().ok("SET a 1");
    let first = park(&primary, "SHUTDOWN");
    let mut second = park(&primary, "SHUTDOWN SAVE");
    let third = park(&primary, "SHUTDOWN");
    drop(first);
    wait_for_blocked(&mut primary.connect(), 2);
    second.send_line("PING");
    // The replica catches up, and that is the moment.
    theirs.ok("CLIENT UNPAUSE");
    assert!(primary.wait_for_exit().success());
    for mut conn in [second, third] {
        assert_eq!(conn.read_to_close(), b"");
    }
    wait_reply(&mut theirs, "GET a", "1");
}

/// Line 20: a replica with a higher offset, of another history, was preferred to one that held everything (valkey 885,
/// kvrocks-controller 317, 340).
#[test]
fn a_replica_with_a_higher_number_of_an_old_history_won() {
    let [primary, replica, other] = start_all::<3>();
    other.expect_log("copying all data");
    primary.connect().ok("SET a right");
    attach(&replica, &primary);
    // It has much more of its own, and follows late.
    write_all_types(&mut other.connect(), 5, 30);
    other.connect().ok("SET a wrong");
    assert!(offset(&other) > offset(&primary));
    // As long as it has not got the primary's data it is no replica of it.
    let claims = offset(&other) + 1;
    let mut link = Link::connect(&primary);
    let answer = link.ask(&["PSYNC", &other.info("replication_id"), &claims.to_string()]);
    assert!(answer.starts_with("-ERR "), "{answer}");
    assert_eq!(primary.info("connected_slaves"), "1");
    attach(&other, &primary);
    assert_eq!(other.connect().call("GET a").text(), "right");
    assert_eq!(offset(&other), offset(&primary));
    primary.connect().ok("FAILOVER");
    wait_until("it has handed over", || primary.info("role") == "slave");
    for node in [&primary, &replica, &other] {
        wait_reply(&mut node.connect(), "GET a", "right");
    }
}

/// Line 23: REPLICAOF twice in a row was a deadlock (kvrocks 2516).
#[test]
fn replicaof_twice_in_a_row_was_a_deadlock() {
    let [one, two, node] = start_all::<3>();
    one.connect().ok("SET a 1");
    attach(&two, &one);
    let line = |server: &Server| -> Vec<String> {
        let port = server.port().to_string();
        vec!["REPLICAOF".into(), "127.0.0.1".into(), port]
    };
    let mut conn = node.connect();
    for round in 0..20 {
        let commands: Vec<Vec<String>> = match round % 2 {
            0 => vec![line(&one), line(&one), line(&two), line(&one)],
            _ => vec![line(&one), line(&two), line(&two)],
        };
        for reply in conn.pipeline(&commands) {
            assert!(!reply.is_error(), "{reply:?}");
        }
    }
    wait_caught_up(&node, &two);
    wait_reply(&mut conn, "GET a", "1");
}

/// Line 23 as well: a primary that was lost during a full copy held its replica up until the system's keep-alive found out (kvrocks
/// 2662). The default `repl-timeout`, 60 s, is longer than this test waits for anything.
#[test]
fn a_primary_lost_during_a_full_copy_held_its_replica_up() {
    let node = start(Setup::new());
    node.expect_log("copying all data");
    let good = start(Setup::new());
    good.connect().ok("SET a 1");
    node.connect().ok("SET mine 1");
    let lost = FakePrimary::new();
    for says in ["", "CURRENT,MANIFEST-000001\r\n"] {
        lost.lead(&node);
        let (mut link, _) = lost.accept_psync(true);
        link.send(b"-ERR sequence out of range, please use fullsync\r\n");
        let mut meta = lost.accept_fetch();
        assert_eq!(meta.words().expect("a request"), ["_fetch_meta"]);
        meta.send(says.as_bytes());
        let files = (!says.is_empty()).then(|| {
            drop(meta);
            let mut files = lost.accept_fetch();
            assert_eq!(files.words().expect("a request")[0], "_fetch_file");
            files
        });
        // Nothing more comes. It answers, and takes orders at once.
        let mut conn = node.connect();
        assert_eq!(conn.call("PING"), Value::simple("PONG"));
        conn.ok("REPLICAOF NO ONE");
        still_serves(&node);
        drop(files);
    }
    lost.lead(&node);
    let (mut link, _) = lost.accept_psync(true);
    link.send(b"-ERR sequence out of range, please use fullsync\r\n");
    let silent = lost.accept();
    follow(&node, &good);
    wait_caught_up(&node, &good);
    assert_same(&node, &good);
    drop(silent);
}

/// Line 24: numbers were equal and contents were not: the stream went on, and the data differed for good (kvrocks 462).
#[test]
fn equal_numbers_with_other_contents_went_on() {
    let [one, two] = start_all();
    two.expect_log("copying all data");
    for (server, name) in [(&one, "one"), (&two, "two")] {
        let mut conn = server.connect();
        for number in 0..50 {
            conn.ok(&format!("SET k{number} {name}"));
        }
    }
    assert_eq!(offset(&one), offset(&two));
    attach(&two, &one);
    assert_eq!(two.connect().call("GET k49").text(), "one");
    assert_same(&one, &two);
    assert_eq!(number(&one, "sync_full"), 1);
    // The same behind a common past: both wrote as much, each for itself.
    promote(&two);
    for (server, name) in [(&one, "one"), (&two, "two")] {
        let mut conn = server.connect();
        for number in 0..20 {
            conn.ok(&format!("SET later{number} {name}"));
        }
    }
    // A new term stores its id: one write less, and the numbers are equal.
    while offset(&one) < offset(&two) {
        one.connect().ok("SET fill x");
    }
    assert_eq!(offset(&one), offset(&two));
    attach(&two, &one);
    assert_eq!(two.connect().call("GET later19").text(), "one");
    assert_same(&one, &two);
    assert_eq!(number(&one, "sync_full"), 2);
}

/// Line 25: a replica's number fell inside a batch of several updates, and all data was copied for a few records (kvrocks 3340). A
/// replica here stands at the end of a batch at every moment, also when it is killed in the middle of large ones.
#[test]
fn a_number_inside_a_batch_cost_a_full_copy() {
    const KEYS: usize = 200;
    let [primary, mut replica] = start_all();
    attach(&replica, &primary);
    let mut conn = primary.connect();
    for round in 0..8 {
        for batch in 0..10 {
            conn.ok("MULTI");
            for key in 0..KEYS {
                conn.call(&format!("SET k{key} {round}.{batch}"));
            }
            assert_eq!(conn.call("EXEC").items().len(), KEYS);
        }
        // In the middle of whatever it is doing.
        replica.kill();
        conn.ok("SET while-away 1");
        replica.restart();
    }
    wait_caught_up(&replica, &primary);
    assert_same(&primary, &replica);
    assert_eq!(number(&primary, "sync_full"), 0);
    assert_eq!(number(&primary, "sync_partial_err"), 0);
    // Who asks from inside one is refused: it would lack what comes before.
    let inside = offset(&primary) + 2;
    conn.ok("MULTI");
    conn.call("SET a 1");
    conn.call("SET b 2");
    conn.call("SET c 3");
    assert_eq!(conn.call("EXEC").items().len(), 3);
    let answer = Link::connect(&primary).ask(&["PSYNC", &inside.to_string()]);
    assert!(answer.starts_with("-ERR "), "{answer}");
}

/// Line 26: clients gave up before the pause ended and wrote elsewhere, their commands ran all the same, and readers of the old
/// primary kept seeing old data (a chart's issue 13021).
#[test]
fn writers_gave_up_during_the_pause_and_readers_kept_old_data() {
    let [primary, replica] = start_all();
    primary.connect().ok("SET counter 0");
    attach(&replica, &primary);
    let mut reader = primary.connect();
    primary.connect().ok("CLIENT PAUSE 100000 WRITE");
    for _ in 0..5 {
        drop(park(&primary, "INCR counter"));
    }
    let mut admin = primary.connect();
    wait_for_blocked(&mut admin, 0);
    promote(&replica);
    follow(&primary, &replica);
    admin.ok("CLIENT UNPAUSE");
    // They come back, to the old one and to the new one.
    let mut writer = primary.connect();
    assert_eq!(writer.call("INCR counter"), Value::error(READONLY));
    let mut writer = replica.connect();
    assert_eq!(writer.call("INCR counter"), Value::Int(1));
    // Who reads where it always read sees what is written elsewhere.
    wait_reply(&mut reader, "GET counter", "1");
    let moved = holds_within(Duration::from_millis(20), || {
        replica.connect().call("GET counter").text() != "1"
    });
    assert!(!moved, "the command of a client that had left ran");
}
