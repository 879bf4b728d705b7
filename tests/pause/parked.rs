//! The clients that a pause holds back: in which order they go on, what they cost, and what becomes of those that leave.

use std::time::Duration;

use crate::common::{Conn, Value, wait_until};
use crate::{Bench, client_field};

#[test]
fn parked_commands_run_in_the_order_of_their_arrival() {
    let mut bench = Bench::start();
    bench.pause_writes();
    let mut parked: Vec<Conn> = (0..30)
        .map(|n| bench.park(&format!("RPUSH order {n}")))
        .collect();
    bench.unpause();
    for (n, conn) in parked.iter_mut().enumerate() {
        assert_eq!(conn.read(), Value::Int(n as i64 + 1), "client {n}");
    }
    let order: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(bench.admin.call("LRANGE order 0 -1"), Value::bulks(&order));
}

/// A client's replies keep the order of its commands, those behind a parked one included.
#[test]
fn what_follows_a_parked_command_waits_behind_it() {
    let mut bench = Bench::start();
    bench.pause_writes();
    let mut conn = bench.server.connect();
    conn.send_raw(b"GET k\r\nSET k 1\r\nGET k\r\nINCR k\r\nPING\r\nNOSUCH\r\nGET k\r\n");
    assert_eq!(
        conn.read(),
        Value::NullBulk,
        "what is before the parked command is answered"
    );
    bench.wait_for_blocked(1);
    assert!(
        !conn.has_reply_now(),
        "a command has overtaken the parked one"
    );
    bench.unpause();
    let replies: Vec<Value> = (0..6).map(|_| conn.read()).collect();
    assert_eq!(replies[0], Value::ok());
    assert_eq!(replies[1], Value::bulk("1"));
    assert_eq!(replies[2], Value::Int(2));
    assert_eq!(replies[3], Value::simple("PONG"));
    assert!(replies[4].is_error());
    assert_eq!(replies[5], Value::bulk("2"));
}

/// A parked command has had no effect: it is evaluated from the start when the pause is over, on the data as it is then.
#[test]
fn a_parked_command_sees_the_data_of_the_time_when_it_runs() {
    let mut bench = Bench::start();
    bench.lifetime("lock", 300);
    bench.pause_writes();
    let mut parked = bench.park("SET lock mine NX");
    bench.wait_for_end_of("lock");
    bench.unpause();
    assert_eq!(
        parked.read(),
        Value::ok(),
        "the lock had expired before the command ran"
    );
    assert_eq!(bench.admin.call("GET lock"), Value::bulk("mine"));
}

#[test]
fn a_parked_command_may_be_parked_again() {
    let mut bench = Bench::start();
    for _ in 0..3 {
        bench.pause_writes();
        let mut parked = bench.park("INCR counter");
        // Unpaused and paused again in one write: what was parked may run in between, or not.
        bench
            .admin
            .send_raw(b"CLIENT UNPAUSE\r\nCLIENT PAUSE 100000 WRITE\r\n");
        assert_eq!(bench.admin.read(), Value::ok());
        assert_eq!(bench.admin.read(), Value::ok());
        bench.unpause();
        assert!(matches!(parked.read(), Value::Int(_)));
    }
    assert_eq!(bench.admin.call("GET counter"), Value::bulk("3"));
}

/// Many parked clients are all served, and others are in between.
#[test]
fn hundreds_of_parked_clients_are_all_served() {
    const CLIENTS: usize = 400;
    let mut bench = Bench::start();
    bench.pause_writes();
    let mut parked: Vec<Conn> = (0..CLIENTS).map(|_| bench.server.connect()).collect();
    for conn in &mut parked {
        conn.send_line("INCR counter");
    }
    bench.wait_for_blocked(CLIENTS);
    let mut other = bench.server.connect();
    assert_eq!(other.call("GET counter"), Value::NullBulk);
    bench.unpause();
    assert_eq!(other.call("PING"), Value::simple("PONG"));
    let mut seen: Vec<i64> = parked.iter_mut().map(|conn| conn.read().int()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=CLIENTS as i64).collect::<Vec<_>>());
    bench.wait_for_blocked(0);
}

#[test]
fn the_command_of_a_client_that_leaves_never_runs() {
    let mut bench = Bench::start();
    bench.pause_writes();
    let left = bench.park("SET left v");
    let killed = bench.park("SET killed v");
    let mut stays = bench.park("SET stays v");
    drop(left);
    bench.wait_for_blocked(2);
    let addr = killed.local_addr();
    assert_eq!(
        bench.admin.call(&format!("CLIENT KILL ADDR {addr}")),
        Value::Int(1)
    );
    bench.wait_for_blocked(1);
    bench.unpause();
    assert_eq!(stays.read(), Value::ok());
    assert_eq!(bench.admin.call("EXISTS left killed stays"), Value::Int(1));
}

/// A client that leaves while more of its commands are on the way.
#[test]
fn nothing_of_a_pipeline_runs_once_its_client_has_left() {
    let mut bench = Bench::start();
    bench.pause_writes();
    let mut conn = bench.server.connect();
    let mut pipeline = Vec::new();
    for _ in 0..1000 {
        pipeline.extend_from_slice(b"INCR counter\r\n");
    }
    conn.send_raw(&pipeline);
    bench.wait_for_blocked(1);
    drop(conn);
    bench.wait_for_blocked(0);
    bench.unpause();
    assert_eq!(bench.admin.call("GET counter"), Value::NullBulk);
}

#[test]
fn a_paused_client_is_not_idle() {
    let mut bench = Bench::start();
    bench.admin.ok("CONFIG SET timeout 1");
    let mut idle = bench.server.connect();
    assert_eq!(idle.call("PING"), Value::simple("PONG"));
    bench.pause_writes();
    let mut parked = bench.park("SET k v");
    // The idle client shows that the time is over; commands on this connection keep it from being idle itself.
    let mut closed = false;
    wait_until("the idle client is closed", || {
        bench.admin.call("PING");
        closed = closed || idle.closes_within(Duration::from_millis(50));
        closed
    });
    bench.admin.call("PING");
    bench.unpause();
    assert_eq!(parked.read(), Value::ok());
}

#[test]
fn parked_clients_are_seen_from_outside() {
    let mut bench = Bench::start();
    assert_eq!(bench.info("blocked_clients"), "0");
    bench.pause_writes();
    let mut parked = bench.park("SET k v");
    assert_eq!(bench.info("blocked_clients"), "1");
    let line = bench
        .client_line(&parked.local_addr())
        .expect("a line of CLIENT LIST");
    assert_eq!(client_field(&line, "flags"), "b", "{line}");
    assert_eq!(client_field(&line, "cmd"), "set", "{line}");
    bench.unpause();
    assert_eq!(parked.read(), Value::ok());
    bench.wait_for_blocked(0);
    let line = bench
        .client_line(&parked.local_addr())
        .expect("a line of CLIENT LIST");
    assert_eq!(client_field(&line, "flags"), "N", "{line}");
}

/// The time spent parked is not the command's: SLOWLOG does not show it, and it is one call.
#[test]
fn parked_time_is_not_execution_time() {
    let mut bench = Bench::start();
    bench.admin.ok("CONFIG SET slowlog-log-slower-than 200000");
    bench.admin.ok("SLOWLOG RESET");
    bench.lifetime("clock", 400);
    bench.admin.ok("CONFIG RESETSTAT");
    bench.pause_writes();
    let mut parked = bench.park("INCR k");
    bench.wait_for_end_of("clock");
    bench.unpause();
    assert_eq!(parked.read(), Value::Int(1));
    let stats = bench.admin.call("INFO commandstats").text();
    let line = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_incr:"))
        .expect("the statistics of INCR");
    let field = |name: &str| -> u64 {
        let found = line
            .split([':', ','])
            .find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        found
            .unwrap_or_else(|| panic!("no {name} in {line}"))
            .trim()
            .parse()
            .expect("a number")
    };
    assert_eq!(field("calls"), 1, "{line}");
    assert!(field("usec") < 200_000, "{line}");
    assert_eq!(
        (field("rejected_calls"), field("failed_calls")),
        (0, 0),
        "{line}"
    );
    let slow = bench.admin.call("SLOWLOG GET -1");
    let of_incr = |entry: &&Value| {
        entry.items()[3].items()[0]
            .text()
            .eq_ignore_ascii_case("incr")
    };
    assert_eq!(slow.items().iter().filter(of_incr).count(), 0, "{slow}");
}

/// A parked client's socket is not read: it cannot make the server hold what it sends.
#[test]
fn a_parked_client_cannot_fill_the_server() {
    let test = "a_parked_client_cannot_fill_the_server";
    let Some(mut bench) =
        Bench::unless_stand_in(test, "it goes on reading up to the query buffer limit")
    else {
        return;
    };
    const VALUE_BYTES: usize = 100_000;
    const COMMANDS: usize = 640;
    let mut pipeline = Vec::new();
    for n in 0..COMMANDS {
        let value = vec![b'v'; VALUE_BYTES];
        crate::common::conn::encode(
            &[b"SET".to_vec(), format!("k{n}").into_bytes(), value],
            &mut pipeline,
        );
    }
    bench.pause_writes();
    let mut conn = bench.server.connect();
    let sent = conn.send_what_fits(&pipeline, Duration::from_millis(500));
    assert!(
        sent < pipeline.len(),
        "all {} bytes went into a connection that must not be read",
        pipeline.len()
    );
    bench.wait_for_blocked(1);
    let line = bench
        .client_line(&conn.local_addr())
        .expect("a line of CLIENT LIST");
    let buffered: usize = client_field(&line, "qbuf").parse().expect("a number");
    assert!(
        buffered < 2_000_000,
        "{buffered} bytes are buffered: {line}"
    );
    bench.unpause();
    let mut rest = conn.second_handle();
    std::thread::scope(|scope| {
        scope.spawn(|| rest.send_raw(&pipeline[sent..]));
        for n in 0..COMMANDS {
            assert_eq!(conn.read(), Value::ok(), "command {n}");
        }
    });
    assert_eq!(bench.admin.call("DBSIZE"), Value::Int(COMMANDS as i64));
}

/// A subscriber that is parked still gets its messages.
#[test]
fn messages_reach_a_parked_subscriber() {
    let test = "messages_reach_a_parked_subscriber";
    let Some(mut bench) = Bench::unless_stand_in(test, "every PUBLISH waits as well") else {
        return;
    };
    let mut subscriber = bench.server.connect();
    subscriber.call("HELLO 3");
    assert!(matches!(
        subscriber.call("SUBSCRIBE __sentinel__:hello"),
        Value::Push(_)
    ));
    bench.pause_writes();
    bench.park_on(&mut subscriber, "SET k v");
    let mut sentinel = bench.server.connect();
    assert_eq!(
        sentinel.call("PUBLISH __sentinel__:hello here"),
        Value::Int(1)
    );
    let message = Value::Push(
        ["message", "__sentinel__:hello", "here"]
            .map(Value::bulk)
            .to_vec(),
    );
    assert_eq!(subscriber.read(), message);
    assert!(!subscriber.has_reply_now());
    bench.unpause();
    assert_eq!(subscriber.read(), Value::ok());
}
