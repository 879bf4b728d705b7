//! What was committed lately, in memory: the feeder sends it to replicas that keep up, without reading the WAL. Pure.
//!
//! Records are kept in order and without gaps, up to a number of bytes; the oldest fall out. A replica is followed by a
//! [`Cursor`] rather than by a sequence number, since a record of LogData alone (Kvrocks writes such) has the number of the
//! one behind it. A replica whose cursor has fallen out of the ring catches up from the WAL, and comes back with
//! [`Ring::find`] (which may give it such a record once more: storing one twice changes nothing). The bytes are shared, so a
//! slow replica keeps alive what it is being sent and nothing else.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::storage::seq::Seq;

/// One committed record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The number of its first update; with no updates, that of the next record.
    pub first: Seq,
    /// Updates in it.
    pub count: u32,
    /// The record as it stands in the WAL, header included.
    pub bytes: Bytes,
}

impl Committed {
    /// Where the next record starts.
    pub fn end(&self) -> Seq {
        self.first.after_batch(self.count)
    }
}

/// The place of one record in the order of all that were ever pushed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Cursor(u64);

impl Cursor {
    /// The place behind it.
    pub fn next(self) -> Cursor {
        Cursor(self.0 + 1)
    }
}

/// Where a sequence number stands to the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The record here begins with it; or it is the next to be committed, and this is where it will stand.
    At(Cursor),
    /// It fell out of the ring, or never was in it: the WAL may have it.
    InWal,
    /// It is within a record, or beyond the next to be committed: no record begins with it.
    Nowhere,
}

/// Recent records, `bytes <= bytes_max`.
#[derive(Debug)]
pub struct Ring {
    records: VecDeque<Committed>,
    /// The place of `records[0]`.
    base: u64,
    bytes: usize,
    bytes_max: usize,
    next: Seq,
}

impl Ring {
    /// An empty ring behind `last`, the last update committed.
    pub fn new(last: Seq, bytes_max: usize) -> Ring {
        Ring {
            records: VecDeque::new(),
            base: 0,
            bytes: 0,
            bytes_max,
            next: last.next(),
        }
    }

    /// A record was committed. Panics unless it begins where the last one ended: order is what everything rests on.
    pub fn push(&mut self, record: Committed) {
        assert_eq!(record.first, self.next, "a record pushed out of order");
        self.next = record.end();
        self.bytes += record.bytes.len();
        self.records.push_back(record);
        self.shrink();
    }

    /// Bounds the memory from now on.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink();
    }

    /// The database was replaced; `last` is its last update. Every cursor is void and must be found again; none is given out
    /// twice.
    pub fn restart(&mut self, last: Seq) {
        self.base += self.records.len() as u64 + 1;
        self.records.clear();
        self.bytes = 0;
        self.next = last.next();
    }

    /// The number of the next update to be committed.
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// Bytes of records held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where to go on with `seq`.
    pub fn find(&self, seq: Seq) -> Found {
        if seq > self.next {
            return Found::Nowhere;
        }
        match self.records.front() {
            Some(oldest) if seq < oldest.first => Found::InWal,
            None if seq < self.next => Found::InWal,
            _ => {
                // The first of those with this number: one without updates comes before the one with them.
                let index = self.records.partition_point(|record| record.first < seq);
                let begins_here = self
                    .records
                    .get(index)
                    .map_or(self.next, |record| record.first);
                if begins_here == seq {
                    Found::At(Cursor(self.base + index as u64))
                } else {
                    Found::Nowhere
                }
            }
        }
    }

    /// The record at `cursor`: `Ok(None)` when it is not committed yet, an error when it has fallen out.
    pub fn get(&self, cursor: Cursor) -> Result<Option<&Committed>, FellOut> {
        let index = cursor.0.checked_sub(self.base).ok_or(FellOut)?;
        Ok(self.records.get(index as usize))
    }

    /// The records from `cursor` on, at least one if there is one, until `bytes_max` bytes are reached; and where to go on.
    pub fn read(
        &self,
        cursor: Cursor,
        bytes_max: usize,
    ) -> Result<(Vec<Committed>, Cursor), FellOut> {
        let mut cursor = cursor;
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes < bytes_max || records.is_empty() {
            let Some(record) = self.get(cursor)? else {
                break;
            };
            bytes += record.bytes.len();
            records.push(record.clone());
            cursor = cursor.next();
        }
        Ok((records, cursor))
    }

    fn shrink(&mut self) {
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes.len();
            self.base += 1;
        }
    }
}

/// A replica is too far behind for the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FellOut;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(first: u64, count: u32, bytes: usize) -> Committed {
        Committed {
            first: Seq::new(first),
            count,
            bytes: Bytes::from(vec![0; bytes]),
        }
    }

    /// 11..13 | 14 | (nothing) | 15..16, ten bytes each.
    fn ring(bytes_max: usize) -> Ring {
        let mut ring = Ring::new(Seq::new(10), bytes_max);
        for (first, count) in [(11, 3), (14, 1), (15, 0), (15, 2)] {
            ring.push(record(first, count, 10));
        }
        ring
    }

    fn at(place: u64) -> Found {
        Found::At(Cursor(place))
    }

    #[test]
    fn numbers_are_found_where_records_begin() {
        let ring = ring(100);
        assert_eq!((ring.bytes(), ring.next_seq()), (40, Seq::new(17)));
        for (seq, found) in [
            (10, Found::InWal),
            (11, at(0)),
            (12, Found::Nowhere),
            (14, at(1)),
            (15, at(2)),
            (16, Found::Nowhere),
            (17, at(4)),
            (18, Found::Nowhere),
        ] {
            assert_eq!(ring.find(Seq::new(seq)), found, "{seq}");
        }
    }

    #[test]
    fn the_oldest_fall_out() {
        let mut ring = ring(25);
        assert_eq!(ring.bytes(), 20);
        assert_eq!(ring.find(Seq::new(11)), Found::InWal);
        assert_eq!(ring.find(Seq::new(14)), Found::InWal);
        assert_eq!(ring.find(Seq::new(15)), at(2));
        assert_eq!(ring.get(Cursor(1)), Err(FellOut));
        assert_eq!(ring.get(Cursor(2)), Ok(Some(&record(15, 0, 10))));
        assert_eq!(ring.get(Cursor(4)), Ok(None));
        ring.set_bytes_max(0);
        assert_eq!((ring.bytes(), ring.find(Seq::new(15))), (0, Found::InWal));
        assert_eq!(ring.find(Seq::new(17)), at(4));
    }

    #[test]
    fn a_record_above_the_bound_is_left_to_the_wal() {
        let mut ring = ring(100);
        ring.push(record(17, 1, 101));
        assert_eq!(ring.bytes(), 0);
        assert_eq!(ring.find(Seq::new(17)), Found::InWal);
        assert_eq!(ring.find(Seq::new(18)), at(5));
        ring.push(record(18, 1, 1));
        assert_eq!(ring.get(Cursor(5)), Ok(Some(&record(18, 1, 1))));
    }

    #[test]
    fn reading_goes_on_where_it_stopped() {
        let ring = ring(100);
        let (records, cursor) = ring.read(Cursor(0), 15).unwrap();
        assert_eq!(records, [record(11, 3, 10), record(14, 1, 10)]);
        let (records, cursor) = ring.read(cursor, 0).unwrap();
        assert_eq!(records, [record(15, 0, 10)], "one at least");
        let (records, cursor) = ring.read(cursor, 1000).unwrap();
        assert_eq!(records, [record(15, 2, 10)]);
        assert_eq!(ring.read(cursor, 1000), Ok((vec![], Cursor(4))));
        assert_eq!(self::ring(15).read(Cursor(0), 1000), Err(FellOut));
    }

    #[test]
    fn a_restart_voids_every_cursor() {
        let mut ring = ring(100);
        ring.restart(Seq::new(50));
        for place in 0..=4 {
            assert_eq!(ring.get(Cursor(place)), Err(FellOut));
        }
        assert_eq!(ring.find(Seq::new(50)), Found::InWal);
        assert_eq!(ring.find(Seq::new(51)), at(5));
        ring.push(record(51, 1, 10));
        assert_eq!(ring.find(Seq::new(51)), at(5));
    }

    #[test]
    #[should_panic(expected = "out of order")]
    fn a_gap_is_never_taken() {
        ring(100).push(record(18, 1, 1));
    }

    proptest! {
        /// Whoever follows by cursor, and comes back through the WAL when it has fallen out, gets every update once and in
        /// order. (A record without updates may come once more on the way back.)
        #[test]
        fn a_follower_gets_everything_once(
            steps in proptest::collection::vec((0u32..3, 1usize..20, 0usize..30, any::<bool>()), 1..60),
            bytes_max in 0usize..60,
        ) {
            let mut ring = Ring::new(Seq::ZERO, bytes_max);
            let mut wal: Vec<Committed> = Vec::new();
            let mut got: Vec<Committed> = Vec::new();
            let mut cursor = match ring.find(Seq::new(1)) {
                Found::At(cursor) => cursor,
                other => panic!("{other:?}"),
            };
            for (count, bytes, read, is_reading) in steps {
                let record = record(ring.next_seq().get(), count, bytes);
                wal.push(record.clone());
                ring.push(record);
                prop_assert!(ring.bytes() <= bytes_max);
                if !is_reading {
                    continue;
                }
                match ring.read(cursor, read) {
                    Ok((records, next)) => {
                        got.extend(records);
                        cursor = next;
                    }
                    Err(FellOut) => {
                        // From the WAL, up to the end.
                        got.clone_from(&wal);
                        match ring.find(ring.next_seq()) {
                            Found::At(found) => cursor = found,
                            other => panic!("{other:?}"),
                        }
                    }
                }
                let updates = |records: &[Committed]| -> Vec<Committed> {
                    records.iter().filter(|record| record.count > 0).cloned().collect()
                };
                let (got, wal) = (updates(&got), updates(&wal));
                prop_assert_eq!(&got[..], &wal[..got.len()]);
            }
        }
    }
}
