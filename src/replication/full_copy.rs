//! The shipping side of a full copy: `_fetch_meta` and `_fetch_file`, answered on sockets that the loop has given up, each by a
//! thread of its own. Which checkpoint there is, and for how long, is [`crate::storage::checkpoint`]'s.
//!
//! Nothing but the files of the checkpoint is ever sent: a name must be plain and in its list. A request that fails before its
//! first byte is answered with an error line, which a Kvrocks replica accepts; later there is nothing but closing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::files::{self, FileFault, FileName};
use super::rate::RateLimit;
use super::timed::{Halt, StopFlags, TimedStream};
use crate::clock::{Clock, SystemClock};
use crate::storage::checkpoint;

/// Bytes read and sent in one piece.
const PIECE_BYTES: usize = 128 * 1024;

/// What a replica is told when no checkpoint could be made. Source: Kvrocks.
pub const NO_CHECKPOINT: &str = "can't create db checkpoint";

/// What all senders of a node share.
pub struct Shipping {
    dir: PathBuf,
    limit: RateLimit,
    clock: SystemClock,
    stall_ms: AtomicU64,
    stop: Arc<AtomicBool>,
    bytes_sent: AtomicU64,
}

/// Why a request was not served to its end.
#[derive(Debug)]
pub enum ShipError {
    /// The link broke, stalled, or was cancelled.
    Link(Halt),
    /// The request names what is not to be had.
    BadRequest(FileFault),
    /// A file that is not in the checkpoint.
    NoSuchFile(FileName),
    /// The checkpoint cannot be read, or was removed meanwhile.
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl fmt::Display for ShipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShipError::Link(halt) => halt.fmt(f),
            ShipError::BadRequest(fault) => fault.fmt(f),
            ShipError::NoSuchFile(name) => write!(f, "the checkpoint has no file {name}"),
            ShipError::Io { path, error } => write!(f, "cannot read {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for ShipError {}

impl From<Halt> for ShipError {
    fn from(halt: Halt) -> ShipError {
        ShipError::Link(halt)
    }
}

impl Shipping {
    /// Ships the checkpoint below the data directory `dir`; at most so many bytes a second in all (0 is no limit); gives a link up on
    /// which nothing has moved for `stall_ms`.
    pub fn new(dir: PathBuf, bytes_per_second_max: u64, stall_ms: u64) -> Shipping {
        Shipping {
            dir,
            limit: RateLimit::new(bytes_per_second_max),
            clock: SystemClock::new(),
            stall_ms: AtomicU64::new(stall_ms),
            stop: Arc::new(AtomicBool::new(false)),
            bytes_sent: AtomicU64::new(0),
        }
    }

    /// Changes the limit of the senders that run, and of later ones; 0 is none.
    pub fn set_bytes_per_second_max(&self, bytes: u64) {
        self.limit.set(bytes);
    }

    /// Changes `repl-timeout` for later links.
    pub fn set_stall_ms(&self, ms: u64) {
        self.stall_ms.store(ms, Ordering::Relaxed);
    }

    /// Ends every sender within a tenth of a second: at a shutdown, or before the checkpoint goes.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Bytes of files sent since the start.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    /// Answers `_fetch_meta`: the names of the checkpoint's files. Gives their number. Blocks, for a thread of its own, until it is done
    /// or `stops` is set.
    pub fn send_list(
        &self,
        stream: TcpStream,
        stops: &Arc<AtomicBool>,
    ) -> Result<usize, ShipError> {
        let mut stream = self.timed(stream, &self.flags(stops))?;
        let names = match self.names() {
            Ok(names) => names,
            Err(error) => {
                stream.write_all(format!("-{NO_CHECKPOINT}\r\n").as_bytes())?;
                stream.end()?;
                return Err(error);
            }
        };
        stream.write_all(format!("{}\r\n", files::join_names(&names)).as_bytes())?;
        stream.end()?;
        Ok(names.len())
    }

    /// Answers `_fetch_file <names>`: each file's size and bytes, in the order asked for. Gives the bytes of files sent. Blocks, for a
    /// thread of its own, until it is done or `stops` is set.
    pub fn send_files(
        &self,
        stream: TcpStream,
        names: &[u8],
        stops: &Arc<AtomicBool>,
    ) -> Result<u64, ShipError> {
        let flags = self.flags(stops);
        let mut stream = self.timed(stream, &flags)?;
        let names = match self.requested(names) {
            Ok(names) => names,
            Err(error) => {
                stream.write_all(format!("-ERR {error}\r\n").as_bytes())?;
                stream.end()?;
                return Err(error);
            }
        };
        let mut piece = vec![0; PIECE_BYTES];
        let mut sent = 0;
        for name in names {
            sent += self.send_file(&mut stream, &flags, &name, &mut piece)?;
        }
        stream.end()?;
        Ok(sent)
    }

    /// What stops all senders, and this one.
    fn flags(&self, stops: &Arc<AtomicBool>) -> StopFlags {
        StopFlags::new([Arc::clone(&self.stop), Arc::clone(stops)])
    }

    fn timed(&self, stream: TcpStream, flags: &StopFlags) -> Result<TimedStream, ShipError> {
        let stall_ms = self.stall_ms.load(Ordering::Relaxed);
        TimedStream::new(stream, stall_ms, flags.clone())
            .map_err(|error| ShipError::Link(Halt::Io(error)))
    }

    /// The names in the checkpoint.
    fn names(&self) -> Result<Vec<FileName>, ShipError> {
        let listed = checkpoint::list(&self.dir).map_err(|error| ShipError::Io {
            path: checkpoint::served_dir(&self.dir),
            error,
        })?;
        listed
            .iter()
            .map(|file| FileName::check(file.name.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(ShipError::BadRequest)
    }

    /// The names of a request, all of them in the checkpoint.
    fn requested(&self, names: &[u8]) -> Result<Vec<FileName>, ShipError> {
        let requested = files::read_names(names).map_err(ShipError::BadRequest)?;
        let present = self
            .names()?
            .into_iter()
            .collect::<std::collections::HashSet<_>>();
        match requested.iter().find(|name| !present.contains(name)) {
            Some(name) => Err(ShipError::NoSuchFile(name.clone())),
            None => Ok(requested),
        }
    }

    fn send_file(
        &self,
        stream: &mut TimedStream,
        flags: &StopFlags,
        name: &FileName,
        piece: &mut [u8],
    ) -> Result<u64, ShipError> {
        let path = checkpoint::served_dir(&self.dir).join(name.as_str());
        let (mut file, bytes) = open(&path)?;
        stream.write_all(&files::size_line(bytes))?;
        let mut left = bytes;
        while left > 0 {
            let most = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match file.read(&mut piece[..most]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result,
            };
            let count = count.map_err(|error| ShipError::Io {
                path: path.clone(),
                error,
            })?;
            let delay_us = self.limit.delay_us(self.clock.mono_us(), count as u64);
            flags.pause(Duration::from_micros(delay_us))?;
            stream.write_all(&piece[..count])?;
            left -= count as u64;
            self.bytes_sent.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(bytes)
    }
}

fn open(path: &Path) -> Result<(File, u64), ShipError> {
    File::open(path)
        .and_then(|file| {
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        })
        .map_err(|error| ShipError::Io {
            path: path.to_path_buf(),
            error,
        })
}
