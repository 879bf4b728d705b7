//! What must hold, whatever happens: nothing that was acknowledged or shown is lost, nothing is done twice, order is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::operations::Operation;
use super::queue::Queue;
use super::resp::Value;

/// A place in the history of a node: its run, and the turns before.
pub type Moment = (u64, u64);

/// What is known of an operation when its replies are judged.
#[derive(Clone, Debug)]
pub struct Asked {
    pub operation: Operation,
    /// What had been shown or acknowledged of its key when it was sent.
    pub floor: i64,
    pub sent_us: u64,
    /// When its first command had reached the node.
    pub delivered: Option<Moment>,
}

/// A value that only grows.
#[derive(Default)]
struct Register {
    /// The highest value acknowledged or shown.
    floor: i64,
    highest_sent: i64,
    /// Values whose write was refused.
    refused: BTreeSet<i64>,
    /// Writes that may be applied or not.
    unknown: BTreeSet<i64>,
}

#[derive(Default)]
struct Counter {
    floor: i64,
    acknowledged: BTreeSet<i64>,
    unknown: i64,
}

struct Append {
    token: String,
    position: i64,
    delivered: Option<Moment>,
}

/// Everything that clients were told.
#[derive(Default)]
pub struct Checks {
    registers: BTreeMap<String, Register>,
    pairs: BTreeMap<String, Register>,
    counters: BTreeMap<String, Counter>,
    appends: Vec<Append>,
    appends_unknown: BTreeSet<String>,
    queue: Queue,
    pub acknowledged: u64,
    pub refused: u64,
    pub unknown: u64,
}

impl Register {
    fn shown(&mut self, name: &str, value: i64, floor: i64) {
        assert!(value >= floor, "{name} shows {value} after {floor}");
        assert!(
            value <= self.highest_sent,
            "{name} shows {value}, which nobody wrote"
        );
        assert!(
            !self.refused.contains(&value),
            "{name} shows {value}, whose write was refused"
        );
        self.floor = self.floor.max(value);
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Bulk(None) => 0,
        Value::Int(number) => *number,
        other => match other.text().and_then(|text| text.parse().ok()) {
            Some(number) => number,
            None => panic!("{other:?} is no number"),
        },
    }
}

impl Checks {
    /// An operation is about to be sent.
    pub fn ask(&mut self, operation: Operation, now_us: u64) -> Asked {
        let written = self.target(&operation).map(|(it, value)| {
            it.highest_sent = it.highest_sent.max(value);
            it.floor
        });
        let floor = match &operation {
            Operation::Get { register } => self.registers.get(register).map_or(0, |it| it.floor),
            Operation::GetPair { pair } => self.pairs.get(pair).map_or(0, |it| it.floor),
            // A write by counting is above what was shown of the counter, not of the register.
            Operation::Read { counter }
            | Operation::Look { counter }
            | Operation::Incr { counter }
            | Operation::IncrAndSet { counter, .. }
            | Operation::Swap { counter, .. } => {
                self.counters.get(counter).map_or(0, |it| it.floor)
            }
            _ => written.unwrap_or(0),
        };
        Asked {
            operation,
            floor,
            sent_us: now_us,
            delivered: None,
        }
    }

    /// The register, or the pair, that an operation writes, and what.
    fn target(&mut self, operation: &Operation) -> Option<(&mut Register, i64)> {
        let (all, name, value) = match operation {
            Operation::Set { register, value }
            | Operation::Tell { register, value }
            | Operation::IncrAndSet {
                register, value, ..
            } => (&mut self.registers, register, value),
            Operation::SetPair { pair, value } => (&mut self.pairs, pair, value),
            _ => return None,
        };
        Some((all.entry(name.clone()).or_default(), *value))
    }

    /// The replies to an operation, one a command, as they came.
    pub fn answered(&mut self, asked: &Asked, replies: &[Value]) {
        let Some(last) = replies.last() else { return };
        // A WATCH that was refused guards nothing, whatever the read after it gives.
        let is_unguarded =
            matches!(asked.operation, Operation::Look { .. }) && replies[0].is_error();
        if last.is_error() || is_unguarded {
            return self.refuse(asked, if is_unguarded { &replies[0] } else { last });
        }
        self.acknowledged += 1;
        let floor = asked.floor;
        match &asked.operation {
            Operation::Set { register, value } => {
                assert_eq!(last.text(), Some("OK"));
                self.register_written(register, *value);
            }
            Operation::Get { register } => {
                let it = self.registers.entry(register.clone()).or_default();
                it.shown(register, number(last), floor);
            }
            Operation::Incr { counter } => self.counted(counter, number(last), floor),
            Operation::Read { counter } | Operation::Look { counter } => {
                self.counter_shown(counter, number(last), floor);
            }
            Operation::Tell { register, value } => {
                assert_eq!(results(replies, 2)[0].text(), Some("OK"));
                self.register_written(register, *value);
            }
            Operation::IncrAndSet {
                counter,
                register,
                value,
            } => {
                let counted = number(&results(replies, 2)[0]);
                self.counted(counter, counted, floor);
                self.register_written(register, *value);
            }
            Operation::SetPair { pair, value } => {
                results(replies, 2);
                let it = self.pairs.entry(pair.clone()).or_default();
                it.floor = it.floor.max(*value);
            }
            Operation::GetPair { pair } => self.pair_shown(pair, last, floor),
            // Somebody else was quicker.
            Operation::Swap { .. } if *last == Value::Array(None) => {}
            Operation::Swap { counter, value } => {
                results(replies, 1);
                self.counted(counter, *value, floor);
            }
            Operation::Append { token } => self.appends.push(Append {
                token: token.clone(),
                position: number(last),
                delivered: asked.delivered,
            }),
            Operation::Offer { item } => {
                assert!(number(last) >= 0);
                self.queue.offered(item);
            }
            Operation::Take { .. } => match last {
                Value::Array(Some(parts)) => {
                    let item = parts[1].text().unwrap_or_default();
                    assert!(self.queue.taken(item), "{item} was taken a second time");
                }
                other => assert_eq!(*other, Value::Array(None)),
            },
            Operation::Expiring { .. } | Operation::Unwatch => assert_eq!(last.text(), Some("OK")),
            Operation::Echo { token } => assert_eq!(last.text(), Some(&token[..])),
            Operation::Size => assert!(number(last) >= 0),
        }
    }

    /// It has not happened, says the server.
    fn refuse(&mut self, asked: &Asked, error: &Value) {
        self.refused += 1;
        let is_known = matches!(error, Value::Error(text)
            if text.starts_with("MISCONF ") || text.starts_with("EXECABORT "));
        assert!(is_known, "{:?} gives {error:?}", asked.operation);
        if let Some((it, value)) = self.target(&asked.operation) {
            it.refused.insert(value);
        }
    }

    /// The connection is gone before its replies were: it has happened or not.
    pub fn lost(&mut self, asked: &Asked) {
        self.unknown += 1;
        match &asked.operation {
            Operation::Incr { counter } | Operation::Swap { counter, .. } => {
                self.counters.entry(counter.clone()).or_default().unknown += 1;
            }
            Operation::IncrAndSet {
                counter,
                register,
                value,
            } => {
                self.counters.entry(counter.clone()).or_default().unknown += 1;
                let it = self.registers.entry(register.clone()).or_default();
                it.unknown.insert(*value);
            }
            Operation::Append { token } => {
                self.appends_unknown.insert(token.clone());
            }
            Operation::Offer { item } => {
                self.queue.offer_lost(item);
            }
            Operation::Take { .. } => self.queue.take_lost(),
            _ => {}
        }
    }

    /// A subscriber was told of a register's value.
    pub fn told(&mut self, register: &str, value: i64) {
        let it = self.registers.entry(register.to_owned()).or_default();
        it.shown(register, value, 0);
    }

    fn register_written(&mut self, register: &str, value: i64) {
        let it = self.registers.entry(register.to_owned()).or_default();
        it.floor = it.floor.max(value);
    }

    fn counted(&mut self, counter: &str, value: i64, floor: i64) {
        let it = self.counters.entry(counter.to_owned()).or_default();
        assert!(
            value > floor,
            "{counter} counts to {value} after {floor} was shown"
        );
        assert!(
            it.acknowledged.insert(value),
            "{counter} counts to {value} twice"
        );
        it.floor = it.floor.max(value);
    }

    fn counter_shown(&mut self, counter: &str, value: i64, floor: i64) {
        let it = self.counters.entry(counter.to_owned()).or_default();
        assert!(
            value >= floor,
            "{counter} shows {value} after {floor} was shown"
        );
        it.floor = it.floor.max(value);
    }

    fn pair_shown(&mut self, pair: &str, reply: &Value, floor: i64) {
        let Value::Array(Some(halves)) = reply else {
            panic!("{reply:?} is no pair")
        };
        assert_eq!(halves[0], halves[1], "half of {pair} is shown");
        let it = self.pairs.entry(pair.to_owned()).or_default();
        it.shown(pair, number(&halves[0]), floor);
    }

    // ---- the end ----

    /// What a last reader must ask for.
    pub fn audit(&self) -> Vec<Operation> {
        let registers = self.registers.keys().map(|register| Operation::Get {
            register: register.clone(),
        });
        let pairs = self
            .pairs
            .keys()
            .map(|pair| Operation::GetPair { pair: pair.clone() });
        let counters = self.counters.keys().map(|counter| Operation::Read {
            counter: counter.clone(),
        });
        registers.chain(pairs).chain(counters).collect()
    }

    /// The counters as they stand at last, the log and the queue.
    pub fn finish(&self, counters: &[(String, i64)], log: &[String], queue: &[String]) {
        for (name, value) in counters {
            let Some(it) = self.counters.get(name) else {
                continue;
            };
            let sure = it.acknowledged.len() as i64;
            assert!(
                (sure..=sure + it.unknown).contains(value),
                "{name} stands at {value}, {sure} were acknowledged and {} are unknown",
                it.unknown
            );
        }
        self.finish_log(log);
        self.queue.finish(queue);
    }

    fn finish_log(&self, log: &[String]) {
        let distinct: BTreeSet<&String> = log.iter().collect();
        assert_eq!(distinct.len(), log.len(), "a token stands twice: {log:?}");
        for append in &self.appends {
            let found = log.get(append.position as usize - 1);
            assert_eq!(
                found,
                Some(&append.token),
                "the log lacks an acknowledged token at {}",
                append.position
            );
        }
        let known: BTreeSet<&String> = self.appends.iter().map(|append| &append.token).collect();
        for token in log {
            assert!(
                known.contains(token) || self.appends_unknown.contains(token),
                "{token} stands in the log though it was refused"
            );
        }
        let mut appends: Vec<&Append> = self.appends.iter().collect();
        appends.sort_by_key(|append| append.position);
        // The latest arrival among those before: who came a turn earlier stands earlier.
        let mut latest: Option<(Moment, &str)> = None;
        for append in appends {
            let Some(moment) = append.delivered else {
                continue;
            };
            if let Some((before, token)) = latest {
                assert!(
                    before.0 != moment.0 || before.1 <= moment.1,
                    "{token}, which came at {before:?}, stands before {}, which came at {moment:?}",
                    append.token
                );
            }
            if latest.is_none_or(|(before, _)| before < moment) {
                latest = Some((moment, &append.token));
            }
        }
    }
}

/// What EXEC gave, after every command before it was queued.
fn results(replies: &[Value], count: usize) -> &[Value] {
    match replies.last() {
        Some(Value::Array(Some(results))) => {
            assert_eq!(results.len(), count, "{replies:?}");
            for result in results {
                assert!(!result.is_error(), "{replies:?}");
            }
            results
        }
        other => panic!("EXEC gives {other:?}"),
    }
}
