//! Reads the write-ahead logs of a directory, to find damage before RocksDB opens it.
//!
//! None of RocksDB's recovery modes does what is needed alone (measured with 11.8.1):
//!
//! | mode | a record cut off by a kill | a flipped byte in the middle |
//! | --- | --- | --- |
//! | absolute consistency | does not open | does not open, unless zeros stand over a record: silently short |
//! | tolerate corrupted tail | opens; but not when a power cut left the record its full length | does not open, unless the flip is in a length in a log's last block: silently short |
//! | point in time | opens | opens silently short, and what comes after the flip is gone |
//! | skip corrupted | opens | opens silently short |
//!
//! And a record whose kind has become one that its log cannot hold is read for ever in all of them.
//!
//! So RocksDB is opened with point in time, after every live log was read here and only what a crash of the process can
//! leave behind was let through: a last record that is cut off. What a power cut leaves of records that were never
//! synced is let through as far as it looks like that too; where whole records stand behind a hole, a person decides
//! (`accept_wal_loss`). A log whose first record continues where a broken one's last whole record ended was begun after
//! a recovery; RocksDB itself tells by the same sign that it may read on.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::seq::Seq;
use super::wal::{Damage, LogReader, RecordHead, Step, batch_head, whole_fragment_behind};

/// Why logs could not be read.
#[derive(Debug)]
pub enum WalError {
    /// They hold damage that no crash of a process leaves behind.
    Damaged(Damage),
    /// The same, and of a sort that RocksDB does not come back from reading.
    Endless(Damage),
    /// The system refused to read.
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// What the logs of a directory hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The update after the last one in them; `None` when there is no record, or none that can be read (compressed).
    pub next_seq: Option<Seq>,
    /// The first update in them.
    pub first_seq: Option<Seq>,
    /// Where the last record is cut off, if it is.
    pub torn: Option<Damage>,
    /// The last whole record.
    pub last_record: Option<RecordHead>,
    /// Whole records.
    pub records_count: u64,
}

/// The log files of a database directory with their numbers, oldest first. The archive is not among them.
pub fn list_logs(db_dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(db_dir)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|digits| digits.parse::<u64>().ok());
        if let Some(number) = number {
            logs.push((number, path));
        }
    }
    logs.sort_unstable();
    Ok(logs)
}

/// Syncs every log in `db_dir`, and the directory.
pub fn sync_logs(db_dir: &Path) -> io::Result<()> {
    for (_, path) in list_logs(db_dir)? {
        match File::open(&path) {
            Ok(log) => log.sync_data()?,
            // Written out and put away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(db_dir)?.sync_all()
}

/// Reads every log in `db_dir` whose number is at least `first_live`, in order.
///
/// Fails with [`WalError::Damaged`] when what follows a broken record shows that it was whole once: a whole fragment
/// behind it in its file, or a record in a later file that does not continue where the broken file's last whole record
/// ended (it does continue there when the log was recovered before, and RocksDB then reads on likewise). Fails too when
/// the numbers do not continue from one file to the next, as a file in between is missing then.
pub fn survey(db_dir: &Path, first_live: u64) -> Result<Survey, WalError> {
    let logs = list_logs(db_dir).map_err(|error| WalError::Io {
        path: db_dir.to_path_buf(),
        error,
    })?;
    let mut surveyor = Surveyor::default();
    for (number, path) in logs.into_iter().filter(|(number, _)| *number >= first_live) {
        surveyor.read(number, &path)?;
    }
    Ok(surveyor.survey)
}

#[derive(Default)]
struct Surveyor {
    survey: Survey,
}

impl Surveyor {
    fn read(&mut self, number: u64, path: &Path) -> Result<(), WalError> {
        let io_error = |error| WalError::Io {
            path: path.to_path_buf(),
            error,
        };
        let file = File::open(path).map_err(io_error)?;
        let mut reader = LogReader::new(file, number);
        let mut first_of_file = true;
        loop {
            match reader.step(|_| {}).map_err(io_error)? {
                Step::End => return Ok(()),
                Step::Record(record) => {
                    self.record(path, record, first_of_file, reader.is_compressed())?;
                    first_of_file = false;
                }
                Step::Broken {
                    record_offset,
                    offset,
                    what,
                    is_endless,
                } => {
                    let damage = Damage {
                        path: path.to_path_buf(),
                        offset: record_offset,
                        what: what.to_owned(),
                    };
                    if is_endless {
                        return Err(WalError::Endless(damage));
                    }
                    if self.survey.torn.is_some() {
                        // Nothing whole came between the two: both are the end of the log.
                        return Ok(());
                    }
                    let file = File::open(path).map_err(io_error)?;
                    if let Some(whole) =
                        whole_fragment_behind(file, offset, number).map_err(io_error)?
                        && !self.continues_elsewhere(number, path)?
                    {
                        let what =
                            format!("{what}, and there is a whole one behind it at offset {whole}");
                        return Err(WalError::Damaged(Damage { what, ..damage }));
                    }
                    self.survey.torn = Some(damage);
                    return Ok(());
                }
            }
        }
    }

    fn record(
        &mut self,
        path: &Path,
        record: RecordHead,
        first_of_file: bool,
        compressed: bool,
    ) -> Result<(), WalError> {
        let damaged = |what: String| {
            WalError::Damaged(Damage {
                path: path.to_path_buf(),
                offset: record.offset,
                what,
            })
        };
        let Some((seq, count)) = record.batch else {
            if !compressed {
                return Err(damaged("a record is too short".to_owned()));
            }
            self.survey.torn = None;
            self.survey.next_seq = None;
            self.count(record);
            return Ok(());
        };
        if let Some(torn) = &self.survey.torn
            && self.survey.next_seq != Some(seq)
        {
            return Err(WalError::Damaged(Damage {
                what: format!("{}, and {} goes on behind it", torn.what, path.display()),
                ..torn.clone()
            }));
        }
        self.survey.torn = None;
        if first_of_file
            && let Some(expected) = self.survey.next_seq
            && expected != seq
        {
            return Err(damaged(format!(
                "the log begins at sequence {seq}, the one before it ends before {expected}: a log file is missing"
            )));
        }
        self.survey.first_seq = self.survey.first_seq.or(Some(seq));
        self.survey.next_seq = Some(seq.after_batch(count));
        self.count(record);
        Ok(())
    }

    fn count(&mut self, record: RecordHead) {
        self.survey.records_count += 1;
        self.survey.last_record = Some(record);
    }

    /// Whether the next log that holds a record begins where this one's last whole record ended: the damage was met, and
    /// given up, by an earlier recovery.
    fn continues_elsewhere(&self, number: u64, path: &Path) -> Result<bool, WalError> {
        let io_error = |error| WalError::Io {
            path: path.to_path_buf(),
            error,
        };
        let Some(db_dir) = path.parent() else {
            return Ok(false);
        };
        for (_, later) in list_logs(db_dir)
            .map_err(io_error)?
            .into_iter()
            .filter(|(other, _)| *other > number)
        {
            let file = File::open(&later).map_err(io_error)?;
            if let Step::Record(record) = LogReader::new(file, number)
                .step(|_| {})
                .map_err(io_error)?
            {
                return Ok(match (record.batch, self.survey.next_seq) {
                    (Some((seq, _)), Some(expected)) => seq == expected,
                    _ => false,
                });
            }
        }
        Ok(false)
    }
}

/// Whether the newest log in `db_dir` ends in this record, written at `seq`: what is asked after a failed write.
///
/// `None` when the logs cannot be read, or are compressed.
pub fn ends_in(db_dir: &Path, record: &[u8], seq: Seq) -> Option<bool> {
    let (_, count) = batch_head(record)?;
    for (number, path) in list_logs(db_dir).ok()?.into_iter().rev() {
        let mut reader = LogReader::new(File::open(path).ok()?, number);
        let mut last: Option<RecordHead> = None;
        while let Step::Record(head) = reader.step(|_| {}).ok()? {
            last = Some(head);
        }
        if let Some(last) = last {
            return Some(last.batch? == (seq, count) && last.bytes == record.len() as u64);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests;
