//! Arguments that more than one family takes: integers, floats, expiry times, timeouts, ranges and the options of SCAN.
//!
//! Each function gives the error text of redis-server 7.0.15; the order in which a command checks its arguments is the
//! command's own affair.

use crate::clock::UnixMs;
use crate::error::{
    INVALID_CURSOR, MUST_BE_POSITIVE, NOT_A_FLOAT, NOT_AN_INTEGER, ReplyError, SYNTAX,
    TIMEOUT_NEGATIVE, TIMEOUT_NOT_FLOAT, invalid_expire,
};
use crate::resp::Args;
use crate::text::float::parse_f64;
use crate::text::glob;
use crate::text::int::parse_i64;
use crate::text::long_double::LongDouble;

// ---- numbers ----

/// An integer, or `ERR value is not an integer or out of range`.
pub fn integer(arg: &[u8]) -> Result<i64, ReplyError> {
    parse_i64(arg).ok_or(NOT_AN_INTEGER)
}

/// An integer from `min` to `max`; anything else, text that is no integer included, is `otherwise`.
pub fn integer_within(
    arg: &[u8],
    min: i64,
    max: i64,
    otherwise: ReplyError,
) -> Result<i64, ReplyError> {
    parse_i64(arg)
        .filter(|value| (min..=max).contains(value))
        .ok_or(otherwise)
}

/// An integer that is not negative, or `ERR value is out of range, must be positive` (for text that is no integer too).
pub fn non_negative(arg: &[u8]) -> Result<u64, ReplyError> {
    parse_i64(arg)
        .and_then(|value| u64::try_from(value).ok())
        .ok_or(MUST_BE_POSITIVE)
}

/// An integer from `min` to `max`: not an integer and out of range are two errors here, with Redis's grammar.
pub fn integer_between(arg: &[u8], min: i64, max: i64) -> Result<i64, ReplyError> {
    let value = integer(arg)?;
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ReplyError::new(format!(
        "ERR value is out of range, value must between {min} and {max}"
    )))
}

/// A number that fits 32 bits, as database indexes are read.
pub fn integer32(arg: &[u8]) -> Result<i32, ReplyError> {
    integer_between(arg, i64::from(i32::MIN), i64::from(i32::MAX)).map(|value| value as i32)
}

/// A double, or `ERR value is not a valid float`.
pub fn float(arg: &[u8]) -> Result<f64, ReplyError> {
    parse_f64(arg).ok_or(NOT_A_FLOAT)
}

/// A long double, or `ERR value is not a valid float`.
pub fn long_double(arg: &[u8]) -> Result<LongDouble, ReplyError> {
    LongDouble::parse(arg).ok_or(NOT_A_FLOAT)
}

/// An index range from the client, negative ones counted from the end, clipped to `len` elements: first and last, both
/// inclusive. `None` when nothing is in it. The rule of LRANGE, ZRANGE, LTRIM; GETRANGE differs for negative ends.
pub fn index_range(start: i64, stop: i64, len: u64) -> Option<(u64, u64)> {
    let from_end = |index: i64| match u64::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => len.checked_sub(index.unsigned_abs()),
    };
    let first = from_end(start).unwrap_or(0);
    let last = from_end(stop)?.min(len.checked_sub(1)?);
    (first <= last).then_some((first, last))
}

// ---- time ----

/// How a command counts the time that it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
}

/// Where a command's time counts from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeBase {
    /// From now on: EX, PX, EXPIRE, PEXPIRE.
    Now,
    /// From the epoch: EXAT, PXAT, EXPIREAT, PEXPIREAT.
    Epoch,
}

/// The point in time of a value's expiry option (`EX 10`, `PXAT 1700000000000`; SETEX). It must lie after the epoch and the
/// number must be positive, else `ERR invalid expire time in 'command' command`; it may lie in the past.
pub fn expire_option(
    arg: &[u8],
    unit: TimeUnit,
    base: TimeBase,
    now: UnixMs,
    command: &str,
) -> Result<UnixMs, ReplyError> {
    let number = integer(arg)?;
    let milliseconds = match unit {
        TimeUnit::Seconds => number.checked_mul(1000),
        TimeUnit::Milliseconds => Some(number),
    };
    let at = milliseconds
        .filter(|&milliseconds| milliseconds > 0)
        .and_then(|milliseconds| match base {
            TimeBase::Now => milliseconds.checked_add(now.0 as i64),
            TimeBase::Epoch => Some(milliseconds),
        });
    match at {
        Some(at) => Ok(UnixMs(at as u64)),
        None => Err(invalid_expire(command)),
    }
}

/// The timeout of a blocking command, in milliseconds: a double of seconds, rounded up. `None` (zero) is to wait for ever.
pub fn blocking_timeout(arg: &[u8]) -> Result<Option<u64>, ReplyError> {
    let seconds = LongDouble::parse(arg).ok_or(TIMEOUT_NOT_FLOAT)?;
    match u64::try_from(seconds.ceil_thousandfold()) {
        Ok(0) => Ok(None),
        Ok(milliseconds) => Ok(Some(milliseconds)),
        Err(_) => Err(TIMEOUT_NEGATIVE),
    }
}

/// A timeout given as an integer of milliseconds (WAIT, XREAD BLOCK). `None` (zero) is to wait for ever.
pub fn timeout_ms(arg: &[u8]) -> Result<Option<u64>, ReplyError> {
    const NOT_AN_INTEGER: ReplyError =
        ReplyError::fixed("ERR timeout is not an integer or out of range");
    match u64::try_from(parse_i64(arg).ok_or(NOT_AN_INTEGER)?) {
        Ok(0) => Ok(None),
        Ok(milliseconds) => Ok(Some(milliseconds)),
        Err(_) => Err(TIMEOUT_NEGATIVE),
    }
}

// ---- iterations ----

/// The cursor of SCAN, HSCAN, SSCAN and ZSCAN: what C's `strtoul` makes of the text, without leading space.
pub fn cursor(arg: &[u8]) -> Result<u64, ReplyError> {
    // A C string ends at its first NUL.
    let text = arg.split(|&byte| byte == 0).next().unwrap_or_default();
    let (negative, digits) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(INVALID_CURSOR);
    }
    let magnitude = digits.iter().try_fold(0u64, |value, &byte| {
        let digit = (byte as char).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    });
    match magnitude {
        Some(magnitude) if negative => Ok(magnitude.wrapping_neg()),
        Some(magnitude) => Ok(magnitude),
        None => Err(INVALID_CURSOR),
    }
}

/// The options behind a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions<'a> {
    /// About how many elements an answer has; at least 1.
    pub count: u64,
    /// Which elements the client wants; `None` is all.
    pub pattern: Option<&'a [u8]>,
    /// SCAN only: which type the keys must have.
    pub type_name: Option<&'a [u8]>,
}

impl ScanOptions<'_> {
    /// Whether the client wants an element of this name.
    pub fn wants(&self, element: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, element, false))
    }
}

/// The options of an iteration, from argument `first` on. `TYPE` is one of SCAN's only.
pub fn scan_options(
    args: Args<'_>,
    first: usize,
    with_type: bool,
) -> Result<ScanOptions<'_>, ReplyError> {
    let mut options = ScanOptions {
        count: 10,
        pattern: None,
        type_name: None,
    };
    let mut at = first;
    while at < args.len() {
        let value = args.get(at + 1).ok_or(SYNTAX)?;
        if args.is(at, "count") {
            options.count = u64::try_from(integer(value)?)
                .ok()
                .filter(|&count| count > 0)
                .ok_or(SYNTAX)?;
        } else if args.is(at, "match") {
            // `*` alone matches everything, the empty name too, which the glob itself does not.
            options.pattern = (value != b"*").then_some(value);
        } else if with_type && args.is(at, "type") {
            options.type_name = Some(value);
        } else {
            return Err(SYNTAX);
        }
        at += 2;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    #[test]
    fn integers_have_redis_errors() {
        assert_eq!(integer(b"-7"), Ok(-7));
        assert_eq!(integer(b"1.0"), Err(NOT_AN_INTEGER));
        assert_eq!(non_negative(b"0"), Ok(0));
        assert_eq!(non_negative(b"-1"), Err(MUST_BE_POSITIVE));
        assert_eq!(non_negative(b"x"), Err(MUST_BE_POSITIVE));
        assert_eq!(integer32(b"x"), Err(NOT_AN_INTEGER));
        assert_eq!(
            integer32(b"99999999999"),
            Err(ReplyError::fixed(
                "ERR value is out of range, value must between -2147483648 and 2147483647"
            ))
        );
        assert_eq!(integer_within(b"5", 1, 9, SYNTAX), Ok(5));
        assert_eq!(integer_within(b"0", 1, 9, SYNTAX), Err(SYNTAX));
        assert_eq!(integer_within(b"five", 1, 9, SYNTAX), Err(SYNTAX));
        assert_eq!(float(b"1.5"), Ok(1.5));
        assert_eq!(float(b"1.5 "), Err(NOT_A_FLOAT));
        assert_eq!(long_double(b"nan"), Err(NOT_A_FLOAT));
    }

    #[test]
    fn index_ranges_are_clipped() {
        for (start, stop, len, expected) in [
            (0, -1, 3, Some((0, 2))),
            (0, 99, 3, Some((0, 2))),
            (-2, -1, 3, Some((1, 2))),
            (-99, 0, 3, Some((0, 0))),
            (2, 1, 3, None),
            (3, 5, 3, None),
            (0, -4, 3, None),
            (-1, -2, 3, None),
            (0, 0, 0, None),
            (0, -1, 0, None),
            (i64::MIN, i64::MAX, 3, Some((0, 2))),
            (i64::MAX, i64::MIN, 3, None),
        ] {
            assert_eq!(
                index_range(start, stop, len),
                expected,
                "{start} {stop} of {len}"
            );
        }
    }

    #[test]
    fn expiry_options_lie_after_the_epoch() {
        use TimeBase::{Epoch, Now};
        use TimeUnit::{Milliseconds, Seconds};
        let now = UnixMs(1_000_000);
        let invalid = || Err(invalid_expire("set"));
        for (arg, unit, base, expected) in [
            ("10", Seconds, Now, Ok(UnixMs(1_010_000))),
            ("10", Milliseconds, Now, Ok(UnixMs(1_000_010))),
            ("10", Seconds, Epoch, Ok(UnixMs(10_000))),
            ("1", Milliseconds, Epoch, Ok(UnixMs(1))),
            ("0", Seconds, Now, invalid()),
            ("-1", Milliseconds, Epoch, invalid()),
            ("9223372036854776", Seconds, Epoch, invalid()),
            ("9223372036854775", Seconds, Now, invalid()),
            ("9223372036854775807", Milliseconds, Now, invalid()),
            (
                "9223372036854775807",
                Milliseconds,
                Epoch,
                Ok(UnixMs(i64::MAX as u64)),
            ),
            ("x", Seconds, Now, Err(NOT_AN_INTEGER)),
        ] {
            let at = expire_option(arg.as_bytes(), unit, base, now, "set");
            assert_eq!(at, expected, "{arg} {unit:?} {base:?}");
        }
    }

    #[test]
    fn timeouts_are_those_of_redis() {
        for (arg, expected) in [
            ("0", Ok(None)),
            ("-0.0001", Ok(None)),
            ("0.0001", Ok(Some(1))),
            ("1.5", Ok(Some(1500))),
            ("0x1p-3", Ok(Some(125))),
            ("-1", Err(TIMEOUT_NEGATIVE)),
            ("1e400", Err(TIMEOUT_NEGATIVE)),
            ("inf", Err(TIMEOUT_NEGATIVE)),
            ("nan", Err(TIMEOUT_NOT_FLOAT)),
            ("", Err(TIMEOUT_NOT_FLOAT)),
        ] {
            assert_eq!(blocking_timeout(arg.as_bytes()), expected, "{arg:?}");
        }
        assert_eq!(timeout_ms(b"0"), Ok(None));
        assert_eq!(timeout_ms(b"20"), Ok(Some(20)));
        assert_eq!(timeout_ms(b"-1"), Err(TIMEOUT_NEGATIVE));
        assert_eq!(
            timeout_ms(b"1.5").map_err(|error| error.text().to_vec()),
            Err(b"ERR timeout is not an integer or out of range".to_vec())
        );
    }

    #[test]
    fn cursors_are_read_as_c_reads_them() {
        for (arg, expected) in [
            (&b"0"[..], Ok(0)),
            (b"007", Ok(7)),
            (b"+1", Ok(1)),
            (b"-1", Ok(u64::MAX)),
            (b"18446744073709551615", Ok(u64::MAX)),
            (b"18446744073709551616", Err(INVALID_CURSOR)),
            (b"", Ok(0)),
            (b"1\0x", Ok(1)),
            (b" 1", Err(INVALID_CURSOR)),
            (b"1x", Err(INVALID_CURSOR)),
            (b"-", Err(INVALID_CURSOR)),
        ] {
            assert_eq!(cursor(arg), expected, "{arg:?}");
        }
    }

    #[test]
    fn scan_options_in_any_order_and_case() {
        let options = |words: &str, with_type| {
            let parts: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            scan_options(OwnedArgs::from_parts(&parts).as_args(), 2, with_type).map(|options| {
                (
                    options.count,
                    options.pattern.map(<[u8]>::to_vec),
                    options.type_name.map(<[u8]>::to_vec),
                )
            })
        };
        assert_eq!(options("scan 0", true), Ok((10, None, None)));
        assert_eq!(
            options("scan 0 COUNT 5 match a* Type hash", true),
            Ok((5, Some(b"a*".to_vec()), Some(b"hash".to_vec())))
        );
        assert_eq!(options("scan 0 match *", true), Ok((10, None, None)));
        assert_eq!(options("hscan 0 type hash", false), Err(SYNTAX));
        assert_eq!(options("scan 0 count", true), Err(SYNTAX));
        assert_eq!(options("scan 0 count 0", true), Err(SYNTAX));
        assert_eq!(options("scan 0 count x", true), Err(NOT_AN_INTEGER));
    }
}
