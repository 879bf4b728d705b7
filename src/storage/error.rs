//! What can go wrong below the view, grouped by who has to act.

use std::fmt;
use std::path::PathBuf;

use super::seq::Seq;

/// A read failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Bytes on the disk are not what was written: a checksum, a format or a missing file. A person must look.
    Corrupted {
        /// RocksDB's own words.
        text: String,
    },
    /// The system refused a read or a sync.
    Io {
        /// RocksDB's own words.
        text: String,
    },
    /// RocksDB has stopped after an earlier failed write, and does not try: the database has to be reopened.
    Stopped {
        /// RocksDB's own words.
        text: String,
    },
    /// A read that was limited to memory needs the disk; nothing is wrong.
    NotCached,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Corrupted { text } => write!(f, "the database is damaged: {text}"),
            StoreError::Io { text } => write!(f, "the disk refused: {text}"),
            StoreError::Stopped { text } => write!(f, "the database has stopped: {text}"),
            StoreError::NotCached => f.write_str("the value is not in memory"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A record was not written, or it is not known whether it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// RocksDB slows or stops writes at the moment and the caller asked not to wait. Nothing was written.
    Stalled,
    /// The write failed; RocksDB takes no further write until it has recovered or was reopened.
    Failed(CommitFailure),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Stalled => f.write_str("the database does not take writes at the moment"),
            WriteError::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

/// Why a commit failed, and what is known about its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFailure {
    /// RocksDB's own words.
    pub text: String,
    /// Whether the whole record stands in the WAL, so that it will be there after the next start: `Some(false)` when it
    /// certainly does not, `Some(true)` when it certainly does, `None` when that could not be found out. Of several
    /// groups that fail together, `Some(false)` says it of every one, `Some(true)` of the first.
    pub reached_wal: Option<bool>,
}

impl fmt::Display for CommitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self.reached_wal {
            Some(true) => "the record is in the log",
            Some(false) => "nothing was written",
            None => "it is not known whether the record was written",
        };
        write!(f, "{} ({known})", self.text)
    }
}

/// Why a directory was not opened. In every case its contents are as they were.
#[derive(Debug)]
pub enum OpenError {
    /// Another server has the directory.
    Locked {
        /// The directory asked for.
        dir: PathBuf,
    },
    /// Bytes are missing or changed.
    Damaged {
        /// The file at fault, with the offset where it is known, and what is wrong with it.
        what: String,
    },
    /// The WAL ends before what is known to have been synced: acknowledged writes are missing.
    WalLoss {
        /// The last update found.
        recovered: Seq,
        /// The last update that is known to have been on disk.
        synced: Seq,
    },
    /// Keys carry cluster slots and the configuration says otherwise, or the other way round.
    WrongSlotEncoding {
        /// True when the stored keys carry their slot.
        stored_with_slots: bool,
    },
    /// The directory holds a database that is not Kvrocks's.
    Foreign {
        /// What does not fit.
        what: String,
    },
    /// The settings do not go together or RocksDB refuses them.
    Settings {
        /// RocksDB's own words.
        what: String,
    },
    /// The system refused something.
    Io {
        /// What was tried and what the system said.
        what: String,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { dir } => {
                write!(f, "{} is in use by another server", dir.display())
            }
            OpenError::Damaged { what } => write!(f, "the database is damaged: {what}"),
            OpenError::WalLoss { recovered, synced } => write!(
                f,
                "the write-ahead log ends at sequence {recovered}, but writes up to {synced} were synced to disk: \
                 acknowledged writes are missing (accept-wal-loss yes opens it without them)"
            ),
            OpenError::WrongSlotEncoding { stored_with_slots: true } => f.write_str(
                "the stored keys carry cluster slots: this directory belongs to a server with cluster-enabled yes",
            ),
            OpenError::WrongSlotEncoding { stored_with_slots: false } => f.write_str(
                "the stored keys carry no cluster slots: this directory belongs to a server with cluster-enabled no",
            ),
            OpenError::Foreign { what } => write!(f, "this is not a directory of Kvrocks or Stillpoint: {what}"),
            OpenError::Settings { what } => write!(f, "RocksDB does not accept the settings: {what}"),
            OpenError::Io { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for OpenError {}
