//! Changes in the middle of lists, and the bytes that they and the others leave on disk.

use super::{CODEC, NOT_AN_INTEGER, SYNTAX, hex, metadata, stored};
use crate::command::testing::Bench;
use crate::storage::cf::Cf;
use crate::storage::keys::DbIndex;

#[test]
fn insertions_move_the_shorter_side() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rpush l a b c d e", ":5"),
            ("linsert l before b x", ":6"),
            ("linsert l AFTER d y", ":7"),
            ("linsert l before a z", ":8"),
            ("linsert l after e w", ":9"),
            ("linsert l after none v", ":-1"),
            ("linsert none before a v", ":0"),
            ("linsert none inside a v", SYNTAX),
        ]);
        assert_eq!(stored(bench, "l"), "-zaxbcdyew-");
        let (_, head, tail) = metadata(bench, "l").expect("a list");
        assert_eq!((head, tail), ((1 << 63) - 3, (1 << 63) + 6));
        assert_eq!(bench.events().last().map(String::as_str), Some("linsert:l"));
    });
}

#[test]
fn removals_keep_the_range_dense() {
    Bench::both_ways(|bench| {
        let cases = [
            ("a x b c d e", "lrem l 0 x", ":1", "-abcde-"),
            ("a b c d x e", "lrem l 0 x", ":1", "-abcde-"),
            ("x a b x c x", "lrem l 2 x", ":2", "-abcx-"),
            ("x a b x c x", "lrem l -2 x", ":2", "-xabc-"),
            ("x a b x c x", "lrem l 9 x", ":3", "-abc-"),
            ("x x a b", "lrem l 0 x", ":2", "-ab-"),
            ("a b x x", "lrem l 0 x", ":2", "-ab-"),
            ("a b", "lrem l 0 x", ":0", "-ab-"),
        ];
        for (elements, command, reply, left) in cases {
            bench.run("ltrim l 1 0");
            bench.run(&format!("rpush l {elements}"));
            bench.events();
            assert_eq!(bench.run(command), reply, "{command} of {elements}");
            assert_eq!(stored(bench, "l"), left, "{command} of {elements}");
            let is_changed = reply != ":0";
            assert_eq!(bench.events().len(), usize::from(is_changed));
        }
        bench.expect(&[
            ("lrem l 0 a", ":1"),
            ("lrem l 0 b", ":1"),
            ("lrem l 0 b", ":0"),
            ("lrem l x b", NOT_AN_INTEGER),
        ]);
        assert_eq!(bench.events(), ["lrem:l", "lrem:l", "del:l"]);
        assert_eq!(metadata(bench, "l"), None);
    });
}

#[test]
fn trims() {
    Bench::both_ways(|bench| {
        bench.run("rpush l a b c d e");
        bench.events();
        bench.expect(&[("ltrim l 0 -1", "+OK"), ("ltrim l 1 -2", "+OK")]);
        assert_eq!(stored(bench, "l"), "-bcd-");
        bench.expect(&[
            ("ltrim l -2 99", "+OK"),
            ("lrange l 0 -1", "*2 $1 c $1 d"),
            ("ltrim l 5 9", "+OK"),
            ("llen l", ":0"),
            ("ltrim l 0 1", "+OK"),
            ("ltrim none x 1", NOT_AN_INTEGER),
        ]);
        assert_eq!(
            bench.events(),
            ["ltrim:l", "ltrim:l", "ltrim:l", "ltrim:l", "del:l"]
        );
    });
}

#[test]
fn what_is_left_of_a_long_list_is_copied() {
    for (command, left) in [
        ("ltrim l 95 97", "-axb-"),
        ("lrem l 0 x", "-abc-"),
        ("lpop l 194", "-xc-"),
        ("rpop l 194", "-xx-"),
    ] {
        Bench::both_ways(|bench| {
            let filler = " x".repeat(95);
            bench.run(&format!("rpush l{filler} a x b{filler} x x c"));
            let (mut before, head, tail) = metadata(bench, "l").expect("a list");
            let expiry = Some(bench.turn.unix());
            before.set_expire(expiry);
            let mut bytes = Vec::new();
            before.encode(&mut bytes);
            bytes.extend_from_slice(&[head.to_be_bytes(), tail.to_be_bytes()].concat());
            let entry = CODEC.metadata_key(DbIndex(0), b"l");
            bench.view.put(Cf::Metadata, &entry, &bytes);
            bench.run(command);
            let (after, ..) = metadata(bench, "l").expect("a list");
            assert!(after.version > before.version, "{command}");
            assert_eq!(after.expire(), expiry, "{command}");
            assert_eq!(stored(bench, "l"), left, "{command}");
        });
    }
}

#[test]
fn the_bytes_on_disk_are_those_of_kvrocks() {
    Bench::both_ways(|bench| {
        bench.run("rpush l a b");
        let version = bench.turn.unix_us << 11;
        let entry = CODEC.metadata_key(DbIndex(0), b"l");
        let read = |bench: &mut Bench| {
            let stored = bench.view.get(Cf::Metadata, &entry).expect("a read");
            hex(&stored.expect("an entry"))
        };
        assert_eq!(
            read(bench),
            format!(
                "830000000000000000{version:016x}00000000000000027fffffffffffffff8000000000000001"
            )
        );
        assert_eq!(stored(bench, "l"), "-ab-");
        bench.run("lpush l z");
        assert_eq!(
            read(bench),
            format!(
                "830000000000000000{version:016x}00000000000000037ffffffffffffffe8000000000000001"
            )
        );
        assert_eq!(stored(bench, "l"), "-zab-");
        bench.run("lmove l l left right");
        assert_eq!(
            read(bench),
            format!(
                "830000000000000000{version:016x}00000000000000037fffffffffffffff8000000000000002"
            )
        );
        assert_eq!(stored(bench, "l"), "-abz-");
    });
}

#[test]
fn damaged_lists_are_errors() {
    Bench::both_ways(|bench| {
        let entry = CODEC.metadata_key(DbIndex(0), b"l");
        let header = "830000000000000000305120c0f20000050000000000000002";
        for rest in [
            "",
            "7fffffffffffffff",
            "7fffffffffffffff8000000000000002",
            "80000000000000017fffffffffffffff",
            "00000000000000000000000000000002",
            "fffffffffffffffdffffffffffffffff",
        ] {
            let bytes: Vec<u8> = format!("{header}{rest}")
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hex"))
                .collect();
            bench.view.put(Cf::Metadata, &entry, &bytes);
            for line in [
                "llen l",
                "lpush l v",
                "lrange l 0 -1",
                "rpop l",
                "lrem l 0 a",
            ] {
                let reply = bench.run(line);
                assert!(
                    reply.starts_with("-ERR storage: corrupted"),
                    "{line} {rest}: {reply}"
                );
            }
        }
        // An element that is not there.
        bench.run("rpush m a b c d e f");
        let (header, head, _) = metadata(bench, "m").expect("a list");
        let prefix = CODEC.subkey_prefix(DbIndex(0), b"m", header.version);
        let missing = [&prefix[..], &(head + 1).to_be_bytes()].concat();
        bench.view.delete(Cf::Default, &missing);
        for line in [
            "lindex m 1",
            "lrange m 0 2",
            "lrange m 0 -1",
            "lpop m 2",
            "lrem m 0 z",
        ] {
            assert_eq!(bench.run(line), "-ERR storage: corrupted list", "{line}");
        }
        bench.expect(&[("lpop m", "$1 a"), ("llen m", ":5"), ("rpop m", "$1 f")]);
    });
}
