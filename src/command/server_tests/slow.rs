//! SLOWLOG, and what is booked of commands that wait.

use super::info::field;
use crate::command::node_bench::NodeBench;
use crate::config::{Config, Permission};

fn logging_all() -> NodeBench {
    let mut bench = NodeBench::with(Config {
        enable_debug_command: Permission::Yes,
        ..Config::default()
    });
    bench.run("CONFIG SET slowlog-log-slower-than 0");
    bench.run("SLOWLOG RESET");
    bench
}

/// The commands in the slow log, newest first.
fn logged(bench: &mut NodeBench) -> Vec<String> {
    let entries = &bench.node.stats.slowlog.entries;
    entries
        .iter()
        .map(|entry| {
            let words: Vec<String> = entry
                .args
                .iter()
                .map(|arg| String::from_utf8_lossy(arg).into_owned())
                .collect();
            words.join(" ")
        })
        .collect()
}

#[test]
fn entries_have_six_parts_and_secrets_none() {
    let mut bench = logging_all();
    bench.run("CLIENT SETNAME me");
    bench.run("CONFIG SET masterauth hush");
    bench.run("AUTH hush");
    bench.run("ACL SETUSER someone >hush");
    assert_eq!(
        logged(&mut bench),
        [
            "ACL SETUSER (redacted) (redacted)",
            "AUTH (redacted)",
            "CONFIG SET masterauth (redacted)",
            "CLIENT SETNAME me",
            "SLOWLOG RESET",
        ]
    );
    assert_eq!(
        bench.run("SLOWLOG GET 1"),
        "*1 *6 :5 :1700000000 :0 *4 $3 ACL $7 SETUSER $10 (redacted) $10 (redacted) $15 127.0.0.1:50000 $2 me"
    );
}

#[test]
fn a_transaction_shows_its_commands_and_not_itself() {
    let mut bench = logging_all();
    for line in ["MULTI", "SET a 1", "AUTH hush", "EXEC"] {
        bench.run(line);
    }
    assert_eq!(
        logged(&mut bench)[..3],
        ["AUTH (redacted)", "SET a 1", "MULTI"]
    );
}

#[test]
fn counts_are_checked_as_in_redis() {
    let mut bench = logging_all();
    for _ in 0..20 {
        bench.run("PING");
    }
    let count = |bench: &mut NodeBench, line: &str| {
        let reply = bench.run(line);
        reply.split(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(count(&mut bench, "SLOWLOG GET"), "*10");
    assert_eq!(count(&mut bench, "SLOWLOG GET 0"), "*0");
    assert_eq!(count(&mut bench, "SLOWLOG GET 3"), "*3");
    assert_eq!(count(&mut bench, "SLOWLOG GET -1"), "*24");
    for bad in ["-2", "x", "9223372036854775808"] {
        assert_eq!(
            bench.run(&format!("SLOWLOG GET {bad}")),
            "-ERR count should be greater than or equal to -1"
        );
    }
    assert!(
        bench
            .run("SLOWLOG GET 1 2")
            .starts_with("-ERR unknown subcommand or wrong")
    );
    bench.run("CONFIG SET slowlog-log-slower-than -1");
    bench.run("SLOWLOG RESET");
    bench.run("PING");
    assert_eq!(bench.run("SLOWLOG LEN"), ":0");
}

#[test]
fn commands_that_wait_are_booked_when_they_end() {
    let mut bench = logging_all();
    let other = bench.connect();
    bench.run("CONFIG RESETSTAT");
    bench.run_as(other, "BLPOP list 5");
    let stats = |bench: &mut NodeBench| {
        let reply = bench.run("INFO commandstats errorstats");
        let blpop = field(&reply, "cmdstat_blpop").map(str::to_owned);
        (
            blpop,
            field(&reply, "errorstat_UNBLOCKED").map(str::to_owned),
        )
    };
    assert_eq!(stats(&mut bench), (None, None));
    bench.run("CLIENT UNBLOCK 2 ERROR");
    assert!(bench.received(other).starts_with("-UNBLOCKED"));
    let failed = "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1";
    assert_eq!(
        stats(&mut bench),
        (Some(failed.to_owned()), Some("count=1".to_owned()))
    );
    bench.run_as(other, "BLPOP list 5");
    bench.run("CLIENT UNBLOCK 2");
    assert_eq!(bench.received(other), "*-1");
    let (blpop, _) = stats(&mut bench);
    assert!(
        blpop.is_some_and(|line| line.starts_with("calls=2,") && line.ends_with("failed_calls=1"))
    );
    assert!(logged(&mut bench).contains(&"BLPOP list 5".to_owned()));
}

#[test]
fn resetting_statistics_leaves_the_logs() {
    let mut bench = logging_all();
    bench.run("SET a 1");
    bench.run("GET a");
    bench.run("NONSENSE");
    bench.run("CONFIG RESETSTAT");
    let reply = bench.run("INFO stats commandstats errorstats persistence");
    for (name, value) in [
        ("total_commands_processed", "1"),
        ("total_error_replies", "0"),
        ("keyspace_hits", "0"),
        ("rdb_changes_since_last_save", "1"),
    ] {
        assert_eq!(field(&reply, name), Some(value), "{name}");
    }
    assert_eq!(field(&reply, "cmdstat_set"), None);
    assert_eq!(field(&reply, "errorstat_ERR"), None);
    assert!(logged(&mut bench).contains(&"SET a 1".to_owned()));
}
