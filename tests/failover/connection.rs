//! The first step of a switch, at which nothing has been acknowledged or offered: the connection to the target is open and the
//! target does not answer on it, or the command has only just come.

use crate::common::Value;
use crate::common::proxy::Way;
use crate::load::Load;
use crate::pair::Pair;
use crate::wait_over;

/// Begins a switch whose connection gets no answer. Writes stop after a tenth of a second; after a second it is given up, if nothing
/// else happens.
fn unanswered(pair: &Pair) {
    pair.before_two.stall(Way::ToClient);
    pair.begin();
}

#[test]
fn no_answer_ends_it_and_writes_go_on() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    unanswered(&pair);
    wait_over(&pair.one);
    assert_eq!(
        pair.one.info("last_failover_result"),
        "aborted: the target cannot be reached: no connection in time"
    );
    load.wait_for_writes(20);
    pair.before_two.let_pass();
    pair.settled(&pair.one, &load.end());
}

#[test]
fn aborted() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    unanswered(&pair);
    let reply = pair.one.connect().call("FAILOVER ABORT");
    // On a busy machine its second may be over.
    let known = [Value::ok(), Value::error("ERR No failover in progress.")];
    assert!(known.contains(&reply), "{reply:?}");
    load.wait_for_writes(20);
    pair.before_two.let_pass();
    pair.settled(&pair.one, &load.end());
}

#[test]
fn cut() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    unanswered(&pair);
    pair.before_two.cut();
    pair.before_one.cut();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn target_killed() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    unanswered(&pair);
    pair.two.kill();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    let ended = load.end();
    pair.before_two.let_pass();
    pair.two.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn primary_killed() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    unanswered(&pair);
    pair.one.kill();
    let ended = load.end();
    pair.one.restart();
    // As far as its disk knows an offer may have left (unless it was given up in time).
    pair.before_two.let_pass();
    pair.settled(&pair.one, &ended);
}

#[test]
fn replicaof_is_refused() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    unanswered(&pair);
    // A busy machine may have given the switch up: then this is the primary's own no to a second word.
    let reply = pair.one.connect().call("REPLICAOF NO ONE");
    let known = [
        Value::error("ERR REPLICAOF not allowed while failing over."),
        Value::ok(),
    ];
    assert!(known.contains(&reply), "{reply:?}");
    pair.before_two.let_pass();
    wait_over(&pair.one);
    pair.settled_somehow(&load.end());
}

/// Killed at whatever point the switch has come to when the command has only just been sent: the one, the other, both.
#[test]
fn killed_right_behind_the_command() {
    for round in 0..9 {
        let mut pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        let mut conn = pair.one.connect();
        conn.send_line(&pair.command(""));
        // Some turns of the loop later, in some of the rounds.
        for _ in 0..round / 3 {
            pair.two.connect().call("PING");
        }
        match round % 3 {
            0 => pair.one.kill(),
            1 => pair.two.kill(),
            _ => {
                pair.one.kill();
                pair.two.kill();
            }
        }
        // Either side is back, and everything that was promised is there; who is the primary both know.
        if round % 3 != 1 {
            pair.one.restart();
        }
        if round % 3 != 0 {
            pair.two.restart();
        }
        wait_over(&pair.one);
        pair.settled_somehow(&load.end());
    }
}
