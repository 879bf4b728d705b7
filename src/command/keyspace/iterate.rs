//! KEYS and SCAN.

use std::ops::ControlFlow;

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{KeySpec, Spec};
use crate::command::{DataCtx, Run};
use crate::error::INVALID_CURSOR;
use crate::limits::SCAN_ENTRIES_INLINE_MAX;
use crate::resp::Args;
use crate::resp::reply::Aggregate;
use crate::text::glob;

pub(super) const KEYS: Spec = Spec::read("keys", 2, KeySpec::None, keys).doc(
    GROUP,
    "1.0.0",
    "O(N) with N being the number of keys in the database, under the assumption that the key names in the database and the \
     given pattern have limited length.",
    "Find all keys matching the given pattern",
);

fn keys(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let pattern = args.at(1);
    // `*` alone matches the empty key too, which the glob itself does not.
    let matches_all = pattern == b"*";
    let request = ctx.store.keys_beginning(glob::literal_prefix(pattern));
    let reply = &mut *ctx.reply;
    let later = reply.begin();
    let mut count = 0;
    ctx.store.each_key(request, |key, header| {
        if header.is_some() && (matches_all || glob::matches(pattern, key, false)) {
            reply.bulk(key);
            count += 1;
        }
        ControlFlow::Continue(())
    })?;
    reply.end(later, Aggregate::Array, count);
    Ok(())
}

pub(super) const SCAN: Spec = Spec::read("scan", -2, KeySpec::None, scan).doc(
    GROUP,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N \
     is the number of elements inside the collection.",
    "Incrementally iterate the keys space",
);

/// Walks the keys in the order of the disk, so what is there during a whole iteration is met exactly once.
///
/// COUNT is how many keys are looked at, and no more than the loop reads in one turn: a larger COUNT takes more calls.
fn scan(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let cursor = parse::cursor(args.at(1))?;
    let options = parse::scan_options(args, 2, true)?;
    let request = match cursor {
        0 => ctx.store.keys_beginning(b""),
        _ => {
            let last = ctx.cursors.position(cursor).ok_or(INVALID_CURSOR)?;
            ctx.store.keys_behind(last)
        }
    };
    let count = usize::try_from(options.count)
        .unwrap_or(usize::MAX)
        .min(SCAN_ENTRIES_INLINE_MAX - 1);
    let mut visited = 0;
    let mut last = Vec::new();
    let mut is_end = true;
    let mut found: Vec<Box<[u8]>> = Vec::new();
    // One more than wanted, to know whether the iteration is over.
    ctx.store
        .each_key(request.at_most(count + 1), |key, header| {
            if visited == count {
                is_end = false;
                return ControlFlow::Break(());
            }
            visited += 1;
            last.clear();
            last.extend_from_slice(key);
            let is_wanted = header.is_some_and(|header| {
                let name = header.kind().name().as_bytes();
                options.wants(key)
                    && options
                        .type_name
                        .is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
            });
            if is_wanted {
                found.push(key.into());
            }
            ControlFlow::Continue(())
        })?;
    let next = if is_end { 0 } else { ctx.cursors.issue(&last) };
    ctx.reply.array(2);
    ctx.reply.bulk(next.to_string().as_bytes());
    ctx.reply.array(found.len());
    for key in &found {
        ctx.reply.bulk(key);
    }
    Ok(())
}
