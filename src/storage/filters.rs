//! What compaction drops: expired and emptied keys, and the subkeys of keys that are gone or were replaced.
//!
//! The rules are Kvrocks's (storage/compact_filter.cc), so that both servers clear a directory alike; `rocks/filter.rs`
//! joins them to RocksDB. Decisions are made on bytes alone plus one look-up of the key's current metadata. Whatever
//! cannot be read, decoded or looked up is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::cf::Cf;
use crate::clock::UnixMs;

/// Subkeys of an expired key are kept this long, in milliseconds: a reader that began before the expiry, or a clock
/// that is a little behind, still finds them. Source: Kvrocks `SubKeyFilter::IsMetadataExpired`.
const SUBKEY_GRACE_MS: u64 = 5 * 60 * 1000;
/// Expired keys and their subkeys are kept this long in all, in milliseconds, while the filters are told to be patient: on a replica.
///
/// It follows its primary at a distance, after an absence by as much as the primary's log goes back, and its clock may be wrong. What has
/// expired by its clock may be extended by a record on its way, which then finds the key without its fields. Its primary deletes what has
/// expired; only a Kvrocks leaves that to compaction on either side, so this is no time for ever.
pub const PATIENCE_MS: u64 = 24 * 3600 * 1000;
/// Keys judged between two readings of the clock. A stale reading only keeps a key until the next compaction.
const KEYS_PER_CLOCK_READING: u32 = 1024;

/// The families' filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// Expired keys and keys with nothing in them.
    Metadata,
    /// Subkeys that belong to no living version of their key.
    Subkey,
    /// Everything: a message has done its work once it is in the WAL.
    Pubsub,
    /// Propagated commands, which only replicas wait for.
    Propagate,
}

impl FilterKind {
    /// The filter of a family; the search family has none.
    pub fn of(cf: Cf) -> Option<FilterKind> {
        match cf {
            Cf::Default | Cf::ZsetScore | Cf::Stream => Some(FilterKind::Subkey),
            Cf::Metadata => Some(FilterKind::Metadata),
            Cf::Pubsub => Some(FilterKind::Pubsub),
            Cf::Propagate => Some(FilterKind::Propagate),
            Cf::Search => None,
        }
    }
}

/// What becomes of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// The current metadata of keys, as filters look it up.
pub trait MetadataSource {
    /// Calls `look` with the newest value stored under a metadata key, `None` if there is none.
    ///
    /// Returns `None`, without calling, when that cannot be found out: the database is opening, closing or unreadable.
    fn with_metadata<R>(&self, key: &[u8], look: impl FnOnce(Option<&[u8]>) -> R) -> Option<R>;

    /// Whether the database is open and its key layout known.
    fn is_open(&self) -> bool;
}

/// What all filters of a database share.
pub struct FilterSettings {
    /// Whether keys carry their cluster slot.
    pub slot_encoded: bool,
    /// Versions that running scans still need.
    pub scans: Arc<ScanRegistry>,
    /// The wall clock.
    pub unix_now: fn() -> UnixMs,
    /// Whether [`PATIENCE_MS`] holds.
    pub is_patient: Arc<AtomicBool>,
}

/// The versions that running worker scans read: compaction keeps their subkeys, although nothing points at them any more.
///
/// Filters do not respect RocksDB's snapshots, so a scan over a key that is deleted or replaced meanwhile would lose
/// the rest of it. A scan registers the version while it is the living one, before its first read.
#[derive(Default)]
pub struct ScanRegistry {
    /// Lets filters pass without the lock while no scan runs.
    entries_count: AtomicUsize,
    scans_by_key: Mutex<HashMap<Vec<u8>, Vec<u64>>>,
}

impl ScanRegistry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Vec<u64>>> {
        self.scans_by_key
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn holds(&self, ns_key: &[u8], version: u64) -> bool {
        self.entries_count.load(Ordering::Acquire) != 0
            && self
                .lock()
                .get(ns_key)
                .is_some_and(|versions| versions.contains(&version))
    }
}

/// Keeps one version of one key's subkeys for as long as it lives.
pub struct ScanGuard {
    registry: Arc<ScanRegistry>,
    ns_key: Vec<u8>,
    version: u64,
}

impl ScanGuard {
    /// Registers `version` of the key with metadata key `ns_key`. The same version may be registered several times.
    pub fn register(registry: &Arc<ScanRegistry>, ns_key: &[u8], version: u64) -> ScanGuard {
        let mut scans = registry.lock();
        scans.entry(ns_key.to_vec()).or_default().push(version);
        registry.entries_count.fetch_add(1, Ordering::Release);
        drop(scans);
        ScanGuard {
            registry: Arc::clone(registry),
            ns_key: ns_key.to_vec(),
            version,
        }
    }
}

impl Drop for ScanGuard {
    fn drop(&mut self) {
        let mut scans = self.registry.lock();
        if let Some(versions) = scans.get_mut(&self.ns_key) {
            if let Some(index) = versions.iter().position(|version| *version == self.version) {
                versions.swap_remove(index);
                self.registry.entries_count.fetch_sub(1, Ordering::Release);
            }
            if versions.is_empty() {
                scans.remove(&self.ns_key);
            }
        }
    }
}

/// One compaction's filter over one family.
pub struct FilterState {
    kind: FilterKind,
    settings: Arc<FilterSettings>,
    now_ms: u64,
    keys_until_clock: u32,
    seen_open: bool,
    /// The last metadata looked up, as a compaction meets a key's subkeys one after the other.
    cached_ns_key: Vec<u8>,
    cached: Option<Current>,
    lookup: Vec<u8>,
}

/// What the metadata family says of a key now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Current {
    /// Could not be read or decoded.
    Unknown,
    /// There is no such key.
    Missing,
    /// There is.
    Present(Header),
}

impl FilterState {
    /// A filter for one compaction.
    pub fn new(kind: FilterKind, settings: Arc<FilterSettings>) -> FilterState {
        FilterState {
            kind,
            settings,
            now_ms: 0,
            keys_until_clock: 0,
            seen_open: false,
            cached_ns_key: Vec::new(),
            cached: None,
            lookup: Vec::new(),
        }
    }

    /// Decides on one entry. Never fails: what is not understood is kept.
    pub fn judge(&mut self, key: &[u8], value: &[u8], source: &impl MetadataSource) -> Verdict {
        if !self.seen_open {
            if !source.is_open() {
                return Verdict::Keep;
            }
            self.seen_open = true;
        }
        if self.keys_until_clock == 0 {
            self.now_ms = (self.settings.unix_now)().0;
            self.keys_until_clock = KEYS_PER_CLOCK_READING;
        }
        self.keys_until_clock -= 1;
        let dead = match self.kind {
            FilterKind::Pubsub => true,
            FilterKind::Propagate => key == b"script",
            FilterKind::Metadata => {
                Header::decode(value).is_some_and(|header| header.is_dead(self.expired_before_ms()))
            }
            FilterKind::Subkey => self.subkey_is_dead(key, value, source),
        };
        if dead { Verdict::Remove } else { Verdict::Keep }
    }

    /// Keys that have expired before this time may go, as far as their metadata is concerned.
    fn expired_before_ms(&self) -> u64 {
        match self.settings.is_patient.load(Ordering::Acquire) {
            true => self.now_ms.saturating_sub(PATIENCE_MS),
            false => self.now_ms,
        }
    }

    fn subkey_is_dead(&mut self, key: &[u8], value: &[u8], source: &impl MetadataSource) -> bool {
        let Some(subkey) = Subkey::parse(key, self.settings.slot_encoded) else {
            return false;
        };
        self.lookup.clear();
        self.lookup.extend_from_slice(subkey.prefix);
        self.lookup.extend_from_slice(subkey.user_key);
        if self.cached.is_none() || self.cached_ns_key != self.lookup {
            let current = source.with_metadata(&self.lookup, |value| match value {
                None => Current::Missing,
                Some(value) => Header::decode(value).map_or(Current::Unknown, Current::Present),
            });
            self.cached = Some(current.unwrap_or(Current::Unknown));
            std::mem::swap(&mut self.cached_ns_key, &mut self.lookup);
        }
        let dead = match self.cached {
            None | Some(Current::Unknown) => false,
            Some(Current::Missing) => true,
            Some(Current::Present(header)) => {
                header.version != Some(subkey.version)
                    || header.is_dead(self.expired_before_ms().saturating_sub(SUBKEY_GRACE_MS))
                    || (header.kind == KIND_BITMAP && value.iter().all(|byte| *byte == 0))
            }
        };
        dead && !self
            .settings
            .scans
            .holds(&self.cached_ns_key, subkey.version)
    }
}

const KIND_STRING: u8 = 1;
const KIND_BITMAP: u8 = 6;
const KIND_STREAM: u8 = 8;
const KIND_BLOOM: u8 = 9;
const KIND_JSON: u8 = 10;
const KIND_HYPERLOGLOG: u8 = 11;

/// The part of a metadata value that filters need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// The type nibble; may be one that we do not know.
    kind: u8,
    /// Unix milliseconds, 0 for never.
    expire_ms: u64,
    /// `None` for strings and JSON, which have no subkeys.
    version: Option<u64>,
    /// Elements; 0 for strings and JSON.
    size: u64,
}

impl Header {
    fn decode(value: &[u8]) -> Option<Header> {
        let (flags, rest) = value.split_first()?;
        let kind = flags & 0x0f;
        let wide = flags & 0x80 != 0;
        let (expire_ms, rest) = if wide {
            take_u64(rest)?
        } else {
            let (seconds, rest) = take_u32(rest)?;
            (u64::from(seconds) * 1000, rest)
        };
        if kind == KIND_STRING || kind == KIND_JSON {
            return Some(Header {
                kind,
                expire_ms,
                version: None,
                size: 0,
            });
        }
        let (version, rest) = take_u64(rest)?;
        let size = if wide {
            take_u64(rest)?.0
        } else {
            u64::from(take_u32(rest)?.0)
        };
        Some(Header {
            kind,
            expire_ms,
            version: Some(version),
            size,
        })
    }

    /// Whether the key does not exist at this time: expired, or empty where empty means absent.
    fn is_dead(&self, now_ms: u64) -> bool {
        (self.expire_ms != 0 && self.expire_ms < now_ms)
            || (self.size == 0 && self.empty_means_absent())
    }

    fn empty_means_absent(&self) -> bool {
        match self.kind {
            KIND_STRING | KIND_JSON | KIND_STREAM | KIND_BLOOM | KIND_HYPERLOGLOG => false,
            // Types of a newer Kvrocks, and type 0, which nobody writes: not ours to drop.
            kind => (1..=KIND_HYPERLOGLOG).contains(&kind),
        }
    }
}

/// The parts of a subkey's key.
struct Subkey<'a> {
    /// Namespace length, namespace, and the slot where keys carry one: what metadata keys begin with, too.
    prefix: &'a [u8],
    user_key: &'a [u8],
    version: u64,
}

impl<'a> Subkey<'a> {
    fn parse(key: &'a [u8], slot_encoded: bool) -> Option<Subkey<'a>> {
        let namespace_len = usize::from(*key.first()?);
        let prefix_len = 1 + namespace_len + if slot_encoded { 2 } else { 0 };
        let (prefix, rest) = key.split_at_checked(prefix_len)?;
        let (user_key_len, rest) = take_u32(rest)?;
        let (user_key, rest) = rest.split_at_checked(user_key_len as usize)?;
        let (version, _) = take_u64(rest)?;
        Some(Subkey {
            prefix,
            user_key,
            version,
        })
    }
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*head), rest))
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*head), rest))
}

#[cfg(test)]
mod tests;
