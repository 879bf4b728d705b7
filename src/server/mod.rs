//! The server: node, sockets and helper threads wired together, and the loop that drives them.
//!
//! [`turn`] is what happens in one turn of the loop, in order; [`start`] brings a server up and down.

mod commits;
mod copying;
mod cron;
mod durable;
mod engine_options;
mod events;
#[cfg(test)]
mod exchange_tests;
mod expiring;
mod failing_over;
mod feeding;
mod fetching;
mod input;
mod judging;
mod listening;
mod open_files;
mod output;
mod receiving;
mod reopen;
mod roles;
mod settings;
mod signals;
#[cfg(test)]
pub mod simulated;
mod start;
pub mod state_copies;
pub mod state_file;
#[cfg(test)]
mod testing;
mod turn;
mod warming;
mod workers;

pub use events::LoopEvent;
pub use start::{StartError, run};

use std::collections::VecDeque;

use crate::logging::Log;
use crate::node::Node;
use crate::reactor::{ConnToken, LoopSender, Mailbox, Reactor, Ready};
use crate::replication::runner::Runner;
use crate::storage::commit::{Committer, GroupId};
use crate::storage::disk::DiskGauge;
use crate::supervised::Supervisor;
use workers::Workers;

/// Everything of one server process.
pub struct Server {
    pub(crate) node: Node,
    reactor: Reactor,
    ready: Ready,
    mailbox: Mailbox<LoopEvent>,
    sender: LoopSender<LoopEvent>,
    /// `None` only while the database is being reopened.
    committer: Option<Committer>,
    /// Groups at the flusher and when they were handed over, while the latency monitor is on.
    queued_since: VecDeque<(GroupId, u64)>,
    /// How the helpers of replication run.
    runner: Runner,
    workers: Workers,
    /// Read keys that are not in memory.
    readers: Workers,
    cron: cron::Cron,
    expiring: expiring::Expiring,
    /// There is more to take than a turn takes: do not sleep before the next one.
    look_again: bool,
    /// Listeners that may have more to accept now.
    accept_more: Vec<usize>,
    /// Listeners that failed to accept: tried again at the next round of timers.
    accept_later: Vec<usize>,
    /// Connections that may have bytes to read now.
    readable: Vec<ConnToken>,
    /// Counts the rounds in which each of them is read once.
    read_round: u64,
    read_buffer: Box<[u8]>,
    spans: Vec<crate::resp::parse::Span>,
    inline: Vec<u8>,
    warming: warming::Scratch,
    next_client_id: u64,
    disk: DiskGauge,
    reopening: reopen::Reopening,
    stalls: commits::StallLog,
    log: Log,
    supervisor: Supervisor,
    durable: durable::Durable,
    feeding: feeding::Feeding,
    copying: copying::Copying,
    /// What the compaction filters of every database of this process look at.
    patient_filters: std::sync::Arc<std::sync::atomic::AtomicBool>,
    fetching: fetching::Fetching,
    following: roles::Following,
    failing_over: failing_over::FailingOver,
    /// Set when the process is to end, with its exit status.
    exit: Option<i32>,
}
