//! Tells from the first stored keys whether keys carry their cluster slot.
//!
//! Nothing in a Kvrocks directory records it, and opening one with the wrong setting would misread every key and let
//! compaction drop every subkey. So the first metadata keys are tried both ways. Source: kvrocks-format 2.2.

use super::cf::Cf;
use super::error::OpenError;
use super::rocks::{Direction, KeyRange, Rocks};
use crate::text::crc::slot;

/// Keys looked at. A key without a slot passes for one with a slot by chance once in 16,384, so a few decide.
const KEYS_PROBED: usize = 16;

/// What a sample of metadata keys says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotEncoding {
    /// Every key carries its slot.
    With,
    /// At least one key does not.
    Without,
    /// There are no keys to tell from.
    Unknown,
}

/// Judges a sample of metadata keys (`namespace length | namespace | [slot] | user key`).
pub fn detect<'a>(keys: impl Iterator<Item = &'a [u8]>) -> SlotEncoding {
    let mut any = false;
    for key in keys {
        any = true;
        if !carries_slot(key) {
            return SlotEncoding::Without;
        }
    }
    if any {
        SlotEncoding::With
    } else {
        SlotEncoding::Unknown
    }
}

/// Whether the two bytes after the namespace are the slot of what follows them.
fn carries_slot(key: &[u8]) -> bool {
    let Some((&namespace_len, rest)) = key.split_first() else {
        return false;
    };
    let Some((_, rest)) = rest.split_at_checked(usize::from(namespace_len)) else {
        return false;
    };
    match rest.split_first_chunk::<2>() {
        Some((stored, user_key)) => u16::from_be_bytes(*stored) == slot(user_key),
        None => false,
    }
}

/// Refuses a database whose keys do not have the layout that the configuration asks for; an empty one is accepted.
pub fn check_slot_encoding(rocks: &Rocks, slot_encoded: bool) -> Result<(), OpenError> {
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(KEYS_PROBED);
    let mut entries = rocks.iter(
        Cf::Metadata,
        KeyRange::default(),
        Direction::Forward,
        None,
        false,
    );
    while keys.len() < KEYS_PROBED {
        match entries.next() {
            Ok(Some((key, _))) => keys.push(key.to_vec()),
            Ok(None) => break,
            Err(error) => {
                return Err(OpenError::Damaged {
                    what: error.to_string(),
                });
            }
        }
    }
    match (detect(keys.iter().map(Vec::as_slice)), slot_encoded) {
        (SlotEncoding::With, false) => Err(OpenError::WrongSlotEncoding {
            stored_with_slots: true,
        }),
        (SlotEncoding::Without, true) => Err(OpenError::WrongSlotEncoding {
            stored_with_slots: false,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &[u8], slot_of: Option<&[u8]>, user_key: &[u8]) -> Vec<u8> {
        let mut key = vec![namespace.len() as u8];
        key.extend_from_slice(namespace);
        if let Some(slotted) = slot_of {
            key.extend_from_slice(&slot(slotted).to_be_bytes());
        }
        key.extend_from_slice(user_key);
        key
    }

    fn detected(keys: &[Vec<u8>]) -> SlotEncoding {
        detect(keys.iter().map(Vec::as_slice))
    }

    #[test]
    fn slots_are_recognized_with_and_without_tags() {
        let with: Vec<_> = [&b"k"[..], b"{tag}key", b"", b"\x00\xff"]
            .iter()
            .map(|user_key| key(b"__namespace", Some(user_key), user_key))
            .collect();
        assert_eq!(detected(&with), SlotEncoding::With);
        assert_eq!(
            with[0][12..14],
            [0x1d, 0xcd],
            "the example of the format's description"
        );
        let without = [
            key(b"__namespace", None, b"k"),
            key(b"t1", None, b"longer key"),
        ];
        assert_eq!(detected(&without), SlotEncoding::Without);
    }

    #[test]
    fn one_key_without_its_slot_decides() {
        let mixed = [key(b"n", Some(b"k"), b"k"), key(b"n", Some(b"other"), b"k")];
        assert_eq!(detected(&mixed), SlotEncoding::Without);
    }

    #[test]
    fn nothing_tells_nothing_and_short_keys_have_no_slot() {
        assert_eq!(detected(&[]), SlotEncoding::Unknown);
        for short in [&b""[..], b"\x05nam", b"\x01n", b"\x01nx"] {
            assert_eq!(detected(&[short.to_vec()]), SlotEncoding::Without);
        }
    }
}
