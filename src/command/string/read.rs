//! GET, MGET, STRLEN, GETRANGE and its old name SUBSTR.

use std::ops::Range;

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{ALL_KEYS, Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::resp::Args;
use crate::storage::metadata::Type;

pub(super) const GET: Spec = Spec::read("get", 2, ONE_KEY, get)
    .flags(Flags::FAST)
    .shows_values()
    .doc(GROUP, "1.0.0", "O(1)", "Get the value of a key");

fn get(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_with_value(ctx, args.at(1))?;
    Ok(())
}

/// Replies the string at `key`, or null; says whether there was one. WRONGTYPE when it holds something else.
pub(super) fn reply_with_value(ctx: &mut DataCtx<'_>, key: &[u8]) -> Run<bool> {
    let reply = &mut *ctx.reply;
    let is_found = ctx.store.read_string(key, |value| {
        reply.bulk_or_null(value);
        value.is_some()
    })?;
    ctx.store.looked_up(key, is_found);
    Ok(is_found)
}

pub(super) const MGET: Spec = Spec::read("mget", -2, ALL_KEYS, mget)
    .flags(Flags::FAST)
    .shows_values()
    .doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of keys to retrieve.",
        "Get the values of all the given keys",
    );

fn mget(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    ctx.reply.array(args.len() - 1);
    for key in args.from(1).iter() {
        let reply = &mut *ctx.reply;
        let is_found = ctx.store.read_entry(key, |entry| {
            let string = entry.filter(|(header, _)| header.kind() == Type::String);
            reply.bulk_or_null(string.map(|(_, value)| value));
            Ok(entry.is_some())
        })?;
        ctx.store.looked_up(key, is_found);
    }
    Ok(())
}

pub(super) const STRLEN: Spec = Spec::read("strlen", 2, ONE_KEY, strlen)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "2.2.0",
        "O(1)",
        "Get the length of the value stored in a key",
    );

fn strlen(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let len = ctx.store.read_string(key, |value| value.map(<[u8]>::len))?;
    ctx.store.looked_up(key, len.is_some());
    ctx.reply.count(len.unwrap_or(0));
    Ok(())
}

const RANGE_COMPLEXITY: &str = "O(N) where N is the length of the returned string. The complexity is ultimately determined by \
     the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) \
     for small strings.";

pub(super) const GETRANGE: Spec = Spec::read("getrange", 4, ONE_KEY, getrange).doc(
    GROUP,
    "2.4.0",
    RANGE_COMPLEXITY,
    "Get a substring of the string stored at a key",
);

pub(super) const SUBSTR: Spec = Spec::read("substr", 4, ONE_KEY, getrange).doc(
    GROUP,
    "1.0.0",
    RANGE_COMPLEXITY,
    "Get a substring of the string stored at a key",
);

fn getrange(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let start = parse::integer(args.at(2))?;
    let end = parse::integer(args.at(3))?;
    let reply = &mut *ctx.reply;
    let is_found = ctx.store.read_string(key, |value| {
        let bytes = value.unwrap_or_default();
        reply.bulk(&bytes[substring(start, end, bytes.len())]);
        value.is_some()
    })?;
    ctx.store.looked_up(key, is_found);
    Ok(())
}

/// The bytes from `start` to `end` (inclusive, negative ones from the end) of a string of `len` bytes.
///
/// Unlike a list's range, an end before the beginning is the first byte: `GETRANGE k 0 -99` gives it.
fn substring(start: i64, end: i64, len: usize) -> Range<usize> {
    if (start < 0 && end < 0 && start > end) || len == 0 {
        return 0..0;
    }
    let from_end = |index: i64| {
        if index < 0 {
            (index + len as i64).max(0)
        } else {
            index
        }
    };
    let start = from_end(start);
    let end = from_end(end).min(len as i64 - 1);
    if start > end {
        return 0..0;
    }
    start as usize..end as usize + 1
}
