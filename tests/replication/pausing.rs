//! CLIENT PAUSE on replicas: one given to a replica stops it from applying, one from its time as a primary does not.

use crate::common::{Value, holds_within, wait_until};
use crate::{attach, follow, number, offset, promote, start_all, still_serves, wait_caught_up};
use std::time::Duration;

#[test]
fn a_pause_given_to_a_replica_holds_its_number_still() {
    for mode in ["WRITE", "ALL"] {
        let [primary, replica] = start_all();
        attach(&replica, &primary);
        let mut admin = replica.connect();
        admin.ok(&format!("CLIENT PAUSE 100000 {mode}"));
        let at = offset(&replica);
        let mut conn = primary.connect();
        for number in 0..100 {
            conn.ok(&format!("SET k{number} v"));
        }
        // What the primary sends, and what it hears back, goes on.
        let sent = offset(&primary);
        assert_eq!(sent, at + 101, "the first write of a term stores its id");
        assert_eq!(conn.call("WAIT 1 200"), Value::Int(0));
        wait_until("all has been read", || {
            number(&replica, "slave_read_repl_offset") == sent
        });
        assert_eq!(number(&replica, "slave_repl_offset"), at);
        assert_eq!(offset(&replica), at);
        assert_eq!(primary.info("connected_slaves"), "1");
        admin.ok("CLIENT UNPAUSE");
        wait_caught_up(&replica, &primary);
        assert_eq!(conn.call("WAIT 1 30000"), Value::Int(1));
    }
}

#[test]
fn a_pause_given_to_a_replica_ends_by_itself() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    replica.connect().ok("CLIENT PAUSE 300 WRITE");
    primary.connect().ok("SET a 1");
    wait_caught_up(&replica, &primary);
}

#[test]
fn a_pause_given_as_a_primary_does_not_hold_a_demoted_node() {
    let [one, two] = start_all();
    one.connect().ok("SET a 1");
    attach(&two, &one);
    one.connect().ok("CLIENT PAUSE 100000 WRITE");
    wait_caught_up(&two, &one);
    promote(&two);
    follow(&one, &two);
    two.connect().ok("SET b 1");
    wait_caught_up(&one, &two);
    assert_eq!(one.connect().call("GET b").text(), "1");
    assert_eq!(number(&one, "sync_full") + number(&two, "sync_full"), 0);
}

#[test]
fn a_paused_replica_can_be_promoted_and_repointed() {
    let [primary, replica, other] = start_all::<3>();
    attach(&replica, &primary);
    attach(&other, &primary);
    let mut admin = replica.connect();
    admin.ok("CLIENT PAUSE 100000 WRITE");
    let mut conn = primary.connect();
    for number in 0..50 {
        conn.ok(&format!("SET k{number} v"));
    }
    wait_caught_up(&other, &primary);
    let at = offset(&replica);
    // To another node: what was held is asked for there, once the pause is over.
    follow(&replica, &other);
    assert_eq!(replica.info("master_port"), other.port().to_string());
    assert_eq!(offset(&replica), at);
    admin.ok("CLIENT UNPAUSE");
    wait_caught_up(&replica, &other);
    assert_eq!(offset(&replica), offset(&primary));
    // Promoted: it stands for all that it was sent.
    admin.ok("CLIENT PAUSE 100000 WRITE");
    conn.ok("SET last 1");
    wait_until("it has passed the record on its way", || {
        offset(&other) == offset(&primary)
    });
    admin.ok("REPLICAOF NO ONE");
    let mut writer = replica.connect();
    writer.send_line("SET mine 1");
    assert!(
        !writer.has_reply_within(Duration::from_millis(50)),
        "the pause holds writes"
    );
    admin.ok("CLIENT UNPAUSE");
    assert_eq!(writer.read(), Value::ok());
    still_serves(&replica);
}

#[test]
fn a_long_pause_of_a_replica_costs_no_link() {
    let [primary, replica] = start_all();
    for server in [&primary, &replica] {
        server.connect().ok("CONFIG SET repl-timeout 1");
    }
    attach(&replica, &primary);
    let accepted = number(&primary, "sync_partial_ok");
    let mut admin = replica.connect();
    admin.ok("CLIENT PAUSE 100000 ALL");
    primary.connect().ok("SET a 1");
    // Longer than a silent link lives.
    let lost = holds_within(Duration::from_secs(4), || {
        primary.info("connected_slaves") == "0"
    });
    assert!(!lost, "a paused replica was taken for a dead one");
    admin.ok("CLIENT UNPAUSE");
    wait_caught_up(&replica, &primary);
    assert_eq!(number(&primary, "sync_partial_ok"), accepted);
}
