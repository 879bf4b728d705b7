//! What workers read for commands that wait, and how it is kept true until the command has run.
//!
//! A worker reads a range from a snapshot. Until its command has run, the view notes which keys of the range are written;
//! before the command runs, those are read again one by one. So a command never sees less than what was committed before
//! it, and needs no second read of the whole range because somebody writes to it all the time. A range to which too much
//! is written is followed no longer and must be read again.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::cf::Cf;
use super::record::Record;
use super::rocks::{Rocks, StoreError};
use super::scan::{Entry, ScanRequest};

/// Written keys of a range that are followed: read again one by one they take some 50 ms.
const TOUCHED_KEYS_MAX: usize = 16 * 1024;

/// What a worker read for a waiting command.
#[derive(Debug)]
pub struct Pinned {
    /// Names the range to the view.
    pub number: u64,
    pub request: ScanRequest,
    /// In the order of the request.
    pub entries: Vec<Entry>,
    /// The last key that the worker read, when it stopped at the request's limit: behind it there may be more.
    pub cut_behind: Option<Box<[u8]>>,
    /// A scan has asked for it.
    pub is_used: Cell<bool>,
}

/// A key and its value now, `None` when it is not there.
type Current<'k> = (&'k [u8], Option<Box<[u8]>>);

impl Pinned {
    /// Puts keys that were written since as they are now; `values` is in key order.
    fn bring_up_to_date(&mut self, values: Vec<Current<'_>>) {
        let is_reverse = self.request.reverse;
        let compare = |a: &[u8], b: &[u8]| if is_reverse { b.cmp(a) } else { a.cmp(b) };
        let mut changes: Vec<_> = match &self.cut_behind {
            None => values,
            // What lies behind is read from the database.
            Some(last) => values
                .into_iter()
                .filter(|(key, _)| compare(key, last) != Ordering::Greater)
                .collect(),
        };
        if is_reverse {
            changes.reverse();
        }
        let old = std::mem::take(&mut self.entries);
        self.entries.reserve(old.len() + changes.len());
        let mut changes = changes.into_iter().peekable();
        for entry in old {
            let mut is_replaced = false;
            while let Some((key, value)) =
                changes.next_if(|(key, _)| compare(key, &entry.0) != Ordering::Greater)
            {
                is_replaced = *key == *entry.0;
                self.entries
                    .extend(value.map(|value| (Box::from(key), value)));
            }
            if !is_replaced {
                self.entries.push(entry);
            }
        }
        for (key, value) in changes {
            self.entries
                .extend(value.map(|value| (Box::from(key), value)));
        }
    }
}

/// A range that a worker reads or has read.
struct Watched {
    number: u64,
    request: ScanRequest,
    /// Keys written since, or not committed when the watch began.
    touched: BTreeSet<Box<[u8]>>,
    /// More was written than is followed.
    is_lost: bool,
}

impl Watched {
    fn touch(&mut self, key: &[u8]) {
        if self.is_lost || !self.request.covers(key) {
            return;
        }
        self.touched.insert(key.into());
        if self.touched.len() > TOUCHED_KEYS_MAX {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.is_lost = true;
        self.touched = BTreeSet::new();
    }
}

/// The ranges that are watched.
#[derive(Default)]
pub struct WatchedRanges {
    ranges: Vec<Watched>,
    count: u64,
}

impl WatchedRanges {
    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Watches a range from now on; `uncommitted` are the records that a snapshot may hold or not. Gives its number.
    pub fn begin<'r>(
        &mut self,
        request: &ScanRequest,
        uncommitted: impl Iterator<Item = &'r Record>,
    ) -> u64 {
        self.count += 1;
        let mut watched = Watched {
            number: self.count,
            request: request.clone(),
            touched: BTreeSet::new(),
            is_lost: false,
        };
        for record in uncommitted {
            if record
                .ranges_of(request.cf)
                .any(|(from, to)| request.meets(from, to))
            {
                watched.lose();
            }
            let upper = request.upper.as_deref();
            record.points_in(request.cf, &request.lower, upper, |key, _| {
                watched.touch(key)
            });
        }
        self.ranges.push(watched);
        self.count
    }

    /// The range with this number is watched no longer.
    pub fn end(&mut self, number: u64) {
        self.ranges.retain(|range| range.number != number);
    }

    /// `key` is written, or its writing taken back.
    pub fn note(&mut self, cf: Cf, key: &[u8]) {
        for range in self
            .ranges
            .iter_mut()
            .filter(|range| range.request.cf == cf)
        {
            range.touch(key);
        }
    }

    /// Everything from `from` on and below `to` is deleted.
    pub fn note_range(&mut self, cf: Cf, from: &[u8], to: &[u8]) {
        for range in self
            .ranges
            .iter_mut()
            .filter(|range| range.request.cf == cf)
        {
            if range.request.meets(from, to) {
                range.lose();
            }
        }
    }

    /// Whether every write to the range of `pinned` since the worker read it is known.
    pub fn follows(&self, pinned: &Pinned) -> bool {
        self.of(pinned).is_some_and(|range| !range.is_lost)
    }

    /// Brings `pinned` to what is committed now. One that is not followed stays as it was read.
    pub fn bring_up_to_date(&self, pinned: &mut Pinned, rocks: &Rocks) -> Result<(), StoreError> {
        let Some(range) = self.of(pinned).filter(|range| !range.touched.is_empty()) else {
            return Ok(());
        };
        let value_bytes_max = pinned.request.value_bytes_max;
        let mut values = Vec::with_capacity(range.touched.len());
        for key in &range.touched {
            let value = rocks.get(range.request.cf, key)?;
            let value = value.map(|value| Box::from(&value[..value.len().min(value_bytes_max)]));
            values.push((&key[..], value));
        }
        pinned.bring_up_to_date(values);
        Ok(())
    }

    fn of(&self, pinned: &Pinned) -> Option<&Watched> {
        self.ranges
            .iter()
            .find(|range| range.number == pinned.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;
    use crate::storage::scan::read_ranges;

    /// What a scan of `pinned` gives after `write`, first bytes of keys only.
    fn scanned_after(request: &ScanRequest, write: impl Fn(&mut Bench)) -> String {
        let mut bench = Bench::new();
        for key in [b"b", b"d", b"f", b"h"] {
            bench.view.put(Cf::Default, key, b"old");
        }
        bench.commit();
        let number = bench.view.watch_range(request);
        let database = bench.view.database().expect("open").clone();
        let pinned = read_ranges(&database, vec![(number, request.clone())]).expect("a range");
        write(&mut bench);
        bench.commit();
        bench.view.begin_command();
        assert!(bench.view.follows(&pinned));
        bench.view.pin(pinned).expect("pinned");
        let mut scan = bench.view.scan(request.clone()).expect("a scan");
        let mut keys = String::new();
        while let Some((key, value)) = scan.next().expect("an entry") {
            keys.push(char::from(key[0]));
            keys.push(char::from(value[0]));
        }
        drop(scan);
        let pinned = bench.view.unpin();
        assert!(pinned.iter().all(|pinned| pinned.is_used.get()));
        bench.view.unwatch(&pinned);
        assert!(!bench.view.follows(&pinned));
        keys
    }

    fn all() -> ScanRequest {
        ScanRequest::prefix(Cf::Default, b"")
    }

    #[test]
    fn what_is_committed_after_the_snapshot_is_seen() {
        let write = |bench: &mut Bench| {
            for key in [b"a", b"d", b"e", b"x"] {
                bench.view.put(Cf::Default, key, b"new");
            }
            bench.view.delete(Cf::Default, b"f");
        };
        assert_eq!(scanned_after(&all(), write), "anbodnenhoxn");
        assert_eq!(scanned_after(&all().reversed(), write), "xnhoendnboan");
        assert_eq!(scanned_after(&all(), |_| {}), "bodofoho");
    }

    #[test]
    fn a_cut_range_goes_on_behind_its_last_key_whatever_became_of_it() {
        let write = |bench: &mut Bench| {
            for key in [b"b", b"d", b"h"] {
                bench.view.delete(Cf::Default, key);
            }
            bench.view.put(Cf::Default, b"g", b"new");
        };
        assert_eq!(scanned_after(&all().at_most(2), write), "fogn");
        assert_eq!(scanned_after(&all().at_most(1).reversed(), write), "gnfo");
    }

    #[test]
    fn what_was_not_committed_when_the_worker_was_asked_is_read_again() {
        let mut bench = Bench::new();
        bench.view.put(Cf::Default, b"a", b"1");
        let request = all();
        let number = bench.view.watch_range(&request);
        let database = bench.view.database().expect("open").clone();
        let pinned = read_ranges(&database, vec![(number, request.clone())]).expect("a range");
        assert!(pinned[0].entries.is_empty(), "read before the commit");
        bench.commit();
        bench.view.pin(pinned).expect("pinned");
        let mut scan = bench.view.scan(request).expect("a scan");
        assert!(scan.next().expect("an entry").is_some());
    }

    #[test]
    fn too_many_writes_and_range_deletes_are_not_followed() {
        let mut bench = Bench::new();
        let mut request = all();
        request.lower = b"k".to_vec();
        let number = bench.view.watch_range(&request);
        let database = bench.view.database().expect("open").clone();
        let pinned = read_ranges(&database, vec![(number, request.clone())]).expect("a range");
        bench.view.delete_range(Cf::Default, b"a", b"k");
        for key in 0..=TOUCHED_KEYS_MAX as u32 {
            assert!(bench.view.follows(&pinned), "at {key}");
            let key = [b"k", &key.to_be_bytes()[..]].concat();
            bench.view.put(Cf::Default, &key, b"");
        }
        assert!(!bench.view.follows(&pinned));
        bench.view.unwatch(&pinned);
        let number = bench.view.watch_range(&request);
        let pinned = read_ranges(&database, vec![(number, request)]).expect("a range");
        assert!(!bench.view.follows(&pinned), "too much is not committed");
    }
}
