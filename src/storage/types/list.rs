//! Lists: elements stand in the `default` family under their index, a Fixed64; those in use are the dense range from `head`
//! up to (not including) `tail`, both of which follow the header in the metadata entry. A new list begins in the middle
//! of the indexes and grows to both sides, so an element's place in the list maps straight to its key.
//!
//! Source of the layout: Kvrocks `types/redis_list.cc`. Changes in the middle are in [`super::list_edit`].

use crate::command::halt::{Halt, Run};
use crate::error::ReplyError;
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type, take_u64};
use crate::storage::scan::ScanRequest;
use crate::storage::store::{Elements, EventClass, Meta, Store};

/// Where a new list has both its head and its tail.
const MIDDLE: u64 = u64::MAX / 2;

/// The indexes of a new list of `len` elements: from the first on and below the second.
pub(super) fn fresh_range(len: u64) -> (u64, u64) {
    (MIDDLE, MIDDLE + len)
}

/// How far head and tail stay from the ends of the indexes: more than one command can push. Only damaged metadata is
/// outside.
const MARGIN: u64 = 1 << 33;

/// Up to this many elements are read one by one; an iterator costs more than so many point reads from the block cache.
const POINT_READS_MAX: u64 = 4;

/// Elements that are taken off the ends one by one; more of them go by copying what is left, when that is less.
pub(super) const DELETES_MAX: u64 = 64;

const CORRUPTED: ReplyError = ReplyError::fixed("ERR storage: corrupted list");

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl End {
    /// The name in LogData.
    fn name(self) -> &'static str {
        match self {
            End::Left => "left",
            End::Right => "right",
        }
    }
}

/// A list's metadata.
#[derive(Clone, Debug)]
pub struct List {
    pub(super) header: Header,
    pub(super) head: u64,
}

impl List {
    /// The list at `key`, if there is one. WRONGTYPE when it holds something else.
    pub fn load(store: &mut Store<'_>, key: &[u8]) -> Run<Option<List>> {
        match store.typed(key, Type::List)? {
            Some(meta) => List::decode(&meta).map(Some),
            None => Ok(None),
        }
    }

    /// An empty list that is not stored yet, under a version of its own.
    pub fn new(store: &mut Store<'_>) -> List {
        List {
            header: store.new_header(Type::List),
            head: MIDDLE,
        }
    }

    fn decode(meta: &Meta) -> Run<List> {
        let (head, rest) = take_u64(&meta.rest)?;
        let (tail, _) = take_u64(rest)?;
        let is_in_bounds = head >= MARGIN && tail <= u64::MAX - MARGIN;
        if !is_in_bounds || head.checked_add(meta.header.size) != Some(tail) {
            return Err(CORRUPTED.into());
        }
        Ok(List {
            header: meta.header,
            head,
        })
    }

    /// How many elements it has.
    pub fn len(&self) -> u64 {
        self.header.size
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.header.size == 0
    }

    /// The index behind the last element.
    pub(super) fn tail(&self) -> u64 {
        self.head + self.header.size
    }

    /// The place of a client's index, negative ones counted from the end; `None` outside the list.
    pub fn place(&self, index: i64) -> Option<u64> {
        let place = match u64::try_from(index) {
            Ok(place) => place,
            Err(_) => self.len().checked_sub(index.unsigned_abs())?,
        };
        (place < self.len()).then_some(place)
    }

    /// Writes the metadata entry, or deletes it when the list is empty.
    pub(super) fn save(&self, store: &mut Store<'_>, key: &[u8]) {
        if self.is_empty() {
            store.delete_meta(key);
            return;
        }
        let mut rest = [0; 16];
        rest[..8].copy_from_slice(&self.head.to_be_bytes());
        rest[8..].copy_from_slice(&self.tail().to_be_bytes());
        store.put_meta(key, &self.header, &rest);
    }
}

/// Writes `value` at an index.
pub(super) fn put_at(store: &mut Store<'_>, elements: &mut Elements, index: u64, value: &[u8]) {
    store
        .view
        .put(Cf::Default, elements.key(&index.to_be_bytes()), value);
}

/// Deletes what stands at an index.
pub(super) fn delete_at(store: &mut Store<'_>, elements: &mut Elements, index: u64) {
    store
        .view
        .delete(Cf::Default, elements.key(&index.to_be_bytes()));
}

// ---- reading ----

/// Calls `with` on the element at `place`, which must lie within the list.
pub fn read<T>(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    place: u64,
    with: impl FnOnce(&[u8]) -> T,
) -> Run<T> {
    let mut elements = store.elements(key, &list.header);
    let entry = elements.key(&(list.head + place).to_be_bytes());
    store
        .view
        .read(Cf::Default, entry, |value| value.map(with))?
        .ok_or(Halt::Error(CORRUPTED))
}

/// Calls `each` on the `count` elements from `first` on, upwards or, `reverse`, from the last of them down. They must lie within the list.
pub fn read_range(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    first: u64,
    count: u64,
    reverse: bool,
    mut each: impl FnMut(&[u8]),
) -> Run {
    if count <= POINT_READS_MAX {
        for turn in 0..count {
            let place = if reverse {
                first + count - 1 - turn
            } else {
                first + turn
            };
            read(store, key, list, place, &mut each)?;
        }
        return Ok(());
    }
    search(store, key, list, first, count, reverse, |_, value| {
        each(value);
        false
    })
}

/// Calls `is_enough` with place and value of the `count` elements from `first` on, in the direction of [`read_range`], until it says
/// so. They must lie within the list.
pub fn search(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    first: u64,
    count: u64,
    reverse: bool,
    mut is_enough: impl FnMut(u64, &[u8]) -> bool,
) -> Run {
    let mut elements = store.elements(key, &list.header);
    let start = list.head + first;
    let request = ScanRequest {
        cf: Cf::Default,
        lower: elements.key(&start.to_be_bytes()).to_vec(),
        upper: Some(elements.key(&(start + count).to_be_bytes()).to_vec()),
        reverse,
        value_bytes_max: usize::MAX,
        limit: usize::try_from(count).unwrap_or(usize::MAX),
    };
    let mut scan = store.view.scan(request)?;
    for turn in 0..count {
        let index = if reverse {
            start + count - 1 - turn
        } else {
            start + turn
        };
        match scan.next()? {
            Some((entry, value)) if elements.element(entry) == index.to_be_bytes() => {
                if is_enough(index - list.head, value) {
                    return Ok(());
                }
            }
            _ => return Err(CORRUPTED.into()),
        }
    }
    Ok(())
}

// ---- the ends ----

/// Pushes `values` one after the other. Gives the new length; 0 when the list is absent and `create` is off.
pub fn push<'v>(
    store: &mut Store<'_>,
    key: &[u8],
    end: End,
    values: impl Iterator<Item = &'v [u8]>,
    create: bool,
) -> Run<u64> {
    let found = List::load(store, key)?;
    if found.is_none() && !create {
        return Ok(0);
    }
    store.changing(
        key,
        match end {
            End::Left => b"3 6",
            End::Right => b"3 7",
        },
    );
    let list = push_to(store, key, found, end, values);
    Ok(list.len())
}

/// Pushes to a list whose change is announced already; `None` creates it.
fn push_to<'v>(
    store: &mut Store<'_>,
    key: &[u8],
    found: Option<List>,
    end: End,
    values: impl Iterator<Item = &'v [u8]>,
) -> List {
    let mut list = match found {
        Some(list) => list,
        None => {
            store.notify(EventClass::NEW, "new", key);
            List::new(store)
        }
    };
    let mut elements = store.elements(key, &list.header);
    for value in values {
        let index = match end {
            End::Left => {
                list.head -= 1;
                list.head
            }
            End::Right => list.tail(),
        };
        list.header.size += 1;
        put_at(store, &mut elements, index, value);
    }
    list.save(store, key);
    list
}

/// Takes `count` elements, which the list must have, off one end and calls `each` on them in the order of leaving. Gives whether the
/// list is gone with them.
pub fn pop(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    end: End,
    count: u64,
    each: impl FnMut(&[u8]),
) -> Run<bool> {
    let kept = list.len() - count;
    let (first, log_data) = match end {
        End::Left => (0, b"3 3"),
        End::Right => (kept, b"3 4"),
    };
    read_range(store, key, list, first, count, end == End::Right, each)?;
    match end {
        End::Left => keep(store, key, list, count, kept, log_data)?,
        End::Right => keep(store, key, list, 0, kept, log_data)?,
    }
    Ok(kept == 0)
}

/// Keeps only the `count` elements from `first` on, which must lie within the list.
///
/// A few elements beside them are deleted. When they are many and those to keep are fewer, the list goes on as a copy under a new
/// version instead, and the old elements go by compaction.
pub fn keep(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    first: u64,
    count: u64,
    log_data: &[u8],
) -> Run {
    let removed = list.len() - count;
    if removed > DELETES_MAX.max(count) && count > 0 {
        let mut kept: Vec<Box<[u8]>> = Vec::new();
        read_range(store, key, list, first, count, false, |value| {
            kept.push(value.into())
        })?;
        store.changing(key, log_data);
        rewrite(store, key, list, &kept);
        return Ok(());
    }
    store.changing(key, log_data);
    let mut kept = list.clone();
    kept.head += first;
    kept.header.size = count;
    if count > 0 {
        let mut elements = store.elements(key, &list.header);
        for index in (list.head..kept.head).chain(kept.tail()..list.tail()) {
            delete_at(store, &mut elements, index);
        }
    }
    if removed > 0 {
        kept.save(store, key);
    }
    Ok(())
}

/// Gives the list new elements under a new version; expiry and width of the header stay.
pub(super) fn rewrite(store: &mut Store<'_>, key: &[u8], list: &List, values: &[Box<[u8]>]) {
    let mut fresh = List {
        header: list.header,
        head: MIDDLE,
    };
    fresh.header.version = store.new_header(Type::List).version;
    fresh.header.size = values.len() as u64;
    let mut elements = store.elements(key, &fresh.header);
    for (place, value) in values.iter().enumerate() {
        put_at(store, &mut elements, MIDDLE + place as u64, value);
    }
    fresh.save(store, key);
}

/// Makes `key` a list of just `values`, whatever it held; without any, the key goes. Gives whether there was a key before.
pub fn replace<'v>(
    store: &mut Store<'_>,
    key: &[u8],
    values: impl Iterator<Item = &'v [u8]>,
) -> Run<bool> {
    let was_there = store.header(key)?.is_some();
    let mut values = values.peekable();
    if values.peek().is_none() {
        if was_there {
            store.changing(key, b"3 7");
            store.delete_meta(key);
        }
        return Ok(was_there);
    }
    store.changing(key, b"3 7");
    if !was_there {
        store.notify(EventClass::NEW, "new", key);
    }
    let fresh = List::new(store);
    push_to(store, key, Some(fresh), End::Right, values);
    Ok(was_there)
}

/// What [`move_one`] did.
pub struct Moved {
    /// The element.
    pub value: Vec<u8>,
    /// Whether the source is gone with it.
    pub emptied: bool,
}

/// Moves an element from one end of `source`, which has one, to one end of `destination`, which may be the same key.
pub fn move_one(
    store: &mut Store<'_>,
    source: (&[u8], &List, End),
    destination: (&[u8], Option<List>, End),
) -> Run<Moved> {
    let (from, list, from_end) = source;
    let (to, found, to_end) = destination;
    let place = match from_end {
        End::Left => 0,
        End::Right => list.len() - 1,
    };
    let value = read(store, from, list, place, <[u8]>::to_vec)?;
    let log_data = [
        b"3 12 ",
        from,
        b" ",
        to,
        b" ",
        from_end.name().as_bytes(),
        b" ",
        to_end.name().as_bytes(),
    ]
    .concat();
    store.changing(from, &log_data);
    if from == to {
        if from_end != to_end && list.len() > 1 {
            rotate(store, from, list, from_end, &value);
        }
        return Ok(Moved {
            value,
            emptied: false,
        });
    }
    store.changing(to, &log_data);
    push_to(store, to, found, to_end, std::iter::once(&value[..]));
    let mut left = list.clone();
    left.header.size -= 1;
    if !left.is_empty() {
        let mut elements = store.elements(from, &list.header);
        delete_at(store, &mut elements, list.head + place);
        left.head += u64::from(from_end == End::Left);
    }
    left.save(store, from);
    Ok(Moved {
        value,
        emptied: left.is_empty(),
    })
}

/// Puts the element `value` at one end of the list to the other one: all indexes move by one.
fn rotate(store: &mut Store<'_>, key: &[u8], list: &List, from_end: End, value: &[u8]) {
    let mut elements = store.elements(key, &list.header);
    let mut rotated = list.clone();
    match from_end {
        End::Left => {
            delete_at(store, &mut elements, list.head);
            put_at(store, &mut elements, list.tail(), value);
            rotated.head += 1;
        }
        End::Right => {
            delete_at(store, &mut elements, list.tail() - 1);
            put_at(store, &mut elements, list.head - 1, value);
            rotated.head -= 1;
        }
    }
    rotated.save(store, key);
}
