//! One connection's socket, TCP or unix.

use std::io::{self, IoSlice, Read, Write};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

/// A socket of either kind.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(test)]
    Simulated(super::simulated::SimStream),
}

impl Stream {
    /// Reads once; never waits.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
            #[cfg(test)]
            Stream::Simulated(stream) => stream.read(buffer),
        }
    }

    /// Writes once; never waits.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
            #[cfg(test)]
            Stream::Simulated(stream) => stream.write(bytes),
        }
    }

    /// Writes several pieces once, one behind the other; never waits.
    pub fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write_vectored(parts),
            Stream::Unix(stream) => stream.write_vectored(parts),
            #[cfg(test)]
            Stream::Simulated(stream) => stream.write_vectored(parts),
        }
    }

    /// Says where readiness is told of, where the socket is a simulated one.
    #[cfg(test)]
    pub fn register_simulated(&mut self, poll: &super::simulated::SimPoll, token: Token) {
        if let Stream::Simulated(stream) = self {
            stream.register(poll, token);
        }
    }

    /// Joins a poll.
    pub fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, interest),
            Stream::Unix(stream) => stream.register(registry, token, interest),
            #[cfg(test)]
            Stream::Simulated(_) => Ok(()),
        }
    }

    /// Leaves its poll.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.deregister(registry),
            Stream::Unix(stream) => stream.deregister(registry),
            #[cfg(test)]
            Stream::Simulated(stream) => {
                stream.deregister();
                Ok(())
            }
        }
    }
}

/// What a read brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadOutcome {
    /// So many bytes; `more` says whether the socket may hold further ones now.
    Read { bytes: usize, more: bool },
    /// Nothing there.
    Dry,
    /// The peer will send nothing more; it may still read.
    Ended,
    /// The connection broke.
    Closed,
}

/// What a write achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteOutcome {
    /// So many bytes were taken.
    Wrote(usize),
    /// The socket takes nothing now.
    Full,
    /// The connection broke.
    Closed,
}

/// A connection with what is known about its readiness.
pub struct Connection {
    stream: Stream,
    generation: u32,
    /// Reading may bring something.
    pub is_readable: bool,
    /// The last round of reads that it had its share of; rounds count from 1.
    pub read_in_round: u64,
    /// Writing may take something.
    pub is_writable: bool,
    /// The peer has closed its sending side, or the connection broke: told once by the poll, seen by reading to the end.
    pub is_hung_up: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream, generation: u32) -> Connection {
        Connection {
            stream,
            generation,
            is_readable: false,
            read_in_round: 0,
            is_writable: true,
            is_hung_up: false,
        }
    }

    /// Tells this connection from earlier ones at its place.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Reads once, into `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        match self.stream.read(buffer) {
            Ok(0) => ReadOutcome::Ended,
            Ok(bytes) => {
                // A short read has emptied the socket; what comes after it raises a new event. The end that came with
                // these bytes does not: it has raised the event that they are read for.
                self.is_readable = bytes == buffer.len() || self.is_hung_up;
                ReadOutcome::Read {
                    bytes,
                    more: self.is_readable,
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                ReadOutcome::Dry
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => ReadOutcome::Read {
                bytes: 0,
                more: true,
            },
            Err(_) => ReadOutcome::Closed,
        }
    }

    /// Writes once.
    pub fn write(&mut self, bytes: &[u8]) -> WriteOutcome {
        let result = self.stream.write(bytes);
        self.wrote(result, bytes.len())
    }

    /// Writes several pieces once.
    pub fn write_parts(&mut self, parts: &[IoSlice<'_>]) -> WriteOutcome {
        let len = parts.iter().map(|part| part.len()).sum();
        let result = self.stream.write_vectored(parts);
        self.wrote(result, len)
    }

    fn wrote(&mut self, result: io::Result<usize>, offered: usize) -> WriteOutcome {
        match result {
            Ok(written) => {
                self.is_writable = written == offered;
                WriteOutcome::Wrote(written)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_writable = false;
                WriteOutcome::Full
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => WriteOutcome::Wrote(0),
            Err(_) => WriteOutcome::Closed,
        }
    }

    #[cfg(test)]
    pub(super) fn register_simulated(&mut self, poll: &super::simulated::SimPoll, token: Token) {
        self.stream.register_simulated(poll, token);
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    pub(super) fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.stream.register(registry, token, interest)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // Closing the socket takes it out of the poll as well; an error here has no consequence.
        let _ = self.stream.deregister(registry);
    }
}
