//! HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS, HRANDFIELD and HSCAN.

use super::GROUP;
use crate::command::members as shared;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{OUT_OF_RANGE, SYNTAX};
use crate::resp::reply::Aggregate;
use crate::resp::{Args, Proto, Reply};
use crate::storage::metadata::Type;
use crate::storage::types::hash;
use crate::storage::types::members::{self, Draw};

pub(super) const HGET: Spec = Spec::read("hget", 3, ONE_KEY, hget)
    .flags(Flags::FAST)
    .shows_values()
    .doc(GROUP, "2.0.0", "O(1)", "Get the value of a hash field");

fn hget(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    hash::read_field(store, args.at(1), args.at(2), |value| {
        reply.bulk_or_null(value)
    })
}

pub(super) const HMGET: Spec = Spec::read("hmget", -3, ONE_KEY, hmget)
    .flags(Flags::FAST)
    .shows_values()
    .doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of fields being requested.",
        "Get the values of all the given hash fields",
    );

fn hmget(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let fields = args.from(2);
    reply.array(fields.len());
    hash::read_fields(store, args.at(1), fields, |value| reply.bulk_or_null(value))
}

pub(super) const HGETALL: Spec = Spec::read("hgetall", 2, ONE_KEY, hgetall).doc(
    GROUP,
    "2.0.0",
    "O(N) where N is the size of the hash.",
    "Get all the fields and values in a hash",
);

fn hgetall(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    walk(ctx, args, Aggregate::Map, |reply, field, value| {
        reply.bulk(field);
        reply.bulk(value);
    })
}

pub(super) const HKEYS: Spec = Spec::read("hkeys", 2, ONE_KEY, hkeys).doc(
    GROUP,
    "2.0.0",
    "O(N) where N is the size of the hash.",
    "Get all the fields in a hash",
);

fn hkeys(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    walk(ctx, args, Aggregate::Array, |reply, field, _| {
        reply.bulk(field)
    })
}

pub(super) const HVALS: Spec = Spec::read("hvals", 2, ONE_KEY, hvals).doc(
    GROUP,
    "2.0.0",
    "O(N) where N is the size of the hash.",
    "Get all the values in a hash",
);

fn hvals(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    walk(ctx, args, Aggregate::Array, |reply, _, value| {
        reply.bulk(value)
    })
}

/// Answers all of a hash; `write` writes one field or pair.
fn walk(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    kind: Aggregate,
    write: fn(&mut Reply, &[u8], &[u8]),
) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let later = reply.begin();
    let mut count = 0;
    hash::walk(store, args.at(1), |field, value| {
        write(reply, field, value);
        count += 1;
    })?;
    reply.end(later, kind, count);
    Ok(())
}

pub(super) const HLEN: Spec = Spec::read("hlen", 2, ONE_KEY, hlen).flags(Flags::FAST).doc(
    GROUP,
    "2.0.0",
    "O(1)",
    "Get the number of fields in a hash",
);

fn hlen(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let header = hash::header(&mut ctx.store, args.at(1))?;
    ctx.reply.int(header.map_or(0, |header| header.size as i64));
    Ok(())
}

pub(super) const HSTRLEN: Spec = Spec::read("hstrlen", 3, ONE_KEY, hstrlen)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "3.2.0",
        "O(1)",
        "Get the length of the value of a hash field",
    );

fn hstrlen(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let len = hash::read_field(&mut ctx.store, args.at(1), args.at(2), |value| {
        value.map_or(0, <[u8]>::len)
    })?;
    ctx.reply.count(len);
    Ok(())
}

pub(super) const HEXISTS: Spec = Spec::read("hexists", 3, ONE_KEY, hexists)
    .flags(Flags::FAST)
    .doc(GROUP, "2.0.0", "O(1)", "Determine if a hash field exists");

fn hexists(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let is_there = hash::read_field(&mut ctx.store, args.at(1), args.at(2), |value| {
        value.is_some()
    })?;
    ctx.reply.int(i64::from(is_there));
    Ok(())
}

pub(super) const HRANDFIELD: Spec = Spec::read("hrandfield", -2, ONE_KEY, hrandfield).doc(
    GROUP,
    "6.2.0",
    "O(N) where N is the number of fields returned",
    "Get one or multiple random fields from a hash",
);

fn hrandfield(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let Some(count) = args.get(2) else {
        return one_random_field(ctx, key);
    };
    let count = parse::integer_between(count, -i64::MAX, i64::MAX)?;
    let with_values = args.len() > 3;
    if args.len() > 4 || (with_values && !args.is(3, "withvalues")) {
        return Err(SYNTAX.into());
    }
    if with_values && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(OUT_OF_RANGE.into());
    }
    let DataCtx {
        store, reply, rng, ..
    } = ctx;
    let drawn = match hash::header(store, key)? {
        Some(header) => members::draw(store, key, &header, shared::draw(count)?, rng)?,
        None => Vec::new(),
    };
    let are_pairs_nested = with_values && reply.proto == Proto::Resp3;
    let is_flat_with_values = with_values && !are_pairs_nested;
    reply.array(drawn.len() << u32::from(is_flat_with_values));
    for (field, value) in &drawn {
        if are_pairs_nested {
            reply.array(2);
        }
        reply.bulk(field);
        if with_values {
            reply.bulk(value);
        }
    }
    Ok(())
}

fn one_random_field(ctx: &mut DataCtx<'_>, key: &[u8]) -> Run {
    let drawn = match hash::header(&mut ctx.store, key)? {
        Some(header) => members::draw(
            &mut ctx.store,
            key,
            &header,
            Draw::Distinct(1),
            &mut ctx.rng,
        )?,
        None => Vec::new(),
    };
    ctx.reply
        .bulk_or_null(drawn.first().map(|(field, _)| &field[..]));
    Ok(())
}

pub(super) const HSCAN: Spec = Spec::read("hscan", -3, ONE_KEY, hscan).doc(
    GROUP,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
    "Incrementally iterate hash fields and associated values",
);

fn hscan(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    shared::scan(ctx, args, Type::Hash, 2, |reply, field, value| {
        reply.bulk(field);
        reply.bulk(value);
    })
}
