//! What hashes and sets share: collections whose elements stand in the `default` family under their own bytes, in byte
//! order, counted by the header's size. Pages for the SCAN family, whole walks, deletion, and random elements.

mod spread;

use std::collections::{BTreeSet, HashSet};

use crate::command::context::Rng;
use crate::command::halt::{Halt, Run};
use crate::storage::cf::Cf;
use crate::storage::metadata::{Header, Type};
use crate::storage::scan::ScanRequest;
use crate::storage::store::{Elements, Meta, Store};
use crate::text::glob;
use spread::Spread;

/// Up to this many elements, a single random element is found by counting entries from the nearer end, which is exactly
/// uniform (some 80 us at most); beyond, by seeking to a random place.
const COUNTED_MAX: u64 = 1024;

/// What a draw by seeking costs, in entries that a scan reads in the same time.
const SEEK_IN_ENTRIES: u64 = 64;

/// Up to this many members are sampled whole: one walk, half as long as a turn's scan may be.
const SAMPLED_WHOLE_MAX: u64 = 2048;

/// Up to this many distinct members of a set are drawn from its sample.
const DRAWN_FROM_SAMPLE_MAX: u64 = 32;

/// An element and its value (empty for a set).
pub type Member = (Box<[u8]>, Box<[u8]>);

/// Calls `each` with every element and its value, in byte order.
pub fn walk(
    store: &mut Store<'_>,
    key: &[u8],
    header: &Header,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Run {
    let elements = store.elements(key, header);
    let mut scan = store
        .view
        .scan(ScanRequest::prefix(Cf::Default, elements.prefix()))?;
    while let Some((entry, value)) = scan.next()? {
        each(elements.element(entry), value);
    }
    Ok(())
}

/// One step of an iteration in byte order.
pub struct Page<'a> {
    /// The element behind which it begins; `None` begins at the first one.
    pub after: Option<&'a [u8]>,
    /// How many elements it visits at most.
    pub count: u64,
    /// Elements that cannot match this glob may be left out; `None` leaves out none.
    pub pattern: Option<&'a [u8]>,
}

/// Calls `each` with the elements of one page. Gives the last of them when more are to come.
pub fn page(
    store: &mut Store<'_>,
    key: &[u8],
    header: &Header,
    page: &Page<'_>,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Run<Option<Box<[u8]>>> {
    let mut elements = store.elements(key, header);
    let literal = page.pattern.map_or(&b""[..], glob::literal_prefix);
    let mut request = ScanRequest::prefix(Cf::Default, elements.key(literal));
    if let Some(after) = page.after {
        request.lower = request.lower.max(elements.key2(after, b"\0").to_vec());
    }
    let count = usize::try_from(page.count).unwrap_or(usize::MAX);
    let mut scan = store.view.scan(request.at_most(count.saturating_add(1)))?;
    let mut last: Box<[u8]> = Box::default();
    let mut visited = 0;
    while let Some((entry, value)) = scan.next()? {
        if visited == count {
            return Ok(Some(last));
        }
        let element = elements.element(entry);
        each(element, value);
        visited += 1;
        if visited == count {
            last = element.into();
        }
    }
    Ok(None)
}

/// How many random elements, and whether one may come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// This many, all different; all there are when there are not more.
    Distinct(u64),
    /// This many, each drawn from all.
    Repeated(u64),
}

/// Random elements of a collection with their values.
///
/// Uniform when the collection is small or a good part of it is asked for, since the entries are then counted off.
/// Otherwise each draw seeks to random places, which is about uniform: see [`Spread`]. A few members of a set that is drawn from
/// again and again come from a sample: see [`from_sample`]. `Distinct` gives byte order, `Repeated` the order of the draws.
pub fn draw(
    store: &mut Store<'_>,
    key: &[u8],
    header: &Header,
    draw: Draw,
    rng: &mut Rng,
) -> Run<Vec<Member>> {
    let elements = store.elements(key, header);
    let size = header.size;
    if header.kind() == Type::Set
        && let Draw::Distinct(count) | Draw::Repeated(count @ 1) = draw
        && (1..=DRAWN_FROM_SAMPLE_MAX).contains(&count)
        && (count == 1 || count * 4 <= size)
        && let Some(drawn) = from_sample(store, &elements, count, size, rng)?
    {
        return Ok(drawn);
    }
    match draw {
        Draw::Distinct(0) | Draw::Repeated(0) => Ok(Vec::new()),
        Draw::Distinct(count) if count >= size => {
            let mut all = Vec::with_capacity(size.min(1 << 16) as usize);
            walk(store, key, header, |element, value| {
                all.push((element.into(), value.into()));
            })?;
            Ok(all)
        }
        Draw::Distinct(1) | Draw::Repeated(1) if size <= COUNTED_MAX => {
            let member = counted(store, &elements, rng.below(size), size)?;
            Ok(member.into_iter().collect())
        }
        Draw::Distinct(count) if is_scan_cheaper(count, size) => {
            distinct_by_scan(store, &elements, count, size, rng)
        }
        Draw::Repeated(count) if is_scan_cheaper(count, size) => {
            repeated_by_scan(store, &elements, count, size, rng)
        }
        Draw::Distinct(count) => {
            let spread = Spread::survey(store, &elements)?;
            let mut drawn = std::collections::BTreeMap::new();
            // Few of many: nearly every draw is a new one, unless the seeks keep ending at the same places.
            for _ in 0..count * 4 {
                if let Some((element, value)) = spread.draw(store, &elements, rng)? {
                    drawn.insert(element, value);
                }
                if drawn.len() as u64 == count {
                    return Ok(drawn.into_iter().collect());
                }
            }
            distinct_by_scan(store, &elements, count, size, rng)
        }
        Draw::Repeated(count) => {
            let spread = Spread::survey(store, &elements)?;
            let mut drawn = Vec::with_capacity(count as usize);
            for _ in 0..count {
                drawn.extend(spread.draw(store, &elements, rng)?);
            }
            Ok(drawn)
        }
    }
}

/// `count` distinct members of a set by way of [`crate::storage::samples`], in byte order; `None` on the first draw from a set, and
/// when its sample cannot be read.
///
/// Up to [`SAMPLED_WHOLE_MAX`] members the sample is the whole set, kept up to date, and each draw uniform. Beyond, it is what [`Spread::sample`]
/// reads, some 512 members near 64 places, each given once in random order: a member's chance is as even as that of a
/// single draw by seeking, but members that are neighbours in byte order are more often drawn within the same few hundred draws.
fn from_sample(
    store: &mut Store<'_>,
    elements: &Elements,
    count: u64,
    size: u64,
    rng: &mut Rng,
) -> Run<Option<Vec<Member>>> {
    let prefix = elements.prefix();
    let mut drawn = BTreeSet::new();
    for _ in 0..count * 4 {
        let mut member = store.view.samples.draw(prefix, size, rng);
        if member.is_none() {
            if !store.view.samples.is_asked_again(prefix) {
                return Ok(None);
            }
            read_sample(store, elements, size, rng)?;
            member = store.view.samples.draw(prefix, size, rng);
        }
        let Some(member) = member else {
            return Ok(None);
        };
        drawn.insert(member);
        if drawn.len() as u64 == count {
            store.view.consult_all();
            let members = drawn.into_iter().map(|member| (member, Box::default()));
            return Ok(Some(members.collect()));
        }
    }
    Ok(None)
}

/// Reads a sample of a set, unless that would make the command wait.
fn read_sample(store: &mut Store<'_>, elements: &Elements, size: u64, rng: &mut Rng) -> Run {
    let is_whole = size <= SAMPLED_WHOLE_MAX;
    let read = if is_whole {
        read_whole(store, elements, size)
    } else {
        Spread::survey(store, elements).and_then(|spread| spread.sample(store, elements, rng))
    };
    match read {
        Ok(read) => {
            let members = read.into_iter().map(|(member, _)| member);
            store
                .view
                .samples
                .keep(elements.prefix(), members, is_whole);
            Ok(())
        }
        Err(Halt::Wait(_)) => Ok(()),
        Err(halt) => Err(halt),
    }
}

fn read_whole(store: &mut Store<'_>, elements: &Elements, size: u64) -> Run<Vec<Member>> {
    let mut scan = store
        .view
        .scan(ScanRequest::prefix(Cf::Default, elements.prefix()))?;
    let mut all = Vec::with_capacity(size as usize);
    while let Some((entry, value)) = scan.next()? {
        all.push((elements.element(entry).into(), value.into()));
    }
    Ok(all)
}

fn is_scan_cheaper(count: u64, size: u64) -> bool {
    size <= COUNTED_MAX || count.saturating_mul(SEEK_IN_ENTRIES) >= size
}

/// The element at `index`, counted from the nearer end.
fn counted(
    store: &mut Store<'_>,
    elements: &Elements,
    index: u64,
    size: u64,
) -> Run<Option<Member>> {
    let from_end = size - 1 - index;
    let mut request = ScanRequest::prefix(Cf::Default, elements.prefix());
    let skipped = index.min(from_end);
    if from_end < index {
        request = request.reversed();
    }
    nth(store, elements, request, skipped as usize)
}

/// The entry after `skipped` others; `None` when there are not more than those.
fn nth(
    store: &mut Store<'_>,
    elements: &Elements,
    request: ScanRequest,
    skipped: usize,
) -> Run<Option<Member>> {
    let mut scan = store.view.scan(request.at_most(skipped + 1))?;
    let mut member = None;
    for at in 0..=skipped {
        let Some((entry, value)) = scan.next()? else {
            break;
        };
        if at == skipped {
            member = Some((elements.element(entry).into(), value.into()));
        }
    }
    Ok(member)
}

/// Walks over the elements and keeps each with the probability that leaves `count` of `size` in the end (Knuth's
/// algorithm S).
fn distinct_by_scan(
    store: &mut Store<'_>,
    elements: &Elements,
    count: u64,
    size: u64,
    rng: &mut Rng,
) -> Run<Vec<Member>> {
    let mut scan = store
        .view
        .scan(ScanRequest::prefix(Cf::Default, elements.prefix()))?;
    let mut wanted = count;
    let mut left = size;
    let mut drawn = Vec::new();
    while wanted > 0 && left > 0 {
        let Some((entry, value)) = scan.next()? else {
            break;
        };
        if rng.below(left) < wanted {
            drawn.push((elements.element(entry).into(), value.into()));
            wanted -= 1;
        }
        left -= 1;
    }
    Ok(drawn)
}

/// Draws positions, then fetches them all in one walk.
fn repeated_by_scan(
    store: &mut Store<'_>,
    elements: &Elements,
    count: u64,
    size: u64,
    rng: &mut Rng,
) -> Run<Vec<Member>> {
    let mut positions: Vec<(u64, usize)> = (0..count as usize)
        .map(|turn| (rng.below(size), turn))
        .collect();
    positions.sort_unstable();
    let mut scan = store
        .view
        .scan(ScanRequest::prefix(Cf::Default, elements.prefix()))?;
    let mut drawn: Vec<Option<Member>> = vec![None; positions.len()];
    let mut wanted = positions.into_iter().peekable();
    let mut at = 0;
    while wanted.peek().is_some() {
        let Some((entry, value)) = scan.next()? else {
            break;
        };
        while let Some((_, turn)) = wanted.next_if(|(position, _)| *position == at) {
            drawn[turn] = Some((elements.element(entry).into(), value.into()));
        }
        at += 1;
    }
    Ok(drawn.into_iter().flatten().collect())
}

/// What a deletion did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Removed {
    /// How many elements are gone.
    pub count: u64,
    /// Whether the key is gone with the last of them.
    pub emptied: bool,
}

/// Deletes those of `names` that are there; `meta` is the key's. The last elements go with the metadata entry alone.
pub fn delete<'n>(
    store: &mut Store<'_>,
    key: &[u8],
    mut meta: Meta,
    log_data: &[u8],
    mut names: impl ExactSizeIterator<Item = &'n [u8]>,
) -> Run<Removed> {
    let mut elements = store.elements(key, &meta.header);
    let is_single = names.len() == 1;
    let mut given = HashSet::new();
    let mut found = Vec::with_capacity(names.len());
    while let Some(name) = names.next() {
        if !is_single && !given.insert(name) {
            continue;
        }
        let contains = store.view.contains(Cf::Default, elements.key(name));
        elements.want_if_cold(&contains, store, || names.by_ref());
        if contains? {
            found.push(name);
        }
    }
    let removed = Removed {
        count: found.len() as u64,
        emptied: found.len() as u64 >= meta.header.size,
    };
    if found.is_empty() {
        return Ok(Removed::default());
    }
    store.changing(key, log_data);
    if removed.emptied {
        store.delete_meta(key);
        return Ok(removed);
    }
    for name in found {
        store.view.delete(Cf::Default, elements.key(name));
    }
    meta.header.size -= removed.count;
    store.put_meta(key, &meta.header, &meta.rest);
    Ok(removed)
}

#[cfg(test)]
mod tests;
