//! Replication over sockets: Stillpoints that follow each other, and hand-written peers that misbehave.
//!
//! `commands.rs` is about REPLICAOF, ROLE and INFO, `following.rs` about the stream, `listing.rs` about CLIENT LIST and KILL, `copying.rs` about full copies, `copies_shown.rs` about what a primary says of one,
//! `parting.rs` about what they give up, `switching.rs` about changes of role, `pausing.rs` about CLIENT PAUSE on replicas, `waiting.rs` about WAIT and what a node
//! refuses for want of peers, `settings.rs` about passwords, names and loops, `crashes.rs` about kill -9, `bad_primary.rs` and
//! `bad_replica.rs` about peers that break the protocol, `museum.rs` about bugs that other servers had.

#[path = "../common/mod.rs"]
mod common;

mod bad_primary;
mod bad_replica;
mod commands;
mod copies_shown;
mod copying;
mod crashes;
mod data;
mod following;
mod listing;
mod museum;
mod parting;
mod pausing;
mod peer;
mod settings;
mod switching;
mod waiting;

use common::nodes::{
    attach, follow, number, offset, promote, start, start_all, still_serves, wait_caught_up,
    wait_link_up, wait_problem, wait_reply,
};
