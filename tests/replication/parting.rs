//! Nodes that went on apart: the one that is copied afresh says how many writes it gives up.

use crate::common::{Server, Setup, wait_until};
use crate::{attach, follow, number, offset, promote, start, start_all, wait_caught_up};

/// Writes so many keys, and gives how many updates that was.
fn write(server: &Server, name: &str, count: usize) -> u64 {
    let before = offset(server);
    let mut conn = server.connect();
    for at in 0..count {
        conn.ok(&format!("SET {name}:{at} 1"));
    }
    offset(server) - before
}

/// Makes one copy the other, and gives what it says of its own writes.
fn copies(replica: &Server, primary: &Server) -> String {
    const BEGINS: &str = "copying all data of the primary; ";
    replica.expect_log(BEGINS);
    let earlier = replica.log().matches(BEGINS).count();
    let copies = number(primary, "sync_full");
    follow(replica, primary);
    wait_until("a copy is asked for", || {
        replica.log().matches(BEGINS).count() > earlier
    });
    wait_caught_up(replica, primary);
    assert_eq!(number(primary, "sync_full"), copies + 1);
    let log = replica.log();
    let (_, said) = log.rsplit_once(BEGINS).expect("it was said");
    said.lines().next().unwrap_or_default().to_owned()
}

fn given_up(count: u64) -> String {
    format!("{count} writes of this node that it does not have are given up")
}

#[test]
fn both_have_begun_new_histories_and_the_count_is_known() {
    let [mut one, mut two] = start_all();
    write(&one, "both", 3);
    attach(&two, &one);
    promote(&two);
    // Each start as a primary begins a history, twice on each side.
    let mut count = 0;
    for round in 0..2 {
        one.stop();
        one.restart();
        two.stop();
        two.restart();
        write(&two, &format!("two:{round}"), 9);
        count += write(&one, &format!("one:{round}"), 5);
    }
    assert_eq!(copies(&one, &two), given_up(count));
    // Now it has what the other has, and goes apart once more: the other is the one that is further behind.
    promote(&one);
    write(&one, "once", 7);
    two.stop();
    two.restart();
    let count = write(&two, "more", 2);
    assert_eq!(copies(&two, &one), given_up(count));
}

#[test]
fn nodes_that_have_nothing_in_common_give_up_at_most_all() {
    let [one, two] = start_all();
    write(&two, "two", 9);
    write(&one, "one", 5);
    let all = offset(&one);
    assert_eq!(copies(&one, &two), format!("at most {}", given_up(all)));
}

#[test]
fn one_that_is_only_behind_gives_up_nothing() {
    // The log goes as soon as all of it is in tables.
    let setup = Setup::new()
        .arg("--rocksdb.wal_ttl_seconds", "0")
        .arg("--rocksdb.wal_size_limit_mb", "0");
    let one = start(setup);
    let [two] = start_all();
    write(&one, "both", 3);
    attach(&two, &one);
    two.connect().ok("REPLICAOF NO ONE");
    wait_until("the replica has gone", || {
        one.info("connected_slaves") == "0"
    });
    write(&one, "more", 3);
    one.connect().ok("COMPACT");
    wait_until("its log is gone", || {
        one.log().contains("the compaction asked for has ended")
    });
    assert_eq!(copies(&two, &one), "this node gives up no write for it");
}
