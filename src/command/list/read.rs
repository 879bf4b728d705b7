//! LLEN, LINDEX, LRANGE and LPOS.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::types::list::{self, List};

pub(super) const LLEN: Spec = Spec::read("llen", 2, ONE_KEY, llen).flags(Flags::FAST).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Get the length of a list",
);

fn llen(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let list = List::load(&mut ctx.store, args.at(1))?;
    ctx.reply.int(list.map_or(0, |list| list.len() as i64));
    Ok(())
}

pub(super) const LINDEX: Spec = Spec::read("lindex", 3, ONE_KEY, lindex).doc(
    GROUP,
    "1.0.0",
    "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
    "Get an element from a list by its index",
);

fn lindex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let Some(list) = List::load(store, key)? else {
        reply.null();
        return Ok(());
    };
    match list.place(parse::integer(args.at(2))?) {
        Some(place) => list::read(store, key, &list, place, |element| reply.bulk(element)),
        None => {
            reply.null();
            Ok(())
        }
    }
}

pub(super) const LRANGE: Spec = Spec::read("lrange", 4, ONE_KEY, lrange).doc(
    GROUP,
    "1.0.0",
    "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
    "Get a range of elements from a list",
);

fn lrange(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let start = parse::integer(args.at(2))?;
    let stop = parse::integer(args.at(3))?;
    let found = List::load(store, key)?;
    let range = found.and_then(|list| {
        let (first, last) = parse::index_range(start, stop, list.len())?;
        Some((list, first, last - first + 1))
    });
    let Some((list, first, count)) = range else {
        reply.array(0);
        return Ok(());
    };
    reply.array(count as usize);
    list::read_range(store, key, &list, first, count, false, |element| {
        reply.bulk(element)
    })
}

pub(super) const LPOS: Spec = Spec::read("lpos", -3, ONE_KEY, lpos).doc(
    GROUP,
    "6.0.6",
    "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
    "Return the index of matching elements on a list",
);

fn lpos(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let options = LposOptions::parse(args)?;
    let DataCtx { store, reply, .. } = ctx;
    let (key, wanted) = (args.at(1), args.at(2));
    let mut places = Vec::new();
    if let Some(list) = List::load(store, key)? {
        let reverse = options.rank < 0;
        let compared = list.len().min(options.compared_max);
        let first = if reverse { list.len() - compared } else { 0 };
        let mut to_skip = options.rank.unsigned_abs() - 1;
        let limit = options.count.unwrap_or(1);
        list::search(
            store,
            key,
            &list,
            first,
            compared,
            reverse,
            |place, element| {
                if element == wanted {
                    if to_skip > 0 {
                        to_skip -= 1;
                    } else {
                        places.push(place);
                    }
                }
                places.len() as u64 == limit
            },
        )?;
    }
    if options.count.is_some() {
        reply.array(places.len());
        places.iter().for_each(|&place| reply.int(place as i64));
    } else {
        match places.first() {
            Some(&place) => reply.int(place as i64),
            None => reply.null(),
        }
    }
    Ok(())
}

struct LposOptions {
    /// The first match to answer, counted from 1, or from -1 at the end of the list. Never 0.
    rank: i64,
    /// How many matches to answer, as an array.
    count: Option<u64>,
    /// How many elements to compare at most.
    compared_max: u64,
}

impl LposOptions {
    fn parse(args: Args<'_>) -> Result<LposOptions, ReplyError> {
        const ZERO_RANK: ReplyError = ReplyError::fixed(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        );
        const NEGATIVE_COUNT: ReplyError = ReplyError::fixed("ERR COUNT can't be negative");
        const NEGATIVE_MAXLEN: ReplyError = ReplyError::fixed("ERR MAXLEN can't be negative");
        // A limit of zero is none.
        let limit = |arg, negative| match parse::integer_within(arg, 0, i64::MAX, negative)? {
            0 => Ok(u64::MAX),
            limit => Ok(limit as u64),
        };
        let mut options = LposOptions {
            rank: 1,
            count: None,
            compared_max: u64::MAX,
        };
        for at in (3..args.len()).step_by(2) {
            let value = args.get(at + 1).ok_or(SYNTAX)?;
            if args.is(at, "rank") {
                options.rank = parse::integer(value)?;
                if options.rank == 0 {
                    return Err(ZERO_RANK);
                }
            } else if args.is(at, "count") {
                options.count = Some(limit(value, NEGATIVE_COUNT)?);
            } else if args.is(at, "maxlen") {
                options.compared_max = limit(value, NEGATIVE_MAXLEN)?;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(options)
    }
}
