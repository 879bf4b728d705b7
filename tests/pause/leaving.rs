//! SIGTERM and SHUTDOWN on a server without replicas: they work while commands are parked, which are dropped unanswered,
//! and every acknowledged write is there after the next start.

use crate::Bench;
use crate::common::Value;

/// Reads what the server says until it closes.
fn said_before_closing(mut conn: crate::common::Conn) -> Vec<u8> {
    conn.read_to_close()
}

#[test]
fn sigterm_ends_the_server_while_commands_are_parked() {
    let mut bench = Bench::start();
    bench.admin.ok("SET before v");
    bench.pause_writes();
    let parked = bench.park("SET parked v");
    let blocked = bench.park("BLPOP list 0");
    assert!(bench.server.stop().success());
    assert_eq!(
        said_before_closing(parked),
        b"",
        "a parked command was answered at the end"
    );
    assert_eq!(said_before_closing(blocked), b"");
    bench.server.restart();
    bench.admin = bench.server.connect();
    assert_eq!(bench.admin.call("EXISTS parked"), Value::Int(0));
    // The stand-in is started without persistence.
    if !bench.server.is_stand_in() {
        assert_eq!(bench.admin.call("GET before"), Value::bulk("v"));
    }
}

#[test]
fn sigint_ends_the_server_too() {
    let mut bench = Bench::start();
    bench.admin.ok("SET before v");
    bench.server.signal("INT");
    assert!(bench.server.wait_for_exit().success());
}

#[test]
fn shutdown_ends_the_server_without_a_reply() {
    for line in [
        "SHUTDOWN",
        "SHUTDOWN NOSAVE",
        "SHUTDOWN NOW",
        "SHUTDOWN FORCE",
        "SHUTDOWN SAVE",
        "SHUTDOWN NOW FORCE",
    ] {
        let mut bench = Bench::start();
        bench.admin.ok("SET before v");
        bench.pause_writes();
        let parked = bench.park("SET parked v");
        bench.admin.send_line(line);
        assert!(bench.server.wait_for_exit().success(), "{line}");
        assert_eq!(said_before_closing(parked), b"", "{line}");
        let Bench { mut server, admin } = bench;
        assert_eq!(said_before_closing(admin), b"", "{line}");
        server.restart();
        let mut admin = server.connect();
        assert_eq!(admin.call("EXISTS parked"), Value::Int(0), "{line}");
        if !server.is_stand_in() {
            assert_eq!(admin.call("GET before"), Value::bulk("v"), "{line}");
        }
    }
}

#[test]
fn shutdown_is_not_held_back_by_a_pause_of_all() {
    let test = "shutdown_is_not_held_back_by_a_pause_of_all";
    let Some(mut bench) = Bench::unless_stand_in(test, "it parks SHUTDOWN") else {
        return;
    };
    bench.admin.ok("CLIENT PAUSE 100000 ALL");
    bench.admin.send_line("SHUTDOWN");
    assert!(bench.server.wait_for_exit().success());
}

#[test]
fn wrong_shutdowns_get_their_errors() {
    let mut bench = Bench::start();
    for (line, error) in [
        ("SHUTDOWN ABORT", "ERR No shutdown in progress."),
        ("SHUTDOWN BOGUS", "ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "ERR syntax error"),
        ("SHUTDOWN ABORT NOW", "ERR syntax error"),
    ] {
        assert_eq!(bench.admin.call(line), Value::error(error), "{line}");
    }
    bench.admin.ok("MULTI");
    let error = bench.admin.call("SHUTDOWN");
    assert_eq!(
        error,
        Value::error("ERR Command not allowed inside a transaction")
    );
    assert!(bench.server.is_running());
}

/// A pause does not outlive the process.
#[test]
fn a_restarted_server_is_not_paused() {
    let mut bench = Bench::start();
    bench.pause_writes();
    bench.server.kill();
    bench.server.restart();
    bench.admin = bench.server.connect();
    bench.admin.ok("SET k v");
}
