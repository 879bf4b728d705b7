//! Commands while a failover runs: ABORT, another FAILOVER, REPLICAOF, at every step and on both nodes.

use std::time::{Duration, Instant};

use crate::common::{Server, Value, wait_until};
use crate::load::Load;
use crate::pair::{Pair, STEPS, Step, wait_aligned};
use crate::{refuses_writes, state, wait_over, wait_role};

const IN_PROGRESS: &str = "ERR FAILOVER already in progress.";
const MAY_HAVE: &str = "ERR target may have taken over; REPLICAOF NO ONE forces";
const NOT_NOW: &str = "ERR REPLICAOF not allowed while failing over.";

#[test]
fn abort_before_the_acknowledgement() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    pair.one.connect().ok("FAILOVER ABORT");
    assert_eq!(state(&pair.one), "no-failover");
    assert_eq!(
        pair.one.info("last_failover_result"),
        "aborted: aborted by command"
    );
    load.wait_for_writes(20);
    pair.before_one.let_pass();
    pair.settled(&pair.one, &load.end());
    // Once more, and this time to the end.
    let load = Load::start(&pair.one, "v");
    pair.begin();
    pair.settled(&pair.two, &load.end());
}

#[test]
fn abort_with_the_offer_on_its_way_waits_for_the_targets_word() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    let refused = pair.one.connect().call("FAILOVER ABORT");
    assert_eq!(refused, Value::error(MAY_HAVE));
    pair.nobody_accepts_writes();
    // The target hears of it, before the offer: it says so, and writes go on.
    let mut conn = pair.one.connect();
    let began = Instant::now();
    conn.send_line("FAILOVER ABORT");
    pair.before_two.let_later_ones_pass();
    pair.before_two.cut();
    let reply = conn.read();
    let is_late = began.elapsed() >= Duration::from_millis(900);
    let known = [
        Value::ok(),
        Value::error("ERR No failover in progress."),
        Value::error(MAY_HAVE),
    ];
    assert!(
        known[..2 + usize::from(is_late)].contains(&reply),
        "{reply:?}"
    );
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn abort_when_the_target_has_taken_over_changes_nothing() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    let refused = pair.one.connect().call("FAILOVER ABORT");
    assert_eq!(refused, Value::error(MAY_HAVE));
    pair.holds_writes();
    pair.two.connect().ok("SET theirs 1");
    pair.before_two.let_pass();
    pair.settled(&pair.two, &load.end());
    let refused = pair.one.connect().call("FAILOVER ABORT");
    assert_eq!(refused, Value::error("ERR No failover in progress."));
}

#[test]
fn many_wait_for_one_abort() {
    let pair = Pair::start();
    pair.stop_at(Step::Answer);
    let mut conns: Vec<_> = (0..20).map(|_| pair.one.connect()).collect();
    for conn in &mut conns {
        conn.send_line("FAILOVER ABORT");
    }
    // Those beyond the bound at once, the others when they have waited.
    for conn in &mut conns {
        assert_eq!(conn.read(), Value::error(MAY_HAVE));
    }
    // One that leaves while it waits harms nobody.
    let mut leaves = pair.one.connect();
    leaves.send_line("FAILOVER ABORT");
    drop(leaves);
    pair.before_two.let_pass();
    wait_over(&pair.one);
    wait_role(&pair.one, "slave");
}

#[test]
fn a_second_failover_is_refused_at_every_step() {
    for step in STEPS {
        let pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        pair.stop_at(step);
        for line in [
            "FAILOVER",
            "FAILOVER TIMEOUT 5",
            &pair.command(""),
            &pair.command("FORCE TIMEOUT 1"),
        ] {
            let reply = pair.one.connect().call(line);
            assert_eq!(reply, Value::error(IN_PROGRESS), "{step:?}: {line}");
        }
        // On the target.
        let reply = pair.two.connect().call("FAILOVER");
        assert!(reply.is_error(), "{step:?}: {reply:?}");
        pair.before_one.let_pass();
        pair.before_two.let_pass();
        wait_over(&pair.one);
        pair.settled_somehow(&load.end());
    }
}

/// ecosystem.md 1.8, line 22: two requests for one primary disturbed each other (valkey 3996).
#[test]
fn two_failovers_at_once_disturbed_each_other() {
    for _ in 0..5 {
        let pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        let (mut first, mut second) = (pair.one.connect(), pair.one.connect());
        let line = pair.command("");
        first.send_line(&line);
        second.send_line(&line);
        let mut replies = [first.read(), second.read()];
        replies.sort_by_key(Value::is_error);
        assert_eq!(replies[0], Value::ok());
        let late = [
            IN_PROGRESS,
            "ERR FAILOVER is not valid when server is a replica.",
        ]
        .map(Value::error);
        assert!(late.contains(&replies[1]), "{:?}", replies[1]);
        pair.settled(&pair.two, &load.end());
    }
}

#[test]
fn there_and_back_again() {
    let pair = Pair::start();
    for round in 0..10 {
        let (from, to, port) = match round % 2 {
            0 => (&pair.one, &pair.two, pair.before_two.port()),
            _ => (&pair.two, &pair.one, pair.before_one.port()),
        };
        let load = Load::start(from, &format!("w{round}"));
        from.connect().ok(&format!("FAILOVER TO 127.0.0.1 {port}"));
        pair.settled(to, &load.end());
    }
}

#[test]
fn replicaof_on_the_old_primary_is_refused_until_an_offer_has_left() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    for line in [
        "REPLICAOF NO ONE",
        "REPLICAOF 127.0.0.1 1",
        "SLAVEOF no one",
    ] {
        assert_eq!(
            pair.one.connect().call(line),
            Value::error(NOT_NOW),
            "{line}"
        );
    }
    assert_eq!(pair.follow_two(), Value::error(NOT_NOW));
    pair.before_one.let_pass();
    pair.settled(&pair.two, &load.end());
}

#[test]
fn replicaof_of_another_node_is_refused_while_the_answer_is_awaited() {
    for step in [Step::Offer, Step::Answer] {
        let pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        pair.stop_at(step);
        // For a second the answer is awaited; then nobody knows, and the operator's word counts.
        let reply = pair.follow_two();
        assert!(
            [Value::error(NOT_NOW), Value::ok()].contains(&reply),
            "{reply:?}"
        );
        if reply.is_error() {
            pair.wait_unknown();
            assert_eq!(pair.follow_two(), Value::ok());
        }
        assert_eq!(state(&pair.one), "no-failover");
        refuses_writes(&pair.one);
        // By his word it follows the target, which is its replica, or has taken over: then it must be made one.
        pair.before_two.let_pass();
        if step == Step::Offer {
            // The late offer may be on its way into the target's hands at this moment.
            let mut conn = pair.two.connect();
            wait_until("the target takes the operator's word", || {
                conn.call("REPLICAOF NO ONE") == Value::ok()
            });
        }
        pair.settled(&pair.two, &load.end());
    }
}

#[test]
fn the_operator_takes_the_offer_back() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.nobody_accepts_writes();
    pair.one.connect().ok("REPLICAOF NO ONE");
    load.wait_for_writes(20);
    // The offer is lost, with the proxy: as if the target had been cut off for good.
    pair.before_two.cut();
    pair.settled(&pair.one, &load.end());
}

#[test]
fn the_operator_takes_the_offer_back_and_it_arrives_all_the_same() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.one.connect().ok("REPLICAOF NO ONE");
    load.wait_for_writes(20);
    let ended = load.end();
    // The target has followed further than what it is offered, under another id: it refuses.
    wait_aligned(&pair.two, &pair.one);
    pair.before_two.let_pass();
    pair.settled(&pair.one, &ended);
    pair.one.connect().ok("SET still 1");
    pair.settled(&pair.one, &ended);
}

#[test]
fn the_operator_makes_two_primaries_and_then_one_of_them() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    // By force, against the warning.
    pair.one.connect().ok("REPLICAOF NO ONE");
    let ended = load.end();
    ended.check(&pair.one);
    assert_eq!(pair.two.info("role"), "master");
    pair.two.connect().ok("SET theirs 1");
    pair.one.connect().ok("SET ours 1");
    pair.before_two.let_pass();
    // One word, and the histories that have parted are one again: the other one's writes are given up.
    // (How many they are is not known where both have begun a history of their own.)
    pair.two.expect_log("copying all data");
    pair.lead(&pair.two);
    assert!(pair.two.connect().call("GET theirs").is_null());
    assert_eq!(pair.two.connect().call("GET ours").text(), "1");
    ended.check(&pair.two);
}

#[test]
fn replicaof_on_the_target_ends_the_switch() {
    // Before its acknowledgement: its link goes, and with it the switch.
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    pair.two.connect().ok("REPLICAOF NO ONE");
    pair.before_one.let_pass();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.lead(&pair.two);
    // With the offer on its way: it is refused, since it is another's replica.
    pair.stop_at(Step::Offer);
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let nowhere = silent.local_addr().expect("an address").port();
    pair.two
        .connect()
        .ok(&format!("REPLICAOF 127.0.0.1 {nowhere}"));
    pair.before_two.let_pass();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.lead(&pair.two);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn replicaof_no_one_on_the_target_when_the_offer_comes_makes_two_primaries_by_the_operators_word() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.two.connect().ok("REPLICAOF NO ONE");
    pair.before_two.let_pass();
    wait_over(&pair.one);
    is_primary(&pair.one);
    load.wait_for_writes(20);
    let ended = load.end();
    pair.lead(&pair.two);
    pair.settled(&pair.one, &ended);
}

fn is_primary(server: &Server) {
    assert_eq!(server.info("role"), "master");
    server.connect().ok("SET primary 1");
}

/// A transaction cannot wait for the end of a failover: what would have to is refused in it, and changes nothing.
#[test]
fn inside_a_transaction() {
    fn exec(server: &Server, line: &str) -> Value {
        let mut conn = server.connect();
        conn.ok("MULTI");
        assert_eq!(conn.call(line), Value::simple("QUEUED"));
        conn.call("EXEC").items()[0].clone()
    }
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    let idle = exec(&pair.one, "FAILOVER ABORT");
    assert_eq!(idle, Value::error("ERR No failover in progress."));
    let token = format!("{}-1", pair.one.info("run_id"));
    let cancel = format!("REPLCONF TAKEOVER CANCEL {token}");
    let refused = Value::error("ERR Command not allowed inside a transaction");
    assert_eq!(exec(&pair.two, &cancel), refused);
    let ask = format!("REPLCONF TAKEOVER STATE {token}");
    assert_eq!(exec(&pair.two, &ask), Value::simple("UNSEEN"));
    // Begun and aborted.
    pair.before_one.stall(crate::common::proxy::Way::ToServer);
    pair.one.connect().ok("SET last 1");
    assert_eq!(exec(&pair.one, &pair.command("")), Value::ok());
    crate::wait_waits_for(&pair.one, "to acknowledge");
    assert_eq!(exec(&pair.one, "REPLICAOF NO ONE"), Value::error(NOT_NOW));
    assert_eq!(exec(&pair.one, "FAILOVER ABORT"), Value::ok());
    assert_eq!(state(&pair.one), "no-failover");
    load.wait_for_writes(20);
    pair.before_one.let_pass();
    // Begun, and past the point of return.
    pair.before_two
        .stall_at(crate::common::proxy::Way::ToClient, "+TAKEN");
    assert_eq!(exec(&pair.one, &pair.command("")), Value::ok());
    wait_role(&pair.two, "master");
    assert_eq!(exec(&pair.one, "FAILOVER ABORT"), Value::error(MAY_HAVE));
    assert_eq!(exec(&pair.one, "REPLICAOF NO ONE"), Value::error(NOT_NOW));
    pair.before_two.let_pass();
    pair.settled(&pair.two, &load.end());
}
