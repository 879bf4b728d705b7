//! Commands whose scans are too long for one turn of the loop: workers read for them, others are served meanwhile, and the
//! command answers as if it had read everything itself.

mod common;

use common::{Conn, Server, Value};

/// More elements than the loop reads in one turn.
const MANY: usize = 5000;

fn numbers(from: usize, count: usize) -> Vec<String> {
    (from..from + count)
        .map(|number| number.to_string())
        .collect()
}

fn add(conn: &mut Conn, command: &str, key: &str, elements: &[String]) {
    let mut args = vec![command.to_owned(), key.to_owned()];
    args.extend_from_slice(elements);
    conn.cmd(&args);
}

#[test]
fn one_command_takes_several_long_scans() {
    let server = Server::start();
    let mut conn = server.connect();
    for (key, from) in [("a", 0), ("b", 2500), ("c", 5000)] {
        add(&mut conn, "SADD", key, &numbers(from, MANY));
    }
    assert_eq!(conn.call("SUNIONSTORE d a b c").int(), 10_000);
    assert_eq!(conn.call("SINTERSTORE e a b").int(), 2500);
    // Inside EXEC too, with writes of the same transaction in the ranges.
    conn.ok("MULTI");
    conn.call("SADD a 999999");
    conn.call("SUNIONSTORE d a b c");
    conn.call("SREM a 999999");
    conn.call("SCARD d");
    assert_eq!(
        conn.call("EXEC"),
        Value::Array([1, 10_001, 1, 10_001].map(Value::Int).to_vec())
    );
}

#[test]
fn keys_of_many_elements_are_renamed_copied_and_dumped() {
    let server = Server::start();
    let mut conn = server.connect();
    let elements = numbers(0, 2 * MANY);
    add(&mut conn, "HSET", "h", &elements);
    add(&mut conn, "ZADD", "z", &elements);
    add(&mut conn, "RPUSH", "l", &elements);
    for (key, len, size) in [
        ("h", "HLEN", MANY),
        ("z", "ZCARD", MANY),
        ("l", "LLEN", 2 * MANY),
    ] {
        let size = size as i64;
        conn.ok(&format!("RENAME {key} moved"));
        assert_eq!(conn.call(&format!("{len} moved")).int(), size);
        assert_eq!(conn.call("COPY moved copied").int(), 1);
        let payload = conn.call("DUMP copied");
        let payload = payload.bytes().expect("a payload").to_vec();
        let restored = conn.cmd(&[&b"RESTORE"[..], b"restored", b"0", &payload]);
        assert_eq!(restored, Value::ok());
        assert_eq!(conn.call(&format!("{len} restored")).int(), size);
        assert_eq!(conn.call("DUMP restored").bytes(), Some(&payload[..]));
        assert_eq!(conn.call("DEL moved copied restored").int(), 3);
    }
    assert_eq!(conn.call("DBSIZE").int(), 0);
}

#[test]
fn databases_of_many_keys_are_walked_and_counted() {
    let server = Server::start();
    let mut conn = server.connect();
    let pairs: Vec<String> = (0..MANY)
        .flat_map(|number| [format!("key:{number}"), "value".to_owned()])
        .collect();
    let mut args = vec!["MSET".to_owned()];
    args.extend(pairs);
    conn.cmd(&args);
    assert_eq!(conn.call("DBSIZE").int(), MANY as i64);
    for pattern in ["*", "key:*", "*:*"] {
        let keys = conn.call(&format!("KEYS {pattern}"));
        assert!(
            matches!(&keys, Value::Array(keys) if keys.len() == MANY),
            "{pattern}"
        );
    }
    let key = conn.call("RANDOMKEY").text();
    assert_eq!(conn.call(&format!("EXISTS {key}")).int(), 1);
    conn.ok("FLUSHDB");
    assert_eq!(conn.call("DBSIZE").int(), 0);
    assert!(conn.call("RANDOMKEY").is_null());
}
