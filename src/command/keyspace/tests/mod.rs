//! Every key command through the bench, on keys of every type, those of newer Kvrockses included.

mod copying;
mod dumping;
mod expiring;
mod looking;
mod walking;

use crate::command::testing::Bench;
use crate::storage::cf::Cf;
use crate::storage::keys::{DbIndex, KeyCodec};
use crate::storage::metadata::{Header, Type};
use crate::storage::scan::ScanRequest;

const SYNTAX: &str = "-ERR syntax error";
const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
const OUT_OF_RANGE: &str = "-ERR DB index is out of range";

/// The types with elements, one of an unknown number among them, and what TYPE says of them.
const TYPES: [(Type, &str); 10] = [
    (Type::Hash, "hash"),
    (Type::List, "list"),
    (Type::Set, "set"),
    (Type::Zset, "zset"),
    (Type::Bitmap, "string"),
    (Type::Sortedint, "sortedint"),
    (Type::Stream, "stream"),
    (Type::Bloom, "MBbloom--"),
    (Type::Hyperloglog, "string"),
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
        "030000000000000001000000\
         0e010c0b5f5f6e616d6573706163650c0b5f5f6e616d657370616366\
         031272204142434445464748493031323334 3536"
            .replace(' ', "")
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
fn what_the_commands_declare() {
    let declared: Vec<String> = super::SPECS
        .iter()
        .flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
        .chain(std::iter::once(&super::MEMORY_USAGE))
        .map(|spec| format!("{} {}", spec.name, spec.arity))
        .collect();
    assert_eq!(
        declared.join(", "),
        "copy -3, dbsize 1, del -2, dump 2, exists -2, expire -3, expireat -3, expiretime 2, flushall -1, flushdb -1, keys 2, move 3, \
         object -2, object|encoding 3, object|freq 3, object|help 2, object|idletime 3, object|refcount 3, persist 2, \
         pexpire -3, pexpireat -3, pexpiretime 2, pttl 2, randomkey 1, rename 3, renamenx 3, restore -4, scan -2, swapdb 3, touch -2, \
         ttl 2, type 2, unlink -2, memory|usage -3"
    );
}
