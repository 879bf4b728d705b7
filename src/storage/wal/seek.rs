//! Reading a log from somewhere in its middle, and on after its end has moved: what following a log needs.

use super::*;

impl<R: Read + Seek> LogReader<R> {
    /// Goes to `offset`, where a record begins or the log ended when it was last read. What the reader has buffered is
    /// read anew, so that it sees what was appended meanwhile.
    pub fn seek_to(&mut self, offset: u64) -> io::Result<()> {
        let within = (offset % BLOCK_BYTES as u64) as usize;
        self.block.clear();
        self.block_offset = offset - within as u64;
        self.source.seek(SeekFrom::Start(self.block_offset))?;
        self.next_block()?;
        // Shorter than it was only if somebody cut the file: then there is nothing more in it.
        self.position = within.min(self.block.len());
        Ok(())
    }

    /// Where the next record begins, or the padding in front of it: what [`LogReader::seek_to`] takes to go on here.
    pub fn next_offset(&self) -> u64 {
        self.offset()
    }

    /// The first record that begins in block `block_index` or behind it, but before the offset `end`: where, and its first
    /// update. `None` when there is none, or anything up to it cannot be read. Leaves the reader anywhere.
    fn first_record_from(&mut self, block_index: u64, end: u64) -> io::Result<Option<(u64, Seq)>> {
        self.seek_to(block_index * BLOCK_BYTES as u64)?;
        while self.offset() < end {
            let Fragment::Good {
                offset,
                kind,
                payload,
            } = self.fragment()?
            else {
                return Ok(None);
            };
            // A first piece that does not even hold the record's head is stepped over with the rest of its record.
            if matches!(kind, FragmentKind::Full | FragmentKind::First)
                && let Some((seq, _)) = batch_head(&self.block[payload])
            {
                return Ok(Some((offset, seq)));
            }
        }
        Ok(None)
    }

    /// Goes to a record that begins before update `seq`, near it, by bisecting the file's blocks; to the log's first
    /// record when there is none, or none can be found. `bytes` is the file's length.
    ///
    /// Each block begins with a fragment, so that a look into one block tells where in the log it stands: a start
    /// somewhere in a log of 512 MiB costs some 14 blocks, not half of the log.
    pub fn seek_before(&mut self, seq: Seq, bytes: u64) -> io::Result<()> {
        let mut found = 0;
        let mut low = 0;
        let mut high = bytes.div_ceil(BLOCK_BYTES as u64);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.first_record_from(middle, high * BLOCK_BYTES as u64)? {
                Some((offset, first)) if first < seq => {
                    found = offset;
                    low = middle.max(offset / BLOCK_BYTES as u64);
                }
                _ => high = middle,
            }
        }
        self.seek_to(found)
    }
}
