//! Union, intersection and difference of sorted sets and sets.
//!
//! A set counts as a sorted set with all scores 1. Both keep their members in `default` in the order of their bytes, so two
//! of them are compared by reading side by side, or by looking members up when one is much smaller.

use std::collections::HashMap;

use super::{Scored, decode};
use crate::command::halt::Run;
use crate::error::WRONG_TYPE;
use crate::storage::cf::Cf;
use crate::storage::metadata::Type;
use crate::storage::scan::ScanRequest;
use crate::storage::store::{Elements, Store};

/// How many times larger a source must be for looking members up in it to be cheaper than reading it all.
const LOOKUP_FACTOR: u64 = 8;

/// How the scores of one member in several sources become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Aggregate {
    #[default]
    Sum,
    Min,
    Max,
}

impl Aggregate {
    /// `total` with `score` taken in. A sum that is no number (infinities of both signs) is 0.
    fn take_in(self, total: f64, score: f64) -> f64 {
        match self {
            Aggregate::Sum => zero_if_nan(total + score),
            Aggregate::Min if score < total => score,
            Aggregate::Max if score > total => score,
            Aggregate::Min | Aggregate::Max => total,
        }
    }
}

fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A set or sorted set to combine; of an absent key, an empty one.
pub struct Source {
    /// What its scores are multiplied with.
    pub weight: f64,
    len: u64,
    elements: Option<Elements>,
    /// A plain set: its elements have no score of their own.
    is_set: bool,
}

impl Source {
    /// What is at `key`, with weight 1; WRONGTYPE when that is neither a set nor a sorted set.
    pub fn open(store: &mut Store<'_>, key: &[u8]) -> Run<Source> {
        let header = store.header(key)?;
        let is_set = match header.as_ref().map(|header| header.kind()) {
            Some(Type::Set) => true,
            Some(Type::Zset) | None => false,
            Some(_) => return Err(WRONG_TYPE.into()),
        };
        store.looked_up(key, header.is_some());
        Ok(Source {
            weight: 1.0,
            len: header.as_ref().map_or(0, |header| header.size),
            elements: header.map(|header| store.elements(key, &header)),
            is_set,
        })
    }

    fn score_in(&self, value: &[u8]) -> Run<f64> {
        if self.is_set {
            return Ok(1.0);
        }
        decode(value)
    }

    /// Calls `visit` on every member and its own score, in the order of the members' bytes.
    fn each(&self, store: &mut Store<'_>, mut visit: impl FnMut(&[u8], f64)) -> Run {
        let Some(elements) = &self.elements else {
            return Ok(());
        };
        let request = ScanRequest::prefix(Cf::Default, elements.prefix());
        let mut scan = store.view.scan(request)?;
        while let Some((key, value)) = scan.next()? {
            visit(elements.element(key), self.score_in(value)?);
        }
        Ok(())
    }

    fn find(&mut self, store: &mut Store<'_>, member: &[u8]) -> Run<Option<f64>> {
        let Some(elements) = &mut self.elements else {
            return Ok(None);
        };
        let value = store.view.get(Cf::Default, elements.key(member))?;
        value.map(|value| self.score_in(&value)).transpose()
    }

    /// Calls `found` for each of `candidates` (in the order of their bytes) with its score here, if it is a member.
    fn match_up(
        &mut self,
        store: &mut Store<'_>,
        candidates: &mut [Candidate],
        found: impl Fn(&mut Candidate, f64),
    ) -> Run {
        if candidates.len() as u64 * LOOKUP_FACTOR < self.len {
            for at in 0..candidates.len() {
                let score = self.find(store, &candidates[at].member);
                if let Some(elements) = &mut self.elements {
                    let others = candidates[at + 1..].iter();
                    elements.want_if_cold(&score, store, || others.map(|other| &other.member[..]));
                }
                if let Some(score) = score? {
                    found(&mut candidates[at], score);
                }
            }
            return Ok(());
        }
        let mut rest = candidates;
        self.each(store, |member, score| {
            let below = rest
                .iter()
                .take_while(|candidate| *candidate.member < *member)
                .count();
            rest = &mut std::mem::take(&mut rest)[below..];
            if let Some(candidate) = rest.first_mut()
                && *candidate.member == *member
            {
                found(candidate, score);
            }
        })
    }
}

/// A member that may be in the result.
struct Candidate {
    member: Box<[u8]>,
    score: f64,
    /// Whether it was found in the source looked at last.
    found: bool,
}

/// The members of any of `sources`. In no particular order.
pub fn union(
    store: &mut Store<'_>,
    mut sources: Vec<Source>,
    aggregate: Aggregate,
) -> Run<Vec<Scored>> {
    // The order of Redis: sums of floats depend on it.
    sources.sort_by_key(|source| source.len);
    let mut totals: HashMap<Box<[u8]>, f64, foldhash::fast::RandomState> = HashMap::default();
    for source in &sources {
        source.each(store, |member, score| {
            let score = zero_if_nan(source.weight * score);
            match totals.get_mut(member) {
                Some(total) => *total = aggregate.take_in(*total, score),
                None => {
                    totals.insert(member.into(), score);
                }
            }
        })?;
    }
    Ok(totals.into_iter().collect())
}

/// The members of all of `sources`, of which there is at least one. In no particular order.
pub fn intersection(
    store: &mut Store<'_>,
    mut sources: Vec<Source>,
    aggregate: Aggregate,
) -> Run<Vec<Scored>> {
    sources.sort_by_key(|source| source.len);
    let Some((first, others)) = sources.split_first_mut() else {
        return Ok(Vec::new());
    };
    let weight = first.weight;
    let mut candidates = candidates(store, first, |score| zero_if_nan(weight * score))?;
    for other in others {
        if candidates.is_empty() {
            break;
        }
        let weight = other.weight;
        other.match_up(store, &mut candidates, |candidate, score| {
            candidate.found = true;
            candidate.score = aggregate.take_in(candidate.score, weight * score);
        })?;
        retain(&mut candidates, true);
    }
    Ok(members(candidates))
}

/// The members of the first of `sources` that are in none of the others. In no particular order.
pub fn difference(store: &mut Store<'_>, mut sources: Vec<Source>) -> Run<Vec<Scored>> {
    let Some((first, others)) = sources.split_first_mut() else {
        return Ok(Vec::new());
    };
    let mut candidates = candidates(store, first, |score| score)?;
    for other in others {
        if candidates.is_empty() {
            break;
        }
        other.match_up(store, &mut candidates, |candidate, _| {
            candidate.found = true
        })?;
        retain(&mut candidates, false);
    }
    Ok(members(candidates))
}

fn candidates(
    store: &mut Store<'_>,
    source: &Source,
    score_of: impl Fn(f64) -> f64,
) -> Run<Vec<Candidate>> {
    let mut candidates = Vec::new();
    source.each(store, |member, score| {
        candidates.push(Candidate {
            member: member.into(),
            score: score_of(score),
            found: false,
        });
    })?;
    Ok(candidates)
}

/// Keeps the candidates that were found in the last source, or those that were not.
fn retain(candidates: &mut Vec<Candidate>, found: bool) {
    candidates.retain_mut(|candidate| std::mem::take(&mut candidate.found) == found);
}

fn members(candidates: Vec<Candidate>) -> Vec<Scored> {
    candidates
        .into_iter()
        .map(|candidate| (candidate.member, candidate.score))
        .collect()
}

/// Puts members into the order of a sorted set: by score, then by bytes.
pub fn sort(members: &mut [Scored]) {
    members.sort_unstable_by(|(a, a_score), (b, b_score)| {
        // Scores are never NaN; the two zeros are equal here.
        let by_score = a_score.partial_cmp(b_score);
        by_score
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| a.cmp(b))
    });
}
