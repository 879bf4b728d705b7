//! Server commands against the built binary, most of them reply by reply beside redis-server: INFO, CONFIG SET's effects, LATENCY, SLOWLOG, MEMORY,
//! SHUTDOWN, and what the service manager is told.

#[path = "../common/mod.rs"]
mod common;
mod life;
mod listening;

use std::time::Duration;

use common::server::info_field;
use common::{Conn, Server, Setup, Value, holds_within, wait_until};

/// The field names of one INFO section, in order.
fn field_names(info: &str) -> Vec<String> {
    let lines = info.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Sends the same lines to both servers and compares what comes back.
fn compare(lines: &[&str], ours: &mut Conn, oracle: &mut Conn) {
    for line in lines {
        let expected = oracle.call(line);
        let got = ours.call(line);
        assert_eq!(
            got, expected,
            "reply to {line}: {got} instead of {expected}"
        );
    }
}

#[test]
fn info_has_the_fields_of_redis_in_their_order() {
    let Some(oracle) = Setup::oracle("info_has_the_fields_of_redis_in_their_order") else {
        return;
    };
    let (oracle, server) = (oracle.start(), Server::start());
    let (mut there, mut here) = (oracle.connect(), server.connect());
    for conn in [&mut there, &mut here] {
        conn.ok("SET a 1");
        conn.ok("SET b 1 PX 100000");
    }
    let headings = |conn: &mut Conn, words: &str| -> Vec<String> {
        let info = conn.call(&format!("INFO {words}")).text();
        let lines = info.lines().filter(|line| line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    for words in [
        "",
        "default",
        "CPU keyspace cpu",
        "nonsense",
        "modules cluster",
    ] {
        assert_eq!(headings(&mut here, words), headings(&mut there, words));
    }
    let mut all = headings(&mut there, "all");
    all.push("# RocksDB".to_owned());
    assert_eq!(headings(&mut here, "all"), all);
    assert_eq!(headings(&mut here, "everything"), all);
    for section in [
        "server",
        "clients",
        "memory",
        "persistence",
        "stats",
        "replication",
        "cpu",
        "cluster",
        "keyspace",
    ] {
        let expected = field_names(&there.call(&format!("INFO {section}")).text());
        let mut got = field_names(&here.call(&format!("INFO {section}")).text());
        // What only this server has may stand between.
        got.retain(|name| expected.contains(name));
        assert_eq!(got, expected, "fields of INFO {section}");
    }
}

#[test]
fn replies_are_those_of_redis() {
    let Some(oracle) = Setup::oracle("replies_are_those_of_redis") else {
        return;
    };
    let oracle = oracle.debug_commands().start();
    let server = Setup::new().debug_commands().start();
    server.expect_log("CONFIG SET bind: cannot listen on 192.0.2.1");
    let (mut there, mut here) = (oracle.connect(), server.connect());
    let lines = [
        "LATENCY",
        "LATENCY nonsense",
        "LATENCY HELP x",
        "LATENCY LATEST",
        "LATENCY LATEST x",
        "LATENCY HISTORY command",
        "LATENCY HISTORY",
        "LATENCY GRAPH command",
        "LATENCY RESET",
        "LATENCY RESET a b",
        "LATENCY HISTOGRAM nonsense",
        "MEMORY",
        "MEMORY nonsense",
        "MEMORY STATS x",
        "MEMORY PURGE",
        "MEMORY USAGE",
        "MEMORY USAGE nokey",
        "MEMORY USAGE nokey SAMPLES",
        "MEMORY USAGE nokey SAMPLES -1",
        "MEMORY MALLOC-STATS x",
        "DEBUG",
        "DEBUG nonsense",
        "DEBUG SLEEP",
        "DEBUG SLEEP 0 0",
        "DEBUG SLEEP 0",
        "DEBUG SLEEP nonsense",
        "DEBUG OBJECT nokey",
        "DEBUG SET-ACTIVE-EXPIRE 1",
        "DEBUG SET-ACTIVE-EXPIRE",
        "DEBUG PROTOCOL string",
        "DEBUG PROTOCOL integer",
        "DEBUG PROTOCOL double",
        "DEBUG PROTOCOL bignum",
        "DEBUG PROTOCOL null",
        "DEBUG PROTOCOL array",
        "DEBUG PROTOCOL set",
        "DEBUG PROTOCOL map",
        "DEBUG PROTOCOL attrib",
        "DEBUG PROTOCOL push",
        "DEBUG PROTOCOL verbatim",
        "DEBUG PROTOCOL true",
        "DEBUG PROTOCOL false",
        "DEBUG PROTOCOL nonsense",
        "DEBUG ERROR MYERR",
        "LOLWUT",
        "LOLWUT nonsense",
        "LOLWUT VERSION x",
        "CLUSTER",
        "CLUSTER nonsense",
        "CLUSTER KEYSLOT",
        "CLUSTER KEYSLOT a",
        "CLUSTER INFO",
        "CLUSTER HELP",
        "CLUSTER ADDSLOTS",
        "ASKING",
        "READONLY",
        "READONLY x",
        "READWRITE",
        "MODULE",
        "MODULE LIST",
        "MODULE LIST x",
        "ACL",
        "ACL nonsense",
        "ACL WHOAMI",
        "ACL WHOAMI x",
        "SAVE x",
        "BGSAVE x",
        "BGREWRITEAOF x",
        // On a busy machine any command may be slow.
        "CONFIG SET slowlog-log-slower-than -1",
        "SLOWLOG RESET",
        "SLOWLOG",
        "SLOWLOG nonsense",
        "SLOWLOG GET x",
        "SLOWLOG GET -2",
        "SLOWLOG GET 1 2",
        "SLOWLOG LEN x",
        "SLOWLOG LEN",
        "SLOWLOG RESET",
        "SHUTDOWN nonsense",
        "SHUTDOWN SAVE NOSAVE",
        "SHUTDOWN ABORT NOW",
        "SHUTDOWN ABORT",
        "CONFIG",
        "CONFIG nonsense",
        "CONFIG GET",
        "CONFIG SET port",
        "CONFIG SET port abc",
        "CONFIG SET port 70000",
        "CONFIG SET bind 192.0.2.1",
        "CONFIG SET nonsense 1",
        "CONFIG RESETSTAT",
        "CONFIG RESETSTAT x",
        "INFO nonsense",
        "INFO modules",
    ];
    compare(&lines, &mut here, &mut there);
    compare(
        &["HELLO 3 SETNAME x y", "CLIENT REPLY ON"],
        &mut here,
        &mut there,
    );
    for conn in [&mut here, &mut there] {
        assert!(!conn.call("HELLO 3").is_error());
    }
    // Their replies come in two parts.
    let in_parts = ["DEBUG PROTOCOL attrib", "DEBUG PROTOCOL push"];
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| !in_parts.contains(line))
        .collect();
    compare(&lines, &mut here, &mut there);
}

#[test]
fn who_has_not_said_the_password_hears_what_redis_says() {
    let Some(oracle) = Setup::oracle("who_has_not_said_the_password_hears_what_redis_says") else {
        return;
    };
    let (oracle, server) = (oracle.start(), Server::start());
    let (mut there, mut here) = (oracle.connect(), server.connect());
    // Who is connected already stays in; who comes later must say it.
    compare(
        &["CONFIG SET requirepass hush", "PING"],
        &mut here,
        &mut there,
    );
    let lines = [
        "HELLO",
        "HELLO 3",
        "HELLO 3 SETNAME x",
        "HELLO 3 AUTH default wrong",
        "HELLO 9 AUTH default hush",
        "AUTH hush",
    ];
    compare(&lines, &mut server.connect(), &mut oracle.connect());
}

#[test]
fn info_answers_while_everything_is_paused() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.ok("SET a 1");
    conn.ok("CLIENT PAUSE 100000 ALL");
    let mut held = server.connect();
    held.send_line("GET a");
    wait_until("the paused client is counted", || {
        info_field(&mut conn, "blocked_clients") == "1"
    });
    assert_eq!(info_field(&mut conn, "paused_reason"), "client_pause");
    assert_eq!(info_field(&mut conn, "paused_actions"), "all");
    let left: u64 = info_field(&mut conn, "paused_timeout_milliseconds")
        .parse()
        .expect("a number");
    assert!(left > 0 && left <= 100_000);
    assert_eq!(info_field(&mut conn, "db0"), "keys=1,expires=0,avg_ttl=0");
    conn.ok("CLIENT UNPAUSE");
    assert_eq!(held.read(), Value::bulk("1"));
    assert_eq!(info_field(&mut conn, "paused_reason"), "none");
}

#[test]
fn keys_are_counted_under_a_load_of_writes() {
    let server = Server::start();
    let mut writer = server.connect();
    let mut conn = server.connect();
    let mut written = 0;
    for round in 0..20 {
        // Many writes are under way, acknowledged or not, whenever INFO is asked.
        let commands: Vec<Vec<String>> = (0..500)
            .map(|number| vec!["SET".into(), format!("k{round}:{number}"), "v".into()])
            .collect();
        for command in &commands {
            writer.send(command);
        }
        let line = info_field(&mut conn, "sequence");
        assert!(line.parse::<u64>().is_ok());
        let info = conn.call("INFO keyspace").text();
        for _ in &commands {
            assert_eq!(writer.read(), Value::ok());
        }
        written += commands.len();
        assert!(info.starts_with("# Keyspace"));
    }
    // Nobody writes any more: exact.
    assert_eq!(
        info_field(&mut conn, "db0"),
        format!("keys={written},expires=0,avg_ttl=0")
    );
    assert_eq!(conn.call("DBSIZE").int(), written as i64);
    conn.ok("FLUSHALL");
    assert_eq!(conn.call("INFO keyspace").text(), "# Keyspace\r\n");
}

#[test]
fn a_pipeline_reads_its_own_writes_in_keyspace() {
    for policy in ["everysec", "always", "no"] {
        let server = Setup::new().arg("--wal-sync", policy).start();
        let mut conn = server.connect();
        for number in 1..50 {
            let set = format!("SET key{number} v");
            conn.send_line(&set);
            conn.send_line("INFO keyspace");
            assert_eq!(conn.read(), Value::ok());
            let info = conn.read().text();
            assert_eq!(
                info,
                format!("# Keyspace\r\ndb0:keys={number},expires=0,avg_ttl=0\r\n"),
                "{policy}"
            );
        }
    }
}

#[test]
fn slow_commands_are_logged_and_sampled() {
    let server = Setup::new().debug_commands().start();
    let mut conn = server.connect();
    conn.ok("CONFIG SET latency-monitor-threshold 50 slowlog-log-slower-than 50000");
    conn.ok("DEBUG SLEEP 0.06");
    let slow = conn.call("SLOWLOG GET");
    let entry = slow.items()[0].items();
    assert!(entry[2].int() >= 60_000, "{slow}");
    assert_eq!(entry[3], Value::bulks(&["DEBUG", "SLEEP", "0.06"]));
    let latest = conn.call("LATENCY LATEST");
    let command = latest
        .items()
        .iter()
        .find(|event| event.items()[0] == Value::bulk("command"))
        .unwrap_or_else(|| panic!("no command in {latest}"));
    assert!(command.items()[2].int() >= 60, "{latest}");
    assert_eq!(conn.call("LATENCY HISTORY command").items().len(), 1);
    assert!(
        conn.call("LATENCY GRAPH command")
            .text()
            .starts_with("command - high ")
    );
    assert!(conn.call("LATENCY DOCTOR").text().contains("1. command: "));
    let info = conn.call("INFO commandstats").text();
    assert!(info.contains("cmdstat_debug:calls=1,"), "{info}");
}

#[test]
fn latency_of_commits_and_turns_is_sampled() {
    let server = Setup::new()
        .debug_commands()
        .arg("--wal-sync", "always")
        .start();
    let mut conn = server.connect();
    conn.ok("CONFIG SET latency-monitor-threshold 1");
    let sampled = |conn: &mut Conn, event: &str| {
        let latest = conn.call("LATENCY LATEST");
        latest
            .items()
            .iter()
            .any(|sample| sample.items()[0] == Value::bulk(event))
    };
    conn.ok("DEBUG SLEEP 0.01");
    assert!(sampled(&mut conn, "eventloop"));
    // Large values through a synced log take a millisecond sooner or later.
    let value = "v".repeat(1 << 20);
    wait_until("a commit that takes a millisecond", || {
        let reply = conn.cmd(&["SET", "a", &value]);
        assert_eq!(reply, Value::ok());
        sampled(&mut conn, "commit-queued") || sampled(&mut conn, "commit")
    });
}

#[test]
fn memory_is_the_allocators() {
    let server = Server::start();
    let mut conn = server.connect();
    let before: u64 = info_field(&mut conn, "used_memory").parse().expect("bytes");
    let value = "v".repeat(1 << 20);
    for number in 0..8 {
        assert_eq!(
            conn.cmd(&["SET", &format!("k{number}"), &value]),
            Value::ok()
        );
    }
    wait_until("the peak is above what was used before", || {
        let peak: u64 = info_field(&mut conn, "used_memory_peak")
            .parse()
            .expect("bytes");
        peak > before
    });
    assert!(info_field(&mut conn, "mem_allocator").starts_with("jemalloc-5"));
    assert!(
        conn.call("MEMORY MALLOC-STATS")
            .text()
            .starts_with("jemalloc 5")
    );
    conn.ok("MEMORY PURGE");
    let stats = conn.call("MEMORY STATS");
    let fields: Vec<String> = stats.items().chunks(2).map(|pair| pair[0].text()).collect();
    for name in [
        "peak.allocated",
        "db.0",
        "keys.count",
        "fragmentation",
        "hot.cache",
    ] {
        assert!(
            fields.iter().any(|field| field == name),
            "{name} in {fields:?}"
        );
    }
}

#[test]
fn monitors_see_what_redis_shows() {
    let Some(oracle) = Setup::oracle("monitors_see_what_redis_shows") else {
        return;
    };
    let seen = |server: &Server| -> Vec<String> {
        let mut monitor = server.connect();
        monitor.ok("MONITOR");
        let mut conn = server.connect();
        let addr = conn.local_addr();
        for line in [
            "SELECT 5",
            "MULTI",
            "SET a b",
            "GET a",
            "EXEC",
            "BLPOP nothing 0.01",
            "GET",
            "NONSENSE",
            "LPUSH a 1",
            "CONFIG GET port",
            "AUTH hush",
            "AUTH default hush",
            "HELLO 2 AUTH default hush",
            "ACL WHOAMI",
            "CLUSTER INFO",
            "ECHO last",
        ] {
            conn.call(line);
        }
        let mut lines = Vec::new();
        loop {
            let line = monitor.read().text();
            let shown = line.split_once(' ').expect("a time").1;
            let shown = shown.replace(&addr, "addr");
            let is_last = shown.contains("last");
            lines.push(shown);
            if is_last {
                return lines;
            }
        }
    };
    assert_eq!(seen(&Server::start()), seen(&oracle.start()));
}

#[test]
fn statistics_start_again_when_they_are_reset() {
    let server = Server::start();
    let mut conn = server.connect();
    conn.ok("SET a 1");
    conn.call("GET a");
    conn.call("GET nothing");
    conn.call("NONSENSE");
    assert_eq!(info_field(&mut conn, "keyspace_hits"), "1");
    assert_eq!(info_field(&mut conn, "keyspace_misses"), "1");
    assert_eq!(info_field(&mut conn, "total_error_replies"), "1");
    conn.ok("CONFIG RESETSTAT");
    let stats = conn.call("INFO stats commandstats errorstats").text();
    for line in [
        "keyspace_hits:0\r\n",
        "keyspace_misses:0\r\n",
        "total_error_replies:0\r\n",
        "total_connections_received:0\r\n",
        "total_commands_processed:1\r\n",
        "cmdstat_config|resetstat:calls=1,",
    ] {
        assert!(stats.contains(line), "{line} in {stats}");
    }
    assert!(!stats.contains("cmdstat_set") && !stats.contains("errorstat_"));
}

#[test]
fn the_clients_memory_is_found_by_walking_over_them() {
    let server = Server::start();
    let mut conn = server.connect();
    let mut half = server.connect();
    half.send_raw(format!("*2\r\n$4\r\nECHO\r\n$200000\r\n{}", "x".repeat(100_000)).as_bytes());
    let number =
        |conn: &mut Conn, name: &str| -> u64 { info_field(conn, name).parse().expect("a number") };
    assert!(
        holds_within(Duration::from_secs(20), || {
            number(&mut conn, "client_recent_max_input_buffer") >= 100_000
                && number(&mut conn, "mem_clients_normal") >= 100_000
        }),
        "the half command is not found"
    );
}
