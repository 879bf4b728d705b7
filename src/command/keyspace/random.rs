//! RANDOMKEY.
//!
//! Keys are sorted on disk and nobody knows how many there are, so the database is entered at several random places: from
//! the range of all keys down one branch of their names after the other, until few enough are left to count. A way down
//! that leads to few keys is taken as often as one that leads to many; each candidate is therefore weighed by how unlikely its
//! way was and how many keys stand at its end, and one is drawn by weight. With up to [`LEAF_KEYS_MAX`] keys
//! the draw is uniform, beyond nearly so.

use std::ops::ControlFlow;

use super::GROUP;
use crate::command::spec::{KeySpec, Spec};
use crate::command::{DataCtx, Run};
use crate::resp::Args;
use crate::storage::scan::ScanRequest;

/// As many keys are looked at one by one (some 0.3 us each).
const LEAF_KEYS_MAX: usize = 64;

/// Ways down whose ends are weighed against each other.
const CANDIDATES: usize = 4;

/// Tries before all keys are looked at, when only expired ones were met.
const ROUNDS: usize = 4;

pub(super) const RANDOMKEY: Spec = Spec::read("randomkey", 1, KeySpec::None, randomkey).doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Return a random key from the keyspace",
);

fn randomkey(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    for _ in 0..ROUNDS {
        let mut chosen = Leaf::default();
        let mut total = 0.0;
        for _ in 0..CANDIDATES {
            let leaf = descend(ctx)?;
            let is_everything = leaf.is_everything;
            total += leaf.weight;
            if leaf.weight > 0.0 && fraction(ctx) * total < leaf.weight {
                chosen = leaf;
            }
            if is_everything {
                if chosen.keys.is_empty() {
                    ctx.reply.null();
                    return Ok(());
                }
                break;
            }
        }
        if !chosen.keys.is_empty() {
            let at = ctx.rng.below(chosen.keys.len() as u64) as usize;
            ctx.reply.bulk(&chosen.keys[at]);
            return Ok(());
        }
    }
    any_live_key(ctx)
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
    /// Whether the way had no branch, so that these are all the keys of the database.
    is_everything: bool,
}

fn descend(ctx: &mut DataCtx<'_>) -> Run<Leaf> {
    let mut range = ctx.store.keys_beginning(b"");
    let mut unlikeliness = 1.0;
    let mut is_everything = true;
    loop {
        let mut keys = Vec::new();
        let mut visited = 0;
        let few = range.clone().at_most(LEAF_KEYS_MAX + 1);
        ctx.store.each_key(few, |key, header| {
            visited += 1;
            if header.is_some() {
                keys.push(key.into());
            }
            ControlFlow::Continue(())
        })?;
        if visited <= LEAF_KEYS_MAX {
            return Ok(Leaf {
                weight: unlikeliness * keys.len() as f64,
                keys,
                is_everything,
            });
        }
        is_everything = false;
        let Some(branch) = choose_branch(ctx, &range)? else {
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

/// Chooses among the entries of `range` by the first byte in which they differ. A byte is drawn from between the lowest and
/// the highest, and the branch of the first entry from there on is taken: the more gap before it, the likelier.
fn choose_branch(ctx: &mut DataCtx<'_>, range: &ScanRequest) -> Run<Option<Branch>> {
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
    // The entry that ends where the others go on comes before byte 0.
    let slot = |entry: &[u8]| entry.get(common).map_or(-1, |&byte| i32::from(byte));
    let (lowest, highest) = (slot(&first), slot(&last));
    let slots = (highest - lowest + 1) as u64;
    let drawn = lowest + ctx.rng.below(slots) as i32;
    if drawn == lowest {
        return Ok(Some(Branch {
            range: branch_range(range, shared, lowest),
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
    let gap = slot(&next) - slot(&previous);
    Ok(Some(Branch {
        range: branch_range(range, shared, slot(&next)),
        unlikeliness: slots as f64 / f64::from(gap),
    }))
}

/// The entries that go on with the byte `slot` behind what they share; for slot -1, the one entry that ends there.
fn branch_range(range: &ScanRequest, shared: &[u8], slot: i32) -> ScanRequest {
    let lower = match u8::try_from(slot) {
        Ok(byte) => [shared, &[byte]].concat(),
        Err(_) => shared.to_vec(),
    };
    let upper = match u8::try_from(slot + 1) {
        Ok(byte) => Some([shared, &[byte]].concat()),
        // Byte 255 is the last one: its branch ends where the range does.
        Err(_) => range.upper.clone(),
    };
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

/// One of all keys that exist, or null: for databases of almost nothing but expired keys.
fn any_live_key(ctx: &mut DataCtx<'_>) -> Run {
    let mut chosen: Option<Box<[u8]>> = None;
    let mut seen = 0;
    let request = ctx.store.keys_beginning(b"");
    let rng = &mut ctx.rng;
    ctx.store.each_key(request, |key, header| {
        if header.is_some() {
            seen += 1;
            if rng.below(seen) == 0 {
                chosen = Some(key.into());
            }
        }
        ControlFlow::Continue(())
    })?;
    ctx.reply.bulk_or_null(chosen.as_deref());
    Ok(())
}
