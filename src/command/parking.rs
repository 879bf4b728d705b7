//! Parking a command and taking it off the blocked list: what its client waits for, and what workers read for it meanwhile.
//! Evaluating it again is [`super::dispatch::resume`]'s.

use super::halt::{KeyWait, Wait};
use super::spec::Class;
use super::table::Command;
use crate::client::waiting::{Reason, Ticket};
use crate::client::{ClientKey, Flag, Parked, State};
use crate::clock::MonoMs;
use crate::node::{Node, Request, WorkerJob};
use crate::resp::Args;
use crate::storage::cf::Cf;
use crate::storage::pinned::Pinned;
use crate::storage::scan::ScanRequest;

/// Reads by workers that came to nothing after which a command reads on the loop, however long.
const WORKER_RESTARTS_MAX: u32 = 2;

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
        has_run: false,
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
    pinned: Vec<Pinned>,
) {
    match wait {
        Wait::Keys(KeyWait {
            keys,
            timeout_ms,
            on_timeout,
        }) => {
            let group = node.view.dependency();
            node.deliver_noted(key, group);
            if parked.on_timeout.is_none() {
                parked.on_timeout = Some(on_timeout);
                parked.deadline =
                    timeout_ms.map(|ms| node.now().checked_add(ms).unwrap_or(MonoMs(u64::MAX)));
                parked.keys = keys;
            }
            park(node, key, parked, ticket, Reason::Keys);
        }
        Wait::Scan(request) => {
            node.noted.clear();
            keep_read(node, &mut parked, pinned);
            let ticket = park(node, key, parked, ticket, Reason::Worker);
            ask_workers(node, key, ticket, vec![request]);
        }
        Wait::KeyCount => {
            node.noted.clear();
            let now = node.now();
            let extra = parked.extra.get_or_insert_default();
            extra.count_ask = Some(node.key_counting.ask(&node.view, extra.count_ask, now));
            park(node, key, parked, ticket, Reason::Counts);
        }
    }
}

/// Keeps what workers have read for a command that must wait for more of it. What it did not ask for this time, the data
/// having changed, was read in vain.
fn keep_read(node: &mut Node, parked: &mut Parked, pinned: Vec<Pinned>) {
    let extra = parked.extra.get_or_insert_default();
    let (used, unused): (Vec<Pinned>, Vec<Pinned>) =
        pinned.into_iter().partition(|pinned| pinned.is_used.get());
    node.view.unwatch(&unused);
    extra.pinned = used;
    if !unused.is_empty() {
        extra.worker_restarts += 1;
        extra.reads_inline |= extra.worker_restarts > WORKER_RESTARTS_MAX;
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
        Reason::Paused | Reason::Keys => true,
        Reason::Worker | Reason::Counts | Reason::Stalled => false,
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
    if let Some(extra) = &parked.extra {
        node.view.unwatch(&extra.pinned);
    }
    node.update_wants_keys();
}

/// A worker's answer for the parked command of `key`.
pub fn worker_answered(node: &mut Node, key: ClientKey, ticket: Ticket, pinned: Vec<Pinned>) {
    let client = node.clients.get_mut(key);
    match client.map(|client| &mut client.state) {
        Some(State::Parked(parked)) if parked.ticket == ticket => {
            let extra = parked.extra.get_or_insert_default();
            extra.pinned.extend(pinned);
            node.waiting.make_due(ticket);
        }
        _ => node.view.unwatch(&pinned),
    }
}

/// Whether too much was written to what workers read for a command, so that they must read it again. When that has come to
/// nothing too often the command reads for itself; one that only lists keys is content with the list as it was.
pub(super) fn must_read_again(node: &mut Node, parked: &mut Parked) -> bool {
    let Some(extra) = &mut parked.extra else {
        return false;
    };
    if node.view.follows(&extra.pinned) {
        return false;
    }
    if extra.worker_restarts < WORKER_RESTARTS_MAX {
        extra.worker_restarts += 1;
        return true;
    }
    let lists_keys = parked.command.spec.class == Class::Read
        && extra
            .pinned
            .iter()
            .all(|pinned| pinned.request.cf == Cf::Metadata);
    if !lists_keys {
        extra.reads_inline = true;
        forget_read(node, parked);
    }
    false
}

/// Drops what workers have read for a command; gives what that was.
pub(super) fn forget_read(node: &mut Node, parked: &mut Parked) -> Vec<ScanRequest> {
    let Some(extra) = &mut parked.extra else {
        return Vec::new();
    };
    let pinned = std::mem::take(&mut extra.pinned);
    node.view.unwatch(&pinned);
    pinned.into_iter().map(|pinned| pinned.request).collect()
}

pub(super) fn ask_workers(
    node: &mut Node,
    client: ClientKey,
    ticket: Ticket,
    requests: Vec<ScanRequest>,
) {
    node.requests.push(Request::Work(WorkerJob::Scan {
        client,
        ticket,
        requests,
    }));
}
