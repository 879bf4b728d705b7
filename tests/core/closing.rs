//! Connections that end in every possible way, and connections that cannot begin.

use crate::Bench;
use crate::common::{Conn, Setup, Value, wait_until};

/// Sends `bytes` and the end of the connection so that the server meets both at once.
fn send_and_leave(bench: &Bench, bytes: &[u8]) {
    let mut conn = bench.server.connect();
    conn.send_raw(bytes);
    drop(conn);
}

/// The end of a connection that comes together with bytes raises no event of its own: those clients stayed for ever.
#[test]
fn a_client_that_sends_and_leaves_at_once_is_forgotten() {
    let mut bench = Bench::start();
    for _ in 0..20 {
        send_and_leave(&bench, b"*2\r\n$3\r\nGET");
        send_and_leave(&bench, b"SUBSCRIBE news\r\n");
        send_and_leave(&bench, b"PING\r\n");
    }
    bench.wait_for_others(0);
    assert_eq!(bench.admin.call("PUBLISH news x"), Value::Int(0));
}

/// An element was given to a client that had left before its BLPOP began to wait.
#[test]
fn an_element_is_not_given_to_a_client_that_left_at_once() {
    let mut bench = Bench::start();
    for _ in 0..20 {
        send_and_leave(&bench, b"BLPOP list 0\r\n");
    }
    bench.wait_for_others(0);
    bench.admin.call("RPUSH list element");
    assert_eq!(bench.admin.call("LLEN list"), Value::Int(1));
}

#[test]
fn a_paused_command_of_a_client_that_left_at_once_never_runs() {
    let mut bench = Bench::start();
    bench.admin.ok("CLIENT PAUSE 100000 WRITE");
    for _ in 0..20 {
        send_and_leave(&bench, b"SET key value\r\n");
    }
    bench.wait_for_others(0);
    bench.admin.ok("CLIENT UNPAUSE");
    assert_eq!(bench.admin.call("EXISTS key"), Value::Int(0));
}

/// Replies that wait for the disk when the end of the connection is read.
#[test]
fn who_has_stopped_sending_gets_the_replies_that_wait_for_the_disk() {
    let bench = Bench::of(Setup::new().arg("--wal-sync", "always").start());
    for number in 0..20 {
        let mut conn = bench.server.connect();
        conn.send_raw(format!("SET key {number}\r\nGET key\r\n").as_bytes());
        conn.end_sending();
        let said = conn.read_to_close();
        let value = number.to_string();
        let expected = format!("+OK\r\n${}\r\n{value}\r\n", value.len());
        assert_eq!(String::from_utf8_lossy(&said), expected);
    }
}

/// Commands behind one that waits for a worker run although nothing more will be sent: the wait ends by itself.
#[test]
fn who_has_stopped_sending_is_answered_behind_a_long_scan() {
    let mut bench = Bench::start();
    let members: Vec<String> = (0..10_000).map(|number| format!("m{number}")).collect();
    let mut add = vec!["SADD".to_owned(), "set".to_owned()];
    add.extend_from_slice(&members);
    bench.admin.cmd(&add);
    let mut conn = bench.server.connect();
    conn.send_raw(b"SMEMBERS set\r\nSET behind it\r\n");
    conn.end_sending();
    assert_eq!(conn.read().items().len(), members.len());
    assert_eq!(conn.read(), Value::ok());
    assert!(conn.read_to_close().is_empty());
}

/// Messages went on to be queued for a client that was to be closed after its last reply, which so never came to its end.
#[test]
fn a_subscriber_that_quits_gets_nothing_more() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    conn.call("SUBSCRIBE news");
    conn.send_raw(b"QUIT\r\n");
    assert_eq!(conn.read(), Value::ok());
    assert!(conn.read_to_close().is_empty());
    bench.wait_for_others(0);
}

/// A server out of descriptors left those who were waiting to be accepted waiting for ever.
#[test]
fn who_waits_for_a_descriptor_is_accepted_when_there_is_one() {
    let bench = Bench::start();
    if bench.server.is_stand_in() {
        return;
    }
    bench.server.expect_log("could not be accepted");
    let descriptors = format!("/proc/{}/fd", bench.server.pid());
    let in_use = std::fs::read_dir(descriptors).expect("a process").count();
    let status = std::process::Command::new("prlimit")
        .arg(format!("--pid={}", bench.server.pid()))
        .arg(format!("--nofile={0}:{0}", in_use + 4))
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return crate::common::say_skipped("who_waits_for_a_descriptor", "prlimit does not work");
    }
    let mut conns: Vec<Conn> = (0..8).map(|_| bench.server.connect()).collect();
    wait_until("the server is out of descriptors", || {
        bench.server.log().contains("could not be accepted")
    });
    let mut last = conns.pop().expect("a connection");
    conns.clear();
    assert_eq!(last.call("PING"), Value::simple("PONG"));
}

/// What is queued for EXEC counts as input: a client in MULTI could fill the memory.
#[test]
fn a_transaction_that_never_ends_is_closed_at_the_query_buffer_limit() {
    let mut bench = Bench::start();
    if bench.server.is_stand_in() {
        return;
    }
    bench.server.expect_log("query buffer");
    bench
        .admin
        .ok("CONFIG SET client-query-buffer-limit 1048576");
    let mut conn = bench.server.connect();
    conn.ok("MULTI");
    let value = "x".repeat(100_000);
    let mut sent = 0;
    wait_until("the connection is closed", || {
        sent += 1;
        assert!(sent < 100, "{sent} times {} bytes are queued", value.len());
        conn.try_send_raw(format!("*2\r\n$4\r\nECHO\r\n$100000\r\n{value}\r\n").as_bytes())
            .is_err()
            || conn.closes_within(std::time::Duration::from_millis(1))
    });
    assert!(
        sent >= 10,
        "closed after {sent} times {} bytes",
        value.len()
    );
    bench.wait_for_others(0);
}
