//! The bounds on clients, buffers and sizes: what is beyond them ends with its own client.

use std::time::Duration;

use crate::Witness;
use crate::common::{Conn, DEADLINE, Server, Setup, Value, wait_until};

#[test]
fn more_clients_than_maxclients_are_told_so() {
    const CLIENTS_MAX: usize = 5;
    let server = Setup::new()
        .arg("--maxclients", &CLIENTS_MAX.to_string())
        .start();
    server.expect_log("max number of clients");
    let mut first = server.connect();
    wait_until("the connection that waited for the start is gone", || {
        crate::common::server::info_field(&mut first, "connected_clients") == "1"
    });
    let mut others: Vec<Conn> = (1..CLIENTS_MAX).map(|_| server.connect()).collect();
    for conn in &mut others {
        assert_eq!(conn.call("PING"), Value::simple("PONG"));
    }
    for _ in 0..3 {
        let mut refused = server.connect();
        assert_eq!(
            refused.read_to_close(),
            b"-ERR max number of clients reached\r\n"
        );
    }
    assert_eq!(
        crate::common::server::info_field(&mut first, "rejected_connections"),
        "3"
    );
    // Who is in stays in, and a place that becomes free can be taken.
    for conn in &mut others {
        assert_eq!(conn.call("PING"), Value::simple("PONG"));
    }
    others.pop();
    wait_until("a place is free", || {
        let mut conn = server.connect();
        conn.try_send_raw(b"PING\r\n").is_ok()
            && conn.try_read(DEADLINE) == Ok(Value::simple("PONG"))
    });
}

/// A subscriber that does not read is closed when its output has grown beyond the limit; others get their messages.
#[test]
fn a_subscriber_that_does_not_read_is_closed() {
    let server = Server::start();
    server.expect_log("output");
    let (mut witness, mut admin) = (Witness::of(&server), server.connect());
    set_output_limit(&mut admin, "pubsub 1000000 0 0");
    let (mut lazy, mut eager) = (server.connect(), server.connect());
    lazy.call("SUBSCRIBE news");
    eager.call("SUBSCRIBE news");
    let message = vec![b'm'; 100_000];
    let mut published = 0;
    wait_until("the subscriber is closed", || {
        let receivers = admin
            .cmd(&[b"PUBLISH".to_vec(), b"news".to_vec(), message.clone()])
            .int();
        published += 1;
        assert!(
            receivers >= 1,
            "the subscriber that reads was closed as well"
        );
        let expected = Value::Array(vec![
            Value::bulk("message"),
            Value::bulk("news"),
            Value::Bulk(message.clone()),
        ]);
        assert_eq!(eager.read(), expected, "message {published}");
        receivers == 1
    });
    witness.is_well();
    assert!(lazy.closes_within(DEADLINE));
    assert_eq!(
        admin.call("PUBSUB NUMSUB news"),
        Value::Array(vec![Value::bulk("news"), Value::Int(1)])
    );
}

#[test]
fn a_client_whose_replies_pile_up_is_closed_at_its_limit() {
    let server = Server::start();
    server.expect_log("output");
    let (mut witness, mut admin) = (Witness::of(&server), server.connect());
    set_output_limit(&mut admin, "normal 2000000 0 0");
    assert_eq!(
        admin.cmd(&[b"SET".to_vec(), b"large".to_vec(), vec![b'v'; 500_000]]),
        Value::ok()
    );
    let mut greedy = server.connect();
    let addr = greedy.local_addr();
    let request = b"GET large\r\n".repeat(10);
    wait_until("the client is closed", || {
        // It may be closed between two of these.
        let _ = greedy.try_send_raw(&request);
        witness.is_well();
        !admin
            .call("CLIENT LIST")
            .text()
            .contains(&format!(" addr={addr} "))
    });
    assert!(greedy.closes_within(DEADLINE));
}

/// Redis closes a client for what it asks, whether it would read it or not; a transaction is executed all the same.
#[test]
fn replies_above_the_output_limit_are_not_sent() {
    let server = Server::start();
    server.expect_log("output");
    let (mut witness, mut admin) = (Witness::of(&server), server.connect());
    for (key, len) in [("large", 150_000), ("less", 90_000), ("little", 15_000)] {
        admin.cmd(&[b"SET".to_vec(), key.into(), vec![b'v'; len]]);
    }
    set_output_limit(&mut admin, "normal 100000 0 0");
    let mut single = server.connect();
    single.send_line("GET large");
    assert_eq!(single.read_to_close(), b"");
    let mut pipeline = server.connect();
    pipeline.send_raw(&b"GET less\r\n".repeat(2));
    assert_eq!(pipeline.read_to_close(), b"");
    let mut transaction = server.connect();
    transaction.ok("MULTI");
    for line in ["SET a 1", "GET large", "SET b 2"] {
        assert_eq!(transaction.call(line), Value::simple("QUEUED"));
    }
    transaction.send_line("EXEC");
    assert_eq!(transaction.read_to_close(), b"");
    assert_eq!(
        admin.call("MGET a b"),
        Value::bulks(&["1", "2"]),
        "what was executed stays"
    );
    // What is below the limit is sent, and 16 KiB are, whatever the limit.
    let mut modest = server.connect();
    assert_eq!(modest.call("GET less").text().len(), 90_000);
    set_output_limit(&mut admin, "normal 1000 0 0");
    assert_eq!(modest.call("GET little").text().len(), 15_000);
    witness.is_well();
}

fn set_output_limit(admin: &mut Conn, limit: &str) {
    assert_eq!(
        admin.cmd(&["CONFIG", "SET", "client-output-buffer-limit", limit]),
        Value::ok(),
        "{limit}"
    );
}

/// What a client may send before it is a whole command.
#[test]
fn a_client_beyond_the_query_buffer_limit_is_closed() {
    let server = Server::start();
    server.expect_log("query");
    let (mut witness, mut admin) = (Witness::of(&server), server.connect());
    admin.ok("CONFIG SET client-query-buffer-limit 1048576");
    let mut conn = server.connect();
    let command = [
        &b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$3000000\r\n"[..],
        &vec![b'v'; 3_000_000],
        b"\r\n",
    ]
    .concat();
    // The connection breaks in the middle of it.
    let _ = conn.try_send_raw(&command);
    assert!(conn.closes_within(DEADLINE));
    witness.is_well();
    assert_eq!(admin.call("EXISTS big"), Value::Int(0));
}

#[test]
fn arguments_up_to_proto_max_bulk_len_are_taken() {
    let server = Server::start();
    server.expect_log("Protocol error");
    let (mut witness, mut admin) = (Witness::of(&server), server.connect());
    admin.ok("CONFIG SET proto-max-bulk-len 1048576");
    let value = vec![b'v'; 1_048_576];
    assert_eq!(
        admin.cmd(&[b"SET".to_vec(), b"k".to_vec(), value.clone()]),
        Value::ok()
    );
    assert_eq!(admin.call("STRLEN k"), Value::Int(1_048_576));
    let too_long = Value::error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    assert_eq!(admin.call("APPEND k x"), too_long);
    assert_eq!(admin.call("SETRANGE k 1048576 x"), too_long);
    assert_eq!(admin.call("STRLEN k"), Value::Int(1_048_576));
    let mut conn = server.connect();
    conn.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n");
    assert_eq!(
        conn.read_to_close(),
        b"-ERR Protocol error: invalid bulk length\r\n"
    );
    witness.is_well();
}

#[test]
fn a_command_with_very_many_arguments_runs() {
    const KEYS: usize = 200_000;
    let server = Server::start();
    let mut witness = Witness::of(&server);
    let mut conn = server.connect();
    let mut args: Vec<String> = vec!["MSET".into()];
    args.extend((0..KEYS).flat_map(|n| [format!("k{n}"), n.to_string()]));
    assert_eq!(conn.cmd(&args), Value::ok());
    let mut args: Vec<String> = vec!["MGET".into()];
    args.extend((0..KEYS).map(|n| format!("k{n}")));
    let reply = conn.cmd(&args);
    assert!(
        reply
            .items()
            .iter()
            .enumerate()
            .all(|(n, value)| *value == Value::bulk(n.to_string()))
    );
    witness.is_well();
}

/// A large argument that trickles in takes no more than itself, and the loop serves others meanwhile.
#[test]
fn a_large_argument_in_many_pieces_is_taken() {
    const BYTES: usize = 20_000_000;
    let server = Server::start();
    let (mut witness, mut conn) = (Witness::of(&server), server.connect());
    conn.send_raw(format!("*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n${BYTES}\r\n").as_bytes());
    let piece = vec![b'p'; BYTES / 100];
    for _ in 0..100 {
        conn.send_raw(&piece);
        witness.is_well();
    }
    assert!(!conn.has_reply_within(Duration::from_millis(1)));
    conn.send_raw(b"\r\n");
    assert_eq!(conn.read(), Value::ok());
    assert_eq!(conn.call("STRLEN large"), Value::Int(BYTES as i64));
}

#[test]
fn idle_clients_are_closed_after_the_timeout_and_busy_ones_are_not() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ok("CONFIG SET timeout 1");
    let (mut idle, mut subscriber, mut blocked) =
        (server.connect(), server.connect(), server.connect());
    subscriber.call("SUBSCRIBE ch");
    blocked.send_line("BLPOP list 0");
    wait_until("the idle client is closed", || {
        admin.call("PING");
        idle.closes_within(Duration::from_millis(50))
    });
    // Neither subscribers nor those that wait for a key count as idle.
    assert_eq!(admin.call("PUBLISH ch m"), Value::Int(1));
    assert_eq!(subscriber.read(), Value::bulks(&["message", "ch", "m"]));
    assert_eq!(admin.call("RPUSH list v"), Value::Int(1));
    assert_eq!(blocked.read(), Value::bulks(&["list", "v"]));
}
