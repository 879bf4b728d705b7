//! The old primary's state machine. [`super`] draws it and says why it is safe.

pub mod action;
mod ending;
mod handing;
mod switch;
mod syncing;

pub use handing::Successor;
pub use syncing::Terms;

use crate::clock::{MonoMs, Turn};
use crate::error::ReplyError;
use crate::replication::takeover::wire::{Address, Answer, RunId};
use crate::storage::seq::Seq;

use super::report::{Fields, Outcome, Report, one_line};
use super::request::{self, Facts, Options, Replica};
use action::{Action, Durable, LinkId, PendingOffer, Ticket, Word};
use handing::{Handing, Stage};
use switch::{Link, Names, Switch, pending_of};
use syncing::Syncing;

/// Milliseconds that are spent on preparing while writes still run; then they are paused, prepared or not.
pub const PREPARE_MS_MAX: u64 = 100;
/// Milliseconds until a connection that is being opened is given up.
pub const CONNECT_MS: u64 = 1000;
/// Milliseconds until a target that does not answer is asked on a new connection.
pub const ANSWER_MS: u64 = 1000;
/// Milliseconds that `FAILOVER ABORT` waits for the target's word before it says that there is none.
pub const ABORT_MS: u64 = 1000;
/// Milliseconds until the second try to connect; each further one takes twice the time, up to [`RETRY_MS_MAX`].
pub const RETRY_MS_MIN: u64 = 50;
/// Milliseconds between two tries at most.
pub const RETRY_MS_MAX: u64 = 2000;
/// Clients that wait for the outcome of their `FAILOVER ABORT`; more are told at once that it is not known.
pub const ABORTS_MAX: usize = 16;

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    Syncing(Syncing),
    Handing(Handing),
    /// The operator has spoken; it is being written.
    Forcing {
        handing: Handing,
        attempt: u64,
        ticket: Ticket,
    },
}

/// A failover, running or not, of this node as the old primary.
#[derive(Debug)]
pub struct Failover {
    names: Names,
    phase: Phase,
    last: Option<Report>,
}

impl Failover {
    /// None runs. `run_id` is this process's own.
    pub fn new(run_id: RunId) -> Failover {
        Failover {
            names: Names {
                run_id,
                tokens: 0,
                attempts: 0,
                links: 0,
            },
            phase: Phase::Idle,
            last: None,
        }
    }

    /// After a start that finds an open offer in the state file: accepts no write until the target has said what became of it.
    pub fn restart(run_id: RunId, pending: PendingOffer, now: &Turn) -> (Failover, Vec<Action>) {
        let mut failover = Failover::new(run_id);
        let mut actions = vec![Action::PauseWrites, Action::StopBeingPrimary { seq: None }];
        let line = format!(
            "this node may have handed over to {} before it was restarted: it accepts no writes until that node says \
             whether it has taken over; REPLICAOF NO ONE makes this node the primary",
            pending.target
        );
        actions.push(Action::Log(log::Level::Warn, line));
        let switch = Switch {
            token: pending.token,
            target: pending.target,
            paused_us: None,
            final_seq: None,
            link: Link::Closed {
                retry_at: now.now(),
                tries: 0,
            },
        };
        let mut handing = Handing::new(switch, Stage::Unknown { answer_by: None }, 0, now.now());
        handing.why = "this node was restarted".to_owned();
        actions.push(failover.names.connect(&mut handing.switch, now.now()));
        failover.phase = Phase::Handing(handing);
        (failover, actions)
    }

    // ---- what it says ----

    /// Whether one runs: REPLICAOF asks [`Failover::replicaof`] then, and a shutdown waits.
    pub fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// Whether the role is neither primary nor replica: writes are parked, and none may run whatever the pause says.
    pub fn is_handing_over(&self) -> bool {
        matches!(self.phase, Phase::Handing(_) | Phase::Forcing { .. })
    }

    /// The node that may be taking over: what this one says that it follows until that is known, as Redis does.
    pub fn successor(&self) -> Option<Successor<'_>> {
        match &self.phase {
            Phase::Idle | Phase::Syncing(_) => None,
            Phase::Handing(handing) | Phase::Forcing { handing, .. } => Some(handing.successor()),
        }
    }

    /// Whether writes are parked because of it.
    pub fn has_paused(&self) -> bool {
        match &self.phase {
            Phase::Idle => false,
            Phase::Syncing(syncing) => syncing.switch.paused_us.is_some(),
            Phase::Handing(_) | Phase::Forcing { .. } => true,
        }
    }

    /// The offer that may be open: what the state file must hold when the process ends in order.
    pub fn pending(&self) -> Option<PendingOffer> {
        let handing = match &self.phase {
            Phase::Idle | Phase::Syncing(_) => return None,
            Phase::Handing(handing) | Phase::Forcing { handing, .. } => handing,
        };
        let has_left = !matches!(handing.stage, Stage::Unsent { .. });
        has_left.then(|| pending_of(&handing.switch))
    }

    /// The last one that ended.
    pub fn last(&self) -> Option<&Report> {
        self.last.as_ref()
    }

    /// Fields of `INFO replication`.
    pub fn fields(&self) -> Fields {
        let (state, target, waits_for) = match &self.phase {
            Phase::Idle => ("no-failover", None, None),
            Phase::Syncing(syncing) => (
                "waiting-for-sync",
                Some(&syncing.switch),
                Some(syncing.waits_for()),
            ),
            Phase::Handing(handing) => (
                "failover-in-progress",
                Some(&handing.switch),
                Some(handing.waits_for()),
            ),
            Phase::Forcing { handing, .. } => (
                "failover-in-progress",
                Some(&handing.switch),
                Some("the disk, for the operator's REPLICAOF NO ONE".to_owned()),
            ),
        };
        let mut fields = vec![("master_failover_state", state.to_owned())];
        fields
            .extend(target.map(|switch| ("failover_target", one_line(&switch.target.to_string()))));
        fields.extend(waits_for.map(|what| ("failover_waits_for", one_line(&what))));
        fields.extend(self.last.iter().flat_map(Report::fields));
        fields
    }

    /// When [`Failover::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<MonoMs> {
        match &self.phase {
            Phase::Idle | Phase::Forcing { .. } => None,
            Phase::Syncing(syncing) => syncing.next_deadline(),
            Phase::Handing(handing) => handing.next_deadline(),
        }
    }

    // ---- commands ----

    /// `FAILOVER`, or a hand-over before the process leaves. `starter` is answered by an action: `+OK` when writes are paused, which is
    /// at most [`PREPARE_MS_MAX`] later, or an error if it ends before that.
    ///
    /// `default_timeout_ms` (`failover-timeout`) bounds it where the options do not; 0 for no bound.
    pub fn begin(
        &mut self,
        options: &Options,
        facts: &Facts,
        default_timeout_ms: u64,
        terms: Terms,
        now: &Turn,
    ) -> Result<Vec<Action>, ReplyError> {
        if self.is_active() {
            return Err(request::IN_PROGRESS);
        }
        let target = request::choose(options, facts)?;
        let (mut syncing, mut actions) = Syncing::begin(
            options,
            facts,
            target,
            default_timeout_ms,
            terms,
            &mut self.names,
            now.now(),
        );
        actions.push(self.names.connect(&mut syncing.switch, now.now()));
        self.phase = Phase::Syncing(syncing);
        Ok(actions)
    }

    /// `FAILOVER ABORT`; answered by an action.
    pub fn abort(&mut self, ticket: Ticket, now: &Turn) -> Result<Vec<Action>, ReplyError> {
        let answered = Action::Answer {
            ticket,
            reply: Ok(()),
        };
        match &mut self.phase {
            Phase::Idle => Err(request::NOT_IN_PROGRESS),
            Phase::Syncing(syncing) => {
                let started = syncing.starter.take().map(|ticket| Action::Answer {
                    ticket,
                    reply: Ok(()),
                });
                let mut actions: Vec<Action> = started.into_iter().collect();
                actions.extend(self.stay("aborted by command", now));
                actions.push(answered);
                Ok(actions)
            }
            Phase::Handing(handing) if matches!(handing.stage, Stage::Unsent { .. }) => {
                let mut actions = self.stay("aborted by command", now);
                actions.push(answered);
                Ok(actions)
            }
            Phase::Handing(handing) if handing.aborts.len() < ABORTS_MAX => {
                let until = MonoMs(now.now().0.saturating_add(ABORT_MS));
                handing.aborts.push((ticket, until));
                Ok(handing.hurry(&mut self.names, now.now()))
            }
            Phase::Handing(_) | Phase::Forcing { .. } => Err(request::MAY_HAVE_TAKEN_OVER),
        }
    }

    /// `REPLICAOF`, of another node or (`None`) of none.
    ///
    /// Refused while one runs, but for the operator's word where nobody else can end it: with an offer that left, NO ONE makes this
    /// node the primary; without an answer to it, it may also become a replica of whoever is the primary.
    pub fn replicaof(&mut self, of: Option<&Address>, ticket: Ticket, now: &Turn) -> Word {
        match std::mem::take(&mut self.phase) {
            Phase::Idle => Word::Proceed(Vec::new()),
            Phase::Handing(mut handing) if handing.may_be_taken() && of.is_none() => {
                let line = format!(
                    "REPLICAOF NO ONE: this node becomes the primary, though {} may have taken over",
                    handing.switch.target
                );
                let mut actions = vec![Action::Log(log::Level::Warn, line)];
                actions.extend(handing.close(now.now()));
                let (attempt, store) = self.names.store(Durable::Primary);
                actions.push(store);
                self.phase = Phase::Forcing {
                    handing,
                    attempt,
                    ticket,
                };
                Word::Wait(actions)
            }
            Phase::Handing(mut handing) if matches!(handing.stage, Stage::Unknown { .. }) => {
                let mut actions: Vec<Action> = handing.close(now.now()).into_iter().collect();
                actions.push(Action::ReleasePause);
                actions.extend(handing.answer_aborts(&Err(request::MAY_HAVE_TAKEN_OVER)));
                self.end(
                    &handing.switch,
                    Outcome::LeftToOperator,
                    handing.given_up,
                    now,
                );
                Word::Proceed(actions)
            }
            other => {
                self.phase = other;
                Word::Refuse(request::REPLICAOF_REFUSED)
            }
        }
    }

    // ---- events ----

    /// Everything executed before the pause is committed, up to `seq`, in the history `replication_id`. Again with a
    /// larger `seq` if anything was committed after all.
    pub fn drained(&mut self, seq: Seq, replication_id: &str, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                let actions = syncing.drained(seq, replication_id);
                self.go_on(actions, now)
            }
            _ => Vec::new(),
        }
    }

    /// A replica's link is new, or its state has changed.
    pub fn replica_is(&mut self, replica: Replica, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                syncing.replica_is(replica);
                self.go_on(Vec::new(), now)
            }
            _ => Vec::new(),
        }
    }

    /// A replica acknowledged everything up to `seq`.
    pub fn acked(&mut self, replica: u64, seq: Seq, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                syncing.acked(replica, seq);
                self.go_on(Vec::new(), now)
            }
            _ => Vec::new(),
        }
    }

    /// A replica's link has ended.
    pub fn replica_gone(&mut self, replica: u64, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                syncing.replica_gone(replica);
                self.go_on(Vec::new(), now)
            }
            _ => Vec::new(),
        }
    }

    /// The write `attempt` is on disk.
    pub fn stored(&mut self, attempt: u64, now: &Turn) -> Vec<Action> {
        match std::mem::take(&mut self.phase) {
            Phase::Syncing(mut syncing) => {
                syncing.stored(attempt);
                self.phase = Phase::Syncing(syncing);
                self.go_on(Vec::new(), now)
            }
            Phase::Forcing {
                mut handing,
                attempt: awaited,
                ticket,
            } if awaited == attempt => {
                let mut actions = vec![
                    Action::ResumePrimary { new_history: true },
                    Action::ReleasePause,
                    Action::Answer {
                        ticket,
                        reply: Ok(()),
                    },
                ];
                actions.extend(handing.answer_aborts(&Ok(())));
                self.end(
                    &handing.switch,
                    Outcome::LeftToOperator,
                    handing.given_up,
                    now,
                );
                actions
            }
            other => {
                self.phase = other;
                Vec::new()
            }
        }
    }

    /// The write `attempt` failed. One that nothing waits for here is the server's to repeat.
    pub fn store_failed(&mut self, attempt: u64, error: &str, now: &Turn) -> Vec<Action> {
        match std::mem::take(&mut self.phase) {
            Phase::Syncing(mut syncing) => {
                syncing.store_failed(attempt, error);
                self.phase = Phase::Syncing(syncing);
                self.go_on(Vec::new(), now)
            }
            Phase::Forcing {
                mut handing,
                attempt: awaited,
                ticket,
            } if awaited == attempt => {
                let line = format!("REPLICAOF NO ONE: {error}");
                let reply = Err(ReplyError::new(format!("ERR {error}")));
                // Whether the file changed is unknown: it must not say primary while this node is none.
                let (_, store) = self
                    .names
                    .store(Durable::Pending(pending_of(&handing.switch)));
                let mut actions = vec![
                    Action::Log(log::Level::Error, line),
                    store,
                    Action::Answer { ticket, reply },
                ];
                handing.stage = Stage::Unknown { answer_by: None };
                actions.push(self.names.connect(&mut handing.switch, now.now()));
                self.phase = Phase::Handing(handing);
                actions
            }
            other => {
                self.phase = other;
                Vec::new()
            }
        }
    }

    /// The connection is open and authenticated.
    pub fn connected(&mut self, link: LinkId, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                syncing.connected(link);
                self.go_on(Vec::new(), now)
            }
            Phase::Handing(handing) => handing.connected(link, now.now()),
            _ => Vec::new(),
        }
    }

    /// The connection could not be opened, or has ended; why.
    pub fn disconnected(&mut self, link: LinkId, why: &str, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Syncing(syncing) => {
                syncing.disconnected(link, why, now.now());
                self.go_on(Vec::new(), now)
            }
            Phase::Handing(handing) => handing.disconnected(link, why, &mut self.names, now.now()),
            _ => Vec::new(),
        }
    }

    /// The target answered.
    pub fn answered(&mut self, link: LinkId, answer: Answer, now: &Turn) -> Vec<Action> {
        let Phase::Handing(handing) = &mut self.phase else {
            return Vec::new();
        };
        if handing.switch.link.open() != Some(link) || !handing.may_be_taken() {
            return Vec::new();
        }
        match answer {
            Answer::Taken(seq) => self.follow(seq, now),
            Answer::Cancelled => self.stay("the offer was cancelled", now),
            Answer::Refused(why) => self.stay(&format!("the target refused: {why}"), now),
            Answer::TryAgain(why) => handing.undecided(&why, &mut self.names, now.now()),
            Answer::Unseen | Answer::Deciding => {
                handing.undecided("the target has not decided", &mut self.names, now.now())
            }
        }
    }

    /// Time passes.
    pub fn tick(&mut self, now: &Turn) -> Vec<Action> {
        match &mut self.phase {
            Phase::Idle | Phase::Forcing { .. } => Vec::new(),
            Phase::Syncing(_) => self.go_on(Vec::new(), now),
            Phase::Handing(handing) if handing.is_given_up(now.now()) => {
                self.stay("the target could not be reached in time", now)
            }
            Phase::Handing(handing) => handing.tick(&mut self.names, now.now()),
        }
    }
}
