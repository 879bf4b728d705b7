//! The slow log: commands that took longer than `slowlog-log-slower-than` microseconds. Time spent parked does not count.

use super::account;
use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use super::table::Command;
use crate::client::ClientKey;
use crate::error::ReplyError;
use crate::node::Node;
use crate::node::stats::SlowEntry;
use crate::resp::Args;
use crate::text::int::parse_i64;

const ADMIN: Flags = Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE);
/// Arguments and bytes of an argument that an entry keeps, as in Redis.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

/// The declaration.
pub const SLOWLOG: Spec = Spec::container(
    "slowlog",
    &[
        Spec::control("slowlog|get", -2, get).flags(ADMIN).doc(
            "server",
            "2.2.12",
            "O(N) where N is the number of entries returned",
            "Returns the slow log's entries.",
        ),
        Spec::control("slowlog|help", 2, help)
            .flags(Flags::LOADING.and(Flags::STALE))
            .doc(
                "server",
                "6.2.0",
                "O(1)",
                "Show helpful text about the different subcommands",
            ),
        Spec::control("slowlog|len", 2, len).flags(ADMIN).doc(
            "server",
            "2.2.12",
            "O(1)",
            "Returns the number of entries in the slow log.",
        ),
        Spec::control("slowlog|reset", 2, reset).flags(ADMIN).doc(
            "server",
            "2.2.12",
            "O(N) where N is the number of entries in the slowlog",
            "Clears all entries from the slow log.",
        ),
    ],
)
.doc(
    "server",
    "2.2.12",
    "Depends on subcommand.",
    "A container for slow log commands.",
);

/// Notes a command that took `took_us`, if that is slow. EXEC does not show, its commands do.
#[inline]
pub fn note(
    node: &mut Node,
    key: ClientKey,
    command: &'static Command,
    args: Args<'_>,
    took_us: u64,
) {
    let limit = node.config.slowlog_log_slower_than_us;
    if limit >= 0 && took_us >= limit as u64 && !command.spec.flags.has(Flags::SKIP_SLOWLOG) {
        record(node, key, command, args, took_us);
    }
}

fn record(
    node: &mut Node,
    key: ClientKey,
    command: &'static Command,
    args: Args<'_>,
    took_us: u64,
) {
    let Some(client) = node.clients.get(key) else {
        return;
    };
    let shown = account::shown(command.spec, args);
    let mut kept: Vec<Vec<u8>> = shown
        .iter()
        .take(ARGS_MAX)
        .map(|arg| shortened(arg))
        .collect();
    if shown.len() > ARGS_MAX {
        kept[ARGS_MAX - 1] =
            format!("... ({} more arguments)", shown.len() - ARGS_MAX + 1).into_bytes();
    }
    let entry = SlowEntry {
        id: node.stats.slowlog.next_id,
        // When it ended: the turn may be older than the command was long.
        unix_s: node.clock.turn().unix_us / 1_000_000,
        took_us,
        args: kept,
        addr: client.peer.addr.clone(),
        name: client.name.as_deref().unwrap_or("").to_owned(),
    };
    node.stats.slowlog.next_id += 1;
    node.stats.slowlog.entries.push_front(entry);
    node.stats
        .slowlog
        .entries
        .truncate(node.config.slowlog_max_len as usize);
}

fn shortened(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let mut text = arg[..ARG_BYTES_MAX].to_vec();
    text.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX).as_bytes());
    text
}

fn get(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const COUNT: ReplyError = ReplyError::fixed("ERR count should be greater than or equal to -1");
    if args.len() > 3 {
        return Err(super::subcommand_syntax("SLOWLOG", args.at(1)).into());
    }
    let count = match args.get(2) {
        None => 10,
        Some(text) => match parse_i64(text).ok_or(COUNT)? {
            -1 => usize::MAX,
            count => usize::try_from(count).map_err(|_| COUNT)?,
        },
    };
    let entries = &ctx.node.stats.slowlog.entries;
    ctx.reply.array(entries.len().min(count));
    for entry in entries.iter().take(count) {
        ctx.reply.array(6);
        ctx.reply.int(entry.id as i64);
        ctx.reply.int(entry.unix_s as i64);
        ctx.reply.int(entry.took_us as i64);
        ctx.reply.array(entry.args.len());
        for arg in &entry.args {
            ctx.reply.bulk(arg);
        }
        ctx.reply.bulk(entry.addr.as_bytes());
        ctx.reply.bulk(entry.name.as_bytes());
    }
    Ok(())
}

fn len(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.count(ctx.node.stats.slowlog.entries.len());
    Ok(())
}

fn reset(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.node.stats.slowlog.entries.clear();
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}
