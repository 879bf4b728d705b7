//! What a start makes of directories that a crash cut off or that somebody damaged.
//!
//! One database is built; each test copies it, harms the copy, and opens it. Opening must either give every value that
//! was written, or refuse with a reason; the only values that may be missing are those of the last record of the newest
//! log, when that was cut off.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::survey;
use super::super::wal::{LogReader, Step};
use super::tests::{TestRecord, open_at};
use super::*;

const RECORDS: u32 = 60;
/// Records before this one are in table files, the others in the live log.
const FLUSHED: u32 = 30;

fn key(index: u32) -> Vec<u8> {
    format!("\x0b__namespacekey{index:04}").into_bytes()
}

fn value(index: u32) -> Vec<u8> {
    // One in ten spans blocks of the log.
    let bytes = if index % 10 == 9 { 40_000 } else { 50 };
    let mut value = b"\x81\0\0\0\0\0\0\0\0".to_vec();
    value.extend((0..bytes).map(|at| (index as usize * 31 + at * 7) as u8));
    value
}

/// A directory as a `kill -9` leaves it: copied while the database is open.
fn crashed() -> tempfile::TempDir {
    let source = tempfile::tempdir().unwrap();
    let mut options = OpenOptions::new(source.path());
    options.rocksdb.disable_auto_compactions = true;
    let rocks = Rocks::open(&options).unwrap();
    for index in 0..RECORDS {
        if index == FLUSHED {
            rocks.flush().unwrap();
        }
        let record = TestRecord::default()
            .put(Cf::Metadata, &key(index), &value(index))
            .put(Cf::Default, &key(index), b"subkey");
        rocks.write(&record.bytes(), WriteMode::default()).unwrap();
    }
    let copy = tempfile::tempdir().unwrap();
    copy_dir(source.path(), copy.path());
    copy
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Everything in a directory, to see that nothing changed.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// The database's files with this ending, by name.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(db_dir(dir))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn flip(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[offset] ^= 1 << (offset % 8);
    fs::write(path, bytes).unwrap();
}

/// How many of the records, from the first on, read back; panics if a later one does, or one reads back wrong.
fn readable(rocks: &Rocks) -> Result<u32, StoreError> {
    let mut count = 0;
    for index in 0..RECORDS {
        match rocks.get(Cf::Metadata, &key(index))? {
            Some(found) => {
                assert_eq!(*found, value(index), "a wrong value was read");
                assert_eq!(
                    count, index,
                    "record {index} is there but an earlier one is missing"
                );
                assert_eq!(
                    rocks.get(Cf::Default, &key(index))?.as_deref(),
                    Some(&b"subkey"[..]),
                    "half a record"
                );
                count += 1;
            }
            None => assert!(
                rocks.get(Cf::Default, &key(index))?.is_none(),
                "half a record"
            ),
        }
    }
    Ok(count)
}

/// The newest log that holds records, and where each of them begins, with the end at last.
fn live_log(dir: &Path) -> (PathBuf, Vec<u64>) {
    for (number, path) in survey::list_logs(&db_dir(dir)).unwrap().into_iter().rev() {
        let mut reader = LogReader::new(fs::File::open(&path).unwrap(), number);
        let mut offsets = Vec::new();
        while let Step::Record(record) = reader.step(|_| {}).unwrap() {
            offsets.push(record.offset);
        }
        if !offsets.is_empty() {
            offsets.push(fs::metadata(&path).unwrap().len());
            return (path, offsets);
        }
    }
    panic!("no log holds a record");
}

fn refusal(options: &OpenOptions) -> OpenError {
    let before = contents(&options.dir);
    let Err(error) = Rocks::open(options) else {
        panic!("a damaged directory was opened")
    };
    assert!(
        contents(&options.dir) == before,
        "a refused directory was changed: {error}"
    );
    error
}

#[test]
fn after_a_kill_everything_is_there() {
    let dir = crashed();
    let rocks = open_at(dir.path());
    assert_eq!(readable(&rocks), Ok(RECORDS));
    assert_eq!(rocks.last_seq(), Seq::new(2 * u64::from(RECORDS)));
}

#[test]
fn wherever_the_log_is_cut_off_the_records_before_the_cut_are_there() {
    let dir = crashed();
    let (log, offsets) = live_log(dir.path());
    let whole = fs::read(&log).unwrap();
    let records = offsets.len() - 1;
    assert_eq!(records as u32, RECORDS - FLUSHED);
    let last = offsets[records - 1] as usize;
    // Within the last record, right behind it, and in a record that spans blocks.
    let mut cuts = vec![last + 1, last + 7, last + 20, whole.len() - 1, last, 0, 1];
    cuts.extend([offsets[9] as usize + 33_000, offsets[10] as usize]);
    for cut in cuts {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let log = db_dir(copy.path()).join(log.file_name().unwrap());
        fs::write(&log, &whole[..cut]).unwrap();
        let kept = offsets[1..]
            .iter()
            .filter(|end| **end <= cut as u64)
            .count() as u32;
        for start in ["first", "second"] {
            let rocks = open_at(copy.path());
            assert_eq!(
                readable(&rocks),
                Ok(FLUSHED + kept),
                "cut at {cut}, {start} start"
            );
            assert_eq!(rocks.last_seq(), Seq::new(2 * u64::from(FLUSHED + kept)));
        }
    }
}

#[test]
fn a_flip_anywhere_before_the_last_record_of_the_log_is_refused() {
    let dir = crashed();
    let (log, offsets) = live_log(dir.path());
    let whole = fs::read(&log).unwrap();
    let last = offsets[offsets.len() - 2] as usize;
    let headers = offsets[..offsets.len() - 2]
        .iter()
        .flat_map(|start| (*start as usize)..(*start as usize + 20));
    let mut refused = 0;
    for offset in headers.chain((0..last).step_by(1013)) {
        flip(&log, offset);
        let error = refusal(&OpenOptions::new(dir.path()));
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("{} at offset ", log.display())),
            "{text}"
        );
        refused += 1;
        fs::write(&log, &whole).unwrap();
    }
    assert!(refused > 500, "only {refused} places were tried");
    assert_eq!(readable(&open_at(dir.path())), Ok(RECORDS));
}

/// Why logs are read before RocksDB opens them. Should this ever fail, RocksDB has learned to do it itself.
#[test]
fn rocksdb_alone_opens_a_damaged_log_silently_short() {
    let dir = crashed();
    let (log, offsets) = live_log(dir.path());
    flip(&log, offsets[12] as usize + 30);
    let mut options = rocksdb::Options::default();
    options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::PointInTime);
    let db = DB::open_cf(&options, db_dir(dir.path()), Cf::ALL.map(|cf| cf.name())).unwrap();
    let metadata = db.cf_handle(Cf::Metadata.name()).unwrap();
    let is_there = |index| db.get_cf(metadata, key(index)).unwrap().is_some();
    assert!(is_there(FLUSHED + 11));
    assert!(!is_there(FLUSHED + 12) && !is_there(RECORDS - 1));
}

#[test]
fn damage_may_be_accepted_and_then_costs_only_what_comes_after_it() {
    let dir = crashed();
    let (log, offsets) = live_log(dir.path());
    flip(&log, offsets[12] as usize + 30);
    let options = OpenOptions {
        accept_wal_loss: true,
        ..OpenOptions::new(dir.path())
    };
    assert_eq!(readable(&Rocks::open(&options).unwrap()), Ok(FLUSHED + 12));
    // The next start needs no consent.
    assert_eq!(readable(&open_at(dir.path())), Ok(FLUSHED + 12));
}

/// RocksDB reads a record of a kind that its log cannot hold again and again, in every recovery mode.
#[test]
fn a_record_that_rocksdb_would_read_for_ever_never_reaches_it() {
    for record in [12, (RECORDS - FLUSHED - 1) as usize] {
        let dir = crashed();
        let (log, offsets) = live_log(dir.path());
        let mut bytes = fs::read(&log).unwrap();
        bytes[offsets[record] as usize + 6] ^= 4;
        fs::write(&log, &bytes).unwrap();
        let error = refusal(&OpenOptions::new(dir.path()));
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        let options = OpenOptions {
            accept_wal_loss: true,
            ..OpenOptions::new(dir.path())
        };
        let kept = FLUSHED + record as u32;
        assert_eq!(readable(&Rocks::open(&options).unwrap()), Ok(kept));
        let name = log.file_name().unwrap().to_string_lossy();
        let aside = dir.path().join(format!("damaged-{name}"));
        assert!(fs::read(aside).unwrap() == bytes, "the damaged log is kept");
        assert_eq!(readable(&open_at(dir.path())), Ok(kept));
    }
    let dir = crashed();
    let manifest = fs::read_to_string(db_dir(dir.path()).join("CURRENT")).unwrap();
    let manifest = db_dir(dir.path()).join(manifest.trim());
    let bytes = fs::read(&manifest).unwrap();
    let mut reader = LogReader::new(&bytes[..], 1);
    let mut last = 0;
    while let Step::Record(record) = reader.step(|_| {}).unwrap() {
        last = record.offset as usize;
    }
    let mut flipped = bytes.clone();
    flipped[last + 6] ^= 4;
    fs::write(&manifest, flipped).unwrap();
    let error = refusal(&OpenOptions::new(dir.path()));
    assert!(error.to_string().contains("MANIFEST-"), "{error}");
}

#[test]
fn a_log_that_ends_before_what_was_synced_is_refused() {
    let dir = crashed();
    let (log, offsets) = live_log(dir.path());
    let whole = fs::read(&log).unwrap();
    let all = Seq::new(2 * u64::from(RECORDS));
    let synced = |seq| OpenOptions {
        last_synced_seq: Some(seq),
        ..OpenOptions::new(dir.path())
    };
    fs::write(&log, &whole[..offsets[20] as usize]).unwrap();
    let error = refusal(&synced(all));
    let recovered = Seq::new(2 * u64::from(FLUSHED + 20));
    let OpenError::WalLoss {
        recovered: found,
        synced: known,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((found, known), (recovered, all));
    fs::remove_file(&log).unwrap();
    assert!(matches!(refusal(&synced(all)), OpenError::WalLoss { .. }));
    fs::write(&log, &whole).unwrap();
    assert_eq!(readable(&Rocks::open(&synced(all)).unwrap()), Ok(RECORDS));

    let empty = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        last_synced_seq: Some(all),
        ..OpenOptions::new(empty.path())
    };
    assert!(
        matches!(refusal(&options), OpenError::WalLoss { .. }),
        "the whole database is missing"
    );
    Rocks::open(&OpenOptions {
        accept_wal_loss: true,
        ..options
    })
    .unwrap();
}

#[test]
fn a_missing_log_with_later_ones_is_refused() {
    let source = tempfile::tempdir().unwrap();
    let rocks = open_at(source.path());
    // A flush of one family starts a new log, while the old one still holds what the others have not written out.
    for index in 0..3u32 {
        let record = TestRecord::default()
            .put(Cf::Metadata, &key(index), &value(index))
            .put(Cf::Default, b"k", b"v");
        rocks.write(&record.bytes(), WriteMode::default()).unwrap();
        rocks
            .engine()
            .db
            .flush_cf(rocks.engine().handle(Cf::Metadata))
            .unwrap();
    }
    super::tests::put(&rocks, Cf::Default, b"k", b"w");
    let logs = files(source.path(), ".log");
    assert_eq!(logs.len(), 4);
    for log in &logs[..3] {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(source.path(), copy.path());
        fs::remove_file(db_dir(copy.path()).join(log.file_name().unwrap())).unwrap();
        let error = refusal(&OpenOptions::new(copy.path()));
        assert!(
            error.to_string().contains("a log file is missing"),
            "{error}"
        );
    }
}

#[test]
fn missing_files_are_refused_by_name() {
    let dir = crashed();
    for (ending, named) in [
        (".sst", ".sst"),
        ("CURRENT", "no file CURRENT"),
        ("MANIFEST-", "MANIFEST-"),
    ] {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let victim = match ending {
            "MANIFEST-" => fs::read_dir(db_dir(copy.path()))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.to_string_lossy().contains("MANIFEST-"))
                .unwrap(),
            _ => files(copy.path(), ending).remove(0),
        };
        fs::remove_file(victim).unwrap();
        let Err(error) = Rocks::open(&OpenOptions::new(copy.path())) else {
            panic!("{ending}: opened")
        };
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{ending}: {error}"
        );
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn a_flip_in_a_table_file_is_an_error_or_does_no_harm() {
    let dir = crashed();
    let mut errors = 0;
    for (number, table) in files(dir.path(), ".sst").into_iter().enumerate() {
        let len = fs::metadata(&table).unwrap().len() as usize;
        for offset in (0..len).step_by(len / 12).chain([len - 30, len - 1]) {
            let copy = tempfile::tempdir().unwrap();
            copy_dir(dir.path(), copy.path());
            flip(&files(copy.path(), ".sst")[number], offset);
            match Rocks::open(&OpenOptions::new(copy.path())) {
                Ok(rocks) => match readable(&rocks) {
                    Ok(count) => {
                        assert_eq!(count, RECORDS, "offset {offset} of {}", table.display())
                    }
                    Err(error) => {
                        assert!(matches!(error, StoreError::Corrupted { .. }), "{error}");
                        errors += 1;
                    }
                },
                Err(error) => {
                    assert!(
                        matches!(error, OpenError::Damaged { .. }),
                        "offset {offset}: {error}"
                    );
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 10, "only {errors} flips were noticed");
}

#[test]
fn a_flip_in_the_manifest_or_in_current_is_an_error_or_does_no_harm() {
    let dir = crashed();
    let mut errors = 0;
    let victims = fs::read_dir(db_dir(dir.path()))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for victim in victims.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name == "CURRENT" || name.starts_with("MANIFEST-")
    }) {
        let whole = fs::read(&victim).unwrap();
        for offset in (0..whole.len()).step_by((whole.len() / 60).max(1)) {
            let copy = tempfile::tempdir().unwrap();
            copy_dir(dir.path(), copy.path());
            flip(
                &db_dir(copy.path()).join(victim.file_name().unwrap()),
                offset,
            );
            // What the state file knows: where the last edits are the ones that are lost, only that can tell.
            let options = OpenOptions {
                last_synced_seq: Some(Seq::new(2 * u64::from(RECORDS))),
                ..OpenOptions::new(copy.path())
            };
            match Rocks::open(&options) {
                Ok(rocks) => assert_eq!(
                    readable(&rocks),
                    Ok(RECORDS),
                    "offset {offset} of {}",
                    victim.display()
                ),
                Err(OpenError::Damaged { .. } | OpenError::WalLoss { .. }) => errors += 1,
                Err(error) => panic!("offset {offset} of {}: {error}", victim.display()),
            }
        }
    }
    assert!(errors > 50, "only {errors} flips were noticed");
}
