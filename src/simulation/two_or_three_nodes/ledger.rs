//! What writers were told, and what must be there at the end: nothing acknowledged is lost, nothing is done twice, order is kept.
//! Where an operator has given writes up, what a WAIT has confirmed is there all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::super::network::NodeId;
use super::super::queue::Queue;
use super::super::resp::Value;
use super::questions::{Asked, Moment, Operation};

/// What must be there at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    /// Everything acknowledged.
    Acknowledged,
    /// What was confirmed by a WAIT.
    Confirmed,
    /// Nothing for certain.
    Nothing,
}

#[derive(Default)]
struct Counter {
    /// What INCR gave, with how often it did.
    acknowledged: BTreeMap<i64, u64>,
    /// The highest of them that a replica had.
    confirmed: i64,
    unknown: i64,
}

#[derive(Default)]
struct Register {
    acknowledged: i64,
    confirmed: i64,
    sent: i64,
    refused: BTreeSet<i64>,
}

struct Append {
    token: String,
    position: i64,
    delivered: Option<Moment>,
    is_confirmed: bool,
}

/// Everything that writers were told.
#[derive(Default)]
pub(super) struct Ledger {
    counters: BTreeMap<String, Counter>,
    registers: BTreeMap<String, Register>,
    appends: Vec<Append>,
    appends_unknown: BTreeSet<String>,
    queue: Queue,
    pub acknowledged: u64,
    pub confirmed: u64,
    pub refused: u64,
    pub unknown: u64,
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

/// What a taker was given.
fn taken(value: &Value) -> Option<&str> {
    match value {
        Value::Array(Some(parts)) => parts.get(1)?.text(),
        Value::Array(None) => None,
        other => panic!("BLPOP gives {other:?}"),
    }
}

impl Ledger {
    fn register(&mut self, name: &str) -> &mut Register {
        self.registers.entry(name.to_owned()).or_default()
    }

    /// An operation is about to be sent.
    pub fn asked(&mut self, operation: &Operation) {
        if let Some((register, value)) = operation.written() {
            let it = self.register(register);
            it.sent = it.sent.max(value);
        }
    }

    /// The replies to a question, one a command. True when it was refused.
    pub fn answered(&mut self, asked: &Asked, replies: &[Value]) -> bool {
        let operation = &asked.question.operation;
        let (waited, replies) = match (asked.question.wait_ms, replies) {
            (Some(_), [replies @ .., waited]) => (Some(waited), replies),
            (_, replies) => (None, replies),
        };
        let Some(last) = replies.last() else {
            return false;
        };
        if let Value::Error(text) = last {
            self.refuse(operation, text);
            return true;
        }
        self.acknowledged += 1;
        self.acknowledge(asked, last);
        match waited {
            None | Some(Value::Int(0)) => {}
            Some(Value::Int(_)) => {
                self.confirmed += 1;
                self.confirm(operation, last);
            }
            Some(Value::Error(text)) => {
                let known = ["ERR WAIT cannot be used with replica ", "UNBLOCKED "];
                let is_known = known.iter().any(|known| text.starts_with(known));
                assert!(is_known, "WAIT gives {text}");
            }
            Some(other) => panic!("WAIT gives {other:?}"),
        }
        false
    }

    fn refuse(&mut self, operation: &Operation, text: &str) {
        let known = ["READONLY ", "EXECABORT ", "MASTERDOWN ", "LOADING "];
        let is_unblocked =
            matches!(operation, Operation::Take { .. }) && text.starts_with("UNBLOCKED ");
        assert!(
            is_unblocked || known.iter().any(|known| text.starts_with(known)),
            "{operation:?} gives {text}"
        );
        self.refused += 1;
        if let Some((register, value)) = operation.written() {
            self.register(register).refused.insert(value);
        }
    }

    fn acknowledge(&mut self, asked: &Asked, last: &Value) {
        let operation = &asked.question.operation;
        if let Some((register, value)) = operation.written() {
            let it = self.register(register);
            it.acknowledged = it.acknowledged.max(value);
        }
        match operation {
            Operation::Set { .. } => assert_eq!(last.text(), Some("OK")),
            Operation::Incr { counter } | Operation::IncrAndSet { counter, .. } => {
                let it = self.counters.entry(counter.clone()).or_default();
                *it.acknowledged.entry(counted(last)).or_default() += 1;
            }
            Operation::Append { token } => self.appends.push(Append {
                token: token.clone(),
                position: number(last),
                delivered: asked.delivered,
                is_confirmed: false,
            }),
            Operation::Offer { item } => {
                assert!(number(last) > 0);
                self.queue.offered(item);
            }
            Operation::Take { .. } => {
                if let Some(item) = taken(last) {
                    self.queue.taken(item);
                }
            }
        }
    }

    /// A replica has it too.
    fn confirm(&mut self, operation: &Operation, last: &Value) {
        if let Some((register, value)) = operation.written() {
            let it = self.register(register);
            it.confirmed = it.confirmed.max(value);
        }
        match operation {
            Operation::Set { .. } => {}
            Operation::Incr { counter } | Operation::IncrAndSet { counter, .. } => {
                let it = self.counters.entry(counter.clone()).or_default();
                it.confirmed = it.confirmed.max(counted(last));
            }
            Operation::Append { .. } => {
                if let Some(append) = self.appends.last_mut() {
                    append.is_confirmed = true;
                }
            }
            Operation::Offer { item } => self.queue.confirm_offer(item),
            Operation::Take { .. } => {
                if let Some(item) = taken(last) {
                    self.queue.confirm_take(item);
                }
            }
        }
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
            Operation::Offer { item } => self.queue.offer_lost(item),
            Operation::Take { .. } => self.queue.take_lost(),
            Operation::Set { .. } => {}
        }
    }

    // ---- the end ----

    /// The keys to read at the end, counters and registers.
    pub fn keys(&self) -> Vec<String> {
        let keys = self.counters.keys().chain(self.registers.keys());
        keys.cloned().collect()
    }

    /// A key's value at the end.
    pub fn finish_key(&self, key: &str, value: i64, kept: Kept) {
        if let Some(it) = self.counters.get(key) {
            let sure: u64 = it.acknowledged.values().sum();
            let most = sure as i64 + it.unknown;
            assert!(
                value <= most,
                "{key} stands at {value}, and only {most} were asked for"
            );
            if kept == Kept::Acknowledged {
                let twice = it.acknowledged.iter().find(|(_, times)| **times > 1);
                assert_eq!(twice, None, "{key} counts twice to the same number");
            }
            let least = match kept {
                Kept::Acknowledged => sure as i64,
                Kept::Confirmed => it.confirmed,
                Kept::Nothing => 0,
            };
            assert!(
                value >= least,
                "{key} stands at {value}, and {least} were acknowledged"
            );
        }
        if let Some(it) = self.registers.get(key) {
            assert!(value <= it.sent, "{key} is {value}, which nobody wrote");
            assert!(
                !it.refused.contains(&value),
                "{key} is {value}, whose write was refused"
            );
            let least = match kept {
                Kept::Acknowledged => it.acknowledged,
                Kept::Confirmed => it.confirmed,
                Kept::Nothing => 0,
            };
            assert!(
                value >= least,
                "{key} is {value}, and {least} was acknowledged"
            );
        }
    }

    /// The queue at the end.
    pub fn finish_queue(&self, queue: &[String], kept: Kept) {
        match kept {
            Kept::Acknowledged => self.queue.finish(queue),
            Kept::Confirmed => self.queue.finish_confirmed(queue),
            Kept::Nothing => self.queue.finish_unrefused(queue),
        }
    }

    /// The log at the end. `is_released` says of a moment whether parked commands were run around then: they may stand on either
    /// side of what came at that time.
    pub fn finish_log(&self, log: &[String], kept: Kept, is_released: impl Fn(Moment) -> bool) {
        let distinct: BTreeSet<&String> = log.iter().collect();
        assert_eq!(distinct.len(), log.len(), "a token stands twice: {log:?}");
        let known: BTreeSet<&String> = self.appends.iter().map(|append| &append.token).collect();
        for token in log {
            assert!(
                known.contains(token) || self.appends_unknown.contains(token),
                "{token} stands in the log though it was refused"
            );
        }
        for append in &self.appends {
            let is_kept = match kept {
                Kept::Acknowledged => true,
                Kept::Confirmed => append.is_confirmed,
                Kept::Nothing => false,
            };
            assert!(
                !is_kept || log.get(append.position as usize - 1) == Some(&append.token),
                "the log lacks {}, an acknowledged token, at {}",
                append.token,
                append.position
            );
        }
        if kept == Kept::Acknowledged {
            self.check_order(is_released);
        }
    }

    fn check_order(&self, is_released: impl Fn(Moment) -> bool) {
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

/// What INCR gave, alone or in front in a transaction.
fn counted(last: &Value) -> i64 {
    match last {
        Value::Array(Some(results)) => results.first().map_or(0, number),
        other => number(other),
    }
}
