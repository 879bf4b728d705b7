//! Everything that other threads can say to the loop.

use crate::client::ClientKey;
use crate::client::waiting::Ticket;
use crate::failover::machine::action::LinkId;
use crate::replication::feeder::FeederEvent;
use crate::replication::follower::FollowerEvent;
use crate::replication::offer_link::OfferLinkEvent;
use crate::server::copying::CopyEvent;
use crate::server::judging::Judged;
use crate::server::reopen::Reopened;
use crate::storage::cold::ColdAnswer;
use crate::storage::commit::CommitEvent;
use crate::storage::counting::KeyCounts;
use crate::storage::disk::Look;
use crate::storage::expiry::Search;
use crate::storage::rocks::ReopenError;
use crate::storage::scan::Pinned;

/// A message to the loop.
pub enum LoopEvent {
    /// From the flusher or the syncer.
    Commit(CommitEvent),
    /// A range was read for a parked command.
    Scanned {
        client: ClientKey,
        ticket: Ticket,
        pinned: Pinned,
    },
    /// A read for a parked command failed.
    ScanFailed {
        client: ClientKey,
        ticket: Ticket,
        text: String,
    },
    /// Keys were read for parked commands.
    ColdRead(Vec<ColdAnswer>),
    /// Keys were counted.
    Counted(KeyCounts),
    /// A search for expired keys has ended.
    Expired(Search),
    /// The room on the file system of the data; `None` when it could not be found out.
    Disk(Option<Look>),
    /// A compaction of everything has ended.
    Compacted,
    /// The database was opened again after a failed commit.
    Reopened(Result<Reopened, ReopenError>),
    /// What the log says about a replica's PSYNC.
    Judged(Judged),
    /// From the feeder.
    Feeder(FeederEvent),
    /// About full copies.
    Copy(CopyEvent),
    /// About a connection to the target of a failover.
    OfferLink(LinkId, OfferLinkEvent),
    /// From the follower of this number, counted over the life of the process.
    Follower(u64, FollowerEvent),
    /// The state file has been written in this version: a crash of the process leaves it, a power cut may not.
    Written(u64),
    /// The state file is on disk in this version, or could not be written.
    Stored(u64, Result<(), String>),
    /// SIGTERM or SIGINT.
    Signal(i32),
}
