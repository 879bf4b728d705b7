//! Counts of what is given up, against logs of which everything is known; and how a refusal tells where they parted.

use super::*;
use proptest::prelude::*;

fn id(letter: u8) -> ReplicationId {
    ReplicationId::from_bytes(&[letter; 16]).expect("a letter")
}

fn ending(letter: u8, last: u64) -> Ending {
    let last = Seq::new(last);
    Ending {
        id: id(letter),
        last,
    }
}

#[test]
fn what_is_told_is_read() {
    for parted in [
        Parted::At(Seq::new(17)),
        Parted::At(Seq::ZERO),
        Parted::Among(vec![ending(b'A', 33)]),
        Parted::Among(vec![ending(b'B', Seq::MAX.get()), ending(b'A', 33)]),
        Parted::UNKNOWN,
    ] {
        let line = format!("ERR wrong replication id of the last log{}", parted.mark());
        assert_eq!(Parted::read(line.as_bytes()), parted, "{line}");
    }
    let many = vec![ending(b'A', Seq::MAX.get()); ENDINGS_MAX + 1];
    let line = format!("ERR x{}", Parted::Among(many.clone()).mark());
    assert!(line.len() < LINK_LINE_BYTES_MAX);
    assert_eq!(
        Parted::read(line.as_bytes()),
        Parted::Among(many[1..].to_vec())
    );
}

#[test]
fn what_is_not_understood_tells_nothing() {
    let id = "A".repeat(16);
    for text in [
        "; common up to x",
        "; common up to 72057594037927936",
        "; common up to ",
        "; histories",
        "; histories ",
        &format!("; histories {id}"),
        &format!("; histories {id}:"),
        &format!("; histories {id}:x"),
        &format!("; histories {id}:72057594037927936"),
        &format!("; histories {id}:7  {id}:5"),
        &format!("; histories {id}7"),
        "; histories AAAAAAAAAAAAAA\u{e9}:7",
        "; histories AAAAAAAAAAAAAA::7",
    ] {
        assert_eq!(Parted::read(text.as_bytes()), Parted::UNKNOWN, "{text}");
    }
}

#[test]
fn the_log_has_words_for_each() {
    for (given_up, words) in [
        (GivenUp::Exactly(0), "this node gives up no write for it"),
        (
            GivenUp::Exactly(7),
            "7 writes of this node that it does not have are given up",
        ),
        (
            GivenUp::AtMost(7),
            "at most 7 writes of this node that it does not have are given up",
        ),
    ] {
        assert_eq!(given_up.to_string(), words);
    }
}

/// The histories of a log of (id, updates) records, the newest first.
fn endings_of(log: &[(u8, u64)]) -> Vec<Ending> {
    let mut endings: Vec<Ending> = Vec::new();
    let mut last = 0;
    for &(letter, count) in log {
        last += count;
        match endings.last_mut() {
            Some(ending) if ending.id == id(letter) => ending.last = Seq::new(last),
            _ => endings.push(ending(letter, last)),
        }
    }
    endings.reverse();
    endings
}

fn length(log: &[(u8, u64)]) -> u64 {
    log.iter().map(|(_, count)| count).sum()
}

proptest! {
    /// Two nodes share a past, then each writes on, under ids of its own or as the one that still writes under the last shared one:
    /// with whole logs the count is exact, and with logs that were cut off at the old end it is exact or a bound.
    #[test]
    fn the_count_is_what_the_other_lacks(
        shared in proptest::collection::vec((b'A'..b'E', 1u64..4), 0..6),
        ours in proptest::collection::vec((b'Q'..b'T', 1u64..4), 0..4),
        theirs in proptest::collection::vec((b'W'..b'Z', 1u64..4), 0..4),
        writes_on in 0u8..3,
        more in 1u64..4,
        our_log in 0usize..8,
        their_log in 0usize..8,
    ) {
        // A letter once left is not written under again.
        let sorted = |mut log: Vec<(u8, u64)>| {
            log.sort_by_key(|(letter, _)| *letter);
            log
        };
        let (shared, ours, theirs) = (sorted(shared), sorted(ours), sorted(theirs));
        let last_shared = shared.last().map(|(letter, _)| *letter);
        let branch = |own: &[(u8, u64)], writes_on: bool| {
            let mut log = shared.clone();
            log.extend(last_shared.filter(|_| writes_on).map(|letter| (letter, more)));
            log.extend(own);
            log
        };
        let ours = branch(&ours, writes_on == 1);
        let theirs = branch(&theirs, writes_on == 2);
        let lacks = length(&ours) - length(&shared);
        let last = Seq::new(length(&ours));
        let count = |our_log: Vec<Ending>, their_log: Vec<Ending>| {
            GivenUp::count(last, &Parted::Among(their_log), |is_known| {
                let end = our_log.iter().position(|ending| is_known(ending.id));
                our_log[..end.map_or(our_log.len(), |at| at + 1)].to_vec()
            })
        };
        let (our_endings, their_endings) = (endings_of(&ours), endings_of(&theirs));
        let whole = count(our_endings.clone(), their_endings.clone());
        match shared.is_empty() {
            true => prop_assert!([GivenUp::AtMost(lacks), GivenUp::Exactly(lacks)].contains(&whole)),
            false => prop_assert_eq!(whole, GivenUp::Exactly(lacks)),
        }
        let cut = |endings: Vec<Ending>, count: usize| endings.into_iter().take(count).collect();
        match count(cut(our_endings, our_log), cut(their_endings, their_log)) {
            GivenUp::Exactly(count) => prop_assert_eq!(count, lacks),
            GivenUp::AtMost(count) => prop_assert!(count >= lacks),
        }
    }
}
