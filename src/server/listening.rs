//! Where the server listens: at its start, and when `port` or `bind` change while it runs.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::config::Config;
use crate::reactor::{Listener, Listeners};

/// An address that the settings ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    addr: SocketAddr,
    /// It may be missing on this machine: its `bind` word begins with `-`.
    optional: bool,
}

/// Opens everything that the settings ask for.
pub(super) fn open(config: &Config, listeners: &Listeners) -> Result<(), String> {
    rebind(config, listeners)?;
    if let Some(path) = &config.unixsocket {
        let mode = (config.unixsocketperm != 0).then_some(config.unixsocketperm);
        Listener::unix(path, mode, config.tcp_backlog)
            .and_then(|listener| listeners.add(listener))
            .map_err(|error| format!("cannot listen on {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Listens on the TCP addresses that the settings ask for and on no others. On an error everything is as it was: addresses
/// that stay are never closed, and those that go are closed once the new ones are open. Where the old ones stand in the way of
/// the new (`127.0.0.1` and `0.0.0.0` with one port), they are closed first, and opened again should it fail.
pub(super) fn rebind(config: &Config, listeners: &Listeners) -> Result<(), String> {
    let wanted = wanted_addrs(config)?;
    let open = listeners.tcp_addrs();
    let new: Vec<Wanted> = wanted
        .iter()
        .filter(|wanted| !open.iter().any(|open| serves(*open, wanted.addr)))
        .copied()
        .collect();
    let gone: Vec<SocketAddr> = open
        .iter()
        .filter(|addr| !wanted.iter().any(|wanted| serves(**addr, wanted.addr)))
        .copied()
        .collect();
    let kept = open.len() - gone.len();
    let opened = match open_all(&new, config.tcp_backlog) {
        Ok(opened) => opened,
        Err(_) if new.iter().any(|new| stands_in_the_way(&gone, new.addr)) => {
            for &addr in &gone {
                listeners.close(addr);
            }
            open_all(&new, config.tcp_backlog).inspect_err(|_| {
                for &addr in &gone {
                    open_again(addr, config.tcp_backlog, listeners);
                }
            })?
        }
        Err(text) => return Err(text),
    };
    if !wanted.is_empty() && kept == 0 && opened.is_empty() {
        for &addr in gone
            .iter()
            .filter(|addr| !listeners.tcp_addrs().contains(addr))
        {
            open_again(addr, config.tcp_backlog, listeners);
        }
        return Err("none of the addresses to listen on is on this machine".to_owned());
    }
    for listener in opened {
        let local = listener.local().to_owned();
        listeners
            .add(listener)
            .map_err(|error| format!("cannot listen on {local}: {error}"))?;
    }
    for addr in gone {
        listeners.close(addr);
    }
    Ok(())
}

/// Whether the open address is what is wanted; port 0 takes any.
fn serves(open: SocketAddr, wanted: SocketAddr) -> bool {
    open.ip() == wanted.ip() && (wanted.port() == 0 || open.port() == wanted.port())
}

/// Whether the port of `new` is one that is listened on at another address: of two such, one may cover the other.
fn stands_in_the_way(gone: &[SocketAddr], new: SocketAddr) -> bool {
    gone.iter().any(|old| old.port() == new.port())
}

fn open_again(addr: SocketAddr, backlog: i32, listeners: &Listeners) {
    if let Err(error) = Listener::tcp(addr, backlog).and_then(|listener| listeners.add(listener)) {
        log::error!("cannot listen on {addr} any longer: {error}");
    }
}

/// Opens all of them, or none.
fn open_all(wanted: &[Wanted], backlog: i32) -> Result<Vec<Listener>, String> {
    let mut opened = Vec::new();
    for Wanted { addr, optional } in wanted {
        match Listener::tcp(*addr, backlog) {
            Ok(listener) => opened.push(listener),
            Err(error) if may_be_missing(&error, *optional) => {
                log::warn!("not listening on {addr}: {error}");
            }
            Err(error) => return Err(format!("cannot listen on {addr}: {error}")),
        }
    }
    Ok(opened)
}

/// Redis's rule: an address that this machine does not have is passed over if it is optional, one of a kind that it does
/// not speak (no IPv6) always.
fn may_be_missing(error: &io::Error, optional: bool) -> bool {
    match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => optional,
        Some(
            libc::ENOPROTOOPT
            | libc::EPROTONOSUPPORT
            | libc::ESOCKTNOSUPPORT
            | libc::EPFNOSUPPORT
            | libc::EAFNOSUPPORT,
        ) => true,
        _ => false,
    }
}

fn wanted_addrs(config: &Config) -> Result<Vec<Wanted>, String> {
    let mut wanted: Vec<Wanted> = Vec::new();
    let Some(port) = config.tcp_port() else {
        return Ok(wanted);
    };
    for bind in &config.bind {
        let (name, optional) = match bind.strip_prefix('-') {
            Some(name) => (name, true),
            None => (bind.as_str(), false),
        };
        let host = match name {
            "*" => "0.0.0.0",
            "::*" => "::",
            other => other,
        };
        let found = (host, port)
            .to_socket_addrs()
            .map_err(|error| format!("cannot find the address '{name}' to bind to: {error}"))?;
        for addr in found {
            // Named twice is listened on once.
            if !wanted.iter().any(|earlier| earlier.addr == addr) {
                wanted.push(Wanted { addr, optional });
            }
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::Reactor;
    use std::net::{TcpListener, TcpStream};

    fn free_port() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("its address").port()
    }

    fn config(port: u16, bind: &[&str]) -> Config {
        Config {
            port,
            bind: bind.iter().map(|word| word.to_string()).collect(),
            ..Config::default()
        }
    }

    fn is_open(addr: &str, port: u16) -> bool {
        TcpStream::connect((addr, port)).is_ok()
    }

    #[test]
    fn listening_moves_to_another_port() {
        let reactor = Reactor::new().expect("a reactor");
        let (first, second) = (free_port(), free_port());
        open(&config(first, &["127.0.0.1"]), reactor.listeners()).expect("listens");
        assert!(is_open("127.0.0.1", first));
        rebind(&config(second, &["127.0.0.1"]), reactor.listeners()).expect("moves");
        assert!(!is_open("127.0.0.1", first) && is_open("127.0.0.1", second));
        rebind(&config(second, &[]), reactor.listeners()).expect("stops");
        assert!(reactor.listeners().tcp_addrs().is_empty());
    }

    #[test]
    fn port_0_takes_any_port_and_keeps_it() {
        let reactor = Reactor::new().expect("a reactor");
        open(&config(0, &["127.0.0.1"]), reactor.listeners()).expect("listens");
        let before = reactor.listeners().tcp_addrs();
        rebind(&config(0, &["127.0.0.1", "127.0.0.2"]), reactor.listeners()).expect("adds");
        let after = reactor.listeners().tcp_addrs();
        assert!(before[0].port() != 0 && after[0] == before[0] && after.len() == 2);
    }

    #[test]
    fn a_port_that_is_taken_changes_nothing() {
        let reactor = Reactor::new().expect("a reactor");
        let port = free_port();
        open(
            &config(port, &["127.0.0.1", "127.0.0.2"]),
            reactor.listeners(),
        )
        .expect("listens");
        let other = TcpListener::bind(("127.0.0.2", 0)).expect("a port");
        let taken = other.local_addr().expect("its address").port();
        let wanted = config(taken, &["127.0.0.1", "127.0.0.2"]);
        let text = rebind(&wanted, reactor.listeners()).expect_err("taken");
        assert!(text.contains(&format!("127.0.0.2:{taken}")), "{text}");
        assert!(is_open("127.0.0.1", port) && is_open("127.0.0.2", port));
        assert!(!is_open("127.0.0.1", taken));
    }

    #[test]
    fn a_wider_address_replaces_a_narrower_one() {
        let reactor = Reactor::new().expect("a reactor");
        let port = free_port();
        open(&config(port, &["127.0.0.1"]), reactor.listeners()).expect("listens");
        rebind(&config(port, &["*"]), reactor.listeners()).expect("widens");
        assert!(is_open("127.0.0.2", port));
        rebind(&config(port, &["127.0.0.3"]), reactor.listeners()).expect("narrows");
        assert!(!is_open("127.0.0.1", port) && is_open("127.0.0.3", port));
        // Old and new in each other's way, and the new one impossible: the old one is back.
        let impossible = config(port, &["*", "192.0.2.1"]);
        rebind(&impossible, reactor.listeners()).expect_err("not an address of this machine");
        assert!(is_open("127.0.0.3", port) && !is_open("127.0.0.1", port));
    }

    #[test]
    fn an_optional_address_may_be_missing_but_not_all_of_them() {
        let reactor = Reactor::new().expect("a reactor");
        let port = free_port();
        let some = config(port, &["127.0.0.1", "-192.0.2.1", "127.0.0.1"]);
        open(&some, reactor.listeners()).expect("listens");
        assert_eq!(reactor.listeners().tcp_addrs().len(), 1);
        let none = config(port, &["-192.0.2.1"]);
        rebind(&none, reactor.listeners()).expect_err("nothing left");
        assert!(is_open("127.0.0.1", port));
    }
}
