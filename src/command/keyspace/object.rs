//! OBJECT, and MEMORY USAGE (its container is wired with the server's own MEMORY subcommands).
//!
//! Nothing here has Redis's encodings: OBJECT ENCODING answers what redis-server would use for a value of this size, so that
//! tools which look at it see what they know.

use super::GROUP;
use crate::command::context::EncodingThresholds;
use crate::command::parse;
use crate::command::spec::{Class, Flags, KeySpec, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type};
use crate::storage::scan::ScanRequest;
use crate::storage::store::{Meta, Store};
use crate::text::int::parse_i64;

/// The second argument is the key.
const KEY_AT_2: KeySpec = KeySpec::Range {
    first: 2,
    last: 2,
    step: 1,
};

pub(super) const OBJECT: Spec = Spec::container("object", SUBCOMMANDS).doc(
    GROUP,
    "2.2.3",
    "Depends on subcommand.",
    "A container for object introspection commands",
);

const SUBCOMMANDS: &[Spec] = &[
    Spec::read("object|encoding", 3, KEY_AT_2, encoding).doc(
        GROUP,
        "2.2.3",
        "O(1)",
        "Inspect the internal encoding of a Redis object",
    ),
    Spec::read("object|freq", 3, KEY_AT_2, freq).doc(
        GROUP,
        "4.0.0",
        "O(1)",
        "Get the logarithmic access frequency counter of a Redis object",
    ),
    Spec::read("object|help", 2, KeySpec::None, help)
        .class(Class::Control)
        .flags(Flags::LOADING.and(Flags::STALE))
        .never_held()
        .doc(
            GROUP,
            "6.2.0",
            "O(1)",
            "Show helpful text about the different subcommands",
        ),
    Spec::read("object|idletime", 3, KEY_AT_2, idletime).doc(
        GROUP,
        "2.2.3",
        "O(1)",
        "Get the time since a Redis object was last accessed",
    ),
    Spec::read("object|refcount", 3, KEY_AT_2, refcount).doc(
        GROUP,
        "2.2.3",
        "O(1)",
        "Get the number of references to the value of the key",
    ),
];

fn help(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Show which of Redis's encodings a value of this size would have.",
        "FREQ <key>",
        "    Always an error here: access frequencies are not kept.",
        "IDLETIME <key>",
        "    Always an error here: access times are not kept.",
        "REFCOUNT <key>",
        "    Always 1 here: values are not shared.",
        "HELP",
        "    Prints this help.",
    ];
    ctx.reply.array(LINES.len());
    for line in LINES {
        ctx.reply.simple(line);
    }
    Ok(())
}

/// The key's metadata, or null as the reply. Such a look-up has no event.
fn look_up(ctx: &mut DataCtx<'_>, key: &[u8]) -> Run<Option<Meta>> {
    let found = ctx.store.meta(key)?;
    match &found {
        Some(_) => ctx.store.changes.hits += 1,
        None => {
            ctx.store.changes.misses += 1;
            ctx.reply.null();
        }
    }
    Ok(found)
}

fn encoding(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if let Some(meta) = look_up(ctx, args.at(2))? {
        let thresholds = &ctx.settings.encoding;
        let name = encoding_of(&mut ctx.store, args.at(2), &meta, thresholds)?;
        ctx.reply.bulk(name.as_bytes());
    }
    Ok(())
}

/// Which of Redis's encodings a value of this size would have.
pub fn encoding_of(
    store: &mut Store<'_>,
    key: &[u8],
    meta: &Meta,
    thresholds: &EncodingThresholds,
) -> Run<&'static str> {
    let Meta { header, rest } = meta;
    // A small collection's elements decide, and they are few enough to be looked at.
    Ok(match header.kind() {
        Type::String => match rest.len() {
            _ if parse_i64(rest).is_some() => "int",
            // What fits an allocation of 64 bytes together with Redis's two headers.
            ..=44 => "embstr",
            _ => "raw",
        },
        Type::List => "quicklist",
        Type::Hash => {
            let value_max = thresholds.hash_max_listpack_value as usize;
            let is_small = header.size <= thresholds.hash_max_listpack_entries
                && all_elements(store, key, header, |field, value| {
                    field.len() <= value_max && value.len() <= value_max
                })?;
            if is_small { "listpack" } else { "hashtable" }
        }
        Type::Set => {
            let is_small = header.size <= thresholds.set_max_intset_entries
                && all_elements(store, key, header, |member, _| parse_i64(member).is_some())?;
            if is_small { "intset" } else { "hashtable" }
        }
        Type::Zset => {
            let value_max = thresholds.zset_max_listpack_value as usize;
            let is_small = header.size <= thresholds.zset_max_listpack_entries
                && all_elements(store, key, header, |member, _| member.len() <= value_max)?;
            if is_small { "listpack" } else { "skiplist" }
        }
        Type::Stream => "stream",
        // Bitmaps and HyperLogLogs are long strings in Redis, and the values of its modules count as raw.
        Type::Bitmap
        | Type::Sortedint
        | Type::Bloom
        | Type::Json
        | Type::Hyperloglog
        | Type::Other(_) => "raw",
    })
}

/// Whether `test` holds for every element and its value.
fn all_elements(
    store: &mut Store<'_>,
    key: &[u8],
    header: &Header,
    test: impl Fn(&[u8], &[u8]) -> bool,
) -> Run<bool> {
    let elements = store.elements(key, header);
    let count = usize::try_from(header.size).unwrap_or(usize::MAX);
    let request = ScanRequest::prefix(Cf::Default, elements.prefix()).at_most(count);
    let mut scan = store.view.scan(request)?;
    while let Some((entry, value)) = scan.next()? {
        if !test(elements.element(entry), value) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Values are not objects in memory, and no two keys share one.
fn refcount(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if look_up(ctx, args.at(2))?.is_some() {
        ctx.reply.int(1);
    }
    Ok(())
}

fn freq(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NOT_TRACKED: ReplyError = ReplyError::fixed(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between \
         policies at runtime LRU and LFU data will take some time to adjust.",
    );
    match look_up(ctx, args.at(2))? {
        Some(_) => Err(NOT_TRACKED.into()),
        None => Ok(()),
    }
}

/// Access times would have to be written with every read; an invented one would mislead whoever evicts by it.
fn idletime(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NOT_TRACKED: ReplyError =
        ReplyError::fixed("ERR idle time not tracked: access times of keys are not kept");
    match look_up(ctx, args.at(2))? {
        Some(_) => Err(NOT_TRACKED.into()),
        None => Ok(()),
    }
}

/// `MEMORY USAGE key [SAMPLES count]`: the bytes of the key, its value and its elements as they are stored, before compression.
///
/// A collection's elements are counted by an average over the first `count` (5; 0 is all).
pub const MEMORY_USAGE: Spec = Spec::read("memory|usage", -3, KEY_AT_2, memory_usage).doc(
    "server",
    "4.0.0",
    "O(N) where N is the number of samples.",
    "Estimate the memory usage of a key",
);

/// Elements looked at unless SAMPLES says otherwise, as in Redis.
pub const SAMPLES: usize = 5;

fn memory_usage(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let mut samples = SAMPLES as u64;
    let mut at = 3;
    while at < args.len() {
        if !args.is(at, "samples") || at + 1 == args.len() {
            return Err(SYNTAX.into());
        }
        samples = u64::try_from(parse::integer(args.at(at + 1))?).map_err(|_| SYNTAX)?;
        at += 2;
    }
    let samples = match samples {
        0 => usize::MAX,
        some => usize::try_from(some).unwrap_or(usize::MAX),
    };
    let key = args.at(2);
    match ctx.store.meta(key)? {
        Some(meta) => {
            let bytes = stored_bytes(&mut ctx.store, key, &meta, samples)?;
            ctx.reply.int(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        None => ctx.reply.null(),
    }
    Ok(())
}

/// Where a Bloom filter's metadata has the bytes of all its bit sets, behind the header.
const BLOOM_BYTES_AT: usize = 16;

/// The bytes of a key and its value as they are stored, a collection's elements estimated from the first `samples`.
pub fn stored_bytes(store: &mut Store<'_>, key: &[u8], meta: &Meta, samples: usize) -> Run<u64> {
    let header = &meta.header;
    let entry_len = store.codec.metadata_key(store.db, key).len();
    let own = (entry_len + header.encoded_len() + meta.rest.len()) as u64;
    if header.kind().is_single() {
        return Ok(own);
    }
    let (family, samples) = match header.kind() {
        Type::Stream => (Cf::Stream, samples),
        // Its sixteen parts are not what its size counts.
        Type::Hyperloglog => (Cf::Default, usize::MAX),
        _ => (Cf::Default, samples),
    };
    let elements = store.elements(key, header);
    let request = ScanRequest::prefix(family, elements.prefix()).at_most(samples);
    let (mut sampled, mut sampled_bytes) = (0u64, 0u64);
    let mut scan = store.view.scan(request)?;
    while sampled < samples as u64
        && let Some((entry, value)) = scan.next()?
    {
        sampled += 1;
        sampled_bytes += (entry.len() + value.len()) as u64;
    }
    let total = match header.kind() {
        // Everything was looked at.
        _ if sampled < samples as u64 => sampled_bytes,
        // Their sizes count bytes and items, not entries.
        Type::Bitmap => header.size,
        Type::Bloom => meta
            .rest
            .get(BLOOM_BYTES_AT..)
            .and_then(|rest| rest.first_chunk())
            .map_or(sampled_bytes, |bytes| u64::from(u32::from_be_bytes(*bytes))),
        _ => {
            let total = u128::from(sampled_bytes) * u128::from(header.size);
            (total / u128::from(sampled.max(1))) as u64
        }
    };
    // A sorted set's members stand in its index by score once more, with a score instead of a value.
    let copies = if header.kind() == Type::Zset { 2 } else { 1 };
    Ok(own + total * copies)
}
