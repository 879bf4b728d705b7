//! What a command asks of the server around the node: things that need sockets, threads or the process.

use super::replication::LinkRequest;
use crate::client::ClientKey;
use crate::client::waiting::Ticket;
use crate::failover;
use crate::replication::progress::ReplicaId;
use crate::replication::takeover;
use crate::storage::replication_id::ReplicationId;
use crate::storage::scan::WantedScan;
use crate::storage::seq::Seq;

/// Something for the server to do after the turn's commands.
#[derive(Debug)]
pub enum Request {
    /// Give this to a worker.
    Work(WorkerJob),
    /// Settings changed at run time: apply what concerns sockets, threads and the log.
    ConfigChanged(Vec<&'static str>),
    /// Leave now, with this exit status.
    Exit(i32),
    /// Compact the whole database.
    Compact,
    /// The role is to change: [`super::replication::Replication::change`] says to what.
    RoleChanged,
    /// Close the link of this replica, which may come back.
    CloseReplica(ReplicaId),
    /// Close the link to the primary, and make another.
    ClosePrimaryLink,
    /// Send files of a checkpoint, or the list of them.
    Ship {
        client: ClientKey,
        request: LinkRequest,
    },
    /// What a planned switch asks for, of the old primary and of its target.
    Failover(Vec<failover::Action>),
    Takeover(Vec<takeover::Action>),
    /// Look whether a replica may go on with `next`.
    JudgePsync {
        client: ClientKey,
        ticket: Ticket,
        id: Option<ReplicationId>,
        next: Seq,
    },
}

/// Work for a worker thread.
#[derive(Debug)]
pub enum WorkerJob {
    /// Read a range for the parked command of `client`.
    Scan {
        client: ClientKey,
        ticket: Ticket,
        wanted: WantedScan,
    },
    /// Find expired keys.
    FindExpired { limit: usize },
}
