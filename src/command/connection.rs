//! The connection itself: PING, ECHO, AUTH, HELLO, SELECT, QUIT, RESET.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use crate::client::{Flag, ReplyMode};
use crate::error::{DB_OUT_OF_RANGE, NOT_AN_INTEGER, ReplyError};
use crate::resp::{Args, Proto};
use crate::storage::keys::DbIndex;
use crate::text::int::parse_i64;

/// The version that clients and tools are told: the Redis whose behaviour this server follows.
pub const REDIS_VERSION: &str = "7.0.15";

const GREETING: Flags = Flags::NOSCRIPT
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::FAST)
    .and(Flags::NO_AUTH)
    .and(Flags::ALLOW_BUSY);

/// The family.
pub const SPECS: &[Spec] = &[
    Spec::control("ping", -1, ping)
        .flags(Flags::FAST)
        .never_held()
        .doc(
            "connection",
            "1.0.0",
            "O(1)",
            "Returns the server's liveliness response.",
        ),
    Spec::control("echo", 2, echo)
        .flags(Flags::LOADING.and(Flags::STALE).and(Flags::FAST))
        .doc("connection", "1.0.0", "O(1)", "Returns the given string."),
    Spec::control("auth", -2, auth)
        .flags(GREETING)
        .secrets(auth_secrets)
        .never_held()
        .doc(
            "connection",
            "1.0.0",
            "O(N) where N is the number of passwords defined for the user",
            "Authenticates the connection.",
        ),
    Spec::control("hello", -1, hello)
        .flags(GREETING)
        .secrets(hello_secrets)
        .never_held()
        .doc(
            "connection",
            "6.0.0",
            "O(1)",
            "Handshakes with the Redis server.",
        ),
    Spec::control("select", 2, select)
        .flags(Flags::LOADING.and(Flags::STALE).and(Flags::FAST))
        .never_held()
        .doc(
            "connection",
            "1.0.0",
            "O(1)",
            "Changes the selected database.",
        ),
    Spec::control("quit", -1, quit)
        .flags(GREETING)
        .never_held()
        .doc("connection", "1.0.0", "O(1)", "Closes the connection."),
    Spec::control("reset", 1, reset)
        .flags(GREETING)
        .never_held()
        .doc("connection", "6.2.0", "O(1)", "Resets the connection."),
];

fn ping(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    if args.len() > 2 {
        return Err(crate::error::wrong_arity("ping").into());
    }
    let session = ctx.session();
    if session.is_subscriber() && session.proto == Proto::Resp2 {
        ctx.reply.array(2);
        ctx.reply.bulk(b"pong");
        ctx.reply.bulk(args.get(1).unwrap_or_default());
        return Ok(());
    }
    match args.get(1) {
        None => ctx.reply.simple("PONG"),
        Some(text) => ctx.reply.bulk(text),
    }
    Ok(())
}

fn echo(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    ctx.reply.bulk(args.at(1));
    Ok(())
}

fn quit(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.ok();
    let client = ctx.client;
    ctx.node.close_after_reply(client);
    Ok(())
}

fn select(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let index = parse_i64(args.at(1)).ok_or(NOT_AN_INTEGER)?;
    if ctx.node.settings.cluster_enabled && index != 0 {
        return Err(ReplyError::fixed("ERR SELECT is not allowed in cluster mode").into());
    }
    let index = u16::try_from(index)
        .ok()
        .filter(|&index| index < ctx.node.settings.databases);
    ctx.session().db = DbIndex(index.ok_or(DB_OUT_OF_RANGE)?);
    ctx.reply.ok();
    Ok(())
}

fn auth_secrets(args: Args<'_>) -> Vec<usize> {
    (1..args.len()).collect()
}

fn hello_secrets(args: Args<'_>) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "auth") && at + 2 < args.len() {
            found.extend([at + 1, at + 2]);
            at += 3;
        } else {
            // SETNAME and its name; anything else is an error before what follows is looked at.
            at += 2;
        }
    }
    found
}

/// Checks a password. There is one user, `default`.
fn check_password(
    ctx: &mut ControlCtx<'_>,
    user: &[u8],
    password: &[u8],
) -> Result<(), ReplyError> {
    const WRONG: ReplyError =
        ReplyError::fixed("WRONGPASS invalid username-password pair or user is disabled.");
    let expected = &ctx.node.config.requirepass;
    let known = user == b"default" && (expected.is_empty() || same_bytes(expected, password));
    if !known {
        return Err(WRONG);
    }
    ctx.session().set(Flag::Authenticated, true);
    Ok(())
}

/// Compares in a time that does not tell where the difference is.
fn same_bytes(expected: &[u8], given: &[u8]) -> bool {
    let mut difference = expected.len() ^ given.len();
    for (at, &byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ expected.get(at).copied().unwrap_or(0));
    }
    difference == 0
}

fn auth(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const NO_PASSWORD: ReplyError = ReplyError::fixed(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
    if args.len() > 3 {
        return Err(crate::error::SYNTAX.into());
    }
    let (user, password): (&[u8], &[u8]) = if args.len() == 3 {
        (args.at(1), args.at(2))
    } else {
        (b"default", args.at(1))
    };
    if args.len() == 2 && ctx.node.config.requirepass.is_empty() {
        return Err(NO_PASSWORD.into());
    }
    check_password(ctx, user, password)?;
    ctx.reply.ok();
    Ok(())
}

fn hello(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const NO_PROTO: ReplyError = ReplyError::fixed("NOPROTO unsupported protocol version");
    const NO_AUTH: ReplyError = ReplyError::fixed(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
    );
    let proto = match args.get(1) {
        None => None,
        Some(text) => {
            let version = parse_i64(text).ok_or(ReplyError::fixed(
                "ERR Protocol version is not an integer or out of range",
            ))?;
            Some(match version {
                2 => Proto::Resp2,
                3 => Proto::Resp3,
                _ => return Err(NO_PROTO.into()),
            })
        }
    };
    let mut credentials = None;
    let mut name = None;
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "auth") && left >= 2 {
            credentials = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if args.is(at, "setname") && left >= 1 {
            name = Some(super::client::checked_name(args.at(at + 1))?);
            at += 2;
        } else {
            let option = args.at(at);
            return Err(
                ReplyError::quoting("ERR Syntax error in HELLO option '", option, "'").into(),
            );
        }
    }
    if let Some((user, password)) = credentials {
        check_password(ctx, user, password)?;
    }
    if !ctx.session().has(Flag::Authenticated) && !ctx.node.config.requirepass.is_empty() {
        return Err(NO_AUTH.into());
    }
    if let Some(name) = name {
        ctx.session().name = name;
    }
    if let Some(proto) = proto {
        ctx.session().proto = proto;
        ctx.reply.proto = proto;
    }
    let session = ctx.session();
    let (id, version) = (
        session.id,
        if session.proto == Proto::Resp3 { 3 } else { 2 },
    );
    ctx.reply.map(7);
    ctx.reply.bulk(b"server");
    ctx.reply.bulk(b"redis");
    ctx.reply.bulk(b"version");
    ctx.reply.bulk(REDIS_VERSION.as_bytes());
    ctx.reply.bulk(b"proto");
    ctx.reply.int(version);
    ctx.reply.bulk(b"id");
    ctx.reply.int(id as i64);
    ctx.reply.bulk(b"mode");
    ctx.reply.bulk(if ctx.node.settings.cluster_enabled {
        b"cluster"
    } else {
        b"standalone"
    });
    ctx.reply.bulk(b"role");
    ctx.reply.bulk(match ctx.node.named_primary() {
        None => b"master",
        Some(_) => b"replica",
    });
    ctx.reply.bulk(b"modules");
    ctx.reply.array(0);
    Ok(())
}

fn reset(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let client = ctx.client;
    ctx.node.unwatch(client);
    super::pubsub::drop_all(ctx);
    ctx.node.monitors.retain(|&other| other != client);
    let needs_password = !ctx.node.config.requirepass.is_empty();
    let session = ctx.session();
    session.transaction = None;
    session.set(Flag::Monitor, false);
    session.set(Flag::NoEvict, false);
    session.set(Flag::NoTouch, false);
    session.set(Flag::Authenticated, !needs_password);
    session.db = DbIndex(0);
    session.proto = Proto::Resp2;
    session.reply_mode = ReplyMode::On;
    session.skip_this_reply = false;
    session.name = None;
    ctx.reply.proto = Proto::Resp2;
    ctx.reply.simple("RESET");
    Ok(())
}
