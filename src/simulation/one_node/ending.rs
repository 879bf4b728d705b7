//! The end of a run: no more harm, everything is answered, and a reader finds what was promised.

use super::super::client::Client;
use super::super::network::{Delays, LinkId};
use super::super::operations::{LOG, Operation, QUEUE};
use super::super::resp::{self, Replies, Value};
use super::super::world::Occurrence;
use super::{QUIET_US_MAX, Scenario};
use crate::storage::rocks::simulated::Crash;

impl Scenario<'_> {
    /// No more harm and nothing new: whatever was asked must be answered.
    pub(super) fn quieten(&mut self) {
        self.world.note(format_args!("quiet"));
        self.disk_faults(|faults| *faults = Default::default());
        self.restart();
        if let Some(link) = self.operator.link {
            self.unpause(link);
        }
        let end_us = self.world.now_us + QUIET_US_MAX;
        while self.clients.iter().any(Client::is_waiting) {
            if self.world.now_us > end_us {
                let waiting: Vec<_> = self.clients.iter().filter_map(Client::oldest).collect();
                panic!("never answered: {waiting:?}");
            }
            self.step();
        }
    }

    /// A last crash, and what a reader finds then.
    pub(super) fn audit(&mut self) {
        self.end_windows();
        self.world.crash(self.node, Crash::Process);
        self.restart();
        let link = self.world.connect(self.node, Delays::NONE);
        let mut counters = Vec::new();
        for operation in self.checks.audit() {
            let asked = self.checks.ask(operation.clone(), self.world.now_us);
            let commands = operation.commands();
            let words: Vec<&str> = commands[0].iter().map(String::as_str).collect();
            let reply = self.call(link, &words);
            if let Operation::Read { counter } = operation {
                let value = reply.text().map_or(0, |text| text.parse().unwrap_or(-1));
                counters.push((counter, value));
            }
            self.checks.answered(&asked, &[reply]);
        }
        let log = self.whole_list(link, LOG);
        let queue = self.whole_list(link, QUEUE);
        self.world.note(format_args!(
            "{} acknowledged, {} refused, {} unknown",
            self.checks.acknowledged, self.checks.refused, self.checks.unknown
        ));
        self.checks.finish(&counters, &log, &queue);
    }

    fn whole_list(&mut self, link: LinkId, list: &str) -> Vec<String> {
        self.call(link, &["LRANGE", list, "0", "-1"]).texts()
    }

    /// Asks, and lets the world go on until the answer is there.
    fn call(&mut self, link: LinkId, words: &[&str]) -> Value {
        let mut bytes = Vec::new();
        resp::encode(words, &mut bytes);
        self.world.send(link, &bytes);
        let mut replies = Replies::default();
        loop {
            match self.world.step() {
                Occurrence::Bytes {
                    link: its, bytes, ..
                } if its == link => {
                    replies.add(&bytes);
                }
                Occurrence::Closed { link: its } if its == link => {
                    panic!("{words:?} is not answered")
                }
                _ => {}
            }
            if let Some(value) = replies.take() {
                return value;
            }
        }
    }
}
