//! What comes in while the database is taken away, and what was found out about it before.

use super::feeding::Judged;
use super::testing::Bench;
use crate::client::ClientKey;
use crate::client::waiting::Ticket;
use crate::replication::history::Evidence;
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
