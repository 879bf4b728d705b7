//! TIMEOUT with and without FORCE, and `failover-timeout`.

use std::time::{Duration, Instant};

use crate::common::proxy::Way;
use crate::common::{Setup, Value, wait_until};
use crate::data::assert_same;
use crate::load::Load;
use crate::pair::{Pair, Step, wait_aligned};
use crate::{refuses_writes, state, wait_over, wait_role, wait_waits_for};

#[test]
fn without_force_time_ends_it_and_writes_go_on() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at_with(Step::Acknowledgement, "TIMEOUT 300");
    wait_over(&pair.one);
    let result = pair.one.info("last_failover_result");
    assert!(
        result.starts_with("aborted: time is over; the target acknowledged sequence "),
        "{result}"
    );
    load.wait_for_writes(20);
    pair.before_one.let_pass();
    pair.settled(&pair.one, &load.end());
}

#[test]
fn the_setting_bounds_what_has_no_timeout() {
    let pair = Pair::with(|| Setup::new().arg("--failover-timeout", "1"));
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Acknowledgement);
    wait_over(&pair.one);
    let result = pair.one.info("last_failover_result");
    assert!(result.starts_with("aborted: time is over; "), "{result}");
    load.wait_for_writes(20);
    pair.before_one.let_pass();
    pair.settled(&pair.one, &load.end());
}

#[test]
fn with_force_a_target_that_holds_everything_gives_up_nothing() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    // Its acknowledgements alone do not come.
    pair.stop_at_with(Step::Acknowledgement, "FORCE TIMEOUT 300");
    wait_over(&pair.one);
    let result = pair.one.info("last_failover_result");
    // The stream comes to the target by a thread of its own, and may be behind by what was under way.
    assert_eq!(result, "taken-over");
    let given_up: usize = pair
        .one
        .info("last_failover_given_up")
        .parse()
        .expect("a number");
    pair.before_one.let_pass();
    let ended = load.end();
    if given_up == 0 {
        pair.settled(&pair.two, &ended);
    } else {
        wait_aligned(&pair.one, &pair.two);
        ended.check_but_for(&pair.two, given_up);
    }
}

#[test]
fn with_force_what_the_target_lacks_is_given_up_and_counted() {
    const LACKING: u64 = 7;
    let pair = Pair::start();
    pair.one.connect().ok("SET first 1");
    wait_aligned(&pair.two, &pair.one);
    // The stream does not come to the target.
    pair.before_one.stall(Way::ToClient);
    for number in 0..LACKING {
        pair.one.connect().ok(&format!("SET lacking{number} 1"));
    }
    pair.one.expect_log("copying all data");
    pair.one.connect().ok(&pair.command("TIMEOUT 200 FORCE"));
    wait_over(&pair.one);
    assert_eq!(pair.one.info("last_failover_result"), "taken-over");
    assert_eq!(pair.one.info("last_failover_given_up"), LACKING.to_string());
    assert_eq!(pair.two.info("role"), "master");
    pair.two.connect().ok("SET after 1");
    wait_aligned(&pair.one, &pair.two);
    assert!(pair.one.connect().call("GET lacking0").is_null());
    assert_same(&pair.one, &pair.two);
    let log = pair.one.log();
    assert!(
        log.contains(&format!("{LACKING} updates given up")),
        "{log}"
    );
    assert!(
        log.contains(&format!("{LACKING} writes of this node")),
        "{log}"
    );
    // This is what FORCE costs: the histories have parted.
    assert_eq!(pair.two.info("sync_full"), "1");
}

#[test]
fn with_force_a_stopped_target_takes_over_when_it_goes_on() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    let ended = load.end();
    wait_aligned(&pair.two, &pair.one);
    pair.two.signal("STOP");
    pair.one.connect().ok(&pair.command("FORCE TIMEOUT 100"));
    wait_until("the offer is made", || {
        state(&pair.one) == "failover-in-progress"
    });
    pair.holds_writes();
    // It does not answer the question that comes before the offer: the offer has not left.
    wait_waits_for(&pair.one, "a connection to ");
    pair.two.signal("CONT");
    pair.settled(&pair.two, &ended);
}

#[test]
fn with_force_a_target_that_is_away_is_waited_for_and_abort_ends_it() {
    let mut pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.before_one.stall(Way::ToServer);
    pair.one.connect().ok("SET last 1");
    pair.one.connect().ok(&pair.command("FORCE TIMEOUT 500"));
    pair.two.kill();
    pair.before_one.cut();
    wait_waits_for(&pair.one, "a connection to ");
    assert_eq!(state(&pair.one), "failover-in-progress");
    pair.holds_writes();
    // Nothing has left: this needs nobody's word.
    pair.one.connect().ok("FAILOVER ABORT");
    load.wait_for_writes(20);
    let ended = load.end();
    pair.two.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn with_force_a_target_that_is_away_takes_over_when_it_comes_back() {
    let mut pair = Pair::start();
    let ended = Load::start(&pair.one, "w").end();
    wait_aligned(&pair.two, &pair.one);
    pair.before_one.stall(Way::ToServer);
    pair.one.connect().ok(&pair.command("FORCE TIMEOUT 500"));
    // Whether it was acknowledged already decides where the switch stands; the end is the same.
    pair.two.kill();
    pair.before_one.cut();
    pair.two.restart();
    pair.settled_somehow(&ended);
}

#[test]
fn with_force_a_target_that_never_comes_back_is_given_up_in_time() {
    let mut pair = Pair::with(|| Setup::new().arg("--failover-timeout", "1"));
    let load = Load::start(&pair.one, "w");
    pair.before_one.stall(Way::ToServer);
    pair.one.connect().ok("SET last 1");
    pair.one.connect().ok(&pair.command("FORCE TIMEOUT 300"));
    pair.two.kill();
    pair.before_one.cut();
    wait_over(&pair.one);
    assert_eq!(
        pair.one.info("last_failover_result"),
        "aborted: the target could not be reached in time"
    );
    load.wait_for_writes(20);
    let ended = load.end();
    pair.two.restart();
    pair.settled(&pair.one, &ended);
}

#[test]
fn the_old_primary_is_killed_in_a_forced_switch_and_restarted() {
    let mut pair = Pair::start();
    let ended = Load::start(&pair.one, "w").end();
    wait_aligned(&pair.two, &pair.one);
    pair.two.signal("STOP");
    pair.one.connect().ok(&pair.command("FORCE TIMEOUT 100"));
    wait_until("the offer is made", || {
        state(&pair.one) == "failover-in-progress"
    });
    pair.one.kill();
    pair.one.restart();
    pair.wait_unknown();
    pair.two.signal("CONT");
    pair.settled_somehow(&ended);
}

/// TIMEOUT bounds the wait for the acknowledgement. What becomes of an offer only the target can say.
#[test]
fn time_that_runs_out_behind_the_offer_decides_nothing() {
    const TIMEOUT: Duration = Duration::from_secs(5);
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    let began = Instant::now();
    pair.stop_at_with(Step::Offer, &format!("TIMEOUT {}", TIMEOUT.as_millis()));
    wait_until("the time is over", || began.elapsed() > TIMEOUT * 2);
    pair.wait_unknown();
    pair.nobody_accepts_writes();
    pair.before_two.let_pass();
    wait_over(&pair.one);
    pair.settled_somehow(&load.end());
}

#[test]
fn wrong_words_change_nothing() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    for (options, error) in [
        (
            "FORCE",
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        ),
        ("TIMEOUT 0", "ERR FAILOVER timeout must be greater than 0"),
        ("TIMEOUT x", "ERR value is not an integer or out of range"),
        ("TIMEOUT", "ERR syntax error"),
        ("ABORT", "ERR syntax error"),
    ] {
        let reply = pair.one.connect().call(&pair.command(options));
        assert_eq!(reply, Value::error(error), "{options}");
    }
    let reply = pair.two.connect().call("FAILOVER");
    assert_eq!(
        reply,
        Value::error("ERR FAILOVER is not valid when server is a replica.")
    );
    refuses_writes(&pair.two);
    assert_eq!(state(&pair.one), "no-failover");
    wait_role(&pair.one, "master");
    pair.settled(&pair.one, &load.end());
}
