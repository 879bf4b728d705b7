//! Sets: a member is an empty entry in the `default` family under its own bytes; the header's size is the cardinality.
//!
//! Source of the layout: Kvrocks `types/redis_set.cc`.

use std::collections::HashSet;

use super::members::{self, Draw, Removed};
use crate::command::context::Rng;
use crate::command::halt::Run;
use crate::resp::Args;
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type};
use crate::storage::store::{EventClass, Meta, Store};

/// What the record says before changes of a set.
const LOG_DATA: &[u8] = b"4";

/// A member's bytes.
pub type Member = Box<[u8]>;

/// The header of the set at `key`, if there is one. WRONGTYPE when it holds something else.
pub fn header(store: &mut Store<'_>, key: &[u8]) -> Run<Option<Header>> {
    Ok(store.typed(key, Type::Set)?.map(|meta| meta.header))
}

/// Whether `member` is in the set.
pub fn contains(store: &mut Store<'_>, key: &[u8], header: &Header, member: &[u8]) -> Run<bool> {
    let mut elements = store.elements(key, header);
    store.view.contains(Cf::Default, elements.key(member))
}

/// Calls `each` with whether each of `asked` is in the set at `key`.
pub fn contains_each(
    store: &mut Store<'_>,
    key: &[u8],
    asked: Args<'_>,
    mut each: impl FnMut(bool),
) -> Run {
    let Some(header) = header(store, key)? else {
        asked.iter().for_each(|_| each(false));
        return Ok(());
    };
    let mut elements = store.elements(key, &header);
    for (at, member) in asked.iter().enumerate() {
        let found = store.view.contains(Cf::Default, elements.key(member));
        elements.want_if_cold(&found, store, || asked.from(at + 1).iter());
        each(found?);
    }
    Ok(())
}

/// Adds those of `new_members` that are not in the set. Gives how many that were; none of them changes nothing.
pub fn add(store: &mut Store<'_>, key: &[u8], new_members: Args<'_>) -> Run<u64> {
    let found = store.typed(key, Type::Set)?;
    let is_new = found.is_none();
    let mut meta = match found {
        Some(meta) => meta,
        None => new_set(store),
    };
    let mut elements = store.elements(key, &meta.header);
    let is_single = new_members.len() == 1;
    let mut given = HashSet::new();
    let mut absent = Vec::with_capacity(new_members.len());
    for (at, member) in new_members.iter().enumerate() {
        let is_first = is_single || given.insert(member);
        // Nothing to look up under a fresh version.
        let is_there = if !is_first || is_new {
            !is_first
        } else {
            let found = store.view.contains(Cf::Default, elements.key(member));
            elements.want_if_cold(&found, store, || new_members.from(at + 1).iter());
            found?
        };
        if !is_there {
            absent.push(member);
        }
    }
    if absent.is_empty() {
        return Ok(0);
    }
    store.changing(key, LOG_DATA);
    if is_new {
        store.notify(EventClass::NEW, "new", key);
    }
    for member in &absent {
        store.view.put(Cf::Default, elements.key(member), b"");
    }
    meta.header.size += absent.len() as u64;
    store.put_meta(key, &meta.header, &meta.rest);
    Ok(absent.len() as u64)
}

/// Removes those of `old_members` that are in the set.
pub fn remove<'m>(
    store: &mut Store<'_>,
    key: &[u8],
    old_members: impl ExactSizeIterator<Item = &'m [u8]>,
) -> Run<Removed> {
    match store.typed(key, Type::Set)? {
        Some(meta) => members::delete(store, key, meta, LOG_DATA, old_members),
        None => Ok(Removed::default()),
    }
}

/// Removes `count` random members, or all when there are not more, and gives them. `meta` is the key's.
pub fn pop(
    store: &mut Store<'_>,
    key: &[u8],
    mut meta: Meta,
    count: u64,
    rng: &mut Rng,
) -> Run<(Vec<Member>, Removed)> {
    let drawn = members::draw(store, key, &meta.header, Draw::Distinct(count), rng)?;
    let drawn: Vec<Member> = drawn.into_iter().map(|(member, _)| member).collect();
    let removed = Removed {
        count: drawn.len() as u64,
        emptied: drawn.len() as u64 >= meta.header.size,
    };
    if drawn.is_empty() {
        return Ok((drawn, Removed::default()));
    }
    store.changing(key, LOG_DATA);
    if removed.emptied {
        store.delete_meta(key);
        return Ok((drawn, removed));
    }
    let mut elements = store.elements(key, &meta.header);
    for member in &drawn {
        store.view.delete(Cf::Default, elements.key(member));
    }
    meta.header.size -= removed.count;
    store.put_meta(key, &meta.header, &meta.rest);
    Ok((drawn, removed))
}

/// All members, in byte order.
pub fn all(store: &mut Store<'_>, key: &[u8], header: &Header) -> Run<Vec<Member>> {
    let mut all = Vec::with_capacity(header.size.min(1 << 16) as usize);
    members::walk(store, key, header, |member, _| all.push(member.into()))?;
    Ok(all)
}

/// Makes `key` a set of just `new_members`, which must be distinct, whatever it held; without any, the key goes.
/// Gives whether there was a key before.
pub fn replace(store: &mut Store<'_>, key: &[u8], new_members: &[Member]) -> Run<bool> {
    let was_there = store.header(key)?.is_some();
    if new_members.is_empty() {
        if was_there {
            store.changing(key, LOG_DATA);
            store.delete_meta(key);
        }
        return Ok(was_there);
    }
    store.changing(key, LOG_DATA);
    if !was_there {
        store.notify(EventClass::NEW, "new", key);
    }
    let mut meta = new_set(store);
    let mut elements = store.elements(key, &meta.header);
    for member in new_members {
        store.view.put(Cf::Default, elements.key(member), b"");
    }
    meta.header.size = new_members.len() as u64;
    store.put_meta(key, &meta.header, &meta.rest);
    Ok(was_there)
}

fn new_set(store: &mut Store<'_>) -> Meta {
    Meta {
        header: store.new_header(Type::Set),
        rest: Vec::new(),
    }
}
