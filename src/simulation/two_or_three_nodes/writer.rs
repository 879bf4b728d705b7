//! A writer: a connection to the node that it takes for the primary, and what it has asked for.

use super::super::conversation::Conversation;
use super::super::network::{LinkId, NodeId};
use super::super::resp::Value;
use super::questions::{Asked, Moment, Operation, Question};
use crate::command::context::Rng;

/// Counters that all writers share.
const COUNTERS: u64 = 2;

/// One writer.
pub(super) struct Writer {
    number: usize,
    /// Whom it talks to, modulo their number.
    pub node: NodeId,
    conversation: Conversation<Asked>,
    rng: Rng,
    next_value: i64,
    /// It only takes from the queue, and so is mostly parked.
    only_takes: bool,
    /// It was refused, and tries the next node.
    wants_to_go: bool,
}

impl Writer {
    pub fn new(number: usize, seed: u64, only_takes: bool) -> Writer {
        Writer {
            number,
            node: 0,
            conversation: Conversation::new(format!("writer {number}")),
            rng: Rng::new(seed),
            next_value: 0,
            only_takes,
            wants_to_go: false,
        }
    }

    /// Its connection.
    pub fn link(&self) -> Option<LinkId> {
        self.conversation.link()
    }

    /// It has a new connection.
    pub fn connected(&mut self, link: LinkId) {
        self.conversation.begin(link);
    }

    /// Its connection is gone; gives what was not answered.
    pub fn disconnected(&mut self) -> Vec<Asked> {
        self.wants_to_go = false;
        self.node += 1;
        self.conversation.end()
    }

    /// It was refused.
    pub fn goes_elsewhere(&mut self, nodes: usize) {
        self.wants_to_go |= nodes > 1;
    }

    pub fn wants_to_go(&self) -> bool {
        self.wants_to_go && self.link().is_some()
    }

    pub fn is_waiting(&self) -> bool {
        self.conversation.is_waiting()
    }

    /// Since when it waits for its oldest question.
    pub fn oldest_us(&self) -> Option<u64> {
        self.conversation.oldest().map(|asked| asked.sent_us)
    }

    /// A time between two things it does, in microseconds.
    pub fn think_us(&mut self) -> u64 {
        match self.rng.below(8) {
            0 => self.rng.below(50_000),
            _ => self.rng.below(8000),
        }
    }

    /// What it does next: one operation, or several in one write.
    pub fn choose(&mut self) -> Vec<Question> {
        let count = match self.rng.below(3) {
            0 if !self.only_takes => 1 + self.rng.below(4),
            _ => 1,
        };
        let questions = (0..count).map(|_| Question {
            operation: self.draw(),
            wait_ms: (self.rng.below(4) == 0).then(|| 1 + self.rng.below(300)),
        });
        questions.collect()
    }

    fn draw(&mut self) -> Operation {
        if self.only_takes {
            return Operation::Take {
                timeout_ms: 1 + self.rng.below(1200),
            };
        }
        self.next_value += 1;
        let (number, value) = (self.number, self.next_value);
        let counter = format!("counter-{}", self.rng.below(COUNTERS));
        let register = format!("register-{number}");
        match self.rng.below(8) {
            0 | 1 => Operation::Set { register, value },
            2 | 3 => Operation::Incr { counter },
            4 => Operation::IncrAndSet {
                counter,
                register,
                value,
            },
            5 => Operation::Offer {
                item: format!("{number}-{value}"),
            },
            _ => Operation::Append {
                token: format!("{number}-{value}"),
            },
        }
    }

    /// Takes questions for sent; gives the bytes to send.
    pub fn send(&mut self, questions: Vec<Question>, now_us: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for question in questions {
            let commands = question.commands();
            let asked = Asked {
                question,
                sent_us: now_us,
                is_head: !self.is_waiting(),
                delivered: None,
            };
            self.conversation.ask(asked, &commands, &mut bytes);
        }
        bytes
    }

    /// So many of its bytes have reached the node, at `moment`.
    pub fn delivered(&mut self, bytes: u64, moment: Moment) {
        for asked in self.conversation.delivered(bytes) {
            if asked.is_head {
                asked.delivered = Some(moment);
            }
        }
    }

    /// Bytes have come; gives what is answered by them, each with its replies.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<(Asked, Vec<Value>)> {
        self.conversation.hear(bytes)
    }
}
