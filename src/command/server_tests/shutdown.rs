//! SHUTDOWN: its errors, who waits for it, and who is told when it is called off.

use crate::command::node_bench::NodeBench;
use crate::node::Request;
use crate::pause::Purpose;

fn leaves(bench: &NodeBench) -> bool {
    let requests = &bench.node.requests;
    requests
        .iter()
        .any(|request| matches!(request, Request::Exit(0)))
}

#[test]
fn wrong_options_are_refused_and_nothing_stops() {
    let mut bench = NodeBench::new();
    for line in [
        "SHUTDOWN nonsense",
        "SHUTDOWN SAVE NOSAVE",
        "SHUTDOWN ABORT NOW",
        "SHUTDOWN now abort",
    ] {
        assert_eq!(bench.run(line), "-ERR syntax error", "{line}");
    }
    assert_eq!(bench.run("SHUTDOWN ABORT"), "-ERR No shutdown in progress.");
    bench.run("MULTI");
    assert_eq!(
        bench.run("SHUTDOWN"),
        "-ERR Command not allowed inside a transaction"
    );
    assert!(bench.node.shutdown.is_none() && !leaves(&bench));
}

#[test]
fn who_asks_for_it_waits_and_runs_nothing_more() {
    for line in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE NOW FORCE"] {
        let mut bench = NodeBench::new();
        assert_eq!(bench.run(line), "", "{line}");
        assert!(leaves(&bench) && bench.node.pause.is_paused_by(Purpose::Shutdown));
        let key = bench.key(0);
        let client = bench.node.clients.get(key).expect("the client");
        assert!(!client.is_reading());
    }
}

#[test]
fn all_who_asked_are_told_when_it_is_called_off() {
    let mut bench = NodeBench::new();
    let other = bench.connect();
    let writer = bench.connect();
    bench.run("SHUTDOWN");
    let deadline = bench.node.shutdown.as_ref().expect("under way").deadline();
    bench.advance_ms(1000);
    bench.run_as(other, "SHUTDOWN");
    assert_eq!(
        bench.node.shutdown.as_ref().expect("under way").deadline(),
        deadline
    );
    assert_eq!(bench.run_as(writer, "SET a 1"), "");
    let operator = bench.connect();
    assert_eq!(bench.run_as(operator, "SHUTDOWN ABORT"), "+OK");
    let told = "-ERR Errors trying to SHUTDOWN. Check logs.";
    assert_eq!(bench.received(0), told);
    assert_eq!(bench.received(other), told);
    bench.work();
    assert_eq!(bench.received(writer), "+OK");
    assert!(!leaves(&bench) && !bench.node.pause.is_active());
    assert_eq!(bench.run("PING"), "+PONG");
}

#[test]
fn now_shortens_a_shutdown_under_way() {
    let mut bench = NodeBench::new();
    let other = bench.connect();
    bench.run("SHUTDOWN");
    bench.run_as(other, "SHUTDOWN NOW");
    let deadline = bench.node.shutdown.as_ref().expect("under way").deadline();
    assert_eq!(deadline, bench.now());
}
