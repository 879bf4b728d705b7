//! Integers in their one canonical decimal form, the form that Redis accepts as a number.
//!
//! Accepted is exactly what the writers here produce: an optional `-`, no `+`, no leading zero, no space, no `-0`. So a text
//! that parses can be stored as the integer and printed back without a difference.

/// The integer that `text` is, or `None` if it is not its canonical form or does not fit.
///
/// Source: `string2ll` of redis-server 7.0.15.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => match parse_u64(digits)? {
            0 => None,
            magnitude => 0i64.checked_sub_unsigned(magnitude),
        },
        digits => i64::try_from(parse_u64(digits)?).ok(),
    }
}

/// The unsigned integer that `text` is, by the same strict rule.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match *text {
        [digit @ b'0'..=b'9'] => return Some(u64::from(digit - b'0')),
        [b'1'..=b'9', ..] if text.len() <= 20 => {}
        _ => return None,
    }
    // Nineteen digits always fit, so only a twentieth needs the checks.
    let (unchecked, last) = text.split_at(text.len().min(19));
    let mut value = 0u64;
    for &byte in unchecked {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match last {
        [] => Some(value),
        [byte @ b'0'..=b'9', ..] => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    }
}

/// An integer's decimal text, without a heap.
#[derive(Clone, Copy)]
pub struct IntText {
    bytes: [u8; 20],
    start: u8,
}

impl IntText {
    /// The text of `value`.
    #[inline]
    pub fn new(value: i64) -> IntText {
        let mut bytes = [0; 20];
        let mut start = fill_u64(&mut bytes, value.unsigned_abs());
        if value < 0 {
            // The magnitude of an i64 has at most nineteen digits.
            start -= 1;
            bytes[start] = b'-';
        }
        IntText {
            bytes,
            start: start as u8,
        }
    }

    /// The digits, with their sign.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// Appends `value` in decimal.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    write_u64(out, value.unsigned_abs());
}

/// Appends `value` in decimal.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; 20];
    let start = fill_u64(&mut digits, value);
    out.extend_from_slice(&digits[start..]);
}

/// Writes `value` at the end of `digits`; gives where it begins.
#[inline]
fn fill_u64(digits: &mut [u8; 20], mut value: u64) -> usize {
    let mut start = digits.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        start -= 2;
        digits[start..start + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        start -= 1;
        digits[start] = b'0' + value as u8;
    }
    start
}

/// `00` to `99`, one after the other: halves the divisions of a long number.
static PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut value = 0;
    while value < 100 {
        pairs[value * 2] = b'0' + (value / 10) as u8;
        pairs[value * 2 + 1] = b'0' + (value % 10) as u8;
        value += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        write_i64(&mut out, value);
        out
    }

    #[test]
    fn accepts_the_canonical_form_only() {
        for (text, value) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("1000000000000000000", Some(1_000_000_000_000_000_000)),
            ("", None),
            ("-", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("00", None),
            ("-01", None),
            (" 1", None),
            ("1 ", None),
            ("1\0", None),
            ("1.0", None),
            ("--1", None),
            ("0x1", None),
            ("a", None),
            (":", None),
            ("/", None),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("18446744073709551615", None),
            ("18446744073709551616", None),
            ("99999999999999999999", None),
            ("1000000000000000000000000000000000000", None),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn the_least_integer_fits_its_text() {
        assert_eq!(IntText::new(i64::MIN).as_bytes(), b"-9223372036854775808");
        assert_eq!(IntText::new(0).as_bytes(), b"0");
    }

    #[test]
    fn unsigned_reaches_one_bit_further() {
        for (text, value) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("18446744073709551616", None),
            ("1844674407370955161a", None),
            ("20000000000000000000", None),
            ("-1", None),
            ("01", None),
            ("", None),
        ] {
            assert_eq!(parse_u64(text.as_bytes()), value, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn writes_what_std_writes_and_reads_it_back(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(written(value), value.to_string().into_bytes());
            prop_assert_eq!(parse_i64(&written(value)), Some(value));
            let text = IntText::new(value);
            prop_assert_eq!(text.as_bytes(), written(value));
        }

        #[test]
        fn what_parses_prints_back_unchanged(text in "-?[0-9]{0,21}") {
            if let Some(value) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(written(value), text.into_bytes());
            }
        }
    }
}
