//! One client's input: bytes received and not executed yet, and how long the buffer that held them is kept.
//!
//! Sockets are read into one buffer that all clients share, so most clients have no buffer of their own. One that sends more
//! than a read brings gets one, and keeps it for its next large command; [`Input::fit`] takes back what is not needed, by
//! the rules of Redis 7.0's `clientsCronResizeQueryBuffer`.

use super::ClientKey;
use crate::resp::parse::{ParseState, Span};

/// Bytes of an empty buffer that is kept for what its client sends next; a larger one is freed at once.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Spare bytes that are not worth moving a buffer for.
const SPARE_BYTES_MAX: usize = 4 * 1024;
/// A client in use keeps a buffer of up to so many bytes, whatever it sends.
const ACTIVE_BYTES_MAX: usize = 32 * 1024;
/// Milliseconds without a word after which a client's buffer has no spare room.
const IDLE_MS: u64 = 2000;

/// Bytes received and not executed yet.
#[derive(Default, Debug)]
pub struct Input {
    pub buf: Vec<u8>,
    pub parse: ParseState,
    /// The arguments of a command that is not whole yet.
    pub spans: Vec<Span>,
    /// The most bytes at a time since the last [`Input::fit`].
    peak: usize,
}

/// The buffer whose commands are being executed.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub client: ClientKey,
    /// Bytes in it, those of the running command and of the ones before it included.
    pub len: usize,
    /// Bytes for which it has room besides.
    pub free: usize,
    /// It is the client's own, not the one that all share.
    pub is_own: bool,
}

impl Input {
    /// Notes that `len` bytes were there at a time.
    pub fn note(&mut self, len: usize) {
        self.peak = self.peak.max(len);
    }

    /// Takes the client's own buffer back after `consumed` of its bytes were executed.
    pub fn give_back(&mut self, mut bytes: Vec<u8>, consumed: usize) {
        if consumed < bytes.len() {
            bytes.drain(..consumed);
        } else if bytes.capacity() <= KEPT_BYTES_MAX {
            bytes.clear();
        } else {
            bytes = Vec::new();
        }
        self.buf = bytes;
    }

    /// Gives spare room back: all of it when the client was idle for `idle_ms` above [`IDLE_MS`], what is above its recent
    /// peak when that was less than half of a large buffer. Then a new peak is measured.
    pub fn fit(&mut self, idle_ms: u64) {
        let (len, capacity) = (self.buf.len(), self.buf.capacity());
        if capacity - len > SPARE_BYTES_MAX {
            if idle_ms > IDLE_MS {
                self.buf.shrink_to_fit();
            } else if capacity > ACTIVE_BYTES_MAX && capacity / 2 > self.peak {
                self.buf.shrink_to(self.peak);
            }
        }
        self.peak = len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(len: usize, capacity: usize) -> Input {
        let mut buf = Vec::with_capacity(capacity);
        buf.resize(len, b'x');
        Input {
            buf,
            ..Input::default()
        }
    }

    #[test]
    fn an_emptied_buffer_is_kept_unless_it_is_huge() {
        let mut small = Input::default();
        small.give_back(vec![b'x'; 400_000], 400_000);
        assert_eq!((small.buf.len(), small.buf.capacity()), (0, 400_000));
        let mut huge = Input::default();
        huge.give_back(vec![b'x'; KEPT_BYTES_MAX + 1], KEPT_BYTES_MAX + 1);
        assert_eq!(huge.buf.capacity(), 0);
    }

    #[test]
    fn what_was_not_executed_stays() {
        let mut input = Input::default();
        input.give_back(b"PING\r\nPI".to_vec(), 6);
        assert_eq!(input.buf, b"PI");
    }

    #[test]
    fn an_idle_client_has_no_spare_room() {
        let mut empty = input(0, 20_000);
        empty.fit(IDLE_MS);
        assert_eq!(empty.buf.capacity(), 20_000);
        empty.fit(IDLE_MS + 1);
        assert_eq!(empty.buf.capacity(), 0);
        let mut unfinished = input(10_000, 20_000);
        unfinished.fit(IDLE_MS + 1);
        assert_eq!(unfinished.buf.capacity(), 10_000);
    }

    #[test]
    fn a_client_in_use_keeps_room_for_its_recent_peak() {
        let mut input = input(0, 400_000);
        input.note(300_000);
        input.fit(0);
        assert_eq!(input.buf.capacity(), 400_000, "the peak was above half");
        input.note(135);
        input.note(100);
        input.fit(0);
        assert_eq!(input.buf.capacity(), 135);
    }

    #[test]
    fn small_buffers_and_little_spare_room_are_left_alone() {
        let mut small = input(0, ACTIVE_BYTES_MAX);
        small.fit(0);
        assert_eq!(small.buf.capacity(), ACTIVE_BYTES_MAX);
        let mut full = input(100_000, 100_000 + SPARE_BYTES_MAX);
        full.fit(IDLE_MS + 1);
        assert_eq!(full.buf.capacity(), 100_000 + SPARE_BYTES_MAX);
    }
}
