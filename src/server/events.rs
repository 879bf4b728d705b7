//! Everything that other threads can say to the loop.

use crate::client::ClientKey;
use crate::client::waiting::Ticket;
use crate::storage::commit::CommitEvent;
use crate::storage::counting::KeyCounts;
use crate::storage::expiry::Search;
use crate::storage::pinned::Pinned;
use crate::storage::rocks::Rocks;

/// A message to the loop.
pub enum LoopEvent {
    /// From the flusher or the syncer.
    Commit(CommitEvent),
    /// Ranges were read for a parked command.
    Scanned {
        client: ClientKey,
        ticket: Ticket,
        pinned: Vec<Pinned>,
    },
    /// A read for a parked command failed.
    ScanFailed {
        client: ClientKey,
        ticket: Ticket,
        /// The numbers of the ranges that were to be read.
        ranges: Vec<u64>,
        text: String,
    },
    /// Keys were counted.
    Counted(KeyCounts),
    /// A search for expired keys has ended.
    Expired(Search),
    /// Bytes free on the file system of the data.
    DiskFree(u64),
    /// A compaction of everything has ended.
    Compacted,
    /// The database was opened again after a failed commit.
    Reopened(Result<Rocks, String>),
    /// SIGTERM or SIGINT.
    Signal(i32),
}
