//! OBJECT and MEMORY USAGE.

use crate::command::testing::Bench;
use crate::storage::cf::Cf;
use crate::storage::keys::DbIndex;
use crate::storage::metadata::{Header, Type};

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
            ("object refcount i", ":1"),
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
        bench.run_spec(&super::super::MEMORY_USAGE, &parts)
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
