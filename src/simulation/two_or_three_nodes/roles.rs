//! What must hold at every moment: one node at most accepts writes, and the nodes' logs are parts of one history.

use std::collections::{BTreeMap, BTreeSet};

use super::Scenario;
use super::questions::Moment;
use crate::client::waiting::Reason;
use crate::node::{Node, Role};
use crate::storage::seq::Seq;

/// What every node has written so far, and when each let parked commands go.
pub(super) struct History {
    /// The records of the one history, by their first update.
    records: BTreeMap<u64, std::sync::Arc<[u8]>>,
    /// Up to here each node's log was compared.
    compared: Vec<Seq>,
    /// Whether each node was paused when it was looked at last.
    was_paused: Vec<bool>,
    released: BTreeSet<Moment>,
}

impl History {
    pub fn new(nodes: usize) -> History {
        History {
            records: BTreeMap::new(),
            compared: vec![Seq::ZERO; nodes],
            was_paused: vec![false; nodes],
            released: BTreeSet::new(),
        }
    }

    /// Whether a node let parked commands go around this moment.
    pub fn is_released(&self, moment: Moment) -> bool {
        let (node, run, turn) = moment;
        (turn.saturating_sub(3)..=turn + 3).any(|turn| self.released.contains(&(node, run, turn)))
    }
}

/// Whether a write would be executed now.
pub(super) fn accepts_writes(node: &Node) -> bool {
    node.role == Role::Primary && node.pause.scope().is_none()
}

impl Scenario<'_> {
    /// The nodes that would execute a write now.
    pub(super) fn accepting(&self) -> Vec<usize> {
        let nodes = self.world.nodes.iter().enumerate();
        let accepting = nodes.filter(|(_, it)| {
            let server = it.server.as_ref();
            server.is_some_and(|server| accepts_writes(server.node()))
        });
        accepting.map(|(node, _)| node).collect()
    }

    /// Looks at every node.
    pub(super) fn check_roles(&mut self) {
        for (node, it) in self.world.nodes.iter().enumerate() {
            let Some(server) = &it.server else {
                self.history.was_paused[node] = false;
                continue;
            };
            if server.node().role == Role::Replica {
                let waiting = &server.node().waiting;
                let in_vain = waiting.count(Reason::Keys) + waiting.count(Reason::Acks);
                assert_eq!(in_vain, 0, "clients wait in vain on node {node}, a replica");
            }
            let is_paused = server.node().pause.is_active() || server.node().role != Role::Primary;
            if self.history.was_paused[node] && !is_paused {
                let moment = (node, it.incarnation, it.turns);
                self.history.released.insert(moment);
            }
            self.history.was_paused[node] = is_paused;
        }
        if self.word_given {
            return;
        }
        let accepting = self.accepting();
        assert!(
            accepting.len() <= 1,
            "nodes {accepting:?} accept writes at the same time"
        );
        // A power cut may take what others have, and the next write then has its number.
        if !self.has_power_cuts {
            self.compare_logs();
        }
    }

    fn compare_logs(&mut self) {
        for (node, it) in self.world.nodes.iter().enumerate() {
            let compared = &mut self.history.compared[node];
            while *compared < it.disk.last_seq() {
                let Some(record) = it.disk.record_at(compared.next()) else {
                    break;
                };
                *compared = Seq::new(record.last());
                let first = record.first;
                let known = self
                    .history
                    .records
                    .entry(first)
                    .or_insert_with(|| record.bytes.clone());
                assert!(
                    *known == record.bytes,
                    "node {node} has another record at {first} than another node"
                );
            }
        }
    }
}
