//! What hashes and sets share: collections whose elements stand in the `default` family under their own bytes, in byte
//! order, counted by the header's size. Pages for the SCAN family, whole walks, and random elements.

use std::collections::HashSet;

use crate::command::context::Rng;
use crate::command::halt::Run;
use crate::storage::cf::Cf;
use crate::storage::metadata::Header;
use crate::storage::scan::ScanRequest;
use crate::storage::store::{Elements, Meta, Store};
use crate::text::glob;

/// Up to this many elements, a single random element is found by counting entries from the nearer end, which is exactly
/// uniform (some 80 us at most); beyond, by seeking to a random place.
const COUNTED_MAX: u64 = 1024;

/// What a seek to a random place costs, in entries that a scan reads in the same time.
const SEEK_IN_ENTRIES: u64 = 16;

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
/// Otherwise each draw seeks to a random place, and an element is drawn with a probability that grows with the
/// gap before it: see [`Spread`]. `Distinct` gives byte order, `Repeated` the order of the draws.
pub fn draw(
    store: &mut Store<'_>,
    key: &[u8],
    header: &Header,
    draw: Draw,
    rng: &mut Rng,
) -> Run<Vec<Member>> {
    let elements = store.elements(key, header);
    let size = header.size;
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
                if let Some((element, value)) = spread.seek(store, &elements, rng)? {
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
                drawn.extend(spread.seek(store, &elements, rng)?);
            }
            Ok(drawn)
        }
    }
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

/// Where the elements of a large collection lie, as far as its two ends tell: what random places are made of.
///
/// A random place is what all elements have in common, then random bytes of the kinds that the elements near the ends
/// are made of (digits, letters, any bytes), so that ids, counters, words and hashes are all met evenly. From there a
/// few entries more are skipped at random. Elements behind a wide gap, and all in places with other bytes than the ends
/// show, are drawn more often than others; nothing is never drawn but elements far from every place.
struct Spread {
    /// What the first and the last element have in common, and so all between them.
    common: Vec<u8>,
    /// The bytes that may follow `common`.
    first_bytes: Vec<u8>,
    /// The bytes of the rest.
    alphabet: Vec<u8>,
}

impl Spread {
    /// Entries looked at from each end.
    const SURVEYED: usize = 8;
    /// Random bytes behind the common ones: more do not tell elements apart any better.
    const RANDOM_BYTES: usize = 12;
    /// Entries skipped at most.
    const SKIPPED_MAX: u64 = 8;

    fn survey(store: &mut Store<'_>, elements: &Elements) -> Run<Spread> {
        let mut ends: Vec<Box<[u8]>> = Vec::with_capacity(2 * Spread::SURVEYED);
        let request = ScanRequest::prefix(Cf::Default, elements.prefix()).at_most(Spread::SURVEYED);
        for request in [request.clone().reversed(), request] {
            let mut scan = store.view.scan(request)?;
            for _ in 0..Spread::SURVEYED {
                let Some((entry, _)) = scan.next()? else {
                    break;
                };
                ends.push(elements.element(entry).into());
            }
        }
        ends.sort_unstable();
        Ok(Spread::of(&ends))
    }

    /// What `ends`, in byte order, tell.
    fn of(ends: &[Box<[u8]>]) -> Spread {
        let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
            return Spread {
                common: Vec::new(),
                first_bytes: Vec::new(),
                alphabet: vec![0],
            };
        };
        let common_len = first
            .iter()
            .zip(last.iter())
            .take_while(|(a, b)| a == b)
            .count();
        let mut is_used = [false; 256];
        for byte in ends.iter().flat_map(|end| &end[common_len..]) {
            let kind = match byte {
                b'0'..=b'9' => b'0'..=b'9',
                b'a'..=b'f' => b'a'..=b'f',
                b'g'..=b'z' => b'a'..=b'z',
                b'A'..=b'F' => b'A'..=b'F',
                b'G'..=b'Z' => b'A'..=b'Z',
                b' '..=b'~' => *byte..=*byte,
                _ => 0..=255,
            };
            for used in kind {
                is_used[used as usize] = true;
            }
        }
        let alphabet: Vec<u8> = (0..=255).filter(|&byte| is_used[byte as usize]).collect();
        let lowest = first.get(common_len).copied().unwrap_or(0);
        let highest = last.get(common_len).copied().unwrap_or(0);
        Spread {
            common: first[..common_len].to_vec(),
            first_bytes: (lowest..=highest)
                .filter(|&byte| is_used[byte as usize])
                .collect(),
            alphabet,
        }
    }

    /// A random place among the elements.
    fn place(&self, rng: &mut Rng) -> Vec<u8> {
        let mut place = self.common.clone();
        for alphabet in std::iter::once(&self.first_bytes)
            .chain(std::iter::repeat_n(&self.alphabet, Spread::RANDOM_BYTES))
        {
            if !alphabet.is_empty() {
                place.push(alphabet[rng.below(alphabet.len() as u64) as usize]);
            }
        }
        place
    }

    /// An element near a random place.
    fn seek(
        &self,
        store: &mut Store<'_>,
        elements: &Elements,
        rng: &mut Rng,
    ) -> Run<Option<Member>> {
        let skipped = rng.below(Spread::SKIPPED_MAX) as usize;
        let whole = ScanRequest::prefix(Cf::Default, elements.prefix());
        let mut lower = elements.prefix().to_vec();
        lower.extend_from_slice(&self.place(rng));
        let upwards = ScanRequest {
            lower,
            ..whole.clone()
        };
        match nth(store, elements, upwards, skipped)? {
            Some(member) => Ok(Some(member)),
            // Too near the end: count from there.
            None => nth(store, elements, whole.reversed(), skipped),
        }
    }
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
    names: impl ExactSizeIterator<Item = &'n [u8]>,
) -> Run<Removed> {
    let mut elements = store.elements(key, &meta.header);
    let is_single = names.len() == 1;
    let mut given = HashSet::new();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let is_first = is_single || given.insert(name);
        if is_first && store.view.contains(Cf::Default, elements.key(name))? {
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
