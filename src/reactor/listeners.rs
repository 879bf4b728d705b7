//! All listening sockets. Shared between the loop, which accepts, and the settings, which open and close them while it runs.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use mio::{Registry, Token};

use super::listener::{Accepted, Listener};
use super::{LISTENERS, LISTENERS_MAX};

/// The listening sockets; clones are the same ones.
#[derive(Clone)]
pub struct Listeners(Rc<RefCell<Sockets>>);

struct Sockets {
    registry: Registry,
    /// Their places are their tokens, so a socket that is closed leaves its place free.
    places: Vec<Option<Listener>>,
}

impl Listeners {
    pub(super) fn new(registry: Registry) -> Listeners {
        Listeners(Rc::new(RefCell::new(Sockets {
            registry,
            places: Vec::new(),
        })))
    }

    /// Listens on `listener` from now on.
    pub fn add(&self, mut listener: Listener) -> io::Result<()> {
        let mut sockets = self.0.borrow_mut();
        let free = sockets.places.iter().position(Option::is_none);
        let place = free.unwrap_or(sockets.places.len());
        if place >= LISTENERS_MAX {
            return Err(io::Error::other(format!(
                "more than {LISTENERS_MAX} addresses to listen on"
            )));
        }
        listener.register(&sockets.registry, Token(LISTENERS - place))?;
        if place == sockets.places.len() {
            sockets.places.push(None);
        }
        sockets.places[place] = Some(listener);
        Ok(())
    }

    /// Accepts one connection of the listener at a place; `None` when there is none left, or the listener is closed.
    pub fn accept(&self, place: usize) -> io::Result<Option<Accepted>> {
        match self.0.borrow_mut().places.get_mut(place) {
            Some(Some(listener)) => listener.accept(),
            _ => Ok(None),
        }
    }

    /// The TCP addresses listened on.
    pub fn tcp_addrs(&self) -> Vec<SocketAddr> {
        let sockets = self.0.borrow();
        sockets
            .places
            .iter()
            .flatten()
            .filter_map(Listener::tcp_addr)
            .collect()
    }

    /// Where is listened, in text: `ip:port`, or a unix socket's path and `:0`.
    pub fn locals(&self) -> Vec<String> {
        let sockets = self.0.borrow();
        let open = sockets.places.iter().flatten();
        open.map(|listener| listener.local().to_owned()).collect()
    }

    /// Stops listening on a TCP address.
    pub fn close(&self, addr: SocketAddr) {
        self.close_those(|listener| listener.tcp_addr() == Some(addr));
    }

    /// Stops listening everywhere.
    pub fn close_all(&self) {
        self.close_those(|_| true);
    }

    fn close_those(&self, which: impl Fn(&Listener) -> bool) {
        let Sockets { registry, places } = &mut *self.0.borrow_mut();
        for place in places {
            if let Some(listener) = place
                && which(listener)
            {
                listener.deregister(registry);
                *place = None;
            }
        }
    }
}
