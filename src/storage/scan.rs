//! Scans over the view: uncommitted writes merged over what RocksDB, or a worker's snapshot of it, holds.

use std::cell::Cell;

use super::cf::Cf;
use super::cold::DiskReads;
use super::rocks::{Direction, IterOptions, KeyRange, Rocks, RocksIter, StoreError};
use super::view::View;
use super::watched::{Changes, RangeWatch};
use crate::command::halt::{Halt, Run, Wait};
use crate::limits::{COLD_SCAN_BYTES_MAX, COLD_SCAN_ENTRIES_MAX, SCAN_ENTRIES_INLINE_MAX};

/// Which entries to visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanRequest {
    pub cf: Cf,
    /// The first key that may be visited.
    pub lower: Vec<u8>,
    /// The first key beyond; `None` is the end of the family.
    pub upper: Option<Vec<u8>>,
    /// From the highest key down.
    pub reverse: bool,
    /// How many entries the caller takes at most: what a worker needs to read when it comes to that.
    pub limit: usize,
    /// How many bytes of each value the caller looks at: more, a worker need not keep. A scan of keys wants their headers, not
    /// their strings.
    pub value_bytes_max: usize,
}

impl ScanRequest {
    /// All entries of `cf` whose key begins with `prefix`, upwards.
    pub fn prefix(cf: Cf, prefix: &[u8]) -> ScanRequest {
        ScanRequest {
            cf,
            lower: prefix.to_vec(),
            upper: next_prefix(prefix),
            reverse: false,
            limit: usize::MAX,
            value_bytes_max: usize::MAX,
        }
    }

    /// The same, from the end.
    pub fn reversed(self) -> ScanRequest {
        ScanRequest {
            reverse: true,
            ..self
        }
    }

    fn key_range(&self) -> KeyRange<'_> {
        KeyRange {
            lower: &self.lower,
            upper: self.upper.as_deref(),
        }
    }

    fn direction(&self) -> Direction {
        if self.reverse {
            Direction::Backward
        } else {
            Direction::Forward
        }
    }

    /// What is left of the range behind `key`.
    pub fn behind(&self, key: &[u8]) -> ScanRequest {
        let mut rest = self.clone();
        if self.reverse {
            rest.upper = Some(key.to_vec());
        } else {
            rest.lower = [key, &[0]].concat();
        }
        rest
    }

    /// The same, of which the caller takes at most `limit` entries.
    pub fn at_most(self, limit: usize) -> ScanRequest {
        ScanRequest { limit, ..self }
    }

    /// The same, of whose values the caller looks at the first `bytes` at most.
    pub fn values_up_to(self, bytes: usize) -> ScanRequest {
        ScanRequest {
            value_bytes_max: bytes,
            ..self
        }
    }
}

/// The least key above all that begin with `prefix`, whatever comes behind it.
fn next_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// A key and its value.
pub type Entry = (Box<[u8]>, Box<[u8]>);

/// What a worker read for a waiting command.
#[derive(Debug)]
pub struct Pinned {
    /// Tells the answer that the command waits for from older ones.
    pub number: u64,
    pub request: ScanRequest,
    /// In the order of the request.
    pub entries: Vec<Entry>,
    /// Whether there may be more in the range behind them.
    pub is_cut: bool,
}

impl WantedScan {
    /// The whole of a range.
    pub fn whole(request: ScanRequest) -> WantedScan {
        WantedScan {
            request,
            is_beginning: false,
        }
    }
}

/// A range for a worker to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedScan {
    pub request: ScanRequest,
    /// Only the beginning is asked for: the range is not in memory, and may be short, or of little interest behind its first entries.
    /// It is read into the block cache then, as the loop itself would have done.
    pub is_beginning: bool,
}

/// What a worker read, and what was written to the range since: together what stands there now.
#[derive(Debug)]
pub struct PinnedScan {
    pinned: Pinned,
    watch: RangeWatch,
    changes: Changes,
    is_used: Cell<bool>,
}

impl PinnedScan {
    /// A worker's answer for the range that `watch` watched while it was read.
    pub fn new(pinned: Pinned, watch: RangeWatch) -> PinnedScan {
        PinnedScan {
            pinned,
            watch,
            changes: Changes::new(),
            is_used: Cell::new(false),
        }
    }

    /// Takes over what was written since, before a command runs on it; `false` when that is not known and the answer of no use.
    pub fn refresh(&mut self) -> bool {
        self.is_used.set(false);
        self.watch.take_changes(&mut self.changes)
    }

    /// Whether the command asked for this range since [`PinnedScan::refresh`].
    pub fn is_used(&self) -> bool {
        self.is_used.get()
    }
}

/// Reads a range from a snapshot of the database, on a worker. `number` tells the answer from others.
pub fn read_range(rocks: &Rocks, wanted: WantedScan, number: u64) -> Result<Pinned, StoreError> {
    let WantedScan {
        request,
        is_beginning,
    } = wanted;
    let (entries_max, mut bytes_left) = if is_beginning {
        (
            request.limit.min(COLD_SCAN_ENTRIES_MAX),
            COLD_SCAN_BYTES_MAX,
        )
    } else {
        (request.limit, usize::MAX)
    };
    let snapshot = rocks.snapshot();
    let range = request.key_range();
    let direction = request.direction();
    let mut iter = rocks.iter(request.cf, range, direction, Some(&snapshot), is_beginning);
    let mut entries = Vec::new();
    let mut is_cut = true;
    while entries.len() < entries_max && bytes_left > 0 {
        let Some((key, value)) = iter.next()? else {
            is_cut = false;
            break;
        };
        let value = &value[..value.len().min(request.value_bytes_max)];
        bytes_left = bytes_left.saturating_sub(key.len() + value.len());
        entries.push((key.into(), value.into()));
    }
    drop(iter);
    Ok(Pinned {
        number,
        request,
        entries,
        is_cut,
    })
}

enum Base<'v> {
    Rocks {
        iter: RocksIter<'v>,
        left: usize,
        /// It goes on behind a worker's answer.
        is_rest: bool,
    },
    Pinned {
        entries: std::slice::Iter<'v, Entry>,
        /// The worker stopped at the limit: there may be more behind, for changes since then may hide what it read.
        is_cut: bool,
    },
}

impl<'v> Base<'v> {
    fn rocks(view: &'v View, request: &ScanRequest, is_rest: bool) -> Run<Base<'v>> {
        let database = view.database()?;
        let how = IterOptions {
            direction: request.direction(),
            snapshot: None,
            fill_cache: true,
            cached_only: view.scans_may_wait && view.cold.disk_reads == DiskReads::Wait,
        };
        if how.cached_only && view.cold.is_made_to_miss(request.cf, &request.lower) {
            return Err(Halt::Wait(Wait::Scan(WantedScan {
                request: request.clone(),
                is_beginning: true,
            })));
        }
        let iter = database.iter_with(request.cf, request.key_range(), how);
        Ok(Base::Rocks {
            iter,
            is_rest,
            left: if view.scans_may_wait {
                SCAN_ENTRIES_INLINE_MAX
            } else {
                usize::MAX
            },
        })
    }
}

/// A scan under way. It sees the view as it was when it began.
pub struct Scan<'v> {
    view: &'v View,
    request: ScanRequest,
    base: Base<'v>,
    /// Uncommitted changes in the range that are still to come, the next one last.
    changes: Vec<(&'v [u8], Option<&'v [u8]>)>,
    /// Uncommitted range deletes: they hide what the base holds.
    ranges: Vec<(&'v [u8], &'v [u8])>,
    /// The base stands on an entry that was handed out already.
    base_spent: bool,
}

impl<'v> Scan<'v> {
    pub(super) fn begin(view: &'v View, request: ScanRequest) -> Run<Scan<'v>> {
        let mut changes: Vec<(&[u8], Option<&[u8]>)> = Vec::new();
        let mut ranges = Vec::new();
        let upper = request.upper.as_deref();
        let records = view
            .handed
            .iter()
            .map(|(_, record)| record)
            .chain(std::iter::once(&view.open));
        let pinned = view
            .pinned
            .iter()
            .find(|scan| scan.pinned.request == request);
        if let Some(scan) = pinned {
            scan.is_used.set(true);
            // Older than, or the same as, what the records say of a key.
            let since = scan.changes.iter();
            changes.extend(since.map(|(key, value)| (&key[..], value.as_deref())));
        }
        for record in records.filter(|record| !record.is_empty()) {
            for (from, to) in record.ranges_of(request.cf) {
                ranges.push((from, to));
                // Changes of older records that this range covers are gone; the base is hidden by `ranges`.
                for change in changes
                    .iter_mut()
                    .filter(|(key, _)| *key >= from && *key < to)
                {
                    change.1 = None;
                }
            }
            record.points_in(request.cf, &request.lower, upper, |key, value| {
                changes.push((key, value))
            });
        }
        // Stable: of several changes of a key the newest stays last.
        changes.sort_by(|a, b| a.0.cmp(b.0));
        let mut newest: Vec<(&[u8], Option<&[u8]>)> = Vec::with_capacity(changes.len());
        for change in changes {
            match newest.last_mut() {
                Some(last) if last.0 == change.0 => *last = change,
                _ => newest.push(change),
            }
        }
        if !request.reverse {
            newest.reverse();
        }
        let base = match pinned {
            Some(scan) => Base::Pinned {
                entries: scan.pinned.entries.iter(),
                is_cut: scan.pinned.is_cut,
            },
            None => Base::rocks(view, &request, false)?,
        };
        Ok(Scan {
            view,
            request,
            base,
            changes: newest,
            ranges,
            base_spent: false,
        })
    }

    /// The next entry. `Err(Halt::Wait)` when the range is too long to read in one turn: the command must return it.
    #[allow(clippy::should_implement_trait, reason = "lends from itself")]
    pub fn next(&mut self) -> Run<Option<(&[u8], &[u8])>> {
        loop {
            if self.base_spent {
                self.advance_base()?;
                self.base_spent = false;
            }
            let order = match (self.base_key()?, self.changes.last()) {
                (None, None) => return Ok(None),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(base), Some((change, _))) if self.request.reverse => (*change).cmp(base),
                (Some(base), Some((change, _))) => base.cmp(*change),
            };
            match order {
                std::cmp::Ordering::Less => {
                    self.base_spent = true;
                    if self.is_base_hidden()? {
                        continue;
                    }
                    return self.base_entry();
                }
                std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => {
                    self.base_spent = order == std::cmp::Ordering::Equal;
                    if let Some((key, Some(value))) = self.changes.pop() {
                        return Ok(Some((key, value)));
                    }
                }
            }
        }
    }

    fn is_base_hidden(&self) -> Run<bool> {
        let Some(key) = self.base_key()? else {
            return Ok(false);
        };
        Ok(self
            .ranges
            .iter()
            .any(|(from, to)| key >= *from && key < *to))
    }

    /// Why the scan cannot go on: what comes is not in memory, or the database failed.
    fn halted(&self, error: StoreError, is_rest: bool) -> Halt {
        match error {
            StoreError::NotCached => self.wait(!is_rest),
            error => error.into(),
        }
    }

    /// Tells the command to wait for a worker. An answer that there is already was not enough.
    fn wait(&self, is_beginning: bool) -> Halt {
        let answers = self.view.pinned.iter();
        for answer in answers.filter(|answer| answer.pinned.request == self.request) {
            answer.is_used.set(false);
        }
        Halt::Wait(Wait::Scan(WantedScan {
            request: self.request.clone(),
            is_beginning,
        }))
    }

    fn base_key(&self) -> Run<Option<&[u8]>> {
        match &self.base {
            Base::Rocks { iter, is_rest, .. } => {
                iter.key().map_err(|error| self.halted(error, *is_rest))
            }
            Base::Pinned { entries, .. } => Ok(entries.as_slice().first().map(|(key, _)| &key[..])),
        }
    }

    fn base_entry(&self) -> Run<Option<(&[u8], &[u8])>> {
        match &self.base {
            Base::Rocks { iter, is_rest, .. } => {
                iter.entry().map_err(|error| self.halted(error, *is_rest))
            }
            Base::Pinned { entries, .. } => Ok(entries
                .as_slice()
                .first()
                .map(|(key, value)| (&key[..], &value[..]))),
        }
    }

    fn advance_base(&mut self) -> Run {
        match &mut self.base {
            Base::Rocks { iter, left, .. } => {
                if *left == 0 {
                    return Err(self.wait(false));
                }
                *left -= 1;
                iter.advance();
            }
            Base::Pinned { entries, is_cut } => {
                let last = entries.next();
                if *is_cut
                    && entries.len() == 0
                    && let Some((key, _)) = last
                {
                    self.base = match Base::rocks(self.view, &self.request.behind(key), true) {
                        // Asked for whole, under its own name.
                        Err(Halt::Wait(_)) => return Err(self.wait(false)),
                        base => base?,
                    };
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::Bench;

    /// What a scan of the family `Default` gives, first bytes of keys only.
    fn scanned(bench: &mut Bench, request: &ScanRequest) -> String {
        let mut keys = String::new();
        let mut scan = bench.view.scan(request.clone()).expect("a scan");
        while let Some((key, _)) = scan.next().expect("an entry") {
            keys.push(char::from(key[0]));
        }
        keys
    }

    #[test]
    fn nothing_depends_on_a_record_without_a_change() {
        let mut bench = Bench::new();
        bench.view.put(Cf::Default, b"a", b"");
        bench.commit();
        let committed = bench.view.newest_group();
        // What a command that changes nothing after all leaves behind.
        bench.view.log_data(b"4");
        bench.view.begin_command();
        assert_eq!(
            scanned(&mut bench, &ScanRequest::prefix(Cf::Default, b"")),
            "a"
        );
        assert!(bench.view.dependency() <= committed);
        assert_eq!(bench.view.newest_group(), committed);
        bench.view.put(Cf::Default, b"b", b"");
        bench.view.begin_command();
        assert_eq!(
            scanned(&mut bench, &ScanRequest::prefix(Cf::Default, b"")),
            "ab"
        );
        assert!(bench.view.dependency() > committed);
    }

    #[test]
    fn a_range_cut_at_its_limit_goes_on_where_changes_hide_what_was_read() {
        let mut bench = Bench::new();
        for key in [b"a", b"b", b"c", b"d", b"e"] {
            bench.view.put(Cf::Default, key, b"value");
        }
        bench.commit();
        for (reverse, expected) in [(false, "cde"), (true, "cba")] {
            let mut request = ScanRequest::prefix(Cf::Default, b"")
                .at_most(2)
                .values_up_to(3);
            request.reverse = reverse;
            bench.pin(request.clone());
            let entries = &bench.view.pinned[0].pinned.entries;
            assert_eq!(entries.len(), 2);
            assert!(entries.iter().all(|(_, value)| **value == *b"val"));
            let mark = bench.view.begin_command();
            let hidden = if reverse { [b"e", b"d"] } else { [b"a", b"b"] };
            for key in hidden {
                bench.view.delete(Cf::Default, key);
            }
            assert_eq!(scanned(&mut bench, &request), expected);
            bench.view.undo(mark);
            bench.view.pinned.clear();
        }
    }
}
