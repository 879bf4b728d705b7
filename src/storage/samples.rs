//! Samples of sets that are drawn from often: members read by one scan and handed out by later draws (SPOP, SRANDMEMBER).
//!
//! RocksDB keeps a tombstone for each member popped until it is compacted away, and counts nothing: a draw that has to seek
//! costs several iterators, each stepping over what was popped around its place. Measured on a set of 20,000 popped empty: 700 us
//! a SPOP. So the members read at some random places are kept, and taken one by one.
//!
//! Invariant: a sampled member is a member that the view shows. [`Samples::written`] and [`Samples::deleted`] keep it true;
//! whoever changes the view in another way forgets everything.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::command::context::Rng;

/// Sets sampled at a time. One more takes the place of the one that was longest not drawn from.
const SETS_MAX: usize = 64;

/// Bytes of members that one sample holds at most.
const SAMPLE_BYTES_MAX: usize = 256 * 1024;

/// Members put into a sampled set since the sample was read; beyond, the sample is read again.
const ADDED_MAX: usize = 1024;

/// Places of the memory of sets drawn from.
const ASKED_PLACES: usize = 256;

/// What one scan brought, and what has come into the set since.
struct Sample {
    members: Bag,
    /// Put since the members were read. Always empty for a whole set, where they join the others.
    added: Bag,
    /// The members are all that there are.
    is_whole: bool,
    /// When it was last drawn from, in draws.
    used: u64,
}

/// The samples of the sets that were lately drawn from.
#[derive(Default)]
pub struct Samples {
    /// By what the keys of all members begin with; no such prefix begins another one.
    sets: BTreeMap<Box<[u8]>, Sample>,
    /// Hashes of the prefixes of sets drawn from: reading a sample pays from the second draw on.
    asked: Vec<u64>,
    hasher: RandomState,
    draws: u64,
}

impl Samples {
    /// Whether no set is sampled.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.sets.clear();
    }

    /// Whether the set of `prefix` was drawn from before, as far as that is remembered. It is from now on.
    pub fn is_asked_again(&mut self, prefix: &[u8]) -> bool {
        let hash = self.hasher.hash_one(prefix);
        self.asked.resize(ASKED_PLACES, 0);
        std::mem::replace(&mut self.asked[hash as usize % ASKED_PLACES], hash) == hash
    }

    /// A random member of the set of `prefix`, which has `size` members; `None` when there is no sample of it, or none left.
    ///
    /// From a sample of the whole set each draw is uniform and independent of the others. From another one a member that was read is given
    /// once; one that was added since comes as often as it would from the whole set.
    pub fn draw(&mut self, prefix: &[u8], size: u64, rng: &mut Rng) -> Option<Box<[u8]>> {
        let sample = self.sets.get_mut(prefix)?;
        self.draws += 1;
        sample.used = self.draws;
        let drawn = if sample.is_whole {
            // Another number of members than the set says: what stands on the disk is not what was counted.
            (sample.members.len() as u64 == size)
                .then(|| sample.members.any(rng))
                .flatten()
        } else if rng.below(size.max(1)) < sample.added.len() as u64 {
            sample.added.any(rng)
        } else {
            sample.members.take_any(rng)
        };
        if drawn.is_none() {
            self.sets.remove(prefix);
        }
        drawn
    }

    /// Keeps `members` of the set of `prefix`; `is_whole` when they are all. Too many bytes of them are not kept.
    pub fn keep(
        &mut self,
        prefix: &[u8],
        members: impl IntoIterator<Item = Box<[u8]>>,
        is_whole: bool,
    ) {
        let mut sample = Sample {
            members: Bag::default(),
            added: Bag::default(),
            is_whole,
            used: self.draws,
        };
        for member in members {
            if sample.members.bytes + member.len() > SAMPLE_BYTES_MAX {
                if is_whole {
                    return;
                }
                break;
            }
            sample.members.insert(&member, &self.hasher);
        }
        if self.sets.len() >= SETS_MAX && !self.sets.contains_key(prefix) {
            let oldest = self.sets.iter().min_by_key(|(_, sample)| sample.used);
            if let Some(oldest) = oldest.map(|(prefix, _)| prefix.clone()) {
                self.sets.remove(&oldest);
            }
        }
        self.sets.insert(prefix.into(), sample);
    }

    /// `key` was put: a new member, if its set is sampled.
    pub fn written(&mut self, key: &[u8]) {
        let Some((prefix, sample)) = find(&mut self.sets, key) else {
            return;
        };
        let member = &key[prefix.len()..];
        let into = if sample.is_whole {
            &mut sample.members
        } else {
            &mut sample.added
        };
        into.insert(member, &self.hasher);
        if into.bytes > SAMPLE_BYTES_MAX || sample.added.len() > ADDED_MAX {
            let prefix: Box<[u8]> = prefix.into();
            self.sets.remove(&prefix[..]);
        }
    }

    /// `key` was deleted: no member any more.
    pub fn deleted(&mut self, key: &[u8]) {
        if let Some((prefix, sample)) = find(&mut self.sets, key) {
            let member = &key[prefix.len()..];
            sample.members.remove(member, &self.hasher);
            sample.added.remove(member, &self.hasher);
        }
    }
}

/// The sample of the set that `key` belongs to: its prefix, if it is here, is the greatest one not above the key.
fn find<'s>(
    sets: &'s mut BTreeMap<Box<[u8]>, Sample>,
    key: &[u8],
) -> Option<(&'s [u8], &'s mut Sample)> {
    let not_above = (Bound::Unbounded, Bound::Included(key));
    let (prefix, sample) = sets.range_mut::<[u8], _>(not_above).next_back()?;
    key.starts_with(prefix).then_some((&**prefix, sample))
}

/// Distinct members to draw from.
#[derive(Default)]
struct Bag {
    members: Vec<(u64, Box<[u8]>)>,
    /// Where each member stands.
    places: HashTable<u32>,
    bytes: usize,
}

impl Bag {
    fn len(&self) -> usize {
        self.members.len()
    }

    fn insert(&mut self, member: &[u8], hasher: &RandomState) {
        let hash = hasher.hash_one(member);
        let members = &self.members;
        let is_it = |&at: &u32| *members[at as usize].1 == *member;
        if self.places.find(hash, is_it).is_none() {
            let at = members.len() as u32;
            self.places
                .insert_unique(hash, at, |&at| members[at as usize].0);
            self.members.push((hash, member.into()));
            self.bytes += member.len();
        }
    }

    fn remove(&mut self, member: &[u8], hasher: &RandomState) {
        let hash = hasher.hash_one(member);
        let members = &self.members;
        if let Some(&at) = self
            .places
            .find(hash, |&at| *members[at as usize].1 == *member)
        {
            self.take(at as usize);
        }
    }

    fn any(&self, rng: &mut Rng) -> Option<Box<[u8]>> {
        let len = self.members.len();
        (len > 0).then(|| self.members[rng.below(len as u64) as usize].1.clone())
    }

    fn take_any(&mut self, rng: &mut Rng) -> Option<Box<[u8]>> {
        let len = self.members.len();
        (len > 0).then(|| self.take(rng.below(len as u64) as usize))
    }

    /// Takes the member at `at` out; the last one takes its place.
    fn take(&mut self, at: usize) -> Box<[u8]> {
        let last = self.members.len() - 1;
        let last_hash = self.members[last].0;
        if let Ok(entry) = self
            .places
            .find_entry(self.members[at].0, |&place| place as usize == at)
        {
            entry.remove();
        }
        if let Some(place) = self
            .places
            .find_mut(last_hash, |&place| place as usize == last)
        {
            *place = at as u32;
        }
        let (_, member) = self.members.swap_remove(at);
        self.bytes -= member.len();
        member
    }
}

#[cfg(test)]
mod tests;
