//! Primaries that break the protocol: the replica says what is the matter, tries again, and applies what is right afterwards.

use crate::common::{Setup, Value, wait_until};
use crate::peer::{FakePrimary, framed, record};
use crate::{promote, start, still_serves, wait_link_up, wait_problem, wait_reply};

/// Sends `bytes` behind a good record and expects these words in INFO, the link closed, and the next try to go on behind the good one.
fn refuses(bytes: &[u8], extras: bool, words: &str) {
    let replica = start(Setup::new());
    let primary = FakePrimary::new();
    primary.lead(&replica);
    let mut link = primary.stream(extras);
    link.send(&framed(&record(1, 1, b'a')));
    wait_reply(&mut replica.connect(), "GET a", "bar");
    link.send(bytes);
    wait_problem(&replica, words);
    link.until_closed();
    let (mut link, psync) = primary.accept_psync(extras);
    assert_eq!(psync.last().map(String::as_str), Some("2"), "{psync:?}");
    link.send(b"+OK\r\n");
    link.send(&framed(&record(2, 1, b'b')));
    wait_reply(&mut replica.connect(), "GET b", "bar");
    wait_link_up(&replica);
    assert!(
        replica.log().contains(words),
        "the log says nothing of: {words}"
    );
    promote(&replica);
    still_serves(&replica);
    assert_eq!(replica.connect().call("DBSIZE"), Value::Int(3));
}

#[test]
fn a_line_that_announces_nothing() {
    refuses(b"what?\r\n", false, "a line begins with an unexpected byte");
}

#[test]
fn a_line_without_end() {
    refuses(&vec![b'$'; 10_000], false, "a line is too long");
}

#[test]
fn a_length_of_nothing() {
    refuses(b"$0\r\n", false, "a length of 0 bytes is not allowed");
}

#[test]
fn an_oversized_length() {
    refuses(
        b"$99999999999\r\n",
        false,
        "a length of 99999999999 bytes is not allowed",
    );
}

#[test]
fn a_length_that_is_no_number() {
    refuses(b"$-5\r\n", false, "a line begins with an unexpected byte");
}

#[test]
fn a_payload_longer_than_its_length() {
    let good = record(2, 1, b'z');
    let mut bytes = format!("${}\r\n", good.len() - 2).into_bytes();
    bytes.extend_from_slice(&good);
    bytes.extend_from_slice(b"\r\n");
    refuses(
        &bytes,
        false,
        "a payload does not end where its length says",
    );
}

#[test]
fn news_that_were_not_agreed_on() {
    refuses(
        b"+status 5 -\r\n",
        false,
        "a line begins with an unexpected byte",
    );
}

#[test]
fn a_wrong_sequence() {
    refuses(
        &framed(&record(7, 1, b'z')),
        false,
        "a record begins at 7, and 2 is the next one here",
    );
}

#[test]
fn a_record_once_more() {
    refuses(
        &framed(&record(1, 1, b'z')),
        true,
        "a record begins at 1, and 2 is the next one here",
    );
}

#[test]
fn a_wrong_count() {
    refuses(
        &framed(&record(2, 5, b'z')),
        false,
        "sent what cannot be applied",
    );
}

#[test]
fn a_truncated_record() {
    let mut bytes = record(2, 1, b'z');
    bytes.truncate(bytes.len() - 3);
    refuses(&framed(&bytes), false, "sent what cannot be applied");
}

#[test]
fn a_record_of_an_unknown_kind() {
    let mut bytes = record(2, 1, b'z');
    bytes[12] = 0x7f;
    refuses(&framed(&bytes), true, "sent what cannot be applied");
}

#[test]
fn news_that_say_nothing() {
    refuses(
        b"+status x y\r\n",
        true,
        "a line begins with an unexpected byte",
    );
}

#[test]
fn what_comes_in_single_bytes_is_the_same() {
    let replica = start(Setup::new());
    let primary = FakePrimary::new();
    primary.lead(&replica);
    let mut link = primary.stream(true);
    for byte in framed(&record(1, 1, b'a')) {
        link.send(&[byte]);
    }
    link.send(b"$4\r\nping\r\n$7\r\n_getack\r\n");
    wait_reply(&mut replica.connect(), "GET a", "bar");
    loop {
        let words = link.words().expect("an acknowledgement");
        assert_eq!(words[..2], ["replconf", "ack"]);
        if words[2] == "1" {
            break;
        }
    }
}

#[test]
fn a_primary_that_goes_silent_is_left() {
    let replica = start(Setup::new().arg("--repl-timeout", "1"));
    let primary = FakePrimary::new();
    primary.lead(&replica);
    // In the stream, where a Stillpoint says something every second.
    let mut link = primary.stream(true);
    link.send(&framed(&record(1, 1, b'a')));
    wait_problem(&replica, "silent");
    link.until_closed();
    // In the handshake.
    let mut link = primary.accept();
    assert!(link.words().is_some());
    link.until_closed();
    let mut link = primary.stream(true);
    link.send(&framed(&record(2, 1, b'b')));
    wait_reply(&mut replica.connect(), "GET b", "bar");
}

#[test]
fn a_primary_that_closes_at_once_is_tried_with_patience() {
    let replica = start(Setup::new());
    let primary = FakePrimary::new();
    primary.lead(&replica);
    for _ in 0..5 {
        drop(primary.accept());
    }
    wait_problem(&replica, "no connection");
    let mut link = primary.stream(false);
    link.send(&framed(&record(1, 1, b'a')));
    wait_reply(&mut replica.connect(), "GET a", "bar");
    let lines = replica
        .log()
        .lines()
        .filter(|line| line.contains("the link to"))
        .count();
    assert!(lines < 20, "the log is flooded");
}

#[test]
fn a_primary_that_is_none_is_named() {
    let replica = start(Setup::new());
    let primary = FakePrimary::new();
    primary.lead(&replica);
    let mut link = primary.accept();
    assert_eq!(link.words().expect("the first step"), ["_db_name"]);
    link.send(b"-ERR unknown command '_db_name'\r\n");
    wait_problem(&replica, "does not replicate");
    promote(&replica);
    still_serves(&replica);
}

/// A full copy whose files are not what they should be leaves the old data as it was.
#[test]
fn a_bad_full_copy_leaves_the_data_as_it_was() {
    for (list, answer) in [
        ("../evil", ""),
        ("a/b", ""),
        ("CURRENT,CURRENT", ""),
        ("", ""),
        ("CURRENT,MANIFEST-000001", "99999999999999999999\r\n"),
        ("CURRENT,MANIFEST-000001", "x\r\n"),
        ("CURRENT,MANIFEST-000001", "100\r\nshort"),
        ("CURRENT,MANIFEST-000001", "5\r\nwrong"),
        (
            "CURRENT,MANIFEST-000001",
            "16\r\nMANIFEST-000001\n4\r\nxxxx",
        ),
    ] {
        let replica = start(Setup::new());
        replica.expect_log("copying all data");
        replica.connect().ok("SET mine 1");
        let primary = FakePrimary::new();
        primary.lead(&replica);
        let (mut link, _) = primary.accept_psync(true);
        link.send(b"-ERR sequence out of range, please use fullsync\r\n");
        let mut meta = primary.accept_fetch();
        assert_eq!(meta.words().expect("a request"), ["_fetch_meta"], "{list}");
        meta.send(format!("{list}\r\n").as_bytes());
        drop(meta);
        if !answer.is_empty() {
            let mut files = primary.accept_fetch();
            let words = files.words().expect("a request");
            assert_eq!(words[0], "_fetch_file");
            files.send(answer.as_bytes());
            drop(files);
        }
        wait_problem(&replica, "the full copy failed");
        let mut conn = replica.connect();
        wait_until("it serves again", || !conn.call("GET mine").is_error());
        assert_eq!(conn.call("GET mine").text(), "1", "{list} {answer}");
        promote(&replica);
        still_serves(&replica);
        drop(link);
    }
}

/// A record with any one byte changed is refused, or is another good record; the next write works in any case, also after a
/// restart on what was written.
#[test]
fn a_record_with_any_byte_changed() {
    let mut replica = start(Setup::new());
    let primary = FakePrimary::new();
    primary.lead(&replica);
    let mut link = primary.stream(true);
    let mut next = 1;
    let (mut refused, mut applied) = (0, 0);
    // Of each number in the header one byte.
    for at in [0, 7, 8, 11]
        .into_iter()
        .chain(12..record(1, 1, b'a').len())
    {
        let mut bytes = record(next, 1, b'a');
        bytes[at] ^= 0x40;
        link.send(&framed(&bytes));
        link.send(b"$7\r\n_getack\r\n");
        // Either an acknowledgement of it, or the end.
        let is_applied = loop {
            match link.words() {
                Some(words) if words[2] == next.to_string() => break true,
                Some(_) => {}
                None => break false,
            }
        };
        if is_applied {
            (next, applied) = (next + 1, applied + 1);
        } else {
            refused += 1;
            let (again, psync) = primary.accept_psync(true);
            assert_eq!(psync.last(), Some(&next.to_string()), "byte {at}");
            link = again;
            link.send(b"+OK\r\n");
        }
    }
    // Number and count cannot be other ones; the three bytes of the value can.
    assert!(refused >= 4 && applied >= 3, "{refused} {applied}");
    link.send(&framed(&record(next, 1, b'z')));
    wait_reply(&mut replica.connect(), "GET z", "bar");
    promote(&replica);
    still_serves(&replica);
    replica.restart();
    still_serves(&replica);
    assert_eq!(replica.connect().call("GET z").text(), "bar");
}
