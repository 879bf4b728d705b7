//! What a replica says on its connection before it gets its stream: Kvrocks's `_db_name`, `replconf` and `psync`. Source:
//! `kvrocks-replication.md` section 3.

use super::context::ControlCtx;
use super::halt::{Halt, Run, Wait};
use super::spec::{Flags, Spec};
use crate::error::ReplyError;
use crate::node::Role;
use crate::replication::wire::Extras;
use crate::resp::Args;
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;
use crate::text::int::{parse_i64, parse_u64};

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
];

/// A bare line, as Kvrocks has it.
fn db_name(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let mut line = ctx.node.config.db_name.clone();
    line.extend_from_slice(b"\r\n");
    ctx.reply.raw(&line);
    Ok(())
}

fn replconf(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const UNKNOWN: ReplyError = ReplyError::fixed("ERR unknown option");
    if args.len() < 3 || args.len().is_multiple_of(2) {
        return Err(crate::error::wrong_arity("replconf").into());
    }
    let options: Vec<&[u8]> = (1..args.len()).map(|at| args.at(at)).collect();
    if args.is(1, "ack") {
        // One that comes before the stream, or after it: nobody waits for it, and nobody waits for a reply.
        return Ok(());
    }
    if args.is(1, "stillpoint") {
        let extras = Extras::read_request(&options).ok_or(UNKNOWN)?;
        let node = &mut *ctx.node;
        let mut path = vec![node.run_id.clone()];
        if let Some(followed) = &node.replication.followed {
            path.extend(followed.path.iter().cloned());
        }
        let line = Extras::answer(extras.version, &path);
        ctx.session().link.get_or_insert_default().run_id = extras.path.into_iter().next();
        ctx.reply.raw(line.as_bytes());
        ctx.reply.raw(b"\r\n");
        return Ok(());
    }
    let mut link = ctx.session().link.as_deref().cloned().unwrap_or_default();
    for pair in options.chunks(2) {
        let [name, value] = pair else { continue };
        if name.eq_ignore_ascii_case(b"listening-port") {
            let port = parse_i64(value).and_then(|port| u16::try_from(port).ok());
            link.port = port
                .filter(|&port| port != 0)
                .ok_or(ReplyError::fixed("ERR listening-port should be number"))?;
        } else if name.eq_ignore_ascii_case(b"ip-address") {
            if value.is_empty() || value.iter().any(|&byte| byte <= b' ' || byte == b',') {
                return Err(ReplyError::fixed("ERR ip-address should not be empty").into());
            }
            link.ip = Some(String::from_utf8_lossy(value).into_owned());
        } else {
            return Err(UNKNOWN.into());
        }
    }
    ctx.session().link = Some(Box::new(link));
    ctx.reply.ok();
    Ok(())
}

/// Answered when a worker has looked at the log: by the stream, or by an error.
fn psync(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const ID: ReplyError = ReplyError::fixed("ERR Wrong replication id length");
    const NUMBER: ReplyError =
        ReplyError::fixed("ERR value is not an unsigned long long or out of range");
    const PROMOTING: ReplyError = ReplyError::fixed("LOADING this node changes its role");
    if ctx.node.role == Role::Promoting || ctx.node.replication.change.is_some() {
        return Err(PROMOTING.into());
    }
    let (id, number) = if args.len() == 3 {
        if args.at(1).len() != 16 {
            return Err(ID.into());
        }
        (ReplicationId::from_bytes(args.at(1)), args.at(2))
    } else {
        (None, args.at(1))
    };
    let next = parse_u64(number).filter(|&next| next <= Seq::MAX.get());
    let next = Seq::new(next.ok_or(NUMBER)?);
    Err(Halt::Wait(Wait::Psync { id, next }))
}
