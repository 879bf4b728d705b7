//! The offset that ROLE and INFO show, between a write and its commit.

use super::info::field;
use crate::command::node_bench::NodeBench;

/// What ROLE shows, once `number` has received it.
fn role(bench: &mut NodeBench, number: usize) -> u64 {
    let reply = bench.received(number);
    let (_, rest) = reply.rsplit_once("master :").expect("a role");
    let digits = rest.split(' ').next().unwrap_or_default();
    digits.parse().expect("an offset")
}

#[test]
fn an_offset_holds_every_write_executed_before_it_and_waits_for_their_commit() {
    let mut bench = NodeBench::new();
    let reader = bench.connect();
    bench.send(reader, "role");
    assert_eq!(role(&mut bench, reader), bench.node.last_seq.get());
    bench.send(0, "set k v");
    bench.send(0, "hset h a 1 b 2");
    bench.send(0, "set k w");
    bench.send(reader, "role");
    assert_eq!(bench.received(reader), "", "nothing is committed");
    bench.work();
    let shown = role(&mut bench, reader);
    assert_eq!(shown, bench.node.last_seq.get());
    bench.send(0, "del h");
    bench.send(reader, "info replication");
    bench.send(0, "set k x");
    bench.work();
    let reply = bench.received(reader);
    let offset: u64 = field(&reply, "master_repl_offset")
        .and_then(|text| text.parse().ok())
        .expect("an offset");
    assert!(shown < offset && offset < bench.node.last_seq.get());
    assert_eq!(
        field(&reply, "sequence"),
        field(&reply, "master_repl_offset")
    );
}

#[test]
fn a_commit_that_is_held_up_holds_back_only_who_waits_for_it() {
    let mut bench = NodeBench::new();
    let monitor = bench.connect();
    bench.run("set k v");
    let committed = bench.node.last_seq.get();
    bench.node.is_commit_held_up = true;
    bench.send(0, "set k w");
    bench.send(0, "role");
    bench.send(monitor, "role");
    assert_eq!(role(&mut bench, monitor), committed, "at once");
    assert_eq!(bench.received(0), "");
    bench.work();
    assert_eq!(role(&mut bench, 0), bench.node.last_seq.get());
    assert!(bench.node.last_seq.get() > committed);
}
