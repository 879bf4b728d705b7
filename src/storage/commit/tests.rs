//! The commit path over a log that stalls and fails on command.
//!
//! Threads are real; every wait is for an event, with a deadline that only a failing test meets.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct FakeState {
    written: Vec<(Vec<u8>, WriteMode)>,
    seq: u64,
    syncs: u64,
    synced_records: usize,
    stalled: bool,
    fail_on: Option<Vec<u8>>,
    fail_sync: bool,
    /// A failed append stops syncs too, as in RocksDB.
    stops: bool,
    stopped: bool,
}

/// A log in memory; a record's length is the number of its updates.
#[derive(Clone, Default)]
struct FakeLog(Arc<(Mutex<FakeState>, Condvar)>);

impl FakeLog {
    fn change(&self, change: impl FnOnce(&mut FakeState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn look<T>(&self, look: impl FnOnce(&FakeState) -> T) -> T {
        look(&self.0.0.lock().unwrap())
    }

    fn records(&self) -> Vec<Vec<u8>> {
        self.look(|state| {
            state
                .written
                .iter()
                .map(|(record, _)| record.clone())
                .collect()
        })
    }
}

impl Log for FakeLog {
    fn write(&self, record: &[u8], mode: WriteMode) -> Result<(), WriteError> {
        let mut state = self.0.0.lock().unwrap();
        if state.stalled && mode.no_slowdown {
            return Err(WriteError::Stalled);
        }
        state = self.0.1.wait_while(state, |state| state.stalled).unwrap();
        if state.fail_on.as_deref() == Some(record) {
            state.stopped = state.stops;
            return Err(WriteError::Failed(CommitFailure {
                text: "no space".to_owned(),
                reached_wal: Some(false),
            }));
        }
        state.written.push((record.to_vec(), mode));
        state.seq += record.len() as u64;
        Ok(())
    }

    fn sync_wal(&self) -> Result<(), StoreError> {
        let mut state = self.0.0.lock().unwrap();
        if state.stopped {
            return Err(StoreError::Stopped {
                text: "previous error".to_owned(),
            });
        }
        if state.fail_sync {
            return Err(StoreError::Io {
                text: "sync refused".to_owned(),
            });
        }
        state.syncs += 1;
        state.synced_records = state.written.len();
        Ok(())
    }

    fn last_seq(&self) -> Seq {
        Seq::new(self.look(|state| state.seq))
    }

    fn is_stalled(&self) -> bool {
        self.look(|state| state.stalled)
    }
}

struct Bench {
    log: FakeLog,
    committer: Committer<FakeLog>,
    events: Receiver<CommitEvent>,
    next_id: u64,
}

impl Bench {
    fn new(policy: WalSync) -> Bench {
        let log = FakeLog::default();
        let (sender, events) = channel();
        let notify: Notify = Arc::new(move |event| drop(sender.send(event)));
        Bench {
            committer: Committer::start(log.clone(), policy, notify),
            log,
            events,
            next_id: 1,
        }
    }

    fn submit(&mut self, record: &[u8]) -> Submitted {
        let id = GroupId(self.next_id);
        self.next_id += 1;
        self.committer.submit(Group {
            id,
            first: Seq::ZERO,
            record: record.to_vec().into(),
            count: record.len() as u32,
        })
    }

    /// The next event that is not a sync of the syncer's; handed to the committer as the loop does.
    fn event(&mut self) -> CommitEvent {
        loop {
            let event = self.events.recv_timeout(DEADLINE).expect("an event");
            self.committer.handle(&event);
            if !matches!(event, CommitEvent::Synced { .. }) {
                return event;
            }
        }
    }

    /// Takes commits until this group is through.
    fn committed_up_to(&mut self, id: u64) -> Seq {
        loop {
            match self.event() {
                CommitEvent::Committed { up_to, seq } if up_to == GroupId(id) => return seq,
                CommitEvent::Committed { up_to, .. } => assert!(up_to < GroupId(id)),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn committed(seq: u64) -> Submitted {
    Submitted::Committed { seq: Seq::new(seq) }
}

#[test]
fn groups_are_appended_at_once_where_nothing_stands_in_the_way() {
    for policy in [WalSync::EverySecond, WalSync::No] {
        let mut bench = Bench::new(policy);
        assert_eq!(bench.submit(b"a"), committed(1));
        assert_eq!(bench.submit(b"bb"), committed(3));
        assert!(bench.committer.is_idle());
        let modes = bench.log.look(|state| {
            state
                .written
                .iter()
                .map(|(_, mode)| *mode)
                .collect::<Vec<_>>()
        });
        assert_eq!(
            modes,
            [WriteMode {
                no_slowdown: true,
                sync: false
            }; 2]
        );
    }
}

#[test]
fn a_large_group_and_those_behind_it_go_through_the_flusher_in_order() {
    let mut bench = Bench::new(WalSync::EverySecond);
    let large = vec![b'l'; INLINE_RECORD_BYTES_MAX + 1];
    assert_eq!(bench.submit(b"a"), committed(1));
    assert_eq!(bench.submit(&large), Submitted::Queued);
    assert_eq!(
        bench.submit(b"b"),
        Submitted::Queued,
        "behind a queued group"
    );
    assert_eq!(bench.committer.queued_bytes(), large.len() + 1);
    let seq = bench.committed_up_to(3);
    assert_eq!(seq, Seq::new(large.len() as u64 + 2));
    assert!(bench.committer.is_idle());
    assert_eq!(bench.committer.queued_bytes(), 0);
    assert_eq!(bench.log.records(), [b"a".to_vec(), large, b"b".to_vec()]);
    assert!(matches!(bench.submit(b"c"), Submitted::Committed { .. }));
}

#[test]
fn a_group_of_many_updates_goes_through_the_flusher() {
    let mut bench = Bench::new(WalSync::No);
    let many = |id, count| Group {
        id: GroupId(id),
        first: Seq::ZERO,
        record: b"a".to_vec().into(),
        count,
    };
    let inline = bench.committer.submit(many(1, INLINE_RECORD_UPDATES_MAX));
    assert_eq!(inline, committed(1));
    let queued = bench
        .committer
        .submit(many(2, INLINE_RECORD_UPDATES_MAX + 1));
    assert_eq!(queued, Submitted::Queued);
    bench.committed_up_to(2);
}

#[test]
fn with_sync_always_every_committed_group_is_synced() {
    let mut bench = Bench::new(WalSync::Always);
    for round in 1..=50u64 {
        assert_eq!(bench.submit(b"a"), Submitted::Queued);
        if round % 7 == 0 {
            bench.committed_up_to(round);
            assert_eq!(bench.log.look(|state| state.synced_records), round as usize);
            assert_eq!(bench.committer.synced_seq(), Some(Seq::new(round)));
        }
    }
    bench.committed_up_to(50);
    assert!(bench.log.look(|state| state.syncs) <= 50);
}

#[test]
fn a_stall_is_reported_waited_for_and_ends() {
    let mut bench = Bench::new(WalSync::EverySecond);
    bench.log.change(|state| state.stalled = true);
    assert_eq!(bench.submit(b"a"), Submitted::Queued);
    assert_eq!(
        bench.event(),
        CommitEvent::Stalled {
            waiting: GroupId(1)
        }
    );
    assert!(bench.committer.is_stalled());
    assert_eq!(bench.submit(b"b"), Submitted::Queued);
    assert!(bench.log.records().is_empty());
    bench.log.change(|state| state.stalled = false);
    let mut resumed = false;
    let mut up_to = GroupId(0);
    while up_to < GroupId(2) || !resumed {
        match bench.event() {
            CommitEvent::Committed { up_to: newer, .. } => up_to = newer,
            CommitEvent::Resumed => resumed = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(!bench.committer.is_stalled());
    assert_eq!(bench.log.records(), [b"a", b"b"]);
    assert_eq!(bench.submit(b"c"), committed(3));
}

#[test]
fn the_end_of_a_stall_is_noticed_without_a_further_group() {
    let mut bench = Bench::new(WalSync::EverySecond);
    bench.log.change(|state| state.stalled = true);
    bench.submit(b"a");
    assert_eq!(
        bench.event(),
        CommitEvent::Stalled {
            waiting: GroupId(1)
        }
    );
    bench.log.change(|state| state.stalled = false);
    assert_eq!(
        bench.event(),
        CommitEvent::Committed {
            up_to: GroupId(1),
            seq: Seq::new(1)
        }
    );
    assert_eq!(bench.event(), CommitEvent::Resumed);
}

#[test]
fn a_failed_inline_append_refuses_later_groups_until_told_to_try() {
    let mut bench = Bench::new(WalSync::EverySecond);
    bench
        .log
        .change(|state| state.fail_on = Some(b"bad".to_vec()));
    bench.submit(b"a");
    let failure = CommitFailure {
        text: "no space".to_owned(),
        reached_wal: Some(false),
    };
    assert_eq!(bench.submit(b"bad"), Submitted::Failed(failure.clone()));
    assert_eq!(bench.committer.failure(), Some(&failure));
    assert_eq!(bench.submit(b"b"), Submitted::Failed(failure));
    assert_eq!(bench.log.records(), [b"a"]);
    bench.committer.retry();
    assert_eq!(bench.submit(b"c"), committed(2));
}

#[test]
fn a_failure_in_the_flusher_takes_every_group_behind_it_along() {
    for policy in [WalSync::Always, WalSync::EverySecond] {
        let mut bench = Bench::new(policy);
        // Stalled, so that all are queued before the first is appended.
        bench.log.change(|state| {
            state.stalled = true;
            state.fail_on = Some(b"bad".to_vec());
        });
        for record in [&b"a"[..], b"b", b"bad", b"c"] {
            assert_eq!(bench.submit(record), Submitted::Queued);
        }
        assert_eq!(
            bench.event(),
            CommitEvent::Stalled {
                waiting: GroupId(1)
            }
        );
        bench.log.change(|state| state.stalled = false);
        let mut up_to = GroupId(0);
        loop {
            match bench.events.recv_timeout(DEADLINE).expect("an event") {
                CommitEvent::Committed { up_to: newer, seq } => {
                    assert!(up_to < newer && newer <= GroupId(2));
                    assert_eq!(seq, Seq::new(newer.0));
                    up_to = newer;
                }
                CommitEvent::Failed { from, failure } => {
                    assert_eq!((from, up_to), (GroupId(3), GroupId(2)), "{policy:?}");
                    // Submitted before the loop knows: it must not slip through.
                    assert_eq!(bench.submit(b"d"), Submitted::Queued);
                    bench
                        .committer
                        .handle(&CommitEvent::Failed { from, failure });
                    break;
                }
                other => bench.committer.handle(&other),
            }
        }
        assert!(bench.committer.is_idle());
        assert_eq!(bench.committer.queued_bytes(), 0);
        assert!(matches!(bench.submit(b"e"), Submitted::Failed(_)));
        bench.committer.retry();
        match bench.submit(b"f") {
            Submitted::Queued => drop(bench.committed_up_to(7)),
            done => assert_eq!(done, committed(3)),
        }
        assert_eq!(bench.log.records(), [b"a", b"b", b"f"], "{policy:?}");
    }
}

#[test]
fn groups_that_a_later_failure_keeps_from_being_synced_fail_with_it() {
    let mut bench = Bench::new(WalSync::Always);
    bench.log.change(|state| {
        state.stalled = true;
        state.stops = true;
        state.fail_on = Some(b"bad".to_vec());
    });
    bench.submit(b"first");
    assert_eq!(
        bench.event(),
        CommitEvent::Stalled {
            waiting: GroupId(1)
        }
    );
    for record in [&b"a"[..], b"b", b"bad", b"c"] {
        bench.submit(record);
    }
    // The four reach the flusher together, once the first is through.
    bench.log.change(|state| state.stalled = false);
    loop {
        match bench.event() {
            CommitEvent::Committed { up_to, .. } => assert!(up_to <= GroupId(2)),
            CommitEvent::Resumed => {}
            CommitEvent::Failed { from, failure } => {
                assert!(from >= GroupId(2) && from <= GroupId(4), "{from:?}");
                assert_eq!(failure.reached_wal, Some(from < GroupId(4)));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(bench.committer.is_idle());
    bench.committer.request_sync();
    drop(bench.committer.retire());
    let rest: Vec<CommitEvent> = bench.events.try_iter().collect();
    assert_eq!(
        rest,
        [],
        "the syncer must not end the process, nor the flusher fail twice"
    );
}

#[test]
fn a_refused_sync_is_reported_and_commits_nothing() {
    let mut bench = Bench::new(WalSync::Always);
    bench.log.change(|state| state.fail_sync = true);
    bench.submit(b"a");
    let refused = CommitEvent::SyncFailed {
        text: "the disk refused: sync refused".to_owned(),
    };
    assert_eq!(bench.event(), refused);
    assert!(
        !bench.committer.is_idle(),
        "nobody was told that it is committed"
    );

    let bench = Bench::new(WalSync::No);
    bench.log.change(|state| state.fail_sync = true);
    bench.committer.request_sync();
    assert_eq!(bench.events.recv_timeout(DEADLINE), Ok(refused));
}

#[test]
fn a_sync_on_request_tells_how_far() {
    let mut bench = Bench::new(WalSync::No);
    bench.submit(b"abc");
    assert_eq!(bench.committer.synced_seq(), None);
    bench.committer.request_sync();
    let event = bench.events.recv_timeout(DEADLINE).unwrap();
    assert_eq!(event, CommitEvent::Synced { seq: Seq::new(3) });
    bench.committer.handle(&event);
    assert_eq!(bench.committer.synced_seq(), Some(Seq::new(3)));
}

#[test]
fn at_each_interval_the_log_is_synced_if_it_has_grown() {
    let log = FakeLog::default();
    let (sender, events) = channel();
    let notify: Notify = Arc::new(move |event| drop(sender.send(event)));
    let interval = Duration::from_millis(1);
    let mut syncer = Syncer::start_every(interval, log.clone(), WalSync::EverySecond, notify);
    let mut reported = Vec::new();
    for written in 1..=5 {
        log.write(b"a", WriteMode::default()).unwrap();
        while reported.last() != Some(&Seq::new(written)) {
            match events.recv_timeout(DEADLINE) {
                Ok(CommitEvent::Synced { seq }) => reported.push(seq),
                other => panic!("{other:?}"),
            }
        }
    }
    syncer.stop();
    syncer.join();
    assert!(
        reported.is_sorted_by(|a, b| a < b),
        "synced again without growth: {reported:?}"
    );
    assert!(events.try_recv().is_err());
    assert_eq!(log.look(|state| state.syncs), reported.len() as u64);
}

#[test]
fn changing_the_policy_keeps_the_order() {
    let mut bench = Bench::new(WalSync::EverySecond);
    assert_eq!(bench.submit(b"a"), committed(1));
    bench.committer.set_policy(WalSync::Always);
    assert_eq!(bench.submit(b"b"), Submitted::Queued);
    bench.committer.set_policy(WalSync::No);
    match bench.submit(b"c") {
        Submitted::Queued => drop(bench.committed_up_to(3)),
        other => panic!("{other:?} while a group is on its way"),
    }
    assert_eq!(bench.submit(b"d"), committed(4));
    assert_eq!(bench.log.records(), [b"a", b"b", b"c", b"d"]);
}

#[test]
fn shutting_down_appends_what_is_queued_and_syncs() {
    let mut bench = Bench::new(WalSync::Always);
    for _ in 0..100 {
        bench.submit(b"a");
    }
    let log = bench.log.clone();
    assert_eq!(bench.committer.shutdown(), Ok(Seq::new(100)));
    assert_eq!(
        log.look(|state| (state.written.len(), state.synced_records)),
        (100, 100)
    );
}

#[test]
#[should_panic(expected = "submitted after")]
fn ids_must_rise() {
    let mut bench = Bench::new(WalSync::No);
    bench.next_id = 5;
    bench.submit(b"a");
    bench.next_id = 5;
    bench.submit(b"b");
}
