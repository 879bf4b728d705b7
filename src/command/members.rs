//! What the commands of hashes and sets (and sorted sets) share: one step of their SCAN, and how many random elements a
//! client asks for.

use super::context::DataCtx;
use super::halt::Run;
use super::parse;
use crate::error::{INVALID_CURSOR, OUT_OF_RANGE, ReplyError};
use crate::limits::RANDOM_REPEATS_MAX;
use crate::resp::{Args, Reply};
use crate::storage::metadata::Type;
use crate::storage::types::members::{self, Draw, Page};

/// HSCAN, SSCAN, ZSCAN: visits COUNT elements of the collection of `kind` at the first argument, behind the cursor, and answers
/// those that match. `write` writes an element and its stored value, as `parts` elements of a reply.
///
/// Like redis-server, it looks at the options only when the key exists.
pub fn scan(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    kind: Type,
    parts: usize,
    write: fn(&mut Reply, &[u8], &[u8]),
) -> Run {
    let cursor = parse::cursor(args.at(2))?;
    let key = args.at(1);
    let Some(meta) = ctx.store.typed(key, kind)? else {
        answer(ctx.reply, 0, 0, b"");
        return Ok(());
    };
    let options = parse::scan_options(args, 3, false)?;
    let after = match cursor {
        0 => None,
        _ => Some(ctx.cursors.position(cursor).ok_or(INVALID_CURSOR)?),
    };
    let page = Page {
        after,
        count: options.count,
        pattern: options.pattern,
    };
    let mut found = Reply::new(ctx.reply.proto);
    let mut count = 0;
    let last = members::page(
        &mut ctx.store,
        key,
        &meta.header,
        &page,
        |element, value| {
            if options.wants(element) {
                write(&mut found, element, value);
                count += parts;
            }
        },
    )?;
    let next = last.map_or(0, |last| ctx.cursors.issue(&last));
    answer(ctx.reply, next, count, found.bytes());
    Ok(())
}

fn answer(reply: &mut Reply, cursor: u64, count: usize, found: &[u8]) {
    let mut digits = Vec::with_capacity(20);
    crate::text::int::write_u64(&mut digits, cursor);
    reply.array(2);
    reply.bulk(&digits);
    reply.array(count);
    reply.raw(found);
}

/// A count of random elements as clients give it: how many different ones, or, negative, how many with repeats. Refused are more repeats
/// than [`RANDOM_REPEATS_MAX`].
pub fn draw(count: i64) -> Result<Draw, ReplyError> {
    match u64::try_from(count) {
        Ok(count) => Ok(Draw::Distinct(count)),
        Err(_) if count.unsigned_abs() > RANDOM_REPEATS_MAX => Err(OUT_OF_RANGE),
        Err(_) => Ok(Draw::Repeated(count.unsigned_abs())),
    }
}
