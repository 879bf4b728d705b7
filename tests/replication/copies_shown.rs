//! What a primary says of a replica that it sends a full copy, beside redis-server.

use crate::common::server::info_field;
use crate::common::{Conn, Server, Setup, Value, wait_until};
use crate::copying::incompressible;
use crate::listing::field;
use crate::{attach, follow, start, start_all, wait_caught_up, wait_link_up};

/// A primary that takes seconds to send a copy.
fn slow_primary(megabytes: usize) -> Server {
    let primary = start(Setup::new().arg("--max-replication-mb", "1"));
    fill(&mut primary.connect(), megabytes);
    primary
}

fn fill(conn: &mut Conn, megabytes: usize) {
    let value = incompressible(1 << 20);
    for number in 0..megabytes {
        let key = format!("big{number}");
        let set = conn.cmd(&[b"SET", key.as_bytes(), &value]);
        assert_eq!(set, Value::ok());
    }
}

/// A node that can only be copied, as it has a past of its own.
fn own_past() -> Server {
    let node = start(Setup::new());
    node.expect_log("copying all data");
    node.connect().ok("SET mine 1");
    node
}

fn slave(conn: &mut Conn, number: usize) -> Option<String> {
    let info = conn.call("INFO replication").text();
    let name = format!("slave{number}:");
    let mut lines = info.lines();
    lines.find_map(|line| Some(line.strip_prefix(&name)?.trim_end().to_owned()))
}

/// From the moment at which the copy is under way.
fn check_while_it_copies(primary: &Server, replica: &Server) {
    let mut conn = primary.connect();
    let port = replica.port();
    let row = |state: &str| format!("ip=127.0.0.1,port={port},state={state},offset=0,lag=0");
    let mut states = Vec::new();
    wait_until("the copy is under way", || {
        let found = slave(&mut conn, 0);
        states.extend(found.clone());
        found == Some(row("send_bulk"))
    });
    // Before, it waits for the checkpoint.
    states.retain(|state| *state != row("send_bulk"));
    states.dedup();
    assert!(
        states.is_empty() || states == [row("wait_bgsave")],
        "{states:?}"
    );
    assert_eq!(info_field(&mut conn, "connected_slaves"), "1");
    assert_eq!(
        slave(&mut conn, 1),
        None,
        "it is one, over however many connections"
    );
    let links = conn.call("CLIENT LIST TYPE replica").text();
    assert!(!links.is_empty());
    for line in links.lines() {
        assert_eq!(field(line, "flags"), "S", "{line}");
    }
    // It counts for nothing that replicas are counted for.
    assert_eq!(conn.call("ROLE").items()[2], Value::Array(Vec::new()));
    assert_eq!(conn.call("WAIT 1 20"), Value::Int(0));
    conn.ok("CONFIG SET min-replicas-to-write 1");
    assert_eq!(
        conn.call("SET a 1"),
        Value::error("NOREPLICAS Not enough good replicas to write.")
    );
    assert_eq!(info_field(&mut conn, "min_slaves_good_slaves"), "0");
    conn.ok("CONFIG SET min-replicas-to-write 0");
    assert_eq!(
        conn.call(&format!("FAILOVER TO 127.0.0.1 {port}")),
        Value::error("ERR FAILOVER target replica is not online.")
    );
    assert!(slave(&mut conn, 0).is_some_and(|now| now == row("send_bulk")));
}

fn check_afterwards(primary: &Server, replica: &Server) {
    wait_caught_up(replica, primary);
    let mut conn = primary.connect();
    wait_until("it is online", || {
        slave(&mut conn, 0).is_some_and(|row| row.contains("state=online"))
    });
    assert_eq!(info_field(&mut conn, "connected_slaves"), "1");
    assert_eq!(
        conn.call("CLIENT LIST TYPE replica").text().lines().count(),
        1
    );
}

#[test]
fn a_replica_that_is_sent_a_copy_is_shown_as_by_redis() {
    let primary = slow_primary(12);
    let replica = own_past();
    follow(&replica, &primary);
    // Between the list and the files it has no connection for a moment.
    let mut conn = primary.connect();
    wait_until("files are sent", || {
        let links = conn.call("CLIENT LIST TYPE replica").text();
        links.contains(" cmd=_fetch_file ")
    });
    check_while_it_copies(&primary, &replica);
    conn.ok("CONFIG SET max-replication-mb 0");
    check_afterwards(&primary, &replica);

    let setup = || Setup::oracle("a_replica_that_is_sent_a_copy_is_shown_as_by_redis");
    let (Some(primary), Some(replica)) = (setup(), setup()) else {
        return;
    };
    // Over the disk, or it would be `wait_bgsave` all the time; each key delays the file by 20 ms.
    let primary = primary
        .arg("--repl-diskless-sync", "no")
        .arg("--rdb-key-save-delay", "20000")
        .start();
    let replica = replica.start();
    let mut conn = primary.connect();
    fill(&mut conn, 30);
    follow(&replica, &primary);
    wait_until("it is known", || slave(&mut conn, 0).is_some());
    // The file does not fit in between.
    replica.signal("STOP");
    check_while_it_copies(&primary, &replica);
    replica.signal("CONT");
    check_afterwards(&primary, &replica);
}

/// What it announces is what is shown, as when it has its stream.
#[test]
fn an_announced_address_is_shown() {
    let primary = slow_primary(6);
    let setup = Setup::new()
        .arg("--replica-announce-ip", "replica.example")
        .arg("--replica-announce-port", "7007");
    let replica = start(setup);
    replica.expect_log("copying all data");
    replica.connect().ok("SET mine 1");
    follow(&replica, &primary);
    let mut conn = primary.connect();
    let shown = |conn: &mut Conn, state: &str| {
        let row = format!("ip=replica.example,port=7007,state={state},");
        slave(conn, 0).is_some_and(|found| found.starts_with(&row))
    };
    wait_until("the copy is under way", || shown(&mut conn, "send_bulk"));
    conn.ok("CONFIG SET max-replication-mb 0");
    wait_until("it is online", || shown(&mut conn, "online"));
}

#[test]
fn the_connections_of_a_copy_can_be_closed_and_it_is_taken_up_again() {
    let primary = slow_primary(12);
    let replica = own_past();
    follow(&replica, &primary);
    let mut conn = primary.connect();
    wait_until("the copy is under way", || {
        slave(&mut conn, 0).is_some_and(|row| row.contains("send_bulk"))
    });
    conn.ok("CONFIG SET max-replication-mb 0");
    assert!(conn.call("CLIENT KILL TYPE replica").int() > 0);
    assert_eq!(conn.call("CLIENT LIST TYPE replica").text(), "");
    check_afterwards(&primary, &replica);
    assert!(replica.connect().call("GET mine").is_null());
}

/// A Kvrocks does not say who it is on these connections: nobody is named, and the connections are listed.
#[test]
fn a_replica_that_does_not_say_who_it_is_is_not_guessed() {
    let primary = slow_primary(6);
    let mut list = primary.connect();
    list.send_line("_fetch_meta");
    let names = String::from_utf8(list.read_to_close()).expect("names");
    let table = names
        .trim_end()
        .split(',')
        .find(|name| name.ends_with(".sst"));
    let mut file = primary.connect();
    file.send_line(&format!("_fetch_file {}", table.expect("a table")));
    let mut conn = primary.connect();
    wait_until("its connection is listed", || {
        let links = conn.call("CLIENT LIST TYPE replica").text();
        let addr = file.local_addr();
        let is_it = |line: &str| field(line, "addr") == addr && field(line, "cmd") == "_fetch_file";
        links.lines().count() == 1 && links.lines().all(is_it)
    });
    assert_eq!(info_field(&mut conn, "connected_slaves"), "0");
    assert_eq!(slave(&mut conn, 0), None);
    conn.ok("CONFIG SET max-replication-mb 0");
    assert!(file.read_to_close().len() > 1 << 20);
    wait_until("its connection is listed no more", || {
        conn.call("CLIENT LIST TYPE replica").text().is_empty()
    });
}

/// Of `maxclients` 4, a replica's link takes one, and on the replica the one to its primary.
fn check_links_count(primary: &Server, replica: &Server) {
    wait_link_up(replica);
    for server in [primary, replica] {
        let mut first = server.connect();
        first.ok("CONFIG SET maxclients 4");
        wait_until("nobody else is there", || {
            let others = first.call("CLIENT LIST").text().lines().count() - 2;
            others == 0
        });
        let mut more = [server.connect(), server.connect()];
        for conn in &mut more {
            assert_eq!(conn.call("PING").text(), "PONG");
        }
        let mut refused = server.connect();
        let text = String::from_utf8_lossy(&refused.read_to_close()).into_owned();
        assert_eq!(text, "-ERR max number of clients reached\r\n");
        first.ok("CONFIG SET maxclients 10000");
    }
}

#[test]
fn links_count_for_maxclients_as_in_redis() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    check_links_count(&primary, &replica);
    let setup = || Setup::oracle("links_count_for_maxclients_as_in_redis");
    let (Some(primary), Some(replica)) = (setup(), setup()) else {
        return;
    };
    let primary = primary.arg("--repl-diskless-sync-delay", "0").start();
    let replica = replica.start();
    follow(&replica, &primary);
    check_links_count(&primary, &replica);
}
