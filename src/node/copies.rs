//! The connections over which replicas fetch full copies: a client that asks for files becomes one, and a thread has its socket.
//!
//! Kvrocks's protocol does not say whose such a connection is. A Stillpoint says it, by the `replconf` that it also sends before a PSYNC;
//! it is in INFO while it fetches, as in Redis. Of others there is nothing to show but the connections, in CLIENT LIST.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Node;
use super::replication::LinkOptions;
use crate::client::{ClientKey, Linked};
use crate::replication::progress::{Address, Row, Stage};
use crate::storage::seq::Seq;

/// A connection on which files are sent, or the list of them.
#[derive(Debug)]
pub struct CopyLink {
    pub link: Linked,
    /// The command that is being answered.
    pub command: &'static str,
    replica: Option<Fetcher>,
    stops: Arc<AtomicBool>,
}

/// Who fetches.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Fetcher {
    address: Address,
    run_id: Option<String>,
}

impl Fetcher {
    /// By what was said on its connection from `peer_addr`; `None` when that is not enough to tell it from others.
    fn of(options: Option<&LinkOptions>, peer_addr: &str) -> Option<Fetcher> {
        let options = options.filter(|options| options.port != 0)?;
        Some(Fetcher {
            address: options.address(peer_addr),
            run_id: options.run_id.clone(),
        })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Copies {
    /// Clients that have asked for the list of files while there is none; some may have left.
    pub waiting: Vec<ClientKey>,
    /// By the id that each had as a client.
    links: BTreeMap<u64, CopyLink>,
}

impl Copies {
    /// A client has become one; gives what tells its thread to stop.
    pub fn began(
        &mut self,
        link: Linked,
        options: Option<&LinkOptions>,
        command: &'static str,
    ) -> Arc<AtomicBool> {
        let stops = Arc::new(AtomicBool::new(false));
        let copy = CopyLink {
            replica: Fetcher::of(options, &link.peer.addr),
            command,
            stops: Arc::clone(&stops),
            link,
        };
        self.links.insert(copy.link.id, copy);
        stops
    }

    /// Its thread has ended, or is to.
    pub fn end(&mut self, id: u64) {
        if let Some(copy) = self.links.remove(&id) {
            copy.stops.store(true, Ordering::Relaxed);
        }
    }

    /// The connections, in the order in which they began.
    pub fn links(&self) -> impl Iterator<Item = &CopyLink> {
        self.links.values()
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

impl Node {
    /// The replicas that are known to fetch a copy, or to wait for a checkpoint, as INFO shows them.
    pub fn copying_replicas(&self) -> Vec<Row> {
        let copies = &self.replication.copies;
        let mut found: Vec<(&Fetcher, Stage)> = Vec::new();
        let sending = copies.links().filter_map(|copy| copy.replica.as_ref());
        found.extend(sending.map(|replica| (replica, Stage::Copies)));
        let waiting = copies.waiting.iter().filter_map(|key| {
            let client = self.clients.get(*key)?;
            Fetcher::of(client.link.as_deref(), &client.peer.addr)
        });
        let waiting: Vec<Fetcher> = waiting.collect();
        let waits = |replica| (replica, Stage::AwaitsCheckpoint);
        found.extend(waiting.iter().map(waits));
        let mut rows = Vec::new();
        for (at, (replica, stage)) in found.iter().enumerate() {
            // It fetches over several connections.
            if found[..at].iter().any(|(earlier, _)| earlier == replica) {
                continue;
            }
            rows.push(Row {
                address: replica.address.clone(),
                state: stage.name(),
                offset: Seq::ZERO,
                lag_seconds: 0,
            });
        }
        rows
    }

    /// The connections of replicas and the one to the primary, whose sockets are threads': they count for `maxclients`, as in Redis.
    pub fn linked_count(&self) -> usize {
        let replication = &self.replication;
        let primary = usize::from(replication.primary_link().is_some());
        replication.links_count() + replication.copies.len() + primary
    }
}
