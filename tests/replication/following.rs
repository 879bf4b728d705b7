//! The stream: fresh replicas, chains, batches that are seen whole, messages, large values and long absences.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::proxy::{Proxy, Way};
use crate::common::{Conn, Server, Setup, Value, wait_until};
use crate::data::{assert_same, write_all_types};
use crate::{attach, follow, number, offset, start, start_all, wait_caught_up, wait_link_up};

#[test]
fn a_fresh_replica_is_built_by_the_stream_alone() {
    let [primary, replica] = start_all();
    write_all_types(&mut primary.connect(), 1, 30);
    attach(&replica, &primary);
    assert_same(&primary, &replica);
    // And goes on with what comes.
    write_all_types(&mut primary.connect(), 2, 30);
    primary.connect().call("FLUSHDB");
    write_all_types(&mut primary.connect(), 3, 5);
    wait_caught_up(&replica, &primary);
    assert_same(&primary, &replica);
    assert_eq!(number(&primary, "sync_full"), 0);
}

#[test]
fn a_chain_of_replicas_holds_the_same() {
    let [top, middle, bottom] = start_all::<3>();
    attach(&middle, &top);
    attach(&bottom, &middle);
    write_all_types(&mut top.connect(), 4, 20);
    wait_caught_up(&middle, &top);
    wait_caught_up(&bottom, &middle);
    assert_eq!(offset(&bottom), offset(&top));
    assert_same(&top, &bottom);
    assert_eq!(bottom.info("master_replid"), top.info("master_replid"));
    assert_eq!(middle.info("connected_slaves"), "1");
    // The lower one goes on while the middle one's link is away.
    follow(&middle, &bottom);
    follow(&bottom, &top);
    top.connect().ok("SET turned around");
    wait_caught_up(&bottom, &top);
    wait_caught_up(&middle, &bottom);
    assert_eq!(middle.connect().call("GET turned").text(), "around");
    for server in [&top, &middle, &bottom] {
        assert_eq!(number(server, "sync_full"), 0);
    }
}

#[test]
fn a_replica_never_shows_half_of_a_batch() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    primary.connect().ok("MSET a 0 b 0 c 0");
    wait_caught_up(&replica, &primary);
    let stops = Arc::new(AtomicBool::new(false));
    let port = replica.port();
    let readers: Vec<_> = [false, true]
        .into_iter()
        .map(|in_exec| {
            let stops = Arc::clone(&stops);
            std::thread::spawn(move || {
                let mut conn = Conn::connect(port);
                let mut seen = 0;
                let mut last = 0;
                while !stops.load(Ordering::Relaxed) {
                    let values = match in_exec {
                        false => conn.call("MGET a b c"),
                        true => {
                            for line in ["MULTI", "GET a", "GET b", "GET c"] {
                                conn.call(line);
                            }
                            conn.call("EXEC")
                        }
                    };
                    let [a, b, c] = values.items() else {
                        panic!("{values:?}")
                    };
                    assert!(a == b && b == c, "half of a batch: {values:?}");
                    let number: i64 = a.text().parse().expect("a number");
                    assert!(number >= last, "time goes backwards");
                    seen += usize::from(number > last);
                    last = number;
                }
                seen
            })
        })
        .collect();
    let mut conn = primary.connect();
    for round in 0..100 {
        let commands: Vec<Vec<String>> = (1..=100)
            .map(|step| {
                let value = (round * 100 + step).to_string();
                ["MSET", "a", &value, "b", &value, "c", &value]
                    .map(String::from)
                    .to_vec()
            })
            .collect();
        conn.pipeline(&commands);
    }
    wait_caught_up(&replica, &primary);
    stops.store(true, Ordering::Relaxed);
    for reader in readers {
        let seen = reader.join().expect("a reader that saw whole batches");
        assert!(seen > 1, "the reader saw nothing change");
    }
    assert_eq!(
        replica.connect().call("MGET a b c"),
        Value::bulks(&["10000"; 3])
    );
}

#[test]
fn messages_reach_the_subscribers_of_replicas() {
    let [top, middle, bottom] = start_all::<3>();
    attach(&middle, &top);
    attach(&bottom, &middle);
    let at = offset(&top);
    let mut listeners = [middle.connect(), bottom.connect()];
    for listener in &mut listeners {
        listener.call("SUBSCRIBE news __sentinel__:hello");
        listener.read();
        listener.call("PSUBSCRIBE n?ws");
    }
    let mut conn = top.connect();
    conn.call("PUBLISH __sentinel__:hello not-for-others");
    // In order among the writes, and in a transaction with them.
    conn.ok("SET k 1");
    assert_eq!(conn.call("PUBLISH news one"), Value::Int(0));
    for line in ["MULTI", "SET k 2", "PUBLISH news two"] {
        conn.call(line);
    }
    assert_eq!(conn.call("EXEC").items().len(), 2);
    conn.call("PUBLISH news three");
    for (listener, server) in listeners.iter_mut().zip([&middle, &bottom]) {
        for word in ["one", "two", "three"] {
            assert_eq!(listener.read(), Value::bulks(&["message", "news", word]));
            assert_eq!(
                listener.read(),
                Value::bulks(&["pmessage", "n?ws", "news", word])
            );
            if word == "two" {
                assert_eq!(server.connect().call("GET k").text(), "2");
            }
        }
    }
    // Messages cost no sequence number. Two writes and what the first one of a term carries do.
    wait_caught_up(&bottom, &middle);
    let used = offset(&top) - at;
    for number in 0..50 {
        conn.call(&format!("PUBLISH other {number}"));
    }
    assert_eq!(offset(&top) - at, used);
    // A replica's own messages stay there.
    let mut own = top.connect();
    own.call("SUBSCRIBE news");
    middle.connect().call("PUBLISH news local");
    assert_eq!(
        listeners[0].read(),
        Value::bulks(&["message", "news", "local"])
    );
    conn.call("PUBLISH news last");
    assert_eq!(own.read(), Value::bulks(&["message", "news", "last"]));
    assert_eq!(
        listeners[1].read(),
        Value::bulks(&["message", "news", "last"])
    );
}

/// In Redis without cluster mode SPUBLISH goes to replicas as PUBLISH does.
fn check_shard_messages(primary: &Server, replica: &Server) {
    let [mut listener, mut other] = [replica.connect(), replica.connect()];
    listener.call("SSUBSCRIBE news");
    other.call("SUBSCRIBE news");
    let mut conn = primary.connect();
    assert_eq!(conn.call("SPUBLISH news one"), Value::Int(0));
    for line in ["MULTI", "SET k 2", "SPUBLISH news two"] {
        conn.call(line);
    }
    assert_eq!(conn.call("EXEC").items().len(), 2);
    conn.call("PUBLISH news plain");
    assert_eq!(
        replica.connect().call("SPUBLISH news own"),
        Value::Int(1),
        "its own subscriber"
    );
    conn.call("SPUBLISH news last");
    let mut words = Vec::new();
    while words.last().is_none_or(|word| word != "last") {
        let message = listener.read();
        assert_eq!(message.items()[0].text(), "smessage");
        assert_eq!(message.items()[1].text(), "news");
        words.push(message.items()[2].text());
    }
    // Its own one is ordered among the others by nobody.
    words.retain(|word| word != "own");
    assert_eq!(words, ["one", "two", "last"]);
    // Each sort of channel has its own.
    assert_eq!(other.read(), Value::bulks(&["message", "news", "plain"]));
    assert!(!other.has_reply_now());
}

#[test]
fn shard_messages_reach_the_subscribers_of_replicas_as_in_redis() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    check_shard_messages(&primary, &replica);

    let setup = || Setup::oracle("shard_messages_reach_the_subscribers_of_replicas_as_in_redis");
    let (Some(primary), Some(replica)) = (setup(), setup()) else {
        return;
    };
    let primary = primary.arg("--repl-diskless-sync-delay", "0").start();
    let replica = replica.start();
    attach(&replica, &primary);
    check_shard_messages(&primary, &replica);
}

#[test]
fn large_values_pass() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let mut conn = primary.connect();
    let value: Vec<u8> = (0..10 << 20)
        .map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for key in ["one", "two", "three"] {
        assert_eq!(conn.cmd(&[b"SET", key.as_bytes(), &value[..]]), Value::ok());
    }
    wait_caught_up(&replica, &primary);
    let mut reader = replica.connect();
    for key in ["one", "two", "three"] {
        let read = reader.cmd(&["GET", key]);
        assert!(read.bytes() == Some(&value[..]), "{key} differs");
    }
    // And from the log, to one that comes later.
    let late = start(Setup::new());
    attach(&late, &primary);
    assert_same(&primary, &late);
}

#[test]
fn a_long_absence_is_made_up_without_a_copy() {
    let [primary, mut replica] = start_all();
    attach(&replica, &primary);
    assert!(replica.stop().success());
    let mut conn = primary.connect();
    for round in 0..200 {
        let commands: Vec<Vec<String>> = (0..1000)
            .map(|step| {
                [
                    "SET".into(),
                    format!("k{}", (round * 1000 + step) % 5000),
                    format!("{round}"),
                ]
                .to_vec()
            })
            .collect();
        conn.pipeline(&commands);
    }
    replica.restart();
    wait_link_up(&replica);
    // Writes go on meanwhile.
    for number in 0..100 {
        conn.ok(&format!("SET during {number}"));
    }
    wait_caught_up(&replica, &primary);
    assert_same(&primary, &replica);
    assert_eq!(number(&primary, "sync_full"), 0);
}

#[test]
fn keys_expire_on_replicas_by_their_primarys_word() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let mut conn = primary.connect();
    conn.ok("SET short v PX 1");
    conn.ok("SET long v PX 100000000");
    wait_until("the primary deletes it", || {
        conn.call("DBSIZE") == Value::Int(1)
    });
    wait_caught_up(&replica, &primary);
    assert!(replica.connect().call("GET short").is_null());
    assert_same(&primary, &replica);
}

/// A write that comes while the primary looks at its log for a PSYNC once made it refuse a replica that was up to date.
#[test]
fn attaching_during_writes_never_needs_a_copy() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let stops = Arc::new(AtomicBool::new(false));
    let writer = {
        let (stops, mut conn) = (Arc::clone(&stops), primary.connect());
        std::thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                conn.ok("SET k v");
            }
        })
    };
    for _ in 0..40 {
        primary.connect().call("CLIENT KILL TYPE replica");
        follow(&replica, &replica);
        replica
            .connect()
            .ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        wait_link_up(&replica);
    }
    stops.store(true, Ordering::Relaxed);
    writer.join().expect("the writer");
    wait_caught_up(&replica, &primary);
    assert_eq!(number(&primary, "sync_full"), 0);
    assert_eq!(number(&primary, "sync_partial_err"), 0);
}

/// A replica that is behind takes a key for expired whose time has been extended since. Compaction once cleared such keys away, and
/// what came later brought back a hash without its fields.
#[test]
fn compaction_on_a_replica_keeps_what_its_primary_may_still_extend() {
    let [primary, replica] = start_all();
    let proxy = Proxy::new();
    proxy.lead_to(primary.port());
    let mut theirs = primary.connect();
    theirs.ok("SET string v");
    theirs.call("HSET hash f v g w");
    theirs.call("RPUSH list a b c");
    let keys = ["string", "hash", "list"];
    replica
        .connect()
        .ok(&format!("REPLICAOF 127.0.0.1 {}", proxy.port()));
    // In milliseconds; the replica is cut off well before.
    for key in keys {
        theirs.call(&format!("PEXPIRE {key} 2000"));
    }
    wait_link_up(&replica);
    wait_until("the replica has it all", || {
        offset(&replica) == offset(&primary)
    });
    proxy.stall(Way::ToClient);
    for key in keys {
        theirs.call(&format!("PERSIST {key}"));
    }
    let mut ours = replica.connect();
    wait_until("the replica takes them for expired", || {
        ours.call("EXISTS string hash list") == Value::Int(0)
    });
    // Fields go once their key has gone.
    for count in 1..=2 {
        ours.ok("COMPACT");
        wait_until("the compaction is over", || {
            let log = replica.log();
            log.matches("the compaction asked for has ended").count() == count
        });
    }
    proxy.let_pass();
    wait_until("the replica has it all", || {
        offset(&replica) == offset(&primary)
    });
    assert_eq!(theirs.call("EXISTS string hash list"), Value::Int(3));
    assert_same(&primary, &replica);
}
