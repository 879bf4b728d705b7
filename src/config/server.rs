//! The settings of the server itself, each once: the fields of [`Config`] and their rows of the table.
//!
//! RocksDB's are in `engine.rs`; those that Redis or Kvrocks have and that mean nothing here in `kept.rs`.

use std::path::PathBuf;

use super::addresses::{Bind, PrimaryAddress, ReplicaOf};
use super::choices::{
    LOG_LEVEL, LogLevel, PERMISSION, Permission, SUPERVISED, Supervised, WAL_SYNC, WalSync,
};
use super::engine::EngineConfig;
use super::forms::{Directory, Place, Secret, Text, YesNo};
use super::kept::KeptConfig;
use super::notify::{NotifyFlags, NotifyFlagsForm};
use super::numbers::{Clamped, LONG_MAX, Memory, Mode, int};
use super::output_limits::{OutputLimits, OutputLimitsForm};
use super::setting::Effect::{OnlyDefault, Unused};
use super::setting::settings;
use super::special::{Percentiles, ShutdownOptions, ShutdownOptionsForm};

/// Why settings of Redis's and old Kvrocks's replication change nothing.
pub(super) const REPLICATION: &str =
    "it tunes another way of replicating: batches of RocksDB's log are streamed, and files copied";
/// Why settings that only scripts read change nothing.
const SCRIPTS: &str = "scripts are not in this build yet";
/// Why the limits on memory stay at their defaults.
const MEMORY: &str = "data is on disk and nothing is evicted: hot-cache-size and rocksdb.block_cache_size bound memory";

/// The greatest C `int`.
const INT_MAX: i64 = i32::MAX as i64;

settings! {
    /// All settings. Cheap to clone; `CONFIG SET` makes a new one.
    #[derive(Clone, PartialEq)]
    struct Config, fields pub, at config => config;

    extra {
        /// `rename-command` lines, in order; which commands exist is for the command table to check.
        rename_commands: Vec<RenameCommand> = Vec::new();
        /// Absolute path of the config file, which `CONFIG REWRITE` rewrites.
        file: Option<PathBuf> = None;
        /// RocksDB's settings, `rocksdb.*`.
        rocksdb: EngineConfig = EngineConfig::default();
        /// Settings of Redis and Kvrocks that nothing here reads.
        kept: KeptConfig = KeptConfig::default();
    }

    // Network.

    /// TCP port; 0 is none beside a `unixsocket`, and else any free one: see [`Config::tcp_port`].
    "port": port: u16 = 6666, int(0, 65535), Live;
    /// Addresses to listen on, none for no TCP; `*` and `::*` are all, a leading `-` allows the address to be missing.
    "bind": bind: Vec<String> = vec!["127.0.0.1".to_string()], Bind, Live;
    /// Path of a Unix socket to listen on as well; relative to the directory the server was started in.
    "unixsocket": unixsocket: Option<PathBuf> = None, Place, AtStart;
    /// Mode of the Unix socket; 0 leaves it to the umask.
    "unixsocketperm": unixsocketperm: u32 = 0, Mode, AtStart;
    /// Refuse clients from other machines as long as there is no password.
    "protected-mode": protected_mode: bool = true, YesNo, Live;
    /// Connections that the kernel may hold before they are accepted.
    "tcp-backlog": tcp_backlog: i32 = 511, int(0, INT_MAX), AtStart;
    /// Seconds of silence on a connection after which the kernel probes the peer; 0 never.
    "tcp-keepalive": tcp_keepalive_s: u32 = 300, int(0, INT_MAX), Live;
    /// Seconds after which an idle client is closed; 0 never.
    "timeout": timeout_s: u32 = 0, int(0, INT_MAX), Live;
    /// Clients at a time.
    "maxclients": maxclients: u32 = 10_000, int(1, u32::MAX as i64), Live;
    /// Password for `AUTH`; empty for none.
    "requirepass": requirepass: Vec<u8> = Vec::new(), Secret, Live;
    /// Bytes of one argument.
    "proto-max-bulk-len": proto_max_bulk_len: u64 = 512 << 20, Memory { min: 1 << 20, max: LONG_MAX }, Live;
    /// Bytes of one client's input that are not run yet.
    "client-query-buffer-limit": client_query_buffer_limit: u64 = 1 << 30,
        Memory { min: 1 << 20, max: LONG_MAX }, Live;
    /// Bytes of waiting output, by class of client.
    "client-output-buffer-limit": client_output_buffer_limit: OutputLimits = OutputLimits::default(),
        OutputLimitsForm, Live;

    // Process and log.

    /// Directory of the data, made if missing; absolute once loaded.
    "dir": dir: PathBuf = PathBuf::from("data"), Directory, Protected;
    /// Directory of backups; `backup` inside `dir` if not given.
    "backup-dir": backup_dir: Option<PathBuf> = None, Place, AtStart,
        OnlyDefault("backups are not in this build yet");
    /// Name of the database, which both ends of a replication must agree on.
    "db-name": db_name: Vec<u8> = b"change.me.db".to_vec(), Text, AtStart;
    /// Databases to `SELECT` from.
    "databases" or "redis-databases": databases: u32 = 16, int(1, INT_MAX), AtStart;
    /// Least important lines of the log.
    "loglevel" or "log-level": loglevel: LogLevel = LogLevel::Notice, LOG_LEVEL, Live;
    /// Log file; standard error if not given.
    "logfile": logfile: Option<PathBuf> = None, Place, AtStart;
    /// Directory of the log file `stillpoint.log`, or `stdout` or `stderr`.
    "log-dir": log_dir: Option<PathBuf> = None, Place, AtStart;
    /// File to write the process id to.
    "pidfile": pidfile: Option<PathBuf> = None, Place, AtStart;
    /// Run in the background.
    "daemonize": daemonize: bool = false, YesNo, AtStart,
        OnlyDefault("run the server under systemd, a container or '&': it does not put itself in the background");
    /// Tell the service manager when the server is ready.
    "supervised": supervised: Supervised = Supervised::No, SUPERVISED, AtStart;
    /// Seconds that a shutdown waits for replicas.
    "shutdown-timeout": shutdown_timeout_s: u32 = 10, int(0, INT_MAX), Live;
    /// Seconds that a FAILOVER without TIMEOUT waits for its target, with writes paused; 0 for ever, as Redis does.
    "failover-timeout": failover_timeout_s: u32 = 60, int(0, INT_MAX), Live;
    /// Options of the shutdown on SIGINT.
    "shutdown-on-sigint": shutdown_on_sigint: ShutdownOptions = ShutdownOptions::default(), ShutdownOptionsForm, Live;
    /// Options of the shutdown on SIGTERM.
    "shutdown-on-sigterm": shutdown_on_sigterm: ShutdownOptions = ShutdownOptions::default(), ShutdownOptionsForm,
        Live;
    /// Who may use `DEBUG`.
    "enable-debug-command": enable_debug_command: Permission = Permission::No, PERMISSION, AtStart;
    /// Threads for what may block: cold reads, long scans, expiry, compaction.
    "workers": workers: u32 = 2, int(1, 256), AtStart;

    // Storage.

    /// When the write-ahead log reaches the disk for good.
    "wal-sync" or "appendfsync": wal_sync: WalSync = WalSync::EverySec, WAL_SYNC, Live;
    /// Open a directory whose log is damaged, or ends before what was synced, without what is lost. Only for the start after such an
    /// error: it turns that check off.
    "accept-wal-loss": accept_wal_loss: bool = false, YesNo, AtStart;
    /// Bytes of free disk space below which writes are refused.
    "disk-reserve": disk_reserve: u64 = 64 << 20, Memory { min: 0, max: LONG_MAX }, Live;
    /// Gigabytes that the database may take; 0 for no limit.
    "max-db-size": max_db_size_gb: u32 = 0, int(0, INT_MAX), Live,
        OnlyDefault("not in this build yet: disk-reserve keeps the disk from filling up");
    /// Bytes of hot values that the loop keeps in memory; 0 for none.
    "hot-cache-size": hot_cache_size: u64 = 128 << 20, Memory { min: 0, max: LONG_MAX }, Live;
    /// Bytes of writes that are not committed yet and of replies waiting for them; above it writers wait.
    "overlay-limit": overlay_limit: u64 = 64 << 20, Memory { min: 1 << 20, max: LONG_MAX }, Live;
    /// Bytes of data.
    "maxmemory": maxmemory: u64 = 0, Memory { min: 0, max: u64::MAX }, Live, OnlyDefault(MEMORY);
    /// Encode keys with their cluster slot and serve as a cluster node.
    "cluster-enabled": cluster_enabled: bool = false, YesNo, AtStart;

    // What commands do.

    /// Microseconds from which on a command is logged in SLOWLOG; 0 logs all, -1 none.
    "slowlog-log-slower-than": slowlog_log_slower_than_us: i64 = 10_000, int(-1, i64::MAX), Live;
    /// Entries of SLOWLOG.
    "slowlog-max-len": slowlog_max_len: u64 = 128, int(0, i64::MAX), Live;
    /// Milliseconds from which on LATENCY records an event; 0 records none.
    "latency-monitor-threshold": latency_monitor_threshold_ms: u64 = 0, int(0, i64::MAX), Live;
    /// Record how long commands take.
    "latency-tracking": latency_tracking: bool = true, YesNo, Live;
    /// Percentiles that `INFO latencystats` shows.
    "latency-tracking-info-percentiles": latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9],
        Percentiles, Live;
    /// Keyspace events that are published.
    "notify-keyspace-events": notify_keyspace_events: NotifyFlags = NotifyFlags::NONE, NotifyFlagsForm, Live;
    /// Rounds of background work a second.
    "hz": hz: u32 = 10, Clamped { min: 1, max: 500 }, Live;
    /// How hard the search for expired keys works.
    "active-expire-effort": active_expire_effort: u32 = 1, int(1, 10), Live;

    // What OBJECT ENCODING answers: Redis's limits of its compact encodings.

    /// Elements of a list in one compact node, or with a minus its size: -1 4 KiB to -5 64 KiB.
    "list-max-listpack-size" or "list-max-ziplist-size": list_max_listpack_size: i32 = -2,
        int(i32::MIN as i64, INT_MAX), Live;
    /// Fields of a hash called `listpack`.
    "hash-max-listpack-entries" or "hash-max-ziplist-entries": hash_max_listpack_entries: u64 = 512,
        int(0, i64::MAX), Live;
    /// Bytes of a field or value of a hash called `listpack`.
    "hash-max-listpack-value" or "hash-max-ziplist-value": hash_max_listpack_value: u64 = 64,
        Memory { min: 0, max: LONG_MAX }, Live;
    /// Members of a set called `intset`.
    "set-max-intset-entries": set_max_intset_entries: u64 = 512, int(0, i64::MAX), Live;
    /// Members of a sorted set called `listpack`.
    "zset-max-listpack-entries" or "zset-max-ziplist-entries": zset_max_listpack_entries: u64 = 128,
        int(0, i64::MAX), Live;
    /// Bytes of a member of a sorted set called `listpack`.
    "zset-max-listpack-value" or "zset-max-ziplist-value": zset_max_listpack_value: u64 = 64,
        Memory { min: 0, max: LONG_MAX }, Live;

    // Replication; and what scripts will read.

    /// The primary to follow.
    "replicaof" or "slaveof": replicaof: Option<PrimaryAddress> = None, ReplicaOf, AtStart;
    /// Password for the primary.
    "masterauth": masterauth: Vec<u8> = Vec::new(), Secret, Live;
    /// User for the primary.
    "masteruser": masteruser: Vec<u8> = Vec::new(), Secret, Live;
    /// Refuse writes of clients on a replica.
    "replica-read-only" or "slave-read-only": replica_read_only: bool = true, YesNo, Live,
        OnlyDefault("a replica's writes come from its primary alone: one of its own would break the equal sequences");
    /// Answer clients while the link to the primary is down.
    "replica-serve-stale-data" or "slave-serve-stale-data": replica_serve_stale_data: bool = true, YesNo, Live;
    /// Sentinel's preference when it promotes a replica, lowest first; 0 never.
    "replica-priority" or "slave-priority": replica_priority: u32 = 100, int(0, INT_MAX), Live;
    /// Address that the primary shows for this replica; empty for the one it sees.
    "replica-announce-ip" or "slave-announce-ip": replica_announce_ip: Vec<u8> = Vec::new(), Text, Live;
    /// Port that the primary shows for this replica; 0 for the one it listens on.
    "replica-announce-port" or "slave-announce-port": replica_announce_port: u16 = 0, int(0, 65535), Live;
    /// Whether Sentinel is shown this replica.
    "replica-announced": replica_announced: bool = true, YesNo, Live;
    /// Seconds of silence after which a replication link is given up.
    "repl-timeout": repl_timeout_s: u32 = 60, int(1, INT_MAX), Live;
    /// Milliseconds for a connection to the primary to come about, at most `repl-timeout`; 0 for that.
    "replication-connect-timeout-ms": replication_connect_timeout_ms: u32 = 3100, int(0, INT_MAX), Live;
    /// Replicas without which writes are refused.
    "min-replicas-to-write" or "min-slaves-to-write": min_replicas_to_write: u32 = 0, int(0, INT_MAX), Live;
    /// Seconds of silence that such a replica is allowed.
    "min-replicas-max-lag" or "min-slaves-max-lag": min_replicas_max_lag_s: u32 = 10, int(0, INT_MAX), Live;
    /// Megabytes a second that files of full copies are sent with, in all; 0 for no limit.
    "max-replication-mb": max_replication_mb: u32 = 0, int(0, INT_MAX), Live;
    /// Milliseconds after which a script that runs answers other clients with BUSY.
    "busy-reply-threshold" or "lua-time-limit": busy_reply_threshold_ms: u64 = 5000, int(0, i64::MAX), Live,
        Unused(SCRIPTS);
}

/// One `rename-command` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameCommand {
    /// The command as the table has it.
    pub from: Vec<u8>,
    /// Its new name; empty takes the command away.
    pub to: Vec<u8>,
    /// Where the line stands, for the error if there is no such command: `'/etc/stillpoint.conf', at line 3`.
    pub place: String,
}
