//! Parking a client with a command that cannot run now, and what ends its wait: the command runs again from the start, its time
//! is over, it is taken back, or its peer has left. The reasons are [`Reason`]'s; who waits for what is the business of
//! [`crate::client::waiting`].

use super::dispatch::{self, Evaluation, finish_reply};
use super::gate::Verdict;
use super::halt::{KeyWait, OnTimeout, Wait};
use super::table::Command;
use super::{account, parked_reads};
use crate::client::waiting::{DbKey, Reason, Ticket};
use crate::client::{ClientKey, Flag, Parked, State};
use crate::clock::MonoMs;
use crate::error::ReplyError;
use crate::node::{Node, Request, WorkerJob};
use crate::resp::{Args, Reply};
use crate::storage::store::Store;

/// Evaluates a parked command again, from the first check.
pub fn resume(node: &mut Node, key: ClientKey) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    let State::Parked(mut parked) = std::mem::take(&mut client.state) else {
        return;
    };
    let args = std::mem::take(&mut parked.args);
    match dispatch::judge(node, key, parked.command, args.as_args()) {
        Verdict::Pass => {}
        Verdict::Reject(error) => {
            leave_list(node, key, &parked);
            dispatch::reject(node, key, Some(parked.command), error);
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
    dispatch::run(
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
    end_wait(node, key, None, |node, parked, reply| {
        match parked.on_timeout {
            Some(OnTimeout::Null) => reply.null(),
            Some(OnTimeout::Acknowledged) => {
                reply.count(node.acknowledged_count(key).unwrap_or(0));
            }
            Some(OnTimeout::NullArray) | None => reply.null_array(),
        };
    });
}

/// Ends the wait of `key` with a reply, given as its bytes. Not from within another client's command.
pub fn unblock_with_bytes(node: &mut Node, key: ClientKey, bytes: &[u8]) {
    node.view.begin_command();
    end_wait(node, key, None, |_, _, reply| reply.raw(bytes));
}

/// Ends the wait of `key` with an error (CLIENT UNBLOCK ... ERROR, a change of role).
pub fn unblock_with_error(node: &mut Node, key: ClientKey, error: &ReplyError) {
    end_wait(node, key, Some(error), |_, _, reply| reply.error(error));
}

/// Takes `key` off the blocked list and gives its command the reply that `write` writes; `error` is what it counts as.
fn end_wait(
    node: &mut Node,
    key: ClientKey,
    error: Option<&ReplyError>,
    write: impl FnOnce(&Node, &Parked, &mut Reply),
) {
    let Some(client) = node.clients.get_mut(key) else {
        return;
    };
    let State::Parked(parked) = std::mem::take(&mut client.state) else {
        return;
    };
    let proto = client.proto;
    leave_list(node, key, &parked);
    let mut reply = node.take_reply(proto);
    write(node, &parked, &mut reply);
    let args = parked.args.as_args();
    account::executed(node, key, parked.command, args, parked.spent_us, error);
    finish_reply(node, key, reply);
    node.list_input(key);
}

pub(super) fn new_parked(node: &mut Node, command: &'static Command, args: Args<'_>) -> Parked {
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
pub(super) fn wait_for(
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
                parked.on_timeout = Some(OnTimeout::Acknowledged);
                parked.deadline =
                    timeout_ms.map(|ms| node.now().checked_add(ms).unwrap_or(MonoMs(u64::MAX)));
            }
            node.replication.wants_acks = true;
            park(node, key, parked, ticket, Reason::Acks);
        }
        Wait::Link => {
            node.forget_noted();
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
pub(super) fn park(
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

pub(super) fn leave_list(node: &mut Node, key: ClientKey, parked: &Parked) {
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
