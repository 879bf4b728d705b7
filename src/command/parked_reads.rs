//! Keys that are not in memory, read by reader threads for parked commands: asked for when the command waits, and pinned when it is
//! run again ([`crate::storage::cold`] says what a pin is).
//!
//! A command that lacks a key is likely to lack its other keys too: the first time, all the keys that the command table names
//! are asked for at once, and for an EXEC those of its whole queue. Handlers that look up several elements ask for the rest of them when the first
//! is missing. Reads of all commands of a turn leave together.

use std::collections::HashMap;
use std::rc::{Rc, Weak};

use bytes::Bytes;

use super::halt::{Halt, Run};
use super::spec::{Handler, Spec};
use crate::client::transaction::Queued;
use crate::client::waiting::{Reason, Ticket};
use crate::client::{ClientKey, Parked, State};
use crate::clock::Turn;
use crate::limits::{
    COLD_KEYS_PER_MESSAGE_MAX, COLD_KEYS_PER_MESSAGE_MIN, COLD_READERS, COLD_REPEATS_MAX,
    COLD_ROUNDS_MAX,
};
use crate::node::Node;
use crate::resp::Args;
use crate::storage::cf::Cf;
use crate::storage::cold::{ColdAnswer, ColdKey, ColdRequest, DiskReads, Pin, ValueRoom};
use crate::storage::keys::DbIndex;
use crate::storage::view::View;
use crate::text::int::parse_i64;

/// The keys of one parked command.
#[derive(Debug, Default)]
pub struct ParkedReads {
    pins: Vec<Rc<Pin>>,
    /// How many answers it waits for.
    awaited: usize,
    /// Times it has waited.
    rounds: u32,
    /// Times it has waited for a key that it had waited for before.
    repeats: u32,
}

impl ParkedReads {
    /// Whether it has waited for keys, and still holds them.
    pub fn has_pins(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Lets go of what was read for it: it is going to wait for something else that may take long.
    pub fn let_go(&mut self) {
        self.pins = Vec::new();
    }

    /// The large values that were read for it.
    pub fn large_values(&self) -> Vec<Bytes> {
        let values = self.pins.iter().filter_map(|pin| pin.large_value());
        values.cloned().collect()
    }

    fn may_wait(&self) -> bool {
        self.rounds < COLD_ROUNDS_MAX && self.repeats < COLD_REPEATS_MAX
    }
}

/// Who waits for an answer.
#[derive(Debug)]
struct Awaited {
    pin: Weak<Pin>,
    waiters: Vec<(ClientKey, Ticket)>,
}

/// Reads to be asked for, and those under way.
#[derive(Debug, Default)]
pub struct ColdReads {
    queue: Vec<ColdRequest>,
    awaited: HashMap<u64, Awaited, foldhash::fast::RandomState>,
    /// Shared with the readers.
    pub room: ValueRoom,
}

impl ColdReads {
    /// Whether anything is to be asked for.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many keys are being read or about to be.
    pub fn pending(&self) -> usize {
        self.awaited.len()
    }

    /// Takes what is to be asked for, a message each, so that all readers have something to do when there is much.
    pub fn take_messages(&mut self) -> Vec<Vec<ColdRequest>> {
        let mut queue = std::mem::take(&mut self.queue);
        // Nobody waits any more where the pin is gone.
        queue.retain(|request| {
            let is_needed = self
                .awaited
                .get(&request.number)
                .is_some_and(|awaited| awaited.pin.strong_count() > 0);
            if !is_needed {
                self.awaited.remove(&request.number);
            }
            is_needed
        });
        // Keys of one family that lie together share blocks.
        queue.sort_unstable_by(|a, b| (a.cf as u8, &a.key).cmp(&(b.cf as u8, &b.key)));
        let share = queue.len().div_ceil(COLD_READERS);
        let len = share.clamp(COLD_KEYS_PER_MESSAGE_MIN, COLD_KEYS_PER_MESSAGE_MAX);
        let mut messages = Vec::with_capacity(queue.len().div_ceil(len));
        while queue.len() > len {
            messages.push(queue.split_off(queue.len() - len));
        }
        if !queue.is_empty() {
            messages.push(queue);
        }
        messages
    }
}

/// Before a command runs, for the first time or again: whether its reads may make it wait.
pub(super) fn load(node: &mut Node, spec: &Spec, parked: Option<&Parked>) {
    let may_run_twice = match spec.handler {
        Handler::Data(_) => true,
        // What others of this kind do cannot be undone.
        Handler::Control(_) => matches!(spec.name, "exec" | "watch"),
        Handler::Container => false,
    };
    let has_waited_enough = parked
        .and_then(|parked| parked.extra.as_ref())
        .is_some_and(|extra| !extra.reads.may_wait());
    node.stats.cold.direct += u64::from(has_waited_enough);
    node.view.cold.disk_reads = if may_run_twice && !has_waited_enough {
        DiskReads::Wait
    } else {
        DiskReads::Direct
    };
}

/// Before a queue of `key` runs that cannot run twice: looks whether memory holds the keys that it names, while its EXEC can
/// still wait for them.
pub(super) fn look_for_queue(node: &mut Node, key: ClientKey, queue: &[Queued]) -> Run {
    let Some(client) = node.clients.get(key) else {
        return Ok(());
    };
    let mut names = Vec::new();
    names_in_queue(client.db, queue, &mut names);
    let mut result = Ok(());
    for (db, name) in names {
        let entry = node.codec.metadata_key(db, &name);
        match node.view.contains(Cf::Metadata, &entry) {
            Err(Halt::Wait(wait)) => result = Err(Halt::Wait(wait)),
            // Errors are the commands' own to meet.
            Ok(_) | Err(Halt::Error(_)) => {}
        }
    }
    result
}

/// After a command has run.
pub(super) fn unload(view: &mut View) {
    view.cold.disk_reads = DiskReads::Direct;
}

/// Asks for the keys that a command's first evaluation has not come to, by what the command table says of them.
pub(super) fn want_named_keys(node: &mut Node, key: ClientKey, spec: &Spec, args: Args<'_>) {
    let Some(client) = node.clients.get(key) else {
        return;
    };
    let mut names = Vec::new();
    if spec.name == "exec" {
        if let Some(transaction) = &client.transaction {
            names_in_queue(client.db, &transaction.queue, &mut names);
        }
    } else if args.len() > 2 {
        names_in(spec, args, client.db, &mut names);
    }
    for (db, name) in names {
        let entry = node.codec.metadata_key(db, &name);
        node.view.want(Cf::Metadata, &entry);
    }
}

fn names_in_queue(mut db: DbIndex, queue: &[Queued], names: &mut Vec<(DbIndex, Box<[u8]>)>) {
    for queued in queue {
        let args = queued.args.as_args();
        if queued.command.spec.name == "select" {
            let index = args.get(1).and_then(parse_i64);
            let Some(index) = index.and_then(|index| u16::try_from(index).ok()) else {
                return;
            };
            db = DbIndex(index);
        }
        names_in(queued.command.spec, args, db, names);
    }
}

fn names_in(spec: &Spec, args: Args<'_>, db: DbIndex, names: &mut Vec<(DbIndex, Box<[u8]>)>) {
    // A blind write reads nothing, and is not asked for here: it comes to no miss. Inside EXEC it is not told apart.
    if matches!(spec.handler, Handler::Container) {
        return;
    }
    // Arguments that are wrong are the command's own to complain about.
    for at in spec.key_positions(args).unwrap_or_default() {
        names.push((db, args.at(at).into()));
    }
}

/// A command is going to wait for what is not in memory, be it keys or a range.
pub(super) fn note_wait<'p>(node: &mut Node, parked: &'p mut Parked) -> &'p mut ParkedReads {
    let reads = &mut parked.extra.get_or_insert_default().reads;
    node.stats.cold.commands += u64::from(reads.rounds == 0);
    node.stats.cold.rounds += 1;
    reads.rounds += 1;
    reads
}

/// A command has been undone because it lacks keys: pins them for it and asks for those that nobody has asked for yet. The command must
/// be parked with `parked` under the ticket given to [`wait`] next.
pub(super) fn ask(node: &mut Node, parked: &mut Parked) -> Vec<Rc<Pin>> {
    let wanted: Vec<ColdKey> = node.view.cold.take_wanted();
    let is_shown = parked.command.spec.shows_values;
    let reads = note_wait(node, parked);
    // The first is the one that it met; the others may never be needed.
    if let Some(first) = wanted.first() {
        reads.repeats += u32::from(reads.pins.iter().any(|pin| pin.is_of(first)));
    }
    let mut awaited = Vec::new();
    for key in wanted {
        let (pin, is_new) = node.view.cold.pin(key.clone());
        if is_new {
            node.stats.cold.reads += 1;
            node.cold_reads.queue.push(ColdRequest {
                number: pin.number(),
                cf: key.cf,
                key: key.key,
                is_shown,
            });
            node.cold_reads.awaited.insert(
                pin.number(),
                Awaited {
                    pin: Rc::downgrade(&pin),
                    waiters: Vec::with_capacity(1),
                },
            );
        }
        if !pin.is_answered() {
            awaited.push(Rc::clone(&pin));
        }
        reads.pins.push(pin);
    }
    reads.awaited = awaited.len();
    awaited
}

/// The command that [`ask`] was called for is parked.
pub(super) fn wait(node: &mut Node, key: ClientKey, ticket: Ticket, awaited: &[Rc<Pin>]) {
    for pin in awaited {
        if let Some(awaited) = node.cold_reads.awaited.get_mut(&pin.number()) {
            awaited.waiters.push((key, ticket));
        }
    }
    if awaited.is_empty() {
        node.waiting.make_due(ticket);
    }
}

/// A reader has answered.
pub fn answered(node: &mut Node, answers: Vec<ColdAnswer>) {
    for ColdAnswer { number, outcome } in answers {
        let Some(Awaited { pin, waiters }) = node.cold_reads.awaited.remove(&number) else {
            continue;
        };
        let is_failed = outcome.is_err();
        if let (Some(pin), Ok(brought)) = (pin.upgrade(), outcome) {
            pin.answered(brought);
        }
        for (client, ticket) in waiters {
            // What cannot be read is the command's own to meet, and to report wherever in its reply it belongs.
            if is_failed && let Some(reads) = reads_of(node, client, ticket) {
                reads.repeats = COLD_REPEATS_MAX;
            }
            one_less(node, client, ticket);
        }
    }
}

fn one_less(node: &mut Node, client: ClientKey, ticket: Ticket) {
    let Some(reads) = reads_of(node, client, ticket) else {
        return;
    };
    reads.awaited = reads.awaited.saturating_sub(1);
    if reads.awaited == 0 {
        node.waiting.make_due(ticket);
    }
}

fn reads_of(node: &mut Node, client: ClientKey, ticket: Ticket) -> Option<&mut ParkedReads> {
    match &mut node.clients.get_mut(client)?.state {
        State::Parked(parked) if parked.ticket == ticket => {
            parked.extra.as_mut().map(|extra| &mut extra.reads)
        }
        _ => None,
    }
}

/// Whether the command at this place of the blocked list waits for a reader.
pub(super) fn is_reading(node: &Node, ticket: Ticket) -> bool {
    node.waiting.reason(ticket) == Some(Reason::ColdRead)
}

/// The keys that a command was offered, and had to read others before it could take anything (BLMOVE, for its destination).
pub(super) fn keys_offered(parked: &Parked) -> Vec<Box<[u8]>> {
    match turn_of(parked) {
        Some(_) => parked.keys.clone(),
        None => Vec::new(),
    }
}

/// The time at which a command runs again that holds pins: that of its first evaluation.
pub(super) fn turn_of(parked: &Parked) -> Option<Turn> {
    let extra = parked.extra.as_ref()?;
    (extra.scans.has_answers() || extra.reads.has_pins()).then_some(parked.turn)
}

#[cfg(test)]
mod tests;
