//! Settings of Redis and Kvrocks that nothing here reads, each once.
//!
//! They are kept so that config files and clients made for either work: those that tune something this server does not have
//! take any value and say so in the log; those that would promise something take only their default.

use super::forms::{OneOf, Text, YesNo};
use super::numbers::{LONG_MAX, Memory, MemoryOrPercent, Share, int};
use super::server::REPLICATION;
use super::setting::Effect::{OnlyDefault, Unused};
use super::setting::settings;
use super::special::{OomScores, SavePoints};

const TABLES: &str = "it tunes Redis's tables in memory: data is in RocksDB here";
const LOG_FILE: &str = "it tunes Redis's append-only file: every write goes to RocksDB's log here";
const SNAPSHOT: &str = "it tunes Redis's snapshots: every write goes to RocksDB's log here";
const EVICTION: &str = "nothing is evicted: data is on disk";
const DEFRAG: &str = "memory is not defragmented: it holds caches, not data";
const CLUSTER: &str =
    "there is no cluster bus here: a topology comes from a controller, as in Kvrocks";
const MIGRATION: &str = "slot migration is not in this build yet";
const JSON: &str = "JSON documents are not in this build yet";
const BACKUP: &str = "backups are not in this build yet";
const SAMPLING: &str = "there is no perf log here: see SLOWLOG and LATENCY";
const CRON: &str = "scheduled jobs are not in this build yet: run COMPACT from cron";
const COMPACTION: &str = "expired and deleted data leaves with RocksDB's own compactions";
const SYSLOG: &str =
    "the log goes to standard error or to logfile, which a service manager may forward";
const PINNING: &str = "pin the process from outside, with taskset or a service manager";
const MODULES: &str = "there are no modules here";
const CACHES: &str = "rocksdb.block_cache_size is the one cache of blocks";
const SENT_AT_ONCE: &str = "a committed batch is sent at once";
const JOBS: &str = "rocksdb.max_background_jobs counts flushes and compactions together";

const INT_MAX: i64 = i32::MAX as i64;
const ANY_SIZE: Memory = Memory {
    min: 0,
    max: LONG_MAX,
};

settings! {
    /// Values that are shown and written back, and not read by anything else.
    #[derive(Clone, Debug, PartialEq)]
    struct KeptConfig, fields pub(super), at config => config.kept;

    extra {}

    // Redis: how data is kept.
    "save": save: Vec<(u64, u64)> = Vec::new(), SavePoints, Live,
        Unused("no snapshots are taken: every write goes to RocksDB's log");
    "appendonly": appendonly: bool = true, YesNo, Live,
        Unused("every write goes to RocksDB's log either way: see wal-sync");
    "appendfilename": appendfilename: Vec<u8> = b"appendonly.aof".to_vec(), Text, AtStart, Unused(LOG_FILE);
    "appenddirname": appenddirname: Vec<u8> = b"appendonlydir".to_vec(), Text, AtStart, Unused(LOG_FILE);
    "no-appendfsync-on-rewrite": no_appendfsync_on_rewrite: bool = false, YesNo, Live, Unused(LOG_FILE);
    "auto-aof-rewrite-percentage": auto_aof_rewrite_percentage: u32 = 100, int(0, INT_MAX), Live, Unused(LOG_FILE);
    "auto-aof-rewrite-min-size": auto_aof_rewrite_min_size: u64 = 64 << 20, ANY_SIZE, Live, Unused(LOG_FILE);
    "aof-load-truncated": aof_load_truncated: bool = true, YesNo, Live, Unused(LOG_FILE);
    "aof-use-rdb-preamble": aof_use_rdb_preamble: bool = true, YesNo, Live, Unused(LOG_FILE);
    "aof-timestamp-enabled": aof_timestamp_enabled: bool = false, YesNo, Live, Unused(LOG_FILE);
    "aof-rewrite-incremental-fsync": aof_rewrite_incremental_fsync: bool = true, YesNo, Live, Unused(LOG_FILE);
    "aof-disable-auto-gc": aof_disable_auto_gc: bool = false, YesNo, Live, Unused(LOG_FILE);
    "dbfilename": dbfilename: Vec<u8> = b"dump.rdb".to_vec(), Text, Protected, Unused(SNAPSHOT);
    "rdbcompression": rdbcompression: bool = true, YesNo, Live, Unused(SNAPSHOT);
    "rdbchecksum": rdbchecksum: bool = true, YesNo, AtStart, Unused(SNAPSHOT);
    "rdb-del-sync-files": rdb_del_sync_files: bool = false, YesNo, Live, Unused(SNAPSHOT);
    "rdb-save-incremental-fsync": rdb_save_incremental_fsync: bool = true, YesNo, Live, Unused(SNAPSHOT);
    "stop-writes-on-bgsave-error": stop_writes_on_bgsave_error: bool = true, YesNo, Live, Unused(SNAPSHOT);
    "sanitize-dump-payload": sanitize_dump_payload: &'static str = "no", OneOf(&["no", "yes", "clients"]), Live,
        Unused("RESTORE checks every payload");

    // Redis: memory.
    "maxmemory-policy": maxmemory_policy: &'static str = "noeviction",
        OneOf(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
        "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"]), Live, OnlyDefault(EVICTION);
    "maxmemory-samples": maxmemory_samples: u32 = 5, int(1, INT_MAX), Live, Unused(EVICTION);
    "maxmemory-eviction-tenacity": maxmemory_eviction_tenacity: u32 = 10, int(0, 100), Live, Unused(EVICTION);
    "maxmemory-clients": maxmemory_clients: Share = Share::Bytes(0), MemoryOrPercent, Live,
        OnlyDefault("clients are not evicted: client-output-buffer-limit and client-query-buffer-limit bound each");
    "lfu-log-factor": lfu_log_factor: u32 = 10, int(0, INT_MAX), Live, Unused(EVICTION);
    "lfu-decay-time": lfu_decay_time: u32 = 1, int(0, INT_MAX), Live, Unused(EVICTION);
    "lazyfree-lazy-eviction": lazyfree_lazy_eviction: bool = false, YesNo, Live, Unused(TABLES);
    "lazyfree-lazy-expire": lazyfree_lazy_expire: bool = false, YesNo, Live, Unused(TABLES);
    "lazyfree-lazy-server-del": lazyfree_lazy_server_del: bool = false, YesNo, Live, Unused(TABLES);
    "lazyfree-lazy-user-del": lazyfree_lazy_user_del: bool = false, YesNo, Live, Unused(TABLES);
    "lazyfree-lazy-user-flush": lazyfree_lazy_user_flush: bool = false, YesNo, Live, Unused(TABLES);
    "activerehashing": activerehashing: bool = true, YesNo, Live, Unused(TABLES);
    "list-compress-depth": list_compress_depth: u32 = 0, int(0, INT_MAX), Live, Unused(TABLES);
    "stream-node-max-bytes": stream_node_max_bytes: u64 = 4096, ANY_SIZE, Live, Unused(TABLES);
    "stream-node-max-entries": stream_node_max_entries: u64 = 100, int(0, i64::MAX), Live, Unused(TABLES);
    "hll-sparse-max-bytes": hll_sparse_max_bytes: u64 = 3000, ANY_SIZE, Live, Unused(TABLES);
    "tracking-table-max-keys": tracking_table_max_keys: u64 = 1_000_000, int(0, i64::MAX), Live,
        Unused("client tracking is not in this build yet");
    "activedefrag": activedefrag: bool = false, YesNo, Live, OnlyDefault(DEFRAG);
    "active-defrag-cycle-min": active_defrag_cycle_min: u32 = 1, int(1, 99), Live, Unused(DEFRAG);
    "active-defrag-cycle-max": active_defrag_cycle_max: u32 = 25, int(1, 99), Live, Unused(DEFRAG);
    "active-defrag-threshold-lower": active_defrag_threshold_lower: u32 = 10, int(0, 1000), Live, Unused(DEFRAG);
    "active-defrag-threshold-upper": active_defrag_threshold_upper: u32 = 100, int(0, 1000), Live, Unused(DEFRAG);
    "active-defrag-max-scan-fields": active_defrag_max_scan_fields: u64 = 1000, int(1, i64::MAX), Live,
        Unused(DEFRAG);
    "active-defrag-ignore-bytes": active_defrag_ignore_bytes: u64 = 100 << 20, Memory { min: 1, max: LONG_MAX }, Live,
        Unused(DEFRAG);
    "jemalloc-bg-thread": jemalloc_bg_thread: bool = true, YesNo, Live, Unused(DEFRAG);

    // Redis: the process.
    "dynamic-hz": dynamic_hz: bool = true, YesNo, Live,
        Unused("timers run when they are due, however many clients there are");
    "io-threads": io_threads: u32 = 1, int(1, 128), AtStart, OnlyDefault("one thread serves all clients");
    "io-threads-do-reads": io_threads_do_reads: bool = false, YesNo, AtStart, Unused("one thread serves all clients");
    "always-show-logo": always_show_logo: bool = false, YesNo, AtStart, Unused("there is no logo");
    "set-proc-title": set_proc_title: bool = true, YesNo, AtStart, Unused("the process keeps its title");
    "proc-title-template": proc_title_template: Vec<u8> = b"{title} {listen-addr} {server-mode}".to_vec(), Text, Live,
        Unused("the process keeps its title");
    "syslog-enabled": syslog_enabled: bool = false, YesNo, AtStart, OnlyDefault(SYSLOG);
    "syslog-ident": syslog_ident: Vec<u8> = b"redis".to_vec(), Text, AtStart, Unused(SYSLOG);
    "syslog-facility": syslog_facility: &'static str = "local0",
        OneOf(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), AtStart,
        Unused(SYSLOG);
    "crash-log-enabled": crash_log_enabled: bool = true, YesNo, Live,
        Unused("a crash is reported by the operating system alone");
    "crash-memcheck-enabled": crash_memcheck_enabled: bool = true, YesNo, Live,
        Unused("a crash is reported by the operating system alone");
    "disable-thp": disable_thp: bool = true, YesNo, AtStart, Unused("nothing is forked, so huge pages do no harm");
    "oom-score-adj": oom_score_adj: &'static str = "no", OneOf(&["no", "yes", "relative", "absolute"]), Live,
        OnlyDefault("set it from outside, with OOMScoreAdjust of the service manager");
    "oom-score-adj-values": oom_score_adj_values: [i64; 3] = [0, 200, 800], OomScores, Live,
        Unused("oom-score-adj is always no here");
    "server_cpulist": server_cpulist: Vec<u8> = Vec::new(), Text, AtStart, OnlyDefault(PINNING);
    "bio_cpulist": bio_cpulist: Vec<u8> = Vec::new(), Text, AtStart, OnlyDefault(PINNING);
    "aof_rewrite_cpulist": aof_rewrite_cpulist: Vec<u8> = Vec::new(), Text, AtStart, OnlyDefault(PINNING);
    "bgsave_cpulist": bgsave_cpulist: Vec<u8> = Vec::new(), Text, AtStart, OnlyDefault(PINNING);
    "ignore-warnings": ignore_warnings: Vec<u8> = Vec::new(), Text, Live,
        Unused("none of Redis's checks of the kernel are made");
    "socket-mark-id": socket_mark_id: u32 = 0, int(0, u32::MAX as i64), AtStart,
        OnlyDefault("sockets are not marked");
    "tls-port": tls_port: u16 = 0, int(0, 65535), AtStart, OnlyDefault("TLS is not in this build yet");
    "enable-protected-configs": enable_protected_configs: &'static str = "no", OneOf(&["no", "yes", "local"]),
        AtStart, Unused("dir cannot change under an open database");
    "enable-module-command": enable_module_command: &'static str = "no", OneOf(&["no", "yes", "local"]), AtStart,
        Unused(MODULES);
    "aclfile": aclfile: Vec<u8> = Vec::new(), Text, AtStart,
        OnlyDefault("users are not in this build yet: requirepass is the one password");
    "acllog-max-len": acllog_max_len: u64 = 128, int(0, i64::MAX), Live,
        Unused("users are not in this build yet");
    "acl-pubsub-default": acl_pubsub_default: &'static str = "resetchannels",
        OneOf(&["allchannels", "resetchannels"]), Live, Unused("users are not in this build yet");

    // Redis: replication and cluster.
    "bind-source-addr": bind_source_addr: Vec<u8> = Vec::new(), Text, Live,
        OnlyDefault("the system chooses the address that connections to a primary come from");
    "repl-backlog-size": repl_backlog_size: u64 = 1 << 20, Memory { min: 1, max: LONG_MAX }, Live,
        Unused("RocksDB's log is the backlog: see rocksdb.wal_size_limit_mb");
    "repl-backlog-ttl": repl_backlog_ttl: u64 = 3600, int(0, i64::MAX), Live,
        Unused("RocksDB's log is the backlog: see rocksdb.wal_ttl_seconds");
    "repl-disable-tcp-nodelay": repl_disable_tcp_nodelay: bool = false, YesNo, Live,
        Unused("links send what is committed at once");
    "repl-ping-replica-period" or "repl-ping-slave-period": repl_ping_replica_period: u32 = 10, int(1, INT_MAX), Live,
        Unused("a link on which nothing flows is pinged every second");
    "repl-diskless-sync": repl_diskless_sync: bool = true, YesNo, Live, Unused(REPLICATION);
    "repl-diskless-sync-delay": repl_diskless_sync_delay: u32 = 5, int(0, INT_MAX), Live, Unused(REPLICATION);
    "repl-diskless-sync-max-replicas": repl_diskless_sync_max_replicas: u32 = 0, int(0, INT_MAX), Live,
        Unused(REPLICATION);
    "repl-diskless-load": repl_diskless_load: &'static str = "disabled",
        OneOf(&["disabled", "on-empty-db", "swapdb"]), Live, Unused(REPLICATION);
    "replica-lazy-flush" or "slave-lazy-flush": replica_lazy_flush: bool = false, YesNo, Live,
        Unused(REPLICATION);
    "replica-ignore-maxmemory" or "slave-ignore-maxmemory": replica_ignore_maxmemory: bool = true, YesNo, Live,
        Unused(EVICTION);
    "replica-ignore-disk-write-errors": replica_ignore_disk_write_errors: bool = false, YesNo, Live,
        OnlyDefault("a replica that cannot write what it is sent asks for it again");
    "propagation-error-behavior": propagation_error_behavior: &'static str = "ignore",
        OneOf(&["ignore", "panic", "panic-on-replicas"]), Live, Unused("batches are replicated, not commands");
    "cluster-config-file": cluster_config_file: Vec<u8> = b"nodes.conf".to_vec(), Text, AtStart, Unused(CLUSTER);
    "cluster-node-timeout": cluster_node_timeout: u64 = 15_000, int(0, i64::MAX), Live, Unused(CLUSTER);
    "cluster-port": cluster_port: u16 = 0, int(0, 65535), AtStart, Unused(CLUSTER);
    "cluster-announce-ip": cluster_announce_ip: Vec<u8> = Vec::new(), Text, Live, Unused(CLUSTER);
    "cluster-announce-port": cluster_announce_port: u16 = 0, int(0, 65535), Live, Unused(CLUSTER);
    "cluster-announce-tls-port": cluster_announce_tls_port: u16 = 0, int(0, 65535), Live, Unused(CLUSTER);
    "cluster-announce-bus-port": cluster_announce_bus_port: u16 = 0, int(0, 65535), Live, Unused(CLUSTER);
    "cluster-announce-hostname": cluster_announce_hostname: Vec<u8> = Vec::new(), Text, Live, Unused(CLUSTER);
    "cluster-preferred-endpoint-type": cluster_preferred_endpoint_type: &'static str = "ip",
        OneOf(&["ip", "hostname", "unknown-endpoint"]), Live, Unused(CLUSTER);
    "cluster-replica-validity-factor" or "cluster-slave-validity-factor": cluster_replica_validity_factor: u32 = 10,
        int(0, INT_MAX), Live, Unused(CLUSTER);
    "cluster-replica-no-failover" or "cluster-slave-no-failover": cluster_replica_no_failover: bool = false, YesNo,
        Live, Unused(CLUSTER);
    "cluster-migration-barrier": cluster_migration_barrier: u32 = 1, int(0, INT_MAX), Live, Unused(CLUSTER);
    "cluster-allow-replica-migration": cluster_allow_replica_migration: bool = true, YesNo, Live, Unused(CLUSTER);
    "cluster-require-full-coverage": cluster_require_full_coverage: bool = true, YesNo, Live, Unused(CLUSTER);
    "cluster-allow-reads-when-down": cluster_allow_reads_when_down: bool = false, YesNo, Live, Unused(CLUSTER);
    "cluster-allow-pubsubshard-when-down": cluster_allow_pubsubshard_when_down: bool = true, YesNo, Live,
        Unused(CLUSTER);
    "cluster-link-sendbuf-limit": cluster_link_sendbuf_limit: u64 = 0, Memory { min: 0, max: u64::MAX }, Live,
        Unused(CLUSTER);

    // Kvrocks.
    "socket-fd": socket_fd: i32 = -1,
        int(-1, 1 << 16), AtStart, OnlyDefault("the server opens its own sockets: see bind and unixsocket");
    "log-retention-days": log_retention_days: i32 = -1, int(-1, INT_MAX), AtStart,
        OnlyDefault("logrotate or the service manager keeps the log short; a moved log file is opened anew");
    "repl-namespace-enabled": repl_namespace_enabled: bool = false, YesNo, Live,
        OnlyDefault("namespaces are not in this build: see databases");
    "persist-cluster-nodes-enabled": persist_cluster_nodes_enabled: bool = true, YesNo, Live,
        Unused("a topology cannot be set in this build yet");
    "master-use-repl-port": master_use_repl_port: bool = false, YesNo, Live,
        OnlyDefault("a Kvrocks before 2.0, which has such a port, cannot be followed");
    "use-rsid-psync": use_rsid_psync: bool = false, YesNo, AtStart,
        Unused("records always end in a replication id, and replicas always present theirs");
    "slave-empty-db-before-fullsync" or "slave-delete-db-before-fullsync": slave_empty_db_before_fullsync: bool = false,
        YesNo, Live, Unused("the data from before stays until a copy is whole: the disk must have room for both");
    "fullsync-recv-file-delay": fullsync_recv_file_delay: u32 = 0, int(0, INT_MAX), Live,
        Unused("it slows Kvrocks down in its tests: see max-replication-mb");
    "replication-recv-timeout-ms": replication_recv_timeout_ms: u32 = 3200, int(0, INT_MAX), Live,
        Unused("repl-timeout says when a copy that does not come is given up");
    "replication-group-sync": replication_group_sync: bool = false, YesNo, Live,
        Unused("wal-sync says when writes reach the disk, a replica's too");
    "replication-no-slowdown": replication_no_slowdown: bool = true, YesNo, Live,
        Unused("a batch that RocksDB does not take at once waits, and clients do not");
    "replication-delay-bytes": replication_delay_bytes: u32 = 16 << 10, int(1, INT_MAX), Live, Unused(SENT_AT_ONCE);
    "replication-delay-updates": replication_delay_updates: u32 = 16, int(1, INT_MAX), Live, Unused(SENT_AT_ONCE);
    "purge-backup-on-fullsync": purge_backup_on_fullsync: bool = false, YesNo, Live, Unused(BACKUP);
    "max-backup-to-keep": max_backup_to_keep: u32 = 1, int(0, 1), Live, Unused(BACKUP);
    "max-backup-keep-hours": max_backup_keep_hours: u32 = 0, int(0, INT_MAX), Live, Unused(BACKUP);
    "bgsave-cron": bgsave_cron: Vec<u8> = Vec::new(), CronText, Live, OnlyDefault("backups are not in this build yet");
    "compact-cron": compact_cron: Vec<u8> = Vec::new(), CronText, Live, OnlyDefault(CRON);
    "dbsize-scan-cron": dbsize_scan_cron: Vec<u8> = Vec::new(), CronText, Live, Unused("DBSIZE needs no scan");
    "compaction-checker-cron": compaction_checker_cron: Vec<u8> = Vec::new(), CronText, Live, Unused(COMPACTION);
    "compaction-checker-range": compaction_checker_range: Vec<u8> = Vec::new(), Text, Live, Unused(COMPACTION);
    "force-compact-file-age": force_compact_file_age: u64 = 172_800, int(60, i64::MAX), Live, Unused(COMPACTION);
    "force-compact-file-min-deleted-percentage": force_compact_file_min_deleted_percentage: u32 = 10, int(1, 100),
        Live, Unused(COMPACTION);
    "max-bitmap-to-string-mb": max_bitmap_to_string_mb: u32 = 16, int(0, INT_MAX), Live,
        Unused("bitmaps are not in this build yet");
    "redis-cursor-compatible": redis_cursor_compatible: bool = true, YesNo, Live,
        OnlyDefault("SCAN cursors are numbers, as in Redis");
    "resp3-enabled": resp3_enabled: bool = true, YesNo, Live, OnlyDefault("each client chooses with HELLO");
    "txn-context-enabled": txn_context_enabled: bool = false, YesNo, AtStart,
        Unused("a transaction sees its own writes and is one batch, always");
    "auto-resize-block-and-sst": auto_resize_block_and_sst: bool = true, YesNo, Live,
        Unused("sizes stay as they are set");
    "json-max-nesting-depth": json_max_nesting_depth: u32 = 1024, int(0, INT_MAX), Live, Unused(JSON);
    "json-storage-format": json_storage_format: &'static str = "json", OneOf(&["json", "cbor"]), Live, Unused(JSON);
    "migrate-type": migrate_type: &'static str = "redis-command", OneOf(&["redis-command", "raw-key-value"]), Live,
        Unused(MIGRATION);
    "migrate-speed": migrate_speed: u32 = 4096, int(0, INT_MAX), Live, Unused(MIGRATION);
    "migrate-pipeline-size": migrate_pipeline_size: u32 = 16, int(1, INT_MAX), Live, Unused(MIGRATION);
    "migrate-sequence-gap": migrate_sequence_gap: u32 = 10_000, int(1, INT_MAX), Live, Unused(MIGRATION);
    "migrate-batch-size-kb": migrate_batch_size_kb: u32 = 16, int(1, INT_MAX), Live, Unused(MIGRATION);
    "migrate-batch-rate-limit-mb": migrate_batch_rate_limit_mb: u32 = 16, int(0, INT_MAX), Live, Unused(MIGRATION);
    "profiling-sample-commands": profiling_sample_commands: Vec<u8> = Vec::new(), Text, Live, Unused(SAMPLING);
    "profiling-sample-ratio": profiling_sample_ratio: u32 = 0, int(0, 100), Live, OnlyDefault(SAMPLING);
    "profiling-sample-record-max-len": profiling_sample_record_max_len: u32 = 256, int(0, INT_MAX), Live,
        Unused(SAMPLING);
    "profiling-sample-record-threshold-ms": profiling_sample_record_threshold_ms: u32 = 100, int(0, INT_MAX), Live,
        Unused(SAMPLING);
    "rocksdb.metadata_block_cache_size": metadata_block_cache_size: u64 = 2048, int(0, INT_MAX), AtStart,
        Unused(CACHES);
    "rocksdb.subkey_block_cache_size": subkey_block_cache_size: u64 = 2048, int(0, INT_MAX), AtStart, Unused(CACHES);
    "rocksdb.share_metadata_and_subkey_block_cache": share_metadata_and_subkey_block_cache: bool = true, YesNo,
        AtStart, Unused(CACHES);
    "rocksdb.max_background_compactions": max_background_compactions: i32 = 2, int(-1, 32), AtStart, Unused(JOBS);
    "rocksdb.max_background_flushes": max_background_flushes: i32 = 2, int(-1, 32), AtStart, Unused(JOBS);
    "rocksdb.delayed_write_rate": delayed_write_rate: u64 = 0, int(0, i64::MAX), AtStart,
        OnlyDefault("RocksDB chooses how much it slows writes down");
    "rocksdb.read_options.async_io": read_options_async_io: bool = true, YesNo, AtStart,
        Unused("the loop reads what is cached, and worker threads the rest");
    "rocksdb.write_options.memtable_insert_hint_per_batch": memtable_insert_hint_per_batch: bool = false, YesNo,
        AtStart, Unused("one thread writes: there are no concurrent inserts to give hints to");
    "rocksdb.write_options.write_batch_max_bytes": write_batch_max_bytes: u64 = 0, int(0, INT_MAX), AtStart,
        Unused("records have a limit of their own");
}

/// A cron expression: any number of words, of which nothing is read here.
struct CronText;

impl super::setting::Form for CronText {
    type Value = Vec<u8>;

    const MANY: bool = true;

    fn read(
        &self,
        _old: &Vec<u8>,
        words: &[Vec<u8>],
        _origin: super::setting::Origin,
    ) -> Result<Vec<u8>, String> {
        Ok(words.join(&b' '))
    }

    fn show(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn lines(&self, value: &Vec<u8>) -> Vec<Vec<u8>> {
        vec![if value.is_empty() {
            b"\"\"".to_vec()
        } else {
            value.clone()
        }]
    }
}
