//! ROLE, REPLICAOF and WAIT: what operators, Sentinel and clients say and ask about replication.

use super::context::ControlCtx;
use super::halt::{Halt, Run, Wait};
use super::spec::{Flags, Spec};
use crate::config::is_host;
use crate::error::{NOT_AN_INTEGER, ReplyError, TIMEOUT_NEGATIVE};
use crate::failover::request::REPLICAOF_REFUSED;
use crate::failover::{Ticket, Word};
use crate::node::replication::Goal;
use crate::node::{Request, Role};
use crate::replication::takeover::wire::Address;
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
    Spec::control("replicaof", 3, replicaof).flags(ADMIN.and(Flags::NO_ASYNC_LOADING)).never_held().doc(
        "server",
        "5.0.0",
        "O(1)",
        "Configures a server as replica of another, or promotes it to a master.",
    ),
    Spec::control("slaveof", 3, replicaof).flags(ADMIN.and(Flags::NO_ASYNC_LOADING)).never_held().doc(
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
    super::failover::FAILOVER,
];

fn role(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let offset = ctx.newest_seq().get() as i64;
    let node = &*ctx.node;
    match node.named_primary() {
        None => {
            let rows = node.replication.progress.role_rows();
            ctx.reply.array(3);
            ctx.reply.bulk(b"master");
            ctx.reply.int(offset);
            ctx.reply.array(rows.len());
            for (address, offset) in rows {
                ctx.reply.array(3);
                ctx.reply.bulk(address.ip.as_bytes());
                ctx.reply.bulk(address.port.to_string().as_bytes());
                ctx.reply.bulk(offset.get().to_string().as_bytes());
            }
        }
        Some(followed) => {
            ctx.reply.array(5);
            ctx.reply.bulk(b"slave");
            ctx.reply.bulk(followed.host.as_bytes());
            ctx.reply.int(i64::from(followed.port));
            ctx.reply.bulk(followed.state().name().as_bytes());
            ctx.reply.int(offset);
        }
    }
    Ok(())
}

/// The reply leaves when the new role is on disk.
fn replicaof(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const CLUSTER: ReplyError = ReplyError::fixed("ERR REPLICAOF not allowed in cluster mode.");
    const PORT: ReplyError = ReplyError::fixed("ERR Invalid master port");
    if ctx.node.config.cluster_enabled {
        return Err(CLUSTER.into());
    }
    let is_none = args.is(1, "no") && args.is(2, "one");
    if let Some(error) = ctx.node.takeover.forbids_role_change() {
        return Err(error.into());
    }
    if ctx.node.failover.is_active() {
        return replicaof_while_failing_over(ctx, args, is_none);
    }
    let by = {
        let session = ctx.session();
        format!("client {} at {}", session.id, session.peer.addr)
    };
    if is_none {
        if ctx.node.role == Role::Replica {
            log::info!("REPLICAOF NO ONE by {by}");
            ctx.node.change_role(Goal::Primary);
        } else if let Some(change) = &ctx.node.replication.change {
            let barrier = change.barrier;
            ctx.node.view.depend_on(barrier);
        }
        ctx.reply.ok();
        return Ok(());
    }
    let port = parse_i64(args.at(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(PORT)?;
    let host = String::from_utf8_lossy(args.at(1)).into_owned();
    if !is_host(host.as_bytes()) {
        return Err(ReplyError::fixed("ERR Invalid master host").into());
    }
    let followed = &ctx.node.replication.followed;
    if followed
        .as_ref()
        .is_some_and(|followed| followed.host == host && followed.port == port)
    {
        if let Some(change) = &ctx.node.replication.change {
            let barrier = change.barrier;
            ctx.node.view.depend_on(barrier);
        }
        ctx.reply.simple("OK Already connected to specified master");
        return Ok(());
    }
    log::info!("REPLICAOF {host}:{port} by {by}");
    ctx.node.change_role(Goal::Replica { host, port });
    ctx.reply.ok();
    Ok(())
}

/// The operator's word in a planned switch, where nobody else can end it; else it is refused.
fn replicaof_while_failing_over(ctx: &mut ControlCtx<'_>, args: Args<'_>, is_none: bool) -> Run {
    const PORT: ReplyError = ReplyError::fixed("ERR Invalid master port");
    let of = if is_none {
        None
    } else {
        let port = parse_i64(args.at(2)).and_then(|port| u16::try_from(port).ok());
        let host = String::from_utf8_lossy(args.at(1)).into_owned();
        Some(Address::new(host, port.ok_or(PORT)?))
    };
    let ticket = Ticket(ctx.session().id);
    let turn = ctx.node.turn;
    // Its OK comes when the word is on disk, and a transaction cannot wait for that.
    if ctx.in_exec && of.is_none() {
        return Err(REPLICAOF_REFUSED.into());
    }
    match ctx.node.failover.replicaof(of.as_ref(), ticket, &turn) {
        Word::Refuse(error) => Err(error.into()),
        Word::Wait(actions) => {
            ctx.node.requests.push(Request::Failover(actions));
            Err(Halt::Wait(Wait::Link))
        }
        Word::Proceed(actions) => {
            let goal = match of {
                None => Goal::Primary,
                Some(Address { host, port }) => Goal::Replica { host, port },
            };
            ctx.node.change_role(goal);
            ctx.node.requests.push(Request::Failover(actions));
            ctx.reply.ok();
            Ok(())
        }
    }
}

/// Waits until so many replicas have the client's last write.
fn wait(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const TIMEOUT: ReplyError = ReplyError::fixed("ERR timeout is not an integer or out of range");
    const REPLICA: ReplyError = ReplyError::fixed(
        "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
    );
    if ctx.node.role == Role::Replica {
        return Err(REPLICA.into());
    }
    let needed = parse_i64(args.at(1)).ok_or(NOT_AN_INTEGER)?;
    let timeout_ms = parse_i64(args.at(2)).ok_or(TIMEOUT)?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| TIMEOUT_NEGATIVE)?;
    let count = ctx.node.acknowledged_count(ctx.client);
    let is_enough = count.is_some_and(|count| count as i64 >= needed);
    if is_enough || ctx.in_exec || needed <= 0 {
        ctx.reply.count(count.unwrap_or(0));
        return Ok(());
    }
    let timeout_ms = (timeout_ms != 0).then_some(timeout_ms);
    Err(Halt::Wait(Wait::Acks { timeout_ms }))
}
