//! Groups: how the view's open record is closed and handed over, and what a commit, or its failure, does to the view.

use super::{History, View};
use crate::limits::RECORD_BYTES_MAX;
use crate::storage::commit::{Group, GroupId};
use crate::storage::received::{Family, Op, ReceivedBatch};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

impl View {
    /// Whether the open record holds anything to commit.
    pub fn has_open_writes(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether the open record is as large as a record should be.
    pub fn is_open_record_full(&self) -> bool {
        self.open.bytes() >= RECORD_BYTES_MAX
    }

    /// Closes the open record; `None` when it changes nothing. The group must then be submitted, in order.
    pub fn close_group(&mut self) -> Option<Group> {
        if !self.open.has_changes() {
            self.open.clear();
            return None;
        }
        let (mut record, count) = self
            .open
            .encode(self.history.id.as_str(), !self.history.announced);
        // RocksDB gives it this number; replicas are sent the record with it.
        record[..8].copy_from_slice(&self.next_seq.get().to_le_bytes());
        self.history.announced = true;
        let id = self.hand_over();
        let first = self.next_seq;
        self.next_seq = first.after_batch(count);
        Some(Group {
            id,
            first,
            record: record.into(),
            count,
        })
    }

    /// Begins a history: the next record of this node's own announces this id, and each ends in it.
    pub fn begin_history(&mut self, id: ReplicationId) {
        self.history = History {
            id,
            announced: false,
        };
    }

    /// Takes a primary's batch in as if it were written here: it is read from now on, and committed unchanged, as a record of its
    /// own. The group must be submitted, in order. Nothing of this node's own may be open.
    pub fn apply_received(&mut self, batch: &ReceivedBatch) -> Group {
        assert!(
            !self.open.has_changes(),
            "a replica writes nothing of its own"
        );
        self.open.clear();
        for op in batch.ops() {
            match op {
                Op::Put {
                    family: Family::Known(cf),
                    key,
                    value,
                } => self.put(cf, key, value),
                Op::Delete {
                    family: Family::Known(cf),
                    key,
                } => self.delete(cf, key),
                Op::DeleteRange {
                    family: Family::Known(cf),
                    from,
                    to,
                } => self.delete_range(cf, from, to),
                // What only a newer Kvrocks reads is stored with the rest, and read by nobody here.
                Op::Put { .. } | Op::Delete { .. } | Op::DeleteRange { .. } | Op::LogData(_) => {}
            }
        }
        let first = self.next_seq;
        let record = if batch.first_seq() == first {
            batch.bytes().clone()
        } else {
            let mut bytes = batch.bytes().to_vec();
            bytes[..8].copy_from_slice(&first.get().to_le_bytes());
            bytes.into()
        };
        self.next_seq = first.after_batch(batch.count());
        let id = self.hand_over();
        Group {
            id,
            first,
            record,
            count: batch.count(),
        }
    }

    /// A group that holds nothing and is committed by whoever asked for it ([`View::committed`]): replies that depend on it leave
    /// then, and not before. No later group may be committed in between.
    pub fn barrier(&mut self) -> GroupId {
        self.skipped_ids += 1;
        GroupId(self.open_id.0 + self.skipped_ids)
    }

    fn hand_over(&mut self) -> GroupId {
        let id = self.open_id;
        self.open_id = GroupId(id.0 + 1 + std::mem::take(&mut self.skipped_ids));
        let next = self.spare.pop().unwrap_or_default();
        self.handed
            .push_back((id, std::mem::replace(&mut self.open, next)));
        id
    }

    /// Everything up to `group` is in the WAL.
    pub fn committed(&mut self, group: GroupId) {
        self.committed = self.committed.max(group);
        if self.open_id <= group {
            // A barrier: the open group comes behind it. With its old number its replies would not wait for its commit.
            assert!(
                !self.open.has_changes(),
                "a barrier is committed over an open group"
            );
            self.open_id = GroupId(self.open_id.0 + 1 + std::mem::take(&mut self.skipped_ids));
        }
        while self.handed.front().is_some_and(|(id, _)| *id <= group) {
            if let Some((_, mut record)) = self.handed.pop_front()
                && self.spare.len() < 2
                && record.heap_bytes() <= RECORD_BYTES_MAX * 2
            {
                record.clear();
                self.spare.push(record);
            }
        }
    }

    /// The newest group known to be committed.
    pub fn committed_group(&self) -> GroupId {
        self.committed
    }

    /// While this stays the same, no key has got an expiry.
    pub fn expiring_count(&self) -> u64 {
        self.expiring_count
    }

    /// Whether the database holds every expiry that was written.
    pub fn are_expiring_committed(&self) -> bool {
        // The second for writes that were taken back: their group may never be committed.
        self.expiring <= self.committed || (self.open.is_empty() && self.handed.is_empty())
    }

    /// The newest group that holds a change, open or handed over; what a message about everything so far depends on.
    pub fn newest_group(&self) -> GroupId {
        if self.open.has_changes() {
            self.open_id
        } else {
            GroupId(self.open_id.0 - 1)
        }
    }

    /// The number of the first update of the next group.
    pub fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// The number of the last update executed, committed or not.
    pub fn newest_seq(&self) -> Seq {
        let updates = self.open.updates();
        let announcement = u32::from(updates > 0 && !self.history.announced);
        let end = self.next_seq.after_batch(updates + announcement);
        Seq::new(end.get() - 1)
    }

    /// Whether anything is not committed yet.
    pub fn has_uncommitted(&self) -> bool {
        !(self.handed.is_empty() && self.open.is_empty())
    }

    /// A commit failed: everything uncommitted is dropped, the open record too, and counts as settled. Nothing is run again.
    pub fn drop_uncommitted(&mut self) {
        self.handed.clear();
        self.open.clear();
        // Who depended on these groups is told or closed in this turn: no later reply may wait for them.
        self.committed = GroupId(self.open_id.0 + std::mem::take(&mut self.skipped_ids));
        self.open_id = GroupId(self.committed.0 + 1);
        self.cache.clear();
        self.edges.clear();
        self.samples.clear();
        self.watched.lose_all();
        self.cold.lose_all();
        self.history.announced = false;
        if let Some(rocks) = &self.rocks {
            self.next_seq = rocks.last_seq().next();
        }
    }
}
