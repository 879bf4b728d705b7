//! A socket of a thread of its own: blocking, but never for long. It gives up after a time without a byte, and looks at flags
//! that say stop.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::connect::connect;
use super::wire::LineReader;
use crate::clock::{Clock, SystemClock};

/// Between two looks at the flags.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Bytes asked of the system in one read.
const READ_BYTES: usize = 128 * 1024;

/// Why a socket was given up.
#[derive(Debug)]
pub enum Halt {
    /// A flag says stop.
    Cancelled,
    /// The peer neither sent nor took a byte for so many milliseconds.
    Stalled {
        /// The limit that was passed.
        ms: u64,
    },
    /// The peer has closed the connection.
    Closed,
    /// A line is longer than it may be.
    LineTooLong,
    /// The system's error.
    Io(io::Error),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Cancelled => f.write_str("it was cancelled"),
            Halt::Stalled { ms } => write!(f, "nothing moved for {ms} ms"),
            Halt::Closed => f.write_str("the peer closed the connection"),
            Halt::LineTooLong => f.write_str("the peer sent a line that is too long"),
            Halt::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Halt {}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Halt {
        match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected => Halt::Closed,
            _ => Halt::Io(error),
        }
    }
}

/// Any of these set says stop.
#[derive(Clone, Debug, Default)]
pub struct StopFlags(Vec<Arc<AtomicBool>>);

impl StopFlags {
    /// These flags.
    pub fn new(flags: impl IntoIterator<Item = Arc<AtomicBool>>) -> StopFlags {
        StopFlags(flags.into_iter().collect())
    }

    /// These and one more.
    pub fn with(&self, flag: &Arc<AtomicBool>) -> StopFlags {
        StopFlags::new(self.0.iter().cloned().chain([Arc::clone(flag)]))
    }

    /// Fails if one is set.
    pub fn check(&self) -> Result<(), Halt> {
        match self.0.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            true => Err(Halt::Cancelled),
            false => Ok(()),
        }
    }

    /// Waits, unless one is set.
    pub fn pause(&self, time: Duration) -> Result<(), Halt> {
        let mut left = time;
        loop {
            self.check()?;
            let nap = left.min(LOOK);
            if nap.is_zero() {
                return Ok(());
            }
            std::thread::sleep(nap);
            left -= nap;
        }
    }
}

/// The socket.
pub struct TimedStream {
    stream: TcpStream,
    stop: StopFlags,
    stall_ms: u64,
    clock: SystemClock,
    /// Read from the socket and not taken yet.
    arrived: BytesMut,
    chunk: Box<[u8]>,
}

impl TimedStream {
    /// Takes over a connected socket, blocking or not. `stall_ms` is at least one.
    pub fn new(stream: TcpStream, stall_ms: u64, stop: StopFlags) -> io::Result<TimedStream> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        stream.set_nodelay(true)?;
        Ok(TimedStream {
            stream,
            stop,
            stall_ms: stall_ms.max(1),
            clock: SystemClock::new(),
            arrived: BytesMut::new(),
            chunk: vec![0; READ_BYTES].into_boxed_slice(),
        })
    }

    /// Connects ([`connect`]), and looks at the same flags from then on.
    pub fn connect(
        host: &str,
        port: u16,
        connect_ms: u64,
        stall_ms: u64,
        stop: StopFlags,
    ) -> Result<TimedStream, Halt> {
        let stream = connect(host, port, connect_ms, &stop)?;
        TimedStream::new(stream, stall_ms, stop).map_err(Halt::Io)
    }

    /// Sends all of it.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Halt> {
        let mut moved_at = self.clock.mono_us();
        while !bytes.is_empty() {
            self.stop.check()?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(Halt::Closed),
                Ok(count) => {
                    bytes = &bytes[count..];
                    moved_at = self.clock.mono_us();
                }
                Err(error) => self.bear(error, moved_at)?,
            }
        }
        Ok(())
    }

    /// Reads more into [`TimedStream::arrived`]; at least a byte.
    pub fn read_more(&mut self) -> Result<(), Halt> {
        let began_at = self.clock.mono_us();
        loop {
            self.stop.check()?;
            match self.stream.read(&mut self.chunk) {
                Ok(0) => return Err(Halt::Closed),
                Ok(count) => {
                    self.arrived.extend_from_slice(&self.chunk[..count]);
                    return Ok(());
                }
                Err(error) => self.bear(error, began_at)?,
            }
        }
    }

    /// What was read and not taken yet.
    pub fn arrived(&mut self) -> &mut BytesMut {
        &mut self.arrived
    }

    /// The next line, without its end, of at most so many bytes.
    pub fn read_line(&mut self, bytes_max: usize) -> Result<Bytes, Halt> {
        let mut lines = LineReader::new(bytes_max);
        loop {
            match lines.take(&mut self.arrived) {
                Ok(Some(line)) => return Ok(line),
                Ok(None) => self.read_more()?,
                Err(_) => return Err(Halt::LineTooLong),
            }
        }
    }

    /// Ends our direction in order; the peer reads what was sent, then the end.
    pub fn end(self) -> Result<(), Halt> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    fn bear(&self, error: io::Error, moved_at_us: u64) -> Result<(), Halt> {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {
                let ms = self.stall_ms;
                match self.clock.mono_us().saturating_sub(moved_at_us) / 1000 >= ms {
                    true => Err(Halt::Stalled { ms }),
                    false => Ok(()),
                }
            }
            _ => Err(error.into()),
        }
    }
}
