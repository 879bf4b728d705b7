//! FAILOVER: how a primary hands its role to a replica so that no acknowledged write is lost. The old primary's side.
//!
//! Pure: events and a time in, actions out; no socket, clock, disk or thread. The other side is
//! [`crate::replication::takeover`], what they say to each other [`crate::replication::takeover::wire`]. [`machine`] is the state machine;
//! [`request`] reads the command and checks whether it may begin; [`sentinel`] says when it may not; [`report`] is what INFO
//! shows; [`leave`] is the graceful shutdown, which may hand over first.
//!
//! ```text
//!  Idle ──FAILOVER──▶ Syncing ──target acknowledged S──▶ Handing/Offered ──TAKEN──────────────▶ Idle, replica of the target
//!                      │   │                               │        │
//!                      │   └─FORCE, time over, ─▶ Unsent ──┘        ├──REFUSED─────────────────▶ Idle, primary again
//!                      │     not connected        │                 │
//!                      │                          │                 └─link lost, no answer─▶ Unknown ─┬─TAKEN─────▶ replica
//!                      └─time over, ABORT,        └─ABORT, time over─▶ primary                        ├─CANCELLED─▶ primary
//!                        target gone ▶ primary                           kill -9, restart ──▶ Unknown └─REPLICAOF─▶ as told
//! ```
//!
//! | state | writes | INFO `master_failover_state` | what ends it |
//! | --- | --- | --- | --- |
//! | Idle | as the role says | `no-failover` | |
//! | Syncing | run until it is prepared, then parked | `waiting-for-sync` | the acknowledgement, TIMEOUT or `failover-timeout`, ABORT |
//! | Unsent | parked | `failover-in-progress` | the connection, ABORT, `failover-timeout` |
//! | Offered | parked | `failover-in-progress` | the answer, or [`machine::ANSWER_MS`] without one: Unknown |
//! | Unknown | parked | `failover-in-progress` | the target's word; the operator's: REPLICAOF NO ONE, or REPLICAOF another primary |
//! | Forcing | parked | `failover-in-progress` | the disk |
//!
//! From Unsent on INFO, ROLE and HELLO say that the node is a replica of the target with its link down, as in Redis, until it is
//! known what it is ([`crate::node::Node::named_primary`]). So a Sentinel that meets it does not make the target follow it, which it does
//! with a replica that has become a primary beside one that is sound.
//!
//! # Why no two nodes accept writes
//!
//! - The old primary stops accepting writes before the offer leaves, and that it may have offered is on its disk by then: restarted, it is
//!   in Unknown, not a primary.
//! - From then on it is a primary again only by the target's word that the token is refused or cancelled, which the
//!   target has on disk and never takes back.
//! - A link that fails, a time that passes and an answer that is not understood are no such word.
//! - Only the operator's word goes beyond: REPLICAOF NO ONE in Offered or Unknown. It is on disk before the first write, which
//!   begins a new history.
//!
//! # What the writers wait for
//!
//! From the pause on: commits in flight, one acknowledgement, one offer and its answer. The write of the state file is made,
//! and the connection opened, *before* writes are paused (for at most [`machine::PREPARE_MS_MAX`], while they still run), because
//! syncing a small file takes 0.5 ms at best beside a primary that writes 20 MB/s, and one time in ten 3 to 9 ms (measured), and the
//! whole switch is to take under 2. So of the writes to disk
//!
//! | write | stands on the way | needed because |
//! | --- | --- | --- |
//! | pending offer, old primary | no: before the pause | a restart after the offer left must not be a primary |
//! | role and token, target | with `wal-sync always`; else only the write, not its sync | a restart of the target must not deny a takeover whose writes it acknowledged |
//! | role, old primary | no: once its link to the new primary is up | without it the restart is in Unknown and asks again |
//! | pending offer removed | no: after writes go on | without it the restart asks, and is told that the token is cancelled |
//! | token cancelled, target | only where the switch fails | the old primary accepts writes because of it |
//!
//! A target that loses power before the sync comes back as a replica that denies the token, and the writes that it acknowledged in those
//! milliseconds are gone, as `wal-sync everysec` and `no` may lose them in any power cut. Nobody is left without a primary by
//! it: the old one's offer stays pending until its link is up, and the target lets no link up before the sync.

pub mod leave;
pub mod machine;
pub mod report;
pub mod request;
pub mod sentinel;
#[cfg(test)]
mod tests;

pub use machine::Failover;
pub use machine::action::{Action, Durable, PendingOffer, Ticket, Word};
