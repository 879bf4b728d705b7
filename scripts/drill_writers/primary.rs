//! Finding the primary: every node is asked for its role, over connections that are kept for this.

use std::io;

use mio::event::Event;
use mio::{Registry, Token};

use crate::connection::Connection;
use crate::resp;

/// The shortest time between two rounds of questions, while there is no primary.
const ASK_AGAIN_NS: u64 = 1_000_000;

/// One node, and what is known of the question to it.
struct Asker {
    port: u16,
    token: Token,
    connection: Option<Connection>,
    /// Whether its answer is due: it is not asked again before.
    asked: bool,
}

/// The askers of all nodes.
pub struct Askers {
    askers: Vec<Asker>,
    /// When the next round may be.
    next_ns: u64,
}

impl Askers {
    /// Askers of nodes, each given by its port and the token for its events. Nothing is connected yet.
    pub fn new(nodes: impl Iterator<Item = (u16, Token)>) -> Askers {
        let askers = nodes.map(|(port, token)| Asker {
            port,
            token,
            connection: None,
            asked: false,
        });
        Askers {
            askers: askers.collect(),
            next_ns: 0,
        }
    }

    /// Asks each node for its role, at once unless it was done just before; when it may be done again.
    ///
    /// A node that cannot be reached, or owes an answer, is left out: none waits for another.
    pub fn ask(&mut self, now_ns: u64, registry: &Registry) -> u64 {
        if now_ns >= self.next_ns {
            self.next_ns = now_ns + ASK_AGAIN_NS;
            for asker in self.askers.iter_mut().filter(|asker| !asker.asked) {
                asker.asked = asker.send(registry).is_ok();
                if !asker.asked {
                    asker.connection = None;
                }
            }
        }
        self.next_ns
    }

    /// Takes what came from a node; whether it calls itself primary.
    ///
    /// A primary that is being demoted may still do so; then READONLY follows, and all are asked again.
    pub fn ready(&mut self, node: usize, event: &Event) -> bool {
        let asker = &mut self.askers[node];
        let Some(connection) = &mut asker.connection else {
            return false;
        };
        let mut is_open = connection.flush().is_ok();
        is_open &= connection.receive(event);
        let mut is_primary = false;
        while let Some(end) = resp::reply_bytes(&connection.input) {
            is_primary = resp::is_primary(&connection.input[..end]);
            connection.input.drain(..end);
            asker.asked = false;
        }
        if !is_open {
            asker.connection = None;
            asker.asked = false;
        }
        is_primary
    }
}

impl Asker {
    fn send(&mut self, registry: &Registry) -> io::Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            missing => missing.insert(Connection::open(self.port, registry, self.token)?),
        };
        connection.send(|output| resp::encode(output, &[b"ROLE"]))
    }
}
