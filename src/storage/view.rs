//! The view: what commands read and write. Writes that are not committed yet, over RocksDB, with the hot values in front.
//!
//! A command reads its own writes and those of every earlier command, committed or not. While it runs, the view notes the
//! newest uncommitted group that it consulted, present or absent: its reply depends on that commit. A command that must
//! wait or fails is undone to its savepoint.
//!
//! Owned by the loop. A command's reads meet RocksDB's memtables and block cache; for what is not there the command waits for a
//! reader ([`super::cold`]). Scans of more than [`crate::limits::SCAN_ENTRIES_INLINE_MAX`] entries are handed to a worker. Either way the command
//! runs again with what was read pinned.

mod groups;
mod ranges;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};

use super::cf::Cf;
use super::cold::{ColdTable, DiskReads};
use super::commit::GroupId;
use super::edges::Edges;
use super::hot::HotCache;
use super::metadata::Header;
use super::record::{Found, Record, Savepoint};
use super::replication_id::ReplicationId;
use super::rocks::Rocks;
use super::samples::Samples;
use super::scan::{PinnedScan, Scan, ScanRequest};
use super::seq::Seq;
use super::watched::WatchedRanges;
use crate::command::halt::{Halt, Run};
use crate::error::ReplyError;
use crate::limits::COLD_KEYS_PER_COMMAND_MAX;

/// What reads are told while the database is closed; commands are parked before they get here.
const CLOSED: ReplyError =
    ReplyError::fixed("MISCONF The database is being reopened after a failed write");

/// Writes not yet committed, over the database.
pub struct View {
    /// `None` while the database is being reopened.
    rocks: Option<Rocks>,
    hasher: foldhash::fast::RandomState,
    cache: HotCache,
    /// Where the score indexes of sorted sets begin and end; used by the sorted sets, kept true here.
    pub(super) edges: Edges,
    /// Members of sets that are drawn from often; kept true here.
    pub(super) samples: Samples,
    pub(super) open: Record,
    open_id: GroupId,
    /// Ids behind the open one that were given out as barriers.
    skipped_ids: u64,
    /// Closed records on their way to the disk, oldest first.
    pub(super) handed: VecDeque<(GroupId, Record)>,
    committed: GroupId,
    consulted: GroupId,
    /// The newest group with a key that was written with an expiry.
    expiring: GroupId,
    /// Counts such writes, and databases.
    expiring_count: u64,
    /// The number of the first update of the next group: nobody else writes to the database.
    next_seq: Seq,
    history: History,
    last_version: u64,
    /// Whether a scan that is too long for a turn makes its command wait.
    pub(super) scans_may_wait: bool,
    /// Ranges that workers read for waiting commands.
    watched: WatchedRanges,
    /// Keys that readers read for waiting commands.
    pub cold: ColdTable,
    /// What workers returned for the command that runs now.
    pub pinned: Vec<PinnedScan>,
    spare: Vec<Record>,
    /// Where the store builds the key of the entry it is about to touch.
    pub(super) scratch_key: Vec<u8>,
}

/// The replication id that ends every record.
struct History {
    id: ReplicationId,
    /// Whether a record has put the id into the database already: the first one of a history does, none does it alone.
    announced: bool,
}

/// Where a command began: what it wrote and consulted since can be taken back.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    savepoint: Savepoint,
}

impl View {
    /// A view of `rocks` whose first record begins the history `replication_id`.
    pub fn new(rocks: Rocks, replication_id: ReplicationId, cache_bytes_max: usize) -> View {
        View {
            next_seq: rocks.last_seq().next(),
            rocks: Some(rocks),
            hasher: foldhash::fast::RandomState::default(),
            cache: HotCache::new(cache_bytes_max),
            edges: Edges::default(),
            samples: Samples::default(),
            open: Record::default(),
            open_id: GroupId(1),
            skipped_ids: 0,
            handed: VecDeque::new(),
            committed: GroupId(0),
            consulted: GroupId(0),
            expiring: GroupId(0),
            expiring_count: 0,
            history: History {
                id: replication_id,
                announced: false,
            },
            last_version: 0,
            scans_may_wait: true,
            watched: WatchedRanges::default(),
            cold: ColdTable::default(),
            pinned: Vec::new(),
            spare: Vec::new(),
            scratch_key: Vec::new(),
        }
    }

    /// The database underneath; an error while it is being reopened.
    pub fn database(&self) -> Run<&Rocks> {
        self.rocks.as_ref().ok_or(Halt::Error(CLOSED))
    }

    /// Gives the database away to be reopened. Nothing may be uncommitted.
    pub fn take_database(&mut self) -> Option<Rocks> {
        assert!(
            self.handed.is_empty() && self.open.is_empty(),
            "reopened under uncommitted writes"
        );
        self.rocks.take()
    }

    /// The database is open again.
    pub fn set_database(&mut self, rocks: Rocks) {
        self.cache.clear();
        self.edges.clear();
        self.samples.clear();
        self.next_seq = rocks.last_seq().next();
        self.cold.lose_all();
        self.expiring_count += 1;
        self.rocks = Some(rocks);
    }

    /// Bounds the cache of hot values.
    pub fn set_cache_bytes_max(&mut self, bytes_max: usize) {
        self.cache.set_bytes_max(bytes_max);
    }

    /// What [`View::warm`] knows an entry of the metadata family by.
    pub fn hash_of_entry(&self, key: &[u8]) -> u64 {
        self.hash(Cf::Metadata, key)
    }

    /// Fetches from memory what looks at these entries will touch, as far as it is in the cache of hot values.
    pub fn warm(&self, hashes: &[u64]) {
        self.cache.warm(hashes);
    }

    /// Bytes of hot values held.
    pub fn cache_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Bytes of uncommitted writes held.
    pub fn uncommitted_bytes(&self) -> usize {
        self.open.bytes()
            + self
                .handed
                .iter()
                .map(|(_, record)| record.bytes())
                .sum::<usize>()
    }

    // ---- reading ----

    /// Calls `with` on the value of `key`, or on `None`.
    pub fn read<T>(&mut self, cf: Cf, key: &[u8], with: impl FnOnce(Option<&[u8]>) -> T) -> Run<T> {
        let hash = self.hash(cf, key);
        if let Some(cached) = self.cache.get(cf, key, hash) {
            if cached.group > self.committed {
                self.consulted = self.consulted.max(cached.group);
            }
            return Ok(with(cached.value));
        }
        if let Some((group, found)) =
            find_uncommitted(&self.open, self.open_id, &self.handed, cf, key, hash)
        {
            self.consulted = self.consulted.max(group);
            return Ok(with(match found {
                Found::Value(value) => Some(value),
                Found::Deleted | Found::Unknown => None,
            }));
        }
        let rocks = self.rocks.as_ref().ok_or(Halt::Error(CLOSED))?;
        let (pin, value);
        let bytes = match self.cold.pinned(cf, key, hash) {
            Some(found) => {
                pin = found;
                pin.value().flatten()
            }
            None => {
                value = match self.cold.disk_reads {
                    DiskReads::Direct => rocks.get(cf, key)?,
                    DiskReads::Wait => self.cold.read_memory(rocks, cf, key, hash)?,
                };
                value.as_deref()
            }
        };
        // An absent element is rarely asked for twice; an absent key (SETNX, EXISTS, WATCH) is.
        if bytes.is_some() || cf == Cf::Metadata {
            self.cache.insert(
                cf,
                key,
                bytes.map(|bytes| (bytes, &b""[..])),
                hash,
                GroupId(0),
            );
        }
        Ok(with(bytes))
    }

    /// The running command will need `key` too: it is read together with the key that memory does not hold.
    pub fn want(&mut self, cf: Cf, key: &[u8]) {
        let hash = self.hash(cf, key);
        let is_known = self.cold.wanted_count() >= COLD_KEYS_PER_COMMAND_MAX
            || self.cache.contains(cf, key, hash)
            || find_uncommitted(&self.open, self.open_id, &self.handed, cf, key, hash).is_some()
            || self.cold.pinned(cf, key, hash).is_some();
        if !is_known {
            self.cold.want(cf, key, hash);
        }
    }

    /// Calls `with` on the value that the running command has written to `key`, or on `None`: for keys that nobody else can have written.
    pub fn read_own<T>(&self, cf: Cf, key: &[u8], with: impl FnOnce(Option<&[u8]>) -> T) -> T {
        match self.open.find(cf, key, self.hash(cf, key)) {
            Found::Value(value) => with(Some(value)),
            Found::Deleted | Found::Unknown => with(None),
        }
    }

    /// The value of `key`, copied.
    pub fn get(&mut self, cf: Cf, key: &[u8]) -> Run<Option<Vec<u8>>> {
        self.read(cf, key, |value| value.map(<[u8]>::to_vec))
    }

    /// Whether `key` is there.
    pub fn contains(&mut self, cf: Cf, key: &[u8]) -> Run<bool> {
        self.read(cf, key, |value| value.is_some())
    }

    /// The entries of `cf` from `lower` on and below `upper`, in key order or against it. The scan sees the view as it is
    /// now. A range with more than [`crate::limits::SCAN_ENTRIES_INLINE_MAX`] entries read makes the command wait for a worker.
    pub fn scan(&mut self, request: ScanRequest) -> Run<Scan<'_>> {
        self.consult_all();
        Scan::begin(self, request)
    }

    /// The running command's reply depends on everything written so far.
    pub(super) fn consult_all(&mut self) {
        let touched = self
            .handed
            .iter()
            .map(|(id, record)| (*id, record))
            .chain(std::iter::once((self.open_id, &self.open)))
            // LogData alone is never committed: a reply that waited for it would wait for somebody else's write.
            .rfind(|(_, record)| record.has_changes())
            .map(|(id, _)| id);
        if let Some(id) = touched {
            self.consulted = self.consulted.max(id);
        }
    }

    // ---- writing ----

    /// Says in the record what the following changes are (Kvrocks's LogData).
    pub fn log_data(&mut self, text: &[u8]) {
        self.open.log_data(text);
    }

    /// Writes `key` = `value`.
    pub fn put(&mut self, cf: Cf, key: &[u8], value: &[u8]) {
        self.put_parts(cf, key, value, b"");
    }

    /// Writes `key` = `head` followed by `tail`.
    pub fn put_parts(&mut self, cf: Cf, key: &[u8], head: &[u8], tail: &[u8]) {
        let hash = self.hash(cf, key);
        self.open.put(cf, key, head, tail, hash);
        if cf == Cf::Metadata && Header::is_expiring(head) {
            self.expiring = self.open_id;
            self.expiring_count += 1;
        }
        if cf == Cf::Metadata || self.cache.contains(cf, key, hash) {
            self.cache
                .insert(cf, key, Some((head, tail)), hash, self.open_id);
        }
        if cf == Cf::ZsetScore && !self.edges.is_empty() {
            self.edges.written(key);
        }
        if cf == Cf::Default && !self.samples.is_empty() {
            self.samples.written(key);
        }
        self.consulted = self.open_id;
        if !self.watched.is_empty() {
            self.watched.note(cf, key, Some((head, tail)));
        }
        if !self.cold.is_empty() {
            self.cold.note_written(cf, key, hash, self.open_id);
        }
    }

    /// Deletes `key`.
    pub fn delete(&mut self, cf: Cf, key: &[u8]) {
        let hash = self.hash(cf, key);
        self.open.delete(cf, key, hash);
        if cf == Cf::Metadata {
            self.cache.insert(cf, key, None, hash, self.open_id);
        } else {
            self.cache.remove(cf, key, hash);
        }
        if cf == Cf::Default && !self.samples.is_empty() {
            self.samples.deleted(key);
        }
        self.consulted = self.open_id;
        if !self.watched.is_empty() {
            self.watched.note(cf, key, None);
        }
        if !self.cold.is_empty() {
            self.cold.note_written(cf, key, hash, self.open_id);
        }
    }

    /// Deletes everything in `cf` from `from` on and below `to`.
    pub fn delete_range(&mut self, cf: Cf, from: &[u8], to: &[u8]) {
        self.open.delete_range(cf, from, to);
        self.cache.clear();
        self.samples.clear();
        self.consulted = self.open_id;
        self.watched.lose_all();
        self.cold.lose_all();
    }

    /// A version for a key created now: above every earlier one of this process, and in time order across restarts.
    /// Kvrocks's own rule repeats after 2,048 creations in one clock reading.
    pub fn new_version(&mut self, unix_us: u64) -> u64 {
        self.last_version = (self.last_version + 1).max(unix_us << 11);
        self.last_version
    }

    // ---- commands and their undoing ----

    /// Begins a command: nothing consulted yet.
    pub fn begin_command(&mut self) -> Mark {
        self.consulted = GroupId(0);
        self.cold.begin_command();
        Mark {
            savepoint: self.open.savepoint(),
        }
    }

    /// Where a part of the running command begins, to undo only that; what the command consulted so far still counts.
    pub fn mark(&self) -> Mark {
        Mark {
            savepoint: self.open.savepoint(),
        }
    }

    /// The running command's reply depends on `group` too.
    pub fn depend_on(&mut self, group: GroupId) {
        if group > self.committed {
            self.consulted = self.consulted.max(group);
        }
    }

    /// Takes back what was written since `mark`.
    pub fn undo(&mut self, mark: Mark) {
        if mark.savepoint == self.open.savepoint() {
            return;
        }
        // Entries whose deletion is taken back may lie outside what was learned since.
        self.edges.clear();
        self.samples.clear();
        let View {
            open,
            cache,
            watched,
            cold,
            ..
        } = self;
        let mut watched_keys = Vec::new();
        let mut pinned_keys = Vec::new();
        let range = open.undo(mark.savepoint, |(cf, key, hash)| {
            cache.remove(cf, key, hash);
            if watched.covers(cf, key) {
                watched_keys.push((cf, key.to_vec()));
            }
            if !cold.is_empty() && cold.find(cf, key, hash).is_some() {
                pinned_keys.push((cf, key.to_vec(), hash));
            }
        });
        for (cf, key, hash) in pinned_keys {
            if matches!(self.open.find(cf, &key, hash), Found::Unknown) {
                self.cold.note_unwritten(cf, &key, hash, self.open_id);
            }
        }
        if range {
            self.cache.clear();
            self.watched.lose_all();
        }
        for (cf, key) in watched_keys {
            self.note_present(cf, &key);
        }
    }

    /// Whether anything was written since `mark`, LogData included.
    pub fn has_written_since(&self, mark: Mark) -> bool {
        self.open.savepoint() != mark.savepoint
    }

    /// The group that the running command's reply depends on, `GroupId(0)` for none.
    pub fn dependency(&self) -> GroupId {
        self.consulted
    }

    /// Whether a scan too long for a turn makes its command wait.
    pub fn scans_may_wait(&self) -> bool {
        self.scans_may_wait
    }

    /// Whether a scan too long for a turn may make its command wait; else it is read on the loop, however long.
    pub fn set_scans_may_wait(&mut self, may_wait: bool) {
        self.scans_may_wait = may_wait;
    }

    // ---- inside ----

    #[inline]
    fn hash(&self, cf: Cf, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.write_u8(cf as u8);
        hasher.finish()
    }
}

/// What the newest uncommitted record that touches `key` knows about it.
fn find_uncommitted<'r>(
    open: &'r Record,
    open_id: GroupId,
    handed: &'r VecDeque<(GroupId, Record)>,
    cf: Cf,
    key: &[u8],
    hash: u64,
) -> Option<(GroupId, Found<'r>)> {
    let open = (!open.is_empty()).then_some((open_id, open));
    let handed = handed.iter().rev().map(|(id, record)| (*id, record));
    open.into_iter()
        .chain(handed)
        .find_map(|(id, record)| match record.find(cf, key, hash) {
            Found::Unknown => None,
            found => Some((id, found)),
        })
}
