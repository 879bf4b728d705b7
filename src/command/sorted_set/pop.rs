//! ZPOPMIN, ZPOPMAX, ZMPOP, and the forms of them that wait.

use super::{GROUP, remove::finish};
use crate::command::halt::{KeyWait, OnTimeout};
use crate::command::parse;
use crate::command::spec::{ALL_BUT_LAST, Flags, KeySpec, ONE_KEY, Spec};
use crate::command::{DataCtx, Halt, Run, Wait};
use crate::error::{ReplyError, SYNTAX, WRONG_TYPE};
use crate::resp::{Args, Proto};
use crate::storage::store::Store;
use crate::storage::types::zset::walk::{Stretch, Window};
use crate::storage::types::zset::{Scored, Zset};

const LOG_N: &str = "O(log(N)) with N being the number of elements in the sorted set.";
const LOG_N_M: &str = "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.";
const K_LOG_N_M: &str = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.";

/// Which end members are taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

pub(super) const ZPOPMIN: Spec = Spec::write("zpopmin", -2, ONE_KEY, zpopmin)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "5.0.0",
        LOG_N_M,
        "Remove and return members with the lowest scores in a sorted set",
    );

fn zpopmin(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop_here(ctx, args, End::Min)
}

pub(super) const ZPOPMAX: Spec = Spec::write("zpopmax", -2, ONE_KEY, zpopmax)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "5.0.0",
        LOG_N_M,
        "Remove and return members with the highest scores in a sorted set",
    );

fn zpopmax(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop_here(ctx, args, End::Max)
}

fn pop_here(ctx: &mut DataCtx<'_>, args: Args<'_>, end: End) -> Run {
    if args.len() > 3 {
        return Err(SYNTAX.into());
    }
    let count = args.get(2).map(parse::non_negative).transpose()?;
    let members = match Zset::open(&mut ctx.store, args.at(1))? {
        Some(zset) => pop(&mut ctx.store, zset, end, count.unwrap_or(1))?,
        None => Vec::new(),
    };
    // Pairs only in RESP3 and only when a count was given.
    if count.is_some() && ctx.reply.proto == Proto::Resp3 {
        reply_pairs(ctx, &members);
    } else {
        ctx.reply.array(members.len() * 2);
        for (member, score) in &members {
            ctx.reply.bulk(member);
            ctx.reply.double(*score);
        }
    }
    Ok(())
}

pub(super) const ZMPOP: Spec = Spec::write(
    "zmpop",
    -4,
    KeySpec::Counted {
        count: 1,
        destination: None,
    },
    zmpop,
)
.flags(Flags::MOVABLE_KEYS)
.doc(
    GROUP,
    "7.0.0",
    K_LOG_N_M,
    "Remove and return members with scores in a sorted set",
);

fn zmpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let request = MultiPop::read(args.from(1))?;
    match first_of(ctx, request.keys)? {
        Some(zset) => reply_popped(ctx, zset, &request),
        None => {
            ctx.reply.null_array();
            Ok(())
        }
    }
}

pub(super) const BZPOPMIN: Spec = Spec::write("bzpopmin", -3, ALL_BUT_LAST, bzpopmin)
    .flags(Flags::NOSCRIPT.and(Flags::BLOCKING).and(Flags::FAST))
    .doc(
        GROUP,
        "5.0.0",
        LOG_N,
        "Remove and return the member with the lowest score from one or more sorted sets, or block until one is available",
    );

fn bzpopmin(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop_or_wait(ctx, args, End::Min)
}

pub(super) const BZPOPMAX: Spec = Spec::write("bzpopmax", -3, ALL_BUT_LAST, bzpopmax)
    .flags(Flags::NOSCRIPT.and(Flags::BLOCKING).and(Flags::FAST))
    .doc(
        GROUP,
        "5.0.0",
        LOG_N,
        "Remove and return the member with the highest score from one or more sorted sets, or block until one is available",
    );

fn bzpopmax(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    pop_or_wait(ctx, args, End::Max)
}

fn pop_or_wait(ctx: &mut DataCtx<'_>, args: Args<'_>, end: End) -> Run {
    let timeout_ms = parse::blocking_timeout(args.at(args.len() - 1))?;
    let keys = args.from(1).up_to(args.len() - 2);
    let Some(zset) = first_of(ctx, keys)? else {
        return wait(ctx, keys, timeout_ms);
    };
    let key = zset.key();
    for (member, score) in pop(&mut ctx.store, zset, end, 1)? {
        ctx.reply.array(3);
        ctx.reply.bulk(key);
        ctx.reply.bulk(&member);
        ctx.reply.double(score);
    }
    Ok(())
}

pub(super) const BZMPOP: Spec = Spec::write(
    "bzmpop",
    -5,
    KeySpec::Counted {
        count: 2,
        destination: None,
    },
    bzmpop,
)
.flags(Flags::BLOCKING.and(Flags::MOVABLE_KEYS))
.doc(
    GROUP,
    "7.0.0",
    K_LOG_N_M,
    "Remove and return members with scores in a sorted set or block until one is available",
);

fn bzmpop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let request = MultiPop::read(args.from(2))?;
    let timeout_ms = parse::blocking_timeout(args.at(1))?;
    match first_of(ctx, request.keys)? {
        Some(zset) => reply_popped(ctx, zset, &request),
        None => wait(ctx, request.keys, timeout_ms),
    }
}

/// `numkeys key [key ...] MIN|MAX [COUNT count]`
struct MultiPop<'a> {
    keys: Args<'a>,
    end: End,
    count: u64,
}

impl<'a> MultiPop<'a> {
    fn read(args: Args<'a>) -> Result<MultiPop<'a>, ReplyError> {
        const NO_KEYS: ReplyError = ReplyError::fixed("ERR numkeys should be greater than 0");
        const NO_COUNT: ReplyError = ReplyError::fixed("ERR count should be greater than 0");
        let keys = parse::integer_within(args.at(0), 1, i64::MAX, NO_KEYS)?;
        let keys = usize::try_from(keys).map_err(|_| SYNTAX)?;
        let options = args.from(1).from(keys);
        let end = match options.get(0).map(<[u8]>::to_ascii_lowercase).as_deref() {
            Some(b"min") => End::Min,
            Some(b"max") => End::Max,
            _ => return Err(SYNTAX),
        };
        let count = match options.len() {
            1 => 1,
            // A second COUNT is a syntax error, but only once the first one is known to be right.
            _ if options.len() >= 3 && options.is(1, "count") => {
                let count = parse::integer_within(options.at(2), 1, i64::MAX, NO_COUNT)?;
                if options.len() > 3 {
                    return Err(SYNTAX);
                }
                count as u64
            }
            _ => return Err(SYNTAX),
        };
        Ok(MultiPop {
            keys: args.from(1).up_to(keys),
            end,
            count,
        })
    }
}

/// The first of `keys` that holds a sorted set. After a wait, keys of another type are passed over.
fn first_of<'a>(ctx: &mut DataCtx<'_>, keys: Args<'a>) -> Run<Option<Zset<'a>>> {
    for key in keys.iter() {
        match Zset::open(&mut ctx.store, key) {
            Ok(Some(zset)) => return Ok(Some(zset)),
            Ok(None) => {}
            Err(Halt::Error(error)) if ctx.resumed && error == WRONG_TYPE => {}
            Err(halt) => return Err(halt),
        }
    }
    Ok(None)
}

fn wait(ctx: &mut DataCtx<'_>, keys: Args<'_>, timeout_ms: Option<u64>) -> Run {
    if !ctx.may_block {
        ctx.reply.null_array();
        return Ok(());
    }
    Err(Halt::Wait(Wait::Keys(KeyWait {
        keys: keys.iter().map(Into::into).collect(),
        timeout_ms,
        on_timeout: OnTimeout::NullArray,
    })))
}

fn reply_popped(ctx: &mut DataCtx<'_>, zset: Zset<'_>, request: &MultiPop<'_>) -> Run {
    let key = zset.key();
    let members = pop(&mut ctx.store, zset, request.end, request.count)?;
    ctx.reply.array(2);
    ctx.reply.bulk(key);
    reply_pairs(ctx, &members);
    Ok(())
}

fn reply_pairs(ctx: &mut DataCtx<'_>, members: &[Scored]) {
    ctx.reply.array(members.len());
    for (member, score) in members {
        ctx.reply.array(2);
        ctx.reply.bulk(member);
        ctx.reply.double(*score);
    }
}

/// Takes the first `count` members from `end`.
fn pop(store: &mut Store<'_>, mut zset: Zset<'_>, end: End, count: u64) -> Run<Vec<Scored>> {
    let window = Window::first(count, end == End::Max);
    let members = zset.collect(store, &Stretch::everything(), window)?;
    if !members.is_empty() {
        zset.remove_all(store, &members);
        let event = match end {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        };
        finish(store, zset, event);
    }
    Ok(members)
}
