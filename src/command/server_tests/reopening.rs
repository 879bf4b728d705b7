//! Commands while the database is closed to be opened again.

use crate::client::waiting::Reason;
use crate::command::dispatch;
use crate::command::node_bench::NodeBench;

#[test]
fn watch_waits_for_the_database_and_exec_looks_at_its_keys_only_then() {
    let mut bench = NodeBench::new();
    bench.run("SET key 1");
    bench.node.is_reopening = true;
    bench.send(0, "WATCH key");
    assert_eq!(bench.received(0), "");
    assert_eq!(bench.node.waiting.count(Reason::Stalled), 1);
    bench.node.is_reopening = false;
    let key = bench.key(0);
    dispatch::resume(&mut bench.node, key);
    assert_eq!(bench.received(0), "+OK");
    // A transaction that touches no data looks at what is watched all the same.
    bench.run("MULTI");
    bench.run("PING");
    bench.node.is_reopening = true;
    bench.send(0, "EXEC");
    assert_eq!(bench.received(0), "");
    bench.node.is_reopening = false;
    dispatch::resume(&mut bench.node, key);
    assert_eq!(bench.received(0), "*1 +PONG");
    // Without a watched key it does not wait.
    bench.run("MULTI");
    bench.run("PING");
    bench.node.is_reopening = true;
    assert_eq!(bench.run("EXEC"), "*1 +PONG");
}
