//! LMPOP, BLPOP, BRPOP and BLMPOP: pops from the first of several lists that has elements, waiting for one or not.

use super::ends::pop_from;
use super::{GROUP, end_of};
use crate::command::halt::{KeyWait, OnTimeout};
use crate::command::parse;
use crate::command::spec::{ALL_BUT_LAST, Flags, KeySpec, Spec};
use crate::command::{DataCtx, Halt, Run, Wait};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::{Args, Reply};
use crate::storage::metadata::Type;
use crate::storage::types::list::{End, List};

pub(super) const BLPOP: Spec = Spec::write("blpop", -3, ALL_BUT_LAST, blpop)
    .flags(Flags::NOSCRIPT.and(Flags::BLOCKING))
    .doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of provided keys.",
        "Remove and get the first element in a list, or block until one is available",
    );

fn blpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop_or_wait(ctx, args, End::Left)
}

pub(super) const BRPOP: Spec = Spec::write("brpop", -3, ALL_BUT_LAST, brpop)
    .flags(Flags::NOSCRIPT.and(Flags::BLOCKING))
    .doc(
        GROUP,
        "2.0.0",
        "O(N) where N is the number of provided keys.",
        "Remove and get the last element in a list, or block until one is available",
    );

fn brpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop_or_wait(ctx, args, End::Right)
}

fn pop_or_wait(ctx: &mut DataCtx<'_>, args: Args<'_>, end: End) -> Run {
    let last = args.len() - 1;
    let timeout_ms = parse::blocking_timeout(args.at(last))?;
    let keys = || args.iter().take(last).skip(1);
    match first_with_elements(ctx, keys())? {
        Some((key, list)) => {
            ctx.reply.array(2);
            ctx.reply.bulk(key);
            pop_from(ctx, key, &list, end, 1)
        }
        None => wait(ctx, keys(), timeout_ms, Reply::null_array),
    }
}

pub(super) const LMPOP: Spec = Spec::write(
    "lmpop",
    -4,
    KeySpec::Counted {
        count: 1,
        destination: None,
    },
    lmpop,
)
.flags(Flags::MOVABLE_KEYS)
.doc(
    GROUP,
    "7.0.0",
    "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    "Pop elements from a list",
);

fn lmpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let pops = MultiPop::parse(args, 1)?;
    if !pops.run(ctx)? {
        ctx.reply.null_array();
    }
    Ok(())
}

pub(super) const BLMPOP: Spec = Spec::write(
    "blmpop",
    -5,
    KeySpec::Counted {
        count: 2,
        destination: None,
    },
    blmpop,
)
.flags(Flags::BLOCKING.and(Flags::MOVABLE_KEYS))
.doc(
    GROUP,
    "7.0.0",
    "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    "Pop elements from a list, or block until one is available",
);

fn blmpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let pops = MultiPop::parse(args, 2)?;
    let timeout_ms = parse::blocking_timeout(args.at(1))?;
    if pops.run(ctx)? {
        return Ok(());
    }
    wait(ctx, pops.keys(), timeout_ms, Reply::null_array)
}

/// The arguments `numkeys key [key ...] LEFT|RIGHT [COUNT count]`.
struct MultiPop<'a> {
    args: Args<'a>,
    first_key: usize,
    key_count: usize,
    end: End,
    count: u64,
}

impl<'a> MultiPop<'a> {
    /// Reads the arguments from numkeys on, which stands at `at`.
    fn parse(args: Args<'a>, at: usize) -> Result<MultiPop<'a>, ReplyError> {
        const NO_KEYS: ReplyError = ReplyError::fixed("ERR numkeys should be greater than 0");
        const NO_COUNT: ReplyError = ReplyError::fixed("ERR count should be greater than 0");
        let key_count = parse::integer_within(args.at(at), 1, i64::MAX, NO_KEYS)? as usize;
        let end_at = key_count.saturating_add(at + 1);
        let end = end_of(args.get(end_at).ok_or(SYNTAX)?)?;
        let mut count = None;
        let mut option = end_at + 1;
        while option < args.len() {
            let value = args.get(option + 1).ok_or(SYNTAX)?;
            if count.is_some() || !args.is(option, "count") {
                return Err(SYNTAX);
            }
            count = Some(parse::integer_within(value, 1, i64::MAX, NO_COUNT)? as u64);
            option += 2;
        }
        Ok(MultiPop {
            args,
            first_key: at + 1,
            key_count,
            end,
            count: count.unwrap_or(1),
        })
    }

    fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.args.iter().skip(self.first_key).take(self.key_count)
    }

    /// Pops from the first list that has elements and answers; `false`, without an answer, when none has.
    fn run(&self, ctx: &mut DataCtx<'_>) -> Run<bool> {
        let Some((key, list)) = first_with_elements(ctx, self.keys())? else {
            return Ok(false);
        };
        let count = self.count.min(list.len());
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        ctx.reply.array(count as usize);
        pop_from(ctx, key, &list, self.end, count)?;
        Ok(true)
    }
}

/// The first of `keys` that holds a list. WRONGTYPE when one before it holds something else, unless the command has waited: it is
/// then passed over.
fn first_with_elements<'a>(
    ctx: &mut DataCtx<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Run<Option<(&'a [u8], List)>> {
    for key in keys {
        if let Some(list) = load(ctx, key)? {
            return Ok(Some((key, list)));
        }
    }
    Ok(None)
}

/// The list at `key`; after waiting, another type counts as absent.
pub(super) fn load(ctx: &mut DataCtx<'_>, key: &[u8]) -> Run<Option<List>> {
    if ctx.resumed {
        let header = ctx.store.header(key)?;
        if header.is_none_or(|header| header.kind() != Type::List) {
            return Ok(None);
        }
    }
    List::load(&mut ctx.store, key)
}

/// Waits for `keys`. `answer_at_once` is the reply where a command may not wait; the one of a wait that ran out is a null
/// array always, of BLMOVE too.
pub(super) fn wait<'a>(
    ctx: &mut DataCtx<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
    timeout_ms: Option<u64>,
    answer_at_once: fn(&mut Reply),
) -> Run {
    if !ctx.may_block {
        answer_at_once(ctx.reply);
        return Ok(());
    }
    Err(Halt::Wait(Wait::Keys(KeyWait {
        keys: keys.map(Box::from).collect(),
        timeout_ms,
        on_timeout: OnTimeout::NullArray,
    })))
}
