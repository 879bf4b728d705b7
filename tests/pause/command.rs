//! The commands CLIENT PAUSE and CLIENT UNPAUSE: errors, modes, ends, and what an OK promises.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Bench;
use crate::common::{Value, wait_until};

#[test]
fn wrong_calls_get_their_errors_and_pause_nothing() {
    let mut bench = Bench::start();
    let table = [
        (
            "CLIENT PAUSE",
            "ERR wrong number of arguments for 'client|pause' command",
        ),
        ("CLIENT PAUSE 1 WRITE x", "ERR syntax error"),
        (
            "CLIENT PAUSE abc",
            "ERR timeout is not an integer or out of range",
        ),
        (
            "CLIENT PAUSE 1.5",
            "ERR timeout is not an integer or out of range",
        ),
        (
            "CLIENT PAUSE 9223372036854775808",
            "ERR timeout is not an integer or out of range",
        ),
        ("CLIENT PAUSE -1", "ERR timeout is negative"),
        (
            "CLIENT PAUSE 1000 READ",
            "ERR CLIENT PAUSE mode must be WRITE or ALL",
        ),
        (
            "CLIENT UNPAUSE x",
            "ERR wrong number of arguments for 'client|unpause' command",
        ),
    ];
    for (line, error) in table {
        // The oracle has no maximal arity for PAUSE and no syntax check: it takes the last word for the mode.
        if line.ends_with('x') && line.contains("WRITE") {
            assert!(bench.admin.call(line).is_error(), "{line}");
            continue;
        }
        assert_eq!(bench.admin.call(line), Value::error(error), "{line}");
    }
    bench.admin.ok("SET k v");
}

#[test]
fn a_timeout_beyond_the_clock_is_out_of_range() {
    let test = "a_timeout_beyond_the_clock_is_out_of_range";
    let Some(mut bench) = Bench::unless_stand_in(test, "it answers OK and does not pause") else {
        return;
    };
    let error = Value::error("ERR timeout is not an integer or out of range");
    assert_eq!(bench.admin.call("CLIENT PAUSE 9223372036854775807"), error);
    bench.admin.ok("SET k v");
}

#[test]
fn modes_are_case_insensitive_and_unpause_without_a_pause_is_ok() {
    let mut bench = Bench::start();
    bench.unpause();
    bench.admin.ok("client pause 100000 write");
    let mut parked = bench.park("SET k v");
    bench.unpause();
    assert_eq!(parked.read(), Value::ok());
    bench.unpause();
}

#[test]
fn the_mode_is_all_unless_given() {
    let test = "the_mode_is_all_unless_given";
    let Some(mut bench) = Bench::unless_stand_in(test, "a pause of ALL holds UNPAUSE back") else {
        return;
    };
    bench.admin.ok("CLIENT PAUSE 100000");
    assert_eq!(bench.info("paused_actions"), "all");
    let mut parked = bench.park("GET k");
    bench.unpause();
    assert_eq!(parked.read(), Value::NullBulk);
}

#[test]
fn a_pause_ends_by_itself() {
    let mut bench = Bench::start();
    bench.admin.ok("CLIENT PAUSE 150 WRITE");
    let mut conn = bench.server.connect();
    assert_eq!(conn.call("SET k v"), Value::ok());
    bench.wait_for_blocked(0);
    bench.admin.ok("SET k v");
}

#[test]
fn a_pause_of_all_ends_by_itself() {
    let mut bench = Bench::start();
    bench.admin.ok("CLIENT PAUSE 150 ALL");
    let mut conn = bench.server.connect();
    assert_eq!(conn.call("GET k"), Value::NullBulk);
    assert_eq!(bench.admin.call("GET k"), Value::NullBulk);
}

/// A second pause from the same source keeps the later end.
#[test]
fn a_shorter_pause_does_not_shorten_a_longer_one() {
    let mut bench = Bench::start();
    bench.lifetime("clock", 200);
    bench.pause_writes();
    bench.admin.ok("CLIENT PAUSE 1 WRITE");
    let mut parked = bench.park("SET k v");
    bench.wait_for_end_of("clock");
    assert!(
        !parked.has_reply_now(),
        "the shorter pause has ended the longer one"
    );
    bench.unpause();
    assert_eq!(parked.read(), Value::ok());
}

#[test]
fn a_longer_pause_prolongs_a_shorter_one() {
    let mut bench = Bench::start();
    bench.lifetime("clock", 400);
    bench.admin.ok("CLIENT PAUSE 100 WRITE");
    bench.pause_writes();
    let mut parked = bench.park("SET k v");
    bench.wait_for_end_of("clock");
    assert!(
        !parked.has_reply_now(),
        "the longer pause did not prolong the shorter one"
    );
    bench.unpause();
    assert_eq!(parked.read(), Value::ok());
}

/// A second pause from the same source keeps the more restrictive mode, whichever came first.
#[test]
fn the_more_restrictive_mode_stays() {
    let test = "the_more_restrictive_mode_stays";
    let Some(mut bench) = Bench::unless_stand_in(test, "a pause of ALL holds INFO back") else {
        return;
    };
    for (first, second) in [("ALL", "WRITE"), ("WRITE", "ALL")] {
        bench.admin.ok(&format!("CLIENT PAUSE 100000 {first}"));
        bench.admin.ok(&format!("CLIENT PAUSE 50000 {second}"));
        assert_eq!(
            bench.info("paused_actions"),
            "all",
            "{first}, then {second}"
        );
        let left: u64 = bench
            .info("paused_timeout_milliseconds")
            .parse()
            .expect("a number");
        assert!(
            (50_001..=100_000).contains(&left),
            "{first}, then {second}: {left} ms left"
        );
        let mut parked = bench.park("GET k");
        bench.unpause();
        assert_eq!(parked.read(), Value::NullBulk);
        assert_eq!(bench.info("paused_actions"), "none");
    }
}

#[test]
fn info_tells_the_pause() {
    let test = "info_tells_the_pause";
    let Some(mut bench) = Bench::unless_stand_in(test, "it has no such fields") else {
        return;
    };
    let fields = |bench: &mut Bench| {
        let timeout: u64 = bench
            .info("paused_timeout_milliseconds")
            .parse()
            .expect("a number");
        (
            bench.info("paused_reason"),
            bench.info("paused_actions"),
            timeout,
        )
    };
    assert_eq!(fields(&mut bench), ("none".into(), "none".into(), 0));
    bench.pause_writes();
    let (reason, actions, timeout) = fields(&mut bench);
    assert_eq!(
        (reason.as_str(), actions.as_str()),
        ("client_pause", "write")
    );
    assert!((1..=100_000).contains(&timeout), "{timeout} ms left");
    bench.admin.ok("CLIENT PAUSE 1 ALL");
    assert_eq!(bench.info("paused_actions"), "all");
    bench.unpause();
    assert_eq!(fields(&mut bench), ("none".into(), "none".into(), 0));
}

/// The pause begins when EXEC has run the whole queue, not at its own place in it.
#[test]
fn inside_multi_the_pause_begins_after_exec() {
    let mut bench = Bench::start();
    bench.admin.ok("MULTI");
    for line in ["SET a 1", "CLIENT PAUSE 100000 WRITE", "SET b 2"] {
        assert_eq!(bench.admin.call(line), Value::simple("QUEUED"), "{line}");
    }
    assert_eq!(
        bench.admin.call("EXEC"),
        Value::Array(vec![Value::ok(), Value::ok(), Value::ok()])
    );
    let mut parked = bench.park("SET c 3");
    assert_eq!(
        bench.admin.call("MGET a b c"),
        Value::Array(vec![Value::bulk("1"), Value::bulk("2"), Value::NullBulk])
    );
    bench.unpause();
    assert_eq!(parked.read(), Value::ok());
}

#[test]
fn the_log_says_who_paused_for_how_long_and_in_which_mode() {
    let test = "the_log_says_who_paused_for_how_long_and_in_which_mode";
    let Some(mut bench) = Bench::unless_stand_in(test, "it logs nothing about a pause") else {
        return;
    };
    bench.admin.ok("CLIENT PAUSE 76543 WRITE");
    let addr = bench.admin.local_addr();
    let tells = |log: &str| {
        let parts = ["76543", &addr, "write"];
        log.lines()
            .any(|line| parts.iter().all(|part| line.to_lowercase().contains(part)))
    };
    wait_until(
        "a line in the log with the address, the time and the mode",
        || tells(&bench.server.log()),
    );
    bench.unpause();
    wait_until("a line about the unpause", || {
        bench.server.log().to_lowercase().contains("unpause")
    });
}

/// OK means frozen: what the caller reads as the sequence number after it is final until the pause ends, however many
/// writers there are.
#[test]
fn after_the_ok_the_sequence_stands_still() {
    let mut bench = Bench::start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (server, stop) = (&bench.server, &stop);
            let mut conn = server.connect();
            scope.spawn(move || {
                let commands: Vec<Vec<String>> = (0..20)
                    .map(|n| vec!["SET".into(), format!("w{writer}:{n}"), "v".repeat(100)])
                    .collect();
                while !stop.load(Ordering::Relaxed) {
                    for reply in conn.pipeline(&commands) {
                        assert_eq!(reply, Value::ok());
                    }
                }
            });
        }
        for round in 0..10 {
            bench.admin.ok("CLIENT PAUSE 100000 WRITE");
            let frozen = bench.info("master_repl_offset");
            bench.admin.ok("SELECT 0");
            bench.wait_for_blocked(4);
            for _ in 0..20 {
                assert_eq!(bench.info("master_repl_offset"), frozen, "round {round}");
            }
            bench.unpause();
            // Without replicas, redis-server's offset never moves.
            if !bench.server.is_stand_in() {
                wait_until("the sequence moves again", || {
                    bench.info("master_repl_offset") != frozen
                });
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// The offset in a reply to ROLE or to INFO replication.
fn offset(reply: &Value) -> i64 {
    if let Value::Array(parts) = reply {
        return parts[1].int();
    }
    let text = reply.text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("master_repl_offset:"));
    line.expect("an offset").trim().parse().expect("a number")
}

#[test]
fn an_offset_counts_what_was_executed_before_it_in_the_same_pipeline() {
    let test = "an_offset_counts_what_was_executed_before_it_in_the_same_pipeline";
    let Some(mut bench) = Bench::unless_stand_in(test, "it counts bytes of its stream") else {
        return;
    };
    let lines = [
        "ROLE",
        "SET k v",
        "ROLE",
        "INFO replication",
        "HSET h a 1 b 2",
        "SET k w",
        "DEL k",
        "CLIENT PAUSE 100000 WRITE",
        "INFO replication",
        "ROLE",
    ];
    let commands: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let replies = bench.admin.pipeline(&commands);
    let at = |number: usize| offset(&replies[number]);
    assert!(at(0) < at(2), "{replies:?}");
    assert_eq!(at(2), at(3));
    assert!(at(3) < at(8), "{replies:?}");
    assert_eq!(at(8), at(9));
    // Nothing may come after the pause: it is what the database itself says, too.
    let role = bench.admin.call("ROLE");
    assert_eq!(offset(&role), at(9));
    bench.unpause();
}
