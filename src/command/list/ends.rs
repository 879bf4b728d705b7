//! LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP and RPOP.

use super::{GROUP, pop_event, push_event};
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::wrong_arity;
use crate::resp::Args;
use crate::storage::store::EventClass;
use crate::storage::types::list::{self, End, List};

const GROWS: Flags = Flags::DENYOOM.and(Flags::FAST);
const PUSH_COMPLEXITY: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.";
const POP_COMPLEXITY: &str = "O(N) where N is the number of elements returned";

pub(super) const LPUSH: Spec = Spec::write("lpush", -3, ONE_KEY, lpush).flags(GROWS).doc(
    GROUP,
    "1.0.0",
    PUSH_COMPLEXITY,
    "Prepend one or multiple elements to a list",
);

fn lpush(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    push(ctx, args, End::Left, true)
}

pub(super) const RPUSH: Spec = Spec::write("rpush", -3, ONE_KEY, rpush).flags(GROWS).doc(
    GROUP,
    "1.0.0",
    PUSH_COMPLEXITY,
    "Append one or multiple elements to a list",
);

fn rpush(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    push(ctx, args, End::Right, true)
}

pub(super) const LPUSHX: Spec = Spec::write("lpushx", -3, ONE_KEY, lpushx).flags(GROWS).doc(
    GROUP,
    "2.2.0",
    PUSH_COMPLEXITY,
    "Prepend an element to a list, only if the list exists",
);

fn lpushx(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    push(ctx, args, End::Left, false)
}

pub(super) const RPUSHX: Spec = Spec::write("rpushx", -3, ONE_KEY, rpushx).flags(GROWS).doc(
    GROUP,
    "2.2.0",
    PUSH_COMPLEXITY,
    "Append an element to a list, only if the list exists",
);

fn rpushx(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    push(ctx, args, End::Right, false)
}

fn push(ctx: &mut DataCtx<'_>, args: Args<'_>, end: End, create: bool) -> Run {
    let key = args.at(1);
    let len = list::push(&mut ctx.store, key, end, args.from(2).iter(), create)?;
    if len > 0 {
        ctx.store.notify(EventClass::LIST, push_event(end), key);
    }
    ctx.reply.int(len as i64);
    Ok(())
}

pub(super) const LPOP: Spec = Spec::write("lpop", -2, ONE_KEY, lpop)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        POP_COMPLEXITY,
        "Remove and get the first elements in a list",
    );

fn lpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop(ctx, args, End::Left, "lpop")
}

pub(super) const RPOP: Spec = Spec::write("rpop", -2, ONE_KEY, rpop)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        POP_COMPLEXITY,
        "Remove and get the last elements in a list",
    );

fn rpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop(ctx, args, End::Right, "rpop")
}

fn pop(ctx: &mut DataCtx<'_>, args: Args<'_>, end: End, command: &str) -> Run {
    if args.len() > 3 {
        return Err(wrong_arity(command).into());
    }
    let key = args.at(1);
    let count = args.get(2).map(parse::non_negative).transpose()?;
    let found = List::load(&mut ctx.store, key)?;
    match (found, count) {
        (None, None) => ctx.reply.null(),
        (None, Some(_)) => ctx.reply.null_array(),
        (Some(_), Some(0)) => ctx.reply.array(0),
        (Some(list), None) => pop_from(ctx, key, &list, end, 1)?,
        (Some(list), Some(count)) => {
            let count = count.min(list.len());
            ctx.reply.array(count as usize);
            pop_from(ctx, key, &list, end, count)?;
        }
    }
    Ok(())
}

/// Pops `count` elements, which the list has, and answers each.
pub(super) fn pop_from(
    ctx: &mut DataCtx<'_>,
    key: &[u8],
    list: &List,
    end: End,
    count: u64,
) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let is_emptied = list::pop(store, key, list, end, count, |element| reply.bulk(element))?;
    store.notify(EventClass::LIST, pop_event(end), key);
    if is_emptied {
        store.notify(EventClass::GENERIC, "del", key);
    }
    Ok(())
}
