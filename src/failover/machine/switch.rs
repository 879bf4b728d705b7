//! What every state of a running failover has: the target, the token, the connection.

use super::action::{Action, Durable, LinkId, PendingOffer};
use super::{CONNECT_MS, RETRY_MS_MAX, RETRY_MS_MIN};
use crate::clock::MonoMs;
use crate::replication::takeover::wire::{Address, RunId, Token};
use crate::storage::seq::Seq;

/// What every state of a running failover knows.
#[derive(Debug)]
pub(super) struct Switch {
    pub token: Token,
    pub target: Address,
    /// When writes were paused, monotonic microseconds.
    pub paused_us: Option<u64>,
    pub final_seq: Option<Seq>,
    pub link: Link,
}

/// The connection to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
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
    pub(super) fn id(self) -> Option<LinkId> {
        match self {
            Link::Closed { .. } => None,
            Link::Opening { id, .. } | Link::Open { id, .. } => Some(id),
        }
    }

    pub(super) fn is(self, link: LinkId) -> bool {
        self.id() == Some(link)
    }

    pub(super) fn open(self) -> Option<LinkId> {
        match self {
            Link::Open { id, .. } => Some(id),
            _ => None,
        }
    }

    pub(super) fn tries(self) -> u32 {
        match self {
            Link::Closed { tries, .. } | Link::Opening { tries, .. } | Link::Open { tries, .. } => {
                tries
            }
        }
    }

    pub(super) fn deadline(self) -> Option<MonoMs> {
        match self {
            Link::Closed { retry_at, .. } => Some(retry_at),
            Link::Opening { until, .. } => Some(until),
            Link::Open { .. } => None,
        }
    }
}

/// Numbers that are given once.
#[derive(Debug)]
pub(super) struct Names {
    pub run_id: RunId,
    pub tokens: u64,
    pub attempts: u64,
    pub links: u64,
}

impl Names {
    pub(super) fn token(&mut self) -> Token {
        self.tokens += 1;
        Token {
            run_id: self.run_id,
            count: self.tokens,
        }
    }

    pub(super) fn store(&mut self, durable: Durable) -> (u64, Action) {
        self.attempts += 1;
        let attempt = self.attempts;
        (attempt, Action::Store { attempt, durable })
    }

    /// Opens a connection to the switch's target.
    pub(super) fn connect(&mut self, switch: &mut Switch, now: MonoMs) -> Action {
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

pub(super) fn pending_of(switch: &Switch) -> PendingOffer {
    PendingOffer {
        target: switch.target.clone(),
        token: switch.token,
    }
}

impl Link {
    /// Closed, to be opened again after a time that doubles with each try.
    pub(super) fn after_failure(tries: u32, now: MonoMs) -> Link {
        let doubled = RETRY_MS_MIN.saturating_mul(1 << tries.saturating_sub(1).min(16));
        Link::Closed {
            retry_at: MonoMs(now.0.saturating_add(doubled.min(RETRY_MS_MAX))),
            tries,
        }
    }
}
