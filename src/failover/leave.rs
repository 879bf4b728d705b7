//! Leaving gracefully: SHUTDOWN and SIGTERM on a primary with replicas, perhaps with a hand-over first.
//!
//! Pure, and asked rather than told: [`Leaving::step`] looks at what is and says what to do now; the server calls it whenever any of it
//! has changed and at [`Leaving::next_deadline`]. The process ends
//!
//! - at once with NOW, and on a replica;
//! - else when every replica holds the last update, writes being paused meanwhile (what is parked is dropped unanswered);
//! - after a hand-over, when those who were parked have been told where the primary is not (READONLY);
//! - at the end of `shutdown-timeout` in any case. That loses nothing: what was acknowledged is in the WAL, and an
//!   offer that may be open is in the state file.
//!
//! During a hand-over this does not pause writes itself: the failover does, later and for less long, and what was parked must be
//! answered when it has succeeded.

use crate::clock::MonoMs;
use crate::storage::seq::Seq;

/// Names of replicas that one log line holds.
const NAMED_MAX: usize = 16;

/// A replica of this node, as far as a shutdown is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its address, for the log.
    pub name: String,
    /// How far it is.
    pub progress: Progress,
}

/// How far a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It acknowledged everything up to here.
    Acked(Seq),
    /// It never acknowledges (an older Kvrocks); sent to it, and gone from the queue of its socket, is everything up to here.
    Sent(Seq),
}

impl Progress {
    fn seq(self) -> Seq {
        match self {
            Progress::Acked(seq) | Progress::Sent(seq) => seq,
        }
    }
}

/// What the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// It follows another node.
    pub is_replica: bool,
    /// A failover runs.
    pub in_failover: bool,
    /// Its replicas.
    pub replicas: &'a [Replica],
    /// The last update, once writes are paused and everything is committed.
    pub final_seq: Option<Seq>,
    /// Clients that are parked by a pause, or whose replies have not been sent.
    pub unanswered: usize,
}

/// What the server must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin a failover to the best replica, for at most so many milliseconds; when it cannot begin, report [`Leaving::cannot_hand_over`].
    HandOver {
        /// Its TIMEOUT.
        timeout_ms: u64,
    },
    /// Pause writes for [`crate::pause::Purpose::Shutdown`], without end.
    PauseWrites,
    /// Ask every replica for an acknowledgement at once.
    RequestAcks,
    /// End the process with 0.
    Exit,
    /// A line for the log.
    Log(log::Level, String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// A hand-over is wanted, and nothing has been done.
    ToHandOver,
    /// The hand-over runs.
    HandingOver,
    /// Writes are to be paused.
    ToPause,
    /// Writes are paused.
    Syncing,
    /// Every replica was asked to acknowledge this.
    Asked(Seq),
    /// Exit was said.
    Gone,
}

/// A shutdown under way.
#[derive(Clone, Debug)]
pub struct Leaving {
    deadline: MonoMs,
    stage: Stage,
}

impl Leaving {
    /// Begins at `now`, for at most `timeout_ms` (0: NOW, or `shutdown-timeout 0`). `hands_over`: by `failover` in `shutdown-on-sigterm`.
    pub fn begin(timeout_ms: u64, hands_over: bool, now: MonoMs) -> Leaving {
        let stage = if hands_over && timeout_ms > 0 {
            Stage::ToHandOver
        } else {
            Stage::ToPause
        };
        Leaving {
            deadline: MonoMs(now.0.saturating_add(timeout_ms)),
            stage,
        }
    }

    /// When the process ends at the latest.
    pub fn deadline(&self) -> MonoMs {
        self.deadline
    }

    /// When [`Leaving::step`] has something to do, whatever else happens.
    pub fn next_deadline(&self) -> Option<MonoMs> {
        (self.stage != Stage::Gone).then_some(self.deadline)
    }

    /// SHUTDOWN NOW, or a second signal: waits for nobody any longer.
    pub fn hurry(&mut self, now: MonoMs) {
        self.deadline = self.deadline.min(now);
    }

    /// SHUTDOWN ABORT: whether a hand-over was begun for this, which is to be aborted as well. The pause is the caller's to lift.
    pub fn abort(self) -> bool {
        self.stage == Stage::HandingOver
    }

    /// The hand-over cannot begin; why.
    pub fn cannot_hand_over(&mut self, why: &str) -> Vec<Action> {
        if self.stage != Stage::HandingOver {
            return Vec::new();
        }
        self.stage = Stage::ToPause;
        let line = format!("shutdown: no hand-over, {why}");
        vec![Action::Log(log::Level::Warn, line)]
    }

    /// What to do now.
    pub fn step(&mut self, facts: &Facts<'_>, now: MonoMs) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(more) = self.advance(facts, now) {
            // What was looked at is no longer so.
            let is_stale = more
                .iter()
                .any(|action| matches!(action, Action::HandOver { .. } | Action::PauseWrites));
            actions.extend(more);
            if is_stale {
                break;
            }
        }
        actions
    }

    /// One transition; `None` when there is nothing to do until something changes.
    fn advance(&mut self, facts: &Facts<'_>, now: MonoMs) -> Option<Vec<Action>> {
        if self.stage == Stage::Gone {
            return None;
        }
        if self.deadline <= now {
            let mut actions = self.pause_if_due();
            actions.extend(self.exit(unfinished(facts)));
            return Some(actions);
        }
        match self.stage {
            // One that was begun by command is waited for; its outcome may be all that is wanted.
            _ if facts.in_failover => None,
            _ if facts.is_replica => {
                let is_done = self.stage != Stage::HandingOver || facts.unanswered == 0;
                is_done.then(|| self.exit(None))
            }
            Stage::ToHandOver if facts.replicas.is_empty() => {
                self.stage = Stage::ToPause;
                Some(Vec::new())
            }
            Stage::ToHandOver => {
                self.stage = Stage::HandingOver;
                let timeout_ms = self.deadline.since(now);
                Some(vec![Action::HandOver { timeout_ms }])
            }
            Stage::HandingOver => {
                self.stage = Stage::ToPause;
                let line =
                    "shutdown: the hand-over failed, this node is still the primary".to_owned();
                Some(vec![Action::Log(log::Level::Warn, line)])
            }
            Stage::ToPause => Some(self.pause_if_due()),
            Stage::Syncing | Stage::Asked(_) => {
                let final_seq = facts.final_seq?;
                if lagging(facts, final_seq).next().is_none() {
                    return Some(self.exit(None));
                }
                if self.stage == Stage::Asked(final_seq) {
                    return None;
                }
                self.stage = Stage::Asked(final_seq);
                Some(vec![Action::RequestAcks])
            }
            Stage::Gone => None,
        }
    }

    fn pause_if_due(&mut self) -> Vec<Action> {
        if self.stage != Stage::ToPause {
            return Vec::new();
        }
        self.stage = Stage::Syncing;
        vec![Action::PauseWrites]
    }

    fn exit(&mut self, complaint: Option<String>) -> Vec<Action> {
        self.stage = Stage::Gone;
        let line = complaint.map(|line| Action::Log(log::Level::Warn, line));
        line.into_iter().chain([Action::Exit]).collect()
    }
}

fn lagging<'a>(facts: &Facts<'a>, final_seq: Seq) -> impl Iterator<Item = &'a Replica> {
    let lags = move |replica: &&Replica| replica.progress.seq() < final_seq;
    facts.replicas.iter().filter(lags)
}

/// What is left undone when the time is over, as a line for the log.
fn unfinished(facts: &Facts<'_>) -> Option<String> {
    if facts.in_failover {
        return Some("shutdown: leaving in the middle of a failover".to_owned());
    }
    if facts.is_replica || facts.replicas.is_empty() {
        return None;
    }
    let Some(final_seq) = facts.final_seq else {
        return Some("shutdown: leaving without having waited for the replicas".to_owned());
    };
    let lagging: Vec<&Replica> = lagging(facts, final_seq).collect();
    if lagging.is_empty() {
        return None;
    }
    let name = |replica: &&Replica| format!("{} at {}", replica.name, replica.progress.seq());
    let mut names: Vec<String> = lagging.iter().take(NAMED_MAX).map(name).collect();
    if lagging.len() > NAMED_MAX {
        names.push(format!("{} more", lagging.len() - NAMED_MAX));
    }
    Some(format!(
        "shutdown: {} of {} replicas lack updates up to sequence {final_seq}: {}",
        lagging.len(),
        facts.replicas.len(),
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(name: &str, progress: Progress) -> Replica {
        Replica {
            name: name.to_owned(),
            progress,
        }
    }

    fn acked(name: &str, seq: u64) -> Replica {
        replica(name, Progress::Acked(Seq::new(seq)))
    }

    fn facts(replicas: &[Replica], final_seq: Option<u64>) -> Facts<'_> {
        Facts {
            is_replica: false,
            in_failover: false,
            replicas,
            final_seq: final_seq.map(Seq::new),
            unanswered: 0,
        }
    }

    fn said(actions: &[Action]) -> Vec<&str> {
        let word = |action: &Action| match action {
            Action::HandOver { .. } => "hand over",
            Action::PauseWrites => "pause",
            Action::RequestAcks => "ask",
            Action::Exit => "exit",
            Action::Log(..) => "log",
        };
        actions.iter().map(word).collect()
    }

    #[test]
    fn without_replicas_it_leaves_once_all_is_committed() {
        let mut leaving = Leaving::begin(10_000, false, MonoMs(5));
        assert_eq!(
            (leaving.deadline(), leaving.next_deadline()),
            (MonoMs(10_005), Some(MonoMs(10_005)))
        );
        assert_eq!(said(&leaving.step(&facts(&[], None), MonoMs(5))), ["pause"]);
        assert_eq!(
            said(&leaving.step(&facts(&[], Some(9)), MonoMs(6))),
            ["exit"]
        );
        assert_eq!(leaving.next_deadline(), None);
        assert_eq!(leaving.step(&facts(&[], Some(9)), MonoMs(99_999)), []);
    }

    #[test]
    fn it_waits_for_every_replica() {
        let mut leaving = Leaving::begin(10_000, false, MonoMs(0));
        let kvrocks = |seq| replica("k", Progress::Sent(Seq::new(seq)));
        assert_eq!(
            said(&leaving.step(&facts(&[acked("a", 8)], None), MonoMs(0))),
            ["pause"]
        );
        let behind = [acked("a", 8), kvrocks(7)];
        assert_eq!(
            said(&leaving.step(&facts(&behind, Some(9)), MonoMs(1))),
            ["ask"]
        );
        assert_eq!(leaving.step(&facts(&behind, Some(9)), MonoMs(2)), []);
        assert_eq!(
            leaving.step(&facts(&[acked("a", 9), kvrocks(7)], Some(9)), MonoMs(3)),
            []
        );
        assert_eq!(
            said(&leaving.step(&facts(&[acked("a", 9), kvrocks(9)], Some(9)), MonoMs(4))),
            ["exit"]
        );
    }

    #[test]
    fn those_who_never_catch_up_are_named() {
        let mut leaving = Leaving::begin(100, false, MonoMs(0));
        let replicas = [acked("a:1", 8), acked("b:2", 9)];
        leaving.step(&facts(&replicas, None), MonoMs(0));
        assert_eq!(
            said(&leaving.step(&facts(&replicas, Some(9)), MonoMs(0))),
            ["ask"]
        );
        let actions = leaving.step(&facts(&replicas, Some(9)), MonoMs(100));
        let line = "shutdown: 1 of 2 replicas lack updates up to sequence 9: a:1 at 8";
        assert_eq!(
            actions,
            [Action::Log(log::Level::Warn, line.to_owned()), Action::Exit]
        );
        let many: Vec<Replica> = (0..20)
            .map(|number| acked(&format!("r{number}"), 1))
            .collect();
        let line = unfinished(&facts(&many, Some(9))).unwrap();
        assert!(line.ends_with("r15 at 1, 4 more"), "{line}");
        assert_eq!(unfinished(&facts(&[acked("a", 9)], Some(9))), None);
        assert_eq!(unfinished(&facts(&[], None)), None);
    }

    #[test]
    fn now_waits_for_nobody() {
        let replicas = [acked("a", 1)];
        let mut leaving = Leaving::begin(0, true, MonoMs(7));
        assert_eq!(
            said(&leaving.step(&facts(&replicas, None), MonoMs(7))),
            ["pause", "log", "exit"]
        );
        // It also ends the waiting of one that is under way.
        let mut leaving = Leaving::begin(1000, false, MonoMs(7));
        leaving.step(&facts(&replicas, Some(9)), MonoMs(7));
        leaving.hurry(MonoMs(8));
        assert_eq!(
            said(&leaving.step(&facts(&replicas, Some(9)), MonoMs(8))),
            ["log", "exit"]
        );
    }

    #[test]
    fn a_replica_leaves_at_once() {
        let mut leaving = Leaving::begin(1000, true, MonoMs(0));
        let mut facts = facts(&[], None);
        facts.is_replica = true;
        facts.unanswered = 4;
        assert_eq!(said(&leaving.step(&facts, MonoMs(0))), ["exit"]);
    }

    #[test]
    fn a_hand_over_comes_first_and_the_parked_are_answered() {
        let replicas = [acked("a", 1)];
        let mut leaving = Leaving::begin(1000, true, MonoMs(0));
        let mut now = facts(&replicas, None);
        assert_eq!(
            leaving.step(&now, MonoMs(10)),
            [Action::HandOver { timeout_ms: 990 }]
        );
        now.in_failover = true;
        assert_eq!(leaving.step(&now, MonoMs(11)), []);
        (now.in_failover, now.is_replica, now.unanswered) = (false, true, 2);
        assert_eq!(leaving.step(&now, MonoMs(12)), []);
        now.unanswered = 0;
        assert_eq!(said(&leaving.step(&now, MonoMs(13))), ["exit"]);
    }

    #[test]
    fn without_a_hand_over_it_leaves_as_ever() {
        let replicas = [acked("a", 1)];
        let now = facts(&replicas, None);
        // It fails.
        let mut leaving = Leaving::begin(1000, true, MonoMs(0));
        leaving.step(&now, MonoMs(0));
        assert_eq!(said(&leaving.step(&now, MonoMs(5))), ["log", "pause"]);
        // It cannot begin.
        let mut leaving = Leaving::begin(1000, true, MonoMs(0));
        assert_eq!(leaving.cannot_hand_over("too early"), []);
        leaving.step(&now, MonoMs(0));
        assert_eq!(
            said(&leaving.cannot_hand_over("a Sentinel watches")),
            ["log"]
        );
        assert_eq!(said(&leaving.step(&now, MonoMs(0))), ["pause"]);
        // There is nobody to hand over to.
        let mut leaving = Leaving::begin(1000, true, MonoMs(0));
        assert_eq!(said(&leaving.step(&facts(&[], None), MonoMs(0))), ["pause"]);
        assert_eq!(
            said(&leaving.step(&facts(&[], Some(3)), MonoMs(0))),
            ["exit"]
        );
    }

    #[test]
    fn a_failover_under_way_is_waited_for() {
        let replicas = [acked("a", 1)];
        let mut leaving = Leaving::begin(1000, false, MonoMs(0));
        let mut now = facts(&replicas, None);
        now.in_failover = true;
        assert_eq!(leaving.step(&now, MonoMs(1)), []);
        let actions = leaving.clone().step(&now, MonoMs(1000));
        assert_eq!(said(&actions), ["pause", "log", "exit"]);
        now.in_failover = false;
        assert_eq!(said(&leaving.step(&now, MonoMs(2))), ["pause"]);
    }

    #[test]
    fn an_abort_concerns_the_hand_over_that_it_began() {
        let replicas = [acked("a", 1)];
        let mut leaving = Leaving::begin(1000, true, MonoMs(0));
        assert!(!leaving.clone().abort());
        leaving.step(&facts(&replicas, None), MonoMs(0));
        assert!(leaving.abort());
        assert!(!Leaving::begin(1000, false, MonoMs(0)).abort());
    }
}
