//! One WAL record under construction: a batch of changes that is committed whole, and is the unit of replication.
//!
//! Changes are kept in an arena with an index by key, so that the commands of a turn read what was written before them and
//! a command that must wait is undone to its savepoint. Only when the record is closed are they laid out as the bytes of a
//! RocksDB `WriteBatch`. A `metadata` Put that a later change of the same key in the same record replaces is left out
//! there: 800 LPUSHes of one turn rewrite the list's header once. Elements are never left out, since Kvrocks's slot
//! migration reads them command by command from the record.
//!
//! Source of the layout: Kvrocks and RocksDB `db/write_batch.cc` (`u64 LE sequence | u32 LE count | records`).

use hashbrown::HashTable;

use super::cf::Cf;

/// Where Kvrocks keeps the replication id, in the `propagate` family.
pub const REPLICATION_ID_KEY: &[u8] = b"replication_id_";

/// What an operation in a batch begins with. The tagged ones name their family, the others are about the default one.
/// Source: RocksDB `db/dbformat.h` `ValueType`.
pub(super) mod tag {
    pub const DELETE: u8 = 0x00;
    pub const PUT: u8 = 0x01;
    pub const LOG_DATA: u8 = 0x03;
    pub const DELETE_TAGGED: u8 = 0x04;
    pub const PUT_TAGGED: u8 = 0x05;
    pub const DELETE_RANGE_TAGGED: u8 = 0x0e;
    pub const DELETE_RANGE: u8 = 0x0f;
}

/// The stretch of the arena that holds a key or a value.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    start: u32,
    len: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Put,
    Delete,
    /// From `key` (inclusive) to `value` (exclusive).
    DeleteRange,
    /// `value` is the text; `key` is empty.
    LogData,
}

/// No earlier change of the same key in this record.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Op {
    hash: u64,
    key: Stretch,
    value: Stretch,
    /// The change of the same key that this one replaces in the index.
    previous: u32,
    cf: Cf,
    kind: Kind,
    /// Replaced within the record, and left out of its bytes.
    dead: bool,
}

/// What a record knows about a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    /// It was written with this value.
    Value(&'a [u8]),
    /// It was deleted, alone or with a range.
    Deleted,
    /// The record does not touch it.
    Unknown,
}

/// A place in a record to which it can be undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Savepoint {
    ops: usize,
    arena: usize,
}

/// A key that an undo took back, for caches to forget.
pub type Undone<'a> = (Cf, &'a [u8], u64);

/// The changes of a record, in order.
#[derive(Default)]
pub struct Record {
    arena: Vec<u8>,
    ops: Vec<Op>,
    index: HashTable<u32>,
    /// Positions of the range deletes in `ops`.
    ranges: Vec<u32>,
    /// Changes that are neither LogData nor dead.
    updates: u32,
}

impl Record {
    /// Whether nothing at all was appended.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether it holds a change, not only LogData. A record without one has no sequence number of its own.
    pub fn has_changes(&self) -> bool {
        self.updates > 0
    }

    /// Updates that the record's bytes hold as it stands: how far it moves the sequence. More changes never make them fewer, since each
    /// replaces at most one.
    pub fn updates(&self) -> u32 {
        self.updates
    }

    /// Bytes of keys, values and LogData held, replaced ones included.
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    /// Memory that the record holds.
    pub fn heap_bytes(&self) -> usize {
        self.arena.capacity() + self.ops.capacity() * size_of::<Op>() + self.index.capacity() * 5
    }

    /// Writes `key` = `head` followed by `tail`. `hash` is the key's hash, the same for all records of a view.
    pub fn put(&mut self, cf: Cf, key: &[u8], head: &[u8], tail: &[u8], hash: u64) {
        let key = self.keep(key);
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(head);
        self.arena.extend_from_slice(tail);
        let value = Stretch {
            start,
            len: (head.len() + tail.len()) as u32,
        };
        self.push_point(Op {
            hash,
            key,
            value,
            previous: NONE,
            cf,
            kind: Kind::Put,
            dead: false,
        });
    }

    /// Deletes `key`.
    pub fn delete(&mut self, cf: Cf, key: &[u8], hash: u64) {
        let key = self.keep(key);
        self.push_point(Op {
            hash,
            key,
            value: Stretch::default(),
            previous: NONE,
            cf,
            kind: Kind::Delete,
            dead: false,
        });
    }

    /// Deletes every key from `from` on and below `to`.
    pub fn delete_range(&mut self, cf: Cf, from: &[u8], to: &[u8]) {
        let key = self.keep(from);
        let value = self.keep(to);
        self.ranges.push(self.ops.len() as u32);
        self.updates += 1;
        self.ops.push(Op {
            hash: 0,
            key,
            value,
            previous: NONE,
            cf,
            kind: Kind::DeleteRange,
            dead: false,
        });
    }

    /// Appends LogData for the changes that follow; nothing when the changes before it have the same.
    pub fn log_data(&mut self, text: &[u8]) {
        let latest = self
            .ops
            .iter()
            .rev()
            .take(4)
            .find(|op| op.kind == Kind::LogData);
        if latest.is_some_and(|op| self.stretch(op.value) == text) {
            return;
        }
        let value = self.keep(text);
        self.ops.push(Op {
            hash: 0,
            key: Stretch::default(),
            value,
            previous: NONE,
            cf: Cf::Default,
            kind: Kind::LogData,
            dead: false,
        });
    }

    /// What the record knows about `key`.
    pub fn find(&self, cf: Cf, key: &[u8], hash: u64) -> Found<'_> {
        let point = self
            .index
            .find(hash, |&at| self.is_key(at, cf, key))
            .copied();
        if !self.ranges.is_empty() {
            let after = point.map_or(0, |at| at + 1);
            let covered = self
                .ranges
                .iter()
                .rev()
                .take_while(|&&at| at >= after)
                .any(|&at| self.covers(at, cf, key));
            if covered {
                return Found::Deleted;
            }
        }
        match point {
            None => Found::Unknown,
            Some(at) => self.found_at(at),
        }
    }

    /// Where an undo would come back to.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint {
            ops: self.ops.len(),
            arena: self.arena.len(),
        }
    }

    /// Takes back everything appended after `savepoint`, telling `undone` of each key concerned, newest first.
    /// Returns whether a range delete was among it.
    pub fn undo(&mut self, savepoint: Savepoint, mut undone: impl FnMut(Undone<'_>)) -> bool {
        let mut range = false;
        while self.ops.len() > savepoint.ops {
            let at = (self.ops.len() - 1) as u32;
            let op = self.ops[at as usize];
            match op.kind {
                Kind::LogData => {}
                Kind::DeleteRange => {
                    self.ranges.pop();
                    self.updates -= 1;
                    range = true;
                }
                Kind::Put | Kind::Delete => {
                    let entry = self.index.find_entry(op.hash, |&found| found == at);
                    if let Ok(mut entry) = entry {
                        if op.previous == NONE {
                            entry.remove();
                        } else {
                            *entry.get_mut() = op.previous;
                            let previous = &mut self.ops[op.previous as usize];
                            self.updates += u32::from(previous.dead);
                            previous.dead = false;
                        }
                    }
                    self.updates -= 1;
                    undone((op.cf, self.stretch(op.key), op.hash));
                }
            }
            self.ops.pop();
        }
        self.arena.truncate(savepoint.arena);
        range
    }

    /// The newest change of each key of `cf` in [`lower`, `upper`), `None` for deleted ones, in no particular order.
    /// Puts that a later range delete covers are reported as deleted.
    pub fn points_in<'r>(
        &'r self,
        cf: Cf,
        lower: &[u8],
        upper: Option<&[u8]>,
        mut each: impl FnMut(&'r [u8], Option<&'r [u8]>),
    ) {
        for (at, op) in self.ops.iter().enumerate() {
            if op.cf != cf || !matches!(op.kind, Kind::Put | Kind::Delete) {
                continue;
            }
            let key = self.stretch(op.key);
            if key < lower || upper.is_some_and(|upper| key >= upper) {
                continue;
            }
            let newest = self
                .index
                .find(op.hash, |&found| self.is_key(found, cf, key));
            if newest != Some(&(at as u32)) {
                continue;
            }
            let covered = self
                .ranges
                .iter()
                .any(|&range| range as usize > at && self.covers(range, cf, key));
            each(
                key,
                (op.kind == Kind::Put && !covered).then(|| self.stretch(op.value)),
            );
        }
    }

    /// The range deletes of `cf`, oldest first.
    pub fn ranges_of(&self, cf: Cf) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.ranges
            .iter()
            .map(|&at| &self.ops[at as usize])
            .filter(move |op| op.cf == cf)
            .map(|op| (self.stretch(op.key), self.stretch(op.value)))
    }

    /// The record as the bytes of a RocksDB write batch (sequence zero), and its count. It ends in the replication id as
    /// LogData; with `announce` it begins with the Put of the id.
    pub fn encode(&self, replication_id: &str, announce: bool) -> (Vec<u8>, u32) {
        let mut out = Vec::with_capacity(100 + self.arena.len() + self.ops.len() * 8);
        out.extend_from_slice(&[0; 12]);
        let mut count = 0u32;
        if announce {
            count += 1;
            out.push(tag::PUT_TAGGED);
            push_varint(Cf::Propagate.id(), &mut out);
            push_slice(REPLICATION_ID_KEY, &mut out);
            push_slice(replication_id.as_bytes(), &mut out);
        }
        for op in self.ops.iter().filter(|op| !op.dead) {
            count += u32::from(op.kind != Kind::LogData);
            self.encode_op(op, &mut out);
        }
        out.push(tag::LOG_DATA);
        push_varint(replication_id.len() as u32 + 2, &mut out);
        out.extend_from_slice(b"r ");
        out.extend_from_slice(replication_id.as_bytes());
        debug_assert_eq!(count, self.updates + u32::from(announce));
        out[8..12].copy_from_slice(&count.to_le_bytes());
        (out, count)
    }

    /// Empties the record for reuse.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.ops.clear();
        self.index.clear();
        self.ranges.clear();
        self.updates = 0;
    }

    fn encode_op(&self, op: &Op, out: &mut Vec<u8>) {
        let (plain, tagged) = match op.kind {
            Kind::Put => (tag::PUT, tag::PUT_TAGGED),
            Kind::Delete => (tag::DELETE, tag::DELETE_TAGGED),
            Kind::DeleteRange => (tag::DELETE_RANGE, tag::DELETE_RANGE_TAGGED),
            Kind::LogData => {
                out.push(tag::LOG_DATA);
                push_slice(self.stretch(op.value), out);
                return;
            }
        };
        if op.cf == Cf::Default {
            out.push(plain);
        } else {
            out.push(tagged);
            push_varint(op.cf.id(), out);
        }
        push_slice(self.stretch(op.key), out);
        if op.kind != Kind::Delete {
            push_slice(self.stretch(op.value), out);
        }
    }

    fn push_point(&mut self, mut op: Op) {
        let at = self.ops.len() as u32;
        let Record {
            arena,
            ops,
            index,
            ranges,
            updates,
        } = self;
        *updates += 1;
        let key_of = |op: &Op| &arena[op.key.start as usize..(op.key.start + op.key.len) as usize];
        let entry = index.entry(
            op.hash,
            |&found| {
                let other = &ops[found as usize];
                other.cf == op.cf && key_of(other) == key_of(&op)
            },
            |&found| ops[found as usize].hash,
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(mut entry) => {
                op.previous = *entry.get();
                *entry.get_mut() = at;
                // A range delete in between would then take effect on the later change: leave both in.
                if op.cf == Cf::Metadata && ranges.last().is_none_or(|&range| range < op.previous) {
                    ops[op.previous as usize].dead = true;
                    *updates -= 1;
                }
            }
            hashbrown::hash_table::Entry::Vacant(entry) => {
                entry.insert(at);
            }
        }
        ops.push(op);
    }

    fn found_at(&self, at: u32) -> Found<'_> {
        let op = &self.ops[at as usize];
        match op.kind {
            Kind::Put => Found::Value(self.stretch(op.value)),
            _ => Found::Deleted,
        }
    }

    fn is_key(&self, at: u32, cf: Cf, key: &[u8]) -> bool {
        let op = &self.ops[at as usize];
        op.cf == cf && self.stretch(op.key) == key
    }

    fn covers(&self, at: u32, cf: Cf, key: &[u8]) -> bool {
        let op = &self.ops[at as usize];
        op.cf == cf && self.stretch(op.key) <= key && key < self.stretch(op.value)
    }

    fn keep(&mut self, bytes: &[u8]) -> Stretch {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(bytes);
        Stretch {
            start,
            len: bytes.len() as u32,
        }
    }

    fn stretch(&self, stretch: Stretch) -> &[u8] {
        &self.arena[stretch.start as usize..(stretch.start + stretch.len) as usize]
    }
}

fn push_slice(bytes: &[u8], out: &mut Vec<u8>) {
    push_varint(bytes.len() as u32, out);
    out.extend_from_slice(bytes);
}

fn push_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
