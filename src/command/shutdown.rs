//! SHUTDOWN, and leaving gracefully: writes are paused, what was written is committed, then the process ends with 0.
//! Commands that are parked then are dropped unanswered.

use super::context::ControlCtx;
use super::dispatch;
use super::halt::{Halt, Run, Wait};
use super::spec::{Flags, Spec};
use crate::client::waiting::Reason;
use std::collections::VecDeque;

use crate::error::{ReplyError, SYNTAX};
use crate::failover::Ticket;
use crate::failover::leave::{Action, Facts, Leaving, Progress, Replica};
use crate::failover::machine::Terms;
use crate::failover::request::Options;
use crate::node::{Node, Request, Role};
use crate::pause::{Purpose, Scope, Until};
use crate::replication::progress::Acks;
use crate::resp::Args;
use crate::storage::seq::Seq;

/// The declaration.
pub const SHUTDOWN: Spec = Spec::control("shutdown", -1, shutdown)
    .flags(Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::NO_MULTI).and(Flags::ALLOW_BUSY))
    .never_held()
    .doc(
        "server",
        "1.0.0",
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        "Synchronously saves the database(s) to disk and shuts down the server.",
    );

/// Whether to wait for anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Haste {
    /// Wait for replicas, at most `shutdown-timeout`.
    Graceful,
    /// `failover` in `shutdown-on-sigterm`: hand the role over first.
    HandOver,
    /// NOW: wait for nobody.
    Now,
}

fn shutdown(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let (mut save, mut nosave, mut now, mut force, mut abort) = (false, false, false, false, false);
    for at in 1..args.len() {
        match () {
            // Data is in the WAL at every moment: there is nothing more to save, or not to.
            () if args.is(at, "save") => save = true,
            () if args.is(at, "nosave") => nosave = true,
            () if args.is(at, "now") => now = true,
            () if args.is(at, "force") => force = true,
            () if args.is(at, "abort") => abort = true,
            () => return Err(SYNTAX.into()),
        }
    }
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return Err(SYNTAX.into());
    }
    if abort {
        if !stay(ctx.node) {
            return Err(ReplyError::fixed("ERR No shutdown in progress.").into());
        }
        log::info!("the shutdown was aborted by command");
        ctx.reply.ok();
        return Ok(());
    }
    let session = ctx.session();
    log::info!("SHUTDOWN by client {} at {}", session.id, session.peer.addr);
    if ctx.node.shutdown.is_none() || now {
        begin(ctx.node, if now { Haste::Now } else { Haste::Graceful });
    }
    // Its connection ends with the process, or it is told that the server stays.
    Err(Halt::Wait(Wait::Shutdown))
}

/// Does not leave after all; says whether it was about to. Those who have asked for it are told.
fn stay(node: &mut Node) -> bool {
    const ABORTED: ReplyError = ReplyError::fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    let Some(leaving) = node.shutdown.take() else {
        return false;
    };
    if leaving.abort() {
        let turn = node.turn;
        // Nobody waits for this answer.
        if let Ok(actions) = node.failover.abort(Ticket(0), &turn) {
            node.requests.push(Request::Failover(actions));
        }
    }
    node.requests
        .retain(|request| !matches!(request, Request::Exit(_)));
    if node.pause.lift(Purpose::Shutdown) {
        node.waiting.release(Reason::Paused);
    }
    for client in node.waiting.clients(Reason::Shutdown) {
        dispatch::unblock_with_error(node, client, &ABORTED);
    }
    true
}

/// Begins to leave. [`step`] says what comes when, and ends the process.
pub fn begin(node: &mut Node, haste: Haste) {
    let timeout_ms = match haste {
        Haste::Graceful | Haste::HandOver => u64::from(node.config.shutdown_timeout_s) * 1000,
        Haste::Now => 0,
    };
    let now = node.now();
    match (&mut node.shutdown, haste) {
        // One that is under way goes on; NOW ends its waiting.
        (Some(leaving), _) => leaving.hurry(now),
        (None, _) => {
            let hands_over = haste == Haste::HandOver;
            node.shutdown = Some(Leaving::begin(timeout_ms, hands_over, now));
        }
    }
    step(node);
    // What the first step has paused may be all that there was to wait for.
    step(node);
}

/// Goes on with leaving, as far as it can go now.
pub fn step(node: &mut Node) {
    let Some(mut leaving) = node.shutdown.take() else {
        return;
    };
    let replicas = replicas(node);
    let is_paused = node.pause.is_paused_by(Purpose::Shutdown) || node.failover.has_paused();
    let is_still = is_paused && !node.view.has_uncommitted();
    let waits_for_writes = [Reason::Paused, Reason::Role].map(|reason| node.waiting.count(reason));
    let unsent = node.clients.iter();
    let unsent = unsent.filter(|client| !client.output.is_empty()).count();
    let facts = Facts {
        is_replica: node.role == Role::Replica,
        in_failover: node.failover.is_active(),
        replicas: &replicas,
        final_seq: is_still.then_some(node.last_seq),
        unanswered: waits_for_writes.iter().sum::<usize>() + unsent,
    };
    let mut actions = VecDeque::from(leaving.step(&facts, node.now()));
    while let Some(action) = actions.pop_front() {
        match action {
            Action::PauseWrites => {
                let pause = &mut node.pause;
                pause.set(Purpose::Shutdown, Scope::Writes, Until::Released);
            }
            Action::RequestAcks => node.replication.wants_acks = true,
            Action::Exit => node.requests.push(Request::Exit(0)),
            Action::Log(level, line) => log::log!(level, "{line}"),
            Action::HandOver { timeout_ms } => {
                if let Err(error) = hand_over(node, timeout_ms) {
                    let why = String::from_utf8_lossy(error.text()).into_owned();
                    actions.extend(leaving.cannot_hand_over(&why));
                }
            }
        }
    }
    node.shutdown = Some(leaving);
}

fn replicas(node: &Node) -> Vec<Replica> {
    let replica = |(_, replica): (_, &crate::replication::progress::Replica)| Replica {
        name: format!("{}:{}", replica.address.ip, replica.address.port),
        progress: match replica.acks() {
            Acks::Never if replica.is_drained() => Progress::Sent(replica.sent_seq()),
            Acks::Never => Progress::Sent(Seq::ZERO),
            Acks::Prompt | Acks::Now => Progress::Acked(replica.acked_seq().unwrap_or_default()),
        },
    };
    node.replication.progress.iter().map(replica).collect()
}

/// Hands the role over before the process leaves.
fn hand_over(node: &mut Node, timeout_ms: u64) -> Result<(), ReplyError> {
    let options = Options {
        timeout_ms: Some(timeout_ms),
        ..Options::default()
    };
    let facts = node.failover_facts();
    let terms = Terms {
        starter: None,
        from: node.own_address(),
    };
    let turn = node.turn;
    let actions = node
        .failover
        .begin(&options, &facts, timeout_ms, terms, &turn)?;
    node.requests.push(Request::Failover(actions));
    Ok(())
}
