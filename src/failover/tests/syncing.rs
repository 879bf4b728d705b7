//! The old primary until the offer leaves, transition by transition.

use super::bench::{Bench, named, replica, run_id, target, token};
use crate::clock::{MonoMs, Turn};
use crate::failover::machine::{CONNECT_MS, PREPARE_MS_MAX, RETRY_MS_MIN, Terms};
use crate::failover::report::Outcome;
use crate::failover::request::{Facts, Options};
use crate::failover::{Action, Failover, PendingOffer};
use crate::replication::takeover::wire::{Address, Answer};
use crate::storage::seq::Seq;

#[test]
fn a_switch_from_the_first_step_to_the_last() {
    let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
    assert_eq!(bench.words(), ["store 1 pending b:1", "connect 1 b:1"]);
    assert_eq!(
        (bench.state().as_str(), bench.failover.has_paused()),
        ("waiting-for-sync", false)
    );
    bench.store(1);
    assert!(bench.words().is_empty(), "writes run until all is prepared");
    bench.now.mono_us = 5_000;
    bench.connect(1);
    assert_eq!(bench.words(), ["pause", "1 OK"]);
    bench.drain(50);
    assert_eq!(bench.words(), ["ask"]);
    bench.drain(50);
    assert!(bench.words().is_empty(), "asked once");
    bench.ack(9, 49);
    assert!(
        bench.words().is_empty()
            && !bench.failover.is_handing_over()
            && bench.failover.pending().is_none()
    );
    bench.ack(9, 50);
    assert_eq!(bench.words(), ["stop", "offer 1 50"]);
    assert!(bench.failover.is_handing_over());
    assert_eq!(bench.state(), "failover-in-progress");
    let pending = PendingOffer {
        target: target(),
        token: token(1),
    };
    assert_eq!(bench.failover.pending(), Some(pending));
    bench.now.mono_us = 6_200;
    bench.answer(1, Answer::Taken(Seq::new(50)));
    assert_eq!(bench.words(), ["close 1", "follow b:1", "release"]);
    assert!(!bench.failover.is_active() && bench.failover.pending().is_none());
    let last = bench.failover.last().unwrap();
    assert_eq!((&last.outcome, last.given_up), (&Outcome::TakenOver, 0));
    assert_eq!(
        (last.final_seq, last.write_stop_us),
        (Some(Seq::new(50)), Some(1_200))
    );
    assert_eq!(bench.state(), "no-failover");
    assert_eq!(bench.failover.next_deadline(), None);
}

#[test]
fn writes_are_paused_soon_though_nothing_is_prepared() {
    let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 50)]);
    assert_eq!(bench.failover.next_deadline(), Some(MonoMs(PREPARE_MS_MAX)));
    bench.pass(PREPARE_MS_MAX);
    assert_eq!(bench.words(), ["pause", "1 OK"]);
    bench.drain(50);
    bench.connect(1);
    assert!(bench.words().is_empty(), "not before it is on disk");
    bench.store(7);
    assert!(bench.words().is_empty(), "another write");
    bench.store(1);
    assert_eq!(bench.words(), ["stop", "offer 1 50"]);
}

#[test]
fn a_later_commit_moves_the_final_sequence() {
    let mut bench = Bench::synced();
    bench.drain(51);
    assert_eq!(bench.words(), ["ask"]);
    bench.ack(9, 50);
    assert!(bench.words().is_empty());
    bench.ack(9, 51);
    assert_eq!(bench.words(), ["stop", "offer 1 51"]);
}

#[test]
fn what_ends_it_before_the_pause_is_told_to_who_began() {
    for (fail, why) in [
        (0, "the target cannot be reached: cut"),
        (1, "its state could not be written: no space"),
        (2, "the target's replication link has ended"),
    ] {
        let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
        match fail {
            0 => bench.cut(1),
            1 => bench.said = bench.failover.store_failed(1, "no space", &bench.now),
            _ => bench.gone(9),
        }
        let told = format!("1 ERR FAILOVER aborted: {why}");
        let words = bench.words();
        assert!(
            words.contains(&told) && words.contains(&"store 2 primary".to_owned()),
            "{words:?}"
        );
        assert!(!words.contains(&"release".to_owned()), "nothing was paused");
        assert_eq!(bench.aborted(), why);
        assert_eq!(bench.failover.last().unwrap().write_stop_us, None);
    }
}

#[test]
fn what_ends_it_after_the_pause_releases_it() {
    let mut bench = Bench::synced();
    bench.gone(9);
    assert_eq!(bench.words(), ["close 1", "release", "store 2 primary"]);
    let mut bench = Bench::synced();
    bench.cut(1);
    assert_eq!(bench.words(), ["release", "store 2 primary"]);
    // A connection that is not there in time is none.
    let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
    bench.pass(PREPARE_MS_MAX);
    bench.pass(CONNECT_MS - PREPARE_MS_MAX);
    assert_eq!(bench.words(), ["close 1", "release", "store 2 primary"]);
    assert_eq!(
        bench.aborted(),
        "the target cannot be reached: no connection in time"
    );
}

#[test]
fn time_that_is_over_aborts() {
    let mut bench = Bench::begin(&named(Some(500), false), &[replica(9, "b", 40)]);
    bench.prepare(1, 1);
    bench.drain(50);
    assert_eq!(bench.failover.next_deadline(), Some(MonoMs(500)));
    bench.pass(499);
    assert!(bench.words().is_empty());
    bench.pass(1);
    assert_eq!(bench.words(), ["close 1", "release", "store 2 primary"]);
    assert_eq!(
        bench.aborted(),
        "time is over; the target acknowledged sequence 40 of 50"
    );
    // Without TIMEOUT the setting bounds it.
    assert_eq!(
        Bench::synced().failover.next_deadline(),
        Some(MonoMs(60_000))
    );
}

#[test]
fn the_setting_may_be_for_ever() {
    let mut failover = Failover::new(run_id());
    let facts = Facts {
        replicas: vec![replica(9, "b", 40)],
        ..Facts::default()
    };
    let terms = Terms {
        starter: None,
        from: Address::new("a", 1),
    };
    let now = Turn::default();
    failover
        .begin(&named(None, false), &facts, 0, terms, &now)
        .unwrap();
    failover.stored(1, &now);
    let actions = failover.connected(1, &now);
    assert_eq!(actions, [Action::PauseWrites], "nobody to be answered");
    assert_eq!(failover.next_deadline(), None);
}

#[test]
fn by_force_it_goes_on_when_time_is_over() {
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.prepare(1, 1);
    bench.gone(9);
    assert!(bench.failover.is_active(), "the target may come back");
    assert_eq!(bench.words(), ["close 1", "connect 2 b:1"]);
    bench.connect(2);
    assert!(bench.words().is_empty(), "once is enough");
    bench.said = bench.failover.replica_is(replica(10, "b", 41), &bench.now);
    bench.pass(500);
    assert!(bench.words().is_empty(), "not drained");
    assert_eq!(bench.failover.next_deadline(), None, "and no busy loop");
    bench.drain(50);
    assert_eq!(bench.words(), ["ask", "stop", "offer 2 50 force"]);
    bench.answer(2, Answer::Taken(Seq::new(43)));
    assert_eq!(bench.failover.last().unwrap().given_up, 7);
}

#[test]
fn by_force_a_target_that_has_gone_is_offered_nothing_over_its_old_connection() {
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.prepare(1, 1);
    bench.drain(50);
    bench.gone(9);
    assert_eq!(bench.words(), ["close 1", "connect 2 b:1"]);
    bench.cut(2);
    bench.pass(500);
    let words = bench.words();
    assert!(words.contains(&"stop".to_owned()), "{words:?}");
    assert!(
        !words.iter().any(|word| word.starts_with("offer")),
        "{words:?}"
    );
    // Nothing has left, so nobody's word is needed.
    bench.abort(crate::failover::Ticket(4)).unwrap();
    assert_eq!(bench.aborted(), "aborted by command");
}

#[test]
fn by_force_a_target_that_holds_everything_is_offered_without() {
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.prepare(1, 1);
    bench.drain(50);
    bench.ack(9, 50);
    assert_eq!(bench.words(), ["stop", "offer 1 50"]);
}

#[test]
fn by_force_it_tries_to_connect_and_gives_up_in_the_end() {
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.store(1);
    bench.cut(1);
    assert!(bench.words().is_empty() && bench.failover.is_active());
    bench.pass(RETRY_MS_MIN);
    assert_eq!(bench.words(), ["connect 2 b:1"]);
    bench.pass(450);
    bench.drain(50);
    assert_eq!(bench.words(), ["ask", "stop"], "nothing has left");
    assert_eq!(
        (bench.failover.pending(), bench.state().as_str()),
        (None, "failover-in-progress")
    );
    bench.cut(2);
    bench.pass(10_000);
    assert_eq!(bench.words(), ["connect 3 b:1"]);
    bench.pass(50_000);
    assert_eq!(
        bench.words(),
        ["close 3", "resume", "release", "store 2 primary"]
    );
    assert_eq!(bench.aborted(), "the target could not be reached in time");
}

#[test]
fn by_force_the_offer_leaves_once_there_is_a_connection() {
    let mut bench = Bench::begin(&named(Some(500), true), &[replica(9, "b", 40)]);
    bench.store(1);
    bench.pass(500);
    bench.drain(50);
    assert_eq!(bench.words(), ["ask", "stop"]);
    bench.answer(1, Answer::Taken(Seq::new(1)));
    assert!(bench.words().is_empty(), "there was no question");
    bench.connect(1);
    assert_eq!(bench.words(), ["offer 1 50 force"]);
    bench.connect(1);
    assert!(bench.words().is_empty());
}

#[test]
fn without_a_name_the_first_that_holds_everything_is_the_target() {
    let mut bench = Bench::begin(
        &Options::default(),
        &[replica(9, "b", 40), replica(8, "c", 30)],
    );
    bench.prepare(1, 1);
    bench.drain(50);
    bench.ack(8, 50);
    assert_eq!(
        bench.words(),
        ["close 1", "store 2 pending c:1", "connect 2 c:1"]
    );
    bench.connect(1);
    bench.connect(2);
    assert!(bench.words().is_empty());
    bench.store(2);
    assert_eq!(bench.words(), ["stop", "offer 2 50"]);
}

#[test]
fn without_a_name_a_target_that_fails_is_replaced() {
    let replicas = [replica(9, "b", 40), replica(8, "c", 30)];
    for fail in 0..2 {
        let mut bench = Bench::begin(&Options::default(), &replicas);
        match fail {
            0 => bench.cut(1),
            _ => bench.gone(9),
        }
        let words = bench.words();
        assert!(
            words.ends_with(&["store 2 pending c:1".to_owned(), "connect 2 c:1".to_owned()]),
            "{words:?}"
        );
        bench.cut(2);
        assert_eq!(bench.aborted(), "the target cannot be reached: cut");
    }
    let mut bench = Bench::begin(&Options::default(), &replicas);
    bench.said = bench.failover.store_failed(1, "no space", &bench.now);
    assert_eq!(bench.aborted(), "its state could not be written: no space");
}
