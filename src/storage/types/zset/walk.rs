//! Walking the score index: parts of a sorted set in order, forwards or backwards, and how many members they have.
//!
//! A short scan from an end begins where [`crate::storage::edges`] knows the end to be. RocksDB counts nothing, so a rank or a count is a scan. It is kept short by looking from both ends first: see
//! [`Zset::count`].

use std::ops::ControlFlow;

use super::{Scored, Zset};
use crate::command::halt::Run;
use crate::limits::SCAN_ENTRIES_INLINE_MAX;
use crate::storage::cf::Cf;
use crate::storage::edges::just_above;
use crate::storage::scan::ScanRequest;
use crate::storage::store::Store;
use crate::storage::types::score::{self, SCORE_BYTES, ScoreRange};

/// How far a count looks in each direction before it settles for a long scan.
const COUNT_PROBE: u64 = 512;

/// A connected part of the score index: entries (score and member, without the set's prefix) from one on and below another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    from: Vec<u8>,
    /// `None` is the end of the set.
    below: Option<Vec<u8>>,
}

impl Stretch {
    /// The whole set.
    pub fn everything() -> Stretch {
        Stretch {
            from: Vec::new(),
            below: None,
        }
    }

    /// Members whose score is in `range`, which must not be empty.
    pub fn scores(range: ScoreRange) -> Stretch {
        // Infinite ends are the ends of the set: a scan from there is known to begin at its first entry, or its last.
        let from = match range.from > score::code(f64::NEG_INFINITY) {
            true => range.from.to_be_bytes().to_vec(),
            false => Vec::new(),
        };
        let below =
            (range.below <= score::code(f64::INFINITY)).then(|| range.below.to_be_bytes().to_vec());
        Stretch { from, below }
    }

    /// Everything before `member` at `score`.
    pub fn before(member: &[u8], score: f64) -> Stretch {
        Stretch {
            from: Vec::new(),
            below: Some([&score::encode(score), member].concat()),
        }
    }

    /// Members of `range` among those with the score of `code`; the range must not be empty.
    fn members(code: u64, range: &LexRange<'_>) -> Stretch {
        let score = code.to_be_bytes();
        let entry = |member: &[u8], after: &[u8]| [&score, member, after].concat();
        Stretch {
            from: match range.min {
                // A `Max` here makes the range empty; the end of this score is right for it too.
                LexBound::Max => (code + 1).to_be_bytes().to_vec(),
                LexBound::Min => score.to_vec(),
                LexBound::Inclusive(member) => entry(member, b""),
                LexBound::Exclusive(member) => entry(member, b"\0"),
            },
            below: Some(match range.max {
                LexBound::Min => score.to_vec(),
                LexBound::Max => (code + 1).to_be_bytes().to_vec(),
                LexBound::Inclusive(member) => entry(member, b"\0"),
                LexBound::Exclusive(member) => entry(member, b""),
            }),
        }
    }

    fn is_everything(&self) -> bool {
        self.from.is_empty() && self.below.is_none()
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Below every member.
    Min,
    /// Above every member.
    Max,
    Inclusive(&'a [u8]),
    Exclusive(&'a [u8]),
}

/// Members between two ends, in the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    pub min: LexBound<'a>,
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether no member can be in it.
    pub fn is_empty(&self) -> bool {
        use LexBound::{Exclusive, Inclusive, Max, Min};
        match (self.min, self.max) {
            (Max, _) | (_, Min) => true,
            (Min, _) | (_, Max) => false,
            (Inclusive(min), Inclusive(max)) => min > max,
            (Inclusive(min) | Exclusive(min), Inclusive(max) | Exclusive(max)) => min >= max,
        }
    }

    fn is_above_min(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Min => true,
            LexBound::Max => false,
            LexBound::Inclusive(min) => member >= min,
            LexBound::Exclusive(min) => member > min,
        }
    }

    fn is_below_max(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Min => false,
            LexBound::Max => true,
            LexBound::Inclusive(max) => member <= max,
            LexBound::Exclusive(max) => member < max,
        }
    }
}

/// From which end, and which of the entries met: after `skip` of them, at most `take`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub reverse: bool,
    pub skip: u64,
    pub take: u64,
}

impl Window {
    /// All entries, from the low end or the high one.
    pub fn all(reverse: bool) -> Window {
        Window {
            reverse,
            skip: 0,
            take: u64::MAX,
        }
    }

    /// The first `take` entries, from the low end or the high one.
    pub fn first(take: u64, reverse: bool) -> Window {
        Window {
            reverse,
            skip: 0,
            take,
        }
    }
}

impl Zset<'_> {
    /// Calls `visit` on the members of `stretch` that lie in `window`, in the window's direction.
    pub fn walk(
        &self,
        store: &mut Store<'_>,
        stretch: &Stretch,
        window: Window,
        mut visit: impl FnMut(f64, &[u8]),
    ) -> Run {
        if window.take == 0 {
            return Ok(());
        }
        let mut left = window.take;
        let mut skip = window.skip;
        let at_most = window.skip.saturating_add(window.take);
        self.step(store, stretch, window.reverse, at_most, |score, member| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            visit(score, member);
            left -= 1;
            go_on(left != 0)
        })
    }

    /// The same, gathered.
    pub fn collect(
        &self,
        store: &mut Store<'_>,
        stretch: &Stretch,
        window: Window,
    ) -> Run<Vec<Scored>> {
        let mut members = Vec::new();
        self.walk(store, stretch, window, |score, member| {
            members.push((member.into(), score));
        })?;
        Ok(members)
    }

    /// Calls `visit` on the members of ranks `first` to `last`, counted from the low end or (`reverse`) the high one, in
    /// that order. The scan begins at whichever end is nearer.
    pub fn walk_ranks(
        &self,
        store: &mut Store<'_>,
        (first, last): (u64, u64),
        reverse: bool,
        mut visit: impl FnMut(f64, &[u8]),
    ) -> Run {
        let take = last - first + 1;
        let skip_from_far_end = self.len().saturating_sub(last + 1);
        if first <= skip_from_far_end {
            let window = Window {
                reverse,
                skip: first,
                take,
            };
            return self.walk(store, &Stretch::everything(), window, visit);
        }
        let window = Window {
            reverse: !reverse,
            skip: skip_from_far_end,
            take,
        };
        let members = self.collect(store, &Stretch::everything(), window)?;
        for (member, score) in members.iter().rev() {
            visit(*score, member);
        }
        Ok(())
    }

    /// How many members are in `stretch`.
    ///
    /// Looks for the end of the stretch, then of what is outside it, a little way each; only a count with both long is a
    /// scan of the whole stretch.
    pub fn count(&self, store: &mut Store<'_>, stretch: &Stretch) -> Run<u64> {
        if stretch.is_everything() {
            return Ok(self.len());
        }
        if let Some(inside) = self.count_up_to(store, stretch, COUNT_PROBE)? {
            return Ok(inside);
        }
        if let Some(outside) = self.count_outside(store, stretch)? {
            return Ok(self.len().saturating_sub(outside));
        }
        let mut inside = 0;
        self.walk(store, stretch, Window::all(false), |_, _| inside += 1)?;
        Ok(inside)
    }

    fn count_outside(&self, store: &mut Store<'_>, stretch: &Stretch) -> Run<Option<u64>> {
        let mut outside = 0;
        if !stretch.from.is_empty() {
            let before = Stretch {
                from: Vec::new(),
                below: Some(stretch.from.clone()),
            };
            match self.count_up_to(store, &before, COUNT_PROBE)? {
                Some(count) => outside += count,
                None => return Ok(None),
            }
        }
        if let Some(below) = &stretch.below {
            let after = Stretch {
                from: below.clone(),
                below: None,
            };
            match self.count_up_to(store, &after, COUNT_PROBE)? {
                Some(count) => outside += count,
                None => return Ok(None),
            }
        }
        Ok(Some(outside))
    }

    /// How many members are in `stretch`, unless they are more than `limit`.
    fn count_up_to(
        &self,
        store: &mut Store<'_>,
        stretch: &Stretch,
        limit: u64,
    ) -> Run<Option<u64>> {
        let mut count = 0;
        let window = Window::first(limit + 1, false);
        self.walk(store, stretch, window, |_, _| count += 1)?;
        Ok((count <= limit).then_some(count))
    }

    /// Calls `visit` on the members of `range` that lie in `window`.
    ///
    /// With equal scores, members are in the order of their bytes and the range is one stretch. With different ones Redis
    /// leaves the result open; what its compact encoding does is done here: it looks in score order for the first member
    /// that passes the near end, and goes on while members pass the far one.
    pub fn walk_lex(
        &self,
        store: &mut Store<'_>,
        range: &LexRange<'_>,
        window: Window,
        mut visit: impl FnMut(f64, &[u8]),
    ) -> Run {
        if range.is_empty() || window.take == 0 {
            return Ok(());
        }
        let Some(ends) = self.ends(store)? else {
            return Ok(());
        };
        if let Some(code) = ends.common_score() {
            return self.walk(store, &Stretch::members(code, range), window, visit);
        }
        if !range.is_above_min(&ends.last.0) || !range.is_below_max(&ends.first.0) {
            return Ok(());
        }
        let is_past_near = |member: &[u8]| match window.reverse {
            false => range.is_above_min(member),
            true => range.is_below_max(member),
        };
        let is_before_far = |member: &[u8]| match window.reverse {
            false => range.is_below_max(member),
            true => range.is_above_min(member),
        };
        let mut begun = false;
        let Window {
            mut skip, mut take, ..
        } = window;
        let all = Stretch::everything();
        self.step(store, &all, window.reverse, u64::MAX, |score, member| {
            if !begun {
                if !is_past_near(member) {
                    return ControlFlow::Continue(());
                }
                begun = true;
                if !is_before_far(member) {
                    return ControlFlow::Break(());
                }
            }
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            if !is_before_far(member) {
                return ControlFlow::Break(());
            }
            visit(score, member);
            take -= 1;
            go_on(take != 0)
        })
    }

    /// How many members are in `range`, in the sense of [`Zset::walk_lex`].
    pub fn count_lex(&self, store: &mut Store<'_>, range: &LexRange<'_>) -> Run<u64> {
        if range.is_empty() {
            return Ok(0);
        }
        let code = self.ends(store)?.and_then(|ends| ends.common_score());
        if let Some(code) = code {
            return self.count(store, &Stretch::members(code, range));
        }
        let mut count = 0;
        self.walk_lex(store, range, Window::all(false), |_, _| count += 1)?;
        Ok(count)
    }

    /// The first and the last member.
    fn ends(&self, store: &mut Store<'_>) -> Run<Option<Ends>> {
        let all = Stretch::everything();
        let first = self.collect(store, &all, Window::first(1, false))?.pop();
        let last = self.collect(store, &all, Window::first(1, true))?.pop();
        Ok(first.zip(last).map(|(first, last)| Ends { first, last }))
    }

    fn step(
        &self,
        store: &mut Store<'_>,
        stretch: &Stretch,
        reverse: bool,
        at_most: u64,
        mut visit: impl FnMut(f64, &[u8]) -> ControlFlow<()>,
    ) -> Run {
        let prefix = self.elements.prefix();
        let mut request = ScanRequest::prefix(Cf::ZsetScore, prefix);
        request.lower.extend_from_slice(&stretch.from);
        if let Some(below) = &stretch.below {
            request.upper = Some([prefix, below].concat());
        }
        request.reverse = reverse;
        request.limit = usize::try_from(at_most).unwrap_or(usize::MAX);
        // A scan that may have to wait must ask for the same range when it is run again.
        let is_short = request.limit <= SCAN_ENTRIES_INLINE_MAX;
        if is_short {
            store.view.edges.narrow(prefix, &mut request);
        }
        let is_from_end = match reverse {
            false => stretch.from.is_empty(),
            true => stretch.below.is_none(),
        };
        // Where the set turns out to begin or, backwards, to end: behind the whole range unless an entry is met.
        let mut edge = match (is_short && is_from_end, reverse) {
            (false, _) => None,
            (true, false) => request.upper.clone(),
            (true, true) => Some(request.lower.clone()),
        };
        let mut is_met = false;
        let mut scan = store.view.scan(request)?;
        while let Some((key, _)) = scan.next()? {
            if !is_met {
                is_met = true;
                edge = edge.map(|_| {
                    if reverse {
                        just_above(key)
                    } else {
                        key.to_vec()
                    }
                });
            }
            let (score, member) = score::split(self.elements.element(key))?;
            if visit(score, member).is_break() {
                break;
            }
        }
        drop(scan);
        match edge {
            Some(edge) if reverse => store.view.edges.ends_below(prefix, &edge),
            Some(edge) => store.view.edges.begins_at(prefix, &edge),
            None => {}
        }
        Ok(())
    }
}

fn go_on(more: bool) -> ControlFlow<()> {
    match more {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

struct Ends {
    first: Scored,
    last: Scored,
}

impl Ends {
    /// The code of the score that all members have, if they have one.
    fn common_score(&self) -> Option<u64> {
        let code = score::code(self.first.1);
        (code == score::code(self.last.1)).then_some(code)
    }
}

const _: () = assert!(SCORE_BYTES == size_of::<u64>());
