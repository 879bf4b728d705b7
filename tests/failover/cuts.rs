//! The link is cut, or stalled in one direction, at every step.

use crate::common::Value;
use crate::common::proxy::Way;
use crate::load::Load;
use crate::pair::{Pair, Step};
use crate::{READONLY, refuses_writes, state, wait_over, wait_role};

#[test]
fn the_replication_link_is_cut_before_the_acknowledgement() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    pair.before_one.cut();
    wait_over(&pair.one);
    let result = pair.one.info("last_failover_result");
    assert_eq!(result, "aborted: the target's replication link has ended");
    load.wait_for_writes(20);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn the_connection_for_the_offer_is_cut_before_the_acknowledgement() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    pair.before_two.cut();
    // With TO and without FORCE no other try is made.
    pair.before_one.let_pass();
    wait_over(&pair.one);
    pair.settled_somehow(&load.end());
}

#[test]
fn no_connection_for_the_offer_can_be_made() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.before_two.lead_to(1);
    pair.before_two.cut();
    let reply = pair.one.connect().call(&pair.command(""));
    // It is over before writes were paused, or right after.
    assert!(
        reply == Value::ok() || reply.text().starts_with("ERR FAILOVER aborted: "),
        "{reply:?}"
    );
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.before_two.lead_to(pair.two.port());
    pair.settled(&pair.one, &load.end());
}

#[test]
fn the_offer_is_lost_with_its_connection() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.before_two.cut();
    pair.settled_after_a_cancelled_offer(load);
}

#[test]
fn the_offer_is_lost_and_no_other_connection_is_made() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.before_two.cut_for_good();
    pair.wait_unknown();
    pair.nobody_accepts_writes();
    pair.before_two.let_pass();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn the_offer_arrives_late_together_with_the_questions_behind_it() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.wait_unknown();
    pair.before_two.let_pass();
    // Whichever comes first.
    wait_over(&pair.one);
    pair.settled_somehow(&load.end());
}

#[test]
fn the_offer_arrives_when_the_old_primary_has_gone_on() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.wait_unknown();
    pair.before_two.let_later_ones_pass();
    wait_over(&pair.one);
    load.wait_for_writes(20);
    pair.before_two.let_pass();
    load.wait_for_writes(20);
    pair.settled(&pair.one, &load.end());
}

#[test]
fn the_replication_link_is_cut_when_the_offer_is_on_its_way() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    pair.before_one.cut_for_good();
    pair.before_two.let_pass();
    // It holds everything, and needs no link for this.
    wait_over(&pair.one);
    pair.before_one.let_pass();
    pair.settled_somehow(&load.end());
}

#[test]
fn the_answer_is_lost_with_its_connection() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.before_two.cut();
    // Asked again, it says so again.
    wait_over(&pair.one);
    assert_eq!(pair.one.info("last_failover_result"), "taken-over");
    pair.settled(&pair.two, &load.end());
}

#[test]
fn the_answer_is_lost_and_no_other_connection_is_made() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.before_two.cut_for_good();
    pair.wait_unknown();
    // One accepts writes: the target.
    let ours = Load::start(&pair.two, "v");
    pair.holds_writes();
    pair.before_two.let_pass();
    wait_role(&pair.one, "slave");
    let theirs = ours.end();
    pair.settled(&pair.two, &load.end());
    theirs.check(&pair.one);
}

#[test]
fn the_answer_is_lost_and_the_operator_says_who_is_the_primary() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.before_two.cut_for_good();
    pair.wait_unknown();
    let mut parked = pair.one.connect();
    parked.send_line("SET parked 1");
    assert_eq!(pair.follow_two(), Value::ok());
    assert_eq!(parked.read(), Value::error(READONLY));
    assert_eq!(state(&pair.one), "no-failover");
    refuses_writes(&pair.one);
    pair.before_two.let_pass();
    pair.settled(&pair.two, &load.end());
}

#[test]
fn the_answer_is_late() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Answer);
    pair.wait_unknown();
    pair.before_two.let_pass();
    wait_over(&pair.one);
    assert_eq!(pair.one.info("last_failover_result"), "taken-over");
    pair.settled(&pair.two, &load.end());
}

#[test]
fn every_link_is_cut_at_every_step() {
    for step in crate::pair::STEPS {
        let pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        pair.stop_at(step);
        pair.before_one.cut_for_good();
        pair.before_two.cut_for_good();
        if step == Step::Acknowledgement {
            wait_over(&pair.one);
        } else {
            pair.wait_unknown();
        }
        pair.before_one.let_pass();
        pair.before_two.let_pass();
        wait_over(&pair.one);
        let primary = pair.settled_somehow(&load.end());
        assert_eq!(primary.port() == pair.two.port(), step == Step::Answer);
    }
}

/// Stalled towards one side only, for so long that the nodes take each other for dead.
#[test]
fn the_replication_link_is_stalled_one_way_beyond_its_patience() {
    for way in [Way::ToServer, Way::ToClient] {
        let pair = Pair::with(|| crate::common::Setup::new().arg("--repl-timeout", "1"));
        pair.one.expect_log("");
        let load = Load::start(&pair.one, "w");
        pair.before_one.stall(way);
        // Something that is not acknowledged.
        pair.one.connect().ok("SET last 1");
        let reply = pair.one.connect().call(&pair.command(""));
        // Unless the link was given up already.
        assert!(reply == Value::ok() || reply.is_error(), "{reply:?}");
        wait_over(&pair.one);
        load.wait_for_writes(20);
        pair.before_one.cut();
        pair.settled(&pair.one, &load.end());
    }
}
