//! HSET, HMSET, HSETNX, HDEL, HINCRBY and HINCRBYFLOAT.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{INCR_OVERFLOW, ReplyError, wrong_arity};
use crate::resp::Args;
use crate::storage::store::EventClass;
use crate::storage::types::hash;
use crate::text::int::{parse_i64, write_i64};
use crate::text::long_double::LongDouble;

const GROWS: Flags = Flags::DENYOOM.and(Flags::FAST);

pub(super) const HSET: Spec = Spec::write("hset", -4, ONE_KEY, hset).flags(GROWS).doc(
    GROUP,
    "2.0.0",
    "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
    "Set the string value of a hash field",
);

fn hset(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let added = set(ctx, args, "hset")?;
    ctx.reply.int(added as i64);
    Ok(())
}

pub(super) const HMSET: Spec = Spec::write("hmset", -4, ONE_KEY, hmset).flags(GROWS).doc(
    GROUP,
    "2.0.0",
    "O(N) where N is the number of fields being set.",
    "Set multiple hash fields to multiple values",
);

fn hmset(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    set(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

fn set(ctx: &mut DataCtx<'_>, args: Args<'_>, command: &str) -> Run<u64> {
    let pairs = args.from(2);
    if pairs.len() % 2 == 1 {
        return Err(wrong_arity(command).into());
    }
    let key = args.at(1);
    let added = hash::set(&mut ctx.store, key, pairs)?;
    ctx.store.notify(EventClass::HASH, "hset", key);
    Ok(added)
}

pub(super) const HSETNX: Spec = Spec::write("hsetnx", 4, ONE_KEY, hsetnx).flags(GROWS).doc(
    GROUP,
    "2.0.0",
    "O(1)",
    "Set the value of a hash field, only if the field does not exist",
);

fn hsetnx(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let was_set = hash::set_absent(&mut ctx.store, key, args.at(2), args.at(3))?;
    if was_set {
        ctx.store.notify(EventClass::HASH, "hset", key);
    }
    ctx.reply.int(i64::from(was_set));
    Ok(())
}

pub(super) const HDEL: Spec = Spec::write("hdel", -3, ONE_KEY, hdel)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of fields to be removed.",
        "Delete one or more hash fields",
    );

fn hdel(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let removed = hash::delete(&mut ctx.store, key, args.from(2))?;
    if removed.count > 0 {
        ctx.store.notify(EventClass::HASH, "hdel", key);
    }
    if removed.emptied {
        ctx.store.notify(EventClass::GENERIC, "del", key);
    }
    ctx.reply.int(removed.count as i64);
    Ok(())
}

pub(super) const HINCRBY: Spec = Spec::write("hincrby", 4, ONE_KEY, hincrby)
    .flags(GROWS)
    .doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "Increment the integer value of a hash field by the given number",
    );

fn hincrby(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NOT_AN_INTEGER: ReplyError = ReplyError::fixed("ERR hash value is not an integer");
    let key = args.at(1);
    let delta = parse::integer(args.at(3))?;
    let mut sum = 0;
    hash::update(&mut ctx.store, key, args.at(2), |old| {
        let old = old.map_or(Some(0), parse_i64).ok_or(NOT_AN_INTEGER)?;
        sum = old.checked_add(delta).ok_or(INCR_OVERFLOW)?;
        let mut digits = Vec::with_capacity(20);
        write_i64(&mut digits, sum);
        Ok(Some(digits))
    })?;
    ctx.store.notify(EventClass::HASH, "hincrby", key);
    ctx.reply.int(sum);
    Ok(())
}

pub(super) const HINCRBYFLOAT: Spec = Spec::write("hincrbyfloat", 4, ONE_KEY, hincrbyfloat)
    .flags(GROWS)
    .doc(
        GROUP,
        "2.6.0",
        "O(1)",
        "Increment the float value of a hash field by the given amount",
    );

fn hincrbyfloat(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NOT_FINITE: ReplyError = ReplyError::fixed("ERR value is NaN or Infinity");
    const NOT_A_FLOAT: ReplyError = ReplyError::fixed("ERR hash value is not a float");
    const SUM_NOT_FINITE: ReplyError =
        ReplyError::fixed("ERR increment would produce NaN or Infinity");
    let key = args.at(1);
    let delta = parse::long_double(args.at(3))?;
    if delta.is_nan_or_infinite() {
        return Err(NOT_FINITE.into());
    }
    let written = hash::update(&mut ctx.store, key, args.at(2), |old| {
        let old = old
            .map_or(Some(LongDouble::ZERO), LongDouble::parse)
            .ok_or(NOT_A_FLOAT)?;
        let sum = old + delta;
        if sum.is_nan_or_infinite() {
            return Err(SUM_NOT_FINITE.into());
        }
        Ok(Some(sum.to_human()))
    })?;
    ctx.store.notify(EventClass::HASH, "hincrbyfloat", key);
    ctx.reply.bulk_or_null(written.as_deref());
    Ok(())
}
