//! Ends of every kind, and the start after them.

use stillpoint::server::state_copies::{COPY_BYTES, StateFile};
use stillpoint::server::state_file::{DurableRole, DurableState};

use super::common::conn::encode;
use super::common::{Server, Setup, Value};
use super::{STATUS_STORAGE, files, set_numbered, stillpoint, wrong_numbers};

const SYNCS: [&str; 3] = ["always", "everysec", "no"];

/// One key of every kind, some with an expiry, some gone again, and a transaction.
const WRITES: &[&str] = &[
    "SET string one",
    "APPEND string two",
    "SET counter 41",
    "INCR counter",
    "HSET hash a 1 b 2 c 3",
    "HDEL hash b",
    "RPUSH list 1 2 3 4",
    "LPOP list",
    "SADD set a b c",
    "SREM set a",
    "ZADD zset 1 a 2.5 b",
    "ZINCRBY zset 4 a",
    "SET expiring x PXAT 9999999999000",
    "PEXPIREAT hash 9999999998000",
    "SET gone x",
    "DEL gone",
    "SET moved x",
    "RENAME moved there",
    "MULTI",
    "SET left 1",
    "SET right 1",
    "EXEC",
    "SELECT 3",
    "SET elsewhere 3",
    "SELECT 4",
    "SET flushed 4",
    "FLUSHDB",
    "SELECT 0",
];

const READS: &[(&str, &str)] = &[
    ("GET string", "\"onetwo\""),
    ("GET counter", "\"42\""),
    ("HGETALL hash", "[\"a\", \"1\", \"c\", \"3\"]"),
    ("HLEN hash", ":2"),
    ("PEXPIRETIME hash", ":9999999998000"),
    ("LRANGE list 0 -1", "[\"2\", \"3\", \"4\"]"),
    ("SCARD set", ":2"),
    ("SMISMEMBER set a b c", "[:0, :1, :1]"),
    (
        "ZRANGE zset 0 -1 WITHSCORES",
        "[\"b\", \"2.5\", \"a\", \"5\"]",
    ),
    ("PEXPIRETIME expiring", ":9999999999000"),
    ("EXISTS gone moved", ":0"),
    ("GET there", "\"x\""),
    ("MGET left right", "[\"1\", \"1\"]"),
    ("DBSIZE", ":10"),
    ("SELECT 3", "+OK"),
    ("GET elsewhere", "\"3\""),
    ("SELECT 4", "+OK"),
    ("DBSIZE", ":0"),
];

fn write_all(server: &Server) {
    let mut conn = server.connect();
    for line in WRITES {
        let reply = conn.call(line);
        assert!(!reply.is_error(), "{line}: {reply}");
    }
}

fn assert_all_there(server: &Server) {
    let mut conn = server.connect();
    for (line, expected) in READS {
        assert_eq!(conn.call(line).to_string(), *expected, "{line}");
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    for sync in SYNCS {
        let Some(setup) = stillpoint("what_was_acknowledged_survives_a_kill") else {
            return;
        };
        let mut server = setup.arg("--wal-sync", sync).start();
        write_all(&server);
        server.restart(); // after a kill
        assert_all_there(&server);
        server.restart(); // and again, of what was recovered
        assert_all_there(&server);
    }
}

#[test]
fn sigterm_ends_with_status_0_and_everything_is_there() {
    for sync in SYNCS {
        let Some(setup) = stillpoint("sigterm_ends_with_status_0_and_everything_is_there") else {
            return;
        };
        let mut server = setup.arg("--wal-sync", sync).start();
        write_all(&server);
        assert_eq!(server.stop().code(), Some(0));
        server.restart();
        assert_all_there(&server);
    }
}

/// Replies come in order, so whoever has `count` of them must find that many.
#[test]
fn a_kill_in_the_middle_of_a_pipeline_loses_no_reply() {
    for sync in SYNCS {
        let Some(setup) = stillpoint("a_kill_in_the_middle_of_a_pipeline_loses_no_reply") else {
            return;
        };
        let mut server = setup.arg("--wal-sync", sync).start();
        for round in 0..3 {
            let mut conn = server.connect();
            let before = conn.call("INCRBY counter 0").int();
            conn.send_raw(&b"INCR counter\r\n".repeat(20_000));
            let mut last = before;
            for _ in 0..1 + round * 3000 {
                last = conn.read().int();
            }
            server.restart();
            let now = server.connect().call("INCRBY counter 0").int();
            assert!(
                last <= now && now <= before + 20_000,
                "wal-sync {sync}: {last} was acknowledged, {now} is there"
            );
        }
    }
}

#[test]
fn a_transaction_survives_a_kill_whole_or_not_at_all() {
    let Some(setup) = stillpoint("a_transaction_survives_a_kill_whole_or_not_at_all") else {
        return;
    };
    let mut server = setup.start();
    let mut transactions = Vec::new();
    for number in 0..2000 {
        let number = number.to_string();
        for command in [
            &["MULTI"][..],
            &["SET", "a", &number],
            &["RPUSH", "b", &number],
            &["SET", "c", &number],
            &["EXEC"],
        ] {
            encode(command, &mut transactions);
        }
    }
    for _ in 0..4 {
        let mut conn = server.connect();
        conn.send_raw(&transactions);
        for _ in 0..500 {
            conn.read();
        }
        server.restart();
        let mut conn = server.connect();
        let (a, c) = (conn.call("GET a"), conn.call("GET c"));
        assert_eq!(a, c);
        assert_eq!(conn.call("LINDEX b -1"), a);
        let len = conn.call("LLEN b").int();
        assert_eq!(len - 1, a.text().parse::<i64>().expect("a number"));
        conn.call("DEL a b c");
    }
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let Some(setup) = stillpoint("a_second_server_on_the_same_directory_is_refused") else {
        return;
    };
    let server = setup.start();
    set_numbered(&mut server.connect(), 0..10, 100);
    server.expect_log("is in use by another server");
    let (status, said) = Setup::new().start_expecting_exit(server.dir());
    assert_eq!(status.code(), STATUS_STORAGE);
    assert!(
        said.contains(&format!(
            "{} is in use by another server",
            server.dir().display()
        )),
        "{said}"
    );
    set_numbered(&mut server.connect(), 10..20, 100);
    assert!(wrong_numbers(&mut server.connect(), 0..20, 100).is_empty());
}

#[test]
fn a_node_that_was_a_replica_does_not_start_as_a_primary() {
    let Some(setup) = stillpoint("a_node_that_was_a_replica_does_not_start_as_a_primary") else {
        return;
    };
    let dir = setup.start().into_dir();
    let state = DurableState {
        role: DurableRole::Replica {
            host: "127.0.0.1".to_owned(),
            port: 1,
        },
        ..DurableState::default()
    };
    let (mut file, _) = StateFile::open(dir.path()).expect("a state file");
    file.store(&state).expect("a state file");
    let server = Setup::new().start_in(dir);
    server.expect_log("the link to 127.0.0.1:1");
    let mut client = server.connect();
    let refused = client.call("SET k v").text();
    assert!(refused.contains("READONLY"), "{refused}");
    client.ok("REPLICAOF NO ONE");
    client.ok("SET k v");
}

#[test]
fn a_damaged_state_file_is_refused_and_kept() {
    let Some(setup) = stillpoint("a_damaged_state_file_is_refused_and_kept") else {
        return;
    };
    let mut server = setup.start();
    set_numbered(&mut server.connect(), 0..10, 100);
    assert!(server.stop().success());
    let dir = server.into_dir();
    let path = dir.path().join("stillpoint.state");
    let whole = std::fs::read(&path).expect("the state file");
    let mut flipped = whole.clone();
    flipped[20] ^= 1;
    let one_flipped = flipped.clone();
    flipped[COPY_BYTES + 20] ^= 1;
    for damaged in [&flipped[..], &whole[..20], b"", b"something else\n"] {
        std::fs::write(&path, damaged).expect("the state file");
        let before = files(dir.path());
        let (status, said) = Setup::new().start_expecting_exit(dir.path());
        assert_eq!(status.code(), STATUS_STORAGE);
        assert!(said.contains("stillpoint.state is damaged"), "{said}");
        assert!(before == files(dir.path()), "a file has changed");
        remove_logs(dir.path());
    }
    // One copy of the two is enough.
    std::fs::write(&path, &one_flipped).expect("the state file");
    let mut server = Setup::new().start_in(dir);
    assert!(wrong_numbers(&mut server.connect(), 0..10, 100).is_empty());
    assert!(server.stop().success());
    let (_, state) = StateFile::open(server.dir()).expect("the state file");
    assert!(state.is_some_and(|state| state.clean_stop));
}

/// Takes away what refused starts have logged, so that the next server's log is its own.
pub fn remove_logs(dir: &std::path::Path) {
    for name in ["server.log", "stdout", "stderr"] {
        // Not all of them need be there.
        let _ = std::fs::remove_file(dir.join(name));
    }
}

/// INFO says the same number of updates before and after: nothing was written twice, or skipped.
#[test]
fn the_sequence_goes_on_where_it_was() {
    let Some(setup) = stillpoint("the_sequence_goes_on_where_it_was") else {
        return;
    };
    let mut server = setup.start();
    write_all(&server);
    let before = server.info("master_repl_offset");
    server.restart();
    assert_eq!(server.info("master_repl_offset"), before);
    assert_eq!(server.connect().call("SET more 1"), Value::ok());
    let after: u64 = server.info("master_repl_offset").parse().expect("a number");
    let before: u64 = before.parse().expect("a number");
    // The first record of a new history names it.
    assert!(
        (before + 1..=before + 2).contains(&after),
        "{before}, then {after}"
    );
}
