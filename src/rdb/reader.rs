//! Bytes taken from the front, each time with a look at whether they are there.

use super::RdbError;

/// What is left of some bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn rest_len(&self) -> usize {
        self.rest.len()
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], RdbError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(RdbError::Data)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], RdbError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(RdbError::Data)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn byte(&mut self) -> Result<u8, RdbError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub fn u16_le(&mut self) -> Result<u16, RdbError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32_le(&mut self) -> Result<u32, RdbError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A signed little-endian integer of `N` bytes, at most eight.
    pub fn int_le<const N: usize>(&mut self) -> Result<i64, RdbError> {
        let mut wide = [0; 8];
        wide[8 - N..].copy_from_slice(&self.array::<N>()?);
        // At the top of the word, so that the shift down brings the sign along.
        Ok(i64::from_le_bytes(wide) >> (64 - 8 * N as u32))
    }

    /// An error unless everything has been taken.
    pub fn end(&self) -> Result<(), RdbError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(RdbError::Data)
        }
    }
}
