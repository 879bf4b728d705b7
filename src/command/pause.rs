//! CLIENT PAUSE and CLIENT UNPAUSE: the commands; the state is [`crate::pause`].

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use crate::client::waiting::Reason;
use crate::error::{self, ReplyError};
use crate::node::Role;
use crate::pause::{Purpose, Scope, Until};
use crate::resp::Args;
use crate::text::int::parse_i64;

/// `CLIENT PAUSE timeout-ms [WRITE|ALL]`
pub const CLIENT_PAUSE: Spec = Spec::control("client|pause", -3, pause)
    .flags(
        Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE),
    )
    .never_held()
    .doc(
        "connection",
        "2.9.50",
        "O(1)",
        "Suspends commands processing.",
    );

/// `CLIENT UNPAUSE`
pub const CLIENT_UNPAUSE: Spec = Spec::control("client|unpause", 2, unpause)
    .flags(
        Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE),
    )
    .never_held()
    .doc(
        "connection",
        "6.2.0",
        "O(N) Where N is the number of paused clients",
        "Resumes processing commands from paused clients.",
    );

fn pause(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const MODE: ReplyError = ReplyError::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL");
    const TIMEOUT: ReplyError = ReplyError::fixed("ERR timeout is not an integer or out of range");
    if args.len() > 4 {
        return Err(super::subcommand_syntax("CLIENT", args.at(1)).into());
    }
    let timeout_ms = parse_i64(args.at(2)).ok_or(TIMEOUT)?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| error::TIMEOUT_NEGATIVE)?;
    let scope = match args.get(3) {
        None => Scope::All,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => Scope::Writes,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => Scope::All,
        Some(_) => return Err(MODE.into()),
    };
    // An end beyond the clock is refused; redis 7.0.15 accepts it and then does not pause at all.
    let end = ctx.turn.now().checked_add(timeout_ms).ok_or(TIMEOUT)?;
    ctx.turn
        .unix()
        .0
        .checked_add(timeout_ms)
        .filter(|&end| i64::try_from(end).is_ok())
        .ok_or(TIMEOUT)?;
    let by = ctx.session();
    log::info!(
        "CLIENT PAUSE {timeout_ms} ms, {scope:?}, by client {} at {}",
        by.id,
        by.peer.addr
    );
    ctx.node.pause.set(Purpose::Command, scope, Until::At(end));
    let is_replica = ctx.node.role != Role::Primary;
    ctx.node.pause.set_holds_replication(is_replica);
    // OK means frozen: it leaves after every write that was executed before it.
    ctx.depend_on_all_writes();
    ctx.reply.ok();
    Ok(())
}

fn unpause(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    if ctx.node.pause.is_paused_by(Purpose::Command) {
        let by = ctx.session();
        log::info!("CLIENT UNPAUSE by client {} at {}", by.id, by.peer.addr);
    }
    if ctx.node.pause.lift(Purpose::Command) {
        ctx.node.waiting.release(Reason::Paused);
    }
    ctx.reply.ok();
    Ok(())
}
