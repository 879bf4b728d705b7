//! Writing replies, in the protocol version that the client speaks.

use bytes::Bytes;

use crate::error::ReplyError;
use crate::limits::SHARED_BULK_BYTES_MIN;
use crate::text::float::write_f64_17g;
use crate::text::int::write_i64;

/// The protocol version of a connection (`HELLO 2|3`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Proto {
    /// RESP2, what a connection starts with.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// A place where the length of an aggregate goes once its elements are written.
#[must_use]
pub struct Later {
    at: usize,
}

/// What the elements of an aggregate mean: the type byte in RESP3. In RESP2 all are arrays, a map with twice the length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aggregate {
    /// An ordered list.
    Array,
    /// Distinct elements without order.
    Set,
    /// Pairs; its length counts pairs.
    Map,
}

/// One command's reply under construction.
///
/// A command that must wait, or fails half-way, leaves nothing: its bytes are cleared.
pub struct Reply {
    buf: Vec<u8>,
    /// Large bulk strings, which are not in `buf`: each belongs in front of the byte at this offset of it.
    large: Vec<(usize, Bytes)>,
    /// Whether large bulk strings are kept apart.
    is_split: bool,
    /// Values that the command was brought: what is a part of one is not copied.
    owners: Vec<Bytes>,
    /// The version to write in.
    pub proto: Proto,
}

impl Reply {
    /// An empty reply, all of which will be in its buffer.
    pub fn new(proto: Proto) -> Reply {
        Reply {
            buf: Vec::new(),
            large: Vec::new(),
            is_split: false,
            owners: Vec::new(),
            proto,
        }
    }

    /// An empty reply in a buffer that was used before, which must be empty. Bulk strings of [`SHARED_BULK_BYTES_MIN`] and more are
    /// kept apart from it ([`Reply::take_parts`]), so that they are copied at most once, however large the whole grows.
    pub fn with_buffer(proto: Proto, buf: Vec<u8>) -> Reply {
        Reply {
            buf,
            is_split: true,
            ..Reply::new(proto)
        }
    }

    /// Values that may be written soon: a large bulk string that is a part of one of them shares its memory.
    pub fn share(&mut self, owners: Vec<Bytes>) {
        self.owners = owners;
    }

    /// The buffer.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buf
    }

    /// The bytes written, but for large bulk strings that are kept apart.
    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }

    /// The buffer, to take from or to reuse.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Whether large bulk strings are kept apart.
    #[inline]
    pub fn has_parts(&self) -> bool {
        !self.large.is_empty()
    }

    /// Takes everything written, as pieces that make up the reply one behind the other.
    pub fn take_parts(&mut self) -> impl Iterator<Item = Bytes> {
        let text = Bytes::from(std::mem::take(&mut self.buf));
        let large = std::mem::take(&mut self.large);
        let ends: Vec<usize> = large
            .iter()
            .map(|(at, _)| *at)
            .chain([text.len()])
            .collect();
        let starts = std::iter::once(0).chain(ends.clone());
        let between: Vec<Bytes> = starts
            .zip(ends)
            .map(|(from, to)| text.slice(from..to))
            .collect();
        let mut large = large.into_iter().map(|(_, bytes)| bytes);
        between
            .into_iter()
            .flat_map(move |text| [Some(text), large.next()])
            .flatten()
            .filter(|part| !part.is_empty())
    }

    /// A position for [`Reply::truncate`]: how many bytes are written, but for large bulk strings.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Forgets what was written since [`Reply::len`] was `len`.
    pub fn truncate(&mut self, len: usize) {
        self.buf.truncate(len);
        // The line end of a large string lies behind it.
        while self.large.last().is_some_and(|(at, _)| *at >= len) {
            self.large.pop();
        }
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; `text` must hold no line end.
    pub fn simple(&mut self, text: &str) {
        self.buf.push(b'+');
        self.buf.extend_from_slice(text.as_bytes());
        self.crlf();
    }

    /// An error. Line ends at the end of its text are left out and those inside are written as spaces, as redis-server does.
    pub fn error(&mut self, error: &ReplyError) {
        let text = error.text();
        let kept = text
            .iter()
            .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
            .map_or(0, |last| last + 1);
        self.buf.push(b'-');
        self.buf.extend(text[..kept].iter().map(|&byte| {
            if byte == b'\r' || byte == b'\n' {
                b' '
            } else {
                byte
            }
        }));
        self.crlf();
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A count or length as an integer.
    pub fn count(&mut self, value: usize) {
        self.header(b':', value as i64);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if bytes.len() >= SHARED_BULK_BYTES_MIN && self.is_split {
            return self.large_bulk(bytes);
        }
        self.buf.reserve(bytes.len() + 16);
        self.header(b'$', bytes.len() as i64);
        self.buf.extend_from_slice(bytes);
        self.crlf();
    }

    #[cold]
    fn large_bulk(&mut self, bytes: &[u8]) {
        let within = bytes.as_ptr_range();
        let owner = self.owners.iter().find(|owner| {
            let all = owner.as_ptr_range();
            all.start <= within.start && within.end <= all.end
        });
        let part = match owner {
            Some(owner) => owner.slice_ref(bytes),
            None => Bytes::copy_from_slice(bytes),
        };
        self.header(b'$', bytes.len() as i64);
        self.large.push((self.buf.len(), part));
        self.crlf();
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = Vec::with_capacity(20);
        write_i64(&mut digits, value);
        self.bulk(&digits);
    }

    /// The absent value: a null bulk string in RESP2, `_` in RESP3.
    pub fn null(&mut self) {
        self.buf.extend_from_slice(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// The absent array: a null array in RESP2, `_` in RESP3.
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(match self.proto {
            Proto::Resp2 => b"*-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// A value or [`Reply::null`].
    pub fn bulk_or_null(&mut self, value: Option<&[u8]>) {
        match value {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// A boolean: `#t`/`#f` in RESP3, 1/0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        match (self.proto, value) {
            (Proto::Resp2, true) => self.buf.extend_from_slice(b":1\r\n"),
            (Proto::Resp2, false) => self.buf.extend_from_slice(b":0\r\n"),
            (Proto::Resp3, true) => self.buf.extend_from_slice(b"#t\r\n"),
            (Proto::Resp3, false) => self.buf.extend_from_slice(b"#f\r\n"),
        }
    }

    /// A double: a bulk string of `%.17g` in RESP2, `,` and the same digits in RESP3, as redis-server 7.0.
    pub fn double(&mut self, value: f64) {
        let mut digits = Vec::with_capacity(26);
        write_f64_17g(&mut digits, value);
        match self.proto {
            Proto::Resp2 => self.bulk(&digits),
            Proto::Resp3 => {
                self.buf.push(b',');
                self.buf.extend_from_slice(&digits);
                self.crlf();
            }
        }
    }

    /// Text for people (`format` is `txt` or `mkd`): a verbatim string in RESP3, a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, bytes: &[u8]) {
        match self.proto {
            Proto::Resp2 => self.bulk(bytes),
            Proto::Resp3 => {
                self.header(b'=', bytes.len() as i64 + 4);
                self.buf.extend_from_slice(format.as_bytes());
                self.buf.push(b':');
                self.buf.extend_from_slice(bytes);
                self.crlf();
            }
        }
    }

    /// The header of an array of `len` elements, which must follow.
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// The header of a set of `len` elements.
    pub fn set(&mut self, len: usize) {
        self.aggregate(Aggregate::Set, len);
    }

    /// The header of a map of `pairs` pairs.
    pub fn map(&mut self, pairs: usize) {
        self.aggregate(Aggregate::Map, pairs);
    }

    /// The header of an out-of-band message of `len` elements: a push in RESP3, an array in RESP2.
    pub fn push(&mut self, len: usize) {
        self.header(
            if self.proto == Proto::Resp3 {
                b'>'
            } else {
                b'*'
            },
            len as i64,
        );
    }

    /// The header of an aggregate.
    pub fn aggregate(&mut self, kind: Aggregate, len: usize) {
        let (byte, len) = self.aggregate_header(kind, len);
        self.header(byte, len);
    }

    /// Begins an aggregate whose length is not known yet; [`Reply::end`] must follow.
    pub fn begin(&mut self) -> Later {
        Later { at: self.buf.len() }
    }

    /// Puts the header of an aggregate where [`Reply::begin`] was called. `len` counts pairs for a map.
    pub fn end(&mut self, later: Later, kind: Aggregate, len: usize) {
        let (byte, len) = self.aggregate_header(kind, len);
        let mut header = Vec::with_capacity(24);
        header.push(byte);
        write_i64(&mut header, len);
        header.extend_from_slice(b"\r\n");
        for (at, _) in self
            .large
            .iter_mut()
            .rev()
            .take_while(|(at, _)| *at > later.at)
        {
            *at += header.len();
        }
        self.buf.splice(later.at..later.at, header);
    }

    /// Bytes that already are a reply in this version.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    fn aggregate_header(&self, kind: Aggregate, len: usize) -> (u8, i64) {
        match (self.proto, kind) {
            (_, Aggregate::Array) | (Proto::Resp2, Aggregate::Set) => (b'*', len as i64),
            (Proto::Resp2, Aggregate::Map) => (b'*', len as i64 * 2),
            (Proto::Resp3, Aggregate::Set) => (b'~', len as i64),
            (Proto::Resp3, Aggregate::Map) => (b'%', len as i64),
        }
    }

    fn header(&mut self, byte: u8, value: i64) {
        self.buf.push(byte);
        write_i64(&mut self.buf, value);
        self.crlf();
    }

    fn crlf(&mut self) {
        self.buf.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_strings_are_kept_apart_and_come_in_their_places() {
        let large = |byte: u8| vec![byte; SHARED_BULK_BYTES_MIN];
        let owner = Bytes::from(large(b'c'));
        let write = |reply: &mut Reply| {
            reply.ok();
            let later = reply.begin();
            reply.bulk(&large(b'a'));
            let len = reply.len();
            reply.bulk(&large(b'b'));
            reply.truncate(len);
            reply.bulk(&owner);
            reply.int(7);
            reply.end(later, Aggregate::Array, 3);
        };
        let mut whole = Reply::new(Proto::Resp2);
        write(&mut whole);
        assert!(!whole.has_parts());
        let mut split = Reply::with_buffer(Proto::Resp2, Vec::new());
        split.share(vec![owner.clone()]);
        write(&mut split);
        assert!(split.has_parts());
        let parts: Vec<Bytes> = split.take_parts().collect();
        assert_eq!(parts.concat(), whole.bytes());
        assert!(parts.iter().any(|part| part.as_ptr() == owner.as_ptr()));
        assert!(split.is_empty() && !split.has_parts());
    }
}
