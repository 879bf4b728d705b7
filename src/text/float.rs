//! Doubles: zset scores, float arguments and float replies.
//!
//! Reading is C's `strtod` with Redis's refusals, writing is C's `%.17g`; both exact for every double.

use super::int;
use super::number::{self, Format, Magnitude, Rounded};
use std::io::Write;

const DOUBLE: Format = Format {
    bits: 53,
    exponent_min: -1074,
    exponent_max: 971,
};

/// The double that `text` is; infinities are accepted when they are spelled out.
///
/// Refused: NaN, leading or trailing bytes of any kind, and finite numbers that round to infinity or, not being zero, to
/// zero. Source: `string2d` of redis-server 7.0.15 over glibc's `strtod`.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    match scan(text)? {
        (negative, Rounded64::In(magnitude)) => Some(signed(negative, magnitude)),
        (_, Rounded64::TooSmall | Rounded64::TooLarge) => None,
    }
}

/// What C's `strtod` makes of a text that it must take whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CNumber {
    /// Never NaN; infinite or zero when the text's number is beyond the doubles.
    pub value: f64,
    /// Whether C reports a range error. Subnormal results count as one: in decimal they are never exact.
    pub range_error: bool,
}

/// The number that `text` is to C: what SORT and the ends of score ranges read, more leniently than [`parse_f64`].
///
/// The text ends at its first NUL, nothing at all is zero, space may lead, and numbers beyond the doubles become infinite
/// or zero. Source: the `strtod` calls of `zslParseRange` and `sortCommandGeneric` in redis-server 7.0.15.
pub fn parse_f64_as_c(text: &[u8]) -> Option<CNumber> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(CNumber {
            value: 0.0,
            range_error: false,
        });
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let (negative, magnitude) = scan(&text[start..])?;
    let (magnitude, range_error) = match magnitude {
        Rounded64::In(magnitude) => (magnitude, magnitude.is_subnormal()),
        Rounded64::TooSmall => (0.0, true),
        Rounded64::TooLarge => (f64::INFINITY, true),
    };
    Some(CNumber {
        value: signed(negative, magnitude),
        range_error,
    })
}

/// The double nearest to an absolute value.
enum Rounded64 {
    In(f64),
    /// Zero, though the value is not.
    TooSmall,
    /// Infinite, though the value is not.
    TooLarge,
}

fn signed(negative: bool, magnitude: f64) -> f64 {
    if negative { -magnitude } else { magnitude }
}

/// Whether a whole text is a negative number, and its absolute value.
fn scan(text: &[u8]) -> Option<(bool, Rounded64)> {
    let number = number::scan(text)?;
    let magnitude = match number.magnitude {
        Magnitude::Infinite => Rounded64::In(f64::INFINITY),
        Magnitude::Decimal {
            integer,
            fraction,
            exponent,
        } => decimal(text, integer, fraction, exponent)?,
        Magnitude::Hex { significand: 0, .. } => Rounded64::In(0.0),
        Magnitude::Hex {
            significand,
            sticky,
            exponent,
        } => match DOUBLE.round(significand, exponent, sticky) {
            Rounded::Finite {
                significand,
                exponent,
            } => Rounded64::In(from_parts(significand, exponent)),
            Rounded::Zero => Rounded64::TooSmall,
            Rounded::Overflow => Rounded64::TooLarge,
        },
    };
    Some((number.negative, magnitude))
}

/// The absolute value of a decimal number, by `std` (which rounds correctly).
fn decimal(text: &[u8], integer: &[u8], fraction: &[u8], exponent: i64) -> Option<Rounded64> {
    let zeros = |digits: &[u8]| digits.iter().take_while(|&&digit| digit == b'0').count();
    let leading = zeros(integer);
    let first_digit_exponent = if leading < integer.len() {
        (integer.len() - leading) as i64 + exponent
    } else if zeros(fraction) < fraction.len() {
        exponent - zeros(fraction) as i64
    } else {
        return Some(Rounded64::In(0.0));
    };
    // `std` clamps exponents of more than five digits, which long runs of zeros could make up for.
    if first_digit_exponent > 400 {
        return Some(Rounded64::TooLarge);
    }
    if first_digit_exponent < -400 {
        return Some(Rounded64::TooSmall);
    }
    let value = if exponent.abs() < 10_000 {
        std::str::from_utf8(text).ok()?.parse::<f64>().ok()?.abs()
    } else {
        let mut plain = b"0.".to_vec();
        let digits = integer
            .iter()
            .chain(fraction)
            .skip_while(|&&digit| digit == b'0');
        plain.extend(digits);
        write!(plain, "e{first_digit_exponent}").ok()?;
        std::str::from_utf8(&plain).ok()?.parse::<f64>().ok()?
    };
    Some(if value.is_infinite() {
        Rounded64::TooLarge
    } else if value == 0.0 {
        Rounded64::TooSmall
    } else {
        Rounded64::In(value)
    })
}

fn from_parts(significand: u64, exponent: i64) -> f64 {
    const FRACTION_BITS: u32 = 52;
    if significand >> FRACTION_BITS == 0 {
        return f64::from_bits(significand); // subnormal: the exponent is the least one
    }
    let biased = (exponent + 1 - DOUBLE.exponent_min) as u64;
    f64::from_bits(biased << FRACTION_BITS | (significand & ((1 << FRACTION_BITS) - 1)))
}

/// Appends `value` as C's `%.17g` prints it; infinities as `inf` and `-inf`, NaN as `nan`.
///
/// This is the form of every double in a reply of Redis 7.0, zset scores included: the text of a RESP2 bulk string, and what
/// follows the `,` in RESP3. Reading it back gives the same double. Source: `addReplyDouble` of redis-server 7.0.15.
pub fn write_f64_17g(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"nan");
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if magnitude < 1e17 && magnitude.fract() == 0.0 {
        // Whole numbers of up to 17 digits print in full; most scores are such.
        int::write_u64(out, magnitude as u64);
    } else {
        write_digits(out, magnitude);
    }
}

/// `%.17g` of a positive finite number from its 17 correctly rounded digits.
fn write_digits(out: &mut Vec<u8>, magnitude: f64) {
    const DIGITS: usize = 17;
    let mut text = [0u8; 32];
    let mut rest = &mut text[..];
    // "d.dddddddddddddddde-ddd" is at most 23 bytes long.
    write!(rest, "{magnitude:.16e}").expect("fits");
    let unused = rest.len();
    let text = &text[..32 - unused];
    let (mantissa, exponent) = text.split_at(
        text.iter()
            .position(|&byte| byte == b'e')
            .expect("std writes an exponent"),
    );
    let exponent = int::parse_i64(&exponent[1..]).expect("std writes a plain exponent");
    let mut digits = [0u8; DIGITS];
    digits[0] = mantissa[0];
    digits[1..].copy_from_slice(&mantissa[2..]);
    let significant = DIGITS
        - digits
            .iter()
            .rev()
            .take_while(|&&digit| digit == b'0')
            .count();
    let digits = &digits[..significant];
    match exponent {
        -4..0 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-exponent - 1) as usize, b'0');
            out.extend_from_slice(digits);
        }
        0..17 => {
            let whole = exponent as usize + 1;
            if significant <= whole {
                out.extend_from_slice(digits);
                out.resize(out.len() + whole - significant, b'0');
            } else {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
        _ => {
            out.push(digits[0]);
            if significant > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                out.push(b'0');
            }
            int::write_u64(out, exponent.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests;
