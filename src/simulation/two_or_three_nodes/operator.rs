//! The operator: one call at a time to some node. He switches by hand (pause, wait until both are level, promote, demote, unpause), by
//! FAILOVER in all its forms, and ends processes; in a run that is not graceful he also promotes and demotes whom he likes.

use super::super::network::{Delays, LinkId, NodeId};
use super::super::resp::{self, Replies, Value};
use super::rescue::Rescue;
use super::{ABORT, CALL, Kind, LOOK, OPERATOR, STRIKE, Scenario};
use crate::node::Role;

/// How long he waits for an answer.
const PATIENCE_US: u64 = 1_500_000;
/// How often he looks whether two nodes are level.
const LOOKS_MAX: u32 = 40;

/// Where a switch by hand stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Pause,
    /// Asks the primary where it stands, then the other one.
    LookAtPrimary,
    LookAtTarget {
        offset: i64,
    },
    Promote,
    Demote,
    Unpause,
    /// The switch was given up.
    GiveUp,
    /// The third node follows the new primary.
    Repoint,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Switch {
    from: NodeId,
    to: NodeId,
    step: Step,
    looks: u32,
}

struct Call {
    link: LinkId,
    replies: Replies,
    number: u64,
}

/// What he is at.
#[derive(Default)]
pub(super) struct Operator {
    call: Option<Call>,
    switch: Option<Switch>,
    pub rescue: Option<Rescue>,
    calls: u64,
    /// The answer to the last call that belongs to no switch.
    pub answer: Option<Value>,
    /// The processes that he has told to end: a node, and which run of it.
    told_to_end: Vec<(NodeId, u64)>,
}

impl Operator {
    /// The connection of the call under way.
    pub fn link(&self) -> Option<LinkId> {
        self.call.as_ref().map(|call| call.link)
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.call.is_none() && self.switch.is_none() && self.rescue.is_none()
    }

    /// A node that was killed and is not to be started yet.
    pub fn keeps_down(&self, node: NodeId) -> bool {
        self.rescue.is_some_and(|rescue| rescue.keeps_down(node))
    }

    /// Whom a crash would leave in the middle of a switch by hand: that would be his doing, not the nodes'.
    pub fn needs(&self, node: NodeId) -> bool {
        self.switch
            .is_some_and(|switch| node == switch.from || node == switch.to)
    }
}

impl Scenario<'_> {
    /// Asks a node for something.
    pub(super) fn call(&mut self, node: NodeId, words: &[&str]) {
        self.world
            .note(format_args!("operator asks node {node} for {words:?}"));
        let link = self.world.connect(node, Delays::NONE);
        self.operator.calls += 1;
        let number = self.operator.calls;
        self.operator.answer = None;
        self.operator.call = Some(Call {
            link,
            replies: Replies::default(),
            number,
        });
        let mut bytes = Vec::new();
        resp::encode(words, &mut bytes);
        self.world.send(link, &bytes);
        let at_us = self.world.now_us + PATIENCE_US;
        self.world.at(at_us, CALL + number);
    }

    pub(super) fn call_timed_out(&mut self, number: u64) {
        if self
            .operator
            .call
            .as_ref()
            .is_some_and(|call| call.number == number)
        {
            self.call_ended(None);
        }
    }

    pub(super) fn operator_hears(&mut self, bytes: &[u8]) {
        let Some(call) = &mut self.operator.call else {
            return;
        };
        call.replies.add(bytes);
        if let Some(value) = call.replies.take() {
            self.call_ended(Some(value));
        }
    }

    /// The call has its answer, or never will have.
    pub(super) fn call_ended(&mut self, answer: Option<Value>) {
        let Some(call) = self.operator.call.take() else {
            return;
        };
        self.world.note(format_args!("operator hears {answer:?}"));
        self.world.close(call.link);
        if let Some(switch) = self.operator.switch {
            self.go_on(switch, answer.as_ref());
        } else if let Some(rescue) = self.operator.rescue {
            self.go_on_rescuing(rescue, answer.as_ref());
        } else {
            self.operator.answer = answer;
        }
    }

    /// Begins something.
    pub(super) fn operate(&mut self) {
        if !self.is_active {
            return;
        }
        let next_us = self.world.now_us + 20_000 + self.rng.below(600_000);
        self.world.at(next_us, OPERATOR);
        if !self.operator.is_idle() {
            return;
        }
        let count = self.world.nodes.len();
        let any = self.rng.below(count as u64) as usize;
        let primary = self.nodes_that_are(Role::Primary).first().copied();
        let other =
            (primary.unwrap_or(any) + 1 + self.rng.below(count as u64 - 1) as usize) % count;
        let choice = self.rng.below(20);
        let Some(primary) = primary else {
            // Nobody knows who it is. FAILOVER may be given up; else there is nothing to do but wait.
            match choice {
                0..=3 => self.call(any, &["FAILOVER", "ABORT"]),
                4 if self.kind == Kind::Rough => self.promote(any),
                _ => {}
            }
            return;
        };
        match choice {
            0..=3 => self.switch_by_hand(primary, other),
            4..=11 => self.fail_over(primary, other),
            12 | 13 => self.call(any, &["FAILOVER", "ABORT"]),
            14 => {
                let ms = (1 + self.rng.below(500)).to_string();
                self.call(any, &["CLIENT", "PAUSE", &ms, "WRITE"]);
            }
            15 if self.world.nodes[any].server.is_some() => self.end_process(any),
            16..=19 if self.kind == Kind::Killing => self.kill(primary),
            16 if self.kind == Kind::Rough => self.promote(other),
            17 if self.kind == Kind::Rough => self.follow(any, other),
            _ => self.repoint_strays(),
        }
    }

    pub(super) fn nodes_that_are(&self, role: Role) -> Vec<NodeId> {
        let nodes = self.world.nodes.iter().enumerate();
        let found = nodes.filter(|(_, it)| {
            let server = it.server.as_ref();
            server.is_some_and(|server| server.node().role == role)
        });
        found.map(|(node, _)| node).collect()
    }

    /// The operator's own word: two nodes may accept writes from now on.
    fn promote(&mut self, node: NodeId) {
        self.gives_word();
        self.call(node, &["REPLICAOF", "NO", "ONE"]);
    }

    pub(super) fn gives_word(&mut self) {
        if !self.word_given {
            self.world.note(format_args!("the operator gives his word"));
            self.word_given = true;
        }
    }

    pub(super) fn follow(&mut self, node: NodeId, of: NodeId) {
        if node == of {
            return;
        }
        if self.kind == Kind::Rough {
            self.gives_word();
        }
        let addr = self.world.addr(of);
        let (host, port) = addr.split_once(':').unwrap_or_default();
        self.call(node, &["SLAVEOF", host, port]);
    }

    fn fail_over(&mut self, primary: NodeId, other: NodeId) {
        let addr = self.world.addr(other);
        let (host, port) = addr.split_once(':').unwrap_or_default();
        let timeout = (1 + self.rng.below(800)).to_string();
        if self.rng.below(3) == 0 {
            self.world.at(0, STRIKE);
        }
        if self.rng.below(3) == 0 {
            let at_us = self.world.now_us + self.rng.below(self.world.between.most_us * 4 + 5000);
            self.world.at(at_us, ABORT);
        }
        match self.rng.below(6) {
            0 => self.call(primary, &["FAILOVER"]),
            1 => self.call(primary, &["FAILOVER", "TIMEOUT", &timeout]),
            2 if self.kind == Kind::Rough => {
                self.gives_word();
                self.call(
                    primary,
                    &["FAILOVER", "TO", host, port, "FORCE", "TIMEOUT", &timeout],
                );
            }
            3 => self.call(
                primary,
                &["FAILOVER", "TO", host, port, "TIMEOUT", &timeout],
            ),
            _ => self.call(primary, &["FAILOVER", "TO", host, port]),
        }
    }

    /// Gives up the switch that may be under way, on a connection of its own.
    pub(super) fn abort(&mut self) {
        let primaries = [Role::HandingOver, Role::Primary].map(|role| self.nodes_that_are(role));
        let primary = primaries.iter().flatten().next().copied();
        if let Some(primary) = primary
            && self.operator.switch.is_none()
            && self.operator.rescue.is_none()
            && self.is_active
        {
            self.call(primary, &["FAILOVER", "ABORT"]);
        }
    }

    fn end_process(&mut self, node: NodeId) {
        let run = self.world.nodes[node].incarnation;
        self.operator.told_to_end.push((node, run));
        match self.rng.below(3) {
            0 => self.call(node, &["SHUTDOWN", "NOSAVE"]),
            1 => self.call(node, &["SHUTDOWN", "NOW"]),
            _ => {
                self.world.note(format_args!("SIGTERM for node {node}"));
                self.world.signal(node, libc::SIGTERM);
            }
        }
    }

    /// A replica of a replica follows the primary itself.
    fn repoint_strays(&mut self) {
        let primaries = self.nodes_that_are(Role::Primary);
        if let [primary] = primaries[..] {
            let strays = self.nodes_that_are(Role::Replica);
            let addr = self.world.addr(primary);
            let stray = strays
                .into_iter()
                .find(|&node| self.followed(node).is_some_and(|followed| followed != addr));
            if let Some(stray) = stray {
                self.follow(stray, primary);
            }
        }
    }

    /// Whom a node follows.
    pub(super) fn followed(&self, node: NodeId) -> Option<String> {
        let server = self.world.nodes[node].server.as_ref()?;
        let followed = server.node().replication.followed.as_ref()?;
        Some(format!("{}:{}", followed.host, followed.port))
    }

    /// A node runs, is in the middle of no switch, and was not told to end, which it may not have heard yet.
    pub(super) fn is_quiet(&self, node: NodeId) -> bool {
        let world_node = &self.world.nodes[node];
        let this_run = (node, world_node.incarnation);
        let is_to_end = self.operator.told_to_end.contains(&this_run);
        world_node.server.as_ref().is_some_and(|server| {
            let it = server.node();
            !is_to_end
                && !it.failover.is_active()
                && it.shutdown.is_none()
                && it.replication.change.is_none()
                && it.takeover.forbids_role_change().is_none()
        })
    }

    // ---- by hand ----

    fn switch_by_hand(&mut self, from: NodeId, to: NodeId) {
        // Nobody switches by hand while another switch is under way.
        if !self.is_quiet(from) || !self.is_quiet(to) {
            return;
        }
        self.take_step(Switch {
            from,
            to,
            step: Step::Pause,
            looks: 0,
        });
    }

    fn take_step(&mut self, switch: Switch) {
        self.operator.switch = Some(switch);
        let Switch { from, to, step, .. } = switch;
        let addr = self.world.addr(to);
        let (host, port) = addr.split_once(':').unwrap_or_default();
        match step {
            Step::Pause => self.call(from, &["CLIENT", "PAUSE", "600000", "WRITE"]),
            Step::LookAtPrimary => self.call(from, &["ROLE"]),
            Step::LookAtTarget { .. } => self.call(to, &["ROLE"]),
            Step::Promote => self.call(to, &["SLAVEOF", "NO", "ONE"]),
            Step::Demote => self.call(from, &["SLAVEOF", host, port]),
            Step::Unpause | Step::GiveUp => self.call(from, &["CLIENT", "UNPAUSE"]),
            Step::Repoint => {
                let third = (0..self.world.nodes.len()).find(|node| ![from, to].contains(node));
                match third {
                    Some(third) => self.call(third, &["SLAVEOF", host, port]),
                    None => self.operator.switch = None,
                }
            }
        }
    }

    /// Looks once more whether both are level.
    pub(super) fn look_again(&mut self) {
        if self.operator.call.is_some() {
            return;
        }
        if let Some(switch) = self.operator.switch {
            self.take_step(switch);
        } else if let Some(rescue) = self.operator.rescue {
            self.take_rescue_step(rescue);
        }
    }

    /// The step's call is over.
    fn go_on(&mut self, switch: Switch, answer: Option<&Value>) {
        // Or "OK Already connected to specified master".
        let text = answer.and_then(Value::text);
        let is_ok = text.is_some_and(|text| text.starts_with("OK"));
        let next = |step| Switch { step, ..switch };
        let after = match switch.step {
            Step::Pause if is_ok => next(Step::LookAtPrimary),
            Step::LookAtPrimary => match role(answer) {
                Some(("master", offset)) => next(Step::LookAtTarget { offset }),
                _ => next(Step::GiveUp),
            },
            Step::LookAtTarget { offset } => {
                let follows = self.followed(switch.to) == Some(self.world.addr(switch.from));
                match role(answer) {
                    Some(("slave", at)) if at == offset && follows => next(Step::Promote),
                    Some(("slave", _)) if switch.looks < LOOKS_MAX && follows => {
                        let looks = switch.looks + 1;
                        self.operator.switch = Some(Switch { looks, ..switch });
                        let at_us = self.world.now_us + 500 + self.rng.below(10_000);
                        return self.world.at(at_us, LOOK);
                    }
                    _ => next(Step::GiveUp),
                }
            }
            // What was not answered is asked again: it may have happened.
            Step::Promote if is_ok => next(Step::Demote),
            // Refused, so the old primary stays.
            Step::Promote if answer.is_some() => next(Step::GiveUp),
            Step::Demote if is_ok => next(Step::Unpause),
            Step::Promote | Step::Demote => switch,
            Step::Unpause if is_ok => next(Step::Repoint),
            Step::Unpause => switch,
            Step::GiveUp if is_ok || self.world.nodes[switch.from].server.is_none() => {
                self.operator.switch = None;
                return;
            }
            Step::GiveUp => switch,
            // Its primary may be gone again: whatever it says.
            Step::Pause | Step::Repoint => {
                let ends = switch.step == Step::Repoint;
                match ends {
                    true => {
                        self.operator.switch = None;
                        return;
                    }
                    false => next(Step::GiveUp),
                }
            }
        };
        if after == switch {
            // Once more, in a while.
            let at_us = self.world.now_us + 5000;
            return self.world.at(at_us, LOOK);
        }
        self.take_step(after);
    }
}

/// What ROLE says, and at which sequence.
fn role(answer: Option<&Value>) -> Option<(&str, i64)> {
    let Some(Value::Array(Some(parts))) = answer else {
        return None;
    };
    match (parts.first()?.text()?, parts.get(1), parts.get(4)) {
        ("master", Some(Value::Int(offset)), _) => Some(("master", *offset)),
        ("slave", _, Some(Value::Int(offset))) => Some(("slave", *offset)),
        _ => None,
    }
}
