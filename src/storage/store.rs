//! One database as commands see it: typed keys with metadata, expiry and elements, over the view.

use super::cf::Cf;
use super::expiry::Expired;
use super::keys::{DbIndex, KeyCodec};
use super::metadata::{Header, Type};
use super::view::View;
use crate::clock::Turn;
use crate::command::halt::{Run, is_cold};
use crate::error::WRONG_TYPE;
use crate::limits::COLD_KEYS_PER_COMMAND_MAX;

/// Bytes of the key buffer that is kept from one look-up to the next.
const SCRATCH_KEY_BYTES_MAX: usize = 4096;

/// What commands changed, for the server to act on after the command: WATCH, clients waiting for keys, notifications.
#[derive(Default)]
pub struct Changes {
    /// Keys written, in order; a key may stand here twice.
    pub keys: Vec<(DbIndex, Box<[u8]>)>,
    /// Databases whose every key may have changed (FLUSHDB, FLUSHALL).
    pub flushed: Vec<DbIndex>,
    /// Keyspace events, in order.
    pub events: Vec<KeyEvent>,
    /// Whether anyone wants the keys (WATCH or a waiting client somewhere): when not, they are not collected.
    pub wants_keys: bool,
    /// The event classes that `notify-keyspace-events` asks for; `EventClass::NONE` collects none.
    pub wants_events: EventClass,
    /// Keys that were looked up and have expired, which nobody has deleted yet; a key may stand here twice.
    pub expired: Vec<Expired>,
    /// How many changes were made, for `rdb_changes_since_last_save`.
    pub count: u64,
    /// Look-ups of keys for reading that found one, for `keyspace_hits`.
    pub hits: u64,
    /// Look-ups that found none, for `keyspace_misses`.
    pub misses: u64,
}

/// A keyspace event: `notify-keyspace-events` decides who hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    pub db: DbIndex,
    pub class: EventClass,
    pub name: &'static str,
    pub key: Box<[u8]>,
}

/// Classes of keyspace events, a bit each, with Redis's letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EventClass(pub u16);

impl EventClass {
    pub const NONE: EventClass = EventClass(0);
    /// `g`: DEL, EXPIRE, RENAME ...
    pub const GENERIC: EventClass = EventClass(1 << 0);
    /// `$`
    pub const STRING: EventClass = EventClass(1 << 1);
    /// `l`
    pub const LIST: EventClass = EventClass(1 << 2);
    /// `s`
    pub const SET: EventClass = EventClass(1 << 3);
    /// `h`
    pub const HASH: EventClass = EventClass(1 << 4);
    /// `z`
    pub const ZSET: EventClass = EventClass(1 << 5);
    /// `x`
    pub const EXPIRED: EventClass = EventClass(1 << 6);
    /// `e`
    pub const EVICTED: EventClass = EventClass(1 << 7);
    /// `t`
    pub const STREAM: EventClass = EventClass(1 << 8);
    /// `m`
    pub const KEY_MISS: EventClass = EventClass(1 << 9);
    /// `n`
    pub const NEW: EventClass = EventClass(1 << 10);
    /// `K`: publish to `__keyspace@<db>__:<key>`
    pub const KEYSPACE: EventClass = EventClass(1 << 11);
    /// `E`: publish to `__keyevent@<db>__:<event>`
    pub const KEYEVENT: EventClass = EventClass(1 << 12);
    /// `d`: module key types; accepted as Redis does, nothing here sends it.
    pub const MODULE: EventClass = EventClass(1 << 13);

    /// Whether any of `other` is in.
    pub fn intersects(self, other: EventClass) -> bool {
        self.0 & other.0 != 0
    }
}

/// A live key's metadata entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    pub header: Header,
    /// What follows the header: a list's head and tail, a stream's ids, a string's value.
    pub rest: Vec<u8>,
}

/// One database, for the time of one command.
pub struct Store<'a> {
    pub view: &'a mut View,
    pub db: DbIndex,
    pub codec: KeyCodec,
    pub turn: Turn,
    pub changes: &'a mut Changes,
}

impl Store<'_> {
    /// The same view on another database.
    pub fn at(&mut self, db: DbIndex) -> Store<'_> {
        Store {
            view: self.view,
            db,
            codec: self.codec,
            turn: self.turn,
            changes: self.changes,
        }
    }

    // ---- keys ----

    /// The header of `key` if it exists now, whatever it holds.
    pub fn header(&mut self, key: &[u8]) -> Run<Option<Header>> {
        self.read_entry(key, |entry| Ok(entry.map(|(header, _)| *header)))
    }

    /// Whether `key` stands in the database with an expiry that has passed.
    pub fn is_expired(&mut self, key: &[u8]) -> Run<bool> {
        let now = self.turn.unix();
        let entry = self.codec.metadata_key(self.db, key);
        self.view.read(Cf::Metadata, &entry, |value| {
            let Some(value) = value else { return Ok(false) };
            Ok(Header::decode(value)?.0.is_expired(now))
        })?
    }

    /// Header and rest of `key` if it exists now, whatever it holds. For strings the rest is the whole value.
    pub fn meta(&mut self, key: &[u8]) -> Run<Option<Meta>> {
        self.read_entry(key, |entry| {
            Ok(entry.map(|(header, rest)| Meta {
                header: *header,
                rest: rest.to_vec(),
            }))
        })
    }

    /// Header and rest of `key` if it exists now; WRONGTYPE when it holds something else than `kind`.
    pub fn typed(&mut self, key: &[u8], kind: Type) -> Run<Option<Meta>> {
        match self.meta(key)? {
            Some(meta) if meta.header.kind() != kind => Err(WRONG_TYPE.into()),
            found => Ok(found),
        }
    }

    /// Calls `with` on the string at `key` (or `None`) without copying it; WRONGTYPE when it holds something else.
    #[inline]
    pub fn read_string<T>(&mut self, key: &[u8], with: impl FnOnce(Option<&[u8]>) -> T) -> Run<T> {
        self.read_entry(key, |entry| match entry {
            None => Ok(with(None)),
            Some((header, value)) if header.kind() == Type::String => Ok(with(Some(value))),
            Some(_) => Err(WRONG_TYPE.into()),
        })
    }

    /// Calls `with` on header and rest of `key` without copying them, or on `None` when it does not exist now.
    #[inline]
    pub fn read_entry<T>(
        &mut self,
        key: &[u8],
        with: impl FnOnce(Option<(&Header, &[u8])>) -> Run<T>,
    ) -> Run<T> {
        let now = self.turn.unix();
        let mut is_expired = false;
        let result = self.with_entry_key(key, |view, entry| {
            view.read(Cf::Metadata, entry, |value| {
                let Some(value) = value else {
                    return with(None);
                };
                let (header, rest) = Header::decode(value)?;
                is_expired = header.is_expired(now);
                with(header.is_live(now).then_some((&header, rest)))
            })?
        });
        if is_expired {
            self.changes.expired.push(Expired {
                db: self.db,
                key: key.into(),
            });
        }
        result
    }

    /// Says that a command looked `key` up in order to read it: counts a hit, or a miss with its event. For commands that
    /// Redis counts so; those that look keys up in order to write are not counted.
    pub fn looked_up(&mut self, key: &[u8], is_found: bool) {
        if is_found {
            self.changes.hits += 1;
        } else {
            self.changes.misses += 1;
            self.notify(EventClass::KEY_MISS, "keymiss", key);
        }
    }

    /// A header for a key that is created now, with a version of its own.
    pub fn new_header(&mut self, kind: Type) -> Header {
        let version = if kind.is_single() {
            0
        } else {
            self.view.new_version(self.turn.unix_us)
        };
        Header::new(kind, version)
    }

    /// Must be called before the first change that a command makes to `key`: says in the record what it is (`log_data`,
    /// section 10.2 of the format) and notes the key as changed, for WATCH and waiting clients.
    pub fn changing(&mut self, key: &[u8], log_data: &[u8]) {
        self.view.log_data(log_data);
        self.changes.count += 1;
        self.also_changing(key);
    }

    /// Deletes `key`, which has expired. To everybody who looked it was gone already: it is no change to WATCH or to a waiting
    /// client.
    pub fn delete_expired(&mut self, key: &[u8]) {
        self.view.log_data(b"0");
        self.changes.count += 1;
        self.delete_meta(key);
        self.notify(EventClass::EXPIRED, "expired", key);
    }

    /// Notes a second key of a change that [`Store::changing`] was called for: RENAME is one change of two keys.
    pub fn also_changing(&mut self, key: &[u8]) {
        if self.changes.wants_keys {
            self.changes.keys.push((self.db, key.into()));
        }
    }

    /// Writes the metadata entry of `key`.
    pub fn put_meta(&mut self, key: &[u8], header: &Header, rest: &[u8]) {
        let head = header.to_bytes();
        self.with_entry_key(key, |view, entry| {
            view.put_parts(Cf::Metadata, entry, head.as_slice(), rest);
        });
    }

    /// Deletes the metadata entry of `key`: the key is gone, its elements go by compaction.
    pub fn delete_meta(&mut self, key: &[u8]) {
        self.with_entry_key(key, |view, entry| view.delete(Cf::Metadata, entry));
    }

    /// Notes a keyspace event.
    pub fn notify(&mut self, class: EventClass, name: &'static str, key: &[u8]) {
        if self.changes.wants_events.intersects(class) {
            self.changes.events.push(KeyEvent {
                db: self.db,
                class,
                name,
                key: key.into(),
            });
        }
    }

    /// Calls `with` on the view and the key of the metadata entry of `key`, built in a buffer that is kept.
    #[inline]
    fn with_entry_key<T>(&mut self, key: &[u8], with: impl FnOnce(&mut View, &[u8]) -> T) -> T {
        let mut entry = std::mem::take(&mut self.view.scratch_key);
        entry.clear();
        self.codec.push_metadata_key(self.db, key, &mut entry);
        let result = with(self.view, &entry);
        // One huge key must not hold its memory for ever.
        if entry.capacity() <= SCRATCH_KEY_BYTES_MAX {
            self.view.scratch_key = entry;
        }
        result
    }

    // ---- elements ----

    /// The prefix of the elements of `key` in its present version: append an element's bytes for its key in
    /// `Cf::Default`, `Cf::ZsetScore` or `Cf::Stream`.
    pub fn elements(&self, key: &[u8], header: &Header) -> Elements {
        let prefix = self.codec.subkey_prefix(self.db, key, header.version);
        Elements {
            len: prefix.len(),
            key: prefix,
        }
    }
}

/// Builds the keys of one collection's elements in one buffer.
pub struct Elements {
    key: Vec<u8>,
    len: usize,
}

impl Elements {
    /// What all element keys begin with.
    pub fn prefix(&self) -> &[u8] {
        &self.key[..self.len]
    }

    /// The key of `element`.
    pub fn key(&mut self, element: &[u8]) -> &[u8] {
        self.key.truncate(self.len);
        self.key.extend_from_slice(element);
        &self.key
    }

    /// After a look-up of an element: if it was not in memory and the command is going to wait for it, the others that the command
    /// is about to look up are asked for with it.
    pub fn want_if_cold<'e, T, I: IntoIterator<Item = &'e [u8]>>(
        &mut self,
        looked_up: &Run<T>,
        store: &mut Store<'_>,
        others: impl FnOnce() -> I,
    ) {
        if is_cold(looked_up) {
            for element in others().into_iter().take(COLD_KEYS_PER_COMMAND_MAX) {
                store.view.want(Cf::Default, self.key(element));
            }
        }
    }

    /// The key of an element that is two parts in a row (a score and a member).
    pub fn key2(&mut self, first: &[u8], second: &[u8]) -> &[u8] {
        self.key.truncate(self.len);
        self.key.extend_from_slice(first);
        self.key.extend_from_slice(second);
        &self.key
    }

    /// The element in a key that begins with the prefix.
    pub fn element<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        &key[self.len..]
    }
}
