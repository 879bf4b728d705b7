//! FAILOVER: does what the two machines of a planned switch say ([`crate::failover`] on the old primary, [`crate::replication::takeover`]
//! on its target), and tells them what happens.

use std::collections::BTreeMap;

use super::{LoopEvent, Server};
use crate::client::ClientKey;
use crate::client::waiting::Reason;
use crate::command::parking;
use crate::failover::machine::action::LinkId;
use crate::failover::request::{self, Replica};
use crate::failover::{Action, Durable, Failover, Ticket};
use crate::node::replication::Goal;
use crate::node::{Node, Role};
use crate::pause::{Purpose, Scope, Until};
use crate::replication::feeder::ToFeeder;
use crate::replication::offer_link::{OfferLink, OfferLinkEvent, OfferLinkStart};
use crate::replication::takeover::{self, Asker};
use crate::server::state_file::DurableRole;
#[cfg(test)]
use crate::simulation::mutation;
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

/// A write of the state file that a machine waits for.
enum Awaited {
    Failover(u64),
    Takeover(u64),
    /// Of a takeover that makes this node a primary.
    Promotion(u64),
}

/// The loop's side of planned switches.
#[derive(Default)]
pub(super) struct FailingOver {
    links: BTreeMap<LinkId, OfferLink>,
    /// Versions of the state file, and who waits for each.
    awaited: Vec<(u64, Awaited)>,
    /// The end of what was executed before the pause was reported.
    drained: Option<Seq>,
    /// The target's machine waits for this node to be a primary.
    promotes: bool,
}

#[cfg(test)]
impl FailingOver {
    /// Connections to targets, for who does their rounds.
    pub(super) fn links(&mut self) -> std::collections::btree_map::IterMut<'_, LinkId, OfferLink> {
        self.links.iter_mut()
    }
}

impl Server {
    /// Takes up an offer that was open when an earlier process ended.
    pub(super) fn resume_failover(&mut self) {
        let Some(pending) = self.durable.state.pending_offer.clone() else {
            return;
        };
        let Some(run_id) = self.node.own_run_id() else {
            return;
        };
        let (failover, actions) = Failover::restart(run_id, pending, &self.node.turn);
        self.node.failover = failover;
        self.do_failover(actions);
    }

    /// Lets the machines see time pass, and the end of what was executed before a pause.
    pub(super) fn step_failover(&mut self) {
        if let Some(deadline) = self.node.takeover.next_deadline()
            && deadline <= self.node.now()
        {
            let actions = self.node.takeover.tick(self.node.now());
            self.do_takeover(actions);
        }
        if !self.node.failover.is_active() {
            self.failing_over.drained = None;
            return;
        }
        let turn = self.node.turn;
        if self
            .node
            .failover
            .next_deadline()
            .is_some_and(|deadline| deadline <= turn.now())
        {
            let actions = self.node.failover.tick(&turn);
            self.do_failover(actions);
        }
        let last = self.node.last_seq;
        let is_idle = !self.node.view.has_uncommitted()
            && self
                .committer
                .as_ref()
                .is_some_and(|committer| committer.is_idle());
        #[cfg(test)]
        let is_idle = is_idle || mutation::is_out(mutation::Part::Drain);
        let is_drained = self.node.failover.has_paused() && is_idle;
        if is_drained && self.failing_over.drained != Some(last) {
            self.failing_over.drained = Some(last);
            let id = self.node.replication.history.current();
            let id = id.as_ref().map_or("", ReplicationId::as_str).to_owned();
            let actions = self.node.failover.drained(last, &id, &turn);
            self.do_failover(actions);
        }
    }

    /// Tells the machine how far each replica is.
    pub(super) fn tell_failover_acks(&mut self) {
        if !self.node.failover.is_active() {
            return;
        }
        let turn = self.node.turn;
        let mut actions = Vec::new();
        for replica in self.node.replicas_as_targets() {
            let (id, seq) = (replica.id, replica.acked_seq);
            actions.extend(self.node.failover.replica_is(replica, &turn));
            actions.extend(self.node.failover.acked(id, seq, &turn));
        }
        self.do_failover(actions);
    }

    pub(super) fn failover_replica_gone(&mut self, id: u64) {
        let turn = self.node.turn;
        let actions = self.node.failover.replica_gone(id, &turn);
        self.do_failover(actions);
    }

    /// Does what the old primary's machine says.
    pub(super) fn do_failover(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::PauseWrites => {
                    let pause = &mut self.node.pause;
                    pause.set(Purpose::Failover, Scope::Writes, Until::Released);
                }
                Action::ReleasePause => {
                    if self.node.pause.lift(Purpose::Failover) {
                        self.node.waiting.release(Reason::Paused);
                    }
                }
                Action::RequestAcks => self.feeding.tell(ToFeeder::AskForAcks),
                Action::Store { attempt, durable } => self.store_failover(attempt, durable),
                Action::Connect { link, target } => self.connect_to_target(link, target),
                Action::Send { link, request } => {
                    if let Some(link) = self.failing_over.links.get(&link) {
                        link.send(request.encode());
                    }
                }
                Action::Close { link } => {
                    self.failing_over.links.remove(&link);
                }
                Action::StopBeingPrimary { seq } => {
                    assert!(
                        !self.node.view.has_uncommitted()
                            && seq.is_none_or(|seq| seq == self.node.last_seq),
                        "a primary hands over at {seq:?} and has written up to {}",
                        self.node.last_seq
                    );
                    self.node.role = Role::HandingOver;
                }
                Action::ResumePrimary { new_history } => {
                    if new_history {
                        self.begin_term();
                    }
                    self.node.role = Role::Primary;
                    self.node.waiting.release(Reason::Role);
                }
                Action::Follow { target } => {
                    self.node.become_replica(target.host.clone(), target.port);
                    self.start_follower(target.host, target.port);
                }
                Action::Answer { ticket, reply } => self.node.answer_ticket(ticket, reply),
                Action::Log(level, line) => log::log!(level, "{line}"),
            }
        }
    }

    fn store_failover(&mut self, attempt: u64, durable: Durable) {
        let state = &mut self.durable.state;
        (state.role, state.pending_offer) = match durable {
            Durable::Pending(offer) => (DurableRole::Primary, Some(offer)),
            Durable::Primary => (DurableRole::Primary, None),
        };
        let version = self.store_durable();
        let awaited = Awaited::Failover(attempt);
        self.failing_over.awaited.push((version, awaited));
    }

    fn connect_to_target(&mut self, link: LinkId, target: takeover::wire::Address) {
        let config = &self.node.config;
        let run_id = self.node.own_run_id();
        let run_id = run_id.unwrap_or_else(|| takeover::wire::RunId::from_digits([b'0'; 40]));
        let start = OfferLinkStart {
            target,
            token: takeover::wire::Token { run_id, count: 1 },
            user: (!config.masteruser.is_empty()).then(|| config.masteruser.clone()),
            password: config.masterauth.clone(),
        };
        let sender = self.sender.clone();
        let notify = move |event| sender.send(LoopEvent::OfferLink(link, event));
        match OfferLink::start(&self.runner, start, notify) {
            Ok(started) => {
                self.failing_over.links.insert(link, started);
            }
            Err(error) => {
                let ended = OfferLinkEvent::Ended(format!("no thread for it: {error}"));
                self.sender.send(LoopEvent::OfferLink(link, ended));
            }
        }
    }

    pub(super) fn offer_link_event(&mut self, link: LinkId, event: OfferLinkEvent) {
        // One that was closed meanwhile is nobody's.
        let turn = self.node.turn;
        let failover = &mut self.node.failover;
        let actions = match event {
            OfferLinkEvent::Connected => failover.connected(link, &turn),
            OfferLinkEvent::Answered(answer) => failover.answered(link, answer, &turn),
            OfferLinkEvent::Ended(why) => {
                self.failing_over.links.remove(&link);
                failover.disconnected(link, &why, &turn)
            }
        };
        self.do_failover(actions);
    }

    /// The state file was written up to this version, or could not be.
    pub(super) fn failover_stored(&mut self, version: u64, result: &Result<(), String>) {
        let turn = self.node.turn;
        let awaited = std::mem::take(&mut self.failing_over.awaited);
        let (done, later): (Vec<_>, Vec<_>) =
            awaited.into_iter().partition(|(at, _)| *at <= version);
        self.failing_over.awaited = later;
        for (_, awaited) in done {
            match (awaited, result) {
                (Awaited::Failover(attempt), Ok(())) => {
                    let actions = self.node.failover.stored(attempt, &turn);
                    self.do_failover(actions);
                }
                (Awaited::Failover(attempt), Err(text)) => {
                    let actions = self.node.failover.store_failed(attempt, text, &turn);
                    self.do_failover(actions);
                }
                (Awaited::Takeover(attempt) | Awaited::Promotion(attempt), Ok(())) => {
                    let actions = self.node.takeover.stored(attempt);
                    self.do_takeover(actions);
                }
                (Awaited::Takeover(attempt) | Awaited::Promotion(attempt), Err(text)) => {
                    let now = turn.now();
                    let actions = self.node.takeover.store_failed(attempt, text, now);
                    self.do_takeover(actions);
                }
            }
        }
    }

    /// The state file has been written up to this version, and is not on disk yet: enough for a promotion, if the settings
    /// let writes be acknowledged like that.
    pub(super) fn promotion_written(&mut self, version: u64) {
        let is_it = |(at, awaited): &mut (u64, Awaited)| {
            *at <= version && matches!(awaited, Awaited::Promotion(_))
        };
        let written: Vec<_> = self.failing_over.awaited.extract_if(.., is_it).collect();
        for (_, awaited) in written {
            if let Awaited::Promotion(attempt) = awaited {
                self.durable.unsynced_promotion = Some(version);
                let actions = self.node.takeover.stored(attempt);
                self.do_takeover(actions);
            }
        }
    }

    /// The new primary's link is up, so it has its role on disk: this node's is a replica's, and its offer is history.
    pub(super) fn settle_offer(&mut self) {
        let Some(followed) = &self.node.replication.followed else {
            return;
        };
        if self.node.failover.is_active() || self.durable.state.pending_offer.is_none() {
            return;
        }
        let (host, port) = (followed.host.clone(), followed.port);
        self.durable.state.role = DurableRole::Replica { host, port };
        self.durable.state.pending_offer = None;
        self.store_durable();
    }

    // ---- as the target ----

    /// Does what the target's machine says.
    pub(super) fn do_takeover(&mut self, actions: Vec<takeover::Action>) {
        for action in actions {
            match action {
                takeover::Action::Store {
                    attempt,
                    fates,
                    promote,
                } => {
                    self.durable.state.takeovers = fates;
                    if promote {
                        self.durable.state.role = DurableRole::Primary;
                        self.durable.state.pending_offer = None;
                    }
                    let version = self.store_durable();
                    let awaited = match promote {
                        true => Awaited::Promotion(attempt),
                        false => Awaited::Takeover(attempt),
                    };
                    self.failing_over.awaited.push((version, awaited));
                }
                takeover::Action::Promote { .. } => {
                    self.failing_over.promotes = true;
                    self.node.change_role(Goal::Primary);
                }
                takeover::Action::Answer { asker, answer } => {
                    self.node.answer_asker(asker, &answer.encode());
                }
                takeover::Action::Log(level, line) => log::log!(level, "{line}"),
            }
        }
    }

    /// Whether the role that is to be taken is in the state file already.
    pub(super) fn is_role_stored(&self) -> bool {
        self.failing_over.promotes
    }

    /// This node is a primary now.
    pub(super) fn note_promoted(&mut self) {
        if std::mem::take(&mut self.failing_over.promotes) {
            let seq = self.node.last_seq;
            let actions = self.node.takeover.promoted(seq);
            self.do_takeover(actions);
        }
    }
}

impl Node {
    /// Where this node is reached, as it would say itself.
    pub(crate) fn own_address(&self) -> takeover::wire::Address {
        let announced = String::from_utf8_lossy(&self.config.replica_announce_ip).into_owned();
        let bound = self.config.bind.first().map_or("", String::as_str);
        let host = if announced.is_empty() {
            bound.trim_start_matches('-').to_owned()
        } else {
            announced
        };
        // An offer names a host in one word.
        let host = if host.is_empty() {
            "*".to_owned()
        } else {
            host
        };
        takeover::wire::Address::new(host, self.tcp_port())
    }

    /// This run of the server, as it is named in takeovers.
    pub(crate) fn own_run_id(&self) -> Option<takeover::wire::RunId> {
        takeover::wire::RunId::parse(self.run_id.as_bytes())
    }

    /// The replicas, as FAILOVER looks at them.
    pub(crate) fn replicas_as_targets(&self) -> Vec<Replica> {
        let progress = &self.replication.progress;
        let replica = |(id, replica): (_, &crate::replication::progress::Replica)| Replica {
            id: crate::replication::progress::ReplicaId::number(id),
            address: takeover::wire::Address::new(replica.address.ip.clone(), replica.address.port),
            is_online: progress.can_take_over(id),
            acked_seq: replica.acked_seq().unwrap_or_default(),
        };
        progress.iter().map(replica).collect()
    }

    /// What this node is when FAILOVER comes.
    pub(crate) fn failover_facts(&self) -> request::Facts {
        let hello = crate::failover::sentinel::HELLO_CHANNEL;
        let kind = crate::pubsub::Kind::Channel;
        let mut replicas = self.replicas_as_targets();
        // They have no link yet that a failover could hear of.
        replicas.extend(self.copying_replicas().into_iter().map(|row| Replica {
            id: u64::MAX,
            address: takeover::wire::Address::new(row.address.ip, row.address.port),
            is_online: false,
            acked_seq: Seq::ZERO,
        }));
        request::Facts {
            is_replica: self.role != Role::Primary,
            replicas,
            hello_subscribers: self.pubsub.listeners(kind, hello).len(),
        }
    }

    /// Answers a command that waits for a planned switch.
    fn answer_ticket(&mut self, ticket: Ticket, reply: Result<(), crate::error::ReplyError>) {
        if let Some(key) = self.waits_for_link(ticket.0) {
            match reply {
                Ok(()) => parking::unblock_with_bytes(self, key, b"+OK\r\n"),
                Err(error) => parking::unblock_with_error(self, key, &error),
            }
        }
    }

    fn answer_asker(&mut self, asker: Asker, bytes: &[u8]) {
        if let Some(key) = self.waits_for_link(asker.0) {
            parking::unblock_with_bytes(self, key, bytes);
        }
    }

    fn waits_for_link(&self, client_id: u64) -> Option<ClientKey> {
        let key = self.clients.key_of_id(client_id)?;
        let parked = self.clients.get(key)?.parked()?;
        (self.waiting.reason(parked.ticket) == Some(Reason::Link)).then_some(key)
    }
}
