//! What the source promises about itself, read from the source.

use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(dir: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(dir)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8 text");
                found.push((
                    path.strip_prefix(root)
                        .expect("below the root")
                        .to_path_buf(),
                    text,
                ));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// The lines outside comments in files of `src` that hold `needle`, but for tests and files below one of `allowed`.
fn offenders(needle: &str, allowed: &[&str]) -> Vec<String> {
    let is_test = |path: &Path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        name == "tests"
            || name.ends_with("_tests")
            || path.components().any(|part| part.as_os_str() == "tests")
    };
    let is_allowed =
        |path: &Path| is_test(path) || allowed.iter().any(|prefix| path.starts_with(prefix));
    rust_files("src")
        .iter()
        .filter(|(path, _)| !is_allowed(path))
        .flat_map(|(path, text)| {
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(needle) && !line.trim_start().starts_with("//"));
            lines
                .map(|(number, line)| format!("{}:{}: {line}", path.display(), number + 1))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in ["src", "tests", "scripts"].into_iter().flat_map(rust_files) {
        assert!(
            text.starts_with("//!"),
            "{} does not open with its purpose",
            path.display()
        );
    }
}

#[test]
fn the_drill_shares_no_code_with_what_it_tests() {
    for (path, text) in rust_files("scripts") {
        for needle in ["stillpoint::", "unsafe"] {
            assert!(!text.contains(needle), "{}: {needle}", path.display());
        }
    }
}

#[test]
fn only_the_engine_names_rocksdb_types() {
    assert_eq!(
        offenders("rocksdb::", &["src/storage/rocks.rs", "src/storage/rocks"]),
        [""; 0]
    );
}

#[test]
fn only_the_reactor_polls() {
    // Links have threads of their own, each with a poll.
    let allowed = [
        "src/reactor",
        "src/replication/feeder.rs",
        "src/replication/follower.rs",
        "src/replication/offer_link.rs",
        "src/server/copying.rs",
    ];
    assert_eq!(offenders("mio::Poll", &allowed), [""; 0]);
}

#[test]
fn the_clock_is_read_in_one_file() {
    for needle in ["Instant::now", "SystemTime::now"] {
        // A log line needs the time at which it is written, on whatever thread.
        assert_eq!(
            offenders(
                needle,
                &[
                    "src/clock.rs",
                    "src/logging.rs",
                    "src/storage/commit/tests.rs"
                ]
            ),
            [""; 0]
        );
    }
}

#[test]
fn threads_start_where_the_design_names_them() {
    let allowed = [
        "src/replication/fetch.rs",
        "src/replication/connect.rs",
        "src/storage/flusher.rs",
        "src/server/workers.rs",
        "src/server/signals.rs",
        "src/server/durable.rs",
        "src/replication/feeder.rs",
        "src/replication/follower.rs",
        "src/replication/offer_link.rs",
        "src/server/copying.rs",
    ];
    for needle in ["thread::spawn", "thread.spawn"] {
        assert_eq!(offenders(needle, &allowed), [""; 0]);
    }
}

#[test]
fn nothing_is_left_open() {
    // Put together here, so that this file is no offender itself.
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    for needle in macros.iter().chain([&format!("#[{}]", "ignore")]) {
        assert_eq!(offenders(needle, &[]), [""; 0]);
    }
}
