//! SORT and SORT_RO: the elements of a list, set or sorted set, sorted by themselves or by other keys, as they are or
//! exchanged for other keys' values.
//!
//! Texts are compared as C strings by their bytes (redis-server compares them by its locale, which is C unless its
//! environment says otherwise); what is stored is compared by all its bytes. The order of a set that is not to be sorted is
//! that of its members' bytes.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::command::parse;
use crate::command::spec::{Flags, KeySpec, ONE_KEY, Spec};
use crate::command::{DataCtx, Halt, Run};
use crate::error::{ReplyError, SYNTAX, WRONG_TYPE};
use crate::resp::Args;
use crate::storage::metadata::{Header, Type};
use crate::storage::store::{EventClass, Store};
use crate::storage::types::list::{self, List};
use crate::storage::types::zset::Zset;
use crate::storage::types::{hash, members};
use crate::text::float::parse_f64_as_c;

/// The commands of this file.
pub const SPECS: &[Spec] = &[SORT, SORT_RO];

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned elements. When the elements are not sorted, complexity is O(N).";

const SORT: Spec = Spec::write(
    "sort",
    -2,
    KeySpec::Custom {
        positions: key_positions,
        first: 1,
        last: 1,
        step: 1,
    },
    sort,
)
.flags(Flags::DENYOOM.and(Flags::MOVABLE_KEYS))
.doc(
    "generic",
    "1.0.0",
    COMPLEXITY,
    "Sort the elements in a list, set or sorted set",
);

fn sort(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    run(ctx, args, true)
}

const SORT_RO: Spec = Spec::read("sort_ro", -2, ONE_KEY, sort_ro)
    .flags(Flags::MOVABLE_KEYS)
    .doc(
        "generic",
        "7.0.0",
        COMPLEXITY,
        "Sort the elements in a list, set or sorted set. Read-only variant of SORT.",
    );

fn sort_ro(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    run(ctx, args, false)
}

/// The sorted key, and the destination behind the last STORE. The keys that BY and GET make up are not known beforehand.
fn key_positions(args: Args<'_>) -> Result<Vec<usize>, ReplyError> {
    let mut destination = None;
    let mut at = 2;
    while at < args.len() {
        match args.at(at).to_ascii_lowercase().as_slice() {
            b"limit" => at += 2,
            b"get" | b"by" => at += 1,
            b"store" if at + 1 < args.len() => destination = Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    Ok(std::iter::once(1).chain(destination).collect())
}

/// What is asked for.
#[derive(Default)]
struct Request<'a> {
    descending: bool,
    /// Compare texts, not numbers.
    alpha: bool,
    /// LIMIT's two numbers.
    offset: i64,
    limit: Option<i64>,
    by: Option<&'a [u8]>,
    /// A BY that names no other keys: leave the order as it is.
    as_it_is: bool,
    get: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn read(
        args: Args<'a>,
        may_store: bool,
        cluster_enabled: bool,
    ) -> Result<Request<'a>, ReplyError> {
        const NO_BY: ReplyError =
            ReplyError::fixed("ERR BY option of SORT denied in Cluster mode.");
        const NO_GET: ReplyError =
            ReplyError::fixed("ERR GET option of SORT denied in Cluster mode.");
        let mut request = Request::default();
        let mut at = 2;
        while at < args.len() {
            let behind = args.len() - at - 1;
            if args.is(at, "asc") {
                request.descending = false;
            } else if args.is(at, "desc") {
                request.descending = true;
            } else if args.is(at, "alpha") {
                request.alpha = true;
            } else if behind >= 2 && args.is(at, "limit") {
                request.offset = parse::integer(args.at(at + 1))?;
                request.limit = Some(parse::integer(args.at(at + 2))?);
                at += 2;
            } else if may_store && behind >= 1 && args.is(at, "store") {
                request.store = Some(args.at(at + 1));
                at += 1;
            } else if behind >= 1 && args.is(at, "by") {
                let pattern = args.at(at + 1);
                request.by = Some(pattern);
                if !c_string(pattern).contains(&b'*') {
                    // A later BY with a star does not take this back.
                    request.as_it_is = true;
                } else if cluster_enabled {
                    return Err(NO_BY);
                }
                at += 1;
            } else if behind >= 1 && args.is(at, "get") {
                if cluster_enabled {
                    return Err(NO_GET);
                }
                request.get.push(args.at(at + 1));
                at += 1;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        Ok(request)
    }

    /// Which of `len` elements LIMIT leaves: the first one, and how many.
    fn window(&self, len: u64) -> (u64, u64) {
        let first = u64::try_from(self.offset).unwrap_or(0).min(len);
        let count = self.limit.and_then(|limit| u64::try_from(limit).ok());
        (first, count.unwrap_or(len).min(len - first))
    }
}

fn run(ctx: &mut DataCtx<'_>, args: Args<'_>, may_store: bool) -> Run {
    let mut request = Request::read(args, may_store, ctx.settings.cluster_enabled)?;
    let store = &mut ctx.store;
    let source = Source::open(store, args.at(1))?;
    if request.as_it_is && request.store.is_some() && matches!(source, Source::Set(..)) {
        // What is stored of a set must be the same on every server.
        request.as_it_is = false;
        request.alpha = true;
        request.by = None;
    }
    let elements = if request.as_it_is {
        source.window(store, &request)?
    } else {
        let elements = source.all(store)?;
        sorted(store, elements, &request)?
    };
    match request.store {
        None => answer(ctx, &elements, &request.get),
        Some(destination) => store_result(ctx, destination, elements, &request.get),
    }
}

/// What is sorted.
enum Source<'k> {
    Nothing,
    List(&'k [u8], List),
    Set(&'k [u8], Header),
    Zset(Zset<'k>),
}

impl<'k> Source<'k> {
    fn open(store: &mut Store<'_>, key: &'k [u8]) -> Run<Source<'k>> {
        let header = store.header(key)?;
        let source = match header.map(|header| (header.kind(), header)) {
            None => Source::Nothing,
            Some((Type::List, _)) => {
                List::load(store, key)?.map_or(Source::Nothing, |list| Source::List(key, list))
            }
            Some((Type::Set, header)) => Source::Set(key, header),
            Some((Type::Zset, _)) => Zset::open(store, key)?.map_or(Source::Nothing, Source::Zset),
            Some(_) => return Err(WRONG_TYPE.into()),
        };
        store.looked_up(key, header.is_some());
        Ok(source)
    }

    fn len(&self) -> u64 {
        match self {
            Source::Nothing => 0,
            Source::List(_, list) => list.len(),
            Source::Set(_, header) => header.size,
            Source::Zset(zset) => zset.len(),
        }
    }

    /// Every element, in the order of the collection.
    fn all(&self, store: &mut Store<'_>) -> Run<Vec<Box<[u8]>>> {
        self.stretch(store, 0, self.len(), false)
    }

    /// The elements that LIMIT leaves, in the order of the collection or, for lists and sorted sets with DESC, against it.
    fn window(&self, store: &mut Store<'_>, request: &Request<'_>) -> Run<Vec<Box<[u8]>>> {
        let (first, count) = request.window(self.len());
        self.stretch(store, first, count, request.descending)
    }

    fn stretch(
        &self,
        store: &mut Store<'_>,
        first: u64,
        count: u64,
        reverse: bool,
    ) -> Run<Vec<Box<[u8]>>> {
        let mut elements: Vec<Box<[u8]>> = Vec::new();
        match self {
            _ if count == 0 => {}
            Source::Nothing => {}
            Source::List(key, list) => {
                let place = if reverse {
                    list.len() - first - count
                } else {
                    first
                };
                list::read_range(store, key, list, place, count, reverse, |element| {
                    elements.push(element.into());
                })?;
            }
            Source::Set(key, header) => {
                members::walk(store, key, header, |member, _| elements.push(member.into()))?;
                elements = elements
                    .into_iter()
                    .skip(first as usize)
                    .take(count as usize)
                    .collect();
            }
            Source::Zset(zset) => {
                let ranks = (first, first + count - 1);
                zset.walk_ranks(store, ranks, reverse, |_, member| {
                    elements.push(member.into());
                })?;
            }
        }
        Ok(elements)
    }
}

/// The elements that LIMIT leaves of `elements` once they are sorted.
fn sorted(
    store: &mut Store<'_>,
    elements: Vec<Box<[u8]>>,
    request: &Request<'_>,
) -> Run<Vec<Box<[u8]>>> {
    let (first, count) = request.window(elements.len() as u64);
    let sorted = match (request.alpha, request.by) {
        (false, _) => by_number(store, elements, request)?,
        (true, None) => {
            let compare = text_order(request);
            let mut elements = elements;
            elements.sort_by(|a, b| directed(compare(a, b), request));
            elements
        }
        (true, Some(pattern)) => by_other_text(store, elements, pattern, request)?,
    };
    Ok(sorted
        .into_iter()
        .skip(first as usize)
        .take(count as usize)
        .collect())
}

fn by_number(
    store: &mut Store<'_>,
    elements: Vec<Box<[u8]>>,
    request: &Request<'_>,
) -> Run<Vec<Box<[u8]>>> {
    const NOT_NUMBERS: ReplyError =
        ReplyError::fixed("ERR One or more scores can't be converted into double");
    let weight = |text: &[u8]| match parse_f64_as_c(text) {
        Some(number) if !number.range_error => Ok(number.value),
        _ => Err(Halt::Error(NOT_NUMBERS)),
    };
    let mut weighted = Vec::with_capacity(elements.len());
    for element in elements {
        let weight = match request.by {
            None => weight(&element)?,
            // No such key counts as zero.
            Some(pattern) => match look_up(store, pattern, &element)? {
                Some(text) => weight(&text)?,
                None => 0.0,
            },
        };
        weighted.push((weight, element));
    }
    weighted.sort_by(|(a_weight, a), (b_weight, b)| {
        let by_weight = a_weight.partial_cmp(b_weight).unwrap_or(Ordering::Equal);
        directed(by_weight.then_with(|| a.cmp(b)), request)
    });
    Ok(weighted.into_iter().map(|(_, element)| element).collect())
}

fn by_other_text(
    store: &mut Store<'_>,
    elements: Vec<Box<[u8]>>,
    pattern: &[u8],
    request: &Request<'_>,
) -> Run<Vec<Box<[u8]>>> {
    let mut weighted = Vec::with_capacity(elements.len());
    for element in elements {
        weighted.push((look_up(store, pattern, &element)?, element));
    }
    let compare = text_order(request);
    weighted.sort_by(|(a, _), (b, _)| {
        let order = match (a, b) {
            (Some(a), Some(b)) => compare(a, b),
            // No such key comes before every text.
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        directed(order, request)
    });
    Ok(weighted.into_iter().map(|(_, element)| element).collect())
}

/// How texts are compared: what is stored by all its bytes, what is answered as C strings.
fn text_order(request: &Request<'_>) -> fn(&[u8], &[u8]) -> Ordering {
    match request.store {
        Some(_) => |a, b| a.cmp(b),
        None => |a, b| c_string(a).cmp(c_string(b)),
    }
}

fn directed(order: Ordering, request: &Request<'_>) -> Ordering {
    if request.descending {
        order.reverse()
    } else {
        order
    }
}

/// The bytes before the first NUL.
fn c_string(text: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    &text[..end]
}

/// What `pattern` names for `element`: the element itself (`#`), or the value of the string, or of the hash's field
/// (`key->field`), whose key is the pattern with its first star exchanged for the element.
fn look_up(store: &mut Store<'_>, pattern: &[u8], element: &[u8]) -> Run<Option<Vec<u8>>> {
    let text = c_string(pattern);
    if text == b"#" {
        return Ok(Some(element.to_vec()));
    }
    let Some(star) = memchr::memchr(b'*', text) else {
        return Ok(None);
    };
    let arrow = memchr::memmem::find(&text[star + 1..], b"->").map(|at| star + 1 + at);
    let arrow = arrow.filter(|arrow| arrow + 2 < text.len());
    let key = [
        &pattern[..star],
        element,
        &pattern[star + 1..arrow.unwrap_or(pattern.len())],
    ]
    .concat();
    let copied = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
    let found = match arrow {
        Some(arrow) => hash::read_field(store, &key, &pattern[arrow + 2..], copied),
        None => store.read_string(&key, copied),
    };
    match found {
        // A key of another type is as good as none.
        Err(Halt::Error(error)) if error == WRONG_TYPE => Ok(None),
        found => found,
    }
}

fn answer(ctx: &mut DataCtx<'_>, elements: &[Box<[u8]>], get: &[&[u8]]) -> Run {
    ctx.reply.array(elements.len() * get.len().max(1));
    for element in elements {
        if get.is_empty() {
            ctx.reply.bulk(element);
        }
        for pattern in get {
            let value = look_up(&mut ctx.store, pattern, element)?;
            ctx.reply.bulk_or_null(value.as_deref());
        }
    }
    Ok(())
}

fn store_result(
    ctx: &mut DataCtx<'_>,
    destination: &[u8],
    elements: Vec<Box<[u8]>>,
    get: &[&[u8]],
) -> Run {
    let store = &mut ctx.store;
    let mut values: Vec<Box<[u8]>> = Vec::new();
    if get.is_empty() {
        values = elements;
    } else {
        for element in &elements {
            for pattern in get {
                let value = look_up(store, pattern, element)?;
                values.push(value.unwrap_or_default().into_boxed_slice());
            }
        }
    }
    let was_there = list::replace(store, destination, values.iter().map(|value| &**value))?;
    if !values.is_empty() {
        store.notify(EventClass::LIST, "sortstore", destination);
    } else if was_there {
        store.notify(EventClass::GENERIC, "del", destination);
    }
    ctx.reply.count(values.len());
    Ok(())
}
