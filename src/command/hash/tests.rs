//! Every hash command through the bench: replies, events, errors, and the bytes that they leave on disk.

use crate::command::spec::Flags;
use crate::command::testing::Bench;
use crate::resp::Proto;
use crate::storage::cf::Cf;
use crate::storage::keys::{DbIndex, KeyCodec};
use crate::storage::metadata::{Header, Type};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";

const CODEC: KeyCodec = KeyCodec {
    slot_encoded: false,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn fields_are_written_and_read() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("hset h f v g w", ":2"),
            ("hset h f x f y n z", ":1"),
            ("hset new a 1 a 2", ":1"),
            ("hget new a", "$1 2"),
            ("hget h f", "$1 y"),
            ("hget h none", "$-1"),
            ("hget none f", "$-1"),
            ("hmget h g none n", "*3 $1 w $-1 $1 z"),
            ("hmget none a b", "*2 $-1 $-1"),
            ("hgetall h", "*6 $1 f $1 y $1 g $1 w $1 n $1 z"),
            ("hgetall none", "*0"),
            ("hkeys h", "*3 $1 f $1 g $1 n"),
            ("hvals h", "*3 $1 y $1 w $1 z"),
            ("hlen h", ":3"),
            ("hlen none", ":0"),
            ("hstrlen h f", ":1"),
            ("hstrlen h none", ":0"),
            ("hexists h f", ":1"),
            ("hexists h none", ":0"),
            ("hsetnx h f other", ":0"),
            ("hsetnx h fresh value", ":1"),
            ("hsetnx fresh f v", ":1"),
            ("hmset h f 1", "+OK"),
            (
                "hset h f",
                "-ERR wrong number of arguments for 'hset' command",
            ),
            (
                "hset h f v g",
                "-ERR wrong number of arguments for 'hset' command",
            ),
            (
                "hmset h f v g",
                "-ERR wrong number of arguments for 'hmset' command",
            ),
        ]);
    });
}

#[test]
fn resp3_has_maps_and_pairs() {
    Bench::both_ways(|bench| {
        bench.proto = Proto::Resp3;
        bench.expect(&[
            ("hset h f v", ":1"),
            ("hgetall h", "%1 $1 f $1 v"),
            ("hgetall none", "%0"),
            ("hkeys h", "*1 $1 f"),
            ("hget h none", "_"),
            ("hrandfield h 1 withvalues", "*1 *2 $1 f $1 v"),
            ("hrandfield h -2", "*2 $1 f $1 f"),
            ("hrandfield none", "_"),
        ]);
    });
}

#[test]
fn fields_are_deleted() {
    Bench::both_ways(|bench| {
        bench.run("hset h a 1 b 2 c 3");
        bench.events();
        bench.expect(&[
            ("hdel h none", ":0"),
            ("hdel none a", ":0"),
            ("hdel h a a none", ":1"),
            ("hlen h", ":2"),
            ("hdel h c b a", ":2"),
            ("hlen h", ":0"),
            ("hgetall h", "*0"),
            ("hset h b 4", ":1"),
            ("hgetall h", "*2 $1 b $1 4"),
        ]);
        assert_eq!(
            bench.events(),
            ["hdel:h", "hdel:h", "del:h", "new:h", "hset:h"]
        );
    });
}

#[test]
fn numbers_are_counted() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("hincrby h n 5", ":5"),
            ("hincrby h n -7", ":-2"),
            ("hget h n", "$2 -2"),
            (
                "hincrby h n 1.5",
                "-ERR value is not an integer or out of range",
            ),
            ("hset h max 9223372036854775807 text abc", ":2"),
            (
                "hincrby h max 1",
                "-ERR increment or decrement would overflow",
            ),
            ("hincrby h text 1", "-ERR hash value is not an integer"),
            ("hincrbyfloat h f 10.5", "$4 10.5"),
            ("hincrbyfloat h f 0.1", "$4 10.6"),
            ("hincrbyfloat h f 5.0e3", "$22 5010.60000000000000009"),
            ("hincrbyfloat h n 1", "$2 -1"),
            ("hincrbyfloat h text 1", "-ERR hash value is not a float"),
            ("hincrbyfloat h f x", "-ERR value is not a valid float"),
            ("hincrbyfloat none f inf", "-ERR value is NaN or Infinity"),
            ("hset h huge 1e4932", ":1"),
            (
                "hincrbyfloat h huge 1.1e4932",
                "-ERR increment would produce NaN or Infinity",
            ),
            ("hlen none", ":0"),
            ("hlen h", ":5"),
        ]);
        let events = bench.events();
        assert_eq!(
            events.iter().filter(|event| *event == "hincrby:h").count(),
            2
        );
        assert_eq!(
            events
                .iter()
                .filter(|event| *event == "hincrbyfloat:h")
                .count(),
            4
        );
    });
}

#[test]
fn random_fields() {
    Bench::both_ways(|bench| {
        bench.run("hset h a 1 b 2 c 3");
        bench.expect(&[
            ("hrandfield none", "$-1"),
            ("hrandfield none 5", "*0"),
            ("hrandfield h 0", "*0"),
            ("hrandfield h 9", "*3 $1 a $1 b $1 c"),
            ("hrandfield h 3 WITHVALUES", "*6 $1 a $1 1 $1 b $1 2 $1 c $1 3"),
            ("hrandfield h x", "-ERR value is not an integer or out of range"),
            ("hrandfield h 1 values", SYNTAX),
            ("hrandfield h 1 withvalues more", SYNTAX),
            ("hrandfield h 4611686018427387904 withvalues", "-ERR value is out of range"),
            ("hrandfield h -1048577", "-ERR value is out of range"),
            (
                "hrandfield h -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
        ]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            seen.insert(bench.run("hrandfield h"));
            let two = bench.run("hrandfield h 2");
            assert!(
                ["*2 $1 a $1 b", "*2 $1 a $1 c", "*2 $1 b $1 c"].contains(&two.as_str()),
                "{two}"
            );
        }
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            ["$1 a", "$1 b", "$1 c"]
        );
    });
}

#[test]
fn iteration_meets_every_field_once() {
    Bench::both_ways(|bench| {
        for number in 100..200 {
            bench.run(&format!("hset h field:{number} {number}"));
        }
        let mut cursor = "0".to_owned();
        let mut fields = Vec::new();
        loop {
            let reply = bench.run(&format!("hscan h {cursor} count 7 match *[05]"));
            let words: Vec<&str> = reply.split(' ').collect();
            cursor = words[2].to_owned();
            fields.extend(words[4..].chunks(4).map(|pair| pair[1].to_owned()));
            if cursor == "0" {
                break;
            }
        }
        let expected: Vec<String> = (100..200)
            .step_by(5)
            .map(|number| format!("field:{number}"))
            .collect();
        assert_eq!(fields, expected);
        bench.expect(&[
            ("hscan none 0 syntax is not looked at", "*2 $1 0 *0"),
            (
                "hscan h 0 match field:10[12]",
                "*2 $1 0 *4 $9 field:101 $3 101 $9 field:102 $3 102",
            ),
            (
                "hscan h 0 match field:150",
                "*2 $1 0 *2 $9 field:150 $3 150",
            ),
            ("hscan h 0 match none", "*2 $1 0 *0"),
            ("hscan h 0 count", SYNTAX),
            ("hscan h 0 count 0", SYNTAX),
            ("hscan h 0 type hash", SYNTAX),
            ("hscan none x", "-ERR invalid cursor"),
            ("hscan h 123456", "-ERR invalid cursor"),
        ]);
    });
}

#[test]
fn other_types_are_refused() {
    Bench::both_ways(|bench| {
        bench.run("sadd s m");
        let before = bench.changes.count;
        for line in [
            "hset s f v",
            "hmset s f v",
            "hsetnx s f v",
            "hget s f",
            "hmget s f",
            "hgetall s",
            "hkeys s",
            "hvals s",
            "hlen s",
            "hstrlen s f",
            "hexists s f",
            "hdel s f",
            "hincrby s f 1",
            "hincrbyfloat s f 1",
            "hrandfield s",
            "hrandfield s 2",
            "hscan s 0",
        ] {
            assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
        }
        assert_eq!(bench.changes.count, before);
    });
}

#[test]
fn an_expired_hash_is_absent_and_created_anew() {
    Bench::both_ways(|bench| {
        bench.run("hset h old 1");
        let entry = CODEC.metadata_key(DbIndex(0), b"h");
        let stored = bench.view.get(Cf::Metadata, &entry).expect("a read");
        let (mut header, _) = Header::decode(stored.as_deref().expect("an entry")).expect("whole");
        header.set_expire(Some(bench.turn.unix()));
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        bench.view.put(Cf::Metadata, &entry, &bytes);
        bench.run("hset h kept 1");
        bench.expect(&[("hlen h", ":2")]);
        bench.advance_ms(1);
        bench.expect(&[
            ("hlen h", ":0"),
            ("hgetall h", "*0"),
            ("hset h new 1", ":1"),
            ("hgetall h", "*2 $3 new $1 1"),
        ]);
        let stored = bench.view.get(Cf::Metadata, &entry).expect("a read");
        let (renewed, _) = Header::decode(stored.as_deref().expect("an entry")).expect("whole");
        assert_eq!(renewed.expire(), None);
        assert!(renewed.version > header.version);
    });
}

#[test]
fn the_bytes_on_disk_are_those_of_kvrocks() {
    Bench::both_ways(|bench| {
        bench.run("hset h f v");
        let version = bench.turn.unix_us << 11;
        let entry = CODEC.metadata_key(DbIndex(0), b"h");
        let stored = bench.view.get(Cf::Metadata, &entry).expect("a read");
        assert_eq!(
            stored.map(|bytes| hex(&bytes)),
            Some(format!("820000000000000000{version:016x}0000000000000001"))
        );
        let mut field = CODEC.subkey_prefix(DbIndex(0), b"h", version);
        field.push(b'f');
        assert_eq!(
            bench.view.get(Cf::Default, &field).expect("a read"),
            Some(b"v".to_vec())
        );
        // Nothing but LogData when a value stays the same, and then no record at all.
        bench.commit();
        let group = bench.view.newest_group();
        bench.expect(&[("hset h f v", ":0")]);
        bench.commit();
        assert_eq!(bench.view.newest_group(), group);
    });
}

#[test]
fn a_narrow_header_stays_narrow() {
    Bench::both_ways(|bench| {
        let entry = CODEC.metadata_key(DbIndex(0), b"h");
        let narrow = [
            2, 0x6b, 0x49, 0xd2, 0, 0x30, 0x51, 0x20, 0xc0, 0xf2, 0, 0, 5, 0, 0, 0, 1,
        ];
        bench.view.put(Cf::Metadata, &entry, &narrow);
        bench.expect(&[("hlen h", ":1"), ("hset h g w", ":1")]);
        let stored = bench.view.get(Cf::Metadata, &entry).expect("a read");
        assert_eq!(
            stored.map(|bytes| hex(&bytes)),
            Some("026b49d200305120c0f200000500000002".to_owned())
        );
        let (header, _) = Header::decode(&narrow).expect("whole");
        assert_eq!(header.kind(), Type::Hash);
    });
}

#[test]
fn declarations_are_those_of_redis() {
    let expected = [
        ("hdel", -3, "fast"),
        ("hexists", 3, "fast"),
        ("hget", 3, "fast"),
        ("hgetall", 2, ""),
        ("hincrby", 4, "denyoom fast"),
        ("hincrbyfloat", 4, "denyoom fast"),
        ("hkeys", 2, ""),
        ("hlen", 2, "fast"),
        ("hmget", -3, "fast"),
        ("hmset", -4, "denyoom fast"),
        ("hrandfield", -2, ""),
        ("hscan", -3, ""),
        ("hset", -4, "denyoom fast"),
        ("hsetnx", 4, "denyoom fast"),
        ("hstrlen", 3, "fast"),
        ("hvals", 2, ""),
    ];
    let declared: Vec<(&str, i32, String)> = super::SPECS
        .iter()
        .map(|spec| {
            let flags: Vec<&str> = Flags::NAMES
                .iter()
                .filter(|(flag, _)| spec.flags.has(*flag))
                .map(|(_, name)| *name)
                .collect();
            (spec.name, spec.arity, flags.join(" "))
        })
        .collect();
    let declared: Vec<(&str, i32, &str)> = declared
        .iter()
        .map(|(name, arity, flags)| (*name, *arity, flags.as_str()))
        .collect();
    assert_eq!(declared, expected);
}
