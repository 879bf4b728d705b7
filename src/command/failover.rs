//! FAILOVER, and REPLCONF TAKEOVER: the commands of a planned switch. What they set off is [`crate::failover`]'s and
//! [`crate::replication::takeover`]'s to say.

use super::context::ControlCtx;
use super::halt::{Halt, Run, Wait};
use super::spec::{Flags, Spec};
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
    let node = &mut *ctx.node;
    let turn = node.turn;
    let actions = match asked {
        Request::Abort => node.failover.abort(ticket, &turn)?,
        Request::Begin(options) => {
            let facts = node.failover_facts();
            let terms = Terms {
                starter: Some(ticket),
                from: node.own_address(),
            };
            let timeout_ms = u64::from(node.config.failover_timeout_s) * 1000;
            node.failover
                .begin(&options, &facts, timeout_ms, terms, &turn)?
        }
    };
    node.requests.push(NodeRequest::Failover(actions));
    Err(Halt::Wait(Wait::Link))
}

/// `REPLCONF TAKEOVER ...`: an old primary offers, cancels or asks.
pub fn takeover(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let asked = wire::Request::parse(args)?;
    let asker = Asker(ctx.session().id);
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
