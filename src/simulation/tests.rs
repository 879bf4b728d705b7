//! The simulation in `cargo test`: many seeds, the same trace for the same seed, and seeds that notice what was taken out.

use std::io::{Read, Write};

use super::mutation::{Part, Without};
use super::network::Delays;
use super::one_node;
use super::seeds::{Run, run_all, try_seed};
use super::trace::Trace;
use super::two_or_three_nodes;
use super::world::World;
use crate::command::context::Rng;
use crate::config::Config;
use crate::storage::rocks::simulated::Crash;

/// Seeds of a run without `STILLPOINT_SEEDS`: some ten seconds, in either build.
const SEEDS: u64 = if cfg!(debug_assertions) { 100 } else { 2000 };

/// The same for several nodes.
const NODES_SEEDS: u64 = if cfg!(debug_assertions) { 60 } else { 1000 };

#[test]
fn one_node_keeps_its_promises() {
    run_all(
        "simulation::tests::one_node_keeps_its_promises",
        SEEDS,
        one_node::run,
    );
}

#[test]
fn two_or_three_nodes_keep_their_promises() {
    run_all(
        "simulation::tests::two_or_three_nodes_keep_their_promises",
        NODES_SEEDS,
        two_or_three_nodes::run,
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let hash = |seed| try_seed(one_node::run, seed, false).1.hash();
    for seed in 0..5 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(0), hash(1));
    let hash = |seed| try_seed(two_or_three_nodes::run, seed, false).1.hash();
    for seed in 0..3 {
        assert_eq!(hash(seed), hash(seed), "seed {seed} of several nodes");
    }
    assert_ne!(hash(0), hash(1));
}

#[test]
fn the_seeds_meet_every_kind_of_harm() {
    let mut met = String::new();
    for seed in 0..25 {
        let (_, trace) = try_seed(one_node::run, seed, true);
        met.push_str(&trace.lines().join("\n"));
    }
    for what in [
        "crashes: Process",
        "crashes: Power",
        "exits with 4",
        "the disk stalls",
        "reached: true",
        "reached: false",
        "stands still",
        "is closed",
        "leaves",
        "subscriber hears",
        "operator unpauses",
        "MISCONF",
        "the database cannot be opened again",
        "Array(None)",
    ] {
        assert!(met.contains(what), "no seed meets '{what}'");
    }
}

/// The first of these seeds that fails without a part of the server, and how.
fn noticed(run: Run, part: Part, seeds: std::ops::Range<u64>) -> Option<(u64, String)> {
    let _without = Without::new(part);
    seeds
        .into_iter()
        .find_map(|seed| try_seed(run, seed, false).0.err().map(|text| (seed, text)))
}

#[test]
fn a_gate_that_ignores_the_pause_is_noticed() {
    let (seed, text) = noticed(one_node::run, Part::PauseCheck, 0..10).expect("a seed that fails");
    println!("seed {seed}: {text}");
    assert!(text.contains("paused"), "{text}");
}

#[test]
fn replies_that_do_not_wait_for_their_commit_are_noticed() {
    let (seed, text) = noticed(one_node::run, Part::ReplyGating, 0..50).expect("a seed that fails");
    println!("seed {seed}: {text}");
}

#[test]
fn nodes_talk_over_links_that_are_cut_healed_and_lost() {
    let mut trace = Trace::new(false);
    let mut world = World::new(Rng::new(1), &mut trace);
    let nodes = [0, 1].map(|_| {
        let node = world.add_node(Config::default());
        world.start(node).expect("a node");
        node
    });
    let (link, mut stream) = world.connect_nodes(nodes[0], nodes[1], Delays::NONE);
    let heard = |world: &mut World<'_>, stream: &mut dyn Read, us: u64| {
        let end_us = world.now_us + us;
        while world.now_us < end_us {
            world.step();
        }
        let mut buffer = [0; 100];
        stream
            .read(&mut buffer)
            .map(|bytes| String::from_utf8_lossy(&buffer[..bytes]).into_owned())
            .ok()
    };
    stream.write_all(b"PING\r\n").expect("room");
    assert_eq!(
        heard(&mut world, &mut stream, 500_000).as_deref(),
        Some("+PONG\r\n")
    );
    world.set_cut(link, true);
    stream.write_all(b"PING\r\n").expect("room");
    assert_eq!(heard(&mut world, &mut stream, 500_000), None);
    world.set_cut(link, false);
    assert_eq!(
        heard(&mut world, &mut stream, 500_000).as_deref(),
        Some("+PONG\r\n")
    );
    world.crash(nodes[1], Crash::Process);
    assert_eq!(
        heard(&mut world, &mut stream, 500_000).as_deref(),
        Some(""),
        "the end"
    );
}

#[test]
fn the_seeds_of_several_nodes_meet_every_kind_of_harm() {
    let mut met = String::new();
    for seed in 0..25 {
        let (_, trace) = try_seed(two_or_three_nodes::run, seed, true);
        met.push_str(&trace.lines().join("\n"));
    }
    for what in [
        "crashes: Process",
        "crashes: Power",
        "exits with 0",
        "stands still",
        "stalls",
        "nothing gets from",
        "is cut",
        "break",
        "gives his word",
        "OfferLink",
        "WalReader",
        "[\"FAILOVER\", \"ABORT\"]",
        "\"FORCE\"",
        "SIGTERM",
        "[\"SLAVEOF\", \"NO\", \"ONE\"]",
        "has taken over",
        "bytes of its state",
        "is killed",
        "UNBLOCKED",
        "has fetched copy",
        "is cut off:",
    ] {
        assert!(met.contains(what), "no seed meets '{what}'");
    }
}

/// Asserts that this seed of several nodes fails without the part, for a reason that holds one of `words`, and not with it.
fn assert_noticed(part: Part, seed: u64, words: &[&str]) {
    let (_, text) = noticed(two_or_three_nodes::run, part, seed..seed + 1)
        .unwrap_or_else(|| panic!("seed {seed} does not notice that {part:?} is out"));
    println!("seed {seed} without {part:?}: {text}");
    assert!(words.iter().any(|word| text.contains(word)), "{text}");
    let (with, _) = try_seed(two_or_three_nodes::run, seed, false);
    assert_eq!(with, Ok(()), "seed {seed} with {part:?}");
}

#[test]
fn seed_13_notices_a_switch_without_the_gate() {
    assert_noticed(Part::PauseCheck, 13, &["a primary hands over at"]);
}

#[test]
fn seed_6_notices_a_switch_without_the_drain() {
    assert_noticed(Part::Drain, 6, &["a primary hands over at"]);
}

#[test]
fn seed_0_notices_a_role_that_is_not_durable() {
    assert_noticed(Part::DurableRole, 0, &["accept writes at the same time"]);
}

#[test]
fn seed_316_notices_a_cancelled_offer_that_is_honoured() {
    assert_noticed(Part::TokenCheck, 316, &["accept writes"]);
}

#[test]
fn seed_35_notices_a_wait_that_counts_replicas_that_lag() {
    assert_noticed(Part::Acknowledgements, 35, &["the log lacks"]);
}

#[test]
fn seed_0_notices_clients_that_wait_on_in_vain() {
    assert_noticed(Part::Unblocking, 0, &["clients wait in vain"]);
}

/// A replica by its configuration that was killed before its first role was written came back as a primary.
#[test]
fn seed_0_notices_a_first_state_with_another_role() {
    assert_noticed(Part::ConfiguredRole, 0, &["accept writes at the same time"]);
}

/// What was at the flusher when the feeder started reached no replica before the next write, which a FAILOVER held back.
#[test]
fn seed_204_notices_a_backlog_that_is_not_fed() {
    assert_noticed(Part::Backlog, 204, &["it does not come about"]);
}
