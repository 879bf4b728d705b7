//! One connection to a node: non-blocking, with the bytes still to be sent and those not yet understood.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const READ_BYTES: usize = 4096;

/// A connection whose events come under the token it was made with.
pub struct Connection {
    stream: TcpStream,
    /// What is to be sent; `sent` bytes of it are.
    output: Vec<u8>,
    sent: usize,
    /// What came and was not taken yet.
    pub input: Vec<u8>,
}

impl Connection {
    /// Connects to a port of this machine, with a deadline.
    ///
    /// The poll sees every change from then on, also while nothing is expected: registering is done once.
    pub fn open(port: u16, registry: &Registry, token: Token) -> io::Result<Connection> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = std::net::TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Connection {
            stream,
            output: Vec::new(),
            sent: 0,
            input: Vec::new(),
        })
    }

    /// Whether the peer of a connection on which nothing is owed still has it open.
    pub fn is_open(&self) -> bool {
        match self.stream.peek(&mut [0]) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Sends what `write` appends; what the socket does not take follows when it is writable.
    pub fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        write(&mut self.output);
        self.flush()
    }

    /// Sends on.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come into `input`; whether the connection is still open.
    pub fn receive(&mut self, event: &Event) -> bool {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(bytes) => {
                    self.input.extend_from_slice(&buffer[..bytes]);
                    // A short read was all there is, but for an end that came with it and has no event of its own.
                    if bytes < buffer.len() && !event.is_read_closed() && !event.is_error() {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
