//! Random elements of a collection whose elements stand in `default`: a hash's fields, a set's or sorted set's members.
//!
//! A small collection is read whole and the draw is exact. In a large one ([`EXACT_SIZE_MAX`]) the draw begins at random places
//! of the key order: the scan is sent to a random text over the bytes that its elements use, and what it meets there is
//! taken. Elements behind wide gaps of that order are then likelier than others: for ids, hashes, random texts and numbers of
//! similar length the gaps are alike. A large request takes short runs of neighbours from each place, so that it costs
//! some [`PLACES_MAX`] scans and not one for each element.

use std::collections::HashSet;

use crate::command::context::Rng;
use crate::command::halt::Run;
use crate::storage::cf::Cf;
use crate::storage::scan::{Entry, ScanRequest};
use crate::storage::store::Elements;
use crate::storage::view::View;

/// Up to this many elements a draw reads them all. What one scan reads without a worker.
pub const EXACT_SIZE_MAX: u64 = crate::limits::SCAN_ENTRIES_INLINE_MAX as u64;

/// From a large collection, requests for more than this, or for more than a third of it, read it all too.
const PLACED_COUNT_MAX: u64 = 4096;

/// How many random places one draw visits, about.
const PLACES_MAX: u64 = 128;

/// Elements looked at, at each end, for the bytes that elements use.
const ALPHABET_ENTRIES: usize = 64;

/// Bytes of a random text.
const PLACE_BYTES: usize = 8;

/// `count` different elements, or all of them when there are no more, in random order: element and value.
pub fn distinct(
    view: &mut View,
    elements: &Elements,
    size: u64,
    count: u64,
    rng: &mut Rng,
) -> Run<Vec<Entry>> {
    let count = count.min(size);
    let mut drawn = if is_placed(size, count) {
        from_places(view, elements, count, rng)?
    } else {
        all(view, elements)?
    };
    shuffle_front(&mut drawn, count, rng);
    drawn.truncate(count as usize);
    Ok(drawn)
}

/// Elements to draw from with repetition, for `count` draws: all of a small collection, enough different ones of a large one.
pub fn pool(
    view: &mut View,
    elements: &Elements,
    size: u64,
    count: u64,
    rng: &mut Rng,
) -> Run<Vec<Entry>> {
    let count = count.min(PLACED_COUNT_MAX);
    if is_placed(size, count) {
        from_places(view, elements, count, rng)
    } else {
        all(view, elements)
    }
}

fn is_placed(size: u64, count: u64) -> bool {
    size > EXACT_SIZE_MAX && count <= PLACED_COUNT_MAX && count * 3 <= size
}

/// Every element, in key order.
fn all(view: &mut View, elements: &Elements) -> Run<Vec<Entry>> {
    gather(
        view,
        elements,
        ScanRequest::prefix(Cf::Default, elements.prefix()),
    )
}

fn gather(view: &mut View, elements: &Elements, request: ScanRequest) -> Run<Vec<Entry>> {
    let limit = request.limit;
    let mut entries = Vec::new();
    let mut scan = view.scan(request)?;
    while entries.len() < limit
        && let Some((key, value)) = scan.next()?
    {
        entries.push((elements.element(key).into(), value.into()));
    }
    Ok(entries)
}

/// `count` different elements from random places; fewer only when the collection has fewer.
fn from_places(view: &mut View, elements: &Elements, count: u64, rng: &mut Rng) -> Run<Vec<Entry>> {
    let places = Places::survey(view, elements)?;
    let run = count.div_ceil(PLACES_MAX);
    let mut drawn = Vec::new();
    let mut seen: HashSet<Box<[u8]>> = HashSet::new();
    // Elements that crowd into a few places are met again and again, and a place may lie behind them all; when that
    // happens too often the rest is taken in order.
    for _ in 0..PLACES_MAX * 4 {
        if drawn.len() as u64 >= count {
            return Ok(drawn);
        }
        let mut request = ScanRequest::prefix(Cf::Default, elements.prefix());
        request.lower.extend_from_slice(&places.pick(rng));
        let left = count - drawn.len() as u64;
        // One more than is kept, so that the two sides of a gap share its weight.
        let mut met = gather(view, elements, request.at_most(run.min(left) as usize + 1))?;
        if met.len() as u64 > run.min(left) {
            match rng.below(2) {
                0 => met.pop(),
                _ => Some(met.remove(0)),
            };
        }
        for entry in met {
            if seen.insert(entry.0.clone()) {
                drawn.push(entry);
            }
        }
    }
    let request =
        ScanRequest::prefix(Cf::Default, elements.prefix()).at_most(drawn.len() + count as usize);
    for entry in gather(view, elements, request)? {
        if (drawn.len() as u64) < count && seen.insert(entry.0.clone()) {
            drawn.push(entry);
        }
    }
    Ok(drawn)
}

/// Where random places lie: behind what all elements begin with, texts over the bytes that elements use there.
struct Places {
    common: Vec<u8>,
    alphabet: Vec<u8>,
}

impl Places {
    fn survey(view: &mut View, elements: &Elements) -> Run<Places> {
        let request = ScanRequest::prefix(Cf::Default, elements.prefix()).at_most(ALPHABET_ENTRIES);
        let low = gather(view, elements, request.clone())?;
        let high = gather(view, elements, request.reversed())?;
        let common = match (low.first(), high.first()) {
            (Some((first, _)), Some((last, _))) => common_prefix(first, last),
            _ => &[],
        };
        let mut used = [false; 256];
        for (element, _) in low.iter().chain(&high) {
            for &byte in element[common.len()..].iter().take(PLACE_BYTES) {
                used[byte as usize] = true;
            }
        }
        Ok(Places {
            common: common.to_vec(),
            alphabet: (0..=255).filter(|&byte: &u8| used[byte as usize]).collect(),
        })
    }

    fn pick(&self, rng: &mut Rng) -> Vec<u8> {
        let mut text = self.common.clone();
        if !self.alphabet.is_empty() {
            for _ in 0..PLACE_BYTES {
                text.push(self.alphabet[rng.below(self.alphabet.len() as u64) as usize]);
            }
        }
        text
    }
}

fn common_prefix<'a>(a: &'a [u8], b: &[u8]) -> &'a [u8] {
    let len = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    &a[..len]
}

/// Brings `count` random elements to the front, in random order.
fn shuffle_front(entries: &mut [Entry], count: u64, rng: &mut Rng) {
    for at in 0..entries.len().min(count as usize) {
        let from = at + rng.below((entries.len() - at) as u64) as usize;
        entries.swap(at, from);
    }
}
