//! KEYS, SCAN, RANDOMKEY and DBSIZE, in small databases and in large ones.

use super::{NOT_AN_INTEGER, SYNTAX};
use crate::command::testing::Bench;
use crate::limits::SCAN_ENTRIES_INLINE_MAX;
use crate::storage::cf::Cf;
use crate::storage::keys::DbIndex;
use crate::storage::metadata::{Header, Type};
use crate::storage::scan::ScanRequest;

#[test]
fn keys_by_pattern() {
    Bench::both_ways(|bench| {
        bench.run("mset one 1 two 2 three 3 four 4 gone 5");
        bench.run("pexpire gone 5");
        bench.put_entry("empty", &Header::new(Type::Hash, 1), b"");
        assert_eq!(bench.run_parts(&[b"set", b"", b"x"]), b"+OK\r\n");
        bench.advance_ms(6);
        for (pattern, expected) in [
            ("*", " four one three two"),
            ("t*", "three two"),
            ("*o*", "four one two"),
            ("t?o", "two"),
            ("[ot]*", "one three two"),
            ("one", "one"),
            ("gone", ""),
            ("none*", ""),
            ("o\\ne", "one"),
        ] {
            assert_eq!(
                bench.sorted(&format!("keys {pattern}")),
                expected,
                "{pattern}"
            );
        }
        bench.db = DbIndex(1);
        bench.expect(&[
            ("keys *", "*0"),
            ("randomkey", "$-1"),
            ("dbsize", ":0"),
            ("scan 0", "*2 $1 0 *0"),
        ]);
    });
}

#[test]
fn scan_meets_everything_once() {
    Bench::both_ways(|bench| {
        for number in 0..50 {
            bench.run(&format!("set key:{number} x"));
        }
        bench.put_collection("h", Type::Hash);
        bench.run("set expired x px 1");
        bench.advance_ms(2);
        for (options, count, calls) in [
            ("", 51, 6),
            ("count 1", 51, 52),
            ("count 7", 51, 8),
            ("count 1000000", 51, 1),
            ("match key:4*", 11, 6),
            ("match key:4? count 26", 10, 2),
            ("type hash", 1, 6),
            ("TYPE STRING", 50, 6),
            ("type nonsense", 0, 6),
            ("type hash match key*", 0, 6),
        ] {
            let (mut keys, made) = bench.scan_all(options);
            assert_eq!((keys.len(), made), (count, calls), "{options:?}");
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), count, "{options:?}");
        }
        // The cursor is a place: what is deleted there does not matter.
        let reply = bench.run("scan 0 count 3");
        let cursor = reply.split(' ').nth(2).unwrap_or("").to_owned();
        assert_eq!(bench.run("flushdb"), "+OK");
        assert_eq!(bench.run(&format!("scan {cursor}")), "*2 $1 0 *0");
        bench.expect(&[
            ("scan x", "-ERR invalid cursor"),
            ("scan 123456", "-ERR invalid cursor"),
            ("scan 0 count 0", SYNTAX),
            ("scan 0 count x", NOT_AN_INTEGER),
            ("scan 0 match", SYNTAX),
            ("scan 0 what", SYNTAX),
        ]);
    });
}

#[test]
fn databases_too_large_for_one_turn() {
    let mut bench = Bench::new();
    let count = SCAN_ENTRIES_INLINE_MAX + 100;
    for number in 0..count {
        let entry = bench
            .codec()
            .metadata_key(DbIndex(0), format!("key:{number}").as_bytes());
        bench
            .view
            .put(Cf::Metadata, &entry, b"\x81\0\0\0\0\0\0\0\0v");
    }
    bench.commit();
    assert_eq!(bench.run("dbsize"), "WAIT KeyCount");
    bench.count_keys();
    assert_eq!(bench.run("dbsize"), format!(":{count}"));
    bench.db = DbIndex(5);
    assert_eq!(bench.run("dbsize"), ":0");
    bench.db = DbIndex(0);
    // KEYS waits for a worker, which keeps no more of the values than their headers.
    assert!(bench.run("keys *").starts_with("WAIT Scan"));
    assert_eq!(bench.run("keys key:1"), "*1 $5 key:1");
    let prefix = bench.codec().namespace_prefix(DbIndex(0));
    let request = ScanRequest::prefix(Cf::Metadata, &prefix).values_up_to(25);
    bench.pin(request);
    assert!(bench.run("keys *").starts_with(&format!("*{count} ")));
    bench.view.pinned.clear();
    // SCAN takes more calls instead.
    let (mut keys, calls) = bench.scan_all("count 1000000");
    assert_eq!((keys.len(), calls), (count, 2));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn random_keys_of_a_small_database_are_evenly_drawn() {
    Bench::both_ways(|bench| {
        assert_eq!(bench.run("randomkey"), "$-1");
        for number in 0..10 {
            bench.run(&format!("set {number} x"));
        }
        let mut drawn = [0; 10];
        for _ in 0..1000 {
            let reply = bench.run("randomkey");
            let key: usize = reply[3..].parse().expect("a digit");
            drawn[key] += 1;
        }
        assert!(
            drawn.iter().all(|&count| (60..140).contains(&count)),
            "{drawn:?}"
        );
        // Only what exists is drawn, and the search ends when nothing does.
        for number in 0..10 {
            bench.run(&format!("pexpire {number} 5"));
        }
        bench.run("set live x");
        bench.advance_ms(6);
        for _ in 0..10 {
            assert_eq!(bench.run("randomkey"), "$4 live");
        }
        bench.run("del live");
        assert_eq!(bench.run("randomkey"), "$-1");
    });
}

#[test]
fn random_keys_of_a_large_database_come_from_everywhere() {
    let mut bench = Bench::new();
    let mut names: Vec<String> = (0..9000).map(|number| format!("key:{number}")).collect();
    names.extend(["zebra", "key", "key:", "k", "", "\u{7f}"].map(str::to_owned));
    for name in &names {
        let entry = bench.codec().metadata_key(DbIndex(0), name.as_bytes());
        bench
            .view
            .put(Cf::Metadata, &entry, b"\x81\0\0\0\0\0\0\0\0v");
    }
    bench.commit();
    let mut by_first_digit = [0; 10];
    let mut seen = std::collections::HashSet::new();
    let known: std::collections::HashSet<&String> = names.iter().collect();
    for _ in 0..1000 {
        let reply = bench.run_parts(&[b"randomkey"]);
        let reply = String::from_utf8(reply).expect("text");
        let key = reply
            .split("\r\n")
            .nth(1)
            .unwrap_or_else(|| panic!("{reply}"))
            .to_owned();
        assert!(known.contains(&key), "{key}");
        let digit = key
            .strip_prefix("key:")
            .and_then(|number| number.chars().next()?.to_digit(10));
        if let Some(digit) = digit {
            by_first_digit[digit as usize] += 1;
        }
        seen.insert(key);
    }
    // Each of eight digits begins 1111 of 9006 names, 9 begins 11, and six names are of another kind.
    assert!(
        by_first_digit[1..9]
            .iter()
            .all(|count| (60..180).contains(count)),
        "{by_first_digit:?}"
    );
    assert!(
        by_first_digit.iter().sum::<i32>() > 950,
        "{by_first_digit:?}"
    );
    assert!(seen.len() > 800, "{}", seen.len());
    // All expired but one: found by looking at everything.
    let now = bench.turn.unix();
    for name in &names {
        let mut header = Header::new(Type::String, 0);
        header.set_expire((name != "zebra").then_some(now));
        bench.put_entry(name, &header, b"v");
    }
    bench.commit();
    bench.advance_ms(1);
    let reply = bench.run("randomkey");
    assert!(
        reply == "$5 zebra" || reply.starts_with("WAIT Scan"),
        "{reply}"
    );
}
