//! What is changed: additions, removals, pops, stored ranges; their events; the bytes on disk.

use super::{WRONG_TYPE, make_set};
use crate::command::testing::Bench;
use crate::resp::Proto;

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
fn what_was_popped_and_taken_back_is_there() {
    let mut bench = Bench::new();
    bench.run("zadd z 1 a 2 b 3 c 4 d");
    bench.commit_each = false;
    const WHOLE: &str = "*4 $1 a $1 b $1 c $1 d";
    const POPPED: &[(&str, &str)] = &[
        ("zpopmin z", "*2 $1 a $1 1"),
        ("zpopmin z", "*2 $1 b $1 2"),
        ("zpopmax z", "*2 $1 d $1 4"),
        ("zrange z 0 -1", "*1 $1 c"),
    ];
    let mark = bench.view.mark();
    bench.expect(POPPED);
    bench.view.undo(mark);
    bench.expect(&[("zrange z 0 -1", WHOLE), ("zrange z 0 0", "*1 $1 a")]);
    bench.expect(POPPED);
    bench.view.drop_uncommitted();
    bench.expect(&[("zrange z 0 0 rev", "*1 $1 d"), ("zrange z 0 -1", WHOLE)]);
    bench.expect(POPPED);
    // And what is put outside again.
    bench.expect(&[
        ("zadd z 0 low 9 high", ":2"),
        ("zpopmin z", "*2 $3 low $1 0"),
        ("zpopmax z", "*2 $4 high $1 9"),
        ("zrangebyscore z -inf 2", "*0"),
        ("zadd z 1 a", ":1"),
        ("zrangebyscore z -inf 2", "*1 $1 a"),
        ("zrevrangebyscore z inf 5", "*0"),
        ("zadd z 5 e", ":1"),
        ("zrevrangebyscore z inf 5", "*1 $1 e"),
    ]);
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
