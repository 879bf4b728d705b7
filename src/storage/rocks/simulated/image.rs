//! The contents of a simulated database: ordered maps that are shared until one side changes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::super::super::cf::Cf;
use super::super::super::seq::Seq;
use super::super::KeyRange;
use super::batch::Change;

type Bytes = Arc<[u8]>;
type Entry = (Bytes, Bytes);
type Map = BTreeMap<Bytes, Bytes>;

/// All families at one point of the history. A clone costs seven counts.
#[derive(Clone, Default)]
pub struct Image {
    seq: u64,
    families: [Arc<Map>; Cf::COUNT],
}

impl Image {
    /// The last update that it shows.
    pub fn seq(&self) -> Seq {
        Seq::new(self.seq)
    }

    /// Whether two databases are equal.
    pub fn is_same(&self, other: &Image) -> bool {
        self.seq == other.seq && self.families == other.families
    }

    pub fn get(&self, cf: Cf, key: &[u8]) -> Option<Arc<[u8]>> {
        self.families[cf.index()].get(key).cloned()
    }

    pub fn len(&self, cf: Cf) -> usize {
        self.families[cf.index()].len()
    }

    /// Applies the changes of one batch, each with a number of its own.
    pub fn apply(&mut self, changes: &[Change<'_>]) {
        for change in changes {
            self.seq += 1;
            match *change {
                Change::Put(cf, key, value) => {
                    self.family(cf).insert(key.into(), value.into());
                }
                Change::Delete(cf, key) => {
                    self.family(cf).remove(key);
                }
                Change::DeleteRange(cf, from, to) => {
                    self.family(cf)
                        .retain(|key, _| !(from <= &**key && &**key < to));
                }
            }
        }
    }

    fn family(&mut self, cf: Cf) -> &mut Map {
        Arc::make_mut(&mut self.families[cf.index()])
    }

    pub fn cursor(&self, cf: Cf, range: KeyRange<'_>) -> Cursor {
        Cursor {
            map: Arc::clone(&self.families[cf.index()]),
            lower: range.lower.to_vec(),
            upper: range.upper.map(<[u8]>::to_vec),
            at: None,
        }
    }
}

/// A position in a range of a family.
pub struct Cursor {
    map: Arc<Map>,
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
    at: Option<Entry>,
}

impl Cursor {
    pub fn item(&self) -> Option<(&[u8], &[u8])> {
        self.at.as_ref().map(|(key, value)| (&**key, &**value))
    }

    pub fn seek_to_first(&mut self) {
        self.at = self.first_from(Bound::Included(&self.lower));
    }

    pub fn seek_to_last(&mut self) {
        self.at = self.last_up_to(Bound::Unbounded);
    }

    pub fn seek(&mut self, key: &[u8]) {
        self.at = self.first_from(Bound::Included(key.max(&self.lower)));
    }

    pub fn seek_for_prev(&mut self, key: &[u8]) {
        self.at = self.last_up_to(Bound::Included(key));
    }

    pub fn next(&mut self) {
        if let Some((key, _)) = self.at.take() {
            self.at = self.first_from(Bound::Excluded(&key));
        }
    }

    pub fn prev(&mut self) {
        if let Some((key, _)) = self.at.take() {
            self.at = self.last_up_to(Bound::Excluded(&key));
        }
    }

    fn first_from(&self, from: Bound<&[u8]>) -> Option<Entry> {
        let mut behind = self.map.range::<[u8], _>((from, Bound::Unbounded));
        self.within(behind.next())
    }

    fn last_up_to(&self, to: Bound<&[u8]>) -> Option<Entry> {
        // The range's own end, where that comes first.
        let to = match (&self.upper, to) {
            (Some(upper), Bound::Unbounded) => Bound::Excluded(&upper[..]),
            (Some(upper), Bound::Included(key)) if key >= &upper[..] => Bound::Excluded(&upper[..]),
            (_, to) => to,
        };
        let mut before = self.map.range::<[u8], _>((Bound::Unbounded, to));
        self.within(before.next_back())
    }

    fn within(&self, entry: Option<(&Bytes, &Bytes)>) -> Option<Entry> {
        let (key, value) = entry?;
        let below_end = self.upper.as_ref().is_none_or(|upper| **key < upper[..]);
        (**key >= self.lower[..] && below_end).then(|| (Arc::clone(key), Arc::clone(value)))
    }
}
