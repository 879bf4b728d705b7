//! The write-ahead log as a source of replication: whole records in order, for replicas that are behind what is in memory.
//!
//! [`WalSource`] is shared; each replica that catches up has a [`WalCursor`]. Both are read with [`super::wal::LogReader`]:
//! RocksDB's own iterator can loop for ever on a flipped bit, and reads a log from its start again at each look at its tail.
//!
//! The caller says how far the log is committed (`last_seq`), and nothing beyond is handed out. So whatever is asked for
//! is whole in some file: a record that is not is damage, never one that is just being written. A record without updates
//! at the very end comes with the one behind it.
//!
//! RocksDB moves logs to `archive/` and deletes them there while they are read. An open file stays readable; when the next
//! one is gone the answer is [`WalSourceError::TooOld`].
//!
//! Every call blocks for the disk: for a worker or a feeder's thread. A `WalSource` belongs to one opening of the database: after a
//! full copy file numbers begin anew.

mod endings;
mod error;
mod files;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::error::WalSourceError;
use self::files::{First, LogFiles};
use super::received::replication_id_of;
use super::replication_id::ReplicationId;
use super::seq::Seq;
use super::wal::{Damage, LogReader, RecordHead, Step};

/// One record as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalRecord<'a> {
    /// Its first update; with no updates, that of the next record.
    pub first: Seq,
    /// Its updates.
    pub count: u32,
    /// The batch: header (sequence, count) and changes.
    pub batch: &'a [u8],
}

/// What a record says about the history it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHistory {
    /// Its first update.
    pub first: Seq,
    /// Its updates, one or more.
    pub count: u32,
    /// The replication id that it ends in.
    pub id: Option<ReplicationId>,
}

/// The logs of one open database.
#[derive(Clone)]
pub struct WalSource(Arc<LogFiles>);

impl WalSource {
    /// Reads the logs in `db_dir` (`$dir/db`) and its archive.
    pub fn new(db_dir: impl Into<PathBuf>) -> WalSource {
        WalSource(Arc::new(LogFiles::new(db_dir.into())))
    }

    /// The first update that the logs hold.
    pub fn oldest(&self) -> Result<Option<Seq>, WalSourceError> {
        #[cfg(test)]
        if let Some(disk) = super::rocks::simulated::disk_at(self.0.db_dir()) {
            return Ok(disk.oldest());
        }
        Ok(self
            .0
            .list()?
            .into_iter()
            .find_map(|file| match file.first {
                First::At(first) => Some(first),
                _ => None,
            }))
    }

    /// A cursor whose next record begins at `from`; `last_seq` is the last committed update. Fails if there is no such
    /// record, except that `from` may be the update after the last one.
    pub fn cursor(&self, from: Seq, last_seq: Seq) -> Result<WalCursor, WalSourceError> {
        if from > last_seq.next() {
            return Err(WalSourceError::BeyondEnd { last_seq });
        }
        let mut cursor = WalCursor {
            files: Arc::clone(&self.0),
            at: None,
            next: from,
            batch: Vec::new(),
        };
        if from <= last_seq {
            cursor.find_start()?;
        }
        Ok(cursor)
    }

    /// The record that holds update `seq`, or the first one after it; `None` when `seq` is beyond `last_seq`, the last
    /// committed update, or the logs hold nothing from there on.
    pub fn record_holding(
        &self,
        seq: Seq,
        last_seq: Seq,
    ) -> Result<Option<RecordHistory>, WalSourceError> {
        // What was deleted is replaced by the first record after it, a second time if more is deleted meanwhile.
        let mut seq = seq;
        loop {
            match self.oldest()? {
                Some(oldest) => seq = seq.max(oldest),
                None => return Ok(None),
            }
            if seq > last_seq {
                return Ok(None);
            }
            match self.record_at(seq) {
                Err(WalSourceError::TooOld { .. }) => {}
                result => return result,
            }
        }
    }

    /// The first record that begins at `seq` or later; `None` as for [`WalSource::record_holding`].
    pub fn record_following(
        &self,
        seq: Seq,
        last_seq: Seq,
    ) -> Result<Option<RecordHistory>, WalSourceError> {
        match self.record_holding(seq, last_seq)? {
            Some(record) if record.first < seq => {
                self.record_holding(behind(record.first, record.count), last_seq)
            }
            record => Ok(record),
        }
    }

    fn record_at(&self, seq: Seq) -> Result<Option<RecordHistory>, WalSourceError> {
        let mut cursor = WalCursor {
            files: Arc::clone(&self.0),
            at: None,
            next: seq,
            batch: Vec::new(),
        };
        match cursor.find_start() {
            Ok(()) => {}
            Err(WalSourceError::InsideRecord { first, .. }) => cursor.next = first,
            Err(error) => return Err(error),
        }
        // Either way the cursor stands before the record; those without updates in front of it hold nothing.
        while let Some((first, count)) = cursor.read()? {
            if count > 0 {
                return Ok(Some(RecordHistory {
                    first,
                    count,
                    id: replication_id_of(&cursor.batch),
                }));
            }
        }
        Ok(None)
    }
}

/// A position in the log that moves forward.
pub struct WalCursor {
    files: Arc<LogFiles>,
    /// The file being read; `None` before the first record was asked for.
    at: Option<OpenLog>,
    next: Seq,
    batch: Vec<u8>,
}

struct OpenLog {
    number: u64,
    path: PathBuf,
    reader: LogReader<File>,
}

impl WalCursor {
    /// Where the next record begins.
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// The next record, if it is committed: `last_seq` is the last committed update. `None` is nothing yet. After an
    /// error the cursor is where it was.
    pub fn next(&mut self, last_seq: Seq) -> Result<Option<WalRecord<'_>>, WalSourceError> {
        if self.next > last_seq {
            return Ok(None);
        }
        if self.at.is_none() {
            self.find_start()?;
        }
        let Some((first, count)) = self.read()? else {
            return Ok(None);
        };
        self.next = behind(first, count);
        Ok(Some(WalRecord {
            first,
            count,
            batch: &self.batch,
        }))
    }

    /// Goes to the first record that begins at `self.next`. If that is inside a record, goes to that and fails.
    fn find_start(&mut self) -> Result<(), WalSourceError> {
        #[cfg(test)]
        if let Some(disk) = super::rocks::simulated::disk_at(self.files.db_dir()) {
            let oldest = disk.oldest();
            if oldest.is_none_or(|oldest| oldest > self.next) {
                return Err(WalSourceError::TooOld { oldest });
            }
            let holding = disk.record_at(self.next);
            return match holding.map(|record| (Seq::new(record.first), record.count)) {
                Some((first, count)) if first < self.next => {
                    Err(WalSourceError::InsideRecord { first, count })
                }
                _ => Ok(()),
            };
        }
        let number = self.file_before(self.next)?;
        let Some((file, path)) = self.open(number)? else {
            return Err(self.too_old()?);
        };
        let bytes = file
            .metadata()
            .map_err(|error| WalSourceError::Io {
                path: path.clone(),
                error,
            })?
            .len();
        let mut log = OpenLog {
            number,
            path,
            reader: LogReader::new(file, number),
        };
        log.seek(|reader| reader.seek_before(self.next, bytes))?;
        loop {
            match log.step(&mut self.batch)? {
                Whole::Record(head, (first, count)) => {
                    if first > self.next {
                        let damage = log.damage(head.offset, self.hole(first));
                        return Err(WalSourceError::Damaged(damage));
                    }
                    if first == self.next || behind(first, count) > self.next {
                        log.seek(|reader| reader.seek_to(head.offset))?;
                        self.at = Some(log);
                        return match first == self.next {
                            true => Ok(()),
                            false => Err(WalSourceError::InsideRecord { first, count }),
                        };
                    }
                }
                Whole::No(broken) => {
                    self.at = Some(self.log_after(log, broken)?);
                    return Ok(());
                }
            }
        }
    }

    /// Reads the record at `self.next` into `self.batch`; `None` if there is no file to read.
    fn read(&mut self) -> Result<Option<(Seq, u32)>, WalSourceError> {
        #[cfg(test)]
        if let Some(disk) = super::rocks::simulated::disk_at(self.files.db_dir()) {
            let record = disk.record_at(self.next);
            return Ok(record.map(|record| {
                self.batch = record.bytes.to_vec();
                (Seq::new(record.first), record.count)
            }));
        }
        loop {
            let Some(mut log) = self.at.take() else {
                return Ok(None);
            };
            match log.step(&mut self.batch) {
                Ok(Whole::Record(head, (first, count))) => {
                    if first != self.next {
                        let damage = log.damage(head.offset, self.hole(first));
                        return Err(WalSourceError::Damaged(damage));
                    }
                    self.at = Some(log);
                    return Ok(Some((first, count)));
                }
                Ok(Whole::No(broken)) => self.at = Some(self.log_after(log, broken)?),
                Err(error) => return Err(error),
            }
        }
    }

    /// The log that goes on at `self.next` after `log` has ended, in order or (`broken`) not: a crash leaves a record that
    /// is not whole, and the next log then begins where it did.
    fn log_after(&self, log: OpenLog, broken: Option<Damage>) -> Result<OpenLog, WalSourceError> {
        let mut broken = broken;
        let end = log.reader.next_offset();
        let files = self.files.list()?;
        for file in files.iter().filter(|file| file.number > log.number) {
            match &file.first {
                First::Empty => {}
                First::Compressed => {
                    return Err(WalSourceError::Compressed {
                        path: file.path.clone(),
                    });
                }
                First::Broken(damage) => broken = broken.or(Some(damage.clone())),
                First::At(first) if *first == self.next => {
                    let Some((opened, path)) = self.open(file.number)? else {
                        return Err(self.too_old()?);
                    };
                    return Ok(OpenLog {
                        number: file.number,
                        path,
                        reader: LogReader::new(opened, file.number),
                    });
                }
                First::At(first) => {
                    // The files behind this one may be gone too by now; then it is no hole.
                    if *first > self.next && !files.iter().any(|file| file.number == log.number) {
                        return Err(WalSourceError::TooOld {
                            oldest: Some(*first),
                        });
                    }
                    let hole = self.hole(*first);
                    return Err(WalSourceError::Damaged(
                        broken.unwrap_or_else(|| log.damage(end, hole)),
                    ));
                }
            }
        }
        Err(WalSourceError::Damaged(broken.unwrap_or_else(|| {
            log.damage(
                end,
                format!(
                    "the log ends before sequence {}, which was committed",
                    self.next
                ),
            )
        })))
    }

    /// The number of the log in which the record at `seq` has to be looked for.
    fn file_before(&self, seq: Seq) -> Result<u64, WalSourceError> {
        let files = self.files.list()?;
        let begins = |file: &files::LogFile| match file.first {
            First::At(first) => Some(first),
            _ => None,
        };
        // Of those that begin at `seq` the first: it may hold nothing but records without updates.
        let before = files
            .iter()
            .rfind(|file| begins(file).is_some_and(|first| first < seq))
            .or_else(|| files.iter().find(|file| begins(file) == Some(seq)));
        if let Some(file) = before {
            return Ok(file.number);
        }
        let oldest = files.iter().find_map(begins);
        for file in &files {
            match &file.first {
                First::At(_) => break,
                First::Compressed => {
                    return Err(WalSourceError::Compressed {
                        path: file.path.clone(),
                    });
                }
                First::Broken(damage) => return Err(WalSourceError::Damaged(damage.clone())),
                First::Empty => {}
            }
        }
        Err(WalSourceError::TooOld { oldest })
    }

    fn too_old(&self) -> Result<WalSourceError, WalSourceError> {
        let oldest = WalSource(Arc::clone(&self.files)).oldest()?;
        Ok(WalSourceError::TooOld { oldest })
    }

    fn open(&self, number: u64) -> Result<Option<(File, PathBuf)>, WalSourceError> {
        self.files.open(number).map_err(|error| WalSourceError::Io {
            path: self.files.db_dir().to_path_buf(),
            error,
        })
    }

    fn hole(&self, first: Seq) -> String {
        format!(
            "sequence {} should follow, and {first} does: records are missing",
            self.next
        )
    }
}

/// Where the record after this one begins.
fn behind(first: Seq, count: u32) -> Seq {
    Seq::new(first.get().saturating_add(u64::from(count)))
}

/// Whether a record could be read.
enum Whole {
    Record(RecordHead, (Seq, u32)),
    /// The log ends here, in order or with this.
    No(Option<Damage>),
}

impl OpenLog {
    /// Reads the next record into `batch`. What looks like the end is looked at anew, as the log may have grown since it was
    /// buffered.
    fn step(&mut self, batch: &mut Vec<u8>) -> Result<Whole, WalSourceError> {
        let start = self.reader.next_offset();
        let mut step = self.try_step(batch)?;
        if !matches!(step, Step::Record(_)) {
            self.seek(|reader| reader.seek_to(start))?;
            step = self.try_step(batch)?;
        }
        match step {
            Step::Record(head) => match head.batch {
                Some(numbers) => Ok(Whole::Record(head, numbers)),
                None if self.reader.is_compressed() => Err(WalSourceError::Compressed {
                    path: self.path.clone(),
                }),
                None => Err(WalSourceError::Damaged(
                    self.damage(head.offset, "a record is too short".to_owned()),
                )),
            },
            Step::End => Ok(Whole::No(None)),
            Step::Broken {
                record_offset,
                what,
                ..
            } => {
                let damage = self.damage(record_offset, what.to_owned());
                // So that a later call meets it again.
                self.seek(|reader| reader.seek_to(start))?;
                Ok(Whole::No(Some(damage)))
            }
        }
    }

    fn try_step(&mut self, batch: &mut Vec<u8>) -> Result<Step, WalSourceError> {
        batch.clear();
        self.reader
            .step(|piece| batch.extend_from_slice(piece))
            .map_err(|error| WalSourceError::Io {
                path: self.path.clone(),
                error,
            })
    }

    fn seek(
        &mut self,
        seek: impl FnOnce(&mut LogReader<File>) -> io::Result<()>,
    ) -> Result<(), WalSourceError> {
        seek(&mut self.reader).map_err(|error| WalSourceError::Io {
            path: self.path.clone(),
            error,
        })
    }

    fn damage(&self, offset: u64, what: String) -> Damage {
        Damage {
            path: self.path.clone(),
            offset,
            what,
        }
    }
}
