//! Requests byte for byte as a real Kvrocks replica sends them, and answers in every form.

use super::*;
use proptest::prelude::*;

fn text(request: Request<'_>) -> String {
    String::from_utf8(request.to_bytes()).unwrap()
}

#[test]
fn requests_are_those_of_a_kvrocks_replica() {
    let id = ReplicationId::from_bytes(b"WXAE22KSMZGQDR1F");
    let cases = [
        (
            Request::Auth {
                user: None,
                password: b"pw",
            },
            "*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n",
        ),
        (
            Request::Auth {
                user: Some(b"repl"),
                password: b"pw",
            },
            "*3\r\n$4\r\nAUTH\r\n$4\r\nrepl\r\n$2\r\npw\r\n",
        ),
        (Request::DbName, "*1\r\n$8\r\n_db_name\r\n"),
        (
            Request::Address {
                port: 17313,
                ip: None,
            },
            "*3\r\n$8\r\nreplconf\r\n$14\r\nlistening-port\r\n$5\r\n17313\r\n",
        ),
        (
            Request::Address {
                port: 7777,
                ip: Some("10.0.0.2"),
            },
            "*5\r\n$8\r\nreplconf\r\n$14\r\nlistening-port\r\n$4\r\n7777\r\n$10\r\nip-address\r\n$8\r\n10.0.0.2\r\n",
        ),
        (
            Request::Extras { run_id: "00ff" },
            "*5\r\n$8\r\nreplconf\r\n$10\r\nstillpoint\r\n$1\r\n1\r\n$6\r\nrun-id\r\n$4\r\n00ff\r\n",
        ),
        (
            Request::Psync {
                id: None,
                next: Seq::new(3001),
            },
            "*2\r\n$5\r\nPSYNC\r\n$4\r\n3001\r\n",
        ),
        (
            Request::Psync {
                id,
                next: Seq::new(3002),
            },
            "*3\r\n$5\r\nPSYNC\r\n$16\r\nWXAE22KSMZGQDR1F\r\n$4\r\n3002\r\n",
        ),
        (Request::FetchMeta, "*1\r\n$11\r\n_fetch_meta\r\n"),
        (
            Request::FetchFile {
                names: b"CURRENT,000010.log",
            },
            "*2\r\n$11\r\n_fetch_file\r\n$18\r\nCURRENT,000010.log\r\n",
        ),
        (
            Request::Ack { seq: Seq::new(961) },
            "*3\r\n$8\r\nreplconf\r\n$3\r\nack\r\n$3\r\n961\r\n",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(text(request), expected);
    }
}

#[test]
fn lines_are_taken_whole_and_bounded() {
    let mut reader = LineReader::new(5);
    let mut arrived = BytesMut::from(&b"+OK\r\nabcde\r\n12345\nabcd"[..]);
    assert_eq!(reader.take(&mut arrived), Ok(Some(Bytes::from("+OK"))));
    assert_eq!(reader.take(&mut arrived), Ok(Some(Bytes::from("abcde"))));
    assert_eq!(reader.take(&mut arrived), Ok(Some(Bytes::from("12345"))));
    assert_eq!(reader.take(&mut arrived), Ok(None));
    arrived.extend_from_slice(b"e\r");
    assert_eq!(reader.take(&mut arrived), Ok(None));
    arrived.extend_from_slice(b"\n\r\n");
    assert_eq!(reader.take(&mut arrived), Ok(Some(Bytes::from("abcde"))));
    assert_eq!(reader.take(&mut arrived), Ok(Some(Bytes::new())));
    arrived.extend_from_slice(b"abcdefg");
    assert_eq!(reader.take(&mut arrived), Err(LineTooLong));
    let mut at_once = BytesMut::from(&b"abcdef\r\n"[..]);
    assert_eq!(LineReader::new(5).take(&mut at_once), Err(LineTooLong));
}

#[test]
fn answers_mean_what_kvrocks_redis_and_stillpoint_say() {
    let parted = |parted| Answer::Diverged { parted };
    let cases: &[(&str, Answer<'_>)] = &[
        ("+OK", Answer::Ok),
        ("+OK 1 x", Answer::Line(b"+OK 1 x")),
        ("change.me.db", Answer::Line(b"change.me.db")),
        ("", Answer::Line(b"")),
        (
            "-LOADING kvrocks is restoring the db from backup",
            Answer::Loading,
        ),
        (
            "-MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.",
            Answer::MasterDown,
        ),
        ("-NOAUTH Authentication required.", Answer::NoAuth),
        (
            "-ERR Invalid password",
            Answer::BadAuth(b"ERR Invalid password"),
        ),
        (
            "-ERR invalid password",
            Answer::BadAuth(b"ERR invalid password"),
        ),
        ("-WRONGPASS x", Answer::BadAuth(b"WRONGPASS x")),
        (
            "-ERR Client sent AUTH, but no password is set",
            Answer::BadAuth(b"ERR Client sent AUTH, but no password is set"),
        ),
        (
            "-ERR AUTH <password> called without any password configured",
            Answer::BadAuth(b"ERR AUTH <password> called without any password configured"),
        ),
        ("-ERR unknown option", Answer::UnknownOption),
        ("-ERR wrong number of arguments", Answer::WrongArity),
        (
            "-ERR sequence out of range, please use fullsync",
            parted(Parted::UNKNOWN),
        ),
        (
            "-ERR wrong replication id of the last log",
            parted(Parted::UNKNOWN),
        ),
        (
            "-ERR wrong replication id of the last log; common up to 17",
            parted(Parted::At(Seq::new(17))),
        ),
        (
            "-ERR wrong replication id of the last log; common up to x",
            parted(Parted::UNKNOWN),
        ),
        (
            "-ERR wrong replication id of the last log; common up to 72057594037927936",
            parted(Parted::UNKNOWN),
        ),
        ("-ERR else", Answer::Error(b"ERR else")),
        ("-", Answer::Error(b"")),
    ];
    for (line, expected) in cases {
        assert_eq!(Answer::read(line.as_bytes()), *expected, "{line}");
    }
    for (refusal, line) in [(OUT_OF_RANGE, cases[14].0), (WRONG_ID, cases[15].0)] {
        assert_eq!(format!("-{refusal}"), line);
    }
}

fn run_id(digit: char) -> String {
    digit.to_string().repeat(RUN_ID_DIGITS)
}

#[test]
fn two_stillpoints_agree_on_the_lower_version() {
    let path = vec![run_id('a'), run_id('1')];
    let line = Extras::answer(9, &path);
    assert_eq!(line, format!("+OK 1 {} {}", path[0], path[1]));
    let version = 1;
    assert_eq!(
        Extras::read_answer(line.as_bytes()),
        Some(Extras { version, path })
    );
    let newer = format!("+OK 7 {}", run_id('0'));
    assert_eq!(
        Extras::read_answer(newer.as_bytes()).map(|extras| extras.version),
        Some(EXTRAS_VERSION)
    );
}

#[test]
fn anything_else_is_a_no() {
    let long = format!(
        "+OK 1{}",
        format!(" {}", run_id('b')).repeat(CHAIN_NODES_MAX + 1)
    );
    let zero = format!("+OK 0 {}", run_id('b'));
    for line in [
        "+OK",
        "+OK ",
        "+OK 1",
        "+OK 1 ",
        "+OK 1 abc",
        "-ERR unknown option",
        "OK 1",
        &long,
        &zero,
    ] {
        assert_eq!(Extras::read_answer(line.as_bytes()), None, "{line}");
    }
}

proptest! {
    /// The same lines, and the same refusal, however the bytes are cut.
    #[test]
    fn lines_do_not_depend_on_how_bytes_arrive(
        bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'x')], 0..60),
        cuts in proptest::collection::vec(0usize..60, 0..6),
    ) {
        let read = |cuts: &[usize]| {
            let mut reader = LineReader::new(8);
            let mut arrived = BytesMut::new();
            let mut lines = Vec::new();
            let mut from = 0;
            for to in cuts.iter().copied().chain([bytes.len()]) {
                let to = to.clamp(from, bytes.len());
                arrived.extend_from_slice(&bytes[from..to]);
                from = to;
                loop {
                    match reader.take(&mut arrived) {
                        Ok(Some(line)) => lines.push(Ok(line)),
                        Ok(None) => break,
                        Err(error) => {
                            lines.push(Err(error));
                            return lines;
                        }
                    }
                }
            }
            lines
        };
        let mut cuts = cuts;
        cuts.sort_unstable();
        prop_assert_eq!(read(&cuts), read(&[]));
        let each: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(read(&each), read(&[]));
    }

    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Answer::read(&line);
        let _ = Extras::read_answer(&line);
    }
}
