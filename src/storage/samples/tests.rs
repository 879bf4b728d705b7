//! What a sample gives, and that it follows the set.

use std::collections::{BTreeMap, BTreeSet};

use super::{ADDED_MAX, SETS_MAX, Samples};
use crate::command::context::Rng;
use crate::command::testing::Bench;

/// The member in a bulk reply.
fn given(bench: &mut Bench, command: &str) -> String {
    let reply = bench.run(command);
    reply
        .split_once(' ')
        .map(|(_, member)| member.to_owned())
        .unwrap_or(reply)
}

fn members(count: usize) -> impl Iterator<Item = Box<[u8]>> {
    (0..count).map(|number| format!("m{number}").into_bytes().into())
}

#[test]
fn a_whole_set_is_followed_and_drawn_from_evenly() {
    let mut samples = Samples::default();
    let mut rng = Rng::new(1);
    samples.keep(b"p", members(20), true);
    // Another set's, one that is there already, one that goes, one that goes and comes back, one that is new.
    samples.written(b"o-x");
    samples.written(b"pm3");
    samples.deleted(b"pm4");
    samples.deleted(b"pm5");
    samples.written(b"pm5");
    samples.written(b"pnew");
    let mut counts: BTreeMap<Box<[u8]>, u32> = BTreeMap::new();
    for _ in 0..2000 {
        let drawn = samples.draw(b"p", 20, &mut rng).expect("a member");
        *counts.entry(drawn).or_default() += 1;
    }
    let expected: BTreeSet<Box<[u8]>> = members(20)
        .filter(|member| **member != *b"m4")
        .chain([b"new".as_slice().into()])
        .collect();
    assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(counts.values().all(|count| (60..150).contains(count)));
    // It no longer says what the set says: it is dropped.
    assert_eq!(samples.draw(b"p", 21, &mut rng), None);
    assert!(samples.is_empty());
}

#[test]
fn a_part_of_a_set_is_used_up_and_new_members_have_their_share() {
    let mut samples = Samples::default();
    let mut rng = Rng::new(2);
    samples.keep(b"p", members(100), false);
    for number in 0..100 {
        samples.written(format!("pnew{number}").as_bytes());
    }
    let mut read = BTreeSet::new();
    let mut new = 0;
    // The set has 400 members, 100 of which are new: one draw in four gives one of those.
    while let Some(drawn) = samples.draw(b"p", 400, &mut rng) {
        if drawn.starts_with(b"new") {
            new += 1;
        } else {
            assert!(read.insert(drawn), "given twice");
        }
    }
    assert_eq!(read.len(), 100);
    assert!((15..60).contains(&new), "{new}");
}

#[test]
fn what_is_kept_is_bounded() {
    let mut samples = Samples::default();
    let mut rng = Rng::new(3);
    for number in 0..SETS_MAX + 5 {
        samples.keep(format!("{number:03}").as_bytes(), members(2), true);
        assert!(samples.draw(b"000", 2, &mut rng).is_some());
    }
    assert_eq!(samples.sets.len(), SETS_MAX);
    samples.keep(b"long", [vec![0; 300_000].into()], true);
    assert!(samples.draw(b"long", 1, &mut rng).is_none());
    samples.keep(b"many", members(2), false);
    for number in 0..=ADDED_MAX {
        samples.written(format!("many-{number}").as_bytes());
    }
    assert!(samples.draw(b"many", 5000, &mut rng).is_none());
    assert!(!samples.is_asked_again(b"p"));
    assert!(samples.is_asked_again(b"p"));
}

#[test]
fn pops_mixed_with_other_writes_give_each_member_once() {
    for size in [300, 3000] {
        let mut bench = Bench::new();
        bench.commit_each = false;
        let mut there = BTreeSet::new();
        let mut rng = Rng::new(size);
        for number in 0..size {
            bench.run(&format!("sadd s m{number}"));
            there.insert(format!("m{number}"));
        }
        let mut next = size;
        while !there.is_empty() {
            match rng.below(8) {
                0 => {
                    bench.run(&format!("sadd s m{next}"));
                    there.insert(format!("m{next}"));
                    next += 1;
                }
                1 => {
                    let name = format!("m{}", rng.below(next));
                    bench.run(&format!("srem s {name}"));
                    there.remove(&name);
                }
                2 => bench.commit(),
                3 => {
                    let reply = given(&mut bench, "srandmember s");
                    assert!(there.contains(&reply), "{reply}");
                }
                4 => {
                    // Taken back: everything is there again.
                    let mark = bench.view.begin_command();
                    bench.run("spop s");
                    bench.view.undo(mark);
                }
                _ => {
                    let reply = given(&mut bench, "spop s");
                    assert!(there.remove(&reply), "{reply} of {}", there.len());
                }
            }
        }
        assert_eq!(bench.run("exists s"), ":0");
    }
}
