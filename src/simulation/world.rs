//! The world of a simulation: nodes with disks, their helpers' steps, the network, and the time.
//!
//! Everything that will happen stands in one queue, ordered by time and then by when it was put there. [`World::step`] takes the next and
//! tells the scenario what concerns it.

mod links;
mod plans;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::path::Path;
use std::rc::Rc;

use super::network::{Delays, End, Link, LinkId, NodeId, Way};
use super::trace::Trace;
use crate::clock::{Clock, SimClock, Turn};
use crate::command::context::Rng;
use crate::config::Config;
use crate::reactor::simulated::{SimDialer, SimDoor};
use crate::server::simulated::{Helper, SimServer};
use crate::storage::rocks::simulated::{Crash, Disk, Mounted};

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

/// Microseconds between two rounds of a syncer.
const SYNC_INTERVAL_US: u64 = 1_000_000;
/// Microseconds between two looks of a flusher at a stall.
const STALL_POLL_US: u64 = 5000;

#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Turn {
        node: NodeId,
        plan: u64,
    },
    Flusher {
        node: NodeId,
        run: u64,
    },
    Syncer {
        node: NodeId,
        run: u64,
    },
    Job {
        node: NodeId,
        run: u64,
    },
    /// The thread that writes the state file.
    Writer {
        node: NodeId,
        run: u64,
    },
    Message {
        node: NodeId,
        run: u64,
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

/// A node: a disk, and a process while it runs.
pub struct SimNode {
    config: Config,
    pub disk: Disk,
    _mounted: Mounted,
    clock: Rc<SimClock>,
    door: SimDoor,
    dialer: SimDialer,
    /// When each helper wants to do its next round, and the number of that plan.
    helpers: BTreeMap<Helper, (u64, u64)>,
    helper_plans: u64,
    /// The process is stopped until then, helpers and all.
    frozen_until_us: u64,
    pub server: Option<SimServer>,
    /// Counts its processes.
    pub incarnation: u64,
    /// Turns of all processes.
    pub turns: u64,
    /// When the next turn is planned, and the number of that plan.
    planned: Option<u64>,
    plan: u64,
    /// It does nothing before then: the last turn still runs, or the process is stopped.
    busy_until_us: u64,
    has_flusher_step: bool,
    has_job_step: bool,
    has_writer_step: bool,
    has_message_step: bool,
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

    // ---- nodes ----

    /// A node with an empty disk, not running. Its data directory exists here only.
    pub fn add_node(&mut self, mut config: Config) -> NodeId {
        let node = self.nodes.len();
        config.dir = Path::new("/simulated").join(format!("node-{node}"));
        let mounted = Mounted::new(&config.dir);
        self.nodes.push(SimNode {
            config,
            disk: mounted.disk.clone(),
            _mounted: mounted,
            clock: Rc::new(SimClock::new(Turn {
                mono_us: self.now_us,
                unix_us: 1_700_000_000_000_000 + self.now_us,
            })),
            door: SimDoor::default(),
            dialer: SimDialer::default(),
            helpers: BTreeMap::new(),
            helper_plans: 0,
            frozen_until_us: 0,
            server: None,
            incarnation: 0,
            turns: 0,
            planned: None,
            plan: 0,
            busy_until_us: 0,
            has_flusher_step: false,
            has_job_step: false,
            has_writer_step: false,
            has_message_step: false,
        });
        node
    }

    /// The address of a node, as others name it.
    pub fn addr(&self, node: NodeId) -> String {
        format!("{}:6379", links::ip(node))
    }

    /// Starts a node's process. The error is what the shipped server would end with.
    pub fn start(&mut self, node: NodeId) -> Result<(), String> {
        let addr = self.addr(node);
        let seed = self.rng.next_u64();
        self.set_clock(node);
        let dialer = SimDialer::default();
        for (number, peer) in self.nodes.iter().enumerate() {
            dialer.add_peer(&self.addr(number), &peer.config.dir);
        }
        let it = &mut self.nodes[node];
        assert!(it.server.is_none(), "started twice");
        it.door = SimDoor::default();
        it.dialer = dialer;
        it.helpers.clear();
        let server = SimServer::start(
            it.config.clone(),
            Rc::clone(&it.clock),
            seed,
            &it.door,
            &it.dialer,
            &addr,
        );
        let server = server.map_err(|error| error.text)?;
        it.server = Some(server);
        it.incarnation += 1;
        it.busy_until_us = self.now_us;
        it.has_flusher_step = false;
        it.has_job_step = false;
        it.has_writer_step = false;
        it.has_message_step = false;
        let run = it.incarnation;
        self.note(format_args!("node {node} starts, run {run}"));
        self.put(self.now_us + SYNC_INTERVAL_US, Event::Syncer { node, run });
        self.plan_turn(node, self.now_us);
        Ok(())
    }

    /// Ends a node's process without its doing.
    pub fn crash(&mut self, node: NodeId, crash: Crash) {
        self.note(format_args!("node {node} crashes: {crash:?}"));
        // What the process wrote to its sockets before is the system's to deliver; not so when the machine goes.
        if crash == Crash::Process {
            self.collect(node);
        }
        let it = &mut self.nodes[node];
        it.server = None;
        it.planned = None;
        it.plan += 1;
        it.disk.crash(crash);
        for link in self.live.clone() {
            let is_its = |end: &End| end.node() == Some(node);
            let it = &self.links[link];
            if it.is_over || !(is_its(&it.near) || is_its(&it.far)) {
                continue;
            }
            for way in [Way::ToFar, Way::ToNear] {
                if is_its(self.links[link].sender(way)) {
                    self.carry(link, way, None);
                }
            }
        }
    }

    /// A node's process is sent a signal.
    pub fn signal(&mut self, node: NodeId, signal: i32) {
        if let Some(server) = &self.nodes[node].server {
            server.signal(signal);
        }
        self.replan(node);
    }

    /// A node's process stands still for so long (SIGSTOP, a busy machine).
    pub fn freeze(&mut self, node: NodeId, us: u64) {
        self.note(format_args!("node {node} stands still for {us} us"));
        let it = &mut self.nodes[node];
        it.busy_until_us = it.busy_until_us.max(self.now_us + us);
        it.frozen_until_us = it.busy_until_us;
        self.replan(node);
    }

    fn set_clock(&mut self, node: NodeId) {
        let clock = &self.nodes[node].clock;
        let passed_us = self.now_us - clock.turn().mono_us;
        clock.advance_us(passed_us);
    }

    // ---- time ----

    /// Lets the next thing happen; `None` when nothing ever will.
    pub fn step(&mut self) -> Option<Occurrence> {
        let Reverse((at_us, _, event)) = self.events.pop()?;
        self.now_us = at_us.max(self.now_us);
        Some(self.happen(event))
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
            Event::Flusher { node, run } => {
                if let Some(server) = self.process(node, run) {
                    let was_busy = server.step_flusher();
                    let is_stalled = server.is_stalled();
                    self.nodes[node].has_flusher_step = false;
                    if is_stalled {
                        self.nodes[node].has_flusher_step = true;
                        self.put(self.now_us + STALL_POLL_US, Event::Flusher { node, run });
                    }
                    if was_busy {
                        self.note(format_args!("node {node} flusher"));
                    }
                    self.replan(node);
                }
            }
            Event::Syncer { node, run } => {
                if let Some(server) = self.process(node, run) {
                    server.step_syncer();
                    let next = self.now_us + SYNC_INTERVAL_US;
                    self.put(next, Event::Syncer { node, run });
                    self.replan(node);
                }
            }
            Event::Job { node, run } => {
                if let Some(server) = self.process(node, run) {
                    let count = server.job_count();
                    let place = self.rng.below(count.max(1) as u64) as usize;
                    if let Some(server) = self.process(node, run) {
                        server.run_job(place);
                    }
                    self.nodes[node].has_job_step = false;
                    self.note(format_args!("node {node} worker"));
                    self.replan(node);
                }
            }
            Event::Writer { node, run } => {
                if let Some(server) = self.process(node, run) {
                    server.step_writer();
                    self.nodes[node].has_writer_step = false;
                    self.note(format_args!("node {node} writes its state"));
                    self.replan(node);
                }
            }
            Event::Message { node, run } => {
                if let Some(server) = self.process(node, run) {
                    server.deliver_message();
                    self.nodes[node].has_message_step = false;
                    self.replan(node);
                }
            }
        }
        Occurrence::Nothing
    }

    fn process(&mut self, node: NodeId, run: u64) -> Option<&mut SimServer> {
        self.set_clock(node);
        let it = &mut self.nodes[node];
        if it.incarnation != run {
            return None;
        }
        it.server.as_mut()
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

    fn arrive(
        &mut self,
        link: LinkId,
        way: Way,
        bytes: Option<Vec<u8>>,
        sent_us: u64,
    ) -> Occurrence {
        let it = &mut self.links[link];
        if it.is_over {
            return Occurrence::Nothing;
        }
        let lane = it.lane(way);
        let lets_through = bytes.as_ref().is_some_and(Vec::is_empty);
        if !lets_through {
            lane.held.push_back((bytes, sent_us));
        }
        if lane.is_cut {
            return Occurrence::Nothing;
        }
        let Some((bytes, sent_us)) = lane.held.pop_front() else {
            return Occurrence::Nothing;
        };
        it.lane(way).arrived_bytes += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let total = it.lane(way).arrived_bytes;
        match (it.receiver(way), bytes) {
            (End::Outside, Some(bytes)) => {
                return Occurrence::Bytes {
                    link,
                    bytes,
                    sent_us,
                };
            }
            (End::Outside, None) => {
                it.is_over = true;
                // What was under way to a process that is gone, or that has closed, is answered by a reset.
                if let End::Node { wire, .. } = &it.far {
                    wire.break_off();
                }
                return Occurrence::Closed { link };
            }
            (End::Node { node, wire, .. }, bytes) => {
                let node = *node;
                match bytes {
                    Some(bytes) => wire.arrive(&bytes),
                    None => {
                        wire.end();
                        it.lane(way).is_over = true;
                        it.is_over = it.to_far.is_over && it.to_near.is_over;
                    }
                }
                self.replan(node);
                if matches!(self.links[link].sender(way), End::Outside) {
                    return Occurrence::Delivered { link, bytes: total };
                }
            }
        }
        Occurrence::Nothing
    }
}
