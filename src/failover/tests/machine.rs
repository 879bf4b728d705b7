//! Each transition of the old primary by itself.

use crate::clock::{MonoMs, Turn};
use crate::error::ReplyError;
use crate::failover::machine::action::LinkId;
use crate::failover::machine::{
    ABORT_MS, ABORTS_MAX, ANSWER_MS, CONNECT_MS, PREPARE_MS_MAX, RETRY_MS_MAX, RETRY_MS_MIN, Terms,
};
use crate::failover::report::Outcome;
use crate::failover::request::{self, Facts, Options, Replica};
use crate::failover::{Action, Durable, Failover, PendingOffer, Ticket, Word};
use crate::replication::takeover::wire::{Address, Answer, Request, RunId, Token};
use crate::storage::seq::Seq;

const STARTER: Ticket = Ticket(1);
const OTHER: Ticket = Ticket(2);

fn run_id() -> RunId {
    RunId::parse(format!("{:040x}", 7).as_bytes()).unwrap()
}

fn token(count: u64) -> Token {
    Token {
        run_id: run_id(),
        count,
    }
}

fn target() -> Address {
    Address::new("b", 1)
}

fn replica(id: u64, host: &str, acked: u64) -> Replica {
    Replica {
        id,
        address: Address::new(host, 1),
        is_online: true,
        acked_seq: Seq::new(acked),
    }
}

fn named(timeout_ms: Option<u64>, force: bool) -> Options {
    Options {
        to: Some((b"b".to_vec(), 1)),
        force,
        timeout_ms,
    }
}

/// A failover on a clock of its own, with what it said last.
struct Bench {
    failover: Failover,
    now: Turn,
    said: Vec<Action>,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            failover: Failover::new(run_id()),
            now: Turn::default(),
            said: Vec::new(),
        }
    }

    fn begin(options: &Options, replicas: &[Replica]) -> Bench {
        let mut bench = Bench::new();
        bench.start(options, replicas).unwrap();
        bench
    }

    fn start(&mut self, options: &Options, replicas: &[Replica]) -> Result<(), ReplyError> {
        let facts = Facts {
            replicas: replicas.to_vec(),
            ..Facts::default()
        };
        let terms = Terms {
            starter: Some(STARTER),
            from: Address::new("a", 1),
        };
        self.said = self
            .failover
            .begin(options, &facts, 60_000, terms, &self.now)?;
        Ok(())
    }

    /// Paused and drained at 50; the target is at 40.
    fn synced() -> Bench {
        let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
        bench.prepare(1, 1);
        bench.drain(50);
        bench
    }

    /// The offer has left.
    fn offered() -> Bench {
        let mut bench = Bench::synced();
        bench.ack(9, 50);
        bench
    }

    /// Nobody knows, and the question has been asked over link 2.
    fn unknown() -> Bench {
        let mut bench = Bench::offered();
        bench.cut(1);
        bench.connect(2);
        bench
    }

    fn prepare(&mut self, attempt: u64, link: LinkId) {
        self.store(attempt);
        self.connect(link);
    }

    fn store(&mut self, attempt: u64) {
        self.said = self.failover.stored(attempt, &self.now);
    }

    fn connect(&mut self, link: LinkId) {
        self.said = self.failover.connected(link, &self.now);
    }

    fn cut(&mut self, link: LinkId) {
        self.said = self.failover.disconnected(link, "cut", &self.now);
    }

    fn drain(&mut self, seq: u64) {
        self.said = self.failover.drained(Seq::new(seq), "AAAA", &self.now);
    }

    fn ack(&mut self, replica: u64, seq: u64) {
        self.said = self.failover.acked(replica, Seq::new(seq), &self.now);
    }

    fn gone(&mut self, replica: u64) {
        self.said = self.failover.replica_gone(replica, &self.now);
    }

    fn answer(&mut self, link: LinkId, answer: Answer) {
        self.said = self.failover.answered(link, answer, &self.now);
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono_us += ms * 1000;
        self.said = self.failover.tick(&self.now);
    }

    fn abort(&mut self, ticket: Ticket) -> Result<(), ReplyError> {
        self.said = self.failover.abort(ticket, &self.now)?;
        Ok(())
    }

    /// What was said, a word each, without the log.
    fn words(&self) -> Vec<String> {
        self.said.iter().filter_map(word).collect()
    }

    fn state(&self) -> String {
        self.failover.fields().remove(0).1
    }

    fn outcome(&self) -> &Outcome {
        &self.failover.last().expect("one has ended").outcome
    }

    fn aborted(&self) -> &str {
        match self.outcome() {
            Outcome::Aborted(why) => why,
            other => panic!("{other:?}"),
        }
    }
}

fn word(action: &Action) -> Option<String> {
    Some(match action {
        Action::PauseWrites => "pause".to_owned(),
        Action::ReleasePause => "release".to_owned(),
        Action::RequestAcks => "ask".to_owned(),
        Action::Store { attempt, durable } => {
            let what = match durable {
                Durable::Pending(pending) => format!("pending {}", pending.target),
                Durable::Primary => "primary".to_owned(),
                Durable::ReplicaOf(address) => format!("replica of {address}"),
            };
            format!("store {attempt} {what}")
        }
        Action::Connect { link, target } => format!("connect {link} {target}"),
        Action::Send { link, request } => match request {
            Request::Offer(offer) => format!(
                "offer {link} {}{}",
                offer.seq,
                if offer.force { " force" } else { "" }
            ),
            Request::Cancel(_) => format!("cancel {link}"),
            Request::State(_) => format!("state {link}"),
        },
        Action::Close { link } => format!("close {link}"),
        Action::StopBeingPrimary { .. } => "stop".to_owned(),
        Action::ResumePrimary { new_history } => {
            format!("resume{}", if *new_history { " anew" } else { "" })
        }
        Action::Follow { target } => format!("follow {target}"),
        Action::Answer { ticket, reply } => match reply {
            Ok(()) => format!("{} OK", ticket.0),
            Err(error) => format!("{} {}", ticket.0, String::from_utf8_lossy(error.text())),
        },
        Action::Log(..) => return None,
    })
}

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
    assert_eq!(
        bench.words(),
        ["close 1", "follow b:1", "store 2 replica of b:1", "release"]
    );
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
    bench.said = bench.failover.replica_is(replica(10, "b", 41), &bench.now);
    bench.pass(500);
    assert!(bench.words().is_empty(), "not drained");
    assert_eq!(bench.failover.next_deadline(), None, "and no busy loop");
    bench.drain(50);
    assert_eq!(bench.words(), ["ask", "stop", "offer 1 50 force"]);
    bench.answer(1, Answer::Taken(Seq::new(43)));
    assert_eq!(bench.failover.last().unwrap().given_up, 7);
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
    assert_eq!(
        bench.words(),
        ["close 4", "follow b:1", "store 2 replica of b:1", "release"]
    );
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
