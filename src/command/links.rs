//! What a replica says on its connection before it gets its stream: Kvrocks's `_db_name`, `replconf` and `psync`. Source:
//! `kvrocks-replication.md` section 3.

use super::context::ControlCtx;
use super::halt::{Halt, Run, Wait};
use super::spec::{Flags, Spec};
use crate::error::RESTORING;
use crate::node::replication::LinkRequest;
use crate::replication::requests::{PsyncRequest, ReplicaOptions};
use crate::replication::wire::Extras;
use crate::resp::Args;

/// The family.
pub const SPECS: &[Spec] = &[
    Spec::control("_db_name", 1, db_name)
        .flags(Flags::STALE)
        .never_held()
        .doc(
            "server",
            "Kvrocks",
            "O(1)",
            "Tells a replica the name of the database.",
        ),
    Spec::control("replconf", -1, replconf)
        .flags(
            Flags::ADMIN
                .and(Flags::NOSCRIPT)
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::ALLOW_BUSY),
        )
        .never_held()
        .doc(
            "server",
            "3.0.0",
            "O(1)",
            "An internal command for configuring the replication stream.",
        ),
    Spec::control("psync", -2, psync)
        .flags(
            Flags::ADMIN
                .and(Flags::NOSCRIPT)
                .and(Flags::NO_ASYNC_LOADING)
                .and(Flags::NO_MULTI),
        )
        .never_held()
        .doc(
            "server",
            "2.8.0",
            "",
            "An internal command used in replication.",
        ),
    Spec::control("_fetch_meta", 1, fetch_meta)
        .flags(FETCH)
        .never_held()
        .doc(
            "server",
            "Kvrocks",
            "O(N) where N is the number of files",
            "Lists the files of a full copy.",
        ),
    Spec::control("_fetch_file", 2, fetch_file)
        .flags(FETCH)
        .never_held()
        .doc(
            "server",
            "Kvrocks",
            "O(N) where N is the size of the files",
            "Sends files of a full copy.",
        ),
];

const FETCH: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_MULTI);

/// A bare line, as Kvrocks has it.
fn db_name(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let mut line = ctx.node.config.db_name.clone();
    line.extend_from_slice(b"\r\n");
    ctx.reply.raw(&line);
    Ok(())
}

fn replconf(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    // One that comes before the stream, or after it: nobody waits for it, and nobody waits for a reply.
    if args.is(1, "ack") {
        return Ok(());
    }
    if args.is(1, "takeover") {
        return super::failover::takeover(ctx, args);
    }
    let words: Vec<&[u8]> = (1..args.len()).map(|at| args.at(at)).collect();
    let options = ReplicaOptions::read(&words)?;
    let mut path = vec![ctx.node.run_id.clone()];
    if let Some(followed) = &ctx.node.replication.followed {
        path.extend(followed.path.iter().cloned());
    }
    let link = ctx.session().link.get_or_insert_default();
    link.port = options.port.unwrap_or(link.port);
    link.ip = options.ip.or(link.ip.take());
    match options.extras {
        None => ctx.reply.ok(),
        Some(extras) => {
            link.run_id = extras.path.into_iter().next();
            let line = Extras::answer(extras.version, &path);
            ctx.reply.raw(line.as_bytes());
            ctx.reply.raw(b"\r\n");
        }
    }
    Ok(())
}

fn fetch_meta(_: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    Err(Halt::Wait(Wait::Ship(LinkRequest::FetchMeta)))
}

fn fetch_file(_: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let names = args.at(1).to_vec();
    Err(Halt::Wait(Wait::Ship(LinkRequest::FetchFile { names })))
}

/// Answered when a worker has looked at the log: by the stream, or by an error.
fn psync(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let words: Vec<&[u8]> = (1..args.len()).map(|at| args.at(at)).collect();
    let PsyncRequest { id, next } = PsyncRequest::read(&words)?;
    if ctx.node.replication.change.is_some() {
        return Err(RESTORING.into());
    }
    Err(Halt::Wait(Wait::Psync { id, next }))
}
