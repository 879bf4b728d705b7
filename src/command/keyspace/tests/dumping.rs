//! DUMP and RESTORE.

use super::{NOT_AN_INTEGER, SYNTAX};
use crate::command::testing::Bench;
use crate::storage::metadata::Type;

/// The bulk string in a reply.
fn payload(reply: &[u8]) -> &[u8] {
    let start = memchr::memchr(b'\n', reply).map_or(0, |at| at + 1);
    &reply[start..reply.len() - 2]
}

#[test]
fn payloads_of_all_types_come_back() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("set string value", "+OK"),
            ("set number 12345", "+OK"),
            ("rpush list a b 3 -400 c d e f g h", ":10"),
            ("hset hash f 1 g two", ":2"),
            ("sadd set x y 3", ":3"),
            ("zadd zset 1.5 a -inf b 0 c", ":3"),
        ]);
        for (key, read) in [
            ("string", "get copy"),
            ("number", "get copy"),
            ("list", "lrange copy 0 -1"),
            ("hash", "hgetall copy"),
            ("set", "smembers copy"),
            ("zset", "zrange copy 0 -1 withscores"),
        ] {
            let expected = bench.run(&read.replace("copy", key));
            let dumped = bench.run_parts(&[b"dump", key.as_bytes()]);
            bench.run("set copy old");
            let busy = bench.run_parts(&[b"restore", b"copy", b"0", payload(&dumped)]);
            assert_eq!(busy, b"-BUSYKEY Target key name already exists.\r\n");
            bench.events();
            let restored =
                bench.run_parts(&[b"restore", b"copy", b"5000", payload(&dumped), b"REPLACE"]);
            assert_eq!(restored, b"+OK\r\n");
            assert_eq!(bench.events().join(" "), "new:copy restore:copy");
            assert_eq!(bench.run(read), expected);
            assert_eq!(bench.run("pttl copy"), ":5000");
            let type_name = bench.run(&format!("type {key}"));
            assert_eq!(bench.run("type copy"), type_name);
            // What was written is whole: it can be changed, and renamed.
            assert_eq!(bench.run("rename copy again"), "+OK");
            assert_eq!(bench.run(&read.replace("copy", "again")), expected);
            bench.run("del again");
        }
        bench.expect(&[
            ("rpush list i", ":11"),
            ("lindex list 10", "$1 i"),
            ("dump none", "$-1"),
        ]);
    });
}

#[test]
fn restore_refuses_what_redis_refuses() {
    Bench::both_ways(|bench| {
        bench.run("set k v");
        let dumped = bench.run_parts(&[b"dump", b"k"]);
        let good = payload(&dumped);
        let mut wrong = good.to_vec();
        wrong[1] ^= 1;
        let mut restore = |rest: &[&[u8]]| {
            let mut parts: Vec<&[u8]> = vec![b"restore"];
            parts.extend_from_slice(rest);
            String::from_utf8_lossy(&bench.run_parts(&parts))
                .trim_end()
                .to_owned()
        };
        let cases: &[(&[&[u8]], &str)] = &[
            (
                &[b"n", b"0", &wrong],
                "-ERR DUMP payload version or checksum are wrong",
            ),
            (
                &[b"n", b"0", b""],
                "-ERR DUMP payload version or checksum are wrong",
            ),
            (
                &[b"n", b"-1", &wrong],
                "-ERR Invalid TTL value, must be >= 0",
            ),
            (&[b"n", b"x", &wrong], NOT_AN_INTEGER),
            (
                &[b"k", b"x", &wrong],
                "-BUSYKEY Target key name already exists.",
            ),
            (&[b"k", b"0", good, b"what"], SYNTAX),
            (&[b"k", b"0", good, b"idletime"], SYNTAX),
            (&[b"k", b"0", good, b"idletime", b"x"], NOT_AN_INTEGER),
            (
                &[b"k", b"0", good, b"idletime", b"-1"],
                "-ERR Invalid IDLETIME value, must be >= 0",
            ),
            (
                &[b"k", b"0", good, b"freq", b"256"],
                "-ERR Invalid FREQ value, must be >= 0 and <= 255",
            ),
            (
                &[b"k", b"0", good, b"freq", b"1", b"idletime", b"1"],
                SYNTAX,
            ),
            (&[b"n", b"9223372036854775807", good], "+OK"),
            (&[b"n", b"1", good, b"absttl"], "+OK"),
            (&[b"n2", b"9223372036854775807", good, b"absttl"], "+OK"),
            (&[b"n3", b"0", good, b"idletime", b"1", b"replace"], "+OK"),
            (&[b"n4", b"0", good, b"freq", b"255"], "+OK"),
        ];
        for (rest, expected) in cases {
            assert_eq!(restore(rest), *expected, "{rest:?}");
        }
        // A time that has passed: nothing is created, and what was there goes.
        bench.expect(&[("exists n n2 n3 n4", ":3"), ("get n2", "$1 v")]);
        bench.events();
        let replaced = bench.run_parts(&[b"restore", b"k", b"1", good, b"absttl", b"replace"]);
        assert_eq!(replaced, b"+OK\r\n");
        assert_eq!(bench.events().join(" "), "del:k");
        bench.put_collection("stream", Type::Stream);
        assert_eq!(
            bench.run("dump stream"),
            "-ERR DUMP does not support keys of type stream"
        );
    });
}
