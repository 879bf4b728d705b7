//! Tells systemd what the server is doing: the datagrams of sd_notify(3) to the socket that `NOTIFY_SOCKET` names.
//!
//! Does nothing unless the setting `supervised` asks for it. Reads the environment once, at the start.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config::Supervised;

/// What a service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Clients are served from now on.
    Ready,
    /// The server is shutting down.
    Stopping,
}

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
}

impl Supervisor {
    /// The service manager that `setting` and the environment name. With `systemd` it is an error if there is none.
    pub fn from_environment(setting: Supervised) -> io::Result<Supervisor> {
        Supervisor::new(setting, std::env::var_os("NOTIFY_SOCKET"))
    }

    fn new(setting: Supervised, address: Option<OsString>) -> io::Result<Supervisor> {
        let address = address.filter(|address| !address.is_empty());
        match (setting, address) {
            (Supervised::No, _) | (Supervised::Auto, None) => Ok(Supervisor { socket: None }),
            (Supervised::Systemd, None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "supervised systemd needs NOTIFY_SOCKET to be set",
            )),
            (Supervised::Systemd | Supervised::Auto, Some(address)) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                Ok(Supervisor {
                    socket: Some((socket, socket_address(&address)?)),
                })
            }
        }
    }

    /// Whether there is one.
    pub fn is_told(&self) -> bool {
        self.socket.is_some()
    }

    /// Tells the service manager. Never waits: a manager that does not read is an error.
    pub fn tell(&self, state: State) -> io::Result<()> {
        let Some((socket, address)) = &self.socket else {
            return Ok(());
        };
        let text: &[u8] = match state {
            State::Ready => b"STATUS=Ready to accept connections\nREADY=1\n",
            State::Stopping => b"STOPPING=1\n",
        };
        socket.send_to_addr(text, address).map(drop)
    }
}

/// A path, or with a leading `@` a name in Linux's abstract namespace.
fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn systemd_hears_ready_and_stopping() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        for setting in [Supervised::Systemd, Supervised::Auto] {
            let supervisor = Supervisor::new(setting, Some(path.clone().into_os_string())).unwrap();
            supervisor.tell(State::Ready).unwrap();
            assert!(receive(&manager).ends_with("READY=1\n"));
            supervisor.tell(State::Stopping).unwrap();
            assert_eq!(receive(&manager), "STOPPING=1\n");
        }
    }

    #[test]
    fn the_socket_may_be_abstract() {
        let name = format!("stillpoint-test-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let supervisor =
            Supervisor::new(Supervised::Auto, Some(format!("@{name}").into())).unwrap();
        supervisor.tell(State::Ready).unwrap();
        assert!(receive(&manager).contains("READY=1"));
    }

    #[test]
    fn nobody_is_told_where_nobody_asked() {
        let nowhere = Some(OsString::from("/nowhere/at/all"));
        assert!(
            Supervisor::new(Supervised::No, nowhere.clone())
                .unwrap()
                .tell(State::Ready)
                .is_ok()
        );
        assert!(
            Supervisor::new(Supervised::Auto, None)
                .unwrap()
                .tell(State::Ready)
                .is_ok()
        );
        assert!(
            Supervisor::new(Supervised::Auto, Some(OsString::new()))
                .unwrap()
                .tell(State::Ready)
                .is_ok()
        );
        assert!(Supervisor::new(Supervised::Systemd, None).is_err());
        assert!(
            Supervisor::new(Supervised::Systemd, nowhere)
                .unwrap()
                .tell(State::Ready)
                .is_err()
        );
    }
}
