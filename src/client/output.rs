//! What goes to a client, and from when on it may: bytes in order, each reply gated by the commit that it depends on.
//!
//! `released <= end`: bytes below `released` may be sent, those above wait for the groups named in `gates`. Since replies
//! leave in order, a reply behind a gated one waits too.

use std::collections::VecDeque;

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

/// A client's output.
#[derive(Default, Debug)]
pub struct Output {
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
        let keep = (self.released - self.base) as usize;
        self.buf.truncate(keep);
        for gate in std::mem::take(&mut self.gates) {
            if gate.kind == Stretch::Reply {
                self.buf.extend_from_slice(error);
            }
        }
        self.released = self.base + self.buf.len() as u64;
    }

    /// The bytes that may be sent now.
    pub fn sendable(&self) -> &[u8] {
        &self.buf[self.sent..(self.released - self.base) as usize]
    }

    /// `count` bytes of [`Output::sendable`] were taken by the socket.
    pub fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.buf.len() {
            self.base += self.sent as u64;
            self.sent = 0;
            // The buffer goes back as soon as it is empty, so that an idle client costs nothing here.
            if self.buf.capacity() > IDLE_CAPACITY_BYTES {
                self.buf = Vec::new();
            }
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
    pub fn is_empty(&self) -> bool {
        self.sent == self.buf.len()
    }

    /// Bytes not sent yet.
    pub fn pending_bytes(&self) -> usize {
        self.buf.len() - self.sent
    }

    /// Memory that what is not sent yet takes: nothing once all is sent, whatever is kept for later replies.
    pub fn pending_heap_bytes(&self) -> usize {
        self.buf.capacity() + self.gates.len() * size_of::<Gate>()
    }

    /// Memory held.
    pub fn heap_bytes(&self) -> usize {
        self.buf.capacity() + self.gates.capacity() * size_of::<Gate>()
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
