//! What a replica receives: batches are applied in the loop, wait there while something holds them back, and are acknowledged
//! once they are committed.

use super::Server;
use crate::node::replication::Goal;
use crate::replication::follower::ToFollower;
use crate::replication::handshake::Position;
use crate::storage::commit::GroupId;
use crate::storage::received::ReceivedBatch;
use crate::storage::seq::Seq;

impl Server {
    /// What INFO shows as read: a batch that comes may have to wait.
    pub(super) fn note_arrival(&mut self, batch: &ReceivedBatch) {
        if let Some(followed) = &mut self.node.replication.followed {
            if self.following.received.is_empty() {
                followed.read_next = self.node.view.next_seq();
            }
            followed.read_next = followed.read_next.after_batch(batch.count());
        }
    }

    /// Applies the batches that wait, unless something holds them back.
    pub(super) fn apply_received(&mut self) {
        while !self.following.received.is_empty() {
            // While the engine is in trouble, or a pause that was given to the replica holds, they wait here.
            let is_held = self.node.is_reopening
                || self.node.is_stalled
                || self.committer.is_none()
                || self.node.pause.holds_replication();
            if is_held {
                return;
            }
            let Some(batch) = self.following.received.pop_front() else {
                return;
            };
            self.apply_batch(&batch);
        }
    }

    /// What still waits when the link has ended for a change of role: a pause that was given to the replica holds back what comes
    /// from a primary, and must not hold back the change. Who is promoted stands for all that it was sent; who follows another
    /// node gets the rest from there.
    pub(super) fn settle_received(&mut self) {
        if !self.node.pause.holds_replication() {
            return;
        }
        let is_promotion = self
            .node
            .replication
            .change
            .as_ref()
            .is_some_and(|change| change.goal == Goal::Primary);
        if !is_promotion {
            self.following.received.clear();
            return;
        }
        let can_write = !self.node.is_reopening && !self.node.is_stalled;
        if can_write && self.committer.is_some() {
            while let Some(batch) = self.following.received.pop_front() {
                self.apply_batch(&batch);
            }
        }
    }

    fn apply_batch(&mut self, batch: &ReceivedBatch) {
        let bytes = batch.bytes().len() as u64;
        // After a failed commit the batches that were on their way here leave a gap: the link begins anew where this node stands.
        if !batch.starts_at(self.node.view.next_seq()) {
            self.tell_follower(ToFollower::Restart);
            return;
        }
        self.node.view.begin_command();
        let group = self.node.view.apply_received(batch);
        let id = group.id;
        self.node.note_received(batch);
        self.node
            .replication
            .history
            .note_received(batch.replication_id(), group.first);
        self.following.submitted.push_back((id, bytes));
        self.submit_group(group);
    }

    fn batch_committed(&mut self, bytes: u64) {
        if let Some(follower) = &self.following.follower {
            follower.applied(self.node.last_seq, bytes);
        }
    }

    /// Groups up to this one are committed: the follower may acknowledge their batches.
    pub(super) fn note_batches_committed(&mut self, group: GroupId) {
        let mut bytes = 0;
        while let Some(&(id, batch_bytes)) = self.following.submitted.front()
            && id <= group
        {
            self.following.submitted.pop_front();
            bytes += batch_bytes;
        }
        if bytes > 0 {
            self.batch_committed(bytes);
        }
        self.tell_position();
    }

    /// Says where this node stands, once everything that was received is committed, or lost: then the database tells, when it is
    /// open again.
    pub(super) fn tell_position(&mut self) {
        let is_settled = self.following.received.is_empty()
            && self.following.submitted.is_empty()
            && !self.reopening.is_needed();
        if !self.following.asks_position || !is_settled {
            return;
        }
        self.following.asks_position = false;
        if let Some(follower) = &self.following.follower {
            follower.tell(ToFollower::Position(Position {
                next: self.node.last_seq.next(),
                id: self.node.replication.history.presents(),
                endings: self.node.replication.history.endings(self.node.last_seq),
            }));
        }
    }

    /// A commit failed: what was received and not committed is asked for again.
    pub(super) fn forget_received(&mut self) {
        if let Some(followed) = &mut self.node.replication.followed {
            followed.read_next = Seq::ZERO;
        }
        self.following.received.clear();
        self.following.submitted.clear();
        if let Some(follower) = &self.following.follower {
            follower.tell(ToFollower::Restart);
        }
    }
}
