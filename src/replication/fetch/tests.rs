//! Both sides over real sockets: a database goes through a checkpoint, the link and the swap, and is the same at the end.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::*;
use crate::replication::full_copy::{NO_CHECKPOINT, Shipping};
use crate::storage::cf::Cf;
use crate::storage::checkpoint::{self, CheckpointMaker};
use crate::storage::options::OpenOptions;
use crate::storage::rocks::{Direction, KeyRange, Rocks, WriteMode};
use crate::storage::seq::Seq;
use crate::storage::swap::{self, Exchanged};

/// A primary: answers as the loop would have the two commands answered.
struct Primary {
    dir: tempfile::TempDir,
    rocks: Rocks,
    shipping: Arc<Shipping>,
    port: u16,
}

impl Primary {
    fn new() -> Primary {
        let dir = tempfile::tempdir().unwrap();
        let rocks = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
        let shipping = Arc::new(Shipping::new(dir.path().to_path_buf(), 0, 60_000));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::clone(&shipping);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let served = Arc::clone(&served);
                std::thread::spawn(move || answer(&served, stream.unwrap()));
            }
        });
        Primary {
            dir,
            rocks,
            shipping,
            port,
        }
    }

    fn request(&self, dir: &Path) -> FetchRequest {
        FetchRequest {
            host: "localhost".to_owned(),
            port: self.port,
            user: None,
            password: None,
            own: None,
            dir: dir.to_path_buf(),
            origin: "this primary".to_owned(),
            connect_ms: 3100,
            stall_ms: 60_000,
            reserve_bytes: 0,
        }
    }

    fn connect(&self) -> TimedStream {
        let stop = StopFlags::default();
        TimedStream::connect("127.0.0.1", self.port, 3100, 60_000, stop).unwrap()
    }
}

/// Reads one command and answers it.
fn answer(shipping: &Shipping, stream: TcpStream) {
    let copy = stream.try_clone().unwrap();
    let mut link = TimedStream::new(copy, 60_000, StopFlags::default()).unwrap();
    let mut line = || String::from_utf8(link.read_line(1 << 20).unwrap().to_vec()).unwrap();
    let count: usize = line()[1..].parse().unwrap();
    let words: Vec<String> = (0..count)
        .map(|_| {
            line();
            line()
        })
        .collect();
    // A replica may be gone by now: that is what some tests are about.
    let _ = match words[0].as_str() {
        "_fetch_meta" => shipping.send_list(stream, &Arc::default()).map(|_| ()),
        "_fetch_file" => shipping
            .send_files(stream, words[1].as_bytes(), &Arc::default())
            .map(|_| ()),
        other => panic!("{other}"),
    };
}

fn put(rocks: &Rocks, cf: Cf, key: &[u8], value: &[u8]) {
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&[5, cf.id() as u8]);
    for part in [key, value] {
        let mut len = part.len();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.extend_from_slice(part);
    }
    rocks.write(&bytes, WriteMode::default()).unwrap();
}

fn contents(rocks: &Rocks) -> BTreeMap<(Cf, Vec<u8>), Vec<u8>> {
    let mut all = BTreeMap::new();
    for cf in Cf::ALL {
        let range = KeyRange {
            lower: b"",
            upper: None,
        };
        let mut iter = rocks.iter(cf, range, Direction::Forward, None, false);
        while let Some((key, value)) = iter.next().unwrap() {
            all.insert((cf, key.to_vec()), value.to_vec());
        }
    }
    all
}

fn fill(rocks: &Rocks, round: u32) {
    for number in 0..300u32 {
        let key = [&b"\x01n"[..], &(round * 1000 + number).to_be_bytes()].concat();
        for cf in Cf::ALL {
            put(rocks, cf, &key, &vec![b'v'; (number * 7) as usize]);
        }
    }
}

#[test]
fn a_database_goes_over_the_link_and_is_the_same() {
    let primary = Primary::new();
    for round in 0..6 {
        fill(&primary.rocks, round);
        primary.rocks.flush().unwrap();
    }
    let mut maker = CheckpointMaker::default();
    assert_eq!(
        maker.create(&primary.rocks).unwrap(),
        primary.rocks.last_seq()
    );
    let then = contents(&primary.rocks);
    let last_seq = primary.rocks.last_seq();
    // What comes later is not in it.
    fill(&primary.rocks, 7);

    let dir = tempfile::tempdir().unwrap();
    let replica = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
    put(&replica, Cf::Metadata, b"\x01nold", b"v");
    let progress = FetchProgress::default();
    let fetched = fetch(&primary.request(dir.path()), &progress, &Arc::default()).unwrap();
    assert!(fetched.files > 20, "over four connections");
    assert_eq!(primary.shipping.bytes_sent(), fetched.bytes);
    let shipped = checkpoint::list(primary.dir.path()).unwrap();
    assert_eq!(shipped.len(), fetched.files);
    for file in &shipped {
        let there = checkpoint::served_dir(primary.dir.path()).join(&file.name);
        let here = copy_dir(dir.path()).join(&file.name);
        assert!(
            fs::read(there).unwrap() == fs::read(here).unwrap(),
            "{}",
            file.name
        );
    }

    swap::check_copy(replica.options()).unwrap();
    let closed = replica.close(Duration::from_secs(20)).ok().unwrap();
    let Exchanged::New(replica) = swap::exchange(closed, Some(Seq::new(1))) else {
        panic!("not replaced")
    };
    swap::finish(dir.path()).unwrap();
    assert_eq!(replica.last_seq(), last_seq);
    assert!(contents(&replica) == then);
    drop(replica);
    let replica = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
    assert!(contents(&replica) == then);
}

#[test]
fn an_attempt_that_was_cut_off_goes_on_with_a_later_checkpoint() {
    let primary = Primary::new();
    let mut maker = CheckpointMaker::default();
    for round in 0..4 {
        fill(&primary.rocks, round);
        primary.rocks.flush().unwrap();
    }
    maker.create(&primary.rocks).unwrap();
    let dir = tempfile::tempdir().unwrap();
    // Stopped once a few files have come: at 2 MB/s they come one by one.
    primary.shipping.set_bytes_per_second_max(2_000_000);
    let progress = Arc::new(FetchProgress::default());
    let cancel = Arc::new(AtomicBool::new(false));
    let fetching = {
        let (request, progress, cancel) = (
            primary.request(dir.path()),
            Arc::clone(&progress),
            Arc::clone(&cancel),
        );
        std::thread::spawn(move || fetch(&request, &progress, &cancel))
    };
    while progress.files_done.load(Ordering::Relaxed) < 3 && !fetching.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    cancel.store(true, Ordering::Relaxed);
    // On a machine that was away for long it may be through.
    let first = fetching.join().unwrap();
    primary.shipping.set_bytes_per_second_max(0);
    fill(&primary.rocks, 8);
    maker.create(&primary.rocks).unwrap();
    let fetched = fetch(
        &primary.request(dir.path()),
        &FetchProgress::default(),
        &Arc::default(),
    )
    .unwrap();
    if first.is_err() {
        assert!(fetched.files > 0);
    }
    fs::rename(copy_dir(dir.path()), dir.path().join("db")).unwrap();
    let replica = Rocks::open(&OpenOptions::new(dir.path())).unwrap();
    assert_eq!(replica.last_seq(), primary.rocks.last_seq());
    assert!(contents(&replica) == contents(&primary.rocks));
}

#[test]
fn the_bytes_on_the_link_are_those_of_kvrocks() {
    let primary = Primary::new();
    let served = checkpoint::served_dir(primary.dir.path());
    fs::create_dir(&served).unwrap();
    for (name, text) in [
        ("CURRENT", "MANIFEST-000001\n"),
        ("MANIFEST-000001", "m"),
        ("000003.log", ""),
    ] {
        fs::write(served.join(name), text).unwrap();
    }
    fs::create_dir(served.join("archive")).unwrap();
    let all = |request: Request| {
        let mut link = primary.connect();
        link.write_all(&request.to_bytes()).unwrap();
        while link.read_more().is_ok() {}
        String::from_utf8(link.arrived().to_vec()).unwrap()
    };
    assert_eq!(
        all(Request::FetchMeta),
        "000003.log,CURRENT,MANIFEST-000001\r\n"
    );
    let names = b"MANIFEST-000001,000003.log,CURRENT";
    assert_eq!(
        all(Request::FetchFile { names }),
        "1\r\nm0\r\n16\r\nMANIFEST-000001\n"
    );
    for (names, error) in [
        (
            &b"CURRENT,../stillpoint.state"[..],
            "'../stillpoint.state' is no name of a checkpoint's file",
        ),
        (
            b"/etc/passwd",
            "'/etc/passwd' is no name of a checkpoint's file",
        ),
        (b"CURRENT,archive", "the checkpoint has no file archive"),
        (b"000004.sst", "the checkpoint has no file 000004.sst"),
        (b"", "'' is no name of a checkpoint's file"),
        (b"CURRENT,CURRENT", "the file CURRENT is listed twice"),
    ] {
        assert_eq!(
            all(Request::FetchFile { names }),
            format!("-ERR {error}\r\n")
        );
    }
    checkpoint::remove(primary.dir.path()).unwrap();
    assert_eq!(all(Request::FetchMeta), format!("-{NO_CHECKPOINT}\r\n"));
}

#[test]
fn a_replica_that_does_not_read_is_given_up_and_a_stop_ends_the_sending() {
    let primary = Primary::new();
    let served = checkpoint::served_dir(primary.dir.path());
    fs::create_dir(&served).unwrap();
    // More than the sockets' buffers take.
    fs::write(served.join("000001.sst"), vec![7; 32 << 20]).unwrap();
    let accept = |stall_ms| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let shipping = Arc::new(Shipping::new(primary.dir.path().to_path_buf(), 0, stall_ms));
        (reader, listener.accept().unwrap().0, shipping)
    };
    let (_reader, stream, shipping) = accept(200);
    let error = shipping
        .send_files(stream, b"000001.sst", &Arc::default())
        .unwrap_err();
    assert_eq!(error.to_string(), "nothing moved for 200 ms");

    let (_reader, stream, shipping) = accept(3_600_000);
    let sending = {
        let shipping = Arc::clone(&shipping);
        std::thread::spawn(move || shipping.send_files(stream, b"000001.sst", &Arc::default()))
    };
    while shipping.bytes_sent() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    shipping.stop();
    let error = sending.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "it was cancelled");
}
