//! Changes in the middle of a list: one element replaced, inserted, or removed wherever it stands. The range of indexes stays
//! dense, so an insertion or a removal moves the elements on the shorter side.

use super::list::{self, DELETES_MAX, List};
use super::members::Removed;
use crate::command::halt::Run;
use crate::storage::store::Store;
use crate::text::int::write_i64;

/// Replaces the element at `place`, which must lie within the list. `index` is what the client called it.
pub fn set(store: &mut Store<'_>, key: &[u8], list: &List, place: u64, index: i64, value: &[u8]) {
    store.changing(key, &log_data(b"3 0", index, None));
    let mut elements = store.elements(key, &list.header);
    list::put_at(store, &mut elements, list.head + place, value);
}

/// Inserts `value` before (or behind) the first element that equals `pivot`. Gives the new length, `None` without such an element.
pub fn insert(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    before: bool,
    pivot: &[u8],
    value: &[u8],
) -> Run<Option<u64>> {
    let mut found = None;
    list::search(store, key, list, 0, list.len(), false, |place, element| {
        if element == pivot {
            found = Some(place);
        }
        found.is_some()
    })?;
    let Some(pivot_place) = found else {
        return Ok(None);
    };
    let place = pivot_place + u64::from(!before);
    let is_left_shorter = place < list.len() - place;
    let (first, count) = if is_left_shorter {
        (0, place)
    } else {
        (place, list.len() - place)
    };
    let moved = collect(store, key, list, first, count)?;
    let text = [
        if before { &b"3 1 1"[..] } else { b"3 1 0" },
        b" ",
        pivot,
        b" ",
        value,
    ]
    .concat();
    store.changing(key, &text);
    let mut elements = store.elements(key, &list.header);
    let mut longer = list.clone();
    longer.header.size += 1;
    if is_left_shorter {
        longer.head -= 1;
        put_all(store, key, list, longer.head, &moved);
        list::put_at(store, &mut elements, longer.head + place, value);
    } else {
        list::put_at(store, &mut elements, list.head + place, value);
        put_all(store, key, list, list.head + place + 1, &moved);
    }
    longer.save(store, key);
    Ok(Some(longer.len()))
}

/// Removes the first `count` elements that equal `value`, the last ones when it is negative, all when it is 0.
pub fn remove(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    count: i64,
    value: &[u8],
) -> Run<Removed> {
    let limit = match count.unsigned_abs() {
        0 => u64::MAX,
        limit => limit,
    };
    let mut places = Vec::new();
    let reverse = count < 0;
    list::search(
        store,
        key,
        list,
        0,
        list.len(),
        reverse,
        |place, element| {
            if element == value {
                places.push(place);
            }
            places.len() as u64 == limit
        },
    )?;
    if reverse {
        places.reverse();
    }
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else {
        return Ok(Removed::default());
    };
    let removed = places.len() as u64;
    let kept = list.len() - removed;
    let log_data = log_data(b"3 5", count, Some(value));
    let moves_left = last + 1 - removed;
    let moves_right = list.len() - first - removed;
    if kept == 0 {
        list::keep(store, key, list, 0, 0, &log_data)?;
    } else if removed > DELETES_MAX && kept < moves_left.min(moves_right) + removed {
        let survivors = collect_without(store, key, list, 0, list.len(), &places)?;
        store.changing(key, &log_data);
        list::rewrite(store, key, list, &survivors);
    } else if moves_left < moves_right {
        let survivors = collect_without(store, key, list, 0, last + 1, &places)?;
        // What stands before the first place moves as well, by as many indexes as were removed.
        store.changing(key, &log_data);
        let mut shorter = list.clone();
        shorter.head += removed;
        shorter.header.size = kept;
        put_all(store, key, list, shorter.head, &survivors);
        delete_range(store, key, list, list.head..shorter.head);
        shorter.save(store, key);
    } else {
        let survivors = collect_without(store, key, list, first, list.len() - first, &places)?;
        store.changing(key, &log_data);
        let mut shorter = list.clone();
        shorter.header.size = kept;
        put_all(store, key, list, list.head + first, &survivors);
        delete_range(store, key, list, shorter.tail()..list.tail());
        shorter.save(store, key);
    }
    Ok(Removed {
        count: removed,
        emptied: kept == 0,
    })
}

/// The `count` elements from `first` on.
fn collect(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    first: u64,
    count: u64,
) -> Run<Vec<Box<[u8]>>> {
    collect_without(store, key, list, first, count, &[])
}

/// The `count` elements from `first` on but those at `places`, which ascend.
fn collect_without(
    store: &mut Store<'_>,
    key: &[u8],
    list: &List,
    first: u64,
    count: u64,
    places: &[u64],
) -> Run<Vec<Box<[u8]>>> {
    let mut elements = Vec::new();
    let mut left_out = places.iter().peekable();
    let mut place = first;
    if count == places.len() as u64 {
        return Ok(elements);
    }
    list::read_range(store, key, list, first, count, false, |element| {
        if left_out.next_if_eq(&&place).is_none() {
            elements.push(element.into());
        }
        place += 1;
    })?;
    Ok(elements)
}

/// Writes elements from the index `start` on.
fn put_all(store: &mut Store<'_>, key: &[u8], list: &List, start: u64, values: &[Box<[u8]>]) {
    let mut elements = store.elements(key, &list.header);
    for (index, value) in (start..).zip(values) {
        list::put_at(store, &mut elements, index, value);
    }
}

fn delete_range(store: &mut Store<'_>, key: &[u8], list: &List, indexes: std::ops::Range<u64>) {
    let mut elements = store.elements(key, &list.header);
    for index in indexes {
        list::delete_at(store, &mut elements, index);
    }
}

/// LogData `code number [text]`.
fn log_data(code: &[u8], number: i64, text: Option<&[u8]>) -> Vec<u8> {
    let mut out = code.to_vec();
    out.push(b' ');
    write_i64(&mut out, number);
    if let Some(text) = text {
        out.push(b' ');
        out.extend_from_slice(text);
    }
    out
}
