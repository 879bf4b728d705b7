//! The target's side of a planned switch: it is offered to take over, decides once for each token, and remembers.
//!
//! Pure: requests and outcomes in, actions out; no socket, clock, disk or thread. The other side is [`crate::failover`], what
//! they say to each other is [`wire`], what is kept on disk is [`fates`].
//!
//! ```text
//!            OFFER, checks pass                 on disk                  promoted
//!  Idle ───────────────────────▶ Storing(take) ─────────▶ Promoting ───────────────▶ Idle, answers TAKEN
//!    │                                │ disk error
//!    │ OFFER refused, CANCEL          ▼
//!    └──────────────────────▶ Storing(cancel) ──on disk──▶ Idle, answers REFUSED or CANCELLED
//!                                     │ ▲
//!                          disk error ▼ │ again, later
//!                                  Retrying
//! ```
//!
//! What holds:
//! - A token is decided once: taken or cancelled. The decision is in the state file before anybody is told, and before this node
//!   accepts a write because of it; so it is the same after a restart, and the same offer has the same answer ever after.
//!   With `wal-sync always` "in the file" means on disk, as it does for every cancellation ([`crate::failover`] says why).
//! - A negative answer is as durable as a positive one: when the old primary reads it, it accepts writes again.
//! - A disk error is no answer: whether the file changed is unknown then. The node does not promote itself, tells the old
//!   primary that nothing is decided, and tries to write that the token is cancelled until that succeeds.
//!
//! One write of a file stands on the way of a switch on this side: role and token in one, before the promotion. Without it a
//! target that crashes right after it has acknowledged a write comes back as a replica that denies the token, and
//! the old primary resumes without that write.

pub mod fates;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::clock::MonoMs;
use crate::error::ReplyError;
#[cfg(test)]
use crate::simulation::mutation;
use crate::storage::seq::Seq;
use fates::{Fate, Fates};
use wire::{Answer, Offer, RunId, Token};

/// Connections that wait for one decision; more are told to try again.
pub const ASKERS_MAX: usize = 16;
/// Milliseconds until a failed write of the state is tried again.
pub const STORE_RETRY_MS: u64 = 500;

/// Names a connection that waits for an answer; the server gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Asker(pub u64);

/// What this node is when a request comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is no replica.
    Primary,
    /// It follows another node.
    Replica(Following),
}

/// Whom a replica follows, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// The run id that the primary named; `None` from one that names none, and before it has been reached.
    pub run_id: Option<RunId>,
    /// The id of the primary's history: as it named it on this link, else that of the last record.
    pub replication_id: String,
    /// The last update that is committed here.
    pub seq: Seq,
    /// Why this node cannot become a primary now (a full copy under way, no room on the disk, a shutdown), if it cannot.
    pub unable: Option<String>,
}

/// What the server must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write these fates to the state file and, if `promote`, the role of a primary with them; report
    /// [`Takeover::stored`] or [`Takeover::store_failed`]. Writes of the state file must not overtake each other.
    Store {
        /// Names this write.
        attempt: u64,
        /// What to write.
        fates: Fates,
        /// The role to write; without, the one that the node has.
        promote: bool,
    },
    /// Become a primary: leave the old one, apply whole batches received, draw a new replication id, accept writes; report
    /// [`Takeover::promoted`]. The role is on disk already.
    Promote {
        /// Why.
        offer: Offer,
    },
    /// Answer a connection, if it is still there.
    Answer {
        /// Which.
        asker: Asker,
        /// What.
        answer: Answer,
    },
    /// A line for the log.
    Log(log::Level, String),
}

/// What is decided about a token once it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Take(Offer, Seq),
    /// With the reason for him who made the offer.
    Cancel(String),
}

/// A connection that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    asker: Asker,
    made_the_offer: bool,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Idle,
    Storing {
        attempt: u64,
        token: Token,
        verdict: Verdict,
        waiters: Vec<Waiter>,
        /// An earlier write of this token as taken failed, and may have reached the disk all the same.
        is_uncertain: bool,
    },
    /// The token must become cancelled on disk, where it may be taken.
    Retrying {
        token: Token,
        at: MonoMs,
    },
    Promoting {
        token: Token,
        waiters: Vec<Waiter>,
    },
}

/// The target's side.
#[derive(Debug, Default)]
pub struct Takeover {
    fates: Fates,
    phase: Phase,
    attempts: u64,
}

impl Takeover {
    /// As it was when the state file was written last.
    pub fn restore(fates: Fates) -> Takeover {
        Takeover {
            fates,
            ..Takeover::default()
        }
    }

    /// What must be in the state file, whoever writes it.
    pub fn fates(&self) -> &Fates {
        &self.fates
    }

    /// Why the role must not be changed by command now, if so: this node is becoming a primary.
    pub fn forbids_role_change(&self) -> Option<ReplyError> {
        const TAKING: ReplyError =
            ReplyError::fixed("ERR REPLICAOF not allowed while taking over from the primary.");
        let is_taking = match &self.phase {
            Phase::Idle | Phase::Retrying { .. } => false,
            Phase::Storing { verdict, .. } => matches!(verdict, Verdict::Take(..)),
            Phase::Promoting { .. } => true,
        };
        is_taking.then_some(TAKING)
    }

    /// When [`Takeover::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<MonoMs> {
        match self.phase {
            Phase::Retrying { at, .. } => Some(at),
            _ => None,
        }
    }

    /// `OFFER`, from `asker`.
    pub fn offer(&mut self, asker: Asker, offer: Offer, standing: &Standing) -> Vec<Action> {
        let token = offer.token;
        let fate = self.fates.of(&token);
        #[cfg(test)]
        let fate = fate.filter(|_| !mutation::is_out(mutation::Part::TokenCheck));
        match fate {
            Some(Fate::Taken(seq)) => return answer(asker, Answer::Taken(seq)),
            Some(Fate::Cancelled) => {
                return answer(asker, Answer::Refused("the token is cancelled".to_owned()));
            }
            None => {}
        }
        let waiter = Waiter {
            asker,
            made_the_offer: true,
        };
        if let Some(actions) = self.join(token, waiter) {
            return actions;
        }
        let (verdict, line) = match may_take(&offer, standing) {
            Ok(seq) => {
                let line = format!(
                    "{} offers to hand over at sequence {}{}: taking over at {seq}",
                    offer.from,
                    offer.seq,
                    if offer.force { " (force)" } else { "" }
                );
                (Verdict::Take(offer, seq), (log::Level::Info, line))
            }
            Err(why) => {
                let line = format!(
                    "{} offers to hand over at sequence {}: refused, {why}",
                    offer.from, offer.seq
                );
                (Verdict::Cancel(why), (log::Level::Warn, line))
            }
        };
        let mut actions = vec![Action::Log(line.0, line.1)];
        actions.push(self.store(token, verdict, vec![waiter], false));
        actions
    }

    /// `CANCEL`, from `asker`.
    pub fn cancel(&mut self, asker: Asker, token: Token) -> Vec<Action> {
        match self.fates.of(&token) {
            Some(Fate::Taken(seq)) => return answer(asker, Answer::Taken(seq)),
            Some(Fate::Cancelled) => return answer(asker, Answer::Cancelled),
            None => {}
        }
        let waiter = Waiter {
            asker,
            made_the_offer: false,
        };
        if let Some(actions) = self.join(token, waiter) {
            return actions;
        }
        let line = format!("takeover {token} is cancelled by the node that may have offered it");
        let verdict = Verdict::Cancel("the token is cancelled".to_owned());
        vec![
            Action::Log(log::Level::Info, line),
            self.store(token, verdict, vec![waiter], false),
        ]
    }

    /// `STATE`: what became of a token. Changes nothing.
    pub fn state(&self, token: &Token) -> Answer {
        match self.fates.of(token) {
            Some(Fate::Taken(seq)) => Answer::Taken(seq),
            Some(Fate::Cancelled) => Answer::Cancelled,
            None if self.deciding() == Some(*token) => Answer::Deciding,
            None => Answer::Unseen,
        }
    }

    /// The write `attempt` is on disk.
    pub fn stored(&mut self, attempt: u64) -> Vec<Action> {
        let (token, verdict, waiters) = match std::mem::take(&mut self.phase) {
            Phase::Storing {
                attempt: current,
                token,
                verdict,
                waiters,
                ..
            } if current == attempt => (token, verdict, waiters),
            other => {
                self.phase = other;
                return Vec::new();
            }
        };
        match verdict {
            Verdict::Take(offer, seq) => {
                self.fates.record(token, Fate::Taken(seq));
                self.phase = Phase::Promoting { token, waiters };
                vec![Action::Promote { offer }]
            }
            Verdict::Cancel(why) => {
                self.fates.record(token, Fate::Cancelled);
                let told = |waiter: Waiter| Action::Answer {
                    asker: waiter.asker,
                    answer: match waiter.made_the_offer {
                        true => Answer::Refused(why.clone()),
                        false => Answer::Cancelled,
                    },
                };
                waiters.into_iter().map(told).collect()
            }
        }
    }

    /// The write `attempt` failed; the file holds what it held, or what it was to hold.
    pub fn store_failed(&mut self, attempt: u64, error: &str, now: MonoMs) -> Vec<Action> {
        let (token, verdict, waiters, is_uncertain) = match std::mem::take(&mut self.phase) {
            Phase::Storing {
                attempt: current,
                token,
                verdict,
                waiters,
                is_uncertain,
            } if current == attempt => (token, verdict, waiters, is_uncertain),
            other => {
                self.phase = other;
                return Vec::new();
            }
        };
        let line = format!("takeover {token} is not decided: {error}");
        let mut actions = vec![Action::Log(log::Level::Error, line)];
        let undecided = |waiter: Waiter| Action::Answer {
            asker: waiter.asker,
            answer: Answer::TryAgain(format!("nothing is decided: {error}")),
        };
        actions.extend(waiters.into_iter().map(undecided));
        match verdict {
            // The disk may say taken: nobody may be told otherwise, nor anything else be decided, until it does not.
            Verdict::Take(..) => {
                let why = "its state could not be written".to_owned();
                actions.push(self.store(token, Verdict::Cancel(why), Vec::new(), true));
            }
            Verdict::Cancel(_) if is_uncertain => {
                let at = MonoMs(now.0.saturating_add(STORE_RETRY_MS));
                self.phase = Phase::Retrying { token, at };
            }
            Verdict::Cancel(_) => {}
        }
        actions
    }

    /// Time passes.
    pub fn tick(&mut self, now: MonoMs) -> Vec<Action> {
        match self.phase {
            Phase::Retrying { token, at } if at <= now => {
                let why = "its state could not be written".to_owned();
                vec![self.store(token, Verdict::Cancel(why), Vec::new(), true)]
            }
            _ => Vec::new(),
        }
    }

    /// This node is a primary from `seq` on.
    pub fn promoted(&mut self, seq: Seq) -> Vec<Action> {
        match std::mem::take(&mut self.phase) {
            Phase::Promoting { token, waiters } => {
                self.fates.record(token, Fate::Taken(seq));
                let told = |waiter: Waiter| Action::Answer {
                    asker: waiter.asker,
                    answer: Answer::Taken(seq),
                };
                waiters.into_iter().map(told).collect()
            }
            other => {
                self.phase = other;
                Vec::new()
            }
        }
    }

    /// The token that is being decided.
    fn deciding(&self) -> Option<Token> {
        match self.phase {
            Phase::Idle => None,
            Phase::Storing { token, .. }
            | Phase::Retrying { token, .. }
            | Phase::Promoting { token, .. } => Some(token),
        }
    }

    /// Lets `waiter` wait for a decision under way, or sends it away; `None` when nothing is under way.
    fn join(&mut self, token: Token, waiter: Waiter) -> Option<Vec<Action>> {
        let deciding = self.deciding()?;
        let again = |why: &str| Some(answer(waiter.asker, Answer::TryAgain(why.to_owned())));
        if deciding != token {
            return again("another takeover is being decided");
        }
        match &mut self.phase {
            Phase::Storing { waiters, .. } | Phase::Promoting { waiters, .. }
                if waiters.len() < ASKERS_MAX =>
            {
                waiters.push(waiter);
                Some(Vec::new())
            }
            Phase::Retrying { .. } => again("the state cannot be written"),
            _ => again("too many wait for this decision"),
        }
    }

    fn store(
        &mut self,
        token: Token,
        verdict: Verdict,
        waiters: Vec<Waiter>,
        is_uncertain: bool,
    ) -> Action {
        self.attempts += 1;
        let mut fates = self.fates.clone();
        let promote = match &verdict {
            Verdict::Take(_, seq) => {
                fates.record(token, Fate::Taken(*seq));
                true
            }
            Verdict::Cancel(_) => {
                fates.record(token, Fate::Cancelled);
                false
            }
        };
        self.phase = Phase::Storing {
            attempt: self.attempts,
            token,
            verdict,
            waiters,
            is_uncertain,
        };
        Action::Store {
            attempt: self.attempts,
            fates,
            promote,
        }
    }
}

fn answer(asker: Asker, answer: Answer) -> Vec<Action> {
    vec![Action::Answer { asker, answer }]
}

/// Whether a node that stands so may take this offer, and at which sequence; else why not.
fn may_take(offer: &Offer, standing: &Standing) -> Result<Seq, String> {
    let Standing::Replica(following) = standing else {
        return Err("this node is a primary".to_owned());
    };
    // One that names itself by no run id cannot have made this offer; nor one that was never heard of.
    if following.run_id != Some(offer.token.run_id) {
        return Err("this node follows another primary".to_owned());
    }
    if following.replication_id != offer.replication_id {
        return Err(format!(
            "this node follows history {}, not {}",
            following.replication_id, offer.replication_id
        ));
    }
    if let Some(why) = &following.unable {
        return Err(why.clone());
    }
    // Ahead of the old primary is another history, and force does not mend that.
    if following.seq > offer.seq || (following.seq != offer.seq && !offer.force) {
        return Err(format!(
            "this node stands at sequence {}, not {}",
            following.seq, offer.seq
        ));
    }
    Ok(following.seq)
}
