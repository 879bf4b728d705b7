//! SHUTDOWN, and leaving gracefully: writes are paused, what was written is committed, then the process ends with 0.
//! Commands that are parked then are dropped unanswered.

use super::context::ControlCtx;
use super::halt::{Halt, Run, Wait};
use super::parking;
use super::spec::{Flags, Spec};
use crate::client::waiting::Reason;
use crate::clock::MonoMs;
use crate::error::{ReplyError, SYNTAX};
use crate::node::{Node, Request, ShutdownRequest};
use crate::pause::{Purpose, Scope, Until};
use crate::resp::Args;

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
    // One that is under way goes on; NOW ends its waiting.
    if ctx.node.shutdown.is_none() || now {
        begin(ctx.node, if now { Haste::Now } else { Haste::Graceful });
    }
    // Its connection ends with the process, or it is told that the server stays.
    Err(Halt::Wait(Wait::Shutdown))
}

/// Does not leave after all; says whether it was about to. Those who have asked for it are told.
fn stay(node: &mut Node) -> bool {
    const ABORTED: ReplyError = ReplyError::fixed("ERR Errors trying to SHUTDOWN. Check logs.");
    if node.shutdown.take().is_none() {
        return false;
    }
    node.requests
        .retain(|request| !matches!(request, Request::Exit(_)));
    if node.pause.lift(Purpose::Shutdown) {
        node.waiting.release(Reason::Paused);
    }
    for client in node.waiting.clients(Reason::Shutdown) {
        parking::unblock_with_error(node, client, &ABORTED);
    }
    true
}

/// Begins to leave. Writes are paused at once; [`step`] ends the process.
pub fn begin(node: &mut Node, haste: Haste) {
    let wait_ms = match haste {
        Haste::Graceful => u64::from(node.config.shutdown_timeout_s) * 1000,
        Haste::Now => 0,
    };
    node.pause
        .set(Purpose::Shutdown, Scope::Writes, Until::Released);
    node.shutdown = Some(ShutdownRequest {
        deadline: MonoMs(node.now().0.saturating_add(wait_ms)),
    });
    step(node);
}

/// Ends the process once nobody has to be waited for: without replicas, at once.
pub fn step(node: &mut Node) {
    if node.shutdown.is_some() {
        node.requests.push(Request::Exit(0));
    }
}
