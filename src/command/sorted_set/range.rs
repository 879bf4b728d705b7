//! ZRANGE and its older forms, and ZRANGESTORE: one reading of the arguments, one walk.

use super::{GROUP, MemberList, bounds, notify_stored};
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec, TWO_KEYS};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::store::Store;
use crate::storage::types::score::ScoreRange;
use crate::storage::types::zset::walk::{LexRange, Stretch, Window};
use crate::storage::types::zset::{Scored, Zset, overwrite};

const RETURNED_M: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.";
const BEING_RETURNED_M: &str = "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).";

pub(super) const ZRANGE: Spec = Spec::read("zrange", -4, ONE_KEY, zrange).doc(
    GROUP,
    "1.2.0",
    RETURNED_M,
    "Return a range of members in a sorted set",
);

fn zrange(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_range(ctx, args, Form::default())
}

pub(super) const ZREVRANGE: Spec = Spec::read("zrevrange", -4, ONE_KEY, zrevrange).doc(
    GROUP,
    "1.2.0",
    RETURNED_M,
    "Return a range of members in a sorted set, by index, with scores ordered from high to low",
);

fn zrevrange(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_range(ctx, args, Form::fixed(By::Rank, true))
}

pub(super) const ZRANGEBYSCORE: Spec = Spec::read("zrangebyscore", -4, ONE_KEY, zrangebyscore).doc(
    GROUP,
    "1.0.5",
    BEING_RETURNED_M,
    "Return a range of members in a sorted set, by score",
);

fn zrangebyscore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_range(ctx, args, Form::fixed(By::Score, false))
}

pub(super) const ZREVRANGEBYSCORE: Spec =
    Spec::read("zrevrangebyscore", -4, ONE_KEY, zrevrangebyscore).doc(
        GROUP,
        "2.2.0",
        BEING_RETURNED_M,
        "Return a range of members in a sorted set, by score, with scores ordered from high to low",
    );

fn zrevrangebyscore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_range(ctx, args, Form::fixed(By::Score, true))
}

pub(super) const ZRANGEBYLEX: Spec = Spec::read("zrangebylex", -4, ONE_KEY, zrangebylex).doc(
    GROUP,
    "2.8.9",
    BEING_RETURNED_M,
    "Return a range of members in a sorted set, by lexicographical range",
);

fn zrangebylex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_range(ctx, args, Form::fixed(By::Lex, false))
}

pub(super) const ZREVRANGEBYLEX: Spec = Spec::read("zrevrangebylex", -4, ONE_KEY, zrevrangebylex)
    .doc(
        GROUP,
        "2.8.9",
        BEING_RETURNED_M,
        "Return a range of members in a sorted set, by lexicographical range, ordered from higher to lower strings.",
    );

fn zrevrangebylex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_range(ctx, args, Form::fixed(By::Lex, true))
}

pub(super) const ZRANGESTORE: Spec = Spec::write("zrangestore", -5, TWO_KEYS, zrangestore)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "6.2.0",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
        "Store a range of members from sorted set into another key",
    );

fn zrangestore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let form = Form {
        store: true,
        ..Form::default()
    };
    let source = args.from(1);
    let query = Query::read(source, form)?;
    let store = &mut ctx.store;
    let mut members: Vec<Scored> = Vec::new();
    if let Some(zset) = Zset::open_to_read(store, source.at(1))? {
        query.walk(store, &zset, |score, member| {
            members.push((member.into(), score));
        })?;
    }
    let key = args.at(1);
    let stored = overwrite(store, key, &members)?;
    notify_stored(store, stored, "zrangestore", key);
    ctx.reply.count(members.len());
    Ok(())
}

fn reply_range(ctx: &mut DataCtx<'_>, args: Args<'_>, form: Form) -> Run {
    let query = Query::read(args, form)?;
    let zset = Zset::open_to_read(&mut ctx.store, args.at(1))?;
    let mut list = MemberList::begin(ctx.reply, query.with_scores);
    if let Some(zset) = zset {
        let reply = &mut *ctx.reply;
        query.walk(&mut ctx.store, &zset, |score, member| {
            list.push(reply, member, score);
        })?;
    }
    list.end(ctx.reply);
    Ok(())
}

/// What the ends of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command's name says already, and its options may not say again.
#[derive(Clone, Copy, Default)]
struct Form {
    by: Option<By>,
    reverse: Option<bool>,
    /// ZRANGESTORE: no scores to ask for.
    store: bool,
}

impl Form {
    fn fixed(by: By, reverse: bool) -> Form {
        Form {
            by: Some(by),
            reverse: Some(reverse),
            store: false,
        }
    }
}

/// A range as asked for.
struct Query<'a> {
    span: Span<'a>,
    reverse: bool,
    with_scores: bool,
    /// LIMIT's two numbers; by rank they are not used.
    offset: i64,
    limit: i64,
}

enum Span<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

impl<'a> Query<'a> {
    /// Reads `name key min max [option ...]`.
    fn read(args: Args<'a>, form: Form) -> Result<Query<'a>, ReplyError> {
        let mut by = form.by;
        let mut reverse = form.reverse;
        let mut with_scores = false;
        let (mut offset, mut limit) = (0, -1);
        let mut at = 4;
        while at < args.len() {
            if !form.store && args.is(at, "withscores") {
                with_scores = true;
            } else if args.is(at, "limit") && at + 2 < args.len() {
                offset = parse::integer(args.at(at + 1))?;
                limit = parse::integer(args.at(at + 2))?;
                at += 2;
            } else if reverse.is_none() && args.is(at, "rev") {
                reverse = Some(true);
            } else if by.is_none() && args.is(at, "bylex") {
                by = Some(By::Lex);
            } else if by.is_none() && args.is(at, "byscore") {
                by = Some(By::Score);
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        let by = by.unwrap_or(By::Rank);
        let reverse = reverse.unwrap_or(false);
        if limit != -1 && by == By::Rank {
            return Err(ReplyError::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(ReplyError::fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (min, max) = match reverse {
            false => (args.at(2), args.at(3)),
            true => (args.at(3), args.at(2)),
        };
        let span = match by {
            // Ranks count from the end that REV names: their order stays.
            By::Rank => Span::Ranks(parse::integer(args.at(2))?, parse::integer(args.at(3))?),
            By::Score => Span::Scores(bounds::scores(min, max)?),
            By::Lex => Span::Members(bounds::members(min, max)?),
        };
        Ok(Query {
            span,
            reverse,
            with_scores,
            offset,
            limit,
        })
    }

    /// Calls `visit` on what is asked for, in order.
    fn walk(&self, store: &mut Store<'_>, zset: &Zset<'_>, visit: impl FnMut(f64, &[u8])) -> Run {
        if let Span::Ranks(start, stop) = self.span {
            return match parse::index_range(start, stop, zset.len()) {
                Some(ranks) => zset.walk_ranks(store, ranks, self.reverse, visit),
                None => Ok(()),
            };
        }
        // A negative offset skips everything, a negative limit is none.
        let Ok(skip) = u64::try_from(self.offset) else {
            return Ok(());
        };
        if skip >= zset.len() {
            return Ok(());
        }
        let window = Window {
            reverse: self.reverse,
            skip,
            take: u64::try_from(self.limit).unwrap_or(u64::MAX),
        };
        match &self.span {
            Span::Scores(range) if range.is_empty() => Ok(()),
            Span::Scores(range) => zset.walk(store, &Stretch::scores(*range), window, visit),
            Span::Members(range) => zset.walk_lex(store, range, window, visit),
            Span::Ranks(..) => Ok(()),
        }
    }
}
