//! Booking a command that has come to its end: statistics, slow log, latency monitor; and what of its arguments may be shown.

use super::slowlog;
use super::spec::{Flags, Spec};
use super::table::Command;
use crate::client::ClientKey;
use crate::error::ReplyError;
use crate::node::Node;
use crate::resp::Args;
use crate::stats::latency;

/// What stands in the place of a secret, as in Redis.
const REDACTED: &[u8] = b"(redacted)";

/// Books a command that has been executed: `took_us` without the time that it waited, `error` if that is its reply.
#[inline]
pub fn executed(
    node: &mut Node,
    key: ClientKey,
    command: &'static Command,
    args: Args<'_>,
    took_us: u64,
    error: Option<&ReplyError>,
) {
    node.stats.executed(command, took_us, error.is_some());
    if let Some(error) = error {
        node.stats.error(error.code());
    }
    if node.stats.latency.is_slow(took_us) {
        let event = if command.spec.flags.has(Flags::FAST) {
            latency::FAST_COMMAND
        } else {
            latency::COMMAND
        };
        let now = node.clock.turn();
        node.stats
            .latency
            .note(event, took_us, now.unix_us / 1_000_000);
    }
    slowlog::note(node, key, command, args, took_us);
}

/// The arguments as others may see them (MONITOR, SLOWLOG): passwords are hidden.
pub fn shown<'a>(spec: &Spec, args: Args<'a>) -> Vec<&'a [u8]> {
    let mut shown: Vec<&[u8]> = args.iter().collect();
    if let Some(secrets) = spec.secrets {
        for at in secrets(args) {
            if let Some(arg) = shown.get_mut(at) {
                *arg = REDACTED;
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::dispatch;
    use crate::command::node_bench::NodeBench;
    use crate::resp::OwnedArgs;

    fn shown_line(bench: &NodeBench, line: &str) -> String {
        let parts: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = OwnedArgs::from_parts(&parts);
        let command = dispatch::find(&bench.node, args.as_args()).expect("a known command");
        let words: Vec<String> = shown(command.spec, args.as_args())
            .into_iter()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        words.join(" ")
    }

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        let bench = NodeBench::new();
        for (line, expected) in [
            ("AUTH hush", "AUTH (redacted)"),
            ("AUTH default hush", "AUTH (redacted) (redacted)"),
            ("AUTH a b c", "AUTH (redacted) (redacted) (redacted)"),
            ("HELLO 3", "HELLO 3"),
            (
                "HELLO 3 SETNAME auth AUTH default hush",
                "HELLO 3 SETNAME auth AUTH (redacted) (redacted)",
            ),
            ("HELLO 3 AUTH default", "HELLO 3 AUTH default"),
            (
                "CONFIG SET timeout 5 requirepass hush MASTERAUTH hush",
                "CONFIG SET timeout 5 requirepass (redacted) MASTERAUTH (redacted)",
            ),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("PING hush", "PING hush"),
        ] {
            assert_eq!(shown_line(&bench, line), expected);
        }
    }
}
