//! From arguments to a reply: look-up, gate, transaction queue, the handler on a savepoint of the view, and what follows
//! from its outcome. A parked command comes through here again from the start.

use super::context::{ControlCtx, DataCtx, Rng};
use super::gate::{self, Candidate, Verdict};
use super::halt::{Halt, KeyWait, Wait};
use super::spec::Handler;
use super::table::Command;
use super::{account, monitor, parked_reads, parked_scans, transactions};
use crate::client::waiting::{DbKey, Reason, Ticket};
use crate::client::{ClientKey, Flag, Parked, ReplyMode, State};
use crate::clock::{MonoMs, Turn};
use crate::error::{ReplyError, printed};
use crate::node::key_counting::Ask;
use crate::node::{Node, Request, WorkerJob};
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

/// Evaluates a parked command again, from the first check.
pub fn resume(node: &mut Node, key: ClientKey) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    let State::Parked(mut parked) = std::mem::take(&mut client.state) else {
        return;
    };
    let args = std::mem::take(&mut parked.args);
    match judge(node, key, parked.command, args.as_args()) {
        Verdict::Pass => {}
        Verdict::Reject(error) => {
            leave_list(node, key, &parked);
            reject(node, key, Some(parked.command), error);
            return node.list_input(key);
        }
        Verdict::Postpone(reason) => {
            let ticket = parked.ticket;
            parked.args = args;
            // A pause may be long: what was read is not kept for its end, and the clock goes on.
            if let Some(extra) = &mut parked.extra {
                extra.reads.let_go();
            }
            park(node, key, parked, Some(ticket), reason);
            return;
        }
    }
    node.stamp();
    // A worker's answer belongs to the time at which it was asked for; everything else happens now.
    let turn = parked_reads::turn_of(&parked).unwrap_or(node.turn.at(node.stamp_us));
    let evaluation = Evaluation {
        turn,
        seed: parked.seed,
        resumed: !parked.keys.is_empty(),
        count_ask: parked.extra.as_ref().and_then(|extra| extra.count_ask),
    };
    let offered = parked_reads::keys_offered(&parked);
    run(
        node,
        key,
        parked.command,
        args.as_args(),
        evaluation,
        Some(parked),
    );
    // Whatever it did with what it was offered, those behind it have not been asked yet.
    let db = node.clients.get(key).map(|client| client.db);
    for name in offered {
        node.waiting.key_written(db.unwrap_or_default(), &name);
    }
}

/// Offers written keys to those who wait for them, right after the command that wrote, as Redis does: in order of arrival,
/// until nothing is left. However many wait for a key, one element wakes one.
pub fn serve_written_keys(node: &mut Node) {
    while let Some(name) = node.waiting.next_written() {
        let mut after = Ticket::default();
        while holds_something(node, &name)
            && let Some((ticket, key)) = node.waiting.next_waiter(&name, after)
        {
            resume(node, key);
            after = ticket;
            // It has to read before it can take what is its own: nobody overtakes it.
            if parked_reads::is_reading(node, ticket) {
                break;
            }
        }
    }
}

/// Whether a key exists; while that cannot be said, those who wait for it may find out themselves.
fn holds_something(node: &mut Node, (db, name): &DbKey) -> bool {
    let mut store = Store {
        view: &mut node.view,
        db: *db,
        codec: node.codec,
        turn: node.turn,
        changes: &mut node.changes,
    };
    store.header(name).map_or(true, |header| header.is_some())
}

/// The parked command of `key` has come to the end of its own time.
pub fn time_out(node: &mut Node, key: ClientKey) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    let State::Parked(parked) = std::mem::take(&mut client.state) else {
        return;
    };
    let proto = client.proto;
    leave_list(node, key, &parked);
    let mut reply = node.take_reply(proto);
    match parked.on_timeout {
        Some(super::halt::OnTimeout::Null) => reply.null(),
        Some(super::halt::OnTimeout::Acknowledged) => {
            reply.count(node.acknowledged_count(key).unwrap_or(0));
        }
        Some(super::halt::OnTimeout::NullArray) | None => reply.null_array(),
    }
    let args = parked.args.as_args();
    account::executed(node, key, parked.command, args, parked.spent_us, None);
    finish_reply(node, key, reply);
    node.list_input(key);
}

/// Ends the wait of `key` with a reply, given as its bytes.
pub fn unblock_with_bytes(node: &mut Node, key: ClientKey, bytes: &[u8]) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    let State::Parked(parked) = std::mem::take(&mut client.state) else {
        return;
    };
    let proto = client.proto;
    leave_list(node, key, &parked);
    let mut reply = node.take_reply(proto);
    reply.raw(bytes);
    let args = parked.args.as_args();
    account::executed(node, key, parked.command, args, parked.spent_us, None);
    node.view.begin_command();
    finish_reply(node, key, reply);
    node.list_input(key);
}

/// Ends the wait of `key` with an error (CLIENT UNBLOCK ... ERROR, a change of role).
pub fn unblock_with_error(node: &mut Node, key: ClientKey, error: &ReplyError) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    let State::Parked(parked) = std::mem::take(&mut client.state) else {
        return;
    };
    let proto = client.proto;
    leave_list(node, key, &parked);
    let mut reply = node.take_reply(proto);
    reply.error(error);
    let args = parked.args.as_args();
    account::executed(
        node,
        key,
        parked.command,
        args,
        parked.spent_us,
        Some(error),
    );
    finish_reply(node, key, reply);
    node.list_input(key);
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

fn judge(node: &Node, key: ClientKey, command: &'static Command, args: Args<'_>) -> Verdict {
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
fn run(
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

fn reject(node: &mut Node, key: ClientKey, command: Option<&'static Command>, error: ReplyError) {
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

fn new_parked(node: &mut Node, command: &'static Command, args: Args<'_>) -> Parked {
    Parked {
        ticket: Ticket::default(),
        command,
        args: args.to_owned(),
        turn: node.turn,
        seed: node.rng.next_u64(),
        on_timeout: None,
        deadline: None,
        spent_us: 0,
        was_shown: false,
        keys: Vec::new(),
        extra: None,
    }
}

/// Parks `key` for what its handler waits for.
fn wait_for(
    node: &mut Node,
    key: ClientKey,
    mut parked: Parked,
    ticket: Option<Ticket>,
    wait: Wait,
) {
    match wait {
        Wait::Keys(KeyWait {
            keys,
            timeout_ms,
            on_timeout,
        }) => {
            let group = node.view.dependency();
            node.deliver_noted(key, group);
            if let Some(extra) = &mut parked.extra {
                extra.reads.let_go();
            }
            if parked.on_timeout.is_none() {
                parked.on_timeout = Some(on_timeout);
                parked.deadline =
                    timeout_ms.map(|ms| node.now().checked_add(ms).unwrap_or(MonoMs(u64::MAX)));
                parked.keys = keys;
            }
            park(node, key, parked, ticket, Reason::Keys);
        }
        Wait::Scan(wanted) => {
            node.forget_noted();
            let reason = if wanted.is_beginning {
                parked_reads::note_wait(node, &mut parked);
                Reason::ColdRead
            } else {
                Reason::Worker
            };
            let ticket = park(node, key, parked, ticket, reason);
            node.requests.push(Request::Work(WorkerJob::Scan {
                client: key,
                ticket,
                wanted,
            }));
        }
        Wait::Acks { timeout_ms } => {
            node.forget_noted();
            if parked.on_timeout.is_none() {
                parked.on_timeout = Some(super::halt::OnTimeout::Acknowledged);
                parked.deadline =
                    timeout_ms.map(|ms| node.now().checked_add(ms).unwrap_or(MonoMs(u64::MAX)));
            }
            node.replication.wants_acks = true;
            park(node, key, parked, ticket, Reason::Acks);
        }
        Wait::Link => {
            node.noted.clear();
            park(node, key, parked, ticket, Reason::Link);
        }
        Wait::Ship(request) => {
            node.forget_noted();
            park(node, key, parked, ticket, Reason::Link);
            node.requests.push(Request::Ship {
                client: key,
                request,
            });
        }
        Wait::Psync { id, next } => {
            node.forget_noted();
            let ticket = park(node, key, parked, ticket, Reason::Link);
            node.requests.push(Request::JudgePsync {
                client: key,
                ticket,
                id,
                next,
            });
        }
        Wait::ColdRead => {
            node.forget_noted();
            let is_first = parked
                .extra
                .as_ref()
                .is_none_or(|extra| !extra.reads.has_pins());
            if is_first {
                let args = std::mem::take(&mut parked.args);
                parked_reads::want_named_keys(node, key, parked.command.spec, args.as_args());
                parked.args = args;
            }
            let awaited = parked_reads::ask(node, &mut parked);
            let ticket = park(node, key, parked, ticket, Reason::ColdRead);
            parked_reads::wait(node, key, ticket, &awaited);
        }
        Wait::Shutdown => {
            node.forget_noted();
            park(node, key, parked, ticket, Reason::Shutdown);
        }
        Wait::KeyCount => {
            node.forget_noted();
            let now = node.now();
            let extra = parked.extra.get_or_insert_default();
            extra.count_ask = Some(node.key_counting.ask(&node.view, extra.count_ask, now));
            park(node, key, parked, ticket, Reason::Counts);
        }
    }
}

/// Puts `key` on the blocked list, in its old place when it has one.
fn park(
    node: &mut Node,
    key: ClientKey,
    mut parked: Parked,
    ticket: Option<Ticket>,
    reason: Reason,
) -> Ticket {
    let deadline = parked.deadline;
    let db = node
        .clients
        .get(key)
        .map(|client| client.db)
        .unwrap_or_default();
    let ticket = match ticket {
        Some(ticket) => {
            node.waiting.repark(ticket, reason, deadline);
            ticket
        }
        None => node.waiting.park(key, reason, deadline),
    };
    for name in &parked.keys {
        node.waiting.watch_key(ticket, db, name);
    }
    parked.ticket = ticket;
    let mut is_hung_up = false;
    if let Some(client) = node.clients.get_mut(key) {
        client.state = State::Parked(parked);
        is_hung_up = client.has(Flag::HungUp);
    }
    node.update_wants_keys();
    if is_hung_up && may_be_long(reason) {
        node.close_now(key);
    }
    ticket
}

/// Whether a wait may last until somebody else does something. Workers and commits end the other waits, soon and by
/// themselves.
fn may_be_long(reason: Reason) -> bool {
    match reason {
        Reason::Paused | Reason::Keys | Reason::Shutdown | Reason::Acks => true,
        Reason::Worker
        | Reason::ColdRead
        | Reason::Counts
        | Reason::Stalled
        | Reason::Role
        | Reason::Link => false,
    }
}

/// The peer of `key` has closed its sending side. A command of its that waits for long never runs; one that will run
/// soon by itself, and those that the peer sent before it left, do.
pub fn peer_hung_up(node: &mut Node, key: ClientKey) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    client.set(Flag::HungUp, true);
    let reason = client
        .parked()
        .and_then(|parked| node.waiting.reason(parked.ticket));
    if reason.is_some_and(may_be_long) {
        node.close_now(key);
    }
}

fn leave_list(node: &mut Node, key: ClientKey, parked: &Parked) {
    let db = node
        .clients
        .get(key)
        .map(|client| client.db)
        .unwrap_or_default();
    for name in &parked.keys {
        node.waiting.unwatch_key(parked.ticket, db, name);
    }
    node.waiting.remove(parked.ticket);
    node.update_wants_keys();
}
