//! A scenario's client: a connection, what it has asked for and not been answered, and what it does next.

use super::checks::{Asked, Moment};
use super::conversation::Conversation;
use super::network::LinkId;
use super::operations::Operation;
use super::resp::Value;
use crate::command::context::Rng;

/// Counters that all clients share.
const COUNTERS: u64 = 2;

/// One client.
pub struct Client {
    pub number: usize,
    conversation: Conversation<Asked>,
    rng: Rng,
    /// Connections so far: each has registers of its own, for what an older one sent may still be on its way.
    epoch: u64,
    next_value: i64,
    /// It goes on with this: the second half of a compare-and-swap.
    next: Option<Operation>,
}

impl Client {
    pub fn new(number: usize, seed: u64) -> Client {
        Client {
            number,
            conversation: Conversation::new(format!("client {number}")),
            rng: Rng::new(seed),
            epoch: 0,
            next_value: 0,
            next: None,
        }
    }

    /// Its connection.
    pub fn link(&self) -> Option<LinkId> {
        self.conversation.link()
    }

    /// It has a new connection.
    pub fn connected(&mut self, link: LinkId) {
        self.conversation.begin(link);
        self.epoch += 1;
        self.next = None;
    }

    /// Its connection is gone; gives what was not answered.
    pub fn disconnected(&mut self) -> Vec<Asked> {
        self.conversation.end()
    }

    pub fn is_waiting(&self) -> bool {
        self.conversation.is_waiting()
    }

    /// What it waits for longest.
    pub fn oldest(&self) -> Option<&Operation> {
        self.conversation.oldest().map(|asked| &asked.operation)
    }

    /// A time between two things it does, in microseconds.
    pub fn think_us(&mut self) -> u64 {
        match self.rng.below(8) {
            0 => self.rng.below(100_000),
            1..=3 => self.rng.below(5000),
            _ => self.rng.below(500),
        }
    }

    /// Whether it leaves now, in the middle of something.
    pub fn leaves(&mut self) -> bool {
        self.rng.below(150) == 0
    }

    /// What it does next: one operation, or several in one write.
    pub fn choose(&mut self) -> Vec<Operation> {
        if let Some(next) = self.next.take() {
            return vec![next];
        }
        let first = self.draw();
        let mut all = vec![first];
        if all[0].is_pipelined() && self.rng.below(3) == 0 {
            for _ in 0..1 + self.rng.below(4) {
                let next = self.draw();
                if next.is_pipelined() {
                    all.push(next);
                }
            }
        }
        all
    }

    fn draw(&mut self) -> Operation {
        let (number, epoch) = (self.number, self.epoch);
        let mut value = || {
            self.next_value += 1;
            self.next_value
        };
        let counter = |rng: &mut Rng| format!("counter-{}", rng.below(COUNTERS));
        let register = format!("register-{number}-{epoch}");
        let pair = format!("pair-{number}-{epoch}");
        match self.rng.below(17) {
            0 | 1 => Operation::Set {
                register,
                value: value(),
            },
            2 => Operation::Get { register },
            3 | 4 => Operation::Incr {
                counter: counter(&mut self.rng),
            },
            5 => Operation::Read {
                counter: counter(&mut self.rng),
            },
            6 => Operation::Tell {
                register,
                value: value(),
            },
            7 => Operation::IncrAndSet {
                counter: counter(&mut self.rng),
                register,
                value: value(),
            },
            8 => Operation::SetPair {
                pair,
                value: value(),
            },
            9 => Operation::GetPair {
                // Somebody else's as well, as far as it has one.
                pair: format!("pair-{}-{}", self.rng.below(number as u64 + 1), epoch),
            },
            10 => Operation::Look {
                counter: counter(&mut self.rng),
            },
            11 | 12 => Operation::Append {
                token: format!("{number}-{}", value()),
            },
            13 => Operation::Offer {
                item: format!("{number}-{}", value()),
            },
            14 => Operation::Take {
                timeout_ms: 1 + self.rng.below(400),
            },
            15 if self.rng.below(2) == 0 => Operation::Size,
            15 => Operation::Expiring {
                key: format!("expiring-{}", self.rng.below(8)),
                ms: 1 + self.rng.below(200),
            },
            _ => Operation::Echo {
                token: format!("{number}-{}", value()),
            },
        }
    }

    /// Takes operations for sent; gives the bytes to send.
    pub fn send(&mut self, all: Vec<Asked>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for asked in all {
            let commands = asked.operation.commands();
            self.conversation.ask(asked, &commands, &mut bytes);
        }
        bytes
    }

    /// So many of its bytes have reached the node, at `moment`.
    pub fn delivered(&mut self, bytes: u64, moment: Moment) {
        for asked in self.conversation.delivered(bytes) {
            asked.delivered = Some(moment);
        }
    }

    /// Bytes have come; gives what is answered by them, each with its replies.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<(Asked, Vec<Value>)> {
        let answered = self.conversation.hear(bytes);
        for (asked, replies) in &answered {
            self.next = what_follows(&asked.operation, replies);
        }
        answered
    }
}

/// What must come next on the same connection.
fn what_follows(operation: &Operation, replies: &[Value]) -> Option<Operation> {
    match (operation, replies) {
        (Operation::Look { counter }, [Value::Simple(_), Value::Bulk(seen)]) => {
            let seen = seen.as_ref().and_then(|text| text.parse().ok());
            Some(Operation::Swap {
                counter: counter.clone(),
                value: seen.unwrap_or(0) + 1,
            })
        }
        (Operation::Look { .. }, _) => Some(Operation::Unwatch),
        _ => None,
    }
}
