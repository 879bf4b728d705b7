//! From arguments to a reply: look-up, gate, transaction queue, the handler on a savepoint of the view, and what follows
//! from its outcome. A parked command comes through here again from the start: see [`super::parking`].

use super::context::{ControlCtx, DataCtx, Rng};
use super::gate::{self, Candidate, Verdict};
use super::halt::{Halt, Wait};
use super::parking::{leave_list, new_parked, park, serve_written_keys, wait_for};
use super::spec::Handler;
use super::table::Command;
use super::{account, monitor, parked_reads, parked_scans, transactions};
use crate::client::waiting::{Reason, Ticket};
use crate::client::{ClientKey, Parked, ReplyMode};
use crate::clock::Turn;
use crate::error::{ReplyError, printed};
use crate::node::Node;
use crate::node::key_counting::Ask;
use crate::resp::{Args, Reply};
use crate::storage::store::Store;

/// How a command is evaluated: fresh, or again after it waited.
pub struct Evaluation {
    pub turn: Turn,
    pub seed: u64,
    /// It waited for keys before.
    pub resumed: bool,
    /// What it remembers of asking for a count of keys.
    pub count_ask: Option<Ask>,
}

/// Runs the command that `key` sent, or queues it, or parks the client.
pub fn command(node: &mut Node, key: ClientKey, args: Args<'_>) {
    if let Some(client) = node.clients.get_mut(key) {
        client.skip_this_reply = client.reply_mode == ReplyMode::SkipNext;
        if client.skip_this_reply {
            client.reply_mode = ReplyMode::On;
        }
    }
    let command = match find(node, args) {
        Ok(command) => command,
        Err(_) if is_http(args.at(0)) => return refuse_http(node, key),
        Err(error) => return reject(node, key, None, error),
    };
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    client.last_command = Some(command);
    match judge(node, key, command, args) {
        Verdict::Pass => {}
        Verdict::Reject(error) => return reject(node, key, Some(command), error),
        Verdict::Postpone(reason) => {
            if reason == Reason::Paused {
                node.stats.paused_commands += 1;
            }
            let parked = new_parked(node, command, args);
            park(node, key, parked, None, reason);
            return;
        }
    }
    if transactions::queue(node, key, command, args) {
        return;
    }
    let turn = node.turn.at(node.stamp_us);
    let seed = node.rng.next_u64();
    run(
        node,
        key,
        command,
        args,
        Evaluation {
            turn,
            seed,
            resumed: false,
            count_ask: None,
        },
        None,
    );
    serve_written_keys(node);
}

/// The command that `args` name or, where it has subcommands and one is given, the subcommand.
pub fn find(node: &Node, args: Args<'_>) -> Result<&'static Command, ReplyError> {
    let Some(command) = node.renames.find(args.at(0)) else {
        return Err(unknown_command(args));
    };
    if command.subcommands.is_empty() || args.len() < 2 {
        return Ok(command);
    }
    command.subcommand(args.at(1)).ok_or_else(|| {
        let sub = &args.at(1)[..args.at(1).len().min(128)];
        let name = command.spec.name.to_ascii_uppercase();
        ReplyError::quoting(
            "ERR unknown subcommand '",
            sub,
            &format!("'. Try {name} HELP."),
        )
    })
}

fn unknown_command(args: Args<'_>) -> ReplyError {
    let mut text = b"ERR unknown command '".to_vec();
    let name = printed(args.at(0));
    text.extend_from_slice(&name[..name.len().min(128)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let mut shown = 0;
    for arg in args.from(1).iter() {
        if shown >= 128 {
            break;
        }
        text.push(b'\'');
        let arg = printed(arg);
        let part = &arg[..arg.len().min(128 - shown)];
        text.extend_from_slice(part);
        text.extend_from_slice(b"' ");
        shown += part.len() + 3;
    }
    ReplyError::new(text)
}

/// Whether this begins a line of an HTTP request that a browser was made to send here.
fn is_http(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
}

/// Closes a connection that speaks HTTP before anything in its body is taken for a command. Source: Redis 7.0
/// `securityWarningCommand`.
fn refuse_http(node: &mut Node, key: ClientKey) {
    let addr = node.clients.get(key).map_or("", |client| &client.peer.addr);
    log::warn!(
        "Possible SECURITY ATTACK: {addr} sends POST or Host: as a command, probably HTTP meant to attack this server. \
         Connection closed."
    );
    node.close_now(key);
}

/// What the gate says of the command.
pub(super) fn judge(
    node: &Node,
    key: ClientKey,
    command: &'static Command,
    args: Args<'_>,
) -> Verdict {
    let Some(client) = node.clients.get(key) else {
        return Verdict::Pass;
    };
    let (class, held_by_pause_all) = transactions::class_of(client, command, args);
    gate::check(
        node,
        client,
        &Candidate {
            command,
            args,
            class,
            held_by_pause_all,
        },
    )
}

/// Runs a handler on a savepoint and deals with its outcome. `parked` is what it waited with, if it did.
pub(super) fn run(
    node: &mut Node,
    key: ClientKey,
    command: &'static Command,
    args: Args<'_>,
    evaluation: Evaluation,
    mut parked: Option<Parked>,
) {
    let Some(client) = node.clients.get(key) else {
        return;
    };
    let mut reply = node_reply(&mut node.scratch, client.proto);
    let mark = node.view.begin_command();
    if let Some(parked) = &mut parked {
        parked_scans::load(&mut node.view, parked);
    }
    parked_reads::load(node, command.spec, parked.as_ref());
    let noted = (
        node.changes.keys.len(),
        node.changes.flushed.len(),
        node.changes.events.len(),
        node.changes.count,
    );
    let looked_up = (node.changes.hits, node.changes.misses);
    let was_shown = parked.as_ref().is_some_and(|parked| parked.was_shown);
    let began_us = node.stamp_us;
    if let Some(extra) = parked.as_ref().and_then(|parked| parked.extra.as_ref()) {
        reply.share(extra.reads.large_values());
    }
    let result = invoke(node, key, command, args, &evaluation, &mut reply, false);
    parked_reads::unload(&mut node.view);
    let took_us = node.stamp().saturating_sub(began_us);
    let spent_us = took_us + parked.as_ref().map_or(0, |parked| parked.spent_us);
    // Shown once: behind the commands that EXEC has run, and for one that waits for keys when it begins to.
    if !was_shown {
        monitor::note(node, key, command, args);
    }
    match result {
        Ok(()) => account::executed(node, key, command, args, spent_us, None),
        Err(Halt::Error(error)) => {
            node.view.undo(mark);
            node.forget_changes(noted.0, noted.1, noted.2, noted.3);
            reply.truncate(0);
            reply.error(&error);
            account::executed(node, key, command, args, spent_us, Some(&error));
        }
        Err(Halt::Wait(wait)) => {
            node.view.undo(mark);
            node.forget_changes(noted.0, noted.1, noted.2, noted.3);
            (node.changes.hits, node.changes.misses) = looked_up;
            node.give_back(reply);
            let mut parked = match parked {
                // Its arguments were taken out of it when it was woken.
                Some(parked) => Parked {
                    args: args.to_owned(),
                    ..parked
                },
                None => new_parked(node, command, args),
            };
            parked.seed = evaluation.seed;
            parked.turn = evaluation.turn;
            parked.spent_us = spent_us;
            parked.was_shown |= matches!(wait, Wait::Keys(_));
            parked_scans::keep(&mut node.view, &mut parked);
            let ticket = (parked.ticket != Ticket::default()).then_some(parked.ticket);
            return wait_for(node, key, parked, ticket, wait);
        }
    }
    parked_scans::unload(&mut node.view);
    if let Some(parked) = &parked {
        leave_list(node, key, parked);
        node.list_input(key);
    }
    if node.view.has_written_since(mark) {
        let group = node.view.newest_group();
        if let Some(client) = node.clients.get_mut(key) {
            client.last_write = group;
        }
    }
    let group = node.view.dependency();
    node.deliver_noted(key, group);
    node.apply_changes(group);
    finish_reply(node, key, reply);
    node.delete_looked_up_expired();
}

/// Calls the handler; in EXEC, `reply` already holds the replies of the commands before.
pub fn invoke(
    node: &mut Node,
    key: ClientKey,
    command: &'static Command,
    args: Args<'_>,
    evaluation: &Evaluation,
    reply: &mut Reply,
    in_exec: bool,
) -> super::Run {
    match command.spec.handler {
        Handler::Data(handler) => {
            let db = node
                .clients
                .get(key)
                .map(|client| client.db)
                .unwrap_or_default();
            let mut ctx = DataCtx {
                store: Store {
                    view: &mut node.view,
                    db,
                    codec: node.codec,
                    turn: evaluation.turn,
                    changes: &mut node.changes,
                },
                reply,
                turn: evaluation.turn,
                rng: Rng::new(evaluation.seed),
                settings: &node.settings,
                cursors: &mut node.cursors,
                may_block: !in_exec,
                resumed: evaluation.resumed,
                key_counting: &node.key_counting,
                count_ask: evaluation.count_ask,
            };
            handler(&mut ctx, args)
        }
        Handler::Control(handler) => {
            let mut ctx = ControlCtx {
                node,
                client: key,
                reply,
                turn: evaluation.turn,
                rng: Rng::new(evaluation.seed),
                in_exec,
                count_ask: evaluation.count_ask,
            };
            handler(&mut ctx, args)
        }
        Handler::Container => Err(Halt::Error(crate::error::wrong_arity(command.spec.name))),
    }
}

fn node_reply(scratch: &mut Vec<u8>, proto: crate::resp::Proto) -> Reply {
    let mut buffer = std::mem::take(scratch);
    buffer.clear();
    Reply::with_buffer(proto, buffer)
}

/// Answers with an error what the gate let not pass.
pub(super) fn reject(
    node: &mut Node,
    key: ClientKey,
    command: Option<&'static Command>,
    error: ReplyError,
) {
    let error = transactions::rejected(node, key, command, error);
    if let Some(command) = command {
        node.stats.rejected(command);
    }
    node.stats.error(error.code());
    let Some(proto) = node.clients.get(key).map(|client| client.proto) else {
        return;
    };
    let mut reply = node.take_reply(proto);
    reply.error(&error);
    node.view.begin_command();
    finish_reply(node, key, reply);
}

/// Delivers the reply, unless CLIENT REPLY says otherwise.
pub(super) fn finish_reply(node: &mut Node, key: ClientKey, mut reply: Reply) {
    let group = node.view.dependency();
    if let Some(client) = node.clients.get(key)
        && !client.sends_replies()
    {
        reply.truncate(0);
    }
    node.deliver_reply(key, reply, group);
}
