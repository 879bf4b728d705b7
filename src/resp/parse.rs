//! The request parser: bytes of a client in, one command's arguments out. No sockets, no clock, no copies of arguments.
//!
//! ```text
//! *3 CR LF $3 CR LF SET CR LF $1 CR LF k CR LF ...     a multibulk request, the arguments are spans of the buffer
//! SET k "a value" LF                                   an inline request, the arguments are unquoted into a second buffer
//! ```
//!
//! [`parse`] goes on where it stopped, so a client that sends one byte at a time costs no more than one that sends all at
//! once. What it accepts does not depend on how the bytes were cut into reads. As in Redis, only the CR of a line end is looked
//! at, the two bytes behind a bulk are skipped unread, and a NUL before a line end means that the line never ends (until it
//! is too long). Source of every rule and text: `processMultibulkBuffer` and `processInlineBuffer` of redis-server 7.0.15.

use crate::text::int;
use crate::text::quote::split_args_with;

/// Where an argument lies in its buffer. `start + len` never overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl Span {
    /// The argument in `buf`, which the span was read from.
    pub fn of(self, buf: &[u8]) -> &[u8] {
        &buf[self.start as usize..][..self.len as usize]
    }
}

/// What the parser refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// Bytes of one argument (`proto-max-bulk-len`). Besides, a command that would take more than `COMMAND_LEN_MAX` bytes is
    /// refused in the same words.
    pub bulk_len_max: u64,
    /// Arguments of one command.
    pub multibulk_len_max: i64,
    /// Bytes of a line without its end: an inline command or the line that announces a count or a length. More than
    /// `LINE_LEN_MAX` counts as that.
    pub inline_len_max: usize,
    /// Whether the client may send more than what authenticating takes.
    pub authenticated: bool,
}

impl Default for ParseLimits {
    /// Redis's own.
    fn default() -> ParseLimits {
        ParseLimits {
            bulk_len_max: 512 << 20,
            multibulk_len_max: i32::MAX as i64,
            inline_len_max: 64 << 10,
            authenticated: true,
        }
    }
}

/// Bytes of one command, so that every offset fits a [`Span`] with room for a line behind the last bulk.
pub const COMMAND_LEN_MAX: u32 = u32::MAX - 2 * LINE_LEN_MAX;

/// What `inline_len_max` can be at most.
pub const LINE_LEN_MAX: u32 = 1 << 20;

/// Arguments, and bytes of one argument, that a client may send before it has authenticated.
const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_LEN_MAX: i64 = 16_384;

/// Room made at once for the spans of a command that announces many arguments; the rest as they arrive.
const SPANS_RESERVED_MAX: usize = 1024;

/// How far the command under way has been read. A new command starts from the default value; `parse` sets it back itself.
#[derive(Clone, Debug, Default)]
pub struct ParseState {
    /// Offset of the line or bulk that is read next.
    position: u32,
    /// The line at `position` has no end before this offset.
    searched: u32,
    /// Arguments still to come; 0 while the count has not been read.
    args_missing: u32,
    /// Length of the bulk at `position`, once its line has been read.
    bulk_len: Option<u32>,
}

/// What [`parse`] found at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A whole command, its name and arguments in `spans` (at least one).
    Command {
        /// Bytes that the command takes of the buffer.
        consumed: usize,
        /// The spans refer to the unquoted arguments of an inline command and not to the buffer.
        inline: bool,
    },
    /// Something that is no command and gets no reply: an empty line, or a count of zero or less.
    Nothing {
        /// Bytes that it takes of the buffer.
        consumed: usize,
    },
    /// The command is not whole yet.
    Incomplete {
        /// Bytes known to be missing, at least 1.
        want: usize,
    },
}

/// Why the connection has to be closed, after this reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    InlineTooBig,
    UnbalancedQuotes,
    CountLineTooBig,
    InvalidCount,
    UnauthenticatedCount,
    LengthLineTooBig,
    /// This byte stands where `$` should.
    ExpectedDollar(u8),
    InvalidLength,
    UnauthenticatedLength,
}

impl ProtocolError {
    /// Appends the text of the error reply, without the leading `ERR ` and without line end.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Protocol error: ");
        out.extend_from_slice(match self {
            ProtocolError::InlineTooBig => b"too big inline request",
            ProtocolError::UnbalancedQuotes => b"unbalanced quotes in request",
            ProtocolError::CountLineTooBig => b"too big mbulk count string",
            ProtocolError::InvalidCount => b"invalid multibulk length",
            ProtocolError::UnauthenticatedCount => b"unauthenticated multibulk length",
            ProtocolError::LengthLineTooBig => b"too big bulk count string",
            ProtocolError::InvalidLength => b"invalid bulk length",
            ProtocolError::UnauthenticatedLength => b"unauthenticated bulk length",
            ProtocolError::ExpectedDollar(got) => {
                // The reply is one line, so a line end in it becomes a space; everything else goes out as it came.
                let shown = if matches!(got, b'\r' | b'\n') {
                    b' '
                } else {
                    *got
                };
                out.extend_from_slice(b"expected '$', got '");
                out.extend_from_slice(&[shown, b'\'']);
                return;
            }
        });
    }
}

/// Reads on in the command at the front of `buf`.
///
/// `buf` begins with the first byte of the command under way, in every call until it is whole; `state` and `spans` are kept by
/// the caller between calls. `inline` is overwritten by an inline command. After a `Command` or `Nothing` the caller drops the
/// consumed bytes before it calls again; the spans last until then. After an error the connection cannot be read any further.
pub fn parse(
    buf: &[u8],
    state: &mut ParseState,
    spans: &mut Vec<Span>,
    inline: &mut Vec<u8>,
    limits: &ParseLimits,
) -> Result<Parsed, ProtocolError> {
    let parsed = match buf.first() {
        None => Parsed::Incomplete { want: 1 },
        Some(b'*') => parse_multibulk(buf, state, spans, limits)?,
        Some(_) => parse_inline(buf, state, spans, inline, limits)?,
    };
    if !matches!(parsed, Parsed::Incomplete { .. }) {
        *state = ParseState::default();
    }
    Ok(parsed)
}

fn parse_inline(
    buf: &[u8],
    state: &mut ParseState,
    spans: &mut Vec<Span>,
    inline: &mut Vec<u8>,
    limits: &ParseLimits,
) -> Result<Parsed, ProtocolError> {
    let end = match state.find_line_end(buf, b'\n', limits.inline_len_max) {
        LineEnd::At(end) => end,
        LineEnd::NotYet => return Ok(Parsed::Incomplete { want: 1 }),
        LineEnd::TooFar => return Err(ProtocolError::InlineTooBig),
    };
    let line = buf[..end].strip_suffix(b"\r").unwrap_or(&buf[..end]);
    spans.clear();
    inline.clear();
    let mut start = 0;
    split_args_with(line, inline, |arg| {
        let len = arg.len() as u32;
        spans.push(Span { start, len });
        start += len;
    })
    .map_err(|_| ProtocolError::UnbalancedQuotes)?;
    let consumed = end + 1;
    Ok(if spans.is_empty() {
        Parsed::Nothing { consumed }
    } else {
        Parsed::Command {
            consumed,
            inline: true,
        }
    })
}

fn parse_multibulk(
    buf: &[u8],
    state: &mut ParseState,
    spans: &mut Vec<Span>,
    limits: &ParseLimits,
) -> Result<Parsed, ProtocolError> {
    if state.args_missing == 0 {
        let Some((count, next)) = state.read_count(buf, limits)? else {
            return Ok(Parsed::Incomplete { want: 1 });
        };
        if count == 0 {
            return Ok(Parsed::Nothing {
                consumed: next as usize,
            });
        }
        state.advance(next);
        state.args_missing = count;
        spans.clear();
        spans.reserve(SPANS_RESERVED_MAX.min(count as usize));
    }
    while state.args_missing > 0 {
        let len = match state.bulk_len {
            Some(len) => len,
            None => match state.read_length(buf, limits)? {
                Some((len, next)) => {
                    state.advance(next);
                    len
                }
                None => return Ok(Parsed::Incomplete { want: 1 }),
            },
        };
        // No overflow: `read_length` has compared with `COMMAND_LEN_MAX`.
        let start = state.position;
        let next = start + len + LINE_END_LEN;
        if buf.len() < next as usize {
            state.bulk_len = Some(len);
            return Ok(Parsed::Incomplete {
                want: next as usize - buf.len(),
            });
        }
        spans.push(Span { start, len });
        state.advance(next);
        state.args_missing -= 1;
    }
    Ok(Parsed::Command {
        consumed: state.position as usize,
        inline: false,
    })
}

const LINE_END_LEN: u32 = 2;

enum LineEnd {
    At(usize),
    NotYet,
    TooFar,
}

impl ParseState {
    fn advance(&mut self, next: u32) {
        self.position = next;
        self.searched = next;
        self.bulk_len = None;
    }

    /// The number of arguments (0 for a negative one) and where the first begins, or `None` if the line is not whole.
    fn read_count(
        &mut self,
        buf: &[u8],
        limits: &ParseLimits,
    ) -> Result<Option<(u32, u32)>, ProtocolError> {
        let (count, next) = match short_number(&buf[1..]) {
            Some((count, taken)) => (count, 1 + taken),
            None => match self.find_line_end(buf, b'\r', limits.inline_len_max) {
                LineEnd::TooFar => return Err(ProtocolError::CountLineTooBig),
                LineEnd::At(end) if end + 1 < buf.len() => {
                    let count = int::parse_i64(&buf[1..end]).ok_or(ProtocolError::InvalidCount)?;
                    (count, end as u32 + LINE_END_LEN)
                }
                _ => return Ok(None),
            },
        };
        if count > limits.multibulk_len_max.min(i64::from(u32::MAX)) {
            return Err(ProtocolError::InvalidCount);
        }
        if count > UNAUTHENTICATED_ARGS_MAX && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        Ok(Some((count.max(0) as u32, next)))
    }

    /// The length of the next argument and where it begins, or `None` if the line is not whole.
    fn read_length(
        &mut self,
        buf: &[u8],
        limits: &ParseLimits,
    ) -> Result<Option<(u32, u32)>, ProtocolError> {
        let line = &buf[self.position as usize..];
        let short = match line {
            [b'$', rest @ ..] => short_number(rest),
            _ => None,
        };
        let (length, next) = match short {
            Some((length, taken)) => (length, self.position + 1 + taken),
            None => match self.find_line_end(buf, b'\r', limits.inline_len_max) {
                LineEnd::TooFar => return Err(ProtocolError::LengthLineTooBig),
                LineEnd::At(end) if end + 1 < buf.len() => {
                    let digits = match buf[self.position as usize..end] {
                        [b'$', ref digits @ ..] => digits,
                        _ => return Err(ProtocolError::ExpectedDollar(line[0])),
                    };
                    let length = int::parse_i64(digits).ok_or(ProtocolError::InvalidLength)?;
                    (length, end as u32 + LINE_END_LEN)
                }
                _ => return Ok(None),
            },
        };
        let room = u64::from(COMMAND_LEN_MAX.saturating_sub(next));
        let fits = |length: u64| length <= limits.bulk_len_max && length <= room;
        if !u64::try_from(length).is_ok_and(fits) {
            return Err(ProtocolError::InvalidLength);
        }
        if length > UNAUTHENTICATED_BULK_LEN_MAX && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedLength);
        }
        Ok(Some((length as u32, next)))
    }

    /// Where the line at `position` ends, looking only at bytes that no earlier call has looked at.
    fn find_line_end(&mut self, buf: &[u8], end: u8, line_len_max: usize) -> LineEnd {
        let position = self.position as usize;
        let line_len_max = line_len_max.min(LINE_LEN_MAX as usize);
        let window = buf.len().min(position + line_len_max + 1);
        let from = self.searched as usize;
        match memchr::memchr2(end, 0, &buf[from..window]) {
            Some(found) if buf[from + found] == end => return LineEnd::At(from + found),
            // Stay at the NUL: Redis searches a C string, which ends here.
            Some(found) => self.searched = (from + found) as u32,
            None => self.searched = window as u32,
        }
        if buf.len() - position > line_len_max {
            LineEnd::TooFar
        } else {
            LineEnd::NotYet
        }
    }
}

/// The commonest case by far: a plain number of up to nine digits and a line end that has arrived. Returns the number and
/// the bytes that it takes with its line end. `None` says nothing; the general way decides then.
#[inline]
fn short_number(text: &[u8]) -> Option<(i64, u32)> {
    const DIGITS_MAX: usize = 9;
    let mut value = 0;
    for (taken, &byte) in text.iter().take(DIGITS_MAX + 1).enumerate() {
        match byte {
            // A zero at the front stands alone.
            b'0'..=b'9' if taken < DIGITS_MAX && (value > 0 || taken == 0) => {
                value = value * 10 + i64::from(byte - b'0');
            }
            b'\r' if taken > 0 && taken + 1 < text.len() => {
                return Some((value, taken as u32 + LINE_END_LEN));
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;
