//! The old primary is killed at every step and restarted; both are.

use crate::common::proxy::Way;
use crate::load::Load;
use crate::pair::{Pair, STEPS, Step};
use crate::{refuses_writes, state, wait_over, wait_role};

#[test]
fn killed_before_the_acknowledgement() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    pair.one.kill();
    let ended = load.end();
    refuses_writes(&pair.two);
    pair.before_one.cut();
    // An offer may have left, as far as its disk knows: it asks before it accepts a write.
    pair.before_two.cut_for_good();
    pair.one.restart();
    pair.wait_unknown();
    pair.before_two.let_pass();
    pair.settled(&pair.one, &ended);
}

#[test]
fn killed_with_the_offer_lost() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.one.kill();
    let ended = load.end();
    pair.before_two.cut();
    refuses_writes(&pair.two);
    pair.one.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn killed_with_the_offer_arriving_before_it_is_back() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.one.kill();
    let ended = load.end();
    pair.before_two.let_pass();
    // Nobody else may have accepted anything: the offer is as good as ever.
    wait_role(&pair.two, "master");
    pair.one.restart();
    pair.settled(&pair.two, &ended);
}

#[test]
fn killed_with_the_offer_arriving_after_it_is_back() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.one.kill();
    let ended = load.end();
    pair.before_two.let_later_ones_pass();
    pair.one.restart();
    wait_over(&pair.one);
    pair.one.connect().ok("SET after-the-cancel 1");
    // Now the offer comes: its token is cancelled, and stays so.
    pair.before_two.let_pass();
    pair.settled(&pair.one, &ended);
    pair.two.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn killed_before_the_answer() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.one.kill();
    let ended = load.end();
    let ours = Load::start(&pair.two, "v");
    pair.one.restart();
    pair.wait_unknown();
    pair.before_two.let_pass();
    wait_role(&pair.one, "slave");
    let theirs = ours.end();
    pair.settled(&pair.two, &ended);
    theirs.check(&pair.one);
}

#[test]
fn killed_again_and_again_while_it_asks() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    for _ in 0..3 {
        pair.one.kill();
        pair.one.restart();
        pair.wait_unknown();
    }
    pair.before_two.let_pass();
    pair.settled(&pair.two, &load.end());
}

#[test]
fn stopped_in_order_while_it_asks() {
    let mut pair = Pair::with(|| crate::common::Setup::new().arg("--shutdown-timeout", "1"));
    pair.one.expect_log("shutdown");
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.wait_unknown();
    assert!(pair.one.stop().success());
    let ended = load.end();
    pair.one.restart();
    pair.wait_unknown();
    pair.before_two.let_pass();
    pair.settled(&pair.two, &ended);
}

#[test]
fn killed_right_after_the_switch() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.begin();
    wait_role(&pair.two, "master");
    pair.one.kill();
    let ended = load.end();
    pair.one.restart();
    pair.settled(&pair.two, &ended);
}

#[test]
fn both_killed_at_every_step() {
    for step in STEPS {
        for one_first in [true, false] {
            let mut pair = Pair::start();
            let load = Load::start(&pair.one, "w");
            pair.stop_at(step);
            pair.one.kill();
            pair.two.kill();
            let ended = load.end();
            pair.before_one.cut();
            pair.before_two.cut();
            if one_first {
                pair.one.restart();
                pair.wait_unknown();
                pair.two.restart();
            } else {
                pair.two.restart();
                if step != Step::Answer {
                    refuses_writes(&pair.two);
                }
                pair.one.restart();
            }
            let primary = match step {
                Step::Acknowledgement | Step::Offer => &pair.one,
                Step::Answer => &pair.two,
            };
            pair.settled(primary, &ended);
        }
    }
}

/// The target alone is left, and the operator makes it the primary: what it was asked to acknowledge it has.
#[test]
fn killed_for_ever_and_the_operator_promotes_the_target() {
    for step in STEPS {
        let mut pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        pair.stop_at(step);
        pair.one.kill();
        let ended = load.end();
        pair.two.connect().ok("REPLICAOF NO ONE");
        wait_role(&pair.two, "master");
        pair.two.connect().ok("SET alone 1");
        ended.check(&pair.two);
        // The old primary comes back late, and asks: the token was not taken. Its own word is none, the operator's is.
        pair.before_one.let_pass();
        pair.before_two.stall(Way::ToClient);
        pair.one.restart();
        pair.wait_unknown();
        assert_eq!(pair.follow_two(), crate::common::Value::ok(), "{step:?}");
        assert_eq!(state(&pair.one), "no-failover");
        pair.before_two.let_pass();
        pair.settled(&pair.two, &ended);
    }
}
