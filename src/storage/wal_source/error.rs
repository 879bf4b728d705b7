//! Why the log cannot be read from somewhere.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::super::seq::Seq;
use super::super::wal::Damage;

/// Why the log cannot be read from somewhere.
#[derive(Debug)]
pub enum WalSourceError {
    /// The log no longer holds that update; a replica that needs it needs a full copy.
    TooOld {
        /// The first update that it does hold.
        oldest: Option<Seq>,
    },
    /// That update, and the one before it, do not exist yet.
    BeyondEnd {
        /// The last one.
        last_seq: Seq,
    },
    /// That update stands inside a record, not at its start.
    InsideRecord {
        /// The record's first update.
        first: Seq,
        /// Its updates.
        count: u32,
    },
    /// The log is not what was written, or a file of it is missing.
    Damaged(Damage),
    /// The log is compressed (`rocksdb.wal_compression`), which is not read here.
    Compressed {
        /// The file.
        path: PathBuf,
    },
    /// The system refused to read.
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

impl fmt::Display for WalSourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalSourceError::TooOld { oldest: Some(seq) } => {
                write!(f, "the write-ahead log begins at sequence {seq}")
            }
            WalSourceError::TooOld { oldest: None } => {
                f.write_str("the write-ahead log holds nothing")
            }
            WalSourceError::BeyondEnd { last_seq } => {
                write!(f, "the last sequence is {last_seq}")
            }
            WalSourceError::InsideRecord { first, count } => write!(
                f,
                "it is not the first sequence of its record, which begins at {first} and holds {count}"
            ),
            WalSourceError::Damaged(damage) => {
                write!(f, "the write-ahead log is damaged: {damage}")
            }
            WalSourceError::Compressed { path } => write!(
                f,
                "the write-ahead log {} is compressed (rocksdb.wal_compression), no replica can be fed from it",
                path.display()
            ),
            WalSourceError::Io { path, error } => {
                write!(f, "cannot read {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for WalSourceError {}
