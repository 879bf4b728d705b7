//! Every set command through the bench: replies, events, errors, and the bytes that they leave on disk.

use crate::command::spec::Flags;
use crate::command::testing::Bench;
use crate::resp::Proto;
use crate::storage::cf::Cf;
use crate::storage::keys::{DbIndex, KeyCodec};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";

const CODEC: KeyCodec = KeyCodec {
    slot_encoded: false,
};

#[test]
fn members_come_and_go() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("sadd s a b a", ":2"),
            ("sadd s b c", ":1"),
            ("sadd s a", ":0"),
            ("scard s", ":3"),
            ("scard none", ":0"),
            ("smembers s", "*3 $1 a $1 b $1 c"),
            ("smembers none", "*0"),
            ("sismember s a", ":1"),
            ("sismember s x", ":0"),
            ("sismember none a", ":0"),
            ("smismember s a x c", "*3 :1 :0 :1"),
            ("smismember none a x", "*2 :0 :0"),
            ("srem s x", ":0"),
            ("srem none a", ":0"),
            ("srem s a a x", ":1"),
            ("srem s b c", ":2"),
            ("scard s", ":0"),
            ("sadd s b", ":1"),
            ("smembers s", "*1 $1 b"),
        ]);
        assert_eq!(
            bench.events(),
            [
                "new:s", "sadd:s", "sadd:s", "srem:s", "srem:s", "del:s", "new:s", "sadd:s"
            ]
        );
    });
}

#[test]
fn moves_between_sets() {
    Bench::both_ways(|bench| {
        bench.run("sadd s a b");
        bench.run("rpush l x");
        bench.events();
        bench.expect(&[
            ("smove s t a", ":1"),
            ("smove s t x", ":0"),
            ("smove none t a", ":0"),
            ("smove none l a", ":0"),
            ("smove s l a", WRONG_TYPE),
            ("smove l s a", WRONG_TYPE),
            ("smove t t a", ":1"),
            ("smove t t b", ":0"),
            ("smove s t b", ":1"),
            ("scard s", ":0"),
            ("smembers t", "*2 $1 a $1 b"),
            ("sadd s a", ":1"),
            ("smove s t a", ":1"),
        ]);
        assert_eq!(
            bench.events(),
            [
                "srem:s", "new:t", "sadd:t", "srem:s", "del:s", "sadd:t", "new:s", "sadd:s",
                "srem:s", "del:s"
            ]
        );
    });
}

#[test]
fn sets_against_each_other() {
    Bench::both_ways(|bench| {
        bench.run("sadd a 1 2 3 4");
        bench.run("sadd b 2 3 5");
        bench.run("sadd c 3 6");
        bench.run("rpush l x");
        bench.events();
        bench.expect(&[
            ("sinter a b c", "*1 $1 3"),
            ("sinter a", "*4 $1 1 $1 2 $1 3 $1 4"),
            ("sinter a a", "*4 $1 1 $1 2 $1 3 $1 4"),
            ("sinter a none b", "*0"),
            ("sinter none l", WRONG_TYPE),
            ("sunion a b none c", "*6 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6"),
            ("sunion none", "*0"),
            ("sunion a l", WRONG_TYPE),
            ("sdiff a b none c", "*2 $1 1 $1 4"),
            ("sdiff a none a", "*0"),
            ("sdiff none a", "*0"),
            ("sdiff none l", WRONG_TYPE),
            ("sintercard 2 a b", ":2"),
            ("sintercard 2 a b limit 1", ":1"),
            ("sintercard 2 a b limit 0", ":2"),
            ("sintercard 2 a none limit 1", ":0"),
            ("sintercard 1 l", WRONG_TYPE),
            ("sintercard 0 a", "-ERR numkeys should be greater than 0"),
            ("sintercard x a", "-ERR numkeys should be greater than 0"),
            (
                "sintercard 2 a",
                "-ERR Number of keys can't be greater than number of args",
            ),
            ("sintercard 1 a limit -1", "-ERR LIMIT can't be negative"),
            ("sintercard 1 a limit", SYNTAX),
            ("sintercard 1 a b", SYNTAX),
            ("sinterstore d a b", ":2"),
            ("smembers d", "*2 $1 2 $1 3"),
            ("sunionstore l b c", ":4"),
            ("smembers l", "*4 $1 2 $1 3 $1 5 $1 6"),
            ("sdiffstore a a b", ":2"),
            ("smembers a", "*2 $1 1 $1 4"),
            ("sinterstore d none a", ":0"),
            ("sinterstore d none a", ":0"),
            ("scard d", ":0"),
        ]);
        assert_eq!(
            bench.events(),
            [
                "new:d",
                "sinterstore:d",
                "sunionstore:l",
                "sdiffstore:a",
                "del:d"
            ]
        );
        bench.proto = Proto::Resp3;
        bench.expect(&[
            ("sinter b c", "~1 $1 3"),
            ("smembers none", "~0"),
            ("spop none 2", "~0"),
        ]);
    });
}

/// Sizes on both sides of where point reads take over from walking.
#[test]
fn large_sets_against_small_ones() {
    Bench::both_ways(|bench| {
        let sadd = |bench: &mut Bench, key: &str, numbers: &mut dyn Iterator<Item = u32>| {
            let members: Vec<String> = numbers.map(|number| number.to_string()).collect();
            bench.run(&format!("sadd {key} {}", members.join(" ")));
        };
        sadd(bench, "all", &mut (0..1000));
        sadd(bench, "thirds", &mut (0..3000).step_by(3));
        sadd(bench, "few", &mut [3, 5, 999, 1002].into_iter());
        bench.expect(&[
            ("sinter all few", "*3 $1 3 $1 5 $3 999"),
            ("sinter thirds all few", "*2 $1 3 $3 999"),
            ("sdiff few all", "*1 $4 1002"),
            ("sintercard 2 all thirds", ":334"),
            ("sintercard 2 all thirds limit 100", ":100"),
            ("sintercard 2 all thirds limit 400", ":334"),
            ("sintercard 3 all thirds few limit 2", ":2"),
            ("sunionstore d all thirds", ":1666"),
            ("sdiffstore d thirds all", ":666"),
            ("sinterstore d all thirds", ":334"),
        ]);
    });
}

#[test]
fn random_members() {
    Bench::both_ways(|bench| {
        bench.run("sadd s a b c");
        bench.events();
        bench.expect(&[
            ("srandmember none", "$-1"),
            ("srandmember none 1", "*0"),
            ("srandmember s 0", "*0"),
            ("srandmember s 9", "*3 $1 a $1 b $1 c"),
            ("srandmember s x", "-ERR value is not an integer or out of range"),
            ("srandmember s 1 2", SYNTAX),
            ("srandmember s -1048577", "-ERR value is out of range"),
            (
                "srandmember s -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("spop none", "$-1"),
            ("spop none 1", "*0"),
            ("spop s 0", "*0"),
            ("spop s -1", "-ERR value is out of range, must be positive"),
            ("spop s x", "-ERR value is out of range, must be positive"),
            ("spop s 1 2", SYNTAX),
        ]);
        assert_eq!(bench.events(), [""; 0]);
        assert!(bench.run("srandmember s -50").starts_with("*50 $1 "));
        let popped = bench.run("spop s");
        assert!(
            ["$1 a", "$1 b", "$1 c"].contains(&popped.as_str()),
            "{popped}"
        );
        bench.expect(&[("scard s", ":2")]);
        assert_eq!(
            bench.run("smembers s").replace(&popped, ""),
            bench.run("smembers s")
        );
        assert_eq!(bench.run("spop s 1").split(' ').next(), Some("*1"));
        assert_eq!(bench.run("spop s 5").split(' ').next(), Some("*1"));
        bench.expect(&[("scard s", ":0"), ("sadd s z", ":1"), ("spop s", "$1 z")]);
        assert_eq!(
            bench.events(),
            [
                "spop:s", "spop:s", "spop:s", "del:s", "new:s", "sadd:s", "spop:s", "del:s"
            ]
        );
    });
}

#[test]
fn iteration_meets_every_member_once() {
    Bench::both_ways(|bench| {
        for number in 0..50 {
            bench.run(&format!("sadd s {number:02}"));
        }
        let mut cursor = "0".to_owned();
        let mut members = Vec::new();
        loop {
            let reply = bench.run(&format!("sscan s {cursor} count 8"));
            let words: Vec<&str> = reply.split(' ').collect();
            cursor = words[2].to_owned();
            members.extend(words[4..].chunks(2).map(|word| word[1].to_owned()));
            // What is removed on the way is not met, what stays is.
            bench.run("srem s 49");
            if cursor == "0" {
                break;
            }
        }
        let expected: Vec<String> = (0..49).map(|number| format!("{number:02}")).collect();
        assert_eq!(members, expected);
        bench.expect(&[
            ("sscan s 0 match 4[0-1]", "*2 $1 0 *2 $2 40 $2 41"),
            ("sscan none 0", "*2 $1 0 *0"),
            (
                "sscan s 0 count x",
                "-ERR value is not an integer or out of range",
            ),
        ]);
    });
}

#[test]
fn other_types_are_refused() {
    Bench::both_ways(|bench| {
        bench.run("rpush l x");
        let before = bench.changes.count;
        for line in [
            "sadd l m",
            "srem l m",
            "smembers l",
            "sismember l m",
            "smismember l m",
            "scard l",
            "spop l",
            "spop l 2",
            "srandmember l",
            "srandmember l 2",
            "smove l s m",
            "sinterstore s l",
            "sunionstore s l",
            "sdiffstore s l",
            "sscan l 0",
        ] {
            assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
        }
        assert_eq!(bench.changes.count, before);
    });
}

#[test]
fn the_bytes_on_disk_are_those_of_kvrocks() {
    Bench::both_ways(|bench| {
        bench.run("sadd s m");
        let version = bench.turn.unix_us << 11;
        let entry = CODEC.metadata_key(DbIndex(0), b"s");
        let stored = bench.view.get(Cf::Metadata, &entry).expect("a read");
        let hex: String = stored
            .expect("an entry")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            format!("840000000000000000{version:016x}0000000000000001")
        );
        let mut member = CODEC.subkey_prefix(DbIndex(0), b"s", version);
        member.push(b'm');
        assert_eq!(
            bench.view.get(Cf::Default, &member).expect("a read"),
            Some(Vec::new())
        );
    });
}

#[test]
fn declarations_are_those_of_redis() {
    let expected = [
        ("sadd", -3, "denyoom fast"),
        ("scard", 2, "fast"),
        ("sdiff", -2, ""),
        ("sdiffstore", -3, "denyoom"),
        ("sinter", -2, ""),
        ("sintercard", -3, "movablekeys"),
        ("sinterstore", -3, "denyoom"),
        ("sismember", 3, "fast"),
        ("smembers", 2, ""),
        ("smismember", -3, "fast"),
        ("smove", 4, "fast"),
        ("spop", -2, "fast"),
        ("srandmember", -2, ""),
        ("srem", -3, "fast"),
        ("sscan", -3, ""),
        ("sunion", -2, ""),
        ("sunionstore", -3, "denyoom"),
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
