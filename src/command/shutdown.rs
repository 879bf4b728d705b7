//! SHUTDOWN, and leaving gracefully: writes are paused, what was written is committed, then the process ends with 0.
//! Commands that are parked then are dropped unanswered.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use crate::client::ClientKey;
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
        if ctx.node.shutdown.take().is_none() {
            return Err(ReplyError::fixed("ERR No shutdown in progress.").into());
        }
        if ctx.node.pause.lift(Purpose::Shutdown) {
            ctx.node.waiting.release(Reason::Paused);
        }
        log::info!("the shutdown was aborted by command");
        ctx.reply.ok();
        return Ok(());
    }
    let session = ctx.session();
    log::info!("SHUTDOWN by client {} at {}", session.id, session.peer.addr);
    let client = ctx.client;
    begin(
        ctx.node,
        Some(client),
        if now { Haste::Now } else { Haste::Graceful },
    );
    Ok(())
}

/// Begins to leave. Writes are paused at once; [`step`] ends the process.
pub fn begin(node: &mut Node, by: Option<ClientKey>, haste: Haste) {
    let wait_ms = match haste {
        Haste::Graceful => u64::from(node.config.shutdown_timeout_s) * 1000,
        Haste::Now => 0,
    };
    node.pause
        .set(Purpose::Shutdown, Scope::Writes, Until::Released);
    node.shutdown = Some(ShutdownRequest {
        deadline: MonoMs(node.now().0.saturating_add(wait_ms)),
        by,
    });
    step(node);
}

/// Ends the process once nobody has to be waited for: without replicas, at once.
pub fn step(node: &mut Node) {
    if node.shutdown.is_some() {
        node.requests.push(Request::Exit(0));
    }
}
