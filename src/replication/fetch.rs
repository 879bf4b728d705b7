//! The fetching side of a full copy: a primary's checkpoint comes, over connections of its own, into `$dir/sync_checkpoint`.
//!
//! Nothing is written anywhere else, and nothing that is there becomes the database before [`crate::storage::swap`] is told so. An
//! attempt that fails leaves the whole tables it has fetched for the next one. They are only taken up again if the caller says that the
//! primary's database is still the same ([`FetchRequest::origin`]): another one has other tables under the same names. All else, the
//! MANIFEST above all, is fetched anew each time, as it grows under its name (Kvrocks keeps an old one there).

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::files::{self, Body, BodyReader, FileFault, FileName};
use super::timed::{Halt, StopFlags, TimedStream};
use super::wire::{Answer, Request};
use crate::limits::{FILE_LIST_BYTES_MAX, LINK_LINE_BYTES_MAX};
use crate::storage::disk;
use crate::storage::swap::copy_dir;

#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod tests;

/// Says whose files are in the directory; no file of a checkpoint begins with a dot.
const ORIGIN: &str = ".origin";
/// Behind the name of a file that is being fetched.
const PARTIAL: &str = ".tmp";

/// What to fetch, from whom and whereto.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// The primary's host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `masteruser`, if it is set.
    pub user: Option<Vec<u8>>,
    /// `masterauth`, if it is set.
    pub password: Option<Vec<u8>>,
    /// Who asks, if the primary is a Stillpoint, which shows it in INFO.
    pub own: Option<Introduction>,
    /// The data directory.
    pub dir: PathBuf,
    /// Names the primary's database: tables that an earlier attempt fetched are kept only if it was the same. Its run id and what else
    /// is known; for a Kvrocks, which names nothing, its address and something that is new each time it is followed.
    pub origin: String,
    /// Milliseconds for a connection to come about.
    pub connect_ms: u64,
    /// Milliseconds without a byte after which a connection is given up (`repl-timeout`).
    pub stall_ms: u64,
    /// Bytes to be left free on the disk (`disk-reserve`).
    pub reserve_bytes: u64,
}

/// What a replica says of itself before it asks for files, in the words that it also says before a PSYNC.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// The port that it announces.
    pub port: u16,
    /// The address, if it announces one.
    pub ip: Option<String>,
    /// Its run id.
    pub run_id: String,
}

/// How far a fetch is, for INFO and the log: counters that only it moves.
#[derive(Debug, Default)]
pub struct FetchProgress {
    /// Files of the checkpoint, those kept from an earlier attempt left out.
    pub files_total: AtomicU64,
    /// Of them, those that are whole.
    pub files_done: AtomicU64,
    /// Bytes of the files whose sizes are known so far: a primary tells each size right before the file.
    pub bytes_known: AtomicU64,
    /// Of them, those that have come.
    pub bytes_done: AtomicU64,
}

/// What a fetch has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Files fetched.
    pub files: usize,
    /// Files kept from an earlier attempt.
    pub kept: usize,
    /// Bytes fetched.
    pub bytes: u64,
}

/// Why a fetch failed. Another attempt may succeed, and goes on where this one ended.
#[derive(Debug)]
pub enum FetchError {
    /// It was told to stop.
    Cancelled,
    /// The connection failed.
    Link {
        /// During what.
        what: String,
        /// How.
        halt: Halt,
    },
    /// The primary answered with an error; its words.
    Refused {
        /// To what.
        what: &'static str,
        /// What it said.
        words: String,
    },
    /// It sent what is no list, name or size.
    Bad(FileFault),
    /// The disk has no room for it.
    NoSpace {
        /// Bytes that are announced and have not come yet, and the reserve.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The system refused to write.
    Io {
        /// What was tried, on which file.
        what: String,
        /// The system's error.
        error: io::Error,
    },
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Cancelled => f.write_str("it was cancelled"),
            FetchError::Link { what, halt } => write!(f, "{what}: {halt}"),
            FetchError::Refused { what, words } => {
                write!(f, "the primary answers {what} with: {words}")
            }
            FetchError::Bad(fault) => fault.fmt(f),
            FetchError::NoSpace { needed, free } => write!(
                f,
                "the disk has no room for the copy: {needed} bytes are needed, the reserve included, {free} are free"
            ),
            FetchError::Io { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for FetchError {}

impl From<FileFault> for FetchError {
    fn from(fault: FileFault) -> FetchError {
        FetchError::Bad(fault)
    }
}

/// Fetches a checkpoint into `$dir/sync_checkpoint`. Blocks, for a thread of its own, until all of it is there and synced, or
/// something fails, or `cancel` is set (looked at every 50 ms).
pub fn fetch(
    request: &FetchRequest,
    progress: &FetchProgress,
    cancel: &Arc<AtomicBool>,
) -> Result<Fetched, FetchError> {
    let fetch = Fetch {
        request,
        dir: copy_dir(&request.dir),
        progress,
        promised_bytes: AtomicU64::new(0),
        stop: StopFlags::new([Arc::clone(cancel)]),
    };
    fetch.run()
}

/// Removes what was fetched so far: when another primary is followed, or none.
pub fn discard(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(copy_dir(dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

struct Fetch<'a> {
    request: &'a FetchRequest,
    /// `$dir/sync_checkpoint`
    dir: PathBuf,
    progress: &'a FetchProgress,
    /// Bytes announced on all connections that have not been written yet.
    promised_bytes: AtomicU64,
    stop: StopFlags,
}

impl Fetch<'_> {
    fn run(&self) -> Result<Fetched, FetchError> {
        self.check_space(0)?;
        self.prepare_dir()?;
        let listed = self.list()?;
        let kept = self.clean(&listed)?;
        let needed: Vec<FileName> = listed
            .iter()
            .filter(|name| !kept.contains(name.as_str()))
            .cloned()
            .collect();
        self.progress
            .files_total
            .store(needed.len() as u64, Ordering::Relaxed);
        self.fetch_files(files::deal(&needed))?;
        for name in &listed {
            let path = self.dir.join(name.as_str());
            fs::metadata(&path).map_err(io_error("find", &path))?;
        }
        let origin = self.dir.join(ORIGIN);
        fs::remove_file(&origin).map_err(io_error("remove", &origin))?;
        self.sync_dir(&self.dir)?;
        Ok(Fetched {
            files: needed.len(),
            kept: kept.len(),
            bytes: self.progress.bytes_done.load(Ordering::Relaxed),
        })
    }

    /// Makes the directory, empty unless it holds what was fetched from the same origin.
    fn prepare_dir(&self) -> Result<(), FetchError> {
        let origin = self.dir.join(ORIGIN);
        let text = format!("{}\n", self.request.origin);
        if fs::read_to_string(&origin).is_ok_and(|found| found == text) {
            return Ok(());
        }
        discard(&self.request.dir).map_err(io_error("empty", &self.dir))?;
        fs::create_dir_all(&self.dir).map_err(io_error("create", &self.dir))?;
        let write = || {
            let mut file = File::create(&origin)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(io_error("write", &origin))?;
        self.sync_dir(&self.dir)?;
        self.sync_dir(&self.request.dir)
    }

    /// Asks for the names of the checkpoint's files.
    fn list(&self) -> Result<Vec<FileName>, FetchError> {
        let what = "the list of files";
        let mut stream = self.connect(&self.stop)?;
        stream
            .write_all(&Request::FetchMeta.to_bytes())
            .map_err(link(what))?;
        let line = stream.read_line(FILE_LIST_BYTES_MAX).map_err(link(what))?;
        files::read_list(&line).map_err(|fault| match fault {
            FileFault::Refused(words) => FetchError::Refused {
                what: "_fetch_meta",
                words,
            },
            fault => FetchError::Bad(fault),
        })
    }

    /// Removes what is not in the list or may have changed; gives the names of what stays.
    fn clean(&self, listed: &[FileName]) -> Result<HashSet<String>, FetchError> {
        let immutable: HashSet<&str> = listed
            .iter()
            .filter(|name| name.is_immutable())
            .map(FileName::as_str)
            .collect();
        let mut kept = HashSet::new();
        let read = io_error("read", &self.dir);
        for entry in fs::read_dir(&self.dir).map_err(read)? {
            let entry = entry.map_err(io_error("read", &self.dir))?;
            let path = entry.path();
            let metadata = entry.metadata().map_err(io_error("look at", &path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == ORIGIN {
                continue;
            }
            if metadata.is_file() && immutable.contains(name.as_str()) {
                kept.insert(name);
            } else if metadata.is_dir() {
                fs::remove_dir_all(&path).map_err(io_error("remove", &path))?;
            } else {
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        Ok(kept)
    }

    /// Fetches each part over a connection of its own. The first failure ends the others.
    fn fetch_files(&self, parts: Vec<Vec<FileName>>) -> Result<(), FetchError> {
        let failed = Arc::new(AtomicBool::new(false));
        let stop = self.stop.with(&failed);
        let fetch_part = |part: &[FileName]| {
            let result = self.fetch_part(part, &stop);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            result
        };
        let mut results = Vec::with_capacity(parts.len());
        std::thread::scope(|scope| {
            let mut threads = Vec::with_capacity(parts.len());
            for part in &parts {
                let thread = std::thread::Builder::new().name("copy-fetch".to_owned());
                match thread.spawn_scoped(scope, || fetch_part(part)) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        results.push(Err(FetchError::Io {
                            what: "start a thread".to_owned(),
                            error,
                        }));
                    }
                }
            }
            for thread in threads {
                results.push(thread.join().unwrap_or_else(|_| {
                    Err(FetchError::Io {
                        what: "fetch".to_owned(),
                        error: io::Error::other("a thread has panicked"),
                    })
                }));
            }
        });
        // The failure itself, rather than what it has cancelled.
        let mut first = Ok(());
        for result in results {
            match (&first, &result) {
                (Ok(()), _) | (Err(FetchError::Cancelled), Err(_)) => first = result,
                _ => {}
            }
        }
        first
    }

    fn fetch_part(&self, names: &[FileName], stop: &StopFlags) -> Result<(), FetchError> {
        let mut stream = self.connect(stop)?;
        let joined = files::join_names(names);
        let request = Request::FetchFile {
            names: joined.as_bytes(),
        };
        stream
            .write_all(&request.to_bytes())
            .map_err(link("asking for files"))?;
        let mut bodies = BodyReader::new(names.len());
        let mut writing: Option<Partial> = None;
        loop {
            match bodies.take(stream.arrived())? {
                Some(Body::Begins { index, bytes }) => {
                    self.progress
                        .bytes_known
                        .fetch_add(bytes, Ordering::Relaxed);
                    self.check_space(bytes)?;
                    writing = Some(Partial::begin(&self.dir, &names[index], bytes)?);
                }
                Some(Body::Bytes(bytes)) => {
                    let Some(partial) = &mut writing else {
                        return Err(FileFault::Surplus.into());
                    };
                    partial.write(&bytes)?;
                    let count = bytes.len() as u64;
                    self.promised_bytes.fetch_sub(count, Ordering::Relaxed);
                    self.progress.bytes_done.fetch_add(count, Ordering::Relaxed);
                }
                Some(Body::Ends { .. }) => {
                    if let Some(partial) = writing.take() {
                        partial.end()?;
                    }
                    self.progress.files_done.fetch_add(1, Ordering::Relaxed);
                }
                None if bodies.is_done() => return Ok(()),
                None => {
                    let what = || match &writing {
                        Some(partial) => format!("in the middle of {}", partial.name),
                        None => "before the next file".to_owned(),
                    };
                    stream.read_more().map_err(|halt| link(&what())(halt))?;
                }
            }
        }
    }

    /// Connects, authenticates, and says who asks.
    fn connect(&self, stop: &StopFlags) -> Result<TimedStream, FetchError> {
        let request = self.request;
        let mut stream = TimedStream::connect(
            &request.host,
            request.port,
            request.connect_ms,
            request.stall_ms,
            stop.clone(),
        )
        .map_err(link(&format!(
            "connecting to {}:{}",
            request.host, request.port
        )))?;
        if let Some(password) = &request.password {
            let auth = Request::Auth {
                user: request.user.as_deref(),
                password,
            };
            let what = "authenticating";
            stream.write_all(&auth.to_bytes()).map_err(link(what))?;
            let line = stream.read_line(LINK_LINE_BYTES_MAX).map_err(link(what))?;
            if Answer::read(&line) != Answer::Ok {
                return Err(FetchError::Refused {
                    what: "AUTH",
                    words: String::from_utf8_lossy(&line).escape_debug().to_string(),
                });
            }
        }
        if let Some(own) = &request.own {
            let address = Request::Address {
                port: own.port,
                ip: own.ip.as_deref(),
            };
            let extras = Request::Extras {
                run_id: &own.run_id,
            };
            let what = "introducing this node";
            let words = [address.to_bytes(), extras.to_bytes()].concat();
            stream.write_all(&words).map_err(link(what))?;
            // Whatever the answers are, files can be asked for.
            for _ in 0..2 {
                stream.read_line(LINK_LINE_BYTES_MAX).map_err(link(what))?;
            }
        }
        Ok(stream)
    }

    /// Whether there is room for so many more bytes beside what is announced on every connection.
    fn check_space(&self, bytes: u64) -> Result<(), FetchError> {
        let promised = self.promised_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let needed = promised.saturating_add(self.request.reserve_bytes);
        let free = disk::free_bytes(&self.request.dir)
            .map_err(io_error("ask for free space in", &self.request.dir))?;
        match free < needed {
            true => Err(FetchError::NoSpace { needed, free }),
            false => Ok(()),
        }
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), FetchError> {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(io_error("sync", dir))
    }
}

/// A file that is being fetched. It gets its name once it is whole and on the disk.
struct Partial {
    name: FileName,
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Partial {
    fn begin(dir: &Path, name: &FileName, bytes: u64) -> Result<Partial, FetchError> {
        let path = dir.join(format!("{name}{PARTIAL}"));
        let file = File::create(&path).map_err(io_error("create", &path))?;
        Ok(Partial {
            name: name.clone(),
            path,
            file,
            bytes,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file
            .write_all(bytes)
            .map_err(io_error("write", &self.path))
    }

    fn end(self) -> Result<(), FetchError> {
        let whole = self.path.with_file_name(self.name.as_str());
        let end = || {
            self.file.sync_all()?;
            let bytes = self.file.metadata()?.len();
            if bytes != self.bytes {
                let text = format!("it has {bytes} bytes, {} were announced", self.bytes);
                return Err(io::Error::other(text));
            }
            fs::rename(&self.path, &whole)
        };
        end().map_err(io_error("complete", &whole))
    }
}

fn io_error(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let what = format!("{verb} {}", path.display());
    move |error| FetchError::Io { what, error }
}

fn link(what: &str) -> impl FnOnce(Halt) -> FetchError {
    let what = what.to_owned();
    move |halt| match halt {
        Halt::Cancelled => FetchError::Cancelled,
        halt => FetchError::Link { what, halt },
    }
}
