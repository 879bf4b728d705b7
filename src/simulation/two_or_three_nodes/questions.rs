//! What writers ask for.

use super::super::network::NodeId;
use super::super::operations::{LOG, QUEUE};

/// A place in the history of a node: which one, its run, and the turns before.
pub(super) type Moment = (NodeId, u64, u64);

/// One thing that a writer asks for.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Writes a register, whose values only grow; one writer owns it.
    Set { register: String, value: i64 },
    /// Counts by one.
    Incr { counter: String },
    /// In a transaction: counts and writes a register.
    IncrAndSet {
        counter: String,
        register: String,
        value: i64,
    },
    /// Appends to the log.
    Append { token: String },
    /// Puts an item on the queue.
    Offer { item: String },
    /// Takes an item from the queue, waiting for it so many milliseconds.
    Take { timeout_ms: u64 },
}

impl Operation {
    fn commands(&self) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Operation::Set { register, value } => {
                vec![words(&["SET", register, &value.to_string()])]
            }
            Operation::Incr { counter } => vec![words(&["INCR", counter])],
            Operation::IncrAndSet {
                counter,
                register,
                value,
            } => vec![
                words(&["MULTI"]),
                words(&["INCR", counter]),
                words(&["SET", register, &value.to_string()]),
                words(&["EXEC"]),
            ],
            Operation::Append { token } => vec![words(&["RPUSH", LOG, token])],
            Operation::Offer { item } => vec![words(&["LPUSH", QUEUE, item])],
            Operation::Take { timeout_ms } => {
                let seconds = format!("{}.{:03}", timeout_ms / 1000, timeout_ms % 1000);
                vec![words(&["BLPOP", QUEUE, &seconds])]
            }
        }
    }

    /// The register that it writes, and what.
    pub fn written(&self) -> Option<(&str, i64)> {
        match self {
            Operation::Set { register, value }
            | Operation::IncrAndSet {
                register, value, ..
            } => Some((register, *value)),
            _ => None,
        }
    }
}

/// An operation, and a WAIT for one replica behind it that waits so many milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub operation: Operation,
    pub wait_ms: Option<u64>,
}

impl Question {
    /// The commands.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let mut commands = self.operation.commands();
        if let Some(ms) = self.wait_ms {
            let wait = ["WAIT", "1", &ms.to_string()];
            commands.push(wait.map(str::to_owned).to_vec());
        }
        commands
    }
}

/// A question on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub question: Question,
    pub sent_us: u64,
    /// Nothing stood before it. What stands behind another command in a pipeline waits for that one, and others may overtake it.
    pub is_head: bool,
    /// When its first command had reached the node.
    pub delivered: Option<Moment>,
}
