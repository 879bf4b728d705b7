//! RocksDB's write batch, read the way the engine applies it.
//!
//! Source: RocksDB `db/write_batch.cc`: `sequence u64 LE | count u32 LE`, then a tag each, the family's id as a varint behind the
//! tags that name one, and strings as varint length and bytes.

use super::super::super::cf::Cf;

/// One change of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'b> {
    Put(Cf, &'b [u8], &'b [u8]),
    Delete(Cf, &'b [u8]),
    /// From the first key on and below the second.
    DeleteRange(Cf, &'b [u8], &'b [u8]),
}

/// The changes of a batch, if it is one from its first byte to its last.
pub fn parse(bytes: &[u8]) -> Result<Vec<Change<'_>>, &'static str> {
    let header = bytes.first_chunk::<12>();
    let header = header.ok_or("a batch is shorter than its header")?;
    let count = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let mut rest = &bytes[12..];
    let mut changes = Vec::new();
    while let Some((&tag, behind)) = rest.split_first() {
        rest = behind;
        let cf = match tag {
            0x04 | 0x05 | 0x0e => family(&mut rest)?,
            _ => Cf::Default,
        };
        match tag {
            0x00 | 0x04 => changes.push(Change::Delete(cf, string(&mut rest)?)),
            0x01 | 0x05 => {
                changes.push(Change::Put(cf, string(&mut rest)?, string(&mut rest)?));
            }
            0x0e | 0x0f => {
                changes.push(Change::DeleteRange(
                    cf,
                    string(&mut rest)?,
                    string(&mut rest)?,
                ));
            }
            0x03 => {
                string(&mut rest)?;
            }
            _ => return Err("a batch holds an unknown tag"),
        }
    }
    if changes.len() as u64 != u64::from(count) {
        return Err("a batch has the wrong count");
    }
    Ok(changes)
}

fn family(rest: &mut &[u8]) -> Result<Cf, &'static str> {
    let id = varint(rest)?;
    let found = Cf::ALL.into_iter().find(|cf| cf.id() == id);
    found.ok_or("a batch names an unknown family")
}

fn string<'b>(rest: &mut &'b [u8]) -> Result<&'b [u8], &'static str> {
    let len = varint(rest)? as usize;
    let (string, behind) = rest.split_at_checked(len).ok_or("a batch is cut off")?;
    *rest = behind;
    Ok(string)
}

fn varint(rest: &mut &[u8]) -> Result<u32, &'static str> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, behind) = rest.split_first().ok_or("a batch is cut off")?;
        *rest = behind;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a batch holds a number that is too long")
}
