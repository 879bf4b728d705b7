//! What SORT and SORT_RO reply and store, against redis-server 7.0.15's answers.

use super::SORT;
use crate::command::testing::Bench;
use crate::resp::OwnedArgs;

const NOT_NUMBERS: &str = "-ERR One or more scores can't be converted into double";

#[test]
fn numbers_are_sorted_whatever_holds_them() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l 10 -5 2.5 1e2 2", ":5"),
            ("sadd s 3 10 1", ":3"),
            ("zadd z 9 1 8 3 7 20", ":3"),
            ("sort l", "*5 $2 -5 $1 2 $3 2.5 $2 10 $3 1e2"),
            ("sort l desc", "*5 $3 1e2 $2 10 $3 2.5 $1 2 $2 -5"),
            ("sort l desc asc limit 1 2", "*2 $1 2 $3 2.5"),
            ("sort s", "*3 $1 1 $1 3 $2 10"),
            ("sort z", "*3 $1 1 $1 3 $2 20"),
            ("sort_ro z desc", "*3 $2 20 $1 3 $1 1"),
            ("sort nothing", "*0"),
            ("sort l limit -3 2", "*2 $2 -5 $1 2"),
            ("sort l limit 3 -1", "*2 $2 10 $3 1e2"),
            ("sort l limit 9 9", "*0"),
            ("sort l limit 0 0", "*0"),
            ("rpush l inf -inf 0x10", ":8"),
            (
                "sort l",
                "*8 $4 -inf $2 -5 $1 2 $3 2.5 $2 10 $4 0x10 $3 1e2 $3 inf",
            ),
            ("rpush l x", ":9"),
            ("sort l", NOT_NUMBERS),
            ("sort l store d", NOT_NUMBERS),
            ("llen d", ":0"),
        ]);
    });
}

#[test]
fn equal_numbers_come_in_the_order_of_their_bytes() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l 1.0 01 1 1e0", ":4"),
            ("sort l", "*4 $2 01 $1 1 $3 1.0 $3 1e0"),
            ("sort l desc", "*4 $3 1e0 $3 1.0 $1 1 $2 01"),
        ]);
        bench.run_parts(&[b"rpush", b"empty", b"", b"-1"]);
        bench.expect(&[("sort empty", "*2 $2 -1 $0")]);
    });
}

#[test]
fn texts_are_sorted_by_their_bytes() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l b a C 10 2", ":5"),
            ("sort l alpha", "*5 $2 10 $1 2 $1 C $1 a $1 b"),
            ("sort l alpha desc limit 0 2", "*2 $1 b $1 a"),
        ]);
        // Answered, texts end at a NUL and the rest keeps its order; stored, they do not.
        bench.run_parts(&[b"rpush", b"nul", b"a\0z", b"a\0b"]);
        let sorted = bench.run_parts(&[b"sort", b"nul", b"alpha"]);
        assert_eq!(sorted, b"*2\r\n$3\r\na\0z\r\n$3\r\na\0b\r\n");
        bench.expect(&[("sort nul alpha store d", ":2")]);
        let stored = bench.run_parts(&[b"lrange", b"d", b"0", b"-1"]);
        assert_eq!(stored, b"*2\r\n$3\r\na\0b\r\n$3\r\na\0z\r\n");
    });
}

#[test]
fn other_keys_give_weights_and_values() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l 1 2 3", ":3"),
            ("mset w_1 30 w_2 20 w_3 10", "+OK"),
            ("hset h_1 f 5 g x", ":2"),
            ("hset h_3 f 7", ":1"),
            ("sort l by w_*", "*3 $1 3 $1 2 $1 1"),
            ("sort l by h_*->f", "*3 $1 2 $1 1 $1 3"),
            ("sort l by h_*->g", NOT_NUMBERS),
            ("sort l by h_*->g alpha", "*3 $1 2 $1 3 $1 1"),
            ("sort l by h_*->g alpha desc", "*3 $1 1 $1 2 $1 3"),
            ("sort l by none_*", "*3 $1 1 $1 2 $1 3"),
            // A key of another type is no key.
            ("sort l by h_*", "*3 $1 1 $1 2 $1 3"),
            ("sort l by w_*->f", "*3 $1 1 $1 2 $1 3"),
            (
                "sort l by w_* get # get w_* get h_*->g",
                "*9 $1 3 $2 10 $-1 $1 2 $2 20 $-1 $1 1 $2 30 $1 x",
            ),
            ("sort l get nostar limit 0 1", "*1 $-1"),
            // An arrow with nothing behind it belongs to the key.
            ("set w_1-> v", "+OK"),
            ("sort l get w_*-> limit 0 1", "*1 $1 v"),
            ("sort l by nosort desc", "*3 $1 3 $1 2 $1 1"),
            ("sort l by nosort desc limit 1 1", "*1 $1 2"),
            ("sort l by nosort limit 2 5", "*1 $1 3"),
            ("zadd z 3 a 2 b 1 c", ":3"),
            ("sort z by nosort", "*3 $1 c $1 b $1 a"),
            ("sort z by nosort desc limit 0 2", "*2 $1 a $1 b"),
            ("sadd s b a", ":2"),
            ("sort s by nosort desc store d", ":2"),
            ("lrange d 0 -1", "*2 $1 b $1 a"),
        ]);
    });
}

#[test]
fn a_result_is_stored_as_a_list() {
    Bench::both_ways(|bench| {
        for (line, reply, events) in [
            ("rpush l 3 1 2", ":3", &["new:l", "rpush:l"][..]),
            ("sort l store d", ":3", &["new:d", "sortstore:d"]),
            ("sort l desc limit 0 2 store d", ":2", &["sortstore:d"]),
            ("lrange d 0 -1", "*2 $1 3 $1 2", &[]),
            ("sort l get # get none_* store d", ":6", &["sortstore:d"]),
            ("lrange d 0 -1", "*6 $1 1 $0  $1 2 $0  $1 3 $0", &[]),
            ("sort nothing store d", ":0", &["keymiss:nothing", "del:d"]),
            ("sort nothing store d", ":0", &["keymiss:nothing"]),
            ("set str x", "+OK", &["new:str", "set:str"]),
            ("sort l store str", ":3", &["sortstore:str"]),
            ("sort l desc store l", ":3", &["sortstore:l"]),
            ("lrange l 0 -1", "*3 $1 3 $1 2 $1 1", &[]),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
            assert_eq!(bench.events(), events, "{line}");
        }
    });
}

#[test]
fn wrong_calls_change_nothing() {
    Bench::both_ways(|bench| {
        bench.run("set str x");
        bench.run("hset h f v");
        bench.commit();
        const WRONG_TYPE: &str =
            "-WRONGTYPE Operation against a key holding the wrong kind of value";
        const SYNTAX: &str = "-ERR syntax error";
        const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
        bench.expect(&[
            ("sort", "-ERR wrong number of arguments for 'sort' command"),
            ("sort str", WRONG_TYPE),
            ("sort h alpha", WRONG_TYPE),
            ("sort str bogus", SYNTAX),
            ("sort l limit 0", SYNTAX),
            ("sort l limit x 0", NOT_AN_INTEGER),
            ("sort l by", SYNTAX),
            ("sort l get", SYNTAX),
            ("sort l store", SYNTAX),
            ("sort_ro l store d", SYNTAX),
        ]);
        bench.settings.cluster_enabled = true;
        bench.expect(&[
            (
                "sort l by w_*",
                "-ERR BY option of SORT denied in Cluster mode.",
            ),
            ("sort l by nosort", "*0"),
            (
                "sort l get #",
                "-ERR GET option of SORT denied in Cluster mode.",
            ),
        ]);
        assert!(!bench.view.has_open_writes());
    });
}

#[test]
fn the_destination_is_a_key() {
    let positions = |line: &str| {
        let parts: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = OwnedArgs::from_parts(&parts);
        SORT.key_positions(args.as_args()).expect("positions")
    };
    assert_eq!(positions("sort k"), [1]);
    assert_eq!(positions("sort k STORE d"), [1, 3]);
    assert_eq!(positions("sort k by store get store store d desc"), [1, 7]);
    assert_eq!(positions("sort k store a store b"), [1, 5]);
    assert_eq!(positions("sort k limit store store"), [1]);
    assert_eq!(positions("sort k store"), [1]);
}
