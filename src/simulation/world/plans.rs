//! When a node and its helpers do what they do next.

use super::super::network::NodeId;
use super::{Event, World};
use crate::server::simulated::Helper;

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
        let message = server.messages_under_way() > 0;
        let run = self.nodes[node].incarnation;
        if let Some(sleep) = sleep {
            self.plan_turn(node, self.now_us + sleep.as_micros() as u64);
        }
        if flusher && !std::mem::replace(&mut self.nodes[node].has_flusher_step, true) {
            let delay = self.delay(self.weather.flusher_us);
            self.put(self.now_us + delay, Event::Flusher { node, run });
        }
        if job && !std::mem::replace(&mut self.nodes[node].has_job_step, true) {
            let delay = self.delay(self.weather.job_us);
            self.put(self.now_us + delay, Event::Job { node, run });
        }
        if writer && !std::mem::replace(&mut self.nodes[node].has_writer_step, true) {
            let delay = self.delay(self.weather.job_us);
            self.put(self.now_us + delay, Event::Writer { node, run });
        }
        if message && !std::mem::replace(&mut self.nodes[node].has_message_step, true) {
            let delay = self.delay(self.weather.message_us);
            self.put(self.now_us + delay, Event::Message { node, run });
        }
        self.plan_helpers(node);
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
