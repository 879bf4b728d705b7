//! Clients that wait for keys: who is served, in which order, and what is left of those who go.

use std::time::Duration;

use crate::Bench;
use crate::common::{Conn, Value};

fn popped(key: &str, element: &str) -> Value {
    Value::bulks(&[key, element])
}

/// Nobody but the oldest of them got the element, and all others wait on in their places.
#[test]
fn one_element_serves_the_one_who_waits_longest() {
    let mut bench = Bench::start();
    let mut waiting: Vec<Conn> = (0..20).map(|_| bench.park("BLPOP a list b 0")).collect();
    for (number, conn) in waiting.iter_mut().enumerate() {
        let element = number.to_string();
        bench.admin.call(&format!("RPUSH list {element}"));
        assert_eq!(conn.read(), popped("list", &element));
    }
    assert_eq!(bench.blocked(), 0);
}

#[test]
fn several_elements_serve_several_clients_in_order() {
    let mut bench = Bench::start();
    let mut first = bench.park("BLPOP list 0");
    let mut second = bench.park("BRPOP list 0");
    let mut third = bench.park("BLMPOP 0 1 list LEFT COUNT 10");
    assert_eq!(bench.admin.call("RPUSH list 1 2 3 4"), Value::Int(4));
    assert_eq!(first.read(), popped("list", "1"));
    assert_eq!(second.read(), popped("list", "4"));
    let rest = Value::Array(vec![Value::bulk("list"), Value::bulks(&["2", "3"])]);
    assert_eq!(third.read(), rest);
    assert_eq!(bench.admin.call("EXISTS list"), Value::Int(0));
}

/// What one moves wakes the next.
#[test]
fn a_chain_of_moves_runs_to_its_end() {
    let mut bench = Bench::start();
    let mut last = bench.park("BLPOP c 0");
    let mut second = bench.park("BLMOVE b c LEFT RIGHT 0");
    let mut first = bench.park("BLMOVE a b LEFT RIGHT 0");
    bench.admin.call("RPUSH a x");
    for conn in [&mut first, &mut second] {
        assert_eq!(conn.read(), Value::bulk("x"));
    }
    assert_eq!(last.read(), popped("c", "x"));
}

/// A key of another type is not for those who wait for a list, and keeps none of them from it later.
#[test]
fn a_key_of_another_type_is_passed_over() {
    let mut bench = Bench::start();
    let mut list = bench.park("BLPOP key 0");
    let mut sorted_set = bench.park("BZPOPMIN key 0");
    bench.admin.ok("SET key x");
    bench.admin.call("DEL key");
    bench.admin.call("ZADD key 1 member");
    let member = Value::bulks(&["key", "member", "1"]);
    assert_eq!(sorted_set.read(), member);
    bench.admin.call("RPUSH key x");
    assert_eq!(list.read(), popped("key", "x"));
}

#[test]
fn a_key_named_twice_serves_once() {
    let mut bench = Bench::start();
    let mut conn = bench.park("BLPOP list list list 0");
    bench.admin.call("RPUSH list 1 2");
    assert_eq!(conn.read(), popped("list", "1"));
    assert_eq!(bench.admin.call("LLEN list"), Value::Int(1));
    assert_eq!(conn.call("PING"), Value::simple("PONG"));
}

/// Those who no longer wait take nothing: gone, killed, unblocked, timed out.
#[test]
fn who_has_gone_takes_nothing() {
    let mut bench = Bench::start();
    let left = bench.park("BLPOP list 0");
    let killed = bench.park("BLPOP list 0");
    let mut unblocked = bench.park("BLPOP list 0");
    let mut stays = bench.park("BLPOP list 0");
    let mut timed_out = bench.server.connect();
    timed_out.send_line("BLPOP list 0.01");
    drop(left);
    let addr = killed.local_addr();
    bench.admin.call(&format!("CLIENT KILL ADDR {addr}"));
    let addr = unblocked.local_addr();
    let clients = bench.clients();
    let line = clients
        .iter()
        .find(|line| line.contains(&format!(" addr={addr} ")))
        .expect("a client");
    let id = line
        .strip_prefix("id=")
        .and_then(|rest| rest.split(' ').next())
        .expect("an id");
    assert_eq!(
        bench.admin.call(&format!("CLIENT UNBLOCK {id}")),
        Value::Int(1)
    );
    assert!(unblocked.read().is_null());
    assert!(timed_out.read().is_null());
    bench.wait_for_blocked(1);
    bench.admin.call("RPUSH list 1 2");
    assert_eq!(stays.read(), popped("list", "1"));
    assert_eq!(bench.admin.call("LLEN list"), Value::Int(1));
    for conn in [&mut unblocked, &mut timed_out, &mut stays] {
        assert_eq!(conn.call("PING"), Value::simple("PONG"));
    }
}

/// The database is the one that was selected when the wait began, for each client its own.
#[test]
fn a_key_of_another_database_wakes_nobody() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    conn.ok("SELECT 3");
    conn.send_line("BLPOP list 0");
    bench.wait_for_blocked(1);
    bench.admin.call("RPUSH list x");
    assert!(!conn.has_reply_within(Duration::from_millis(50)));
    bench.admin.ok("SELECT 3");
    bench.admin.call("RPUSH list y");
    assert_eq!(conn.read(), popped("list", "y"));
    // MOVE into the database that they wait in wakes as well.
    conn.send_line("BLPOP list 0");
    bench.wait_for_blocked(1);
    bench.admin.ok("SELECT 0");
    bench.admin.call("MOVE list 3");
    assert_eq!(conn.read(), popped("list", "x"));
}

/// Commands behind a blocking one wait for it, and run in order when it is served.
#[test]
fn what_follows_a_blocking_command_waits_behind_it() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    conn.send_raw(b"BLPOP list 0\r\nINCR n\r\nBLPOP list 0\r\nINCR n\r\n");
    bench.wait_for_blocked(1);
    assert_eq!(bench.admin.call("EXISTS n"), Value::Int(0));
    bench.admin.call("RPUSH list 1");
    assert_eq!(conn.read(), popped("list", "1"));
    assert_eq!(conn.read(), Value::Int(1));
    bench.wait_for_blocked(1);
    bench.admin.call("RPUSH list 2");
    assert_eq!(conn.read(), popped("list", "2"));
    assert_eq!(conn.read(), Value::Int(2));
}

/// In EXEC nothing waits, and what EXEC writes wakes after the whole of it.
#[test]
fn a_transaction_wakes_when_it_is_done() {
    let mut bench = Bench::start();
    let mut conn = bench.park("BLPOP list 0");
    for line in ["MULTI", "RPUSH list a", "LPUSH list b", "BLPOP none 0"] {
        bench.admin.call(line);
    }
    let replies = bench.admin.call("EXEC");
    assert_eq!(replies.items()[..2], [Value::Int(1), Value::Int(2)]);
    assert!(replies.items()[2].is_null());
    assert_eq!(conn.read(), popped("list", "b"));
}
