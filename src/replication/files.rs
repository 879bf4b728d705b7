//! A full copy on the link: the list of a checkpoint's files, and their bodies. Pure.
//!
//! `_fetch_meta` answers `CURRENT,MANIFEST-000004,000012.sst,...` CR LF. `_fetch_file` answers, for each name asked for and
//! in that order, `<size>` CR LF and exactly so many raw bytes, nothing behind them; a size of zero is legal. There is no
//! checksum: TCP, and RocksDB's own over its blocks, have to do. Source: `kvrocks-replication.md` section 5.
//!
//! A name becomes a path on both sides, so it is checked on both: no separator, no `..`, nothing but the characters of
//! RocksDB's own names.

use std::collections::HashSet;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::wire::{LineReader, LineTooLong};
use crate::limits::{COPIED_FILE_BYTES_MAX, FILE_NAME_BYTES_MAX};
use crate::text::int::{parse_u64, write_u64};

/// Above so many files a copy is fetched over [`CONNECTIONS_MAX`] connections. Source: Kvrocks.
const FILES_ON_ONE_CONNECTION_MAX: usize = 20;
/// Connections of a copy.
pub const CONNECTIONS_MAX: usize = 4;

/// Why a list, a name or a body is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileFault {
    /// The primary has no checkpoint to offer; its words.
    Refused(String),
    /// A name that no file of a checkpoint has.
    BadName(String),
    /// A name stands there twice.
    Repeated(String),
    /// The list lacks a file without which there is no database.
    NoCurrent,
    /// A size is no number, or above the limit, or the line of one is too long.
    BadSize,
    /// More bytes came than were announced for all files.
    Surplus,
}

impl From<LineTooLong> for FileFault {
    fn from(_: LineTooLong) -> FileFault {
        FileFault::BadSize
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileFault::Refused(text) => write!(f, "the primary refuses: {text}"),
            FileFault::BadName(name) => write!(f, "'{name}' is no name of a checkpoint's file"),
            FileFault::Repeated(name) => write!(f, "the file {name} is listed twice"),
            FileFault::NoCurrent => f.write_str("the list of files lacks CURRENT or a manifest"),
            FileFault::BadSize => f.write_str("a file's size is not readable"),
            FileFault::Surplus => f.write_str("more bytes came than files were asked for"),
        }
    }
}

impl std::error::Error for FileFault {}

/// The name of one file in a checkpoint, safe to be joined to a directory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FileName(String);

impl FileName {
    /// Checks a name: letters, digits, `-`, `_` and `.`, not beginning with a dot (no `..`, nothing hidden), at most
    /// [`FILE_NAME_BYTES_MAX`] bytes.
    pub fn check(name: &[u8]) -> Result<FileName, FileFault> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let is_good = (1..=FILE_NAME_BYTES_MAX).contains(&name.len())
            && name[0] != b'.'
            && name.iter().all(is_plain);
        let name = shown(name);
        if is_good {
            Ok(FileName(name))
        } else {
            Err(FileFault::BadName(name))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the file, once fetched, is the same under this name in a later checkpoint of the same primary. Tables and
    /// blobs are never changed; `MANIFEST-n`, `OPTIONS-n`, `CURRENT` and logs may have grown under their names (which
    /// Kvrocks overlooks).
    pub fn is_immutable(&self) -> bool {
        self.0.ends_with(".sst") || self.0.ends_with(".blob")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A peer's words as they may stand in one line of the log.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_NAME_BYTES_MAX)])
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Reads the answer to `_fetch_meta`, a line of at most [`crate::limits::FILE_LIST_BYTES_MAX`] bytes. The list holds
/// `CURRENT` and a manifest, and no name twice.
pub fn read_list(line: &[u8]) -> Result<Vec<FileName>, FileFault> {
    if let Some(error) = line.strip_prefix(b"-") {
        return Err(FileFault::Refused(shown(error)));
    }
    let names = read_names(line)?;
    let has = |prefix: &str| names.iter().any(|name| name.as_str().starts_with(prefix));
    if names.iter().any(|name| name.as_str() == "CURRENT") && has("MANIFEST-") {
        Ok(names)
    } else {
        Err(FileFault::NoCurrent)
    }
}

/// Reads comma-separated names, as `_fetch_file` has them: each of a file's form, and none twice.
pub fn read_names(list: &[u8]) -> Result<Vec<FileName>, FileFault> {
    let names: Vec<FileName> = list
        .split(|byte| *byte == b',')
        .map(FileName::check)
        .collect::<Result<_, _>>()?;
    let mut seen = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(FileFault::Repeated(name.to_string())),
        None => Ok(names),
    }
}

/// The names, comma-separated.
pub fn join_names(names: &[FileName]) -> String {
    let names: Vec<&str> = names.iter().map(FileName::as_str).collect();
    names.join(",")
}

/// Deals the files that are still needed out to connections as Kvrocks does: one, or four above twenty files, file i to
/// connection i modulo that.
pub fn deal(names: &[FileName]) -> Vec<Vec<FileName>> {
    let connections = match names.len() {
        0 => 0,
        1..=FILES_ON_ONE_CONNECTION_MAX => 1,
        _ => CONNECTIONS_MAX,
    };
    (0..connections)
        .map(|first| {
            names
                .iter()
                .skip(first)
                .step_by(connections)
                .cloned()
                .collect()
        })
        .collect()
}

/// The line that announces a file's body.
pub fn size_line(bytes: u64) -> Vec<u8> {
    let mut line = Vec::with_capacity(22);
    write_u64(&mut line, bytes);
    line.extend_from_slice(b"\r\n");
    line
}

/// What came of a file's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// The body of file `index` of those asked for begins; it will have so many bytes.
    Begins { index: usize, bytes: u64 },
    /// The next bytes of it.
    Bytes(Bytes),
    /// File `index` is whole.
    Ends { index: usize },
}

/// Reads the bodies that one `_fetch_file` is answered with.
#[derive(Debug)]
pub struct BodyReader {
    files_count: usize,
    /// The file that is read, or whose size comes next.
    index: usize,
    /// Bytes of it still to come; `None` while its size has not been read.
    missing: Option<u64>,
    lines: LineReader,
}

impl BodyReader {
    /// For a request with so many names.
    pub fn new(files_count: usize) -> BodyReader {
        BodyReader {
            files_count,
            index: 0,
            missing: None,
            // Twenty digits, or an error's text.
            lines: LineReader::new(256),
        }
    }

    /// Whether every file is whole. The connection may end then; before, its end is a failure.
    pub fn is_done(&self) -> bool {
        self.index == self.files_count
    }

    /// The next step in what arrived; `None` when more has to come. Bodies are taken as they arrive, in pieces of any length.
    pub fn take(&mut self, arrived: &mut BytesMut) -> Result<Option<Body>, FileFault> {
        if self.is_done() {
            return if arrived.is_empty() {
                Ok(None)
            } else {
                Err(FileFault::Surplus)
            };
        }
        let index = self.index;
        match self.missing {
            None => {
                let Some(line) = self.lines.take(arrived)? else {
                    return Ok(None);
                };
                if line.starts_with(b"-") {
                    return Err(FileFault::Refused(shown(&line[1..])));
                }
                let bytes = parse_u64(&line)
                    .filter(|bytes| *bytes <= COPIED_FILE_BYTES_MAX)
                    .ok_or(FileFault::BadSize)?;
                self.missing = Some(bytes);
                Ok(Some(Body::Begins { index, bytes }))
            }
            Some(0) => {
                self.missing = None;
                self.index += 1;
                Ok(Some(Body::Ends { index }))
            }
            Some(_) if arrived.is_empty() => Ok(None),
            Some(missing) => {
                let take = missing.min(arrived.len() as u64) as usize;
                self.missing = Some(missing - take as u64);
                Ok(Some(Body::Bytes(arrived.split_to(take).freeze())))
            }
        }
    }
}

#[cfg(test)]
mod tests;
