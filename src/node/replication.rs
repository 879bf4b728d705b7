//! What the loop knows of replication: the history, the replicas, the primary that is followed, and a change of role under way.
//!
//! Commands read and ask here; the server drives links, threads and the state file, and says here how far things are.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use super::copies::Copies;
use super::{Node, Request, Role};
use crate::client::waiting::Reason;
use crate::client::{ClientKey, Linked};
use crate::clock::MonoMs;
use crate::command::parking;
use crate::error::ReplyError;
use crate::failover::machine::Successor;
use crate::replication::follower::Shown;
use crate::replication::frames::Message;
use crate::replication::handshake::LinkState;
use crate::replication::history::History;
use crate::replication::history::Peer as PeerKind;
use crate::replication::progress::{self, Progress, Replica, ReplicaId};
use crate::replication::takeover::wire::Address;
#[cfg(test)]
use crate::simulation::mutation;
use crate::storage::cf::Cf;
use crate::storage::commit::GroupId;
use crate::storage::keys::db_of_namespace;
use crate::storage::received::{Family, Op, ReceivedBatch};
use crate::storage::seq::Seq;

/// What a node is to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Goal {
    /// It accepts writes.
    Primary,
    /// It follows another node.
    Replica { host: String, port: u16 },
}

/// The primary that this node follows.
#[derive(Clone, Debug)]
pub struct Followed {
    pub host: String,
    pub port: u16,
    /// What the link says of itself; `None` while it has said nothing.
    pub shown: Option<Shown>,
    /// What is the matter with the link, in words; `None` while it flows.
    pub problem: Option<String>,
    /// The run ids of the primary and of those above it, if they are known.
    pub path: Vec<String>,
    /// Since when there is no stream.
    pub down_since: Option<MonoMs>,
    /// Milliseconds since something came from it, as of the last look.
    pub silence_ms: u64,
    /// Where the next batch from it begins, behind all that has come, executed or not.
    pub read_next: Seq,
    /// How much of a full copy has come, as of the last look: bytes, and bytes known to be coming.
    pub copied_bytes: u64,
    pub copy_bytes: u64,
    /// A copy of its data is being put in the place of ours.
    pub is_swapping: bool,
    /// The connection, as CLIENT LIST shows it once the stream flows.
    pub link: Option<Linked>,
}

impl Followed {
    /// One whose link is not up yet.
    pub fn new(host: String, port: u16, now: MonoMs) -> Followed {
        Followed {
            host,
            port,
            shown: None,
            problem: None,
            path: Vec::new(),
            down_since: Some(now),
            silence_ms: 0,
            read_next: Seq::ZERO,
            copied_bytes: 0,
            copy_bytes: 0,
            is_swapping: false,
            link: None,
        }
    }

    /// The target of a hand-over, of which nobody knows yet whether it has taken over.
    fn of_successor(successor: &Successor<'_>) -> Followed {
        let Address { host, port } = successor.target;
        let shown = Shown {
            state: successor.link,
            primary: PeerKind::Stillpoint,
        };
        Followed {
            shown: Some(shown),
            ..Followed::new(host.clone(), *port, successor.since)
        }
    }

    /// Whether the stream flows.
    pub fn is_up(&self) -> bool {
        self.state() == LinkState::Connected
    }

    /// The state of the link.
    pub fn state(&self) -> LinkState {
        self.shown.map_or(LinkState::Connect, |shown| shown.state)
    }
}

/// A change of role that was asked for and is not durable yet.
#[derive(Clone, Debug)]
pub struct RoleChange {
    pub goal: Goal,
    /// Replies that wait until it is durable depend on this.
    pub barrier: GroupId,
}

/// The loop's side of replication.
#[derive(Debug, Default)]
pub struct Replication {
    /// Ids and what they name.
    pub history: History,
    /// The replicas.
    pub progress: Progress,
    /// Their connections, as CLIENT LIST shows them.
    links: BTreeMap<ReplicaId, Linked>,
    /// The connections of those that fetch a full copy.
    pub copies: Copies,
    /// The primary that is followed; `None` on a primary.
    pub followed: Option<Followed>,
    /// The one that was followed, while this node is being promoted.
    left: Option<Followed>,
    /// The change of role under way.
    pub change: Option<RoleChange>,
    /// Somebody waits for acknowledgements and wants them asked for.
    pub wants_acks: bool,
    /// The last update of each group that was committed lately, in order.
    group_ends: VecDeque<(GroupId, Seq)>,
    /// Messages of the command that runs, for the subscribers of replicas.
    noted_messages: Vec<Message>,
    /// Messages for the subscribers of replicas, and what each depends on.
    pub messages: VecDeque<(GroupId, Message)>,
    /// Full copies given out, PSYNCs accepted, PSYNCs refused: INFO's `sync_*`.
    pub full_syncs: u64,
    pub partial_syncs: u64,
    pub refused_syncs: u64,
}

/// Groups whose last update is remembered.
const GROUP_ENDS_MAX: usize = 4096;

impl Replication {
    /// A client has become this replica.
    pub fn note_link(&mut self, id: ReplicaId, link: Linked) {
        self.links.insert(id, link);
    }

    /// This replica's connection has gone, or is to be closed.
    pub fn forget_link(&mut self, id: ReplicaId) {
        self.links.remove(&id);
    }

    /// The connections of replicas.
    pub fn links(&self) -> impl Iterator<Item = (ReplicaId, &Linked, &Replica)> {
        let links = self.links.iter();
        links.filter_map(|(id, link)| Some((*id, link, self.progress.get(*id)?)))
    }

    /// How many replicas' connections there are.
    pub fn links_count(&self) -> usize {
        self.links.len()
    }

    /// The connection to the primary, once the stream flows; before, it is nobody's to see, as in Redis.
    pub fn primary_link(&self) -> Option<(&Linked, &Followed)> {
        let followed = self.followed.as_ref().filter(|followed| followed.is_up())?;
        Some((followed.link.as_ref()?, followed))
    }

    /// The connection to the primary is to be closed.
    pub fn forget_primary_link(&mut self) {
        if let Some(followed) = &mut self.followed {
            followed.link = None;
        }
    }

    /// Every group up to this one is committed, the last update of it being `seq`.
    pub fn note_committed(&mut self, group: GroupId, seq: Seq) {
        if self.group_ends.len() == GROUP_ENDS_MAX {
            self.group_ends.pop_front();
        }
        self.group_ends.push_back((group, seq));
    }

    /// Notes a message for the subscribers of replicas, if there are replicas. `group` is what it depends on; `None` when only
    /// the end of the running command shows it.
    pub fn note_message(&mut self, message: Message, group: Option<GroupId>) {
        if self.progress.is_empty() {
            return;
        }
        match group {
            Some(group) => self.messages.push_back((group, message)),
            None => self.noted_messages.push(message),
        }
    }

    /// What the messages of the command that has run depend on.
    pub fn release_messages(&mut self, group: GroupId) {
        let noted = std::mem::take(&mut self.noted_messages);
        let noted = noted.into_iter();
        self.messages.extend(noted.map(|message| (group, message)));
    }

    /// The command that runs will run again: its messages never were.
    pub fn forget_messages(&mut self) {
        self.noted_messages.clear();
    }

    /// An update at or behind the last one of a committed group; of groups of long ago a later one is named.
    pub fn end_of(&self, group: GroupId) -> Option<Seq> {
        let at = self.group_ends.partition_point(|(id, _)| *id < group);
        self.group_ends.get(at).map(|(_, seq)| *seq)
    }
}

impl Node {
    /// How many replicas have acknowledged the last write of `client`; `None` while it is not committed.
    pub fn acknowledged_count(&self, client: ClientKey) -> Option<usize> {
        let last_write = self.clients.get(client)?.last_write;
        let seq = if last_write == GroupId(0) {
            Seq::ZERO
        } else if last_write > self.view.committed_group() {
            return None;
        } else {
            self.replication.end_of(last_write).unwrap_or(self.last_seq)
        };
        #[cfg(test)]
        let seq = if mutation::is_out(mutation::Part::Acknowledgements) {
            Seq::ZERO
        } else {
            seq
        };
        Some(self.replication.progress.acked_count(seq))
    }

    /// The primary that this node names in INFO, ROLE and HELLO; `None` when it calls itself one.
    ///
    /// It calls itself a primary as long as it accepts writes, and no longer: while it hands over it names the target, as Redis does,
    /// and while it is being promoted the node that it followed.
    pub fn named_primary(&self) -> Option<Cow<'_, Followed>> {
        let replication = &self.replication;
        match self.role {
            Role::Primary => None,
            Role::Replica => replication.followed.as_ref().map(Cow::Borrowed),
            Role::Promoting => replication.left.as_ref().map(Cow::Borrowed),
            Role::HandingOver => {
                let successor = self.failover.successor()?;
                Some(Cow::Owned(Followed::of_successor(&successor)))
            }
        }
    }

    /// Begins to become something else. The gate closes for writes at once; the rest follows. The reply of the command that asks
    /// leaves when the new role is on disk.
    pub fn change_role(&mut self, goal: Goal) {
        let barrier = match &self.replication.change {
            Some(change) => change.barrier,
            None => self.view.barrier(),
        };
        self.view.depend_on(barrier);
        match &goal {
            Goal::Primary => {
                self.role = Role::Promoting;
                let now = self.now();
                let followed = self.replication.followed.take();
                self.replication.left = followed
                    .map(|followed| Followed::new(followed.host, followed.port, now))
                    .or(self.replication.left.take());
            }
            Goal::Replica { host, port } => self.become_replica(host.clone(), *port),
        }
        self.replication.change = Some(RoleChange { goal, barrier });
        self.requests.push(Request::RoleChanged);
    }

    /// This node accepts no writes from here on, and what waits to be one is told so.
    pub fn become_replica(&mut self, host: String, port: u16) {
        let was_primary = self.role != Role::Replica;
        let now = self.now();
        self.role = Role::Replica;
        self.replication.followed = Some(Followed::new(host, port, now));
        self.replication.history.end_term();
        if was_primary {
            self.unblock_waiters();
        }
        self.waiting.release(Reason::Paused);
        self.waiting.release(Reason::Role);
    }

    /// Clients that wait for keys, or for acknowledgements, wait in vain on a replica. Source: Redis 7.0
    /// `disconnectAllBlockedClients`.
    fn unblock_waiters(&mut self) {
        const UNBLOCKED: ReplyError = ReplyError::fixed(
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        );
        #[cfg(test)]
        if mutation::is_out(mutation::Part::Unblocking) {
            return;
        }
        let mut clients = self.waiting.clients(Reason::Keys);
        clients.extend(self.waiting.clients(Reason::Acks));
        for client in clients {
            parking::unblock_with_error(self, client, &UNBLOCKED);
            self.close_after_reply(client);
        }
    }

    /// What a batch of the primary sets off for this node's clients: WATCH, and those who wait for keys.
    pub fn note_received(&mut self, batch: &ReceivedBatch) {
        if self.watches.is_empty() && !self.waiting.has_key_waits() {
            return;
        }
        let mut touched = Vec::new();
        let mut all = false;
        for op in batch.ops() {
            let (family, key) = match op {
                Op::Put { family, key, .. } | Op::Delete { family, key } => (family, key),
                Op::DeleteRange { .. } => {
                    all = true;
                    break;
                }
                Op::LogData(_) => continue,
            };
            let user_key = match family {
                Family::Known(Cf::Metadata) => self.codec.split_metadata_key(key),
                Family::Known(Cf::Default | Cf::ZsetScore | Cf::Stream) => {
                    self.codec.split_subkey(key)
                }
                _ => None,
            };
            if let Some(parts) = user_key
                && let Some(db) = db_of_namespace(parts.namespace)
            {
                touched.push((db, Box::<[u8]>::from(parts.user_key)));
            }
        }
        if all {
            self.dirty_all_watches();
            return;
        }
        touched.dedup();
        self.changes.keys.extend(touched);
        let group = self.view.newest_group();
        self.apply_changes(group);
    }

    /// Those who follow this node by streams and acknowledge.
    pub fn wake_acks(&mut self) {
        if self.waiting.count(Reason::Acks) > 0 {
            self.waiting.release(Reason::Acks);
        }
    }
}

/// Options that a connection has given with `replconf`, for the PSYNC that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkOptions {
    pub port: u16,
    pub ip: Option<String>,
    /// Run id of a Stillpoint.
    pub run_id: Option<String>,
}

impl LinkOptions {
    /// Where the replica is reached whose connection comes from `peer_addr` (`ip:port`).
    pub fn address(&self, peer_addr: &str) -> progress::Address {
        let peer_ip = peer_addr.rsplit_once(':').map_or("", |(ip, _)| ip);
        let peer_ip = peer_ip.trim_matches(['[', ']']);
        progress::Address {
            ip: self.ip.clone().unwrap_or_else(|| peer_ip.to_owned()),
            port: self.port,
        }
    }
}

/// A replica's request that leaves the loop with its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkRequest {
    /// The files of a checkpoint.
    FetchMeta,
    /// The contents of these.
    FetchFile { names: Vec<u8> },
}
