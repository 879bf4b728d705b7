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
mod tests;
