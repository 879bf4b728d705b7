//! The simulation in `cargo test`: many seeds, the same trace for the same seed, and seeds that notice what was taken out.

use super::mutation::{Part, Without};
use super::one_node;
use super::seeds::{run_all, try_seed};

/// Seeds of a run without `STILLPOINT_SEEDS`: some ten seconds, in either build.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 1000 };

#[test]
fn one_node_keeps_its_promises() {
    run_all(
        "simulation::tests::one_node_keeps_its_promises",
        SEEDS,
        one_node::run,
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let hash = |seed| try_seed(one_node::run, seed, false).1.hash();
    for seed in 0..5 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(0), hash(1));
}

/// The first of these seeds that fails without a part of the server, and how.
fn noticed(part: Part, seeds: std::ops::Range<u64>) -> Option<(u64, String)> {
    let _without = Without::new(part);
    seeds.into_iter().find_map(|seed| {
        try_seed(one_node::run, seed, false)
            .0
            .err()
            .map(|text| (seed, text))
    })
}

#[test]
fn a_gate_that_ignores_the_pause_is_noticed() {
    let (seed, text) = noticed(Part::PauseCheck, 0..10).expect("a seed that fails");
    println!("seed {seed}: {text}");
    assert!(text.contains("paused"), "{text}");
}

#[test]
fn replies_that_do_not_wait_for_their_commit_are_noticed() {
    let (seed, text) = noticed(Part::ReplyGating, 0..50).expect("a seed that fails");
    println!("seed {seed}: {text}");
}
