//! The end of a run: no more harm. One node accepts writes, or none with the reason in INFO and one command mends it; then all nodes
//! become equal, and what writers were told is there.

use super::super::network::NodeId;
use super::super::operations::{LOG, QUEUE};
use super::super::resp::Value;
use super::{Kept, Kind, Scenario};
use crate::node::Role;
use crate::replication::handshake::LinkState;

/// Within this time after the last harm the nodes have settled who accepts writes, in virtual microseconds: a switch is given up after
/// `failover-timeout`, and a silent link after `repl-timeout`, a minute each.
const SETTLED_US_MAX: u64 = 200_000_000;
/// How soon the operator asks again what was refused.
const ASK_AGAIN_US: u64 = 100_000;
/// The pause of a switch that was given up may be in force still: it has ended by then.
const LEVEL_US_MAX: u64 = 200_000_000;

impl Scenario<'_> {
    pub(super) fn end(&mut self) {
        self.world.note(format_args!("quiet"));
        for way in 0..self.world.nodes.len().pow(2) {
            self.heal(way);
        }
        for node in 0..self.world.nodes.len() {
            self.end_stall(node);
        }
        for number in 0..self.writers.len() {
            if self.writers[number].link().is_some() {
                self.leave(number);
            }
        }
        for node in 0..self.world.nodes.len() {
            self.restart(node);
        }
        self.wait("the operator's switch ends", SETTLED_US_MAX, |it| {
            it.operator.is_idle()
        });
        let primary = self.settle();
        self.level(primary);
        self.check_copies();
        self.audit(primary);
    }

    /// Lets the world go on until something is the case; gives whether it came about.
    fn within(&mut self, us: u64, mut is_so: impl FnMut(&mut Self) -> bool) -> bool {
        let end_us = self.world.now_us + us;
        let mut look_us = 0;
        while self.world.now_us < end_us {
            if self.world.now_us >= look_us {
                if is_so(self) {
                    return true;
                }
                look_us = self.world.now_us + 5000;
            }
            self.step();
        }
        is_so(self)
    }

    fn wait(&mut self, what: &str, us: u64, is_so: impl FnMut(&mut Self) -> bool) {
        if !self.within(us, is_so) {
            let states: Vec<String> = (0..self.world.nodes.len())
                .map(|node| self.describe(node))
                .collect();
            panic!("it does not come about that {what}: {}", states.join("; "));
        }
    }

    fn describe(&self, node: NodeId) -> String {
        let it = &self.world.nodes[node];
        let Some(server) = &it.server else {
            return format!("node {node} is down");
        };
        let node_of = server.node();
        let followed = node_of.replication.followed.as_ref();
        format!(
            "node {node}: {:?} at {}, {} follows {:?} ({:?}), paused {:?}, failover {:?}",
            node_of.role,
            it.disk.last_seq(),
            if node_of.replication.change.is_some() {
                "changing role,"
            } else {
                ""
            },
            self.followed(node),
            followed.map(|followed| (followed.shown, followed.problem.clone())),
            node_of.pause.scope(),
            node_of.failover.is_active(),
        )
    }

    /// Asks, and lets the world go on until the answer is there.
    fn ask(&mut self, node: NodeId, words: &[&str]) -> Value {
        // A slow disk may make a change of role take longer than he waits.
        for _ in 0..20 {
            self.call(node, words);
            self.wait("a call ends", SETTLED_US_MAX, |it| it.operator.is_idle());
            match self.operator.answer.take() {
                // A switch that began before is at its end, or a full copy is put in place.
                Some(Value::Error(text))
                    if text.contains("not allowed while") || text.starts_with("LOADING ") =>
                {
                    self.within(ASK_AGAIN_US, |_| false);
                }
                Some(value) => return value,
                None => {}
            }
        }
        panic!(
            "node {node} does not answer {words:?}: {}",
            self.describe(node)
        )
    }

    fn tell(&mut self, node: NodeId, words: &[&str]) {
        let answer = self.ask(node, words);
        let is_ok = answer.text().is_some_and(|text| text.starts_with("OK"));
        assert!(is_ok, "node {node}: {words:?} gives {answer:?}");
    }

    /// No node hands over, or is about to end, which it may begin with a hand-over.
    fn is_nobody_leaving(&self) -> bool {
        let mut servers = self.world.nodes.iter().filter_map(|it| it.server.as_ref());
        servers.all(|server| {
            let it = server.node();
            !it.failover.is_active() && it.shutdown.is_none()
        })
    }

    /// The one that accepts writes; if none does by itself, one that the operator has made to.
    fn settle(&mut self) -> NodeId {
        let is_settled = self.within(SETTLED_US_MAX, |it| {
            it.operator.is_idle() && it.accepting().len() == 1 && it.is_nobody_leaving()
        });
        let accepting = self.accepting();
        if is_settled {
            self.world
                .note(format_args!("node {} accepts writes", accepting[0]));
            return accepting[0];
        }
        if accepting.is_empty() {
            self.check_reasons();
        } else {
            assert!(
                self.word_given && self.kind == Kind::Rough,
                "nodes {accepting:?} accept writes"
            );
        }
        // Who has most is the one to go on with.
        let nodes = 0..self.world.nodes.len();
        let best = nodes
            .max_by_key(|&node| (self.world.nodes[node].disk.last_seq(), node))
            .unwrap_or_default();
        self.world
            .note(format_args!("the operator mends it: node {best} goes on"));
        self.tell(best, &["REPLICAOF", "NO", "ONE"]);
        self.wait("one command mends it", SETTLED_US_MAX, |it| {
            it.accepting().contains(&best)
        });
        best
    }

    /// Nobody accepts writes: INFO says why.
    fn check_reasons(&mut self) {
        for node in 0..self.world.nodes.len() {
            let info = self.ask(node, &["INFO", "replication"]);
            let info = info.text().unwrap_or_default();
            let says = |needle: &str| info.lines().any(|line| line.trim_end() == needle);
            let is_replica = says("role:slave");
            let is_handing_over = info.contains("master_failover_state:failover-in-progress");
            assert!(
                is_replica || is_handing_over,
                "node {node} accepts no writes, and INFO does not say why: {info}"
            );
        }
        self.world
            .note(format_args!("no node accepts writes, and INFO says why"));
    }

    /// Everybody follows the primary, and has what it has.
    fn level(&mut self, primary: NodeId) {
        self.world.note(format_args!("all nodes follow {primary}"));
        let addr = self.world.addr(primary);
        let (host, port) = addr.split_once(':').unwrap_or_default();
        for node in 0..self.world.nodes.len() {
            let follows = self.followed(node).as_ref() == Some(&addr);
            // It may be asking its target still what became of an offer.
            self.wait("no switch is under way", SETTLED_US_MAX, |it| {
                let server = it.world.nodes[node].server.as_ref();
                server.is_some_and(|server| !server.node().failover.is_active())
            });
            if node != primary && !follows {
                self.tell(node, &["SLAVEOF", host, port]);
            }
            let is_paused = |it: &Self| {
                let server = it.world.nodes[node].server.as_ref();
                server.is_some_and(|server| server.node().pause.is_active())
            };
            if is_paused(self) {
                self.tell(node, &["CLIENT", "UNPAUSE"]);
            }
        }
        self.wait("all nodes are level", LEVEL_US_MAX, |it| {
            (0..it.world.nodes.len()).all(|node| it.is_level(node, primary))
        });
        let nodes = &self.world.nodes;
        let image = nodes[primary].disk.recovered();
        for (node, it) in nodes.iter().enumerate() {
            assert!(
                it.disk.recovered().is_same(&image),
                "node {node} has other data than the primary, {primary}"
            );
        }
    }

    fn is_level(&self, node: NodeId, primary: NodeId) -> bool {
        if node == primary {
            return self.accepting() == [primary];
        }
        let it = &self.world.nodes[node];
        let Some(server) = &it.server else {
            return false;
        };
        let followed = server.node().replication.followed.as_ref();
        let state = followed.and_then(|followed| followed.shown);
        server.node().role == Role::Replica
            && state.is_some_and(|shown| shown.state == LinkState::Connected)
            && it.disk.last_seq() == self.world.nodes[primary].disk.last_seq()
    }

    /// Switches cost no full copy.
    fn check_copies(&mut self) {
        let copies: usize = self.world.nodes.iter().map(|it| it.disk.copies()).sum();
        self.world.note(format_args!("{copies} full copies"));
        // What a power cut takes from a primary may have reached its replicas.
        assert!(
            copies == 0 || self.word_given || self.has_power_cuts,
            "{copies} full copies after graceful switches"
        );
    }

    fn audit(&mut self, primary: NodeId) {
        let kept = match self.kind {
            _ if !self.word_given && !self.has_power_cuts => Kept::Acknowledged,
            Kind::Graceful => Kept::Acknowledged,
            Kind::Killing => Kept::Confirmed,
            Kind::Rough => Kept::Nothing,
        };
        for key in self.ledger.keys() {
            let value = self.ask(primary, &["GET", &key]);
            let value = value.text().map_or(0, |text| text.parse().unwrap_or(-1));
            self.ledger.finish_key(&key, value, kept);
        }
        let queue = self.whole_list(primary, QUEUE);
        let log = self.whole_list(primary, LOG);
        let ledger = &self.ledger;
        self.world.note(format_args!(
            "{} acknowledged, {} of them confirmed, {} refused, {} unknown",
            ledger.acknowledged, ledger.confirmed, ledger.refused, ledger.unknown
        ));
        ledger.finish_queue(&queue, kept);
        let history = &self.history;
        ledger.finish_log(&log, kept, |moment| history.is_released(moment));
    }

    fn whole_list(&mut self, node: NodeId, list: &str) -> Vec<String> {
        self.ask(node, &["LRANGE", list, "0", "-1"]).texts()
    }
}
