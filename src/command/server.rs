//! The server as a whole: CONFIG, TIME, LASTSAVE, COMPACT; and the list of the server commands that have files of their own.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use super::{cluster, debug, info, latency, memory, monitor, shutdown, slowlog};
use crate::config::{live, rewrite};
use crate::error::ReplyError;
use crate::node::Request;
use crate::resp::Args;

const COMMON: Flags = Flags::LOADING.and(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(COMMON);

/// The family.
pub const SPECS: &[Spec] = &[
    Spec::container(
        "config",
        &[
            Spec::control("config|get", -3, config_get).flags(ADMIN).never_held().doc(
                "server",
                "2.0.0",
                "O(N) when N is the number of configuration parameters provided",
                "Returns the effective values of configuration parameters.",
            ),
            Spec::control("config|help", 2, config_help).flags(COMMON).never_held().doc(
                "server",
                "5.0.0",
                "O(1)",
                "Returns helpful text about the different subcommands.",
            ),
            Spec::control("config|resetstat", 2, config_resetstat).flags(ADMIN).never_held().doc(
                "server",
                "2.0.0",
                "O(1)",
                "Resets the server's statistics.",
            ),
            Spec::control("config|rewrite", 2, config_rewrite).flags(ADMIN).never_held().doc(
                "server",
                "2.8.0",
                "O(1)",
                "Persists the effective configuration to file.",
            ),
            Spec::control("config|set", -4, config_set).flags(ADMIN).secrets(config_secrets).never_held().doc(
                "server",
                "2.0.0",
                "O(N) when N is the number of configuration parameters provided",
                "Sets configuration parameters in-flight.",
            ),
        ],
    )
    .doc("server", "2.0.0", "Depends on subcommand.", "A container for server configuration commands."),
    Spec::control("time", 1, time).flags(COMMON.and(Flags::FAST)).doc(
        "server",
        "2.6.0",
        "O(1)",
        "Returns the server time.",
    ),
    Spec::control("lastsave", 1, lastsave).flags(COMMON.and(Flags::FAST)).doc(
        "server",
        "1.0.0",
        "O(1)",
        "Returns the Unix timestamp of the last successful save to disk.",
    ),
    Spec::control("compact", 1, compact).flags(ADMIN).doc(
        "server",
        "1.0.0",
        "O(N) where N is the size of the database",
        "Compacts the whole database in the background, so that deleted and expired data leaves the disk.",
    ),
    Spec::control("clusterx", -2, clusterx).flags(ADMIN).never_held().doc(
        "cluster",
        "1.0.0",
        "O(1)",
        "Kvrocks's cluster topology commands: not in this build yet.",
    ),
    cluster::CLUSTER,
    debug::DEBUG,
    info::INFO,
    latency::LATENCY,
    memory::MEMORY,
    monitor::MONITOR,
    shutdown::SHUTDOWN,
    slowlog::SLOWLOG,
];

fn config_get(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let patterns: Vec<&[u8]> = args.from(2).iter().collect();
    let found = live::get(&ctx.node.config, &patterns);
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(&name);
        ctx.reply.bulk(&value);
    }
    Ok(())
}

fn config_secrets(args: Args<'_>) -> Vec<usize> {
    let arguments: Vec<&[u8]> = args.from(2).iter().collect();
    let found = live::sensitive_arguments(&arguments);
    found.into_iter().map(|at| at + 2).collect()
}

fn config_set(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let arguments: Vec<&[u8]> = args.from(2).iter().collect();
    let update =
        live::set(&ctx.node.config, &arguments).map_err(|error| ReplyError::new(error.reply()))?;
    if !update.changed.is_empty()
        && let Some(applier) = &mut ctx.node.applier
    {
        applier
            .apply(&update.config, &update.changed)
            .map_err(|refused| {
                let error = live::SetError::not_applied(refused.setting, &refused.reason);
                ReplyError::new(error.reply())
            })?;
    }
    for notice in &update.notices {
        log::info!("{notice}");
    }
    ctx.node.config = update.config;
    ctx.node.refresh_settings();
    if !update.changed.is_empty() {
        ctx.node
            .requests
            .push(Request::ConfigChanged(update.changed));
    }
    ctx.reply.ok();
    Ok(())
}

fn config_rewrite(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    const NO_FILE: ReplyError =
        ReplyError::fixed("ERR The server is running without a config file");
    let file = ctx.node.config.file.clone().ok_or(NO_FILE)?;
    rewrite::rewrite_file(&file, &ctx.node.config)
        .map_err(|error| ReplyError::new(rewrite::failed_reply(&error)))?;
    log::info!("CONFIG REWRITE: {}", file.display());
    ctx.reply.ok();
    Ok(())
}

fn config_resetstat(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.node.stats.reset();
    ctx.reply.ok();
    Ok(())
}

fn config_help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}

fn time(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let now = ctx.node.clock.turn();
    ctx.reply.array(2);
    ctx.reply.bulk_int((now.unix_us / 1_000_000) as i64);
    ctx.reply.bulk_int((now.unix_us % 1_000_000) as i64);
    Ok(())
}

/// Data is saved as it is written: the last save is now, up to the WAL's sync.
fn lastsave(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.int((ctx.turn.unix_us / 1_000_000) as i64);
    Ok(())
}

fn compact(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.node.requests.push(Request::Compact);
    ctx.reply.ok();
    Ok(())
}

fn clusterx(_: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    Err(ReplyError::fixed(
        "ERR CLUSTERX is not supported: cluster topology is not in this build yet",
    )
    .into())
}
