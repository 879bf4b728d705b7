//! The commit of a turn's group, and what follows when it comes late or fails.

use super::{LoopEvent, Server};
use crate::client::ClientKey;
use crate::client::waiting::Reason;
use crate::clock::MonoMs;
use crate::error::ReplyError;
use crate::stats::latency;
use crate::storage::commit::{CommitEvent, Committer, Group, GroupId, Submitted};
use crate::storage::error::CommitFailure;
use crate::storage::rocks::Rocks;
use crate::storage::seq::Seq;

/// Milliseconds between two lines in the log about RocksDB slowing writes down: under load it does so many times a second.
const STALL_LOG_INTERVAL_MS: u64 = 60_000;

/// What the log says about stalls.
#[derive(Default)]
pub(super) struct StallLog {
    last_said: Option<MonoMs>,
    /// The present stall was worth a line, so its end is.
    is_said: bool,
    untold_count: u64,
}

impl StallLog {
    fn begin(&mut self, now: MonoMs) {
        let is_due = |said| now.since(said) >= STALL_LOG_INTERVAL_MS;
        if !self.last_said.is_none_or(is_due) {
            self.untold_count += 1;
            return;
        }
        self.last_said = Some(now);
        self.is_said = true;
        match std::mem::take(&mut self.untold_count) {
            0 => log::warn!("RocksDB slows down writes; writers wait"),
            count => log::warn!(
                "RocksDB slows down writes; writers wait, as {count} times since this was said last"
            ),
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_said) {
            log::info!("RocksDB takes writes at full speed again");
        }
    }
}

impl Server {
    /// Commits what the turn has written.
    pub(super) fn commit(&mut self) {
        let Some(group) = self.node.view.close_group() else {
            return;
        };
        self.node.replication.history.note_own_record();
        self.submit_group(group);
    }

    /// Commits a group, now or as soon as it can be.
    pub(super) fn submit_group(&mut self, group: Group) {
        let id = group.id;
        let end = group.first.after_batch(group.count);
        if self.disk.spend(group.record.len() as u64) {
            self.look_at_disk();
        }
        self.feeding.keep(&group);
        let began_us = self.latency_clock();
        let Some(committer) = &mut self.committer else {
            return self.commit_failed(None);
        };
        self.node.stats.commits += 1;
        match committer.submit(group) {
            Submitted::Committed { seq } => {
                self.note_latency(latency::COMMIT, began_us);
                assert!(seq.next() == end, "committed {seq}, numbered up to {end}");
                self.committed(id, seq);
            }
            Submitted::Queued => {
                self.queued_since.extend(began_us.map(|us| (id, us)));
                self.update_stall();
            }
            Submitted::Failed(failure) => self.commit_failed(Some(&failure)),
        }
    }

    /// Now, if the latency monitor is on: who measures for it alone reads no clock otherwise.
    pub(super) fn latency_clock(&self) -> Option<u64> {
        let is_on = self.node.stats.latency.is_on();
        is_on.then(|| self.node.clock.mono_us())
    }

    /// What began then, if it was measured, has ended.
    pub(super) fn note_latency(&mut self, event: &'static str, began_us: Option<u64>) {
        if let Some(began_us) = began_us {
            let now = self.node.clock.turn();
            let took_us = now.mono_us.saturating_sub(began_us);
            let monitor = &mut self.node.stats.latency;
            monitor.note(event, took_us, now.unix_us / 1_000_000);
        }
    }

    /// Commits before the turn's end when the record has reached its size.
    pub(super) fn commit_if_full(&mut self) {
        if self.node.view.is_open_record_full() {
            self.commit();
        }
    }

    pub(super) fn commit_event(&mut self, event: CommitEvent) {
        let Some(committer) = &mut self.committer else {
            return;
        };
        committer.handle(&event);
        match event {
            CommitEvent::Committed { up_to, seq } => {
                while let Some(&(id, began_us)) = self.queued_since.front()
                    && id <= up_to
                {
                    self.queued_since.pop_front();
                    self.note_latency(latency::COMMIT_QUEUED, Some(began_us));
                }
                self.committed(up_to, seq);
            }
            CommitEvent::Stalled { .. } => {
                self.node.is_commit_held_up = true;
                self.stalls.begin(self.node.turn.now());
            }
            CommitEvent::Resumed => {
                self.node.is_commit_held_up = false;
                self.stalls.end();
            }
            CommitEvent::Failed { failure, .. } => self.commit_failed(Some(&failure)),
            CommitEvent::Synced { seq } => self.note_synced(seq),
            CommitEvent::SyncFailed { text } => {
                // What was acknowledged may be lost, and trying again would only hide it.
                log::error!("the write-ahead log cannot be synced: {text}");
                self.exit = Some(super::start::EXIT_SYNC_FAILED);
            }
        }
        self.update_stall();
    }

    fn committed(&mut self, group: GroupId, seq: Seq) {
        self.node.last_seq = seq;
        self.node.view.committed(group);
        self.node.replication.note_committed(group, seq);
        self.feeding.committed(group);
        self.note_batches_committed(group);
        self.node.gated.committed(self.node.view.committed_group());
    }

    /// Writers wait while too much is uncommitted.
    pub(super) fn update_stall(&mut self) {
        let bytes = self.node.view.uncommitted_bytes() as u64;
        let limit = self.node.config.overlay_limit;
        // Released at half the limit, so that writers do not flap at the line.
        let stalled = if self.node.is_stalled {
            bytes > limit / 2
        } else {
            bytes > limit
        };
        if self.node.is_stalled && !stalled {
            self.node.waiting.release(Reason::Stalled);
        }
        self.node.is_stalled = stalled;
    }

    /// Nothing uncommitted will ever be committed: everybody who depends on it is told, or closed when the outcome is unknown.
    fn commit_failed(&mut self, failure: Option<&CommitFailure>) {
        let text = failure.map_or("the database is being reopened", |failure| &failure.text);
        let reached_wal = failure.map_or(Some(false), |failure| failure.reached_wal);
        log::error!("a commit failed: {text}");
        let committed = self.node.view.committed_group();
        self.node.view.drop_uncommitted();
        self.node.dirty_all_watches();
        self.node.key_counting.forget();
        self.queued_since.clear();
        self.feeding.forget_uncommitted();
        self.node.replication.messages.clear();
        self.forget_received();
        self.node.is_commit_held_up = false;
        let reason = format!("a write to the disk failed: {text}");
        let error = ReplyError::new(format!("MISCONF Writes are refused: {reason}"));
        let mut line = Vec::new();
        line.push(b'-');
        line.extend(error.text().iter().map(|&byte| {
            if byte == b'\r' || byte == b'\n' {
                b' '
            } else {
                byte
            }
        }));
        line.extend_from_slice(b"\r\n");
        let gated: Vec<ClientKey> = self
            .node
            .clients
            .iter()
            .filter(|client| client.output.is_gated())
            .map(|client| client.key)
            .collect();
        for key in gated {
            let Some(client) = self.node.clients.get_mut(key) else {
                continue;
            };
            // A commit that was reported in this very turn, before the failure, has let nothing out yet.
            client.output.release(committed);
            if reached_wal == Some(false) {
                client.output.fail_gated(&line);
            } else if client.output.is_gated() {
                self.node.close_now(key);
            }
            self.node.list_output(key);
        }
        self.node.write_refusal = Some(error);
        self.reopening.begin(reason);
        self.look_at_disk();
        self.update_stall();
    }

    /// The commit path over a database, reporting to this loop.
    pub(super) fn start_committer(&self, rocks: Rocks) -> Committer {
        let sender = self.sender.clone();
        let notify = std::sync::Arc::new(move |event| sender.send(LoopEvent::Commit(event)));
        let policy = super::start::wal_policy(self.node.config.wal_sync);
        #[cfg(test)]
        if rocks.simulated().is_some() {
            return Committer::stepped(rocks, policy, notify);
        }
        Committer::start(rocks, policy, notify)
    }
}
