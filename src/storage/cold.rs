//! Cold reads: keys that a point read on the loop did not find in memory, on their way through a reader thread.
//!
//! A read that memory cannot answer names its key here, and its command waits ([`crate::command::parked_reads`]). From then on
//! until the command is done the key has a [`Pin`]: it takes up what the reader brings, and knows whether the key was written
//! meanwhile. A pinned value is used only while nobody has written its key since it was asked for, so it never hides a newer state;
//! a write that is undone was none. Commands that lack the same key share the pin and the one read.
//!
//! The database is asked for a key only while no uncommitted record knows it. Any state that a reader finds from then on is
//! therefore the present one, unless the pin has seen a write.

use std::cell::{Cell, OnceCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hashbrown::HashTable;

use super::cf::Cf;
use super::commit::GroupId;
use super::rocks::{Pinned, Rocks, StoreError};
use crate::clock::{Clock, SystemClock};
use crate::command::halt::{Halt, Run, Wait};
use crate::limits::{
    COLD_ANSWER_DELAY_US_MAX, COLD_BYTES_MAX, COLD_KEYS_PER_LOOKUP_MAX, COLD_REPLY_BYTES_MAX,
    LARGE_VALUE_BYTES_ON_LOOP_MAX, SHARED_BULK_BYTES_MIN,
};

/// A key that a read did not find in memory.
#[derive(Clone, Debug)]
pub struct ColdKey {
    pub cf: Cf,
    pub key: Box<[u8]>,
    pub(super) hash: u64,
}

/// What a reader is asked for.
#[derive(Debug)]
pub struct ColdRequest {
    /// The pin that waits for it.
    pub number: u64,
    pub cf: Cf,
    pub key: Box<[u8]>,
    /// Whether the value becomes a part of a reply as it is.
    pub is_shown: bool,
}

/// What a reader says to a request.
#[derive(Debug)]
pub struct ColdAnswer {
    /// That of the request.
    pub number: u64,
    pub outcome: Result<Brought, StoreError>,
}

/// What a reader has found.
#[derive(Debug)]
pub enum Brought {
    /// The key is not there.
    Absent,
    Value(HeldValue),
    /// It is there, and there is no room to hold it: it was read all the same, and is in the caches on its way.
    NotHeld,
}

/// Room for values between readers and commands, which all of them share: at most about [`COLD_BYTES_MAX`], or one value;
/// [`COLD_REPLY_BYTES_MAX`] with those that go into a reply as they are.
#[derive(Clone, Debug, Default)]
pub struct ValueRoom(Arc<AtomicUsize>);

impl ValueRoom {
    /// Bytes of values held now.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn hold(&self, value: &[u8], is_shown: bool) -> Brought {
        let bytes_max = if is_shown {
            COLD_REPLY_BYTES_MAX
        } else {
            COLD_BYTES_MAX
        };
        let before = self.0.fetch_add(value.len(), Ordering::Relaxed);
        if before > 0 && before + value.len() > bytes_max {
            self.0.fetch_sub(value.len(), Ordering::Relaxed);
            return Brought::NotHeld;
        }
        Brought::Value(HeldValue {
            bytes: Bytes::copy_from_slice(value),
            room: self.clone(),
        })
    }
}

/// A value that counts against the room as long as it lives.
#[derive(Debug)]
pub struct HeldValue {
    bytes: Bytes,
    room: ValueRoom,
}

impl Drop for HeldValue {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Reads what is asked for and delivers the answers, the first of them without waiting for the last. For a reader thread.
pub fn read_all(
    rocks: &Rocks,
    requests: &[ColdRequest],
    room: &ValueRoom,
    mut deliver: impl FnMut(Vec<ColdAnswer>),
) {
    let mut answers = Vec::with_capacity(requests.len());
    let clock = SystemClock::new();
    let mut since_us = clock.mono_us();
    for chunk in requests.chunk_by(|a, b| a.cf == b.cf) {
        for chunk in chunk.chunks(COLD_KEYS_PER_LOOKUP_MAX) {
            let values = match chunk {
                [request] => vec![rocks.get(request.cf, &request.key)],
                _ => {
                    let keys = chunk.iter().map(|request| &request.key[..]);
                    rocks.multi_get(chunk[0].cf, keys)
                }
            };
            for (request, value) in chunk.iter().zip(values) {
                answers.push(ColdAnswer {
                    number: request.number,
                    outcome: value.map(|value| {
                        value.map_or(Brought::Absent, |value| room.hold(&value, request.is_shown))
                    }),
                });
            }
            if clock.mono_us() - since_us >= COLD_ANSWER_DELAY_US_MAX {
                deliver(std::mem::take(&mut answers));
                since_us = clock.mono_us();
            }
        }
    }
    if !answers.is_empty() {
        deliver(answers);
    }
}

/// Whether a pinned key was written since it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    No,
    /// First by this group, which may be undone while it is open.
    By(GroupId),
    /// Nobody knows.
    Perhaps,
}

/// A key that is being read for waiting commands, and then what was read.
#[derive(Debug)]
pub struct Pin {
    key: ColdKey,
    number: u64,
    written: Cell<Written>,
    answer: OnceCell<Brought>,
    live: Rc<Cell<usize>>,
}

impl Pin {
    /// What requests and answers call it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the reader has answered.
    pub fn is_answered(&self) -> bool {
        self.answer.get().is_some()
    }

    /// The reader has answered. What is said later is dropped.
    pub fn answered(&self, brought: Brought) {
        let _ = self.answer.set(brought);
    }

    /// Whether it is about this key.
    pub fn is_of(&self, key: &ColdKey) -> bool {
        self.is(key.cf, &key.key)
    }

    fn is(&self, cf: Cf, key: &[u8]) -> bool {
        self.key.cf == cf && *self.key.key == *key
    }

    /// The value, or absence, if that is still how things stand.
    pub(super) fn value(&self) -> Option<Option<&[u8]>> {
        if self.written.get() != Written::No {
            return None;
        }
        match self.answer.get()? {
            Brought::Absent => Some(None),
            Brought::Value(value) => Some(Some(&value.bytes)),
            Brought::NotHeld => None,
        }
    }

    /// What the reader has brought, if it is so large that a reply should share it.
    pub fn large_value(&self) -> Option<&Bytes> {
        match self.answer.get()? {
            Brought::Value(value) if value.bytes.len() >= SHARED_BULK_BYTES_MIN => {
                Some(&value.bytes)
            }
            _ => None,
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.live.set(self.live.get() - 1);
    }
}

/// Whether a read may tell its command to wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DiskReads {
    /// It reads the disk itself: for what is no command, and for commands that have waited often enough.
    #[default]
    Direct,
    /// Its command waits for a reader.
    Wait,
}

/// Whether a test lets this key, or the range that begins here, not be in memory.
#[cfg(test)]
pub type Misses = Box<dyn FnMut(Cf, &[u8]) -> bool>;

/// The pins, and what the running command lacks.
#[derive(Default)]
pub struct ColdTable {
    /// What the running command may do.
    pub disk_reads: DiskReads,
    /// By hash. Pins belong to the commands that wait; those of commands that have gone are swept out now and then.
    pins: HashTable<(u64, Weak<Pin>)>,
    live: Rc<Cell<usize>>,
    sweep_at: usize,
    wanted: Vec<ColdKey>,
    /// Bytes of large values that the running command has taken out of memory.
    large_bytes: usize,
    last_number: u64,
    /// A stand-in for the memory that tests decide about: whether a key is not in it.
    #[cfg(test)]
    pub misses: std::cell::RefCell<Option<Misses>>,
}

/// Pins below which dead ones are not swept.
const SWEEP_MIN: usize = 64;

impl ColdTable {
    /// Whether no key is pinned: the rule, so that it must cost nothing.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.live.get() == 0
    }

    /// Whether nobody lacks or pins anything.
    pub fn is_idle(&self) -> bool {
        self.is_empty() && self.wanted.is_empty()
    }

    /// The pin of a key, answered or not.
    pub(super) fn find(&self, cf: Cf, key: &[u8], hash: u64) -> Option<Rc<Pin>> {
        let mut found = None;
        self.pins.find(hash, |(at, pin)| {
            *at == hash
                && pin.upgrade().is_some_and(|pin| {
                    let is_it = pin.is(cf, key);
                    if is_it {
                        found = Some(pin);
                    }
                    is_it
                })
        });
        found
    }

    /// The pin of a key, if its value is known and still how things stand.
    #[inline]
    pub(super) fn pinned(&self, cf: Cf, key: &[u8], hash: u64) -> Option<Rc<Pin>> {
        if self.is_empty() {
            return None;
        }
        self.find(cf, key, hash).filter(|pin| pin.value().is_some())
    }

    /// What memory knows of a key. Where that is nothing, the command must wait.
    pub(super) fn read_memory<'r>(
        &mut self,
        rocks: &'r Rocks,
        cf: Cf,
        key: &[u8],
        hash: u64,
    ) -> Run<Option<Pinned<'r>>> {
        let is_missing = self.is_made_to_miss(cf, key);
        if !is_missing && let Some(value) = rocks.get_cached_only(cf, key)? {
            let len = value.as_ref().map_or(0, |value| value.len());
            if len < SHARED_BULK_BYTES_MIN || self.may_take(len) {
                return Ok(value);
            }
        }
        self.want(cf, key, hash);
        Err(Halt::Wait(Wait::ColdRead))
    }

    /// A command begins.
    #[inline]
    pub(super) fn begin_command(&mut self) {
        self.large_bytes = 0;
    }

    /// Whether the loop may handle a large value of `len` bytes itself, after those that the command has taken before.
    #[cold]
    fn may_take(&mut self, len: usize) -> bool {
        let taken = self.large_bytes + len;
        let may_take = taken <= LARGE_VALUE_BYTES_ON_LOOP_MAX;
        if may_take {
            self.large_bytes = taken;
        }
        may_take
    }

    #[cfg(test)]
    pub(super) fn is_made_to_miss(&self, cf: Cf, key: &[u8]) -> bool {
        let mut misses = self.misses.borrow_mut();
        misses.as_mut().is_some_and(|misses| misses(cf, key))
    }

    #[cfg(not(test))]
    pub(super) fn is_made_to_miss(&self, _: Cf, _: &[u8]) -> bool {
        false
    }

    /// The running command lacks this key.
    pub(super) fn want(&mut self, cf: Cf, key: &[u8], hash: u64) {
        self.wanted.push(ColdKey {
            cf,
            key: key.into(),
            hash,
        });
    }

    /// How many keys the running command is known to lack.
    pub(super) fn wanted_count(&self) -> usize {
        self.wanted.len()
    }

    /// What the command that has just run lacked.
    pub fn take_wanted(&mut self) -> Vec<ColdKey> {
        std::mem::take(&mut self.wanted)
    }

    /// A pin for `key`: the one that there is, unless its key was written meanwhile, or (`true`) a new one, which must be read.
    pub fn pin(&mut self, key: ColdKey) -> (Rc<Pin>, bool) {
        let ColdKey { cf, hash, .. } = key;
        if let Some(pin) = self.find(cf, &key.key, hash)
            && pin.written.get() == Written::No
            && !matches!(pin.answer.get(), Some(Brought::NotHeld))
        {
            return (pin, false);
        }
        self.sweep();
        let replaced = self.pins.find_entry(hash, |(at, pin)| {
            *at == hash && pin.upgrade().is_some_and(|pin| pin.is_of(&key))
        });
        if let Ok(entry) = replaced {
            entry.remove();
        }
        self.last_number += 1;
        self.live.set(self.live.get() + 1);
        let pin = Rc::new(Pin {
            key,
            number: self.last_number,
            written: Cell::new(Written::No),
            answer: OnceCell::new(),
            live: Rc::clone(&self.live),
        });
        self.pins
            .insert_unique(hash, (hash, Rc::downgrade(&pin)), |(hash, _)| *hash);
        (pin, true)
    }

    fn sweep(&mut self) {
        if self.pins.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.pins.retain(|(_, pin)| pin.strong_count() > 0);
            self.sweep_at = 2 * self.pins.len();
        }
    }

    /// `group`, which is open, writes this key.
    pub(super) fn note_written(&self, cf: Cf, key: &[u8], hash: u64, group: GroupId) {
        if let Some(pin) = self.find(cf, key, hash)
            && pin.written.get() == Written::No
        {
            pin.written.set(Written::By(group));
        }
    }

    /// What `group`, which is open, has written to this key was undone, to the last.
    pub(super) fn note_unwritten(&self, cf: Cf, key: &[u8], hash: u64, group: GroupId) {
        if let Some(pin) = self.find(cf, key, hash)
            && pin.written.get() == Written::By(group)
        {
            pin.written.set(Written::No);
        }
    }

    /// Whether any key was written is no longer known.
    pub(super) fn lose_all(&mut self) {
        for pin in self.pins.drain().filter_map(|(_, pin)| pin.upgrade()) {
            pin.written.set(Written::Perhaps);
        }
    }
}
