//! SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{ALL_KEYS, Flags, KeySpec, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::store::{EventClass, Store};
use crate::storage::types::set::{self, Member};
use crate::storage::types::set_algebra::{self as sets, Operand};

const INTER_COMPLEXITY: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
const SUM_COMPLEXITY: &str = "O(N) where N is the total number of elements in all given sets.";

type Operation = fn(&mut Store<'_>, &[Option<Operand<'_>>]) -> Run<Vec<Member>>;

pub(super) const SINTER: Spec = Spec::read("sinter", -2, ALL_KEYS, sinter).doc(
    GROUP,
    "1.0.0",
    INTER_COMPLEXITY,
    "Intersect multiple sets",
);

fn sinter(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    answer(ctx, args, sets::intersection)
}

pub(super) const SUNION: Spec = Spec::read("sunion", -2, ALL_KEYS, sunion).doc(
    GROUP,
    "1.0.0",
    SUM_COMPLEXITY,
    "Add multiple sets",
);

fn sunion(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    answer(ctx, args, sets::union)
}

pub(super) const SDIFF: Spec = Spec::read("sdiff", -2, ALL_KEYS, sdiff).doc(
    GROUP,
    "1.0.0",
    SUM_COMPLEXITY,
    "Subtract multiple sets",
);

fn sdiff(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    answer(ctx, args, sets::difference)
}

fn answer(ctx: &mut DataCtx<'_>, args: Args<'_>, operation: Operation) -> Run {
    let operands = sets::operands(&mut ctx.store, args.iter().skip(1))?;
    let result = operation(&mut ctx.store, &operands)?;
    ctx.reply.set(result.len());
    result.iter().for_each(|member| ctx.reply.bulk(member));
    Ok(())
}

pub(super) const SINTERSTORE: Spec = Spec::write("sinterstore", -3, ALL_KEYS, sinterstore)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.0.0",
        INTER_COMPLEXITY,
        "Intersect multiple sets and store the resulting set in a key",
    );

fn sinterstore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    store_result(ctx, args, sets::intersection, "sinterstore")
}

pub(super) const SUNIONSTORE: Spec = Spec::write("sunionstore", -3, ALL_KEYS, sunionstore)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.0.0",
        SUM_COMPLEXITY,
        "Add multiple sets and store the resulting set in a key",
    );

fn sunionstore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    store_result(ctx, args, sets::union, "sunionstore")
}

pub(super) const SDIFFSTORE: Spec = Spec::write("sdiffstore", -3, ALL_KEYS, sdiffstore)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.0.0",
        SUM_COMPLEXITY,
        "Subtract multiple sets and store the resulting set in a key",
    );

fn sdiffstore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    store_result(ctx, args, sets::difference, "sdiffstore")
}

fn store_result(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    operation: Operation,
    event: &'static str,
) -> Run {
    let store = &mut ctx.store;
    let destination = args.at(1);
    let operands = sets::operands(store, args.iter().skip(2))?;
    let result = operation(store, &operands)?;
    let was_there = set::replace(store, destination, &result)?;
    if !result.is_empty() {
        store.notify(EventClass::SET, event, destination);
    } else if was_there {
        store.notify(EventClass::GENERIC, "del", destination);
    }
    ctx.reply.count(result.len());
    Ok(())
}

pub(super) const SINTERCARD: Spec = Spec::read(
    "sintercard",
    -3,
    KeySpec::Counted {
        count: 1,
        destination: None,
    },
    sintercard,
)
.flags(Flags::MOVABLE_KEYS)
.doc(
    GROUP,
    "7.0.0",
    INTER_COMPLEXITY,
    "Intersect multiple sets and return the cardinality of the result",
);

fn sintercard(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NO_KEYS: ReplyError = ReplyError::fixed("ERR numkeys should be greater than 0");
    const TOO_MANY_KEYS: ReplyError =
        ReplyError::fixed("ERR Number of keys can't be greater than number of args");
    const NEGATIVE_LIMIT: ReplyError = ReplyError::fixed("ERR LIMIT can't be negative");
    let key_count = parse::integer_within(args.at(1), 1, i64::MAX, NO_KEYS)?;
    let options = match usize::try_from(key_count) {
        Ok(count) if count <= args.len() - 2 => count + 2,
        _ => return Err(TOO_MANY_KEYS.into()),
    };
    let mut limit = 0;
    for at in (options..args.len()).step_by(2) {
        let value = args.get(at + 1).ok_or(SYNTAX)?;
        if !args.is(at, "limit") {
            return Err(SYNTAX.into());
        }
        limit = parse::integer_within(value, 0, i64::MAX, NEGATIVE_LIMIT)?;
    }
    let limit = (limit > 0).then_some(limit as u64);
    let operands = sets::operands(&mut ctx.store, args.iter().take(options).skip(2))?;
    let size = sets::intersection_size(&mut ctx.store, &operands, limit)?;
    ctx.reply.int(size as i64);
    Ok(())
}
