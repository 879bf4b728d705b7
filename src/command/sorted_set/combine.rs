//! ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD. Sets are sources too.

use super::{GROUP, MemberList, notify_stored};
use crate::command::parse;
use crate::command::spec::{Flags, KeySpec, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::store::Store;
use crate::storage::types::zset::combine::{
    Aggregate, Source, difference, intersection, sort, union,
};
use crate::storage::types::zset::{Scored, overwrite};

const SOURCES: KeySpec = KeySpec::Counted {
    count: 1,
    destination: None,
};
const DESTINATION_AND_SOURCES: KeySpec = KeySpec::Counted {
    count: 2,
    destination: Some(1),
};
const INTER: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.";
const DIFF: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.";

pub(super) const ZUNION: Spec = Spec::read("zunion", -3, SOURCES, zunion)
    .flags(Flags::MOVABLE_KEYS)
    .doc(
        GROUP,
        "6.2.0",
        "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
        "Add multiple sorted sets",
    );

fn zunion(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_result(ctx, args, "zunion", Operation::Union)
}

pub(super) const ZINTER: Spec = Spec::read("zinter", -3, SOURCES, zinter)
    .flags(Flags::MOVABLE_KEYS)
    .doc(GROUP, "6.2.0", INTER, "Intersect multiple sorted sets");

fn zinter(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_result(ctx, args, "zinter", Operation::Intersection)
}

pub(super) const ZDIFF: Spec = Spec::read("zdiff", -3, SOURCES, zdiff)
    .flags(Flags::MOVABLE_KEYS)
    .doc(GROUP, "6.2.0", DIFF, "Subtract multiple sorted sets");

fn zdiff(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    reply_result(ctx, args, "zdiff", Operation::Difference)
}

pub(super) const ZUNIONSTORE: Spec = Spec::write(
    "zunionstore",
    -4,
    DESTINATION_AND_SOURCES,
    zunionstore,
)
.flags(Flags::DENYOOM.and(Flags::MOVABLE_KEYS))
.doc(
    GROUP,
    "2.0.0",
    "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
    "Add multiple sorted sets and store the resulting sorted set in a new key",
);

fn zunionstore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    store_result(ctx, args, "zunionstore", Operation::Union)
}

pub(super) const ZINTERSTORE: Spec =
    Spec::write("zinterstore", -4, DESTINATION_AND_SOURCES, zinterstore)
        .flags(Flags::DENYOOM.and(Flags::MOVABLE_KEYS))
        .doc(
            GROUP,
            "2.0.0",
            INTER,
            "Intersect multiple sorted sets and store the resulting sorted set in a new key",
        );

fn zinterstore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    store_result(ctx, args, "zinterstore", Operation::Intersection)
}

pub(super) const ZDIFFSTORE: Spec =
    Spec::write("zdiffstore", -4, DESTINATION_AND_SOURCES, zdiffstore)
        .flags(Flags::DENYOOM.and(Flags::MOVABLE_KEYS))
        .doc(
            GROUP,
            "6.2.0",
            DIFF,
            "Subtract multiple sorted sets and store the resulting sorted set in a new key",
        );

fn zdiffstore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    store_result(ctx, args, "zdiffstore", Operation::Difference)
}

pub(super) const ZINTERCARD: Spec = Spec::read("zintercard", -3, SOURCES, zintercard)
    .flags(Flags::MOVABLE_KEYS)
    .doc(
        GROUP,
        "7.0.0",
        "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
        "Intersect multiple sorted sets and return the cardinality of the result",
    );

fn zintercard(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let allowed = Allowed {
        limit: true,
        ..Allowed::default()
    };
    let request = Request::read(&mut ctx.store, args.from(1), "zintercard", allowed)?;
    let members = intersection(&mut ctx.store, request.sources, request.aggregate)?;
    let count = members.len() as u64;
    ctx.reply.int(match request.limit {
        0 => count,
        limit => count.min(limit),
    } as i64);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

fn reply_result(ctx: &mut DataCtx<'_>, args: Args<'_>, name: &str, operation: Operation) -> Run {
    let allowed = Allowed {
        weights: operation != Operation::Difference,
        with_scores: true,
        limit: false,
    };
    let request = Request::read(&mut ctx.store, args.from(1), name, allowed)?;
    let with_scores = request.with_scores;
    let mut members = request.run(&mut ctx.store, operation)?;
    sort(&mut members);
    let mut list = MemberList::begin(ctx.reply, with_scores);
    for (member, score) in &members {
        list.push(ctx.reply, member, *score);
    }
    list.end(ctx.reply);
    Ok(())
}

fn store_result(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    name: &'static str,
    operation: Operation,
) -> Run {
    let allowed = Allowed {
        weights: operation != Operation::Difference,
        ..Allowed::default()
    };
    let store = &mut ctx.store;
    let request = Request::read(store, args.from(2), name, allowed)?;
    let mut members = request.run(store, operation)?;
    // Not needed for the result: it makes the record the same whatever the order of a hash table.
    sort(&mut members);
    let key = args.at(1);
    let stored = overwrite(store, key, &members)?;
    notify_stored(store, stored, name, key);
    ctx.reply.count(members.len());
    Ok(())
}

/// Which options a command has.
#[derive(Clone, Copy, Default)]
struct Allowed {
    /// WEIGHTS and AGGREGATE.
    weights: bool,
    with_scores: bool,
    limit: bool,
}

/// `numkeys key [key ...] [option ...]`
struct Request {
    sources: Vec<Source>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Zero is none.
    limit: u64,
}

impl Request {
    /// Reads the request. Redis looks at the keys before the options, so a wrong type comes before a wrong option.
    fn read(store: &mut Store<'_>, args: Args<'_>, name: &str, allowed: Allowed) -> Run<Request> {
        let count = parse::integer(args.at(0))?;
        if count < 1 {
            return Err(ReplyError::new(format!(
                "ERR at least 1 input key is needed for '{name}' command"
            ))
            .into());
        }
        let count = usize::try_from(count).map_err(|_| SYNTAX)?;
        if count > args.len() - 1 {
            return Err(SYNTAX.into());
        }
        let mut sources = Vec::with_capacity(count);
        for key in args.from(1).up_to(count).iter() {
            sources.push(Source::open(store, key)?);
        }
        let mut request = Request {
            sources,
            aggregate: Aggregate::default(),
            with_scores: false,
            limit: 0,
        };
        request.read_options(args.from(1 + count), allowed)?;
        Ok(request)
    }

    fn read_options(&mut self, args: Args<'_>, allowed: Allowed) -> Result<(), ReplyError> {
        const NOT_A_WEIGHT: ReplyError = ReplyError::fixed("ERR weight value is not a float");
        const NEGATIVE_LIMIT: ReplyError = ReplyError::fixed("ERR LIMIT can't be negative");
        let mut at = 0;
        while at < args.len() {
            let behind = args.len() - at - 1;
            if allowed.weights && behind >= self.sources.len() && args.is(at, "weights") {
                for source in &mut self.sources {
                    at += 1;
                    source.weight = parse::float(args.at(at)).map_err(|_| NOT_A_WEIGHT)?;
                }
            } else if allowed.weights && behind >= 1 && args.is(at, "aggregate") {
                at += 1;
                self.aggregate = match args.at(at).to_ascii_lowercase().as_slice() {
                    b"sum" => Aggregate::Sum,
                    b"min" => Aggregate::Min,
                    b"max" => Aggregate::Max,
                    _ => return Err(SYNTAX),
                };
            } else if allowed.with_scores && args.is(at, "withscores") {
                self.with_scores = true;
            } else if allowed.limit && behind >= 1 && args.is(at, "limit") {
                at += 1;
                let limit = parse::integer_within(args.at(at), 0, i64::MAX, NEGATIVE_LIMIT)?;
                self.limit = limit as u64;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        Ok(())
    }

    fn run(self, store: &mut Store<'_>, operation: Operation) -> Run<Vec<Scored>> {
        match operation {
            Operation::Union => union(store, self.sources, self.aggregate),
            Operation::Intersection => intersection(store, self.sources, self.aggregate),
            Operation::Difference => difference(store, self.sources),
        }
    }
}
