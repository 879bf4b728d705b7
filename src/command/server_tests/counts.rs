//! Counts of keys in INFO keyspace and MEMORY STATS: fresh, and never waited for longer than need be.

use super::info::field;
use crate::client::waiting::Reason;
use crate::command::node_bench::NodeBench;
use crate::command::parking;
use crate::node::key_counting::WAIT_MAX_MS;

#[test]
fn keys_are_counted_when_they_are_asked_for() {
    let mut bench = NodeBench::new();
    assert_eq!(bench.run("INFO keyspace"), "$12 # Keyspace");
    bench.run("SET a 1");
    bench.run("SET b 1 PX 5000");
    bench.run("SELECT 3");
    bench.run("SET c 1 PX 1000");
    let reply = bench.run("INFO keyspace");
    assert_eq!(field(&reply, "db0"), Some("keys=2,expires=1,avg_ttl=5000"));
    assert_eq!(field(&reply, "db3"), Some("keys=1,expires=1,avg_ttl=1000"));
    // Nothing was written since: no new count, but time has gone on.
    bench.advance_ms(2000);
    bench.send(0, "INFO keyspace");
    assert!(bench.node.waiting.is_empty());
    let reply = bench.received(0);
    assert_eq!(field(&reply, "db0"), Some("keys=2,expires=1,avg_ttl=3000"));
    assert_eq!(field(&reply, "db3"), Some("keys=1,expires=1,avg_ttl=0"));
    bench.run("FLUSHALL");
    assert_eq!(bench.run("INFO keyspace"), "$12 # Keyspace");
}

#[test]
fn a_transaction_counts_by_itself_what_it_has_written() {
    let mut bench = NodeBench::new();
    for line in ["MULTI", "SET a 1", "INFO keyspace", "EXEC"] {
        bench.send(0, line);
    }
    assert!(bench.node.waiting.is_empty(), "EXEC does not wait");
    bench.work();
    let reply = bench.received(0);
    assert!(reply.contains("db0:keys=1,expires=0,avg_ttl=0"), "{reply}");
}

#[test]
fn a_count_that_never_comes_is_not_waited_for_for_ever() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    bench.send(0, "INFO keyspace");
    assert_eq!(bench.node.waiting.count(Reason::Counts), 1);
    let wake = |bench: &mut NodeBench| {
        bench.node.waiting.release(Reason::Counts);
        while let Some((_, key)) = bench.node.waiting.next_due() {
            parking::resume(&mut bench.node, key);
        }
        bench.received(0)
    };
    bench.advance_ms(WAIT_MAX_MS - 1);
    assert_eq!(wake(&mut bench), "");
    bench.advance_ms(1);
    // RocksDB's own estimate, before anybody has counted.
    let reply = wake(&mut bench);
    assert_eq!(field(&reply, "db0"), Some("keys=1,expires=0,avg_ttl=0"));
    assert!(bench.node.waiting.is_empty());
}

#[test]
fn a_command_that_waits_for_a_count_is_booked_once() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    bench.run("INFO keyspace");
    let reply = bench.run("INFO commandstats");
    let line = field(&reply, "cmdstat_info").expect("a line");
    assert!(line.starts_with("calls=1,"), "{line}");
}

#[test]
fn while_the_database_is_closed_the_last_counts_are_shown() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    bench.run("INFO keyspace");
    bench.run("SET b 1");
    bench.node.is_reopening = true;
    bench.send(0, "INFO keyspace");
    let reply = bench.received(0);
    assert_eq!(field(&reply, "db0"), Some("keys=1,expires=0,avg_ttl=0"));
}
