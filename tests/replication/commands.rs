//! REPLICAOF, SLAVEOF, ROLE, INFO, and what of the role survives a restart.

use crate::common::{Conn, Server, Setup, Value, wait_until};
use crate::{
    attach, follow, number, offset, promote, start, start_all, wait_caught_up, wait_reply,
};

#[test]
fn wrong_arguments_get_the_errors_of_redis() {
    let server = start(Setup::new());
    let Some(oracle) = Setup::oracle("wrong_arguments_get_the_errors_of_redis") else {
        return;
    };
    let oracle = oracle.start();
    let (mut ours, mut theirs) = (server.connect(), oracle.connect());
    for line in [
        "REPLICAOF",
        "REPLICAOF a",
        "REPLICAOF a b c",
        "SLAVEOF a",
        "REPLICAOF 127.0.0.1 x",
        "REPLICAOF 127.0.0.1 -1",
        "REPLICAOF 127.0.0.1 65536",
        "REPLICAOF 127.0.0.1 99999999999999999999",
        "REPLICAOF NO TWO",
        "SLAVEOF NO 1.5",
        "REPLICAOF NO ONE",
        "SLAVEOF no one",
        "REPLICAOF no oNe",
        "ROLE x",
        "WAIT",
        "WAIT 1",
        "WAIT x 1",
        "WAIT 1 x",
        "WAIT 1 -1",
        "WAIT x -1",
        "WAIT 0 0",
        "WAIT 1 10",
        "WAIT -1 0",
    ] {
        assert_eq!(ours.call(line), theirs.call(line), "{line}");
    }
    assert_eq!(server.info("role"), "master");
    // On a replica, whose primary is nowhere.
    for conn in [&mut ours, &mut theirs] {
        conn.ok("REPLICAOF 127.0.0.1 1");
    }
    for line in [
        "REPLICAOF 127.0.0.1 1",
        "SLAVEOF 127.0.0.1 x",
        "SET k v",
        "DEL k",
        "GET k",
        "WAIT 0 0",
        "WAIT 1 x",
        "PUBLISH c m",
        "REPLICAOF NO ONE",
        "SET k v",
        "WAIT 0 0",
    ] {
        assert_eq!(ours.call(line), theirs.call(line), "{line}");
    }
}

#[test]
fn role_and_info_tell_who_follows_whom() {
    let [primary, replica] = start_all();
    let (mut ours, mut theirs) = (primary.connect(), replica.connect());
    ours.ok("SET a 1");
    attach(&replica, &primary);
    let port = replica.port().to_string();
    wait_until("the primary knows how far its replica is", || {
        let role = ours.call("ROLE");
        let [_, at, replicas] = role.items() else {
            panic!("{role:?}")
        };
        let row = Value::bulks(&["127.0.0.1", &port, &at.int().to_string()]);
        replicas.items() == [row]
    });
    let role = theirs.call("ROLE");
    let at = offset(&primary) as i64;
    assert_eq!(role.items()[0], Value::bulk("slave"));
    assert_eq!(role.items()[2], Value::Int(i64::from(primary.port())));
    assert_eq!(role.items()[3], Value::bulk("connected"));
    assert_eq!(role.items()[4], Value::Int(at));
    assert_eq!(primary.info("connected_slaves"), "1");
    wait_until("the replica is online", || {
        let row = primary.info("slave0");
        row.contains("state=online") && row.contains(&format!("offset={at}"))
    });
    assert_eq!(replica.info("role"), "slave");
    assert_eq!(replica.info("master_host"), "127.0.0.1");
    assert_eq!(replica.info("slave_repl_offset"), at.to_string());
    assert_eq!(replica.info("slave_read_only"), "1");
    // Both name one history.
    assert_eq!(replica.info("master_replid"), primary.info("master_replid"));
    assert_eq!(number(&primary, "sync_full"), 0);
    assert_eq!(number(&primary, "sync_partial_ok"), 1);
    assert_eq!(number(&primary, "sync_partial_err"), 0);
    // Asked once more for the same.
    let again = theirs.call(&format!("SLAVEOF 127.0.0.1 {}", primary.port()));
    assert_eq!(
        again,
        Value::simple("OK Already connected to specified master")
    );
    promote(&replica);
    assert_eq!(theirs.call("ROLE").items()[0], Value::bulk("master"));
    wait_until("the primary has lost its replica", || {
        primary.info("connected_slaves") == "0"
    });
}

#[test]
fn the_configuration_names_a_primary_at_the_first_start() {
    let primary = start(Setup::new());
    primary.connect().ok("SET a 1");
    let replica = start(Setup::new().arg("--replicaof", &format!("127.0.0.1 {}", primary.port())));
    wait_caught_up(&replica, &primary);
    assert_eq!(replica.connect().call("GET a").text(), "1");
}

#[test]
fn the_state_file_wins_over_the_configuration() {
    let primary = start(Setup::new());
    primary.connect().ok("SET a 1");
    let setting = format!("127.0.0.1 {}", primary.port());
    let mut node = start(Setup::new().arg("--replicaof", &setting));
    wait_caught_up(&node, &primary);
    promote(&node);
    node.expect_log("is not followed");
    node.restart();
    assert_eq!(node.info("role"), "master");
    node.connect().ok("SET mine 1");
    node.stop();
    node.restart();
    assert_eq!(node.info("role"), "master");
    assert_eq!(node.connect().call("GET mine").text(), "1");
    assert!(node.log().contains("is not followed"));
}

#[test]
fn a_replica_is_a_replica_again_after_a_restart_of_any_sort() {
    let [primary, mut replica] = start_all();
    primary.connect().ok("SET a 1");
    attach(&replica, &primary);
    replica.kill();
    primary.connect().ok("SET b 1");
    replica.restart();
    assert_eq!(
        replica.connect().call("SET x y"),
        Value::error("READONLY You can't write against a read only replica.")
    );
    wait_caught_up(&replica, &primary);
    assert!(replica.stop().success());
    primary.connect().ok("SET c 1");
    replica.restart();
    wait_caught_up(&replica, &primary);
    assert_eq!(
        replica.connect().call("MGET a b c"),
        Value::bulks(&["1", "1", "1"])
    );
    assert_eq!(number(&primary, "sync_full"), 0);
    assert_eq!(number(&primary, "sync_partial_ok"), 3);
}

#[test]
fn replicaof_is_repointed_and_undone_many_times() {
    let [one, two, node] = start_all::<3>();
    attach(&node, &one);
    attach(&two, &one);
    one.connect().ok("SET a 1");
    let mut conn = node.connect();
    for _ in 0..10 {
        follow(&node, &two);
        follow(&node, &one);
    }
    wait_caught_up(&node, &one);
    wait_reply(&mut conn, "GET a", "1");
    assert_eq!(number(&one, "sync_full") + number(&two, "sync_full"), 0);
    // A change and its undoing in one write: the last word holds.
    let commands: Vec<Vec<String>> = (0..50)
        .map(|round| match round % 2 {
            0 => vec!["REPLICAOF".into(), "NO".into(), "ONE".into()],
            _ => vec![
                "REPLICAOF".into(),
                "127.0.0.1".into(),
                one.port().to_string(),
            ],
        })
        .collect();
    for reply in conn.pipeline(&commands) {
        assert!(!reply.is_error(), "{reply:?}");
    }
    one.connect().ok("SET b 2");
    wait_caught_up(&node, &one);
    wait_reply(&mut conn, "GET b", "2");
    same_role(&node, "slave");
}

fn same_role(server: &Server, role: &str) {
    let mut conn: Conn = server.connect();
    assert_eq!(conn.call("ROLE").items()[0], Value::bulk(role));
}
