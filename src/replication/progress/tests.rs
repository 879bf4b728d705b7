//! Who counts for what, for each sort of replica, and what a bad acknowledgement does.

use super::*;

fn address(port: u16) -> Address {
    Address {
        ip: "10.0.0.2".to_owned(),
        port,
    }
}

fn seq(number: u64) -> Seq {
    Seq::new(number)
}

fn at(ms: u64) -> MonoMs {
    MonoMs(ms)
}

/// A Stillpoint, a Kvrocks that acknowledges and one that does not, each sent everything up to 100 at 1000 ms.
fn three() -> (Progress, [ReplicaId; 3]) {
    let mut progress = Progress::default();
    let ids = [Some("run".to_owned()), None, None].map(|stillpoint| {
        let port = progress.len() as u16 + 1;
        progress.attach(address(port), stillpoint, Stage::Online, seq(91), at(1000))
    });
    for id in ids {
        progress.sent(id, seq(100), 50);
    }
    assert_eq!(progress.acked(ids[0], seq(95), at(1000)), Ok(true));
    assert_eq!(progress.acked(ids[1], seq(90), at(1000)), Ok(true));
    (progress, ids)
}

#[test]
fn only_acknowledgements_count_for_wait() {
    let (mut progress, [stillpoint, ..]) = three();
    assert_eq!(progress.acked_count(seq(90)), 2);
    assert_eq!(progress.acked_count(seq(95)), 1);
    assert_eq!(progress.acked_count(seq(96)), 0);
    assert_eq!(progress.acked(stillpoint, seq(100), at(2000)), Ok(true));
    assert_eq!(progress.acked_count(seq(100)), 1);
    progress.detach(stillpoint);
    assert_eq!(progress.acked_count(seq(100)), 0);
}

#[test]
fn where_a_psync_begins_is_no_acknowledgement() {
    let mut progress = Progress::default();
    let id = progress.attach(address(1), Some("r".into()), Stage::Online, seq(101), at(0));
    assert_eq!(progress.get(id).map(Replica::sent_seq), Some(seq(100)));
    assert_eq!(progress.acked_count(seq(100)), 0);
    assert!(!progress.can_take_over(id));
    assert_eq!(progress.acked(id, seq(100), at(0)), Ok(true));
    assert!(progress.can_take_over(id));
    let empty = progress.attach(address(2), None, Stage::Online, Seq::ZERO, at(0));
    assert_eq!(progress.get(empty).map(Replica::sent_seq), Some(Seq::ZERO));
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_is_refused() {
    let (mut progress, [stillpoint, ..]) = three();
    let fault = progress.acked(stillpoint, seq(101), at(2000)).unwrap_err();
    assert_eq!(fault.to_string(), "it acknowledged 101, but was sent 100");
    let replica = progress.get(stillpoint).unwrap();
    assert_eq!(replica.acked_seq(), Some(seq(95)), "nothing has changed");
    assert_eq!(replica.lag_seconds(at(2000)), 1);
}

#[test]
fn repeated_and_older_acknowledgements_are_signs_of_life() {
    let (mut progress, [stillpoint, ..]) = three();
    for older in [95, 3] {
        assert_eq!(progress.acked(stillpoint, seq(older), at(9000)), Ok(false));
    }
    let replica = progress.get(stillpoint).unwrap();
    assert_eq!(replica.acked_seq(), Some(seq(95)));
    assert_eq!(replica.lag_seconds(at(9500)), 0);
    assert_eq!(progress.acked(ReplicaId(99), seq(1), at(0)), Ok(false));
}

#[test]
fn a_kvrocks_shows_by_its_first_acknowledgement_that_it_can() {
    let (mut progress, [stillpoint, kvrocks, silent]) = three();
    let acks = |progress: &Progress, id| progress.get(id).map(Replica::acks);
    assert_eq!(acks(&progress, stillpoint), Some(Acks::Prompt));
    assert_eq!(acks(&progress, kvrocks), Some(Acks::Now));
    assert_eq!(acks(&progress, silent), Some(Acks::Never));
    let offset = |progress: &Progress, id| progress.get(id).map(Replica::offset);
    assert_eq!(offset(&progress, kvrocks), Some(seq(90)));
    assert_eq!(offset(&progress, silent), Some(seq(100)));
    assert_eq!(progress.acked(silent, seq(99), at(2000)), Ok(true));
    assert_eq!(offset(&progress, silent), Some(seq(99)));
}

#[test]
fn good_replicas_acknowledge_and_do_not_lag() {
    let (progress, _) = three();
    assert_eq!(progress.good_count(10, at(11_999)), 2);
    assert_eq!(progress.good_count(10, at(12_000)), 0, "eleven seconds");
    assert_eq!(progress.good_count(0, at(99_000)), 2);
    let refuses =
        |replicas_min, lag_max, now| progress.refuses_writes(replicas_min, lag_max, at(now));
    assert!(!refuses(2, 10, 2000));
    assert!(refuses(3, 10, 2000));
    assert!(refuses(1, 10, 20_000));
    assert!(!refuses(0, 10, 20_000));
    assert!(!refuses(3, 0, 20_000));
}

#[test]
fn a_stillpoint_that_acknowledges_can_take_over() {
    let (mut progress, [stillpoint, kvrocks, silent]) = three();
    assert!(progress.can_take_over(stillpoint));
    assert!(!progress.can_take_over(kvrocks));
    assert!(!progress.can_take_over(silent));
    progress.set_stage(stillpoint, Stage::Copies, at(2000));
    assert!(!progress.can_take_over(stillpoint), "nor while it copies");
}

#[test]
fn what_is_queued_is_as_told_last_and_what_was_sent_is_not_unsent() {
    let (mut progress, [_, kvrocks, silent]) = three();
    let is_drained = |progress: &Progress| progress.get(kvrocks).map(Replica::is_drained);
    assert_eq!(is_drained(&progress), Some(false));
    progress.sent(kvrocks, seq(99), 0);
    assert_eq!(is_drained(&progress), Some(true));
    assert_eq!(progress.get(kvrocks).map(Replica::sent_seq), Some(seq(100)));
    assert_eq!(progress.get(silent).unwrap().lag_seconds(at(2000)), 1);
    // A link that has just ended may still be spoken of.
    let gone = ReplicaId(99);
    progress.sent(gone, seq(1), 0);
    progress.set_stage(gone, Stage::Online, at(0));
    assert_eq!(progress.len(), 3);
}

#[test]
fn info_and_role_show_rows() {
    let (mut progress, [_, kvrocks, _]) = three();
    progress.attach(address(0), None, Stage::AwaitsCheckpoint, Seq::ZERO, at(0));
    progress.set_stage(kvrocks, Stage::Copies, at(1000));
    let rows: Vec<String> = progress.rows(at(3000)).iter().map(Row::to_string).collect();
    assert_eq!(
        rows,
        [
            "ip=10.0.0.2,port=1,state=online,offset=95,lag=2",
            "ip=10.0.0.2,port=2,state=send_bulk,offset=90,lag=0",
            "ip=10.0.0.2,port=3,state=online,offset=100,lag=2",
            "ip=10.0.0.2,port=0,state=wait_bgsave,offset=0,lag=0",
        ]
    );
    let role = progress.role_rows();
    assert_eq!(role, [(address(1), seq(95)), (address(3), seq(100))]);
    assert_eq!(Stage::CatchesUp.name(), "online");
    assert!(!progress.is_empty());
    assert_eq!(progress.iter().count(), 4);
}
