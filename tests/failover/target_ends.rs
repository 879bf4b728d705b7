//! The target is killed at every step, and comes back or does not.

use crate::common::Value;
use crate::load::Load;
use crate::pair::{Pair, Step, wait_aligned};
use crate::{state, wait_over, wait_role};

#[test]
fn killed_before_its_acknowledgement() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    pair.nobody_accepts_writes();
    pair.two.kill();
    pair.before_one.cut();
    wait_over(&pair.one);
    let result = pair.one.info("last_failover_result");
    assert!(result.starts_with("aborted: "), "{result}");
    // Those who were parked go on.
    load.wait_for_writes(20);
    let ended = load.end();
    pair.two.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn killed_before_the_offer_came_and_restarted() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.nobody_accepts_writes();
    pair.two.kill();
    pair.wait_unknown();
    pair.two.restart();
    // The offer that was on its way is lost with its connection; the question that follows is answered.
    pair.before_two.let_pass();
    pair.settled_after_a_cancelled_offer(load);
}

#[test]
fn killed_before_the_offer_came_and_given_up() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.two.kill();
    pair.before_two.let_pass();
    pair.wait_unknown();
    // One command ends it.
    pair.one.connect().ok("REPLICAOF NO ONE");
    load.wait_for_writes(20);
    assert_eq!(state(&pair.one), "no-failover");
    assert_eq!(pair.one.info("last_failover_result"), "left-to-operator");
    let ended = load.end();
    // It comes back as what it was.
    pair.two.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn stopped_with_the_offer_unread_and_killed() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.two.signal("STOP");
    pair.before_two.let_pass();
    pair.wait_unknown();
    pair.two.kill();
    pair.two.restart();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn stopped_with_the_offer_unread_and_continued() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.two.signal("STOP");
    pair.before_two.let_pass();
    pair.wait_unknown();
    pair.two.signal("CONT");
    // It reads the offer and the questions behind it in whatever order: either is right, and both nodes know which.
    wait_over(&pair.one);
    pair.settled_somehow(&load.end());
}

#[test]
fn killed_after_it_has_taken_over_and_restarted() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.holds_writes();
    pair.two.kill();
    pair.before_two.cut();
    pair.wait_unknown();
    pair.two.restart();
    // That it is the primary was on its disk before it answered.
    wait_role(&pair.two, "master");
    pair.settled(&pair.two, &load.end());
    assert_eq!(pair.one.info("last_failover_result"), "taken-over");
}

#[test]
fn killed_after_it_has_taken_over_and_given_up() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.two.kill();
    pair.before_two.cut();
    pair.wait_unknown();
    pair.one.connect().ok("REPLICAOF NO ONE");
    load.wait_for_writes(20);
    let ended = load.end();
    // It comes back as a primary that nobody has written to: by the operator's word there are two, and another word ends it.
    pair.two.restart();
    assert_eq!(pair.two.info("role"), "master");
    pair.lead(&pair.two);
    pair.settled(&pair.one, &ended);
}

#[test]
fn killed_right_after_the_switch_with_writes_of_its_own() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.begin();
    wait_role(&pair.two, "master");
    let ours = Load::start(&pair.two, "v");
    pair.two.kill();
    let theirs = ours.end();
    pair.two.restart();
    let ended = load.end();
    pair.settled(&pair.two, &ended);
    theirs.check(&pair.two);
    theirs.check(&pair.one);
}

/// Another replica goes on without a copy, wherever the switch ends.
#[test]
fn a_sibling_goes_on_when_the_target_is_killed_at_every_step() {
    for step in crate::pair::STEPS {
        let mut pair = Pair::start();
        let third = crate::common::nodes::start(crate::common::Setup::new());
        pair.lead(&third);
        let load = Load::start(&pair.one, "w");
        // The sibling's acknowledgements are held back as well.
        pair.stop_at(step);
        pair.two.kill();
        pair.before_one.cut();
        pair.before_two.cut();
        pair.two.restart();
        wait_over(&pair.one);
        let ended = load.end();
        let primary = pair.settled_somehow(&ended);
        assert_eq!(primary.port() == pair.two.port(), step == Step::Answer);
        // Below the old primary or beside it.
        wait_aligned(&third, primary);
        ended.check(&third);
        let reply = third.connect().call("SET k v");
        assert_eq!(reply, Value::error(crate::READONLY));
        for node in [&pair.one, &pair.two, &third] {
            assert_eq!(node.info("sync_full"), "0", "{step:?}");
        }
    }
}

/// Without TO, the one that holds everything is as good as the one that was chosen first.
#[test]
fn without_a_name_another_replica_takes_over_when_the_first_is_slow_or_killed() {
    for is_killed in [false, true] {
        let mut pair = Pair::start();
        let third = crate::common::nodes::start(crate::common::Setup::new());
        let port = third.port();
        // Its acknowledgements come by another way.
        crate::common::nodes::attach(&third, &pair.one);
        if is_killed {
            third.signal("STOP");
            // So that the other one is ahead, and chosen.
            let mut conn = pair.one.connect();
            conn.ok("SET ahead 1");
            assert_eq!(conn.call("WAIT 1 0"), Value::Int(1));
        }
        let load = Load::start(&pair.one, "w");
        pair.before_one.stall(crate::common::proxy::Way::ToServer);
        pair.one.connect().ok("SET last 1");
        pair.one.connect().ok("FAILOVER");
        if is_killed {
            crate::wait_waits_for(&pair.one, "to acknowledge");
            pair.two.kill();
            third.signal("CONT");
            pair.before_one.cut();
        }
        wait_over(&pair.one);
        assert_eq!(pair.one.info("last_failover_result"), "taken-over");
        assert_eq!(
            pair.one.info("last_failover_target"),
            format!("127.0.0.1:{port}")
        );
        wait_role(&third, "master");
        let ended = load.end();
        wait_aligned(&pair.one, &third);
        ended.check(&third);
        ended.check(&pair.one);
        // The first choice goes on below the old primary.
        if is_killed {
            pair.two.restart();
        } else {
            pair.before_one.let_pass();
        }
        wait_aligned(&pair.two, &third);
        ended.check(&pair.two);
        for node in [&pair.one, &pair.two, &third] {
            assert_eq!(node.info("sync_full"), "0");
        }
    }
}
