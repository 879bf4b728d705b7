//! Full copies on their way from one node to another: a checkpoint is made, and its files come piece by piece.

use super::super::copies::CopyDesk;
use super::super::network::NodeId;
use super::{Event, World};
use crate::storage::rocks::simulated::Logged;

/// Pieces that a copy comes in, at most.
const PIECES_MAX: u64 = 16;
/// Microseconds between two looks whether a way is open again, or a process goes on.
const LOOK_US: u64 = 10_000;
/// One piece in so many takes long, in microseconds up to.
const SLOW_ONE_IN: u64 = 4;
const SLOW_US_MAX: u64 = 600_000;

/// A copy under way.
pub struct Copy {
    /// Who wants it, and in which of its runs.
    node: NodeId,
    run: u64,
    desk: CopyDesk,
    order: u64,
    /// Whose data it is, and in which of his runs. A copy that he himself puts in place takes the checkpoint away.
    from: NodeId,
    from_run: u64,
    from_copies: usize,
    /// The checkpoint, once there is one.
    checkpoint: Option<Vec<Logged>>,
    pieces_left: u64,
    /// When something came last.
    heard_us: u64,
}

impl World<'_> {
    /// Begins what a node's follower has ordered.
    pub(super) fn begin_copies(&mut self, node: NodeId) {
        let desk = self.nodes[node].dialer.desk();
        for order in desk.take_orders() {
            let from = (0..self.nodes.len()).find(|&from| self.addr(from) == order.addr);
            let Some(from) = from.filter(|&from| self.nodes[from].server.is_some()) else {
                desk.settle(order.number, Err("nobody listens there".to_owned()));
                continue;
            };
            let number = self.copies.len();
            self.note(format_args!(
                "node {node} fetches a copy of node {from}: copy {number}"
            ));
            let copy = Copy {
                node,
                run: self.nodes[node].incarnation,
                desk: desk.clone(),
                order: order.number,
                from,
                from_run: self.nodes[from].incarnation,
                from_copies: self.nodes[from].disk.copies(),
                checkpoint: None,
                pieces_left: 1 + self.rng.below(PIECES_MAX),
                heard_us: self.now_us,
            };
            self.copies.push(Some(copy));
            self.plan_piece(number);
        }
    }

    /// A copy under way: who fetches it, and from whom.
    pub fn copy_under_way(&self) -> Option<(NodeId, NodeId)> {
        let copy = self.copies.iter().flatten().next();
        copy.map(|copy| (copy.node, copy.from))
    }

    fn plan_piece(&mut self, number: usize) {
        let slow_us = match self.rng.below(SLOW_ONE_IN) {
            0 => self.rng.below(SLOW_US_MAX),
            _ => 0,
        };
        let delay_us = self.network_delay(self.between) + self.delay(self.weather.job_us) + slow_us;
        self.put(self.now_us + delay_us, Event::Piece { copy: number });
    }

    /// The next piece arrives, if nothing stands in its way.
    pub(super) fn piece(&mut self, number: usize) {
        let Some(mut copy) = self.copies[number].take() else {
            return;
        };
        let (to, source) = (&self.nodes[copy.node], &self.nodes[copy.from]);
        if to.server.is_none() || to.incarnation != copy.run || !copy.desk.is_wanted(copy.order) {
            return self.note(format_args!("copy {number} is given up"));
        }
        if source.server.is_none() || source.incarnation != copy.from_run {
            return self.end_copy(number, copy, Err("the connection is closed"));
        }
        if source.disk.copies() != copy.from_copies {
            return self.end_copy(number, copy, Err("the checkpoint is gone"));
        }
        let ways = [(copy.node, copy.from), (copy.from, copy.node)];
        let is_cut = ways.iter().any(|way| self.cuts.contains(way));
        let is_frozen = to.frozen_until_us.max(source.frozen_until_us) > self.now_us;
        if is_cut || is_frozen {
            let patience_us = u64::from(to.config.repl_timeout_s) * 1_000_000;
            if self.now_us - copy.heard_us > patience_us {
                return self.end_copy(number, copy, Err("nothing comes any more"));
            }
            self.copies[number] = Some(copy);
            return self.put(self.now_us + LOOK_US, Event::Piece { copy: number });
        }
        copy.heard_us = self.now_us;
        match &copy.checkpoint {
            None => copy.checkpoint = Some(source.disk.checkpoint()),
            Some(records) => {
                copy.pieces_left -= 1;
                if copy.pieces_left == 0 {
                    to.disk.put_copy(records.clone());
                    return self.end_copy(number, copy, Ok(()));
                }
            }
        }
        self.copies[number] = Some(copy);
        self.plan_piece(number);
    }

    fn end_copy(&mut self, number: usize, copy: Copy, outcome: Result<(), &str>) {
        match outcome {
            Ok(()) => self.note(format_args!("node {} has fetched copy {number}", copy.node)),
            Err(why) => self.note(format_args!("copy {number} is cut off: {why}")),
        }
        copy.desk.settle(copy.order, outcome.map_err(str::to_owned));
    }

    /// Connections between two nodes break, and what is copied over them does not come.
    pub(super) fn break_copies(&mut self, one: NodeId, other: NodeId) {
        for number in 0..self.copies.len() {
            let is_theirs =
                |copy: &mut Copy| [(one, other), (other, one)].contains(&(copy.node, copy.from));
            if let Some(copy) = self.copies[number].take_if(is_theirs) {
                self.end_copy(number, copy, Err("the connection broke"));
            }
        }
    }
}
