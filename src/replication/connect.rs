//! Connecting to another node from a thread of its own, in a way that can be given up: neither the lookup of a name nor a peer
//! that does not answer keeps the thread from seeing that it is to stop.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};

use socket2::{Domain, Protocol, Socket, Type};

use super::timed::{Halt, LOOK, StopFlags};
use crate::clock::{Clock, SystemClock};

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;

/// Between two looks at a connection that is being made.
const CONNECT_LOOK: std::time::Duration = std::time::Duration::from_millis(2);

/// Connects, trying one after the other the addresses that `host` has, each for at most `connect_ms` milliseconds. The time for
/// looking the name up is not counted. The socket does not block, and sends without delay.
///
/// Errors: [`Halt::Cancelled`] soon after a flag says stop, else what the last address, or the lookup, failed with.
pub fn connect(
    host: &str,
    port: u16,
    connect_ms: u64,
    stop: &StopFlags,
) -> Result<TcpStream, Halt> {
    let mut last = Halt::Io(io::Error::new(
        io::ErrorKind::NotFound,
        format!("{host} has no address"),
    ));
    for addr in addresses(host, port, stop)? {
        match connect_one(addr, connect_ms, stop) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(Halt::Io)?;
                return Ok(stream);
            }
            Err(Halt::Cancelled) => return Err(Halt::Cancelled),
            Err(halt) => last = halt,
        }
    }
    Err(last)
}

/// The addresses of a host. An address as text needs no lookup, and no thread for it.
fn addresses(host: &str, port: u16, stop: &StopFlags) -> Result<Vec<SocketAddr>, Halt> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let look_up = move || Ok((host.as_str(), port).to_socket_addrs()?.collect());
    look_up_aside(look_up, stop)
}

/// Does a lookup on a thread of its own, which is left behind when a flag says stop: the system's lookup has no end of its own
/// choosing, and cannot be cancelled. The thread holds nothing and ends with the lookup.
fn look_up_aside(
    look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
    stop: &StopFlags,
) -> Result<Vec<SocketAddr>, Halt> {
    let (answer, answered) = mpsc::channel();
    let thread = std::thread::Builder::new().name("name-lookup".to_owned());
    thread
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = answer.send(look_up());
        })
        .map_err(Halt::Io)?;
    loop {
        stop.check()?;
        match answered.recv_timeout(LOOK) {
            Ok(found) => return found.map_err(Halt::Io),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Halt::Io(io::Error::other("the lookup has failed")));
            }
        }
    }
}

/// Connects to one address. The system's own waiting cannot be cancelled, so this looks now and then instead.
fn connect_one(addr: SocketAddr, connect_ms: u64, stop: &StopFlags) -> Result<TcpStream, Halt> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))
        .map_err(Halt::Io)?;
    socket.set_nonblocking(true).map_err(Halt::Io)?;
    match socket.connect(&addr.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(Halt::Io(error)),
    }
    let clock = SystemClock::new();
    loop {
        stop.check()?;
        if let Some(error) = socket.take_error().map_err(Halt::Io)? {
            return Err(Halt::Io(error));
        }
        if socket.peer_addr().is_ok() {
            return Ok(socket.into());
        }
        if clock.mono_us() / 1000 >= connect_ms {
            return Err(Halt::Io(io::ErrorKind::TimedOut.into()));
        }
        std::thread::sleep(CONNECT_LOOK);
    }
}
