//! What comes in while the database is taken away, and what was found out about it before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::judging::Judged;
use super::testing::Bench;
use crate::client::ClientKey;
use crate::client::waiting::Ticket;
use crate::replication::feeder::{Feeder, WalPieces};
use crate::replication::history::Evidence;
use crate::replication::progress::ReplicaId;
use crate::replication::ring::Committed;
use crate::replication::runner::Runner;
use crate::storage::rocks::Rocks;
use crate::storage::seq::Seq;

const RESTORING: &str = "-LOADING kvrocks is restoring the db from backup\r\n";

fn take_database(bench: &mut Bench) -> Rocks {
    let (committer, rocks) = bench.server().take_database().expect("it is there");
    committer.retire().join();
    rocks
}

/// The client that is parked, and what for.
fn parked(bench: &mut Bench) -> (ClientKey, Ticket) {
    let parked = |server: &super::Server| {
        let mut clients = server.node.clients.iter();
        clients.find_map(|client| Some((client.key, client.parked()?.ticket)))
    };
    bench.sim.turn();
    parked(bench.server()).expect("a parked client")
}

#[test]
fn a_psync_without_a_database_is_told_to_come_again() {
    let mut bench = Bench::start("psync-without");
    let rocks = take_database(&mut bench);
    let wire = bench.connect();
    wire.arrive(b"PSYNC 1\r\n");
    assert_eq!(bench.answer(&wire), RESTORING);
    bench.server().give_database(rocks);
}

#[test]
fn a_psync_judged_by_another_database_is_told_to_come_again() {
    let mut bench = Bench::start("psync-exchanged");
    let wire = bench.connect();
    bench.step();
    wire.arrive(b"PSYNC 1\r\n");
    let (client, ticket) = parked(&mut bench);
    let rocks = take_database(&mut bench);
    bench.server().give_database(rocks);
    // The worker's answer, about the database from before.
    bench.server().judged(Judged {
        client,
        ticket,
        id: None,
        next: Seq::new(1),
        latest: Seq::ZERO,
        exchanges: 0,
        evidence: Ok(Evidence::default()),
    });
    assert_eq!(bench.answer(&wire), RESTORING);
    assert!(
        !bench
            .server()
            .node
            .replication
            .progress
            .iter()
            .any(|_| true)
    );
}

#[test]
fn who_asks_for_files_while_there_is_no_database_is_served_when_there_is_one() {
    let mut bench = Bench::start("files-without");
    bench.step();
    let rocks = take_database(&mut bench);
    let wire = bench.connect();
    wire.arrive(b"*1\r\n$11\r\n_fetch_meta\r\n");
    for _ in 0..5 {
        bench.step();
    }
    assert_eq!(wire.take_written(), b"");
    assert_eq!(bench.sim.job_count(), 0);
    bench.server().give_database(rocks);
    // A worker looks at the log, and then makes a checkpoint (which the simulated database cannot).
    assert_eq!(bench.sim.job_count(), 1);
    bench.sim.run_job(0);
    bench.sim.deliver_message();
    bench.sim.turn();
    assert_eq!(bench.sim.job_count(), 1);
}

/// A log whose reader says when its thread has ended.
struct Log(Arc<AtomicBool>);

impl WalPieces for Log {
    fn read(&mut self, _: ReplicaId, _: Seq, _: Seq) -> Result<Vec<Committed>, String> {
        Ok(Vec::new())
    }

    fn forget(&mut self, _: ReplicaId) {}
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn the_loop_does_not_wait_for_the_feeder_whose_database_goes() {
    let mut bench = Bench::start("feeder-stops");
    bench.step();
    let has_ended = Arc::new(AtomicBool::new(false));
    let log = Log(Arc::clone(&has_ended));
    let feeder = Feeder::start(&Runner::Threads, log, Seq::ZERO, 60, |_| {}).expect("threads");
    bench.server().feeding.set_feeder(feeder);
    bench.server().want_swap();
    bench.sim.turn();
    // It is the worker that ends it, and waits.
    assert!(!has_ended.load(Ordering::Acquire));
    while bench.sim.job_count() > 0 {
        bench.sim.run_job(0);
    }
    assert!(has_ended.load(Ordering::Acquire));
    // There is no copy: the database from before goes on.
    bench.until("the database is back", |server| {
        server.node.view.database().is_ok()
    });
}
