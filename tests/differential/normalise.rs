//! Decides whether two replies to one command are equal, where Redis itself leaves something open: the order of sets and
//! hashes, random choices, the clock, and numbers that name a process or a connection.
//!
//! What Stillpoint answers differently on purpose is not here but in `intended.rs`.

use std::collections::BTreeSet;

use crate::common::Value;
use crate::grammar::Args;

/// A command as it was run, with both replies.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The command.
    pub args: Args,
    /// What the server under test answered.
    pub ours: Value,
    /// What the oracle answered.
    pub theirs: Value,
}

/// What of a reply is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defined {
    /// All of it.
    Exactly,
    /// The elements, in any order.
    AnyOrder,
    /// Pairs of elements, in any order of the pairs.
    PairsInAnyOrder,
    /// Chunks of so many elements, in any order of the chunks.
    ChunksInAnyOrder(usize),
    /// The kind of reply only.
    Kind,
    /// A time to live.
    TimeLeft { unit_ms: i64 },
    /// A moment, exactly if it was given as such.
    TimeOfExpiry { unit_ms: i64 },
    /// A choice out of what the command before listed.
    ChoiceOfListed,
    /// A cursor and, if it is 0, all elements in any order; pairs for hashes and sorted sets.
    Iteration { pairs: bool },
    /// HELLO's fields: all but the version and the connection's number.
    Hello,
}

/// How far two clocks, or the moments at which two servers run a command, may be apart. Times to live that must be told
/// apart are at least a thousand seconds apart (`pools.rs`).
const CLOCK_SLACK_MS: i64 = 120_000;
/// Absolute times in this range (from 2096 on) were given as such and are exact; none is relative to the clock.
const EXACT_MS: std::ops::Range<i64> = 4_000_000_000_000..100_000_000_000_000;

/// Whether `exchange` shows equal replies; `before` is the command before it on the same connection.
pub fn equal(exchange: &Exchange, before: Option<&Exchange>) -> bool {
    let Exchange { args, ours, theirs } = exchange;
    if ours == theirs {
        return true;
    }
    if ours.is_error() || theirs.is_error() {
        return false;
    }
    match defined(args, before) {
        Defined::Exactly => false,
        Defined::AnyOrder => sorted(ours) == sorted(theirs),
        Defined::PairsInAnyOrder => chunks(ours, 2) == chunks(theirs, 2),
        Defined::ChunksInAnyOrder(len) => chunks(ours, len) == chunks(theirs, len),
        Defined::Kind => kind(ours) == kind(theirs),
        Defined::TimeLeft { unit_ms } => times_equal(ours, theirs, unit_ms),
        Defined::TimeOfExpiry { unit_ms } => {
            times_equal(ours, theirs, unit_ms)
                && !EXACT_MS.contains(&(theirs.int().saturating_mul(unit_ms)))
        }
        Defined::ChoiceOfListed => {
            let listing = before.expect("only defined with a command before");
            choice(args, ours, &listing.ours) == choice(args, theirs, &listing.theirs)
        }
        Defined::Iteration { pairs } => iterations_equal(args, ours, theirs, pairs),
        Defined::Hello => without_identity(ours) == without_identity(theirs),
    }
}

fn defined(args: &Args, before: Option<&Exchange>) -> Defined {
    let upper = |idx: usize| {
        args.get(idx)
            .map(|arg| String::from_utf8_lossy(arg).to_ascii_uppercase())
    };
    let (name, first) = (upper(0).unwrap_or_default(), upper(1).unwrap_or_default());
    match name.as_str() {
        "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "KEYS" | "HKEYS" | "HVALS" => {
            Defined::AnyOrder
        }
        "SPOP" if listed_before(args, before) => Defined::ChoiceOfListed,
        "SPOP" => Defined::AnyOrder,
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" if listed_before(args, before) => {
            Defined::ChoiceOfListed
        }
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" => Defined::Kind,
        "HGETALL" => Defined::PairsInAnyOrder,
        "CONFIG" => Defined::PairsInAnyOrder,
        // What a cursor of another iteration finds depends on its hash table.
        "SCAN" if first == "0" => Defined::Iteration { pairs: false },
        "SSCAN" if upper(2).is_some_and(|cursor| cursor == "0") => {
            Defined::Iteration { pairs: false }
        }
        "HSCAN" | "ZSCAN" if upper(2).is_some_and(|cursor| cursor == "0") => {
            Defined::Iteration { pairs: true }
        }
        "SCAN" | "SSCAN" | "HSCAN" | "ZSCAN" => Defined::Kind,
        "TTL" => Defined::TimeLeft { unit_ms: 1000 },
        "PTTL" => Defined::TimeLeft { unit_ms: 1 },
        "EXPIRETIME" => Defined::TimeOfExpiry { unit_ms: 1000 },
        "PEXPIRETIME" => Defined::TimeOfExpiry { unit_ms: 1 },
        "SORT" | "SORT_RO" => defined_by_sort(args, before),
        "RANDOMKEY" | "TIME" | "LASTSAVE" | "INFO" | "SLOWLOG" | "LATENCY" => Defined::Kind,
        "PUBSUB" if first.ends_with("CHANNELS") => Defined::AnyOrder,
        "CLIENT" if matches!(first.as_str(), "ID" | "INFO" | "LIST") => Defined::Kind,
        "OBJECT" if first == "IDLETIME" => Defined::Kind,
        // Depends on the order of hash tables, and on the allocator.
        "DUMP" => Defined::Kind,
        "MEMORY" if first == "USAGE" => Defined::Kind,
        "HELLO" => Defined::Hello,
        _ => Defined::Exactly,
    }
}

/// SORT without sorting a set has no order.
fn defined_by_sort(args: &Args, before: Option<&Exchange>) -> Defined {
    let lower: Vec<Vec<u8>> = args.iter().map(|arg| arg.to_ascii_lowercase()).collect();
    let by = lower
        .iter()
        .position(|arg| arg == b"by")
        .and_then(|at| lower.get(at + 1));
    let unsorted = by.is_some_and(|pattern| !pattern.contains(&b'*'));
    let gets = lower.iter().filter(|arg| *arg == b"get").count().max(1);
    let type_before = before.filter(|before| {
        before.args.len() == 2
            && before.args[0].eq_ignore_ascii_case(b"TYPE")
            && before.args.get(1) == args.get(1)
    });
    match type_before.map(|before| before.theirs == Value::simple("set")) {
        _ if !unsorted => Defined::Exactly,
        Some(false) => Defined::Exactly,
        // With a LIMIT, not even the members are defined.
        Some(true) => Defined::Kind,
        None => Defined::ChunksInAnyOrder(gets),
    }
}

/// Whether the command before listed the whole key that `args` chooses from.
fn listed_before(args: &Args, before: Option<&Exchange>) -> bool {
    let listings = [&b"SMEMBERS"[..], b"HGETALL", b"ZRANGE"];
    before.is_some_and(|before| {
        before.args.get(1) == args.get(1)
            && before
                .args
                .first()
                .is_some_and(|name| listings.contains(&name.to_ascii_uppercase().as_slice()))
            && !before.ours.is_error()
    })
}

/// What is defined about a random choice: its kind, how many, whether all were listed, and whether they are distinct
/// where they must be.
fn choice(args: &Args, reply: &Value, listing: &Value) -> (String, usize, bool, bool) {
    let Value::Array(items) = reply else {
        let listed = reply.is_null() || flat(listing).contains(reply);
        return (kind(reply), 1, listed, true);
    };
    let with_values = args.len() > 3;
    let all = if with_values {
        pairs(listing)
    } else {
        flat(listing).into_iter().map(|item| vec![item]).collect()
    };
    let chosen = if with_values {
        pairs(reply)
    } else {
        items.iter().map(|item| vec![item.clone()]).collect()
    };
    let distinct: BTreeSet<&Vec<Value>> = chosen.iter().collect();
    let may_repeat = args.get(2).is_some_and(|count| count.starts_with(b"-"));
    let listed = chosen.iter().all(|item| all.contains(item));
    // The shape is part of it: RESP3 answers pairs as arrays of two.
    let shape = items.first().map(kind).unwrap_or_default();
    (
        shape,
        chosen.len(),
        listed,
        may_repeat || distinct.len() == chosen.len(),
    )
}

/// The elements of an array, set or map in one row.
fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) | Value::Set(items) => items
            .iter()
            .flat_map(|item| {
                if matches!(item, Value::Array(_)) {
                    flat(item)
                } else {
                    vec![item.clone()]
                }
            })
            .collect(),
        Value::Map(pairs) => pairs
            .iter()
            .flat_map(|(key, value)| [key.clone(), value.clone()])
            .collect(),
        _ => Vec::new(),
    }
}

fn pairs(value: &Value) -> Vec<Vec<Value>> {
    flat(value).chunks(2).map(<[Value]>::to_vec).collect()
}

/// The elements in an order of their own; the kind of collection stays.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(in_order(items)),
        Value::Set(items) => Value::Set(in_order(items)),
        other => other.clone(),
    }
}

fn in_order(items: &[Value]) -> Vec<Value> {
    let mut items = items.to_vec();
    items.sort();
    items
}

fn chunks(value: &Value, len: usize) -> (String, Vec<Vec<Value>>) {
    let mut chunks: Vec<Vec<Value>> = match value {
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| vec![key.clone(), value.clone()])
            .collect(),
        Value::Array(items) => items.chunks(len).map(<[Value]>::to_vec).collect(),
        other => vec![vec![other.clone()]],
    };
    chunks.sort();
    (kind(value), chunks)
}

/// The kind of a reply: what must be equal even where the content is not defined.
fn kind(value: &Value) -> String {
    match value {
        Value::Array(_) => "array".into(),
        Value::Int(number) if *number < 0 => format!("{number}"),
        Value::Int(_) => "integer".into(),
        Value::Bulk(_) => "bulk".into(),
        Value::Verbatim(format, _) => format!("verbatim {}", String::from_utf8_lossy(format)),
        Value::Map(_) => "map".into(),
        Value::Set(_) => "set".into(),
        Value::Double(_) => "double".into(),
        other => other.to_string(),
    }
}

fn times_equal(ours: &Value, theirs: &Value, unit_ms: i64) -> bool {
    match (ours, theirs) {
        (Value::Int(ours), Value::Int(theirs)) if *ours > 0 && *theirs > 0 => {
            ours.abs_diff(*theirs) <= (CLOCK_SLACK_MS / unit_ms) as u64
        }
        _ => false,
    }
}

fn iterations_equal(args: &Args, ours: &Value, theirs: &Value, pairs: bool) -> bool {
    let (Value::Array(ours), Value::Array(theirs)) = (ours, theirs) else {
        return false;
    };
    let ([our_cursor, our_items], [their_cursor, their_items]) =
        (ours.as_slice(), theirs.as_slice())
    else {
        return false;
    };
    // A part of an iteration may hold anything.
    let zero = Value::bulk("0");
    if *our_cursor != zero || *their_cursor != zero {
        return kind(our_cursor) == kind(their_cursor) && kind(our_items) == kind(their_items);
    }
    let len = if pairs { 2 } else { 1 };
    let distinct = |items: &Value| -> BTreeSet<Vec<Value>> {
        chunks(items, len)
            .1
            .iter()
            .map(|item| iterated(&args[0], item))
            .collect()
    };
    distinct(our_items) == distinct(their_items)
}

/// An element as an iteration gives it. ZSCAN prints a score as the encoding of the set stores it, in one of two ways:
/// here it is its bits.
pub fn iterated(command: &[u8], item: &[Value]) -> Vec<Value> {
    match item {
        [member, score] if command.eq_ignore_ascii_case(b"ZSCAN") => {
            let text = score
                .bytes()
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let number: Option<f64> = text.and_then(|text| text.parse().ok());
            // Adding zero makes a negative zero positive.
            let bits = number.map(|number| Value::Int((number + 0.0).to_bits().cast_signed()));
            vec![member.clone(), bits.unwrap_or_else(|| score.clone())]
        }
        item => item.to_vec(),
    }
}

/// HELLO's reply without the number of the connection.
pub fn without_identity(value: &Value) -> Value {
    let is_id = |key: &Value| key.bytes() == Some(b"id");
    match value {
        Value::Map(pairs) => {
            let hidden = |(key, value): &(Value, Value)| {
                (
                    key.clone(),
                    if is_id(key) {
                        Value::Null
                    } else {
                        value.clone()
                    },
                )
            };
            Value::Map(pairs.iter().map(hidden).collect())
        }
        Value::Array(items)
            if items
                .first()
                .is_some_and(|key| key.bytes() == Some(b"server")) =>
        {
            let mut items = items.clone();
            for idx in (0..items.len().saturating_sub(1)).step_by(2) {
                if is_id(&items[idx]) {
                    items[idx + 1] = Value::Null;
                }
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

/// Frames of a subscriber: what one PUBLISH sends to several patterns, and what one UNSUBSCRIBE without arguments
/// answers, comes in an undefined order.
pub fn frames_equal(ours: &[Value], theirs: &[Value]) -> bool {
    ours.len() == theirs.len() && ordered_frames(ours) == ordered_frames(theirs)
}

fn ordered_frames(frames: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = frames.iter().map(without_identity).collect();
    let is = |frame: &Value, kinds: &[&str]| match frame {
        Value::Array(items) | Value::Push(items) => items
            .first()
            .and_then(Value::bytes)
            .is_some_and(|name| kinds.iter().any(|kind| kind.as_bytes() == name)),
        _ => false,
    };
    for kinds in [
        &["pmessage"][..],
        &["unsubscribe"],
        &["punsubscribe"],
        &["sunsubscribe"],
    ] {
        let mut start = 0;
        while start < out.len() {
            let len = out[start..]
                .iter()
                .take_while(|frame| is(frame, kinds))
                .count();
            if kinds == ["pmessage"] {
                out[start..start + len].sort();
            } else {
                sort_channels(&mut out[start..start + len]);
            }
            start += len.max(1);
        }
    }
    out
}

/// Sorts the channels of unsubscribe frames, each place keeping its kind and its count of subscriptions left.
fn sort_channels(frames: &mut [Value]) {
    let mut channels: Vec<Value> = frames
        .iter()
        .map(|frame| frame.items()[1].clone())
        .collect();
    channels.sort();
    for (frame, channel) in frames.iter_mut().zip(channels) {
        if let Value::Array(items) | Value::Push(items) = frame {
            items[1] = channel;
        }
    }
}
