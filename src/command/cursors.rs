//! SCAN cursors: numbers for clients, positions in key order here.
//!
//! Clients need decimal 64-bit cursors; a position is a key of any length. So a number stands for a position remembered in
//! a ring of [`CURSORS_MAX`]; an iteration left unfinished costs nothing but its slot, and a number whose slot was taken over is refused.

use crate::limits::CURSORS_MAX;

/// The positions of iterations under way.
#[derive(Default)]
pub struct Cursors {
    slots: Vec<(u64, Box<[u8]>)>,
    issued: u64,
}

impl Cursors {
    /// A number, never 0, for the position just behind `last`.
    pub fn issue(&mut self, last: &[u8]) -> u64 {
        self.issued += 1;
        let slot = (self.issued % CURSORS_MAX as u64) as usize;
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, (0, Box::default()));
        }
        self.slots[slot] = (self.issued, last.into());
        self.issued
    }

    /// The last element handed out before `cursor`; `None` for a number that was never issued or is too old.
    pub fn position(&self, cursor: u64) -> Option<&[u8]> {
        let (number, last) = self.slots.get((cursor % CURSORS_MAX as u64) as usize)?;
        (*number == cursor && cursor != 0).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
