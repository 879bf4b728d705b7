//! INFO: fields, sections, and what they are taken from.

use crate::command::node_bench::NodeBench;
use crate::config::Config;
use crate::failover::leave::Leaving;
use crate::pause::{Purpose, Scope, Until};

/// A field of an INFO reply in which line ends are spaces.
pub fn field<'a>(reply: &'a str, name: &str) -> Option<&'a str> {
    let start = format!("{name}:");
    reply
        .split(' ')
        .find_map(|word| word.strip_prefix(&start[..]))
}

fn info(bench: &mut NodeBench, section: &str, name: &str) -> String {
    let reply = bench.run(&format!("INFO {section}"));
    field(&reply, name)
        .unwrap_or_else(|| panic!("{section} has no {name}: {reply}"))
        .to_owned()
}

#[test]
fn the_server_introduces_itself() {
    let mut bench = NodeBench::with(Config {
        port: 7000,
        ..Config::default()
    });
    bench.advance_ms(2 * 24 * 3600 * 1000 + 5999);
    let reply = bench.run("INFO server");
    for (name, value) in [
        ("redis_version", "7.0.15"),
        ("stillpoint_version", env!("CARGO_PKG_VERSION")),
        ("redis_mode", "standalone"),
        ("arch_bits", "64"),
        ("multiplexing_api", "epoll"),
        ("process_id", "4711"),
        ("process_supervised", "no"),
        ("tcp_port", "7000"),
        ("uptime_in_seconds", "172805"),
        ("uptime_in_days", "2"),
        ("hz", "10"),
        ("config_file", ""),
        ("io_threads_active", "0"),
    ] {
        assert_eq!(field(&reply, name), Some(value), "{name} in {reply}");
    }
    assert_eq!(field(&reply, "run_id").map(str::len), Some(40));
    assert_eq!(field(&reply, "shutdown_in_milliseconds"), None);
    bench.node.shutdown = Some(Leaving::begin(2500, false, bench.now()));
    assert_eq!(
        info(&mut bench, "server", "shutdown_in_milliseconds"),
        "2500"
    );
}

#[test]
fn it_is_verbatim_text_and_sections_are_apart() {
    let mut bench = NodeBench::new();
    let reply = bench.run("INFO cluster modules nonsense");
    assert_eq!(reply, "$43 # Modules  # Cluster cluster_enabled:0");
    assert_eq!(bench.run("INFO nonsense"), "$0");
    bench.run("HELLO 3");
    assert_eq!(bench.run("INFO modules"), "=15 txt:# Modules");
}

#[test]
fn a_primary_without_replicas_shows_its_last_committed_update() {
    let mut bench = NodeBench::new();
    assert_eq!(info(&mut bench, "replication", "master_repl_offset"), "0");
    bench.run("SET a 1");
    let last = bench.node.last_seq.get();
    assert!(last > 0);
    let reply = bench.run("INFO replication");
    for (name, value) in [
        ("role", "master"),
        ("connected_slaves", "0"),
        ("master_failover_state", "no-failover"),
        ("master_repl_offset", &last.to_string()),
        ("sequence", &last.to_string()),
        ("second_repl_offset", "-1"),
        ("repl_backlog_active", "0"),
    ] {
        assert_eq!(field(&reply, name), Some(value), "{name} in {reply}");
    }
    for name in ["master_replid", "master_replid2"] {
        let id = field(&reply, name).expect("an id");
        assert!(id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}

#[test]
fn replication_and_clients_never_wait() {
    let mut bench = NodeBench::new();
    bench.send(0, "SET a 1");
    bench.send(0, "INFO replication");
    bench.send(0, "INFO clients");
    bench.send(0, "INFO stats");
    assert!(bench.node.waiting.is_empty());
}

#[test]
fn a_pause_is_shown_with_reason_scope_and_time_left() {
    let mut bench = NodeBench::new();
    let paused = |bench: &mut NodeBench| {
        let reply = bench.run("INFO clients");
        [
            "paused_reason",
            "paused_actions",
            "paused_timeout_milliseconds",
        ]
        .map(|name| field(&reply, name).expect("a field").to_owned())
    };
    assert_eq!(paused(&mut bench), ["none", "none", "0"]);
    bench.run("CLIENT PAUSE 5000 WRITE");
    bench.advance_ms(1500);
    assert_eq!(paused(&mut bench), ["client_pause", "write", "3500"]);
    bench
        .node
        .pause
        .set(Purpose::Failover, Scope::Writes, Until::Released);
    assert_eq!(paused(&mut bench), ["failover_in_progress", "write", "-1"]);
    // Asked for and answered under a pause of everything.
    bench.run("CLIENT PAUSE 60000 ALL");
    assert_eq!(paused(&mut bench), ["client_pause", "all", "60000"]);
    bench
        .node
        .pause
        .set(Purpose::Shutdown, Scope::All, Until::Released);
    assert_eq!(paused(&mut bench), ["shutdown_in_progress", "all", "-1"]);
}

#[test]
fn the_blocked_are_counted_but_not_who_asks() {
    let mut bench = NodeBench::new();
    let other = bench.connect();
    let third = bench.connect();
    bench.run_as(other, "BLPOP list 5");
    bench.run("CLIENT PAUSE 5000 WRITE");
    bench.run_as(third, "SET a 1");
    let reply = bench.run("INFO");
    assert_eq!(field(&reply, "connected_clients"), Some("3"));
    assert_eq!(field(&reply, "blocked_clients"), Some("2"));
    assert_eq!(field(&reply, "clients_in_timeout_table"), Some("1"));
}

#[test]
fn look_ups_changes_and_errors_are_counted() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    bench.run("GET a");
    bench.run("GET b");
    bench.run("LPUSH a 1");
    bench.run("GET");
    bench.run("NONSENSE");
    let reply = bench.run("INFO stats persistence errorstats commandstats");
    for (name, value) in [
        ("keyspace_hits", "1"),
        ("keyspace_misses", "1"),
        ("total_error_replies", "3"),
        ("rdb_changes_since_last_save", "1"),
        ("loading", "0"),
        ("wal_sync", "everysec"),
        ("wal_synced_sequence", "0"),
        ("writes_refused", "0"),
        ("errorstat_ERR", "count=2"),
        ("errorstat_WRONGTYPE", "count=1"),
        (
            "cmdstat_get",
            "calls=2,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0",
        ),
        (
            "cmdstat_lpush",
            "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1",
        ),
    ] {
        assert_eq!(field(&reply, name), Some(value), "{name} in {reply}");
    }
}

#[test]
fn percentiles_follow_the_settings() {
    let mut bench = NodeBench::new();
    bench.run("PING");
    let reply = bench.run("INFO latencystats");
    assert_eq!(
        field(&reply, "latency_percentiles_usec_ping"),
        Some("p50=0.000,p99=0.000,p99.9=0.000")
    );
    bench.run("CONFIG SET latency-tracking-info-percentiles 100");
    let reply = bench.run("INFO latencystats");
    assert_eq!(
        field(&reply, "latency_percentiles_usec_ping"),
        Some("p100=0.000")
    );
    assert!(field(&reply, "latency_percentiles_usec_config|set").is_some());
    bench.run("CONFIG SET latency-tracking no");
    bench.run("ECHO x");
    assert_eq!(bench.run("INFO latencystats"), "$16 # Latencystats");
    bench.run("CONFIG SET latency-tracking yes");
    let reply = bench.run("INFO latencystats");
    assert_eq!(field(&reply, "latency_percentiles_usec_echo"), None);
    assert!(field(&reply, "latency_percentiles_usec_ping").is_some());
}

#[test]
fn an_error_code_cannot_break_the_lines() {
    let mut bench = NodeBench::with(Config {
        enable_debug_command: crate::config::Permission::Yes,
        ..Config::default()
    });
    assert_eq!(bench.run("DEBUG ERROR a#b:c\nd"), "-a#b:c d");
    let reply = bench.run("INFO errorstats");
    assert_eq!(field(&reply, "errorstat_a_b_c_d"), Some("count=1"));
}

#[test]
fn memory_names_a_figure_for_everything() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    let reply = bench.run("INFO memory");
    let number = |name: &str| -> u64 {
        let text = field(&reply, name).unwrap_or_else(|| panic!("no {name} in {reply}"));
        text.parse().unwrap_or_else(|_| panic!("{name} is {text}"))
    };
    assert!(number("used_memory") > 0 && number("used_memory_rss") > 0);
    assert!(number("used_memory_peak") >= number("used_memory"));
    assert!(number("total_system_memory") > number("used_memory_rss"));
    assert!(number("mem_rocksdb_memtables") > 0 && number("mem_hot_cache") > 0);
    assert_eq!(field(&reply, "maxmemory_policy"), Some("noeviction"));
    assert!(field(&reply, "used_memory_human").is_some_and(|text| text.ends_with(['K', 'M', 'G'])));
    let reply = bench.run("MEMORY STATS");
    assert!(reply.starts_with("*66 $14 peak.allocated :"), "{reply}");
    assert!(reply.contains("$4 db.0 *6 ") && reply.contains("$10 keys.count :1 "));
    assert!(bench.run("MEMORY DOCTOR").starts_with('$'));
}

#[test]
fn the_engine_is_shown_on_request() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    let reply = bench.run("INFO rocksdb");
    assert!(reply.contains("# RocksDB "), "{reply}");
    for name in [
        "block_cache_usage",
        "estimate_keys[metadata]",
        "all_mem_tables",
        "num_live_versions",
        "is_write_stopped",
    ] {
        assert!(field(&reply, name).is_some(), "{name} in {reply}");
    }
    assert!(!bench.run("INFO").contains("# RocksDB"));
}
