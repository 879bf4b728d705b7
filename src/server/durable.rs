//! What this node remembers across a restart: the loop's side of the state file.
//!
//! The file is written by a worker, some seconds after the log was synced further, and once more at a clean stop. It may lag: what it says was
//! synced is at most what really was, so a start that finds less has lost something for certain.

use super::Server;
use super::start::{EXIT_STORAGE, StartError, failure};
use super::state_file::{DurableRole, DurableState};
use super::workers::Job;
use crate::clock::MonoMs;
use crate::config::Config;
use crate::storage::seq::Seq;

/// Milliseconds between two writes of the state file while the log advances.
const SAVE_INTERVAL_MS: u64 = 5000;

/// The durable state as far as this process knows, and when it was given to a worker last.
pub(super) struct Durable {
    pub state: DurableState,
    next_save: MonoMs,
}

impl Durable {
    /// Reads the state of the data directory. It wins over the configuration, with a line in the log.
    pub(super) fn load(config: &Config) -> Result<Durable, StartError> {
        let state =
            DurableState::load(&config.dir).map_err(|error| failure(EXIT_STORAGE, error))?;
        let state = state.unwrap_or_default();
        if let DurableRole::Replica { host, port } = &state.role {
            return Err(failure(
                EXIT_STORAGE,
                format!(
                    "this node was a replica of {host}:{port}, and replication is not in this build yet"
                ),
            ));
        }
        if state.synced_seq.is_some() && !state.clean_stop {
            log::info!("the last run did not stop in order; its log is checked and replayed");
        }
        Ok(Durable {
            state,
            next_save: MonoMs(0),
        })
    }

    /// The log was opened up to `recovered`, which is less than what was synced only where the settings accept that.
    pub(super) fn accept_loss(&mut self, recovered: Seq) {
        if let Some(synced) = self.state.synced_seq.filter(|synced| *synced > recovered) {
            log::warn!(
                "writes after sequence {recovered} are lost, up to {synced}; accept-wal-loss is set"
            );
            self.state.synced_seq = Some(recovered);
        }
    }

    /// Marks the state as that of a running node, before anything is served.
    pub(super) fn begin(&mut self, config: &Config) -> Result<(), StartError> {
        self.state.clean_stop = false;
        self.state
            .store(&config.dir)
            .map_err(|error| failure(EXIT_STORAGE, error))
    }

    /// Writes the state of a node that has stopped in order, everything up to `synced` being on disk.
    pub(super) fn end(&mut self, config: &Config, synced: Seq) {
        self.state.clean_stop = true;
        self.state.synced_seq = self.state.synced_seq.max(Some(synced));
        if let Err(error) = self.state.store(&config.dir) {
            log::error!("{error}");
        }
    }
}

impl Server {
    /// The log is on disk up to `seq`.
    pub(super) fn note_synced(&mut self, seq: Seq) {
        self.durable.state.synced_seq = self.durable.state.synced_seq.max(Some(seq));
        self.node.synced_seq = self.durable.state.synced_seq;
        self.durable_changed = true;
    }

    /// Gives the state to a worker to write when it has changed and the last write is some seconds ago.
    pub(super) fn save_durable(&mut self) {
        let now = self.node.turn.now();
        // Below the disk's reserve not even this is written.
        if !self.durable_changed || now < self.durable.next_save || self.disk.is_low() {
            return;
        }
        self.durable_changed = false;
        self.durable.next_save = MonoMs(now.0 + SAVE_INTERVAL_MS);
        let state = self.durable.state.clone();
        let dir = self.node.config.dir.clone();
        self.workers.give(Job::new(move |_| {
            if let Err(error) = state.store(&dir) {
                log::error!("{error}");
            }
        }));
    }
}
