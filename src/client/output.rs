//! What goes to a client, and from when on it may: bytes in order, each reply gated by the commit that it depends on.
//!
//! `released <= end`: bytes below `released` may be sent, those above wait for the groups named in `gates`. Since replies
//! leave in order, a reply behind a gated one waits too.
//!
//! Small replies are bytes in one buffer. Large bulk strings are pieces of their own ([`crate::resp::Reply::take_parts`]), which are
//! queued in front of the buffer with everything older, so that what is large is neither copied together nor moved forward.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::limits::{SHARED_BULK_BYTES_MIN, WRITE_BYTES_PER_TURN_MAX};
use crate::storage::commit::GroupId;

/// What a gated stretch is, for the case that its commit fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stretch {
    /// The reply to a command: an error stands in for it when nothing reached the WAL.
    Reply,
    /// A message nobody asked for by this connection's command: it is dropped.
    Message,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    group: GroupId,
    /// Where the stretch ends, in bytes since the connection began.
    end: u64,
    kind: Stretch,
}

/// Pieces that leave before the buffer. None of them is empty.
#[derive(Default, Debug)]
struct Parts {
    list: VecDeque<Bytes>,
    /// Bytes in them.
    bytes: usize,
}

/// A client's output.
#[derive(Default, Debug)]
pub struct Output {
    /// There is none most of the time. While there is, nothing of `buf` is sent.
    parts: Option<Box<Parts>>,
    buf: Vec<u8>,
    /// Bytes of `buf` already sent.
    sent: usize,
    /// Position in the connection's stream of `buf[0]`.
    base: u64,
    released: u64,
    gates: VecDeque<Gate>,
}

/// Capacity that an idle client keeps.
const IDLE_CAPACITY_BYTES: usize = 0;

impl Output {
    /// Appends a reply or message that depends on `group`; `committed` is the newest committed group.
    pub fn push(&mut self, bytes: &[u8], group: GroupId, committed: GroupId, kind: Stretch) {
        self.buf.extend_from_slice(bytes);
        self.gate(group, committed, kind);
    }

    /// The same, taking over `bytes` when that spares a copy of something large.
    pub fn push_vec(
        &mut self,
        bytes: &mut Vec<u8>,
        group: GroupId,
        committed: GroupId,
        kind: Stretch,
    ) {
        if self.buf.is_empty() && bytes.len() > 4096 {
            std::mem::swap(&mut self.buf, bytes);
            bytes.clear();
        } else {
            self.buf.extend_from_slice(bytes);
        }
        self.gate(group, committed, kind);
    }

    /// The same for a reply that is made of `parts`, none of which is copied.
    pub fn push_parts(
        &mut self,
        parts: impl Iterator<Item = Bytes>,
        group: GroupId,
        committed: GroupId,
        kind: Stretch,
    ) {
        self.seal();
        let queue = self.parts.get_or_insert_default();
        for part in parts {
            self.base += part.len() as u64;
            queue.bytes += part.len();
            queue.list.push_back(part);
        }
        self.gate(group, committed, kind);
    }

    /// Makes what is in the buffer, if anything is, the last piece.
    fn seal(&mut self) {
        if self.buf.is_empty() {
            return;
        }
        let len = self.buf.len();
        let mut part = Bytes::from(std::mem::take(&mut self.buf));
        part.advance(std::mem::take(&mut self.sent));
        self.base += len as u64;
        let queue = self.parts.get_or_insert_default();
        queue.bytes += part.len();
        queue.list.push_back(part);
    }

    /// Everything up to `committed` is in the WAL. Returns whether more may be sent now.
    pub fn release(&mut self, committed: GroupId) -> bool {
        let before = self.released;
        while self
            .gates
            .front()
            .is_some_and(|gate| gate.group <= committed)
        {
            if let Some(gate) = self.gates.pop_front() {
                self.released = gate.end;
            }
        }
        if self.gates.is_empty() && self.gates.capacity() > 64 {
            self.gates = VecDeque::new();
        }
        self.released > before
    }

    /// The commit of everything gated failed and nothing of it reached the WAL: each gated reply becomes `error`, each
    /// message is dropped.
    pub fn fail_gated(&mut self, error: &[u8]) {
        let keep = self.released.saturating_sub(self.base) as usize;
        self.buf.truncate(keep);
        if self.released < self.base {
            self.drop_last((self.base - self.released) as usize);
            self.base = self.released;
        }
        for gate in std::mem::take(&mut self.gates) {
            if gate.kind == Stretch::Reply {
                self.buf.extend_from_slice(error);
            }
        }
        self.released = self.base + self.buf.len() as u64;
    }

    /// Takes so many bytes off the end of the queue.
    fn drop_last(&mut self, mut count: usize) {
        let Some(queue) = &mut self.parts else {
            return;
        };
        queue.bytes -= count;
        while let Some(last) = queue.list.back_mut() {
            if last.len() > count {
                last.truncate(last.len() - count);
                return;
            }
            count -= last.len();
            queue.list.pop_back();
        }
        self.parts = None;
    }

    /// Whether there are pieces in front of the buffer: then [`Output::sendable_parts`] gives more than [`Output::sendable`].
    #[inline]
    pub fn has_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// The bytes that may be sent now, as far as they lie together; at most [`WRITE_BYTES_PER_TURN_MAX`].
    #[inline]
    pub fn sendable(&self) -> &[u8] {
        if self.parts.is_some() {
            return self.sendable_at(0, WRITE_BYTES_PER_TURN_MAX);
        }
        let end = (self.released - self.base) as usize;
        &self.buf[self.sent..end.min(self.sent + WRITE_BYTES_PER_TURN_MAX)]
    }

    /// The bytes that may be sent now, in as many of `parts` as there are; at most [`WRITE_BYTES_PER_TURN_MAX`]. Gives how many of
    /// `parts` are used.
    pub fn sendable_parts<'o>(&'o self, parts: &mut [IoSlice<'o>]) -> usize {
        let mut room = WRITE_BYTES_PER_TURN_MAX;
        for (idx, part) in parts.iter_mut().enumerate() {
            let bytes = self.sendable_at(idx, room);
            if bytes.is_empty() {
                return idx;
            }
            room -= bytes.len();
            *part = IoSlice::new(bytes);
        }
        parts.len()
    }

    /// What of the piece at `idx`, the buffer being the last, may be sent with those before it; at most `room` bytes.
    fn sendable_at(&self, idx: usize, room: usize) -> &[u8] {
        let Some(queue) = &self.parts else {
            return &[];
        };
        let before: usize = queue.list.iter().take(idx).map(Bytes::len).sum();
        let begin = self.base - queue.bytes as u64;
        let may_be_sent = (self.released.saturating_sub(begin) as usize).saturating_sub(before);
        let bytes = match queue.list.get(idx) {
            Some(part) => &part[..],
            None if idx == queue.list.len() => &self.buf[..],
            None => &[],
        };
        &bytes[..bytes.len().min(may_be_sent).min(room)]
    }

    /// `count` bytes of [`Output::sendable`] or [`Output::sendable_parts`] were taken by the socket.
    pub fn advance(&mut self, mut count: usize) {
        if let Some(queue) = &mut self.parts {
            let from_parts = count.min(queue.bytes);
            queue.bytes -= from_parts;
            count -= from_parts;
            let mut left = from_parts;
            while let Some(first) = queue.list.front_mut() {
                if first.len() > left {
                    first.advance(left);
                    break;
                }
                left -= first.len();
                queue.list.pop_front();
            }
            if queue.bytes > 0 {
                return;
            }
            self.parts = None;
        }
        self.sent += count;
        if self.sent == self.buf.len() {
            self.base += self.sent as u64;
            self.sent = 0;
            // The buffer goes back as soon as it is empty, so that an idle client costs nothing here.
            if self.buf.capacity() > IDLE_CAPACITY_BYTES {
                self.buf = Vec::new();
            }
        } else if self.buf.len() - self.sent > SHARED_BULK_BYTES_MIN {
            // Later replies must not be appended to this, nor all of it be moved forward.
            self.seal();
        } else if self.sent > 64 * 1024 && self.sent * 2 > self.buf.len() {
            self.buf.drain(..self.sent);
            self.base += self.sent as u64;
            self.sent = 0;
        }
    }

    /// Whether anything waits for a commit.
    pub fn is_gated(&self) -> bool {
        !self.gates.is_empty()
    }

    /// The commit that the first byte which may not be sent waits for.
    pub fn first_gate(&self) -> Option<GroupId> {
        self.gates.front().map(|gate| gate.group)
    }

    /// Whether nothing is left to send, now or later.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.buf.len() && self.parts.is_none()
    }

    /// Bytes not sent yet.
    #[inline]
    pub fn pending_bytes(&self) -> usize {
        self.buffered_bytes() + self.parts.as_ref().map_or(0, |parts| parts.bytes)
    }

    /// Those of them that are in the buffer, where small replies go.
    pub fn buffered_bytes(&self) -> usize {
        self.buf.len() - self.sent
    }

    /// How many pieces wait in front of the buffer.
    pub fn parts_count(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.list.len())
    }

    /// Memory that what is not sent yet takes: nothing once all is sent, whatever is kept for later replies.
    pub fn pending_heap_bytes(&self) -> usize {
        self.buf.capacity() + self.gates.len() * size_of::<Gate>() + self.parts_heap_bytes()
    }

    /// Memory held. A piece that others hold too counts in full.
    pub fn heap_bytes(&self) -> usize {
        self.buf.capacity() + self.gates.capacity() * size_of::<Gate>() + self.parts_heap_bytes()
    }

    fn parts_heap_bytes(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| {
            size_of::<Parts>() + parts.list.capacity() * size_of::<Bytes>() + parts.bytes
        })
    }

    fn gate(&mut self, group: GroupId, committed: GroupId, kind: Stretch) {
        let end = self.base + self.buf.len() as u64;
        #[cfg(test)]
        let committed = if crate::simulation::mutation::is_out(
            crate::simulation::mutation::Part::ReplyGating,
        ) {
            GroupId(u64::MAX)
        } else {
            committed
        };
        if group <= committed && self.gates.is_empty() {
            self.released = end;
        } else {
            let group = self
                .gates
                .back()
                .map_or(group, |last| last.group.max(group));
            self.gates.push_back(Gate { group, end, kind });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sendable(output: &Output) -> String {
        String::from_utf8_lossy(output.sendable()).into_owned()
    }

    #[test]
    fn a_reply_leaves_after_its_commit_and_in_order() {
        let mut output = Output::default();
        output.push(b"a", GroupId(0), GroupId(4), Stretch::Reply);
        output.push(b"b", GroupId(5), GroupId(4), Stretch::Reply);
        output.push(b"c", GroupId(0), GroupId(4), Stretch::Reply);
        output.push(b"d", GroupId(6), GroupId(4), Stretch::Reply);
        assert_eq!(sendable(&output), "a");
        assert!(!output.release(GroupId(4)));
        assert!(output.release(GroupId(5)));
        assert_eq!(sendable(&output), "abc");
        assert!(output.pending_heap_bytes() >= output.pending_bytes());
        output.advance(2);
        assert_eq!(sendable(&output), "c");
        assert!(output.release(GroupId(6)));
        output.advance(2);
        assert!(output.is_empty() && !output.is_gated());
        assert_eq!(output.pending_heap_bytes(), 0);
        output.push(b"e", GroupId(6), GroupId(6), Stretch::Reply);
        assert_eq!(sendable(&output), "e");
    }

    #[test]
    fn a_failed_commit_turns_replies_into_errors_and_drops_messages() {
        let mut output = Output::default();
        output.push(b"sent", GroupId(0), GroupId(0), Stretch::Reply);
        output.advance(2);
        output.push(b"+OK", GroupId(1), GroupId(0), Stretch::Reply);
        output.push(b"message", GroupId(1), GroupId(0), Stretch::Message);
        output.push(b":1", GroupId(1), GroupId(0), Stretch::Reply);
        output.fail_gated(b"-E ");
        assert_eq!(sendable(&output), "nt-E -E ");
        assert!(!output.is_gated());
    }

    /// Everything that may be sent now, one turn's share.
    fn sendable_parts(output: &Output) -> Vec<u8> {
        let mut parts = [IoSlice::new(&[]); 8];
        let count = output.sendable_parts(&mut parts);
        parts[..count]
            .iter()
            .flat_map(|part| part.to_vec())
            .collect()
    }

    #[test]
    fn pieces_leave_in_order_between_what_is_in_the_buffer() {
        let parts = |texts: &[&'static str]| {
            let bytes = texts.iter().map(|text| Bytes::from_static(text.as_bytes()));
            bytes.collect::<Vec<_>>().into_iter()
        };
        let mut output = Output::default();
        output.push(b"abc", GroupId(0), GroupId(0), Stretch::Reply);
        output.advance(1);
        output.push_parts(
            parts(&["de", "fgh"]),
            GroupId(0),
            GroupId(0),
            Stretch::Reply,
        );
        output.push(b"ij", GroupId(0), GroupId(0), Stretch::Reply);
        output.push_parts(parts(&["kl", "m"]), GroupId(2), GroupId(1), Stretch::Reply);
        output.push(b"no", GroupId(0), GroupId(1), Stretch::Message);
        assert!(output.has_parts() && output.is_gated());
        assert_eq!(output.pending_bytes(), 14);
        assert_eq!((output.parts_count(), output.buffered_bytes()), (6, 2));
        assert_eq!(sendable(&output), "bc");
        assert_eq!(sendable_parts(&output), b"bcdefghij");
        output.advance(6);
        assert_eq!(sendable_parts(&output), b"hij");
        assert!(output.release(GroupId(2)));
        assert_eq!(sendable_parts(&output), b"hijklmno");
        output.advance(7);
        assert!(!output.has_parts());
        assert_eq!(sendable(&output), "o");
        output.push(b"p", GroupId(3), GroupId(3), Stretch::Reply);
        assert_eq!(sendable(&output), "op");
        output.advance(2);
        assert!(output.is_empty() && output.heap_bytes() < 4096);
        assert_eq!(output.pending_bytes(), 0);
    }

    #[test]
    fn a_failed_commit_cuts_pieces_off_where_they_are_gated() {
        for sent in 0..=4 {
            let mut output = Output::default();
            let parts = ["ab", "cd"].map(|text| Bytes::from_static(text.as_bytes()));
            output.push_parts(parts.into_iter(), GroupId(0), GroupId(0), Stretch::Reply);
            output.advance(sent);
            let parts = ["ef", "gh"].map(|text| Bytes::from_static(text.as_bytes()));
            output.push_parts(parts.into_iter(), GroupId(1), GroupId(0), Stretch::Reply);
            output.push(b"ij", GroupId(1), GroupId(0), Stretch::Message);
            output.fail_gated(b"-E");
            let mut all = Vec::new();
            while !output.is_empty() {
                let len = output.sendable().len();
                all.extend_from_slice(output.sendable());
                output.advance(len);
            }
            assert_eq!(all, &b"abcd-E"[sent..]);
        }
    }

    #[test]
    fn a_turn_sends_its_share_of_a_large_reply_and_moves_nothing() {
        let mut output = Output::default();
        let large: Vec<u8> = (0..3 * WRITE_BYTES_PER_TURN_MAX)
            .map(|at| (at % 251) as u8)
            .collect();
        output.push_vec(&mut large.clone(), GroupId(1), GroupId(1), Stretch::Reply);
        assert_eq!(output.sendable().len(), WRITE_BYTES_PER_TURN_MAX);
        let place = output.sendable().as_ptr() as usize;
        output.advance(1000);
        assert_eq!(output.sendable().as_ptr() as usize, place + 1000);
        output.push(b"next", GroupId(1), GroupId(1), Stretch::Reply);
        let mut all = large[..1000].to_vec();
        while !output.is_empty() {
            let part = sendable_parts(&output);
            let part = if part.is_empty() {
                output.sendable().to_vec()
            } else {
                part
            };
            assert!(part.len() <= WRITE_BYTES_PER_TURN_MAX);
            output.advance(part.len());
            all.extend(part);
        }
        assert_eq!(all, [&large[..], b"next"].concat());
    }

    #[test]
    fn a_large_reply_is_taken_over() {
        let mut output = Output::default();
        let mut large = vec![b'x'; 10_000];
        output.push_vec(&mut large, GroupId(1), GroupId(1), Stretch::Reply);
        assert!(large.is_empty());
        assert_eq!(output.sendable().len(), 10_000);
        output.advance(10_000);
        assert_eq!(output.heap_bytes(), 0);
    }
}
