//! Reading, writing, and what the other tests of this module share.

use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::*;
use crate::clock::UnixMs;
use crate::limits::DELETED_KEYS_ON_LOOP_MAX;

/// A record of changes, as bytes of a RocksDB write batch.
#[derive(Clone, Default)]
pub(super) struct TestRecord {
    body: Vec<u8>,
    count: u32,
}

impl TestRecord {
    pub(super) fn put(self, cf: Cf, key: &[u8], value: &[u8]) -> TestRecord {
        self.change(5, cf, &[key, value])
    }

    pub(super) fn delete(self, cf: Cf, key: &[u8]) -> TestRecord {
        self.change(4, cf, &[key])
    }

    fn change(mut self, tag: u8, cf: Cf, parts: &[&[u8]]) -> TestRecord {
        self.body.extend_from_slice(&[tag, cf.id() as u8]);
        for bytes in parts {
            let mut len = bytes.len();
            while len >= 0x80 {
                self.body.push(len as u8 | 0x80);
                len >>= 7;
            }
            self.body.push(len as u8);
            self.body.extend_from_slice(bytes);
        }
        self.count += 1;
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Writes one value.
pub(super) fn put(rocks: &Rocks, cf: Cf, key: &[u8], value: &[u8]) {
    rocks
        .write(
            &TestRecord::default().put(cf, key, value).bytes(),
            WriteMode::default(),
        )
        .unwrap();
}

pub(super) fn open_at(dir: &Path) -> Rocks {
    Rocks::open(&OpenOptions::new(dir)).unwrap()
}

fn keys(mut iter: RocksIter<'_>) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    while let Some((key, _)) = iter.next().unwrap() {
        keys.push(key.to_vec());
    }
    keys
}

#[test]
fn every_family_reads_back_what_was_written_to_it_also_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    let mut record = TestRecord::default();
    for cf in Cf::ALL {
        record = record.put(cf, b"key", cf.name().as_bytes());
    }
    rocks
        .write(
            &record.bytes(),
            WriteMode {
                no_slowdown: true,
                sync: true,
            },
        )
        .unwrap();
    assert_eq!(rocks.last_seq(), Seq::new(7));
    let check = |rocks: &Rocks| {
        for cf in Cf::ALL {
            assert_eq!(
                rocks.get(cf, b"key").unwrap().as_deref(),
                Some(cf.name().as_bytes())
            );
            assert!(rocks.get(cf, b"other").unwrap().is_none());
        }
    };
    check(&rocks);
    drop(rocks);
    let rocks = open_at(dir.path());
    assert_eq!(rocks.last_seq(), Seq::new(7));
    check(&rocks);
    rocks.shut_down().unwrap();
    check(&rocks);
}

#[test]
fn what_is_only_on_disk_is_not_cached() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    put(&rocks, Cf::Default, b"key", &[b'v'; 100]);
    assert_eq!(
        rocks
            .get_cached_only(Cf::Default, b"key")
            .unwrap()
            .unwrap()
            .as_deref(),
        Some(&[b'v'; 100][..])
    );
    rocks.flush().unwrap();
    drop(rocks);
    let rocks = open_at(dir.path());
    assert!(
        rocks
            .get_cached_only(Cf::Default, b"key")
            .unwrap()
            .is_none()
    );
    let cached_only = IterOptions {
        cached_only: true,
        ..IterOptions::default()
    };
    let refused = rocks
        .iter_with(Cf::Default, KeyRange::default(), cached_only)
        .next()
        .unwrap_err();
    assert_eq!(refused, StoreError::NotCached);
    assert!(rocks.get(Cf::Default, b"key").unwrap().is_some());
    assert!(
        rocks
            .get_cached_only(Cf::Default, b"key")
            .unwrap()
            .is_some()
    );
    assert!(rocks.block_cache_usage() > 0);
}

#[test]
fn an_iterator_of_the_loop_does_not_step_over_many_deleted_keys() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    let name = |number: u64| format!("key{number:08}").into_bytes();
    let count = DELETED_KEYS_ON_LOOP_MAX + 2;
    for number in 0..=count {
        put(&rocks, Cf::Default, &name(number), b"");
    }
    let on_loop = |direction| {
        let how = IterOptions {
            direction,
            cached_only: true,
            ..IterOptions::default()
        };
        let mut iter = rocks.iter_with(Cf::Default, KeyRange::default(), how);
        let first = iter.next();
        first.map(|entry| entry.map(|(key, _)| key.to_vec()))
    };
    let delete = |numbers: std::ops::Range<u64>| {
        let mut record = TestRecord::default();
        for number in numbers {
            record = record.delete(Cf::Default, &name(number));
        }
        rocks.write(&record.bytes(), WriteMode::default()).unwrap();
    };
    delete(0..DELETED_KEYS_ON_LOOP_MAX / 2);
    let expected = name(DELETED_KEYS_ON_LOOP_MAX / 2);
    assert_eq!(on_loop(Direction::Forward), Ok(Some(expected)));
    delete(DELETED_KEYS_ON_LOOP_MAX / 2..count);
    assert_eq!(on_loop(Direction::Forward), Err(StoreError::NotCached));
    assert_eq!(on_loop(Direction::Backward), Ok(Some(name(count))));
    let range = KeyRange::default();
    let mut iter = rocks.iter(Cf::Default, range, Direction::Forward, None, true);
    let first = iter.next().unwrap().map(|(key, _)| key.to_vec());
    assert_eq!(first, Some(name(count)), "a worker's goes on");
}

#[test]
fn iterators_keep_to_their_range_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    for key in [b"a", b"b", b"c", b"d"] {
        put(&rocks, Cf::Default, key, b"v");
    }
    let range = KeyRange {
        lower: b"b",
        upper: Some(b"d"),
    };
    assert_eq!(
        keys(rocks.iter(Cf::Default, range, Direction::Forward, None, true)),
        [b"b", b"c"]
    );
    assert_eq!(
        keys(rocks.iter(Cf::Default, range, Direction::Backward, None, true)),
        [b"c", b"b"]
    );
    let all = KeyRange::default();
    assert_eq!(
        keys(rocks.iter(Cf::Default, all, Direction::Backward, None, false)),
        [b"d", b"c", b"b", b"a"]
    );
    assert!(keys(rocks.iter(Cf::Metadata, all, Direction::Forward, None, true)).is_empty());

    let mut iter = rocks.iter(Cf::Default, all, Direction::Forward, None, true);
    iter.seek(b"bb");
    assert_eq!(iter.key().unwrap(), Some(&b"c"[..]));
    iter.advance();
    assert_eq!(iter.entry().unwrap(), Some((&b"d"[..], &b"v"[..])));
    iter.advance();
    assert_eq!(iter.entry().unwrap(), None);
    iter.advance();
    assert_eq!(iter.entry().unwrap(), None);
    let mut iter = rocks.iter(Cf::Default, all, Direction::Backward, None, true);
    iter.seek(b"bb");
    assert_eq!(iter.next().unwrap(), Some((&b"b"[..], &b"v"[..])));
    assert_eq!(iter.next().unwrap(), Some((&b"a"[..], &b"v"[..])));
}

#[test]
fn a_snapshot_stays_as_it_was_on_another_thread_and_without_its_handle() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    put(&rocks, Cf::Default, b"key", b"old");
    let snapshot = rocks.snapshot();
    assert_eq!(snapshot.seq(), Seq::new(1));
    put(&rocks, Cf::Default, b"key", b"new");
    put(&rocks, Cf::Default, b"more", b"new");
    drop(rocks);
    let seen = std::thread::spawn(move || {
        let rocks = snapshot.rocks();
        let value = rocks
            .get_at(&snapshot, Cf::Default, b"key")
            .unwrap()
            .map(|value| value.to_vec());
        let how = IterOptions {
            snapshot: Some(&snapshot),
            ..IterOptions::default()
        };
        (
            value,
            keys(rocks.iter_with(Cf::Default, KeyRange::default(), how)),
        )
    })
    .join()
    .unwrap();
    assert_eq!(seen, (Some(b"old".to_vec()), vec![b"key".to_vec()]));
    // The snapshot is gone, so the database is closed.
    assert_eq!(open_at(dir.path()).last_seq(), Seq::new(3));
}

#[test]
fn log_data_alone_takes_no_number() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    let mut record = TestRecord::default();
    record.body.extend_from_slice(b"\x03\x012");
    rocks.write(&record.bytes(), WriteMode::default()).unwrap();
    assert_eq!(rocks.last_seq(), Seq::ZERO);
    put(&rocks, Cf::Default, b"key", b"v");
    drop(rocks);
    assert_eq!(open_at(dir.path()).last_seq(), Seq::new(1));
}

#[test]
fn a_malformed_record_stops_all_writes_and_is_known_not_to_be_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    let failure = |record: &[u8]| match rocks.write(record, WriteMode::default()) {
        Err(WriteError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    put(&rocks, Cf::Default, b"key", b"v");
    assert_eq!(failure(b"too short").reached_wal, Some(false));
    put(&rocks, Cf::Default, b"key", b"w");
    // Its count says one, its body holds nothing that is known.
    let mut malformed = vec![0; 8];
    malformed.extend_from_slice(&[1, 0, 0, 0, 0xee]);
    let first = failure(&malformed);
    let later = failure(&TestRecord::default().put(Cf::Default, b"key", b"x").bytes());
    assert_eq!(later.reached_wal, Some(false), "{first} / {later}");
    assert_eq!(
        rocks.get(Cf::Default, b"key").unwrap().as_deref(),
        Some(&b"w"[..])
    );
}

#[test]
fn counters_and_properties_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    put(&rocks, Cf::Metadata, b"key", b"value");
    assert_eq!(rocks.estimate_keys(Cf::Metadata), 1);
    assert_eq!(rocks.estimate_keys(Cf::Default), 0);
    assert!(rocks.ticker("rocksdb.bytes.written").unwrap() > 0);
    assert_eq!(rocks.ticker("rocksdb.no.such.thing"), None);
    assert!(
        rocks
            .property(None, "rocksdb.stats")
            .unwrap()
            .contains("DB Stats")
    );
    assert_eq!(rocks.property(None, "rocksdb.no-such-thing"), None);
    assert_eq!(
        rocks.property_int(Some(Cf::Metadata), "rocksdb.num-entries-active-mem-table"),
        Some(1)
    );
    assert!(!rocks.is_stalled());
    rocks
        .set_family_option("write_buffer_size", "1048576")
        .unwrap();
    assert!(
        rocks
            .set_family_option("write_buffer_size", "much")
            .is_err()
    );
}

/// Holds compactions of the metadata family, whose filter reads the clock, until it is opened.
static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

fn clock_behind_gate() -> UnixMs {
    let is_open = GATE.0.lock().unwrap();
    drop(GATE.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    UnixMs(1)
}

#[test]
fn stopped_writes_fail_at_once_when_asked_to_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = OpenOptions {
        unix_now: clock_behind_gate,
        ..OpenOptions::new(dir.path())
    };
    options.rocksdb.level0_file_num_compaction_trigger = 2;
    options.rocksdb.level0_slowdown_writes_trigger = 2;
    options.rocksdb.level0_stop_writes_trigger = 2;
    let rocks = Rocks::open(&options).unwrap();
    for round in 0..2u8 {
        // Overlapping files: others would be moved down without passing the filter.
        put(&rocks, Cf::Metadata, b"a", &[1, 0, 0, 0, 0, round]);
        put(&rocks, Cf::Metadata, b"z", &[1, 0, 0, 0, 0, round]);
        rocks.flush().unwrap();
    }
    // A flush returns a moment before its file counts.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !rocks.is_stalled() {
        assert!(
            Instant::now() < deadline,
            "two files on level 0 do not stop writes"
        );
        std::thread::yield_now();
    }
    let record = TestRecord::default().put(Cf::Default, b"key", b"v").bytes();
    let before = rocks.last_seq();
    let stalled = rocks.write(
        &record,
        WriteMode {
            no_slowdown: true,
            sync: false,
        },
    );
    assert_eq!(stalled, Err(WriteError::Stalled));
    assert_eq!(rocks.last_seq(), before);
    assert!(rocks.get(Cf::Default, b"key").unwrap().is_none());
    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    rocks
        .write(
            &record,
            WriteMode {
                no_slowdown: false,
                sync: false,
            },
        )
        .unwrap();
    assert_eq!(rocks.last_seq(), before.next());
}
