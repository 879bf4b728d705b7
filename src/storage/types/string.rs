//! Strings over the store. A string's whole value stands in its metadata entry: header, then the bytes.
//!
//! What a command does to an existing string keeps the header's width and expiry; only SET and its kin write it anew.

use crate::clock::UnixMs;
use crate::command::halt::Run;
use crate::error::{INCR_OVERFLOW, NOT_A_FLOAT, NOT_AN_INTEGER, ReplyError, WRONG_TYPE};
use crate::storage::metadata::{Header, Type};
use crate::storage::store::Store;
use crate::text::int::{IntText, parse_i64};
use crate::text::long_double::LongDouble;

/// What a record says of a change to a string.
const LOG_DATA: &[u8] = b"1";

/// The outcome of a change that may have created the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// What the change gave.
    pub value: T,
    /// Whether the key did not exist before.
    pub is_new: bool,
}

/// Writes `value` as a new string, whatever `key` held; reads nothing.
#[inline]
pub fn set(store: &mut Store<'_>, key: &[u8], value: &[u8], expire: Option<UnixMs>) {
    let mut header = Header::new(Type::String, 0);
    header.set_expire(expire);
    put(store, key, &header, value);
}

/// Writes `value` under a header that the caller has read.
#[inline]
pub fn put(store: &mut Store<'_>, key: &[u8], header: &Header, value: &[u8]) {
    store.changing(key, LOG_DATA);
    store.put_meta(key, header, value);
}

/// Adds `delta` to the integer at `key`, which is 0 when there is none.
pub fn add_integer(store: &mut Store<'_>, key: &[u8], delta: i64) -> Run<Changed<i64>> {
    let (header, before, is_new) = store.read_entry(key, |entry| match entry {
        None => Ok((Header::new(Type::String, 0), 0, true)),
        Some((header, _)) if header.kind() != Type::String => Err(WRONG_TYPE.into()),
        Some((header, text)) => {
            let value = parse_i64(text).ok_or(NOT_AN_INTEGER)?;
            Ok((*header, value, false))
        }
    })?;
    let value = before.checked_add(delta).ok_or(INCR_OVERFLOW)?;
    put(store, key, &header, IntText::new(value).as_bytes());
    Ok(Changed { value, is_new })
}

/// Adds the number that `delta` is to the one at `key`, which is 0 when there is none. Gives the sum as it is stored.
///
/// The stored text is read before `delta` is, as redis-server does: of two bad numbers the key's is the one reported.
pub fn add_float(store: &mut Store<'_>, key: &[u8], delta: &[u8]) -> Run<Changed<Vec<u8>>> {
    const NOT_FINITE: ReplyError = ReplyError::fixed("ERR increment would produce NaN or Infinity");
    let (header, before, is_new) = store.read_entry(key, |entry| match entry {
        None => Ok((Header::new(Type::String, 0), LongDouble::ZERO, true)),
        Some((header, _)) if header.kind() != Type::String => Err(WRONG_TYPE.into()),
        Some((header, text)) => {
            let value = LongDouble::parse(text).ok_or(NOT_A_FLOAT)?;
            Ok((*header, value, false))
        }
    })?;
    let delta = LongDouble::parse(delta).ok_or(NOT_A_FLOAT)?;
    let sum = before + delta;
    if sum.is_nan_or_infinite() {
        return Err(NOT_FINITE.into());
    }
    let value = sum.to_human();
    put(store, key, &header, &value);
    Ok(Changed { value, is_new })
}

/// Appends `tail` to the string at `key`; gives the length in bytes, which may not exceed `bytes_max` when the key exists.
pub fn append(
    store: &mut Store<'_>,
    key: &[u8],
    tail: &[u8],
    bytes_max: u64,
) -> Run<Changed<usize>> {
    let found = store.typed(key, Type::String)?;
    let is_new = found.is_none();
    let (header, mut value) = match found {
        Some(meta) => {
            check_length(meta.rest.len() as u64, tail.len(), bytes_max)?;
            (meta.header, meta.rest)
        }
        None => (Header::new(Type::String, 0), Vec::new()),
    };
    value.extend_from_slice(tail);
    put(store, key, &header, &value);
    Ok(Changed {
        value: value.len(),
        is_new,
    })
}

/// Overwrites the string at `key` from byte `offset` on, with zero bytes where it was shorter; gives the length. Nothing is
/// written when `part` is empty, and no key created; the length may not exceed `bytes_max`.
pub fn set_range(
    store: &mut Store<'_>,
    key: &[u8],
    offset: u64,
    part: &[u8],
    bytes_max: u64,
) -> Run<Changed<usize>> {
    let found = store.typed(key, Type::String)?;
    let is_new = found.is_none() && !part.is_empty();
    let (header, mut value) = match found {
        Some(meta) => (meta.header, meta.rest),
        None => (Header::new(Type::String, 0), Vec::new()),
    };
    if !part.is_empty() {
        check_length(offset, part.len(), bytes_max)?;
        let start = offset as usize;
        let end = start + part.len();
        if value.len() < end {
            value.resize(end, 0);
        }
        value[start..end].copy_from_slice(part);
        put(store, key, &header, &value);
    }
    Ok(Changed {
        value: value.len(),
        is_new,
    })
}

fn check_length(before: u64, added: usize, bytes_max: u64) -> Result<(), ReplyError> {
    match before.checked_add(added as u64) {
        Some(total) if total <= bytes_max => Ok(()),
        _ => Err(ReplyError::fixed(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        )),
    }
}
