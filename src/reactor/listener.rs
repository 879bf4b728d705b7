//! Listening sockets: TCP on IPv4 and IPv6, and unix.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use super::connection::Stream;

enum Socketed {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
    #[cfg(test)]
    Simulated(super::simulated::SimDoor, super::simulated::SimPoll),
}

/// A listening socket.
pub struct Listener {
    socket: Socketed,
    local: String,
}

/// A connection that was just accepted.
pub struct Accepted {
    pub(super) stream: Stream,
    /// `ip:port`, or the socket's path and `:0`.
    pub addr: String,
    /// The same of our end.
    pub laddr: String,
    pub fd: i32,
    pub is_unix: bool,
}

impl Listener {
    /// Listens on a TCP address. An IPv6 address takes IPv6 connections only.
    pub fn tcp(addr: SocketAddr, backlog: i32) -> io::Result<Listener> {
        let socket = Socket::new(
            Domain::for_address(addr),
            Type::STREAM.nonblocking().cloexec(),
            None,
        )?;
        socket.set_reuse_address(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&addr.into())?;
        socket.listen(backlog)?;
        let listener = TcpListener::from_std(socket.into());
        let local = listener.local_addr()?.to_string();
        Ok(Listener {
            socket: Socketed::Tcp(listener),
            local,
        })
    }

    /// Listens on a unix socket. A socket file left behind at `path` is replaced; `mode` are its permissions.
    pub fn unix(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<Listener> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
        socket.bind(&socket2::SockAddr::unix(path)?)?;
        if let Some(mode) = mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        socket.listen(backlog)?;
        let listener = UnixListener::from_std(socket.into());
        let local = format!("{}:0", path.display());
        Ok(Listener {
            socket: Socketed::Unix(listener, path.to_path_buf()),
            local,
        })
    }

    /// Listens on a simulated network as `local` (`ip:port`), for the reactor that polls `poll`.
    #[cfg(test)]
    pub fn simulated(
        door: super::simulated::SimDoor,
        poll: super::simulated::SimPoll,
        local: String,
    ) -> Listener {
        Listener {
            socket: Socketed::Simulated(door, poll),
            local,
        }
    }

    /// Where it listens: `ip:port` with the port that was really taken, or the socket's path and `:0`.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The TCP address, if it is one.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socketed::Tcp(listener) => listener.local_addr().ok(),
            Socketed::Unix(..) => None,
            #[cfg(test)]
            Socketed::Simulated(..) => self.local.parse().ok(),
        }
    }

    pub(super) fn accept(&mut self) -> io::Result<Option<Accepted>> {
        let result = match &self.socket {
            Socketed::Tcp(listener) => listener.accept().and_then(|(stream, addr)| {
                // Replies are written once a turn: waiting to fill a segment would only delay them.
                stream.set_nodelay(true)?;
                let laddr = stream.local_addr()?.to_string();
                let fd = stream.as_raw_fd();
                Ok(Accepted {
                    stream: Stream::Tcp(stream),
                    addr: addr.to_string(),
                    laddr,
                    fd,
                    is_unix: false,
                })
            }),
            Socketed::Unix(listener, _) => listener.accept().map(|(stream, _)| {
                let fd = stream.as_raw_fd();
                let local = self.local.clone();
                Accepted {
                    stream: Stream::Unix(stream),
                    addr: local.clone(),
                    laddr: local,
                    fd,
                    is_unix: true,
                }
            }),
            #[cfg(test)]
            Socketed::Simulated(door, _) => match door.accept() {
                Some(incoming) => Ok(Accepted {
                    stream: Stream::Simulated(incoming.stream),
                    addr: incoming.addr,
                    laddr: self.local.clone(),
                    fd: incoming.fd,
                    is_unix: false,
                }),
                None => return Ok(None),
            },
        };
        match result {
            Ok(accepted) => Ok(Some(accepted)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            Socketed::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            Socketed::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
            #[cfg(test)]
            Socketed::Simulated(door, poll) => {
                door.register(poll, token);
                Ok(())
            }
        }
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // Dropping the socket takes it out of the poll as well; an error here has no consequence.
        let _ = match &mut self.socket {
            Socketed::Tcp(listener) => listener.deregister(registry),
            #[cfg(test)]
            Socketed::Simulated(door, _) => {
                door.close();
                Ok(())
            }
            Socketed::Unix(listener, path) => {
                let result = listener.deregister(registry);
                if let Err(error) = std::fs::remove_file(&*path) {
                    log::warn!(
                        "the unix socket {} cannot be removed: {error}",
                        path.display()
                    );
                }
                result
            }
        };
    }
}

impl Accepted {
    /// Makes the kernel probe an idle peer every `seconds`; 0 leaves it off. Unix sockets have no such thing.
    pub fn set_keepalive(&self, seconds: u64) -> io::Result<()> {
        let Stream::Tcp(stream) = &self.stream else {
            return Ok(());
        };
        if seconds == 0 {
            return Ok(());
        }
        // A third of the time between probes, three of them: gone peers are noticed after twice the time, as in Redis.
        let interval = Duration::from_secs((seconds / 3).max(1));
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(seconds))
            .with_interval(interval)
            .with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)
    }

    /// Whether the peer is on this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream
                .peer_addr()
                .is_ok_and(|addr| addr.ip().to_canonical().is_loopback()),
            Stream::Unix(_) => true,
            #[cfg(test)]
            Stream::Simulated(_) => true,
        }
    }

    /// Tells the peer something and leaves it: for connections that are refused.
    pub fn refuse(self, text: &[u8]) {
        use std::io::Write;
        // One try: a peer that cannot take a line at once is not worth waiting for.
        let _ = match self.stream {
            Stream::Tcp(mut stream) => stream.write(text),
            Stream::Unix(mut stream) => stream.write(text),
            #[cfg(test)]
            Stream::Simulated(mut stream) => stream.write(text),
        };
    }
}
