//! The old primary from the offer to its end, and what does not fit: transition by transition.

use super::bench::{Bench, OTHER, named, replica, run_id, target, token};
use crate::clock::Turn;
use crate::failover::machine::{
    ABORT_MS, ABORTS_MAX, ANSWER_MS, CONNECT_MS, PREPARE_MS_MAX, RETRY_MS_MAX,
};
use crate::failover::report::Outcome;
use crate::failover::request::{self};
use crate::failover::{Action, Failover, PendingOffer, Ticket, Word};
use crate::replication::takeover::wire::{Address, Answer, Request};
use crate::storage::seq::Seq;

#[test]
fn a_refusal_makes_it_a_primary_again() {
    let mut bench = Bench::offered();
    bench.answer(1, Answer::Refused("it copies".to_owned()));
    assert_eq!(
        bench.words(),
        ["close 1", "resume", "release", "store 2 primary"]
    );
    assert_eq!(bench.aborted(), "the target refused: it copies");
}

#[test]
fn what_is_no_word_of_the_target_decides_nothing() {
    for lose in 0..4 {
        let mut bench = Bench::offered();
        match lose {
            0 => bench.cut(1),
            1 => bench.answer(1, Answer::TryAgain("it answered '+OK'".to_owned())),
            2 => bench.answer(1, Answer::Deciding),
            _ => bench.pass(ANSWER_MS),
        }
        let words = bench.words();
        assert_eq!(words.last().unwrap(), "connect 2 b:1", "{lose}");
        assert!(bench.failover.is_handing_over() && bench.failover.pending().is_some());
        let fields = bench.failover.fields();
        assert!(fields[2].1.contains("REPLICAOF NO ONE"), "{fields:?}");
        // What comes over the old link counts for nothing.
        bench.answer(1, Answer::Refused("late".to_owned()));
        bench.connect(1);
        bench.cut(1);
        assert!(bench.words().is_empty() && bench.failover.is_handing_over());
        bench.connect(2);
        assert_eq!(bench.words(), ["cancel 2"]);
        bench.answer(2, Answer::Cancelled);
        assert_eq!(
            bench.words(),
            ["close 2", "resume", "release", "store 2 primary"]
        );
    }
}

#[test]
fn it_asks_until_there_is_an_answer() {
    let mut bench = Bench::unknown();
    bench.answer(2, Answer::Unseen);
    assert_eq!(bench.words(), ["close 2"]);
    let mut tries = 0;
    for _ in 0..200 {
        bench.pass(100);
        for action in bench.said.clone() {
            if let Action::Connect { link, .. } = action {
                tries += 1;
                bench.cut(link);
            }
        }
    }
    assert!(
        (20_000 / (RETRY_MS_MAX + 100)..20).contains(&tries),
        "{tries} in 20 s"
    );
    // A connection that is not there in time, and an answer, count as failed tries too.
    let mut bench = Bench::unknown();
    bench.pass(ANSWER_MS);
    assert_eq!(bench.words(), ["close 2"]);
    bench.pass(RETRY_MS_MAX);
    assert_eq!(bench.words(), ["connect 3 b:1"]);
    bench.pass(CONNECT_MS);
    assert_eq!(bench.words(), ["close 3"]);
    bench.pass(RETRY_MS_MAX);
    bench.connect(4);
    bench.answer(4, Answer::Taken(Seq::new(50)));
    assert_eq!(bench.words(), ["close 4", "follow b:1", "release"]);
}

#[test]
fn abort_before_the_offer_leaves() {
    let mut bench = Bench::new();
    assert_eq!(bench.abort(OTHER), Err(request::NOT_IN_PROGRESS));
    let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
    bench.abort(OTHER).unwrap();
    assert_eq!(
        bench.words(),
        ["1 OK", "close 1", "store 2 primary", "2 OK"]
    );
    let mut bench = Bench::synced();
    bench.abort(OTHER).unwrap();
    assert_eq!(
        bench.words(),
        ["close 1", "release", "store 2 primary", "2 OK"]
    );
    assert_eq!(bench.aborted(), "aborted by command");
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.store(1);
    bench.pass(500);
    bench.drain(50);
    bench.abort(OTHER).unwrap();
    assert_eq!(
        bench.words(),
        ["close 1", "resume", "release", "store 2 primary", "2 OK"]
    );
}

#[test]
fn abort_after_the_offer_left_needs_the_targets_word() {
    let mut bench = Bench::offered();
    bench.abort(OTHER).unwrap();
    assert!(
        bench.words().is_empty(),
        "the answer to the offer is on its way"
    );
    bench.answer(1, Answer::Taken(Seq::new(50)));
    assert_eq!(bench.words().last().unwrap(), "2 ERR b:1 has taken over");

    let mut bench = Bench::unknown();
    bench.abort(OTHER).unwrap();
    bench.answer(2, Answer::Cancelled);
    assert!(bench.words().contains(&"2 OK".to_owned()));

    let mut bench = Bench::unknown();
    bench.cut(2);
    bench.abort(OTHER).unwrap();
    assert_eq!(bench.words(), ["connect 3 b:1"], "asked at once");
    bench.pass(ABORT_MS);
    assert_eq!(
        bench.words(),
        [
            "2 ERR target may have taken over; REPLICAOF NO ONE forces",
            "close 3"
        ]
    );
    assert!(bench.failover.is_handing_over());
    for ticket in 0..ABORTS_MAX as u64 {
        bench.abort(Ticket(ticket)).unwrap();
    }
    assert_eq!(bench.abort(OTHER), Err(request::MAY_HAVE_TAKEN_OVER));
}

#[test]
fn a_second_failover_is_refused() {
    for mut bench in [Bench::synced(), Bench::offered(), Bench::unknown()] {
        let refused = bench.start(&named(None, false), &[replica(9, "b", 40)]);
        assert_eq!(refused, Err(request::IN_PROGRESS));
    }
    let mut bench = Bench::new();
    assert!(bench.start(&named(None, false), &[]).is_err());
    assert!(!bench.failover.is_active());
}

#[test]
fn replicaof_is_refused_but_for_the_operators_word() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.failover.replicaof(None, OTHER, &bench.now),
        Word::Proceed(Vec::new())
    );
    let refused = || Word::Refuse(request::REPLICAOF_REFUSED);
    let mut bench = Bench::synced();
    assert_eq!(bench.failover.replicaof(None, OTHER, &bench.now), refused());
    assert_eq!(
        bench.failover.replicaof(Some(&target()), OTHER, &bench.now),
        refused()
    );
    let mut bench = Bench::offered();
    assert_eq!(
        bench.failover.replicaof(Some(&target()), OTHER, &bench.now),
        refused()
    );

    for mut bench in [Bench::offered(), Bench::unknown()] {
        let Word::Wait(actions) = bench.failover.replicaof(None, OTHER, &bench.now) else {
            panic!("it is the operator's word");
        };
        bench.said = actions;
        assert_eq!(bench.words().last().unwrap(), "store 2 primary");
        assert!(bench.failover.is_handing_over() && bench.failover.pending().is_some());
        assert_eq!(bench.state(), "failover-in-progress");
        assert_eq!(bench.abort(OTHER), Err(request::MAY_HAVE_TAKEN_OVER));
        assert_eq!(bench.failover.replicaof(None, OTHER, &bench.now), refused());
        bench.answer(1, Answer::Taken(Seq::new(50)));
        bench.pass(99_999);
        bench.store(1);
        assert!(bench.words().is_empty());
        bench.store(2);
        assert_eq!(bench.words(), ["resume anew", "release", "2 OK"]);
        assert_eq!(bench.outcome(), &Outcome::LeftToOperator);
    }

    let mut bench = Bench::unknown();
    bench.abort(Ticket(5)).unwrap();
    let Word::Proceed(actions) =
        bench
            .failover
            .replicaof(Some(&Address::new("c", 1)), OTHER, &bench.now)
    else {
        panic!("it is safe");
    };
    bench.said = actions;
    assert_eq!(
        bench.words(),
        [
            "close 2",
            "release",
            "5 ERR target may have taken over; REPLICAOF NO ONE forces"
        ]
    );
    assert_eq!(
        (bench.failover.pending(), bench.failover.is_active()),
        (None, false)
    );
}

#[test]
fn a_word_that_cannot_be_written_changes_nothing() {
    let mut bench = Bench::unknown();
    assert!(matches!(
        bench.failover.replicaof(None, OTHER, &bench.now),
        Word::Wait(_)
    ));
    bench.said = bench.failover.store_failed(2, "no space", &bench.now);
    assert_eq!(
        bench.words(),
        ["store 3 pending b:1", "2 ERR no space", "connect 3 b:1"]
    );
    bench.connect(3);
    assert_eq!(bench.words(), ["cancel 3"]);
}

#[test]
fn a_restart_with_an_open_offer_accepts_no_writes() {
    let pending = PendingOffer {
        target: target(),
        token: token(3),
    };
    let now = Turn::default();
    let (failover, said) = Failover::restart(run_id(), pending.clone(), &now);
    let mut bench = Bench {
        failover,
        now,
        said,
    };
    assert_eq!(bench.words(), ["pause", "stop", "connect 1 b:1"]);
    assert!(bench.failover.is_handing_over() && bench.failover.has_paused());
    assert_eq!(bench.failover.pending(), Some(pending.clone()));
    bench.connect(1);
    assert_eq!(
        bench.said,
        [Action::Send {
            link: 1,
            request: Request::Cancel(pending.token)
        }]
    );
    bench.answer(1, Answer::Cancelled);
    assert_eq!(
        bench.words(),
        ["close 1", "resume", "release", "store 1 primary"]
    );
    let last = bench.failover.last().unwrap();
    assert_eq!((last.final_seq, last.write_stop_us), (None, None));
}

#[test]
fn events_that_do_not_fit_are_ignored() {
    let benches = [Bench::new(), Bench::offered(), Bench::unknown()];
    for mut bench in benches {
        let state = bench.failover.fields();
        bench.store(99);
        bench.drain(99);
        bench.ack(9, 99);
        bench.gone(9);
        bench
            .said
            .extend(bench.failover.replica_is(replica(1, "b", 1), &bench.now));
        bench
            .said
            .extend(bench.failover.store_failed(99, "x", &bench.now));
        bench.said.extend(bench.failover.connected(77, &bench.now));
        bench
            .said
            .extend(bench.failover.disconnected(77, "x", &bench.now));
        bench
            .said
            .extend(bench.failover.answered(77, Answer::Cancelled, &bench.now));
        assert!(bench.words().is_empty());
        assert_eq!(bench.failover.fields(), state);
    }
    let mut bench = Bench::synced();
    bench.said = bench.failover.store_failed(99, "x", &bench.now);
    bench.answer(1, Answer::Taken(Seq::new(50)));
    bench.cut(77);
    assert!(bench.words().is_empty() && bench.state() == "waiting-for-sync");
    bench.ack(77, 99);
    assert!(bench.words().is_empty());
}

#[test]
fn what_it_waits_for_is_said_in_every_state() {
    let waits = |bench: &Bench| bench.failover.fields()[2].1.clone();
    let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
    assert_eq!(
        waits(&bench),
        "preparing; writes still run; FAILOVER ABORT ends it"
    );
    bench.pass(PREPARE_MS_MAX);
    assert_eq!(waits(&bench), "commits in flight; FAILOVER ABORT ends it");
    bench.drain(50);
    assert_eq!(waits(&bench), "the disk; FAILOVER ABORT ends it");
    bench.store(1);
    assert_eq!(
        waits(&bench),
        "the target to acknowledge sequence 50; FAILOVER ABORT ends it"
    );
    bench.ack(9, 50);
    assert_eq!(
        waits(&bench),
        "the connection to the target; FAILOVER ABORT ends it"
    );
    bench.connect(1);
    assert_eq!(waits(&bench), "the answer of b:1");
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.store(1);
    bench.pass(500);
    bench.drain(50);
    assert_eq!(waits(&bench), "a connection to b:1; FAILOVER ABORT ends it");
}
