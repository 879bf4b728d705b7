//! A simulation of whole nodes: the shipped turn, view, commit path and commands over simulated storage, sockets and time.
//!
//! One thread, one virtual clock, and one seed from which every delay, fault and command follows: the same seed gives the same
//! [`trace`]. [`world`] has the nodes, what their helper threads would do, and the time; [`network`] carries bytes between them and to
//! the outside; [`one_node`] is a scenario with clients, an operator and crashes, and [`checks`] is what must hold in it;
//! [`two_or_three_nodes`] is one of nodes that replicate and switch.
//!
//! `STILLPOINT_SEEDS=n` says how many seeds a test runs, `STILLPOINT_SEED=n` runs that one alone and prints its trace,
//! and `STILLPOINT_WITHOUT=name` takes a part of the server out ([`mutation`]).

pub mod checks;
pub mod client;
pub mod conversation;
pub mod copies;
pub mod mutation;
pub mod network;
pub mod one_node;
pub mod operations;
pub mod queue;
pub mod resp;
pub mod seeds;
pub mod trace;
pub mod two_or_three_nodes;
pub mod world;

#[cfg(test)]
mod tests;
