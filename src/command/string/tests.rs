//! Every string command through the bench: replies, events, errors, and the bytes that they leave on disk.

use crate::command::testing::Bench;
use crate::resp::Proto;
use crate::storage::cf::Cf;
use crate::storage::keys::DbIndex;
use crate::storage::metadata::{Header, Type};
use crate::storage::store::EventClass;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const SYNTAX: &str = "-ERR syntax error";

/// Puts a hash at `key`, for commands to stumble over.
fn put_hash(bench: &mut Bench, key: &str) {
    let mut header = Header::new(Type::Hash, 7);
    header.size = 1;
    put_entry(bench, key, &header, b"");
}

fn put_entry(bench: &mut Bench, key: &str, header: &Header, rest: &[u8]) {
    let entry = codec(bench).metadata_key(DbIndex(0), key.as_bytes());
    bench
        .view
        .put_parts(Cf::Metadata, &entry, header.to_bytes().as_slice(), rest);
}

fn entry(bench: &mut Bench, key: &str) -> Option<Vec<u8>> {
    let entry = codec(bench).metadata_key(DbIndex(0), key.as_bytes());
    bench.view.get(Cf::Metadata, &entry).expect("a read")
}

fn codec(bench: &Bench) -> crate::storage::keys::KeyCodec {
    crate::storage::keys::KeyCodec {
        slot_encoded: bench.settings.cluster_enabled,
    }
}

#[test]
fn set_and_get() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("get k", "$-1"),
            ("set k v", "+OK"),
            ("get k", "$1 v"),
            ("set k  ", SYNTAX),
            ("setnx k other", ":0"),
            ("setnx n one", ":1"),
            ("getset k next", "$1 v"),
            ("getset fresh x", "$-1"),
            ("mget k none n", "*3 $4 next $-1 $3 one"),
            ("strlen k", ":4"),
            ("strlen none", ":0"),
            ("set k v nx", "$-1"),
            ("set k v2 xx", "+OK"),
            ("set gone v xx", "$-1"),
            ("set k v3 get", "$2 v2"),
            ("set k v4 nx get", "$2 v3"),
            ("set k2 v nx get", "$-1"),
            ("mget k k2", "*2 $2 v3 $1 v"),
            ("getdel k2", "$1 v"),
            ("getdel k2", "$-1"),
            ("get k2", "$-1"),
        ]);
        assert_eq!(
            bench.run_parts(&[b"set", b"\0\r\n", b"\xff\r\n"]),
            b"+OK\r\n"
        );
        assert_eq!(bench.run_parts(&[b"get", b"\0\r\n"]), b"$3\r\n\xff\r\n\r\n");
        assert_eq!(bench.run_parts(&[b"set", b"", b""]), b"+OK\r\n");
        assert_eq!(bench.run_parts(&[b"get", b""]), b"$0\r\n\r\n");
    });
}

#[test]
fn absent_values_in_resp3() {
    let mut bench = Bench::new();
    bench.proto = Proto::Resp3;
    bench.expect(&[
        ("get k", "_"),
        ("set k v xx", "_"),
        ("mget a b", "*2 _ _"),
        ("getex a", "_"),
        ("lcs a b idx", "%2 $7 matches *0 $3 len :0"),
    ]);
}

#[test]
fn other_types_are_refused_by_all_but_set() {
    Bench::both_ways(|bench| {
        put_hash(bench, "h");
        for line in [
            "get h",
            "getset h v",
            "getdel h",
            "getex h",
            "set h v get",
            "strlen h",
            "getrange h 0 1",
            "setrange h 0 x",
            "setrange h 0 ",
            "append h x",
            "incr h",
            "decrby h 1",
            "incrbyfloat h 1",
        ] {
            assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
        }
        bench.expect(&[
            ("mget h", "*1 $-1"),
            (
                "lcs h k",
                "-ERR The specified keys must contain string values",
            ),
            (
                "lcs k h nonsense",
                "-ERR The specified keys must contain string values",
            ),
            ("setnx h v", ":0"),
            ("msetnx a 1 h 2", ":0"),
            ("set h v", "+OK"),
            ("get h", "$1 v"),
        ]);
        bench.changes.events.clear();
    });
}

#[test]
fn expiry_options() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("set k v ex 10", "+OK"),
            ("getex k", "$1 v"),
            ("set k w keepttl", "+OK"),
        ]);
        bench.advance_ms(10_000);
        assert_eq!(bench.run("get k"), "$1 w");
        bench.advance_ms(1);
        assert_eq!(bench.run("get k"), "$-1");
        assert_eq!(bench.run("set k v keepttl"), "+OK");
        assert_eq!(bench.run("psetex k 5 v"), "+OK");
        assert_eq!(bench.run("getex k persist"), "$1 v");
        bench.advance_ms(6);
        assert_eq!(bench.run("getex k px 3"), "$1 v");
        bench.advance_ms(4);
        bench.expect(&[
            ("get k", "$-1"),
            ("set k v pxat 1", "+OK"),
            ("get k", "$-1"),
            ("setex k 10 v", "+OK"),
            ("getex k exat 1", "$1 v"),
            ("get k", "$-1"),
            ("getex none ex nonsense", "$-1"),
            ("setex k 0 v", "-ERR invalid expire time in 'setex' command"),
            (
                "psetex k -1 v",
                "-ERR invalid expire time in 'psetex' command",
            ),
            ("set k v ex 0", "-ERR invalid expire time in 'set' command"),
            ("set k v ex x", NOT_AN_INTEGER),
            (
                "set k v px 9223372036854775807",
                "-ERR invalid expire time in 'set' command",
            ),
            ("set k v ex 1 keepttl", SYNTAX),
            ("getex k what", SYNTAX),
            ("get k", "$-1"),
            ("set k v", "+OK"),
            (
                "getex k ex 0",
                "-ERR invalid expire time in 'getex' command",
            ),
            ("getex k px 100 ", SYNTAX),
        ]);
        // SET without KEEPTTL clears the time, GETSET too.
        for line in ["set k v", "getset k v", "mset k v"] {
            bench.run("set k v px 5");
            bench.run(line);
            bench.advance_ms(10);
            assert_eq!(bench.run("get k"), "$1 v", "{line}");
        }
    });
}

#[test]
fn pairs() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("mset a 1 b 2 a 3", "+OK"),
            ("mget a b", "*2 $1 3 $1 2"),
            ("msetnx c 1 a 9", ":0"),
            ("mget c a", "*2 $-1 $1 3"),
            ("msetnx c 1 d 2 c 3", ":1"),
            ("mget c d", "*2 $1 3 $1 2"),
            (
                "mset a",
                "-ERR wrong number of arguments for 'mset' command",
            ),
            (
                "mset a 1 b",
                "-ERR wrong number of arguments for 'mset' command",
            ),
            (
                "msetnx a 1 b",
                "-ERR wrong number of arguments for 'msetnx' command",
            ),
        ]);
    });
}

#[test]
fn ranges() {
    Bench::both_ways(|bench| {
        bench.run("set k Hello");
        bench.expect(&[
            ("getrange k 0 -1", "$5 Hello"),
            ("substr k 1 2", "$2 el"),
            ("getrange k -3 -2", "$2 ll"),
            ("getrange k -2 -3", "$0"),
            ("getrange k 0 -99", "$1 H"),
            ("getrange k -99 -98", "$1 H"),
            ("getrange k 4 99", "$1 o"),
            ("getrange k 5 99", "$0"),
            ("getrange none 0 -1", "$0"),
            ("getrange k a 1", NOT_AN_INTEGER),
            ("setrange k 1 ipp", ":5"),
            ("get k", "$5 Hippo"),
            ("setrange k 4 y!", ":6"),
            ("setrange k 99 ", ":6"),
            ("setrange none 99 ", ":0"),
            ("get none", "$-1"),
            ("setrange k -1 x", "-ERR offset is out of range"),
            ("setrange k x x", NOT_AN_INTEGER),
            (
                "setrange k 536870912 x",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            ),
            (
                "setrange k 9223372036854775807 x",
                "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            ),
            ("append k ?", ":7"),
            ("append new abc", ":3"),
            ("append empty ", ":0"),
            ("mget k new empty", "*3 $7 Hippy!? $3 abc $0"),
        ]);
        assert_eq!(bench.run("setrange z 2 x"), ":3");
        assert_eq!(bench.run_parts(&[b"get", b"z"]), b"$3\r\n\0\0x\r\n");
        bench.settings.proto_max_bulk_len = 8;
        let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        bench.expect(&[
            ("append k !", ":8"),
            ("append k !", too_long),
            ("setrange k 7 !", ":8"),
            ("setrange k 7 !!", too_long),
        ]);
    });
}

#[test]
fn integers() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("incr n", ":1"),
            ("incrby n 41", ":42"),
            ("decr n", ":41"),
            ("decrby n 50", ":-9"),
            ("get n", "$2 -9"),
            ("set n 9223372036854775807", "+OK"),
            ("incr n", "-ERR increment or decrement would overflow"),
            ("decrby n -1", "-ERR increment or decrement would overflow"),
            (
                "decrby n -9223372036854775808",
                "-ERR decrement would overflow",
            ),
            ("set n -9223372036854775808", "+OK"),
            ("decr n", "-ERR increment or decrement would overflow"),
            ("incrby n 9223372036854775807", ":-1"),
            ("set n 01", "+OK"),
            ("incr n", NOT_AN_INTEGER),
            ("incrby n 1.5", NOT_AN_INTEGER),
            ("append n x", ":3"),
            ("incr n", NOT_AN_INTEGER),
        ]);
        // An increment keeps the time to live.
        bench.expect(&[
            ("set t 1 px 5", "+OK"),
            ("incr t", ":2"),
            ("append t 0", ":2"),
        ]);
        bench.advance_ms(6);
        assert_eq!(bench.run("incr t"), ":1");
        bench.advance_ms(60_000);
        assert_eq!(bench.run("get t"), "$1 1");
    });
}

#[test]
fn floats_are_stored_as_replied() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("set f 10.50", "+OK"),
            ("incrbyfloat f 0.1", "$4 10.6"),
            ("get f", "$4 10.6"),
            ("incrbyfloat f -5.6", "$1 5"),
            ("incrbyfloat new 3.0e3", "$4 3000"),
            ("incr new", ":3001"),
            (
                "incrbyfloat new inf",
                "-ERR increment would produce NaN or Infinity",
            ),
            ("incrbyfloat new nan", "-ERR value is not a valid float"),
            ("incrbyfloat new x", "-ERR value is not a valid float"),
            ("set f x", "+OK"),
            ("incrbyfloat f 1", "-ERR value is not a valid float"),
            ("get new", "$4 3001"),
        ]);
    });
}

#[test]
fn longest_common_subsequences() {
    Bench::both_ways(|bench| {
        bench.run("mset a ohmytext b mynewtext");
        bench.expect(&[
            ("lcs a b", "$6 mytext"),
            ("lcs a b len", ":6"),
            (
                "lcs a b idx",
                "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6",
            ),
            (
                "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
                "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6",
            ),
            ("lcs a none", "$0"),
            ("lcs a none idx", "*4 $7 matches *0 $3 len :0"),
            (
                "lcs a b len idx",
                "-ERR If you want both the length and indexes, please just use IDX.",
            ),
            ("lcs a b what", SYNTAX),
            ("lcs a b minmatchlen", SYNTAX),
            ("lcs a b minmatchlen x", NOT_AN_INTEGER),
        ]);
        bench.settings.proto_max_bulk_len = 359;
        assert_eq!(
            bench.run("lcs a b"),
            "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
        );
        bench.settings.proto_max_bulk_len = 360;
        assert_eq!(bench.run("lcs a b len"), ":6");
    });
}

#[test]
fn events() {
    Bench::both_ways(|bench| {
        for (line, expected) in [
            ("set k v", "new:k set:k"),
            ("set k v ex 10", "set:k expire:k"),
            ("set k v nx", ""),
            ("set k v xx get", "set:k"),
            ("get none", "keymiss:none"),
            ("set none v get xx", "keymiss:none"),
            ("getset g v", "keymiss:g new:g set:g"),
            ("setnx g v", ""),
            ("mset g 1 m 2 m 3", "set:g new:m set:m set:m"),
            ("msetnx g 1 x 2", ""),
            ("msetnx x 2", "new:x set:x"),
            ("setex x 9 v", "set:x expire:x"),
            ("getex x", ""),
            ("getex x ex 5", "expire:x"),
            ("getex x persist", "persist:x"),
            ("getex x persist", ""),
            ("getex x pxat 1", "del:x"),
            ("getdel g", "del:g"),
            ("getdel g", "keymiss:g"),
            ("append a x", "new:a append:a"),
            ("append a y", "append:a"),
            ("setrange a 0 ", ""),
            ("setrange a 0 z", "setrange:a"),
            ("setrange r 1 z", "new:r setrange:r"),
            ("incr i", "new:i incrby:i"),
            ("decr i", "incrby:i"),
            ("incrbyfloat i 1.5", "incrbyfloat:i"),
            ("incr i", ""),
            ("mget i none", "keymiss:none"),
            ("strlen none", "keymiss:none"),
            ("lcs none i", "keymiss:none"),
        ] {
            bench.run(line);
            assert_eq!(bench.events().join(" "), expected, "{line}");
        }
        let keys = bench.changes.keys.len() as u64;
        assert_eq!(bench.changes.count, keys, "one change a key");
    });
}

#[test]
fn a_plain_set_reads_nothing() {
    let mut bench = Bench::new();
    bench.commit_each = false;
    bench.changes.wants_events = EventClass(!EventClass::NEW.0);
    // An entry that cannot be read would fail every command that looks at it.
    for line in ["set k v", "set k v ex 5", "mset k v", "setex k 5 v"] {
        let entry = codec(&bench).metadata_key(DbIndex(0), b"k");
        bench.view.put(Cf::Metadata, &entry, b"\x81");
        assert!(bench.run("get k").starts_with("-ERR storage"));
        assert_eq!(bench.run(line), "+OK", "{line}");
    }
}

#[test]
fn the_bytes_are_those_of_kvrocks() {
    Bench::both_ways(|bench| {
        bench.run("set k bar");
        assert_eq!(
            entry(bench, "k").as_deref(),
            Some(&b"\x81\0\0\0\0\0\0\0\0bar"[..])
        );
        bench.run("set k bar pxat 1800000000123");
        assert_eq!(
            entry(bench, "k").as_deref(),
            Some(&b"\x81\x00\x00\x01\xa3\x18\x5c\x50\x7bbar"[..])
        );
        bench.run("incr n");
        assert_eq!(
            entry(bench, "n").as_deref(),
            Some(&b"\x81\0\0\0\0\0\0\0\x001"[..])
        );
        // A narrow header stays narrow when the value changes, and is replaced by a SET.
        let (narrow, _) = Header::decode(b"\x01\x6b\x49\xd2\x00").expect("a whole header");
        put_entry(bench, "k", &narrow, b"bar");
        assert_eq!(bench.run("append k s"), ":4");
        assert_eq!(
            entry(bench, "k").as_deref(),
            Some(&b"\x01\x6b\x49\xd2\x00bars"[..])
        );
        bench.run("getex k pxat 1800000000123");
        assert_eq!(
            entry(bench, "k").as_deref(),
            Some(&b"\x81\x00\x00\x01\xa3\x18\x5c\x50\x7bbars"[..])
        );
        bench.run("getdel k");
        assert_eq!(entry(bench, "k"), None);
    });
}

#[test]
fn the_record_is_that_of_kvrocks() {
    let mut bench = Bench::new();
    bench.commit_each = false;
    bench.run("incr first");
    bench.view.close_group();
    bench.run("set k bar");
    let group = bench.view.close_group().expect("a change");
    let hex: String = group
        .record
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "030000000000000001000000\
         030131\
         05010d0b5f5f6e616d6573706163656b0c810000000000000000626172\
         031272204142434445464748493031323334 3536"
            .replace(' ', "")
    );
}

#[test]
fn what_the_commands_declare() {
    let declared: Vec<String> = super::SPECS
        .iter()
        .map(|spec| format!("{} {}", spec.name, spec.arity))
        .collect();
    assert_eq!(
        declared.join(", "),
        "append 3, decr 2, decrby 3, get 2, getdel 2, getex -2, getrange 4, getset 3, incr 2, incrby 3, incrbyfloat 3, lcs -3, \
         mget -2, mset -3, msetnx -3, psetex 4, set -3, setex 4, setnx 3, setrange 4, strlen 2, substr 4"
    );
}
