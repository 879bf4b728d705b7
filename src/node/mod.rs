//! The node: everything that the loop owns except sockets and threads. Commands change it; the server drives it.
//!
//! It wires parts that each have a small face ([`View`], [`Pause`], [`Waiting`], [`PubSub`] ...) and holds what concerns more than
//! one of them: giving replies and messages to clients, closing clients, and what a change of keys sets off.

pub mod applier;
mod build;
mod changes;
pub mod copies;
mod delivery;
pub mod key_counting;
pub mod replication;
mod requests;
pub mod stats;

pub use applier::{Applier, Refused};
pub use requests::{Request, WorkerJob};

use crate::client::gated::Gated;
use crate::client::transaction::Watches;
use crate::client::waiting::Waiting;
use crate::client::{ClientKey, Clients, Reading};
use crate::clock::{Clock, MonoMs, Turn};
use crate::command::context::{DataSettings, EncodingThresholds, Rng};
use crate::command::cursors::Cursors;
use crate::command::parked_reads::ColdReads;
use crate::command::rename::Renames;
use crate::config::Config;
use crate::error::ReplyError;
use crate::failover::Failover;
use crate::failover::leave::Leaving;
use crate::pause::Pause;
use crate::pubsub::PubSub;
use crate::replication::takeover::Takeover;
use crate::resp::reply::{Proto, Reply};
use crate::stats::process::Process;
use crate::storage::keys::KeyCodec;
use crate::storage::seq::Seq;
use crate::storage::store::Changes;
use crate::storage::view::View;
use key_counting::KeyCounting;
use replication::Replication;
use stats::Stats;

/// What this node is: the role check of the gate reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It accepts writes.
    Primary,
    /// It was told to become a primary: writes wait until it is one.
    Promoting,
    /// It was a primary and may have handed over: writes wait until that is known.
    HandingOver,
    /// It follows another node.
    Replica,
}

/// The state of one server.
pub struct Node {
    pub config: Config,
    pub settings: DataSettings,
    pub clock: Box<dyn Clock>,
    /// The time that this turn sees.
    pub turn: Turn,
    /// When the last command ended, monotonic microseconds: where the next one of the turn begins.
    pub stamp_us: u64,
    pub rng: Rng,
    pub role: Role,
    /// 40 hexadecimal digits, drawn at each start: how Sentinel tells restarts apart.
    pub run_id: String,
    pub replication: Replication,
    /// A planned switch with this node as the old primary, and with it as the target.
    pub failover: Failover,
    pub takeover: Takeover,
    pub view: View,
    pub codec: KeyCodec,
    /// The last committed sequence number.
    pub last_seq: Seq,
    /// The last update known to be on disk.
    pub synced_seq: Option<Seq>,
    pub clients: Clients,
    /// The input whose commands are being executed, for CLIENT LIST.
    pub reading: Option<Reading>,
    pub pause: Pause,
    pub waiting: Waiting,
    pub watches: Watches,
    pub pubsub: PubSub,
    pub monitors: Vec<ClientKey>,
    /// Messages of the command that runs; they leave when it is done.
    pub noted: Vec<(ClientKey, Box<[u8]>)>,
    pub changes: Changes,
    pub cursors: Cursors,
    pub stats: Stats,
    /// Why writes are refused now (disk), if they are.
    pub write_refusal: Option<ReplyError>,
    /// Bytes free on the disk of the data, as of the last look.
    pub disk_free_bytes: Option<u64>,
    /// Writes must wait: too much is uncommitted.
    pub is_stalled: bool,
    /// RocksDB slows down or stops writes: a commit may take long.
    pub is_commit_held_up: bool,
    /// The database is closed for the moment: data commands must wait.
    pub is_reopening: bool,
    /// Why data cannot even be read now: the database is closed, and nobody knows for how long.
    pub read_refusal: Option<ReplyError>,
    /// Commands under other names (`rename-command`).
    pub renames: Renames,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    pub key_counting: KeyCounting,
    /// Keys that readers read for parked commands.
    pub cold_reads: ColdReads,
    pub process: Process,
    /// The port that the system chose, where `port` is 0.
    pub any_port: u16,
    /// Applies settings that the world outside may refuse; `None` where there is no such world, in tests.
    pub applier: Option<Box<dyn Applier>>,
    /// Since when this process serves.
    pub started: Turn,
    /// A graceful shutdown under way.
    pub shutdown: Option<Leaving>,
    /// What the server must do after this turn's commands.
    pub requests: Vec<Request>,
    /// Clients with output to send.
    pub output_list: Vec<ClientKey>,
    /// Clients with whole commands left in their input.
    pub input_list: Vec<ClientKey>,
    /// Clients with output that waits for a commit, and those with output that one has freed.
    pub gated: Gated,
    /// Clients to close at the end of the turn.
    pub closing_list: Vec<ClientKey>,
    pub(crate) scratch: Vec<u8>,
}

impl Node {
    /// Monotonic milliseconds of this turn.
    pub fn now(&self) -> MonoMs {
        self.turn.now()
    }

    /// Notes the time at which a command ends, and gives it.
    pub(crate) fn stamp(&mut self) -> u64 {
        self.stamp_us = self.clock.mono_us();
        self.stamp_us
    }

    /// An empty reply for a client that speaks `proto`, in a buffer that is used again and again.
    pub(crate) fn take_reply(&mut self, proto: Proto) -> Reply {
        let mut buffer = std::mem::take(&mut self.scratch);
        buffer.clear();
        Reply::with_buffer(proto, buffer)
    }

    /// Gives a reply's buffer back.
    pub(crate) fn give_back(&mut self, reply: Reply) {
        let buffer = reply.into_buffer();
        if buffer.capacity() <= 1 << 20 {
            self.scratch = buffer;
        }
    }

    /// The TCP port that clients connect to; 0 for none.
    pub fn tcp_port(&self) -> u16 {
        match self.config.port {
            0 => self.any_port,
            port => port,
        }
    }

    /// Puts settings that data commands look at in step with the configuration.
    pub fn refresh_settings(&mut self) {
        let config = &self.config;
        self.settings = DataSettings {
            proto_max_bulk_len: config.proto_max_bulk_len,
            databases: config.databases.min(u32::from(u16::MAX)) as u16,
            cluster_enabled: config.cluster_enabled,
            encoding: EncodingThresholds {
                hash_max_listpack_entries: config.hash_max_listpack_entries,
                hash_max_listpack_value: config.hash_max_listpack_value,
                list_max_listpack_size: i64::from(config.list_max_listpack_size),
                set_max_intset_entries: config.set_max_intset_entries,
                zset_max_listpack_entries: config.zset_max_listpack_entries,
                zset_max_listpack_value: config.zset_max_listpack_value,
            },
        };
        self.stats.tracks_latency = config.latency_tracking;
        self.stats.latency.threshold_ms = config.latency_monitor_threshold_ms;
        self.changes.wants_events = changes::event_classes(config.notify_keyspace_events);
        self.view
            .set_cache_bytes_max(config.hot_cache_size as usize);
    }
}
