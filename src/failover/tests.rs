//! The old primary: each transition by itself, then both sides against each other under faults.

mod bench;
mod handing;
mod simulation;
mod syncing;
