//! MULTI and WATCH: what a client has queued, and which keys must not change before EXEC.

use std::collections::HashMap;

use super::ClientKey;
use crate::command::table::Command;
use crate::resp::OwnedArgs;
use crate::storage::keys::DbIndex;

/// A command waiting for EXEC.
#[derive(Clone, Debug)]
pub struct Queued {
    pub command: &'static Command,
    pub args: OwnedArgs,
}

/// A client's open transaction.
#[derive(Default, Debug)]
pub struct Transaction {
    pub queue: Vec<Queued>,
    /// Bytes that the queue holds.
    pub bytes: usize,
    /// A command could not be queued: EXEC will refuse.
    pub has_errors: bool,
}

/// What a client watches.
#[derive(Default, Debug)]
pub struct Watch {
    /// The keys, in order of WATCH; each with whether it existed then (a flush changes no others).
    pub keys: Vec<(DbIndex, Box<[u8]>, bool)>,
    /// One of them was changed: EXEC will answer null.
    pub is_dirty: bool,
}

/// Which clients watch which key.
#[derive(Default, Debug)]
pub struct Watches {
    by_key: HashMap<(DbIndex, Box<[u8]>), Vec<ClientKey>, foldhash::fast::RandomState>,
}

impl Watches {
    /// `client` watches `key` from now on.
    pub fn add(&mut self, db: DbIndex, key: &[u8], client: ClientKey) {
        self.by_key
            .entry((db, key.into()))
            .or_default()
            .push(client);
    }

    /// `client` no longer watches `key`.
    pub fn remove(&mut self, db: DbIndex, key: &[u8], client: ClientKey) {
        let name = (db, Box::from(key));
        if let Some(clients) = self.by_key.get_mut(&name) {
            clients.retain(|&other| other != client);
            if clients.is_empty() {
                self.by_key.remove(&name);
            }
        }
    }

    /// The clients that watch `key`.
    pub fn of_key(&self, db: DbIndex, key: &[u8]) -> &[ClientKey] {
        if self.by_key.is_empty() {
            return &[];
        }
        self.by_key
            .get(&(db, Box::from(key)))
            .map_or(&[], Vec::as_slice)
    }

    /// All watched keys of `db` with their clients.
    pub fn of_db(&self, db: DbIndex) -> impl Iterator<Item = (&[u8], &[ClientKey])> {
        self.by_key
            .iter()
            .filter(move |((at, _), _)| *at == db)
            .map(|((_, key), clients)| (&key[..], &clients[..]))
    }

    /// Whether anything is watched.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
