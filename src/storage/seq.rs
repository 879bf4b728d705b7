//! Sequence numbers: positions in the one order of all updates.

use std::fmt;

/// RocksDB's number of one update.
///
/// Every put, delete and range delete takes the next number, from 1 up; LogData takes none. A record (batch) of n
/// updates that starts at s is followed by s + n, so progress is always the end of a record. Zero is the position of
/// an empty database. RocksDB keeps numbers below 2^56.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The position before the first update.
    pub const ZERO: Seq = Seq(0);
    /// The largest number that RocksDB can give (its sequence numbers have 56 bits).
    pub const MAX: Seq = Seq((1 << 56) - 1);

    /// Wraps a raw number.
    pub const fn new(number: u64) -> Seq {
        Seq(number)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of the update after this one: where the next record starts if this is the last update.
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }

    /// The last update once a record of `count` updates was written right after this position.
    pub const fn after_batch(self, count: u32) -> Seq {
        Seq(self.0 + count as u64)
    }

    /// How many updates lie between `other` and this position; `None` when `other` is ahead of it.
    pub const fn checked_gap(self, other: Seq) -> Option<u64> {
        self.0.checked_sub(other.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_count_numbers_later() {
        let last = Seq::new(41);
        assert_eq!(last.next(), Seq::new(42));
        assert_eq!(last.after_batch(3), Seq::new(44));
        assert_eq!(last.after_batch(0), last);
    }

    #[test]
    fn gap_is_none_when_the_other_is_ahead() {
        assert_eq!(Seq::new(7).checked_gap(Seq::new(5)), Some(2));
        assert_eq!(Seq::new(5).checked_gap(Seq::new(5)), Some(0));
        assert_eq!(Seq::new(5).checked_gap(Seq::new(7)), None);
    }
}
