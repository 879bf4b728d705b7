//! LZF, the compression of long strings in RDB: runs of literal bytes, and copies of what stands up to 8 KiB before.

use super::RdbError;
use super::reader::Reader;

/// A copy takes at least three bytes for its longest form, which gives 264 bytes.
const EXPANSION_MAX: usize = 264 / 3;

/// Control bytes below this announce literals, one more than their value.
const LITERALS: u8 = 32;

/// Expands `compressed` to exactly `len` bytes; anything else is an error, found before room is made for it where that is
/// possible.
pub(super) fn decompress(compressed: &[u8], len: usize) -> Result<Vec<u8>, RdbError> {
    if len > compressed.len().saturating_mul(EXPANSION_MAX) {
        return Err(RdbError::Data);
    }
    let mut out = Vec::with_capacity(len);
    let mut input = Reader::new(compressed);
    while input.rest_len() > 0 {
        let control = input.byte()?;
        if control < LITERALS {
            out.extend_from_slice(input.take(usize::from(control) + 1)?);
        } else {
            let longer = if control >> 5 == 7 { input.byte()? } else { 0 };
            let copied_len = usize::from(control >> 5) + usize::from(longer) + 2;
            let distance = (usize::from(control & 31) << 8 | usize::from(input.byte()?)) + 1;
            let start = out.len().checked_sub(distance).ok_or(RdbError::Data)?;
            copy_within(&mut out, start, copied_len);
        }
        if out.len() > len {
            return Err(RdbError::Data);
        }
    }
    if out.len() == len {
        Ok(out)
    } else {
        Err(RdbError::Data)
    }
}

/// Appends `len` bytes from `start` on; where that runs into what it appends itself, a pattern repeats.
fn copy_within(out: &mut Vec<u8>, start: usize, len: usize) {
    let mut left = len;
    while left > 0 {
        // Each round doubles what is there to copy.
        let chunk = left.min(out.len() - start);
        out.extend_from_within(start..start + chunk);
        left -= chunk;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_copies() {
        // "abc", then a copy of three bytes from three back, then one that overlaps itself for 264 bytes.
        let compressed = [2, b'a', b'b', b'c', 1 << 5, 2, 7 << 5, 255, 0];
        let mut expected = b"abcabc".to_vec();
        expected.extend(std::iter::repeat_n(b'c', 264));
        assert_eq!(
            decompress(&compressed, expected.len()),
            Ok(expected.clone())
        );
        for len in [0, 1, expected.len() - 1, expected.len() + 1, usize::MAX] {
            assert_eq!(decompress(&compressed, len), Err(RdbError::Data));
        }
    }

    #[test]
    fn pieces_of_a_stream_are_errors() {
        for (compressed, len) in [
            (&[2, b'a', b'b'][..], 3),
            (&[1 << 5], 3),
            (&[7 << 5, 1], 10),
            (&[1 << 5, 0], 3),
            (&[0, b'a', 1 << 5, 1], 4),
            (&[], 1),
        ] {
            assert_eq!(
                decompress(compressed, len),
                Err(RdbError::Data),
                "{compressed:?}"
            );
        }
        assert_eq!(decompress(&[], 0), Ok(Vec::new()));
    }
}
