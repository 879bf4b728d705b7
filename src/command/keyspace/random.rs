//! RANDOMKEY.
//!
//! A database of no more keys than the loop reads in one turn is read whole, and each key is as likely as the other.
//!
//! Beyond, keys are sorted on disk and nobody knows how many are where, so the database is entered at several random places:
//! from the range of all keys down one branch of their names after the other, until few enough are left to count. The first
//! forks on the way are looked at closely, to tell branches of a few keys from those of many; at the others a branch is as
//! likely as the gap before it is wide. Neither says how full a branch is, so each candidate is weighed by how unlikely its
//! way was and how many keys stand at its end, and one is drawn by weight. That evens out what a fork got wrong, most of it:
//! of several large branches, the smaller ones are still drawn somewhat too often.

use std::ops::ControlFlow;

use super::GROUP;
use crate::command::spec::{KeySpec, Spec};
use crate::command::{DataCtx, Run};
use crate::limits::SCAN_ENTRIES_INLINE_MAX;
use crate::resp::Args;
use crate::storage::scan::ScanRequest;

/// As many keys at the end of a way down are looked at one by one (some 0.3 us each).
const LEAF_KEYS_MAX: usize = 64;

/// Forks that are looked at closely (some 25 us a large branch), and branches up to which it is worth it.
const CLOSE_FORKS: usize = 4;
const CLOSE_BRANCHES_MAX: usize = 32;

/// What a large branch counts for at such a fork, against the keys of a small one.
const LARGE_BRANCH_WEIGHT: u64 = 4096;

/// Ways down whose ends are weighed against each other; each takes some 100 us in a database of a million keys.
const CANDIDATES: usize = 8;

/// Tries before all keys are looked at, when only expired ones were met.
const ROUNDS: usize = 4;

pub(super) const RANDOMKEY: Spec = Spec::read("randomkey", 1, KeySpec::None, randomkey).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Return a random key from the keyspace",
);

fn randomkey(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    let is_known_large = ctx
        .last_key_counts()
        .is_some_and(|counts| counts.of(ctx.store.db) > SCAN_ENTRIES_INLINE_MAX as u64);
    if !is_known_large && reply_any(ctx, SCAN_ENTRIES_INLINE_MAX - 1)? {
        return Ok(());
    }
    let mut forks = Forks::default();
    for _ in 0..ROUNDS {
        let mut chosen = Leaf::default();
        let mut total = 0.0;
        for _ in 0..CANDIDATES {
            let leaf = descend(ctx, &mut forks)?;
            total += leaf.weight;
            if leaf.weight > 0.0 && fraction(ctx) * total < leaf.weight {
                chosen = leaf;
            }
        }
        if !chosen.keys.is_empty() {
            let at = ctx.rng.below(chosen.keys.len() as u64) as usize;
            ctx.reply.bulk(&chosen.keys[at]);
            return Ok(());
        }
    }
    // Almost nothing but expired keys: whatever is left is found by looking at all of them, on a worker.
    reply_any(ctx, usize::MAX)?;
    Ok(())
}

/// Replies one of all keys that exist, each as likely as the other, or null; says whether it did. It does not when there
/// are more than `entries_max` entries to look at.
fn reply_any(ctx: &mut DataCtx<'_>, entries_max: usize) -> Run<bool> {
    let mut chosen: Vec<u8> = Vec::new();
    let mut live = 0;
    let mut visited = 0;
    let request = ctx.store.keys_beginning(b"");
    let rng = &mut ctx.rng;
    ctx.store.each_key(request, |key, header| {
        visited += 1;
        if visited > entries_max {
            return ControlFlow::Break(());
        }
        if header.is_some() {
            live += 1;
            if rng.below(live) == 0 {
                chosen.clear();
                chosen.extend_from_slice(key);
            }
        }
        ControlFlow::Continue(())
    })?;
    if visited > entries_max {
        return Ok(false);
    }
    ctx.reply.bulk_or_null((live > 0).then_some(&chosen));
    Ok(true)
}

/// A number from 0 up to 1.
fn fraction(ctx: &mut DataCtx<'_>) -> f64 {
    ctx.rng.below(1 << 53) as f64 / (1u64 << 53) as f64
}

/// The end of a way down.
#[derive(Default)]
struct Leaf {
    /// The keys that exist, of all that stand there.
    keys: Vec<Box<[u8]>>,
    /// How many keys it stands for: its own, times one over the probability of the way.
    weight: f64,
}

fn descend(ctx: &mut DataCtx<'_>, forks: &mut Forks) -> Run<Leaf> {
    let mut range = ctx.store.keys_beginning(b"");
    let mut unlikeliness = 1.0;
    loop {
        let mut keys = Vec::new();
        let mut visited = 0;
        let few = range.clone().at_most(LEAF_KEYS_MAX + 1);
        ctx.store.each_key(few, |key, header| {
            visited += 1;
            if visited > LEAF_KEYS_MAX {
                return ControlFlow::Break(());
            }
            if header.is_some() {
                keys.push(key.into());
            }
            ControlFlow::Continue(())
        })?;
        if visited <= LEAF_KEYS_MAX {
            return Ok(Leaf {
                weight: unlikeliness * keys.len() as f64,
                keys,
            });
        }
        let Some(branch) = choose_branch(ctx, forks, &range)? else {
            return Ok(Leaf::default());
        };
        unlikeliness *= branch.unlikeliness;
        range = branch.range;
    }
}

/// A part of a range of keys.
struct Branch {
    range: ScanRequest,
    /// One over the probability with which it was chosen.
    unlikeliness: f64,
}

/// The forks that were looked at closely, by where their ranges begin, in the order in which they were met.
#[derive(Default)]
struct Forks(Vec<(Vec<u8>, Option<Vec<Child>>)>);

/// A branch at such a fork.
#[derive(Clone, Copy)]
struct Child {
    /// Its byte; none for the one entry that ends at the fork.
    byte: Option<u8>,
    /// Its entries, counted up to one more than [`LEAF_KEYS_MAX`].
    entries: usize,
}

impl Child {
    fn weight(&self) -> u64 {
        if self.entries > LEAF_KEYS_MAX {
            LARGE_BRANCH_WEIGHT
        } else {
            self.entries as u64
        }
    }
}

/// The branches of `range` at the byte behind `shared`; none when there are too many of them.
fn look_closely(
    ctx: &mut DataCtx<'_>,
    range: &ScanRequest,
    shared: &[u8],
) -> Run<Option<Vec<Child>>> {
    let mut children: Vec<Child> = Vec::new();
    let mut rest = Some(range.clone());
    while let Some(part) = rest.take() {
        let mut scan = ctx.store.view.scan(part)?;
        while let Some((entry, _)) = scan.next()? {
            let byte = entry.get(shared.len()).copied();
            if children.last().is_none_or(|child| child.byte != byte) {
                if children.len() == CLOSE_BRANCHES_MAX {
                    return Ok(None);
                }
                children.push(Child { byte, entries: 0 });
            }
            let Some(child) = children.last_mut() else {
                continue;
            };
            child.entries += 1;
            // The rest of a large branch is passed over.
            if child.entries > LEAF_KEYS_MAX {
                let next = branch_range(range, shared, byte).upper;
                rest = next
                    .filter(|_| byte != Some(u8::MAX))
                    .map(|lower| ScanRequest {
                        lower,
                        ..range.clone()
                    });
                break;
            }
        }
    }
    Ok(Some(children))
}

/// Chooses among the entries of `range` by the first byte in which they differ.
fn choose_branch(
    ctx: &mut DataCtx<'_>,
    forks: &mut Forks,
    range: &ScanRequest,
) -> Run<Option<Branch>> {
    let (Some(first), Some(last)) = (
        edge_entry(ctx, range.clone())?,
        edge_entry(ctx, range.clone().reversed())?,
    ) else {
        return Ok(None);
    };
    let common = first
        .iter()
        .zip(&last)
        .take_while(|(one, other)| one == other)
        .count();
    let shared = &last[..common];
    let mut known = forks.0.iter().position(|(lower, _)| *lower == range.lower);
    if known.is_none() && forks.0.len() < CLOSE_FORKS {
        let children = look_closely(ctx, range, shared)?;
        known = Some(forks.0.len());
        forks.0.push((range.lower.clone(), children));
    }
    match known.and_then(|at| forks.0[at].1.as_deref()) {
        Some(children) => Ok(choose_child(ctx, range, shared, children)),
        None => choose_by_gap(ctx, range, shared, &first, &last),
    }
}

fn choose_child(
    ctx: &mut DataCtx<'_>,
    range: &ScanRequest,
    shared: &[u8],
    children: &[Child],
) -> Option<Branch> {
    let total: u64 = children.iter().map(Child::weight).sum();
    let mut drawn = ctx.rng.below(total.max(1));
    let chosen = children.iter().find(|child| {
        let is_here = drawn < child.weight();
        drawn = drawn.saturating_sub(child.weight());
        is_here
    })?;
    Some(Branch {
        range: branch_range(range, shared, chosen.byte),
        unlikeliness: total as f64 / chosen.weight() as f64,
    })
}

/// A byte is drawn from between the lowest and the highest behind `shared`, and the branch of the first entry from there on is
/// taken: the more gap before it, the likelier.
fn choose_by_gap(
    ctx: &mut DataCtx<'_>,
    range: &ScanRequest,
    shared: &[u8],
    first: &[u8],
    last: &[u8],
) -> Run<Option<Branch>> {
    let common = shared.len();
    // An entry that ends where the others go on stands right before the lowest byte of those.
    let slot = |entry: &[u8]| entry.get(common).map(|&byte| i32::from(byte));
    let lowest_byte = match slot(first) {
        Some(byte) => byte,
        None => match edge_entry(ctx, range.behind(first))? {
            Some(second) => slot(&second).unwrap_or(0),
            None => 0,
        },
    };
    let lowest = lowest_byte - i32::from(first.len() == common);
    let highest = slot(last).unwrap_or(lowest);
    let slots = (highest - lowest + 1) as u64;
    let drawn = lowest + ctx.rng.below(slots) as i32;
    if drawn == lowest {
        return Ok(Some(Branch {
            range: branch_range(range, shared, first.get(common).copied()),
            unlikeliness: slots as f64,
        }));
    }
    let split = [shared, &[drawn as u8]].concat();
    let from_split = ScanRequest {
        lower: split.clone(),
        ..range.clone()
    };
    let below_split = ScanRequest {
        upper: Some(split),
        ..range.clone().reversed()
    };
    let (Some(next), Some(previous)) =
        (edge_entry(ctx, from_split)?, edge_entry(ctx, below_split)?)
    else {
        return Ok(None);
    };
    let gap = slot(&next).unwrap_or(lowest) - slot(&previous).unwrap_or(lowest);
    Ok(Some(Branch {
        range: branch_range(range, shared, next.get(common).copied()),
        unlikeliness: slots as f64 / f64::from(gap),
    }))
}

/// The entries that go on with `byte` behind what they share; without one, the entry that ends there.
fn branch_range(range: &ScanRequest, shared: &[u8], byte: Option<u8>) -> ScanRequest {
    let upper = match byte {
        None => Some([shared, &[0]].concat()),
        // The last byte's branch ends where the range does.
        Some(u8::MAX) => range.upper.clone(),
        Some(byte) => Some([shared, &[byte + 1]].concat()),
    };
    let mut lower = shared.to_vec();
    lower.extend(byte);
    ScanRequest {
        lower,
        upper,
        ..range.clone()
    }
}

/// The first entry that a scan meets, as it is on disk.
fn edge_entry(ctx: &mut DataCtx<'_>, request: ScanRequest) -> Run<Option<Vec<u8>>> {
    let mut scan = ctx.store.view.scan(request.at_most(1))?;
    Ok(scan.next()?.map(|(entry, _)| entry.to_vec()))
}
