//! The world of a simulation: nodes with disks, their helpers' steps, the network, and the time.
//!
//! Everything that will happen stands in one queue, ordered by time and then by when it was put there. [`World::step`] takes the next and
//! tells the scenario what concerns it.

mod copies;
mod links;
mod nodes;
mod plans;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

pub use self::nodes::SimNode;
use self::plans::Thread;
use super::network::{Delays, Link, LinkId, NodeId, Way};
use super::trace::Trace;
use crate::command::context::Rng;
use crate::server::simulated::Helper;
use crate::storage::rocks::simulated::Crash;

/// How slow things are in one run, in microseconds at most.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub turn_us: u64,
    pub flusher_us: u64,
    pub message_us: u64,
    pub job_us: u64,
    /// One in so many of each takes a hundred times as long.
    pub slow_one_in: u64,
}

impl Weather {
    /// Drawn by lot: mostly quick, at times with one part that is slow.
    pub fn drawn(rng: &mut Rng) -> Weather {
        let mut upto = |quick: u64, slow: u64| {
            if rng.below(4) == 0 { slow } else { quick }
        };
        Weather {
            turn_us: upto(100, 3000),
            flusher_us: upto(200, 20_000),
            message_us: upto(50, 5000),
            job_us: upto(500, 200_000),
            slow_one_in: upto(1000, 50),
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Turn {
        node: NodeId,
        plan: u64,
    },
    /// A thread does its next step.
    Thread {
        node: NodeId,
        run: u64,
        thread: Thread,
    },
    /// A helper of replication does a round.
    Helper {
        node: NodeId,
        run: u64,
        helper: Helper,
        plan: u64,
    },
    Arrival {
        link: LinkId,
        way: Way,
        bytes: Option<Vec<u8>>,
        sent_us: u64,
    },
    /// The next piece of a full copy.
    Piece {
        copy: usize,
    },
    Timer {
        tag: u64,
    },
}

/// What a scenario is told.
#[derive(Debug)]
pub enum Occurrence {
    /// Nothing that concerns it.
    Nothing,
    /// Bytes of a node have arrived at the outside end of a link; they were written at `sent_us`.
    Bytes {
        link: LinkId,
        bytes: Vec<u8>,
        sent_us: u64,
    },
    /// Bytes of the outside have arrived at the node; so many in all.
    Delivered { link: LinkId, bytes: u64 },
    /// The node has closed the link, or it broke.
    Closed { link: LinkId },
    /// A timer of the scenario.
    Timer { tag: u64 },
    /// A node's process has ended by itself with this exit status; its disk is as a kill would leave it.
    Exited { node: NodeId, status: i32 },
}

/// The world.
pub struct World<'t> {
    pub now_us: u64,
    pub rng: Rng,
    pub weather: Weather,
    pub nodes: Vec<SimNode>,
    pub links: Vec<Link>,
    /// Delays of links between nodes.
    pub between: Delays,
    /// Links on which something may still happen.
    live: Vec<LinkId>,
    /// Ways between nodes that nothing gets through.
    cuts: BTreeSet<(NodeId, NodeId)>,
    /// Full copies, by their numbers; those that are over are gone.
    copies: Vec<Option<copies::Copy>>,
    pub trace: &'t mut Trace,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    next_event: u64,
}

impl<'t> World<'t> {
    pub fn new(mut rng: Rng, trace: &'t mut Trace) -> World<'t> {
        World {
            now_us: 1_000_000,
            weather: Weather::drawn(&mut rng),
            rng,
            nodes: Vec::new(),
            links: Vec::new(),
            between: Delays::NONE,
            live: Vec::new(),
            cuts: BTreeSet::new(),
            copies: Vec::new(),
            trace,
            events: BinaryHeap::new(),
            next_event: 0,
        }
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.now_us, what);
    }

    fn put(&mut self, at_us: u64, event: Event) {
        self.next_event += 1;
        self.events.push(Reverse((at_us, self.next_event, event)));
    }

    /// Up to `most_us`, at times much longer.
    fn delay(&mut self, most_us: u64) -> u64 {
        let delay = self.rng.below(most_us + 1);
        if self.rng.below(self.weather.slow_one_in) == 0 {
            delay * 100
        } else {
            delay
        }
    }

    /// The scenario gets this tag back at that time.
    pub fn at(&mut self, at_us: u64, tag: u64) {
        self.put(at_us.max(self.now_us), Event::Timer { tag });
    }

    // ---- time ----

    /// Lets the next thing happen. A node that runs always has something to do some time.
    pub fn step(&mut self) -> Occurrence {
        let Some(Reverse((at_us, _, event))) = self.events.pop() else {
            panic!("nothing will ever happen again");
        };
        self.now_us = at_us.max(self.now_us);
        self.happen(event)
    }

    fn happen(&mut self, event: Event) -> Occurrence {
        match event {
            Event::Timer { tag } => return Occurrence::Timer { tag },
            Event::Arrival {
                link,
                way,
                bytes,
                sent_us,
            } => return self.arrive(link, way, bytes, sent_us),
            Event::Turn { node, plan } => return self.turn(node, plan),
            Event::Helper {
                node,
                run,
                helper,
                plan,
            } => self.helper_round(node, run, helper, plan),
            Event::Piece { copy } => self.piece(copy),
            Event::Thread { node, run, thread } => self.thread_step(node, run, thread),
        }
        Occurrence::Nothing
    }

    fn turn(&mut self, node: NodeId, plan: u64) -> Occurrence {
        self.set_clock(node);
        let it = &mut self.nodes[node];
        if it.plan != plan {
            return Occurrence::Nothing;
        }
        it.planned = None;
        let Some(server) = &mut it.server else {
            return Occurrence::Nothing;
        };
        it.turns += 1;
        let status = server.turn();
        let seq = it.disk.last_seq();
        self.note(format_args!("node {node} turn, sequence {seq}"));
        self.collect(node);
        let took_us = 1 + self.delay(self.weather.turn_us);
        let it = &mut self.nodes[node];
        it.busy_until_us = it.busy_until_us.max(self.now_us + took_us);
        match status {
            None => {
                self.replan(node);
                Occurrence::Nothing
            }
            Some(status) => {
                self.note(format_args!("node {node} exits with {status}"));
                if status == 0
                    && let Some(server) = self.nodes[node].server.take()
                {
                    server.stop(status);
                }
                self.crash(node, Crash::Process);
                Occurrence::Exited { node, status }
            }
        }
    }
}
