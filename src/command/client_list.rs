//! CLIENT LIST, INFO and KILL: connections shown and closed, those of replicas and the one to the primary among them.

use super::client_line::Line;
use super::context::ControlCtx;
use super::halt::Run;
use crate::client::{Client, ClientKey, Flag, Linked, OutputClass, Peer};
use crate::error::{ReplyError, SYNTAX};
use crate::node::copies::CopyLink;
use crate::node::replication::Followed;
use crate::node::{Node, Request};
use crate::replication::progress::{Replica, ReplicaId};
use crate::resp::Args;
use crate::text::int::parse_i64;

/// A connection.
enum Row<'a> {
    Client(&'a Client),
    Replica(ReplicaId, &'a Linked, &'a Replica),
    Copy(&'a CopyLink),
    Primary(&'a Linked, &'a Followed),
}

/// Whom to close.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Client(ClientKey),
    Replica(ReplicaId),
    Copy(u64),
    Primary,
}

impl<'a> Row<'a> {
    /// All connections, in the order of their ids, which is that in which they began.
    fn all(node: &'a Node) -> Vec<Row<'a>> {
        let replication = &node.replication;
        let clients = node.clients.iter().map(Row::Client);
        let replicas = replication
            .links()
            .map(|(id, link, replica)| Row::Replica(id, link, replica));
        let copies = replication.copies.links().map(Row::Copy);
        let primary = replication
            .primary_link()
            .map(|(link, followed)| Row::Primary(link, followed));
        let links = replicas.chain(copies).chain(primary);
        let mut rows: Vec<Row<'_>> = clients.chain(links).collect();
        rows.sort_by_key(Row::id);
        rows
    }

    fn id(&self) -> u64 {
        match self {
            Row::Client(client) => client.id,
            Row::Replica(_, link, _) | Row::Primary(link, _) => link.id,
            Row::Copy(copy) => copy.link.id,
        }
    }

    fn peer(&self) -> &Peer {
        match self {
            Row::Client(client) => &client.peer,
            Row::Replica(_, link, _) | Row::Primary(link, _) => &link.peer,
            Row::Copy(copy) => &copy.link.peer,
        }
    }

    fn kind(&self) -> ClientType {
        match self {
            Row::Client(client) => match client.output_class() {
                OutputClass::Normal => ClientType::Normal,
                OutputClass::Replica => ClientType::Replica,
                OutputClass::Pubsub => ClientType::Pubsub,
            },
            Row::Replica(..) | Row::Copy(_) => ClientType::Replica,
            Row::Primary(..) => ClientType::Primary,
        }
    }

    /// Whether it is the user `default`'s, the only one there is.
    fn is_default_users(&self) -> bool {
        match self {
            Row::Client(client) => client.has(Flag::Authenticated),
            Row::Replica(..) | Row::Copy(_) => true,
            Row::Primary(..) => false,
        }
    }

    fn victim(&self) -> Victim {
        match self {
            Row::Client(client) => Victim::Client(client.key),
            Row::Replica(id, ..) => Victim::Replica(*id),
            Row::Copy(copy) => Victim::Copy(copy.link.id),
            Row::Primary(..) => Victim::Primary,
        }
    }

    fn line(&self, node: &Node, running: (ClientKey, Args<'_>)) -> String {
        let line = match self {
            Row::Client(client) => Line::of(node, client, running),
            Row::Replica(_, link, replica) => Line::of_replica(node, link, replica),
            Row::Copy(copy) => Line::of_copy(node, copy),
            Row::Primary(link, followed) => Line::of_primary(node, link, followed),
        };
        format!("{line}\n")
    }
}

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

/// CLIENT LIST.
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
    let node = &*ctx.node;
    let rows = Row::all(node);
    let running = (ctx.client, args);
    let text: String = match ids {
        Some(ids) => {
            let place = |id: i64| {
                let id = u64::try_from(id).ok()?;
                rows.binary_search_by_key(&id, Row::id).ok()
            };
            let places = ids.into_iter().filter_map(place);
            places.map(|at| rows[at].line(node, running)).collect()
        }
        None => rows
            .iter()
            .filter(|row| kind.is_none_or(|kind| kind == row.kind()))
            .map(|row| row.line(node, running))
            .collect(),
    };
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// CLIENT INFO.
pub(super) fn info(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let running = (ctx.client, args);
    let client = ctx.node.clients.get(ctx.client);
    let text = client.map(|client| Row::Client(client).line(ctx.node, running));
    ctx.reply
        .verbatim("txt", text.unwrap_or_default().as_bytes());
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

/// CLIENT KILL.
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
    let is_given =
        |wanted: Option<&[u8]>, addr: &str| wanted.is_none_or(|it| it == addr.as_bytes());
    let matches = |row: &Row<'_>| {
        is_given(filter.addr, &row.peer().addr)
            && is_given(filter.laddr, &row.peer().laddr)
            && filter.id.is_none_or(|id| row.id() == id)
            && filter.kind.is_none_or(|kind| row.kind() == kind)
            && filter.user.is_none_or(|_| row.is_default_users())
            && !(filter.skip_me && row.victim() == Victim::Client(me))
    };
    let rows = Row::all(ctx.node).into_iter().filter(matches);
    let victims: Vec<Victim> = rows.map(|row| row.victim()).collect();
    for &victim in &victims {
        match victim {
            Victim::Client(key) if key == me => ctx.node.close_after_reply(key),
            Victim::Client(key) => ctx.node.close_now(key),
            Victim::Replica(id) => {
                ctx.node.replication.forget_link(id);
                ctx.node.requests.push(Request::CloseReplica(id));
            }
            Victim::Copy(id) => ctx.node.replication.copies.end(id),
            Victim::Primary => {
                ctx.node.replication.forget_primary_link();
                ctx.node.requests.push(Request::ClosePrimaryLink);
            }
        }
    }
    victims.len()
}
