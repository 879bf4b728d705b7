//! DEBUG: what tests of servers and clients need. One command that reads its subcommands itself, as in Redis; only for those whom
//! `enable-debug-command` lets.

use std::time::Duration;

use super::context::ControlCtx;
use super::halt::Run;
use super::keyspace;
use super::spec::{Flags, Spec};
use crate::config::Permission;
use crate::error::{NO_SUCH_KEY, ReplyError};
use crate::resp::reply::Aggregate;
use crate::resp::{Args, Proto};

/// `DEBUG subcommand [arg ...]`
pub const DEBUG: Spec = Spec::control("debug", -2, debug)
    .flags(
        Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE),
    )
    .doc(
        "server",
        "1.0.0",
        "Depends on subcommand.",
        "A container for debugging commands.",
    );

fn debug(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const REFUSED: ReplyError = ReplyError::fixed(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    );
    if !is_allowed(ctx) {
        return Err(REFUSED.into());
    }
    match args.len() {
        2 if args.is(1, "help") => help(ctx),
        3 if args.is(1, "error") => error(args),
        3 if args.is(1, "log") => log(ctx, args),
        3 if args.is(1, "object") => object(ctx, args),
        3 if args.is(1, "protocol") => protocol(ctx, args),
        3 if args.is(1, "set-active-expire") => set_active_expire(ctx, args),
        3 if args.is(1, "sleep") => sleep(ctx, args),
        _ => Err(super::subcommand_syntax("DEBUG", args.at(1)).into()),
    }
}

fn is_allowed(ctx: &mut ControlCtx<'_>) -> bool {
    match ctx.node.config.enable_debug_command {
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
    }
}

/// An error with the client's own words, so that it can test how it takes errors.
fn error(args: Args<'_>) -> Run {
    Err(ReplyError::new(args.at(2)).into())
}

fn log(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    log::warn!("DEBUG LOG: {}", args.at(2).escape_ascii());
    ctx.reply.ok();
    Ok(())
}

/// What is stored under a key. Redis's `lru` and `lru_seconds_idle` are left out: access times are not kept.
fn object(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let thresholds = ctx.node.settings.encoding.clone();
    let mut store = ctx.store();
    let meta = store.meta(args.at(2))?.ok_or(NO_SUCH_KEY)?;
    let encoding = keyspace::encoding_of(&mut store, args.at(2), &meta, &thresholds)?;
    let bytes = keyspace::stored_bytes(&mut store, args.at(2), &meta, keyspace::SAMPLES)?;
    // In the place of an address stands the version that the elements on disk carry.
    ctx.reply.simple(&format!(
        "Value at:{:#x} refcount:1 encoding:{encoding} serializedlength:{bytes} size:{}",
        meta.header.version, meta.header.size
    ));
    Ok(())
}

/// A reply of every kind that the protocol has.
fn protocol(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    const NO_PUSH: ReplyError = ReplyError::fixed("ERR RESP2 is not supported by this command");
    const UNKNOWN: ReplyError = ReplyError::fixed(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    );
    const BIG: &str = "1234567999999999999999999999999999999";
    let reply = &mut *ctx.reply;
    let is_resp3 = reply.proto == Proto::Resp3;
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        #[allow(
            clippy::approx_constant,
            reason = "Redis's test value, which is not pi"
        )]
        b"double" => reply.double(3.141),
        b"bignum" if is_resp3 => reply.raw(format!("({BIG}\r\n").as_bytes()),
        b"bignum" => reply.bulk(BIG.as_bytes()),
        b"null" => reply.null(),
        kind @ (b"array" | b"set") => {
            let kind = if kind == b"set" {
                Aggregate::Set
            } else {
                Aggregate::Array
            };
            reply.aggregate(kind, 3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if is_resp3 {
                reply.raw(b"|1\r\n");
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !is_resp3 => return Err(NO_PUSH.into()),
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => return Err(UNKNOWN.into()),
    }
    Ok(())
}

/// Numbers as C's `atoi` reads them: what is none is 0.
fn set_active_expire(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let digits: Vec<u8> = args
        .at(2)
        .iter()
        .copied()
        .take_while(u8::is_ascii_digit)
        .collect();
    ctx.node.active_expire = digits.iter().any(|&digit| digit != b'0');
    ctx.reply.ok();
    Ok(())
}

/// Stands still, with everybody waiting: the one command that blocks the loop, because that is what it is for.
fn sleep(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let seconds = crate::text::float::parse_f64(args.at(2)).unwrap_or(0.0);
    std::thread::sleep(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut ControlCtx<'_>) -> Run {
    super::help(
        ctx.reply,
        "DEBUG",
        &[
            "ERROR <string>",
            "    Return an error reply with <string> as its text.",
            "LOG <message>",
            "    Write <message> to the server's log.",
            "OBJECT <key>",
            "    Show what is stored under <key>.",
            "PROTOCOL <type>",
            "    Reply with a test value of the type: string, integer, double, bignum, null,",
            "    array, set, map, attrib, push, verbatim, true or false.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Switch the search for expired keys off or on.",
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
        ],
    );
    Ok(())
}
