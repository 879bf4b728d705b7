//! ROLE, REPLICAOF and WAIT on a server without replicas; replication itself comes with its own part.

use super::context::ControlCtx;
use super::halt::{Halt, KeyWait, OnTimeout, Run, Wait};
use super::spec::{Flags, Spec};
use crate::error::{NOT_AN_INTEGER, ReplyError, TIMEOUT_NEGATIVE};
use crate::resp::Args;
use crate::text::int::parse_i64;

const COMMON: Flags = Flags::LOADING.and(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE);

/// The family.
pub const SPECS: &[Spec] = &[
    Spec::control("role", 1, role).flags(Flags::NOSCRIPT.and(COMMON).and(Flags::FAST)).never_held().doc(
        "server",
        "2.8.12",
        "O(1)",
        "Returns the replication role.",
    ),
    Spec::control("replicaof", 3, replicaof).flags(ADMIN.and(Flags::NO_MULTI).and(Flags::NO_ASYNC_LOADING)).never_held().doc(
        "server",
        "5.0.0",
        "O(1)",
        "Configures a server as replica of another, or promotes it to a master.",
    ),
    Spec::control("slaveof", 3, replicaof).flags(ADMIN.and(Flags::NO_MULTI).and(Flags::NO_ASYNC_LOADING)).never_held().doc(
        "server",
        "1.0.0",
        "O(1)",
        "Sets a Redis server as a replica of another, or promotes it to being a master.",
    ),
    Spec::control("wait", 3, wait).flags(Flags::NOSCRIPT).doc(
        "generic",
        "3.0.0",
        "O(1)",
        "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
    ),
];

fn role(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let offset = ctx.newest_seq();
    ctx.reply.array(3);
    ctx.reply.bulk(b"master");
    ctx.reply.int(offset.get() as i64);
    ctx.reply.array(0);
    Ok(())
}

fn replicaof(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    if args.is(1, "no") && args.is(2, "one") {
        // Already a primary: nothing to do, as in Redis.
        ctx.reply.ok();
        return Ok(());
    }
    Err(
        ReplyError::fixed("ERR REPLICAOF is not supported: replication is not in this build yet")
            .into(),
    )
}

/// There are no replicas: nobody will acknowledge, so a wait for any ends with its time.
fn wait(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const TIMEOUT: ReplyError = ReplyError::fixed("ERR timeout is not an integer or out of range");
    let needed = parse_i64(args.at(1)).ok_or(NOT_AN_INTEGER)?;
    let timeout_ms = parse_i64(args.at(2)).ok_or(TIMEOUT)?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| TIMEOUT_NEGATIVE)?;
    if needed <= 0 || ctx.in_exec {
        ctx.reply.int(0);
        return Ok(());
    }
    let timeout_ms = (timeout_ms != 0).then_some(timeout_ms);
    Err(Halt::Wait(Wait::Keys(KeyWait {
        keys: Vec::new(),
        timeout_ms,
        on_timeout: OnTimeout::Count(0),
    })))
}
