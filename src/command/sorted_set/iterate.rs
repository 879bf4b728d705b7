//! ZRANDMEMBER and ZSCAN.

use super::{GROUP, MemberList};
use crate::command::parse;
use crate::command::spec::{ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{INVALID_CURSOR, OUT_OF_RANGE, ReplyError, SYNTAX};
use crate::limits::RANDOM_REPEATS_MAX;
use crate::resp::Args;
use crate::storage::types::members::{Draw, Page};
use crate::storage::types::zset::walk::{Stretch, Window};
use crate::storage::types::zset::{Scored, Zset};
use crate::text::float::write_f64_17g;

pub(super) const ZRANDMEMBER: Spec = Spec::read("zrandmember", -2, ONE_KEY, zrandmember).doc(
    GROUP,
    "6.2.0",
    "O(N) where N is the number of elements returned",
    "Get one or multiple random elements from a sorted set",
);

fn zrandmember(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if let Some(count) = args.get(2) {
        let (count, with_scores) = count_and_scores(count, args.from(3))?;
        return random_members(ctx, args.at(1), count, with_scores);
    }
    let drawn = match Zset::open_to_read(&mut ctx.store, args.at(1))? {
        Some(zset) => zset.draw(&mut ctx.store, Draw::Distinct(1), &mut ctx.rng)?,
        None => Vec::new(),
    };
    ctx.reply
        .bulk_or_null(drawn.first().map(|(member, _)| &**member));
    Ok(())
}

/// `count [WITHSCORES]`. A negative count allows repetition; its size must leave room for doubling with scores.
fn count_and_scores(count: &[u8], options: Args<'_>) -> Result<(i64, bool), ReplyError> {
    let count = parse::integer_between(count, -i64::MAX, i64::MAX)?;
    let with_scores = match options.len() {
        0 => false,
        1 if options.is(0, "withscores") => true,
        _ => return Err(SYNTAX),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    Ok((count, with_scores))
}

fn random_members(ctx: &mut DataCtx<'_>, key: &[u8], count: i64, with_scores: bool) -> Run {
    let store = &mut ctx.store;
    let wanted = count.unsigned_abs();
    let mut list = MemberList::begin(ctx.reply, with_scores);
    match Zset::open_to_read(store, key)? {
        Some(zset) if count > 0 && wanted >= zset.len() => {
            // Redis lists a whole set from the highest score down; clients cannot rely on it, but tests compare.
            zset.walk(
                store,
                &Stretch::everything(),
                Window::all(true),
                |score, member| {
                    list.push(ctx.reply, member, score);
                },
            )?;
        }
        Some(zset) if count != 0 => {
            let draw = if count > 0 {
                Draw::Distinct(wanted)
            } else if wanted <= RANDOM_REPEATS_MAX {
                Draw::Repeated(wanted)
            } else {
                return Err(OUT_OF_RANGE.into());
            };
            for (member, score) in zset.draw(store, draw, &mut ctx.rng)? {
                list.push(ctx.reply, &member, score);
            }
        }
        _ => {}
    }
    list.end(ctx.reply);
    Ok(())
}

pub(super) const ZSCAN: Spec = Spec::read("zscan", -3, ONE_KEY, zscan).doc(
    GROUP,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
    "Incrementally iterate sorted sets elements and associated scores",
);

/// A set small enough for Redis's compact encoding comes whole and in score order, as there; a larger one in the order of
/// the members' bytes, so that a cursor survives every change of scores.
fn zscan(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let cursor = parse::cursor(args.at(2))?;
    let Some(zset) = Zset::open_to_read(&mut ctx.store, args.at(1))? else {
        reply_scan(ctx, 0, &[]);
        return Ok(());
    };
    let options = parse::scan_options(args, 3, false)?;
    let (mut members, next) = if zset.len() <= ctx.settings.encoding.zset_max_listpack_entries {
        let all = Stretch::everything();
        let members = zset.collect(&mut ctx.store, &all, Window::all(false))?;
        (members, 0)
    } else {
        let after = match cursor {
            0 => None,
            _ => Some(ctx.cursors.position(cursor).ok_or(INVALID_CURSOR)?),
        };
        let page = Page {
            after,
            count: options.count,
            pattern: options.pattern,
        };
        let mut members = Vec::new();
        let last = zset.page(&mut ctx.store, &page, &mut members)?;
        (members, last.map_or(0, |last| ctx.cursors.issue(&last)))
    };
    members.retain(|(member, _)| options.wants(member));
    reply_scan(ctx, next, &members);
    Ok(())
}

fn reply_scan(ctx: &mut DataCtx<'_>, cursor: u64, members: &[Scored]) {
    let mut text = Vec::with_capacity(26);
    ctx.reply.array(2);
    crate::text::int::write_u64(&mut text, cursor);
    ctx.reply.bulk(&text);
    ctx.reply.array(members.len() * 2);
    for (member, score) in members {
        text.clear();
        write_f64_17g(&mut text, *score);
        ctx.reply.bulk(member);
        ctx.reply.bulk(&text);
    }
}
