//! Changes of role beside a follower's thread, whose doings the test does not wait for either.

use bytes::Bytes;

use super::*;
use crate::server::testing::Bench;
use crate::storage::record::Record;
use crate::storage::rocks::simulated::Refusal;
use crate::storage::seq::Seq;

const ID: &str = "ABCDEFGHIJ012345";

/// A batch of one update that begins at `first`.
fn batch_at(first: Seq) -> ReceivedBatch {
    batch_of(first, ID, false)
}

/// The same of a primary with this id, which may announce it with an update more.
fn batch_of(first: Seq, id: &str, announces: bool) -> ReceivedBatch {
    let mut record = Record::default();
    record.put(Cf::Propagate, b"key", b"", b"value", 0);
    let (mut bytes, _) = record.encode(id, announces);
    bytes[..8].copy_from_slice(&first.get().to_le_bytes());
    let rules = BatchRules::new(
        crate::storage::keys::KeyCodec {
            slot_encoded: false,
        },
        Cf::COUNT as u32,
    );
    ReceivedBatch::validate(Bytes::from(bytes), &rules).expect("a valid batch")
}

fn replica(bench: &mut Bench) -> u64 {
    // Nobody listens there: port 1 of the loopback.
    bench.server().node.change_role(Goal::Replica {
        host: "127.0.0.1".to_owned(),
        port: 1,
    });
    bench.until("a primary is followed", |server| {
        server.following.follower.is_some()
    });
    bench.server().following.number
}

fn promote(bench: &mut Bench) {
    bench.server().node.change_role(Goal::Primary);
    bench.until("the node is a primary", |server| {
        server.node.role == Role::Primary
    });
}

#[test]
fn what_a_follower_said_before_a_promotion_is_applied() {
    let mut bench = Bench::start("said-before");
    let number = replica(&mut bench);
    let server = bench.server();
    let first = server.node.view.next_seq();
    let batch = FollowerEvent::Batch(batch_at(first));
    server.sender.send(LoopEvent::Follower(number, batch));
    promote(&mut bench);
    assert_eq!(bench.server().node.last_seq, first);
}

#[test]
fn what_is_written_after_a_change_of_role_waits_for_its_own_commit() {
    let mut bench = Bench::start("own-commit");
    replica(&mut bench);
    promote(&mut bench);
    let view = &mut bench.server().node.view;
    view.begin_command();
    view.put(Cf::Default, b"key", b"value");
    let group = view.close_group().expect("a group");
    assert!(
        group.id > view.committed_group(),
        "a group that was not submitted counts as committed"
    );
}

#[test]
fn what_a_follower_says_after_the_change_of_role_does_not_count() {
    let mut bench = Bench::start("said-after");
    let number = replica(&mut bench);
    promote(&mut bench);
    let next = bench.server().node.view.next_seq();
    // A thread that was in the middle of something says all of this when nobody asks any more.
    let late = |bench: &mut Bench| {
        for event in [
            FollowerEvent::Batch(batch_at(next)),
            FollowerEvent::CopyFetched,
            FollowerEvent::AskPosition,
            FollowerEvent::Stopped,
        ] {
            bench.server().follower_event(number, event);
        }
        bench.step();
        assert_eq!(bench.server().node.view.next_seq(), next);
        assert!(!bench.server().node.is_reopening);
    };
    late(&mut bench);
    // Nor for the follower of the next primary.
    let number_now = replica(&mut bench);
    assert_ne!(number_now, number);
    late(&mut bench);
    assert!(bench.server().following.follower.is_some());
}

#[test]
fn a_record_whose_commit_failed_is_not_presented() {
    let mut bench = Bench::start("failed-record");
    let number = replica(&mut bench);
    let receive = |bench: &mut Bench, id, announces| {
        let first = bench.server().node.view.next_seq();
        let batch = FollowerEvent::Batch(batch_of(first, id, announces));
        bench.server().follower_event(number, batch);
    };
    let presents = |server: &Server| server.node.replication.history.presents();
    receive(&mut bench, ID, true);
    bench.until("it is committed", |server| server.node.last_seq.get() == 2);
    bench.mounted.disk.faults(|faults| {
        faults.refuse_append = Some(Refusal {
            reached: false,
            is_known: true,
            syncs_still: true,
        });
    });
    // The first record of another term.
    receive(&mut bench, "0123456789ABCDEF", true);
    bench.until("the commit fails", |server| server.reopening.is_needed());
    // The link begins anew, and waits until the database tells where it stands.
    let server = bench.server();
    server.follower_event(number, FollowerEvent::AskPosition);
    assert!(server.following.asks_position);
    bench.until("the position is told", |server| {
        !server.following.asks_position
    });
    let server = bench.server();
    assert!(!server.reopening.is_needed());
    assert_eq!(server.node.last_seq, Seq::new(2));
    assert_eq!(presents(server), ReplicationId::from_bytes(ID.as_bytes()));
    assert_eq!(server.node.replication.history.second_repl_offset(), -1);
}
