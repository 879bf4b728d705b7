//! Opening new, foreign, locked and older directories, and reopening; damaged ones are in `damage_tests.rs`.

use std::time::Duration;

use super::super::manifest;
use super::tests::{open_at, put};
use super::*;

#[test]
fn a_new_directory_has_the_seven_families_with_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(&dir.path().join("below/that/is/not/there"));
    assert_eq!(rocks.families_count(), 7);
    drop(rocks);
    let manifest = manifest::read(&dir.path().join("below/that/is/not/there/db")).unwrap();
    let families: Vec<_> = manifest
        .families
        .iter()
        .map(|(id, family)| (*id, family.name.as_str()))
        .collect();
    let expected: Vec<_> = Cf::ALL.iter().map(|cf| (cf.id(), cf.name())).collect();
    assert_eq!(families, expected);
    assert_eq!(manifest.family_id_max, 6);
}

#[test]
fn a_second_server_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    let Err(error) = Rocks::open(&OpenOptions::new(dir.path())) else {
        panic!("opened twice")
    };
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().ends_with("is in use by another server"));
    put(&rocks, Cf::Default, b"key", b"v");
    drop(rocks);
    open_at(dir.path());
}

#[test]
fn a_database_that_another_program_holds_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_at(dir.path()));
    let families = Cf::ALL.map(|cf| cf.name());
    // As Kvrocks would: RocksDB's own lock alone.
    let other = DB::open_cf(&rocksdb::Options::default(), db_dir(dir.path()), families).unwrap();
    let Err(error) = Rocks::open(&OpenOptions::new(dir.path())) else {
        panic!("opened twice")
    };
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    drop(other);
    open_at(dir.path());
}

#[test]
fn families_of_a_newer_kvrocks_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_at(dir.path()));
    {
        let families = Cf::ALL.map(|cf| cf.name());
        let mut db =
            DB::open_cf(&rocksdb::Options::default(), db_dir(dir.path()), families).unwrap();
        db.create_cf("index", &rocksdb::Options::default()).unwrap();
        db.put_cf(db.cf_handle("index").unwrap(), b"key", b"of the future")
            .unwrap();
    }
    let rocks = open_at(dir.path());
    assert_eq!(rocks.families_count(), 8);
    put(&rocks, Cf::Default, b"key", b"v");
    rocks.flush().unwrap();
    drop(rocks);
    let families = DB::list_cf(&rocksdb::Options::default(), db_dir(dir.path())).unwrap();
    let db = DB::open_cf(&rocksdb::Options::default(), db_dir(dir.path()), families).unwrap();
    let kept = db.get_cf(db.cf_handle("index").unwrap(), b"key").unwrap();
    assert_eq!(kept.as_deref(), Some(&b"of the future"[..]));
}

#[test]
fn a_directory_of_an_old_kvrocks_gets_the_missing_families() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let old = Cf::ALL[..5].iter().map(|cf| cf.name());
    let db = DB::open_cf(&options, db_dir(dir.path()), old).unwrap();
    db.put_cf(
        db.cf_handle("metadata").unwrap(),
        b"\x01nkey",
        b"\x01\0\0\0\0value",
    )
    .unwrap();
    drop(db);
    let rocks = open_at(dir.path());
    assert_eq!(rocks.families_count(), 7);
    put(&rocks, Cf::Search, b"key", b"v");
    drop(rocks);
    let manifest = manifest::read(&db_dir(dir.path())).unwrap();
    assert_eq!(manifest.families[&6].name, "search");
}

#[test]
fn a_database_that_is_not_kvrockss_is_refused() {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    for (families, reason) in [
        (vec!["default"], "no column family metadata"),
        (
            vec!["default", "metadata", "pubsub"],
            "pubsub has the id 2 instead of 3",
        ),
        (
            vec!["default", "metadata", "mine"],
            "a column family mine with the id 2",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        DB::open_cf(&options, db_dir(dir.path()), families)
            .unwrap()
            .put(b"key", b"value")
            .unwrap();
        let Err(error) = Rocks::open(&OpenOptions::new(dir.path())) else {
            panic!("opened")
        };
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_creation_that_was_cut_off_is_taken_up_again() {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    let dir = tempfile::tempdir().unwrap();
    drop(DB::open(&options, db_dir(dir.path())).unwrap());
    open_at(dir.path());

    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(db_dir(dir.path())).unwrap();
    std::fs::write(db_dir(dir.path()).join("MANIFEST-000001"), b"half").unwrap();
    std::fs::write(db_dir(dir.path()).join("IDENTITY"), b"").unwrap();
    open_at(dir.path());
}

#[test]
fn the_key_layout_must_fit_the_configuration() {
    let key = |slot: &[u8], user_key: &[u8]| [b"\x0b__namespace", slot, user_key].concat();
    let slot = |user_key: &[u8]| crate::text::crc::slot(user_key).to_be_bytes();
    for stored_with_slots in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let with = |slot_encoded| OpenOptions {
            slot_encoded,
            ..OpenOptions::new(dir.path())
        };
        let rocks = Rocks::open(&with(!stored_with_slots)).unwrap();
        for user_key in [&b"a"[..], b"key:{tag}", b"", b"long enough"] {
            let slot = if stored_with_slots {
                slot(user_key).to_vec()
            } else {
                Vec::new()
            };
            put(
                &rocks,
                Cf::Metadata,
                &key(&slot, user_key),
                b"\x01\0\0\0\0v",
            );
        }
        drop(rocks);
        let Err(error) = Rocks::open(&with(!stored_with_slots)) else {
            panic!("opened")
        };
        let OpenError::WrongSlotEncoding {
            stored_with_slots: stored,
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(stored, stored_with_slots);
        Rocks::open(&with(stored_with_slots)).unwrap();
    }
}

#[test]
fn reopening_waits_for_the_other_handles_and_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = open_at(dir.path());
    put(&rocks, Cf::Default, b"key", b"v");
    let snapshot = rocks.snapshot();
    let committed = rocks.last_seq();
    let Err(ReopenError::InUse(rocks)) = rocks.reopen(committed, Duration::ZERO) else {
        panic!("reopened while in use")
    };
    put(&rocks, Cf::Default, b"more", b"w");
    let committed = rocks.last_seq();
    let dropper = std::thread::spawn(move || drop(snapshot));
    let Ok(rocks) = rocks.reopen(committed, Duration::from_secs(20)) else {
        panic!("not reopened")
    };
    dropper.join().unwrap();
    assert_eq!(rocks.last_seq(), committed);
    assert_eq!(
        rocks.get(Cf::Default, b"more").unwrap().as_deref(),
        Some(&b"w"[..])
    );
    assert!(matches!(
        Rocks::open(&OpenOptions::new(dir.path())),
        Err(OpenError::Locked { .. })
    ));
    let Err(ReopenError::Failed(error)) = rocks.reopen(committed.next(), Duration::ZERO) else {
        panic!("opened short")
    };
    assert!(matches!(error, OpenError::WalLoss { .. }), "{error}");
    open_at(dir.path());
}

#[test]
fn the_options_on_disk_are_those_that_kvrocks_can_read() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_at(dir.path()));
    let options = std::fs::read_dir(db_dir(dir.path()))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("/OPTIONS-"))
        .max()
        .unwrap();
    let text = std::fs::read_to_string(options).unwrap();
    let count = |line: &str| text.lines().filter(|other| other.trim() == line).count();
    for (line, times) in [
        ("format_version=5", Cf::COUNT),
        ("index_type=kTwoLevelIndexSearch", Cf::COUNT),
        ("partition_filters=true", Cf::COUNT),
        ("comparator=leveldb.BytewiseComparator", Cf::COUNT),
        ("merge_operator=nullptr", Cf::COUNT),
        ("prefix_extractor=nullptr", Cf::COUNT),
        ("num_levels=7", Cf::COUNT),
        ("memtable_whole_key_filtering=true", 2),
        ("compaction_filter_factory=SubkeyFilter", 3),
        ("compaction_filter_factory=MetadataFilter", 1),
        ("compaction_filter_factory=PubsubFilter", 1),
        ("compaction_filter_factory=PropagateFilter", 1),
        ("compaction_filter_factory=nullptr", 1),
        ("track_and_verify_wals_in_manifest=false", 1),
        ("track_and_verify_wals=false", 1),
        ("manual_wal_flush=false", 1),
        ("recycle_log_file_num=0", 1),
        ("WAL_ttl_seconds=10800", 1),
        ("WAL_size_limit_MB=16384", 1),
        ("max_total_wal_size=536870912", 1),
        ("wal_recovery_mode=kPointInTimeRecovery", 1),
        ("paranoid_checks=true", 1),
    ] {
        assert_eq!(count(line), times, "{line}\n{text}");
    }
}

#[test]
fn families_behind_a_gap_are_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_at(dir.path()));
    {
        let families = Cf::ALL.map(|cf| cf.name());
        let mut db =
            DB::open_cf(&rocksdb::Options::default(), db_dir(dir.path()), families).unwrap();
        for name in ["index", "another"] {
            db.create_cf(name, &rocksdb::Options::default()).unwrap();
        }
        db.drop_cf("index").unwrap();
    }
    // A batch may name any family below the count, and RocksDB refuses every later write after one that is not there.
    assert_eq!(open_at(dir.path()).families_count(), 7);
}
