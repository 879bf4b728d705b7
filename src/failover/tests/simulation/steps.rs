//! What happens to the nodes of the simulation, and what must hold after it.

use super::world::{Link, Owner, Role, World, address, run_id};
use std::collections::VecDeque;

use crate::failover::machine::Terms;
use crate::failover::machine::action::LinkId;
use crate::failover::request::{Facts, Options};
use crate::failover::{Failover, Ticket, Word};
use crate::replication::takeover::Takeover;
use crate::replication::takeover::wire::Request;
use crate::storage::seq::Seq;

impl World {
    // ---- steps ----

    pub(super) fn write(&mut self, index: usize) {
        if self.accepts_writes(index) && !self.nodes[index].is_paused {
            let name = self.name() as u32;
            self.nodes[index].log.push(name);
            self.acked.push(name);
        }
    }

    pub(super) fn replicate(&mut self, replica: usize, count: usize) {
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
        // The link is up: the offer is history.
        if !node.failover.is_active() && node.memory.pending.take().is_some() {
            node.memory.is_primary = false;
            node.writes.push_back((Owner::Nobody, node.memory.clone()));
        }
        let facts = self.replica_facts(replica);
        let now = self.now();
        let failover = &mut self.nodes[1 - replica].failover;
        let mut actions = failover.replica_is(facts.clone(), &now);
        actions.extend(failover.acked(facts.id, facts.acked_seq, &now));
        self.run(1 - replica, actions);
    }

    pub(super) fn begin(&mut self, index: usize, kind: u8) {
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

    pub(super) fn drain(&mut self, index: usize) {
        let now = self.now();
        let node = &mut self.nodes[index];
        if node.is_up && node.is_paused {
            let (seq, history) = (Seq::new(node.log.len() as u64), node.history.clone());
            let actions = node.failover.drained(seq, &history, &now);
            self.run(index, actions);
        }
    }

    /// Lets the `pick`th link go on in one direction. `mode`: deliver, repeat, lose.
    pub(super) fn deliver(&mut self, pick: u8, mode: u8) {
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

    pub(super) fn cut(&mut self, pick: u8) {
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
    pub(super) fn store(&mut self, index: usize, mode: u8) {
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
            Owner::Nobody => {}
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

    pub(super) fn crash(&mut self, index: usize, written: u8) {
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

    pub(super) fn replica_gone(&mut self, replica: usize) {
        let link = self.nodes[replica].replica_link;
        self.nodes[replica].replica_link = self.name();
        let now = self.now();
        if self.nodes[1 - replica].is_up {
            let actions = self.nodes[1 - replica].failover.replica_gone(link, &now);
            self.run(1 - replica, actions);
        }
    }

    pub(super) fn restart(&mut self, index: usize) {
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

    pub(super) fn pass(&mut self, ms: u64) {
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

    pub(super) fn operator(&mut self, index: usize) {
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

    pub(super) fn step(&mut self, (kind, arg): (u8, u8)) {
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

    pub(super) fn check(&self) {
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
    pub(super) fn mend(&mut self) {
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
