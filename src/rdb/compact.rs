//! The compact encodings, in which Redis keeps small collections in one string: listpack, ziplist, intset, zipmap.
//!
//! Each is walked once from front to back with every length, back length and count checked; that is what redis-server calls
//! deep validation. Integers come out as their decimal text.

use super::reader::Reader;
use super::{Pairs, RdbError};
use crate::text::int;

/// Ends a listpack, a ziplist and a zipmap.
const END: u8 = 0xff;

/// A count that says "too many to count, walk".
const COUNT_UNKNOWN: u16 = u16::MAX;

fn decimal(value: i64) -> Vec<u8> {
    let mut text = Vec::new();
    int::write_i64(&mut text, value);
    text
}

/// The elements of a listpack: `bytes u32 | count u16 | (element, its length again)... | END`.
///
/// Source: `listpack.c` of redis-server 7.2.
pub(super) fn listpack(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    let mut reader = Reader::new(bytes);
    let total_len = reader.u32_le()?;
    let count = reader.u16_le()?;
    if total_len as usize != bytes.len() {
        return Err(RdbError::Data);
    }
    let mut elements = Vec::new();
    loop {
        let before = reader.rest_len();
        let first = reader.byte()?;
        if first == END {
            break;
        }
        elements.push(listpack_element(&mut reader, first)?);
        let element_len = before - reader.rest_len();
        check_back_len(&mut reader, element_len)?;
    }
    reader.end()?;
    check_count(count, elements.len())?;
    Ok(elements)
}

fn listpack_element(reader: &mut Reader, first: u8) -> Result<Vec<u8>, RdbError> {
    let string_len = match first {
        0x00..=0x7f => return Ok(decimal(i64::from(first))),
        0x80..=0xbf => usize::from(first & 0x3f),
        0xc0..=0xdf => {
            // 13 bits with sign.
            let bits = u16::from(first & 0x1f) << 8 | u16::from(reader.byte()?);
            return Ok(decimal(i64::from((bits << 3) as i16 >> 3)));
        }
        0xe0..=0xef => usize::from(first & 0x0f) << 8 | usize::from(reader.byte()?),
        0xf0 => reader.u32_le()? as usize,
        0xf1 => return Ok(decimal(reader.int_le::<2>()?)),
        0xf2 => return Ok(decimal(reader.int_le::<3>()?)),
        0xf3 => return Ok(decimal(reader.int_le::<4>()?)),
        0xf4 => return Ok(decimal(reader.int_le::<8>()?)),
        _ => return Err(RdbError::Data),
    };
    Ok(reader.take(string_len)?.to_vec())
}

/// Behind each element stands its length once more, for walking backwards: groups of seven bits, the highest first, all but
/// the first with the top bit set.
fn check_back_len(reader: &mut Reader, element_len: usize) -> Result<(), RdbError> {
    // Redis takes a byte more for the last length that would fit, except at one byte.
    let groups = match element_len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    for group in (0..groups).rev() {
        let more = if group == groups - 1 { 0 } else { 0x80 };
        if reader.byte()? != (element_len >> (7 * group) & 0x7f) as u8 | more {
            return Err(RdbError::Data);
        }
    }
    Ok(())
}

/// The entries of a ziplist: `bytes u32 | offset of the last entry u32 | count u16 | (previous length, entry)... | END`.
///
/// Source: `ziplist.c` of redis-server 7.0.15.
pub(super) fn ziplist(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    let mut reader = Reader::new(bytes);
    let total_len = reader.u32_le()?;
    let last_offset = reader.u32_le()?;
    let count = reader.u16_le()?;
    if total_len as usize != bytes.len() {
        return Err(RdbError::Data);
    }
    let mut entries = Vec::new();
    let mut previous_len = 0;
    loop {
        let offset = bytes.len() - reader.rest_len();
        let first = reader.byte()?;
        if first == END {
            if last_offset as usize != offset - previous_len {
                return Err(RdbError::Data);
            }
            break;
        }
        let stated_len = if first == ZIP_BIG {
            reader.u32_le()?
        } else {
            u32::from(first)
        };
        if stated_len as usize != previous_len {
            return Err(RdbError::Data);
        }
        entries.push(ziplist_entry(&mut reader)?);
        previous_len = bytes.len() - reader.rest_len() - offset;
    }
    reader.end()?;
    check_count(count, entries.len())?;
    Ok(entries)
}

/// In front of a length of four bytes, where smaller ones are a single byte (ziplist and zipmap).
const ZIP_BIG: u8 = 254;

fn ziplist_entry(reader: &mut Reader) -> Result<Vec<u8>, RdbError> {
    let first = reader.byte()?;
    let string_len = match first {
        0x00..=0x3f => usize::from(first),
        0x40..=0x7f => usize::from(first & 0x3f) << 8 | usize::from(reader.byte()?),
        // The low bits say nothing.
        0x80..=0xbf => u32::from_be_bytes(reader.array()?) as usize,
        0xc0 => return Ok(decimal(reader.int_le::<2>()?)),
        0xd0 => return Ok(decimal(reader.int_le::<4>()?)),
        0xe0 => return Ok(decimal(reader.int_le::<8>()?)),
        0xf0 => return Ok(decimal(reader.int_le::<3>()?)),
        0xfe => return Ok(decimal(reader.int_le::<1>()?)),
        0xf1..=0xfd => return Ok(decimal(i64::from(first) - 0xf1)),
        _ => return Err(RdbError::Data),
    };
    Ok(reader.take(string_len)?.to_vec())
}

fn check_count(stated: u16, counted: usize) -> Result<(), RdbError> {
    if stated == COUNT_UNKNOWN || usize::from(stated) == counted {
        Ok(())
    } else {
        Err(RdbError::Data)
    }
}

/// The members of an intset: `bytes per integer u32 | count u32 | integers, ascending`.
///
/// Source: `intset.c` of redis-server 7.2.
pub(super) fn intset(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RdbError> {
    let mut reader = Reader::new(bytes);
    let width = reader.u32_le()?;
    let count = reader.u32_le()? as usize;
    let next = match width {
        2 => Reader::int_le::<2>,
        4 => Reader::int_le::<4>,
        8 => Reader::int_le::<8>,
        _ => return Err(RdbError::Data),
    };
    if count.checked_mul(width as usize) != Some(reader.rest_len()) {
        return Err(RdbError::Data);
    }
    let mut members = Vec::with_capacity(count);
    let mut least = None;
    for _ in 0..count {
        let value = next(&mut reader)?;
        if least.is_some_and(|least| value <= least) {
            return Err(RdbError::Data);
        }
        least = Some(value);
        members.push(decimal(value));
    }
    Ok(members)
}

/// Field and value pairs of a zipmap: `count u8 | (length, field, length, slack u8, value, slack bytes)... | END`.
///
/// Source: `zipmap.c` of redis-server 7.0.15.
pub(super) fn zipmap(bytes: &[u8]) -> Result<Pairs, RdbError> {
    let mut reader = Reader::new(bytes);
    let count = reader.byte()?;
    let mut pairs = Vec::new();
    loop {
        let first = reader.byte()?;
        if first == END {
            break;
        }
        let field_len = zipmap_len(&mut reader, first)?;
        let field = reader.take(field_len)?.to_vec();
        let first = reader.byte()?;
        let value_len = zipmap_len(&mut reader, first)?;
        let slack = reader.byte()?;
        let value = reader.take(value_len)?.to_vec();
        reader.take(usize::from(slack))?;
        pairs.push((field, value));
    }
    reader.end()?;
    if count < ZIP_BIG && usize::from(count) != pairs.len() {
        return Err(RdbError::Data);
    }
    Ok(pairs)
}

fn zipmap_len(reader: &mut Reader, first: u8) -> Result<usize, RdbError> {
    match first {
        END => Err(RdbError::Data),
        ZIP_BIG => Ok(reader.u32_le()? as usize),
        short => Ok(usize::from(short)),
    }
}
