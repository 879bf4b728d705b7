//! What a pause holds back, and what it does not.

use crate::common::{Conn, Setup, Value, wait_until};
use crate::{Bench, call_of_arity, command_table};

/// Commands that end or change the connection they are sent on, or that may take their time before they answer.
const NOT_SENT: &[&str] = &[
    "monitor",
    "subscribe",
    "psubscribe",
    "ssubscribe",
    "sync",
    "psync",
    "replconf",
];

/// Commands that do not write, but may reach replicas.
const MAY_REPLICATE: &[&str] = &["publish", "spublish", "pfcount"];

/// Every command that may write or replicate is held back by a pause of WRITE, whatever its arguments.
#[test]
fn every_write_command_is_held_back() {
    let mut bench = Bench::start();
    let table = command_table(&mut bench.admin);
    // COMMAND does not show the flag of those that may replicate.
    let held = |name: &str, flags: &[String]| {
        flags.iter().any(|flag| flag == "write") || MAY_REPLICATE.contains(&name)
    };
    let writes: Vec<_> = table
        .iter()
        // Without a subcommand, a container is answered at once that there is no such one.
        .filter(|(name, _, flags)| {
            held(name, flags) && !NOT_SENT.contains(&name.as_str()) && name != "function"
        })
        .collect();
    assert!(writes.len() > 60, "only {} write commands", writes.len());
    bench.pause_writes();
    let mut parked: Vec<Conn> = Vec::new();
    for (name, words, _) in &writes {
        let args = call_of_arity(name, *words);
        parked.push(bench.park(&args.join(" ")));
    }
    bench.unpause();
    for (conn, (name, ..)) in parked.iter_mut().zip(&writes) {
        // Nearly all are nonsense as they stand, but each is answered.
        assert!(
            conn.has_reply_within(crate::common::DEADLINE),
            "{name} was not answered after the pause"
        );
    }
}

/// No read and no administration is held back by a pause of WRITE.
#[test]
fn no_read_command_is_held_back_by_a_pause_of_writes() {
    let mut bench = Bench::start();
    let table = command_table(&mut bench.admin);
    let reads: Vec<_> = table
        .iter()
        .filter(|(name, _, flags)| {
            flags.iter().any(|flag| flag == "readonly") && !NOT_SENT.contains(&name.as_str())
        })
        .filter(|(name, ..)| !MAY_REPLICATE.contains(&name.as_str()))
        .collect();
    assert!(reads.len() > 40, "only {} read commands", reads.len());
    bench.pause_writes();
    let mut conn = bench.server.connect();
    for (name, words, _) in &reads {
        conn.send(&call_of_arity(name, *words));
        assert!(
            conn.try_read(crate::common::DEADLINE).is_ok(),
            "{name} was held back"
        );
    }
    for line in [
        "PING",
        "TIME",
        "INFO",
        "ROLE",
        "CLIENT ID",
        "CONFIG GET port",
        "COMMAND COUNT",
        "DBSIZE",
        "SELECT 1",
    ] {
        conn.send_line(line);
        assert!(
            conn.try_read(crate::common::DEADLINE).is_ok(),
            "{line} was held back"
        );
    }
    bench.wait_for_blocked(0);
    bench.unpause();
}

#[test]
fn a_transaction_that_only_reads_passes_a_pause_of_writes() {
    let mut bench = Bench::start();
    bench.admin.ok("SET foo bar");
    bench.pause_writes();
    let mut conn = bench.server.connect();
    conn.ok("MULTI");
    assert_eq!(conn.call("PING"), Value::simple("QUEUED"));
    assert_eq!(conn.call("GET foo"), Value::simple("QUEUED"));
    assert_eq!(
        conn.call("EXEC"),
        Value::Array(vec![Value::simple("PONG"), Value::bulk("bar")])
    );
    bench.unpause();
}

#[test]
fn exec_of_a_transaction_that_writes_is_held_back() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    conn.ok("MULTI");
    assert_eq!(conn.call("SET foo bar"), Value::simple("QUEUED"));
    assert_eq!(conn.call("GET foo"), Value::simple("QUEUED"));
    bench.pause_writes();
    bench.park_on(&mut conn, "EXEC");
    assert_eq!(bench.admin.call("GET foo"), Value::NullBulk);
    bench.unpause();
    assert_eq!(
        conn.read(),
        Value::Array(vec![Value::ok(), Value::bulk("bar")])
    );
}

/// A transaction dropped during the pause leaves nothing behind.
#[test]
fn discard_is_not_held_back() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    conn.ok("MULTI");
    assert_eq!(conn.call("SET foo bar"), Value::simple("QUEUED"));
    bench.pause_writes();
    conn.ok("DISCARD");
    assert_eq!(conn.call("GET foo"), Value::NullBulk);
    bench.unpause();
}

#[test]
fn queuing_is_not_held_back_and_exec_is() {
    let test = "queuing_is_not_held_back_and_exec_is";
    let Some(mut bench) = Bench::unless_stand_in(test, "it parks the command that is being queued")
    else {
        return;
    };
    for mode in ["WRITE", "ALL"] {
        bench.admin.ok(&format!("CLIENT PAUSE 100000 {mode}"));
        let mut conn = bench.server.connect();
        conn.ok("MULTI");
        assert_eq!(conn.call("INCR counter"), Value::simple("QUEUED"));
        assert_eq!(conn.call("GET counter"), Value::simple("QUEUED"));
        bench.park_on(&mut conn, "EXEC");
        bench.unpause();
        assert_eq!(conn.read().items().len(), 2);
    }
    assert_eq!(bench.admin.call("GET counter"), Value::bulk("2"));
}

/// What an operator and a monitor need is never held back, in a pause of ALL neither.
#[test]
fn the_operator_is_never_locked_out() {
    let test = "the_operator_is_never_locked_out";
    let Some(mut bench) = Bench::unless_stand_in(test, "a pause of ALL holds all of it back")
    else {
        return;
    };
    bench.admin.ok("CLIENT PAUSE 100000 ALL");
    let mut conn = bench.server.connect();
    for line in [
        "PING",
        "INFO",
        "INFO replication",
        "ROLE",
        "AUTH x",
        "HELLO",
        "SELECT 1",
        "CONFIG GET port",
        "CONFIG SET timeout 0",
        "CONFIG RESETSTAT",
        "CLIENT ID",
        "CLIENT INFO",
        "CLIENT LIST",
        "CLIENT SETNAME operator",
        "CLIENT GETNAME",
        "CLIENT KILL ID 99999999",
        "CLIENT UNBLOCK 99999999",
        "CLIENT NO-EVICT on",
        "CLIENT REPLY ON",
        "CLIENT TRACKINGINFO",
        "CLIENT GETREDIR",
        "CLIENT PAUSE 10 ALL",
        "SHUTDOWN ABORT",
        "HELLO 3",
        "HELLO 2",
        "SUBSCRIBE a",
        "UNSUBSCRIBE a",
        "PSUBSCRIBE a",
        "PUNSUBSCRIBE a",
        "RESET",
    ] {
        conn.send_line(line);
        assert!(
            conn.try_read(crate::common::DEADLINE).is_ok(),
            "{line} was held back"
        );
    }
    conn.ok("MULTI");
    for line in [
        "PING",
        "CONFIG GET port",
        "CLIENT KILL TYPE pubsub",
        "INFO clients",
    ] {
        assert_eq!(conn.call(line), Value::simple("QUEUED"), "{line}");
    }
    assert_eq!(conn.call("EXEC").items().len(), 4);
    conn.ok("QUIT");
    bench.wait_for_blocked(0);
    let mut parked = bench.park("GET k");
    bench.unpause();
    assert_eq!(parked.read(), Value::NullBulk);
}

/// A pause of ALL holds back what only reads, also inside a transaction.
#[test]
fn a_pause_of_all_holds_reads_back() {
    let test = "a_pause_of_all_holds_reads_back";
    let Some(mut bench) = Bench::unless_stand_in(test, "a pause of ALL holds UNPAUSE back") else {
        return;
    };
    bench.admin.ok("CLIENT PAUSE 100000 ALL");
    let lines = [
        "GET k",
        "EXISTS k",
        "HGETALL k",
        "SCAN 0",
        "DBSIZE",
        "ECHO x",
        "PUBLISH ch m",
        "SET k v",
        "DEL k",
    ];
    let mut parked: Vec<Conn> = lines.iter().map(|line| bench.park(line)).collect();
    let mut transaction = bench.server.connect();
    transaction.ok("MULTI");
    assert_eq!(transaction.call("GET k"), Value::simple("QUEUED"));
    bench.park_on(&mut transaction, "EXEC");
    bench.unpause();
    for (conn, line) in parked.iter_mut().zip(lines) {
        assert!(!conn.read().is_error(), "{line}");
    }
    assert_eq!(transaction.read(), Value::Array(vec![Value::NullBulk]));
}

/// Trivial errors come back at once: the pause is the last check.
#[test]
fn errors_come_at_once() {
    let mut bench = Bench::start();
    bench.pause_writes();
    let mut conn = bench.server.connect();
    let arity = Value::error("ERR wrong number of arguments for 'set' command");
    assert_eq!(conn.call("SET k"), arity);
    let unknown = Value::error("ERR unknown command 'NOSUCH', with args beginning with: 'k' ");
    assert_eq!(conn.call("NOSUCH k"), unknown);
    assert_eq!(conn.call("EXEC"), Value::error("ERR EXEC without MULTI"));
    assert_eq!(
        conn.call("DISCARD"),
        Value::error("ERR DISCARD without MULTI")
    );
    conn.call("SUBSCRIBE ch");
    let error = conn.call("SET k v");
    assert!(
        error.is_error() && error.text().starts_with("ERR Can't execute 'set'"),
        "{error}"
    );
    bench.wait_for_blocked(0);
    bench.unpause();
}

/// A transaction that must fail does so at the latest when the pause is over.
#[test]
fn a_transaction_that_must_fail_fails() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    conn.ok("MULTI");
    assert_eq!(conn.call("SET k v"), Value::simple("QUEUED"));
    assert!(conn.call("SET k").is_error());
    bench.pause_writes();
    conn.send_line("EXEC");
    bench.unpause();
    let error = Value::error("EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(conn.read(), error);
    assert_eq!(bench.admin.call("EXISTS k"), Value::Int(0));
}

#[test]
fn noauth_comes_at_once() {
    let server = Setup::new().arg("--requirepass", "secret").start();
    let mut admin = server.connect();
    admin.ok("AUTH secret");
    admin.ok("CLIENT PAUSE 100000 WRITE");
    let mut conn = server.connect();
    assert_eq!(
        conn.call("SET k v"),
        Value::error("NOAUTH Authentication required.")
    );
    assert_eq!(
        conn.call("AUTH wrong"),
        Value::error("WRONGPASS invalid username-password pair or user is disabled.")
    );
    admin.ok("CLIENT UNPAUSE");
}

/// While anything is paused, expired keys are absent to readers and nothing deletes them: neither those that are read
/// nor those that nobody asks for.
#[test]
fn nothing_expires_during_a_pause() {
    let mut bench = Bench::start();
    let expired_before: u64 = bench.info("expired_keys").parse().expect("a number");
    bench.admin.ok("MULTI");
    for n in 0..20 {
        assert_eq!(
            bench.admin.call(&format!("SET short{n} v PX 20")),
            Value::simple("QUEUED")
        );
    }
    assert_eq!(
        bench.admin.call("CLIENT PAUSE 100000 WRITE"),
        Value::simple("QUEUED")
    );
    assert_eq!(bench.admin.call("EXEC").items().len(), 21);
    let frozen = bench.info("master_repl_offset");
    for n in 0..10 {
        bench.wait_for_end_of(&format!("short{n}"));
    }
    assert_eq!(bench.admin.call("EXISTS short0 short15"), Value::Int(0));
    assert_eq!(bench.admin.call("TTL short15"), Value::Int(-2));
    assert_eq!(bench.info("expired_keys"), expired_before.to_string());
    assert_eq!(bench.info("master_repl_offset"), frozen);
    bench.unpause();
    wait_until("the expired keys are deleted after the pause", || {
        for n in 0..20 {
            bench.admin.call(&format!("GET short{n}"));
        }
        bench.info("expired_keys") == (expired_before + 20).to_string()
    });
    assert_eq!(bench.admin.call("DBSIZE"), Value::Int(0));
}

/// Who waited before the pause is answered at its timeout, during the pause.
#[test]
fn a_blocked_client_times_out_during_a_pause() {
    let mut bench = Bench::start();
    let mut blocked = bench.park("BLPOP list 0.3");
    bench.pause_writes();
    assert_eq!(blocked.read(), Value::NullArray);
    bench.wait_for_blocked(0);
    bench.unpause();
}

/// A BLPOP that arrives during the pause waits for its end, and only then does its own timeout begin.
#[test]
fn a_blocking_command_begins_after_the_pause() {
    let mut bench = Bench::start();
    bench.lifetime("clock", 300);
    bench.pause_writes();
    let mut blocked = bench.park("BLPOP list 0.05");
    bench.wait_for_end_of("clock");
    assert!(
        !blocked.has_reply_now(),
        "BLPOP has timed out during the pause"
    );
    bench.unpause();
    assert_eq!(blocked.read(), Value::NullArray);
}

/// A parked BLPOP is an ordinary BLPOP afterwards: it takes what is there, or waits.
#[test]
fn a_parked_blocking_command_takes_what_was_pushed_after_the_pause() {
    let mut bench = Bench::start();
    bench.admin.call("RPUSH full a");
    bench.pause_writes();
    let mut takes = bench.park("BLPOP full 0");
    let mut waits = bench.park("BLPOP empty 0");
    bench.unpause();
    assert_eq!(takes.read(), Value::bulks(&["full", "a"]));
    bench.wait_for_blocked(1);
    assert_eq!(bench.admin.call("RPUSH empty b"), Value::Int(1));
    assert_eq!(waits.read(), Value::bulks(&["empty", "b"]));
}

/// Who waits for a key is woken after the pause, because the push itself waits.
#[test]
fn a_push_waits_and_then_wakes() {
    let mut bench = Bench::start();
    let mut blocked = bench.park("BLPOP list 0");
    bench.pause_writes();
    let mut push = bench.park("LPUSH list v");
    assert!(!blocked.has_reply_now());
    bench.unpause();
    assert_eq!(push.read(), Value::Int(1));
    assert_eq!(blocked.read(), Value::bulks(&["list", "v"]));
    assert_eq!(bench.admin.call("EXISTS list"), Value::Int(0));
}
