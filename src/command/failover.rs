//! FAILOVER, and REPLCONF TAKEOVER: the commands of a planned switch. What they set off is [`crate::failover`]'s and
//! [`crate::replication::takeover`]'s to say.

use super::context::ControlCtx;
use super::halt::{Halt, Run, Wait};
use super::spec::{Flags, Spec};
use crate::error::ReplyError;
use crate::failover::Ticket;
use crate::failover::machine::Terms;
use crate::failover::request::{self, Request};
use crate::node::Request as NodeRequest;
use crate::node::Role;
use crate::replication::takeover::wire::{self, RunId};
use crate::replication::takeover::{Asker, Following, Standing};
use crate::resp::Args;
use crate::storage::replication_id::ReplicationId;

/// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`
pub const FAILOVER: Spec = Spec::control("failover", -1, failover)
    .flags(Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE))
    .never_held()
    .doc(
        "server",
        "6.2.0",
        "O(1)",
        "Starts a coordinated failover from a server to one of its replicas.",
    );

fn failover(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    request::check_cluster(ctx.node.config.cluster_enabled)?;
    let asked = request::parse(args)?;
    let ticket = Ticket(ctx.session().id);
    // Nothing can be waited for inside a transaction: it is answered when the failover has begun, not when writes are paused.
    let in_exec = ctx.in_exec;
    let node = &mut *ctx.node;
    let turn = node.turn;
    let actions = match asked {
        Request::Abort if in_exec && node.failover.pending().is_some() => {
            return Err(request::MAY_HAVE_TAKEN_OVER.into());
        }
        Request::Abort => node.failover.abort(ticket, &turn)?,
        Request::Begin(options) => {
            let facts = node.failover_facts();
            let terms = Terms {
                starter: (!in_exec).then_some(ticket),
                from: node.own_address(),
            };
            let timeout_ms = u64::from(node.config.failover_timeout_s) * 1000;
            node.failover
                .begin(&options, &facts, timeout_ms, terms, &turn)?
        }
    };
    node.requests.push(NodeRequest::Failover(actions));
    if in_exec {
        ctx.reply.ok();
        return Ok(());
    }
    Err(Halt::Wait(Wait::Link))
}

/// `REPLCONF TAKEOVER ...`: an old primary offers, cancels or asks.
pub fn takeover(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let asked = wire::Request::parse(args)?;
    let asker = Asker(ctx.session().id);
    if ctx.in_exec && !matches!(asked, wire::Request::State(_)) {
        const IN_EXEC: ReplyError =
            ReplyError::fixed("ERR Command not allowed inside a transaction");
        return Err(IN_EXEC.into());
    }
    let node = &mut *ctx.node;
    let actions = match asked {
        wire::Request::State(token) => {
            let answer = node.takeover.state(&token).encode();
            ctx.reply.raw(&answer);
            return Ok(());
        }
        wire::Request::Cancel(token) => node.takeover.cancel(asker, token),
        wire::Request::Offer(offer) => {
            let standing = standing(node);
            node.takeover.offer(asker, offer, &standing)
        }
    };
    node.requests.push(NodeRequest::Takeover(actions));
    Err(Halt::Wait(Wait::Link))
}

/// What this node is when an offer comes.
fn standing(node: &crate::node::Node) -> Standing {
    let Some(followed) = node
        .replication
        .followed
        .as_ref()
        .filter(|_| node.role == Role::Replica)
    else {
        return Standing::Primary;
    };
    let unable = if followed.is_swapping {
        Some("a full copy is under way")
    } else if node.write_refusal.is_some() {
        Some("its disk takes no writes")
    } else if node.shutdown.is_some() {
        Some("it is shutting down")
    } else {
        None
    };
    let id = node.replication.history.current();
    Standing::Replica(Following {
        run_id: followed
            .path
            .first()
            .and_then(|run_id| RunId::parse(run_id.as_bytes())),
        replication_id: id.as_ref().map_or("", ReplicationId::as_str).to_owned(),
        seq: node.last_seq,
        unable: unable.map(str::to_owned),
    })
}
