//! What travels on a link once PSYNC was accepted: the primary's frames, and the replica's acknowledgements. Pure.
//!
//! | from | bytes | meaning | to whom |
//! | --- | --- | --- | --- |
//! | primary | `$<len>` CR LF, a record, CR LF | one WAL record, never below 12 bytes | all |
//! | primary | `$4` CR LF `ping` CR LF | the link lives | a Kvrocks |
//! | primary | `$7` CR LF `_getack` CR LF | acknowledge now | who has acknowledged before (Kvrocks from 2.14), and Stillpoints |
//! | primary | `+status <seq> <id or ->` CR LF | the link lives; the primary's last update, and the id that it writes under | a Stillpoint |
//! | primary | `+path <run ids>` CR LF | the primary's run id and those above it, when they have changed | a Stillpoint |
//! | primary | `><channel len> <payload len>` CR LF, both, CR LF | a published message, in order among the records | a Stillpoint |
//! | primary | `><channel len> <payload len> shard` CR LF, both, CR LF | one that was published to a shard channel | a Stillpoint |
//! | replica | `replconf ack <seq>`, a RESP array | everything up to here is applied | all |
//!
//! The first byte tells the three sorts of frame apart, so no record can be taken for anything else; Kvrocks's own words are
//! told from records by their length. A Kvrocks before 2.14 would write `_getack` to its database and break the link, so it
//! is never sent one. It also never reads an acknowledgement; those are sent without waiting and dropped when its socket is
//! full.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::wire::{LineReader, LineTooLong, read_path};
use crate::limits::{LINK_LINE_BYTES_MAX, LINK_MESSAGE_BYTES_MAX, RECEIVED_BATCH_BYTES_MAX};
use crate::resp::parse::{self, ParseLimits, ParseState, Parsed, Span};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;
use crate::text::int::{parse_u64, write_u64};

/// Bytes of the shortest record: its header.
const RECORD_BYTES_MIN: usize = 12;

const PING: &[u8] = b"ping";
const GET_ACK: &[u8] = b"_getack";
const LINE_END: &[u8] = b"\r\n";

/// Behind the lengths of a message to a shard channel.
const SHARD: &[u8] = b"shard";

/// A published message, for the subscribers of replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// By SPUBLISH.
    pub is_shard: bool,
    pub channel: Bytes,
    pub payload: Bytes,
}

impl Message {
    /// Bytes of its channel and its payload.
    pub fn bytes(&self) -> usize {
        self.channel.len() + self.payload.len()
    }
}

/// One frame of the primary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A record, not validated yet.
    Record(Bytes),
    /// The link lives.
    Ping,
    /// The primary waits for an acknowledgement.
    GetAck,
    /// The link lives; the primary's last committed update, and the id that its next record will end in.
    Status {
        last: Seq,
        id: Option<ReplicationId>,
    },
    /// The run ids of the primary and of those above it.
    Path(Vec<String>),
    /// A message for this node's subscribers.
    Message(Message),
    /// A word of a Kvrocks newer than this code, to be passed over.
    Unknown(Bytes),
}

/// Why a link cannot be read any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameFault {
    /// A line is too long to announce anything.
    LineTooLong,
    /// A line announces nothing that is known, or nothing that was agreed on.
    BadLine { first: u8 },
    /// A length of zero, or above the limit.
    BadLength { bytes: u64 },
    /// What follows a payload is no line end: the lengths are wrong.
    NoLineEnd,
    /// A payload too short for a record is no word either.
    BadWord,
    /// A replica sends what is no request.
    BadRequest,
    /// A replica acknowledges a number that cannot be.
    BadAck,
}

impl From<LineTooLong> for FrameFault {
    fn from(_: LineTooLong) -> FrameFault {
        FrameFault::LineTooLong
    }
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameFault::LineTooLong => f.write_str("a line is too long"),
            FrameFault::BadLine { first } => {
                write!(f, "a line begins with an unexpected byte 0x{first:02x}")
            }
            FrameFault::BadLength { bytes } => {
                write!(f, "a length of {bytes} bytes is not allowed")
            }
            FrameFault::NoLineEnd => f.write_str("a payload does not end where its length says"),
            FrameFault::BadWord => f.write_str("a payload is shorter than any batch"),
            FrameFault::BadRequest => f.write_str("a replica sent what is no request"),
            FrameFault::BadAck => f.write_str("a replica acknowledged what is no sequence number"),
        }
    }
}

impl std::error::Error for FrameFault {}

/// What the line before a payload has announced.
#[derive(Clone, Copy, Debug)]
enum Announced {
    /// A record or a word of so many bytes.
    Bulk(usize),
    Message {
        is_shard: bool,
        channel: usize,
        payload: usize,
    },
}

impl Announced {
    fn bytes(self) -> usize {
        match self {
            Announced::Bulk(bytes) => bytes,
            Announced::Message {
                channel, payload, ..
            } => channel + payload,
        }
    }
}

/// Reads the primary's frames.
#[derive(Debug)]
pub struct FrameReader {
    lines: LineReader,
    announced: Option<Announced>,
    /// Both sides are Stillpoints and have agreed on more.
    extras: bool,
    record_bytes_max: usize,
}

impl FrameReader {
    /// For a link whose PSYNC was just accepted.
    pub fn new(extras: bool) -> FrameReader {
        FrameReader {
            lines: LineReader::new(LINK_LINE_BYTES_MAX),
            announced: None,
            extras,
            record_bytes_max: RECEIVED_BATCH_BYTES_MAX,
        }
    }

    /// The next whole frame at the front of what arrived. Payloads share the memory that they arrived in.
    ///
    /// After an error the link is to be closed.
    pub fn take(&mut self, arrived: &mut BytesMut) -> Result<Option<Frame>, FrameFault> {
        let announced = match self.announced {
            Some(announced) => announced,
            None => {
                let Some(line) = self.lines.take(arrived)? else {
                    return Ok(None);
                };
                match self.read_line(&line)? {
                    Line::Frame(frame) => return Ok(Some(frame)),
                    Line::Announces(announced) => announced,
                }
            }
        };
        let bytes = announced.bytes();
        if arrived.len() < bytes + LINE_END.len() {
            self.announced = Some(announced);
            return Ok(None);
        }
        self.announced = None;
        let mut payload = arrived.split_to(bytes).freeze();
        if !arrived.starts_with(LINE_END) {
            return Err(FrameFault::NoLineEnd);
        }
        arrived.advance(LINE_END.len());
        match announced {
            Announced::Message {
                is_shard, channel, ..
            } => Ok(Some(Frame::Message(Message {
                is_shard,
                channel: payload.split_to(channel),
                payload,
            }))),
            Announced::Bulk(_) if bytes >= RECORD_BYTES_MIN => Ok(Some(Frame::Record(payload))),
            Announced::Bulk(_) => read_word(payload).map(Some),
        }
    }

    /// Bytes known to be missing to the frame under way, beyond the `arrived` ones: how much room a read may make at once,
    /// within a bound of its own.
    pub fn missing(&self, arrived: usize) -> usize {
        self.announced.map_or(0, |announced| {
            (announced.bytes() + LINE_END.len()).saturating_sub(arrived)
        })
    }

    fn read_line(&self, line: &[u8]) -> Result<Line, FrameFault> {
        let (&first, rest) = line
            .split_first()
            .ok_or(FrameFault::BadLine { first: b'\n' })?;
        let bad_line = FrameFault::BadLine { first };
        match first {
            b'$' => {
                let bytes = parse_u64(rest).ok_or(bad_line)?;
                if bytes == 0 || bytes > self.record_bytes_max as u64 {
                    return Err(FrameFault::BadLength { bytes });
                }
                Ok(Line::Announces(Announced::Bulk(bytes as usize)))
            }
            b'>' if self.extras => {
                let mut words = rest.split(|byte| *byte == b' ');
                let mut length = || words.next().and_then(parse_u64).ok_or(bad_line);
                let (channel, payload) = (length()?, length()?);
                let is_shard = match (words.next(), words.next()) {
                    (None, _) => false,
                    (Some(SHARD), None) => true,
                    _ => return Err(bad_line),
                };
                let bytes = channel.saturating_add(payload);
                if bytes > LINK_MESSAGE_BYTES_MAX as u64 {
                    return Err(FrameFault::BadLength { bytes });
                }
                Ok(Line::Announces(Announced::Message {
                    is_shard,
                    channel: channel as usize,
                    payload: payload as usize,
                }))
            }
            b'+' if self.extras => read_news(rest).map(Line::Frame).ok_or(bad_line),
            _ => Err(bad_line),
        }
    }
}

enum Line {
    Frame(Frame),
    Announces(Announced),
}

/// `status <seq> <id>` or `path <run ids>`; words behind them are a later version's.
fn read_news(line: &[u8]) -> Option<Frame> {
    let mut words = line.split(|byte| *byte == b' ');
    match words.next()? {
        b"status" => {
            let last = seq_of(words.next()?)?;
            let id = match words.next()? {
                b"-" => None,
                id => Some(ReplicationId::from_bytes(id)?),
            };
            Some(Frame::Status { last, id })
        }
        b"path" => Some(Frame::Path(read_path(words)?)).filter(|_| line.len() > b"path".len()),
        _ => None,
    }
}

fn read_word(word: Bytes) -> Result<Frame, FrameFault> {
    match &word[..] {
        PING => Ok(Frame::Ping),
        GET_ACK => Ok(Frame::GetAck),
        other
            if other
                .iter()
                .all(|&byte| byte == b'_' || byte.is_ascii_lowercase()) =>
        {
            Ok(Frame::Unknown(word))
        }
        _ => Err(FrameFault::BadWord),
    }
}

fn seq_of(digits: &[u8]) -> Option<Seq> {
    let number = parse_u64(digits)?;
    (number <= Seq::MAX.get()).then_some(Seq::new(number))
}

impl Frame {
    /// Appends the frame's bytes. A record is better sent as [`push_record_line`], itself, and a line end, uncopied.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Frame::Record(bytes) => push_bulk(bytes, out),
            Frame::Unknown(word) => push_bulk(word, out),
            Frame::Ping => push_bulk(PING, out),
            Frame::GetAck => push_bulk(GET_ACK, out),
            Frame::Status { last, id } => {
                out.extend_from_slice(b"+status ");
                write_u64(out, last.get());
                out.push(b' ');
                out.extend_from_slice(id.as_ref().map_or(b"-", ReplicationId::as_bytes));
                out.extend_from_slice(LINE_END);
            }
            Frame::Path(path) => {
                out.extend_from_slice(b"+path ");
                out.extend_from_slice(path.join(" ").as_bytes());
                out.extend_from_slice(LINE_END);
            }
            Frame::Message(Message {
                is_shard,
                channel,
                payload,
            }) => {
                out.push(b'>');
                write_u64(out, channel.len() as u64);
                out.push(b' ');
                write_u64(out, payload.len() as u64);
                if *is_shard {
                    out.push(b' ');
                    out.extend_from_slice(SHARD);
                }
                out.extend_from_slice(LINE_END);
                out.extend_from_slice(channel);
                out.extend_from_slice(payload);
                out.extend_from_slice(LINE_END);
            }
        }
    }
}

/// Appends the line that announces a record of so many bytes; the record and CR LF follow it.
pub fn push_record_line(bytes: usize, out: &mut Vec<u8>) {
    out.push(b'$');
    write_u64(out, bytes as u64);
    out.extend_from_slice(LINE_END);
}

fn push_bulk(bytes: &[u8], out: &mut Vec<u8>) {
    push_record_line(bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(LINE_END);
}

/// What a replica may send on a link: little and short.
const REPLICA_LIMITS: ParseLimits = ParseLimits {
    bulk_len_max: 1024,
    multibulk_len_max: 16,
    inline_len_max: 1024,
    authenticated: true,
};

/// Reads what a replica sends behind its PSYNC.
#[derive(Debug, Default)]
pub struct AckReader {
    state: ParseState,
    spans: Vec<Span>,
    inline: Vec<u8>,
}

impl AckReader {
    /// The newest acknowledgement in what arrived, which is taken off up to the last whole request. Requests that are no
    /// acknowledgement are passed over: a newer replica may have more to say.
    pub fn take(&mut self, arrived: &mut BytesMut) -> Result<Option<Seq>, FrameFault> {
        let mut newest = None;
        loop {
            let AckReader {
                state,
                spans,
                inline,
            } = self;
            let consumed = match parse::parse(arrived, state, spans, inline, &REPLICA_LIMITS) {
                Ok(Parsed::Incomplete { .. }) => return Ok(newest),
                Ok(Parsed::Nothing { consumed }) => consumed,
                Ok(Parsed::Command {
                    consumed,
                    inline: is_inline,
                }) => {
                    let buf: &[u8] = if is_inline { inline } else { arrived };
                    let word =
                        |span: &Span| &buf[span.start as usize..(span.start + span.len) as usize];
                    if let [name, option, value] = &spans[..]
                        && word(name).eq_ignore_ascii_case(b"replconf")
                        && word(option).eq_ignore_ascii_case(b"ack")
                    {
                        let seq = seq_of(word(value)).ok_or(FrameFault::BadAck)?;
                        newest = newest.max(Some(seq));
                    }
                    consumed
                }
                Err(_) => return Err(FrameFault::BadRequest),
            };
            arrived.advance(consumed);
        }
    }
}

#[cfg(test)]
mod tests;
