//! MONITOR: every command that is executed, shown to those who asked, once it has been executed.

use super::account;
use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use super::table::Command;
use crate::client::{ClientKey, Flag};
use crate::error::ReplyError;
use crate::node::Node;
use crate::resp::Args;
use crate::text::quote;

/// The declaration.
pub const MONITOR: Spec = Spec::control("monitor", 1, monitor)
    .flags(
        Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE),
    )
    .doc(
        "server",
        "1.0.0",
        "",
        "Listens for all requests received by the server in real-time.",
    );

fn monitor(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    if ctx.in_exec {
        return Err(ReplyError::fixed("ERR MONITOR isn't allowed for DENY BLOCKING client").into());
    }
    let key = ctx.client;
    if !ctx.session().has(Flag::Monitor) {
        ctx.session().set(Flag::Monitor, true);
        ctx.node.monitors.push(key);
    }
    ctx.reply.ok();
    Ok(())
}

/// Notes `args` for every monitor: it is shown when the command is done, as what it shows depends on what the
/// command wrote. Passwords are hidden; administrative commands are not shown, as in Redis.
pub fn note(node: &mut Node, key: ClientKey, command: &'static Command, args: Args<'_>) {
    if node.monitors.is_empty() {
        return;
    }
    if command.spec.flags.has(Flags::SKIP_MONITOR) || command.spec.flags.has(Flags::ADMIN) {
        return;
    }
    let Some(client) = node.clients.get(key) else {
        return;
    };
    let turn = node.clock.turn();
    let mut line = format!(
        "+{}.{:06} [{} {}]",
        turn.unix_us / 1_000_000,
        turn.unix_us % 1_000_000,
        client.db.0,
        client.peer.addr
    )
    .into_bytes();
    for arg in account::shown(command.spec, args) {
        line.push(b' ');
        quote::write_quoted(&mut line, arg);
    }
    line.extend_from_slice(b"\r\n");
    for &monitor in node.monitors.iter().filter(|&&monitor| monitor != key) {
        node.noted.push((monitor, line.as_slice().into()));
    }
}
