//! Commands: what they declare ([`spec`]), what they see ([`context`]), how they end early ([`halt`]), the [`gate`] before
//! them and the [`dispatch`] around them; then one file a family, each command's declaration beside its handler.

pub mod absent;
pub mod account;
pub mod client;
mod client_line;
mod client_list;
pub mod cluster;
pub mod connection;
pub mod context;
pub mod cursors;
pub mod debug;
pub mod dispatch;
pub mod failover;
pub mod gate;
pub mod halt;
pub mod hash;
pub mod info;
pub mod introspection;
pub mod keyspace;
pub mod latency;
pub mod links;
pub mod list;
pub mod members;
pub mod memory;
pub mod monitor;
#[cfg(test)]
pub mod node_bench;
pub mod parked_reads;
pub mod parked_scans;
pub mod parking;
pub mod parse;
pub mod pause;
pub mod pubsub;
pub mod rename;
pub mod replication;
pub mod server;
#[cfg(test)]
mod server_tests;
pub mod set;
pub mod shutdown;
pub mod slowlog;
pub mod sort;
pub mod sorted_set;
pub mod spec;
pub mod string;
pub mod table;
#[cfg(test)]
pub mod testing;
pub mod transactions;

pub use context::{ControlCtx, DataCtx};
pub use halt::{Halt, Run, Wait};
pub use spec::{Class, Flags, Handler, KeySpec, Spec};

use crate::error::ReplyError;
use crate::resp::Reply;

/// The error for a subcommand called with arguments that it does not take.
pub fn subcommand_syntax(container: &str, subcommand: &[u8]) -> ReplyError {
    ReplyError::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        &subcommand[..subcommand.len().min(128)],
        &format!("'. Try {container} HELP."),
    )
}

/// The reply to a container's HELP: one line that introduces, the lines given, and HELP itself.
pub fn help(reply: &mut Reply, container: &str, lines: &[&str]) {
    reply.array(lines.len() + 3);
    reply.simple(&format!(
        "{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    ));
    for line in lines {
        reply.simple(line);
    }
    reply.simple("HELP");
    reply.simple("    Prints this help.");
}
