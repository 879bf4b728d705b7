//! Counting the keys of all databases, on a worker: exactly while they are few, by sampling beyond.

use std::collections::BTreeMap;

use super::cf::Cf;
use super::keys::{DbIndex, KeyCodec, db_of_namespace};
use super::metadata::Header;
use super::rocks::{Direction, KeyRange, Rocks};
use super::scan::ScanRequest;
use super::seq::Seq;
use super::view::View;
use crate::clock::UnixMs;
use crate::command::halt::Run;
use crate::limits::SCAN_ENTRIES_INLINE_MAX;

/// Entries counted one by one; a database with more is estimated.
pub const COUNT_EXACTLY_MAX: u64 = 1_000_000;

/// One database's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbCount {
    /// Keys that are there and have not expired, as DBSIZE counts them.
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
    /// When: `avg_ttl_ms` is as of then.
    pub at: UnixMs,
    pub by_db: BTreeMap<DbIndex, DbCount>,
}

impl KeyCounts {
    /// What RocksDB supposes, all of it in database 0: before anybody has counted.
    pub fn estimated(rocks: &Rocks) -> KeyCounts {
        let keys = rocks.estimate_keys(Cf::Metadata);
        let mut counts = KeyCounts::default();
        if keys > 0 {
            let count = DbCount {
                keys,
                ..DbCount::default()
            };
            counts.by_db.insert(DbIndex(0), count);
        }
        counts
    }

    /// Keys of all databases.
    pub fn total(&self) -> u64 {
        self.by_db.values().map(|count| count.keys).sum()
    }

    /// Keys of one database.
    pub fn of(&self, db: DbIndex) -> u64 {
        self.by_db.get(&db).map_or(0, |count| count.keys)
    }
}

/// Counts as they are made.
struct Tally {
    codec: KeyCodec,
    counts: KeyCounts,
    ttl_sums: BTreeMap<DbIndex, u128>,
}

impl Tally {
    fn new(codec: KeyCodec, seq: Seq, now: UnixMs) -> Tally {
        Tally {
            codec,
            counts: KeyCounts {
                seq,
                exact: true,
                at: now,
                by_db: BTreeMap::new(),
            },
            ttl_sums: BTreeMap::new(),
        }
    }

    /// Takes one entry of the metadata family.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let Ok((header, _)) = Header::decode(value) else {
            return;
        };
        let Some(parts) = self.codec.split_metadata_key(key) else {
            return;
        };
        let Some(db) = db_of_namespace(parts.namespace) else {
            return;
        };
        // What has expired is gone for every command, though a worker has yet to find it; DBSIZE does not count it either.
        if !header.is_live(self.counts.at) {
            return;
        }
        let count = self.counts.by_db.entry(db).or_default();
        count.keys += 1;
        if let Some(at) = header.expire() {
            count.expires += 1;
            *self.ttl_sums.entry(db).or_default() +=
                u128::from(at.0.saturating_sub(self.counts.at.0));
        }
    }

    fn finish(mut self) -> KeyCounts {
        for (db, count) in &mut self.counts.by_db {
            let sum = self.ttl_sums.get(db).copied().unwrap_or(0);
            count.avg_ttl_ms = (sum / u128::from(count.expires.max(1))) as u64;
        }
        self.counts
    }
}

/// Counts. When there are more than [`COUNT_EXACTLY_MAX`] entries the first so many are counted and the rest is estimated
/// from RocksDB's own estimate for the family, shared out as the counted part is; never less than what was counted.
pub fn count_keys(rocks: &Rocks, codec: KeyCodec, now: UnixMs) -> KeyCounts {
    let snapshot = rocks.snapshot();
    let mut tally = Tally::new(codec, snapshot.seq(), now);
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
                tally.counts.exact = false;
                break;
            }
        };
        read += 1;
        if read > COUNT_EXACTLY_MAX {
            tally.counts.exact = false;
            break;
        }
        tally.add(key, value);
    }
    let mut counts = tally.finish();
    if !counts.exact {
        scale(&mut counts, rocks.estimate_keys(Cf::Metadata), read);
    }
    counts
}

/// Counts on the loop, uncommitted changes included, for a command that cannot wait; `None` when there are more entries than
/// one turn reads.
pub fn count_view(view: &mut View, codec: KeyCodec, now: UnixMs) -> Run<Option<KeyCounts>> {
    let mut tally = Tally::new(codec, Seq::default(), now);
    let request = ScanRequest::prefix(Cf::Metadata, b"");
    let mut scan = view.scan(request)?;
    for _ in 0..SCAN_ENTRIES_INLINE_MAX {
        let Some((key, value)) = scan.next()? else {
            return Ok(Some(tally.finish()));
        };
        tally.add(key, value);
    }
    Ok(None)
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
