//! The grammar of C's `strtod`, and rounding to a binary format: what `float` and `long_double` share.
//!
//! The whole text has to be the number: Redis refuses leading space, trailing bytes (a NUL included) and NaN, so those are
//! not part of the grammar here.

/// A number as written, before rounding.
pub(super) struct Number<'a> {
    pub negative: bool,
    pub magnitude: Magnitude<'a>,
}

pub(super) enum Magnitude<'a> {
    Infinite,
    /// `integer.fraction * 10^exponent`; the parts hold decimal digits only and are not both empty.
    Decimal {
        integer: &'a [u8],
        fraction: &'a [u8],
        exponent: i64,
    },
    /// `significand * 2^exponent`; `sticky` says that nonzero bits below the significand were dropped, which happens only
    /// when it has more than 120 bits.
    Hex {
        significand: u128,
        sticky: bool,
        exponent: i64,
    },
}

/// Exponents are clamped to this magnitude: far beyond every format, and sums with a text's length cannot overflow.
const EXPONENT_MAX: i64 = 1 << 60;

/// Splits a whole text into sign, digits and exponent; `None` if it is not a number (NaN is not one).
///
/// Source: C17 7.22.1.3 as glibc implements it in the C locale.
pub(super) fn scan(text: &[u8]) -> Option<Number<'_>> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let magnitude = match unsigned {
        [b'0', b'x' | b'X', rest @ ..] => scan_hex(rest)?,
        [b'0'..=b'9' | b'.', ..] => scan_decimal(unsigned)?,
        word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => {
            Magnitude::Infinite
        }
        _ => return None,
    };
    Some(Number {
        negative,
        magnitude,
    })
}

fn scan_decimal(text: &[u8]) -> Option<Magnitude<'_>> {
    let (integer, fraction, rest) = split_digits(text, u8::is_ascii_digit)?;
    let exponent = scan_exponent(rest, b'e')?;
    Some(Magnitude::Decimal {
        integer,
        fraction,
        exponent,
    })
}

fn scan_hex(text: &[u8]) -> Option<Magnitude<'_>> {
    let (integer, fraction, rest) = split_digits(text, u8::is_ascii_hexdigit)?;
    let written = scan_exponent(rest, b'p')?;
    let mut significand = 0u128;
    let mut sticky = false;
    let mut dropped_digits = 0i64;
    for &byte in integer.iter().chain(fraction) {
        let digit = u128::from((byte as char).to_digit(16)?);
        if significand >> 120 == 0 {
            significand = significand << 4 | digit;
        } else {
            sticky |= digit != 0;
            dropped_digits += 1;
        }
    }
    let exponent = written + 4 * (dropped_digits - fraction.len() as i64);
    Some(Magnitude::Hex {
        significand,
        sticky,
        exponent,
    })
}

/// Digits, an optional point and more digits; at least one digit in all.
fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(&[u8], &[u8], &[u8])> {
    let run = |text: &[u8]| {
        text.iter()
            .position(|byte| !is_digit(byte))
            .unwrap_or(text.len())
    };
    let (integer, rest) = text.split_at(run(text));
    let (fraction, rest) = match rest {
        [b'.', after @ ..] => after.split_at(run(after)),
        _ => (&rest[..0], rest),
    };
    (!integer.is_empty() || !fraction.is_empty()).then_some((integer, fraction, rest))
}

/// Nothing, or the marker (either case), an optional sign and at least one digit up to the end of the text.
fn scan_exponent(text: &[u8], marker: u8) -> Option<i64> {
    let [first, rest @ ..] = text else {
        return Some(0);
    };
    if !first.eq_ignore_ascii_case(&marker) {
        return None;
    }
    let (negative, digits) = match rest {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0, |value: i64, digit| {
        (value * 10 + i64::from(digit - b'0')).min(EXPONENT_MAX / 16)
    });
    Some(if negative { -magnitude } else { magnitude })
}

/// A binary floating-point format: numbers `significand * 2^exponent` with a significand below `2^bits`.
pub(super) struct Format {
    pub bits: u32,
    /// Exponent of the last bit of the smallest numbers (the subnormal ones).
    pub exponent_min: i64,
    /// Exponent of the last bit of the largest numbers.
    pub exponent_max: i64,
}

pub(super) enum Rounded {
    /// The nearest number is zero.
    Zero,
    /// The significand has exactly `bits` bits, or fewer when the exponent is the least one.
    Finite { significand: u64, exponent: i64 },
    /// The nearest number is beyond the largest one.
    Overflow,
}

impl Format {
    /// Rounds `significand * 2^exponent` to the nearest number, ties to even.
    ///
    /// `sticky` stands for nonzero bits below the significand, which then must have more bits than the format.
    pub fn round(&self, significand: u128, exponent: i64, sticky: bool) -> Rounded {
        if significand == 0 {
            return Rounded::Zero;
        }
        let length = 128 - i64::from(significand.leading_zeros());
        let bits = i64::from(self.bits);
        let dropped_bits = (length - bits).max(self.exponent_min - exponent);
        let (mut kept, mut exponent) = match dropped_bits {
            129.. => return Rounded::Zero,
            1.. => {
                let kept = significand.checked_shr(dropped_bits as u32).unwrap_or(0);
                let half = 1u128 << (dropped_bits - 1);
                let below = significand & (half | (half - 1));
                let up = below > half || (below == half && (sticky || kept & 1 == 1));
                (kept + u128::from(up), exponent + dropped_bits)
            }
            _ => {
                let shift = (bits - length).min(exponent - self.exponent_min);
                (significand << shift, exponent - shift)
            }
        };
        if kept >> self.bits != 0 {
            // Rounding up carried into a new bit; the one that goes is zero.
            kept >>= 1;
            exponent += 1;
        }
        match kept as u64 {
            0 => Rounded::Zero,
            _ if exponent > self.exponent_max => Rounded::Overflow,
            significand => Rounded::Finite {
                significand,
                exponent,
            },
        }
    }
}
