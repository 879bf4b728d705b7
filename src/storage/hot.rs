//! The loop's cache of hot values: what point reads and writes touched last, whole values by key and family.
//!
//! A hit costs a hash lookup instead of a RocksDB read (DESIGN.md, "What the engine costs"). It always holds the newest
//! state, uncommitted changes included; each entry says which group wrote it last, for the reply that shows it. It is a cache only: anything may
//! be dropped from it at any time, since uncommitted changes stand in their records too.

use hashbrown::HashTable;

use super::cf::Cf;
use super::commit::GroupId;
use crate::limits::SHARED_BULK_BYTES_MIN;

/// What an entry costs beside its bytes: slot, table entry, allocator's rounding.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// Entries that [`HotCache::warm`] looks at in one call: as many misses of the processor's caches as it can have under way, and some.
pub const WARM_MAX: usize = 16;

struct Slot {
    /// Key, then value.
    bytes: Box<[u8]>,
    hash: u64,
    group: GroupId,
    key_len: u32,
    cf: Cf,
    present: bool,
    /// Touched since the hand last came by.
    warm: bool,
}

impl Slot {
    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD_BYTES
    }
}

/// A cached state of a key: its value (`None`: known to be absent) and the group that last wrote it.
pub struct Cached<'c> {
    pub value: Option<&'c [u8]>,
    pub group: GroupId,
}

/// A bounded cache with second-chance (CLOCK) eviction.
pub struct HotCache {
    table: HashTable<u32>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
}

impl HotCache {
    /// A cache of at most about `bytes_max` bytes; zero keeps nothing.
    pub fn new(bytes_max: usize) -> HotCache {
        HotCache {
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            bytes_max,
        }
    }

    /// Changes the bound; entries above it leave with the next insertions.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.make_room(0);
    }

    /// Bytes held, bookkeeping counted.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The state of `key`, if it is here.
    #[inline]
    pub fn get(&mut self, cf: Cf, key: &[u8], hash: u64) -> Option<Cached<'_>> {
        let at = *self
            .table
            .find(hash, |&at| is_key(&self.slots, at, cf, key))?;
        let slot = self.slots[at as usize].as_mut()?;
        slot.warm = true;
        let value = slot.present.then(|| &slot.bytes[slot.key_len as usize..]);
        Some(Cached {
            value,
            group: slot.group,
        })
    }

    /// Touches all that looks at the first [`WARM_MAX`] of these entries would, one kind of memory after the other: within a kind no
    /// access depends on another one, and their misses overlap. Changes nothing.
    pub fn warm(&self, hashes: &[u64]) {
        let mut places = [u32::MAX; WARM_MAX];
        for (place, &hash) in places.iter_mut().zip(hashes) {
            // The first with the same few bits of the hash is nearly always the one.
            if let Some(&at) = self.table.find(hash, |_| true) {
                *place = at;
            }
        }
        let mut found: [&[u8]; WARM_MAX] = [&[]; WARM_MAX];
        for (found, &at) in found.iter_mut().zip(&places) {
            if let Some(Some(slot)) = self.slots.get(at as usize) {
                *found = &slot.bytes;
            }
        }
        let first_bytes = found.map(|bytes| bytes.first().copied());
        std::hint::black_box(first_bytes);
    }

    /// Whether `key` is here.
    pub fn contains(&self, cf: Cf, key: &[u8], hash: u64) -> bool {
        self.table
            .find(hash, |&at| is_key(&self.slots, at, cf, key))
            .is_some()
    }

    /// Keeps the state of `key`: `head` followed by `tail`, or absence.
    pub fn insert(
        &mut self,
        cf: Cf,
        key: &[u8],
        value: Option<(&[u8], &[u8])>,
        hash: u64,
        group: GroupId,
    ) {
        let value_len = value.map_or(0, |(head, tail)| head.len() + tail.len());
        let len = key.len() + value_len;
        // One value must not push out everything else, and copying a large one in costs more than RocksDB's lookup.
        if len + ENTRY_OVERHEAD_BYTES > self.bytes_max / 16 || value_len >= SHARED_BULK_BYTES_MIN {
            self.remove(cf, key, hash);
            return;
        }
        let found = self
            .table
            .find(hash, |&at| is_key(&self.slots, at, cf, key))
            .copied();
        if let Some(slot) = found.and_then(|at| self.slots[at as usize].as_mut()) {
            slot.present = value.is_some();
            slot.group = group;
            slot.warm = true;
            if slot.bytes.len() == len {
                if let Some((head, tail)) = value {
                    let (first, second) = slot.bytes[key.len()..].split_at_mut(head.len());
                    first.copy_from_slice(head);
                    second.copy_from_slice(tail);
                }
                return;
            }
            self.bytes = self.bytes - slot.bytes.len() + len;
            slot.bytes = join(key, value, len);
            self.make_room(0);
            return;
        }
        self.make_room(len + ENTRY_OVERHEAD_BYTES);
        let slot = Slot {
            bytes: join(key, value, len),
            hash,
            group,
            key_len: key.len() as u32,
            cf,
            present: value.is_some(),
            warm: false,
        };
        self.bytes += slot.cost();
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at as usize] = Some(slot);
                at
            }
            None => {
                self.slots.push(Some(slot));
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.table.insert_unique(hash, at, |&at| {
            slots[at as usize].as_ref().map_or(0, |slot| slot.hash)
        });
    }

    /// Forgets `key`.
    pub fn remove(&mut self, cf: Cf, key: &[u8], hash: u64) {
        if let Ok(entry) = self
            .table
            .find_entry(hash, |&at| is_key(&self.slots, at, cf, key))
        {
            let (at, _) = entry.remove();
            self.release(at);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = HotCache::new(self.bytes_max);
    }

    fn make_room(&mut self, needed: usize) {
        while self.bytes + needed > self.bytes_max && self.bytes > 0 {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let at = self.hand;
            self.hand += 1;
            match self.slots[at].as_mut() {
                None => {}
                Some(slot) if slot.warm => slot.warm = false,
                Some(slot) => {
                    let hash = slot.hash;
                    if let Ok(entry) = self.table.find_entry(hash, |&found| found as usize == at) {
                        entry.remove();
                    }
                    self.release(at as u32);
                }
            }
        }
    }

    fn release(&mut self, at: u32) {
        if let Some(slot) = self.slots[at as usize].take() {
            self.bytes -= slot.cost();
            self.free.push(at);
        }
    }
}

fn is_key(slots: &[Option<Slot>], at: u32, cf: Cf, key: &[u8]) -> bool {
    slots[at as usize]
        .as_ref()
        .is_some_and(|slot| slot.cf == cf && slot.key() == key)
}

fn join(key: &[u8], value: Option<(&[u8], &[u8])>, len: usize) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(key);
    if let Some((head, tail)) = value {
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(tail);
    }
    bytes.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CF: Cf = Cf::Metadata;

    fn put(cache: &mut HotCache, key: &[u8], value: &[u8]) {
        cache.insert(CF, key, Some((value, b"")), key.len() as u64, GroupId(1));
    }

    fn get(cache: &mut HotCache, key: &[u8]) -> Option<Option<Vec<u8>>> {
        cache
            .get(CF, key, key.len() as u64)
            .map(|cached| cached.value.map(<[u8]>::to_vec))
    }

    #[test]
    fn the_newest_state_is_kept() {
        let mut cache = HotCache::new(1 << 16);
        put(&mut cache, b"a", b"one");
        put(&mut cache, b"b", b"other");
        put(&mut cache, b"a", b"two");
        assert_eq!(get(&mut cache, b"a"), Some(Some(b"two".to_vec())));
        put(&mut cache, b"a", b"longer than before");
        assert_eq!(
            get(&mut cache, b"a"),
            Some(Some(b"longer than before".to_vec()))
        );
        cache.insert(CF, b"a", None, 1, GroupId(2));
        assert_eq!(get(&mut cache, b"a"), Some(None));
        cache.remove(CF, b"a", 1);
        assert_eq!(get(&mut cache, b"a"), None);
        assert_eq!(get(&mut cache, b"b"), Some(Some(b"other".to_vec())));
    }

    #[test]
    fn it_stays_below_its_bound_and_keeps_what_is_used() {
        let mut cache = HotCache::new(10_000);
        put(&mut cache, b"hot", b"value");
        for number in 0..10_000u32 {
            let key = format!("key-{number}");
            cache.insert(
                CF,
                key.as_bytes(),
                Some((&[7; 20], b"")),
                u64::from(number),
                GroupId(1),
            );
            assert!(
                get(&mut cache, b"hot").is_some(),
                "evicted though warm, at {number}"
            );
            assert!(cache.bytes() <= 10_000);
        }
        cache.set_bytes_max(0);
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn warming_finds_what_is_there_and_changes_nothing() {
        let mut cache = HotCache::new(1 << 16);
        cache.warm(&[]);
        cache.warm(&[1, 2, 3]);
        put(&mut cache, b"a", b"one");
        cache.warm(&[1; WARM_MAX + 1]);
        assert_eq!(get(&mut cache, b"a"), Some(Some(b"one".to_vec())));
        assert_eq!(get(&mut cache, b"bb"), None);
    }

    #[test]
    fn a_value_larger_than_its_share_is_not_kept() {
        let mut cache = HotCache::new(10_000);
        put(&mut cache, b"a", b"small");
        put(&mut cache, b"a", &[1; 2000]);
        assert_eq!(get(&mut cache, b"a"), None);
    }
}
