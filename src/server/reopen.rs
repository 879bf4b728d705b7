//! Reopening the database after a failed write: when it is worth a try, how often, and what clients are told meanwhile.
//!
//! After an error in its log RocksDB 11.8 takes no write until it is opened again (measured). Until then reads go on over what is
//! open. Opening writes out what the log holds, so it waits for the room that this takes; while it lasts, commands on data wait. Where
//! it fails for want of room all the same, nothing is open, and every command on data is refused until a later try succeeds.

use std::time::Duration;

use super::judging::last_record_id;
use super::start::EXIT_STORAGE;
use super::workers::Job;
use super::{LoopEvent, Server};
use crate::client::waiting::Reason;
use crate::clock::MonoMs;
use crate::error::ReplyError;
use crate::replication::feeder::ToFeeder;
use crate::storage::commit::Committer;
use crate::storage::disk::Look;
use crate::storage::error::OpenError;
use crate::storage::options::OpenOptions;
use crate::storage::replication_id::ReplicationId;
use crate::storage::rocks::{ReopenError, Rocks};

/// Bytes that must be free beside those for what memory holds: a new log, MANIFEST and options, and some first writes.
const ROOM_BYTES: u64 = 16 << 20;
/// How long running reads of workers may delay a try. Commands on data wait meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Milliseconds between a try and the next, at first; twice as many each time, while tries follow each other.
const DELAY_MIN_MS: u64 = 1000;
const DELAY_MAX_MS: u64 = 60_000;

/// Where the server stands with a database that takes no writes.
#[derive(Default)]
pub(super) struct Reopening {
    /// Why it takes none, in the words for clients; `None` while it does.
    failure: Option<String>,
    /// How to open it, once it is closed.
    closed: Option<OpenOptions>,
    /// Bytes that must be free for a try.
    needed_bytes: u64,
    /// It was said in the log that room is waited for.
    is_announced: bool,
    next_try: MonoMs,
    delay_ms: u64,
}

impl Reopening {
    /// Whether the database takes no writes.
    pub(super) fn is_needed(&self) -> bool {
        self.failure.is_some()
    }

    /// A write has failed, for the reason `failure`.
    pub(super) fn begin(&mut self, failure: String) {
        if self.failure.is_none() {
            self.failure = Some(failure);
            self.is_announced = false;
        }
    }

    fn end(&mut self) {
        self.failure = None;
        self.closed = None;
    }

    /// Puts the next try off. A disk that refuses again and again is not asked all the time.
    fn note_try(&mut self, now: MonoMs) {
        let is_calm = now.since(self.next_try) > 2 * DELAY_MAX_MS;
        self.delay_ms = if is_calm {
            DELAY_MIN_MS
        } else {
            (self.delay_ms * 2).clamp(DELAY_MIN_MS, DELAY_MAX_MS)
        };
        self.next_try = MonoMs(now.0 + self.delay_ms);
    }
}

/// The database, open again.
pub struct Reopened {
    rocks: Rocks,
    /// What its last record ends in: not what was thought if the write that failed was the last one.
    last_record: Result<Option<ReplicationId>, String>,
}

impl Reopened {
    fn look_at(rocks: Rocks) -> Reopened {
        let last_record = last_record_id(&rocks);
        Reopened { rocks, last_record }
    }
}

impl Server {
    /// Reopens the database if a write has failed, nothing stands in the way, and the disk looks as if it would help.
    pub(super) fn reopen_if_useful(&mut self, look: Look) {
        let now = self.node.turn.now();
        // A write of this turn would be lost; it is refused or committed before the next look.
        let is_busy = self.node.is_reopening || self.node.view.has_open_writes();
        let Some(failure) = self.reopening.failure.clone() else {
            return;
        };
        if is_busy {
            return;
        }
        if self.reopening.closed.is_none() {
            self.reopening.needed_bytes = look.unflushed_bytes + ROOM_BYTES;
        }
        let needed = self.reopening.needed_bytes;
        if self.disk.is_low() || look.free_bytes < needed {
            let free = look.free_bytes;
            let needed = needed.max(self.disk.resume_bytes(look));
            if !std::mem::replace(&mut self.reopening.is_announced, true) {
                log::warn!(
                    "the database takes writes again when {needed} bytes are free on the disk; now {free} are"
                );
            }
            self.refuse(format!(
                "{failure}; they resume when {needed} bytes are free on the disk, now {free} are"
            ));
            return;
        }
        if now >= self.reopening.next_try {
            self.reopening.note_try(now);
            self.reopen();
        }
    }

    fn reopen(&mut self) {
        let committed = self.node.last_seq;
        log::warn!("reopening the database after the failed write");
        if let Some(options) = self.reopening.closed.clone() {
            self.node.is_reopening = true;
            self.workers.give(Job::new(move |sender| {
                let opened = Rocks::open(&options).map_err(ReopenError::Failed);
                sender.send(LoopEvent::Reopened(opened.map(Reopened::look_at)));
            }));
            return;
        }
        let Some((committer, rocks)) = self.take_database() else {
            return;
        };
        self.reopening.closed = Some(OpenOptions {
            last_synced_seq: Some(committed),
            accept_wal_loss: false,
            ..rocks.options().clone()
        });
        self.node.is_reopening = true;
        let retired = committer.retire();
        self.workers.give(Job::new(move |sender| {
            retired.join();
            let opened = rocks.reopen(committed, PATIENCE);
            sender.send(LoopEvent::Reopened(opened.map(Reopened::look_at)));
        }));
    }

    pub(super) fn reopened(&mut self, result: Result<Reopened, ReopenError>) {
        self.node.is_reopening = false;
        self.node.waiting.release(Reason::Stalled);
        match result {
            Ok(Reopened { rocks, last_record }) => {
                log::info!("the database is open again");
                self.reopening.end();
                self.node.read_refusal = None;
                self.node.last_seq = rocks.last_seq();
                // What failed with an unknown outcome may be there after all: who has looked meanwhile has not seen it.
                self.node.dirty_all_watches();
                self.node.key_counting.forget();
                // And the replicas have not been sent it.
                self.feeding.tell(ToFeeder::Restart(self.node.last_seq));
                match last_record {
                    Ok(id) => self.node.replication.history.correct(id),
                    Err(text) => log::error!("{text}"),
                }
                self.give_database(rocks);
                // The watch over free space decides whether writes may go on.
                self.node.write_refusal = self.disk_refusal();
                self.tell_position();
            }
            Err(ReopenError::InUse(rocks)) => {
                log::warn!("the database was not reopened: other threads still read from it");
                self.reopening.closed = None;
                self.give_database(rocks);
            }
            // The disk's mood may change; nothing else does by itself.
            Err(ReopenError::Failed(error @ OpenError::Io { .. })) => {
                log::error!("the database cannot be opened again: {error}; trying again");
                let text = format!("the database cannot be opened again: {error}");
                self.node.read_refusal = Some(ReplyError::new(format!("MISCONF {text}")));
                self.reopening.failure = Some(text.clone());
                self.refuse(text);
            }
            Err(ReopenError::Failed(error)) => {
                log::error!("the database cannot be opened again: {error}");
                self.exit = Some(EXIT_STORAGE);
            }
        }
    }

    /// Takes the database, and what commits to it, out of the loop's hands. Nothing may be uncommitted.
    pub(super) fn take_database(&mut self) -> Option<(Committer, Rocks)> {
        let (committer, rocks) = (self.committer.take()?, self.node.view.take_database()?);
        self.feeding.note_exchange();
        Some((committer, rocks))
    }

    /// The database is open, whichever it is.
    pub(super) fn give_database(&mut self, rocks: Rocks) {
        self.node.view.set_database(rocks.clone());
        self.committer = Some(self.start_committer(rocks));
        self.serve_who_asked_meanwhile();
    }

    /// Refuses writes for this reason.
    pub(super) fn refuse(&mut self, reason: String) {
        self.node.write_refusal = Some(ReplyError::new(format!(
            "MISCONF Writes are refused: {reason}"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rarer_while_they_do_not_help_and_come_soon_again_later() {
        let mut reopening = Reopening::default();
        let mut now = MonoMs(1_000_000);
        let mut delays = Vec::new();
        for _ in 0..8 {
            reopening.note_try(now);
            delays.push(reopening.next_try.0 - now.0);
            now = reopening.next_try;
        }
        assert_eq!(
            delays,
            [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        now = MonoMs(now.0 + 2 * DELAY_MAX_MS + 1);
        reopening.note_try(now);
        assert_eq!(reopening.next_try.0 - now.0, 1000);
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let mut reopening = Reopening::default();
        assert!(!reopening.is_needed());
        reopening.begin("first".to_owned());
        reopening.begin("second".to_owned());
        assert_eq!(reopening.failure.as_deref(), Some("first"));
        reopening.end();
        assert!(!reopening.is_needed());
    }
}
