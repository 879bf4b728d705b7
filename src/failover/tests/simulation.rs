//! Two nodes, each with both machines, on a virtual clock: messages delayed, repeated, lost and late, disks that fail, processes
//! that are killed at any point and come back with what their disk holds.
//!
//! After every step: at most one node accepts writes, a node that accepts writes holds every write that was acknowledged, no cancelled
//! token is taken, and writes are parked exactly while the role is open. In the end, with everything mended, every failover
//! ends by itself and one node accepts writes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use crate::clock::Turn;
use crate::failover::machine::Terms;
use crate::failover::machine::action::LinkId;
use crate::failover::request::{Facts, Options, Replica};
use crate::failover::{Action, Durable, Failover, PendingOffer, Ticket, Word};
use crate::replication::takeover::fates::Fates;
use crate::replication::takeover::wire::{Address, Answer, Request, RunId, Token};
use crate::replication::takeover::{self, Asker, Following, Standing, Takeover};
use crate::storage::seq::Seq;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    Primary,
    Replica,
    Between,
}

/// What the state file holds.
#[derive(Clone, Debug)]
struct Disk {
    is_primary: bool,
    pending: Option<PendingOffer>,
    fates: Fates,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    Failover(u64),
    Takeover(u64),
}

struct Node {
    is_up: bool,
    role: Role,
    is_paused: bool,
    /// The writes that it holds, by their names.
    log: Vec<u32>,
    history: String,
    run_id: RunId,
    /// Whom it follows, as it knows from its link.
    followed: Option<(RunId, String)>,
    failover: Failover,
    takeover: Takeover,
    memory: Disk,
    disk: Disk,
    writes: VecDeque<(Owner, Disk)>,
    /// Its replication link as the other node's replica.
    replica_link: u64,
}

/// One connection of an old primary.
#[derive(Default)]
struct Link {
    is_open: bool,
    /// The machine waits for the outcome.
    is_opening: bool,
    requests: VecDeque<Request>,
    answers: VecDeque<Answer>,
}

#[derive(Default)]
struct Trouble {
    /// REPLICAOF NO ONE where the fate was open: from then on anything may be.
    operator_spoke: bool,
    /// A switch by force may lose writes.
    forced: bool,
}

struct World {
    now_us: u64,
    nodes: [Node; 2],
    links: BTreeMap<(usize, LinkId), Link>,
    acked: Vec<u32>,
    names: u64,
    cancelled: BTreeSet<String>,
    trouble: Trouble,
}

fn run_id(number: u64) -> RunId {
    RunId::parse(format!("{number:040x}").as_bytes()).expect("forty digits")
}

fn address(node: usize) -> Address {
    Address::new(["a", "b"][node], 6379)
}

impl World {
    fn new() -> World {
        let node = |index: usize| {
            let is_primary = index == 0;
            let disk = Disk {
                is_primary,
                pending: None,
                fates: Fates::default(),
            };
            Node {
                is_up: true,
                role: if is_primary {
                    Role::Primary
                } else {
                    Role::Replica
                },
                is_paused: false,
                log: Vec::new(),
                history: format!("h{index}"),
                run_id: run_id(index as u64),
                followed: None,
                failover: Failover::new(run_id(index as u64)),
                takeover: Takeover::default(),
                memory: disk.clone(),
                disk,
                writes: VecDeque::new(),
                replica_link: index as u64,
            }
        };
        World {
            now_us: 1_000_000,
            nodes: [node(0), node(1)],
            links: BTreeMap::new(),
            acked: Vec::new(),
            names: 100,
            cancelled: BTreeSet::new(),
            trouble: Trouble::default(),
        }
    }

    fn now(&self) -> Turn {
        Turn {
            mono_us: self.now_us,
            unix_us: 0,
        }
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn accepts_writes(&self, index: usize) -> bool {
        let node = &self.nodes[index];
        node.is_up && node.role == Role::Primary && !node.failover.is_handing_over()
    }

    fn follows(&self, replica: usize) -> bool {
        let (node, primary) = (&self.nodes[replica], &self.nodes[1 - replica]);
        node.is_up && node.role == Role::Replica && primary.is_up && primary.role != Role::Replica
    }

    fn replica_facts(&self, replica: usize) -> Replica {
        let node = &self.nodes[replica];
        Replica {
            id: node.replica_link,
            address: address(replica),
            is_online: true,
            acked_seq: Seq::new(node.log.len() as u64),
        }
    }

    // ---- what the machines ask for ----

    fn run(&mut self, index: usize, actions: Vec<Action>) {
        for action in actions {
            let node = &mut self.nodes[index];
            match action {
                Action::PauseWrites => {
                    assert!(!node.is_paused, "paused twice");
                    node.is_paused = true;
                }
                Action::ReleasePause => {
                    assert!(
                        node.is_paused && node.role != Role::Between,
                        "released while the role is open"
                    );
                    node.is_paused = false;
                }
                Action::RequestAcks | Action::Log(..) | Action::Answer { .. } => {}
                Action::Store { attempt, durable } => {
                    (node.memory.is_primary, node.memory.pending) = match durable {
                        Durable::Pending(pending) => (true, Some(pending)),
                        Durable::Primary => (true, None),
                        Durable::ReplicaOf(_) => (false, None),
                    };
                    node.writes
                        .push_back((Owner::Failover(attempt), node.memory.clone()));
                }
                Action::Connect { link, .. } => {
                    let fresh = Link {
                        is_opening: true,
                        ..Link::default()
                    };
                    self.links.insert((index, link), fresh);
                }
                Action::Send { link, request } => {
                    // An offer leaves only when it is on disk that it may have.
                    if let Request::Offer(offer) = &request {
                        let pending = node.disk.pending.as_ref().expect("pending on disk");
                        assert_eq!(pending.token, offer.token);
                        assert!(node.role == Role::Between);
                    }
                    let link = self
                        .links
                        .get_mut(&(index, link))
                        .expect("a link that it opened");
                    link.requests.push_back(request);
                }
                Action::Close { link } => {
                    // What is on its way may still arrive, answers too.
                    let link = self
                        .links
                        .get_mut(&(index, link))
                        .expect("a link that it opened");
                    (link.is_open, link.is_opening) = (false, false);
                }
                Action::StopBeingPrimary { seq } => {
                    assert!(
                        seq.is_none_or(|seq| seq.get() == node.log.len() as u64),
                        "written after the drain"
                    );
                    node.role = Role::Between;
                }
                Action::ResumePrimary { new_history } => {
                    assert_eq!(node.role, Role::Between);
                    node.role = Role::Primary;
                    if new_history {
                        self.names += 1;
                        node.history = format!("h{}", self.names);
                    }
                }
                Action::Follow { target } => {
                    assert_eq!(target, address(1 - index));
                    node.role = Role::Replica;
                    node.followed = None;
                }
            }
        }
    }

    fn run_target(&mut self, index: usize, actions: Vec<takeover::Action>) {
        for action in actions {
            let node = &mut self.nodes[index];
            match action {
                takeover::Action::Store {
                    attempt,
                    fates,
                    promote,
                } => {
                    node.memory.fates = fates;
                    if promote {
                        node.memory.is_primary = true;
                    } else if node.role == Role::Replica {
                        node.memory.is_primary = false;
                    }
                    node.writes
                        .push_back((Owner::Takeover(attempt), node.memory.clone()));
                }
                takeover::Action::Promote { offer } => {
                    assert!(node.disk.is_primary, "promoted before it is on disk");
                    assert!(
                        !self.cancelled.contains(&offer.token.to_string()),
                        "a cancelled token was honored"
                    );
                    self.names += 1;
                    node.role = Role::Primary;
                    node.history = format!("h{}", self.names);
                    let seq = Seq::new(node.log.len() as u64);
                    let actions = node.takeover.promoted(seq);
                    self.run_target(index, actions);
                }
                takeover::Action::Answer { asker, answer } => {
                    self.send_answer(index, asker, answer)
                }
                takeover::Action::Log(..) => {}
            }
        }
    }

    fn send_answer(&mut self, index: usize, asker: Asker, answer: Answer) {
        let Some(link) = self.links.get_mut(&(1 - index, asker.0)) else {
            return;
        };
        // As bytes there and back.
        let answer = Answer::parse(&answer.encode());
        if link.is_open {
            link.answers.push_back(answer);
        }
    }

    /// A request arrives at the target.
    fn arrive(&mut self, from: usize, link: LinkId, request: Request) {
        let index = 1 - from;
        let node = &mut self.nodes[index];
        if !node.is_up {
            return;
        }
        let asker = Asker(link);
        let actions = match request {
            Request::Offer(offer) => {
                let standing = match (&node.role, &node.followed) {
                    (Role::Replica, Some((run_id, history))) => Standing::Replica(Following {
                        run_id: Some(*run_id),
                        replication_id: history.clone(),
                        seq: Seq::new(node.log.len() as u64),
                        unable: None,
                    }),
                    _ => Standing::Primary,
                };
                node.takeover.offer(asker, offer, &standing)
            }
            Request::Cancel(token) => node.takeover.cancel(asker, token),
            Request::State(token) => {
                let answer = node.takeover.state(&token);
                self.send_answer(index, asker, answer);
                return;
            }
        };
        for action in &actions {
            if let takeover::Action::Answer {
                answer: Answer::Cancelled | Answer::Refused(_),
                ..
            } = action
            {
                self.note_cancelled(index);
            }
        }
        self.run_target(index, actions);
    }

    /// What a node's disk says is cancelled stays so.
    fn note_cancelled(&mut self, index: usize) {
        let lines = self.nodes[index].disk.fates.lines();
        let cancelled = lines.filter_map(|line| Some(line.strip_suffix(" cancelled")?.to_owned()));
        self.cancelled.extend(cancelled);
    }

    // ---- steps ----

    fn write(&mut self, index: usize) {
        if self.accepts_writes(index) && !self.nodes[index].is_paused {
            let name = self.name() as u32;
            self.nodes[index].log.push(name);
            self.acked.push(name);
        }
    }

    fn replicate(&mut self, replica: usize, count: usize) {
        if !self.follows(replica) {
            return;
        }
        let primary = &self.nodes[1 - replica];
        let (log, id) = (
            primary.log.clone(),
            (primary.run_id, primary.history.clone()),
        );
        let node = &mut self.nodes[replica];
        if !log.starts_with(&node.log) {
            node.log.clear();
        }
        let until = (node.log.len() + count).min(log.len());
        node.log = log[..until].to_vec();
        node.followed = Some(id);
        let facts = self.replica_facts(replica);
        let now = self.now();
        let failover = &mut self.nodes[1 - replica].failover;
        let mut actions = failover.replica_is(facts.clone(), &now);
        actions.extend(failover.acked(facts.id, facts.acked_seq, &now));
        self.run(1 - replica, actions);
    }

    fn begin(&mut self, index: usize, kind: u8) {
        if !self.nodes[index].is_up {
            return;
        }
        let other = 1 - index;
        let to = Some((address(other).host.into_bytes(), 6379));
        let options = match kind % 4 {
            0 => Options::default(),
            1 => Options {
                to,
                ..Options::default()
            },
            2 => Options {
                to,
                timeout_ms: Some(300),
                force: false,
            },
            _ => Options {
                to,
                timeout_ms: Some(300),
                force: true,
            },
        };
        let facts = Facts {
            is_replica: self.nodes[index].role == Role::Replica,
            replicas: self
                .follows(other)
                .then(|| self.replica_facts(other))
                .into_iter()
                .collect(),
            hello_subscribers: 0,
        };
        let terms = Terms {
            starter: Some(Ticket(1)),
            from: address(index),
        };
        let now = self.now();
        if let Ok(actions) = self.nodes[index]
            .failover
            .begin(&options, &facts, 2000, terms, &now)
        {
            self.trouble.forced |= options.force;
            self.run(index, actions);
        }
    }

    fn drain(&mut self, index: usize) {
        let now = self.now();
        let node = &mut self.nodes[index];
        if node.is_up && node.is_paused {
            let (seq, history) = (Seq::new(node.log.len() as u64), node.history.clone());
            let actions = node.failover.drained(seq, &history, &now);
            self.run(index, actions);
        }
    }

    /// Lets the `pick`th link go on in one direction. `mode`: deliver, repeat, lose.
    fn deliver(&mut self, pick: u8, mode: u8) {
        let busy =
            |link: &Link| link.is_opening || !link.requests.is_empty() || !link.answers.is_empty();
        let keys: Vec<(usize, LinkId)> = self
            .links
            .iter()
            .filter(|(_, link)| busy(link))
            .map(|(&key, _)| key)
            .collect();
        if keys.is_empty() {
            return;
        }
        let key @ (from, id) = keys[usize::from(pick) % keys.len()];
        let now = self.now();
        let target_is_up = self.nodes[1 - from].is_up;
        let link = self.links.get_mut(&key).expect("just listed");
        if link.is_opening {
            link.is_opening = false;
            link.is_open = target_is_up && mode != 2;
            let actions = match link.is_open {
                true => self.nodes[from].failover.connected(id, &now),
                false => self.nodes[from].failover.disconnected(id, "refused", &now),
            };
            self.run(from, actions);
            return;
        }
        let take = |queue: &mut VecDeque<Request>| {
            if mode == 1 {
                queue.front().cloned()
            } else {
                queue.pop_front()
            }
        };
        if let Some(request) = take(&mut link.requests) {
            if mode != 2 {
                self.arrive(from, id, request);
            }
            return;
        }
        let answer = if mode == 1 {
            link.answers.front().cloned()
        } else {
            link.answers.pop_front()
        };
        if let Some(answer) = answer.filter(|_| mode != 2) {
            let actions = self.nodes[from].failover.answered(id, answer, &now);
            self.run(from, actions);
        }
    }

    fn cut(&mut self, pick: u8) {
        let is_alive = |link: &Link| link.is_open || link.is_opening;
        let keys: Vec<(usize, LinkId)> = self
            .links
            .iter()
            .filter(|(_, link)| is_alive(link))
            .map(|(&key, _)| key)
            .collect();
        if keys.is_empty() {
            return;
        }
        let key @ (from, id) = keys[usize::from(pick) % keys.len()];
        let link = self.links.get_mut(&key).expect("just listed");
        (link.is_open, link.is_opening) = (false, false);
        let now = self.now();
        let actions = self.nodes[from].failover.disconnected(id, "cut", &now);
        self.run(from, actions);
    }

    /// One write to disk ends. `mode`: well, fails without a trace, fails having changed the file.
    fn store(&mut self, index: usize, mode: u8) {
        let now = self.now();
        let node = &mut self.nodes[index];
        let Some((owner, state)) = node.writes.pop_front() else {
            return;
        };
        if mode != 1 {
            node.disk = state;
        }
        let is_well = mode == 0;
        match owner {
            Owner::Failover(attempt) => {
                let actions = match is_well {
                    true => node.failover.stored(attempt, &now),
                    false => node.failover.store_failed(attempt, "disk", &now),
                };
                self.run(index, actions);
            }
            Owner::Takeover(attempt) => {
                let actions = match is_well {
                    true => node.takeover.stored(attempt),
                    false => node.takeover.store_failed(attempt, "disk", now.now()),
                };
                if is_well {
                    self.note_cancelled(index);
                }
                self.run_target(index, actions);
            }
        }
        // What nothing waits for is written again when the server comes to it.
        let node = &mut self.nodes[index];
        if !is_well && node.writes.is_empty() {
            node.disk = node.memory.clone();
        }
    }

    fn crash(&mut self, index: usize, written: u8) {
        let node = &mut self.nodes[index];
        if !node.is_up {
            return;
        }
        for _ in 0..usize::from(written) % (node.writes.len() + 1) {
            if let Some((_, state)) = node.writes.pop_front() {
                node.disk = state;
            }
        }
        node.writes.clear();
        node.is_up = false;
        let now = self.now();
        let keys: Vec<(usize, LinkId)> = self.links.keys().copied().collect();
        for key @ (from, id) in keys {
            let link = self.links.get_mut(&key).expect("just listed");
            if from == index {
                // Requests that left may still arrive.
                (link.is_open, link.is_opening) = (false, false);
                link.answers.clear();
            } else {
                let was_alive = link.is_open || link.is_opening;
                *link = Link::default();
                if was_alive {
                    let actions = self.nodes[from].failover.disconnected(id, "reset", &now);
                    self.run(from, actions);
                }
            }
        }
        self.replica_gone(index);
    }

    fn replica_gone(&mut self, replica: usize) {
        let link = self.nodes[replica].replica_link;
        self.nodes[replica].replica_link = self.name();
        let now = self.now();
        if self.nodes[1 - replica].is_up {
            let actions = self.nodes[1 - replica].failover.replica_gone(link, &now);
            self.run(1 - replica, actions);
        }
    }

    fn restart(&mut self, index: usize) {
        if self.nodes[index].is_up {
            return;
        }
        let name = self.name();
        let now = self.now();
        self.links
            .retain(|&(from, _), link| from != index || !link.requests.is_empty());
        let node = &mut self.nodes[index];
        node.is_up = true;
        node.is_paused = false;
        node.run_id = run_id(name);
        node.history = format!("h{name}");
        node.followed = None;
        node.memory = node.disk.clone();
        node.takeover = Takeover::restore(node.disk.fates.clone());
        node.role = if node.disk.is_primary {
            Role::Primary
        } else {
            Role::Replica
        };
        match node.disk.pending.clone() {
            Some(pending) => {
                // Its links must not be taken for those of the run before.
                let (failover, actions) = Failover::restart(node.run_id, pending, &now);
                node.failover = failover;
                self.links.retain(|&(from, _), _| from != index);
                self.run(index, actions);
            }
            None => node.failover = Failover::new(node.run_id),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_us += ms * 1000 + 1;
        let now = self.now();
        for index in 0..2 {
            if self.nodes[index].is_up {
                let actions = self.nodes[index].failover.tick(&now);
                self.run(index, actions);
                let actions = self.nodes[index].takeover.tick(now.now());
                self.run_target(index, actions);
            }
        }
    }

    fn operator(&mut self, index: usize) {
        let now = self.now();
        let node = &mut self.nodes[index];
        if node.is_up && node.failover.is_handing_over() {
            match node.failover.replicaof(None, Ticket(9), &now) {
                Word::Wait(actions) => {
                    self.trouble.operator_spoke = true;
                    self.run(index, actions);
                }
                Word::Refuse(_) => {}
                Word::Proceed(_) => panic!("it is handing over"),
            }
        }
    }

    fn step(&mut self, (kind, arg): (u8, u8)) {
        let index = usize::from(arg & 1);
        match kind {
            0..=11 => self.write(index),
            12..=34 => self.replicate(index, usize::MAX / 2),
            35..=38 => self.replicate(index, 1),
            39..=58 => self.begin(index, arg >> 1),
            59..=83 => self.drain(index),
            84..=139 => self.deliver(arg, 0),
            140..=145 => self.deliver(arg, 1),
            146..=151 => self.deliver(arg, 2),
            152..=158 => self.cut(arg),
            159..=208 => self.store(index, 0),
            209..=216 => self.store(index, 1 + (arg >> 1) % 2),
            217..=224 => self.crash(index, arg >> 1),
            225..=235 => self.restart(index),
            236..=246 => self.pass(u64::from(arg >> 1) * 8),
            247..=250 => {
                let now = self.now();
                if self.nodes[index].is_up
                    && let Ok(actions) = self.nodes[index].failover.abort(Ticket(2), &now)
                {
                    self.run(index, actions);
                }
            }
            251..=253 => self.replica_gone(index),
            _ => self.operator(index),
        }
        self.check();
    }

    fn check(&self) {
        for node in self.nodes.iter().filter(|node| node.is_up) {
            assert_eq!(
                node.is_paused,
                node.failover.has_paused(),
                "parked exactly while it runs"
            );
            assert_eq!(node.role == Role::Between, node.failover.is_handing_over());
        }
        if self.trouble.operator_spoke {
            return;
        }
        let accepting: Vec<usize> = (0..2).filter(|&index| self.accepts_writes(index)).collect();
        assert!(accepting.len() < 2, "two nodes accept writes");
        if let [index] = accepting[..]
            && !self.trouble.forced
        {
            assert_eq!(
                self.nodes[index].log, self.acked,
                "an acknowledged write is missing"
            );
        }
    }

    /// Everything works from here on.
    fn mend(&mut self) {
        for _ in 0..400 {
            for index in 0..2 {
                self.restart(index);
                while !self.nodes[index].writes.is_empty() {
                    self.store(index, 0);
                }
                self.replicate(index, usize::MAX / 2);
                self.drain(index);
            }
            self.deliver(0, 0);
            self.pass(20);
            self.check();
        }
        for node in &self.nodes {
            assert!(
                !node.failover.is_active(),
                "it did not end: {:?}",
                node.failover.fields()
            );
        }
        if !self.trouble.operator_spoke {
            let accepting = (0..2).filter(|&index| self.accepts_writes(index)).count();
            let roles = self.nodes.iter().map(|node| &node.role);
            assert_eq!(
                accepting,
                1,
                "who accepts writes: {:?}",
                roles.collect::<Vec<_>>()
            );
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((any::<u8>(), any::<u8>()), 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_two_nodes_accept_writes_whatever_fails(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.mend();
    }
}

/// That the steps above reach what they are about: without faults a switch succeeds, again and again, in both directions.
#[test]
fn switches_succeed_back_and_forth() {
    let mut world = World::new();
    for turn in 0..6 {
        let old = turn % 2;
        world.write(old);
        world.replicate(1 - old, 100);
        world.begin(old, 1);
        world.write(old);
        world.mend();
        assert!(
            world.accepts_writes(1 - old) && world.nodes[old].role == Role::Replica,
            "switch {turn}"
        );
        world.write(1 - old);
    }
    assert_eq!(world.acked.len(), 18);
}

#[test]
fn tokens_differ() {
    let mut seen = BTreeSet::new();
    let mut world = World::new();
    for _ in 0..3 {
        world.replicate(1, 9);
        world.begin(0, 1);
        let Some((_, state)) = world.nodes[0].writes.back() else {
            panic!("the pending offer is written first");
        };
        let token: Token = state.pending.as_ref().expect("pending").token;
        assert!(seen.insert(token.to_string()));
        let now = world.now();
        let actions = world.nodes[0]
            .failover
            .abort(Ticket(2), &now)
            .expect("one runs");
        world.run(0, actions);
    }
}
