//! One node under clients, an operator who pauses it, and everything that can go wrong with its disk, its helpers and itself.

mod ending;
mod harm;

use std::collections::VecDeque;

use super::checks::{Asked, Checks, Moment};
use super::client::Client;
use super::network::{Delays, LinkId, NodeId};
use super::operations::{CHANNEL, Operation};
use super::resp::{self, Replies, Value};
use super::trace::Trace;
use super::world::{Occurrence, World};
use crate::command::context::Rng;
use crate::config::{Config, WalSync};
use crate::storage::seq::Seq;

/// How long clients are at work, in virtual microseconds.
const ACTIVE_US: u64 = 3_000_000;
/// Within this time after it everything asked must be answered. A database that could not be opened is tried again once a minute.
const QUIET_US_MAX: u64 = 200_000_000;

const OPERATOR: u64 = 1000;
const FAULT: u64 = 1001;
const RESTART: u64 = 1002;
const STALL_ENDS: u64 = 1003;
const SUBSCRIBE: u64 = 1005;

/// A time in which nothing may be written.
#[derive(Clone, Copy, Debug)]
struct Window {
    from_us: u64,
    to_us: u64,
    holds_reads: bool,
    seq: Seq,
}

#[derive(Default)]
struct Operator {
    link: Option<LinkId>,
    replies: Replies,
    /// What was sent and is not answered: of a pause, its end at the earliest, and whether it holds reads back.
    asked: VecDeque<Option<(u64, bool)>>,
    windows: Vec<Window>,
    /// Where an UNPAUSE reached the node. What its turn reads behind it goes ahead of what it releases, which runs a turn later; in
    /// Redis as well.
    unpaused_at: Option<Moment>,
}

#[derive(Default)]
struct Subscriber {
    link: Option<LinkId>,
    replies: Replies,
}

struct Scenario<'t> {
    world: World<'t>,
    rng: Rng,
    node: NodeId,
    clients: Vec<Client>,
    operator: Operator,
    subscriber: Subscriber,
    checks: Checks,
    delays: Delays,
    syncs_always: bool,
    /// Keys may have to be read from disk. Their commands wait for it, and others may overtake them: no order is checked.
    reads_cold: bool,
    is_active: bool,
}

/// Runs one seed.
pub fn run(seed: u64, trace: &mut Trace) {
    let mut rng = Rng::new(seed);
    let mut config = Config::default();
    let syncs_always = rng.below(3) == 0;
    config.wal_sync = if syncs_always {
        WalSync::Always
    } else {
        WalSync::EverySec
    };
    if rng.below(4) == 0 {
        config.overlay_limit = 2000;
    }
    if rng.below(4) == 0 {
        config.hot_cache_size = 0;
    }
    let reads_cold = rng.below(3) == 0;
    let mut world = World::new(Rng::new(rng.next_u64()), trace);
    let node = world.add_node(config);
    if let Err(text) = world.start(node) {
        panic!("the node does not start: {text}");
    }
    let count = 2 + rng.below(5) as usize;
    let delays = Delays {
        least_us: rng.below(50),
        most_us: 50 + rng.below(2000),
        pieces_max: 1 + rng.below(3),
    };
    let clients = (0..count).map(|number| Client::new(number, rng.next_u64()));
    let clients = clients.collect();
    let mut scenario = Scenario {
        world,
        node,
        clients,
        operator: Operator::default(),
        subscriber: Subscriber::default(),
        checks: Checks::default(),
        delays,
        syncs_always,
        reads_cold,
        is_active: true,
        rng,
    };
    scenario.live();
    scenario.quieten();
    scenario.audit();
}

impl Scenario<'_> {
    fn live(&mut self) {
        for number in 0..self.clients.len() {
            self.world.at(0, number as u64);
        }
        for tag in [SUBSCRIBE, OPERATOR, FAULT] {
            let at_us = self.world.now_us + self.rng.below(300_000);
            self.world.at(at_us, tag);
        }
        let end_us = self.world.now_us + ACTIVE_US;
        while self.world.now_us < end_us {
            self.step();
        }
        self.is_active = false;
    }

    fn step(&mut self) {
        let occurrence = self.world.step();
        match occurrence {
            Occurrence::Nothing => {}
            Occurrence::Timer { tag } => self.timer(tag),
            Occurrence::Bytes {
                link,
                bytes,
                sent_us,
            } => self.bytes(link, &bytes, sent_us),
            Occurrence::Delivered { link, bytes } => self.delivered(link, bytes),
            Occurrence::Closed { link } => self.closed(link),
            Occurrence::Exited { node, status } => {
                assert_eq!(node, self.node);
                assert_eq!(status, 4, "only a refused sync ends the process");
                self.process_ended();
            }
        }
        self.check_windows();
    }

    fn timer(&mut self, tag: u64) {
        match tag {
            OPERATOR => self.operate(),
            FAULT => self.do_harm(),
            RESTART => self.restart(),
            STALL_ENDS => self.disk_faults(|faults| faults.is_stalled = false),
            SUBSCRIBE => self.subscribe(),
            number => self.act(number as usize),
        }
    }

    // ---- clients ----

    fn act(&mut self, number: usize) {
        if !self.is_active {
            return;
        }
        let client = &mut self.clients[number];
        let Some(link) = client.link() else {
            let link = self.world.connect(self.node, self.delays);
            client.connected(link);
            return self.act(number);
        };
        if client.is_waiting() {
            return;
        }
        let now_us = self.world.now_us;
        let operations = client.choose();
        self.world
            .note(format_args!("client {number} sends {operations:?}"));
        let asked: Vec<Asked> = operations
            .into_iter()
            .map(|operation| self.checks.ask(operation, now_us))
            .collect();
        let bytes = self.clients[number].send(asked);
        self.world.send(link, &bytes);
        if self.clients[number].leaves() {
            self.world.note(format_args!("client {number} leaves"));
            self.world.close(link);
            self.leave(number);
        }
    }

    fn leave(&mut self, number: usize) {
        for asked in self.clients[number].disconnected() {
            self.checks.lost(&asked);
        }
        let at_us = self.world.now_us + 1000 + self.rng.below(30_000);
        self.world.at(at_us, number as u64);
    }

    fn client_of(&self, link: LinkId) -> Option<usize> {
        self.clients
            .iter()
            .position(|client| client.link() == Some(link))
    }

    fn bytes(&mut self, link: LinkId, bytes: &[u8], sent_us: u64) {
        if self.operator.link == Some(link) {
            return self.operator_hears(bytes);
        }
        if self.subscriber.link == Some(link) {
            return self.subscriber_hears(bytes);
        }
        let Some(number) = self.client_of(link) else {
            return;
        };
        for (asked, replies) in self.clients[number].hear(bytes) {
            self.world
                .note(format_args!("client {number} gets {replies:?}"));
            self.check_pause(&asked, &replies, sent_us);
            self.checks.answered(&asked, &replies);
        }
        if !self.clients[number].is_waiting() {
            let at_us = self.world.now_us + self.clients[number].think_us();
            self.world.at(at_us, number as u64);
        }
    }

    fn delivered(&mut self, link: LinkId, bytes: u64) {
        if let Some(number) = self.client_of(link) {
            let it = &self.world.nodes[self.node];
            let moment = (it.incarnation, it.turns);
            if !self.reads_cold && self.operator.unpaused_at != Some(moment) {
                self.clients[number].delivered(bytes, moment);
            }
        }
    }

    fn closed(&mut self, link: LinkId) {
        if self.operator.link == Some(link) {
            self.operator.link = None;
            self.operator.asked.clear();
        } else if self.subscriber.link == Some(link) {
            self.subscriber.link = None;
            let at_us = self.world.now_us + 20_000;
            self.world.at(at_us, SUBSCRIBE);
        } else if let Some(number) = self.client_of(link) {
            self.world.note(format_args!("client {number} is closed"));
            self.leave(number);
        }
    }

    fn subscribe(&mut self) {
        if self.is_active && self.subscriber.link.is_none() {
            let link = self.world.connect(self.node, self.delays);
            self.subscriber.link = Some(link);
            self.subscriber.replies = Replies::default();
            let mut bytes = Vec::new();
            resp::encode(&["SUBSCRIBE", CHANNEL], &mut bytes);
            self.world.send(link, &bytes);
        }
    }

    fn subscriber_hears(&mut self, bytes: &[u8]) {
        self.subscriber.replies.add(bytes);
        while let Some(value) = self.subscriber.replies.take() {
            let Value::Array(Some(parts)) = &value else {
                panic!("the subscriber gets {value:?}")
            };
            if parts[0].text() == Some("message")
                && let Some((register, value)) =
                    parts[2].text().and_then(|text| text.split_once(' '))
            {
                self.world
                    .note(format_args!("subscriber hears {register} {value}"));
                let value = value.parse().expect("a number");
                self.checks.told(register, value);
            }
        }
    }

    // ---- the operator ----

    fn operate(&mut self) {
        if !self.is_active {
            return;
        }
        let next_us = self.world.now_us + self.rng.below(400_000);
        self.world.at(next_us, OPERATOR);
        let Some(link) = self.operator.link else {
            self.operator.replies = Replies::default();
            self.operator.link = Some(self.world.connect(self.node, Delays::NONE));
            return;
        };
        if !self.operator.asked.is_empty() {
            return;
        }
        let now_us = self.world.now_us;
        let is_paused = self
            .operator
            .windows
            .iter()
            .any(|window| window.to_us > now_us);
        if is_paused && self.rng.below(4) > 0 {
            return self.unpause(link);
        }
        let ms = 1 + self.rng.below(600);
        let holds_reads = self.rng.below(3) == 0;
        let scope = if holds_reads { "ALL" } else { "WRITE" };
        // The node counts in whole milliseconds, as Redis does.
        let asked = ((now_us / 1000 + ms) * 1000, holds_reads);
        self.operator.asked.push_back(Some(asked));
        self.world
            .note(format_args!("operator pauses {scope} for {ms} ms"));
        let mut bytes = Vec::new();
        resp::encode(&["CLIENT", "PAUSE", &ms.to_string(), scope], &mut bytes);
        self.world.send(link, &bytes);
    }

    fn unpause(&mut self, link: LinkId) {
        self.world.note(format_args!("operator unpauses"));
        self.end_windows();
        // A pause that is not answered yet is over when it is.
        self.operator
            .asked
            .iter_mut()
            .for_each(|asked| *asked = None);
        self.operator.asked.push_back(None);
        let it = &self.world.nodes[self.node];
        self.operator.unpaused_at = Some((it.incarnation, it.turns));
        let mut bytes = Vec::new();
        resp::encode(&["CLIENT", "UNPAUSE"], &mut bytes);
        self.world.send(link, &bytes);
    }

    fn end_windows(&mut self) {
        let now_us = self.world.now_us;
        for window in &mut self.operator.windows {
            window.to_us = window.to_us.min(now_us);
        }
    }

    fn operator_hears(&mut self, bytes: &[u8]) {
        self.operator.replies.add(bytes);
        while let Some(value) = self.operator.replies.take() {
            self.world.note(format_args!("operator hears {value:?}"));
            let Some(Some((to_us, holds_reads))) = self.operator.asked.pop_front() else {
                continue;
            };
            if value == Value::Simple("OK".to_owned()) {
                let seq = self.world.nodes[self.node].disk.last_seq();
                self.operator.windows.push(Window {
                    from_us: self.world.now_us,
                    to_us,
                    holds_reads,
                    seq,
                });
            }
        }
    }

    fn check_windows(&mut self) {
        let now_us = self.world.now_us;
        let it = &self.world.nodes[self.node];
        if it.server.is_none() {
            return;
        }
        for window in &self.operator.windows {
            if now_us < window.to_us {
                let seq = it.disk.last_seq();
                assert_eq!(seq, window.seq, "written while paused: {window:?}");
            }
        }
    }

    fn check_pause(&self, asked: &Asked, replies: &[Value], sent_us: u64) {
        let is_success = replies.last().is_some_and(|last| !last.is_error());
        for window in &self.operator.windows {
            let is_within = asked.sent_us > window.from_us && sent_us < window.to_us;
            let is_held = match asked.operation {
                // Whether a pause of everything holds it is its declaration's business.
                Operation::Unwatch => false,
                _ => window.holds_reads || asked.operation.is_write(),
            };
            assert!(
                !(is_within && is_held && is_success),
                "{:?} is answered while paused: {window:?}",
                asked.operation
            );
        }
    }
}
