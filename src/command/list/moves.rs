//! LMOVE, RPOPLPUSH, BLMOVE and BRPOPLPUSH.

use super::blocking::{load, wait};
use super::{GROUP, end_of, pop_event, push_event};
use crate::command::parse;
use crate::command::spec::{Flags, Spec, TWO_KEYS};
use crate::command::{DataCtx, Run};
use crate::resp::{Args, Reply};
use crate::storage::store::EventClass;
use crate::storage::types::list::{self, End, List};

const BLOCKS: Flags = Flags::DENYOOM.and(Flags::NOSCRIPT).and(Flags::BLOCKING);

pub(super) const LMOVE: Spec = Spec::write("lmove", 5, TWO_KEYS, lmove)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "6.2.0",
        "O(1)",
        "Pop an element from a list, push it to another list and return it",
    );

fn lmove(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let from_end = end_of(args.at(3))?;
    let to_end = end_of(args.at(4))?;
    move_now(ctx, args, from_end, to_end)
}

pub(super) const RPOPLPUSH: Spec = Spec::write("rpoplpush", 3, TWO_KEYS, rpoplpush)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.2.0",
        "O(1)",
        "Remove the last element in a list, prepend it to another list and return it",
    );

fn rpoplpush(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    move_now(ctx, args, End::Right, End::Left)
}

fn move_now(ctx: &mut DataCtx<'_>, args: Args<'_>, from_end: End, to_end: End) -> Run {
    match List::load(&mut ctx.store, args.at(1))? {
        Some(list) => move_one(ctx, args, &list, from_end, to_end),
        None => {
            ctx.reply.null();
            Ok(())
        }
    }
}

pub(super) const BLMOVE: Spec = Spec::write("blmove", 6, TWO_KEYS, blmove).flags(BLOCKS).doc(
    GROUP,
    "6.2.0",
    "O(1)",
    "Pop an element from a list, push it to another list and return it; or block until one is available",
);

fn blmove(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let from_end = end_of(args.at(3))?;
    let to_end = end_of(args.at(4))?;
    let timeout_ms = parse::blocking_timeout(args.at(5))?;
    move_or_wait(ctx, args, from_end, to_end, timeout_ms)
}

pub(super) const BRPOPLPUSH: Spec = Spec::write("brpoplpush", 4, TWO_KEYS, brpoplpush)
    .flags(BLOCKS)
    .doc(
        GROUP,
        "2.2.0",
        "O(1)",
        "Pop an element from a list, push it to another list and return it; or block until one is available",
    );

fn brpoplpush(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let timeout_ms = parse::blocking_timeout(args.at(3))?;
    move_or_wait(ctx, args, End::Right, End::Left, timeout_ms)
}

fn move_or_wait(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    from_end: End,
    to_end: End,
    timeout_ms: Option<u64>,
) -> Run {
    let source = args.at(1);
    match load(ctx, source)? {
        Some(list) => move_one(ctx, args, &list, from_end, to_end),
        None => wait(ctx, std::iter::once(source), timeout_ms, Reply::null),
    }
}

/// Moves an element of `source`, the list at the first key, to the second one.
fn move_one(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    source: &List,
    from_end: End,
    to_end: End,
) -> Run {
    let (from, to) = (args.at(1), args.at(2));
    let DataCtx { store, reply, .. } = ctx;
    let destination = List::load(store, to)?;
    let moved = list::move_one(store, (from, source, from_end), (to, destination, to_end))?;
    store.notify(EventClass::LIST, push_event(to_end), to);
    store.notify(EventClass::LIST, pop_event(from_end), from);
    if moved.emptied {
        store.notify(EventClass::GENERIC, "del", from);
    }
    reply.bulk(&moved.value);
    Ok(())
}
