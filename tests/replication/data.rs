//! Data of every type, and comparing what two servers hold without any command for debugging.

use crate::common::{Conn, Rng, Server, Value};

/// Writes keys of every type, some of which expire in the far future.
pub fn write_all_types(conn: &mut Conn, seed: u64, count: usize) {
    let mut rng = Rng::new(seed);
    for number in 0..count {
        let name = format!("{seed}:{number}");
        let value = format!("{}", rng.next());
        let lines = [
            format!("SET s:{name} {value}"),
            format!("RPUSH l:{name} a {value} c"),
            format!("LPUSH l:{name} {value}"),
            format!("HSET h:{name} f {value} g 2"),
            format!("HINCRBY h:{name} g 5"),
            format!("SADD t:{name} x y {value}"),
            format!("ZADD z:{name} 1.5 a 2 {value}"),
            format!("PEXPIREAT s:{name} 4102444800{:03}", rng.below(1000)),
            format!("DEL l:{name}:gone"),
        ];
        for line in lines {
            let reply = conn.call(&line);
            assert!(!reply.is_error(), "{line}: {reply:?}");
        }
    }
    for line in ["SELECT 3", "SET in-another-db yes", "SELECT 0"] {
        assert!(!conn.call(line).is_error(), "{line}");
    }
}

/// Every key with its type, its expiry and its value, in order.
pub fn contents(server: &Server) -> Vec<(String, Vec<u8>, String, i64, String)> {
    let mut conn = server.connect();
    let mut out = Vec::new();
    for db in [0, 3] {
        conn.ok(&format!("SELECT {db}"));
        let mut keys = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let reply = conn.call(&format!("SCAN {cursor} COUNT 1000"));
            let [next, found] = reply.items() else {
                panic!("SCAN answers {reply:?}")
            };
            keys.extend(
                found
                    .items()
                    .iter()
                    .filter_map(|key| key.bytes().map(<[u8]>::to_vec)),
            );
            cursor = next.text();
            if cursor == "0" {
                break;
            }
        }
        keys.sort();
        keys.dedup();
        for key in keys {
            out.push(one(&mut conn, db, key));
        }
    }
    out
}

fn one(conn: &mut Conn, db: usize, key: Vec<u8>) -> (String, Vec<u8>, String, i64, String) {
    let kind = conn.cmd(&[b"TYPE", &key[..]]).text();
    let expires = conn.cmd(&[b"PEXPIRETIME", &key[..]]).int();
    let read: &[&[u8]] = match &kind[..] {
        "string" => &[b"GET", &key],
        "list" => &[b"LRANGE", &key, b"0", b"-1"],
        "hash" => &[b"HGETALL", &key],
        "set" => &[b"SMEMBERS", &key],
        "zset" => &[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"],
        other => panic!("a key of type {other}"),
    };
    let value = conn.cmd(read);
    assert!(!value.is_error(), "{value:?}");
    let value = match value {
        Value::Array(mut items) if kind == "set" => {
            items.sort_by_key(|item| format!("{item:?}"));
            Value::Array(items)
        }
        value => value,
    };
    (format!("db {db}"), key, kind, expires, format!("{value:?}"))
}

/// Both hold the same keys with the same values.
pub fn assert_same(one: &Server, other: &Server) {
    let (ours, theirs) = (contents(one), contents(other));
    for (left, right) in ours.iter().zip(&theirs) {
        assert_eq!(left, right);
    }
    assert_eq!(ours.len(), theirs.len(), "one of them has more keys");
    assert!(!ours.is_empty(), "nothing to compare");
}
