//! Every list command through the bench: replies, events, errors, and the bytes that they leave on disk.

use crate::command::spec::Flags;
use crate::command::testing::Bench;
use crate::resp::Proto;
use crate::storage::cf::Cf;
use crate::storage::keys::{DbIndex, KeyCodec};
use crate::storage::metadata::Header;

mod edit;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";

const CODEC: KeyCodec = KeyCodec {
    slot_encoded: false,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The metadata entry of `key`: header, head and tail.
fn metadata(bench: &mut Bench, key: &str) -> Option<(Header, u64, u64)> {
    let entry = CODEC.metadata_key(DbIndex(0), key.as_bytes());
    let stored = bench.view.get(Cf::Metadata, &entry).expect("a read")?;
    let (header, rest) = Header::decode(&stored).expect("a whole header");
    let (head, tail) = rest.split_at(8);
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    Some((header, number(head), number(tail)))
}

/// What stands at each index from one below the head to one behind the tail.
fn stored(bench: &mut Bench, key: &str) -> String {
    let (header, head, tail) = metadata(bench, key).expect("a list");
    assert_eq!(tail - head, header.size);
    let prefix = CODEC.subkey_prefix(DbIndex(0), key.as_bytes(), header.version);
    let mut out = String::new();
    for index in head - 1..tail + 1 {
        let entry = [&prefix[..], &index.to_be_bytes()].concat();
        let value = bench.view.get(Cf::Default, &entry).expect("a read");
        out += value
            .map_or("-".into(), |value| {
                String::from_utf8_lossy(&value).into_owned()
            })
            .as_str();
    }
    out
}

#[test]
fn the_ends() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l a b", ":2"),
            ("lpush l x y", ":4"),
            ("lrange l 0 -1", "*4 $1 y $1 x $1 a $1 b"),
            ("llen l", ":4"),
            ("llen none", ":0"),
            ("lpushx none v", ":0"),
            ("rpushx none v", ":0"),
            ("lpushx l v", ":5"),
            ("rpushx l w", ":6"),
            ("lpop l", "$1 v"),
            ("rpop l", "$1 w"),
            ("lpop none", "$-1"),
            ("lpop none 1", "*-1"),
            ("lpop l 0", "*0"),
            ("lpop l -1", "-ERR value is out of range, must be positive"),
            ("lpop l x", "-ERR value is out of range, must be positive"),
            (
                "lpop l 1 2",
                "-ERR wrong number of arguments for 'lpop' command",
            ),
            (
                "rpop l 1 2",
                "-ERR wrong number of arguments for 'rpop' command",
            ),
            ("lpop l 2", "*2 $1 y $1 x"),
            ("rpop l 9", "*2 $1 b $1 a"),
            ("llen l", ":0"),
        ]);
        assert_eq!(
            bench.events(),
            [
                "new:l", "rpush:l", "lpush:l", "lpush:l", "rpush:l", "lpop:l", "rpop:l", "lpop:l",
                "rpop:l", "del:l"
            ]
        );
        assert_eq!(metadata(bench, "l"), None);
    });
}

#[test]
fn reading_by_index() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l 0 1 2 3 4 5 6 7 8 9", ":10"),
            ("lindex l 0", "$1 0"),
            ("lindex l -1", "$1 9"),
            ("lindex l 10", "$-1"),
            ("lindex l -11", "$-1"),
            ("lindex l x", NOT_AN_INTEGER),
            ("lindex none x", "$-1"),
            ("lrange l 2 4", "*3 $1 2 $1 3 $1 4"),
            ("lrange l 2 8", "*7 $1 2 $1 3 $1 4 $1 5 $1 6 $1 7 $1 8"),
            ("lrange l -3 99", "*3 $1 7 $1 8 $1 9"),
            ("lrange l 5 4", "*0"),
            ("lrange l 10 20", "*0"),
            ("lrange none 0 -1", "*0"),
            ("lrange none x 0", NOT_AN_INTEGER),
            ("lset l 3 three", "+OK"),
            ("lset l -1 nine", "+OK"),
            ("lrange l 3 3", "*1 $5 three"),
            ("lindex l 9", "$4 nine"),
            ("lset l 10 x", "-ERR index out of range"),
            ("lset l x x", NOT_AN_INTEGER),
            ("lset none 0 x", "-ERR no such key"),
        ]);
    });
}

#[test]
fn positions() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l a b c 1 2 3 c c", ":8"),
            ("lpos l a", ":0"),
            ("lpos l c", ":2"),
            ("lpos l x", "$-1"),
            ("lpos none a", "$-1"),
            ("lpos none a count 0", "*0"),
            ("lpos l c rank 2", ":6"),
            ("lpos l c rank -1", ":7"),
            ("lpos l c rank -4", "$-1"),
            ("lpos l c count 2", "*2 :2 :6"),
            ("lpos l c count 0", "*3 :2 :6 :7"),
            ("lpos l c count 0 rank -2", "*2 :6 :2"),
            ("lpos l x count 0", "*0"),
            ("lpos l c count 0 maxlen 7", "*2 :2 :6"),
            ("lpos l c maxlen 1", "$-1"),
            ("lpos l c rank -1 maxlen 1", ":7"),
            ("LPOS l c COUNT 1 count 0 MaxLen 0", "*3 :2 :6 :7"),
            ("lpos l c rank", SYNTAX),
            ("lpos l c order 1", SYNTAX),
            ("lpos l c rank x", NOT_AN_INTEGER),
            ("lpos l c count -1", "-ERR COUNT can't be negative"),
            ("lpos l c maxlen x", "-ERR MAXLEN can't be negative"),
            (
                "lpos l c rank 0",
                "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
            ),
        ]);
    });
}

#[test]
fn moves() {
    Bench::both_ways(|bench| {
        bench.run("rpush l a b c");
        bench.events();
        bench.expect(&[
            ("lmove l m LEFT right", "$1 a"),
            ("rpoplpush l m", "$1 c"),
            ("lrange m 0 -1", "*2 $1 c $1 a"),
            ("lmove none m left left", "$-1"),
            ("lmove l m left up", SYNTAX),
            ("lmove none none up left", SYNTAX),
            ("lmove l m right left", "$1 b"),
            ("llen l", ":0"),
            ("lmove m m left right", "$1 b"),
            ("lrange m 0 -1", "*3 $1 c $1 a $1 b"),
            ("lmove m m right left", "$1 b"),
            ("lmove m m left left", "$1 b"),
            ("lrange m 0 -1", "*3 $1 b $1 c $1 a"),
        ]);
        assert_eq!(stored(bench, "m"), "-bca-");
        assert_eq!(
            bench.events(),
            [
                "new:m", "rpush:m", "lpop:l", "lpush:m", "rpop:l", "lpush:m", "rpop:l", "del:l",
                "rpush:m", "lpop:m", "lpush:m", "rpop:m", "lpush:m", "lpop:m"
            ]
        );
        let (header, ..) = metadata(bench, "m").expect("a list");
        assert!(header.version > 0);
        bench.expect(&[
            ("rpush one x", ":1"),
            ("rpoplpush one one", "$1 x"),
            ("lrange one 0 -1", "*1 $1 x"),
        ]);
    });
}

#[test]
fn pops_from_several_lists() {
    Bench::both_ways(|bench| {
        bench.run("rpush b 1 2 3");
        bench.events();
        bench.expect(&[
            ("lmpop 2 a b left", "*2 $1 b *1 $1 1"),
            ("lmpop 2 a b RIGHT COUNT 9", "*2 $1 b *2 $1 3 $1 2"),
            ("lmpop 2 a b left", "*-1"),
            ("lmpop 0 a left", "-ERR numkeys should be greater than 0"),
            ("lmpop x a left", "-ERR numkeys should be greater than 0"),
            ("lmpop 2 a left", SYNTAX),
            ("lmpop 9223372036854775807 a left", SYNTAX),
            ("lmpop 1 a up", SYNTAX),
            (
                "lmpop 1 a left count 0",
                "-ERR count should be greater than 0",
            ),
            ("lmpop 1 a left count 1 count 1", SYNTAX),
            ("lmpop 1 a left count", SYNTAX),
            ("blmpop x 0 a left", "-ERR numkeys should be greater than 0"),
            (
                "blmpop x 1 a left",
                "-ERR timeout is not a float or out of range",
            ),
            ("rpush b 4", ":1"),
            ("blmpop 0 2 a b left", "*2 $1 b *1 $1 4"),
        ]);
        assert_eq!(
            bench.events(),
            [
                "lpop:b", "rpop:b", "del:b", "new:b", "rpush:b", "lpop:b", "del:b"
            ]
        );
    });
}

#[test]
fn absent_lists_are_waited_for() {
    Bench::both_ways(|bench| {
        bench.run("sadd s m");
        bench.expect(&[
            ("blpop a b 0", "WAIT a b"),
            ("brpop a 1.5", "WAIT a"),
            ("blmpop 0 2 a b left", "WAIT a b"),
            ("blmove a b left right 0", "WAIT a"),
            ("brpoplpush a b 0", "WAIT a"),
            ("blpop a x", "-ERR timeout is not a float or out of range"),
            ("blpop a -1", "-ERR timeout is negative"),
            ("blmove a b up right x", SYNTAX),
            ("blpop s a 0", WRONG_TYPE),
            ("brpoplpush s a 0", WRONG_TYPE),
        ]);
        // Inside MULTI nobody waits.
        bench.may_block = false;
        bench.expect(&[
            ("blpop a 0", "*-1"),
            ("brpop a 0", "*-1"),
            ("blmpop 0 1 a left", "*-1"),
            ("blmove a b left right 0", "$-1"),
            ("brpoplpush a b 0", "$-1"),
        ]);
        bench.may_block = true;
        bench.resumed = true;
        bench.expect(&[
            ("blpop s a 0", "WAIT s a"),
            ("brpoplpush s a 0", "WAIT s"),
            ("rpush a 1 2 3 4", ":4"),
            ("blpop s a 0", "*2 $1 a $1 1"),
            ("brpop s a 0", "*2 $1 a $1 4"),
            ("blmove a b left right 0", "$1 2"),
            ("brpoplpush a s 0", WRONG_TYPE),
            ("brpoplpush a b 0", "$1 3"),
            ("blpop a 0", "WAIT a"),
            ("lrange b 0 -1", "*2 $1 3 $1 2"),
        ]);
    });
}

#[test]
fn other_types_are_refused() {
    Bench::both_ways(|bench| {
        bench.run("sadd s m");
        bench.run("rpush l a");
        let before = bench.changes.count;
        for line in [
            "lpush s v",
            "rpush s v",
            "lpushx s v",
            "rpushx s v",
            "lpop s",
            "rpop s 0",
            "llen s",
            "lrange s 0 1",
            "lindex s x",
            "lset s x v",
            "linsert s before a b",
            "lrem s 0 a",
            "ltrim s 0 1",
            "lpos s a",
            "lmove s l left left",
            "lmove l s left left",
            "rpoplpush l s",
            "blmove l s left left 0",
            "lmpop 2 s l left",
            "blmpop 0 2 s l left",
            "blpop s l 0",
        ] {
            assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
        }
        assert_eq!(bench.changes.count, before);
        bench.proto = Proto::Resp3;
        bench.expect(&[
            ("lpop none", "_"),
            ("lpop none 1", "_"),
            ("blpop s l 0", WRONG_TYPE),
        ]);
    });
}

#[test]
fn declarations_are_those_of_redis() {
    let expected = [
        ("blmove", 6, "denyoom noscript blocking"),
        ("blmpop", -5, "blocking movablekeys"),
        ("blpop", -3, "noscript blocking"),
        ("brpop", -3, "noscript blocking"),
        ("brpoplpush", 4, "denyoom noscript blocking"),
        ("lindex", 3, ""),
        ("linsert", 5, "denyoom"),
        ("llen", 2, "fast"),
        ("lmove", 5, "denyoom"),
        ("lmpop", -4, "movablekeys"),
        ("lpop", -2, "fast"),
        ("lpos", -3, ""),
        ("lpush", -3, "denyoom fast"),
        ("lpushx", -3, "denyoom fast"),
        ("lrange", 4, ""),
        ("lrem", 4, ""),
        ("lset", 4, "denyoom"),
        ("ltrim", 4, ""),
        ("rpop", -2, "fast"),
        ("rpoplpush", 3, "denyoom"),
        ("rpush", -3, "denyoom fast"),
        ("rpushx", -3, "denyoom fast"),
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
