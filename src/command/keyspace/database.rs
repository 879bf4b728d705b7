//! DBSIZE, FLUSHDB, FLUSHALL and SWAPDB.

use std::ops::ControlFlow;

use crate::command::parse;
use crate::command::spec::{Flags, KeySpec, Spec};
use crate::command::{DataCtx, Halt, Run, Wait};
use crate::error::{DB_OUT_OF_RANGE, ReplyError, SYNTAX};
use crate::limits::SCAN_ENTRIES_INLINE_MAX;
use crate::resp::Args;

const GROUP: &str = "server";

pub(super) const DBSIZE: Spec = Spec::read("dbsize", 1, KeySpec::None, dbsize)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "Return the number of keys in the selected database",
    );

/// Exact for as many keys as the loop reads in one turn; beyond, what a worker has counted.
fn dbsize(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    let is_known_large = ctx
        .last_key_counts()
        .is_some_and(|counts| counts.of(ctx.store.db) > SCAN_ENTRIES_INLINE_MAX as u64);
    // Where nothing may wait (a transaction with effects beyond the data) it reads them all, however many.
    if is_known_large && ctx.store.view.scans_may_wait() {
        return reply_counted(ctx);
    }
    let mut count = 0;
    let request = ctx.store.keys_beginning(b"");
    let counted = ctx.store.each_key(request, |_, header| {
        count += i64::from(header.is_some());
        ControlFlow::Continue(())
    });
    match counted {
        Ok(()) => {
            ctx.reply.int(count);
            Ok(())
        }
        Err(Halt::Wait(Wait::Scan(_))) => reply_counted(ctx),
        Err(halt) => Err(halt),
    }
}

fn reply_counted(ctx: &mut DataCtx<'_>) -> Run {
    let keys = ctx.key_counts()?.of(ctx.store.db);
    ctx.reply.int(i64::try_from(keys).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) const FLUSHDB: Spec = Spec::write("flushdb", -1, KeySpec::None, flushdb).doc(
    GROUP,
    "1.0.0",
    "O(N) where N is the number of keys in the selected database",
    "Remove all keys from the current database",
);

fn flushdb(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    check_flush_mode(args)?;
    ctx.store.flush_db()?;
    ctx.reply.ok();
    Ok(())
}

pub(super) const FLUSHALL: Spec = Spec::write("flushall", -1, KeySpec::None, flushall).doc(
    GROUP,
    "1.0.0",
    "O(N) where N is the total number of keys in all databases",
    "Remove all keys from all databases",
);

fn flushall(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    check_flush_mode(args)?;
    ctx.store.flush_all(ctx.settings.databases)?;
    ctx.reply.ok();
    Ok(())
}

/// Both modes are the same here: a range delete now, and the space when compaction comes to it.
fn check_flush_mode(args: Args<'_>) -> Result<(), ReplyError> {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "sync") || args.is(1, "async") => Ok(()),
        _ => Err(SYNTAX),
    }
}

pub(super) const SWAPDB: Spec = Spec::write("swapdb", 3, KeySpec::None, swapdb)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "4.0.0",
        "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        "Swaps two Redis databases",
    );

/// Refused for two different databases: a database is a namespace that stands in each of its keys on disk.
fn swapdb(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const IN_CLUSTER: ReplyError = ReplyError::fixed("ERR SWAPDB is not allowed in cluster mode");
    const REFUSED: ReplyError = ReplyError::fixed(
        "ERR SWAPDB is not supported: keys are stored with their database's name, so all of them would have to be rewritten",
    );
    if ctx.settings.cluster_enabled {
        return Err(IN_CLUSTER.into());
    }
    let index = |at: usize, otherwise: &'static str| {
        parse::integer_within(
            args.at(at),
            i64::from(i32::MIN),
            i64::from(i32::MAX),
            ReplyError::fixed(otherwise),
        )
    };
    let first = index(1, "ERR invalid first DB index")?;
    let second = index(2, "ERR invalid second DB index")?;
    let databases = 0..i64::from(ctx.settings.databases);
    if !databases.contains(&first) || !databases.contains(&second) {
        return Err(DB_OUT_OF_RANGE.into());
    }
    if first != second {
        return Err(REFUSED.into());
    }
    ctx.reply.ok();
    Ok(())
}
