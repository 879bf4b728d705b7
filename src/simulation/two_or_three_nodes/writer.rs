//! A writer: a connection to the node that it takes for the primary, and what it has asked for.

use std::collections::VecDeque;

use super::super::network::{LinkId, NodeId};
use super::super::resp::{self, Value};
use super::ledger::{Asked, Moment, Operation};
use crate::command::context::Rng;

/// Counters that all writers share.
const COUNTERS: u64 = 2;

struct Waiting {
    asked: Asked,
    /// Nothing stood before it. What stands behind another command in a pipeline waits for that one, and others may overtake it.
    is_head: bool,
    sent_us: u64,
    replies: Vec<Value>,
    wanted: usize,
    /// Where its last byte stands among those sent on this connection.
    end: u64,
}

/// One writer.
pub(super) struct Writer {
    number: usize,
    /// Whom it talks to, modulo their number.
    pub node: NodeId,
    pub link: Option<LinkId>,
    rng: Rng,
    next_value: i64,
    received: Vec<u8>,
    waiting: VecDeque<Waiting>,
    sent_bytes: u64,
    /// It was answered on this connection: the node reads it in the turn after something has arrived.
    is_known: bool,
    /// It was refused, and tries the next node.
    wants_to_go: bool,
}

impl Writer {
    pub fn new(number: usize, seed: u64) -> Writer {
        Writer {
            number,
            node: 0,
            link: None,
            rng: Rng::new(seed),
            next_value: 0,
            received: Vec::new(),
            waiting: VecDeque::new(),
            sent_bytes: 0,
            is_known: false,
            wants_to_go: false,
        }
    }

    /// It has a new connection.
    pub fn connected(&mut self, link: LinkId) {
        self.link = Some(link);
        self.sent_bytes = 0;
        self.is_known = false;
        self.received.clear();
    }

    /// Its connection is gone; gives what was not answered.
    pub fn disconnected(&mut self) -> Vec<Operation> {
        self.link = None;
        self.wants_to_go = false;
        self.node += 1;
        let waiting = self.waiting.drain(..);
        waiting.map(|waiting| waiting.asked.operation).collect()
    }

    /// It was refused.
    pub fn goes_elsewhere(&mut self, nodes: usize) {
        self.wants_to_go |= nodes > 1;
    }

    pub fn wants_to_go(&self) -> bool {
        self.wants_to_go && self.link.is_some()
    }

    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Since when it waits for its oldest question.
    pub fn oldest_us(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.sent_us)
    }

    /// A time between two things it does, in microseconds.
    pub fn think_us(&mut self) -> u64 {
        match self.rng.below(8) {
            0 => self.rng.below(50_000),
            _ => self.rng.below(8000),
        }
    }

    /// What it does next: one operation, or several in one write.
    pub fn choose(&mut self) -> Vec<Operation> {
        let count = match self.rng.below(3) {
            0 => 1 + self.rng.below(4),
            _ => 1,
        };
        (0..count).map(|_| self.draw()).collect()
    }

    fn draw(&mut self) -> Operation {
        self.next_value += 1;
        let (number, value) = (self.number, self.next_value);
        let counter = format!("counter-{}", self.rng.below(COUNTERS));
        let register = format!("register-{number}");
        match self.rng.below(6) {
            0 | 1 => Operation::Set { register, value },
            2 | 3 => Operation::Incr { counter },
            4 => Operation::IncrAndSet {
                counter,
                register,
                value,
            },
            _ => Operation::Append {
                token: format!("{number}-{value}"),
            },
        }
    }

    /// Takes operations for sent; gives the bytes to send.
    pub fn send(&mut self, operations: Vec<Operation>, now_us: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for operation in operations {
            let commands = operation.commands();
            for command in &commands {
                let words: Vec<&str> = command.iter().map(String::as_str).collect();
                resp::encode(&words, &mut bytes);
            }
            self.waiting.push_back(Waiting {
                asked: Asked {
                    operation,
                    delivered: None,
                },
                is_head: self.waiting.is_empty(),
                sent_us: now_us,
                replies: Vec::new(),
                wanted: commands.len(),
                end: self.sent_bytes + bytes.len() as u64,
            });
        }
        self.sent_bytes += bytes.len() as u64;
        bytes
    }

    /// So many of its bytes have reached the node, at `moment`.
    pub fn delivered(&mut self, bytes: u64, moment: Moment) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.is_head) {
            if self.is_known && waiting.end <= bytes && waiting.asked.delivered.is_none() {
                waiting.asked.delivered = Some(moment);
            }
        }
    }

    /// Bytes have come; gives what is answered by them. Replies without a question are a failure.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<(Asked, Vec<Value>)> {
        self.received.extend_from_slice(bytes);
        self.is_known = true;
        let mut answered = Vec::new();
        while let Some((value, used)) = resp::decode(&self.received) {
            self.received.drain(..used);
            let Some(first) = self.waiting.front_mut() else {
                panic!("writer {} gets {value:?} unasked", self.number);
            };
            first.replies.push(value);
            if first.replies.len() == first.wanted
                && let Some(done) = self.waiting.pop_front()
            {
                answered.push((done.asked, done.replies));
            }
        }
        answered
    }
}
