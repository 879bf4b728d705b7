//! ZREM and ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::{GROUP, bounds};
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::resp::Args;
use crate::storage::store::{EventClass, Store};
use crate::storage::types::zset::walk::{Stretch, Window};
use crate::storage::types::zset::{Scored, Zset};

const REMOVED_M: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.";

pub(super) const ZREM: Spec = Spec::write("zrem", -3, ONE_KEY, zrem)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.2.0",
        "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
        "Remove one or more members from a sorted set",
    );

fn zrem(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let store = &mut ctx.store;
    let mut removed = 0;
    if let Some(mut zset) = Zset::open(store, args.at(1))? {
        for (at, member) in args.from(2).iter().enumerate() {
            let score = zset.score(store, member);
            zset.want_if_cold(&score, store, || args.from(at + 3).iter());
            if let Some(score) = score? {
                zset.remove(store, member, score);
                removed += 1;
                if zset.is_empty() {
                    break;
                }
            }
        }
        if removed > 0 {
            finish(store, zset, "zrem");
        }
    }
    ctx.reply.int(removed);
    Ok(())
}

pub(super) const ZREMRANGEBYRANK: Spec =
    Spec::write("zremrangebyrank", 4, ONE_KEY, zremrangebyrank).doc(
        GROUP,
        "2.0.0",
        REMOVED_M,
        "Remove all members in a sorted set within the given indexes",
    );

fn zremrangebyrank(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let start = parse::integer(args.at(2))?;
    let stop = parse::integer(args.at(3))?;
    remove_range(ctx, args, "zremrangebyrank", |store, zset| {
        let Some((first, last)) = parse::index_range(start, stop, zset.len()) else {
            return Ok(Removal::Members(Vec::new()));
        };
        if last - first + 1 == zset.len() {
            return Ok(Removal::Everything);
        }
        let mut members = Vec::new();
        zset.walk_ranks(store, (first, last), false, |score, member| {
            members.push((member.into(), score));
        })?;
        Ok(Removal::Members(members))
    })
}

pub(super) const ZREMRANGEBYSCORE: Spec =
    Spec::write("zremrangebyscore", 4, ONE_KEY, zremrangebyscore).doc(
        GROUP,
        "1.2.0",
        REMOVED_M,
        "Remove all members in a sorted set within the given scores",
    );

fn zremrangebyscore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let range = bounds::scores(args.at(2), args.at(3))?;
    remove_range(ctx, args, "zremrangebyscore", |store, zset| {
        if range.is_everything() {
            return Ok(Removal::Everything);
        }
        if range.is_empty() {
            return Ok(Removal::Members(Vec::new()));
        }
        let members = zset.collect(store, &Stretch::scores(range), Window::all(false))?;
        Ok(Removal::Members(members))
    })
}

pub(super) const ZREMRANGEBYLEX: Spec = Spec::write("zremrangebylex", 4, ONE_KEY, zremrangebylex)
    .doc(
        GROUP,
        "2.8.9",
        REMOVED_M,
        "Remove all members in a sorted set between the given lexicographical range",
    );

fn zremrangebylex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let range = bounds::members(args.at(2), args.at(3))?;
    remove_range(ctx, args, "zremrangebylex", |store, zset| {
        let mut members = Vec::new();
        zset.walk_lex(store, &range, Window::all(false), |score, member| {
            members.push((member.into(), score));
        })?;
        Ok(Removal::Members(members))
    })
}

enum Removal {
    Everything,
    Members(Vec<Scored>),
}

fn remove_range(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    event: &'static str,
    choose: impl FnOnce(&mut Store<'_>, &Zset<'_>) -> Run<Removal>,
) -> Run {
    let store = &mut ctx.store;
    let Some(mut zset) = Zset::open(store, args.at(1))? else {
        ctx.reply.int(0);
        return Ok(());
    };
    let size = zset.len();
    match choose(store, &zset)? {
        Removal::Everything => zset.clear(store),
        Removal::Members(members) if members.is_empty() => {}
        Removal::Members(members) => zset.remove_all(store, &members),
    }
    let removed = size - zset.len();
    if removed > 0 {
        finish(store, zset, event);
    }
    ctx.reply.int(removed as i64);
    Ok(())
}

/// Writes what `event` removed, and notes it.
pub(super) fn finish(store: &mut Store<'_>, mut zset: Zset<'_>, event: &'static str) {
    zset.save(store);
    store.notify(EventClass::ZSET, event, zset.key());
    if zset.is_empty() {
        store.notify(EventClass::GENERIC, "del", zset.key());
    }
}
