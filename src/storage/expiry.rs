//! Finding expired keys, on a worker. The loop deletes them by ordinary writes.

use super::cf::Cf;
use super::keys::{DbIndex, KeyCodec, db_of_namespace};
use super::metadata::Header;
use super::rocks::{Direction, KeyRange, Rocks};
use crate::clock::UnixMs;

/// Entries that one search reads at most.
const ENTRIES_PER_SEARCH_MAX: usize = 200_000;

/// A key that has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    pub db: DbIndex,
    pub key: Box<[u8]>,
}

/// What a search brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    pub found: Vec<Expired>,
    /// It came to the end of the key space; the next one begins at its start.
    pub complete: bool,
    /// It could not read on. The next one begins at the start, and not soon: what cannot be read stays so.
    pub failed: bool,
    /// It met a key with an expiry, passed or not.
    pub seen_ttl: bool,
    /// The last key it has read; empty where the next one begins at the start.
    pub position: Vec<u8>,
}

/// Reads on from `position` (exclusive; empty for the start) until `limit` expired keys are found, or it has read its share.
pub fn find(
    rocks: &Rocks,
    codec: KeyCodec,
    position: Vec<u8>,
    now: UnixMs,
    limit: usize,
) -> Search {
    let mut search = Search {
        position: position.clone(),
        ..Search::default()
    };
    let mut lower = position;
    if !lower.is_empty() {
        lower.push(0);
    }
    let range = KeyRange {
        lower: &lower,
        upper: None,
    };
    let mut iter = rocks.iter(Cf::Metadata, range, Direction::Forward, None, false);
    for _ in 0..ENTRIES_PER_SEARCH_MAX {
        let (key, value) = match iter.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                search.complete = true;
                search.position.clear();
                return search;
            }
            Err(error) => {
                log::warn!("the search for expired keys ended early: {error}");
                search.failed = true;
                search.position.clear();
                return search;
            }
        };
        search.position.clear();
        search.position.extend_from_slice(key);
        let Ok((header, _)) = Header::decode(value) else {
            continue;
        };
        if header.expire().is_none() {
            continue;
        }
        search.seen_ttl = true;
        let Some(parts) = codec.split_metadata_key(key) else {
            continue;
        };
        // Keys in namespaces that are no database here are another server's to expire.
        if let Some(db) = db_of_namespace(parts.namespace)
            && header.is_expired(now)
        {
            search.found.push(Expired {
                db,
                key: parts.user_key.into(),
            });
            // The loop looks again before it deletes the key, and must not wait for the disk: this puts the block into the cache, which
            // the search itself does not.
            if let Err(error) = rocks.get(Cf::Metadata, key) {
                log::debug!("an expired key cannot be read: {error}");
            }
            if search.found.len() == limit {
                return search;
            }
        }
    }
    search
}
