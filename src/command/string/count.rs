//! INCR, DECR, INCRBY, DECRBY and INCRBYFLOAT.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::ReplyError;
use crate::resp::Args;
use crate::storage::store::{EventClass, Store};
use crate::storage::types::string;

const FLAGS: Flags = Flags::DENYOOM.and(Flags::FAST);

pub(super) const INCR: Spec = Spec::write("incr", 2, ONE_KEY, incr).flags(FLAGS).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Increment the integer value of a key by one",
);

fn incr(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    add(ctx, args.at(1), 1)
}

pub(super) const DECR: Spec = Spec::write("decr", 2, ONE_KEY, decr).flags(FLAGS).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Decrement the integer value of a key by one",
);

fn decr(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    add(ctx, args.at(1), -1)
}

pub(super) const INCRBY: Spec = Spec::write("incrby", 3, ONE_KEY, incrby).flags(FLAGS).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Increment the integer value of a key by the given amount",
);

fn incrby(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let delta = parse::integer(args.at(2))?;
    add(ctx, args.at(1), delta)
}

pub(super) const DECRBY: Spec = Spec::write("decrby", 3, ONE_KEY, decrby).flags(FLAGS).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Decrement the integer value of a key by the given number",
);

fn decrby(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const OVERFLOW: ReplyError = ReplyError::fixed("ERR decrement would overflow");
    let delta = parse::integer(args.at(2))?.checked_neg().ok_or(OVERFLOW)?;
    add(ctx, args.at(1), delta)
}

fn add(ctx: &mut DataCtx<'_>, key: &[u8], delta: i64) -> Run {
    let sum = string::add_integer(&mut ctx.store, key, delta)?;
    notify_changed(&mut ctx.store, key, sum.is_new, "incrby");
    ctx.reply.int(sum.value);
    Ok(())
}

pub(super) const INCRBYFLOAT: Spec = Spec::write("incrbyfloat", 3, ONE_KEY, incrbyfloat)
    .flags(FLAGS)
    .doc(
        GROUP,
        "2.6.0",
        "O(1)",
        "Increment the float value of a key by the given amount",
    );

fn incrbyfloat(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let sum = string::add_float(&mut ctx.store, key, args.at(2))?;
    notify_changed(&mut ctx.store, key, sum.is_new, "incrbyfloat");
    ctx.reply.bulk(&sum.value);
    Ok(())
}

/// The events of a change to a string, which may have created it.
pub(super) fn notify_changed(store: &mut Store<'_>, key: &[u8], is_new: bool, event: &'static str) {
    if is_new {
        store.notify(EventClass::NEW, "new", key);
    }
    store.notify(EventClass::STRING, event, key);
}
