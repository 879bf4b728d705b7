//! How a command ends early: with an error, or by waiting. Waiting is a value; the command has had no effect then and
//! is evaluated again from the start when the reason is over.

use crate::error::ReplyError;
use crate::node::replication::LinkRequest;
use crate::storage::replication_id::ReplicationId;
use crate::storage::scan::WantedScan;
use crate::storage::seq::Seq;

/// What a handler returns: done (its reply is written), or why not.
pub type Run<T = ()> = Result<T, Halt>;

/// Why a command did not finish.
#[derive(Clone, Debug)]
pub enum Halt {
    /// It failed and changed nothing; the client gets this error.
    Error(ReplyError),
    /// It cannot run now; its client is parked.
    Wait(Wait),
}

/// What a parked command waits for, beside a pause (which the gate sees, not the handler).
#[derive(Clone, Debug)]
pub enum Wait {
    /// One of these keys is written (BLPOP and kin).
    Keys(KeyWait),
    /// A worker has read a range that is too long for one turn, or not in memory.
    Scan(WantedScan),
    /// Readers have read the keys that are not in memory; the view knows which ([`crate::storage::cold`]).
    ColdRead,
    /// A worker has counted the keys of the databases.
    KeyCount,
    /// The server has left, or stays after all.
    Shutdown,
    /// Replicas have acknowledged (WAIT), or so many milliseconds have passed.
    Acks { timeout_ms: Option<u64> },
    /// Whoever takes the request that it has left with the server answers it.
    Link,
    /// Its socket leaves the loop with this request.
    Ship(LinkRequest),
    /// The log has been looked at for a replica that wants to go on with `next`.
    Psync {
        id: Option<ReplicationId>,
        next: Seq,
    },
}

/// A wait for keys with an end.
#[derive(Clone, Debug)]
pub struct KeyWait {
    /// User keys of the client's database, in the order of the command.
    pub keys: Vec<Box<[u8]>>,
    /// Milliseconds from the first evaluation to the end; `None` waits for ever.
    pub timeout_ms: Option<u64>,
    /// What the client is told at the end.
    pub on_timeout: OnTimeout,
}

/// The reply to a wait that ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// BLPOP, BZPOPMIN, BLMPOP ...: a null array.
    NullArray,
    /// BLMOVE, BRPOPLPUSH: a null bulk string.
    Null,
    /// WAIT: how many replicas have acknowledged by then.
    Acknowledged,
}

/// Whether a read told its command to wait for the disk: what else it will need should be asked for too.
pub fn is_cold<T>(result: &Run<T>) -> bool {
    matches!(result, Err(Halt::Wait(Wait::ColdRead)))
}

impl From<ReplyError> for Halt {
    fn from(error: ReplyError) -> Halt {
        Halt::Error(error)
    }
}

impl From<crate::storage::rocks::StoreError> for Halt {
    fn from(error: crate::storage::rocks::StoreError) -> Halt {
        Halt::Error(ReplyError::new(format!("ERR storage: {error}")))
    }
}

impl From<crate::storage::metadata::TooShort> for Halt {
    fn from(_: crate::storage::metadata::TooShort) -> Halt {
        Halt::Error(ReplyError::fixed(
            "ERR storage: corrupted metadata entry of the key",
        ))
    }
}
