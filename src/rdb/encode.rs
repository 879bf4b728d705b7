//! Values to DUMP payloads, in the plain types: counts and strings, nothing compact and nothing compressed.

use super::{FOOTER_LEN, RDB_VERSION, RdbValue, length, special, tag};
use crate::text::{crc, int};

/// The DUMP payload of a value.
pub fn encode(value: &RdbValue) -> Vec<u8> {
    match value {
        RdbValue::String(bytes) => encode_string(bytes),
        RdbValue::List(elements) => encode_list(elements.iter().map(Vec::as_slice)),
        RdbValue::Set(members) => encode_set(members.iter().map(Vec::as_slice)),
        RdbValue::Hash(pairs) => {
            encode_hash(pairs.iter().map(|(field, value)| (&field[..], &value[..])))
        }
        RdbValue::Zset(pairs) => {
            encode_zset(pairs.iter().map(|(member, score)| (&member[..], *score)))
        }
    }
}

/// The DUMP payload of a string.
pub fn encode_string(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + 9 + value.len() + FOOTER_LEN);
    out.push(tag::STRING);
    write_string(&mut out, value);
    finish(out)
}

/// The DUMP payload of a list, from head to tail; not to be empty.
pub fn encode_list<'a>(elements: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    encode_collection(tag::LIST, elements, write_string)
}

/// The DUMP payload of a set; not to be empty, members distinct.
pub fn encode_set<'a>(members: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    encode_collection(tag::SET, members, write_string)
}

/// The DUMP payload of a hash, field before value; not to be empty, fields distinct.
pub fn encode_hash<'a>(pairs: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    encode_collection(tag::HASH, pairs, |out, (field, value)| {
        write_string(out, field);
        write_string(out, value);
    })
}

/// The DUMP payload of a sorted set; not to be empty, members distinct, no score NaN.
pub fn encode_zset<'a>(pairs: impl ExactSizeIterator<Item = (&'a [u8], f64)>) -> Vec<u8> {
    encode_collection(tag::ZSET, pairs, |out, (member, score)| {
        write_string(out, member);
        out.extend_from_slice(&score.to_le_bytes());
    })
}

fn encode_collection<T>(
    tag: u8,
    items: impl ExactSizeIterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) -> Vec<u8> {
    let mut out = vec![tag];
    write_length(&mut out, items.len() as u64);
    for item in items {
        write(&mut out, item);
    }
    finish(out)
}

fn write_length(out: &mut Vec<u8>, len: u64) {
    match len {
        0..0x40 => out.push(length::BITS_6 << 6 | len as u8),
        0x40..0x4000 => {
            out.extend_from_slice(&[length::BITS_14 << 6 | (len >> 8) as u8, len as u8])
        }
        0x4000..=0xffff_ffff => {
            out.push(length::BITS_32);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
        _ => {
            out.push(length::BITS_64);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

/// Integers of up to 32 bits in binary, everything else as it is.
fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    let Some(number) = int::parse_i64(text).and_then(|number| i32::try_from(number).ok()) else {
        write_length(out, text.len() as u64);
        out.extend_from_slice(text);
        return;
    };
    let special = |kind| length::SPECIAL << 6 | kind;
    if let Ok(number) = i8::try_from(number) {
        out.extend_from_slice(&[special(special::INT_8), number as u8]);
    } else if let Ok(number) = i16::try_from(number) {
        out.push(special(special::INT_16));
        out.extend_from_slice(&number.to_le_bytes());
    } else {
        out.push(special(special::INT_32));
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Appends version and checksum.
pub(super) fn finish(mut out: Vec<u8>) -> Vec<u8> {
    out.extend_from_slice(&RDB_VERSION.to_le_bytes());
    let checksum = crc::crc64(0, &out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}
