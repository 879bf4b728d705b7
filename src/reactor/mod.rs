//! The reactor: mio's poll, listeners and connections. It knows bytes and sockets and nothing of Redis.
//!
//! Everything is registered edge-triggered, once, for both directions; readiness is remembered per connection until a read
//! or write finds the socket dry. Tokens carry a generation, so an event for a closed connection finds nothing.

mod connection;
mod helper;
mod listener;
mod listeners;
mod mailbox;
#[cfg(test)]
pub mod simulated;

pub use connection::{Connection, ReadOutcome, Stream, WriteOutcome};
pub use helper::{HelperPoll, HelperWaker, Readiness};
pub use listener::{Accepted, Listener};
pub use listeners::Listeners;
pub use mailbox::{LoopSender, Mailbox};

use std::io;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use slab::Slab;

/// A connection's place and generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnToken {
    pub index: u32,
    pub generation: u32,
}

const WAKER: Token = Token(usize::MAX);
/// Listener tokens count down from here; connections never reach it: their upper half is a generation below `u32::MAX`.
const LISTENERS: usize = usize::MAX - 1;
const LISTENERS_MAX: usize = 64;

/// What a poll brought.
#[derive(Default)]
pub struct Ready {
    /// Listeners with connections to accept.
    pub listeners: Vec<usize>,
    /// Connections that became readable, or were closed by the peer.
    pub readable: Vec<ConnToken>,
    /// Connections that became writable.
    pub writable: Vec<ConnToken>,
    /// Connections whose peer has closed its sending side or both.
    pub hung_up: Vec<ConnToken>,
}

/// One change of readiness.
struct Event {
    token: Token,
    is_readable: bool,
    is_writable: bool,
    is_hung_up: bool,
}

impl Event {
    /// Files it under what it makes ready.
    fn note(&self, connections: &mut Slab<Connection>, ready: &mut Ready) {
        if self.token == WAKER {
            return;
        }
        if self.token.0 > LISTENERS - LISTENERS_MAX {
            return ready.listeners.push(LISTENERS - self.token.0);
        }
        let token = ConnToken {
            index: self.token.0 as u32,
            generation: (self.token.0 >> 32) as u32,
        };
        let Some(connection) = connections.get_mut(token.index as usize) else {
            return;
        };
        if connection.generation() != token.generation {
            return;
        }
        if self.is_readable {
            connection.is_readable = true;
            ready.readable.push(token);
        }
        if self.is_hung_up {
            connection.is_hung_up = true;
            ready.hung_up.push(token);
        }
        if self.is_writable {
            connection.is_writable = true;
            ready.writable.push(token);
        }
    }
}

/// Poll, listeners and connections.
pub struct Reactor {
    poll: Poll,
    events: Events,
    listeners: Listeners,
    connections: Slab<Connection>,
    next_generation: u32,
    /// Where events come from instead of `poll`.
    #[cfg(test)]
    simulated: Option<simulated::SimPoll>,
}

impl Reactor {
    /// A reactor without listeners.
    pub fn new() -> io::Result<Reactor> {
        let poll = Poll::new()?;
        let listeners = Listeners::new(poll.registry().try_clone()?);
        Ok(Reactor {
            poll,
            events: Events::with_capacity(4096),
            listeners,
            connections: Slab::new(),
            next_generation: 1,
            #[cfg(test)]
            simulated: None,
        })
    }

    /// Its connections and listeners are simulated from now on, and what they raise is told by the poll that this gives.
    #[cfg(test)]
    pub fn simulate(&mut self) -> simulated::SimPoll {
        self.simulated.insert(simulated::SimPoll::default()).clone()
    }

    /// The one mailbox of this reactor's loop; call it once.
    pub fn mailbox<T: Send>(&self) -> io::Result<Mailbox<T>> {
        Mailbox::new(self.poll.registry(), WAKER)
    }

    /// The listening sockets.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Waits for events, at most `timeout`; `None` waits for ever. A signal makes it return early.
    pub fn poll(&mut self, timeout: Option<Duration>, ready: &mut Ready) -> io::Result<()> {
        ready.listeners.clear();
        ready.readable.clear();
        ready.writable.clear();
        ready.hung_up.clear();
        #[cfg(test)]
        if let Some(poll) = &self.simulated {
            for event in poll.take() {
                event.note(&mut self.connections, ready);
            }
            return Ok(());
        }
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            let is_hung_up = event.is_read_closed() || event.is_error();
            let event = Event {
                token: event.token(),
                is_readable: event.is_readable() || is_hung_up,
                is_writable: event.is_writable(),
                is_hung_up,
            };
            event.note(&mut self.connections, ready);
        }
        Ok(())
    }

    /// Takes an accepted connection in.
    pub fn insert(&mut self, accepted: Accepted) -> io::Result<ConnToken> {
        let generation = self.next_generation;
        // u32::MAX would make a token that looks like a listener's.
        self.next_generation = if generation == u32::MAX - 1 {
            1
        } else {
            generation + 1
        };
        let entry = self.connections.vacant_entry();
        let index = entry.key();
        let token = Token((generation as usize) << 32 | index);
        let mut connection = Connection::new(accepted.stream, generation);
        connection.register(
            self.poll.registry(),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        #[cfg(test)]
        if let Some(poll) = &self.simulated {
            connection.register_simulated(poll, token);
        }
        entry.insert(connection);
        Ok(ConnToken {
            index: index as u32,
            generation,
        })
    }

    /// The connection of `token`, unless it has gone.
    pub fn get_mut(&mut self, token: ConnToken) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(token.index as usize)?;
        (connection.generation() == token.generation).then_some(connection)
    }

    /// Closes a connection.
    pub fn remove(&mut self, token: ConnToken) {
        if self.get_mut(token).is_some() {
            let mut connection = self.connections.remove(token.index as usize);
            connection.deregister(self.poll.registry());
        }
    }

    /// Takes a connection out, open, for a thread of its own: nothing of it reaches this reactor any more.
    pub fn detach(&mut self, token: ConnToken) -> Option<Stream> {
        self.get_mut(token)?;
        let mut connection = self.connections.remove(token.index as usize);
        connection.deregister(self.poll.registry());
        Some(connection.into_stream())
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }
}
