//! What the tests over sockets share: starting the built binary and the oracle (`redis-server`), a small RESP client of
//! our own, waiting for conditions with a deadline, and a seeded generator of random numbers.
//!
//! Nothing here sleeps to give the server time: a test waits for what it can observe, and fails at the deadline with the
//! name of what never came. Servers listen on loopback, on free ports, and are ended by their process id.
//!
//! `STILLPOINT_TEST_BIN=path` tests another binary instead of the one just built. If its file name starts with
//! `redis-server`, it is the stand-in: tests of what Redis does not do skip themselves, see [`Server::is_stand_in`].

// Each test program compiles this module anew and uses a part of it.
#![allow(dead_code)]

pub mod conn;
pub mod fixture;
pub mod json;
pub mod nodes;
pub mod proxy;
pub mod rng;
pub mod server;
pub mod small_disk;
pub mod value;

use std::io::Write;
use std::time::{Duration, Instant};

#[allow(unused_imports)]
pub use conn::Conn;
#[allow(unused_imports)]
pub use rng::Rng;
#[allow(unused_imports)]
pub use server::{Server, Setup};
#[allow(unused_imports)]
pub use value::Value;

/// How long a test waits for anything before it fails. Generous, because the machine may be busy with other tests; what
/// goes well takes milliseconds.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds, and panics with `what` when [`DEADLINE`] has passed first.
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(
        holds_within(DEADLINE, condition),
        "deadline of {DEADLINE:?} passed before: {what}"
    );
}

/// Asks `condition` again and again until it holds (then true) or `limit` has passed (then false).
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    // Short pauses at first, since most conditions come true within a loop turn or two of the server.
    let mut pause = Duration::from_micros(200);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Says on the real standard error that a test did not run, and why. `eprintln!` would be swallowed by the test harness.
pub fn say_skipped(test: &str, reason: &str) {
    say(&format!("skipped: {test}: {reason}"));
}

/// One line on the real standard error, whatever the test harness captures.
pub fn say(line: &str) {
    let mut stderr = std::io::stderr().lock();
    // A closed standard error must not fail a test.
    let _ = writeln!(stderr, "{line}");
}

/// Bytes as a reader wants to see them: printable ASCII as it is, the rest as `\xNN`.
pub fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// A command line as a reader wants to see it; long arguments are cut, with their length.
pub fn show_args<A: AsRef<[u8]>>(args: &[A]) -> String {
    let mut out = String::new();
    for arg in args {
        let arg = arg.as_ref();
        if !out.is_empty() {
            out.push(' ');
        }
        if arg.len() > 80 {
            out.push_str(&format!("\"{}...\"<{} bytes>", show(&arg[..40]), arg.len()));
        } else if arg.is_empty()
            || arg
                .iter()
                .any(|b| !b.is_ascii_graphic() || *b == b'"' || *b == b'\\')
        {
            out.push_str(&format!("\"{}\"", show(arg)));
        } else {
            out.push_str(&String::from_utf8_lossy(arg));
        }
    }
    out
}
