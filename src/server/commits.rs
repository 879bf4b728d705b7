//! The commit of a turn's group, and what follows when it comes late or fails.

use super::workers::Job;
use super::{LoopEvent, Server};
use crate::client::ClientKey;
use crate::client::waiting::Reason;
use crate::error::ReplyError;
use crate::storage::commit::{CommitEvent, Committer, GroupId, Submitted};
use crate::storage::error::CommitFailure;
use crate::storage::rocks::Rocks;
use crate::storage::seq::Seq;

/// How long reopening waits for the last reader of the old handle.
const REOPEN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

impl Server {
    /// Commits what the turn has written.
    pub(super) fn commit(&mut self) {
        let Some(group) = self.node.view.close_group() else {
            return;
        };
        let id = group.id;
        let Some(committer) = &mut self.committer else {
            return self.commit_failed(None);
        };
        self.node.stats.commits += 1;
        match committer.submit(group) {
            Submitted::Committed { seq } => self.committed(id, seq),
            Submitted::Queued => self.update_stall(),
            Submitted::Failed(failure) => self.commit_failed(Some(&failure)),
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
            CommitEvent::Committed { up_to, seq } => self.committed(up_to, seq),
            CommitEvent::Stalled { .. } => log::warn!("RocksDB slows down writes; writers wait"),
            CommitEvent::Resumed => log::info!("RocksDB takes writes at full speed again"),
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
        // Those with gated output are looked at again; the others are on this turn's list already.
        for key in std::mem::take(&mut self.node.gated_list) {
            self.node.list_output(key);
        }
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
        let error = ReplyError::new(format!(
            "MISCONF Writes are refused: a write to the disk failed: {text}"
        ));
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
            if reached_wal == Some(false) {
                client.output.fail_gated(&line, committed);
            } else {
                client.output.release(committed);
                if client.output.is_gated() {
                    self.node.close_now(key);
                }
            }
            self.node.list_output(key);
        }
        self.node.gated_list.clear();
        self.node.write_refusal = Some(error);
        self.update_stall();
    }

    /// After an error in its WAL RocksDB 11.8 takes no write until it is opened again (measured). That is done once the
    /// disk has room; until then reads go on over what is there. While the database is closed every data command waits.
    pub(super) fn reopen_if_useful(&mut self) {
        let has_failed = self
            .committer
            .as_ref()
            .is_some_and(|committer| committer.failure().is_some());
        if !has_failed || self.disk.is_low() {
            return;
        }
        let (Some(committer), Some(rocks)) =
            (self.committer.take(), self.node.view.take_database())
        else {
            return;
        };
        log::warn!("reopening the database after the failed commit");
        self.node.is_reopening = true;
        let retired = committer.retire();
        let committed = self.node.last_seq;
        self.workers.give(Job::new(move |sender| {
            retired.join();
            // Other workers may still read from their handles.
            let result = rocks.reopen(committed, REOPEN_PATIENCE);
            sender.send(LoopEvent::Reopened(
                result.map_err(|error| error.to_string()),
            ));
        }));
    }

    pub(super) fn reopened(&mut self, result: Result<Rocks, String>) {
        match result {
            Ok(rocks) => {
                log::info!("the database is open again");
                self.node.view.set_database(rocks.clone());
                self.node.last_seq = rocks.last_seq();
                self.committer = Some(self.start_committer(rocks));
                self.node.is_reopening = false;
                // The watch over free space decides whether writes may go on.
                self.node.write_refusal = self.disk_refusal();
                self.node.waiting.release(Reason::Stalled);
            }
            Err(text) => {
                log::error!("the database cannot be opened again: {text}");
                self.exit = Some(super::start::EXIT_STORAGE);
            }
        }
    }

    /// The commit path over a database, reporting to this loop.
    pub(super) fn start_committer(&self, rocks: Rocks) -> Committer {
        let sender = self.sender.clone();
        let notify = std::sync::Arc::new(move |event| sender.send(LoopEvent::Commit(event)));
        Committer::start(
            rocks,
            super::start::wal_policy(self.node.config.wal_sync),
            notify,
        )
    }
}
