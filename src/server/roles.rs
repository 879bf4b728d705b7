//! Changing role, and following a primary: the one place where this node becomes a primary or a replica.
//!
//! A change goes through these steps, whatever it comes from (REPLICAOF, FAILOVER, the state file at a start):
//!
//! 1. The gate closes for writes at once ([`crate::node::Node::change_role`]).
//! 2. The follower of the old primary is told to end; whole batches that it has given to the loop until then are applied, and
//!    nothing that it says later. Nobody waits for its thread, which may be at a lookup or a copy.
//! 3. Commits in flight finish, and their replies leave.
//! 4. The new role is written to the state file and synced.
//! 5. The role is taken: a primary draws a new history id and lets parked writes go on; a replica starts its follower.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::fetching::announce_copy;
use super::{LoopEvent, Server};
use crate::client::Linked;
use crate::client::waiting::Reason;
use crate::config::PrimaryAddress;
use crate::node::Role;
use crate::node::replication::Goal;
use crate::pubsub::Kind;
use crate::replication::feeder::ToFeeder;
use crate::replication::follower::{Follower, FollowerEvent, FollowerStart, ToFollower};
use crate::replication::handshake::{LinkSettings, LinkState};
use crate::server::state_file::DurableRole;
#[cfg(test)]
use crate::simulation::mutation;
use crate::storage::cf::Cf;
use crate::storage::commit::GroupId;
use crate::storage::received::{BatchRules, ReceivedBatch};
use crate::storage::replication_id::ReplicationId;
use crate::storage::rocks::Rocks;

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;

/// The loop's side of following.
#[derive(Default)]
pub(super) struct Following {
    pub(super) follower: Option<Follower>,
    /// Which one that is. What an earlier one says does not count.
    number: u64,
    /// It was told to stop; what it said before is still on its way to the loop.
    is_stopping: bool,
    /// Batches that wait: for the end of a pause, or for the engine.
    pub(super) received: VecDeque<ReceivedBatch>,
    /// Batches that were submitted and are not committed yet: bytes of each.
    pub(super) submitted: VecDeque<(GroupId, u64)>,
    /// The follower wants to know where this node stands.
    pub(super) asks_position: bool,
    /// The version of the state file that a change of role waits for.
    awaited_version: Option<u64>,
}

impl Server {
    /// Takes up the role that the state file remembers, before anything is served.
    pub(super) fn resume_role(&mut self) {
        let configured = self.node.config.replicaof.clone();
        let remembered = self.durable.state.role.clone();
        match (remembered, configured) {
            (DurableRole::Replica { host, port }, _) => {
                let source = match self.durable.was_there {
                    true => "state file",
                    false => "configuration",
                };
                log::info!("this node is a replica of {host}:{port}, as its {source} says");
                self.node.change_role(Goal::Replica { host, port });
            }
            (DurableRole::Primary, Some(PrimaryAddress { host, port })) => {
                log::warn!(
                    "replicaof {host} {port} is not followed: this node was made a primary since, as its state file says"
                );
            }
            (DurableRole::Primary, None) => {}
        }
        // With an offer open it may be a replica soon.
        let is_primary = self.durable.state.role == DurableRole::Primary;
        self.set_filters_patient(!is_primary || self.durable.state.pending_offer.is_some());
    }

    /// Goes on with a change of role as far as it can go now.
    pub(super) fn step_role_change(&mut self) {
        if self.node.replication.change.is_none() || self.following.awaited_version.is_some() {
            return;
        }
        if let Some(follower) = &self.following.follower {
            if !std::mem::replace(&mut self.following.is_stopping, true) {
                follower.tell(ToFollower::Stop);
                // Behind everything that it has said so far: what comes later is of an old number.
                let stopped = LoopEvent::Follower(self.following.number, FollowerEvent::Stopped);
                self.sender.send(stopped);
            }
            return;
        }
        // The copy of a primary that is given up would replace what this node is about to stand for.
        self.cancel_swap();
        self.settle_received();
        let is_drained = self.following.received.is_empty()
            && !self.node.view.has_open_writes()
            && self
                .committer
                .as_ref()
                .is_some_and(|committer| committer.is_idle());
        #[cfg(test)]
        let is_drained = is_drained || mutation::is_out(mutation::Part::Drain);
        if !is_drained {
            return;
        }
        if self.is_role_stored() {
            return self.finish_role_change();
        }
        let Some(change) = &self.node.replication.change else {
            return;
        };
        self.durable.state.pending_offer = None;
        self.durable.state.role = match &change.goal {
            Goal::Primary => DurableRole::Primary,
            Goal::Replica { host, port } => DurableRole::Replica {
                host: host.clone(),
                port: *port,
            },
        };
        self.following.awaited_version = Some(self.store_durable());
    }

    /// The state file has been written and is not on disk yet: a promotion goes on.
    pub(super) fn role_written(&mut self, version: u64) {
        let change = self.node.replication.change.as_ref();
        let is_promotion = change.is_some_and(|change| matches!(change.goal, Goal::Primary));
        let awaited = self.following.awaited_version;
        if is_promotion && awaited.is_some_and(|awaited| awaited <= version) {
            self.durable.unsynced_promotion = Some(version);
            self.role_stored(version, &Ok(()));
        }
    }

    /// The state file is on disk, or could not be written.
    pub(super) fn role_stored(&mut self, version: u64, result: &Result<(), String>) {
        if self
            .following
            .awaited_version
            .is_none_or(|awaited| awaited > version)
        {
            return;
        }
        self.following.awaited_version = None;
        if let Err(text) = result {
            // Tried again with the next turn of the timers: until then this node is between roles, and takes no writes.
            log::error!("the change of role cannot be made durable: {text}");
            return;
        }
        let Some(change) = self.node.replication.change.take() else {
            return;
        };
        let is_stored = self.durable.state.role
            == match &change.goal {
                Goal::Primary => DurableRole::Primary,
                Goal::Replica { host, port } => DurableRole::Replica {
                    host: host.clone(),
                    port: *port,
                },
            };
        if !is_stored {
            // Another role was asked for meanwhile.
            self.node.replication.change = Some(change);
            return self.step_role_change();
        }
        self.node.replication.change = Some(change);
        self.finish_role_change();
    }

    /// The role is on disk: take it.
    fn finish_role_change(&mut self) {
        let Some(change) = self.node.replication.change.take() else {
            return;
        };
        self.discard_unused_copy();
        match change.goal {
            Goal::Primary => self.take_primary_role(),
            Goal::Replica { host, port } => self.start_follower(host, port),
        }
        self.node.view.committed(change.barrier);
        self.node.gated.committed(self.node.view.committed_group());
        self.note_promoted();
    }

    /// A history of this node's own begins.
    pub(super) fn begin_term(&mut self) -> ReplicationId {
        self.set_filters_patient(false);
        let rng = &mut self.node.rng;
        let id = ReplicationId::draw(|bound| rng.below(bound));
        let latest = self.node.last_seq;
        self.node.replication.history.begin_term(id, latest);
        self.node.view.begin_history(id);
        self.feeding.tell(ToFeeder::SetHistory(Some(id)));
        id
    }

    fn take_primary_role(&mut self) {
        let id = self.begin_term();
        let latest = self.node.last_seq;
        self.node.role = Role::Primary;
        self.node.waiting.release(Reason::Role);
        self.tell_path();
        log::info!("this node is a primary now, from sequence {latest} on, under the id {id}");
    }

    /// The replicas hear who is above them: one that finds itself there has found a loop.
    pub(super) fn tell_path(&self) {
        let mut path = vec![self.node.run_id.clone()];
        if let Some(followed) = &self.node.replication.followed {
            path.extend(followed.path.iter().cloned());
        }
        self.feeding.tell(ToFeeder::SetPath(path));
    }

    pub(super) fn start_follower(&mut self, host: String, port: u16) {
        self.set_filters_patient(true);
        log::info!(
            "following {host}:{port} from sequence {}",
            self.node.last_seq
        );
        self.feeding.tell(ToFeeder::SetHistory(
            self.node.replication.history.current(),
        ));
        let fetch = self.fetcher(&host, port);
        let start = FollowerStart {
            host,
            port,
            settings: self.link_settings(),
            rules: self.batch_rules(),
            fetch,
            own_endings: super::fetching::own_endings(&self.node.config.dir),
        };
        let sender = self.sender.clone();
        self.following.number += 1;
        let number = self.following.number;
        let notify = move |event| sender.send(LoopEvent::Follower(number, event));
        match Follower::start(&self.runner, start, notify) {
            Ok(follower) => self.following.follower = Some(follower),
            Err(error) => log::error!("no thread for following the primary: {error}"),
        }
    }

    /// Whether compaction leaves alone what has expired lately: on a replica, whose primary may have extended its time.
    fn set_filters_patient(&self, is_patient: bool) {
        self.patient_filters.store(is_patient, Ordering::Release);
    }

    /// What a batch must be like for this node's database to take it.
    pub(super) fn batch_rules(&self) -> BatchRules {
        let database = self.node.view.database();
        let families = database.map_or(Cf::COUNT as u32, Rocks::families_count);
        BatchRules::new(self.node.codec, families)
    }

    pub(super) fn link_settings(&self) -> LinkSettings {
        let config = &self.node.config;
        let port = match config.replica_announce_port {
            0 => self.node.tcp_port(),
            port => port,
        };
        let ip = String::from_utf8_lossy(&config.replica_announce_ip).into_owned();
        LinkSettings {
            user: (!config.masteruser.is_empty()).then(|| config.masteruser.clone()),
            password: config.masterauth.clone(),
            db_name: config.db_name.clone(),
            port,
            ip: (!ip.is_empty()).then_some(ip),
            run_id: self.node.run_id.clone(),
            connect_ms: match config.replication_connect_timeout_ms {
                0 => u64::MAX,
                ms => u64::from(ms),
            },
            timeout_ms: u64::from(config.repl_timeout_s) * 1000,
        }
    }

    /// The follower, for who does its rounds.
    #[cfg(test)]
    pub(super) fn follower(&mut self) -> Option<&mut Follower> {
        self.following.follower.as_mut()
    }

    pub(super) fn tell_follower(&self, message: ToFollower) {
        if let Some(follower) = &self.following.follower {
            follower.tell(message);
        }
    }

    /// The next connection to the primary is made with other settings.
    pub(super) fn link_settings_changed(&mut self) {
        if let Some(follower) = &self.following.follower {
            follower.tell(ToFollower::Settings(self.link_settings()));
        }
    }

    pub(super) fn follower_event(&mut self, number: u64, event: FollowerEvent) {
        if number != self.following.number || self.following.follower.is_none() {
            return;
        }
        let now = self.node.now();
        let is_stopping = self.following.is_stopping;
        match event {
            FollowerEvent::Batch(batch) => {
                self.note_arrival(&batch);
                self.following.received.push_back(batch);
                self.apply_received();
            }
            FollowerEvent::AskPosition => {
                self.following.asks_position = true;
                self.tell_position();
            }
            FollowerEvent::Message(message) => {
                let kind = match message.is_shard {
                    true => Kind::Shard,
                    false => Kind::Channel,
                };
                let group = self.node.view.newest_group();
                let (channel, payload) = (&message.channel, &message.payload);
                self.node.publish(kind, channel, payload, Some(group));
                self.node.replication.note_message(message, Some(group));
            }
            FollowerEvent::Status { id, .. } => {
                let last = self.node.last_seq;
                self.node.replication.history.note_heard(id, last);
                self.feeding.tell(ToFeeder::SetHistory(
                    self.node.replication.history.current(),
                ));
            }
            FollowerEvent::Stopped => {
                self.following.is_stopping = false;
                self.following.asks_position = false;
                self.following.follower = None;
                self.apply_received();
            }
            // Of a link that is being given up nothing is shown any more.
            _ if is_stopping => {}
            FollowerEvent::Connected(peer) => {
                self.next_client_id += 1;
                let link = Linked::new(self.next_client_id, peer, now);
                if let Some(followed) = &mut self.node.replication.followed {
                    followed.link = Some(link);
                }
            }
            FollowerEvent::Path(path) => {
                if let Some(followed) = &mut self.node.replication.followed {
                    followed.path = path;
                }
                self.tell_path();
            }
            FollowerEvent::State(shown) => {
                let Some(followed) = &mut self.node.replication.followed else {
                    return;
                };
                followed.shown = Some(shown);
                if shown.state == LinkState::Connected {
                    followed.problem = None;
                    followed.down_since = None;
                    log::info!("the link to {}:{} is up", followed.host, followed.port);
                    // An earlier try to copy may have failed, and this node need not be copied any more.
                    self.discard_unused_copy();
                    self.settle_offer();
                } else {
                    followed.down_since.get_or_insert(now);
                }
            }
            FollowerEvent::Problem(problem) => {
                if let Some(followed) = &mut self.node.replication.followed {
                    log::warn!("the link to {}:{}: {problem}", followed.host, followed.port);
                    followed.problem = Some(problem.to_string());
                }
            }
            FollowerEvent::CopyBegins { given_up } => announce_copy(given_up),
            FollowerEvent::CopyFetched => self.want_swap(),
        }
    }

    /// What INFO shows of the link and nothing tells by itself.
    pub(super) fn look_at_link(&mut self) {
        if let (Some(follower), Some(followed)) = (
            &self.following.follower,
            &mut self.node.replication.followed,
        ) {
            followed.silence_ms = follower.silence_ms();
            (followed.copied_bytes, followed.copy_bytes) = self.fetching.copied_bytes();
        }
    }

    /// Ends following for good. Afterwards nothing is written into the data directory for it.
    pub(super) fn stop_following(&mut self) {
        if let Some(follower) = self.following.follower.take() {
            follower.tell(ToFollower::Stop);
        }
        self.fetching.await_end();
    }
}
