//! The target: what it takes, what it refuses, and that it never says two things about one token.

use super::fates::{Fate, Fates};
use super::wire::{Address, Answer, Offer, RunId, Token};
use super::*;

const OLD: Asker = Asker(1);
const NEW: Asker = Asker(2);

fn run_id(run: u8) -> RunId {
    RunId::parse(format!("{run:040x}").as_bytes()).unwrap()
}

fn token(count: u64) -> Token {
    Token {
        run_id: run_id(1),
        count,
    }
}

fn offer(count: u64, seq: u64, force: bool) -> Offer {
    Offer {
        token: token(count),
        replication_id: "AAAA".to_owned(),
        seq: Seq::new(seq),
        force,
        from: Address::new("old", 6379),
    }
}

fn following(seq: u64) -> Following {
    Following {
        run_id: Some(run_id(1)),
        replication_id: "AAAA".to_owned(),
        seq: Seq::new(seq),
        unable: None,
    }
}

fn replica(seq: u64) -> Standing {
    Standing::Replica(following(seq))
}

/// What is done, the log left out.
fn done(actions: Vec<Action>) -> Vec<Action> {
    let is_done = |action: &Action| !matches!(action, Action::Log(..));
    actions.into_iter().filter(is_done).collect()
}

fn told(asker: Asker, answer: Answer) -> Action {
    Action::Answer { asker, answer }
}

fn refused(why: &str) -> Answer {
    Answer::Refused(why.to_owned())
}

fn stores(actions: &[Action]) -> Vec<(u64, bool)> {
    let store = |action: &Action| match action {
        Action::Store {
            attempt, promote, ..
        } => Some((*attempt, *promote)),
        _ => None,
    };
    actions.iter().filter_map(store).collect()
}

#[test]
fn an_offer_is_taken_after_it_is_on_disk() {
    let mut target = Takeover::default();
    let actions = target.offer(OLD, offer(1, 50, false), &replica(50));
    assert_eq!(actions.len(), 2, "a line and the write: {actions:?}");
    assert_eq!(stores(&actions), [(1, true)]);
    assert_eq!(target.state(&token(1)), Answer::Deciding);
    assert!(target.forbids_role_change().is_some());
    assert_eq!(target.fates(), &Fates::default());
    let actions = target.stored(1);
    assert_eq!(
        actions,
        [Action::Promote {
            offer: offer(1, 50, false)
        }]
    );
    assert!(target.forbids_role_change().is_some());
    assert_eq!(
        target.promoted(Seq::new(50)),
        [told(OLD, Answer::Taken(Seq::new(50)))]
    );
    assert!(target.forbids_role_change().is_none());
    assert_eq!(target.state(&token(1)), Answer::Taken(Seq::new(50)));
    // Asked again, by whatever words, it says the same.
    let again = target.offer(NEW, offer(1, 50, false), &Standing::Primary);
    assert_eq!(again, [told(NEW, Answer::Taken(Seq::new(50)))]);
    assert_eq!(
        target.cancel(NEW, token(1)),
        [told(NEW, Answer::Taken(Seq::new(50)))]
    );
}

#[test]
fn what_is_refused() {
    let with = |change: fn(&mut Following)| {
        let mut following = following(50);
        change(&mut following);
        Standing::Replica(following)
    };
    let table = [
        (Standing::Primary, false, "this node is a primary"),
        (
            with(|node| node.run_id = Some(run_id(2))),
            false,
            "this node follows another primary",
        ),
        (
            with(|node| node.replication_id = "B".to_owned()),
            false,
            "this node follows history B, not AAAA",
        ),
        (
            with(|node| node.replication_id = "B".to_owned()),
            true,
            "this node follows history B, not AAAA",
        ),
        (
            with(|node| node.unable = Some("it copies".to_owned())),
            true,
            "it copies",
        ),
        (
            replica(49),
            false,
            "this node stands at sequence 49, not 50",
        ),
        (
            replica(51),
            false,
            "this node stands at sequence 51, not 50",
        ),
        (replica(51), true, "this node stands at sequence 51, not 50"),
    ];
    for (standing, force, why) in table {
        let mut target = Takeover::default();
        let actions = target.offer(OLD, offer(1, 50, force), &standing);
        assert_eq!(stores(&actions), [(1, false)], "{why}");
        assert!(target.forbids_role_change().is_none());
        assert_eq!(target.stored(1), [told(OLD, refused(why))]);
        assert_eq!(target.state(&token(1)), Answer::Cancelled);
        // Fit or not, the token is over.
        let again = target.offer(OLD, offer(1, 50, force), &replica(50));
        assert_eq!(again, [told(OLD, refused("the token is cancelled"))]);
    }
}

#[test]
fn force_takes_what_is_there() {
    let mut target = Takeover::default();
    target.offer(OLD, offer(1, 50, true), &replica(30));
    target.stored(1);
    // One more batch was in the view when it was promoted.
    assert_eq!(
        target.promoted(Seq::new(33)),
        [told(OLD, Answer::Taken(Seq::new(33)))]
    );
    assert_eq!(
        target.fates().of(&token(1)),
        Some(Fate::Taken(Seq::new(33)))
    );
}

#[test]
fn an_offer_of_a_primary_that_this_node_has_not_heard_of_is_refused() {
    let mut following = following(50);
    following.run_id = None;
    let mut target = Takeover::default();
    let actions = target.offer(OLD, offer(1, 50, false), &Standing::Replica(following));
    assert_eq!(stores(&actions), [(1, false)]);
}

#[test]
fn a_cancelled_token_is_refused_also_after_a_restart() {
    let mut target = Takeover::default();
    assert_eq!(target.state(&token(1)), Answer::Unseen);
    let actions = target.cancel(NEW, token(1));
    assert_eq!(stores(&actions), [(1, false)]);
    assert_eq!(target.state(&token(1)), Answer::Deciding);
    // The offer was late.
    assert_eq!(target.offer(OLD, offer(1, 50, false), &replica(50)), []);
    let cancelled = target.stored(1);
    assert_eq!(
        cancelled,
        [
            told(NEW, Answer::Cancelled),
            told(OLD, refused("the token is cancelled"))
        ]
    );
    let mut target = Takeover::restore(target.fates().clone());
    assert_eq!(target.cancel(NEW, token(1)), [told(NEW, Answer::Cancelled)]);
    let late = target.offer(OLD, offer(1, 50, false), &replica(50));
    assert_eq!(late, [told(OLD, refused("the token is cancelled"))]);
}

#[test]
fn a_cancel_while_it_is_taken_comes_too_late() {
    let mut target = Takeover::default();
    target.offer(OLD, offer(1, 50, false), &replica(50));
    assert_eq!(target.cancel(NEW, token(1)), []);
    target.stored(1);
    assert_eq!(
        target.cancel(Asker(3), token(1)),
        [told(Asker(3), Answer::Taken(Seq::new(50)))]
    );
    let taken = Answer::Taken(Seq::new(50));
    assert_eq!(
        target.promoted(Seq::new(50)),
        [told(OLD, taken.clone()), told(NEW, taken)]
    );
}

#[test]
fn one_decision_at_a_time() {
    let mut target = Takeover::default();
    target.offer(OLD, offer(1, 50, false), &replica(50));
    let busy = Answer::TryAgain("another takeover is being decided".to_owned());
    assert_eq!(target.cancel(NEW, token(2)), [told(NEW, busy.clone())]);
    assert_eq!(
        target.offer(NEW, offer(2, 50, false), &replica(50)),
        [told(NEW, busy)]
    );
    assert_eq!(target.state(&token(2)), Answer::Unseen);
}

#[test]
fn those_who_wait_are_bounded() {
    let mut target = Takeover::default();
    target.cancel(OLD, token(1));
    for asker in 1..ASKERS_MAX as u64 {
        assert_eq!(target.cancel(Asker(100 + asker), token(1)), []);
    }
    let full = Answer::TryAgain("too many wait for this decision".to_owned());
    assert_eq!(target.cancel(NEW, token(1)), [told(NEW, full)]);
    assert_eq!(target.stored(1).len(), ASKERS_MAX);
}

#[test]
fn a_disk_error_decides_nothing_until_the_disk_says_cancelled() {
    let mut target = Takeover::default();
    target.offer(OLD, offer(1, 50, false), &replica(50));
    let actions = done(target.store_failed(1, "no space", MonoMs(1000)));
    let undecided = Answer::TryAgain("nothing is decided: no space".to_owned());
    assert_eq!(actions[0], told(OLD, undecided.clone()));
    assert_eq!(stores(&actions), [(2, false)]);
    assert_eq!(target.next_deadline(), None);
    // He asks on a new connection while the second write runs, which fails as well.
    assert_eq!(target.cancel(NEW, token(1)), []);
    let actions = done(target.store_failed(2, "no space", MonoMs(1000)));
    assert_eq!(actions, [told(NEW, undecided)]);
    assert!(target.forbids_role_change().is_none());
    assert_eq!(target.next_deadline(), Some(MonoMs(1000 + STORE_RETRY_MS)));
    let cannot = Answer::TryAgain("the state cannot be written".to_owned());
    assert_eq!(target.cancel(NEW, token(1)), [told(NEW, cannot)]);
    assert_eq!(target.tick(MonoMs(1001)), []);
    let actions = target.tick(MonoMs(1000 + STORE_RETRY_MS));
    assert_eq!(stores(&actions), [(3, false)]);
    assert_eq!(target.cancel(NEW, token(1)), []);
    assert_eq!(target.stored(3), [told(NEW, Answer::Cancelled)]);
    assert_eq!(target.next_deadline(), None);
}

#[test]
fn a_cancel_that_cannot_be_written_may_be_asked_again() {
    let mut target = Takeover::default();
    target.cancel(OLD, token(1));
    let actions = done(target.store_failed(1, "no space", MonoMs(0)));
    assert_eq!(
        actions,
        [told(
            OLD,
            Answer::TryAgain("nothing is decided: no space".to_owned())
        )]
    );
    assert_eq!(target.next_deadline(), None);
    assert_eq!(target.state(&token(1)), Answer::Unseen);
    assert_eq!(stores(&target.cancel(OLD, token(1))), [(2, false)]);
}

#[test]
fn outcomes_of_nothing_are_ignored() {
    let mut target = Takeover::default();
    assert_eq!(target.stored(1), []);
    assert_eq!(target.store_failed(1, "x", MonoMs(0)), []);
    assert_eq!(target.promoted(Seq::new(1)), []);
    assert_eq!(target.tick(MonoMs(9)), []);
    target.offer(OLD, offer(1, 50, false), &replica(50));
    assert_eq!(target.stored(7), []);
    assert_eq!(target.store_failed(7, "x", MonoMs(0)), []);
    assert_eq!(target.promoted(Seq::new(1)), []);
    assert_eq!(target.state(&token(1)), Answer::Deciding);
}
