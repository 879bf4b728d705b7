//! A batch that came from elsewhere (a primary's stream, a WAL file), read whole before anything is done with it.
//!
//! RocksDB refuses every later write after one malformed batch (measured), and a batch with a tag, a family or a range that
//! it does not take is malformed in its eyes only after it is in the WAL. So a [`ReceivedBatch`] exists only for bytes that
//! RocksDB will take and that the readers of this code understand: it is made by [`ReceivedBatch::validate`], and what is
//! inside can then be walked without another check. Pure: bytes in, a batch or a [`BatchFault`] out.
//!
//! ```text
//! u64 LE sequence | u32 LE count | operations
//! 01 key value            Put            05 cf key value           in another family
//! 00 key                  Delete         04 cf key
//! 0f from to              DeleteRange    0e cf from to
//! 03 blob                 LogData, which takes no sequence number
//! ```
//! Every key, value and blob is a varint length and its bytes. Source: RocksDB `db/write_batch.cc`; what Kvrocks writes:
//! `cluster/replication.h WriteBatchHandler`. All else (merges, single deletes, wide columns, blob references, two-phase
//! markers, timestamps) is refused: nobody who speaks this protocol writes it.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::cf::Cf;
use super::keys::KeyCodec;
use super::metadata::Header;
use super::record::{REPLICATION_ID_KEY, tag};
use super::replication_id::ReplicationId;
use super::seq::Seq;
use super::wal::{BATCH_HEADER_BYTES, batch_head};
use crate::limits::RECEIVED_BATCH_BYTES_MAX;
use crate::text::crc::slot;

/// The family that an operation is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// One that commands read.
    Known(Cf),
    /// One that a newer Kvrocks has and that is only kept; its id.
    Kept(u32),
}

/// One operation of a batch. Bytes are the batch's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op<'a> {
    /// `key` = `value`.
    Put {
        family: Family,
        key: &'a [u8],
        value: &'a [u8],
    },
    /// `key` is gone.
    Delete { family: Family, key: &'a [u8] },
    /// Everything from `from` on and below `to` is gone; `from <= to`.
    DeleteRange {
        family: Family,
        from: &'a [u8],
        to: &'a [u8],
    },
    /// A note beside the operations, which takes no sequence number.
    LogData(&'a [u8]),
}

/// What a replica has to do beside storing a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SideEffect<'a> {
    /// Deliver a published message to this node's subscribers.
    Message {
        channel: &'a [u8],
        payload: &'a [u8],
    },
    /// A command about scripts, as the RESP array that the primary was sent (`script flush`).
    Script(&'a [u8]),
    /// The namespaces and their tokens were changed: they are to be read again.
    NamespacesChanged,
}

/// What is wrong with a batch. Offsets count from its first byte, header included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchFault {
    /// It is shorter than its header.
    NoHeader,
    /// It is longer than [`BatchRules::bytes_max`].
    TooLong { bytes: usize },
    /// An operation of a kind that is not taken.
    UnknownTag { tag: u8, offset: usize },
    /// A family that this database does not have.
    UnknownFamily { id: u32, offset: usize },
    /// A length or a family id is no varint of 32 bits, or the batch ends in it.
    BadVarint { offset: usize },
    /// A key, a value or a blob reaches beyond the end.
    CutOff { offset: usize },
    /// The header counts other than the operations are.
    WrongCount { counted: u64, header: u32 },
    /// A range ends before it begins: RocksDB fails on it after it is in the WAL.
    ReversedRange { offset: usize },
    /// A key of the `metadata` family that no user key belongs to, or that carries a wrong slot.
    BadKey { offset: usize },
    /// A value of the `metadata` family that is too short for its own flags.
    BadMetadata { offset: usize },
    /// The numbers that it takes do not exist.
    SequenceOverflow { first: u64 },
}

impl fmt::Display for BatchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchFault::NoHeader => f.write_str("a batch is shorter than its header"),
            BatchFault::TooLong { bytes } => write!(f, "a batch of {bytes} bytes is too long"),
            BatchFault::UnknownTag { tag, offset } => {
                write!(
                    f,
                    "an operation of unknown kind 0x{tag:02x} at offset {offset}"
                )
            }
            BatchFault::UnknownFamily { id, offset } => {
                write!(f, "there is no column family {id} (at offset {offset})")
            }
            BatchFault::BadVarint { offset } => write!(f, "a malformed number at offset {offset}"),
            BatchFault::CutOff { offset } => {
                write!(
                    f,
                    "the bytes at offset {offset} reach beyond the batch's end"
                )
            }
            BatchFault::WrongCount { counted, header } => {
                write!(
                    f,
                    "the header counts {header} operations, there are {counted}"
                )
            }
            BatchFault::ReversedRange { offset } => {
                write!(f, "a range ends before it begins, at offset {offset}")
            }
            BatchFault::BadKey { offset } => {
                write!(
                    f,
                    "a malformed metadata key at offset {offset}; do both nodes have the same cluster-enabled?"
                )
            }
            BatchFault::BadMetadata { offset } => {
                write!(f, "a metadata value too short at offset {offset}")
            }
            BatchFault::SequenceOverflow { first } => {
                write!(
                    f,
                    "the sequence number {first} in the header is out of range"
                )
            }
        }
    }
}

impl std::error::Error for BatchFault {}

/// What the database that takes the batches is like.
#[derive(Clone, Copy, Debug)]
pub struct BatchRules {
    /// How keys are encoded in it.
    pub codec: KeyCodec,
    /// Its column families have the ids from 0 up to here, this one not included. At least [`Cf::COUNT`].
    pub families_count: u32,
    /// Bytes of one batch; [`RECEIVED_BATCH_BYTES_MAX`] outside tests.
    pub bytes_max: usize,
}

impl BatchRules {
    /// The rules of a database with this encoding of keys and so many families.
    pub fn new(codec: KeyCodec, families_count: u32) -> BatchRules {
        BatchRules {
            codec,
            families_count,
            bytes_max: RECEIVED_BATCH_BYTES_MAX,
        }
    }
}

/// A batch that RocksDB will take, and whose operations can be walked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedBatch {
    bytes: Bytes,
    first_seq: Seq,
    count: u32,
    id: Option<ReplicationId>,
}

impl ReceivedBatch {
    /// Reads `bytes` whole. Nothing is copied.
    pub fn validate(bytes: Bytes, rules: &BatchRules) -> Result<ReceivedBatch, BatchFault> {
        if bytes.len() > rules.bytes_max {
            return Err(BatchFault::TooLong { bytes: bytes.len() });
        }
        let (first_seq, header) = batch_head(&bytes).ok_or(BatchFault::NoHeader)?;
        let in_range = |first: Seq| first.get().checked_add(u64::from(header));
        if in_range(first_seq).is_none_or(|end| end > Seq::MAX.get()) {
            return Err(BatchFault::SequenceOverflow {
                first: first_seq.get(),
            });
        }
        let mut walk = Walk::new(&bytes);
        let mut counted = 0u64;
        let mut id = None;
        while !walk.is_done() {
            let offset = walk.offset;
            match walk.step(rules.families_count)? {
                Op::LogData(blob) => {
                    id = ReplicationId::from_log_data(blob).or(id);
                    continue;
                }
                Op::Put { family, key, value } => {
                    check_put(rules, family, key, value, offset)?;
                }
                Op::DeleteRange { from, to, .. } if from > to => {
                    return Err(BatchFault::ReversedRange { offset });
                }
                Op::Delete { .. } | Op::DeleteRange { .. } => {}
            }
            counted += 1;
        }
        if counted != u64::from(header) {
            return Err(BatchFault::WrongCount { counted, header });
        }
        Ok(ReceivedBatch {
            bytes,
            first_seq,
            count: header,
            id,
        })
    }

    /// The batch as it came: what is written to the database.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The sequence number of its first operation as its sender has it; zero in a batch that Kvrocks made to fill a gap.
    /// RocksDB ignores it and numbers by itself.
    pub fn first_seq(&self) -> Seq {
        self.first_seq
    }

    /// Operations in it, LogData not counted: how far the sequence advances. May be zero.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it may be the one that starts at `next`. A sender that says another number has skipped something or sends it
    /// twice; a batch that fills a gap (number zero) fits anywhere.
    pub fn starts_at(&self, next: Seq) -> bool {
        self.first_seq == next || self.first_seq == Seq::ZERO
    }

    /// The last replication id in it: the history that it was written in. `None` from a Kvrocks without `use-rsid-psync`.
    pub fn replication_id(&self) -> Option<ReplicationId> {
        self.id
    }

    /// Its operations, in order.
    pub fn ops(&self) -> impl Iterator<Item = Op<'_>> {
        let mut walk = Walk::new(&self.bytes);
        // Every step was made once before, with the same result.
        std::iter::from_fn(move || {
            (!walk.is_done())
                .then(|| walk.step(u32::MAX).ok())
                .flatten()
        })
    }

    /// What is to be done beside storing it, in order.
    ///
    /// A Kvrocks replica looks at the last Put of a batch alone (`kvrocks-replication.md` 4.4), and so misses a message that
    /// its primary's group commit has joined with a later write of another client; here every Put counts. Of a batch with one
    /// Put, which is how Stillpoint writes these, both find the same.
    pub fn side_effects(&self) -> impl Iterator<Item = SideEffect<'_>> {
        self.ops().filter_map(|op| match op {
            Op::Put { family, key, value } => side_effect(family, key, value),
            _ => None,
        })
    }

    /// The id that a Put of this batch stores in the database, which a primary does in the first record of a history.
    pub fn stored_id(&self) -> Option<ReplicationId> {
        self.ops()
            .filter_map(|op| match op {
                Op::Put {
                    family: Family::Known(Cf::Propagate),
                    key: REPLICATION_ID_KEY,
                    value,
                } => ReplicationId::from_bytes(value),
                _ => None,
            })
            .last()
    }
}

/// The last replication id in a record read from this node's own WAL. `None` when there is none, or the record is damaged.
pub fn replication_id_of(record: &[u8]) -> Option<ReplicationId> {
    batch_head(record)?;
    let mut walk = Walk::new(record);
    let mut id = None;
    while !walk.is_done() {
        if let Op::LogData(blob) = walk.step(u32::MAX).ok()? {
            id = ReplicationId::from_log_data(blob).or(id);
        }
    }
    id
}

fn side_effect<'a>(family: Family, key: &'a [u8], value: &'a [u8]) -> Option<SideEffect<'a>> {
    match (family, key) {
        (Family::Known(Cf::Pubsub), channel) => Some(SideEffect::Message {
            channel,
            payload: value,
        }),
        (Family::Known(Cf::Propagate), b"script") => Some(SideEffect::Script(value)),
        (Family::Known(Cf::Propagate), b"__namespace_keys__") => {
            Some(SideEffect::NamespacesChanged)
        }
        _ => None,
    }
}

/// What our readers would take for something else. Other families' entries are told by their own keys, and one that is
/// malformed is met as an error by whoever reads it.
fn check_put(
    rules: &BatchRules,
    family: Family,
    key: &[u8],
    value: &[u8],
    offset: usize,
) -> Result<(), BatchFault> {
    if family != Family::Known(Cf::Metadata) {
        return Ok(());
    }
    let parts = rules
        .codec
        .split_metadata_key(key)
        .ok_or(BatchFault::BadKey { offset })?;
    if rules.codec.slot_encoded {
        let slot_at = key.len() - parts.user_key.len() - 2;
        // A primary outside a cluster writes no slots, and every key of its would be misread.
        if key[slot_at..slot_at + 2] != slot(parts.user_key).to_be_bytes() {
            return Err(BatchFault::BadKey { offset });
        }
    }
    match Header::decode(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(BatchFault::BadMetadata { offset }),
    }
}

/// A step-by-step reading of a batch's operations.
struct Walk<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Walk<'a> {
    /// Starts behind the header, which must be there.
    fn new(bytes: &'a [u8]) -> Walk<'a> {
        Walk {
            bytes,
            offset: BATCH_HEADER_BYTES,
        }
    }

    fn is_done(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    /// Reads the operation at `offset` and goes behind it. Not to be called when done.
    fn step(&mut self, families_count: u32) -> Result<Op<'a>, BatchFault> {
        let offset = self.offset;
        let tag = self.bytes[offset];
        self.offset += 1;
        let family = match tag {
            tag::PUT | tag::DELETE | tag::DELETE_RANGE => Family::Known(Cf::Default),
            tag::PUT_TAGGED | tag::DELETE_TAGGED | tag::DELETE_RANGE_TAGGED => {
                self.family(families_count)?
            }
            tag::LOG_DATA => return Ok(Op::LogData(self.slice()?)),
            _ => return Err(BatchFault::UnknownTag { tag, offset }),
        };
        let key = self.slice()?;
        Ok(match tag {
            tag::DELETE | tag::DELETE_TAGGED => Op::Delete { family, key },
            tag::PUT | tag::PUT_TAGGED => Op::Put {
                family,
                key,
                value: self.slice()?,
            },
            _ => Op::DeleteRange {
                family,
                from: key,
                to: self.slice()?,
            },
        })
    }

    fn family(&mut self, families_count: u32) -> Result<Family, BatchFault> {
        let offset = self.offset;
        let id = self.varint()?;
        if id >= families_count {
            return Err(BatchFault::UnknownFamily { id, offset });
        }
        Ok(Cf::from_id(id).map_or(Family::Kept(id), Family::Known))
    }

    fn slice(&mut self) -> Result<&'a [u8], BatchFault> {
        let len = self.varint()? as usize;
        let offset = self.offset;
        let range: Range<usize> = match offset.checked_add(len) {
            Some(end) => offset..end,
            None => return Err(BatchFault::CutOff { offset }),
        };
        let slice = self.bytes.get(range).ok_or(BatchFault::CutOff { offset })?;
        self.offset += len;
        Ok(slice)
    }

    fn varint(&mut self) -> Result<u32, BatchFault> {
        let offset = self.offset;
        let mut value = 0u32;
        for (index, &byte) in self.bytes[offset..].iter().take(5).enumerate() {
            // RocksDB drops what does not fit into 32 bits of a fifth byte; nobody means that.
            if index == 4 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.offset += index + 1;
                return Ok(value);
            }
        }
        Err(BatchFault::BadVarint { offset })
    }
}

#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod tests;
