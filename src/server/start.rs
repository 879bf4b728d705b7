//! Bringing a server up, and down again.

use std::net::{SocketAddr, ToSocketAddrs};

use super::cron::Cron;
use super::durable::Durable;
use super::engine_options::open_options;
use super::workers::Workers;
use super::{Server, signals};
use crate::clock::{Clock, SystemClock};
use crate::command::context::{DataSettings, Rng};
use crate::command::rename::Renames;
use crate::config::Config;
use crate::limits::READ_BYTES_PER_TURN_MAX;
use crate::logging::Log;
use crate::node::{Node, Role};
use crate::reactor::{Listener, Reactor, Ready};
use crate::storage::commit::WalSync;
use crate::storage::disk::DiskGauge;
use crate::storage::keys::KeyCodec;
use crate::storage::rocks::Rocks;
use crate::storage::view::View;
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

impl Server {
    /// Opens the data, listens, and starts the helpers. Nothing is served before [`Server::turns`].
    pub fn start(config: Config, log: Log) -> Result<Server, StartError> {
        std::fs::create_dir_all(&config.dir).map_err(|error| {
            failure(
                EXIT_STORAGE,
                format!("cannot create {}: {error}", config.dir.display()),
            )
        })?;
        let mut durable = Durable::load(&config)?;
        let mut options = open_options(&config);
        options.last_synced_seq = durable.state.synced_seq;
        let rocks = Rocks::open(&options).map_err(|error| failure(EXIT_STORAGE, error))?;
        durable.begin(&config)?;
        let mut reactor =
            Reactor::new().map_err(|error| failure(EXIT_START, format!("cannot poll: {error}")))?;
        let mailbox = reactor
            .mailbox()
            .map_err(|error| failure(EXIT_START, format!("cannot be woken: {error}")))?;
        listen(&config, &mut reactor)?;
        let sender = mailbox.sender();
        signals::start(sender.clone())
            .map_err(|error| failure(EXIT_START, format!("no signals: {error}")))?;
        let workers = Workers::start(config.workers as usize, &sender)
            .map_err(|error| failure(EXIT_START, format!("no workers: {error}")))?;
        let disk = DiskGauge::new(config.disk_reserve);
        let supervisor = Supervisor::from_environment(config.supervised).map_err(|error| {
            failure(
                EXIT_START,
                format!("no service manager to talk to: {error}"),
            )
        })?;
        let renames =
            Renames::new(&config.rename_commands).map_err(|text| failure(EXIT_START, text))?;
        let node = new_node(config, rocks.clone(), renames);
        let mut server = Server {
            node,
            reactor,
            ready: Ready::default(),
            mailbox,
            sender,
            committer: None,
            workers,
            cron: Cron::new(),
            readable: Vec::new(),
            read_buffer: vec![0; READ_BYTES_PER_TURN_MAX].into_boxed_slice(),
            spans: Vec::new(),
            inline: Vec::new(),
            next_client_id: 0,
            disk,
            reopening: Default::default(),
            stalls: Default::default(),
            log,
            supervisor,
            durable,
            durable_changed: false,
            exit: None,
        };
        server.committer = Some(server.start_committer(rocks));
        server.write_pidfile()?;
        for listener in server.reactor.listeners() {
            log::info!("Ready to accept connections on {}", listener.local());
        }
        server.tell_supervisor(State::Ready);
        Ok(server)
    }

    fn tell_supervisor(&self, state: State) {
        if let Err(error) = self.supervisor.tell(state) {
            log::warn!("the service manager cannot be told: {error}");
        }
    }

    /// Commits and syncs what is left, closes the database, gives the status to exit with.
    fn stop(mut self, status: i32) -> i32 {
        self.tell_supervisor(State::Stopping);
        self.reactor.close_listeners();
        if let Some(group) = self.node.view.close_group()
            && let Some(committer) = &mut self.committer
        {
            committer.submit(group);
        }
        let synced = self.committer.take().map(|committer| committer.shutdown());
        self.workers.stop();
        // In the log by now: the commit path drains before it ends.
        self.node.view.drop_uncommitted();
        let closed = self
            .node
            .view
            .take_database()
            .map_or(Ok(()), |rocks| rocks.shut_down());
        if let Some(pidfile) = &self.node.config.pidfile
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

fn new_node(config: Config, rocks: Rocks, renames: Renames) -> Node {
    let clock = SystemClock::new();
    let started = clock.turn();
    let mut rng = Rng::new(seed());
    let run_id: String = (0..40)
        .map(|_| char::from_digit(rng.below(16) as u32, 16).unwrap_or('0'))
        .collect();
    let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let replication_id: String = (0..16)
        .map(|_| letters[rng.below(36) as usize] as char)
        .collect();
    let last_seq = rocks.last_seq();
    let view = View::new(rocks, &replication_id, config.hot_cache_size as usize);
    let mut node = Node {
        codec: KeyCodec {
            slot_encoded: config.cluster_enabled,
        },
        settings: DataSettings::default(),
        clock: Box::new(clock),
        turn: started,
        stamp_us: started.mono_us,
        rng,
        role: Role::Primary,
        run_id,
        replication_id,
        view,
        last_seq,
        clients: Default::default(),
        pause: Default::default(),
        waiting: Default::default(),
        watches: Default::default(),
        pubsub: Default::default(),
        monitors: Vec::new(),
        noted: Vec::new(),
        changes: Default::default(),
        cursors: Default::default(),
        stats: Default::default(),
        write_refusal: None,
        is_stalled: false,
        is_reopening: false,
        read_refusal: None,
        renames,
        active_expire: true,
        key_counts: None,
        started,
        shutdown: None,
        requests: Vec::new(),
        output_list: Vec::new(),
        input_list: Vec::new(),
        gated_list: Vec::new(),
        closing_list: Vec::new(),
        scratch: Vec::new(),
        config,
    };
    node.refresh_settings();
    node
}

/// Unpredictable bits from the system, for ids and random commands.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// Opens the listeners that the settings ask for. A `bind` address that begins with `-` may be missing on this machine.
fn listen(config: &Config, reactor: &mut Reactor) -> Result<(), StartError> {
    if let Some(port) = config.tcp_port() {
        for bind in &config.bind {
            let (name, optional) = match bind.strip_prefix('-') {
                Some(name) => (name, true),
                None => (bind.as_str(), false),
            };
            for addr in addresses(name, port)? {
                match Listener::tcp(addr, config.tcp_backlog)
                    .and_then(|listener| reactor.add_listener(listener))
                {
                    Ok(()) => {}
                    Err(error) if optional => log::warn!("not listening on {addr}: {error}"),
                    Err(error) => {
                        return Err(failure(
                            EXIT_START,
                            format!("cannot listen on {addr}: {error}"),
                        ));
                    }
                }
            }
        }
    }
    if let Some(path) = &config.unixsocket {
        let mode = (config.unixsocketperm != 0).then_some(config.unixsocketperm);
        Listener::unix(path, mode, config.tcp_backlog)
            .and_then(|listener| reactor.add_listener(listener))
            .map_err(|error| {
                failure(
                    EXIT_START,
                    format!("cannot listen on {}: {error}", path.display()),
                )
            })?;
    }
    Ok(())
}

fn addresses(name: &str, port: u16) -> Result<Vec<SocketAddr>, StartError> {
    let name = match name {
        "*" => "0.0.0.0",
        "::*" => "::",
        other => other,
    };
    let found = (name, port).to_socket_addrs().map_err(|error| {
        failure(
            EXIT_START,
            format!("cannot find the address '{name}' to bind to: {error}"),
        )
    })?;
    Ok(found.collect())
}
