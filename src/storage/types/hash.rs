//! Hashes: a field's value stands in the `default` family under the field's bytes; the header's size counts the fields.
//!
//! Source of the layout: Kvrocks `types/redis_hash.cc`.

use std::collections::HashSet;

use super::members::{self, Removed};
use crate::command::halt::Run;
use crate::resp::Args;
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type};
use crate::storage::store::{EventClass, Meta, Store};

/// What the record says before changes of a hash.
const LOG_DATA: &[u8] = b"2";

/// The header of the hash at `key`, if there is one. WRONGTYPE when it holds something else.
pub fn header(store: &mut Store<'_>, key: &[u8]) -> Run<Option<Header>> {
    Ok(store.typed(key, Type::Hash)?.map(|meta| meta.header))
}

/// Calls `with` on the value of `field`, or on `None` when field or key is absent.
pub fn read_field<T>(
    store: &mut Store<'_>,
    key: &[u8],
    field: &[u8],
    with: impl FnOnce(Option<&[u8]>) -> T,
) -> Run<T> {
    let Some(header) = header(store, key)? else {
        return Ok(with(None));
    };
    let mut elements = store.elements(key, &header);
    store.view.read(Cf::Default, elements.key(field), with)
}

/// Calls `each` on the value, or `None`, of each of `fields` in turn.
pub fn read_fields(
    store: &mut Store<'_>,
    key: &[u8],
    fields: Args<'_>,
    mut each: impl FnMut(Option<&[u8]>),
) -> Run {
    let Some(header) = header(store, key)? else {
        fields.iter().for_each(|_| each(None));
        return Ok(());
    };
    let mut elements = store.elements(key, &header);
    for (at, field) in fields.iter().enumerate() {
        let read = store.view.read(Cf::Default, elements.key(field), &mut each);
        elements.want_if_cold(&read, store, || fields.from(at + 1).iter());
        read?;
    }
    Ok(())
}

/// Calls `each` with every field and its value, in byte order of the fields.
pub fn walk(store: &mut Store<'_>, key: &[u8], each: impl FnMut(&[u8], &[u8])) -> Run {
    match header(store, key)? {
        Some(header) => members::walk(store, key, &header, each),
        None => Ok(()),
    }
}

/// A hash that is about to be changed.
struct Open {
    meta: Meta,
    is_new: bool,
}

fn open(store: &mut Store<'_>, key: &[u8]) -> Run<Open> {
    Ok(match store.typed(key, Type::Hash)? {
        Some(meta) => Open {
            meta,
            is_new: false,
        },
        None => Open {
            meta: Meta {
                header: store.new_header(Type::Hash),
                rest: Vec::new(),
            },
            is_new: true,
        },
    })
}

impl Open {
    /// Announces the change; an absent key comes into being with it.
    fn begin(&self, store: &mut Store<'_>, key: &[u8]) {
        store.changing(key, LOG_DATA);
        if self.is_new {
            store.notify(EventClass::NEW, "new", key);
        }
    }

    /// Counts `added` fields more.
    fn grow(&mut self, store: &mut Store<'_>, key: &[u8], added: u64) {
        if added > 0 {
            self.meta.header.size += added;
            store.put_meta(key, &self.meta.header, &self.meta.rest);
        }
    }
}

/// Writes fields and values, which alternate in `pairs`; their number must be even. Gives how many fields are new.
///
/// A field that is there costs one read and, unless its value stays the same, one put; metadata is written when the
/// number of fields changes.
pub fn set(store: &mut Store<'_>, key: &[u8], pairs: Args<'_>) -> Run<u64> {
    let mut hash = open(store, key)?;
    hash.begin(store, key);
    let mut elements = store.elements(key, &hash.meta.header);
    let mut added = 0;
    let mut given = HashSet::new();
    let is_single = pairs.len() == 2;
    for at in (0..pairs.len()).step_by(2) {
        let (field, value) = (pairs.at(at), pairs.at(at + 1));
        let entry = elements.key(field);
        let (is_there, is_same) = if hash.is_new {
            // Nothing to look up under a fresh version, but a field may be given twice.
            (!is_single && !given.insert(field), false)
        } else {
            let read = store.view.read(Cf::Default, entry, |old| {
                (old.is_some(), old == Some(value))
            });
            elements.want_if_cold(&read, store, || pairs.from(at + 2).iter().step_by(2));
            read?
        };
        let entry = elements.key(field);
        if !is_same {
            store.view.put(Cf::Default, entry, value);
        }
        added += u64::from(!is_there);
    }
    hash.grow(store, key, added);
    Ok(added)
}

/// Writes `field` unless it is there. Gives whether it was written.
pub fn set_absent(store: &mut Store<'_>, key: &[u8], field: &[u8], value: &[u8]) -> Run<bool> {
    let written = update(store, key, field, |old| {
        Ok(old.is_none().then(|| value.to_vec()))
    })?;
    Ok(written.is_some())
}

/// Writes to `field` what `new_value` makes of its present value; `None` or an error from it changes nothing. Gives what was written.
pub fn update(
    store: &mut Store<'_>,
    key: &[u8],
    field: &[u8],
    new_value: impl FnOnce(Option<&[u8]>) -> Run<Option<Vec<u8>>>,
) -> Run<Option<Vec<u8>>> {
    let mut hash = open(store, key)?;
    let mut elements = store.elements(key, &hash.meta.header);
    let entry = elements.key(field);
    let (is_there, value) = if hash.is_new {
        (false, new_value(None)?)
    } else {
        store
            .view
            .read(Cf::Default, entry, |old| (old.is_some(), new_value(old)))
            .and_then(|(is_there, value)| Ok((is_there, value?)))?
    };
    if let Some(value) = &value {
        hash.begin(store, key);
        store.view.put(Cf::Default, entry, value);
        hash.grow(store, key, u64::from(!is_there));
    }
    Ok(value)
}

/// Deletes `fields`.
pub fn delete(store: &mut Store<'_>, key: &[u8], fields: Args<'_>) -> Run<Removed> {
    let Some(meta) = store.typed(key, Type::Hash)? else {
        return Ok(Removed::default());
    };
    members::delete(store, key, meta, LOG_DATA, fields.iter())
}
