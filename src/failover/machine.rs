//! The old primary's state machine. [`super`] draws it and says why it is safe.

mod handing;
mod syncing;

use crate::clock::{MonoMs, Turn};
use crate::error::ReplyError;
use crate::replication::takeover::wire::{Address, Answer, Request, RunId, Token};
use crate::storage::seq::Seq;

use super::report::{Fields, Outcome, Report, one_line};
use super::request::{self, Facts, Options, Replica};
use handing::{Handing, Stage};
use syncing::{Next, Syncing};

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

/// Names a client that waits for its reply; the server gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(pub u64);

/// Names a connection to the target; the machine gives it, and ignores what comes from an earlier one.
pub type LinkId = u64;

/// What must be on disk while an offer may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOffer {
    /// The node that may have been offered to take over.
    pub target: Address,
    /// The offer's name.
    pub token: Token,
}

/// What the state file must say of the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durable {
    /// A primary that may have made an offer: at the next start it asks before it accepts writes.
    Pending(PendingOffer),
    /// A primary, without an offer.
    Primary,
    /// A replica of this node, without an offer.
    ReplicaOf(Address),
}

/// What the server must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pause writes for [`crate::pause::Purpose::Failover`], without end; when all that was executed before is committed, report
    /// [`Failover::drained`].
    PauseWrites,
    /// Lift that pause, and evaluate everything parked again. The role is known.
    ReleasePause,
    /// Ask every replica for an acknowledgement at once.
    RequestAcks,
    /// Write this to the state file; report [`Failover::stored`] or [`Failover::store_failed`]. The server's copy of the state
    /// changes now, so that whatever it writes later carries it; writes must not overtake each other.
    Store {
        /// Names this write.
        attempt: u64,
        /// What to write.
        durable: Durable,
    },
    /// Open a connection to this node's client port and authenticate; report [`Failover::connected`] or [`Failover::disconnected`].
    Connect {
        /// Names it.
        link: LinkId,
        /// Whereto.
        target: Address,
    },
    /// Send this over the connection; report [`Failover::answered`].
    Send {
        /// Which.
        link: LinkId,
        /// What.
        request: Request,
    },
    /// Close the connection. Nothing is to be reported.
    Close {
        /// Which.
        link: LinkId,
    },
    /// Accept no write from here on, whatever the pause says; nothing may be uncommitted. `seq` is the last update, which the server
    /// must assert; `None` at a start, where nothing has been written.
    StopBeingPrimary {
        /// The final sequence.
        seq: Option<Seq>,
    },
    /// Accept writes again; with `new_history` under a new replication id, because the target may go on with this one.
    ResumePrimary {
        /// Whether to draw a new id.
        new_history: bool,
    },
    /// Become a replica of this node.
    Follow {
        /// The new primary.
        target: Address,
    },
    /// Answer a command that waits.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// `+OK`, or an error.
        reply: Result<(), ReplyError>,
    },
    /// A line for the log.
    Log(log::Level, String),
}

/// What `REPLICAOF` means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Change the role as told, on disk first; then do these.
    Proceed(Vec<Action>),
    /// Do these; the command is answered by one of them, or by a later one.
    Wait(Vec<Action>),
    /// Answer this.
    Refuse(ReplyError),
}

/// What every state of a running failover knows.
#[derive(Debug)]
struct Switch {
    token: Token,
    target: Address,
    /// When writes were paused, monotonic microseconds.
    paused_us: Option<u64>,
    final_seq: Option<Seq>,
    link: Link,
}

/// The connection to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Closed {
        retry_at: MonoMs,
        tries: u32,
    },
    Opening {
        id: LinkId,
        until: MonoMs,
        tries: u32,
    },
    Open {
        id: LinkId,
        tries: u32,
    },
}

impl Link {
    fn id(self) -> Option<LinkId> {
        match self {
            Link::Closed { .. } => None,
            Link::Opening { id, .. } | Link::Open { id, .. } => Some(id),
        }
    }

    fn is(self, link: LinkId) -> bool {
        self.id() == Some(link)
    }

    fn open(self) -> Option<LinkId> {
        match self {
            Link::Open { id, .. } => Some(id),
            _ => None,
        }
    }

    fn tries(self) -> u32 {
        match self {
            Link::Closed { tries, .. } | Link::Opening { tries, .. } | Link::Open { tries, .. } => {
                tries
            }
        }
    }

    fn deadline(self) -> Option<MonoMs> {
        match self {
            Link::Closed { retry_at, .. } => Some(retry_at),
            Link::Opening { until, .. } => Some(until),
            Link::Open { .. } => None,
        }
    }
}

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

/// Numbers that are given once.
#[derive(Debug)]
struct Names {
    run_id: RunId,
    tokens: u64,
    attempts: u64,
    links: u64,
}

impl Names {
    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token {
            run_id: self.run_id,
            count: self.tokens,
        }
    }

    fn store(&mut self, durable: Durable) -> (u64, Action) {
        self.attempts += 1;
        let attempt = self.attempts;
        (attempt, Action::Store { attempt, durable })
    }

    /// Opens a connection to the switch's target.
    fn connect(&mut self, switch: &mut Switch, now: MonoMs) -> Action {
        self.links += 1;
        switch.link = Link::Opening {
            id: self.links,
            until: MonoMs(now.0.saturating_add(CONNECT_MS)),
            tries: switch.link.tries().saturating_add(1),
        };
        Action::Connect {
            link: self.links,
            target: switch.target.clone(),
        }
    }
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
        let mut handing = Handing::new(switch, Stage::Unknown { answer_by: None }, 0);
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
        terms: syncing::Terms,
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

    // ---- transitions ----

    /// Goes on in Syncing as far as it goes.
    fn go_on(&mut self, mut actions: Vec<Action>, now: &Turn) -> Vec<Action> {
        while let Phase::Syncing(syncing) = &mut self.phase {
            match syncing.next(&mut self.names, now) {
                Next::Wait => break,
                Next::Do(more) => actions.extend(more),
                Next::Abort(why) => actions.extend(self.stay(&why, now)),
                Next::HandOver => {
                    if let Phase::Syncing(syncing) = std::mem::take(&mut self.phase) {
                        let (handing, more) = syncing.into_handing(now.now());
                        actions.extend(more);
                        self.phase = Phase::Handing(handing);
                    }
                }
            }
        }
        actions
    }

    /// This node is, or becomes again, the primary.
    fn stay(&mut self, why: &str, now: &Turn) -> Vec<Action> {
        let mut actions = Vec::new();
        let switch = match std::mem::take(&mut self.phase) {
            Phase::Syncing(mut syncing) => {
                actions.extend(syncing.close());
                actions.extend(syncing.switch.paused_us.map(|_| Action::ReleasePause));
                // Nothing has happened yet that FAILOVER would have said OK to.
                let reply = Err(ReplyError::new(format!("ERR FAILOVER aborted: {why}")));
                actions.extend(
                    syncing
                        .starter
                        .take()
                        .map(|ticket| Action::Answer { ticket, reply }),
                );
                syncing.switch
            }
            Phase::Handing(mut handing) => {
                actions.extend(handing.close(now.now()));
                actions.push(Action::ResumePrimary { new_history: false });
                actions.push(Action::ReleasePause);
                actions.extend(handing.answer_aborts(&Ok(())));
                handing.switch
            }
            other => {
                self.phase = other;
                return actions;
            }
        };
        actions.push(self.names.store(Durable::Primary).1);
        let line = format!(
            "failover to {} ended, this node stays the primary: {why}",
            switch.target
        );
        actions.push(Action::Log(log::Level::Warn, line));
        self.end(&switch, Outcome::Aborted(why.to_owned()), 0, now);
        actions
    }

    /// The target is the primary, since `seq`.
    fn follow(&mut self, seq: Seq, now: &Turn) -> Vec<Action> {
        let Phase::Handing(mut handing) = std::mem::take(&mut self.phase) else {
            return Vec::new();
        };
        let target = handing.switch.target.clone();
        if let Some(gap) = handing
            .switch
            .final_seq
            .and_then(|last| last.checked_gap(seq))
        {
            handing.given_up = gap;
        }
        let mut actions = Vec::new();
        actions.extend(handing.close(now.now()));
        actions.push(Action::Follow {
            target: target.clone(),
        });
        actions.push(self.names.store(Durable::ReplicaOf(target.clone())).1);
        actions.push(Action::ReleasePause);
        let late = ReplyError::new(format!("ERR {target} has taken over"));
        actions.extend(handing.answer_aborts(&Err(late)));
        self.end(&handing.switch, Outcome::TakenOver, handing.given_up, now);
        let stop_us = self.last.as_ref().and_then(|last| last.write_stop_us);
        let lost = match handing.given_up {
            0 => String::new(),
            count => format!(", {count} updates given up"),
        };
        let took = stop_us.map_or(String::new(), |us| {
            format!(", writes stood still for {us} us")
        });
        let line = format!("failover: {target} took over at sequence {seq}{lost}{took}");
        let level = if handing.given_up > 0 {
            log::Level::Warn
        } else {
            log::Level::Info
        };
        actions.push(Action::Log(level, line));
        actions
    }

    fn end(&mut self, switch: &Switch, outcome: Outcome, given_up: u64, now: &Turn) {
        self.last = Some(Report {
            target: switch.target.clone(),
            outcome,
            final_seq: switch.final_seq,
            given_up,
            write_stop_us: switch
                .paused_us
                .map(|paused_us| now.mono_us.saturating_sub(paused_us)),
        });
    }
}

fn pending_of(switch: &Switch) -> PendingOffer {
    PendingOffer {
        target: switch.target.clone(),
        token: switch.token,
    }
}

pub use syncing::Terms;
