//! The writers of `scripts/failover-drill`: SET and INCR at a fixed rate, from connections that go where the primary is.
//!
//! A program of its own, so that the processors belong to the servers, and one process with one thread for all
//! writers. Each writer has one pair in flight: `SET key value` and `INCR counter`, sent together, replied to in turn.
//! A command that is answered READONLY (or LOADING, MASTERDOWN, UNBLOCKED) has not run: every node is asked for its
//! role, and the writer sends it again to the primary. It has a connection to each node from the beginning, as clients
//! of a cluster do, so that what is measured is the servers' doing and not sixteen connects of one process. A command
//! whose connection broke before its reply is *unknown*: it may have run or not, and is not sent again.
//!
//! With `wait`, a pair is followed by `WAIT 1`, and counts as acknowledged only when a replica has it.
//!
//! ```text
//! drill-writers PORT[,PORT...] WRITERS PAIRS_PER_S [wait]
//! ```
//!
//! What it is told and what it answers is in `control`; `scripts/lib/drill_writers.py` is the other end.
//! Nothing here is shared with the server: what tests a program must not be wrong in the same way.

mod clock;
mod connection;
mod control;
mod keys;
mod ledger;
mod pair;
mod primary;
mod resp;
mod writers;

use std::fmt;
use std::process::ExitCode;

/// What no switch explains, in words: the drill ends with it.
#[derive(Debug)]
pub struct WriterFailed(pub String);

impl fmt::Display for WriterFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub struct Load {
    /// The ports of all nodes, on 127.0.0.1.
    pub ports: Vec<u16>,
    /// How many writers.
    pub writers: usize,
    /// Of all writers together.
    pub pairs_per_s: u64,
    /// Whether a replica must have a pair before it counts as acknowledged.
    pub wait: bool,
}

impl Load {
    fn from_arguments(arguments: &[String]) -> Option<Load> {
        let (ports, writers, rate, wait) = match arguments {
            [ports, writers, rate] => (ports, writers, rate, false),
            [ports, writers, rate, word] if word == "wait" => (ports, writers, rate, true),
            _ => return None,
        };
        let load = Load {
            ports: ports
                .split(',')
                .map(|port| port.parse().ok())
                .collect::<Option<_>>()?,
            writers: writers.parse().ok()?,
            pairs_per_s: rate.parse().ok()?,
            wait,
        };
        (load.writers > 0 && load.pairs_per_s > 0).then_some(load)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(load) = Load::from_arguments(&arguments) else {
        eprintln!("usage: drill-writers PORT[,PORT...] WRITERS PAIRS_PER_S [wait]");
        return ExitCode::from(2);
    };
    match writers::Writers::new(&load).and_then(writers::Writers::serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            control::answer(&control::failure_line(&failure));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<Load> {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Load::from_arguments(&arguments)
    }

    #[test]
    fn the_command_line_is_read() {
        let mut expected = Load {
            ports: vec![7001, 7002],
            writers: 16,
            pairs_per_s: 10_000,
            wait: false,
        };
        assert_eq!(parsed("7001,7002 16 10000"), Some(expected));
        expected = parsed("7001 1 1 wait").expect("a load");
        assert!(expected.wait);
        for wrong in [
            "7001",
            "7001 0 1",
            "7001 1 0",
            "70010 1 1",
            "7001,, 1 1",
            "7001 1 1 other",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
