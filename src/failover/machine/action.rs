//! What the machine says: to the server, to the disk, to the target.

use crate::error::ReplyError;
use crate::replication::takeover::wire::{Address, Request, Token};
use crate::storage::seq::Seq;

/// Names a client that waits for its reply; the server gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket(pub u64);

/// Names a connection to the target; the machine gives it, and ignores what comes from an earlier one.
pub type LinkId = u64;

/// What must be on disk while an offer may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOffer {
    /// The node that may have been offered to take over.
    pub target: Address,
    /// The offer's name.
    pub token: Token,
}

/// What the state file must say of the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durable {
    /// A primary that may have made an offer: at the next start it asks before it accepts writes.
    Pending(PendingOffer),
    /// A primary, without an offer.
    Primary,
}

/// What the server must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Pause writes for [`crate::pause::Purpose::Failover`], without end; when all that was executed before is committed, report
    /// [`super::Failover::drained`].
    PauseWrites,
    /// Lift that pause, and evaluate everything parked again. The role is known.
    ReleasePause,
    /// Ask every replica for an acknowledgement at once.
    RequestAcks,
    /// Write this to the state file; report [`super::Failover::stored`] or [`super::Failover::store_failed`]. The server's copy of the state
    /// changes now, so that whatever it writes later carries it; writes must not overtake each other.
    Store {
        /// Names this write.
        attempt: u64,
        /// What to write.
        durable: Durable,
    },
    /// Open a connection to this node's client port and authenticate; report [`super::Failover::connected`] or [`super::Failover::disconnected`].
    Connect {
        /// Names it.
        link: LinkId,
        /// Whereto.
        target: Address,
    },
    /// Send this over the connection; report [`super::Failover::answered`].
    Send {
        /// Which.
        link: LinkId,
        /// What.
        request: Request,
    },
    /// Close the connection. Nothing is to be reported.
    Close {
        /// Which.
        link: LinkId,
    },
    /// Accept no write from here on, whatever the pause says; nothing may be uncommitted. `seq` is the last update, which the server
    /// must assert; `None` at a start, where nothing has been written.
    StopBeingPrimary {
        /// The final sequence.
        seq: Option<Seq>,
    },
    /// Accept writes again; with `new_history` under a new replication id, because the target may go on with this one.
    ResumePrimary {
        /// Whether to draw a new id.
        new_history: bool,
    },
    /// Become a replica of this node.
    Follow {
        /// The new primary.
        target: Address,
    },
    /// Answer a command that waits.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// `+OK`, or an error.
        reply: Result<(), ReplyError>,
    },
    /// A line for the log.
    Log(log::Level, String),
}

/// What `REPLICAOF` means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Change the role as told, on disk first; then do these.
    Proceed(Vec<Action>),
    /// Do these; the command is answered by one of them, or by a later one.
    Wait(Vec<Action>),
    /// Answer this.
    Refuse(ReplyError),
}
