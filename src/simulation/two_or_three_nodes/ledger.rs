//! What writers were told, and what must be there at the end: nothing acknowledged is lost, nothing is done twice, order is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::super::network::NodeId;
use super::super::operations::LOG;
use super::super::resp::Value;

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
}

impl Operation {
    /// The commands.
    pub fn commands(&self) -> Vec<Vec<String>> {
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
        }
    }
}

/// An operation on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub operation: Operation,
    pub sent_us: u64,
    /// Nothing stood before it. What stands behind another command in a pipeline waits for that one, and others may overtake it.
    pub is_head: bool,
    /// When its last byte reached the node.
    pub delivered: Option<Moment>,
}

#[derive(Default)]
struct Counter {
    /// What INCR gave, with how often it did.
    acknowledged: BTreeMap<i64, u64>,
    unknown: i64,
}

#[derive(Default)]
struct Register {
    acknowledged: i64,
    sent: i64,
    refused: BTreeSet<i64>,
}

struct Append {
    token: String,
    position: i64,
    delivered: Option<Moment>,
}

/// Everything that writers were told.
#[derive(Default)]
pub(super) struct Ledger {
    counters: BTreeMap<String, Counter>,
    registers: BTreeMap<String, Register>,
    appends: Vec<Append>,
    appends_unknown: BTreeSet<String>,
    pub acknowledged: u64,
    pub refused: u64,
    pub unknown: u64,
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

impl Ledger {
    /// An operation is about to be sent.
    pub fn asked(&mut self, operation: &Operation) {
        if let Operation::Set { register, value }
        | Operation::IncrAndSet {
            register, value, ..
        } = operation
        {
            let it = self.registers.entry(register.clone()).or_default();
            it.sent = it.sent.max(*value);
        }
    }

    /// The replies to an operation, one a command. True when it was refused.
    pub fn answered(&mut self, asked: &Asked, replies: &[Value]) -> bool {
        let Some(last) = replies.last() else {
            return false;
        };
        if let Value::Error(text) = last {
            let known = ["READONLY ", "EXECABORT ", "MASTERDOWN ", "LOADING "];
            assert!(
                known.iter().any(|known| text.starts_with(known)),
                "{:?} gives {text}",
                asked.operation
            );
            self.refused += 1;
            if let Operation::Set { register, value }
            | Operation::IncrAndSet {
                register, value, ..
            } = &asked.operation
            {
                let it = self.registers.entry(register.clone()).or_default();
                it.refused.insert(*value);
            }
            return true;
        }
        self.acknowledged += 1;
        match &asked.operation {
            Operation::Set { register, value } => self.written(register, *value),
            Operation::Incr { counter } => self.counted(counter, number(last)),
            Operation::IncrAndSet {
                counter,
                register,
                value,
            } => {
                let Value::Array(Some(results)) = last else {
                    panic!("EXEC gives {last:?}")
                };
                self.counted(counter, number(&results[0]));
                self.written(register, *value);
            }
            Operation::Append { token } => self.appends.push(Append {
                token: token.clone(),
                position: number(last),
                delivered: asked.delivered,
            }),
        }
        false
    }

    fn written(&mut self, register: &str, value: i64) {
        let it = self.registers.entry(register.to_owned()).or_default();
        it.acknowledged = it.acknowledged.max(value);
    }

    fn counted(&mut self, counter: &str, value: i64) {
        let it = self.counters.entry(counter.to_owned()).or_default();
        *it.acknowledged.entry(value).or_default() += 1;
    }

    /// The connection is gone before its replies were: it has happened or not.
    pub fn lost(&mut self, operation: &Operation) {
        self.unknown += 1;
        match operation {
            Operation::Incr { counter } | Operation::IncrAndSet { counter, .. } => {
                self.counters.entry(counter.clone()).or_default().unknown += 1;
            }
            Operation::Append { token } => {
                self.appends_unknown.insert(token.clone());
            }
            Operation::Set { .. } => {}
        }
    }

    /// The keys to read at the end, counters and registers.
    pub fn keys(&self) -> Vec<String> {
        let keys = self.counters.keys().chain(self.registers.keys());
        keys.cloned().collect()
    }

    /// A key's value at the end. Where writes may have been lost (`may_lose`) only what must not be there is looked for.
    pub fn finish_key(&self, key: &str, value: i64, may_lose: bool) {
        if let Some(it) = self.counters.get(key) {
            let sure: u64 = it.acknowledged.values().sum();
            let most = sure as i64 + it.unknown;
            assert!(
                value <= most,
                "{key} stands at {value}, and only {most} were asked for"
            );
            if !may_lose {
                let twice = it.acknowledged.iter().find(|(_, times)| **times > 1);
                assert_eq!(twice, None, "{key} counts twice to the same number");
                assert!(
                    value >= sure as i64,
                    "{key} stands at {value}, and {sure} were acknowledged"
                );
            }
        }
        if let Some(it) = self.registers.get(key) {
            assert!(value <= it.sent, "{key} is {value}, which nobody wrote");
            assert!(
                !it.refused.contains(&value),
                "{key} is {value}, whose write was refused"
            );
            assert!(
                may_lose || value >= it.acknowledged,
                "{key} is {value}, and {} was acknowledged",
                it.acknowledged
            );
        }
    }

    /// The log at the end. `is_released` says of a moment whether parked commands were run around then: they may stand on either
    /// side of what came at that time.
    pub fn finish_log(&self, log: &[String], may_lose: bool, is_released: impl Fn(Moment) -> bool) {
        let distinct: BTreeSet<&String> = log.iter().collect();
        assert_eq!(distinct.len(), log.len(), "a token stands twice: {log:?}");
        let known: BTreeSet<&String> = self.appends.iter().map(|append| &append.token).collect();
        for token in log {
            assert!(
                known.contains(token) || self.appends_unknown.contains(token),
                "{token} stands in the log though it was refused"
            );
        }
        if may_lose {
            return;
        }
        for append in &self.appends {
            assert_eq!(
                log.get(append.position as usize - 1),
                Some(&append.token),
                "the log lacks an acknowledged token at {}",
                append.position
            );
        }
        let mut appends: Vec<&Append> = self.appends.iter().collect();
        appends.sort_by_key(|append| append.position);
        // By node and run: who came in an earlier turn stands earlier.
        let mut latest: BTreeMap<(NodeId, u64), (u64, &str)> = BTreeMap::new();
        for append in appends {
            let Some(moment) = append.delivered.filter(|moment| !is_released(*moment)) else {
                continue;
            };
            let (node, run, turn) = moment;
            let before = latest.entry((node, run)).or_insert((turn, &append.token));
            assert!(
                before.0 <= turn,
                "{}, which came to node {node} in turn {}, stands before {}, which came in turn {turn}",
                before.1,
                before.0,
                append.token
            );
            *before = (turn, &append.token);
        }
    }
}
