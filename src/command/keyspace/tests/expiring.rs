//! EXPIRE and its kin, TTL and its kin, PERSIST.

use super::NOT_AN_INTEGER;
use crate::command::testing::Bench;
use crate::storage::metadata::Header;

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
