//! The ends of ranges: scores (`1.5`, `(1.5`, `-inf`) and members (`[a`, `(a`, `-`, `+`).

use crate::error::{MIN_MAX_NOT_FLOAT, MIN_MAX_NOT_STRING, ReplyError};
use crate::storage::types::score::{ScoreBound, ScoreRange};
use crate::storage::types::zset::walk::{LexBound, LexRange};
use crate::text::float::parse_f64_as_c;

/// The scores from `min` to `max`, or `ERR min or max is not a float`. Numbers are read as C reads them.
pub fn scores(min: &[u8], max: &[u8]) -> Result<ScoreRange, ReplyError> {
    Ok(ScoreRange::new(score(min)?, score(max)?))
}

fn score(arg: &[u8]) -> Result<ScoreBound, ReplyError> {
    let (exclusive, number) = match arg {
        [b'(', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let number = parse_f64_as_c(number).ok_or(MIN_MAX_NOT_FLOAT)?;
    Ok(ScoreBound {
        score: number.value,
        exclusive,
    })
}

/// The members from `min` to `max`, or `ERR min or max not valid string range item`.
pub fn members<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, ReplyError> {
    Ok(LexRange {
        min: member(min)?,
        max: member(max)?,
    })
}

fn member(arg: &[u8]) -> Result<LexBound<'_>, ReplyError> {
    match arg {
        // Redis sees a C string in the infinite ends: a NUL ends it.
        [b'-'] | [b'-', 0, ..] => Ok(LexBound::Min),
        [b'+'] | [b'+', 0, ..] => Ok(LexBound::Max),
        [b'[', member @ ..] => Ok(LexBound::Inclusive(member)),
        [b'(', member @ ..] => Ok(LexBound::Exclusive(member)),
        _ => Err(MIN_MAX_NOT_STRING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::types::score::code;

    #[test]
    fn ends_are_read_as_redis_reads_them() {
        let range = |min: &str, max: &str| scores(min.as_bytes(), max.as_bytes());
        let at = |range: Result<ScoreRange, ReplyError>, score| {
            range.is_ok_and(|range| (range.from..range.below).contains(&code(score)))
        };
        assert!(at(range("1", "2"), 1.0) && at(range("1", "2"), 2.0));
        assert!(!at(range("(1", "(2"), 1.0) && !at(range("(1", "(2"), 2.0));
        assert!(at(range("", ""), 0.0), "nothing is zero");
        assert!(!at(range("(", "1"), 0.0) && at(range("(", "1"), 0.5));
        assert!(at(range(" 1", "1e999"), f64::INFINITY));
        for bad in ["x", "1 ", "nan", "((1", "[1", "("] {
            let (min, max) = (range(bad, "1"), range("1", bad));
            let expected = if bad == "(" {
                None
            } else {
                Some(MIN_MAX_NOT_FLOAT)
            };
            assert_eq!(min.err(), expected, "{bad}");
            assert_eq!(max.err(), expected, "{bad}");
        }
    }

    #[test]
    fn members_need_a_bracket() {
        use LexBound::{Exclusive, Inclusive, Max, Min};
        for (arg, expected) in [
            (&b"-"[..], Ok(Min)),
            (b"+", Ok(Max)),
            (b"[", Ok(Inclusive(&b""[..]))),
            (b"(ab", Ok(Exclusive(b"ab"))),
            (b"[(", Ok(Inclusive(b"("))),
            (b"", Err(MIN_MAX_NOT_STRING)),
            (b"ab", Err(MIN_MAX_NOT_STRING)),
            (b"-x", Err(MIN_MAX_NOT_STRING)),
            (b"++", Err(MIN_MAX_NOT_STRING)),
        ] {
            assert_eq!(member(arg), expected, "{arg:?}");
        }
    }
}
