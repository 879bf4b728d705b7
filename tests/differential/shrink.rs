//! Makes a failing list of steps small: delta debugging (Zeller, Hildebrandt 2002) over the recorded steps, both servers
//! emptied before each try.

use std::time::{Duration, Instant};

use crate::grammar::Args;
use crate::run::{Difference, Run};
use crate::step::Step;

/// How long shrinking may take: a list that is still long after this is better than no list.
const SHRINK_LIMIT: Duration = Duration::from_secs(60);

/// The shortest list found that still gives a difference on the same command, with that difference.
pub fn shrink(run: &mut Run, steps: &[Step], found: &Difference) -> (Vec<Step>, Difference) {
    let end = Instant::now() + SHRINK_LIMIT;
    let mut best = steps.to_vec();
    let mut difference = found.clone();
    let mut chunk_len = best.len().div_ceil(2);
    while chunk_len > 0 && Instant::now() < end {
        let mut at = 0;
        let mut shrunk = false;
        // From the end: what comes last matters most, and what is behind the difference not at all.
        while at < best.len() && Instant::now() < end {
            let to = best.len() - at;
            let from = to.saturating_sub(chunk_len);
            let candidate = [&best[..from], &best[to..]].concat();
            match reproduces(run, &candidate, found) {
                Some(again) => {
                    best = candidate;
                    best.truncate(again.step_idx + 1);
                    difference = again;
                    shrunk = true;
                    at = 0;
                }
                None => at += chunk_len,
            }
        }
        if !shrunk || chunk_len > 1 {
            chunk_len /= 2;
        }
    }
    (best, difference)
}

fn reproduces(run: &mut Run, steps: &[Step], found: &Difference) -> Option<Difference> {
    run.reset();
    let outcome = run.steps(steps).and_then(|()| {
        let last = steps.len().saturating_sub(1);
        run.compare_state().map_err(|difference| Difference {
            step_idx: last,
            ..difference
        })
    });
    outcome
        .err()
        .filter(|again| subject(&again.args) == subject(&found.args))
}

/// What a difference is about: the command's name, or any difference of the state.
pub fn subject(args: &Args) -> Vec<u8> {
    args.first()
        .map(|name| name.to_ascii_uppercase())
        .unwrap_or_default()
}

/// The last of `steps` that mention a key of `difference`, at most `count`.
pub fn last_touching<'a>(
    steps: &'a [Step],
    difference: &Difference,
    count: usize,
) -> Vec<&'a Step> {
    let keys = &difference.args[1.min(difference.args.len())..];
    let touches = |step: &&Step| {
        step.commands()
            .iter()
            .flatten()
            .any(|arg| keys.contains(arg))
    };
    let mut touching: Vec<&Step> = steps.iter().rev().filter(touches).take(count).collect();
    touching.reverse();
    touching
}
