//! Runs a scenario under many seeds, and says how to run one that fails again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::mutation::{Part, Without};
use super::trace::Trace;

/// One seed's run: fills the trace, panics where something does not hold.
pub type Run = fn(seed: u64, trace: &mut Trace);

/// Lines of the trace that are printed with a failure.
const LINES_SHOWN: usize = 120;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Whether a seed holds; with its trace.
pub fn try_seed(run: Run, seed: u64, keeps_text: bool) -> (Result<(), String>, Trace) {
    try_with(run, seed, Trace::new(keeps_text))
}

fn try_with(run: Run, seed: u64, mut trace: Trace) -> (Result<(), String>, Trace) {
    let result = catch_unwind(AssertUnwindSafe(|| run(seed, &mut trace)));
    let result = result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        text.unwrap_or_else(|| "a panic without words".to_owned())
    });
    (result, trace)
}

/// Runs `test` (its whole name) under seeds 0 to `count - 1`, or under what the environment says. Panics at the first seed that fails.
pub fn run_all(test: &str, count: u64, run: Run) {
    let one = number_from("STILLPOINT_SEED");
    let _without = std::env::var("STILLPOINT_WITHOUT").ok().map(|name| {
        let part = Part::ALL.iter().find(|(its, _)| *its == name);
        let names = Part::ALL.map(|(its, _)| its);
        Without::new(
            part.unwrap_or_else(|| panic!("'{name}' is none of {names:?}"))
                .1,
        )
    });
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..number_from("STILLPOINT_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let mut trace = Trace::new(false);
        trace.prints = one.is_some();
        let (result, trace) = try_with(run, seed, trace);
        if one.is_some() {
            println!("trace {:016x}", trace.hash());
        }
        let Err(text) = result else { continue };
        if one.is_none() {
            // The same seed gives the same failure; this time with its story.
            let (_, trace) = try_seed(run, seed, true);
            let skipped = trace.lines().len().saturating_sub(LINES_SHOWN);
            for line in &trace.lines()[skipped..] {
                println!("{line}");
            }
        }
        panic!(
            "seed {seed} fails: {text}\nagain: STILLPOINT_SEED={seed} cargo test --release --lib -- --exact {test} --nocapture"
        );
    }
}
