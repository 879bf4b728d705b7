//! Sorted sets: every member stands twice, in `default` with its score and in `zset_score` behind its score.
//!
//! ```text
//! metadata:    header, size = members
//! default:     member           -> score
//! zset_score:  score | member   -> (empty)
//! ```
//! Order is by score, then by the member's bytes. The two zeros are equal scores to Redis, but -0.0 sorts below +0.0 on disk:
//! so -0.0 is written as +0.0 (as Redis does in its compact encoding); Kvrocks may have written it, and it is read as it
//! stands. Source: section 6.5 of the format.
//!
//! Here: one set's members and metadata. [`walk`]: parts of it in order, counts and ranks. [`combine`]: union, intersection
//! and difference.

pub mod combine;
pub mod walk;

use super::members::{self, Draw, Page};
use super::score::{self, encode};
use crate::command::context::Rng;
use crate::command::halt::{Halt, Run};
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type};
use crate::storage::store::{Elements, Store};

/// LogData of every change to a sorted set.
const LOG_DATA: &[u8] = b"5";
/// LogData of a deleted key.
const LOG_DATA_DELETE: &[u8] = b"0";

/// A member and its score.
pub type Scored = (Box<[u8]>, f64);

/// One sorted set, for the time of one command. Changes go to the store at once, the metadata entry with [`Zset::save`].
pub struct Zset<'k> {
    key: &'k [u8],
    header: Header,
    /// What follows the header in the metadata entry; nothing today.
    rest: Vec<u8>,
    elements: Elements,
    /// The size that the metadata entry has; zero for a new set.
    saved_size: u64,
    announced: bool,
}

impl<'k> Zset<'k> {
    /// The sorted set at `key`, if there is one now; WRONGTYPE when the key holds something else.
    pub fn open(store: &mut Store<'_>, key: &'k [u8]) -> Run<Option<Zset<'k>>> {
        let Some(meta) = store.typed(key, Type::Zset)? else {
            return Ok(None);
        };
        Ok(Some(Zset {
            key,
            elements: store.elements(key, &meta.header),
            saved_size: meta.header.size,
            header: meta.header,
            rest: meta.rest,
            announced: false,
        }))
    }

    /// The same for a command that only reads, which counts as a hit or a miss.
    pub fn open_to_read(store: &mut Store<'_>, key: &'k [u8]) -> Run<Option<Zset<'k>>> {
        let found = Zset::open(store, key)?;
        store.looked_up(key, found.is_some());
        Ok(found)
    }

    /// An empty sorted set that is to be at `key`, in place of whatever is there. Nothing is written yet.
    pub fn create(store: &mut Store<'_>, key: &'k [u8]) -> Zset<'k> {
        let header = store.new_header(Type::Zset);
        Zset {
            key,
            elements: store.elements(key, &header),
            saved_size: 0,
            header,
            rest: Vec::new(),
            announced: false,
        }
    }

    /// The key it is at.
    pub fn key(&self) -> &'k [u8] {
        self.key
    }

    /// How many members it has.
    pub fn len(&self) -> u64 {
        self.header.size
    }

    /// Whether it has no member, which is not to exist.
    pub fn is_empty(&self) -> bool {
        self.header.size == 0
    }

    /// Whether the key is made by this command.
    pub fn is_new(&self) -> bool {
        self.saved_size == 0
    }

    /// The score of `member`.
    pub fn score(&mut self, store: &mut Store<'_>, member: &[u8]) -> Run<Option<f64>> {
        let entry = self.elements.key(member);
        // Under a fresh version stands only what this command has put there.
        if self.saved_size == 0 {
            return store
                .view
                .read_own(Cf::Default, entry, |value| value.map(decode).transpose());
        }
        store
            .view
            .read(Cf::Default, entry, |value| value.map(decode).transpose())?
    }

    /// After a look-up of a member: the others that come next, to be asked for with it if it was not in memory.
    pub fn want_if_cold<'m, T, I: IntoIterator<Item = &'m [u8]>>(
        &mut self,
        looked_up: &Run<T>,
        store: &mut Store<'_>,
        others: impl FnOnce() -> I,
    ) {
        self.elements.want_if_cold(looked_up, store, others);
    }

    /// Adds `member`, which must not be there.
    pub fn add(&mut self, store: &mut Store<'_>, member: &[u8], score: f64) {
        self.announce(store);
        self.put(store, member, score);
        self.header.size += 1;
    }

    /// Moves `member` from its score `old` to `new`.
    pub fn rescore(&mut self, store: &mut Store<'_>, member: &[u8], old: f64, new: f64) {
        self.announce(store);
        store
            .view
            .delete(Cf::ZsetScore, self.elements.key2(&encode(old), member));
        self.put(store, member, new);
    }

    /// Removes `member`, which is there with `score`.
    pub fn remove(&mut self, store: &mut Store<'_>, member: &[u8], score: f64) {
        self.announce(store);
        store.view.delete(Cf::Default, self.elements.key(member));
        store
            .view
            .delete(Cf::ZsetScore, self.elements.key2(&encode(score), member));
        self.header.size = self.header.size.saturating_sub(1);
    }

    /// Removes these members, which are there with these scores. When they are all, only the metadata entry changes: the
    /// rest goes by compaction.
    pub fn remove_all(&mut self, store: &mut Store<'_>, members: &[Scored]) {
        if members.len() as u64 >= self.len() {
            return self.clear(store);
        }
        for (member, score) in members {
            self.remove(store, member, *score);
        }
    }

    /// Removes every member, by the metadata entry alone.
    pub fn clear(&mut self, store: &mut Store<'_>) {
        self.announce(store);
        self.header.size = 0;
    }

    /// Writes the metadata entry if the size changed; deletes that of an empty set. (Kvrocks leaves an entry of size 0, which
    /// means the same; to a reader of the log a deletion says more.)
    pub fn save(&mut self, store: &mut Store<'_>) {
        if self.header.size == self.saved_size {
            return;
        }
        if self.is_empty() {
            store.delete_meta(self.key);
        } else {
            store.put_meta(self.key, &self.header, &self.rest);
        }
        self.saved_size = self.header.size;
    }

    /// Random members, as [`members::draw`] draws them.
    pub fn draw(&self, store: &mut Store<'_>, draw: Draw, rng: &mut Rng) -> Run<Vec<Scored>> {
        let drawn = members::draw(store, self.key, &self.header, draw, rng)?;
        drawn
            .into_iter()
            .map(|(member, value)| Ok((member, decode(&value)?)))
            .collect()
    }

    /// Appends a page of members in the order of their bytes to `members`, as [`members::page`] gives them. Gives the
    /// last one when more are to come.
    pub fn page(
        &self,
        store: &mut Store<'_>,
        page: &Page<'_>,
        members: &mut Vec<Scored>,
    ) -> Run<Option<Box<[u8]>>> {
        let mut corrupted = None;
        let next = members::page(
            store,
            self.key,
            &self.header,
            page,
            |member, value| match decode(value) {
                Ok(score) => members.push((member.into(), score)),
                Err(halt) => corrupted = Some(halt),
            },
        )?;
        corrupted.map_or(Ok(next), Err)
    }

    fn put(&mut self, store: &mut Store<'_>, member: &[u8], score: f64) {
        // -0.0 becomes +0.0.
        let score = encode(score + 0.0);
        store
            .view
            .put(Cf::Default, self.elements.key(member), &score);
        store
            .view
            .put(Cf::ZsetScore, self.elements.key2(&score, member), b"");
    }

    /// Says once in the record what the changes are.
    fn announce(&mut self, store: &mut Store<'_>) {
        if !self.announced {
            self.announced = true;
            store.changing(self.key, LOG_DATA);
        }
    }
}

/// The score that stands behind a member in `default`.
fn decode(value: &[u8]) -> Run<f64> {
    score::decode(value).ok_or(Halt::Error(score::CORRUPTED))
}

/// What became of a destination key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// It was made.
    Created,
    /// It took the place of what the key held.
    Replaced,
    /// The result was empty: what the key held is gone.
    Deleted,
    /// The result was empty, and nothing was there.
    Nothing,
}

/// Makes `key` the sorted set of `members` (distinct ones), whatever it held before. No members, no key.
pub fn overwrite(store: &mut Store<'_>, key: &[u8], members: &[Scored]) -> Run<Stored> {
    let existed = store.header(key)?.is_some();
    if members.is_empty() {
        if !existed {
            return Ok(Stored::Nothing);
        }
        store.changing(key, LOG_DATA_DELETE);
        store.delete_meta(key);
        return Ok(Stored::Deleted);
    }
    let mut zset = Zset::create(store, key);
    for (member, score) in members {
        zset.add(store, member, *score);
    }
    zset.save(store);
    Ok(if existed {
        Stored::Replaced
    } else {
        Stored::Created
    })
}
