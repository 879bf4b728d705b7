//! Reads RocksDB's log format, that of the write-ahead log and of the MANIFEST, record by record.
//!
//! The format (RocksDB `db/log_format.h`): blocks of 32 KiB; in each, fragments of `masked crc32c u32 LE | length u16 LE |
//! type u8 | payload`, the checksum being over type and payload; a fragment never crosses a block, and the last bytes
//! of a block that cannot hold a header are zeros. Types from 5 on ("recyclable") have the log's number behind the type.
//! A record is one Full fragment or First, Middle ..., Last; its payload begins with `sequence u64 LE | count u32 LE`.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use super::crc32c;
use super::seq::Seq;

mod seek;

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
const RECYCLABLE_HEADER_BYTES: usize = 11;
/// Sequence and count at the start of a record.
pub(super) const BATCH_HEADER_BYTES: usize = 12;

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
        /// The record is of a kind that its log cannot hold. No crash leaves that behind, and RocksDB 11.8 does not come
        /// back from reading it, in any recovery mode (measured; `db/log_reader.cc` answers a recyclable record in a log
        /// that is not recycled with "bad record", and meets it again).
        is_endless: bool,
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
    /// A record was read.
    began: bool,
    /// The log began with a recyclable fragment: its file was used before.
    recycled: bool,
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
        is_endless: bool,
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
            began: false,
            recycled: false,
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
                            is_endless: false,
                        },
                    });
                }
                Fragment::Broken {
                    offset,
                    what,
                    is_endless,
                } => {
                    return Ok(Step::Broken {
                        record_offset: started.unwrap_or(offset),
                        offset,
                        what,
                        is_endless,
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
                        is_endless: false,
                    });
                }
                (FragmentKind::Middle | FragmentKind::Last, None) => {
                    return Ok(Step::Broken {
                        record_offset: offset,
                        offset,
                        what: "a record has no beginning",
                        is_endless: false,
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
                self.began = true;
                return Ok(Step::Record(RecordHead {
                    offset: started.unwrap_or(offset),
                    bytes,
                    batch,
                }));
            }
        }
    }

    /// Whether the log has said that its records are compressed.
    pub fn is_compressed(&self) -> bool {
        self.compressed
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
                    is_endless: false,
                });
            }
            if short_block || self.at_end || !self.next_block()? {
                return Ok(Fragment::End);
            }
            return self.fragment();
        }
        let offset = self.offset();
        if is_recyclable(self.block[self.position + 6]) {
            if self.began && !self.recycled {
                return Ok(Fragment::Broken {
                    offset,
                    what: "a record is of a kind that its log does not hold",
                    is_endless: true,
                });
            }
            self.recycled = true;
        }
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
            Err(what) => Ok(Fragment::Broken {
                offset,
                what,
                is_endless: false,
            }),
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

pub(super) fn batch_head(head: &[u8]) -> Option<(Seq, u32)> {
    let (seq, rest) = head.split_first_chunk::<8>()?;
    let (count, _) = rest.split_first_chunk::<4>()?;
    Some((
        Seq::new(u64::from_le_bytes(*seq)),
        u32::from_le_bytes(*count),
    ))
}

/// Whether a fragment with this tag names its log, so that it is told from what an earlier use left in the file.
fn is_recyclable(tag: u8) -> bool {
    matches!(tag, 5..=8 | 11 | 131)
}

struct Parsed {
    kind: FragmentKind,
    payload: Range<usize>,
    end: usize,
}

/// Reads the fragment that `bytes`, the rest of a block, begins with; at least a header long.
fn parse_fragment(bytes: &[u8], log_number: u64) -> Result<Parsed, &'static str> {
    let stored = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let length = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    let tag = bytes[6];
    if tag == 0 && length == 0 {
        return Err("there are zeros where a record should begin");
    }
    let recyclable = is_recyclable(tag);
    let header = if recyclable {
        RECYCLABLE_HEADER_BYTES
    } else {
        HEADER_BYTES
    };
    let end = header + length;
    if bytes.len() < end {
        return Err("a record is longer than what is left of its block");
    }
    if recyclable {
        let number = u32::from_le_bytes([bytes[7], bytes[8], bytes[9], bytes[10]]);
        if number != log_number as u32 {
            // The file was recycled and the log ends here, or a flip makes the record look so.
            return Err("a record belongs to another log");
        }
    }
    if crc32c::mask(crc32c::crc32c(&bytes[6..end])) != stored {
        return Err("a record does not match its checksum");
    }
    let kind = match tag {
        1 | 5 => FragmentKind::Full,
        2 | 6 => FragmentKind::First,
        3 | 7 => FragmentKind::Middle,
        4 | 8 => FragmentKind::Last,
        9 => FragmentKind::Compression,
        10 | 11 | 128..=255 => FragmentKind::Ignored,
        _ => return Err("a record is of an unknown kind"),
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
pub(super) fn whole_fragment_behind(
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

/// Writes logs for the tests of this module and of those that read logs.
#[cfg(test)]
pub(in super::super) mod testing {
    use super::*;

    /// Appends `payload` to `log` as one record, as RocksDB's writer does.
    pub(in super::super) fn append(log: &mut Vec<u8>, payload: &[u8]) {
        let mut rest = payload;
        let mut first = true;
        loop {
            let left = BLOCK_BYTES - log.len() % BLOCK_BYTES;
            if left < HEADER_BYTES {
                log.resize(log.len() + left, 0);
                continue;
            }
            let (piece, behind) = rest.split_at(rest.len().min(left - HEADER_BYTES));
            rest = behind;
            let kind = match (first, rest.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            append_fragment(log, kind, piece);
            first = false;
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Appends one fragment.
    pub(in super::super) fn append_fragment(log: &mut Vec<u8>, kind: u8, payload: &[u8]) {
        let crc = crc32c::mask(crc32c::extend(crc32c::crc32c(&[kind]), payload));
        log.extend_from_slice(&crc.to_le_bytes());
        log.extend_from_slice(&(payload.len() as u16).to_le_bytes());
        log.push(kind);
        log.extend_from_slice(payload);
    }

    /// A record of `count` updates from `seq` on, `bytes` long.
    pub(in super::super) fn batch(seq: u64, count: u32, bytes: usize) -> Vec<u8> {
        let mut payload = seq.to_le_bytes().to_vec();
        payload.extend_from_slice(&count.to_le_bytes());
        payload.resize(bytes.max(BATCH_HEADER_BYTES), b'v');
        payload
    }
}

#[cfg(test)]
mod tests;
