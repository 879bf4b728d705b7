//! A full disk, on file systems in memory that are made for the test. That takes root's rights; without them the tests say so and are over.

use std::path::Path;

use super::common::small_disk::SmallDisk;
use super::common::{Conn, DEADLINE, Server, Value, holds_within, wait_until};
use super::{set_numbered, stillpoint, wrong_numbers};

const VALUE_BYTES: usize = 60_000;
/// More than any of the file systems holds.
const VALUES_MAX: usize = 10_000;

/// Sets numbered keys until one is refused: how many were acknowledged, and the refusal.
fn fill(conn: &mut Conn) -> (usize, String) {
    for number in 0..VALUES_MAX {
        let reply = conn.cmd(&[
            b"SET".to_vec(),
            super::key(number),
            super::value(number, VALUE_BYTES),
        ]);
        if reply != Value::ok() {
            return (number, reply.text());
        }
    }
    panic!("{VALUES_MAX} values fit on the small disk");
}

fn assert_refuses_writes_and_serves_reads(
    server: &mut Server,
    conn: &mut Conn,
    acknowledged: usize,
) {
    for line in [
        "SET key:0 other",
        "DEL key:0",
        "INCR counter",
        "HSET hash a 1",
        "FLUSHALL",
        "RENAME key:0 other",
    ] {
        let reply = conn.call(line);
        assert!(
            reply.text().starts_with("MISCONF Writes are refused: "),
            "{line}: {reply}"
        );
    }
    conn.ok("MULTI");
    assert!(conn.call("SET key:0 other").text().starts_with("MISCONF "));
    assert!(conn.call("EXEC").text().starts_with("EXECABORT "));
    assert_eq!(conn.call("PING"), Value::simple("PONG"));
    assert_eq!(conn.call("EXISTS counter hash other"), Value::Int(0));
    assert_eq!(conn.call("DBSIZE"), Value::Int(acknowledged as i64));
    for mut conn in [server.connect(), std::mem::replace(conn, server.connect())] {
        assert!(wrong_numbers(&mut conn, 0..acknowledged, VALUE_BYTES).is_empty());
    }
    assert!(server.is_running());
}

/// Writes resume by themselves, and nothing acknowledged is lost, after a kill neither.
fn assert_resumes(server: &mut Server, acknowledged: usize) {
    let mut conn = server.connect();
    let resumed = holds_within(DEADLINE, || conn.call("SET resumed yes") == Value::ok());
    assert!(resumed, "{}", conn.call("SET resumed yes"));
    set_numbered(&mut conn, acknowledged..acknowledged + 20, VALUE_BYTES);
    assert!(wrong_numbers(&mut conn, 0..acknowledged + 20, VALUE_BYTES).is_empty());
    server.restart();
    assert!(wrong_numbers(&mut server.connect(), 0..acknowledged + 20, VALUE_BYTES).is_empty());
    assert!(server.stop().success());
}

fn lines_with(log: &Path, part: &str) -> usize {
    let text = std::fs::read_to_string(log).expect("the log");
    text.lines().filter(|line| line.contains(part)).count()
}

#[test]
fn above_the_reserve_the_engine_never_meets_a_full_disk() {
    let test = "above_the_reserve_the_engine_never_meets_a_full_disk";
    let Some(setup) = stillpoint(test) else {
        return;
    };
    let Some(disk) = SmallDisk::new(test, 120, 50) else {
        return;
    };
    let logs = tempfile::tempdir().expect("a temporary directory");
    let log = logs.path().join("log");
    let mut server = disk.start(setup.arg("--disk-reserve", "20mb"), &log);
    let mut conn = server.connect();
    let (acknowledged, refusal) = fill(&mut conn);
    assert!(refusal.starts_with("MISCONF Writes are refused: less than disk-reserve (20971520 bytes) is free on the disk of "), "{refusal}");
    assert!(acknowledged > 20, "only {acknowledged} were taken");
    assert_refuses_writes_and_serves_reads(&mut server, &mut conn, acknowledged);
    assert_eq!(lines_with(&log, "writes are refused"), 1);
    disk.make_room();
    assert_resumes(&mut server, acknowledged);
    assert_eq!(lines_with(&log, "writes are accepted again"), 1);
    assert_eq!(lines_with(&log, "a commit failed"), 0);
}

#[test]
fn without_a_reserve_a_full_disk_is_survived() {
    let test = "without_a_reserve_a_full_disk_is_survived";
    for sync in ["everysec", "always"] {
        let Some(setup) = stillpoint(test) else {
            return;
        };
        let Some(disk) = SmallDisk::new(test, 90, 45) else {
            return;
        };
        let logs = tempfile::tempdir().expect("a temporary directory");
        let log = logs.path().join("log");
        let mut server = disk.start(
            setup.arg("--disk-reserve", "0").arg("--wal-sync", sync),
            &log,
        );
        let mut conn = server.connect();
        let (acknowledged, refusal) = fill(&mut conn);
        assert!(
            refusal.starts_with("MISCONF Writes are refused: a write to the disk failed: "),
            "{refusal}"
        );
        assert!(refusal.contains("No space left on device"), "{refusal}");
        assert_refuses_writes_and_serves_reads(&mut server, &mut conn, acknowledged);
        wait_until("the refusal to say how much room is needed", || {
            conn.call("SET a b")
                .text()
                .contains("bytes are free on the disk")
        });
        assert_eq!(lines_with(&log, "a commit failed"), 1);
        assert_eq!(lines_with(&log, "reopening the database"), 0);
        disk.make_room();
        assert_resumes(&mut server, acknowledged);
        assert_eq!(lines_with(&log, "the database is open again"), 1);
    }
}

/// The reserve can be raised while the server runs.
#[test]
fn a_raised_reserve_counts_at_once() {
    let Some(setup) = stillpoint("a_raised_reserve_counts_at_once") else {
        return;
    };
    let server = setup.start();
    server.expect_log("writes are refused");
    let mut conn = server.connect();
    conn.ok("SET a 1");
    conn.ok("CONFIG SET disk-reserve 1000000gb");
    wait_until("writes to be refused", || conn.call("SET b 2").is_error());
    let refusal = conn.call("SET a 2").text();
    assert!(
        refusal.starts_with("MISCONF Writes are refused: less than disk-reserve"),
        "{refusal}"
    );
    assert_eq!(conn.call("GET a"), Value::bulk("1"));
    conn.ok("CONFIG SET disk-reserve 0");
    wait_until("writes to be taken", || conn.call("SET a 3") == Value::ok());
}
