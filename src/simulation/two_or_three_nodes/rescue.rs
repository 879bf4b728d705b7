//! What a kill leaves: the operator ends a primary for good, promotes the replica that is furthest, has the others follow it, and only
//! then lets the killed one come back, as a replica.

use super::super::network::NodeId;
use super::super::resp::Value;
use super::{LOOK, Scenario};
use crate::node::Role;
use crate::replication::handshake::LinkState;
use crate::storage::rocks::simulated::Crash;
use crate::storage::seq::Seq;

/// Where a rescue stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Promote,
    Repoint,
    /// The killed one is started, and told whom to follow before anybody else can tell it something.
    Demote,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rescue {
    killed: NodeId,
    chosen: NodeId,
    step: Step,
}

impl Rescue {
    /// Whether this node is not to be started yet.
    pub fn keeps_down(&self, node: NodeId) -> bool {
        node == self.killed && self.step != Step::Demote
    }
}

/// Who was a primary when, and who has followed whom then: a replica that has not may have other data than its primary, and one that
/// has not come to where that began may lack what was confirmed before.
pub(super) struct Reigns {
    was_primary: Vec<bool>,
    /// Counts for each node how often it became a primary.
    reigns: Vec<u64>,
    /// Where its last one began.
    began: Vec<Seq>,
    /// The primary that each node has come level with last, and in which of its reigns.
    joined: Vec<Option<(NodeId, u64)>>,
}

impl Reigns {
    pub fn new(nodes: usize) -> Reigns {
        Reigns {
            was_primary: vec![false; nodes],
            reigns: vec![0; nodes],
            began: vec![Seq::ZERO; nodes],
            joined: vec![None; nodes],
        }
    }
}

impl Scenario<'_> {
    /// Looks at every node's role and link.
    pub(super) fn note_reigns(&mut self) {
        for (node, it) in self.world.nodes.iter().enumerate() {
            let Some(server) = &it.server else { continue };
            let is_primary = server.node().role == Role::Primary;
            let reigns = &mut self.reigns;
            if is_primary && !reigns.was_primary[node] {
                reigns.reigns[node] += 1;
                reigns.began[node] = it.disk.last_seq();
            }
            reigns.was_primary[node] = is_primary;
            let followed = server.node().replication.followed.as_ref();
            let of = followed.and_then(|followed| {
                let addr = format!("{}:{}", followed.host, followed.port);
                (0..self.world.nodes.len()).find(|&of| self.world.addr(of) == addr)
            });
            let shown = followed.and_then(|followed| followed.shown);
            let is_connected = shown.is_some_and(|shown| shown.state == LinkState::Connected);
            let joins = of.filter(|&of| is_connected && it.disk.last_seq() >= reigns.began[of]);
            if let Some(of) = joins {
                reigns.joined[node] = Some((of, reigns.reigns[of]));
            } else if reigns.joined[node].map(|(of, _)| of) != of {
                reigns.joined[node] = None;
            }
        }
    }

    /// Ends the primary's process, and begins to promote another.
    pub(super) fn kill(&mut self, primary: NodeId) {
        let reign = (primary, self.reigns.reigns[primary]);
        let others = (0..self.world.nodes.len()).filter(|&node| node != primary);
        let (joined, strange): (Vec<_>, Vec<_>) =
            others.partition(|&node| self.reigns.joined[node] == Some(reign));
        let is_quiet = |&node: &NodeId| self.is_quiet(node);
        if !is_quiet(&primary) || !joined.iter().chain(&strange).all(is_quiet) {
            return;
        }
        let furthest = joined
            .into_iter()
            .max_by_key(|&node| self.world.nodes[node].disk.last_seq());
        let Some(chosen) = furthest else { return };
        self.gives_word();
        self.world.crash(primary, Crash::Process);
        self.world.note(format_args!(
            "node {primary} is killed, and node {chosen} is to take its place"
        ));
        self.take_rescue_step(Rescue {
            killed: primary,
            chosen,
            step: Step::Promote,
        });
    }

    pub(super) fn take_rescue_step(&mut self, rescue: Rescue) {
        self.operator.rescue = Some(rescue);
        let Rescue {
            killed,
            chosen,
            step,
        } = rescue;
        let addr = self.world.addr(chosen);
        let (host, port) = addr.split_once(':').unwrap_or_default();
        match step {
            Step::Promote => self.call(chosen, &["REPLICAOF", "NO", "ONE"]),
            Step::Repoint => {
                let third =
                    (0..self.world.nodes.len()).find(|node| ![killed, chosen].contains(node));
                match third {
                    Some(third) => self.call(third, &["REPLICAOF", host, port]),
                    None => self.take_rescue_step(Rescue {
                        step: Step::Demote,
                        ..rescue
                    }),
                }
            }
            Step::Demote => {
                self.restart(killed);
                self.call(killed, &["REPLICAOF", host, port]);
            }
        }
    }

    /// The step's call is over.
    pub(super) fn go_on_rescuing(&mut self, rescue: Rescue, answer: Option<&Value>) {
        let text = answer.and_then(Value::text);
        if !text.is_some_and(|text| text.starts_with("OK")) {
            // Once more, in a while: it may be down, or have happened.
            let at_us = self.world.now_us + 5000;
            return self.world.at(at_us, LOOK);
        }
        let step = match rescue.step {
            Step::Promote => Step::Repoint,
            Step::Repoint => Step::Demote,
            Step::Demote => {
                self.operator.rescue = None;
                return;
            }
        };
        self.take_rescue_step(Rescue { step, ..rescue });
    }
}
