//! Counting the keys of all databases, on a worker: exactly while they are few, by sampling beyond.

use std::collections::BTreeMap;

use super::cf::Cf;
use super::keys::{DbIndex, KeyCodec, db_of_namespace};
use super::metadata::Header;
use super::rocks::{Direction, KeyRange, Rocks};
use super::seq::Seq;
use crate::clock::UnixMs;

/// Entries counted one by one; a database with more is estimated.
pub const COUNT_EXACTLY_MAX: u64 = 1_000_000;

/// One database's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbCount {
    /// Keys that are there, expired ones that nobody has deleted yet included, as in Redis.
    pub keys: u64,
    /// Those with an expiry.
    pub expires: u64,
    /// Mean time to live of those, in milliseconds.
    pub avg_ttl_ms: u64,
}

/// The keys of all databases at one point of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// The last update counted.
    pub seq: Seq,
    /// Whether every key was counted.
    pub exact: bool,
    pub by_db: BTreeMap<DbIndex, DbCount>,
}

impl KeyCounts {
    /// Keys of one database.
    pub fn of(&self, db: DbIndex) -> u64 {
        self.by_db.get(&db).map_or(0, |count| count.keys)
    }
}

/// Counts. When there are more than [`COUNT_EXACTLY_MAX`] entries the first so many are counted and the rest is estimated
/// from RocksDB's own estimate for the family, shared out as the counted part is; never less than what was counted.
pub fn count_keys(rocks: &Rocks, codec: KeyCodec, now: UnixMs) -> KeyCounts {
    let snapshot = rocks.snapshot();
    let mut counts = KeyCounts {
        seq: snapshot.seq(),
        exact: true,
        by_db: BTreeMap::new(),
    };
    let mut ttl_sums: BTreeMap<DbIndex, u128> = BTreeMap::new();
    let range = KeyRange {
        lower: b"",
        upper: None,
    };
    let mut iter = rocks.iter(
        Cf::Metadata,
        range,
        Direction::Forward,
        Some(&snapshot),
        false,
    );
    let mut read = 0;
    loop {
        let (key, value) = match iter.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => {
                log::warn!("the count of keys ended early: {error}");
                counts.exact = false;
                break;
            }
        };
        read += 1;
        if read > COUNT_EXACTLY_MAX {
            counts.exact = false;
            break;
        }
        let Ok((header, _)) = Header::decode(value) else {
            continue;
        };
        let Some(parts) = codec.split_metadata_key(key) else {
            continue;
        };
        let Some(db) = db_of_namespace(parts.namespace) else {
            continue;
        };
        if header.size == 0 && !header.kind().may_be_empty() {
            continue;
        }
        let count = counts.by_db.entry(db).or_default();
        count.keys += 1;
        if let Some(at) = header.expire() {
            count.expires += 1;
            *ttl_sums.entry(db).or_default() += u128::from(at.0.saturating_sub(now.0));
        }
    }
    for (db, count) in &mut counts.by_db {
        let sum = ttl_sums.get(db).copied().unwrap_or(0);
        count.avg_ttl_ms = (sum / u128::from(count.expires.max(1))) as u64;
    }
    if !counts.exact {
        scale(&mut counts, rocks.estimate_keys(Cf::Metadata), read);
    }
    counts
}

fn scale(counts: &mut KeyCounts, estimate: u64, counted: u64) {
    if estimate <= counted || counted == 0 {
        return;
    }
    let scaled = |part: u64| (u128::from(part) * u128::from(estimate) / u128::from(counted)) as u64;
    for count in counts.by_db.values_mut() {
        count.keys = scaled(count.keys);
        count.expires = scaled(count.expires);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_shared_out_and_never_below_what_was_counted() {
        let mut counts = KeyCounts::default();
        counts.by_db.insert(
            DbIndex(0),
            DbCount {
                keys: 300,
                expires: 30,
                avg_ttl_ms: 1,
            },
        );
        counts.by_db.insert(
            DbIndex(1),
            DbCount {
                keys: 100,
                expires: 0,
                avg_ttl_ms: 0,
            },
        );
        let counted = counts.clone();
        scale(&mut counts, 100, 400);
        assert_eq!(counts, counted);
        scale(&mut counts, 4000, 400);
        assert_eq!(
            (
                counts.of(DbIndex(0)),
                counts.of(DbIndex(1)),
                counts.of(DbIndex(2))
            ),
            (3000, 1000, 0)
        );
    }
}
