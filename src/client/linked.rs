//! What stays in the loop of a connection whose socket is a thread's: a replica's, which the feeder has, or the one to the primary,
//! which the follower has. CLIENT LIST shows them, and CLIENT KILL closes them.

use super::{Client, Peer};
use crate::clock::MonoMs;

/// Such a connection.
#[derive(Clone, Debug)]
pub struct Linked {
    /// What CLIENT LIST shows as its id; a replica keeps the one that it had as a client.
    pub id: u64,
    pub peer: Peer,
    pub name: Option<Box<str>>,
    pub lib_name: Option<Box<str>>,
    pub lib_version: Option<Box<str>>,
    pub created: MonoMs,
}

impl Linked {
    /// A connection that this node has made.
    pub fn new(id: u64, peer: Peer, now: MonoMs) -> Linked {
        Linked {
            id,
            peer,
            name: None,
            lib_name: None,
            lib_version: None,
            created: now,
        }
    }

    /// A client that becomes a replica.
    pub fn of(client: &Client) -> Linked {
        Linked {
            id: client.id,
            peer: (*client.peer).clone(),
            name: client.name.clone(),
            lib_name: client.lib_name.clone(),
            lib_version: client.lib_version.clone(),
            created: client.created,
        }
    }
}
