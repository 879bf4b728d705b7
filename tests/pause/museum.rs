//! Bugs that Redis, Valkey, Kvrocks and Dragonfly had around pauses and failovers. Each test is named after what went wrong.
//!
//! The list is that of `ecosystem.md`, section 1.8, whose lines the tests name. Those of this file need one server; the others are in
//! tests/replication/museum.rs (R), in tests/failover/ (F), or cannot exist here.
//!
//! | line | what went wrong | test |
//! | --- | --- | --- |
//! | 1 | Sentinel's hello was parked, the primary called down | [`sentinels_hello_was_parked_and_the_primary_called_down`]; F `sentinel::a_pause_of_writes_was_taken_for_a_death`, `sentinel::a_pause_of_everything_was_taken_for_a_death` |
//! | 2 | expiry or eviction moved data while paused | [`expiry_moved_the_sequence_during_a_pause`]; nothing is evicted: the data is on disk |
//! | 3 | the primary's PING moved the offset | R `a_keep_alive_moved_the_offset` |
//! | 4 | GETACK and lazy expiry moved the offset | R `wait_and_expiry_moved_the_offset_during_a_pause` |
//! | 5 | paused clients were dropped on demotion | R `paused_clients_were_dropped_with_the_blocked_ones_on_demotion` |
//! | 6 | a replica's connection passed the pause | R `a_replicas_connection_passed_the_pause` |
//! | 7 | a paused replica counted what it had not applied | R `a_paused_replica_counted_what_it_had_not_applied` |
//! | 8 | an older, longer end survived UNPAUSE | [`the_end_of_an_earlier_pause_survived_unpause`] |
//! | 9 | the old primary stayed paused | R `the_old_primary_stayed_paused_after_a_hand_over` |
//! | 10 | purposes of pauses were mixed up | R `unpause_let_writes_go_on_during_a_shutdown` |
//! | 11 | a read-only script with PUBLISH or PFCOUNT crashed | none: there are neither scripts nor HyperLogLogs yet. PUBLISH by itself is in `holding.rs` |
//! | 12 | RANDOMKEY looped among expired keys | [`randomkey_never_ended_among_expired_keys`] |
//! | 13 | CLIENT UNBLOCK of a paused client | [`client_unblock_freed_a_paused_client`], [`client_unblock_freed_a_blocking_command_that_a_pause_held`] |
//! | 14 | a paused client's buffer grew, and was moved in quadratic time | [`a_long_pipeline_behind_a_pause_took_quadratic_time`]; that it does not grow: `parked.rs` `a_parked_client_cannot_fill_the_server` |
//! | 15 | unblocked twice in one turn | [`a_client_was_unblocked_twice_in_one_turn`] |
//! | 16 | SHUTDOWN failed inside its own blocked call | R `shutdown_failed_inside_its_own_blocked_call` |
//! | 17 | SIGTERM never finished while a command was parked | [`sigterm_never_finished_when_a_parked_client_had_left`] |
//! | 18 | PAUSE answered while a write was under way | [`pause_answered_while_a_write_was_under_way`] |
//! | 19 | a woken BLPOP held the queue | [`a_woken_blpop_behind_the_pause_held_the_queue`] |
//! | 20 | a replica with an old history's offset won | R `a_replica_with_a_higher_number_of_an_old_history_won` |
//! | 21 | REDIRECT bounced between two replicas | none: there is no such answer. What EXEC and parked writes get instead: R `paused_clients_were_dropped_with_the_blocked_ones_on_demotion`, and `switching.rs` there |
//! | 22 | two failovers for one primary disturbed each other | F `words::two_failovers_at_once_disturbed_each_other`, `words::a_second_failover_is_refused_at_every_step`; Sentinel's COORDINATED is Valkey 9's, and Debian's Sentinel has none |
//! | 23 | SLAVEOF twice was a deadlock; a lost primary held a copy up | R `replicaof_twice_in_a_row_was_a_deadlock`, `a_primary_lost_during_a_full_copy_held_its_replica_up` |
//! | 24 | equal numbers, other contents | R `equal_numbers_with_other_contents_went_on` |
//! | 25 | a number inside a batch cost a full copy | R `a_number_inside_a_batch_cost_a_full_copy` |
//! | 26 | clients gave up during the pause, readers kept old data | R `writers_gave_up_during_the_pause_and_readers_kept_old_data` |

use std::time::Duration;

use crate::Bench;
use crate::common::{Conn, Value, holds_within, wait_until};

/// Line 1: Sentinel's hello was parked by a pause of writes, its PINGs queued behind it, and the primary was called down.
#[test]
fn sentinels_hello_was_parked_and_the_primary_called_down() {
    let test = "sentinels_hello_was_parked_and_the_primary_called_down";
    let Some(mut bench) = Bench::unless_stand_in(test, "it has this bug") else {
        return;
    };
    let mut listening = bench.server.connect();
    listening.call("SUBSCRIBE __sentinel__:hello");
    let mut sentinel = bench.server.connect();
    for mode in ["WRITE", "ALL"] {
        bench.admin.ok(&format!("CLIENT PAUSE 100000 {mode}"));
        let frozen = bench.info("master_repl_offset");
        sentinel.send_raw(b"PUBLISH __sentinel__:hello hi\r\nPING\r\n");
        assert_eq!(sentinel.read(), Value::Int(1), "{mode}");
        assert_eq!(sentinel.read(), Value::simple("PONG"), "{mode}");
        assert_eq!(
            listening.read(),
            Value::bulks(&["message", "__sentinel__:hello", "hi"]),
            "{mode}"
        );
        assert_eq!(
            bench.info("master_repl_offset"),
            frozen,
            "{mode}: the hello moved the sequence"
        );
        // Any other channel waits.
        let mut other = bench.park("PUBLISH other hi");
        bench.unpause();
        assert_eq!(other.read(), Value::Int(0), "{mode}");
    }
}

/// Line 2: expiry moved the data while it was to stand still (redis/redis 4027, 8170).
#[test]
fn expiry_moved_the_sequence_during_a_pause() {
    let mut bench = Bench::start();
    for n in 0..50 {
        bench.lifetime(&format!("k{n}"), 100);
    }
    bench.pause_writes();
    let frozen = bench.info("master_repl_offset");
    let keys = bench.admin.call("DBSIZE");
    bench.wait_for_end_of("k49");
    for n in 0..25 {
        assert_eq!(bench.admin.call(&format!("GET k{n}")), Value::NullBulk);
    }
    assert_eq!(bench.admin.call("KEYS *"), Value::Array(Vec::new()));
    assert_eq!(bench.info("master_repl_offset"), frozen);
    if bench.server.is_stand_in() {
        assert_eq!(
            bench.admin.call("DBSIZE"),
            keys,
            "a key was deleted during the pause"
        );
    }
    bench.unpause();
    wait_until("the keys are gone after the pause", || {
        bench.admin.call("DBSIZE") == Value::Int(0)
    });
}

/// Line 8: the old, longer end survived UNPAUSE, and the next, short pause took it over (redis/redis 9467).
#[test]
fn the_end_of_an_earlier_pause_survived_unpause() {
    let mut bench = Bench::start();
    bench.pause_writes();
    bench.unpause();
    bench.admin.ok("CLIENT PAUSE 50 WRITE");
    let mut conn = bench.server.connect();
    assert_eq!(
        conn.call("SET k v"),
        Value::ok(),
        "the write must run when the second pause has ended"
    );
}

/// Line 12: RANDOMKEY looked for a key that has not expired for ever, when all had and none might be deleted (redis/redis 13862).
#[test]
fn randomkey_never_ended_among_expired_keys() {
    let test = "randomkey_never_ended_among_expired_keys";
    let Some(mut bench) = Bench::unless_stand_in(test, "it has this bug") else {
        return;
    };
    for n in 0..100 {
        bench.lifetime(&format!("k{n}"), 50);
    }
    bench.pause_writes();
    bench.wait_for_end_of("k99");
    assert_eq!(bench.admin.call("RANDOMKEY"), Value::NullBulk);
    bench.unpause();
}

/// Line 13: CLIENT UNBLOCK of a client that a pause holds crashed the server, or let the client go (valkey 2111, redis 14164).
#[test]
fn client_unblock_freed_a_paused_client() {
    let test = "client_unblock_freed_a_paused_client";
    let Some(mut bench) = Bench::unless_stand_in(test, "it has this bug") else {
        return;
    };
    let mut conn = bench.server.connect();
    let id = conn.call("CLIENT ID").int();
    bench.pause_writes();
    bench.park_on(&mut conn, "INCR k");
    for how in ["", " TIMEOUT", " ERROR"] {
        assert_eq!(
            bench.admin.call(&format!("CLIENT UNBLOCK {id}{how}")),
            Value::Int(0),
            "{how}"
        );
    }
    bench.wait_for_blocked(1);
    assert!(!conn.has_reply_now());
    bench.unpause();
    assert_eq!(conn.read(), Value::Int(1));
}

/// Line 13: A BLPOP that arrived during the pause is parked, not blocked: UNBLOCK does not free it either.
#[test]
fn client_unblock_freed_a_blocking_command_that_a_pause_held() {
    let test = "client_unblock_freed_a_blocking_command_that_a_pause_held";
    let Some(mut bench) = Bench::unless_stand_in(test, "it has this bug") else {
        return;
    };
    let mut conn = bench.server.connect();
    let id = conn.call("CLIENT ID").int();
    bench.pause_writes();
    bench.park_on(&mut conn, "BLPOP list 0");
    assert_eq!(
        bench.admin.call(&format!("CLIENT UNBLOCK {id}")),
        Value::Int(0)
    );
    bench.unpause();
    bench.wait_for_blocked(1);
    assert_eq!(
        bench.admin.call(&format!("CLIENT UNBLOCK {id}")),
        Value::Int(1)
    );
    assert_eq!(conn.read(), Value::NullArray);
}

/// Line 14: a paused client's commands piled up in its buffer, and were moved again and again when it went on (redis/redis 5229).
#[test]
fn a_long_pipeline_behind_a_pause_took_quadratic_time() {
    const COMMANDS: usize = 50_000;
    let mut bench = Bench::start();
    bench.pause_writes();
    let mut conn = bench.server.connect();
    let mut sender = conn.second_handle();
    let pipeline = b"*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n".repeat(COMMANDS);
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send_raw(&pipeline));
        bench.wait_for_blocked(1);
        bench.unpause();
        for n in 1..=COMMANDS {
            assert_eq!(conn.read(), Value::Int(n as i64));
        }
    });
}

/// Line 15: a client was unblocked twice in one turn: by the key that it waited for, and by the pause (redis/redis 4418).
#[test]
fn a_client_was_unblocked_twice_in_one_turn() {
    let mut bench = Bench::start();
    for _ in 0..20 {
        let mut waiting: Vec<Conn> = (0..3).map(|_| bench.park("BLPOP list 0")).collect();
        let turn =
            b"RPUSH list a\r\nCLIENT PAUSE 100000 WRITE\r\nCLIENT UNPAUSE\r\nRPUSH list b c\r\n";
        bench.admin.send_raw(turn);
        assert_eq!(bench.admin.read(), Value::Int(1));
        assert_eq!(bench.admin.read(), Value::ok());
        assert_eq!(bench.admin.read(), Value::ok());
        assert!(matches!(bench.admin.read(), Value::Int(_)));
        let mut taken: Vec<Value> = waiting
            .iter_mut()
            .map(|conn| conn.read().items()[1].clone())
            .collect();
        taken.sort();
        assert_eq!(taken, ["a", "b", "c"].map(Value::bulk));
        for conn in &mut waiting {
            assert_eq!(
                conn.call("PING"),
                Value::simple("PONG"),
                "a second reply came"
            );
        }
        bench.wait_for_blocked(0);
    }
}

/// Line 19: a woken BLPOP was parked behind the pause and held up everybody else who waited for keys (dragonfly 8326).
#[test]
fn a_woken_blpop_behind_the_pause_held_the_queue() {
    let mut bench = Bench::start();
    let mut first = bench.park("BLPOP a 0");
    let mut second = bench.park("BLPOP b 0");
    bench.admin.ok("MULTI");
    bench.admin.call("RPUSH a 1");
    bench.admin.call("CLIENT PAUSE 100000 WRITE");
    assert_eq!(bench.admin.call("EXEC").items().len(), 2);
    bench.unpause();
    assert_eq!(bench.admin.call("RPUSH b 2"), Value::Int(1));
    assert_eq!(first.read(), Value::bulks(&["a", "1"]));
    assert_eq!(second.read(), Value::bulks(&["b", "2"]));
    assert_eq!(bench.admin.call("EXISTS a b"), Value::Int(0));
    bench.wait_for_blocked(0);
}

/// Line 17: SIGTERM never finished while a command was parked whose client had left (dragonfly 8270).
#[test]
fn sigterm_never_finished_when_a_parked_client_had_left() {
    let mut bench = Bench::start();
    bench.pause_writes();
    let left = bench.park("SET k v");
    drop(left);
    let mut stays = bench.park("SET k v");
    assert!(bench.server.stop().success());
    assert!(stays.closes_within(Duration::from_secs(10)));
}

/// Line 18: PAUSE answered OK while a write was still under way elsewhere (dragonfly 7805, 8079): here on another connection whose
/// command came in the same turn.
#[test]
fn pause_answered_while_a_write_was_under_way() {
    let mut bench = Bench::start();
    let mut writer = bench.server.connect();
    for round in 0..50 {
        let mut pipeline = Vec::new();
        for _ in 0..100 {
            pipeline.extend_from_slice(b"INCR k\r\n");
        }
        writer.send_raw(&pipeline);
        bench.pause_writes();
        let frozen = (bench.admin.call("GET k"), bench.info("master_repl_offset"));
        let moved = holds_within(Duration::from_millis(2), || {
            (bench.admin.call("GET k"), bench.info("master_repl_offset")) != frozen
        });
        assert!(!moved, "round {round}: a write ran after the OK");
        bench.unpause();
        for _ in 0..100 {
            assert!(matches!(writer.read(), Value::Int(_)));
        }
    }
    assert_eq!(bench.admin.call("GET k"), Value::bulk("5000"));
}

/// A pause that was set again and again, as a controller does that fails and tries anew, left nobody parked.
#[test]
fn repeated_pauses_left_clients_behind() {
    let mut bench = Bench::start();
    let mut conns: Vec<Conn> = (0..8).map(|_| bench.server.connect()).collect();
    for round in 1..=100 {
        for conn in &mut conns {
            conn.send_line("INCR k");
        }
        bench.admin.ok("CLIENT PAUSE 500 WRITE");
        bench.unpause();
        for conn in &mut conns {
            assert!(matches!(conn.read(), Value::Int(_)), "round {round}");
        }
    }
    assert_eq!(bench.admin.call("GET k"), Value::bulk("800"));
    bench.wait_for_blocked(0);
}
