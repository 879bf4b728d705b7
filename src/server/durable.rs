//! What this node remembers across a restart: the loop's side of the state file.
//!
//! The file is written by a worker, some seconds after the log was synced further, and once more at a clean stop. It may lag: what it says was
//! synced is at most what really was, so a start that finds less has lost something for certain.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::start::{EXIT_START, EXIT_STORAGE, EXIT_SYNC_FAILED, StartError, failure};
use super::state_copies::StateFile;
use super::state_file::{DurableRole, DurableState, StateError};
use super::{LoopEvent, Server};
use crate::clock::MonoMs;
use crate::config::{Config, PrimaryAddress, WalSync};
use crate::node::Request;
use crate::reactor::LoopSender;
use crate::storage::rocks::Rocks;
use crate::storage::seq::Seq;

/// Milliseconds between two writes of the state file while the log advances.
const SAVE_INTERVAL_MS: u64 = 5000;
/// How long nothing is to be written before the second copy is: a change of role is several writes, and should not wait for it.
const MIRROR_AFTER: Duration = Duration::from_secs(1);

/// The durable state as far as this process knows, and the thread that writes it.
pub(super) struct Durable {
    pub state: DurableState,
    /// There was a state file: what it says about the role wins over the configuration.
    pub was_there: bool,
    /// It is newer than what was given to the thread.
    changed: bool,
    next_save: MonoMs,
    /// The number of the version given last.
    version: u64,
    /// The version that this node became a primary with, until it is on disk.
    pub unsynced_promotion: Option<u64>,
    /// Replicas that want to follow this node meanwhile.
    pub held_psyncs: Vec<Request>,
    /// While no thread has it.
    file: Option<StateFile>,
    writer: Option<Writer>,
}

/// A thread of its own: a change of role waits for it, and must not wait behind a worker's long scan.
struct Writer {
    versions: Sender<(u64, DurableState)>,
    /// `None` in a simulation, which takes the versions itself.
    thread: Option<JoinHandle<StateFile>>,
}

impl Writer {
    fn start(mut file: StateFile, sender: LoopSender<LoopEvent>) -> std::io::Result<Writer> {
        let (versions, received) = mpsc::channel::<(u64, DurableState)>();
        let thread = std::thread::Builder::new().name("state".to_owned());
        let thread = thread.spawn(move || {
            loop {
                let next = match file.is_unmirrored() {
                    true => received.recv_timeout(MIRROR_AFTER),
                    false => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                match next {
                    Ok(newest) => {
                        let (version, written) =
                            write_newest(newest, &received, &mut file, &sender);
                        sync_written(version, written, &mut file, &sender);
                    }
                    Err(RecvTimeoutError::Timeout) => mirror(&mut file),
                    Err(RecvTimeoutError::Disconnected) => return file,
                }
            }
        })?;
        Ok(Writer {
            versions,
            thread: Some(thread),
        })
    }

    /// Ends the thread once it has written what it was given.
    fn stop(self) -> Option<StateFile> {
        drop(self.versions);
        let file = self.thread.map(JoinHandle::join)?;
        if file.is_err() {
            log::error!("the thread that writes the state file panicked");
        }
        file.ok()
    }
}

fn mirror(file: &mut StateFile) {
    if let Err(error) = file.mirror() {
        log::warn!("the second copy of the state: {error}");
    }
}

/// Writes a version of the state, or the newest of those that have come since; gives its number and how that went.
fn write_newest(
    mut newest: (u64, DurableState),
    received: &Receiver<(u64, DurableState)>,
    file: &mut StateFile,
    sender: &LoopSender<LoopEvent>,
) -> (u64, Result<(), StateError>) {
    while let Ok(newer) = received.try_recv() {
        newest = newer;
    }
    let (version, state) = newest;
    #[cfg(test)]
    let state = with_old_role(state, file);
    let written = file.write(&state);
    if written.is_ok() {
        sender.send(LoopEvent::Written(version));
    }
    (version, written)
}

/// Syncs what was written.
fn sync_written(
    version: u64,
    written: Result<(), StateError>,
    file: &mut StateFile,
    sender: &LoopSender<LoopEvent>,
) {
    let stored = written.and_then(|()| file.sync());
    let result = stored.map_err(|error| error.to_string());
    sender.send(LoopEvent::Stored(version, result));
}

/// The state as it is written where the role is not: a test has taken that out.
#[cfg(test)]
fn with_old_role(state: DurableState, file: &StateFile) -> DurableState {
    use crate::simulation::mutation::{Part, is_out};
    if !is_out(Part::DurableRole) {
        return state;
    }
    match file.simulated() {
        Some(old) => DurableState {
            role: old.role,
            pending_offer: old.pending_offer,
            ..state
        },
        None => state,
    }
}

/// The first state where it is not that of the configuration: a test has taken that out.
#[cfg(test)]
fn without_configured_role() -> Option<DurableState> {
    use crate::simulation::mutation::{Part, is_out};
    is_out(Part::ConfiguredRole).then(DurableState::default)
}

/// The thread that writes the state file, in a simulation: it does so when it is told to.
#[cfg(test)]
pub(super) struct SteppedWriter {
    received: Receiver<(u64, DurableState)>,
    file: std::cell::RefCell<StateFile>,
    sender: LoopSender<LoopEvent>,
    /// The newest version that it has taken.
    taken: std::cell::Cell<u64>,
    /// What it has written and will sync with its next step.
    written: std::cell::Cell<Option<(u64, Result<(), StateError>)>>,
}

#[cfg(test)]
impl SteppedWriter {
    /// Whether this version, or an older one, waits to be written or synced.
    pub(super) fn is_behind(&self, version: u64) -> bool {
        let written = self.written.take();
        let is_unsynced = written.is_some();
        self.written.set(written);
        is_unsynced || self.taken.get() < version
    }

    /// Whether the second copy of the state is to be written, once nothing else is.
    pub(super) fn is_unmirrored(&self) -> bool {
        self.file.borrow().is_unmirrored()
    }

    /// Writes the second copy.
    pub(super) fn mirror(&self) {
        mirror(&mut self.file.borrow_mut());
    }

    /// The process ends now, perhaps in the middle of a write, of which so many bytes are there then. Gives whether one could be under
    /// way.
    pub(super) fn tear(&self, bytes: usize) -> bool {
        let mut file = self.file.borrow_mut();
        let next = self.received.try_iter().last();
        // What is being synced is written whole.
        let can_be = self.written.take().is_none() && (next.is_some() || file.is_unmirrored());
        if can_be {
            let next = next.map(|(_, state)| with_old_role(state, &file));
            file.tear(next.as_ref(), bytes);
        }
        can_be
    }

    /// Syncs the version that was written, or writes the newest one that waits; gives whether there was anything.
    pub(super) fn step(&self) -> bool {
        if let Some((version, written)) = self.written.take() {
            sync_written(version, written, &mut self.file.borrow_mut(), &self.sender);
            return true;
        }
        let waiting = self.received.try_recv();
        waiting.is_ok_and(|newest| {
            let written = write_newest(
                newest,
                &self.received,
                &mut self.file.borrow_mut(),
                &self.sender,
            );
            self.taken.set(written.0);
            self.written.set(Some(written));
            true
        })
    }
}

/// What a node is that has no state yet.
fn configured_role(config: &Config) -> DurableRole {
    match &config.replicaof {
        Some(PrimaryAddress { host, port }) => DurableRole::Replica {
            host: host.clone(),
            port: *port,
        },
        None => DurableRole::Primary,
    }
}

impl Durable {
    /// [`Durable::begin`] without a thread.
    #[cfg(test)]
    pub(super) fn begin_stepped(
        &mut self,
        config: &Config,
        sender: &LoopSender<LoopEvent>,
    ) -> Result<SteppedWriter, StartError> {
        let file = self.mark_running(config)?;
        let (versions, received) = mpsc::channel();
        let thread = None;
        self.writer = Some(Writer { versions, thread });
        Ok(SteppedWriter {
            received,
            file: file.into(),
            sender: sender.clone(),
            taken: std::cell::Cell::new(self.version),
            written: Default::default(),
        })
    }

    /// The number of the version given to the writer last.
    #[cfg(test)]
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    fn mark_running(&mut self, config: &Config) -> Result<StateFile, StartError> {
        self.state.clean_stop = false;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => open(config)?.0,
        };
        file.store(&self.state)
            .map_err(|error| failure(EXIT_STORAGE, error))?;
        Ok(file)
    }

    /// Reads the state of the data directory. It wins over the configuration, with a line in the log.
    pub(super) fn load(config: &Config) -> Result<Durable, StartError> {
        let (file, state) = open(config)?;
        let was_there = state.is_some();
        #[cfg(test)]
        let state = state.or_else(without_configured_role);
        // The first version that is written says it already: a node that is killed before it has taken up its role must not come back
        // as a primary.
        let state = state.unwrap_or_else(|| DurableState {
            role: configured_role(config),
            ..DurableState::default()
        });
        if state.synced_seq.is_some() && !state.clean_stop {
            log::info!("the last run did not stop in order; its log is checked and replayed");
        }
        Ok(Durable {
            state,
            was_there,
            changed: false,
            next_save: MonoMs(0),
            version: 0,
            unsynced_promotion: None,
            held_psyncs: Vec::new(),
            file: Some(file),
            writer: None,
        })
    }

    /// The database was opened. It holds less than what was synced only where the settings accept that, or a full copy has taken its
    /// place.
    pub(super) fn found(&mut self, rocks: &Rocks) {
        if rocks.is_replaced() {
            // The state file still speaks of the data from before the copy.
            self.state.synced_seq = Some(rocks.last_seq());
        } else {
            self.accept_loss(rocks.last_seq());
        }
    }

    fn accept_loss(&mut self, recovered: Seq) {
        if let Some(synced) = self.state.synced_seq.filter(|synced| *synced > recovered) {
            log::warn!(
                "writes after sequence {recovered} are lost, up to {synced}; accept-wal-loss is set"
            );
            self.state.synced_seq = Some(recovered);
        }
    }

    /// Marks the state as that of a running node, before anything is served.
    pub(super) fn begin(
        &mut self,
        config: &Config,
        sender: &LoopSender<LoopEvent>,
    ) -> Result<(), StartError> {
        let file = self.mark_running(config)?;
        let writer = Writer::start(file, sender.clone())
            .map_err(|error| failure(EXIT_START, format!("no thread for the state: {error}")))?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Writes the state of a node that has stopped in order, everything up to `synced` being on disk.
    pub(super) fn end(&mut self, config: &Config, synced: Seq) {
        let stopped = self.writer.take().and_then(Writer::stop);
        self.state.clean_stop = true;
        self.state.synced_seq = self.state.synced_seq.max(Some(synced));
        let file = match stopped {
            Some(file) => Ok(file),
            None => StateFile::open(&config.dir).map(|(file, _)| file),
        };
        let stored = file.and_then(|mut file| {
            file.store(&self.state)?;
            file.mirror()
        });
        if let Err(error) = stored {
            log::error!("{error}");
        }
    }
}

fn open(config: &Config) -> Result<(StateFile, Option<DurableState>), StartError> {
    StateFile::open(&config.dir).map_err(|error| failure(EXIT_STORAGE, error))
}

impl Server {
    /// The log is on disk up to `seq`.
    pub(super) fn note_synced(&mut self, seq: Seq) {
        self.durable.state.synced_seq = self.durable.state.synced_seq.max(Some(seq));
        self.node.synced_seq = self.durable.state.synced_seq;
        self.durable.changed = true;
    }

    /// Gives the state to a worker to write when it has changed and the last write is some seconds ago.
    pub(super) fn save_durable(&mut self) {
        let now = self.node.turn.now();
        // Below the disk's reserve not even this is written.
        if !self.durable.changed || now < self.durable.next_save || self.disk.is_low() {
            return;
        }
        self.store_durable();
    }

    /// Gives the state to its thread now; [`Server::stored`] hears of the version that this returns.
    pub(super) fn store_durable(&mut self) -> u64 {
        let now = self.node.turn.now();
        let durable = &mut self.durable;
        durable.changed = false;
        durable.next_save = MonoMs(now.0 + SAVE_INTERVAL_MS);
        durable.version += 1;
        if let Some(writer) = &durable.writer {
            let version = (durable.version, durable.state.clone());
            // A thread that panicked is in the log; what waits for it waits for ever, which is what is safe.
            let _ = writer.versions.send(version);
        }
        durable.version
    }

    /// The state file has been written up to this version, and is being synced.
    ///
    /// That is enough for a promotion where writes are acknowledged before they are on disk too (`wal-sync everysec` and `no`): the
    /// promotion survives a crash of the process, and a power cut may take back what it takes back of the writes. The sync takes
    /// 0.5 ms, one in ten 3 to 9 ms, at worst 100 ms beside nodes that write 20 MB/s each (measured), and writers would wait for it.
    pub(super) fn written(&mut self, version: u64) {
        if self.node.config.wal_sync != WalSync::Always {
            self.role_written(version);
            self.promotion_written(version);
        }
    }

    /// The state file is on disk up to this version, or could not be written.
    pub(super) fn stored(&mut self, version: u64, result: &Result<(), String>) {
        if let Err(text) = result {
            log::error!("{text}");
            self.durable.changed = true;
        }
        let is_promotion = |promotion: &mut u64| *promotion <= version;
        if self
            .durable
            .unsynced_promotion
            .take_if(is_promotion)
            .is_some()
        {
            if result.is_err() {
                // As with a failed sync of the log: what was acknowledged may be lost, and going on would only hide it.
                log::error!("this node became a primary, and that cannot be synced");
                self.exit = Some(EXIT_SYNC_FAILED);
            }
            let held = std::mem::take(&mut self.durable.held_psyncs);
            self.node.requests.extend(held);
        }
        self.finish_copy(version, result.is_ok());
        self.role_stored(version, result);
        self.failover_stored(version, result);
    }
}
