//! Ranges that workers read while the loop goes on: what is written to them meanwhile. A worker's answer and these
//! changes together are what stands in the range now, whichever of the changes its snapshot already holds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::cf::Cf;
use super::scan::ScanRequest;
use crate::limits::WATCHED_BYTES_MAX;

/// The newest change of each key: its value, or `None` when it was deleted.
pub type Changes = BTreeMap<Box<[u8]>, Option<Box<[u8]>>>;

#[derive(Debug, Default)]
struct Written {
    changes: Changes,
    /// Bytes of keys and values in `changes`, replaced ones too.
    bytes: usize,
    is_lost: bool,
}

/// A watch over a range. Dropping it ends the watch.
#[derive(Debug)]
pub struct RangeWatch(Rc<RefCell<Written>>);

impl RangeWatch {
    /// Moves what was written to the range since the last call into `changes`. Gives `false` when that is no longer known, because it
    /// was too much, or a commit failed: the range must then be read anew.
    pub fn take_changes(&self, changes: &mut Changes) -> bool {
        let mut written = self.0.borrow_mut();
        changes.append(&mut written.changes);
        !written.is_lost
    }
}

struct Range {
    request: ScanRequest,
    written: Weak<RefCell<Written>>,
}

impl Range {
    fn covers(&self, cf: Cf, key: &[u8]) -> bool {
        let ScanRequest { lower, upper, .. } = &self.request;
        self.request.cf == cf
            && key >= &lower[..]
            && upper.as_deref().is_none_or(|upper| key < upper)
    }
}

/// The ranges that are watched.
#[derive(Default)]
pub struct WatchedRanges(Vec<Range>);

impl WatchedRanges {
    /// Watches the range of `request` from now on.
    pub fn watch(&mut self, request: &ScanRequest) -> RangeWatch {
        let watch = RangeWatch(Rc::default());
        self.0.push(Range {
            request: request.clone(),
            written: Rc::downgrade(&watch.0),
        });
        watch
    }

    /// Whether none is watched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` lies in one of the ranges.
    pub fn covers(&self, cf: Cf, key: &[u8]) -> bool {
        self.0.iter().any(|range| range.covers(cf, key))
    }

    /// `key` now has the value `head` followed by `tail`, or none.
    pub fn note(&mut self, cf: Cf, key: &[u8], value: Option<(&[u8], &[u8])>) {
        self.0.retain(|range| {
            let Some(written) = range.written.upgrade() else {
                return false;
            };
            if range.covers(cf, key) {
                note(&mut written.borrow_mut(), key, value);
            }
            true
        });
    }

    /// What stands in the ranges is no longer known from what was noted.
    pub fn lose_all(&mut self) {
        for written in self.0.drain(..).filter_map(|range| range.written.upgrade()) {
            written.borrow_mut().is_lost = true;
        }
    }
}

fn note(written: &mut Written, key: &[u8], value: Option<(&[u8], &[u8])>) {
    if written.is_lost {
        return;
    }
    let value = value.map(|(head, tail)| [head, tail].concat());
    written.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
    if written.bytes > WATCHED_BYTES_MAX {
        written.changes.clear();
        written.is_lost = true;
        return;
    }
    written
        .changes
        .insert(key.into(), value.map(Vec::into_boxed_slice));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(prefix: &[u8]) -> (WatchedRanges, RangeWatch) {
        let mut ranges = WatchedRanges::default();
        let watch = ranges.watch(&ScanRequest::prefix(Cf::Default, prefix));
        (ranges, watch)
    }

    fn taken(watch: &RangeWatch) -> Option<Changes> {
        let mut changes = Changes::new();
        watch.take_changes(&mut changes).then_some(changes)
    }

    #[test]
    fn the_newest_change_of_each_key_in_the_range_is_kept() {
        let (mut ranges, watch) = watched(b"b");
        for (key, value) in [(b"b1", b"x"), (b"b2", b"x"), (b"b1", b"y"), (b"c1", b"x")] {
            ranges.note(Cf::Default, key, Some((b"=", value)));
        }
        ranges.note(Cf::Default, b"b2", None);
        ranges.note(Cf::Metadata, b"b3", None);
        assert!(ranges.covers(Cf::Default, b"b3"));
        assert!(!ranges.covers(Cf::Default, b"c1"));
        let expected = Changes::from([
            (Box::from(&b"b1"[..]), Some(Box::from(&b"=y"[..]))),
            (Box::from(&b"b2"[..]), None),
        ]);
        assert_eq!(taken(&watch), Some(expected));
        assert_eq!(taken(&watch), Some(Changes::new()));
    }

    #[test]
    fn too_many_changes_are_lost() {
        let (mut ranges, watch) = watched(b"");
        ranges.note(Cf::Default, b"k", Some((&[0; WATCHED_BYTES_MAX], b"")));
        assert_eq!(taken(&watch), None);
        let (mut ranges, watch) = watched(b"");
        ranges.lose_all();
        assert_eq!(taken(&watch), None);
    }

    #[test]
    fn a_dropped_watch_ends() {
        let (mut ranges, watch) = watched(b"");
        drop(watch);
        ranges.note(Cf::Default, b"k", None);
        assert!(ranges.is_empty());
    }
}
