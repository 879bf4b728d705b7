//! What went over the wire between a Kvrocks primary and its Kvrocks replica (`tests/fixtures`), once more with one side replaced
//! by ours: a full copy in both directions, and the log as the source of the stream.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use common::fixture::{Fixture, STANDALONE, STANDALONE_RSID};
use common::json::Json;
use stillpoint::replication::fetch::{FetchProgress, FetchRequest, fetch};
use stillpoint::replication::full_copy::Shipping;
use stillpoint::storage::checkpoint::served_dir;
use stillpoint::storage::options::OpenOptions;
use stillpoint::storage::rocks::Rocks;
use stillpoint::storage::seq::Seq;
use stillpoint::storage::swap::{self, Exchanged};
use stillpoint::storage::wal_source::WalSource;

/// What one side sent on a connection of a recording.
fn sent(fixture: &Fixture, recording: &str, conn: i64, side: &str) -> Vec<u8> {
    let text = fs::read_to_string(fixture.path().join(recording)).expect("a recording");
    let is_of = |line: &Json| {
        *line.field("conn") == Json::Int(conn)
            && *line.field("from") == Json::Text(side.as_bytes().to_vec())
    };
    let mut bytes = Vec::new();
    for line in text.lines().map(Json::read).filter(is_of) {
        let Json::Text(hex) = line.field("hex") else {
            panic!("no hex")
        };
        for digits in hex.chunks(2) {
            let digits = std::str::from_utf8(digits).expect("digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("a byte"));
        }
    }
    bytes
}

/// The bodies of files that were recorded, in the order in which they were asked for.
fn recorded_files(fixture: &Fixture) -> Vec<(String, Vec<u8>)> {
    let list = String::from_utf8(sent(fixture, "fullsync.jsonl", 2, "primary")).expect("a list");
    let bodies = sent(fixture, "fullsync.jsonl", 3, "primary");
    let mut rest = bodies.as_slice();
    let files = list.trim_end().split(',').map(|name| {
        let end = rest
            .windows(2)
            .position(|end| end == b"\r\n")
            .expect("a size");
        let size: usize = String::from_utf8_lossy(&rest[..end])
            .parse()
            .expect("a size");
        let body = rest[end + 2..end + 2 + size].to_vec();
        rest = &rest[end + 2 + size..];
        (name.to_owned(), body)
    });
    let files = files.collect();
    assert!(rest.is_empty());
    files
}

/// Our replica, their primary: it asks in the same bytes, and opens what it got.
#[test]
fn a_copy_from_a_recorded_primary_is_asked_for_in_the_same_bytes_and_opens() {
    for (fixture, last, id) in [
        (&STANDALONE, 2371, None),
        (&STANDALONE_RSID, 2375, Some("3XSCKJUT1N861L53")),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let recorded = [2, 3].map(|conn| {
            (
                sent(fixture, "fullsync.jsonl", conn, "replica"),
                sent(fixture, "fullsync.jsonl", conn, "primary"),
            )
        });
        let primary = std::thread::spawn(move || {
            for (expected, answer) in recorded {
                let (mut stream, _) = listener.accept().expect("a replica");
                let mut asked = vec![0; expected.len()];
                stream.read_exact(&mut asked).expect("a request");
                assert_eq!(asked, expected);
                stream.write_all(&answer).expect("an answer");
            }
        });
        let dir = tempfile::tempdir().expect("a directory");
        let replica = Rocks::open(&OpenOptions::new(dir.path())).expect("a new database");
        let request = FetchRequest {
            host: "127.0.0.1".to_owned(),
            port,
            user: None,
            password: None,
            own: None,
            dir: dir.path().to_path_buf(),
            origin: "recorded".to_owned(),
            connect_ms: 3100,
            stall_ms: 60_000,
            reserve_bytes: 0,
        };
        let fetched = fetch(&request, &FetchProgress::default(), &Arc::default()).expect("a copy");
        primary.join().expect("nothing else was asked for");
        assert_eq!(fetched.files, 4);
        swap::check_copy(replica.options()).expect("a good copy");
        let closed = replica.close(std::time::Duration::from_secs(20)).ok();
        let Exchanged::New(replica) = swap::exchange(closed.expect("closed"), None) else {
            panic!("the copy was not taken")
        };
        swap::finish(dir.path()).expect("the old data goes");
        assert_eq!(replica.last_seq(), Seq::new(last));
        // What it presents at its next PSYNC, as the recorded replica did.
        let record = WalSource::new(replica.db_dir())
            .record_holding(replica.last_seq(), replica.last_seq())
            .expect("a log");
        let found = record.and_then(|record| record.id);
        assert_eq!(found.map(|found| found.to_string()).as_deref(), id);
    }
}

/// Our primary, their replica: its request is answered with the same bytes.
#[test]
fn a_recorded_request_for_files_is_answered_with_the_same_bytes() {
    for fixture in [&STANDALONE, &STANDALONE_RSID] {
        let dir = tempfile::tempdir().expect("a directory");
        let served = served_dir(dir.path());
        fs::create_dir(&served).expect("a checkpoint");
        let files = recorded_files(fixture);
        for (name, body) in &files {
            fs::write(served.join(name), body).expect("a file");
        }
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let answer = answered(dir.path(), Some(names.join(",")));
        assert!(answer == sent(fixture, "fullsync.jsonl", 3, "primary"));
        // The order of a list is the directory's own.
        let list = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("a list");
            let line = text.strip_suffix("\r\n").expect("one line").to_owned();
            let mut names: Vec<String> = line.split(',').map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(
            list(answered(dir.path(), None)),
            list(sent(fixture, "fullsync.jsonl", 2, "primary"))
        );
    }
}

/// All that our primary sends in answer to `_fetch_file <names>`, or to `_fetch_meta`.
fn answered(dir: &Path, names: Option<String>) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut replica =
        TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (stream, _) = listener.accept().expect("a replica");
    let shipping = Shipping::new(dir.to_path_buf(), 0, 60_000);
    let sender = std::thread::spawn(move || match names {
        Some(names) => shipping
            .send_files(stream, names.as_bytes(), &Arc::default())
            .map(|_| ()),
        None => shipping.send_list(stream, &Arc::default()).map(|_| ()),
    });
    let mut answer = Vec::new();
    replica.read_to_end(&mut answer).expect("an answer");
    sender.join().expect("a sender").expect("sent");
    answer
}

/// The log of a Kvrocks directory, live and archived, gives the batches that its primary has streamed.
#[test]
fn the_log_of_kvrocks_gives_what_was_streamed_from_it() {
    for fixture in [&STANDALONE, &STANDALONE_RSID] {
        let stream = sent(fixture, "psync.jsonl", 1, "primary");
        let mut rest = stream
            .strip_prefix(b"change.me.db\r\n+OK\r\n+OK\r\n")
            .expect("a handshake");
        let mut streamed = Vec::new();
        while let Some(behind) = rest.strip_prefix(b"$") {
            let end = behind
                .windows(2)
                .position(|end| end == b"\r\n")
                .expect("a length");
            let len: usize = String::from_utf8_lossy(&behind[..end])
                .parse()
                .expect("a length");
            let bulk = &behind[end + 2..end + 2 + len];
            if bulk != b"ping" {
                streamed.push(bulk.to_vec());
            }
            rest = &behind[end + 2 + len + 2..];
        }
        let dir = fixture.copy();
        let mut in_log = Vec::new();
        let source = WalSource::new(dir.path().join("db"));
        let last = last_in_log(&source);
        let mut cursor = source
            .cursor(Seq::new(1), last)
            .expect("a log from the first update on");
        while let Some(record) = cursor.next(last).expect("a whole log") {
            in_log.push(record.batch.to_vec());
        }
        // The directory went on a little after the recording, or was stopped before its end.
        let both = streamed.len().min(in_log.len());
        assert!(
            both > 500,
            "{} streamed, {} in the log",
            streamed.len(),
            in_log.len()
        );
        for (place, (streamed, in_log)) in streamed.iter().zip(&in_log).enumerate() {
            assert!(
                streamed == in_log,
                "record {place} of {both} in {}",
                fixture.name
            );
        }
    }
}

/// The last update that the log holds, by asking for ever later ones.
fn last_in_log(source: &WalSource) -> Seq {
    let (mut low, mut high) = (1u64, 1 << 20);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match source.record_holding(Seq::new(middle), Seq::new(1 << 20)) {
            Ok(Some(_)) => low = middle,
            _ => high = middle - 1,
        }
    }
    Seq::new(low)
}
