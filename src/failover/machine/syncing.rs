//! Until the target holds everything: preparing, the pause, the acknowledgement.

use std::sync::Arc;

use super::super::request::{self, Facts, Options, Replica};
use super::action::{Action, Durable, LinkId, Ticket};
use super::handing::{Handing, Stage};
use super::switch::{Link, Names, Switch, pending_of};
use super::{ANSWER_MS, PREPARE_MS_MAX};
use crate::clock::{MonoMs, Turn};
use crate::replication::takeover::wire::{Address, Offer, Request};
use crate::storage::seq::Seq;

/// Who asks for a failover, and as whom it is offered.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who gets the `+OK`; nobody where the server itself hands over.
    pub starter: Option<Ticket>,
    /// Where this node is reached by its replicas.
    pub from: Address,
}

/// What to do next in Syncing.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing until something happens.
    Wait,
    /// These, and look again.
    Do(Vec<Action>),
    /// This node stays the primary; why.
    Abort(String),
    /// All is ready.
    HandOver,
}

/// Waiting for the target to hold everything.
#[derive(Debug)]
pub(super) struct Syncing {
    pub switch: Switch,
    pub starter: Option<Ticket>,
    from: Address,
    options: Options,
    /// Replicas that may be the target, as far as they are.
    replicas: Vec<Replica>,
    /// The target's link, of `replicas`; with FORCE the target may be away.
    target_id: Option<u64>,
    /// The write of the pending offer, and whether it is on disk.
    secure_attempt: u64,
    is_secured: bool,
    pause_by: MonoMs,
    deadline: Option<MonoMs>,
    /// Milliseconds that a forced switch goes on trying to connect; `None` for as long as it takes.
    connect_ms_max: Option<u64>,
    replication_id: Arc<str>,
    failure: Option<Failure>,
    /// The connection was opened anew since the target's replication link has ended.
    is_renewed: bool,
    /// The time was over when it was looked at last.
    is_overdue: bool,
}

/// What stands in the way.
#[derive(Debug)]
enum Failure {
    /// The state cannot be written: no other target mends that.
    Disk(String),
    /// The target cannot be reached, or has gone.
    Target(String),
}

impl Syncing {
    pub(super) fn begin(
        options: &Options,
        facts: &Facts,
        target: &Replica,
        default_timeout_ms: u64,
        terms: Terms,
        names: &mut Names,
        now: MonoMs,
    ) -> (Syncing, Vec<Action>) {
        let default_timeout_ms = (default_timeout_ms > 0).then_some(default_timeout_ms);
        let timeout_ms = options.timeout_ms.or(default_timeout_ms);
        let switch = Switch {
            token: names.token(),
            target: target.address.clone(),
            paused_us: None,
            final_seq: None,
            link: Link::Closed {
                retry_at: now,
                tries: 0,
            },
        };
        let (secure_attempt, store) = names.store(Durable::Pending(pending_of(&switch)));
        let line = format!(
            "failover to {} began{}{}",
            switch.target,
            timeout_ms.map_or(String::new(), |ms| format!(", for at most {ms} ms")),
            if options.force { ", then by force" } else { "" }
        );
        let syncing = Syncing {
            switch,
            starter: terms.starter,
            from: terms.from,
            options: options.clone(),
            replicas: facts.replicas.clone(),
            target_id: Some(target.id),
            secure_attempt,
            is_secured: false,
            pause_by: MonoMs(now.0.saturating_add(PREPARE_MS_MAX)),
            deadline: timeout_ms.map(|ms| MonoMs(now.0.saturating_add(ms))),
            connect_ms_max: default_timeout_ms,
            replication_id: "".into(),
            failure: None,
            is_renewed: false,
            is_overdue: false,
        };
        (syncing, vec![Action::Log(log::Level::Info, line), store])
    }

    pub(super) fn next_deadline(&self) -> Option<MonoMs> {
        let pause_by = self.switch.paused_us.is_none().then_some(self.pause_by);
        // Once it is over, a forced switch waits for other things.
        let deadline = self.deadline.filter(|_| !self.is_overdue);
        [pause_by, deadline, self.switch.link.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn waits_for(&self) -> String {
        let missing = match self.switch.final_seq {
            _ if self.switch.paused_us.is_none() => "preparing; writes still run".to_owned(),
            None => "commits in flight".to_owned(),
            Some(_) if !self.is_secured => "the disk".to_owned(),
            Some(seq) if self.target_acked() < Some(seq) => {
                format!("the target to acknowledge sequence {seq}")
            }
            Some(_) => "the connection to the target".to_owned(),
        };
        format!("{missing}; FAILOVER ABORT ends it")
    }

    // ---- events ----

    pub(super) fn drained(&mut self, seq: Seq, replication_id: &str) -> Vec<Action> {
        self.replication_id = replication_id.into();
        if self.switch.paused_us.is_none() || self.switch.final_seq >= Some(seq) {
            return Vec::new();
        }
        self.switch.final_seq = Some(seq);
        vec![Action::RequestAcks]
    }

    pub(super) fn replica_is(&mut self, replica: Replica) {
        // The target of a forced switch has come back.
        if self.target_id.is_none() && replica.address == self.switch.target && replica.is_online {
            self.target_id = Some(replica.id);
            self.is_renewed = false;
        }
        match self
            .replicas
            .iter_mut()
            .find(|known| known.id == replica.id)
        {
            Some(known) => *known = replica,
            None => self.replicas.push(replica),
        }
    }

    pub(super) fn acked(&mut self, id: u64, seq: Seq) {
        if let Some(replica) = self.replicas.iter_mut().find(|replica| replica.id == id) {
            replica.acked_seq = replica.acked_seq.max(seq);
        }
    }

    pub(super) fn replica_gone(&mut self, id: u64) {
        self.replicas.retain(|replica| replica.id != id);
        if self.target_id == Some(id) {
            self.target_id = None;
            let why = "the target's replication link has ended".to_owned();
            self.failure.get_or_insert(Failure::Target(why));
        }
    }

    pub(super) fn stored(&mut self, attempt: u64) {
        self.is_secured |= attempt == self.secure_attempt;
    }

    pub(super) fn store_failed(&mut self, attempt: u64, error: &str) {
        if attempt == self.secure_attempt {
            let why = format!("its state could not be written: {error}");
            self.failure = Some(Failure::Disk(why));
        }
    }

    pub(super) fn connected(&mut self, link: LinkId) {
        if let Link::Opening { id, tries, .. } = self.switch.link
            && id == link
        {
            self.switch.link = Link::Open { id, tries };
        }
    }

    pub(super) fn disconnected(&mut self, link: LinkId, why: &str, now: MonoMs) {
        if self.switch.link.is(link) {
            self.switch.link = Link::after_failure(self.switch.link.tries(), now);
            let why = format!("the target cannot be reached: {why}");
            self.failure.get_or_insert(Failure::Target(why));
        }
    }

    pub(super) fn close(&mut self) -> Option<Action> {
        let link = self.switch.link.id()?;
        self.switch.link = Link::Closed {
            retry_at: MonoMs(u64::MAX),
            tries: 0,
        };
        Some(Action::Close { link })
    }

    // ---- where it stands ----

    fn target_acked(&self) -> Option<Seq> {
        let target = self
            .replicas
            .iter()
            .find(|replica| Some(replica.id) == self.target_id)?;
        Some(target.acked_seq)
    }

    /// What follows from all that is known; called again until it waits.
    pub(super) fn next(&mut self, names: &mut Names, now: &Turn) -> Next {
        let is_overdue = self.deadline.is_some_and(|deadline| deadline <= now.now());
        self.is_overdue = is_overdue;
        if let Link::Opening { id, until, .. } = self.switch.link
            && until <= now.now()
        {
            self.disconnected(id, "no connection in time", now.now());
            return Next::Do(vec![Action::Close { link: id }]);
        }
        if let Some(next) = self.after_failure(names, now.now()) {
            return next;
        }
        if is_overdue && !self.options.force {
            return Next::Abort(format!("time is over; {}", self.lag()));
        }
        if self.switch.paused_us.is_none() {
            let is_prepared = self.is_secured && self.switch.link.open().is_some();
            if is_prepared || self.pause_by <= now.now() || is_overdue {
                self.switch.paused_us = Some(now.mono_us);
                let ok = self.starter.take().map(|ticket| Action::Answer {
                    ticket,
                    reply: Ok(()),
                });
                return Next::Do([Action::PauseWrites].into_iter().chain(ok).collect());
            }
            return Next::Wait;
        }
        let Some(final_seq) = self.switch.final_seq.filter(|_| self.is_secured) else {
            return Next::Wait;
        };
        let holds_all = self.target_acked() >= Some(final_seq);
        if !holds_all && let Some(next) = self.turn_to_another(final_seq, names, now.now()) {
            return next;
        }
        if holds_all && self.switch.link.open().is_some() || is_overdue {
            return Next::HandOver;
        }
        Next::Wait
    }

    /// What a failure leads to: the next replica where none was named, another try with FORCE, else the end.
    fn after_failure(&mut self, names: &mut Names, now: MonoMs) -> Option<Next> {
        let why = match self.failure.take() {
            Some(Failure::Disk(why)) => return Some(Next::Abort(why)),
            // By force the target may be away until the time is over, and longer. A connection from before it went is of no use: what
            // is sent over it may not arrive, and nobody would know.
            Some(Failure::Target(_)) | None if self.options.force => {
                if self.target_id.is_none() && !self.is_renewed {
                    self.is_renewed = true;
                    let close = self.close();
                    let connect = names.connect(&mut self.switch, now);
                    return Some(Next::Do(close.into_iter().chain([connect]).collect()));
                }
                return match self.switch.link {
                    Link::Closed { retry_at, .. } if retry_at <= now => {
                        Some(Next::Do(vec![names.connect(&mut self.switch, now)]))
                    }
                    _ => None,
                };
            }
            Some(Failure::Target(why)) => why,
            None => return None,
        };
        if self.options.to.is_none() {
            let failed = self.target_id;
            self.replicas.retain(|replica| {
                Some(replica.id) != failed && replica.address != self.switch.target
            });
            if let Some(next) = request::furthest(&self.replicas).cloned() {
                let line = format!(
                    "failover turns from {} to {}: {why}",
                    self.switch.target, next.address
                );
                return Some(self.turn_to(next, line, names, now));
            }
        }
        Some(Next::Abort(why))
    }

    /// Without a name, the first replica that holds everything is the target.
    fn turn_to_another(&mut self, final_seq: Seq, names: &mut Names, now: MonoMs) -> Option<Next> {
        if self.options.to.is_some() {
            return None;
        }
        let next =
            request::furthest(&self.replicas).filter(|replica| replica.acked_seq >= final_seq)?;
        let line = format!(
            "failover turns from {} to {}, which holds everything",
            self.switch.target, next.address
        );
        Some(self.turn_to(next.clone(), line, names, now))
    }

    /// The old target has not been offered anything: the token stays.
    fn turn_to(&mut self, next: Replica, line: String, names: &mut Names, now: MonoMs) -> Next {
        let mut actions = vec![Action::Log(log::Level::Info, line)];
        actions.extend(self.close());
        self.switch.link = Link::Closed {
            retry_at: now,
            tries: 0,
        };
        self.switch.target = next.address;
        self.target_id = Some(next.id);
        let (attempt, store) = names.store(Durable::Pending(pending_of(&self.switch)));
        self.secure_attempt = attempt;
        self.is_secured = false;
        actions.extend([store, names.connect(&mut self.switch, now)]);
        Next::Do(actions)
    }

    /// How far the target is, for the log.
    fn lag(&self) -> String {
        match (self.switch.final_seq, self.target_acked()) {
            (Some(last), Some(acked)) => {
                format!("the target acknowledged sequence {acked} of {last}")
            }
            (Some(last), None) => {
                format!("the target is not connected, the last sequence is {last}")
            }
            (None, _) => "commits were still in flight".to_owned(),
        }
    }

    /// Stops being a primary and offers; everything that has to be on disk is.
    pub(super) fn into_handing(self, now: MonoMs) -> (Handing, Vec<Action>) {
        let final_seq = self.switch.final_seq.unwrap_or(Seq::ZERO);
        let lag = self.lag();
        let acked = self.target_acked().unwrap_or(Seq::ZERO);
        let given_up = final_seq.checked_gap(acked).unwrap_or(0);
        let mut actions = vec![Action::StopBeingPrimary {
            seq: Some(final_seq),
        }];
        if given_up > 0 {
            let line = format!(
                "failover: time is over and FORCE was given; {lag}, up to {given_up} updates are given up"
            );
            actions.push(Action::Log(log::Level::Warn, line));
        }
        let offer = Offer {
            token: self.switch.token,
            replication_id: self.replication_id.to_string(),
            seq: final_seq,
            // What is acknowledged in full needs no force, and is checked.
            force: given_up > 0,
            from: self.from,
        };
        let stage = match self.switch.link.open() {
            Some(link) => {
                actions.push(Action::Send {
                    link,
                    request: Request::Offer(offer),
                });
                Stage::Offered {
                    answer_by: MonoMs(now.0.saturating_add(ANSWER_MS)),
                }
            }
            None => Stage::Unsent {
                offer,
                give_up_at: self
                    .connect_ms_max
                    .map(|ms| MonoMs(now.0.saturating_add(ms))),
            },
        };
        (Handing::new(self.switch, stage, given_up, now), actions)
    }
}
