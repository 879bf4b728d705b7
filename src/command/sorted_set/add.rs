//! ZADD and ZINCRBY.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::store::{EventClass, Store};
use crate::storage::types::zset::Zset;

pub(super) const ZADD: Spec = Spec::write("zadd", -4, ONE_KEY, zadd)
    .flags(Flags::DENYOOM.and(Flags::FAST))
    .doc(
        GROUP,
        "1.2.0",
        "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        "Add one or more members to a sorted set, or update its score if it already exists",
    );

fn zadd(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    add(ctx, args, false)
}

pub(super) const ZINCRBY: Spec = Spec::write("zincrby", 4, ONE_KEY, zincrby)
    .flags(Flags::DENYOOM.and(Flags::FAST))
    .doc(
        GROUP,
        "1.2.0",
        "O(log(N)) where N is the number of elements in the sorted set.",
        "Increment the score of a member in a sorted set",
    );

fn zincrby(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    add(ctx, args, true)
}

/// ZADD's options.
#[derive(Clone, Copy, Default)]
struct Options {
    /// Only add.
    nx: bool,
    /// Only change.
    xx: bool,
    /// Only change to a greater score.
    gt: bool,
    /// Only change to a smaller score.
    lt: bool,
    /// Count changes too.
    ch: bool,
    /// Add to the score that is there.
    incr: bool,
}

impl Options {
    /// Reads the options; also gives the index of the first score.
    fn read(args: Args<'_>, incr: bool) -> (Options, usize) {
        let mut options = Options {
            incr,
            ..Options::default()
        };
        let mut at = 2;
        while at < args.len() {
            let option = match args.at(at) {
                option if option.eq_ignore_ascii_case(b"nx") => &mut options.nx,
                option if option.eq_ignore_ascii_case(b"xx") => &mut options.xx,
                option if option.eq_ignore_ascii_case(b"gt") => &mut options.gt,
                option if option.eq_ignore_ascii_case(b"lt") => &mut options.lt,
                option if option.eq_ignore_ascii_case(b"ch") => &mut options.ch,
                option if option.eq_ignore_ascii_case(b"incr") => &mut options.incr,
                _ => break,
            };
            *option = true;
            at += 1;
        }
        (options, at)
    }

    fn check(&self, pairs: usize) -> Result<(), ReplyError> {
        if self.nx && self.xx {
            return Err(ReplyError::fixed(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        if (self.nx && (self.gt || self.lt)) || (self.gt && self.lt) {
            return Err(ReplyError::fixed(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.incr && pairs > 1 {
            return Err(ReplyError::fixed(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok(())
    }
}

/// What became of one member.
enum Outcome {
    Added(f64),
    Changed(f64),
    /// It has this score and had it before.
    Same(f64),
    /// An option forbade it.
    Refused,
}

fn add(ctx: &mut DataCtx<'_>, args: Args<'_>, incr: bool) -> Run {
    let (options, first) = Options::read(args, incr);
    let pairs = args.from(first);
    if pairs.len() == 0 || pairs.len() % 2 == 1 {
        return Err(SYNTAX.into());
    }
    options.check(pairs.len() / 2)?;
    let scores = (0..pairs.len())
        .step_by(2)
        .map(|at| parse::float(pairs.at(at)))
        .collect::<Result<Vec<f64>, ReplyError>>()?;
    let key = args.at(1);
    let store = &mut ctx.store;
    let mut zset = match Zset::open(store, key)? {
        Some(zset) => zset,
        // Nothing can be refused but by XX then: the key is made.
        None if !options.xx => {
            store.notify(EventClass::NEW, "new", key);
            Zset::create(store, key)
        }
        None if options.incr => {
            ctx.reply.null();
            return Ok(());
        }
        None => {
            ctx.reply.int(0);
            return Ok(());
        }
    };
    let mut added = 0;
    let mut changed = 0;
    let mut last = None;
    for (index, score) in scores.into_iter().enumerate() {
        let member = pairs.at(index * 2 + 1);
        let outcome = add_one(store, &mut zset, options, member, score);
        zset.want_if_cold(&outcome, store, || {
            pairs.from(index * 2 + 2).iter().skip(1).step_by(2)
        });
        last = match outcome? {
            Outcome::Added(score) => {
                added += 1;
                Some(score)
            }
            Outcome::Changed(score) => {
                changed += 1;
                Some(score)
            }
            Outcome::Same(score) => Some(score),
            Outcome::Refused => None,
        };
    }
    zset.save(store);
    if added + changed > 0 {
        let event = if options.incr { "zincr" } else { "zadd" };
        store.notify(EventClass::ZSET, event, key);
    }
    match (options.incr, last) {
        (true, Some(score)) => ctx.reply.double(score),
        (true, None) => ctx.reply.null(),
        (false, _) => ctx.reply.int(added + if options.ch { changed } else { 0 }),
    }
    Ok(())
}

fn add_one(
    store: &mut Store<'_>,
    zset: &mut Zset<'_>,
    options: Options,
    member: &[u8],
    score: f64,
) -> Run<Outcome> {
    // A new set has no members to look for, but those that this command gave it.
    let old = if zset.is_empty() {
        None
    } else {
        zset.score(store, member)?
    };
    let Some(old) = old else {
        if options.xx {
            return Ok(Outcome::Refused);
        }
        zset.add(store, member, score);
        return Ok(Outcome::Added(score));
    };
    if options.nx {
        return Ok(Outcome::Refused);
    }
    let new = if options.incr { old + score } else { score };
    if new.is_nan() {
        return Err(ReplyError::fixed("ERR resulting score is not a number (NaN)").into());
    }
    if (options.lt && new >= old) || (options.gt && new <= old) {
        return Ok(Outcome::Refused);
    }
    if new == old {
        return Ok(Outcome::Same(new));
    }
    zset.rescore(store, member, old, new);
    Ok(Outcome::Changed(new))
}
