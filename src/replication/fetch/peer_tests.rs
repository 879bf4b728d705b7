//! Against peers written by hand, that misbehave in each way once; after it, and the next attempt, everything is there.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::clock::{Clock, SystemClock};

/// Milliseconds without a byte that these tests wait for; far more than a loaded machine needs between two bytes.
const STALL_MS: u64 = 20_000;

/// What a peer does with one connection, after it has read the request; gets the request's words.
type Act = Box<dyn FnOnce(&mut TcpStream, Vec<String>) + Send>;

/// Serves one connection with each act, then is gone.
struct Peer {
    port: u16,
    thread: JoinHandle<()>,
}

impl Peer {
    fn new(acts: Vec<Act>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            for act in acts {
                let (mut stream, _) = listener.accept().unwrap();
                let words = read_command(&mut stream);
                act(&mut stream, words);
            }
        });
        Peer { port, thread }
    }

    fn done(self) {
        self.thread.join().unwrap();
    }
}

/// The words of one RESP array.
fn read_command(stream: &mut TcpStream) -> Vec<String> {
    let mut reader = BufReader::with_capacity(1, stream);
    let line = |reader: &mut BufReader<&mut TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let count = line(&mut reader);
    let count: usize = count.strip_prefix('*').unwrap().parse().unwrap();
    (0..count)
        .map(|_| {
            line(&mut reader);
            line(&mut reader)
        })
        .collect()
}

fn say(text: &'static str) -> Act {
    Box::new(move |stream, _| stream.write_all(text.as_bytes()).unwrap())
}

const LIST: &str = "CURRENT,MANIFEST-000005,000007.sst,000009.log\r\n";

/// The body of a file of [`LIST`].
fn body(name: &str) -> Vec<u8> {
    match name {
        "CURRENT" => b"MANIFEST-000005\n".to_vec(),
        "000009.log" => Vec::new(),
        name => name.repeat(50_000).into_bytes(),
    }
}

fn bodies(names: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names.split(',') {
        out.extend_from_slice(format!("{}\r\n", body(name).len()).as_bytes());
        out.extend_from_slice(&body(name));
    }
    out
}

/// Answers a request for files as one should, and checks which ones are asked for.
fn serve(expected: &'static str) -> Act {
    Box::new(move |stream, words| {
        assert_eq!(words, ["_fetch_file", expected]);
        stream.write_all(&bodies(expected)).unwrap();
    })
}

fn serve_list() -> Act {
    Box::new(|stream, words| {
        assert_eq!(words, ["_fetch_meta"]);
        stream.write_all(LIST.as_bytes()).unwrap();
    })
}

fn request(dir: &Path, port: u16) -> FetchRequest {
    FetchRequest {
        host: "127.0.0.1".to_owned(),
        port,
        user: None,
        password: None,
        own: None,
        dir: dir.to_path_buf(),
        origin: "the same".to_owned(),
        connect_ms: 3100,
        stall_ms: STALL_MS,
        reserve_bytes: 0,
    }
}

fn try_fetch(dir: &Path, acts: Vec<Act>) -> Result<Fetched, String> {
    let peer = Peer::new(acts);
    let progress = FetchProgress::default();
    let result = fetch(&request(dir, peer.port), &progress, &Arc::default());
    peer.done();
    result.map_err(|error| error.to_string())
}

fn assert_whole(dir: &Path) {
    let mut names: Vec<String> = fs::read_dir(copy_dir(dir))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["000007.sst", "000009.log", "CURRENT", "MANIFEST-000005"]
    );
    for name in names {
        assert!(
            fs::read(copy_dir(dir).join(&name)).unwrap() == body(&name),
            "{name}"
        );
    }
    let beside: Vec<_> = fs::read_dir(dir).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing but sync_checkpoint");
}

#[test]
fn a_copy_comes_whole_and_progress_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::new(vec![
        serve_list(),
        serve("CURRENT,MANIFEST-000005,000007.sst,000009.log"),
    ]);
    let progress = FetchProgress::default();
    let fetched = fetch(&request(dir.path(), peer.port), &progress, &Arc::default()).unwrap();
    peer.done();
    assert_whole(dir.path());
    let bytes = 16 + 15 * 50_000 + 10 * 50_000;
    assert_eq!(
        fetched,
        Fetched {
            files: 4,
            kept: 0,
            bytes
        }
    );
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(count(&progress.files_total), 4);
    assert_eq!(count(&progress.files_done), 4);
    assert_eq!(count(&progress.bytes_known), bytes);
    assert_eq!(count(&progress.bytes_done), bytes);
}

#[test]
fn the_password_goes_first_on_every_connection() {
    let dir = tempfile::tempdir().unwrap();
    let auth = |user: &'static str| -> Act {
        Box::new(move |stream, words| {
            assert_eq!(words, ["AUTH", user, "pw"]);
            stream.write_all(b"+OK\r\n").unwrap();
            let next = read_command(stream);
            let answer = match next[0].as_str() {
                "_fetch_meta" => LIST.as_bytes().to_vec(),
                _ => bodies(&next[1]),
            };
            stream.write_all(&answer).unwrap();
        })
    };
    let peer = Peer::new(vec![auth("me"), auth("me")]);
    let mut with_password = request(dir.path(), peer.port);
    with_password.user = Some(b"me".to_vec());
    with_password.password = Some(b"pw".to_vec());
    fetch(&with_password, &FetchProgress::default(), &Arc::default()).unwrap();
    peer.done();
    assert_whole(dir.path());
    let peer = Peer::new(vec![say("-ERR Invalid password\r\n")]);
    with_password.port = peer.port;
    let error = fetch(&with_password, &FetchProgress::default(), &Arc::default()).unwrap_err();
    peer.done();
    assert_eq!(
        error.to_string(),
        "the primary answers AUTH with: -ERR Invalid password"
    );
}

#[test]
fn answers_to_the_first_request_that_are_no_list_are_told() {
    for (answer, expected) in [
        (
            "-can't create db checkpoint\r\n",
            "the primary answers _fetch_meta with: can't create db checkpoint",
        ),
        (
            "-NOAUTH Authentication required.\r\n",
            "NOAUTH Authentication required.",
        ),
        (
            "CURRENT,../../etc/passwd,MANIFEST-000001\r\n",
            "'../../etc/passwd' is no name",
        ),
        ("CURRENT,/etc/passwd,MANIFEST-000001\r\n", "is no name"),
        (
            "CURRENT,.origin,MANIFEST-000001\r\n",
            "'.origin' is no name",
        ),
        ("CURRENT,MANIFEST-000001,CURRENT\r\n", "listed twice"),
        ("000001.sst\r\n", "lacks CURRENT"),
        ("\r\n", "is no name"),
        (
            "CURRENT,MANIFEST",
            "the list of files: the peer closed the connection",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let error = try_fetch(dir.path(), vec![say(answer)]).unwrap_err();
        assert!(error.contains(expected), "{answer:?}: {error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn whatever_breaks_in_the_middle_the_next_attempt_completes_it() {
    let cut = |bytes: usize| -> Act {
        Box::new(move |stream, words| {
            stream.write_all(&bodies(&words[1])[..bytes]).unwrap();
        })
    };
    let wrong = |line: &'static str| -> Act {
        Box::new(move |stream, _| {
            // The request may be gone by the time all of it is written.
            let _ = stream.write_all(format!("16\r\n{}{line}", "MANIFEST-000005\n").as_bytes());
        })
    };
    let long: &'static str = Box::leak("9".repeat(100_000).into_boxed_str());
    let cases: Vec<(Act, &str)> = vec![
        (cut(0), "before the next file: the peer closed"),
        (cut(3), "before the next file: the peer closed"),
        (cut(10), "in the middle of CURRENT: the peer closed"),
        (
            cut(600_000),
            "in the middle of MANIFEST-000005: the peer closed",
        ),
        (
            cut(1_000_000),
            "in the middle of 000007.sst: the peer closed",
        ),
        (
            cut(bodies("CURRENT,MANIFEST-000005,000007.sst").len()),
            "before the next file",
        ),
        (wrong(long), "size is not readable"),
        (wrong("99999999999999999999\r\n"), "size is not readable"),
        (wrong("4398046511105\r\n"), "size is not readable"),
        (
            wrong("4398046511104\r\n"),
            "the disk has no room for the copy: 4398046511104 bytes",
        ),
        (wrong("-1\r\n"), "the primary refuses: 1"),
        (wrong("x\r\n"), "size is not readable"),
        (
            wrong("-ERR no such file\r\n"),
            "the primary refuses: ERR no such file",
        ),
    ];
    for (act, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let error = try_fetch(dir.path(), vec![serve_list(), act]).unwrap_err();
        assert!(error.contains(expected), "{error}");
        let whole = copy_dir(dir.path()).join("000007.sst").exists();
        assert_eq!(whole, expected == "before the next file");
        let again = match whole {
            true => "CURRENT,MANIFEST-000005,000009.log",
            false => "CURRENT,MANIFEST-000005,000007.sst,000009.log",
        };
        let fetched = try_fetch(dir.path(), vec![serve_list(), serve(again)]).unwrap();
        assert_eq!(fetched.kept, usize::from(whole));
        assert_whole(dir.path());
    }
}

#[test]
fn more_than_was_asked_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let surplus: Act = Box::new(|stream, words| {
        let mut out = bodies(&words[1]);
        out.extend_from_slice(b"5\r\n");
        stream.write_all(&out).unwrap();
    });
    // Whether the surplus is seen is a matter of segments; the files are whole either way.
    match try_fetch(dir.path(), vec![serve_list(), surplus]) {
        Ok(_) => assert_whole(dir.path()),
        Err(error) => assert!(error.contains("more bytes came"), "{error}"),
    }
}

/// Puts files of an earlier attempt there.
fn leave(dir: &Path, origin: &str, files: &[(&str, &[u8])]) {
    fs::create_dir_all(copy_dir(dir)).unwrap();
    fs::write(copy_dir(dir).join(ORIGIN), format!("{origin}\n")).unwrap();
    for (name, bytes) in files {
        fs::write(copy_dir(dir).join(name), bytes).unwrap();
    }
}

#[test]
fn only_listed_tables_of_the_same_origin_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let table = body("000007.sst");
    leave(
        dir.path(),
        "the same",
        &[
            ("000007.sst", &table),
            ("000001.sst", b"not listed"),
            ("MANIFEST-000005", b"of an earlier checkpoint"),
            ("CURRENT", b"likewise"),
            ("000009.log", b"likewise"),
            ("000008.sst.tmp", b"half"),
        ],
    );
    fs::create_dir(copy_dir(dir.path()).join("archive")).unwrap();
    let again = "CURRENT,MANIFEST-000005,000009.log";
    let fetched = try_fetch(dir.path(), vec![serve_list(), serve(again)]).unwrap();
    assert_eq!((fetched.files, fetched.kept), (3, 1));
    assert_whole(dir.path());
    // Of another origin, or of one that is not known: a finished copy that nobody took.
    for origin in [Some("another"), None] {
        let dir = tempfile::tempdir().unwrap();
        leave(
            dir.path(),
            origin.unwrap_or(""),
            &[("000007.sst", b"other contents")],
        );
        if origin.is_none() {
            fs::remove_file(copy_dir(dir.path()).join(ORIGIN)).unwrap();
        }
        let all = "CURRENT,MANIFEST-000005,000007.sst,000009.log";
        try_fetch(dir.path(), vec![serve_list(), serve(all)]).unwrap();
        assert_whole(dir.path());
    }
}

#[test]
fn a_silent_peer_is_given_up_and_a_cancel_ends_the_waiting() {
    // The listener's own queue takes the connection; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let mut impatient = request(dir.path(), port);
    impatient.stall_ms = 120;
    let error = fetch(&impatient, &FetchProgress::default(), &Arc::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the list of files: nothing moved for 120 ms"
    );

    let cancel = Arc::new(AtomicBool::new(false));
    let mut patient = request(dir.path(), port);
    patient.stall_ms = 3_600_000;
    let fetching = {
        let (patient, cancel) = (patient.clone(), Arc::clone(&cancel));
        std::thread::spawn(move || fetch(&patient, &FetchProgress::default(), &cancel))
    };
    // The first connection, and the one that is waited for.
    let _held = [silent.accept().unwrap(), silent.accept().unwrap()];
    cancel.store(true, Ordering::Relaxed);
    let error = fetching.join().unwrap().unwrap_err();
    assert!(matches!(error, FetchError::Cancelled), "{error}");
}

#[test]
fn a_peer_that_stops_in_the_middle_of_a_file_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let stops: Act = Box::new(|stream, words| {
        stream.write_all(&bodies(&words[1])[..700_000]).unwrap();
        // Until the other side has given up.
        let _ = stream.read(&mut [0; 1]);
    });
    let peer = Peer::new(vec![serve_list(), stops]);
    let mut impatient = request(dir.path(), peer.port);
    impatient.stall_ms = 500;
    let error = fetch(&impatient, &FetchProgress::default(), &Arc::default()).unwrap_err();
    peer.done();
    assert_eq!(
        error.to_string(),
        "in the middle of MANIFEST-000005: nothing moved for 500 ms"
    );
}

#[test]
fn nobody_there_and_no_room_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let fetch = |request: &FetchRequest| {
        fetch(request, &FetchProgress::default(), &Arc::default())
            .unwrap_err()
            .to_string()
    };
    let error = fetch(&request(dir.path(), port));
    assert!(
        error.starts_with(&format!("connecting to 127.0.0.1:{port}: ")),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
    let mut full = request(dir.path(), port);
    full.reserve_bytes = u64::MAX;
    assert!(fetch(&full).starts_with("the disk has no room for the copy: "));
    let mut nobody = request(dir.path(), port);
    nobody.host = "no host.invalid".to_owned();
    assert!(fetch(&nobody).starts_with("connecting to no host.invalid"));
}

#[test]
fn the_first_failure_of_several_connections_is_the_one_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (100..130)
        .map(|number| format!("000{number}.sst"))
        .collect();
    let list = format!("CURRENT,MANIFEST-000005,{}\r\n", names.join(","));
    let answer_list: Act = Box::new(move |stream, _| stream.write_all(list.as_bytes()).unwrap());
    // Three hang, and the fourth fails: they are not waited for.
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let words = read_command(&mut stream);
        answer_list(&mut stream, words);
        drop(stream);
        let mut open = Vec::new();
        for _ in 0..4 {
            let (mut stream, _) = listener.accept().unwrap();
            assert_eq!(read_command(&mut stream)[1].split(',').count(), 8);
            open.push(stream);
        }
        open[2].write_all(b"-ERR broken\r\n").unwrap();
        held.lock().unwrap().recv().unwrap();
    });
    let clock = SystemClock::new();
    let mut patient = request(dir.path(), port);
    patient.stall_ms = 3_600_000;
    let error = fetch(&patient, &FetchProgress::default(), &Arc::default()).unwrap_err();
    assert_eq!(error.to_string(), "the primary refuses: ERR broken");
    assert!(clock.mono_us() < 3_600_000_000);
    release.send(()).unwrap();
    peer.join().unwrap();
}
