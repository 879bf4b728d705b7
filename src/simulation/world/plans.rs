//! When a node and its helpers do what they do next.

use super::super::network::NodeId;
use super::{Event, World};
use crate::server::simulated::Helper;

/// Microseconds between two rounds of a syncer.
const SYNC_INTERVAL_US: u64 = 1_000_000;
/// Microseconds between two looks of a flusher at a stall.
const STALL_POLL_US: u64 = 5000;
/// Microseconds between a write of the state and that of its second copy.
const MIRROR_AFTER_US: u64 = 1_000_000;

/// A thread of a node that does a step at a time while it has something to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Thread {
    Flusher,
    Syncer,
    /// The workers: a job.
    Worker,
    /// Writes the state file.
    StateWriter,
    /// The same one, when it has time.
    StateMirror,
    /// Not a thread: what all of them say reaches the loop.
    Mail,
}

impl World<'_> {
    pub(super) fn plan_turn(&mut self, node: NodeId, at_us: u64) {
        let it = &mut self.nodes[node];
        let at_us = at_us.max(it.busy_until_us);
        if it
            .planned
            .is_some_and(|planned| planned <= at_us && planned >= it.busy_until_us)
        {
            return;
        }
        it.planned = Some(at_us);
        it.plan += 1;
        let plan = it.plan;
        self.put(at_us, Event::Turn { node, plan });
    }

    /// Plans what a node and its helpers will do next, as far as it is known now.
    pub(super) fn replan(&mut self, node: NodeId) {
        let Some(server) = &mut self.nodes[node].server else {
            return;
        };
        let sleep = server.sleep_time();
        let flusher = server.has_flusher_work();
        let job = server.job_count() > 0;
        let writer = server.has_state_to_write();
        let mirror = server.has_copy_of_state_to_write();
        let message = server.messages_under_way() > 0;
        let run = self.nodes[node].incarnation;
        if let Some(sleep) = sleep {
            self.plan_turn(node, self.now_us + sleep.as_micros() as u64);
        }
        if mirror && self.nodes[node].threads.insert(Thread::StateMirror) {
            let delay = MIRROR_AFTER_US + self.delay(self.weather.job_us);
            let thread = Thread::StateMirror;
            self.put(self.now_us + delay, Event::Thread { node, run, thread });
        }
        let weather = self.weather;
        for (thread, has_work, most_us) in [
            (Thread::Flusher, flusher, weather.flusher_us),
            (Thread::Worker, job, weather.job_us),
            (Thread::StateWriter, writer, weather.job_us),
            (Thread::Mail, message, weather.message_us),
        ] {
            if has_work && self.nodes[node].threads.insert(thread) {
                let delay = self.delay(most_us);
                self.put(self.now_us + delay, Event::Thread { node, run, thread });
            }
        }
        self.plan_helpers(node);
    }

    pub(super) fn plan_sync(&mut self, node: NodeId, run: u64) {
        let thread = Thread::Syncer;
        let event = Event::Thread { node, run, thread };
        self.put(self.now_us + SYNC_INTERVAL_US, event);
    }

    pub(super) fn thread_step(&mut self, node: NodeId, run: u64, thread: Thread) {
        let Some(server) = self.process(node, run) else {
            return;
        };
        match thread {
            Thread::Flusher => {
                let was_busy = server.step_flusher();
                let is_stalled = server.is_stalled();
                if was_busy {
                    self.note(format_args!("node {node} flusher"));
                }
                if is_stalled {
                    // It looks again; until then nothing else is planned for it.
                    self.put(
                        self.now_us + STALL_POLL_US,
                        Event::Thread { node, run, thread },
                    );
                    return self.replan(node);
                }
            }
            Thread::Syncer => {
                server.step_syncer();
                self.plan_sync(node, run);
            }
            Thread::Worker => {
                let count = server.job_count();
                let place = self.rng.below(count.max(1) as u64) as usize;
                if let Some(server) = self.process(node, run) {
                    server.run_job(place);
                }
                self.note(format_args!("node {node} worker"));
            }
            Thread::StateWriter => {
                server.step_writer();
                self.note(format_args!("node {node} writes its state"));
            }
            Thread::StateMirror => {
                server.mirror_state();
                self.note(format_args!("node {node} writes its state again"));
            }
            Thread::Mail => server.deliver_message(),
        }
        self.nodes[node].threads.remove(&thread);
        self.replan(node);
    }

    /// Plans the next round of each helper. One that is woken before its time does it earlier.
    fn plan_helpers(&mut self, node: NodeId) {
        let Some(server) = &mut self.nodes[node].server else {
            return;
        };
        for (helper, sleep) in server.helpers() {
            let wanted_us = self.now_us + sleep.as_micros() as u64;
            let planned = self.nodes[node].helpers.get(&helper);
            if planned.is_some_and(|(before_us, _)| *before_us <= wanted_us) {
                continue;
            }
            let delay = 1 + self.delay(self.weather.message_us);
            let it = &mut self.nodes[node];
            it.helper_plans += 1;
            let (plan, run) = (it.helper_plans, it.incarnation);
            it.helpers.insert(helper, (wanted_us, plan));
            let event = Event::Helper {
                node,
                run,
                helper,
                plan,
            };
            self.put(wanted_us + delay, event);
        }
    }

    pub(super) fn helper_round(&mut self, node: NodeId, run: u64, helper: Helper, plan: u64) {
        let it = &self.nodes[node];
        let is_current = it.helpers.get(&helper).is_some_and(|(_, its)| *its == plan);
        if it.incarnation != run || !is_current {
            return;
        }
        if it.frozen_until_us > self.now_us {
            let at_us = it.frozen_until_us;
            let event = Event::Helper {
                node,
                run,
                helper,
                plan,
            };
            return self.put(at_us, event);
        }
        self.nodes[node].helpers.remove(&helper);
        if let Some(server) = self.process(node, run) {
            server.step_helper(helper);
            self.note(format_args!("node {node} {helper:?}"));
            self.collect(node);
            self.replan(node);
        }
    }
}
