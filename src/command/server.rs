//! The server as a whole: CONFIG, TIME, LASTSAVE, COMPACT, DEBUG.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use super::{monitor, shutdown, slowlog};
use crate::config::{Permission, live, rewrite};
use crate::error::{NOT_A_FLOAT, ReplyError};
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
            Spec::control("config|set", -4, config_set).flags(ADMIN).never_held().doc(
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
    Spec::container(
        "debug",
        &[
            Spec::control("debug|help", 2, debug_help).flags(ADMIN).doc(
                "server",
                "1.0.0",
                "O(1)",
                "Returns helpful text about the different subcommands.",
            ),
            Spec::control("debug|jmap", 2, debug_jmap).flags(ADMIN).doc(
                "server",
                "1.0.0",
                "O(1)",
                "A no-op, as in Redis: the JVM is elsewhere.",
            ),
            Spec::control("debug|set-active-expire", 3, debug_set_active_expire).flags(ADMIN).doc(
                "server",
                "1.0.0",
                "O(1)",
                "Switches the search for expired keys on or off.",
            ),
            Spec::control("debug|sleep", 3, debug_sleep).flags(ADMIN).doc(
                "server",
                "1.0.0",
                "O(1)",
                "Stops the server for some seconds.",
            ),
        ],
    )
    .flags(ADMIN)
    .doc("server", "1.0.0", "Depends on subcommand.", "A container for debugging commands."),
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

fn config_set(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let arguments: Vec<&[u8]> = args.from(2).iter().collect();
    let update =
        live::set(&ctx.node.config, &arguments).map_err(|error| ReplyError::new(error.reply()))?;
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

/// DEBUG is for those whom `enable-debug-command` lets.
fn may_debug(ctx: &mut ControlCtx<'_>) -> Result<(), ReplyError> {
    const REFUSED: ReplyError = ReplyError::fixed(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    );
    let allowed = match ctx.node.config.enable_debug_command {
        Permission::Yes => true,
        Permission::No => false,
        Permission::Local => {
            let peer = &ctx.session().peer.addr;
            let ip = peer
                .rsplit_once(':')
                .map_or("", |(ip, _)| ip.trim_matches(['[', ']']));
            ip.parse::<std::net::IpAddr>()
                .map_or(peer.starts_with('/'), |ip| ip.to_canonical().is_loopback())
        }
    };
    if allowed { Ok(()) } else { Err(REFUSED) }
}

fn debug_jmap(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    may_debug(ctx)?;
    ctx.reply.ok();
    Ok(())
}

fn debug_sleep(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    may_debug(ctx)?;
    let seconds = crate::text::float::parse_f64(args.at(2)).ok_or(NOT_A_FLOAT)?;
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    ctx.node.requests.push(Request::Block(duration));
    ctx.reply.ok();
    Ok(())
}

fn debug_set_active_expire(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    may_debug(ctx)?;
    ctx.node.active_expire = args.at(2) != b"0";
    ctx.reply.ok();
    Ok(())
}

fn debug_help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    may_debug(ctx)?;
    super::help(
        ctx.reply,
        "DEBUG",
        &[
            "JMAP",
            "    Nothing, as in Redis.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Setting it to 0 disables expiring keys in background when they are not",
            "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
            "    default.",
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
        ],
    );
    Ok(())
}
