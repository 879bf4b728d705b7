//! What happens to a primary while it is copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::nodes::{attach, follow, number, start, start_all, still_serves};
use crate::common::proxy::Proxy;
use crate::common::{Conn, Server, Setup, wait_until};
use crate::data::{contents, write_all_types};
use crate::{
    close_off, fetched_tables, fill, follow_through, start_small, wait_cleared, wait_same,
};

/// A primary with eight MiB in many tables, copies of which take seconds.
fn slow_primary() -> Server {
    let primary = start_small(Setup::new().arg("--max-replication-mb", "1"));
    write_all_types(&mut primary.connect(), 1, 20);
    fill(&mut primary.connect(), 1, 128);
    primary
}

/// A node with a past of its own.
fn other_node(seed: u64) -> Server {
    let node = start(Setup::new());
    node.expect_log("copying all data");
    write_all_types(&mut node.connect(), seed, 60);
    node
}

fn hurry(primary: &Server) {
    primary.connect().ok("CONFIG SET max-replication-mb 0");
}

fn lines_with(server: &Server, words: &str) -> usize {
    server
        .log()
        .lines()
        .filter(|line| line.contains(words))
        .count()
}

#[test]
fn a_primary_that_is_killed_is_found_again_and_the_copy_goes_on() {
    let mut primary = slow_primary();
    let replica = other_node(2);
    let old = contents(&replica);
    let proxy = Proxy::new();
    proxy.lead_to(primary.port());
    follow_through(&replica, &proxy);
    wait_until("some files are whole", || fetched_tables(&replica) > 2);
    primary.kill();
    wait_until("the copy has failed", || {
        replica.log().contains("the full copy failed")
    });
    assert!(contents(&replica) == old);
    primary.set_for_restart("--max-replication-mb", "0");
    primary.restart();
    wait_same(&replica, &primary);
    wait_cleared(&replica);
    // What had come was not fetched again.
    let log = replica.log();
    assert!(!log.contains("; 0 files were there already"), "{log}");
    still_serves(&primary);
}

#[test]
fn a_checkpoint_that_is_cleaned_up_is_made_again() {
    let primary = slow_primary();
    primary.expect_log("a replica could not be sent");
    let replica = other_node(2);
    follow(&replica, &primary);
    wait_until("some files are whole", || fetched_tables(&replica) > 1);
    std::fs::remove_dir_all(primary.dir().join("checkpoint")).expect("the checkpoint removed");
    hurry(&primary);
    wait_same(&replica, &primary);
    wait_cleared(&replica);
    assert_eq!(
        lines_with(&primary, "a checkpoint for replicas was made"),
        2
    );
}

#[test]
fn two_replicas_are_copied_from_one_checkpoint() {
    let primary = slow_primary();
    let replicas = [other_node(2), other_node(3)];
    for replica in &replicas {
        follow(replica, &primary);
    }
    for replica in &replicas {
        wait_until("some files are whole", || fetched_tables(replica) > 0);
    }
    hurry(&primary);
    for replica in &replicas {
        wait_same(replica, &primary);
    }
    assert_eq!(number(&primary, "sync_full"), 2);
    assert_eq!(
        lines_with(&primary, "a checkpoint for replicas was made"),
        1
    );
}

#[test]
fn what_happens_to_the_data_meanwhile_does_not_harm_the_copy() {
    let primary = slow_primary();
    let replica = other_node(2);
    follow(&replica, &primary);
    wait_until("the first file is whole", || fetched_tables(&replica) > 0);
    let stops = Arc::new(AtomicBool::new(false));
    let (port, stop) = (primary.port(), Arc::clone(&stops));
    let writer = std::thread::spawn(move || {
        let mut conn = Conn::connect(port);
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) || rounds == 0 {
            conn.ok("FLUSHALL");
            // Several memtables full.
            fill(&mut conn, 10 + rounds, 40);
            conn.ok("COMPACT");
            write_all_types(&mut conn, 10 + rounds, 10);
            rounds += 1;
        }
    });
    wait_until("some files are whole", || fetched_tables(&replica) > 3);
    hurry(&primary);
    wait_until("the replica is copied", || {
        replica.info("master_link_status") == "up"
    });
    stops.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");
    wait_same(&replica, &primary);
    assert_eq!(number(&primary, "sync_full"), 1);
}

/// Tables of the same names and sizes are of another database once the node in the middle was copied itself.
#[test]
fn a_copy_is_no_mixture_when_its_primary_is_copied_itself() {
    let top = start_small(Setup::new());
    let bottom = start(Setup::new());
    let middle = start_small(Setup::new().arg("--max-replication-mb", "2"));
    top.connect().ok("CONFIG SET rocksdb.write_buffer_size 1");
    top.connect()
        .ok("CONFIG SET rocksdb.disable_auto_compactions yes");
    for node in [&middle, &bottom] {
        node.expect_log("copying all data");
    }
    fill(&mut top.connect(), 1, 400);
    fill(&mut middle.connect(), 2, 480);
    write_all_types(&mut bottom.connect(), 3, 60);
    follow(&bottom, &middle);
    wait_until("some files are whole", || fetched_tables(&bottom) > 2);
    attach(&middle, &top);
    hurry(&middle);
    wait_same(&bottom, &middle);
    wait_same(&bottom, &top);
    wait_cleared(&bottom);
}

/// A sub-replica that has what its primary has goes on, or is copied, when that one is copied afresh; it hears of every later write.
#[test]
fn a_chain_holds_together_when_its_middle_is_copied() {
    let [top, middle, bottom] = start_all();
    for node in [&middle, &bottom] {
        node.expect_log("copying all data");
    }
    write_all_types(&mut middle.connect(), 2, 40);
    attach(&bottom, &middle);
    let proxy = Proxy::new();
    close_off(&proxy);
    write_all_types(&mut top.connect(), 1, 60);
    follow_through(&middle, &proxy);
    proxy.lead_to(top.port());
    wait_same(&middle, &top);
    wait_same(&bottom, &top);
    top.connect().ok("SET later 1");
    wait_same(&bottom, &top);
    assert_eq!(bottom.info("master_port"), middle.port().to_string());
}
