//! Every key command through the bench, on keys of every type, those of newer Kvrockses included.

use crate::command::testing::Bench;
use crate::limits::SCAN_ENTRIES_INLINE_MAX;
use crate::storage::cf::Cf;
use crate::storage::counting::{DbCount, KeyCounts};
use crate::storage::keys::{DbIndex, KeyCodec};
use crate::storage::metadata::{Header, Type};
use crate::storage::scan::{ScanRequest, read_range};

const SYNTAX: &str = "-ERR syntax error";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const SAME: &str = "-ERR source and destination objects are the same";
const OUT_OF_RANGE: &str = "-ERR DB index is out of range";

/// The types with elements, one of an unknown number among them, and what TYPE says of them.
const TYPES: [(Type, &str); 10] = [
    (Type::Hash, "hash"),
    (Type::List, "list"),
    (Type::Set, "set"),
    (Type::Zset, "zset"),
    (Type::Bitmap, "bitmap"),
    (Type::Sortedint, "sortedint"),
    (Type::Stream, "stream"),
    (Type::Bloom, "MBbloom--"),
    (Type::Hyperloglog, "hyperloglog"),
    (Type::Other(13), "unknown"),
];

impl Bench {
    fn codec(&self) -> KeyCodec {
        KeyCodec {
            slot_encoded: self.settings.cluster_enabled,
        }
    }

    fn put_entry(&mut self, key: &str, header: &Header, rest: &[u8]) {
        let entry = self.codec().metadata_key(self.db, key.as_bytes());
        self.view
            .put_parts(Cf::Metadata, &entry, header.to_bytes().as_slice(), rest);
    }

    /// Puts a key with three elements in every family where its type has some.
    fn put_collection(&mut self, key: &str, kind: Type) {
        let mut header = Header::new(kind, 77);
        header.size = 3;
        self.put_entry(key, &header, b"the rest");
        let prefix = self.codec().subkey_prefix(self.db, key.as_bytes(), 77);
        for number in 0..3u8 {
            let score = [0xbf, 0xf0, 0, 0, 0, 0, 0, number];
            let member = [b'm', number];
            let default = [&prefix[..], &member].concat();
            let index = [&prefix[..], &score, &member].concat();
            if kind != Type::Stream {
                self.view.put(Cf::Default, &default, &score);
            }
            if kind == Type::Zset || kind == Type::Other(13) {
                self.view.put(Cf::ZsetScore, &index, b"");
            }
            if kind == Type::Stream || kind == Type::Other(13) {
                self.view.put(Cf::Stream, &default, b"entry");
            }
        }
    }

    fn entry(&mut self, key: &str) -> Option<(Header, Vec<u8>)> {
        let entry = self.codec().metadata_key(self.db, key.as_bytes());
        let value = self.view.get(Cf::Metadata, &entry).expect("a read")?;
        let (header, rest) = Header::decode(&value).expect("a whole header");
        Some((header, rest.to_vec()))
    }

    /// All elements of `key` in its present version, without their prefix.
    fn elements(&mut self, key: &str) -> Vec<(Cf, Vec<u8>, Vec<u8>)> {
        let Some((header, _)) = self.entry(key) else {
            return Vec::new();
        };
        let prefix = self
            .codec()
            .subkey_prefix(self.db, key.as_bytes(), header.version);
        let mut found = Vec::new();
        for cf in [Cf::Default, Cf::ZsetScore, Cf::Stream] {
            let mut scan = self
                .view
                .scan(ScanRequest::prefix(cf, &prefix))
                .expect("a scan");
            while let Some((element, value)) = scan.next().expect("an entry") {
                found.push((cf, element[prefix.len()..].to_vec(), value.to_vec()));
            }
        }
        found
    }

    /// The elements of an array reply of bulk strings, sorted.
    fn sorted(&mut self, line: &str) -> String {
        let reply = self.run(line);
        let mut words: Vec<&str> = reply.split(' ').skip(1).skip(1).step_by(2).collect();
        words.sort_unstable();
        words.join(" ")
    }

    /// All that SCAN with these options gives, in its order, and in how many calls.
    fn scan_all(&mut self, options: &str) -> (Vec<String>, usize) {
        let mut cursor = "0".to_owned();
        let mut keys = Vec::new();
        let mut calls = 0;
        loop {
            calls += 1;
            let reply = self.run(format!("scan {cursor} {options}").trim_end());
            let words: Vec<&str> = reply.split(' ').collect();
            assert_eq!(words[0], "*2", "{reply}");
            // `*2 $n cursor *m $n key $n key ...`
            keys.extend(words[4..].chunks(2).map(|pair| pair[1].to_owned()));
            cursor = words[2].to_owned();
            if cursor == "0" {
                return (keys, calls);
            }
        }
    }
}

#[test]
fn existence_and_deletion_of_every_type() {
    Bench::both_ways(|bench| {
        for (kind, name) in TYPES {
            bench.put_collection("k", kind);
            bench.expect(&[("exists k none k", ":2"), ("touch k none", ":1")]);
            assert_eq!(bench.run("type k"), format!("+{name}"));
            bench.expect(&[
                ("expire k 100", ":1"),
                ("ttl k", ":100"),
                ("persist k", ":1"),
            ]);
            let (header, rest) = bench.entry("k").expect("an entry");
            assert_eq!((header.version, header.size), (77, 3));
            assert_eq!(rest, b"the rest");
            bench.expect(&[
                ("del k k none", ":1"),
                ("type k", "+none"),
                ("unlink k", ":0"),
            ]);
        }
        bench.expect(&[
            ("mset a 1 b 2 c 3", "+OK"),
            ("unlink a b x", ":2"),
            ("exists a b c", ":1"),
        ]);
        // An empty collection is no key.
        bench.put_entry("empty", &Header::new(Type::Hash, 1), b"");
        bench.expect(&[("exists empty", ":0"), ("del empty", ":0")]);
    });
}

#[test]
fn renaming_and_copying_take_everything_along() {
    Bench::both_ways(|bench| {
        for (kind, _) in TYPES {
            // Names of their own: elements of one type must not be left for the next.
            let from = format!("from{}", kind.number());
            let from = from.as_str();
            bench.put_collection(from, kind);
            bench.run(&format!("pexpireat {from} 1800000000123"));
            let (header, rest) = bench.entry(from).expect("an entry");
            let elements = bench.elements(from);
            assert!(elements.len() >= 3);
            bench.run("set to old");
            assert_eq!(bench.run(&format!("copy {from} to")), ":0");
            assert_eq!(bench.run(&format!("copy {from} to replace")), ":1");
            for key in [from, "to"] {
                let (copied, copied_rest) = bench.entry(key).expect("an entry");
                assert_eq!(copied.expire(), header.expire(), "{kind:?} {key}");
                assert_eq!((copied.kind(), copied.size), (kind, 3));
                assert_eq!(copied_rest, rest);
                assert_eq!(bench.elements(key), elements, "{kind:?} {key}");
            }
            assert_eq!(bench.run("del to"), ":1");
            assert_eq!(bench.run(&format!("rename {from} to")), "+OK");
            assert_eq!(bench.run(&format!("exists {from}")), ":0");
            assert_eq!(bench.elements("to"), elements, "{kind:?}");
            assert_eq!(bench.entry("to").expect("an entry").1, rest);
            bench.expect(&[("move to 3", ":1"), ("exists to", ":0")]);
            bench.db = DbIndex(3);
            assert_eq!(bench.elements("to"), elements, "{kind:?}");
            bench.expect(&[("pexpiretime to", ":1800000000123"), ("del to", ":1")]);
            bench.db = DbIndex(0);
        }
    });
}

#[test]
fn elements_left_behind_do_not_come_back() {
    Bench::both_ways(|bench| {
        bench.put_collection("a", Type::Set);
        bench.run("copy a b");
        let (header, _) = bench.entry("b").expect("an entry");
        // One member of the copy goes, and the key is renamed there and back.
        let prefix = bench
            .codec()
            .subkey_prefix(DbIndex(0), b"b", header.version);
        bench
            .view
            .delete(Cf::Default, &[&prefix[..], b"m\x01"].concat());
        let mut two = header;
        two.size = 2;
        bench.put_entry("b", &two, b"");
        bench.expect(&[
            ("rename b a", "+OK"),
            ("rename a b", "+OK"),
            ("copy b a", ":1"),
        ]);
        for key in ["a", "b"] {
            let members: Vec<_> = bench.elements(key).into_iter().map(|e| e.1).collect();
            assert_eq!(members, [b"m\0".to_vec(), b"m\x02".to_vec()], "{key}");
        }
    });
}

#[test]
fn renaming_replies() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("rename a b", "-ERR no such key"),
            ("rename a a", "-ERR no such key"),
            ("renamenx a b", "-ERR no such key"),
            ("set a 1", "+OK"),
            ("rename a a", "+OK"),
            ("renamenx a a", ":0"),
            ("set b 2 px 5", "+OK"),
            ("renamenx a b", ":0"),
            ("copy a a", SAME),
            ("copy none none", SAME),
            ("copy none b", ":0"),
            ("copy a b", ":0"),
            ("copy a b db", SYNTAX),
            ("copy a b db 0 what", SYNTAX),
            ("copy a b db x", NOT_AN_INTEGER),
            ("copy a b db 16", OUT_OF_RANGE),
            ("copy a b db -1", OUT_OF_RANGE),
            (
                "copy a b db 99999999999",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
            ("copy a a db 1", ":1"),
            ("copy a a db 1", ":0"),
            ("copy a a db 1 replace", ":1"),
            ("copy a c db 2 db 3", ":1"),
            ("move a 1", ":0"),
            ("move none 1", ":0"),
            ("move a 0", SAME),
            ("move a 16", OUT_OF_RANGE),
            ("move a x", NOT_AN_INTEGER),
            ("move a 2", ":1"),
            ("exists a", ":0"),
        ]);
        // An expired key is no obstacle.
        bench.run("set a 1");
        bench.advance_ms(6);
        bench.expect(&[("renamenx a b", ":1"), ("get b", "$1 1"), ("ttl b", ":-1")]);
        bench.db = DbIndex(3);
        assert_eq!(bench.run("get c"), "$1 1");
        bench.db = DbIndex(2);
        assert_eq!(bench.run("get a"), "$1 1");
    });
}

#[test]
fn one_database_in_cluster_mode() {
    let mut bench = Bench::new();
    bench.settings.cluster_enabled = true;
    bench.expect(&[
        ("set a 1", "+OK"),
        ("move a 1", "-ERR MOVE is not allowed in cluster mode"),
        (
            "copy a b db 1",
            "-ERR Copying to another database is not allowed in cluster mode",
        ),
        ("swapdb 0 1", "-ERR SWAPDB is not allowed in cluster mode"),
        ("copy a b db 0", ":1"),
        ("rename b c", "+OK"),
        ("dbsize", ":2"),
        ("keys a*", "*1 $1 a"),
        (
            "randomkey ",
            "-ERR wrong number of arguments for 'randomkey' command",
        ),
    ]);
    assert_eq!(bench.sorted("keys *"), "a c");
    for _ in 0..20 {
        bench.run("incr n");
        let number = bench
            .run("get n")
            .split(' ')
            .next_back()
            .unwrap_or("")
            .to_owned();
        bench.run(&format!("set key:{number} x"));
    }
    let (mut keys, calls) = bench.scan_all("count 4");
    assert_eq!((keys.len(), calls), (23, 6));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 23);
    bench.expect(&[("flushdb", "+OK"), ("dbsize", ":0")]);
}

#[test]
fn times_to_live() {
    Bench::both_ways(|bench| {
        let now_s = bench.turn.unix_us / 1_000_000;
        bench.expect(&[
            ("ttl k", ":-2"),
            ("pexpiretime k", ":-2"),
            ("expire k 10", ":0"),
            ("persist k", ":0"),
            ("set k v", "+OK"),
            ("pttl k", ":-1"),
            ("expiretime k", ":-1"),
            ("persist k", ":0"),
            ("expire k 10", ":1"),
            ("ttl k", ":10"),
            ("pttl k", ":10000"),
            ("pexpire k 1499", ":1"),
            ("ttl k", ":1"),
            ("pexpire k 1500", ":1"),
            ("ttl k", ":2"),
            ("pexpire k 499", ":1"),
            ("ttl k", ":0"),
            ("expireat k 1800000000", ":1"),
            ("pexpiretime k", ":1800000000000"),
            ("pexpireat k 1800000000500", ":1"),
            ("expiretime k", ":1800000001"),
            ("persist k", ":1"),
            ("ttl k", ":-1"),
            (
                "expire k 9223372036854775",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "expire k 9223372036854776",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "expire k -9223372036854776",
                "-ERR invalid expire time in 'expire' command",
            ),
            (
                "pexpire k 9223372036854775807",
                "-ERR invalid expire time in 'pexpire' command",
            ),
            (
                "expireat k 9223372036854776",
                "-ERR invalid expire time in 'expireat' command",
            ),
            ("expire k x", NOT_AN_INTEGER),
            ("expire none x", NOT_AN_INTEGER),
            ("pexpireat k 9223372036854775807", ":1"),
            ("pexpiretime k", ":9223372036854775807"),
            ("get k", "$1 v"),
            ("pexpireat k 0", ":1"),
            ("exists k", ":0"),
            ("set k v", "+OK"),
            ("expire k -5", ":1"),
            ("exists k", ":0"),
            ("set k v", "+OK"),
        ]);
        let passed = format!("expireat k {now_s}");
        assert_eq!(bench.run(&passed), ":1");
        assert_eq!(bench.run("exists k"), ":0");
        bench.run("set k v px 5");
        bench.advance_ms(5);
        assert_eq!(bench.run("pttl k"), ":0");
        bench.advance_ms(1);
        bench.expect(&[("pttl k", ":-2"), ("expire k 5", ":0"), ("type k", "+none")]);
    });
}

#[test]
fn conditions_of_expire() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("set k v", "+OK"),
            ("expire k 100 xx", ":0"),
            ("expire k 100 gt", ":0"),
            ("expire k 100 nx", ":1"),
            ("expire k 200 nx", ":0"),
            ("expire k 100 gt", ":0"),
            ("expire k 101 GT", ":1"),
            ("expire k 101 lt", ":0"),
            ("expire k 99 xx lt", ":1"),
            ("ttl k", ":99"),
            ("persist k", ":1"),
            ("expire k 300 lt", ":1"),
            ("ttl k", ":300"),
            ("expire k -1 gt", ":0"),
            ("expire k 5 what", "-ERR Unsupported option what"),
            ("expire k x what", "-ERR Unsupported option what"),
            (
                "expire k 5 nx gt",
                "-ERR NX and XX, GT or LT options at the same time are not compatible",
            ),
            (
                "expire k 5 xx nx",
                "-ERR NX and XX, GT or LT options at the same time are not compatible",
            ),
            (
                "expire k 5 lt gt",
                "-ERR GT and LT options at the same time are not compatible",
            ),
            ("expire k 5 nx nx", ":0"),
            ("expire k -1 lt", ":1"),
            ("exists k", ":0"),
        ]);
    });
}

#[test]
fn a_time_in_milliseconds_widens_a_narrow_header() {
    Bench::both_ways(|bench| {
        // A 32-bit hash with an expiry at 1800000000 s, as Kvrocks before 2.9 wrote it.
        let narrow = [
            0x02, 0x6b, 0x49, 0xd2, 0x00, 0x30, 0x51, 0x20, 0xc0, 0xf2, 0, 0, 5, 0, 0, 0, 1,
        ];
        let (header, _) = Header::decode(&narrow).expect("a whole header");
        bench.put_entry("h", &header, b"");
        bench.expect(&[
            ("pexpiretime h", ":1800000000000"),
            ("expireat h 1800000001", ":1"),
        ]);
        assert_eq!(bench.entry("h").expect("an entry").0.encoded_len(), 17);
        bench.expect(&[
            ("pexpireat h 1800000001001", ":1"),
            ("pexpiretime h", ":1800000001001"),
        ]);
        let (wide, _) = bench.entry("h").expect("an entry");
        assert_eq!(wide.encoded_len(), 25);
        assert_eq!((wide.version, wide.size), (header.version, header.size));
    });
}

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
fn flushing() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("flushdb", "+OK"),
            ("flushall async", "+OK"),
            ("flushdb what", SYNTAX),
            ("flushall sync sync", SYNTAX),
        ]);
        assert!(bench.changes.flushed.is_empty(), "nothing was there");
        for db in [0, 1, 12] {
            bench.db = DbIndex(db);
            bench.run("mset a 1 b 2");
        }
        bench.db = DbIndex(1);
        bench.expect(&[
            ("flushdb", "+OK"),
            ("dbsize", ":0"),
            ("get a", "$-1"),
            ("set a 2", "+OK"),
        ]);
        assert_eq!(bench.changes.flushed, [DbIndex(1)]);
        assert_eq!(bench.run("keys *"), "*1 $1 a");
        bench.db = DbIndex(12);
        assert_eq!(bench.run("dbsize"), ":2");
        assert_eq!(bench.run("flushall"), "+OK");
        for db in [0, 1, 12] {
            bench.db = DbIndex(db);
            bench.expect(&[("dbsize", ":0"), ("get a", "$-1")]);
        }
        assert_eq!(bench.changes.flushed.len(), 17);
        bench.expect(&[
            ("swapdb 0 0", "+OK"),
            ("swapdb x 0", "-ERR invalid first DB index"),
            ("swapdb 0 x", "-ERR invalid second DB index"),
            ("swapdb 0 16", OUT_OF_RANGE),
            ("swapdb -1 0", OUT_OF_RANGE),
        ]);
        assert!(
            bench
                .run("swapdb 0 1")
                .starts_with("-ERR SWAPDB is not supported")
        );
    });
}

#[test]
fn a_flush_is_one_range_delete_in_the_record() {
    let mut bench = Bench::new();
    bench.run("set k v");
    bench.commit_each = false;
    bench.run("flushdb");
    let group = bench.view.close_group().expect("a change");
    let hex: String = group
        .record
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "000000000000000001000000\
         0e010c0b5f5f6e616d6573706163650c0b5f5f6e616d657370616366\
         031272204142434445464748493031323334 3536"
            .replace(' ', "")
    );
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
    let mut counts = KeyCounts::default();
    let keys = count as u64;
    counts.by_db.insert(
        DbIndex(0),
        DbCount {
            keys,
            ..DbCount::default()
        },
    );
    bench.key_counts = Some(counts);
    assert_eq!(bench.run("dbsize"), format!(":{keys}"));
    bench.db = DbIndex(5);
    assert_eq!(bench.run("dbsize"), ":0");
    bench.db = DbIndex(0);
    // KEYS waits for a worker, which keeps no more of the values than their headers.
    assert!(bench.run("keys *").starts_with("WAIT Scan"));
    assert_eq!(bench.run("keys key:1"), "*1 $5 key:1");
    let prefix = bench.codec().namespace_prefix(DbIndex(0));
    let request = ScanRequest::prefix(Cf::Metadata, &prefix).values_up_to(25);
    let database = bench.view.database().expect("open").clone();
    let pinned = read_range(&database, request, 1).expect("a range");
    bench.view.pinned.push(pinned);
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

#[test]
fn events() {
    Bench::both_ways(|bench| {
        bench.run("mset a 1 b 2 c 3 d 4");
        bench.events();
        for (line, expected) in [
            ("del a none b", "del:a del:b"),
            ("unlink a", ""),
            ("exists a c", "keymiss:a"),
            ("touch a", "keymiss:a"),
            ("type a", "keymiss:a"),
            ("ttl a", "keymiss:a"),
            ("pexpiretime a", "keymiss:a"),
            ("expire a 5", ""),
            ("expire c 50", "expire:c"),
            ("expire c 50 nx", ""),
            ("persist c", "persist:c"),
            ("persist c", ""),
            ("rename c a", "new:a rename_from:c rename_to:a"),
            ("rename a d", "new:d rename_from:a rename_to:d"),
            ("rename d d", ""),
            ("copy d e", "new:e copy_to:e"),
            ("copy d e", ""),
            ("copy none e", "keymiss:none"),
            ("copy d e replace", "new:e copy_to:e"),
            ("copy d e db 4", "new:e@4 copy_to:e@4"),
            ("move d 4", "new:d@4 move_from:d move_to:d@4"),
            ("object encoding none", ""),
            ("expire e -1", "del:e"),
            ("flushall", ""),
        ] {
            bench.run(line);
            assert_eq!(bench.events().join(" "), expected, "{line}");
        }
        bench.run("set a 1");
        bench.changes.count = 0;
        bench.changes.keys.clear();
        bench.run("rename a b");
        assert_eq!((bench.changes.count, bench.changes.keys.len()), (1, 2));
    });
}

#[test]
fn encodings_imitate_redis() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            ("object encoding none", "$-1"),
            ("object refcount none", "$-1"),
            ("object freq none", "$-1"),
            ("object idletime none", "$-1"),
            ("mset i 123 neg -5 big 9223372036854775808 f 1.5", "+OK"),
            ("object encoding i", "$3 int"),
            ("object encoding neg", "$3 int"),
            ("object encoding big", "$6 embstr"),
            ("object encoding f", "$6 embstr"),
            ("object refcount i", ":2147483647"),
            ("object refcount neg", ":1"),
            (
                "object freq i",
                "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ),
            ("object idletime i", "-ERR idle time not tracked: access times of keys are not kept"),
        ]);
        bench.run(&format!("set s {}", "x".repeat(44)));
        assert_eq!(bench.run("object encoding s"), "$6 embstr");
        bench.run("append s x");
        assert_eq!(bench.run("object encoding s"), "$3 raw");
        for (kind, name) in [
            (Type::Hash, "$8 listpack"),
            (Type::List, "$9 quicklist"),
            (Type::Set, "$9 hashtable"),
            (Type::Zset, "$8 listpack"),
            (Type::Stream, "$6 stream"),
            (Type::Bitmap, "$3 raw"),
            (Type::Other(13), "$3 raw"),
        ] {
            bench.put_collection("k", kind);
            assert_eq!(bench.run("object encoding k"), name, "{kind:?}");
        }
        bench.settings.encoding.hash_max_listpack_value = 7;
        bench.settings.encoding.zset_max_listpack_entries = 2;
        bench.put_collection("k", Type::Hash);
        assert_eq!(bench.run("object encoding k"), "$9 hashtable");
        bench.put_collection("k", Type::Zset);
        assert_eq!(bench.run("object encoding k"), "$8 skiplist");
        let mut header = Header::new(Type::Set, 9);
        header.size = 2;
        bench.put_entry("numbers", &header, b"");
        let prefix = bench.codec().subkey_prefix(DbIndex(0), b"numbers", 9);
        for member in [&b"1"[..], b"-20"] {
            bench
                .view
                .put(Cf::Default, &[&prefix[..], member].concat(), b"");
        }
        assert_eq!(bench.run("object encoding numbers"), "$6 intset");
        bench.settings.encoding.set_max_intset_entries = 1;
        assert_eq!(bench.run("object encoding numbers"), "$9 hashtable");
        assert!(
            bench
                .run("object help")
                .starts_with("*11 +OBJECT <subcommand>")
        );
    });
}

#[test]
fn memory_usage_is_what_is_stored() {
    let mut bench = Bench::new();
    let usage = |bench: &mut Bench, words: &[&str]| -> Vec<u8> {
        let mut parts: Vec<&[u8]> = vec![b"memory", b"usage"];
        parts.extend(words.iter().map(|word| word.as_bytes()));
        bench.run_spec(&super::MEMORY_USAGE, &parts)
    };
    bench.run("set k value");
    // 12 bytes of namespace, the key, 9 of header, the value.
    assert_eq!(usage(&mut bench, &["k"]), b":27\r\n");
    bench.put_collection("h", Type::Hash);
    // The entry, and three elements of 12 + 4 + 1 + 8 + 2 bytes with values of 8.
    let total = 13 + 25 + 8 + 3 * 35;
    assert_eq!(
        usage(&mut bench, &["h"]),
        format!(":{total}\r\n").as_bytes()
    );
    assert_eq!(
        usage(&mut bench, &["h", "samples", "1"]),
        format!(":{total}\r\n").as_bytes()
    );
    assert_eq!(
        usage(&mut bench, &["h", "SAMPLES", "0"]),
        format!(":{total}\r\n").as_bytes()
    );
    assert_eq!(usage(&mut bench, &["none"]), b"$-1\r\n");
    for words in [
        &["k", "samples"][..],
        &["k", "samples", "-1"],
        &["k", "what", "1"],
    ] {
        assert_eq!(
            usage(&mut bench, words),
            b"-ERR syntax error\r\n",
            "{words:?}"
        );
    }
    assert_eq!(
        usage(&mut bench, &["k", "samples", "x"]),
        b"-ERR value is not an integer or out of range\r\n"
    );
}

#[test]
fn what_the_commands_declare() {
    let declared: Vec<String> = super::SPECS
        .iter()
        .flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
        .chain(std::iter::once(&super::MEMORY_USAGE))
        .map(|spec| format!("{} {}", spec.name, spec.arity))
        .collect();
    assert_eq!(
        declared.join(", "),
        "copy -3, dbsize 1, del -2, exists -2, expire -3, expireat -3, expiretime 2, flushall -1, flushdb -1, keys 2, move 3, \
         object -2, object|encoding 3, object|freq 3, object|help 2, object|idletime 3, object|refcount 3, persist 2, \
         pexpire -3, pexpireat -3, pexpiretime 2, pttl 2, randomkey 1, rename 3, renamenx 3, scan -2, swapdb 3, touch -2, \
         ttl 2, type 2, unlink -2, memory|usage -3"
    );
}
