//! How numbers are read and written: integers, sizes in bytes, shares, octal modes.
//!
//! Errors are the texts of redis-server 7.0.15 (`config.c`), which `CONFIG SET` and the start both show.

use std::marker::PhantomData;

use super::setting::{Form, Origin};
use super::words;

/// The integer types of settings. Bounds are `i64`, so that a table can be checked without knowing the type.
pub trait Integer: Copy + PartialEq {
    /// The value as this type; `None` where it does not fit.
    fn from_i64(value: i64) -> Option<Self>;
    /// The value, which came from an `i64`.
    fn to_i64(self) -> i64;
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Integer for $type {
            fn from_i64(value: i64) -> Option<Self> {
                Self::try_from(value).ok()
            }
            fn to_i64(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        })*
    };
}
integers!(u16, u32, u64, usize, i32, i64);

/// A decimal integer from `min` to `max`.
pub struct Int<T> {
    min: i64,
    max: i64,
    of: PhantomData<T>,
}

/// A decimal integer from `min` to `max`, both of which the field's type holds.
pub const fn int<T>(min: i64, max: i64) -> Int<T> {
    assert!(min <= max);
    Int {
        min,
        max,
        of: PhantomData,
    }
}

impl<T: Integer> Form for Int<T> {
    type Value = T;

    fn read(&self, _old: &T, words: &[Vec<u8>], _origin: Origin) -> Result<T, String> {
        let value =
            parse_integer(&words[0]).ok_or("argument couldn't be parsed into an integer")?;
        match T::from_i64(value) {
            Some(number) if (self.min..=self.max).contains(&value) => Ok(number),
            _ => Err(format!(
                "argument must be between {} and {} inclusive",
                self.min, self.max
            )),
        }
    }

    fn show(&self, value: &T) -> Vec<u8> {
        value.to_i64().to_string().into_bytes()
    }
}

/// A decimal integer from 0 up that is moved into `min..=max`; Redis's `hz`.
pub struct Clamped {
    /// The least value used.
    pub min: u32,
    /// The greatest value used.
    pub max: u32,
}

impl Form for Clamped {
    type Value = u32;

    fn read(&self, old: &u32, words: &[Vec<u8>], origin: Origin) -> Result<u32, String> {
        let value = int(0, i32::MAX as i64).read(old, words, origin)?;
        Ok(value.clamp(self.min, self.max))
    }

    fn show(&self, value: &u32) -> Vec<u8> {
        value.to_string().into_bytes()
    }
}

/// A number of bytes from `min` to `max`, with the units `b`, `k`, `kb`, `m`, `mb`, `g` and `gb`.
pub struct Memory {
    /// The least value taken.
    pub min: u64,
    /// The greatest value taken.
    pub max: u64,
}

/// The greatest value of a C `long`, which bounds most of Redis's sizes.
pub const LONG_MAX: u64 = i64::MAX as u64;

impl Form for Memory {
    type Value = u64;

    fn read(&self, _old: &u64, words: &[Vec<u8>], _origin: Origin) -> Result<u64, String> {
        let value = parse_memory(&words[0]).ok_or("argument must be a memory value")?;
        if (self.min..=self.max).contains(&value) {
            Ok(value)
        } else {
            Err(format!(
                "argument must be between {} and {} inclusive",
                self.min, self.max
            ))
        }
    }

    fn show(&self, value: &u64) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    fn lines(&self, value: &u64) -> Vec<Vec<u8>> {
        vec![memory_text(*value).into_bytes()]
    }
}

/// A number of bytes, or a share of memory in percent, up to 100; Redis's `maxmemory-clients`.
pub struct MemoryOrPercent;

/// A number of bytes or a share, as `maxmemory-clients` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// This many bytes.
    Bytes(u64),
    /// This many hundredths of `maxmemory`.
    Percent(u64),
}

impl Form for MemoryOrPercent {
    type Value = Share;

    fn read(&self, _old: &Share, words: &[Vec<u8>], _origin: Origin) -> Result<Share, String> {
        if let Some(bytes) = parse_memory(&words[0]).filter(|&bytes| bytes <= LONG_MAX) {
            return Ok(Share::Bytes(bytes));
        }
        let percent = words[0].strip_suffix(b"%").and_then(parse_integer);
        match percent.and_then(|percent| u64::try_from(percent).ok()) {
            Some(percent) if percent <= 100 => Ok(Share::Percent(percent)),
            Some(_) => Err("percentage argument must be less or equal to 100".to_string()),
            None => Err("argument must be a memory or percent value".to_string()),
        }
    }

    fn show(&self, value: &Share) -> Vec<u8> {
        match value {
            Share::Bytes(bytes) => bytes.to_string().into_bytes(),
            Share::Percent(percent) => format!("{percent}%").into_bytes(),
        }
    }
}

/// A file mode in octal, from 0 to 777.
pub struct Mode;

impl Form for Mode {
    type Value = u32;

    fn read(&self, _old: &u32, words: &[Vec<u8>], _origin: Origin) -> Result<u32, String> {
        let mode = std::str::from_utf8(&words[0])
            .ok()
            .filter(|text| !text.starts_with('+'))
            .and_then(|text| i64::from_str_radix(text, 8).ok())
            .ok_or("argument couldn't be parsed as an octal number")?;
        u32::try_from(mode)
            .ok()
            .filter(|&mode| mode <= 0o777)
            .ok_or_else(|| "argument must be between 0 and 777 inclusive".to_string())
    }

    fn show(&self, value: &u32) -> Vec<u8> {
        format!("{value:o}").into_bytes()
    }
}

/// A decimal integer without blanks, plus sign or leading zeros; Redis's `string2ll`.
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// A number of bytes with an optional unit. No digits at all are 0, as in Redis's `memtoull`; what does not fit 64 bits is
/// refused, where Redis wraps.
pub(super) fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits_end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let unit_bytes: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1000 * 1000,
        b"mb" => 1 << 20,
        b"g" => 1000 * 1000 * 1000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if digits.is_empty() {
        return Some(0);
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    count.checked_mul(unit_bytes)
}

/// A number of bytes in the largest unit that divides it, as `CONFIG REWRITE` writes it.
pub(super) fn memory_text(bytes: u64) -> String {
    for (unit_bytes, unit) in [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(unit_bytes) {
            return format!("{}{unit}", bytes / unit_bytes);
        }
    }
    bytes.to_string()
}

/// The whole text as C's `strtoll` reads it: leading blanks and a sign are taken, nothing is 0, and what does not fit is the
/// nearest end of the range. `None` when anything follows the digits.
pub(super) fn parse_c_integer(text: &[u8]) -> Option<i64> {
    let blanks = text
        .iter()
        .take_while(|&&byte| words::is_space(byte))
        .count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return text.is_empty().then_some(0);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = std::str::from_utf8(digits)
        .ok()?
        .parse::<i128>()
        .unwrap_or(i128::MAX);
    let value = if negative { -magnitude } else { magnitude };
    Some(i64::try_from(value).unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<F: Form>(form: &F, old: F::Value, text: &str) -> Result<F::Value, String> {
        form.read(&old, &[text.as_bytes().to_vec()], Origin::Command)
    }

    #[test]
    fn integers_are_strict_and_bounded() {
        let form = int::<u16>(0, 65535);
        assert_eq!(read(&form, 0, "6379"), Ok(6379));
        assert_eq!(read(&form, 0, "0"), Ok(0));
        for text in [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "1a",
            "99999999999999999999",
            "0x1",
            "-",
        ] {
            let error = "argument couldn't be parsed into an integer";
            assert_eq!(read(&form, 0, text), Err(error.to_string()), "{text:?}");
        }
        for text in ["65536", "-1", "9223372036854775807"] {
            let error = "argument must be between 0 and 65535 inclusive";
            assert_eq!(read(&form, 0, text), Err(error.to_string()), "{text:?}");
        }
        let form = int::<u64>(0, i64::MAX);
        assert_eq!(read(&form, 0, "9223372036854775807"), Ok(i64::MAX as u64));
        let error = "argument must be between 0 and 9223372036854775807 inclusive";
        assert_eq!(read(&form, 0, "-1"), Err(error.to_string()));
        assert_eq!(
            int::<i32>(i32::MIN as i64, i32::MAX as i64).show(&-2),
            b"-2"
        );
    }

    #[test]
    fn sizes_take_units_and_are_written_in_the_largest() {
        let form = Memory {
            min: 0,
            max: u64::MAX,
        };
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("7b", 7),
            ("1k", 1000),
            ("1kB", 1024),
            ("3m", 3_000_000),
            ("64MB", 64 << 20),
            ("1g", 1_000_000_000),
            ("2gb", 2 << 30),
            ("", 0),
            ("mb", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(&form, 0, text), Ok(bytes), "{text:?}");
        }
        for text in [
            "-1",
            "1q",
            "1 mb",
            "18446744073709551616",
            "99999999999gb",
            "mbx",
        ] {
            let error = "argument must be a memory value";
            assert_eq!(read(&form, 0, text), Err(error.to_string()), "{text:?}");
        }
        let bulk = Memory {
            min: 1 << 20,
            max: LONG_MAX,
        };
        let error = "argument must be between 1048576 and 9223372036854775807 inclusive";
        assert_eq!(read(&bulk, 0, "1"), Err(error.to_string()));
        assert_eq!(
            read(&bulk, 0, "18446744073709551615"),
            Err(error.to_string())
        );
        for (bytes, text) in [
            (0, "0"),
            (64 << 20, "64mb"),
            (3 << 30, "3gb"),
            (1536, "1536"),
            (2048, "2kb"),
        ] {
            assert_eq!(memory_text(bytes), text);
            assert_eq!(parse_memory(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn shares_are_bytes_or_percent() {
        let zero = Share::Bytes(0);
        assert_eq!(
            read(&MemoryOrPercent, zero, "1mb"),
            Ok(Share::Bytes(1 << 20))
        );
        assert_eq!(
            read(&MemoryOrPercent, zero, "100%"),
            Ok(Share::Percent(100))
        );
        let error = "percentage argument must be less or equal to 100";
        assert_eq!(read(&MemoryOrPercent, zero, "200%"), Err(error.to_string()));
        for text in ["%", "-1", "-1%", "x"] {
            let error = "argument must be a memory or percent value";
            assert_eq!(
                read(&MemoryOrPercent, zero, text),
                Err(error.to_string()),
                "{text:?}"
            );
        }
        assert_eq!(MemoryOrPercent.show(&Share::Percent(5)), b"5%");
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(read(&Mode, 0, "700"), Ok(0o700));
        assert_eq!(read(&Mode, 0, "0770"), Ok(0o770));
        for text in ["888", "", "7x", "999999999999999999999999"] {
            let error = "argument couldn't be parsed as an octal number";
            assert_eq!(read(&Mode, 0, text), Err(error.to_string()), "{text:?}");
        }
        for text in ["1000", "-1"] {
            let error = "argument must be between 0 and 777 inclusive";
            assert_eq!(read(&Mode, 0, text), Err(error.to_string()), "{text:?}");
        }
        assert_eq!(Mode.show(&0o755), b"755");
    }

    #[test]
    fn c_integers_saturate() {
        for (text, value) in [
            ("", Some(0)),
            (" 7", Some(7)),
            ("+7", Some(7)),
            ("-7", Some(-7)),
            ("007", Some(7)),
            (
                "99999999999999999999999999999999999999999999",
                Some(i64::MAX),
            ),
            ("-99999999999999999999", Some(i64::MIN)),
            ("7 ", None),
            ("-", None),
            (" ", None),
            ("x", None),
        ] {
            assert_eq!(parse_c_integer(text.as_bytes()), value, "{text:?}");
        }
    }
}
