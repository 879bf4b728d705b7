//! Sizes, scores, ranks and counts.

use super::{GROUP, bounds};
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::resp::Args;
use crate::storage::types::zset::Zset;
use crate::storage::types::zset::walk::Stretch;

const LOG_N: &str = "O(log(N)) with N being the number of elements in the sorted set.";

pub(super) const ZCARD: Spec = Spec::read("zcard", 2, ONE_KEY, zcard)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.2.0",
        "O(1)",
        "Get the number of members in a sorted set",
    );

fn zcard(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let zset = Zset::open_to_read(&mut ctx.store, args.at(1))?;
    ctx.reply.int(zset.map_or(0, |zset| zset.len() as i64));
    Ok(())
}

pub(super) const ZSCORE: Spec = Spec::read("zscore", 3, ONE_KEY, zscore)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.2.0",
        "O(1)",
        "Get the score associated with the given member in a sorted set",
    );

fn zscore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let score = match Zset::open_to_read(&mut ctx.store, args.at(1))? {
        Some(mut zset) => zset.score(&mut ctx.store, args.at(2))?,
        None => None,
    };
    reply_score(ctx, score);
    Ok(())
}

pub(super) const ZMSCORE: Spec = Spec::read("zmscore", -3, ONE_KEY, zmscore)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "6.2.0",
        "O(N) where N is the number of members being requested.",
        "Get the score associated with the given members in a sorted set",
    );

fn zmscore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let mut zset = Zset::open_to_read(&mut ctx.store, args.at(1))?;
    let members = args.from(2);
    ctx.reply.array(members.len());
    for (at, member) in members.iter().enumerate() {
        let score = match &mut zset {
            Some(zset) => {
                let score = zset.score(&mut ctx.store, member);
                zset.want_if_cold(&score, &mut ctx.store, || members.from(at + 1).iter());
                score?
            }
            None => None,
        };
        reply_score(ctx, score);
    }
    Ok(())
}

fn reply_score(ctx: &mut DataCtx<'_>, score: Option<f64>) {
    match score {
        Some(score) => ctx.reply.double(score),
        None => ctx.reply.null(),
    }
}

pub(super) const ZRANK: Spec = Spec::read("zrank", 3, ONE_KEY, zrank)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "2.0.0",
        "O(log(N))",
        "Determine the index of a member in a sorted set",
    );

fn zrank(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    rank(ctx, args, false)
}

pub(super) const ZREVRANK: Spec = Spec::read("zrevrank", 3, ONE_KEY, zrevrank)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "2.0.0",
        "O(log(N))",
        "Determine the index of a member in a sorted set, with scores ordered from high to low",
    );

fn zrevrank(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    rank(ctx, args, true)
}

fn rank(ctx: &mut DataCtx<'_>, args: Args<'_>, reverse: bool) -> Run {
    let member = args.at(2);
    let store = &mut ctx.store;
    if let Some(mut zset) = Zset::open_to_read(store, args.at(1))?
        && let Some(score) = zset.score(store, member)?
    {
        let before = zset.count(store, &Stretch::before(member, score))?;
        let rank = if reverse {
            zset.len().saturating_sub(before + 1)
        } else {
            before
        };
        ctx.reply.int(rank as i64);
    } else {
        ctx.reply.null();
    }
    Ok(())
}

pub(super) const ZCOUNT: Spec = Spec::read("zcount", 4, ONE_KEY, zcount)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "2.0.0",
        LOG_N,
        "Count the members in a sorted set with scores within the given values",
    );

fn zcount(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let range = bounds::scores(args.at(2), args.at(3))?;
    let store = &mut ctx.store;
    let count = match Zset::open_to_read(store, args.at(1))? {
        Some(zset) if !range.is_empty() => zset.count(store, &Stretch::scores(range))?,
        _ => 0,
    };
    ctx.reply.int(count as i64);
    Ok(())
}

pub(super) const ZLEXCOUNT: Spec = Spec::read("zlexcount", 4, ONE_KEY, zlexcount)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "2.8.9",
        LOG_N,
        "Count the number of members in a sorted set between a given lexicographical range",
    );

fn zlexcount(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let range = bounds::members(args.at(2), args.at(3))?;
    let store = &mut ctx.store;
    let count = match Zset::open_to_read(store, args.at(1))? {
        Some(zset) => zset.count_lex(store, &range)?,
        None => 0,
    };
    ctx.reply.int(count as i64);
    Ok(())
}
