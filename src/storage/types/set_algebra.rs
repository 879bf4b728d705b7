//! Intersection, union and difference of sets.
//!
//! Only one scan is open at a time, so an operation holds its candidates in memory, in byte order, and narrows them
//! down set by set: by point reads where the candidates are few against the set, else by walking the set beside them.

use super::members;
use super::set::{self, Member};
use crate::command::halt::Run;
use crate::storage::cf::Cf;
use crate::storage::metadata::Header;
use crate::storage::store::Store;

/// What a point read costs, in entries that a scan reads in the same time.
const READ_IN_ENTRIES: u64 = 8;

/// A set that takes part in an operation.
#[derive(Clone, Copy)]
pub struct Operand<'a> {
    pub key: &'a [u8],
    pub header: Header,
}

/// The operands at `keys`, `None` for absent ones. WRONGTYPE when any holds something else.
pub fn operands<'a>(
    store: &mut Store<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Run<Vec<Option<Operand<'a>>>> {
    keys.map(|key| {
        let header = set::header(store, key)?;
        Ok(header.map(|header| Operand { key, header }))
    })
    .collect()
}

/// What is in all of `sets`, in byte order; nothing when one is absent.
pub fn intersection(store: &mut Store<'_>, sets: &[Option<Operand<'_>>]) -> Run<Vec<Member>> {
    let Some(sets) = by_size(sets) else {
        return Ok(Vec::new());
    };
    let Some((smallest, others)) = sets.split_first() else {
        return Ok(Vec::new());
    };
    let mut candidates = set::all(store, smallest.key, &smallest.header)?;
    for other in others {
        candidates = narrow(store, candidates, other, true)?;
    }
    Ok(candidates)
}

/// How many members are in all of `sets`, counting no further than `limit`.
pub fn intersection_size(
    store: &mut Store<'_>,
    sets: &[Option<Operand<'_>>],
    limit: Option<u64>,
) -> Run<u64> {
    let Some(limit) = limit else {
        return Ok(intersection(store, sets)?.len() as u64);
    };
    let Some(sets) = by_size(sets) else {
        return Ok(0);
    };
    let Some((smallest, others)) = sets.split_first() else {
        return Ok(0);
    };
    // In pages that grow, so that a low limit is reached without reading the whole set.
    let mut size = 0;
    let mut after: Option<Member> = None;
    let mut count = limit.max(16);
    loop {
        let page = members::Page {
            after: after.as_deref(),
            count,
            pattern: None,
        };
        let mut candidates = Vec::new();
        after = members::page(store, smallest.key, &smallest.header, &page, |member, _| {
            candidates.push(member.into());
        })?;
        for other in others {
            candidates = narrow(store, candidates, other, true)?;
        }
        size += candidates.len() as u64;
        if size >= limit {
            return Ok(limit);
        }
        if after.is_none() {
            return Ok(size);
        }
        count = count.saturating_mul(4);
    }
}

/// What is in any of `sets`, in byte order.
pub fn union(store: &mut Store<'_>, sets: &[Option<Operand<'_>>]) -> Run<Vec<Member>> {
    let mut all = Vec::new();
    for operand in sets.iter().flatten() {
        all.append(&mut set::all(store, operand.key, &operand.header)?);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// What is in the first of `sets` and in none of the others, in byte order.
pub fn difference(store: &mut Store<'_>, sets: &[Option<Operand<'_>>]) -> Run<Vec<Member>> {
    let Some((Some(first), others)) = sets.split_first() else {
        return Ok(Vec::new());
    };
    if others.iter().flatten().any(|other| other.key == first.key) {
        return Ok(Vec::new());
    }
    let mut candidates = set::all(store, first.key, &first.header)?;
    for other in others.iter().flatten() {
        candidates = narrow(store, candidates, other, false)?;
    }
    Ok(candidates)
}

/// The operands from the smallest to the largest, each key once; `None` when one is absent.
fn by_size<'a>(sets: &[Option<Operand<'a>>]) -> Option<Vec<Operand<'a>>> {
    let mut sets = sets.iter().copied().collect::<Option<Vec<_>>>()?;
    sets.sort_by_key(|operand| (operand.header.size, operand.key));
    sets.dedup_by_key(|operand| operand.key);
    Some(sets)
}

/// Those of `candidates`, which are in byte order, that are in `other` (`keep_common`) or are not.
fn narrow(
    store: &mut Store<'_>,
    candidates: Vec<Member>,
    other: &Operand<'_>,
    keep_common: bool,
) -> Run<Vec<Member>> {
    if candidates.is_empty() {
        return Ok(candidates);
    }
    let mut kept = Vec::new();
    if (candidates.len() as u64).saturating_mul(READ_IN_ENTRIES) < other.header.size {
        let mut elements = store.elements(other.key, &other.header);
        let mut candidates = candidates.into_iter();
        while let Some(member) = candidates.next() {
            let contains = store.view.contains(Cf::Default, elements.key(&member));
            elements.want_if_cold(&contains, store, || {
                candidates.as_slice().iter().map(|member| &member[..])
            });
            if contains? == keep_common {
                kept.push(member);
            }
        }
        return Ok(kept);
    }
    let mut candidates = candidates.into_iter().peekable();
    members::walk(store, other.key, &other.header, |member, _| {
        while let Some(candidate) = candidates.next_if(|candidate| **candidate < *member) {
            if !keep_common {
                kept.push(candidate);
            }
        }
        if let Some(candidate) = candidates.next_if(|candidate| **candidate == *member)
            && keep_common
        {
            kept.push(candidate);
        }
    })?;
    if !keep_common {
        kept.extend(candidates);
    }
    Ok(kept)
}
