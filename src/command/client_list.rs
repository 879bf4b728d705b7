//! CLIENT LIST, INFO and KILL: which clients are meant, and what becomes of them.

use super::client_line;
use super::context::ControlCtx;
use super::halt::Run;
use crate::client::{Client, ClientKey, Flag, OutputClass};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::text::int::parse_i64;

/// Which clients CLIENT LIST and CLIENT KILL are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientType {
    Normal,
    Primary,
    Replica,
    Pubsub,
}

fn client_type(name: &[u8]) -> Result<ClientType, ReplyError> {
    let types = [
        ("normal", ClientType::Normal),
        ("master", ClientType::Primary),
        ("slave", ClientType::Replica),
        ("replica", ClientType::Replica),
        ("pubsub", ClientType::Pubsub),
    ];
    let found = types
        .iter()
        .find(|(word, _)| name.eq_ignore_ascii_case(word.as_bytes()));
    found
        .map(|(_, kind)| *kind)
        .ok_or_else(|| ReplyError::quoting("ERR Unknown client type '", name, "'"))
}

fn type_of(client: &Client) -> ClientType {
    match client.output_class() {
        OutputClass::Normal => ClientType::Normal,
        OutputClass::Replica => ClientType::Replica,
        OutputClass::Pubsub => ClientType::Pubsub,
    }
}

pub(super) fn list(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let mut kind = None;
    let mut ids = None;
    if args.len() == 4 && args.is(2, "type") {
        kind = Some(client_type(args.at(3))?);
    } else if args.len() > 3 && args.is(2, "id") {
        let mut wanted = Vec::new();
        for arg in args.from(3).iter() {
            wanted.push(parse_i64(arg).ok_or(ReplyError::fixed("ERR Invalid client ID"))?);
        }
        ids = Some(wanted);
    } else if args.len() != 2 {
        return Err(SYNTAX.into());
    }
    let mut text = String::new();
    let running = (ctx.client, args);
    match ids {
        Some(ids) => {
            for id in ids {
                let key = u64::try_from(id)
                    .ok()
                    .and_then(|id| ctx.node.clients.key_of_id(id));
                if let Some(client) = key.and_then(|key| ctx.node.clients.get(key)) {
                    client_line::write(ctx.node, client, running, &mut text);
                    text.push('\n');
                }
            }
        }
        None => {
            let mut clients: Vec<&Client> = ctx.node.clients.iter().collect();
            clients.sort_by_key(|client| client.id);
            for client in clients
                .into_iter()
                .filter(|client| kind.is_none_or(|kind| kind == type_of(client)))
            {
                client_line::write(ctx.node, client, running, &mut text);
                text.push('\n');
            }
        }
    }
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn info(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let mut text = String::new();
    if let Some(client) = ctx.node.clients.get(ctx.client) {
        client_line::write(ctx.node, client, (ctx.client, args), &mut text);
    }
    text.push('\n');
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// What CLIENT KILL was asked to match.
#[derive(Default)]
struct KillFilter<'a> {
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    id: Option<u64>,
    kind: Option<ClientType>,
    user: Option<&'a [u8]>,
    skip_me: bool,
}

pub(super) fn kill(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let me = ctx.client;
    if args.len() == 3 {
        // The old form: exactly one address, an error when nobody has it, and oneself included.
        let filter = KillFilter {
            addr: Some(args.at(2)),
            ..KillFilter::default()
        };
        if kill_matching(ctx, &filter, me) == 0 {
            return Err(ReplyError::fixed("ERR No such client").into());
        }
        ctx.reply.ok();
        return Ok(());
    }
    let filter = kill_filter(args)?;
    let killed = kill_matching(ctx, &filter, me);
    ctx.reply.count(killed);
    Ok(())
}

fn kill_filter<'a>(args: Args<'a>) -> Result<KillFilter<'a>, ReplyError> {
    let mut filter = KillFilter {
        skip_me: true,
        ..KillFilter::default()
    };
    let mut at = 2;
    while at < args.len() {
        let Some(value) = args.get(at + 1) else {
            return Err(SYNTAX);
        };
        if args.is(at, "id") {
            let id = parse_i64(value).filter(|&id| id > 0);
            filter.id =
                Some(id.ok_or(ReplyError::fixed("ERR client-id should be greater than 0"))? as u64);
        } else if args.is(at, "type") {
            filter.kind = Some(client_type(value)?);
        } else if args.is(at, "addr") {
            filter.addr = Some(value);
        } else if args.is(at, "laddr") {
            filter.laddr = Some(value);
        } else if args.is(at, "user") {
            if value != b"default" {
                return Err(ReplyError::quoting("ERR No such user '", value, "'"));
            }
            filter.user = Some(value);
        } else if args.is(at, "skipme") {
            filter.skip_me = match () {
                () if value.eq_ignore_ascii_case(b"yes") => true,
                () if value.eq_ignore_ascii_case(b"no") => false,
                () => return Err(SYNTAX),
            };
        } else {
            return Err(SYNTAX);
        }
        at += 2;
    }
    Ok(filter)
}

fn kill_matching(ctx: &mut ControlCtx<'_>, filter: &KillFilter<'_>, me: ClientKey) -> usize {
    let matches = |client: &&Client| {
        filter
            .addr
            .is_none_or(|addr| client.peer.addr.as_bytes() == addr)
            && filter
                .laddr
                .is_none_or(|laddr| client.peer.laddr.as_bytes() == laddr)
            && filter.id.is_none_or(|id| client.id == id)
            && filter.kind.is_none_or(|kind| type_of(client) == kind)
            && filter.user.is_none_or(|_| client.has(Flag::Authenticated))
            && !(filter.skip_me && client.key == me)
    };
    let victims: Vec<ClientKey> = ctx
        .node
        .clients
        .iter()
        .filter(matches)
        .map(|client| client.key)
        .collect();
    for &victim in &victims {
        if victim == me {
            ctx.node.close_after_reply(victim);
        } else {
            ctx.node.close_now(victim);
        }
    }
    victims.len()
}
