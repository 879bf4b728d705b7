//! What is answered, and what is refused.

use super::{WRONG_TYPE, make_set};
use crate::command::testing::Bench;
use crate::resp::Proto;

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
