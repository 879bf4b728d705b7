//! What is said about a takeover, byte by byte.

use super::*;
use crate::resp::OwnedArgs;
use proptest::prelude::*;

const RUN: &str = "0123456789abcdef0123456789abcdef01234567";

fn token(count: u64) -> Token {
    Token {
        run_id: RunId::parse(RUN.as_bytes()).unwrap(),
        count,
    }
}

fn offer(force: bool) -> Offer {
    Offer {
        token: token(7),
        replication_id: "ABCDEFGHI0123456".to_owned(),
        seq: Seq::new(99),
        force,
        from: Address::new("fe80::1%eth0", 6666),
    }
}

fn parse(line: &str) -> Result<Request, ReplyError> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    Request::parse(OwnedArgs::from_parts(&words).as_args())
}

#[test]
fn the_bytes_are_as_documented() {
    let bytes = String::from_utf8(Request::Offer(offer(true)).encode()).unwrap();
    let expected = format!(
        "*9\r\n$8\r\nREPLCONF\r\n$8\r\nTAKEOVER\r\n$5\r\nOFFER\r\n$42\r\n{RUN}-7\r\n$16\r\nABCDEFGHI0123456\r\n$2\r\n99\r\n$12\r\n\
         fe80::1%eth0\r\n$4\r\n6666\r\n$5\r\nFORCE\r\n"
    );
    assert_eq!(bytes, expected);
    let bytes = Request::Cancel(token(1)).encode();
    let expected =
        format!("*4\r\n$8\r\nREPLCONF\r\n$8\r\nTAKEOVER\r\n$6\r\nCANCEL\r\n$42\r\n{RUN}-1\r\n");
    assert_eq!(bytes, expected.as_bytes());
}

#[test]
fn requests_are_read_in_any_case() {
    let line = format!("replconf takeover offer {RUN}-7 ABCDEFGHI0123456 99 fe80::1%eth0 6666");
    assert_eq!(parse(&line), Ok(Request::Offer(offer(false))));
    assert_eq!(
        parse(&format!("{line} force")),
        Ok(Request::Offer(offer(true)))
    );
    assert_eq!(
        parse(&format!("REPLCONF TAKEOVER Cancel {RUN}-2")),
        Ok(Request::Cancel(token(2)))
    );
    assert_eq!(
        parse(&format!("REPLCONF TAKEOVER STATE {RUN}-2")),
        Ok(Request::State(token(2)))
    );
}

#[test]
fn wrong_requests_are_refused() {
    let syntax = "ERR syntax error";
    let table = [
        ("REPLCONF TAKEOVER".to_owned(), syntax),
        ("REPLCONF TAKEOVER CANCEL".to_owned(), syntax),
        (format!("REPLCONF TAKEOVER CANCEL {RUN}-1 x"), syntax),
        (format!("REPLCONF TAKEOVER KEEP {RUN}-1"), syntax),
        (
            format!("REPLCONF TAKEOVER CANCEL {RUN}"),
            "ERR Invalid takeover token",
        ),
        (
            format!("REPLCONF TAKEOVER CANCEL {RUN}-0"),
            "ERR Invalid takeover token",
        ),
        (
            format!("REPLCONF TAKEOVER CANCEL {RUN}-01"),
            "ERR Invalid takeover token",
        ),
        (
            format!("REPLCONF TAKEOVER CANCEL {}-1", RUN.to_uppercase()),
            "ERR Invalid takeover token",
        ),
        (
            "REPLCONF TAKEOVER STATE short-1".to_owned(),
            "ERR Invalid takeover token",
        ),
        (format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1 host"), syntax),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1 host 1 2"),
            syntax,
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1 host 1 FORCE 2"),
            syntax,
        ),
        (
            "REPLCONF TAKEOVER OFFER x id 1 host 1".to_owned(),
            "ERR Invalid takeover token",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1  1 host 1"),
            "ERR Invalid replication id",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 {RUN}x 1 host 1"),
            "ERR Invalid replication id",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id -1 host 1"),
            "ERR Invalid sequence number",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 72057594037927936 host 1"),
            "ERR Invalid sequence number",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1  1"),
            "ERR Invalid address",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1 {} 1", "h".repeat(256)),
            "ERR Invalid address",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1 host 0"),
            "ERR Invalid address",
        ),
        (
            format!("REPLCONF TAKEOVER OFFER {RUN}-1 id 1 host 65536"),
            "ERR Invalid address",
        ),
    ];
    for (line, error) in table {
        let refused = parse(&line).expect_err(&line);
        assert_eq!(refused.text(), error.as_bytes(), "{line}");
    }
}

#[test]
fn answers_come_back() {
    for answer in [
        Answer::Taken(Seq::new(12)),
        Answer::Cancelled,
        Answer::Unseen,
        Answer::Deciding,
        Answer::Refused("it stands at 5".to_owned()),
    ] {
        assert_eq!(Answer::parse(&answer.encode()), answer);
        assert!(answer.encode().len() <= ANSWER_BYTES_MAX);
    }
}

#[test]
fn what_is_not_understood_decides_nothing() {
    let long = [b"-REFUSED ".as_slice(), &[b'x'; ANSWER_BYTES_MAX]].concat();
    for line in [
        b"".as_slice(),
        b"+OK",
        b"-ERR unknown option",
        b"-NOAUTH Authentication required.",
        b"-REFUSED",
        b"-REFUSEDx y",
        b"+TAKEN",
        b"+TAKEN x",
        b"+TAKEN 99999999999999999999",
        b"+CANCELLED 5",
        b"$9\r\nCANCELLED",
        &Answer::TryAgain("busy".to_owned()).encode(),
        &long,
    ] {
        assert!(
            matches!(Answer::parse(line), Answer::TryAgain(_)),
            "{line:?}"
        );
    }
    let Answer::TryAgain(why) = Answer::parse(b"-ERR a\x00b\xff\r\n") else {
        panic!("it is an error");
    };
    assert_eq!(why, "it answered '-ERR a?b?'");
}

#[test]
fn a_reason_stays_one_line_within_its_bound() {
    let answer = Answer::Refused(format!("first\r\nsecond {}", "x".repeat(1000)));
    let bytes = answer.encode();
    assert!(bytes.len() <= ANSWER_BYTES_MAX);
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 1);
}

proptest! {
    #[test]
    fn no_answer_panics(line in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Answer::parse(&line);
    }

    #[test]
    fn no_request_panics(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..11)) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let _ = Request::parse(OwnedArgs::from_parts(&words).as_args());
    }
}
