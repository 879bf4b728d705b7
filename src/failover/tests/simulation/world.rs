//! The nodes of the simulation, and how they do what their machines ask for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::clock::Turn;
use crate::failover::machine::action::LinkId;
use crate::failover::request::Replica;
use crate::failover::{Action, Durable, Failover, PendingOffer};
use crate::replication::takeover::fates::Fates;
use crate::replication::takeover::wire::{Address, Answer, Request, RunId};
use crate::replication::takeover::{self, Asker, Following, Standing, Takeover};
use crate::storage::seq::Seq;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Replica,
    Between,
}

/// What the state file holds.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) is_primary: bool,
    pub(super) pending: Option<PendingOffer>,
    pub(super) fates: Fates,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Failover(u64),
    Takeover(u64),
    Nobody,
}

pub(super) struct Node {
    pub(super) is_up: bool,
    pub(super) role: Role,
    pub(super) is_paused: bool,
    /// The writes that it holds, by their names.
    pub(super) log: Vec<u32>,
    pub(super) history: String,
    pub(super) run_id: RunId,
    /// Whom it follows, as it knows from its link.
    pub(super) followed: Option<(RunId, String)>,
    pub(super) failover: Failover,
    pub(super) takeover: Takeover,
    pub(super) memory: Disk,
    pub(super) disk: Disk,
    pub(super) writes: VecDeque<(Owner, Disk)>,
    /// Its replication link as the other node's replica.
    pub(super) replica_link: u64,
}

/// One connection of an old primary.
#[derive(Default)]
pub(super) struct Link {
    pub(super) is_open: bool,
    /// The machine waits for the outcome.
    pub(super) is_opening: bool,
    pub(super) requests: VecDeque<Request>,
    pub(super) answers: VecDeque<Answer>,
}

#[derive(Default)]
pub(super) struct Trouble {
    /// REPLICAOF NO ONE where the fate was open: from then on anything may be.
    pub(super) operator_spoke: bool,
    /// A switch by force may lose writes.
    pub(super) forced: bool,
}

pub(super) struct World {
    pub(super) now_us: u64,
    pub(super) nodes: [Node; 2],
    pub(super) links: BTreeMap<(usize, LinkId), Link>,
    pub(super) acked: Vec<u32>,
    pub(super) names: u64,
    pub(super) cancelled: BTreeSet<String>,
    pub(super) trouble: Trouble,
}

pub(super) fn run_id(number: u64) -> RunId {
    RunId::parse(format!("{number:040x}").as_bytes()).expect("forty digits")
}

pub(super) fn address(node: usize) -> Address {
    Address::new(["a", "b"][node], 6379)
}

impl World {
    pub(super) fn new() -> World {
        let node = |index: usize| {
            let is_primary = index == 0;
            let disk = Disk {
                is_primary,
                pending: None,
                fates: Fates::default(),
            };
            Node {
                is_up: true,
                role: if is_primary {
                    Role::Primary
                } else {
                    Role::Replica
                },
                is_paused: false,
                log: Vec::new(),
                history: format!("h{index}"),
                run_id: run_id(index as u64),
                followed: None,
                failover: Failover::new(run_id(index as u64)),
                takeover: Takeover::default(),
                memory: disk.clone(),
                disk,
                writes: VecDeque::new(),
                replica_link: index as u64,
            }
        };
        World {
            now_us: 1_000_000,
            nodes: [node(0), node(1)],
            links: BTreeMap::new(),
            acked: Vec::new(),
            names: 100,
            cancelled: BTreeSet::new(),
            trouble: Trouble::default(),
        }
    }

    pub(super) fn now(&self) -> Turn {
        Turn {
            mono_us: self.now_us,
            unix_us: 0,
        }
    }

    pub(super) fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    pub(super) fn accepts_writes(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        node.is_up && node.role == Role::Primary && !node.failover.is_handing_over()
    }

    pub(super) fn follows(&self, replica: usize) -> bool {
        let (node, primary) = (&self.nodes[replica], &self.nodes[1 - replica]);
        node.is_up && node.role == Role::Replica && primary.is_up && primary.role != Role::Replica
    }

    pub(super) fn replica_facts(&self, replica: usize) -> Replica {
        let node = &self.nodes[replica];
        Replica {
            id: node.replica_link,
            address: address(replica),
            is_online: true,
            acked_seq: Seq::new(node.log.len() as u64),
        }
    }

    // ---- what the machines ask for ----

    pub(super) fn run(&mut self, index: usize, actions: Vec<Action>) {
        for action in actions {
            let node = &mut self.nodes[index];
            match action {
                Action::PauseWrites => {
                    assert!(!node.is_paused, "paused twice");
                    node.is_paused = true;
                }
                Action::ReleasePause => {
                    assert!(
                        node.is_paused && node.role != Role::Between,
                        "released while the role is open"
                    );
                    node.is_paused = false;
                }
                Action::RequestAcks | Action::Log(..) | Action::Answer { .. } => {}
                Action::Store { attempt, durable } => {
                    (node.memory.is_primary, node.memory.pending) = match durable {
                        Durable::Pending(pending) => (true, Some(pending)),
                        Durable::Primary => (true, None),
                    };
                    node.writes
                        .push_back((Owner::Failover(attempt), node.memory.clone()));
                }
                Action::Connect { link, .. } => {
                    let fresh = Link {
                        is_opening: true,
                        ..Link::default()
                    };
                    self.links.insert((index, link), fresh);
                }
                Action::Send { link, request } => {
                    // An offer leaves only when it is on disk that it may have.
                    if let Request::Offer(offer) = &request {
                        let pending = node.disk.pending.as_ref().expect("pending on disk");
                        assert_eq!(pending.token, offer.token);
                        assert!(node.role == Role::Between);
                    }
                    let link = self
                        .links
                        .get_mut(&(index, link))
                        .expect("a link that it opened");
                    link.requests.push_back(request);
                }
                Action::Close { link } => {
                    // What is on its way may still arrive, answers too.
                    let link = self
                        .links
                        .get_mut(&(index, link))
                        .expect("a link that it opened");
                    (link.is_open, link.is_opening) = (false, false);
                }
                Action::StopBeingPrimary { seq } => {
                    assert!(
                        seq.is_none_or(|seq| seq.get() == node.log.len() as u64),
                        "written after the drain"
                    );
                    node.role = Role::Between;
                }
                Action::ResumePrimary { new_history } => {
                    assert_eq!(node.role, Role::Between);
                    node.role = Role::Primary;
                    if new_history {
                        self.names += 1;
                        node.history = format!("h{}", self.names);
                    }
                }
                Action::Follow { target } => {
                    assert_eq!(target, address(1 - index));
                    node.role = Role::Replica;
                    node.followed = None;
                }
            }
        }
    }

    pub(super) fn run_target(&mut self, index: usize, actions: Vec<takeover::Action>) {
        for action in actions {
            let node = &mut self.nodes[index];
            match action {
                takeover::Action::Store {
                    attempt,
                    fates,
                    promote,
                } => {
                    node.memory.fates = fates;
                    if promote {
                        // An offer of its own, from before it followed, is settled.
                        node.memory.is_primary = true;
                        node.memory.pending = None;
                    } else if node.role == Role::Replica && node.memory.pending.is_none() {
                        node.memory.is_primary = false;
                    }
                    node.writes
                        .push_back((Owner::Takeover(attempt), node.memory.clone()));
                }
                takeover::Action::Promote { offer } => {
                    assert!(node.disk.is_primary, "promoted before it is on disk");
                    assert!(
                        !self.cancelled.contains(&offer.token.to_string()),
                        "a cancelled token was honored"
                    );
                    self.names += 1;
                    node.role = Role::Primary;
                    node.history = format!("h{}", self.names);
                    let seq = Seq::new(node.log.len() as u64);
                    let actions = node.takeover.promoted(seq);
                    self.run_target(index, actions);
                }
                takeover::Action::Answer { asker, answer } => {
                    self.send_answer(index, asker, answer)
                }
                takeover::Action::Log(..) => {}
            }
        }
    }

    pub(super) fn send_answer(&mut self, index: usize, asker: Asker, answer: Answer) {
        let Some(link) = self.links.get_mut(&(1 - index, asker.0)) else {
            return;
        };
        // As bytes there and back.
        let answer = Answer::parse(&answer.encode());
        if link.is_open {
            link.answers.push_back(answer);
        }
    }

    /// A request arrives at the target.
    pub(super) fn arrive(&mut self, from: usize, link: LinkId, request: Request) {
        let index = 1 - from;
        let node = &mut self.nodes[index];
        if !node.is_up {
            return;
        }
        let asker = Asker(link);
        let actions = match request {
            Request::Offer(offer) => {
                let standing = match (&node.role, &node.followed) {
                    (Role::Replica, Some((run_id, history))) => Standing::Replica(Following {
                        run_id: Some(*run_id),
                        replication_id: history.clone(),
                        seq: Seq::new(node.log.len() as u64),
                        unable: None,
                    }),
                    _ => Standing::Primary,
                };
                node.takeover.offer(asker, offer, &standing)
            }
            Request::Cancel(token) => node.takeover.cancel(asker, token),
            Request::State(token) => {
                let answer = node.takeover.state(&token);
                self.send_answer(index, asker, answer);
                return;
            }
        };
        for action in &actions {
            if let takeover::Action::Answer {
                answer: Answer::Cancelled | Answer::Refused(_),
                ..
            } = action
            {
                self.note_cancelled(index);
            }
        }
        self.run_target(index, actions);
    }

    /// What a node's disk says is cancelled stays so.
    pub(super) fn note_cancelled(&mut self, index: usize) {
        let lines = self.nodes[index].disk.fates.lines();
        let cancelled = lines.filter_map(|line| Some(line.strip_suffix(" cancelled")?.to_owned()));
        self.cancelled.extend(cancelled);
    }
}
