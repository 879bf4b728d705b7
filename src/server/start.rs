//! Bringing a server up, and down again.

use std::sync::Arc;

use super::copying::Copying;
use super::cron::Cron;
use super::durable::Durable;
use super::engine_options::open_options;
use super::settings::Outside;
use super::workers::Workers;
use super::{LoopEvent, Server, judging, listening, open_files, signals};
use crate::clock::{Clock, SystemClock};
use crate::command::rename::Renames;
use crate::config::Config;
use crate::limits::{COLD_READERS, READ_BYTES_PER_TURN_MAX};
use crate::logging::Log;
use crate::node::Node;
use crate::reactor::{Mailbox, Reactor, Ready};
use crate::replication::runner::Runner;
use crate::replication::takeover::Takeover;
use crate::stats::process::Process;
use crate::storage::commit::WalSync;
use crate::storage::disk::DiskGauge;
use crate::storage::rocks::Rocks;
use crate::supervised::{State, Supervisor};

/// Exit status: a start that did not come off (settings, sockets).
pub const EXIT_START: i32 = 1;
/// Exit status: the data directory cannot be used.
pub const EXIT_STORAGE: i32 = 3;
/// Exit status: the write-ahead log could not be synced.
pub const EXIT_SYNC_FAILED: i32 = 4;

/// Why a server did not start, and the exit status that says so.
#[derive(Debug)]
pub struct StartError {
    pub status: i32,
    pub text: String,
}

pub(super) fn failure(status: i32, text: impl std::fmt::Display) -> StartError {
    StartError {
        status,
        text: text.to_string(),
    }
}

/// Runs a server until it is told to leave; gives the exit status.
pub fn run(config: Config, log: Log) -> Result<i32, StartError> {
    let mut server = Server::start(config, log)?;
    let status = server.turns();
    Ok(server.stop(status))
}

/// What a server is put together from.
pub(super) struct Parts {
    pub config: Config,
    pub rocks: Rocks,
    pub durable: Durable,
    pub reactor: Reactor,
    pub mailbox: Mailbox<LoopEvent>,
    pub runner: Runner,
    pub workers: Workers,
    pub readers: Workers,
    pub supervisor: Supervisor,
    pub process: Process,
    pub clock: Box<dyn Clock>,
    /// Of ids and of what commands draw by lot.
    pub seed: u64,
    pub log: Log,
}

impl Server {
    /// Opens the data, listens, and starts the helpers. Nothing is served before [`Server::turns`].
    pub fn start(mut config: Config, log: Log) -> Result<Server, StartError> {
        std::fs::create_dir_all(&config.dir).map_err(|error| {
            failure(
                EXIT_STORAGE,
                format!("cannot create {}: {error}", config.dir.display()),
            )
        })?;
        let mut durable = Durable::load(&config)?;
        let mut options = open_options(&config);
        let files = open_files::prepare(config.maxclients, options.rocksdb.max_open_files);
        config.maxclients = files.maxclients;
        options.rocksdb.max_open_files = files.engine_files;
        options.last_synced_seq = durable.state.synced_seq;
        if config.accept_wal_loss {
            log::warn!("accept-wal-loss is set: writes that the log has lost are not missed");
        }
        let rocks = Rocks::open(&options).map_err(|error| failure(EXIT_STORAGE, error))?;
        durable.found(&rocks);
        let reactor =
            Reactor::new().map_err(|error| failure(EXIT_START, format!("cannot poll: {error}")))?;
        let mailbox = reactor
            .mailbox()
            .map_err(|error| failure(EXIT_START, format!("cannot be woken: {error}")))?;
        listening::open(&config, reactor.listeners()).map_err(|text| failure(EXIT_START, text))?;
        let sender = mailbox.sender();
        durable.begin(&config, &sender)?;
        signals::start(sender.clone())
            .map_err(|error| failure(EXIT_START, format!("no signals: {error}")))?;
        let workers = Workers::start("worker", config.workers as usize, &sender)
            .map_err(|error| failure(EXIT_START, format!("no workers: {error}")))?;
        let readers = Workers::start("reader", COLD_READERS, &sender)
            .map_err(|error| failure(EXIT_START, format!("no readers: {error}")))?;
        let supervisor = Supervisor::from_environment(config.supervised).map_err(|error| {
            failure(
                EXIT_START,
                format!("no service manager to talk to: {error}"),
            )
        })?;
        let process = Process {
            supervised: if supervisor.is_told() {
                "systemd"
            } else {
                "no"
            },
            ..Process::current()
        };
        let applier = Outside {
            listeners: reactor.listeners().clone(),
            engine_files: files.engine_files,
        };
        let mut server = Server::assemble(Parts {
            config,
            rocks,
            durable,
            reactor,
            mailbox,
            runner: Runner::Threads,
            workers,
            readers,
            supervisor,
            process,
            clock: Box::new(SystemClock::new()),
            seed: seed(),
            log,
        })?;
        server.node.applier = Some(Box::new(applier));
        server.write_pidfile()?;
        for local in server.reactor.listeners().locals() {
            // A Unix socket has no port; INFO's and CLIENT LIST's form of its address has one.
            let place = local.strip_suffix(":0").unwrap_or(&local);
            log::info!("Ready to accept connections on {place}");
        }
        server.tell_supervisor(State::Ready);
        Ok(server)
    }

    /// Puts a server together out of parts that are ready, and takes up the role that it remembers.
    pub(super) fn assemble(parts: Parts) -> Result<Server, StartError> {
        let Parts {
            config,
            rocks,
            durable,
            reactor,
            mailbox,
            runner,
            workers,
            readers,
            supervisor,
            process,
            clock,
            seed,
            log,
        } = parts;
        let disk = DiskGauge::new(config.disk_reserve);
        let sender = mailbox.sender();
        let last_record =
            judging::last_record_id(&rocks).map_err(|text| failure(EXIT_STORAGE, text))?;
        let mut node = Node::new(config, rocks.clone(), last_record, clock, process, seed);
        node.renames =
            Renames::new(&node.config.rename_commands).map_err(|text| failure(EXIT_START, text))?;
        node.synced_seq = durable.state.synced_seq;
        let addrs = reactor.listeners().tcp_addrs();
        node.any_port = addrs.first().map_or(0, |addr| addr.port());
        let copying = Copying::new(&node.config);
        let patient_filters = Arc::clone(&rocks.options().patient_filters);
        let mut server = Server {
            node,
            reactor,
            ready: Ready::default(),
            mailbox,
            sender,
            committer: None,
            queued_since: Default::default(),
            runner,
            workers,
            readers,
            expiring: Default::default(),
            cron: Cron::new(),
            look_again: false,
            accept_more: Vec::new(),
            accept_later: Vec::new(),
            readable: Vec::new(),
            read_round: 0,
            read_buffer: vec![0; READ_BYTES_PER_TURN_MAX].into_boxed_slice(),
            spans: Vec::new(),
            inline: Vec::new(),
            warming: Default::default(),
            next_client_id: 0,
            disk,
            reopening: Default::default(),
            stalls: Default::default(),
            log,
            supervisor,
            durable,
            feeding: Default::default(),
            copying,
            patient_filters,
            fetching: Default::default(),
            following: Default::default(),
            failing_over: Default::default(),
            exit: None,
        };
        server.committer = Some(server.start_committer(rocks));
        server.begin_copying();
        server.node.takeover = Takeover::restore(server.durable.state.takeovers.clone());
        server.resume_role();
        server.resume_failover();
        Ok(server)
    }

    fn tell_supervisor(&self, state: State) {
        if let Err(error) = self.supervisor.tell(state) {
            log::warn!("the service manager cannot be told: {error}");
        }
    }

    /// Commits and syncs what is left, closes the database, gives the status to exit with.
    pub(super) fn stop(mut self, status: i32) -> i32 {
        self.tell_supervisor(State::Stopping);
        self.reactor.listeners().close_all();
        if let Some(group) = self.node.view.close_group()
            && let Some(committer) = &mut self.committer
        {
            committer.submit(group);
        }
        self.stop_following();
        if let Some(feeder) = self.feeding.take_feeder() {
            feeder.stop();
        }
        self.copying.stop();
        let synced = self.committer.take().map(|committer| committer.shutdown());
        self.workers.stop();
        self.readers.stop();
        // In the log by now: the commit path drains before it ends.
        self.node.view.drop_uncommitted();
        let closed = self
            .node
            .view
            .take_database()
            .map_or(Ok(()), |rocks| rocks.shut_down());
        // Only a file of its own: not a device that was named to get rid of it.
        if let Some(pidfile) = &self.node.config.pidfile
            && pidfile.is_file()
            && let Err(error) = std::fs::remove_file(pidfile)
        {
            log::warn!(
                "the pid file {} cannot be removed: {error}",
                pidfile.display()
            );
        }
        match (synced, closed) {
            (Some(Ok(seq)), Ok(())) => {
                self.durable.end(&self.node.config, seq);
                log::info!(
                    "stopped at sequence number {}, everything is on disk; bye",
                    seq.get()
                );
                status
            }
            (Some(Err(error)), _) | (_, Err(error)) => {
                log::error!("the last writes could not be synced: {error}");
                if status == 0 {
                    EXIT_SYNC_FAILED
                } else {
                    status
                }
            }
            (None, Ok(())) => status,
        }
    }

    fn write_pidfile(&self) -> Result<(), StartError> {
        let Some(pidfile) = &self.node.config.pidfile else {
            return Ok(());
        };
        std::fs::write(pidfile, format!("{}\n", std::process::id())).map_err(|error| {
            failure(
                EXIT_START,
                format!("cannot write the pid file {}: {error}", pidfile.display()),
            )
        })
    }
}

/// The commit path's name for the setting.
pub(super) fn wal_policy(setting: crate::config::WalSync) -> WalSync {
    match setting {
        crate::config::WalSync::Always => WalSync::Always,
        crate::config::WalSync::EverySec => WalSync::EverySecond,
        crate::config::WalSync::No => WalSync::No,
    }
}

/// Unpredictable bits from the system, for ids and random commands.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
