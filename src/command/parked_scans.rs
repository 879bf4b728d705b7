//! Ranges too long for a turn, read by workers for parked commands: asked for when the command waits, and there when it is
//! run again, together with what was written to them meanwhile.
//!
//! A command may need several such ranges: it waits for one after the other and finds all of them when it runs for the last
//! time.

use crate::client::waiting::Ticket;
use crate::client::{ClientKey, Parked, State};
use crate::node::Node;
use crate::storage::scan::{Pinned, PinnedScan, ScanRequest};
use crate::storage::view::View;
use crate::storage::watched::RangeWatch;

/// Times that a command may find an answer to be of no use (its range has moved, or too much was written to it) before it
/// reads on the loop instead: slow, but it gets there however busy its key is.
const RESTARTS_MAX: u32 = 2;

/// The ranges of one parked command.
#[derive(Debug, Default)]
pub struct ParkedScans {
    answers: Vec<PinnedScan>,
    /// The number of the request under way, and the watch over its range.
    awaited: Option<(u64, RangeWatch)>,
    asked: u64,
    restarts: u32,
}

impl ParkedScans {
    /// Whether a worker has read anything.
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }
}

/// A worker begins to read `request` for the parked command of `client`: notes from now on what is written to the range.
/// Gives the number that the answer must bear; `None` when the command is no longer there.
pub fn begin(
    node: &mut Node,
    client: ClientKey,
    ticket: Ticket,
    request: &ScanRequest,
) -> Option<u64> {
    let parked = parked(node, client, ticket)?;
    let scans = &mut parked.extra.get_or_insert_default().scans;
    scans.asked += 1;
    let number = scans.asked;
    let watch = node.view.watch_range(request);
    let scans = &mut self::parked(node, client, ticket)?.extra.as_mut()?.scans;
    scans.awaited = Some((number, watch));
    Some(number)
}

/// A worker has read a range.
pub fn answered(node: &mut Node, client: ClientKey, ticket: Ticket, pinned: Pinned) {
    let Some(extra) = parked(node, client, ticket).and_then(|parked| parked.extra.as_mut()) else {
        return;
    };
    let scans = &mut extra.scans;
    if let Some((_, watch)) = scans
        .awaited
        .take_if(|(number, _)| *number == pinned.number)
    {
        scans.answers.push(PinnedScan::new(pinned, watch));
        node.waiting.make_due(ticket);
    }
}

fn parked(node: &mut Node, client: ClientKey, ticket: Ticket) -> Option<&mut Parked> {
    match &mut node.clients.get_mut(client)?.state {
        State::Parked(parked) if parked.ticket == ticket => Some(parked),
        _ => None,
    }
}

/// Before a parked command runs again: its view gets what workers have read for it.
pub(super) fn load(view: &mut View, parked: &mut Parked) {
    let Some(extra) = &mut parked.extra else {
        return;
    };
    let scans = &mut extra.scans;
    scans.awaited = None;
    view.pinned = std::mem::take(&mut scans.answers);
    drop_useless(view, &mut scans.restarts, PinnedScan::refresh);
    view.set_scans_may_wait(scans.restarts <= RESTARTS_MAX);
}

/// After a command was undone because it must wait, perhaps again: keeps what it asked for.
pub(super) fn keep(view: &mut View, parked: &mut Parked) {
    view.set_scans_may_wait(true);
    if view.pinned.is_empty() {
        return;
    }
    let scans = &mut parked.extra.get_or_insert_default().scans;
    drop_useless(view, &mut scans.restarts, |answer| answer.is_used());
    scans.answers = std::mem::take(&mut view.pinned);
}

/// After a command is done.
pub(super) fn unload(view: &mut View) {
    view.set_scans_may_wait(true);
    view.pinned.clear();
}

fn drop_useless(
    view: &mut View,
    restarts: &mut u32,
    is_useful: impl FnMut(&mut PinnedScan) -> bool,
) {
    let before = view.pinned.len();
    view.pinned.retain_mut(is_useful);
    *restarts += u32::from(view.pinned.len() < before);
}

#[cfg(test)]
mod tests;
