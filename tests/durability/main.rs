//! What was acknowledged is there: after a kill, a stop, on a full disk; and a directory that is damaged is refused as it is.
//!
//! `crash.rs` is about ends and starts, `damage.rs` about directories that do not hold what was written, `full_disk.rs` about small
//! file systems. Kills under load, many and at random, are `scripts/crash-test`.

#[path = "../common/mod.rs"]
mod common;

mod crash;
mod damage;
mod full_disk;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Conn, Setup, Value, say_skipped};

/// What a process says by its exit status when its data cannot be used.
const STATUS_STORAGE: Option<i32> = Some(3);

/// The server under test; `None`, said aloud, where redis-server stands in, which keeps its data in another way.
fn stillpoint(test: &str) -> Option<Setup> {
    let setup = Setup::new();
    if setup.is_stand_in() {
        say_skipped(test, "redis-server stands in, whose files are others");
        return None;
    }
    Some(setup)
}

/// Every file of the data in `dir` with its contents: the state file and the database, without the engine's own log of events.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut add = |name: String| {
        found.insert(
            name.clone(),
            std::fs::read(dir.join(&name)).expect("a file of the data"),
        );
    };
    for folder in ["db", "db/archive"] {
        let Ok(entries) = std::fs::read_dir(dir.join(folder)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_file() && !name.starts_with("LOG") {
                add(format!("{folder}/{name}"));
            }
        }
    }
    if dir.join("stillpoint.state").exists() {
        add("stillpoint.state".to_owned());
    }
    found
}

/// Sets `key:<number>` for each number to a value of `len` bytes that tells its key, all acknowledged.
fn set_numbered(conn: &mut Conn, numbers: std::ops::Range<usize>, len: usize) {
    let commands: Vec<Vec<Vec<u8>>> = numbers
        .map(|number| vec![b"SET".to_vec(), key(number), value(number, len)])
        .collect();
    for (command, reply) in commands.iter().zip(conn.pipeline(&commands)) {
        assert_eq!(
            reply,
            Value::ok(),
            "SET {}",
            String::from_utf8_lossy(&command[1])
        );
    }
}

/// Which of the numbered keys do not read back as [`set_numbered`] has set them.
fn wrong_numbers(conn: &mut Conn, numbers: std::ops::Range<usize>, len: usize) -> Vec<usize> {
    let commands: Vec<Vec<Vec<u8>>> = numbers
        .clone()
        .map(|number| vec![b"GET".to_vec(), key(number)])
        .collect();
    let replies = conn.pipeline(&commands);
    numbers
        .zip(replies)
        .filter(|(number, reply)| *reply != Value::bulk(value(*number, len)))
        .map(|(number, _)| number)
        .collect()
}

fn key(number: usize) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn value(number: usize, len: usize) -> Vec<u8> {
    let mut bytes = format!("{number};").into_bytes();
    let padding = len.saturating_sub(bytes.len());
    bytes.extend(common::Rng::new(number as u64 + 1).bytes(padding));
    bytes
}
