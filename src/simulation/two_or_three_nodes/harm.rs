//! What goes wrong: processes end, machines lose power or stand still, links break or let nothing through one way or both.

use super::super::network::NodeId;
use super::{FAULT, HEAL, Kind, LINK_HEALS, RESTART, STALL_ENDS, STRIKE, Scenario};
use crate::node::Role;
use crate::storage::rocks::simulated::Crash;

impl Scenario<'_> {
    pub(super) fn do_harm(&mut self) {
        if !self.is_active {
            return;
        }
        let next_us = self.world.now_us + 10_000 + self.rng.below(800_000);
        self.world.at(next_us, FAULT);
        let count = self.world.nodes.len() as u64;
        let node = self.rng.below(count) as usize;
        let other = (node + 1 + self.rng.below(count - 1) as usize) % self.world.nodes.len();
        if let Some((node, from)) = self.world.copy_under_way()
            && self.rng.below(2) == 0
        {
            return match self.rng.below(4) {
                0 => self.crash(node),
                1 => self.crash(from),
                2 => self.cut(from, node),
                _ => self.world.break_links(node, from),
            };
        }
        match self.rng.below(16) {
            0..=3 => self.crash(node),
            12 | 13 => {
                self.world
                    .note(format_args!("the disk of node {node} stalls"));
                self.world.nodes[node]
                    .disk
                    .faults(|faults| faults.is_stalled = true);
                let at_us = self.world.now_us + self.rng.below(100_000);
                self.world.at(at_us, STALL_ENDS + node as u64);
            }
            14 | 15 => {
                let links = self.world.links_between(node, other);
                if let Some(&link) = links.last() {
                    self.world.note(format_args!("link {link} is cut"));
                    self.world.set_cut(link, true);
                    let at_us = self.world.now_us + self.rng.below(2_500_000);
                    self.world.at(at_us, LINK_HEALS + link as u64);
                }
            }
            4..=7 => {
                let is_both = self.rng.below(2) == 0;
                self.cut(node, other);
                if is_both {
                    self.cut(other, node);
                }
            }
            8 | 9 => {
                self.world
                    .note(format_args!("links between {node} and {other} break"));
                self.world.break_links(node, other);
            }
            _ => {
                let us = self.rng.below(300_000);
                self.world.freeze(node, us);
            }
        }
    }

    fn cut(&mut self, from: NodeId, to: NodeId) {
        self.world
            .note(format_args!("nothing gets from {from} to {to}"));
        self.world.set_way_cut(from, to, true);
        let us = match self.rng.below(4) {
            0 => 3_000_000,
            _ => self.rng.below(700_000),
        };
        let at_us = self.world.now_us + us;
        let way = from * self.world.nodes.len() + to;
        self.world.at(at_us, HEAL + way as u64);
    }

    pub(super) fn heal(&mut self, way: usize) {
        let (from, to) = (way / self.world.nodes.len(), way % self.world.nodes.len());
        self.world.note(format_args!("{from} reaches {to} again"));
        self.world.set_way_cut(from, to, false);
    }

    pub(super) fn end_stall(&mut self, node: NodeId) {
        let disk = &self.world.nodes[node].disk;
        disk.faults(|faults| faults.is_stalled = false);
    }

    /// Breaks the connection over which an offer has just left, for the node that made it; the offer comes late.
    pub(super) fn strike(&mut self) {
        if !self.is_active {
            return;
        }
        let Some(&node) = self.nodes_that_are(Role::HandingOver).first() else {
            // Until the switch has come so far, or is over.
            if !self.operator.is_idle() {
                let at_us = self.world.now_us + 100 + self.rng.below(300);
                self.world.at(at_us, STRIKE);
            }
            return;
        };
        let others = (0..self.world.nodes.len()).filter(|&other| other != node);
        let links: Vec<_> = others
            .flat_map(|other| self.world.links_between(node, other))
            .filter(|&link| self.world.links[link].near.node() == Some(node))
            .collect();
        if let Some(&link) = links.iter().max() {
            self.world
                .note(format_args!("link {link} breaks for node {node}"));
            self.world.set_cut(link, true);
            self.world.break_near(link);
            let at_us = self.world.now_us + self.rng.below(100_000);
            self.world.at(at_us, LINK_HEALS + link as u64);
        }
    }

    fn crash(&mut self, node: NodeId) {
        if self.world.nodes[node].server.is_none() {
            return;
        }
        if self.operator.needs(node) {
            if self.kind != Kind::Rough {
                return;
            }
            // His switch by hand may leave two primaries now.
            self.gives_word();
        }
        let crash = if self.has_power_cuts && self.rng.below(2) == 0 {
            self.world.power_cut(node)
        } else {
            Crash::Process
        };
        self.world.crash(node, crash);
        self.plan_restart(node);
    }

    fn plan_restart(&mut self, node: NodeId) {
        let at_us = self.world.now_us + 1000 + self.rng.below(400_000);
        self.world.at(at_us, RESTART + node as u64);
    }

    pub(super) fn exited(&mut self, node: NodeId, status: i32) {
        assert_eq!(status, 0, "node {node} ends with {status}");
        self.plan_restart(node);
    }

    pub(super) fn restart(&mut self, node: NodeId) {
        if self.world.nodes[node].server.is_none()
            && !self.operator.keeps_down(node)
            && let Err(text) = self.world.start(node)
        {
            panic!("node {node} does not start again: {text}");
        }
    }
}
