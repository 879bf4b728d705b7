//! The 80-bit `long double` of x86 in which Redis counts for INCRBYFLOAT and HINCRBYFLOAT.
//!
//! Sums and their decimal forms differ from a double's in the last digits, and users compare them, so the format is done
//! here in software: a 64-bit significand, exponents as on the x87, rounding to nearest, ties to even.

use super::number::{self, Format, Magnitude, Rounded};
use num_bigint::BigUint;
use std::ops::Add;

const EXTENDED: Format = Format {
    bits: 64,
    exponent_min: -16_445,
    exponent_max: 16_320,
};

/// Longer texts are no numbers to Redis (`MAX_LONG_DOUBLE_CHARS`, minus the closing NUL).
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// A number of the x87 extended format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `significand * 2^exponent`. A zero has both fields zero; else the top bit is set unless the exponent is the least one.
    Finite {
        significand: u64,
        exponent: i64,
    },
    Infinite,
    Nan,
}

impl Kind {
    const ZERO: Kind = Kind::Finite {
        significand: 0,
        exponent: 0,
    };
}

impl LongDouble {
    /// The value of an absent key or field.
    pub const ZERO: LongDouble = LongDouble {
        negative: false,
        kind: Kind::ZERO,
    };

    /// The number that `text` is, correctly rounded; infinities are accepted when they are spelled out.
    ///
    /// Refused: NaN, leading or trailing bytes of any kind, texts of 5,120 bytes or more, and finite numbers that round to
    /// infinity or, not being zero, to zero. Source: `string2ld` of redis-server 7.0.15 over glibc's `strtold`.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let number = number::scan(text)?;
        let kind = match number.magnitude {
            Magnitude::Infinite => Kind::Infinite,
            Magnitude::Hex { significand: 0, .. } => Kind::ZERO,
            Magnitude::Hex {
                significand,
                sticky,
                exponent,
            } => in_range(EXTENDED.round(significand, exponent, sticky))?,
            Magnitude::Decimal {
                integer,
                fraction,
                exponent,
            } => decimal(integer, fraction, exponent)?,
        };
        Some(LongDouble {
            negative: number.negative,
            kind,
        })
    }

    fn add_special(self, other: LongDouble) -> LongDouble {
        match (self.kind, other.kind) {
            (Kind::Nan, _) => self,
            (_, Kind::Nan) => other,
            (Kind::Infinite, Kind::Infinite) if self.negative != other.negative => LongDouble {
                negative: true,
                kind: Kind::Nan,
            },
            (Kind::Infinite, _) => self,
            _ => other,
        }
    }

    /// Whether Redis refuses this as a result or an increment.
    pub fn is_nan_or_infinite(&self) -> bool {
        !matches!(self.kind, Kind::Finite { .. })
    }

    /// A thousand times the number, rounded up to an integer: seconds to milliseconds. What does not fit is `i64::MIN`, as
    /// the conversion of the x86 gives.
    pub fn ceil_thousandfold(&self) -> i64 {
        let Kind::Finite {
            significand,
            exponent,
        } = self.kind
        else {
            return i64::MIN;
        };
        // The product is a long double too, so it is rounded before it is rounded up: 0.1 s are 100 ms, not 101.
        let (significand, exponent) =
            match EXTENDED.round(u128::from(significand) * 1000, exponent, false) {
                Rounded::Zero => return 0,
                Rounded::Overflow => return i64::MIN,
                Rounded::Finite {
                    significand,
                    exponent,
                } => (u128::from(significand), exponent),
            };
        let magnitude = match exponent {
            64.. => return i64::MIN,
            0..64 => significand << exponent,
            _ => {
                let whole = significand.checked_shr(-exponent as u32).unwrap_or(0);
                let is_exact = whole.checked_shl(-exponent as u32) == Some(significand);
                whole + u128::from(!is_exact && !self.negative)
            }
        };
        match i64::try_from(magnitude) {
            Ok(value) if self.negative => -value,
            Ok(value) => value,
            Err(_) => i64::MIN,
        }
    }

    /// The decimal text that Redis stores and replies: 17 places after the point, correctly rounded, less its trailing
    /// zeros; no exponent; a `-0` becomes `0`.
    ///
    /// At most 4,935 bytes. Source: `ld2string` with `LD_STR_HUMAN` of redis-server 7.0.15.
    pub fn to_human(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.kind {
            Kind::Nan => return b"nan".to_vec(),
            Kind::Infinite => out.extend_from_slice(b"inf"),
            Kind::Finite {
                significand,
                exponent,
            } if exponent >= 0 => {
                out.extend_from_slice(
                    (BigUint::from(significand) << exponent)
                        .to_string()
                        .as_bytes(),
                );
            }
            Kind::Finite {
                significand,
                exponent,
            } => write_with_fraction(&mut out, significand, -exponent),
        }
        if self.negative && out != b"0" {
            out.insert(0, b'-');
        }
        out
    }
}

/// The sum, rounded once; opposite infinities give NaN.
impl Add for LongDouble {
    type Output = LongDouble;

    fn add(self, other: LongDouble) -> LongDouble {
        let (
            Kind::Finite {
                significand: a,
                exponent: a_exponent,
            },
            Kind::Finite {
                significand: b,
                exponent: b_exponent,
            },
        ) = (self.kind, other.kind)
        else {
            return self.add_special(other);
        };
        if a == 0 || b == 0 {
            // Two zeros are negative only if both are; else the zero changes nothing.
            return match (a, b) {
                (0, 0) => LongDouble {
                    negative: self.negative && other.negative,
                    kind: Kind::ZERO,
                },
                (0, _) => other,
                _ => self,
            };
        }
        let ((high, high_negative, high_exponent), (low, low_negative, low_exponent)) =
            if (a_exponent, a) >= (b_exponent, b) {
                (
                    (a, self.negative, a_exponent),
                    (b, other.negative, b_exponent),
                )
            } else {
                (
                    (b, other.negative, b_exponent),
                    (a, self.negative, a_exponent),
                )
            };
        // 63 extra bits below the larger number, one free above it for the carry. What the smaller one loses to the right
        // is remembered in its last bit, too far down to decide more than a tie.
        const EXTRA_BITS: i64 = 63;
        let distance = high_exponent - low_exponent;
        let wide_high = u128::from(high) << EXTRA_BITS;
        let wide_low = u128::from(low) << EXTRA_BITS;
        let shifted = if distance > 127 {
            0
        } else {
            wide_low >> distance
        };
        let lost = distance > 127 || shifted << distance != wide_low;
        let wide_low = shifted | u128::from(lost);
        let sum = if high_negative == low_negative {
            wide_high + wide_low
        } else {
            wide_high - wide_low
        };
        match EXTENDED.round(sum, high_exponent - EXTRA_BITS, false) {
            Rounded::Finite {
                significand,
                exponent,
            } => LongDouble {
                negative: high_negative,
                kind: Kind::Finite {
                    significand,
                    exponent,
                },
            },
            Rounded::Overflow => LongDouble {
                negative: high_negative,
                kind: Kind::Infinite,
            },
            // Sums of subnormal numbers are exact, so this is x + -x, which is +0.
            Rounded::Zero => LongDouble::ZERO,
        }
    }
}

/// Appends `significand / 2^halvings`, rounded to 17 places.
fn write_with_fraction(out: &mut Vec<u8>, significand: u64, halvings: i64) {
    const PLACES: usize = 17;
    // Counted in units of the last place, 121 bits at most.
    let units = u128::from(significand) * 10u128.pow(PLACES as u32);
    let units = if halvings >= 128 {
        0
    } else {
        let whole = units >> halvings;
        let half = 1u128 << (halvings - 1);
        let below = units & (half | (half - 1));
        whole + u128::from(below > half || (below == half && whole & 1 == 1))
    };
    let text = format!("{units:018}");
    let (integer, fraction) = text.as_bytes().split_at(text.len() - PLACES);
    out.extend_from_slice(integer);
    let trailing_zeros = fraction
        .iter()
        .rev()
        .take_while(|&&digit| digit == b'0')
        .count();
    if trailing_zeros < PLACES {
        out.push(b'.');
        out.extend_from_slice(&fraction[..PLACES - trailing_zeros]);
    }
}

fn decimal(integer: &[u8], fraction: &[u8], exponent: i64) -> Option<Kind> {
    let digits: Vec<u8> = integer
        .iter()
        .chain(fraction)
        .copied()
        .skip_while(|&digit| digit == b'0')
        .collect();
    if digits.is_empty() {
        return Some(Kind::ZERO);
    }
    let exponent = exponent - fraction.len() as i64;
    // The largest number has 4,933 digits and the smallest begins 4,950 places behind the point: what is clearly beyond
    // needs no big powers, so the work is bounded by the text's length and not by the exponent that it claims.
    let first_digit_exponent = exponent + digits.len() as i64;
    if !(-5_000..=5_000).contains(&first_digit_exponent) {
        return None;
    }
    let digits = BigUint::parse_bytes(&digits, 10)?;
    let power = BigUint::from(10u8).pow(exponent.unsigned_abs() as u32);
    if exponent >= 0 {
        return in_range(round_big(&(digits * power), 0, false));
    }
    // A quotient of at least 127 bits; the remainder only matters for being there.
    let shift = (127 + power.bits() as i64 - digits.bits() as i64).max(0);
    let dividend = digits << shift;
    let quotient = &dividend / &power;
    let exact = &quotient * &power == dividend;
    in_range(round_big(&quotient, -shift, !exact))
}

/// Rounds `value * 2^exponent`; `sticky` as for [`Format::round`].
fn round_big(value: &BigUint, exponent: i64, sticky: bool) -> Rounded {
    let excess_bits = value.bits().saturating_sub(128);
    let lost = value
        .trailing_zeros()
        .is_some_and(|zeros| zeros < excess_bits);
    let mut limbs = (value >> excess_bits)
        .iter_u64_digits()
        .collect::<Vec<_>>()
        .into_iter();
    let low = limbs.next().unwrap_or(0);
    let high = limbs.next().unwrap_or(0);
    EXTENDED.round(
        u128::from(high) << 64 | u128::from(low),
        exponent + excess_bits as i64,
        sticky || lost,
    )
}

/// `None` for what C calls a range error, given that the number is not zero.
fn in_range(rounded: Rounded) -> Option<Kind> {
    match rounded {
        Rounded::Finite {
            significand,
            exponent,
        } => Some(Kind::Finite {
            significand,
            exponent,
        }),
        Rounded::Zero | Rounded::Overflow => None,
    }
}

#[cfg(test)]
mod tests {
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
}
