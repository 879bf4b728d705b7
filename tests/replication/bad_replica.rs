//! Replicas that break the protocol: their link ends with a line in the log, and the primary serves on.

use crate::common::{Server, Setup, Value, wait_until};
use crate::peer::Link;
use crate::{number, offset, start, still_serves};

fn primary() -> Server {
    let server = start(Setup::new());
    server.connect().ok("SET a 1");
    server
}

fn wait_gone(server: &Server, words: &str) {
    wait_until(&format!("the log says that it has gone: {words}"), || {
        server
            .log()
            .lines()
            .any(|line| line.contains("has gone") && line.contains(words))
    });
    wait_until("INFO shows no replica", || {
        server.info("connected_slaves") == "0"
    });
}

#[test]
fn the_stream_holds_every_record_in_order() {
    let server = primary();
    server.expect_log("by its number alone");
    let mut link = Link::follow(&server, 1);
    let mut next = 1;
    let mut conn = server.connect();
    for number in 0..100 {
        conn.ok(&format!("SET k{number} v"));
    }
    let last = offset(&server);
    while next <= last {
        let (first, count, _) = link.record();
        assert_eq!(first, next);
        next += u64::from(count);
    }
    assert_eq!(next, last + 1);
    // From the middle.
    let mut link = Link::follow(&server, last);
    assert_eq!(link.record().0, last);
    still_serves(&server);
}

#[test]
fn wrong_requests_get_the_errors_of_kvrocks_and_the_connection_stays() {
    let server = primary();
    let mut link = Link::connect(&server);
    for (words, answer) in [
        (
            &["PSYNC", "x"][..],
            "-ERR value is not an unsigned long long or out of range",
        ),
        (&["PSYNC", "short", "1"], "-ERR Wrong replication id length"),
        (
            &["PSYNC", "999999999"],
            "-ERR sequence out of range, please use fullsync",
        ),
        (
            &["PSYNC", "0"],
            "-ERR sequence out of range, please use fullsync",
        ),
        (
            &["PSYNC", "18446744073709551615"],
            "-ERR sequence out of range, please use fullsync",
        ),
        (
            &["PSYNC", "AAAAAAAAAAAAAAAA", "2"],
            "-ERR wrong replication id of the last log",
        ),
        (&["replconf", "capa", "eof"], "-ERR unknown option"),
        (
            &["replconf", "listening-port"],
            "-ERR wrong number of arguments",
        ),
        (
            &["replconf", "listening-port", "0"],
            "-ERR value is not an integer or out of range",
        ),
        (
            &["replconf", "ip-address", "a,b"],
            "-ERR invalid ip-address",
        ),
        (&["_db_name"], "change.me.db"),
        (&["PING"], "+PONG"),
    ] {
        assert_eq!(link.ask(words), answer, "{words:?}");
    }
    assert_eq!(number(&server, "sync_partial_err"), 4);
    assert_eq!(number(&server, "sync_partial_ok"), 0);
    still_serves(&server);
}

#[test]
fn acknowledging_more_than_was_sent_ends_the_link() {
    let server = primary();
    let mut link = Link::follow_with_extras(&server, 1);
    link.record();
    link.command(&["replconf", "ack", "999999"]);
    link.until_closed();
    wait_gone(&server, "acknowledge");
    assert_eq!(server.connect().call("WAIT 1 10"), Value::Int(0));
    still_serves(&server);
}

#[test]
fn what_is_no_acknowledgement_ends_the_link() {
    for bytes in [
        &b"*999999999999\r\n"[..],
        b"*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$2\r\n-1\r\n",
    ] {
        let server = primary();
        let mut link = Link::follow_with_extras(&server, 1);
        link.record();
        link.send(bytes);
        link.until_closed();
        wait_gone(&server, "replica");
        still_serves(&server);
    }
}

#[test]
fn acknowledgements_count_from_whoever_sends_them() {
    let server = primary();
    let mut link = Link::follow_with_extras(&server, 1);
    let last = offset(&server);
    // Whoever acknowledges has read it.
    link.record();
    link.command(&["replconf", "ack", &last.to_string()]);
    let mut conn = server.connect();
    assert_eq!(conn.call("WAIT 1 30000"), Value::Int(1));
    conn.ok("SET more 1");
    assert_eq!(conn.call("WAIT 1 10"), Value::Int(0));
    // Going back changes nothing.
    link.record();
    link.command(&["replconf", "ack", "1"]);
    link.command(&["replconf", "ack", &(last + 1).to_string()]);
    assert_eq!(conn.call("WAIT 1 30000"), Value::Int(1));
}

#[test]
fn a_replica_that_stops_reading_costs_bounded_memory_and_is_left() {
    let server = start(Setup::new().arg("--repl-timeout", "2"));
    server.connect().ok("SET a 1");
    let link = Link::follow(&server, 1);
    let mut conn = server.connect();
    let value = vec![b'v'; 1 << 20];
    for _ in 0..100 {
        assert_eq!(conn.cmd(&[b"SET", b"big", &value[..]]), Value::ok());
    }
    let queued: u64 = 100 << 20;
    let rss = number(&server, "used_memory_rss");
    assert!(rss < 8 * queued, "{rss} bytes of memory for one replica");
    wait_gone(&server, "silent");
    still_serves(&server);
    drop(link);
}

#[test]
fn files_are_given_by_plain_names_alone() {
    let server = primary();
    let mut meta = Link::connect(&server);
    let list = meta.ask(&["_fetch_meta"]);
    let names: Vec<&str> = list.split(',').collect();
    assert!(names.contains(&"CURRENT"), "{list}");
    meta.until_closed();
    assert_eq!(number(&server, "sync_full"), 1);
    for bad in [
        "../server.log",
        "CURRENT/../CURRENT",
        "/etc/passwd",
        "..",
        ".",
        "",
        "CURRENT,../stillpoint.state",
        "no-such-file",
        "a\0b",
    ] {
        let mut link = Link::connect(&server);
        link.command(&["_fetch_file", bad]);
        let got = link.until_closed();
        let is_refused = got.is_empty() || got.starts_with(b"-");
        assert!(is_refused, "{bad}: {}", String::from_utf8_lossy(&got));
    }
    // A good name still works.
    let mut link = Link::connect(&server);
    link.command(&["_fetch_file", "CURRENT"]);
    let bytes: usize = link.line().parse().expect("a size");
    let current = link.bytes(bytes);
    assert!(current.starts_with(b"MANIFEST-"));
    still_serves(&server);
    server.expect_log("");
}

#[test]
fn files_without_a_list_are_refused() {
    let server = primary();
    let mut link = Link::connect(&server);
    link.command(&["_fetch_file", "CURRENT"]);
    let got = link.until_closed();
    assert!(got.is_empty() || got.starts_with(b"-"), "{got:?}");
    still_serves(&server);
}

#[test]
fn a_sender_whose_peer_reads_nothing_ends() {
    let server = start(Setup::new().arg("--repl-timeout", "1"));
    let mut conn = server.connect();
    let value = crate::common::Rng::new(3).bytes(1 << 20);
    for number in 0..40 {
        assert_eq!(
            conn.cmd(&[b"SET", format!("k{number}").as_bytes(), &value]),
            Value::ok()
        );
    }
    let mut meta = Link::connect(&server);
    let list = meta.ask(&["_fetch_meta"]);
    let mut stuck = Link::connect(&server);
    stuck.command(&["_fetch_file", &list]);
    server.expect_log("");
    wait_until("the log tells of the end", || {
        server
            .log()
            .lines()
            .any(|line| line.contains("files") && !line.contains("checkpoint of"))
    });
    still_serves(&server);
}
