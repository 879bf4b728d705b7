//! Sums and digits of extended precision, as Redis gives them on x86.

use super::*;
use proptest::prelude::*;

/// First, second, and what redis-server 7.0.15 answered to `SET k <first>` and `INCRBYFLOAT k <second>`.
const SUMS: &str = "\
        0.1 0.2 0.3
        10.5 0.1 10.6
        3.0e3 200 3200
        5.0e3 -5.0e3 0
        1 1.5 2.5
        0 0.00000000000000001 0.00000000000000001
        0 0.000000000000000005 0
        0 -0.000000000000000004 0
        -0 -0 0
        1e17 0.5 100000000000000000.5
        9223372036854775807 1 9223372036854775808
        9223372036854775807 0.5 9223372036854775807.5
        18446744073709551615 1 18446744073709551616
        18446744073709551615 0.5 18446744073709551616
        -17.03 -1.07 -18.1
        1.23 1e-7 1.2300001
        12345678901234567890 -0.1 12345678901234567890
        5. .5 5.5
        +1 0x.8 1.5
        0e99999999999999999999 1e-4950 0
        1e19 0xap-3 10000000000000000001
        8422404728406290042.1 -7170303135145423916.73 1252101593260866125.5
        4924263139972111425.95 -7024685811774633617.76 -2100422671802522192
        0xa0c2acf00645fa5bp-6 -0xef74272c0a15c577p-97 181000177163245545.421875
        9503428419037197103.28 -7835711675896431670.5 1667716743140765432.5
        -5.408066428191408e-100 -298099397805173316550714969305e-12 -298099397805173316.5625
        0xcc7d9a80504e0d1ep-49 -0xcab1fd454ee21898p32 -62731147891213133073335975936
        +272919949104610.5062694642 44836.48126279774622614817 272919949149446.9875335693359375
        3826980867713539920.21 -623765837179301446.63 3203215030534238473.5
        0x1.8 0 1.5
        9165935362201840590.28 -2677292780400919968.67 6488642581800920622
        7.36328600438524 -4654246499980522198 -4654246499980522190.5
        4907858111585459079.19 -4918129409697507886.41 -10271298112048807.5
        615109212884685029325977423329e-32 0x4cbA.8p39 10798578574295040.005859375
        95.321110 6E-7 95.3211106
        -243960e-305 +0639093967874517463.21320962772163 639093967874517463.1875
        0xc05f455002c22262p-31 -0x2d26fe3e9566624cp55 -117222116760484340293127086362591232
        4205136237910711740.2 -9581397261662158575.10 -5376261023751446835
        0x4d6872fd2117210fp-60 0x437137314eef273bp45 170986413386804413499848217591808
        0x712d0963ee507a17p-19 0x2bc107841c2e751cp-112 15554780626378.05961418151855469
        152.69 +5375460221.4725912013983885833621 5375460374.16259120125323534
        001348001678.5115884 5617752678627107407605E-38 1348001678.51158839999698102
        4.99006302299659009618e-322 -3829291647159003e12 -3829291647159002999868620800
        0x15d323d7a90f28b7p-56 -0x7792d640e110e115p-127 21.82476566197798006
        -9826855.744 5618562143610781316 5618562143600954460.5
        504991114019518836 -4.27346867480727e-52 504991114019518836
        30882561221076.39620166635 4.3778973017279444e-197 30882561221076.39620208740234375
        492.73 +64.9219151584853229174 557.65191515848532294
        1.82179789984917885713e-318 -83261620183.4653957073 -83261620183.46539570391178131
        -4457858628797663083 7812971659449896659 3355113030652233576
        -91835.6 0.87052713708304482154 -91834.7294728629169569
        750126762424859494.62 -2343822555541745800.70 -1593695793116886306.125
        +517689.13523528516784917406 -5696753314205793691 -5696753314205276002
        -1591685090931121826 -7672316977164938781 -9264002068096060607
        8924840241741439015.30 -3750867176830489017.48 5173973064910949998";

#[test]
fn sums_as_redis_does() {
    for line in SUMS.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [first, second, sum] = words[..] else {
            panic!("three words expected: {line}");
        };
        assert_eq!(sum_text(first, second), sum, "{first} {second}");
    }
}

#[test]
fn overflow_is_infinite_or_nan() {
    for (first, second) in [
        ("0x1p16383", "0x1p16383"),
        ("0xffffffffffffffffp16320", "0x1p16319"),
        ("inf", "1"),
        ("inf", "-inf"),
    ] {
        assert!(
            (parse(first) + parse(second)).is_nan_or_infinite(),
            "{first} {second}"
        );
    }
    // Half a unit of the last place is needed to leave the range.
    assert!(!(parse("0xffffffffffffffffp16320") + parse("0x1p16318")).is_nan_or_infinite());
}

#[test]
fn refuses_what_redis_refuses() {
    for text in [
        "",
        ".",
        "1e",
        "1e4933",
        "1e-4960",
        "nan",
        " 1",
        "1 ",
        "1\0",
        "0x",
        "infinit",
        "0x1p16384",
        "0x1p-16447",
        "1e-99999999999999999999",
    ] {
        assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
    }
    assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX]).is_some());
    assert!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX + 1]).is_none());
}

fn parse(text: &str) -> LongDouble {
    LongDouble::parse(text.as_bytes()).expect("a number")
}

fn sum_text(first: &str, second: &str) -> String {
    String::from_utf8((parse(first) + parse(second)).to_human()).expect("ASCII")
}

#[test]
fn the_extremes_have_their_digits() {
    let largest = parse("0xffffffffffffffffp16320").to_human();
    assert_eq!(largest.len(), 4933);
    assert!(largest.starts_with(b"118973149535723176502126385303097020516"));
    assert_eq!(
        parse("1.18973149535723176502e4932"),
        parse("0xffffffffffffffffp16320")
    );
    assert_eq!(parse("3.6451995318824746025e-4951"), parse("0x1p-16445"));
    assert_eq!(parse("0x1p-16445").to_human(), b"0");
}

proptest! {
    #[test]
    fn integers_up_to_64_bits_are_exact(a: i64, b: i64) {
        let exact = (i128::from(a) + i128::from(b)).to_string();
        prop_assert_eq!(sum_text(&a.to_string(), &b.to_string()), exact);
    }

    #[test]
    fn hexadecimal_and_decimal_agree(significand: u64, exponent in -60i32..60) {
        let hex = parse(&format!("0x{significand:x}p{exponent}"));
        // significand * 2^exponent in decimal: multiplied out, or as significand * 5^n / 10^n.
        let decimal = if exponent >= 0 {
            (BigUint::from(significand) << exponent).to_string()
        } else {
            format!("{}e{exponent}", BigUint::from(significand) * BigUint::from(5u8).pow(exponent.unsigned_abs()))
        };
        prop_assert_eq!(hex, parse(&decimal));
    }

    #[test]
    fn adding_the_opposite_gives_zero(text in "[1-9][0-9]{0,25}([.][0-9]{0,25})?(e-?[0-9]{1,3})?") {
        prop_assert_eq!(parse(&text) + parse(&format!("-{text}")), LongDouble::ZERO);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(text in "[+-]?[0-9.a-fA-Fxp+ein\x00 -]{0,40}", other: Vec<u8>) {
        LongDouble::parse(text.as_bytes());
        LongDouble::parse(&other);
    }
}

#[test]
fn a_thousandfold_is_rounded_up_once() {
    for (text, expected) in [
        ("0", 0),
        ("0.1", 100),
        ("0.0001", 1),
        ("-0.0001", 0),
        ("-1.5", -1500),
        ("-0.0011", -1),
        ("1e-4900", 1),
        ("0x1p-3", 125),
        ("9223372036854775.807", 9_223_372_036_854_775_807),
        ("9223372036854775.808", i64::MIN),
        ("1e30", i64::MIN),
        ("1e4000", i64::MIN),
        ("inf", i64::MIN),
        ("-inf", i64::MIN),
    ] {
        let number = LongDouble::parse(text.as_bytes()).expect("a number");
        assert_eq!(number.ceil_thousandfold(), expected, "{text}");
    }
}
