//! The log that a replica would need is gone: it is copied, and both sides say why.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::nodes::{attach, number, start};
use crate::common::{Conn, Server, Setup, Value, wait_until};
use crate::data::write_all_types;
use crate::{fill, names, start_small, wait_same};

/// Logs go as soon as their contents are in tables.
fn forgetful() -> Setup {
    Setup::new()
        .arg("--rocksdb.wal_ttl_seconds", "0")
        .arg("--rocksdb.wal_size_limit_mb", "0")
        .arg("--repl-timeout", "600")
}

fn logs(server: &Server) -> Vec<PathBuf> {
    let db = server.dir().join("db");
    let dirs = [db.join("archive"), db];
    let logs = dirs.iter().flat_map(|dir| {
        let logs = names(dir).into_iter().filter(|name| name.ends_with(".log"));
        logs.map(|name| dir.join(name)).collect::<Vec<_>>()
    });
    logs.collect()
}

/// Writes so many values of 1 MiB, and waits until no log is left of those that there were.
fn write_and_purge(server: &Server, count: usize) {
    let before = logs(server);
    assert!(!before.is_empty());
    let (mut conn, value) = (server.connect(), vec![b'x'; 1 << 20]);
    for number in 0..count {
        let key = format!("purged:{}", number % 8);
        assert_eq!(conn.cmd(&[b"SET", key.as_bytes(), &value]), Value::ok());
    }
    wait_until("the log is purged", || {
        server.connect().ok("COMPACT");
        // A record for the next log.
        server.connect().ok("SET purged yes");
        let names = |logs: &[PathBuf]| -> Vec<_> {
            logs.iter()
                .map(|path| path.file_name().map(ToOwned::to_owned))
                .collect()
        };
        let now = names(&logs(server));
        names(&before).iter().all(|name| !now.contains(name))
    });
}

#[test]
fn an_absent_replica_is_copied_while_writes_go_on() {
    let primary = start_small(forgetful());
    let mut replica = start(Setup::new());
    replica.expect_log("copying all data");
    write_all_types(&mut primary.connect(), 1, 20);
    attach(&replica, &primary);
    assert_eq!(number(&primary, "sync_full"), 0);
    replica.kill();
    write_and_purge(&primary, 8);
    let stops = Arc::new(AtomicBool::new(false));
    let (port, stop) = (primary.port(), Arc::clone(&stops));
    let writer = std::thread::spawn(move || {
        let mut conn = Conn::connect(port);
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(
                conn.call(&format!("SET during:{written} {written}")),
                Value::ok()
            );
            written += 1;
        }
        written
    });
    replica.restart();
    wait_until("the replica is copied", || {
        replica.info("master_link_status") == "up"
    });
    stops.store(true, Ordering::Relaxed);
    let written = writer.join().expect("the writer");
    wait_same(&replica, &primary);
    assert!(written > 0);
    assert_eq!(
        replica
            .connect()
            .call(&format!("GET during:{}", written - 1))
            .text(),
        (written - 1).to_string()
    );
    assert_eq!(number(&primary, "sync_full"), 1);
    let (ours, theirs) = (replica.log(), primary.log());
    let words = "this node gives up no write for it";
    assert!(ours.contains(words), "{ours}");
    assert!(theirs.contains("; the log begins "), "{theirs}");
}

/// It is connected, and stands still until neither memory nor log have what it needs.
#[test]
fn a_connected_replica_that_is_too_slow_is_copied() {
    let primary = start_small(forgetful());
    let replica = start(Setup::new().arg("--repl-timeout", "600"));
    replica.expect_log("copying all data");
    write_all_types(&mut primary.connect(), 1, 20);
    attach(&replica, &primary);
    replica.signal("STOP");
    // More than is kept in memory.
    write_and_purge(&primary, 80);
    replica.signal("CONT");
    wait_same(&replica, &primary);
    assert_eq!(number(&primary, "sync_full"), 1);
    let log = primary.log();
    assert!(
        log.contains(
            "has gone: the log cannot be read for it: the write-ahead log begins at sequence"
        ),
        "{log}"
    );
}

/// It reads the log from its beginning, slowly, and the log goes meanwhile.
#[test]
fn a_log_that_goes_while_it_is_read_ends_the_link_and_the_next_one_is_refused() {
    let mut primary = start_small(forgetful());
    write_all_types(&mut primary.connect(), 1, 20);
    fill(&mut primary.connect(), 1, 300);
    let replica = start(Setup::new().arg("--repl-timeout", "600"));
    replica.expect_log("copying all data");
    crate::common::nodes::follow(&replica, &primary);
    wait_until("the stream flows", || {
        number(&replica, "master_repl_offset") > 0
    });
    replica.signal("STOP");
    write_and_purge(&primary, 80);
    replica.signal("CONT");
    wait_same(&replica, &primary);
    assert!(primary.is_running());
    let mut conn = primary.connect();
    conn.ok("SET after 1");
    wait_until("the stream goes on", || {
        replica.connect().call("GET after") == Value::bulk("1")
    });
    assert!(number(&primary, "sync_full") <= 1);
}

/// A log in which a bit has flipped can be read up to there and never beyond; the database is good.
#[test]
fn a_replica_that_needs_a_damaged_part_of_the_log_is_copied() {
    let primary = start(Setup::new());
    primary.expect_log("the write-ahead log is damaged");
    let mut replica = start(Setup::new());
    replica.expect_log("copying all data");
    write_all_types(&mut primary.connect(), 1, 20);
    attach(&replica, &primary);
    for is_first in [true, false] {
        replica.kill();
        let newest = |path: &PathBuf| path.file_name().map(ToOwned::to_owned);
        let log = logs(&primary)
            .into_iter()
            .max_by_key(newest)
            .expect("a log");
        let whole = std::fs::metadata(&log).expect("the log").len() as usize;
        write_all_types(&mut primary.connect(), 2, 50);
        let bytes = std::fs::read(&log).expect("the log");
        // In the record that the replica needs first, or in a later one: then it is sent what stands before.
        let at = match is_first {
            true => whole + 12,
            false => whole + (bytes.len() - whole) / 2,
        };
        overwrite(&log, at, bytes[at] ^ 1);
        // More than is kept in memory.
        let (mut conn, value) = (primary.connect(), vec![b'x'; 1 << 20]);
        for _ in 0..70 {
            assert_eq!(conn.cmd(&[b"SET", &b"large"[..], &value]), Value::ok());
        }
        replica.restart();
        wait_same(&replica, &primary);
    }
    assert_eq!(number(&primary, "sync_full"), 2);
}

/// Changes one byte of a file that somebody appends to.
fn overwrite(path: &std::path::Path, at: usize, byte: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path);
    let written = file.and_then(|file| file.write_all_at(&[byte], at as u64));
    written.expect("a byte");
}
