//! The simulated database does what RocksDB does, as far as the server can tell.

use std::path::Path;

use super::super::super::record::Record;
use super::super::{Direction, KeyRange, ReopenError};
use super::*;

const DIR: &str = "/simulated/store";

fn record(build: impl FnOnce(&mut Record)) -> Vec<u8> {
    let mut record = Record::default();
    build(&mut record);
    record.encode("ABCDEFGHI0123456", false).0
}

fn put(key: &[u8], value: &[u8]) -> Vec<u8> {
    record(|record| record.put(Cf::Metadata, key, value, b"", 1))
}

/// What a scan of a range gives.
fn scanned(rocks: &Rocks, lower: &[u8], upper: Option<&[u8]>, direction: Direction) -> String {
    let range = KeyRange { lower, upper };
    let mut iter = rocks.iter(Cf::Metadata, range, direction, None, true);
    let mut keys = String::new();
    while let Some((key, _)) = iter.next().expect("an entry") {
        keys.push_str(&String::from_utf8_lossy(key));
    }
    keys
}

fn filled(rocks: &Rocks) {
    for key in [b"a", b"b", b"c", b"d"] {
        rocks
            .write(&put(key, b"v"), WriteMode::default())
            .expect("a write");
    }
    let range = record(|record| record.delete_range(Cf::Metadata, b"c", b"d"));
    rocks.write(&range, WriteMode::default()).expect("a write");
}

#[test]
fn it_reads_scans_and_snapshots_as_rocksdb_does() {
    let real_dir = tempfile::tempdir().expect("a temporary directory");
    let _mounted = Mounted::new(Path::new(DIR));
    for dir in [real_dir.path(), Path::new(DIR)] {
        let rocks = Rocks::open(&OpenOptions::new(dir)).expect("a database");
        assert_eq!(rocks.simulated().is_some(), dir == Path::new(DIR));
        filled(&rocks);
        let snapshot = rocks.snapshot();
        rocks
            .write(&put(b"a", b"new"), WriteMode::default())
            .expect("a write");
        let value = rocks.get(Cf::Metadata, b"a").expect("a read");
        assert_eq!(value.as_deref(), Some(&b"new"[..]));
        let old = rocks.get_at(&snapshot, Cf::Metadata, b"a").expect("a read");
        assert_eq!(old.as_deref(), Some(&b"v"[..]));
        assert!(rocks.get(Cf::Metadata, b"c").expect("a read").is_none());
        assert_eq!((snapshot.seq().get(), rocks.last_seq().get()), (5, 6));
        for (lower, upper, forward, backward) in [
            (&b""[..], None, "abd", "dba"),
            (b"b", None, "bd", "db"),
            (b"", Some(&b"b"[..]), "a", "a"),
            (b"aa", Some(b"d"), "b", "b"),
            (b"e", None, "", ""),
        ] {
            assert_eq!(scanned(&rocks, lower, upper, Direction::Forward), forward);
            assert_eq!(scanned(&rocks, lower, upper, Direction::Backward), backward);
        }
        let range = KeyRange {
            lower: b"",
            upper: Some(b"d"),
        };
        for (direction, sought, found) in [
            (Direction::Forward, b"b", Some(&b"b"[..])),
            (Direction::Forward, b"c", None),
            (Direction::Backward, b"c", Some(b"b")),
            (Direction::Backward, b"e", Some(b"b")),
        ] {
            let mut iter = rocks.iter(Cf::Metadata, range, direction, None, true);
            iter.seek(sought);
            assert_eq!(
                iter.key().expect("a key"),
                found,
                "{direction:?} {sought:?}"
            );
        }
    }
}

#[test]
fn a_crash_leaves_what_was_appended_and_a_power_cut_what_was_synced() {
    let mounted = Mounted::new(Path::new(DIR));
    let options = OpenOptions::new(DIR);
    let rocks = Rocks::open(&options).expect("a database");
    assert!(matches!(
        Rocks::open(&options),
        Err(OpenError::Locked { .. })
    ));
    rocks
        .write(&put(b"a", b"1"), WriteMode::default())
        .expect("a write");
    rocks.sync_wal().expect("a sync");
    rocks
        .write(&put(b"b", b"2"), WriteMode::default())
        .expect("a write");
    drop(rocks);
    mounted.disk.crash(Crash::Power {
        unsynced_records_left: 0,
        state_bytes_left: 0,
    });
    let rocks = Rocks::open(&options).expect("a database");
    assert_eq!(scanned(&rocks, b"", None, Direction::Forward), "a");
    rocks
        .write(&put(b"b", b"2"), WriteMode::default())
        .expect("a write");
    drop(rocks);
    mounted.disk.crash(Crash::Process);
    let rocks = Rocks::open(&options).expect("a database");
    assert_eq!(scanned(&rocks, b"", None, Direction::Forward), "ab");
}

#[test]
fn after_a_refused_append_it_takes_nothing_until_it_is_reopened() {
    for reached in [true, false] {
        let mounted = Mounted::new(Path::new(DIR));
        let rocks = Rocks::open(&OpenOptions::new(DIR)).expect("a database");
        rocks
            .write(&put(b"a", b"1"), WriteMode::default())
            .expect("a write");
        mounted.disk.faults(|faults| {
            faults.refuse_append = Some(Refusal {
                reached,
                is_known: true,
                syncs_still: true,
            });
        });
        let refused = rocks.write(&put(b"b", b"2"), WriteMode::default());
        assert!(
            matches!(refused, Err(WriteError::Failed(failure)) if failure.reached_wal == Some(reached))
        );
        assert!(rocks.write(&put(b"c", b"3"), WriteMode::default()).is_err());
        assert_eq!(scanned(&rocks, b"", None, Direction::Forward), "a");
        let other = rocks.clone();
        let patience = std::time::Duration::ZERO;
        let rocks = match rocks.reopen(Seq::new(1), patience) {
            Err(ReopenError::InUse(rocks)) => rocks,
            _ => panic!("reopened under a second handle"),
        };
        drop(other);
        let Ok(rocks) = rocks.reopen(Seq::new(1), patience) else {
            panic!("not reopened");
        };
        let expected = if reached { "ab" } else { "a" };
        assert_eq!(scanned(&rocks, b"", None, Direction::Forward), expected);
        rocks
            .write(&put(b"c", b"3"), WriteMode::default())
            .expect("a write");
    }
}

#[test]
fn a_malformed_batch_stops_it() {
    let _mounted = Mounted::new(Path::new(DIR));
    let rocks = Rocks::open(&OpenOptions::new(DIR)).expect("a database");
    let whole = put(b"a", b"1");
    for damaged in [
        &whole[..5],
        &whole[..whole.len() - 1],
        &[&whole[..], &[0x7f]].concat(),
    ] {
        assert!(batch::parse(damaged).is_err());
    }
    assert!(rocks.write(&whole[..20], WriteMode::default()).is_err());
    assert!(rocks.write(&whole, WriteMode::default()).is_err());
}
