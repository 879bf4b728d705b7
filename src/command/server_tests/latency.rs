//! LATENCY over a node.

use crate::command::node_bench::NodeBench;
use crate::config::{Config, Permission};
use crate::stats::latency;

fn sampled() -> NodeBench {
    let mut bench = NodeBench::new();
    assert_eq!(bench.run("CONFIG SET latency-monitor-threshold 10"), "+OK");
    for (second, ms) in [
        (1_700_000_000, 20),
        (1_700_000_005, 40),
        (1_700_000_010, 30),
    ] {
        bench
            .node
            .stats
            .latency
            .note(latency::COMMAND, ms * 1000, second);
    }
    bench
        .node
        .stats
        .latency
        .note(latency::COMMIT, 15_000, 1_700_000_010);
    bench
}

#[test]
fn samples_are_listed_and_forgotten() {
    let mut bench = sampled();
    assert_eq!(
        bench.run("LATENCY LATEST"),
        "*2 *4 $7 command :1700000010 :30 :40 *4 $6 commit :1700000010 :15 :15"
    );
    assert_eq!(
        bench.run("LATENCY HISTORY command"),
        "*3 *2 :1700000000 :20 *2 :1700000005 :40 *2 :1700000010 :30"
    );
    assert_eq!(bench.run("LATENCY HISTORY nonsense"), "*0");
    assert_eq!(bench.run("LATENCY RESET nonsense COMMIT"), ":1");
    assert_eq!(bench.run("LATENCY RESET"), ":1");
    assert_eq!(bench.run("LATENCY LATEST"), "*0");
}

#[test]
fn a_graph_has_a_heading_and_ages() {
    let mut bench = sampled();
    bench.advance_ms(70_000);
    let reply = bench.run("LATENCY GRAPH command");
    assert!(
        reply.contains("command - high 40 ms, low 20 ms (all time high 40 ms)\n"),
        "{reply}"
    );
    assert!(reply.ends_with("\n111\nmmm"), "{reply}");
    assert_eq!(
        bench.run("LATENCY GRAPH nothing"),
        "-ERR No samples available for event 'nothing'"
    );
    assert!(
        bench
            .run("LATENCY DOCTOR")
            .contains("1. command: 3 latency spikes")
    );
}

#[test]
fn commands_that_take_long_are_sampled() {
    let mut bench = NodeBench::with(Config {
        enable_debug_command: Permission::Yes,
        ..Config::default()
    });
    bench.run("CONFIG SET latency-monitor-threshold 1");
    // The clock of the bench stands still: nothing takes any time.
    bench.run("SET a 1");
    assert_eq!(bench.run("LATENCY LATEST"), "*0");
    let set = crate::command::table::lookup(b"set").expect("SET");
    let get = crate::command::table::lookup(b"get").expect("GET");
    let args = crate::resp::OwnedArgs::from_parts(&[b"x"]);
    let key = bench.key(0);
    for command in [set, get] {
        crate::command::account::executed(
            &mut bench.node,
            key,
            command,
            args.as_args(),
            5000,
            None,
        );
    }
    assert_eq!(
        bench.run("LATENCY LATEST"),
        "*2 *4 $7 command :1700000000 :5 :5 *4 $12 fast-command :1700000000 :5 :5"
    );
}

#[test]
fn histograms_are_cumulative_and_by_name() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1");
    bench.run("CLIENT ID");
    bench.run("CLIENT ID");
    bench.run("CLIENT GETNAME");
    assert_eq!(
        bench.run("LATENCY HISTOGRAM nonsense SET client|id a|b|c"),
        "*4 $3 set *4 $5 calls :1 $14 histogram_usec *2 :1 :1 \
         $9 client|id *4 $5 calls :2 $14 histogram_usec *2 :1 :2"
    );
    assert!(bench.run("LATENCY HISTOGRAM client").starts_with("*4 "));
    assert!(bench.run("LATENCY HISTOGRAM").starts_with("*8 "));
    bench.run("CONFIG RESETSTAT");
    assert_eq!(
        bench.run("LATENCY HISTOGRAM"),
        "*2 $16 config|resetstat *4 $5 calls :1 $14 histogram_usec *2 :1 :1"
    );
    bench.run("HELLO 3");
    assert_eq!(
        bench.run("LATENCY HISTOGRAM hello"),
        "%1 $5 hello %2 $5 calls :1 $14 histogram_usec %1 :1 :1"
    );
}
