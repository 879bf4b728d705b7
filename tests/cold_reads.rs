//! Data that is in no memory of the server: no hot values, no block cache, everything in table files after a restart. Readers
//! read for whoever needs it, and every client sees what it would see if the loop had read it itself.

mod common;

use common::server::{Setup, info_field};
use common::{Conn, Server, Value, wait_until};

/// A server whose caches hold nothing, with data that `fill` writes and a restart takes out of memory.
fn cold(fill: impl FnOnce(&mut Conn)) -> Server {
    let mut server = Setup::new()
        .arg("--rocksdb.block_cache_size", "0")
        .arg("--hot-cache-size", "0")
        .start();
    fill(&mut server.connect());
    server.stop();
    server.restart();
    server
}

fn counter(conn: &mut Conn, name: &str) -> u64 {
    info_field(conn, name).parse().expect("a number")
}

fn many(conn: &mut Conn, count: usize) {
    let pairs = (0..count).flat_map(|at| [format!("key:{at}"), format!("value:{at}")]);
    let args: Vec<String> = std::iter::once("MSET".to_owned()).chain(pairs).collect();
    assert_eq!(conn.cmd(&args), Value::ok());
}

#[test]
fn every_type_is_read_and_written_from_table_files() {
    let server = cold(|conn| {
        for line in [
            "SET s text",
            "SET n 41",
            "HSET h a 1 b 2 c 3",
            "SADD m 1 2 3",
            "SADD o 2 3 4",
            "ZADD z 1 a 2 b 3 c",
            "RPUSH l one two three",
        ] {
            conn.call(line);
        }
    });
    let mut conn = server.connect();
    let bulks = |items: &[&str]| Value::bulks(items);
    for (line, expected) in [
        ("GET s", Value::bulk("text")),
        ("INCR n", Value::Int(42)),
        ("HMGET h a b c", bulks(&["1", "2", "3"])),
        ("HINCRBY h a 5", Value::Int(6)),
        ("HGETALL h", bulks(&["a", "6", "b", "2", "c", "3"])),
        ("SINTER m o", bulks(&["2", "3"])),
        ("SREM m 1 2 9", Value::Int(2)),
        ("SMEMBERS m", bulks(&["3"])),
        ("ZRANGE z 0 -1", bulks(&["a", "b", "c"])),
        ("ZADD z 9 a 8 b", Value::Int(0)),
        ("ZRANGEBYSCORE z 8 9", bulks(&["b", "a"])),
        ("LPOP l", Value::bulk("one")),
        ("LRANGE l 0 -1", bulks(&["two", "three"])),
        ("EXISTS s n h m o z l absent", Value::Int(7)),
        ("SETNX s other", Value::Int(0)),
        ("RENAME s t", Value::ok()),
        (
            "MGET s t",
            Value::Array(vec![conn.call("GET absent"), Value::bulk("text")]),
        ),
    ] {
        assert_eq!(conn.call(line), expected, "{line}");
    }
    assert!(counter(&mut conn, "total_cold_commands") > 5);
    assert_eq!(counter(&mut conn, "blocked_clients"), 0);
}

#[test]
fn a_pipeline_is_answered_in_order() {
    const KEYS: usize = 300;
    let server = cold(|conn| many(conn, KEYS));
    let mut conns: Vec<Conn> = (0..4).map(|_| server.connect()).collect();
    for (turn, conn) in conns.iter_mut().enumerate() {
        for at in 0..KEYS {
            conn.send_line(&format!("GET key:{}", (at * 7 + turn) % KEYS));
            if at % 10 == 0 {
                conn.send_line("PING");
            }
        }
    }
    for (turn, conn) in conns.iter_mut().enumerate() {
        for at in 0..KEYS {
            let number = (at * 7 + turn) % KEYS;
            assert_eq!(conn.read(), Value::bulk(format!("value:{number}")));
            if at % 10 == 0 {
                assert_eq!(conn.read(), Value::simple("PONG"));
            }
        }
    }
}

#[test]
fn a_transaction_runs_whole_on_cold_keys() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 20;
    let server = cold(|conn| {
        conn.ok("MSET a 0 b 0 c 0");
        conn.call("HSET h f 0");
    });
    let mut conns: Vec<Conn> = (0..CLIENTS).map(|_| server.connect()).collect();
    for _ in 0..ROUNDS {
        for conn in &mut conns {
            for line in [
                "MULTI",
                "INCR a",
                "HINCRBY h f 1",
                "INCR b",
                "GET c",
                "EXEC",
            ] {
                conn.send_line(line);
            }
        }
        for conn in &mut conns {
            for _ in 0..5 {
                conn.read();
            }
            let reply = conn.read();
            let items = reply.items();
            assert_eq!(items.len(), 4);
            assert!(items[..3].iter().all(|item| *item == items[0]), "{reply:?}");
        }
    }
    let total = (CLIENTS * ROUNDS).to_string();
    let values = conns[0].call("MGET a b c");
    assert_eq!(values, Value::bulks(&[&total[..], &total, "0"]));
}

#[test]
fn a_key_written_while_it_is_read_has_its_new_value() {
    const KEYS: usize = 500;
    let server = cold(|conn| many(conn, KEYS));
    let (mut reader, mut writer) = (server.connect(), server.connect());
    for at in 0..KEYS {
        reader.send_line(&format!("GET key:{at}"));
        writer.send_line(&format!("SET key:{at} new"));
        assert_eq!(writer.read(), Value::ok());
        // Behind the OK, whatever the first GET has met.
        reader.send_line(&format!("GET key:{at}"));
        let first = reader.read();
        let old = Value::bulk(format!("value:{at}"));
        assert!(first == old || first == Value::bulk("new"), "{first:?}");
        assert_eq!(reader.read(), Value::bulk("new"));
    }
}

#[test]
fn clients_that_leave_while_they_wait_leave_nothing_behind() {
    const KEYS: usize = 400;
    let server = cold(|conn| many(conn, KEYS));
    let mut conn = server.connect();
    for turn in 0..20 {
        let mut leaving: Vec<Conn> = (0..10).map(|_| server.connect()).collect();
        for (number, leaving) in leaving.iter_mut().enumerate() {
            for at in 0..10 {
                leaving.send_line(&format!(
                    "GET key:{}",
                    (turn * 17 + number * 31 + at) % KEYS
                ));
            }
        }
        if turn % 2 == 0 {
            conn.call("CLIENT KILL TYPE normal SKIPME yes");
        }
    }
    wait_until("nobody waits for a read", || {
        counter(&mut conn, "cold_read_clients") == 0 && counter(&mut conn, "connected_clients") == 1
    });
    assert_eq!(counter(&mut conn, "cold_reads_pending"), 0);
    assert_eq!(counter(&mut conn, "cold_read_bytes"), 0);
    assert_eq!(conn.call("GET key:7"), Value::bulk("value:7"));
}

#[test]
fn values_larger_than_any_cache_are_read() {
    let large = "x".repeat(3 << 20);
    let server = cold(|conn| {
        for at in 0..30 {
            assert_eq!(
                conn.cmd(&["SET", &format!("large:{at}"), &large]),
                Value::ok()
            );
        }
    });
    // More than readers may hold for commands at a time.
    let mut args = vec!["MGET".to_owned()];
    args.extend((0..30).map(|at| format!("large:{at}")));
    let reply = server.connect().cmd(&args);
    assert_eq!(reply.items().len(), 30);
    let is_right = |item: &Value| item.bytes() == Some(large.as_bytes());
    assert!(reply.items().iter().all(is_right));
}

#[test]
fn reads_go_on_beside_expiry_and_flushes() {
    let server = cold(|conn| many(conn, 200));
    let (mut a, mut b) = (server.connect(), server.connect());
    for at in 0..100 {
        a.send_line(&format!("GET key:{at}"));
        b.send_line(&format!("PEXPIRE key:{at} 0"));
        let old = Value::bulk(format!("value:{at}"));
        let first = a.read();
        assert!(first == old || first.is_null(), "{first:?}");
        assert_eq!(b.read().int(), 1);
        assert!(a.call(&format!("GET key:{at}")).is_null());
    }
    for at in 100..200 {
        a.send_line(&format!("GET key:{at}"));
    }
    b.ok("FLUSHALL");
    for at in 100..200 {
        let old = Value::bulk(format!("value:{at}"));
        let reply = a.read();
        assert!(reply == old || reply.is_null(), "{reply:?}");
    }
    assert!(a.call("GET key:150").is_null());
}
