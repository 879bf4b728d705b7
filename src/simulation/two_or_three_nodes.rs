//! Two or three nodes that replicate and switch, under writers, an operator, and everything that can go wrong with nodes and links.
//!
//! A run is of one of three kinds. In a *graceful* one the operator says nothing that may lose writes: his own switches are made
//! while the old primary is paused and level with the new one, and FAILOVER is never forced. Then nothing acknowledged may be lost,
//! whatever nodes and links do. In a *killing* one he also ends primaries for good and promotes the replica that is furthest: what a
//! WAIT has confirmed is kept. In a *rough* one he promotes whom he likes, and forces.

mod ending;
mod harm;
mod ledger;
mod operator;
mod questions;
mod rescue;
mod roles;
mod writer;

use self::ledger::{Kept, Ledger};
use self::operator::Operator;
use self::rescue::Reigns;
use self::roles::History;
use self::writer::Writer;
use super::network::{Delays, LinkId};
use super::trace::Trace;
use super::world::{Occurrence, World};
use crate::command::context::Rng;
use crate::config::{Config, PrimaryAddress, WalSync};

/// How long writers, operator and faults are at work, in virtual microseconds.
const ACTIVE_US: u64 = 4_000_000;

const WRITER_PATIENCE: u64 = 100;
const OPERATOR: u64 = 1000;
const FAULT: u64 = 1001;
const LOOK: u64 = 1003;
const ABORT: u64 = 1004;
const STRIKE: u64 = 1005;
const RESTART: u64 = 1100;
const HEAL: u64 = 1200;
const STALL_ENDS: u64 = 1300;
const LINK_HEALS: u64 = 10_000;
const CALL: u64 = 1_000_000;

/// What the operator allows himself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Graceful,
    Killing,
    Rough,
}

struct Scenario<'t> {
    world: World<'t>,
    rng: Rng,
    writers: Vec<Writer>,
    operator: Operator,
    ledger: Ledger,
    history: History,
    reigns: Reigns,
    /// Delays between writers and nodes.
    delays: Delays,
    kind: Kind,
    /// Machines lose power, and with it what was not synced.
    has_power_cuts: bool,
    /// The operator has said something that may leave two primaries, or lose writes.
    word_given: bool,
    is_active: bool,
}

/// Runs one seed.
pub fn run(seed: u64, trace: &mut Trace) {
    let mut rng = Rng::new(seed);
    let kind = match rng.below(5) {
        0 => Kind::Rough,
        1 => Kind::Killing,
        _ => Kind::Graceful,
    };
    // A replica confirms what it has, not what it has synced.
    let has_power_cuts = rng.below(3) == 0 && kind != Kind::Killing;
    let syncs_always = (has_power_cuts && kind == Kind::Graceful) || rng.below(3) == 0;
    let hands_over = rng.below(3) == 0;
    let repl_timeout_s = [2, 5, 60][rng.below(3) as usize];
    let count = 2 + rng.below(2) as usize;
    let mut world = World::new(Rng::new(rng.next_u64()), trace);
    world.between = Delays {
        least_us: rng.below(50),
        most_us: 50 + [200, 3000, 60_000][rng.below(3) as usize],
        pieces_max: 1 + rng.below(3),
    };
    let first = PrimaryAddress {
        host: "10.0.0.1".to_owned(),
        port: 6379,
    };
    for node in 0..count {
        let mut config = Config {
            port: 6379,
            repl_timeout_s,
            replicaof: (node > 0).then(|| first.clone()),
            wal_sync: match syncs_always {
                true => WalSync::Always,
                false => WalSync::EverySec,
            },
            ..Config::default()
        };
        config.shutdown_on_sigterm.failover = hands_over;
        world.add_node(config);
    }
    for node in 0..count {
        if let Err(text) = world.start(node) {
            panic!("node {node} does not start: {text}");
        }
    }
    let count_of_writers = 3 + rng.below(3) as usize;
    let writers = (0..count_of_writers)
        .map(|number| Writer::new(number, rng.next_u64(), number == 0))
        .collect();
    let mut scenario = Scenario {
        world,
        writers,
        operator: Operator::default(),
        ledger: Ledger::default(),
        history: History::new(count),
        reigns: Reigns::new(count),
        delays: Delays {
            least_us: rng.below(50),
            most_us: 50 + rng.below(2000),
            pieces_max: 1 + rng.below(3),
        },
        kind,
        has_power_cuts,
        word_given: false,
        is_active: true,
        rng,
    };
    scenario.live();
    scenario.end();
}

impl Scenario<'_> {
    fn live(&mut self) {
        self.world.note(format_args!(
            "{} nodes, {:?}, power cuts {}",
            self.world.nodes.len(),
            self.kind,
            self.has_power_cuts
        ));
        for number in 0..self.writers.len() as u64 {
            self.world.at(0, number);
            self.world.at(0, WRITER_PATIENCE + number);
        }
        for tag in [OPERATOR, FAULT] {
            let at_us = self.world.now_us + 100_000 + self.rng.below(300_000);
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
        self.check_roles();
        self.note_reigns();
        match occurrence {
            Occurrence::Nothing => {}
            Occurrence::Bytes { link, bytes, .. } => self.bytes(link, &bytes),
            Occurrence::Delivered { link, bytes } => self.delivered(link, bytes),
            Occurrence::Closed { link } => self.closed(link),
            Occurrence::Timer { tag } => self.timer(tag),
            Occurrence::Exited { node, status } => self.exited(node, status),
        }
    }

    fn timer(&mut self, tag: u64) {
        match tag {
            OPERATOR => self.operate(),
            FAULT => self.do_harm(),
            LOOK => self.look_again(),
            ABORT => self.abort(),
            STRIKE => self.strike(),
            CALL.. => self.call_timed_out(tag - CALL),
            LINK_HEALS.. => self.world.set_cut((tag - LINK_HEALS) as usize, false),
            STALL_ENDS.. => self.end_stall((tag - STALL_ENDS) as usize),
            HEAL.. => self.heal((tag - HEAL) as usize),
            RESTART.. => self.restart((tag - RESTART) as usize),
            WRITER_PATIENCE.. => self.lose_patience((tag - WRITER_PATIENCE) as usize),
            number => self.write(number as usize),
        }
    }

    fn bytes(&mut self, link: LinkId, bytes: &[u8]) {
        if self.operator.link() == Some(link) {
            return self.operator_hears(bytes);
        }
        let Some(number) = self.writer_of(link) else {
            return;
        };
        for (asked, replies) in self.writers[number].hear(bytes) {
            self.world
                .note(format_args!("writer {number} gets {replies:?}"));
            let is_refused = self.ledger.answered(&asked, &replies);
            if is_refused {
                let nodes = self.world.nodes.len();
                self.writers[number].goes_elsewhere(nodes);
            }
        }
        if !self.writers[number].is_waiting() {
            let at_us = self.world.now_us + self.writers[number].think_us();
            self.world.at(at_us, number as u64);
        }
    }

    fn closed(&mut self, link: LinkId) {
        if self.operator.link() == Some(link) {
            self.call_ended(None);
        } else if let Some(number) = self.writer_of(link) {
            self.world.note(format_args!("writer {number} is closed"));
            self.leave(number);
        }
    }

    // ---- writers ----

    fn writer_of(&self, link: LinkId) -> Option<usize> {
        self.writers
            .iter()
            .position(|writer| writer.link() == Some(link))
    }

    fn write(&mut self, number: usize) {
        if !self.is_active || self.writers[number].is_waiting() {
            return;
        }
        if self.writers[number].wants_to_go() {
            self.leave(number);
            return;
        }
        let node = self.writers[number].node % self.world.nodes.len();
        let link = match self.writers[number].link() {
            Some(link) => link,
            None => {
                let link = self.world.connect(node, self.delays);
                self.writers[number].connected(link);
                link
            }
        };
        let now_us = self.world.now_us;
        let questions = self.writers[number].choose();
        self.world.note(format_args!(
            "writer {number} asks node {node} for {questions:?}"
        ));
        for question in &questions {
            self.ledger.asked(&question.operation);
        }
        let bytes = self.writers[number].send(questions, now_us);
        self.world.send(link, &bytes);
    }

    fn delivered(&mut self, link: LinkId, bytes: u64) {
        if let Some(number) = self.writer_of(link) {
            let node = self.writers[number].node % self.world.nodes.len();
            let it = &self.world.nodes[node];
            let moment = (node, it.incarnation, it.turns);
            self.writers[number].delivered(bytes, moment);
        }
    }

    fn lose_patience(&mut self, number: usize) {
        if !self.is_active {
            return;
        }
        let at_us = self.world.now_us + 300_000;
        self.world.at(at_us, WRITER_PATIENCE + number as u64);
        let asked_us = self.writers[number].oldest_us();
        if asked_us.is_some_and(|asked_us| asked_us + 1_500_000 < self.world.now_us) {
            self.world.note(format_args!("writer {number} gives up"));
            self.leave(number);
        }
    }

    /// A writer's connection is over; it goes on with the next node.
    fn leave(&mut self, number: usize) {
        if let Some(link) = self.writers[number].link() {
            self.world.close(link);
        }
        for asked in self.writers[number].disconnected() {
            self.ledger.lost(&asked.question.operation);
        }
        let at_us = self.world.now_us + 1000 + self.rng.below(30_000);
        self.world.at(at_us, number as u64);
    }
}
