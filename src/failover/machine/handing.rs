//! From the moment at which this node stops being a primary until it knows what it is.

use super::ANSWER_MS;
use super::action::{Action, LinkId, Ticket};
use super::switch::{Link, Names, Switch};
use crate::clock::MonoMs;
use crate::error::ReplyError;
use crate::failover::request::MAY_HAVE_TAKEN_OVER;
use crate::replication::handshake::LinkState;
use crate::replication::takeover::wire::{Address, Offer, Request};

/// How far the offer is.
#[derive(Debug)]
pub(super) enum Stage {
    /// With FORCE only: the target is not connected, and nothing has left.
    Unsent {
        offer: Offer,
        /// When this is given up; `None` for ABORT only.
        give_up_at: Option<MonoMs>,
    },
    /// It left, over the link that is open.
    Offered { answer_by: MonoMs },
    /// It may have arrived. The target is asked to cancel it, again and again, each time on a new connection.
    Unknown {
        /// Of the question that is under way.
        answer_by: Option<MonoMs>,
    },
}

/// The node that may be taking over, and how this one is connected to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor<'a> {
    pub target: &'a Address,
    /// `Connect` or `Connecting`: it says what it is before a link to it can be up.
    pub link: LinkState,
    /// Since when this node is no primary.
    pub since: MonoMs,
}

/// Neither primary nor replica.
#[derive(Debug)]
pub(super) struct Handing {
    pub switch: Switch,
    pub stage: Stage,
    /// Since when.
    pub since: MonoMs,
    /// Updates that the target did not hold, as far as known.
    pub given_up: u64,
    /// Clients that wait for their ABORT, and until when.
    pub aborts: Vec<(Ticket, MonoMs)>,
    /// Why nobody knows.
    pub why: String,
}

impl Handing {
    pub(super) fn new(switch: Switch, stage: Stage, given_up: u64, since: MonoMs) -> Handing {
        Handing {
            switch,
            stage,
            since,
            given_up,
            aborts: Vec::new(),
            why: String::new(),
        }
    }

    /// To whom.
    pub(super) fn successor(&self) -> Successor<'_> {
        Successor {
            target: &self.switch.target,
            link: match self.switch.link {
                Link::Closed { .. } => LinkState::Connect,
                Link::Opening { .. } | Link::Open { .. } => LinkState::Connecting,
            },
            since: self.since,
        }
    }

    /// Whether the offer has left, so that the target may have taken it.
    pub(super) fn may_be_taken(&self) -> bool {
        !matches!(self.stage, Stage::Unsent { .. })
    }

    /// Whether an offer that has not left is given up.
    pub(super) fn is_given_up(&self, now: MonoMs) -> bool {
        matches!(self.stage, Stage::Unsent { give_up_at: Some(at), .. } if at <= now)
    }

    pub(super) fn next_deadline(&self) -> Option<MonoMs> {
        let stage = match self.stage {
            Stage::Unsent { give_up_at, .. } => give_up_at,
            Stage::Offered { answer_by } => Some(answer_by),
            Stage::Unknown { answer_by } => answer_by,
        };
        let aborts = self.aborts.iter().map(|&(_, until)| until);
        aborts.chain(stage).chain(self.switch.link.deadline()).min()
    }

    pub(super) fn waits_for(&self) -> String {
        let target = &self.switch.target;
        match &self.stage {
            Stage::Unsent { .. } => format!("a connection to {target}; FAILOVER ABORT ends it"),
            Stage::Offered { .. } => format!("the answer of {target}"),
            Stage::Unknown { .. } => format!(
                "{target} to say whether it has taken over ({}); if it never will: REPLICAOF NO ONE makes this node the primary, \
                 REPLICAOF <host> <port> a replica of the one that is",
                self.why
            ),
        }
    }

    // ---- events ----

    pub(super) fn connected(&mut self, link: LinkId, now: MonoMs) -> Vec<Action> {
        let Link::Opening { id, tries, .. } = self.switch.link else {
            return Vec::new();
        };
        if id != link {
            return Vec::new();
        }
        self.switch.link = Link::Open { id, tries };
        let answer_by = MonoMs(now.0.saturating_add(ANSWER_MS));
        let request = match &mut self.stage {
            Stage::Unsent { offer, .. } => {
                let offer = offer.clone();
                self.stage = Stage::Offered { answer_by };
                Request::Offer(offer)
            }
            Stage::Unknown { answer_by: at } => {
                *at = Some(answer_by);
                Request::Cancel(self.switch.token)
            }
            Stage::Offered { .. } => return Vec::new(),
        };
        vec![Action::Send { link, request }]
    }

    pub(super) fn disconnected(
        &mut self,
        link: LinkId,
        why: &str,
        names: &mut Names,
        now: MonoMs,
    ) -> Vec<Action> {
        if !self.switch.link.is(link) {
            return Vec::new();
        }
        self.lost(why, names, now)
    }

    /// The target's answer decides nothing.
    pub(super) fn undecided(&mut self, why: &str, names: &mut Names, now: MonoMs) -> Vec<Action> {
        let mut actions: Vec<Action> = self.close(now).into_iter().collect();
        actions.extend(self.lost(why, names, now));
        actions
    }

    /// ABORT: asks sooner.
    pub(super) fn hurry(&mut self, names: &mut Names, now: MonoMs) -> Vec<Action> {
        match self.switch.link {
            Link::Closed { .. } => vec![names.connect(&mut self.switch, now)],
            _ => Vec::new(),
        }
    }

    pub(super) fn tick(&mut self, names: &mut Names, now: MonoMs) -> Vec<Action> {
        let mut actions = Vec::new();
        let is_over = |&(_, until): &(Ticket, MonoMs)| until <= now;
        for (ticket, _) in self.aborts.extract_if(.., |abort| is_over(abort)) {
            actions.push(Action::Answer {
                ticket,
                reply: Err(MAY_HAVE_TAKEN_OVER),
            });
        }
        match self.switch.link {
            Link::Closed { retry_at, .. } if retry_at <= now => {
                actions.push(names.connect(&mut self.switch, now));
            }
            Link::Opening { until, .. } if until <= now => {
                actions.extend(self.undecided("no connection in time", names, now));
            }
            Link::Open { .. } => {
                let answer_by = match self.stage {
                    Stage::Offered { answer_by } => Some(answer_by),
                    Stage::Unknown { answer_by } => answer_by,
                    Stage::Unsent { .. } => None,
                };
                if answer_by.is_some_and(|at| at <= now) {
                    actions.extend(self.undecided("no answer in time", names, now));
                }
            }
            _ => {}
        }
        actions
    }

    /// The link has ended without an answer.
    fn lost(&mut self, why: &str, names: &mut Names, now: MonoMs) -> Vec<Action> {
        self.switch.link = Link::after_failure(self.switch.link.tries(), now);
        match &mut self.stage {
            Stage::Unsent { .. } => Vec::new(),
            Stage::Unknown { answer_by } => {
                *answer_by = None;
                self.why = why.to_owned();
                Vec::new()
            }
            Stage::Offered { .. } => {
                self.stage = Stage::Unknown { answer_by: None };
                self.why = why.to_owned();
                let target = &self.switch.target;
                let line = format!(
                    "failover: nobody knows whether {target} has taken over ({why}); asking it, no writes until then"
                );
                // The first question goes out at once.
                vec![
                    Action::Log(log::Level::Warn, line),
                    names.connect(&mut self.switch, now),
                ]
            }
        }
    }

    /// Closes the link, if there is one.
    pub(super) fn close(&mut self, now: MonoMs) -> Option<Action> {
        let link = self.switch.link.id()?;
        self.switch.link = Link::Closed {
            retry_at: now,
            tries: self.switch.link.tries(),
        };
        Some(Action::Close { link })
    }

    /// Tells those who asked for ABORT how it ended.
    pub(super) fn answer_aborts(&mut self, reply: &Result<(), ReplyError>) -> Vec<Action> {
        let told = |(ticket, _)| Action::Answer {
            ticket,
            reply: reply.clone(),
        };
        self.aborts.drain(..).map(told).collect()
    }
}
