//! A node's life: what of it outlives its process, starts, crashes, signals, standing still.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use super::World;
use super::links::ip;
use super::plans::Thread;
use crate::clock::{Clock, SimClock, Turn};
use crate::config::Config;
use crate::reactor::simulated::{SimDialer, SimDoor};
use crate::server::simulated::{Helper, SimServer};
use crate::simulation::network::{End, NodeId, Way};
use crate::storage::rocks::simulated::{Crash, Disk, Mounted};

/// A state is mostly about this long.
const STATE_BYTES_USUAL: u64 = 250;

/// A node: a disk, and a process while it runs.
pub struct SimNode {
    pub(super) config: Config,
    pub disk: Disk,
    _mounted: Mounted,
    pub(super) clock: Rc<SimClock>,
    pub(super) door: SimDoor,
    pub(super) dialer: SimDialer,
    /// When each helper wants to do its next round, and the number of that plan.
    pub(super) helpers: BTreeMap<Helper, (u64, u64)>,
    pub(super) helper_plans: u64,
    /// The process is stopped until then, helpers and all.
    pub(super) frozen_until_us: u64,
    pub server: Option<SimServer>,
    /// Counts its processes.
    pub incarnation: u64,
    /// Turns of all processes.
    pub turns: u64,
    /// When the next turn is planned, and the number of that plan.
    pub(super) planned: Option<u64>,
    pub(super) plan: u64,
    /// It does nothing before then: the last turn still runs, or the process is stopped.
    pub(super) busy_until_us: u64,
    /// Threads whose next step stands in the queue.
    pub(super) threads: BTreeSet<Thread>,
}

impl World<'_> {
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
            threads: BTreeSet::new(),
        });
        node
    }

    /// The address of a node, as others name it.
    pub fn addr(&self, node: NodeId) -> String {
        format!("{}:6379", ip(node))
    }

    /// Starts a node's process. The error is what the shipped server would end with.
    pub fn start(&mut self, node: NodeId) -> Result<(), String> {
        let addr = self.addr(node);
        let seed = self.rng.next_u64();
        self.set_clock(node);
        let dialer = SimDialer::default();
        for number in 0..self.nodes.len() {
            dialer.add_peer(&self.addr(number));
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
        it.threads = BTreeSet::new();
        let run = it.incarnation;
        self.note(format_args!("node {node} starts, run {run}"));
        self.plan_sync(node, run);
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
        self.tear_state(node);
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

    /// The process may be in the middle of writing its state.
    fn tear_state(&mut self, node: NodeId) {
        let bytes = self.rng.below(STATE_BYTES_USUAL) as usize;
        let is_writing = self.rng.below(2) == 0;
        let server = self.nodes[node].server.as_ref();
        if is_writing && server.is_some_and(|server| server.tear_state(bytes)) {
            self.note(format_args!(
                "node {node} has written {bytes} bytes of its state"
            ));
        }
    }

    /// What a power cut takes from a node, by lot.
    pub fn power_cut(&mut self, node: NodeId) -> Crash {
        let unsynced = self.nodes[node].disk.unsynced_records();
        Crash::Power {
            unsynced_records_left: self.rng.below(unsynced as u64 + 1) as usize,
            state_bytes_left: match self.rng.below(4) {
                0 => 0,
                1 => usize::MAX,
                _ => self.rng.below(STATE_BYTES_USUAL) as usize,
            },
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

    pub(super) fn set_clock(&mut self, node: NodeId) {
        let clock = &self.nodes[node].clock;
        let passed_us = self.now_us - clock.turn().mono_us;
        clock.advance_us(passed_us);
    }

    /// The process of this run, if it is still there, with its clock set.
    pub(super) fn process(&mut self, node: NodeId, run: u64) -> Option<&mut SimServer> {
        self.set_clock(node);
        let it = &mut self.nodes[node];
        if it.incarnation != run {
            return None;
        }
        it.server.as_mut()
    }
}
