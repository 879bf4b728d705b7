//! The replication id in a record. Source of the format: `kvrocks-format.md` 10.1 and 10.2, RocksDB `db/write_batch.cc`.

use super::BATCH_HEADER_BYTES;

/// What follows `r ` in the last LogData of a batch that begins so. Stops at a change of unknown kind: what was found up to
/// there counts.
pub(super) fn last_replication_id(batch: &[u8]) -> Option<&[u8]> {
    let mut input = Input(batch.get(BATCH_HEADER_BYTES..)?);
    let mut found = None;
    while let Some((&tag, rest)) = input.0.split_first() {
        input.0 = rest;
        match input.change(tag) {
            Some(Some(id)) => found = Some(id),
            Some(None) => {}
            None => break,
        }
    }
    found
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Steps over one change; gives the replication id if it is one. `None` when it is not whole, or unknown.
    fn change(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        // Those of a family other than the default one have its id in front.
        if matches!(tag, 0x04 | 0x05 | 0x06 | 0x08 | 0x0e) {
            self.varint()?;
        }
        match tag {
            // LogData.
            0x03 => return Some(self.bytes()?.strip_prefix(b"r ")),
            // Delete and SingleDelete: a key.
            0x00 | 0x04 | 0x07 | 0x08 => {
                self.bytes()?;
            }
            // Put, Merge and DeleteRange: two of them.
            0x01 | 0x02 | 0x05 | 0x06 | 0x0e | 0x0f => {
                self.bytes()?;
                self.bytes()?;
            }
            _ => return None,
        }
        Some(None)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(changes: &[&[u8]]) -> Vec<u8> {
        [&[0; 12], changes.concat().as_slice()].concat()
    }

    #[test]
    fn the_last_id_counts_and_nothing_that_only_looks_like_one() {
        let id = |letter: u8| [&b"\x03\x12r "[..], &[letter; 16]].concat();
        let put = b"\x05\x01\x01k\x14\x03\x12r ZZZZZZZZZZZZZZZZ";
        let (a, b) = (id(b'a'), id(b'b'));
        let found = |changes: &[&[u8]]| last_replication_id(&batch(changes)).map(<[u8]>::to_vec);
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[b"\x03\x011", put]), None);
        assert_eq!(found(&[&a, put, &b, put]), Some(vec![b'b'; 16]));
        let all: &[&[u8]] = &[
            b"\x00\x01k",
            b"\x01\x01k\x01v",
            b"\x04\x02\x01k",
            b"\x0f\x01a\x01b",
            b"\x0e\x01\x01a\x01b",
            &a,
        ];
        assert_eq!(found(all), Some(vec![b'a'; 16]));
        assert_eq!(
            found(&[b"\x03\x04r id", b"\x03\x011"]),
            Some(b"id".to_vec())
        );
    }

    #[test]
    fn what_is_cut_off_or_unknown_ends_the_search() {
        let whole = batch(&[
            &b"\x05\x01\x01k\x01v"[..],
            b"\x03\x04r id",
            b"\x01\x01k\x05value",
        ]);
        for cut in 0..whole.len() {
            let found = last_replication_id(&whole[..cut]);
            assert_eq!(found.is_some(), cut >= 12 + 6 + 6, "cut at {cut}");
        }
        assert_eq!(
            last_replication_id(&batch(&[b"\x7f", b"\x03\x04r id"])),
            None
        );
        assert_eq!(
            last_replication_id(&batch(&[b"\x03\xff\xff\xff\xff\xff\x01"])),
            None
        );
    }
}
