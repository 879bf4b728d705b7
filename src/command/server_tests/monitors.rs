//! MONITOR: what is shown, when, and what is not.

use crate::command::node_bench::NodeBench;

fn with_monitor() -> (NodeBench, usize) {
    let mut bench = NodeBench::new();
    let monitor = bench.connect();
    assert_eq!(bench.run_as(monitor, "MONITOR"), "+OK");
    (bench, monitor)
}

/// What the monitor was shown: database and command of each line.
fn shown(bench: &mut NodeBench, monitor: usize) -> Vec<String> {
    bench
        .received(monitor)
        .split('+')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (head, rest) = line.split_once(']').expect("a line");
            let db = head.split_once('[').expect("a line").1;
            let db = db.split_once(' ').expect("a line").0;
            format!("{db}{}", rest.trim_end().replace('"', ""))
        })
        .collect()
}

#[test]
fn commands_are_shown_after_they_were_executed() {
    let (mut bench, monitor) = with_monitor();
    for line in [
        "SELECT 5",
        "MULTI",
        "SET a b",
        "SELECT 2",
        "GET a",
        "EXEC",
        "LPUSH l 1",
        "GET l",
        "GET",
        "NONSENSE",
        "CONFIG GET port",
        "AUTH default hush",
    ] {
        bench.run(line);
    }
    assert_eq!(
        shown(&mut bench, monitor),
        [
            "5 SELECT 5",
            "5 MULTI",
            "5 SET a b",
            "2 SELECT 2",
            "2 GET a",
            "2 EXEC",
            "2 LPUSH l 1",
            "2 GET l",
            "2 AUTH (redacted) (redacted)",
        ]
    );
}

#[test]
fn a_command_that_waits_is_shown_once() {
    let (mut bench, monitor) = with_monitor();
    let other = bench.connect();
    bench.run_as(other, "BLPOP list 5");
    assert_eq!(shown(&mut bench, monitor), ["0 BLPOP list 5"]);
    bench.run("RPUSH list x");
    assert_eq!(bench.received(other), "*2 $4 list $1 x");
    assert_eq!(shown(&mut bench, monitor), ["0 RPUSH list x"]);
    bench.run("INFO keyspace");
    assert_eq!(shown(&mut bench, monitor), ["0 INFO keyspace"]);
}

#[test]
fn what_a_pause_holds_back_is_shown_when_it_runs() {
    let (mut bench, monitor) = with_monitor();
    bench.run("CLIENT PAUSE 5000 WRITE");
    let other = bench.connect();
    bench.run_as(other, "SET a 1");
    assert_eq!(shown(&mut bench, monitor), [""; 0]);
    bench.run("CLIENT UNPAUSE");
    bench.work();
    assert_eq!(shown(&mut bench, monitor), ["0 SET a 1"]);
}

#[test]
fn what_is_shown_waits_for_the_commit_of_what_it_shows() {
    let (mut bench, monitor) = with_monitor();
    bench.send(0, "SET a 1");
    assert_eq!(bench.received(monitor), "");
    bench.work();
    assert_eq!(shown(&mut bench, monitor), ["0 SET a 1"]);
}
