//! Doubles read as C reads them and written as Redis writes them.

use super::*;
use proptest::prelude::*;

fn written(value: f64) -> String {
    let mut out = Vec::new();
    write_f64_17g(&mut out, value);
    String::from_utf8(out).expect("ASCII")
}

/// What redis-server 7.0.15 answered to `ZCOUNT k <text> +inf` (a number or "min or max is not a float") and to SORT.
#[test]
fn reads_as_c_does() {
    let read =
        |text: &str| parse_f64_as_c(text.as_bytes()).map(|read| (read.value, read.range_error));
    for (text, expected) in [
        ("", Some((0.0, false))),
        ("\0x", Some((0.0, false))),
        ("1.5\0x", Some((1.5, false))),
        (" \t\n\u{b}\u{c}\r1.5", Some((1.5, false))),
        ("1.5 ", None),
        (" ", None),
        ("x", None),
        ("nan", None),
        ("-inf", Some((f64::NEG_INFINITY, false))),
        ("1e999", Some((f64::INFINITY, true))),
        ("-1e999999999999", Some((f64::NEG_INFINITY, true))),
        ("-0x1p9999", Some((f64::NEG_INFINITY, true))),
        ("1e-999", Some((0.0, true))),
        ("1e-999999999999", Some((0.0, true))),
        ("0x1p-9999", Some((0.0, true))),
        ("1e-310", Some((1e-310, true))),
        ("0x10", Some((16.0, false))),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
    assert!(parse_f64_as_c(b"-1e-999").is_some_and(|read| read.value.is_sign_negative()));
}

/// What redis-server 7.0.15 answered to `ZADD k <text> m` and `ZSCORE k m`; `None` for "value is not a valid float".
#[test]
fn reads_and_writes_as_redis_does() {
    for (text, score) in [
        ("0.1", Some("0.10000000000000001")),
        ("0.2", Some("0.20000000000000001")),
        ("0.3", Some("0.29999999999999999")),
        ("1.0", Some("1")),
        ("-1.0", Some("-1")),
        ("0.3333333333333333", Some("0.33333333333333331")),
        ("100000.0", Some("100000")),
        ("1e+16", Some("10000000000000000")),
        ("1e+17", Some("1e+17")),
        ("1e+18", Some("1e+18")),
        ("1.2345678901234568e+17", Some("1.2345678901234568e+17")),
        ("1e+20", Some("1e+20")),
        ("1e+22", Some("1e+22")),
        ("1e+100", Some("1e+100")),
        ("1.5", Some("1.5")),
        ("2.5e-05", Some("2.5000000000000001e-05")),
        ("0.0001", Some("0.0001")),
        ("0.00012345", Some("0.00012344999999999999")),
        ("1e-05", Some("1.0000000000000001e-05")),
        ("1e-07", Some("9.9999999999999995e-08")),
        ("5e-324", Some("4.9406564584124654e-324")),
        ("2.2250738585072014e-308", Some("2.2250738585072014e-308")),
        ("1.7976931348623157e+308", Some("1.7976931348623157e+308")),
        ("3.14", Some("3.1400000000000001")),
        ("-17.03", Some("-17.030000000000001")),
        ("9.223372036854776e+18", Some("9.2233720368547758e+18")),
        ("1.8446744073709552e+19", Some("1.8446744073709552e+19")),
        ("9.5367431640625e-07", Some("9.5367431640625e-07")),
        ("8.673617379884035e-19", Some("8.6736173798840355e-19")),
        ("9007199254740992.0", Some("9007199254740992")),
        ("9.999999999999998e+16", Some("99999999999999984")),
        ("123456.789", Some("123456.789")),
        ("1e-10", Some("1e-10")),
        ("0.5", Some("0.5")),
        ("1000000000.25", Some("1000000000.25")),
        ("1e+17", Some("1e+17")),
        ("4.35", Some("4.3499999999999996")),
        ("1e-05", Some("1.0000000000000001e-05")),
        ("0.30000000000000004", Some("0.30000000000000004")),
        ("12345678.12345678", Some("12345678.12345678")),
        ("8500000000000000.0", Some("8500000000000000")),
        ("2.980232260973992e-08", Some("2.9802322609739917e-08")),
        ("2.0816681711721685e-17", Some("2.0816681711721685e-17")),
        ("-5.097489351440805e-227", Some("-5.0974893514408051e-227")),
        ("-3.94949391165117e+261", Some("-3.9494939116511701e+261")),
        ("-1.2832762821722958e-269", Some("-1.2832762821722958e-269")),
        ("-3.951884149635982e-72", Some("-3.9518841496359822e-72")),
        ("1.1633579417352976e+239", Some("1.1633579417352976e+239")),
        ("3.8452819648807886e-129", Some("3.8452819648807886e-129")),
        ("-2.266514728515481e-170", Some("-2.2665147285154809e-170")),
        ("-1.2008522986995755e-48", Some("-1.2008522986995755e-48")),
        ("2.3480210580921435e+168", Some("2.3480210580921435e+168")),
        ("2.861039847584952e-179", Some("2.8610398475849521e-179")),
        ("-5.030437306193785e-98", Some("-5.0304373061937852e-98")),
        ("-1.1337960034467363e-185", Some("-1.1337960034467363e-185")),
        ("0", Some("0")),
        ("+0", Some("0")),
        ("5.", Some("5")),
        (".5", Some("0.5")),
        ("+1.5", Some("1.5")),
        ("-.5e1", Some("-5")),
        ("1E3", Some("1000")),
        ("1e+3", Some("1000")),
        ("0x1", Some("1")),
        ("0X1P5", Some("32")),
        ("0x1.8", Some("1.5")),
        ("0x.8p1", Some("1")),
        ("0x1p-1074", Some("4.9406564584124654e-324")),
        ("0x1.8p-1075", Some("4.9406564584124654e-324")),
        ("0x1.fffffffffffff7p1023", Some("1.7976931348623157e+308")),
        ("0x1.00000000000008p0", Some("1")),
        (
            "0x1.000000000000080000000000000000000001p0",
            Some("1.0000000000000002"),
        ),
        ("0x1.00000000000018p0", Some("1.0000000000000004")),
        ("inf", Some("inf")),
        ("-INF", Some("-inf")),
        ("+infinity", Some("inf")),
        ("Infinity", Some("inf")),
        ("0e99999999999999999999", Some("0")),
        ("0x0p99999999999999999999", Some("0")),
        ("4.9e-324", Some("4.9406564584124654e-324")),
        ("2.4703282292062328e-324", Some("4.9406564584124654e-324")),
        ("1.7976931348623158e308", Some("1.7976931348623157e+308")),
        ("9007199254740993", Some("9007199254740992")),
        ("1e23", Some("9.9999999999999992e+22")),
        ("123456789012345678", Some("1.2345678901234568e+17")),
        ("", None),
        (".", None),
        ("-", None),
        ("+", None),
        ("1e", None),
        ("1e+", None),
        ("e5", None),
        ("0x", None),
        ("0x.", None),
        ("0x1p", None),
        ("0x1p-1075", None),
        ("0x1.fffffffffffff8p1023", None),
        ("0x1p1024", None),
        ("infinit", None),
        ("infinityx", None),
        ("nan", None),
        ("-nan", None),
        ("nan(1)", None),
        (" 1", None),
        ("1 ", None),
        ("\t1", None),
        ("1\0", None),
        ("1\u{0}2", None),
        ("1e400", None),
        ("-1e400", None),
        ("1e-400", None),
        ("2.4703282292062327e-324", None),
        ("1.7976931348623159e308", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", None),
        ("++1", None),
        ("-+1", None),
        ("1,5", None),
        ("1_0", None),
        ("0b1", None),
        ("1f", None),
        ("0x1g", None),
        ("1e5.5", None),
        ("--inf", None),
    ] {
        assert_eq!(
            parse_f64(text.as_bytes()).map(written).as_deref(),
            score,
            "{text:?}"
        );
    }
}

/// Checked against redis-server 7.0.15 too; the texts are too long for the table.
#[test]
fn long_runs_of_zeros_and_large_exponents_balance() {
    let zeros = |count| "0".repeat(count);
    for (text, value) in [
        (format!("1{}e-20000", zeros(20_000)), Some(1.0)),
        (format!("0.{}1e200001", zeros(200_000)), Some(1.0)),
        (format!("-25{}e-199991", zeros(200_000)), Some(-25e9)),
        (format!("{}1", zeros(1000)), Some(1.0)),
        (format!("1{}", zeros(300)), Some(1e300)),
        (format!("1{}", zeros(310)), None),
        (format!("0.{}1", zeros(330)), None),
    ] {
        assert_eq!(parse_f64(text.as_bytes()), value);
    }
}

/// The sign of a zero stays, as in a large zset of Redis; its small zsets store the integer 0 and lose it.
#[test]
fn zero_keeps_its_sign() {
    for text in ["-0", "-0.0", "-0x0p5", "-0e99"] {
        assert_eq!(
            parse_f64(text.as_bytes()).map(written).as_deref(),
            Some("-0")
        );
    }
}

#[test]
fn nan_and_the_infinities_have_names() {
    assert_eq!(written(f64::NAN), "nan");
    assert_eq!(written(f64::INFINITY), "inf");
    assert_eq!(written(f64::NEG_INFINITY), "-inf");
}

/// Seventeen digits that end exactly between two decimals: C rounds to the even one. From glibc's `printf`.
#[test]
fn decimal_ties_round_to_even() {
    for (value, text) in [
        (4000000000000001.0 / f64::from(1 << 2), "1000000000000000.2"),
        (4000000000000003.0 / f64::from(1 << 2), "1000000000000000.8"),
        (7205759403792793.0 / f64::from(1 << 2), "1801439850948198.2"),
        (800000000000001.0 / f64::from(1 << 3), "100000000000000.12"),
        (800000000000003.0 / f64::from(1 << 3), "100000000000000.38"),
        (800000000000005.0 / f64::from(1 << 3), "100000000000000.62"),
        (1079.0 / f64::from(1 << 20), "0.0010290145874023438"),
        (615.0 / f64::from(1 << 21), "0.00029325485229492188"),
        (1485.0 / f64::from(1 << 20), "0.0014162063598632812"),
        (349.0 / f64::from(1 << 21), "0.00016641616821289062"),
        (1275.0 / f64::from(1 << 21), "0.00060796737670898438"),
        (2175.0 / f64::from(1 << 20), "0.0020742416381835938"),
    ] {
        assert_eq!(written(value), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn reads_back_what_it_wrote(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(!value.is_nan());
        prop_assert_eq!(parse_f64(written(value).as_bytes()).map(f64::to_bits), Some(bits));
    }

    /// 17 significant digits, in the notation that C chooses by the exponent.
    #[test]
    fn has_the_shape_of_17g(bits: u64, exponent in 960u64..1120) {
        let value = f64::from_bits(bits & !(0x7ff << 52) | exponent << 52);
        let text = written(value);
        let digits = text.trim_start_matches(['-', '0', '.']).split('e').next().unwrap_or("").replace('.', "");
        prop_assert!(digits.len() <= 17 || value.fract() == 0.0, "{}", text);
        let scientific = value.abs() < 1e-4 || value.abs() >= 1e17;
        prop_assert_eq!(text.contains('e'), scientific, "{}", text);
        prop_assert!(!text.contains('.') || !text.split('e').next().unwrap_or("").ends_with(['0', '.']), "{}", text);
    }

    #[test]
    fn decimal_texts_are_read_as_std_reads_them(text in "[+-]?[0-9]{1,30}([.][0-9]{0,30})?(e[+-]?[0-9]{1,3})?") {
        let expected: f64 = text.parse().expect("a number");
        let in_range = expected.is_finite() && (expected != 0.0 || !text.contains(['1', '2', '3', '4', '5', '6', '7', '8', '9']));
        let parsed = parse_f64(text.as_bytes());
        prop_assert!(parsed.is_some() || !in_range || expected == 0.0);
        if let Some(parsed) = parsed {
            prop_assert_eq!(parsed.to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn hexadecimal_is_exact(bits: u64) {
        let value = f64::from_bits(bits & !(1 << 63));
        prop_assume!(value.is_normal());
        let significand = bits & ((1 << 52) - 1) | 1 << 52;
        let exponent = (bits >> 52 & 0x7ff) as i64 - 1075;
        prop_assert_eq!(parse_f64(format!("0x{significand:x}p{exponent}").as_bytes()), Some(value));
        prop_assert_eq!(parse_f64(format!("0x.{significand:014X}P{}", exponent + 56).as_bytes()), Some(value));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in "[+-]?[0-9.a-fA-Fxp+ein\x00 -]{0,40}", other: Vec<u8>) {
        parse_f64(text.as_bytes());
        parse_f64(&other);
    }
}
