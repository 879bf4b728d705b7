//! Two nodes, each with both machines, on a virtual clock: messages delayed, repeated, lost and late, disks that fail, processes
//! that are killed at any point and come back with what their disk holds.
//!
//! After every step: at most one node accepts writes, a node that accepts writes holds every write that was acknowledged, no cancelled
//! token is taken, and writes are parked exactly while the role is open. In the end, with everything mended, every failover
//! ends by itself and one node accepts writes.

mod steps;
mod world;

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::failover::Ticket;
use crate::replication::takeover::wire::Token;
use world::{Role, World};

fn steps() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((any::<u8>(), any::<u8>()), 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_two_nodes_accept_writes_whatever_fails(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.mend();
    }
}

/// That the steps above reach what they are about: without faults a switch succeeds, again and again, in both directions.
#[test]
fn switches_succeed_back_and_forth() {
    let mut world = World::new();
    for turn in 0..6 {
        let old = turn % 2;
        world.write(old);
        world.replicate(1 - old, 100);
        world.begin(old, 1);
        world.write(old);
        world.mend();
        assert!(
            world.accepts_writes(1 - old) && world.nodes[old].role == Role::Replica,
            "switch {turn}"
        );
        world.write(1 - old);
    }
    assert_eq!(world.acked.len(), 18);
}

#[test]
fn tokens_differ() {
    let mut seen = BTreeSet::new();
    let mut world = World::new();
    for _ in 0..3 {
        world.replicate(1, 9);
        world.begin(0, 1);
        let Some((_, state)) = world.nodes[0].writes.back() else {
            panic!("the pending offer is written first");
        };
        let token: Token = state.pending.as_ref().expect("pending").token;
        assert!(seen.insert(token.to_string()));
        let now = world.now();
        let actions = world.nodes[0]
            .failover
            .abort(Ticket(2), &now)
            .expect("one runs");
        world.run(0, actions);
    }
}
