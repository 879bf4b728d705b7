//! Replication ids: the names of histories, as they stand in records and on the link.

use std::fmt;

use super::seq::Seq;

/// Bytes of an id.
pub const REPLICATION_ID_BYTES: usize = 16;

/// What an id is made of. Source: Kvrocks storage.cc `ShiftReplId`.
const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How the LogData that carries an id begins.
const LOG_DATA_MARK: &[u8] = b"r ";

/// The name of one history: of all records that one node wrote between becoming a primary and ceasing to be one.
///
/// Sixteen ASCII letters or digits. Two nodes that hold the same id at the same sequence number hold the same records up to
/// there, because only one node ever writes under an id, and it writes in one order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicationId([u8; REPLICATION_ID_BYTES]);

/// Where a history ends in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    pub id: ReplicationId,
    /// The last update of the last record that ends in it.
    pub last: Seq,
}

impl ReplicationId {
    /// The id that `bytes` are, or `None` for anything but sixteen letters and digits.
    ///
    /// Kvrocks looks at the length alone; bytes that it would never draw are no id here, so that none gets into INFO.
    pub fn from_bytes(bytes: &[u8]) -> Option<ReplicationId> {
        let id: [u8; REPLICATION_ID_BYTES] = bytes.try_into().ok()?;
        id.iter()
            .all(u8::is_ascii_alphanumeric)
            .then_some(ReplicationId(id))
    }

    /// Draws an id; `below(n)` gives an even random number below n.
    pub fn draw(mut below: impl FnMut(u64) -> u64) -> ReplicationId {
        ReplicationId(std::array::from_fn(|_| {
            LETTERS[below(LETTERS.len() as u64) as usize % LETTERS.len()]
        }))
    }

    /// The id that a LogData blob carries, if it is of that kind.
    pub fn from_log_data(blob: &[u8]) -> Option<ReplicationId> {
        ReplicationId::from_bytes(blob.strip_prefix(LOG_DATA_MARK)?)
    }

    /// Its sixteen characters.
    pub fn as_str(&self) -> &str {
        // Letters and digits only: always UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its sixteen bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplicationId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_letters_and_digits_are_an_id() {
        let id = ReplicationId::from_bytes(b"ABCDEFGHI0123456").unwrap();
        assert_eq!(id.to_string(), "ABCDEFGHI0123456");
        assert_eq!(id.as_bytes(), b"ABCDEFGHI0123456");
        assert_eq!(format!("{id:?}"), "ReplicationId(ABCDEFGHI0123456)");
        for wrong in [
            &b""[..],
            b"ABCDEFGHI012345",
            b"ABCDEFGHI01234567",
            b"ABCDEFGHI 123456",
        ] {
            assert_eq!(ReplicationId::from_bytes(wrong), None);
        }
    }

    #[test]
    fn log_data_carries_it_behind_its_mark() {
        let id = ReplicationId::from_log_data(b"r ABCDEFGHI0123456");
        assert_eq!(id, ReplicationId::from_bytes(b"ABCDEFGHI0123456"));
        assert_eq!(ReplicationId::from_log_data(b"1"), None);
        assert_eq!(ReplicationId::from_log_data(b"r ABC"), None);
    }

    #[test]
    fn what_is_drawn_is_an_id() {
        let mut state = 7u64;
        let id = ReplicationId::draw(|n| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % n
        });
        assert_eq!(ReplicationId::from_bytes(id.as_bytes()), Some(id));
        assert_eq!(ReplicationId::draw(|_| 35).as_bytes(), &[b'Z'; 16]);
    }
}
