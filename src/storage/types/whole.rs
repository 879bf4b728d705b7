//! Whole values of the types that Redis has a payload for, read for DUMP and written for RESTORE.

use super::{list, members, score};
use crate::clock::UnixMs;
use crate::command::halt::{Halt, Run};
use crate::rdb::RdbValue;
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type};
use crate::storage::store::Store;

/// What a key holds.
#[derive(Debug, PartialEq)]
pub enum Whole {
    /// All of it.
    Value(RdbValue),
    /// A type that has no payload here.
    NoPayload(Type),
}

/// The whole value of `key`; `None` when it does not exist.
pub fn read(store: &mut Store<'_>, key: &[u8]) -> Run<Option<Whole>> {
    let Some(meta) = store.meta(key)? else {
        return Ok(None);
    };
    let header = &meta.header;
    let value = match header.kind() {
        Type::String => RdbValue::String(meta.rest),
        Type::List => {
            let mut elements = Vec::new();
            if let Some(list) = list::List::load(store, key)? {
                list::read_range(store, key, &list, 0, list.len(), false, |element| {
                    elements.push(element.to_vec());
                })?;
            }
            RdbValue::List(elements)
        }
        Type::Set => {
            let mut members = Vec::new();
            members::walk(store, key, header, |member, _| {
                members.push(member.to_vec())
            })?;
            RdbValue::Set(members)
        }
        Type::Hash => {
            let mut pairs = Vec::new();
            members::walk(store, key, header, |field, value| {
                pairs.push((field.to_vec(), value.to_vec()));
            })?;
            RdbValue::Hash(pairs)
        }
        Type::Zset => {
            let mut scored = Vec::new();
            members::walk(store, key, header, |member, value| {
                scored.push((member.to_vec(), score::decode(value)));
            })?;
            let scored: Option<Vec<_>> = scored
                .into_iter()
                .map(|(member, score)| Some((member, score?)))
                .collect();
            RdbValue::Zset(scored.ok_or(Halt::Error(score::CORRUPTED))?)
        }
        other => return Ok(Some(Whole::NoPayload(other))),
    };
    Ok(Some(Whole::Value(value)))
}

/// Writes `value`, which is not empty, as a new key that expires at `expire`; what was there is replaced.
pub fn write(store: &mut Store<'_>, key: &[u8], value: &RdbValue, expire: Option<UnixMs>) {
    let (kind, size, log_data): (Type, usize, &[u8]) = match value {
        RdbValue::String(_) => (Type::String, 0, b"1"),
        RdbValue::List(elements) => (Type::List, elements.len(), b"3 7"),
        RdbValue::Set(members) => (Type::Set, members.len(), b"4"),
        RdbValue::Hash(pairs) => (Type::Hash, pairs.len(), b"2"),
        RdbValue::Zset(members) => (Type::Zset, members.len(), b"5"),
    };
    let mut header: Header = store.new_header(kind);
    header.size = size as u64;
    header.set_expire(expire);
    store.changing(key, log_data);
    let mut elements = store.elements(key, &header);
    match value {
        RdbValue::String(bytes) => store.put_meta(key, &header, bytes),
        RdbValue::List(values) => {
            let (head, tail) = list::fresh_range(values.len() as u64);
            for (index, value) in (head..).zip(values) {
                let entry = elements.key(&index.to_be_bytes());
                store.view.put(Cf::Default, entry, value);
            }
            let rest = [head.to_be_bytes(), tail.to_be_bytes()].concat();
            store.put_meta(key, &header, &rest);
        }
        RdbValue::Set(members) => {
            for member in members {
                store.view.put(Cf::Default, elements.key(member), b"");
            }
            store.put_meta(key, &header, b"");
        }
        RdbValue::Hash(pairs) => {
            for (field, value) in pairs {
                store.view.put(Cf::Default, elements.key(field), value);
            }
            store.put_meta(key, &header, b"");
        }
        RdbValue::Zset(members) => {
            for (member, number) in members {
                // -0.0 is written as +0.0, as everywhere.
                let score = score::encode(number + 0.0);
                store.view.put(Cf::Default, elements.key(member), &score);
                store
                    .view
                    .put(Cf::ZsetScore, elements.key2(&score, member), b"");
            }
            store.put_meta(key, &header, b"");
        }
    }
}
