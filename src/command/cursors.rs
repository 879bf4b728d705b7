//! SCAN cursors: numbers for clients, positions in key order here.
//!
//! Clients need decimal 64-bit cursors; a position is a key of any length. So a number stands for a position remembered in
//! a ring of [`CURSORS_MAX`]; an iteration left unfinished costs nothing but its slot, and a number whose slot was taken over is refused.
//!
//! So is, with near certainty, the number of another process: a client that goes on with its cursor after a restart or on
//! the next primary is told so, instead of missing what lies between two unrelated positions.

use std::hash::BuildHasher;

use crate::limits::CURSORS_MAX;

/// Numbers begin below this and stay exact in clients that keep them as doubles.
const FIRST_NUMBER_MAX: u64 = 1 << 52;

/// The positions of iterations under way.
pub struct Cursors {
    slots: Vec<(u64, Box<[u8]>)>,
    /// Numbers begin above this.
    base: u64,
    issued: u64,
}

impl Default for Cursors {
    /// No iteration yet; the numbers begin at random.
    fn default() -> Cursors {
        let random = std::hash::RandomState::new().hash_one(std::process::id());
        Cursors {
            slots: Vec::new(),
            base: random % FIRST_NUMBER_MAX,
            issued: 0,
        }
    }
}

impl Cursors {
    /// A number, never 0, for the position just behind `last`.
    pub fn issue(&mut self, last: &[u8]) -> u64 {
        self.issued += 1;
        let slot = (self.issued % CURSORS_MAX as u64) as usize;
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, (0, Box::default()));
        }
        let number = self.base + self.issued;
        self.slots[slot] = (number, last.into());
        number
    }

    /// The last element handed out before `cursor`; `None` for a number that was never issued or is too old.
    pub fn position(&self, cursor: u64) -> Option<&[u8]> {
        let issued = cursor.checked_sub(self.base).filter(|&issued| issued > 0)?;
        let (number, last) = self.slots.get((issued % CURSORS_MAX as u64) as usize)?;
        (*number == cursor).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_another_process_are_refused() {
        let mut before = Cursors::default();
        let mut after = Cursors::default();
        assert_ne!(before.base, after.base, "one in 2^52");
        let number = before.issue(b"here");
        assert!(number <= FIRST_NUMBER_MAX);
        for _ in 0..10 {
            after.issue(b"elsewhere");
        }
        assert_eq!(before.position(number), Some(&b"here"[..]));
        assert_eq!(after.position(number), None);
    }

    #[test]
    fn a_cursor_is_its_position_until_its_slot_is_taken_over() {
        let mut cursors = Cursors::default();
        let first = cursors.issue(b"a");
        let second = cursors.issue(b"b");
        assert_eq!(cursors.position(first), Some(&b"a"[..]));
        assert_eq!(cursors.position(second), Some(&b"b"[..]));
        assert_eq!(cursors.position(0), None);
        assert_eq!(cursors.position(77), None);
        for _ in 0..CURSORS_MAX {
            cursors.issue(b"later");
        }
        assert_eq!(cursors.position(first), None);
    }
}
