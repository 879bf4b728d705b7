//! RESTORE payloads to values.

use super::reader::Reader;
use super::{
    FOOTER_LEN, Pairs, RDB_VERSION_MAX, RdbError, RdbValue, compact, length, lzf, special, tag,
};
use crate::text::{crc, float, int};
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;

/// The value of a RESTORE payload.
///
/// Takes memory in proportion to what the payload holds, never to what it claims. Bytes between value and footer are ignored,
/// as in Redis. An empty collection, a repeated member or field and a score that is NaN are errors.
pub fn decode(payload: &[u8]) -> Result<RdbValue, RdbError> {
    let mut reader = Reader::new(check_footer(payload)?);
    let tag = reader.byte()?;
    let value = match tag {
        tag::STRING => return Ok(RdbValue::String(string(&mut reader)?.into_owned())),
        tag::LIST => RdbValue::List(collection(&mut reader, 1, owned_string)?),
        tag::SET => RdbValue::Set(collection(&mut reader, 1, owned_string)?),
        tag::HASH => RdbValue::Hash(collection(&mut reader, 2, |reader| {
            Ok((owned_string(reader)?, owned_string(reader)?))
        })?),
        tag::ZSET => RdbValue::Zset(collection(&mut reader, 9, |reader| {
            Ok((owned_string(reader)?, f64::from_le_bytes(reader.array()?)))
        })?),
        tag::ZSET_TEXT_SCORES => RdbValue::Zset(collection(&mut reader, 2, |reader| {
            Ok((owned_string(reader)?, text_score(reader)?))
        })?),
        tag::LIST_ZIPLIST => RdbValue::List(compact::ziplist(&string(&mut reader)?)?),
        tag::LIST_QUICKLIST => RdbValue::List(quicklist(&mut reader)?),
        tag::LIST_QUICKLIST_2 => RdbValue::List(quicklist_2(&mut reader)?),
        tag::SET_INTSET => RdbValue::Set(compact::intset(&string(&mut reader)?)?),
        tag::SET_LISTPACK => RdbValue::Set(compact::listpack(&string(&mut reader)?)?),
        tag::HASH_ZIPMAP => RdbValue::Hash(compact::zipmap(&string(&mut reader)?)?),
        tag::HASH_ZIPLIST => RdbValue::Hash(pairs(compact::ziplist(&string(&mut reader)?)?)?),
        tag::HASH_LISTPACK => RdbValue::Hash(pairs(compact::listpack(&string(&mut reader)?)?)?),
        tag::ZSET_ZIPLIST => RdbValue::Zset(scored(compact::ziplist(&string(&mut reader)?)?)?),
        tag::ZSET_LISTPACK => RdbValue::Zset(scored(compact::listpack(&string(&mut reader)?)?)?),
        tag::MODULE_BEFORE_4_0 | tag::MODULE | tag::STREAM | tag::STREAM_2 | tag::STREAM_3 => {
            return Err(RdbError::Unsupported);
        }
        _ => return Err(RdbError::Data),
    };
    check_collection(&value)?;
    Ok(value)
}

/// Returns what stands before the footer.
fn check_footer(payload: &[u8]) -> Result<&[u8], RdbError> {
    let body_len = payload
        .len()
        .checked_sub(FOOTER_LEN)
        .ok_or(RdbError::Footer)?;
    let (body, footer) = payload.split_at(body_len);
    let mut footer = Reader::new(footer);
    let version = footer.u16_le()?;
    let checksum = u64::from_le_bytes(footer.array()?);
    if version > RDB_VERSION_MAX
        || checksum != crc::crc64(0, &payload[..payload.len() - size_of::<u64>()])
    {
        return Err(RdbError::Footer);
    }
    Ok(body)
}

enum Length {
    Of(u64),
    /// No length but a string in a form of its own.
    Special(u8),
}

fn length_or_special(reader: &mut Reader) -> Result<Length, RdbError> {
    let first = reader.byte()?;
    let low = first & 0x3f;
    Ok(match (first >> 6, first) {
        (length::BITS_6, _) => Length::Of(u64::from(low)),
        (length::BITS_14, _) => Length::Of(u64::from(low) << 8 | u64::from(reader.byte()?)),
        (length::SPECIAL, _) => Length::Special(low),
        (_, length::BITS_32) => Length::Of(u64::from(u32::from_be_bytes(reader.array()?))),
        (_, length::BITS_64) => Length::Of(u64::from_be_bytes(reader.array()?)),
        _ => return Err(RdbError::Data),
    })
}

fn plain_length(reader: &mut Reader) -> Result<u64, RdbError> {
    match length_or_special(reader)? {
        Length::Of(len) => Ok(len),
        Length::Special(_) => Err(RdbError::Data),
    }
}

/// A length in memory; one that no memory holds is an error like any other.
fn byte_length(reader: &mut Reader) -> Result<usize, RdbError> {
    usize::try_from(plain_length(reader)?).map_err(|_| RdbError::Data)
}

fn string<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, RdbError> {
    let number = match length_or_special(reader)? {
        Length::Of(len) => {
            let len = usize::try_from(len).map_err(|_| RdbError::Data)?;
            return Ok(Cow::Borrowed(reader.take(len)?));
        }
        Length::Special(special::LZF) => {
            let compressed_len = byte_length(reader)?;
            let len = byte_length(reader)?;
            return Ok(Cow::Owned(lzf::decompress(
                reader.take(compressed_len)?,
                len,
            )?));
        }
        Length::Special(special::INT_8) => reader.int_le::<1>()?,
        Length::Special(special::INT_16) => reader.int_le::<2>()?,
        Length::Special(special::INT_32) => reader.int_le::<4>()?,
        Length::Special(_) => return Err(RdbError::Data),
    };
    let mut text = Vec::new();
    int::write_i64(&mut text, number);
    Ok(Cow::Owned(text))
}

fn owned_string(reader: &mut Reader) -> Result<Vec<u8>, RdbError> {
    string(reader).map(Cow::into_owned)
}

/// Items that a count makes room for before they have been read.
const ITEMS_RESERVED_MAX: usize = 1024;

/// A count and that many items, each of at least `item_len_min` bytes.
fn collection<'a, T>(
    reader: &mut Reader<'a>,
    item_len_min: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, RdbError>,
) -> Result<Vec<T>, RdbError> {
    let count = byte_length(reader)?;
    if count > reader.rest_len() / item_len_min {
        return Err(RdbError::Data);
    }
    // An item takes more room here than there, so the claim alone gets little of it.
    let mut items = Vec::with_capacity(count.min(ITEMS_RESERVED_MAX));
    for _ in 0..count {
        items.push(read(reader)?);
    }
    Ok(items)
}

/// A score of Redis before 4.0: a length byte and decimal text, or one byte for what has no digits.
fn text_score(reader: &mut Reader) -> Result<f64, RdbError> {
    match reader.byte()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => float::parse_f64(reader.take(usize::from(len))?).ok_or(RdbError::Data),
    }
}

/// Nodes, each a ziplist.
fn quicklist(reader: &mut Reader) -> Result<Vec<Vec<u8>>, RdbError> {
    let nodes = collection(reader, 1, |reader| compact::ziplist(&string(reader)?))?;
    Ok(nodes.into_iter().flatten().collect())
}

/// Nodes, each a listpack or, if it is large, a single element.
fn quicklist_2(reader: &mut Reader) -> Result<Vec<Vec<u8>>, RdbError> {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let nodes = collection(reader, 2, |reader| match plain_length(reader)? {
        PLAIN => Ok(vec![owned_string(reader)?]),
        PACKED => compact::listpack(&string(reader)?),
        _ => Err(RdbError::Data),
    })?;
    Ok(nodes.into_iter().flatten().collect())
}

fn pairs(elements: Vec<Vec<u8>>) -> Result<Pairs, RdbError> {
    if !elements.len().is_multiple_of(2) {
        return Err(RdbError::Data);
    }
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let (Some(first), Some(second)) = (elements.next(), elements.next()) {
        pairs.push((first, second));
    }
    Ok(pairs)
}

fn scored(elements: Vec<Vec<u8>>) -> Result<Vec<(Vec<u8>, f64)>, RdbError> {
    pairs(elements)?
        .into_iter()
        .map(|(member, score)| Ok((member, float::parse_f64(&score).ok_or(RdbError::Data)?)))
        .collect()
}

fn check_collection(value: &RdbValue) -> Result<(), RdbError> {
    let sound = match value {
        RdbValue::String(_) => true,
        RdbValue::List(elements) => !elements.is_empty(),
        RdbValue::Set(members) => !members.is_empty() && all_differ(members.iter()),
        RdbValue::Hash(pairs) => {
            !pairs.is_empty() && all_differ(pairs.iter().map(|(field, _)| field))
        }
        RdbValue::Zset(pairs) => {
            !pairs.is_empty()
                && pairs.iter().all(|(_, score)| !score.is_nan())
                && all_differ(pairs.iter().map(|(member, _)| member))
        }
    };
    if sound { Ok(()) } else { Err(RdbError::Data) }
}

fn all_differ<T: Hash + Eq>(items: impl ExactSizeIterator<Item = T>) -> bool {
    let mut seen = HashSet::with_capacity(items.len());
    items.into_iter().all(|item| seen.insert(item))
}
