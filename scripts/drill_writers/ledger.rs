//! What one writer has been promised: all of it must be found, and nothing beyond it but the unknown.

use std::collections::BTreeMap;

use crate::keys::KEYS_A_WRITER;

/// The promises to one writer, since the beginning.
#[derive(Debug, Default, PartialEq)]
pub struct Ledger {
    /// Key number to the number of the last pair acknowledged under it.
    acked: BTreeMap<u64, u64>,
    /// Key number to the numbers of later pairs, whose reply is missing.
    unknown: BTreeMap<u64, Vec<u64>>,
    /// Acknowledged INCRs.
    pub incr_acked: u64,
    /// INCRs whose reply is missing.
    pub incr_unknown: u64,
}

impl Ledger {
    /// The SET of pair `number` is acknowledged. What was unknown before it under that key is overwritten.
    pub fn set_acked(&mut self, number: u64) {
        let key = number % KEYS_A_WRITER;
        self.acked.insert(key, number);
        self.unknown.remove(&key);
    }

    /// The SET of pair `number` has no reply.
    pub fn set_unknown(&mut self, number: u64) {
        let key = number % KEYS_A_WRITER;
        self.unknown.entry(key).or_default().push(number);
    }

    /// The numbers of pairs whose values must be there, one a key at most, but for unknown ones later.
    pub fn acked(&self) -> impl Iterator<Item = u64> {
        self.acked.values().copied()
    }

    /// The numbers of pairs whose values may be there.
    pub fn unknown(&self) -> impl Iterator<Item = u64> {
        self.unknown.values().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(ledger: &Ledger) -> (Vec<u64>, Vec<u64>) {
        (ledger.acked().collect(), ledger.unknown().collect())
    }

    #[test]
    fn an_acknowledged_set_covers_the_unknown_before_it() {
        let mut ledger = Ledger::default();
        ledger.set_acked(4);
        ledger.set_unknown(4 + KEYS_A_WRITER);
        ledger.set_unknown(4 + 2 * KEYS_A_WRITER);
        ledger.set_unknown(5);
        assert_eq!(
            contents(&ledger),
            (vec![4], vec![4 + KEYS_A_WRITER, 4 + 2 * KEYS_A_WRITER, 5])
        );
        ledger.set_acked(4 + 3 * KEYS_A_WRITER);
        assert_eq!(contents(&ledger), (vec![4 + 3 * KEYS_A_WRITER], vec![5]));
    }
}
