//! Reads RocksDB's write-ahead log, to find damage before RocksDB opens a directory.
//!
//! RocksDB opens a log with a damaged record in its middle silently short: it replays up to the damage and goes on
//! from there. So every live log is read here first, and only what a crash of the process can leave behind is let
//! through: a last record that is cut off.
//!
//! The format (RocksDB `db/log_format.h`): blocks of 32 KiB; in each, fragments of `masked crc32c u32 LE | length u16 LE |
//! type u8 | payload`, the checksum being over type and payload; a fragment never crosses a block, and the last bytes
//! of a block that cannot hold a header are zeros. Types from 5 on ("recyclable") have the log's number behind the type.
//! A record is one Full fragment or First, Middle ..., Last; its payload begins with `sequence u64 LE | count u32 LE`.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::crc32c;
use super::seq::Seq;

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
const RECYCLABLE_HEADER_BYTES: usize = 11;
/// Sequence and count at the start of a record.
const BATCH_HEADER_BYTES: usize = 12;

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it the damage begins.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at offset {}: {}",
            self.path.display(),
            self.offset,
            self.what
        )
    }
}

/// Why logs could not be read.
#[derive(Debug)]
pub enum WalError {
    /// They hold damage that no crash of a process leaves behind.
    Damaged(Damage),
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

/// One whole record, without its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// Where the record begins in its file.
    pub offset: u64,
    /// Bytes of its payload.
    pub bytes: u64,
    /// The first update in it, and how many there are; `None` in a compressed log.
    pub batch: Option<(Seq, u32)>,
}

/// One step through a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole record.
    Record(RecordHead),
    /// The log ends after a whole record.
    End,
    /// The log cannot be read on.
    Broken {
        /// Where the record that is not whole begins.
        record_offset: u64,
        /// Where reading stopped; what comes before it in the record is as it was written.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads the records of one log in order. Pure: bytes in, records out.
pub struct LogReader<R> {
    source: R,
    log_number: u64,
    block: Vec<u8>,
    /// Where `block` begins in the file.
    block_offset: u64,
    /// Next byte to read in `block`.
    position: usize,
    at_end: bool,
    compressed: bool,
}

/// A checked fragment's kind; its payload is a range of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FragmentKind {
    Full,
    First,
    Middle,
    Last,
    /// Says that records are compressed.
    Compression,
    /// Carries nothing for us.
    Ignored,
}

enum Fragment {
    Good {
        offset: u64,
        kind: FragmentKind,
        payload: Range<usize>,
    },
    End,
    Broken {
        offset: u64,
        what: &'static str,
    },
}

impl<R: Read> LogReader<R> {
    /// Reads `source` from its start; `log_number` is the number in the file's name.
    pub fn new(source: R, log_number: u64) -> LogReader<R> {
        LogReader {
            source,
            log_number,
            block: Vec::with_capacity(BLOCK_BYTES),
            block_offset: 0,
            position: 0,
            at_end: false,
            compressed: false,
        }
    }

    /// The next record; its payload is passed to `payload` piece by piece (also of a record that turns out not to be
    /// whole). After [`Step::End`] and [`Step::Broken`] there is nothing more.
    pub fn step(&mut self, mut payload: impl FnMut(&[u8])) -> io::Result<Step> {
        let mut started: Option<u64> = None;
        let mut bytes = 0u64;
        let mut head = Vec::with_capacity(BATCH_HEADER_BYTES);
        loop {
            let (offset, kind, range) = match self.fragment()? {
                Fragment::Good {
                    offset,
                    kind,
                    payload,
                } => (offset, kind, payload),
                Fragment::End => {
                    return Ok(match started {
                        None => Step::End,
                        Some(record_offset) => Step::Broken {
                            record_offset,
                            offset: self.offset(),
                            what: "the last record is cut off",
                        },
                    });
                }
                Fragment::Broken { offset, what } => {
                    return Ok(Step::Broken {
                        record_offset: started.unwrap_or(offset),
                        offset,
                        what,
                    });
                }
            };
            match (kind, started) {
                (FragmentKind::Ignored, _) => continue,
                (FragmentKind::Compression, _) => {
                    self.compressed = true;
                    continue;
                }
                (FragmentKind::Full | FragmentKind::First, None) => started = Some(offset),
                (FragmentKind::Middle | FragmentKind::Last, Some(_)) => {}
                // An empty First fragment before a Full or First one was written by old releases of RocksDB.
                (FragmentKind::Full | FragmentKind::First, Some(_)) if bytes == 0 => {
                    started = Some(offset)
                }
                (FragmentKind::Full | FragmentKind::First, Some(record_offset)) => {
                    return Ok(Step::Broken {
                        record_offset,
                        offset,
                        what: "a record has no end",
                    });
                }
                (FragmentKind::Middle | FragmentKind::Last, None) => {
                    return Ok(Step::Broken {
                        record_offset: offset,
                        offset,
                        what: "a record has no beginning",
                    });
                }
            }
            let piece = &self.block[range];
            bytes += piece.len() as u64;
            let missing = BATCH_HEADER_BYTES - head.len();
            head.extend_from_slice(&piece[..missing.min(piece.len())]);
            payload(piece);
            if matches!(kind, FragmentKind::Full | FragmentKind::Last) {
                let batch = if self.compressed {
                    None
                } else {
                    batch_head(&head)
                };
                return Ok(Step::Record(RecordHead {
                    offset: started.unwrap_or(offset),
                    bytes,
                    batch,
                }));
            }
        }
    }

    /// Where the next byte to be read stands in the file.
    fn offset(&self) -> u64 {
        self.block_offset + self.position as u64
    }

    fn fragment(&mut self) -> io::Result<Fragment> {
        let left = self.block.len() - self.position;
        if left < HEADER_BYTES {
            let short_block = !self.block.is_empty() && self.block.len() < BLOCK_BYTES;
            if short_block && left > 0 {
                return Ok(Fragment::Broken {
                    offset: self.offset(),
                    what: "the last record's header is cut off",
                });
            }
            if short_block || self.at_end || !self.next_block()? {
                return Ok(Fragment::End);
            }
            return self.fragment();
        }
        let offset = self.offset();
        match parse_fragment(&self.block[self.position..], self.log_number) {
            Ok(Parsed { kind, payload, end }) => {
                let start = self.position;
                self.position += end;
                Ok(Fragment::Good {
                    offset,
                    kind,
                    payload: start + payload.start..start + payload.end,
                })
            }
            Err(Unparsed::OtherLog) => {
                self.at_end = true;
                self.position = self.block.len();
                Ok(Fragment::End)
            }
            Err(Unparsed::Bad(what)) => Ok(Fragment::Broken { offset, what }),
        }
    }

    /// Reads the next block; false when there is none.
    fn next_block(&mut self) -> io::Result<bool> {
        self.block_offset += self.block.len() as u64;
        self.position = 0;
        self.block.clear();
        (&mut self.source)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut self.block)?;
        self.at_end = self.block.len() < BLOCK_BYTES;
        Ok(!self.block.is_empty())
    }
}

fn batch_head(head: &[u8]) -> Option<(Seq, u32)> {
    let (seq, rest) = head.split_first_chunk::<8>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    Some((
        Seq::new(u64::from_le_bytes(*seq)),
        u32::from_le_bytes(*count),
    ))
}

struct Parsed {
    kind: FragmentKind,
    payload: Range<usize>,
    end: usize,
}

enum Unparsed {
    /// Left over from an earlier use of a recycled file: the log ends before it.
    OtherLog,
    Bad(&'static str),
}

/// Reads the fragment that `bytes`, the rest of a block, begins with; at least a header long.
fn parse_fragment(bytes: &[u8], log_number: u64) -> Result<Parsed, Unparsed> {
    let stored = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let length = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    let tag = bytes[6];
    if tag == 0 && length == 0 {
        return Err(Unparsed::Bad("there are zeros where a record should begin"));
    }
    let recyclable = matches!(tag, 5..=8 | 11 | 131);
    let header = if recyclable {
        RECYCLABLE_HEADER_BYTES
    } else {
        HEADER_BYTES
    };
    let end = header + length;
    if bytes.len() < end {
        return Err(Unparsed::Bad(
            "a record is longer than what is left of its block",
        ));
    }
    if recyclable {
        let number = u32::from_le_bytes([bytes[7], bytes[8], bytes[9], bytes[10]]);
        if number != log_number as u32 {
            return Err(Unparsed::OtherLog);
        }
    }
    if crc32c::mask(crc32c::crc32c(&bytes[6..end])) != stored {
        return Err(Unparsed::Bad("a record does not match its checksum"));
    }
    let kind = match tag {
        1 | 5 => FragmentKind::Full,
        2 | 6 => FragmentKind::First,
        3 | 7 => FragmentKind::Middle,
        4 | 8 => FragmentKind::Last,
        9 => FragmentKind::Compression,
        10 | 11 | 128..=255 => FragmentKind::Ignored,
        _ => return Err(Unparsed::Bad("a record is of an unknown kind")),
    };
    Ok(Parsed {
        kind,
        payload: header..end,
        end,
    })
}

/// Whether a checked fragment stands anywhere behind `offset`.
///
/// A crash cuts a log off; it leaves nothing whole behind the cut. What follows a flipped byte is still whole, at an
/// offset that a flipped length hides, so every offset is tried.
fn whole_fragment_behind(
    mut source: impl Read + Seek,
    offset: u64,
    log_number: u64,
) -> io::Result<Option<u64>> {
    let mut block_offset = offset - offset % BLOCK_BYTES as u64;
    let mut position = (offset - block_offset) as usize + 1;
    source.seek(SeekFrom::Start(block_offset))?;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        block.clear();
        (&mut source)
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)?;
        while position + HEADER_BYTES <= block.len() {
            if let Ok(parsed) = parse_fragment(&block[position..], log_number)
                && !parsed.payload.is_empty()
            {
                return Ok(Some(block_offset + position as u64));
            }
            position += 1;
        }
        if block.len() < BLOCK_BYTES {
            return Ok(None);
        }
        block_offset += BLOCK_BYTES as u64;
        position = 0;
    }
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
    /// A compressed log was met: numbers cannot be followed.
    blind: bool,
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
                    self.record(path, record, first_of_file)?;
                    first_of_file = false;
                }
                Step::Broken {
                    record_offset,
                    offset,
                    what,
                } => {
                    let damage = Damage {
                        path: path.to_path_buf(),
                        offset: record_offset,
                        what: what.to_owned(),
                    };
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
    ) -> Result<(), WalError> {
        let damaged = |what: String| {
            WalError::Damaged(Damage {
                path: path.to_path_buf(),
                offset: record.offset,
                what,
            })
        };
        let Some((seq, count)) = record.batch else {
            if record.bytes < BATCH_HEADER_BYTES as u64 && !self.blind {
                return Err(damaged("a record is too short".to_owned()));
            }
            self.blind = true;
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
