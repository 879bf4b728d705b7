//! Data directories that Apache Kvrocks wrote (`tests/fixtures`) are opened and read back, and what they hold of types
//! that have no commands here yet survives everything that works on any key.

mod common;

use common::fixture::{
    CLUSTER, FIXTURES, Fixture, OF_OTHER_TYPES, OTHER_TYPES, Read, STANDALONE, STANDALONE_RSID,
    assert_reads_back,
};
use common::json::Json;
use common::{Conn, Setup, Value, say_skipped};

/// Opens a fixture, reads everything, stops, starts again and reads everything once more.
fn reads_back(fixture: &Fixture, test: &str) {
    let Some(mut server) = fixture.open(test) else {
        return;
    };
    let reads = fixture.reads();
    assert_reads_back(&mut server.connect(), fixture, &reads);
    assert!(server.stop().success());
    server.restart();
    assert_reads_back(&mut server.connect(), fixture, &reads);
    server.restart(); // after a kill
    assert_reads_back(&mut server.connect(), fixture, &reads);
}

#[test]
fn a_directory_of_kvrocks_reads_back() {
    reads_back(&STANDALONE, "a_directory_of_kvrocks_reads_back");
}

#[test]
fn a_directory_of_kvrocks_with_replication_ids_reads_back() {
    reads_back(
        &STANDALONE_RSID,
        "a_directory_of_kvrocks_with_replication_ids_reads_back",
    );
}

#[test]
fn a_directory_of_kvrocks_in_cluster_mode_reads_back() {
    reads_back(
        &CLUSTER,
        "a_directory_of_kvrocks_in_cluster_mode_reads_back",
    );
}

/// Opened with the wrong setting, keys would be cut in the wrong place: the server must refuse.
#[test]
fn a_directory_is_refused_when_cluster_mode_does_not_fit_it() {
    for (fixture, setting) in [(&CLUSTER, "no"), (&STANDALONE, "yes")] {
        let setup = Setup::new().arg("--cluster-enabled", setting);
        if setup.is_stand_in() {
            say_skipped(
                "a_directory_is_refused_when_cluster_mode_does_not_fit_it",
                "redis-server stands in",
            );
            return;
        }
        let dir = fixture.copy();
        let (status, said) = setup.start_expecting_exit(dir.path());
        assert!(!status.success(), "{}: {said}", fixture.name);
        assert!(
            said.contains("cluster-enabled"),
            "{}: the message does not name the setting: {said}",
            fixture.name
        );
    }
}

/// TYPE, EXISTS, EXPIRE, PERSIST, RENAME, TOUCH and KEYS work on keys of every type, also across a restart; at the end
/// DEL works, and nothing else has changed.
#[test]
fn keys_of_other_types_survive() {
    for fixture in FIXTURES {
        let Some(mut server) = fixture.open("keys_of_other_types_survive") else {
            return;
        };
        let mut conn = server.connect();
        for (start, kind) in OTHER_TYPES {
            let key = fixture.key(start);
            // The same slot in cluster mode.
            let renamed = format!("{{{key}}}renamed");
            assert_eq!(
                conn.call(&format!("TYPE {key}")),
                Value::simple(kind),
                "{key}"
            );
            assert_eq!(conn.call(&format!("EXISTS {key}")), Value::Int(1), "{key}");
            assert_eq!(
                conn.call(&format!("PEXPIREAT {key} 4102444800123")),
                Value::Int(1),
                "{key}"
            );
            assert_eq!(
                conn.call(&format!("PEXPIRETIME {key}")),
                Value::Int(4_102_444_800_123),
                "{key}"
            );
            assert_eq!(
                conn.call(&format!("TYPE {key}")),
                Value::simple(kind),
                "{key} after PEXPIREAT"
            );
            assert_eq!(
                conn.call(&format!("RENAME {key} {renamed}")),
                Value::ok(),
                "{key}"
            );
            assert_eq!(
                conn.call(&format!("EXISTS {key} {renamed}")),
                Value::Int(1),
                "{key}"
            );
            assert_eq!(
                conn.call(&format!("TYPE {renamed}")),
                Value::simple(kind),
                "{renamed}"
            );
        }
        assert!(server.stop().success());
        server.restart();
        let mut conn = server.connect();
        for (start, kind) in OTHER_TYPES {
            let key = fixture.key(start);
            let renamed = format!("{{{key}}}renamed");
            assert_eq!(
                conn.call(&format!("TYPE {renamed}")),
                Value::simple(kind),
                "{renamed} after a restart"
            );
            assert_eq!(
                conn.call(&format!("PEXPIRETIME {renamed}")),
                Value::Int(4_102_444_800_123),
                "{renamed}"
            );
            assert_eq!(
                conn.call(&format!("PERSIST {renamed}")),
                Value::Int(1),
                "{renamed}"
            );
            assert_eq!(
                conn.call(&format!("TTL {renamed}")),
                Value::Int(-1),
                "{renamed}"
            );
            assert_eq!(
                conn.call(&format!("RENAME {renamed} {key}")),
                Value::ok(),
                "{renamed}"
            );
        }
        // Everything reads as before, what has commands of the other types included.
        let reads = fixture.reads();
        assert_reads_back(&mut conn, fixture, &reads);
        for (start, _) in OTHER_TYPES {
            let key = fixture.key(start);
            assert_eq!(conn.call(&format!("DEL {key}")), Value::Int(1), "{key}");
            assert_eq!(
                conn.call(&format!("TYPE {key}")),
                Value::simple("none"),
                "{key}"
            );
        }
        assert!(server.stop().success());
        server.restart();
        let mut conn = server.connect();
        for (start, _) in OTHER_TYPES {
            assert_eq!(
                conn.call(&format!("EXISTS {}", fixture.key(start))),
                Value::Int(0),
                "{start}"
            );
        }
        let of_other_types = |read: &Read| {
            OTHER_TYPES
                .iter()
                .any(|(start, _)| read.args.get(1) == Some(&fixture.key(start).into_bytes()))
        };
        let rest: Vec<Read> = reads
            .into_iter()
            .filter(|read| !of_other_types(read))
            .collect();
        assert_reads_back(&mut conn, fixture, &rest);
    }
}

/// A key of a type without commands here refuses the commands of the types that are here.
#[test]
fn keys_of_other_types_refuse_commands_of_the_wrong_type() {
    let Some(server) = STANDALONE.open("keys_of_other_types_refuse_commands_of_the_wrong_type")
    else {
        return;
    };
    let mut conn = server.connect();
    let wrong_type =
        Value::error("WRONGTYPE Operation against a key holding the wrong kind of value");
    for start in ["stream", "si", "bf", "json"] {
        let key = STANDALONE.key(start);
        for line in [
            "GET KEY",
            "HSET KEY f v",
            "RPUSH KEY x",
            "SADD KEY m",
            "ZADD KEY 1 m",
            "INCR KEY",
            "APPEND KEY x",
        ] {
            assert_eq!(
                conn.call(&line.replace("KEY", &key)),
                wrong_type,
                "{line} on {key}"
            );
        }
    }
    assert_reads_back(&mut conn, &STANDALONE, &STANDALONE.reads());
}

/// What was written here on top of a directory of Kvrocks, and what was there, are both there after a crash.
#[test]
fn a_directory_of_kvrocks_can_be_written_to() {
    let Some(mut server) = STANDALONE.open("a_directory_of_kvrocks_can_be_written_to") else {
        return;
    };
    let mut conn = server.connect();
    conn.ok("SET new:string value");
    assert_eq!(conn.call("HSET hash:1:0 new-field value"), Value::Int(1));
    assert_eq!(conn.call("RPUSH new:list a b c"), Value::Int(3));
    let fields = conn.call("HLEN hash:1:0");
    server.kill();
    server.restart();
    let mut conn = server.connect();
    assert_eq!(conn.call("GET new:string"), Value::bulk("value"));
    assert_eq!(conn.call("HGET hash:1:0 new-field"), Value::bulk("value"));
    assert_eq!(conn.call("HLEN hash:1:0"), fields);
    assert_eq!(
        conn.call("LRANGE new:list 0 -1"),
        Value::bulks(&["a", "b", "c"])
    );
    assert_eq!(conn.call("HDEL hash:1:0 new-field"), Value::Int(1));
    assert_reads_back(&mut conn, &STANDALONE, &STANDALONE.reads());
}

/// The oracle, given the same data, gives the expected replies: so nothing that Kvrocks answers differently from Redis
/// hides in the fixtures, but for `reply_of_redis`.
#[test]
fn the_expected_replies_are_those_of_redis_for_the_same_data() {
    let Some(oracle) = Setup::oracle("the_expected_replies_are_those_of_redis_for_the_same_data")
    else {
        return;
    };
    let oracle = oracle.start();
    let mut conn = oracle.connect();
    for fixture in FIXTURES {
        conn.ok("FLUSHALL");
        let reads = fixture.reads();
        for read in &reads {
            load(&mut conn, read);
        }
        let has_own_type = |read: &&Read| {
            !OF_OTHER_TYPES.contains(&String::from_utf8_lossy(&read.args[0]).as_ref())
        };
        let is_bitmap = |read: &&Read| read.args[1].starts_with(b"bits");
        let of_redis: Vec<Read> = reads
            .iter()
            .filter(has_own_type)
            .filter(|read| !is_bitmap(read))
            .map(|read| Read {
                args: read.args.clone(),
                reply: read.reply.clone(),
            })
            .collect();
        assert!(of_redis.len() > 250, "{} reads", of_redis.len());
        assert_reads_back(&mut conn, fixture, &of_redis);
    }
}

/// Writes into the oracle what `read` says is there.
fn load(conn: &mut Conn, read: &Read) {
    let key = &read.args[1];
    let items: Vec<Vec<u8>> = match &read.reply {
        Value::Array(items) => items
            .iter()
            .map(|item| item.bytes().unwrap_or_default().to_vec())
            .collect(),
        _ => Vec::new(),
    };
    let mut write = |name: &str, rest: Vec<Vec<u8>>| {
        if !rest.is_empty() {
            let reply = conn.cmd(&[vec![name.as_bytes().to_vec(), key.clone()], rest].concat());
            assert!(!reply.is_error(), "{name}: {reply}");
        }
    };
    match (read.args[0].as_slice(), &read.reply) {
        (b"GET", Value::Bulk(value)) => write("SET", vec![value.clone()]),
        (b"HGETALL", _) => write("HSET", items),
        (b"LRANGE", _) => write("RPUSH", items),
        (b"SMEMBERS", _) => write("SADD", items),
        (b"ZRANGE", _) => write(
            "ZADD",
            items
                .chunks(2)
                .flat_map(|pair| [pair[1].clone(), pair[0].clone()])
                .collect(),
        ),
        (b"PEXPIRETIME", Value::Int(time)) if *time > 0 => {
            write("PEXPIREAT", vec![time.to_string().into_bytes()])
        }
        _ => {}
    }
}

#[test]
fn json_is_read() {
    let json = Json::read(
        r#" {"cmd": ["GET", "a\u00ff\n\"b"], "reply": [1, -2, null, {"x": true}, []]} "#,
    );
    assert_eq!(
        json.field("cmd").items()[1],
        Json::Text(b"a\xff\n\"b".to_vec())
    );
    let object = Json::Object(vec![(b"x".to_vec(), Json::Bool(true))]);
    let reply = vec![
        Json::Int(1),
        Json::Int(-2),
        Json::Null,
        object,
        Json::List(Vec::new()),
    ];
    assert_eq!(json.field("reply").items(), reply);
}
