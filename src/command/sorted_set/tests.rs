//! What the sorted set commands reply, change and announce, against redis-server 7.0.15's answers.

use crate::command::testing::Bench;
use crate::resp::Proto;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Makes `key` a set with these members.
fn make_set(bench: &mut Bench, key: &str, members: &[&str]) {
    use crate::storage::cf::Cf;
    use crate::storage::metadata::Type;
    let mut store = bench.store();
    let mut header = store.new_header(Type::Set);
    let mut elements = store.elements(key.as_bytes(), &header);
    for member in members {
        let entry = elements.key(member.as_bytes()).to_vec();
        store.view.put(Cf::Default, &entry, b"");
        header.size += 1;
    }
    store.put_meta(key.as_bytes(), &header, b"");
    if bench.commit_each {
        bench.commit();
    }
}

#[test]
fn zadd_adds_and_changes() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z 1 a 2 b", ":2"),
            ("zadd z 1 a 3 b", ":0"),
            ("zadd z ch 1 a 4 b 5 c", ":2"),
            ("zadd z nx 9 a 9 d", ":1"),
            ("zadd z xx ch 9 a 9 nobody", ":1"),
            ("zadd z gt ch 8 a 10 b 1 e", ":2"),
            ("zadd z lt ch 9 a 7 b 20 f", ":2"),
            (
                "zrange z 0 -1 withscores",
                "*12 $1 e $1 1 $1 c $1 5 $1 b $1 7 $1 a $1 9 $1 d $1 9 $1 f $2 20",
            ),
            ("zadd z xx 1 nobody", ":0"),
            ("zadd none xx 1 a", ":0"),
            ("zadd none xx incr 1 a", "$-1"),
            ("zcard none", ":0"),
            // The same member twice: the last one wins, an addition and a change.
            ("zadd twice ch 1 a 2 a 2 a", ":2"),
            ("zscore twice a", "$1 2"),
            ("zadd first nx 1 a 2 a", ":1"),
            ("zscore first a", "$1 1"),
        ]);
    });
}

#[test]
fn zadd_incr_and_zincrby_answer_the_score() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zincrby z 1.5 a", "$3 1.5"),
            ("zadd z incr 0.1 a", "$18 1.6000000000000001"),
            ("zadd z nx incr 1 a", "$-1"),
            ("zadd z gt incr -1 a", "$-1"),
            ("zadd z lt incr -1 a", "$19 0.60000000000000009"),
            ("zincrby z inf a", "$3 inf"),
            (
                "zincrby z -inf a",
                "-ERR resulting score is not a number (NaN)",
            ),
            ("zscore z a", "$3 inf"),
            (
                "zadd z incr 1 a 2 b",
                "-ERR INCR option supports a single increment-element pair",
            ),
            ("zincrby z x a", "-ERR value is not a valid float"),
            (
                "zincrby z 1",
                "-ERR wrong number of arguments for 'zincrby' command",
            ),
        ]);
    });
}

#[test]
fn wrong_options_change_nothing() {
    Bench::both_ways(|bench| {
        bench.expect(&[
                ("zadd z", "-ERR wrong number of arguments for 'zadd' command"),
                ("zadd z 1 a 2", "-ERR syntax error"),
                ("zadd z nx ch", "-ERR syntax error"),
                ("zadd z 1 a x b", "-ERR value is not a valid float"),
                ("zadd z nan a", "-ERR value is not a valid float"),
                (
                    "zadd z nx xx 1 a",
                    "-ERR XX and NX options at the same time are not compatible",
                ),
                (
                    "zadd z nx gt 1 a",
                    "-ERR GT, LT, and/or NX options at the same time are not compatible",
                ),
                (
                    "zadd z lt gt 1 a",
                    "-ERR GT, LT, and/or NX options at the same time are not compatible",
                ),
                ("zrange z a b", "-ERR value is not an integer or out of range"),
                ("zrange z 0 1 byscore bylex", "-ERR syntax error"),
                ("zrange z 0 1 rev rev", "-ERR syntax error"),
                ("zrange z 0 1 limit 0", "-ERR syntax error"),
                (
                    "zrange z 0 1 limit 0 1",
                    "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
                ),
                (
                    "zrange z - + bylex withscores",
                    "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
                ),
                ("zrangebyscore z x 1", "-ERR min or max is not a float"),
                ("zrangebylex z a b", "-ERR min or max not valid string range item"),
                ("zrangestore d z 0 1 withscores", "-ERR syntax error"),
                ("zpopmin z -1", "-ERR value is out of range, must be positive"),
                ("zpopmin z 1 2", "-ERR syntax error"),
                ("zmpop 0 z min", "-ERR numkeys should be greater than 0"),
                ("zmpop 2 z min", "-ERR syntax error"),
                ("zmpop 1 z avg", "-ERR syntax error"),
                ("zmpop 1 z min count 0", "-ERR count should be greater than 0"),
                ("zmpop 1 z min count 1 count 1", "-ERR syntax error"),
                ("bzpopmin z x", "-ERR timeout is not a float or out of range"),
                ("bzpopmin z -1", "-ERR timeout is negative"),
                ("bzmpop x 0 z min", "-ERR numkeys should be greater than 0"),
                (
                    "zunionstore d 0 z",
                    "-ERR at least 1 input key is needed for 'zunionstore' command",
                ),
                ("zunion 2 z", "-ERR syntax error"),
                ("zunion 1 z weights", "-ERR syntax error"),
                ("zunion 1 z weights x", "-ERR weight value is not a float"),
                ("zunion 1 z aggregate avg", "-ERR syntax error"),
                ("zunionstore d 1 z withscores", "-ERR syntax error"),
                ("zdiff 1 z weights 1", "-ERR syntax error"),
                ("zintercard 1 z limit -1", "-ERR LIMIT can't be negative"),
                ("zrandmember z x", "-ERR value is not an integer or out of range"),
                ("zrandmember z 1 scores", "-ERR syntax error"),
                (
                    "zrandmember z -9223372036854775807 withscores",
                    "-ERR value is out of range",
                ),
                ("zscan z x", "-ERR invalid cursor"),
                ("zcard z", ":0"),
            ],
        );
        assert!(!bench.view.has_open_writes());
        assert!(bench.changes.keys.is_empty());
    });
}

#[test]
fn other_types_are_refused() {
    Bench::both_ways(|bench| {
        make_set(bench, "s", &["a"]);
        for line in [
            "zadd s 1 a",
            "zincrby s 1 a",
            "zrem s a",
            "zscore s a",
            "zmscore s a",
            "zcard s",
            "zrank s a",
            "zcount s 0 1",
            "zlexcount s - +",
            "zrange s 0 -1",
            "zrangestore d s 0 -1",
            "zremrangebyrank s 0 -1",
            "zremrangebyscore s 0 1",
            "zremrangebylex s - +",
            "zpopmin s",
            "zmpop 2 none s min",
            "bzpopmin none s 0",
            "zrandmember s",
            "zscan s 0",
        ] {
            assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
        }
        // A set is a source, and a destination is overwritten whatever it is.
        bench.expect(&[
            ("zunionstore s 1 s", ":1"),
            ("zrange s 0 -1 withscores", "*2 $1 a $1 1"),
        ]);
    });
}

#[test]
fn order_is_by_score_then_by_bytes() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z 2 b 2 a 2 ab 1 z -inf low inf high", ":6"),
            ("zrange z 0 -1", "*6 $3 low $1 z $1 a $2 ab $1 b $4 high"),
            (
                "zrange z 0 -1 rev",
                "*6 $4 high $1 b $2 ab $1 a $1 z $3 low",
            ),
            ("zrange z 1 2", "*2 $1 z $1 a"),
            ("zrange z -2 -1", "*2 $1 b $4 high"),
            ("zrange z 4 9", "*2 $1 b $4 high"),
            ("zrevrange z 0 0 withscores", "*2 $4 high $3 inf"),
            ("zrange z 3 1", "*0"),
            ("zrange z 6 9", "*0"),
            ("zrank z low", ":0"),
            ("zrank z b", ":4"),
            ("zrevrank z b", ":1"),
            ("zrank z nobody", "$-1"),
            ("zrank none a", "$-1"),
            ("zrangebyscore z 2 +inf limit 1 2", "*2 $2 ab $1 b"),
            ("zrangebyscore z (1 (inf", "*3 $1 a $2 ab $1 b"),
            ("zrangebyscore z -inf +inf limit -1 2", "*0"),
            ("zrangebyscore z -inf +inf limit 5 -1", "*1 $4 high"),
            ("zrangebyscore z -inf +inf limit 0 0", "*0"),
            (
                "zrevrangebyscore z 2 -inf",
                "*5 $1 b $2 ab $1 a $1 z $3 low",
            ),
            ("zrange z (2 1 byscore rev", "*1 $1 z"),
            ("zcount z 2 2", ":3"),
            ("zcount z -inf +inf", ":6"),
            ("zcount z (2 2", ":0"),
            ("zcount none 0 1", ":0"),
            ("zmscore z a nobody z", "*3 $1 2 $-1 $1 1"),
            ("zmscore none a b", "*2 $-1 $-1"),
        ]);
    });
}

#[test]
fn both_zeros_are_one_score() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z -0 b 0 a", ":2"),
            ("zadd z ch 0 b -0 a", ":0"),
            ("zrange z 0 -1 withscores", "*4 $1 a $1 0 $1 b $1 0"),
            ("zcount z -0 -0", ":2"),
            ("zcount z (0 inf", ":0"),
            ("zcount z (-0 inf", ":0"),
            ("zadd z incr -0 c", "$2 -0"),
            ("zscore z c", "$1 0"),
        ]);
    });
}

#[test]
fn ranges_of_members() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z 0 a 0 b 0 bb 0 c 0 d", ":5"),
            ("zrangebylex z - +", "*5 $1 a $1 b $2 bb $1 c $1 d"),
            ("zrangebylex z [b (c", "*2 $1 b $2 bb"),
            ("zrangebylex z (b [c", "*2 $2 bb $1 c"),
            ("zrangebylex z + -", "*0"),
            ("zrangebylex z [c [b", "*0"),
            ("zrangebylex z (b (b", "*0"),
            ("zrangebylex z - + limit 1 2", "*2 $1 b $2 bb"),
            ("zrevrangebylex z + [b", "*4 $1 d $1 c $2 bb $1 b"),
            ("zrange z (d - bylex rev limit 1 1", "*1 $2 bb"),
            ("zlexcount z - +", ":5"),
            ("zlexcount z (a [c", ":3"),
            ("zlexcount z [x +", ":0"),
            ("zremrangebylex z [b [c", ":3"),
            ("zrange z 0 -1", "*2 $1 a $1 d"),
            // Different scores: what Redis's compact encoding does.
            ("zadd m 1 d 2 c 3 b 4 a", ":4"),
            ("zrangebylex m [b [c", "*0"),
            ("zrangebylex m [a +", "*4 $1 d $1 c $1 b $1 a"),
            ("zrangebylex m - [d", "*4 $1 d $1 c $1 b $1 a"),
            ("zrevrangebylex m [d -", "*4 $1 a $1 b $1 c $1 d"),
            ("zrevrangebylex m [c -", "*0"),
            ("zlexcount m - [c", ":0"),
            ("zlexcount m - +", ":4"),
        ]);
    });
}

#[test]
fn members_are_removed() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z 1 a 2 b 3 c 4 d 5 e 6 f", ":6"),
            ("zrem z a nobody a", ":1"),
            ("zremrangebyrank z 0 0", ":1"),
            ("zremrangebyrank z -1 -1", ":1"),
            ("zremrangebyrank z 9 9", ":0"),
            ("zrange z 0 -1", "*3 $1 c $1 d $1 e"),
            ("zremrangebyscore z (3 4", ":1"),
            ("zremrangebyscore z 9 8", ":0"),
            ("zcard z", ":2"),
            ("zrem z c e", ":2"),
            ("zcard z", ":0"),
            // Made anew, it holds nothing of before.
            ("zadd z 1 x", ":1"),
            ("zrange z 0 -1", "*1 $1 x"),
            ("zscore z c", "$-1"),
            ("zremrangebyscore z -inf +inf", ":1"),
            ("zcard z", ":0"),
            ("zadd z 1 y 2 x", ":2"),
            ("zremrangebyrank z 0 -1", ":2"),
            ("zremrangebyrank z 0 -1", ":0"),
            ("zrem z x", ":0"),
            ("zrange z 0 -1", "*0"),
        ]);
    });
}

#[test]
fn pops_take_from_either_end() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z 1 a 2 b 3 c 4 d 5 e 6 f", ":6"),
            ("zpopmin z", "*2 $1 a $1 1"),
            ("zpopmax z 2", "*4 $1 f $1 6 $1 e $1 5"),
            ("zpopmin z 0", "*0"),
            ("zpopmin none 0", "*0"),
            ("zmpop 2 none z max", "*2 $1 z *1 *2 $1 d $1 4"),
            (
                "zmpop 1 z min count 9",
                "*2 $1 z *2 *2 $1 b $1 2 *2 $1 c $1 3",
            ),
            ("zmpop 1 z min", "*-1"),
            ("zcard z", ":0"),
        ]);
        bench.proto = Proto::Resp3;
        bench.expect(&[
            ("zadd z 1 a 2 b 3 c", ":3"),
            ("zpopmin z", "*2 $1 a ,1"),
            ("zpopmax z 1", "*1 *2 $1 c ,3"),
            ("zmpop 1 none min", "_"),
            ("zmpop 1 z min", "*2 $1 z *1 *2 $1 b ,2"),
        ]);
    });
}

#[test]
fn blocking_pops_wait_for_their_keys() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("bzpopmin z y 0", "WAIT z y"),
            ("bzmpop 0.5 2 z y max", "WAIT z y"),
            ("zadd y 1 a 2 b 3 c", ":3"),
            ("bzpopmax z y 0", "*3 $1 y $1 c $1 3"),
            ("bzpopmin z y 0", "*3 $1 y $1 a $1 1"),
            ("bzmpop 0 2 z y min count 5", "*2 $1 y *1 *2 $1 b $1 2"),
            ("bzpopmin z y 0", "WAIT z y"),
        ]);
        bench.may_block = false;
        bench.expect(&[("bzpopmin z 0", "*-1"), ("bzmpop 0 1 z min", "*-1")]);
        bench.may_block = true;
        make_set(bench, "s", &["a"]);
        bench.expect(&[("bzpopmin s y 0", WRONG_TYPE)]);
        // Run again after a wait: a key that became something else is passed over.
        bench.resumed = true;
        bench.expect(&[
            ("bzpopmin s y 0", "WAIT s y"),
            ("zadd y 1 a", ":1"),
            ("bzpopmin s y 0", "*3 $1 y $1 a $1 1"),
        ]);
    });
}

#[test]
fn unions_intersections_and_differences() {
    Bench::both_ways(|bench| {
        make_set(bench, "s", &["a", "c"]);
        bench.expect(&[
            ("zadd x 1 a 2 b 3 c", ":3"),
            ("zadd y 10 b 20 c 30 d", ":3"),
            ("zunion 2 x y", "*4 $1 a $1 b $1 c $1 d"),
            (
                "zunion 2 x y weights 2 1 aggregate max withscores",
                "*8 $1 a $1 2 $1 b $2 10 $1 c $2 20 $1 d $2 30",
            ),
            ("zinter 2 x y withscores", "*4 $1 b $2 12 $1 c $2 23"),
            (
                "zinter 2 x y aggregate min withscores",
                "*4 $1 b $1 2 $1 c $1 3",
            ),
            ("zinter 3 x y none", "*0"),
            ("zdiff 2 x y withscores", "*2 $1 a $1 1"),
            ("zdiff 2 x x", "*0"),
            ("zdiff 2 none x", "*0"),
            ("zinter 2 x s withscores", "*4 $1 a $1 2 $1 c $1 4"),
            (
                "zinter 2 x x withscores",
                "*6 $1 a $1 2 $1 b $1 4 $1 c $1 6",
            ),
            ("zintercard 2 x y", ":2"),
            ("zintercard 2 x y limit 1", ":1"),
            ("zintercard 2 x y limit 0", ":2"),
            ("zunionstore x 2 x y weights 1 0.5", ":4"),
            (
                "zrange x 0 -1 withscores",
                "*8 $1 a $1 1 $1 b $1 7 $1 c $2 13 $1 d $2 15",
            ),
            ("zinterstore d 2 x s", ":2"),
            ("zdiffstore d 2 x y", ":1"),
            ("zrange d 0 -1 withscores", "*2 $1 a $1 1"),
            ("zdiffstore d 2 x x", ":0"),
            ("zcard d", ":0"),
            // Infinities of both signs add up to 0, and infinity times 0 counts as 0.
            ("zadd p inf m", ":1"),
            ("zadd n -inf m", ":1"),
            ("zunion 2 p n withscores", "*2 $1 m $1 0"),
            ("zunion 1 p weights 0 withscores", "*2 $1 m $1 0"),
            (
                "zinter 2 p n weights 0 1 aggregate min withscores",
                "*2 $1 m $4 -inf",
            ),
        ]);
        bench.proto = Proto::Resp3;
        bench.expect(&[
            (
                "zunion 1 y withscores",
                "*3 *2 $1 b ,10 *2 $1 c ,20 *2 $1 d ,30",
            ),
            ("zrange y 0 0 withscores", "*1 *2 $1 b ,10"),
            ("zscore y b", ",10"),
            ("zscore y nobody", "_"),
            (
                "zrandmember y 5 withscores",
                "*3 *2 $1 d ,30 *2 $1 c ,20 *2 $1 b ,10",
            ),
        ]);
    });
}

#[test]
fn a_range_is_stored() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zadd z 1 a 2 b 3 c", ":3"),
            ("zrangestore d z 0 1 rev", ":2"),
            ("zrange d 0 -1 withscores", "*4 $1 b $1 2 $1 c $1 3"),
            ("zrangestore d z (1 +inf byscore limit 1 1", ":1"),
            ("zrange d 0 -1", "*1 $1 c"),
            ("zrangestore z z 1 1", ":1"),
            ("zrange z 0 -1", "*1 $1 b"),
            ("zrangestore d none 0 -1", ":0"),
            ("zcard d", ":0"),
        ]);
    });
}

#[test]
fn random_members_come_from_the_set() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zrandmember z", "$-1"),
            ("zrandmember z 5", "*0"),
            ("zadd z 1 a 2 b 3 c", ":3"),
            ("zrandmember z 0", "*0"),
            // A whole set comes from the highest score down.
            ("zrandmember z 5", "*3 $1 c $1 b $1 a"),
            (
                "zrandmember z 3 withscores",
                "*6 $1 c $1 3 $1 b $1 2 $1 a $1 1",
            ),
            ("zrandmember z -1048577", "-ERR value is out of range"),
        ]);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            seen.insert(bench.run("zrandmember z"));
        }
        assert_eq!(seen.len(), 3);
        for line in ["zrandmember z 2", "zrandmember z 2 withscores"] {
            let reply = bench.run(line);
            let members = reply
                .split(' ')
                .filter(|part| ["a", "b", "c"].contains(part));
            assert_eq!(
                members.collect::<std::collections::HashSet<_>>().len(),
                2,
                "{reply}"
            );
        }
        assert!(bench.run("zrandmember z -9").starts_with("*9 "));
    });
}

#[test]
fn a_scan_meets_every_member_once() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("zscan z 0 count x", "*2 $1 0 *0"),
            ("zadd z 1.5 b 1 c 3 a", ":3"),
            ("zscan z 0", "*2 $1 0 *6 $1 c $1 1 $1 b $3 1.5 $1 a $1 3"),
            (
                "zscan z 0 match [ab] count 1",
                "*2 $1 0 *4 $1 b $3 1.5 $1 a $1 3",
            ),
            ("zscan z 0 count 0", "-ERR syntax error"),
            (
                "zscan z 0 count x",
                "-ERR value is not an integer or out of range",
            ),
            ("zscan z 0 type zset", "-ERR syntax error"),
        ]);
        bench.settings.encoding.zset_max_listpack_entries = 0;
        bench.expect(&[("zscan z 7", "-ERR invalid cursor")]);
        let mut cursor = "0".to_owned();
        let mut met = Vec::new();
        loop {
            let reply = bench.run(&format!("zscan z {cursor} count 1"));
            let parts: Vec<&str> = reply.split(' ').collect();
            met.extend(
                parts[4..]
                    .chunks(4)
                    .map(|chunk| format!("{}={}", chunk[1], chunk[3])),
            );
            cursor = parts[2].to_owned();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(met, ["a=3", "b=1.5", "c=1"]);
    });
}

#[test]
fn counts_from_either_end_agree() {
    Bench::both_ways(|bench| {
        // Enough that a count looks from both ends, and has to scan in the middle.
        const SIZE: usize = 2000;
        for chunk in 0..SIZE / 100 {
            let pairs: Vec<String> = (chunk * 100..chunk * 100 + 100)
                .map(|at| format!("{} m{at:04}", at / 2))
                .collect();
            assert_eq!(bench.run(&format!("zadd z {}", pairs.join(" "))), ":100");
        }
        for at in [0, 1, 500, 511, 513, 514, 1000, 1480, 1486, 1488, 1998, 1999] {
            assert_eq!(bench.run(&format!("zrank z m{at:04}")), format!(":{at}"));
            let from_end = SIZE - 1 - at;
            assert_eq!(
                bench.run(&format!("zrevrank z m{at:04}")),
                format!(":{from_end}")
            );
            assert_eq!(
                bench.run(&format!("zrange z {at} {at}")),
                format!("*1 $5 m{at:04}")
            );
            assert_eq!(
                bench.run(&format!("zrange z {from_end} {from_end} rev")),
                format!("*1 $5 m{at:04}")
            );
        }
        for (min, max, count) in [
            (0, 999, 2000),
            (1, 998, 1996),
            (400, 600, 402),
            (100, 800, 1402),
        ] {
            assert_eq!(
                bench.run(&format!("zcount z {min} {max}")),
                format!(":{count}")
            );
        }
    });
}

#[test]
fn events_are_those_of_redis() {
    Bench::both_ways(|bench| {
        make_set(bench, "s", &["a"]);
        for (line, expected) in [
            ("zadd z 1 a 2 b 3 c", &["new:z", "zadd:z"][..]),
            ("zadd z 1 a", &[]),
            ("zadd z 2 a", &["zadd:z"]),
            ("zadd z incr 1 a", &["zincr:z"]),
            ("zincrby z 1 a", &["zincr:z"]),
            ("zincrby n 1 a", &["new:n", "zincr:n"]),
            ("zrem z nobody", &[]),
            ("zrem z a", &["zrem:z"]),
            ("zrem n a", &["zrem:n", "del:n"]),
            ("zpopmin z 0", &[]),
            ("zpopmin z", &["zpopmin:z"]),
            ("zpopmax z", &["zpopmax:z", "del:z"]),
            ("zadd z 1 a 1 b 1 c", &["new:z", "zadd:z"]),
            ("zmpop 1 z min", &["zpopmin:z"]),
            ("bzpopmax z 0", &["zpopmax:z"]),
            ("zrangestore d z 0 -1", &["new:d", "zrangestore:d"]),
            ("zrangestore d z 0 -1", &["zrangestore:d"]),
            ("zrangestore d z 5 9", &["del:d"]),
            ("zrangestore d z 5 9", &[]),
            ("zunionstore s 1 z", &["zunionstore:s"]),
            ("zinterstore d 1 z", &["new:d", "zinterstore:d"]),
            ("zdiffstore d 1 z", &["zdiffstore:d"]),
            ("zdiffstore d 2 z z", &["del:d"]),
            ("zremrangebyrank z 5 9", &[]),
            ("zremrangebyscore s 5 9", &[]),
            ("zremrangebylex s - +", &["zremrangebylex:s", "del:s"]),
            ("zadd z 1 d", &["zadd:z"]),
            ("zremrangebyrank z 0 0", &["zremrangebyrank:z"]),
            ("zremrangebyscore z 0 9", &["zremrangebyscore:z", "del:z"]),
        ] {
            bench.run(line);
            assert_eq!(bench.events(), expected, "{line}");
        }
    });
}

#[test]
fn an_expired_set_is_made_anew() {
    use crate::clock::UnixMs;
    use crate::storage::metadata::Type;
    Bench::both_ways(|bench| {
        bench.run("zadd z 1 a");
        let unix_ms = bench.turn.unix().0;
        let mut store = bench.store();
        let mut meta = store
            .typed(b"z", Type::Zset)
            .expect("a read")
            .expect("a set");
        meta.header.set_expire(Some(UnixMs(unix_ms + 10)));
        store.put_meta(b"z", &meta.header, &meta.rest);
        bench.expect(&[("zadd z 2 b", ":1"), ("zcard z", ":2")]);
        bench.advance_ms(11);
        bench.expect(&[("zcard z", ":0"), ("zrange z 0 -1", "*0")]);
        bench.events();
        bench.run("zadd z 3 c");
        assert_eq!(bench.events(), ["new:z", "zadd:z"]);
        bench.advance_ms(1_000_000);
        bench.expect(&[("zrange z 0 -1 withscores", "*2 $1 c $1 3")]);
    });
}

#[test]
fn bytes_on_disk_are_those_of_the_format() {
    use crate::storage::cf::Cf;
    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
        digits
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("ASCII");
                u8::from_str_radix(pair, 16).expect("hexadecimal digits")
            })
            .collect()
    }
    const NAMESPACE: &str = "0b 5f5f6e616d657370616365";
    Bench::both_ways(|bench| {
        bench.run("zadd z 9 gone 1.5 m");
        bench.run("zadd z 1.25 m");
        bench.run("zadd z 1.5 m");
        bench.run("zrem z gone");
        let meta_key = bytes(&format!("{NAMESPACE} 7a"));
        let meta = bench
            .view
            .get(Cf::Metadata, &meta_key)
            .expect("a read")
            .expect("an entry");
        let version = meta[9..17].to_vec();
        let version_hex: String = version.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = format!("85 0000000000000000 {version_hex} 0000000000000001");
        assert_eq!(meta, bytes(&expected));
        let prefix = bytes(&format!("{NAMESPACE} 00000001 7a {version_hex}"));
        let expected = |cf| {
            let (key, value) = match cf {
                Cf::Default => ("6d", "bff8000000000000"),
                _ => ("bff8000000000000 6d", ""),
            };
            vec![([prefix.clone(), bytes(key)].concat(), bytes(value))]
        };
        for cf in [Cf::Default, Cf::ZsetScore] {
            let request = crate::storage::scan::ScanRequest::prefix(cf, &prefix);
            let mut scan = bench.view.scan(request).expect("a scan");
            let mut entries = Vec::new();
            while let Some((key, value)) = scan.next().expect("an entry") {
                entries.push((key.to_vec(), value.to_vec()));
            }
            assert_eq!(entries, expected(cf), "{cf:?}");
        }
    });
}
