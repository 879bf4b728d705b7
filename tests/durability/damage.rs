//! Directories that do not hold what was written: refused with a message and a status, and left as they are.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::common::{Setup, Value, wait_until};
use super::crash::remove_logs;
use super::{STATUS_STORAGE, files, set_numbered, stillpoint, wrong_numbers};

/// Keys that are in table files, and those that are in the log alone.
const TABLED: std::ops::Range<usize> = 0..2000;
const LOGGED: std::ops::Range<usize> = 2000..2300;
const VALUE_BYTES: usize = 700;

/// A directory with several table files and a log of several blocks, as a kill leaves it.
fn directory(test: &str) -> Option<TempDir> {
    let server = stillpoint(test)?
        .arg("--rocksdb.write_buffer_size", "1")
        .start();
    let mut conn = server.connect();
    set_numbered(&mut conn, TABLED, VALUE_BYTES);
    conn.ok("COMPACT");
    // Cut off in its middle it would leave tables that nothing refers to.
    wait_until("the end of the compaction", || {
        server.log().contains("the compaction asked for has ended")
    });
    assert!(!with_extension(server.dir(), "sst").is_empty());
    // A record each, or nearly.
    for number in LOGGED {
        set_numbered(&mut conn, number..number + 1, VALUE_BYTES);
    }
    Some(server.into_dir())
}

fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("db")).expect("the database's directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

/// The log that is written to: the newest.
fn newest_log(dir: &Path) -> PathBuf {
    with_extension(dir, "log").pop().expect("a log")
}

fn largest_table(dir: &Path) -> PathBuf {
    let tables = with_extension(dir, "sst");
    tables
        .into_iter()
        .max_by_key(|path| len_of(path))
        .expect("a table file")
}

fn manifest(dir: &Path) -> PathBuf {
    let current = std::fs::read_to_string(dir.join("db/CURRENT")).expect("the file CURRENT");
    dir.join("db").join(current.trim_end())
}

fn len_of(path: &Path) -> u64 {
    path.metadata().expect("a file").len()
}

fn flip_byte(path: &Path, offset: u64) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[offset as usize] ^= 0x10;
    std::fs::write(path, bytes).expect("the file again");
}

fn cut(path: &Path, len: u64) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("a file");
    file.set_len(len).expect("another length");
}

/// Where the data of a log ends: RocksDB allocates more than it has written.
fn end_of_data(path: &Path) -> u64 {
    let bytes = std::fs::read(path).expect("a log");
    bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last as u64 + 1)
}

/// The server must refuse `dir`, saying `parts`, and change nothing in it.
fn assert_refused(dir: &Path, what: &str, parts: &[&str]) {
    let before = files(dir);
    let (status, said) = Setup::new().start_expecting_exit(dir);
    assert_eq!(status.code(), STATUS_STORAGE, "{what}; it said:\n{said}");
    for part in parts {
        assert!(said.contains(part), "{what}: no '{part}' in:\n{said}");
    }
    let after = files(dir);
    let changed: Vec<&String> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    assert!(changed.is_empty(), "{what}: {changed:?} changed");
    remove_logs(dir);
}

#[test]
fn one_flipped_byte_in_the_middle_of_a_log_is_refused() {
    let Some(dir) = directory("one_flipped_byte_in_the_middle_of_a_log_is_refused") else {
        return;
    };
    let dir = dir.path();
    let log = newest_log(dir);
    let whole = std::fs::read(&log).expect("the log");
    let name = log
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    for share in [10, 37, 50, 93] {
        let offset = end_of_data(&log) * share / 100;
        flip_byte(&log, offset);
        assert_refused(
            dir,
            &format!("byte {offset} of {name}"),
            &["ERROR the database is damaged", &name, "accept-wal-loss"],
        );
        std::fs::write(&log, &whole).expect("the log as it was");
    }
    // It was the byte alone: as it was, the directory opens.
    let server = Setup::new().start_in(copy(dir));
    assert!(wrong_numbers(&mut server.connect(), 0..LOGGED.end, VALUE_BYTES).is_empty());
}

fn copy(dir: &Path) -> TempDir {
    let target = tempfile::tempdir().expect("a temporary directory");
    super::common::fixture::copy_tree(&dir.join("db"), &target.path().join("db"));
    std::fs::copy(
        dir.join("stillpoint.state"),
        target.path().join("stillpoint.state"),
    )
    .expect("a copy");
    target
}

#[test]
fn a_damaged_log_opens_with_consent_up_to_the_damage() {
    let Some(dir) = directory("a_damaged_log_opens_with_consent_up_to_the_damage") else {
        return;
    };
    let log = newest_log(dir.path());
    flip_byte(&log, end_of_data(&log) / 2);
    let mut server = Setup::new().arg("--accept-wal-loss", "yes").start_in(dir);
    server.expect_log("accept-wal-loss is set");
    server.expect_log("opening all the same, what comes after it is given up");
    let wrong = wrong_numbers(&mut server.connect(), 0..LOGGED.end, VALUE_BYTES);
    let first = *wrong.first().expect("something is lost");
    assert!(LOGGED.contains(&first), "{first}");
    assert_eq!(
        wrong,
        (first..LOGGED.end).collect::<Vec<_>>(),
        "a prefix is there, and nothing behind it"
    );
    set_numbered(&mut server.connect(), first..LOGGED.end, VALUE_BYTES);
    // The damage is over with, so the next start needs no consent.
    server.set_for_restart("--accept-wal-loss", "no");
    server.restart();
    assert!(wrong_numbers(&mut server.connect(), 0..LOGGED.end, VALUE_BYTES).is_empty());
}

/// What a crash leaves: the last record cut off, or, after a power cut, zeros in its place.
#[test]
fn a_torn_last_record_is_dropped() {
    let Some(dir) = directory("a_torn_last_record_is_dropped") else {
        return;
    };
    for (what, tear) in [
        ("cut off", (|log, end| cut(log, end - 5)) as fn(&Path, u64)),
        ("cut off within its header", |log, end| {
            cut(log, end - VALUE_BYTES as u64 - 40)
        }),
        ("zeros at its end", |log, end| {
            let mut bytes = std::fs::read(log).expect("the log");
            bytes[end as usize - 300..end as usize].fill(0);
            std::fs::write(log, bytes).expect("the log again");
        }),
    ] {
        let torn = copy(dir.path());
        let log = newest_log(torn.path());
        tear(&log, end_of_data(&log));
        let server = Setup::new().start_in(torn);
        let wrong = wrong_numbers(&mut server.connect(), 0..LOGGED.end, VALUE_BYTES);
        let first = *wrong.first().expect("the last record is gone");
        assert!(LOGGED.contains(&first), "{what}: {first}");
        assert_eq!(wrong, (first..LOGGED.end).collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn damaged_files_of_the_database_are_refused() {
    let Some(dir) = directory("damaged_files_of_the_database_are_refused") else {
        return;
    };
    type Damage = fn(&Path);
    let cases: &[(&str, Damage, &[&str])] = &[
        (
            "a flipped byte in the MANIFEST",
            |dir| flip_byte(&manifest(dir), len_of(&manifest(dir)) / 2),
            &["MANIFEST-", "does not match its checksum"],
        ),
        (
            "an empty MANIFEST",
            |dir| cut(&manifest(dir), 0),
            &["MANIFEST-", "it holds nothing"],
        ),
        (
            "no MANIFEST",
            |dir| std::fs::remove_file(manifest(dir)).expect("removed"),
            &["the file that CURRENT names is missing"],
        ),
        (
            "no CURRENT",
            |dir| std::fs::remove_file(dir.join("db/CURRENT")).expect("removed"),
            &["has no file CURRENT"],
        ),
        (
            "another text in CURRENT",
            |dir| std::fs::write(dir.join("db/CURRENT"), "hello\n").expect("written"),
            &["CURRENT", "does not name a MANIFEST"],
        ),
        (
            "an empty CURRENT",
            |dir| cut(&dir.join("db/CURRENT"), 0),
            &["CURRENT", "does not name a MANIFEST"],
        ),
        (
            "no table file",
            |dir| std::fs::remove_file(largest_table(dir)).expect("removed"),
            &[".sst", "No such file"],
        ),
        (
            "a table file cut off",
            |dir| cut(&largest_table(dir), len_of(&largest_table(dir)) / 2),
            &["ile size mismatch", ".sst"],
        ),
        (
            "a table file without its end mark",
            |dir| flip_byte(&largest_table(dir), len_of(&largest_table(dir)) - 3),
            &["Bad table magic number", ".sst"],
        ),
        (
            "a file where the directory should be",
            |dir| {
                std::fs::remove_dir_all(dir.join("db")).expect("removed");
                std::fs::write(dir.join("db"), "").expect("written");
            },
            &["cannot read", "Not a directory"],
        ),
    ];
    for (what, damage, parts) in cases {
        let damaged = copy(dir.path());
        damage(damaged.path());
        assert_refused(damaged.path(), what, parts);
    }
}

/// Damage inside a table file shows when it is read: that read fails, and nothing else does.
#[test]
fn a_damaged_block_of_a_table_fails_the_reads_that_meet_it() {
    let Some(dir) = directory("a_damaged_block_of_a_table_fails_the_reads_that_meet_it") else {
        return;
    };
    let table = largest_table(dir.path());
    flip_byte(&table, len_of(&table) / 2);
    let server = Setup::new().start_in(dir);
    // The search for expired keys meets it too, and says so once.
    server.expect_log("the search for expired keys ended early: the database is damaged");
    let mut conn = server.connect();
    let wrong = wrong_numbers(&mut conn, 0..LOGGED.end, VALUE_BYTES);
    assert!(
        !wrong.is_empty() && wrong.len() < 200,
        "{} keys are wrong",
        wrong.len()
    );
    for number in wrong {
        let reply = conn.call(&format!("GET key:{number}"));
        assert!(
            reply.is_error() && reply.text().contains("the database is damaged"),
            "{reply}"
        );
    }
    assert_eq!(conn.call("SET new 1"), Value::ok());
    assert_eq!(conn.call("GET new"), Value::bulk("1"));
}

/// RocksDB itself opens such a directory as if nothing had been.
#[test]
fn a_log_that_ends_before_what_was_synced_is_refused() {
    let Some(setup) = stillpoint("a_log_that_ends_before_what_was_synced_is_refused") else {
        return;
    };
    let server = setup.start();
    set_numbered(&mut server.connect(), 0..100, VALUE_BYTES);
    let state = server.dir().join("stillpoint.state");
    let has_synced =
        || std::fs::read_to_string(&state).is_ok_and(|text| text.contains("synced-seq 1"));
    wait_until("the state file to say what was synced", has_synced);
    let dir = server.into_dir();
    for log in with_extension(dir.path(), "log") {
        cut(&log, 0);
    }
    assert_refused(
        dir.path(),
        "an empty log",
        &["acknowledged writes are missing", "accept-wal-loss"],
    );
    let mut server = Setup::new().arg("--accept-wal-loss", "yes").start_in(dir);
    server.expect_log("accept-wal-loss is set");
    set_numbered(&mut server.connect(), 0..100, VALUE_BYTES);
    server.set_for_restart("--accept-wal-loss", "no");
    server.restart();
    assert!(wrong_numbers(&mut server.connect(), 0..100, VALUE_BYTES).is_empty());
}
