//! CLIENT and its subcommands.

use super::client_list::{info, kill, list};
use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use super::{parking, pause};
use crate::client::waiting::Reason;
use crate::client::{Client, Flag, ReplyMode};
use crate::error::{self, ReplyError, SYNTAX};
use crate::resp::Args;
use crate::text::int::parse_i64;

const COMMON: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);
const ADMIN: Flags = COMMON.and(Flags::ADMIN);

/// The family.
pub const SPECS: &[Spec] = &[Spec::container(
    "client",
    &[
        Spec::control("client|caching", 3, caching).flags(COMMON).never_held().doc(
            "connection",
            "6.0.0",
            "O(1)",
            "Instructs the server whether to track the keys in the next request.",
        ),
        Spec::control("client|getname", 2, getname).flags(COMMON).never_held().doc(
            "connection",
            "2.6.9",
            "O(1)",
            "Returns the name of the connection.",
        ),
        Spec::control("client|getredir", 2, getredir).flags(COMMON).never_held().doc(
            "connection",
            "6.0.0",
            "O(1)",
            "Returns the client ID to which the connection's tracking notifications are redirected.",
        ),
        Spec::control("client|help", 2, help).flags(Flags::LOADING.and(Flags::STALE)).never_held().doc(
            "connection",
            "5.0.0",
            "O(1)",
            "Returns helpful text about the different subcommands.",
        ),
        Spec::control("client|id", 2, id).flags(COMMON).never_held().doc(
            "connection",
            "5.0.0",
            "O(1)",
            "Returns the unique client ID of the connection.",
        ),
        Spec::control("client|info", 2, info).flags(COMMON).never_held().doc(
            "connection",
            "6.2.0",
            "O(1)",
            "Returns information about the connection.",
        ),
        Spec::control("client|kill", -3, kill).flags(ADMIN).never_held().doc(
            "connection",
            "2.4.0",
            "O(N) where N is the number of client connections",
            "Terminates open connections.",
        ),
        Spec::control("client|list", -2, list).flags(ADMIN).never_held().doc(
            "connection",
            "2.4.0",
            "O(N) where N is the number of client connections",
            "Lists open connections.",
        ),
        Spec::control("client|no-evict", 3, no_evict).flags(ADMIN).never_held().doc(
            "connection",
            "7.0.0",
            "O(1)",
            "Sets the client eviction mode of the connection.",
        ),
        Spec::control("client|no-touch", 3, no_touch).flags(COMMON).never_held().doc(
            "connection",
            "7.2.0",
            "O(1)",
            "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        ),
        pause::CLIENT_PAUSE,
        Spec::control("client|reply", 3, reply).flags(COMMON).never_held().doc(
            "connection",
            "3.2.0",
            "O(1)",
            "Instructs the server whether to reply to commands.",
        ),
        Spec::control("client|setinfo", 4, setinfo).flags(COMMON).never_held().doc(
            "connection",
            "7.2.0",
            "O(1)",
            "Sets information specific to the client or connection.",
        ),
        Spec::control("client|setname", 3, setname).flags(COMMON).never_held().doc(
            "connection",
            "2.6.9",
            "O(1)",
            "Sets the connection name.",
        ),
        Spec::control("client|tracking", -3, tracking).flags(COMMON).never_held().doc(
            "connection",
            "6.0.0",
            "O(1). Some options may introduce additional complexity.",
            "Controls server-assisted client-side caching for the connection.",
        ),
        Spec::control("client|trackinginfo", 2, trackinginfo).flags(COMMON).never_held().doc(
            "connection",
            "6.2.0",
            "O(1)",
            "Returns information about server-assisted client-side caching for the connection.",
        ),
        Spec::control("client|unblock", -3, unblock).flags(ADMIN).never_held().doc(
            "connection",
            "5.0.0",
            "O(log N) where N is the number of client connections",
            "Unblocks a client blocked by a blocking command from a different connection.",
        ),
        pause::CLIENT_UNPAUSE,
    ],
)
.doc("connection", "2.4.0", "Depends on subcommand.", "A container for client connection commands.")];

/// A connection's name as it may be: no spaces, line ends or other characters below `!` or above `~`. Empty clears it.
pub fn checked_name(name: &[u8]) -> Result<Option<Box<str>>, ReplyError> {
    const BAD: ReplyError = ReplyError::fixed(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    );
    checked_text(name, BAD)
}

fn checked_text(text: &[u8], bad: ReplyError) -> Result<Option<Box<str>>, ReplyError> {
    if text.iter().any(|byte| !(b'!'..=b'~').contains(byte)) {
        return Err(bad);
    }
    let text = std::str::from_utf8(text).map_err(|_| bad)?;
    Ok((!text.is_empty()).then(|| text.into()))
}

fn id(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let id = ctx.session().id;
    ctx.reply.int(id as i64);
    Ok(())
}

fn getname(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let name = ctx.session().name.clone();
    ctx.reply.bulk_or_null(name.as_deref().map(str::as_bytes));
    Ok(())
}

fn setname(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    ctx.session().name = checked_name(args.at(2))?;
    ctx.reply.ok();
    Ok(())
}

fn setinfo(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let bad = |what: &str| {
        ReplyError::new(format!(
            "ERR {what} cannot contain spaces, newlines or special characters."
        ))
    };
    if args.is(2, "lib-name") {
        ctx.session().lib_name = checked_text(args.at(3), bad("lib-name"))?;
    } else if args.is(2, "lib-ver") {
        ctx.session().lib_version = checked_text(args.at(3), bad("lib-ver"))?;
    } else {
        return Err(ReplyError::quoting("ERR Unrecognized option '", args.at(2), "'").into());
    }
    ctx.reply.ok();
    Ok(())
}

fn on_off(args: Args<'_>, at: usize) -> Result<bool, ReplyError> {
    match () {
        () if args.is(at, "on") => Ok(true),
        () if args.is(at, "off") => Ok(false),
        () => Err(SYNTAX),
    }
}

fn no_evict(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let on = on_off(args, 2)?;
    ctx.session().set(Flag::NoEvict, on);
    ctx.reply.ok();
    Ok(())
}

fn no_touch(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let on = on_off(args, 2)?;
    ctx.session().set(Flag::NoTouch, on);
    ctx.reply.ok();
    Ok(())
}

fn reply(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let session = ctx.session();
    if args.is(2, "on") {
        session.reply_mode = ReplyMode::On;
        session.skip_this_reply = false;
        ctx.reply.ok();
    } else if args.is(2, "off") {
        session.reply_mode = ReplyMode::Off;
    } else if args.is(2, "skip") {
        if session.reply_mode != ReplyMode::Off {
            session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(SYNTAX.into());
    }
    Ok(())
}

/// Client-side caching is not offered: switching it on is an error, switching it off changes nothing as in Redis.
fn tracking(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    if on_off(args, 2)? {
        return Err(
            ReplyError::fixed("ERR CLIENT TRACKING is not supported by this server").into(),
        );
    }
    ctx.reply.ok();
    Ok(())
}

fn caching(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let _ = (ctx, args);
    Err(ReplyError::fixed(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    )
    .into())
}

fn getredir(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.int(-1);
    Ok(())
}

fn trackinginfo(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.map(3);
    ctx.reply.bulk(b"flags");
    ctx.reply.set(1);
    ctx.reply.bulk(b"off");
    ctx.reply.bulk(b"redirect");
    ctx.reply.int(-1);
    ctx.reply.bulk(b"prefixes");
    ctx.reply.array(0);
    Ok(())
}

fn unblock(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const REASON: ReplyError =
        ReplyError::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    const UNBLOCKED: ReplyError =
        ReplyError::fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    let with_error = match args.len() {
        3 => false,
        4 if args.is(3, "timeout") => false,
        4 if args.is(3, "error") => true,
        4 => return Err(REASON.into()),
        _ => return Err(super::subcommand_syntax("CLIENT", args.at(1)).into()),
    };
    let id = parse_i64(args.at(2)).ok_or(error::NOT_AN_INTEGER)?;
    let target = u64::try_from(id)
        .ok()
        .and_then(|id| ctx.node.clients.key_of_id(id));
    // A client that a pause holds back is not blocked by its own command: 0, and nothing changes.
    let waits = target
        .and_then(|key| ctx.node.clients.get(key))
        .and_then(Client::parked)
        .is_some_and(|parked| {
            parked.on_timeout.is_some()
                && matches!(
                    ctx.node.waiting.reason(parked.ticket),
                    Some(Reason::Keys | Reason::Acks)
                )
        });
    let Some(key) = target.filter(|_| waits) else {
        ctx.reply.int(0);
        return Ok(());
    };
    let group = ctx.node.view.dependency();
    if with_error {
        parking::unblock_with_error(ctx.node, key, &UNBLOCKED);
    } else {
        parking::time_out(ctx.node, key);
    }
    ctx.node.view.depend_on(group);
    ctx.reply.int(1);
    Ok(())
}

fn help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(ctx.reply, "CLIENT", HELP);
    Ok(())
}

const HELP: &[&str] = &[
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are lib-name and lib-ver.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
];
