//! RENAME, RENAMENX, COPY and MOVE.

use super::{NOT_AN_INTEGER, OUT_OF_RANGE, SYNTAX, TYPES};
use crate::command::testing::Bench;
use crate::storage::cf::Cf;
use crate::storage::keys::DbIndex;
use crate::storage::metadata::Type;

const SAME: &str = "-ERR source and destination objects are the same";

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
