//! Scores on disk: eight bytes whose order is the order of the numbers.
//!
//! The bits of the double, all inverted when its sign bit is set, else with the sign bit set; big endian. -0.0 comes just
//! below +0.0, though the two are equal numbers: [`ScoreRange`] takes both or neither. Source: Kvrocks
//! `common/encoding.cc`; section 3 of the format.

use crate::command::halt::Halt;
use crate::error::ReplyError;

/// How many bytes a score takes.
pub const SCORE_BYTES: usize = 8;

const SIGN: u64 = 1 << 63;

/// A score or an index entry that no writer of the format makes.
pub const CORRUPTED: ReplyError = ReplyError::fixed("ERR storage: corrupted sorted set entry");

/// The number whose big-endian bytes stand for `score`. Numbers compare as scores do, but for -0.0 below +0.0.
pub fn code(score: f64) -> u64 {
    let bits = score.to_bits();
    if bits & SIGN != 0 { !bits } else { bits | SIGN }
}

/// The bytes of `score`.
pub fn encode(score: f64) -> [u8; SCORE_BYTES] {
    code(score).to_be_bytes()
}

/// The score that `bytes` stand for; `None` when they are not eight, or no number.
pub fn decode(bytes: &[u8]) -> Option<f64> {
    let code = u64::from_be_bytes(bytes.try_into().ok()?);
    let bits = if code & SIGN != 0 {
        code & !SIGN
    } else {
        !code
    };
    let score = f64::from_bits(bits);
    (!score.is_nan()).then_some(score)
}

/// Splits an entry of the score index, without its prefix, into score and member.
pub fn split(entry: &[u8]) -> Result<(f64, &[u8]), Halt> {
    entry
        .split_at_checked(SCORE_BYTES)
        .and_then(|(score, member)| Some((decode(score)?, member)))
        .ok_or(Halt::Error(CORRUPTED))
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    pub score: f64,
    /// Whether the score itself is outside.
    pub exclusive: bool,
}

/// Scores between two ends, as codes: from the first one on and below the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRange {
    pub from: u64,
    pub below: u64,
}

impl ScoreRange {
    /// The scores between `min` and `max`, neither of which may be NaN.
    pub fn new(min: ScoreBound, max: ScoreBound) -> ScoreRange {
        ScoreRange {
            from: if min.exclusive {
                first_above(min.score)
            } else {
                first_at(min.score)
            },
            below: if max.exclusive {
                first_at(max.score)
            } else {
                first_above(max.score)
            },
        }
    }

    /// Whether no score is in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.below
    }

    /// Whether every score is in it.
    pub fn is_everything(&self) -> bool {
        self.from <= code(f64::NEG_INFINITY) && self.below > code(f64::INFINITY)
    }
}

/// The least code of a score that equals `score`.
fn first_at(score: f64) -> u64 {
    code(if score == 0.0 { -0.0 } else { score })
}

/// The least code above every score that equals `score`.
fn first_above(score: f64) -> u64 {
    code(if score == 0.0 { 0.0 } else { score }) + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_are_those_of_kvrocks() {
        for (score, bytes) in [
            (1.5, 0xbff8_0000_0000_0000_u64),
            (-1.5, 0x4007_ffff_ffff_ffff),
            (1.0, 0xbff0_0000_0000_0000),
            (0.0, 0x8000_0000_0000_0000),
            (-0.0, 0x7fff_ffff_ffff_ffff),
            (f64::INFINITY, 0xfff0_0000_0000_0000),
            (f64::NEG_INFINITY, 0x000f_ffff_ffff_ffff),
        ] {
            assert_eq!(encode(score), bytes.to_be_bytes(), "{score}");
            let back = decode(&bytes.to_be_bytes()).expect("a score");
            assert_eq!(back.to_bits(), score.to_bits(), "{score}");
        }
    }

    #[test]
    fn what_is_no_score_is_refused() {
        assert_eq!(decode(b""), None);
        assert_eq!(decode(&[0x80; 7]), None);
        assert_eq!(decode(&[0x80; 9]), None);
        assert_eq!(decode(&[0xff; 8]), None, "NaN");
        assert_eq!(decode(&[0; 8]), None, "NaN with a sign");
        assert!(split(&[0x80; 7]).is_err());
        let zero = [0x80, 0, 0, 0, 0, 0, 0, 0, b'm'];
        assert!(matches!(split(&zero), Ok((score, b"m")) if score == 0.0));
    }

    fn range(min: (f64, bool), max: (f64, bool)) -> ScoreRange {
        let bound = |(score, exclusive)| ScoreBound { score, exclusive };
        ScoreRange::new(bound(min), bound(max))
    }

    #[test]
    fn both_zeros_are_in_or_out() {
        let has = |range: ScoreRange, score| (range.from..range.below).contains(&code(score));
        for zero in [0.0, -0.0] {
            let only = range((zero, false), (zero, false));
            let above = range((zero, true), (9.0, false));
            let below = range((-9.0, false), (zero, true));
            for score in [0.0, -0.0] {
                assert!(has(only, score));
                assert!(!has(above, score));
                assert!(!has(below, score));
            }
            assert!(range((zero, true), (zero, false)).is_empty());
        }
        assert!(range((2.0, false), (1.0, false)).is_empty());
        assert!(range((f64::NEG_INFINITY, false), (f64::INFINITY, false)).is_everything());
        assert!(!range((f64::NEG_INFINITY, true), (f64::INFINITY, false)).is_everything());
        assert!(!range((f64::NEG_INFINITY, false), (f64::INFINITY, true)).is_everything());
        assert!(range((f64::INFINITY, true), (f64::INFINITY, false)).is_empty());
    }

    proptest! {
        #[test]
        fn bytes_order_as_numbers_do(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            let by_bytes = encode(a).cmp(&encode(b));
            prop_assert_eq!(by_bytes, a.total_cmp(&b));
            prop_assert_eq!(decode(&encode(a)).map(f64::to_bits), Some(a.to_bits()));
        }

        #[test]
        fn a_range_holds_what_lies_between(
            score: f64, min: f64, min_exclusive: bool, max: f64, max_exclusive: bool,
        ) {
            prop_assume!(![score, min, max].iter().any(|value| value.is_nan()));
            let range = range((min, min_exclusive), (max, max_exclusive));
            let above = if min_exclusive { score > min } else { score >= min };
            let below = if max_exclusive { score < max } else { score <= max };
            prop_assert_eq!((range.from..range.below).contains(&code(score)), above && below);
        }
    }
}
