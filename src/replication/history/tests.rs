//! Who may continue and who may not, for each sort of peer and evidence; and what INFO shows across switches.

use super::*;
use proptest::prelude::*;

fn id(letter: u8) -> Option<ReplicationId> {
    ReplicationId::from_bytes(&[letter; 16])
}

fn record(first: u64, id: Option<ReplicationId>) -> Option<RecordFacts> {
    Some(RecordFacts {
        first: Seq::new(first),
        id,
    })
}

const WRONG: Result<Grounds, Refusal> = Err(Refusal::WrongId(Parted::UNKNOWN));
const RANGE: Result<Grounds, Refusal> = Err(Refusal::OutOfRange(Parted::UNKNOWN));
const FROM_START: Result<Grounds, Refusal> = Ok(Grounds::FromTheStart);
const SAME: Result<Grounds, Refusal> = Ok(Grounds::SameHistory);
const NUMBERS: Result<Grounds, Refusal> = Ok(Grounds::NumbersAlone);

fn ending(letter: u8, last: u64) -> Ending {
    Ending {
        id: id(letter).unwrap(),
        last: Seq::new(last),
    }
}

/// Both sorts of peer, at `next`, here at 100.
fn both(
    presented: Option<ReplicationId>,
    next: u64,
    evidence: &Evidence,
) -> [Result<Grounds, Refusal>; 2] {
    [Peer::Stillpoint, Peer::Kvrocks]
        .map(|peer| may_continue(peer, presented, Seq::new(next), Seq::new(100), evidence))
}

#[test]
fn the_record_before_decides() {
    let with = |ours| Evidence {
        holding: record(40, ours),
        following: record(51, id(b'Z')),
        ..Evidence::default()
    };
    assert_eq!(both(id(b'A'), 51, &with(id(b'A'))), [SAME, SAME]);
    assert_eq!(both(id(b'B'), 51, &with(id(b'A'))), [WRONG, WRONG]);
    // A Kvrocks without ids is accepted as Kvrocks accepts it; a Stillpoint without an id has another record there.
    assert_eq!(both(None, 51, &with(id(b'A'))), [WRONG, NUMBERS]);
    assert_eq!(both(id(b'A'), 51, &with(None)), [WRONG, NUMBERS]);
    assert_eq!(both(None, 51, &with(None)), [NUMBERS, NUMBERS]);
}

#[test]
fn the_record_behind_stands_in_for_it() {
    let with = |ours| Evidence {
        following: record(51, ours),
        ..Evidence::default()
    };
    assert_eq!(both(id(b'A'), 51, &with(id(b'A'))), [SAME, SAME]);
    assert_eq!(both(id(b'B'), 51, &with(id(b'A'))), [WRONG, WRONG]);
    assert_eq!(both(None, 51, &with(id(b'A'))), [WRONG, NUMBERS]);
    assert_eq!(both(id(b'A'), 51, &with(None)), [WRONG, NUMBERS]);
}

#[test]
fn the_stored_id_stands_in_for_an_empty_log() {
    let with = |stored| Evidence {
        stored,
        ..Evidence::default()
    };
    assert_eq!(both(id(b'A'), 101, &with(id(b'A'))), [SAME, SAME]);
    assert_eq!(both(id(b'B'), 101, &with(id(b'A'))), [WRONG, WRONG]);
    assert_eq!(both(None, 101, &with(id(b'A'))), [WRONG, NUMBERS]);
    // What a peer has stored, this node would have too.
    assert_eq!(both(id(b'A'), 101, &with(None)), [WRONG, WRONG]);
    assert_eq!(both(None, 101, &with(None)), [NUMBERS, NUMBERS]);
    assert_eq!(
        both(id(b'A'), 51, &with(id(b'A'))),
        [ended_at(50), ended_at(50)]
    );
}

/// The log does not go back to this update, which is the peer's last and ours too.
fn ended_at(common: u64) -> Result<Grounds, Refusal> {
    Err(Refusal::OutOfRange(Parted::At(Seq::new(common))))
}

#[test]
fn a_peer_that_the_log_does_not_go_back_to_has_nothing_of_its_own() {
    let with = |ours| Evidence {
        following: record(60, ours),
        ..Evidence::default()
    };
    assert_eq!(
        both(id(b'A'), 51, &with(id(b'A'))),
        [ended_at(50), ended_at(50)]
    );
    assert_eq!(both(id(b'B'), 51, &with(id(b'A'))), [WRONG, WRONG]);
    // Nothing is proved.
    assert_eq!(both(None, 51, &with(None)), [RANGE, RANGE]);
}

#[test]
fn numbers_must_fit_too() {
    let holding = record(40, id(b'A'));
    let with = |following| Evidence {
        holding,
        following,
        ..Evidence::default()
    };
    // Within a record, or before the log begins.
    assert_eq!(
        both(id(b'A'), 45, &with(record(51, id(b'A')))),
        [RANGE, RANGE]
    );
    assert_eq!(both(id(b'A'), 51, &with(None)), [RANGE, RANGE]);
    assert_eq!(both(id(b'A'), 101, &with(None)), [SAME, SAME]);
    // Ahead of this node: no word about ids, as in Kvrocks.
    assert_eq!(both(id(b'B'), 102, &with(None)), [RANGE, RANGE]);
    assert_eq!(both(id(b'A'), 0, &with(None)), [RANGE, RANGE]);
    assert_eq!(both(None, u64::MAX, &with(None)), [RANGE, RANGE]);
}

#[test]
fn an_empty_peer_starts_at_one_if_the_log_does() {
    let whole = Evidence {
        following: record(1, id(b'A')),
        ..Evidence::default()
    };
    assert_eq!(both(None, 1, &whole), [FROM_START, FROM_START]);
    assert_eq!(both(id(b'B'), 1, &whole), [FROM_START, FROM_START]);
    let purged = Evidence {
        following: record(20, id(b'A')),
        ..Evidence::default()
    };
    assert_eq!(both(None, 1, &purged), [ended_at(0), ended_at(0)]);
    let both_empty = may_continue(
        Peer::Kvrocks,
        None,
        Seq::new(1),
        Seq::ZERO,
        &Evidence::default(),
    );
    assert_eq!(both_empty, FROM_START);
}

#[test]
fn refusals_are_the_lines_of_kvrocks_and_tell_a_stillpoint_more() {
    let evidence = Evidence {
        holding: record(40, id(b'A')),
        endings: vec![ending(b'A', 40), ending(b'B', 33)],
        ..Evidence::default()
    };
    let [refusal, _] = both(id(b'B'), 51, &evidence).map(Result::unwrap_err);
    assert_eq!(
        refusal.line(Peer::Stillpoint),
        "ERR wrong replication id of the last log; common up to 33"
    );
    assert_eq!(
        refusal.line(Peer::Kvrocks),
        "ERR wrong replication id of the last log"
    );
    let [ahead, _] = both(id(b'B'), 200, &evidence).map(Result::unwrap_err);
    assert_eq!(
        ahead.line(Peer::Stillpoint),
        "ERR sequence out of range, please use fullsync; common up to 33"
    );
    assert_eq!(
        ahead.line(Peer::Kvrocks),
        "ERR sequence out of range, please use fullsync"
    );
    // Both have begun histories since.
    let [parted, _] = both(id(b'C'), 51, &evidence).map(Result::unwrap_err);
    assert_eq!(
        parted.line(Peer::Stillpoint),
        "ERR wrong replication id of the last log; histories AAAAAAAAAAAAAAAA:40 BBBBBBBBBBBBBBBB:33"
    );
    assert_eq!(parted.line(Peer::Kvrocks), WRONG_ID);
    // The peer cannot share what it does not have.
    let [behind, _] = both(id(b'B'), 20, &evidence).map(Result::unwrap_err);
    assert_eq!(behind.line(Peer::Stillpoint), WRONG_ID);
}

#[test]
fn a_term_without_a_write_leaves_no_trace() {
    let mut history = History::of_directory(id(b'A'));
    assert_eq!(history.writes_under(), None);
    history.begin_term(id(b'B').unwrap(), Seq::new(7));
    assert_eq!(history.writes_under(), id(b'B'));
    assert_eq!(history.current(), id(b'B'));
    assert_eq!(history.presents(), id(b'A'));
    assert_eq!(history.second_repl_offset(), 8);
    assert_eq!(history.master_replid2(), long_id(id(b'A')));
    history.end_term();
    assert_eq!(history.current(), id(b'A'));
    history.begin_term(id(b'C').unwrap(), Seq::new(7));
    history.note_own_record();
    history.end_term();
    assert_eq!(history.presents(), id(b'C'));
}

#[test]
fn the_last_histories_are_remembered() {
    let mut history = History::of_directory(id(b'A'));
    let seven = Seq::new(7);
    assert_eq!(history.endings(seven), [Some(ending(b'A', 7)), None]);
    // A term without a record has no history to show.
    history.begin_term(id(b'B').unwrap(), seven);
    assert_eq!(history.endings(seven), [Some(ending(b'A', 7)), None]);
    history.note_own_record();
    let nine = Seq::new(9);
    assert_eq!(
        history.endings(nine),
        [ending(b'B', 9), ending(b'A', 7)].map(Some)
    );
    history.end_term();
    history.note_received(id(b'C'), Seq::new(10));
    let ten = Seq::new(10);
    assert_eq!(
        history.endings(ten),
        [ending(b'C', 10), ending(b'B', 9)].map(Some)
    );
    history.replace(None);
    assert_eq!(history.endings(ten), [None; 2]);
}

#[test]
fn a_replica_shows_its_primarys_history() {
    let mut history = History::of_directory(id(b'A'));
    history.note_heard(id(b'A'), Seq::new(7));
    assert_eq!(
        (history.current(), history.second_repl_offset()),
        (id(b'A'), -1)
    );
    history.note_heard(id(b'B'), Seq::new(7));
    assert_eq!(history.current(), id(b'B'));
    assert_eq!(history.second_repl_offset(), 8);
    history.note_heard(id(b'B'), Seq::new(7));
    history.note_received(id(b'B'), Seq::new(8));
    history.note_received(id(b'B'), Seq::new(9));
    assert_eq!(history.presents(), id(b'B'));
    assert_eq!(history.master_replid2(), long_id(id(b'A')));
    assert_eq!(history.second_repl_offset(), 8);
    history.note_heard(None, Seq::new(9));
    assert_eq!(history.current(), id(b'B'));
    history.replace(id(b'D'));
    assert_eq!(history, History::of_directory(id(b'D')));
}

#[test]
fn an_id_has_forty_digits_and_keeps_what_it_is_made_of() {
    let id = ReplicationId::from_bytes(b"ABCDEFGHI0123456");
    assert_eq!(
        long_id(id),
        "41424344454647484930313233343536".to_owned() + "00000000"
    );
    assert_eq!(long_id(None), "0".repeat(40));
    assert_eq!(History::default().master_replid(), "0".repeat(40));
    assert_eq!(History::default().master_replid2(), "0".repeat(40));
}

/// Logs of nodes that wrote in turns, as (id, updates) a record.
fn evidence_of(log: &[(u8, u64)], next: u64, presented: Option<ReplicationId>) -> (Evidence, u64) {
    let mut evidence = Evidence::default();
    let mut first = 1;
    for &(letter, count) in log {
        let facts = record(first, id(letter));
        if first < next && next <= first + count {
            evidence.holding = facts;
        }
        if first >= next && evidence.following.is_none() {
            evidence.following = facts;
        }
        if id(letter) == presented {
            evidence.endings = vec![ending(letter, first + count - 1)];
        }
        evidence.stored = id(letter);
        first += count;
    }
    (evidence, first - 1)
}

proptest! {
    /// Two nodes share a past, then each may write on under an id of its own: a Stillpoint continues exactly when its log is
    /// the beginning of the other's.
    #[test]
    fn a_stillpoint_continues_exactly_when_its_log_is_a_beginning(
        shared in proptest::collection::vec((b'A'..b'D', 1u64..4), 0..6),
        ours in proptest::collection::vec(1u64..4, 0..3),
        theirs in proptest::collection::vec(1u64..4, 0..3),
        missing in 0usize..4,
    ) {
        // A letter once left is not written under again.
        let mut shared = shared;
        shared.sort_by_key(|(letter, _)| *letter);
        let mut primary = shared.clone();
        primary.extend(ours.iter().map(|count| (b'X', *count)));
        let mut peer = shared;
        if theirs.is_empty() {
            peer.truncate(peer.len().saturating_sub(missing));
        }
        peer.extend(theirs.iter().map(|count| (b'Y', *count)));
        let presented = peer.last().and_then(|(letter, _)| id(*letter));
        let next = peer.iter().map(|(_, count)| count).sum::<u64>() + 1;
        let (evidence, latest) = evidence_of(&primary, next, presented);
        let verdict = may_continue(Peer::Stillpoint, presented, Seq::new(next), Seq::new(latest), &evidence);
        prop_assert_eq!(verdict.is_ok(), primary.starts_with(&peer));
    }
}
