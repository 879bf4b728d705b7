//! Links in CLIENT LIST, CLIENT KILL and INFO clients, beside redis-server.

use crate::common::server::info_field;
use crate::common::{Conn, Server, Setup, wait_until};
use crate::{attach, start_all, wait_caught_up, wait_link_up};

/// The value of `name=` in a line of CLIENT LIST.
pub fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let found = line
        .split(' ')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// The only line of CLIENT LIST with these options, once there is exactly one.
fn only_line(conn: &mut Conn, options: &str) -> String {
    let mut line = String::new();
    wait_until(&format!("CLIENT LIST {options} shows one line"), || {
        let list = conn.call(&format!("CLIENT LIST {options}")).text();
        line = list.trim_end().to_owned();
        !line.is_empty() && !line.contains('\n')
    });
    line
}

/// What both servers show alike, whatever their ids, ports and buffers are.
fn comparable(line: &str) -> Vec<&str> {
    [
        "name", "flags", "db", "sub", "psub", "ssub", "multi", "events", "user", "redir", "resp",
    ]
    .map(|name| field(line, name))
    .to_vec()
}

/// Kills the link with these options and waits until it is there again, under another id or from another port.
fn kill_and_wait(server: &mut Conn, list: &str, options: &str) {
    let before = only_line(server, list);
    assert_eq!(
        server.call(&format!("CLIENT KILL {options}")).int(),
        1,
        "{options}"
    );
    wait_until("the link is made anew", || {
        let now = server.call(&format!("CLIENT LIST {list}")).text();
        let ends = |line: &str| {
            [
                field(line, "addr").to_owned(),
                field(line, "laddr").to_owned(),
            ]
        };
        !now.is_empty() && ends(now.trim_end()) != ends(&before)
    });
}

fn check_a_pair(primary: &Server, replica: &Server) -> [String; 2] {
    let (mut above, mut below) = (primary.connect(), replica.connect());
    let at_primary = only_line(&mut above, "TYPE replica");
    let at_replica = only_line(&mut below, "TYPE master");
    assert_eq!(field(&at_primary, "addr"), field(&at_replica, "laddr"));
    assert_eq!(field(&at_primary, "laddr"), field(&at_replica, "addr"));
    assert_eq!(
        field(&at_primary, "laddr"),
        format!("127.0.0.1:{}", primary.port())
    );
    // By id, and beside the others, in the order of the ids.
    for (conn, line) in [(&mut above, &at_primary), (&mut below, &at_replica)] {
        let id = field(line, "id");
        let by_id = only_line(conn, &format!("ID {id}"));
        assert_eq!(comparable(&by_id), comparable(line));
        let all = conn.call("CLIENT LIST").text();
        let ids: Vec<u64> = all
            .lines()
            .map(|line| field(line, "id").parse().unwrap())
            .collect();
        assert!(
            ids.is_sorted() && ids.contains(&id.parse().unwrap()),
            "{all}"
        );
        for options in ["TYPE normal", "TYPE pubsub"] {
            let list = conn.call(&format!("CLIENT LIST {options}")).text();
            assert!(list.lines().all(|line| field(line, "id") != id), "{list}");
        }
    }
    // Of the links only the one to the primary counts.
    for (conn, links) in [(&mut above, 0), (&mut below, 1)] {
        wait_until("all that are listed count, and no replica", || {
            let listed = conn.call("CLIENT LIST TYPE normal").text().lines().count();
            info_field(conn, "connected_clients") == (listed + links).to_string()
        });
    }
    [at_primary, at_replica]
}

#[test]
fn links_are_listed_and_closed_as_by_redis() {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let ours = check_a_pair(&primary, &replica);
    for (line, command) in [
        (&ours[0], ["psync", "replconf"]),
        (&ours[1], ["NULL", "NULL"]),
    ] {
        assert!(command.contains(&field(line, "cmd")), "{line}");
    }
    let (mut above, mut below) = (primary.connect(), replica.connect());
    let of_replica = "TYPE replica";
    kill_and_wait(&mut above, of_replica, "TYPE slave");
    kill_and_wait(&mut above, of_replica, "TYPE replica SKIPME no");
    for name in ["id", "addr"] {
        let line = only_line(&mut above, of_replica);
        let options = format!("{name} {}", field(&line, name));
        kill_and_wait(&mut above, of_replica, &options);
    }
    let addr = field(&only_line(&mut above, of_replica), "addr").to_owned();
    above.ok(&format!("CLIENT KILL {addr}"));
    // It is gone for the next command already.
    assert_eq!(above.call(&format!("CLIENT KILL ADDR {addr}")).int(), 0);
    wait_link_up(&replica);
    kill_and_wait(&mut below, "TYPE master", "TYPE master");
    above.ok("SET a 1");
    wait_caught_up(&replica, &primary);
    assert_eq!(below.call("GET a").text(), "1");
    assert_eq!(primary.info("sync_full"), "0");

    let setup = || Setup::oracle("links_are_listed_and_closed_as_by_redis");
    let (Some(primary), Some(replica)) = (setup(), setup()) else {
        return;
    };
    let (primary, replica) = (
        primary.arg("--repl-diskless-sync-delay", "0").start(),
        replica.start(),
    );
    replica
        .connect()
        .ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_link_up(&replica);
    let theirs = check_a_pair(&primary, &replica);
    assert_eq!(
        ours.each_ref().map(|line| comparable(line)),
        theirs.each_ref().map(|line| comparable(line))
    );
}

#[test]
fn a_replica_keeps_the_name_that_it_gave_as_a_client() {
    let [primary] = start_all();
    let mut conn = primary.connect();
    conn.ok("CLIENT SETNAME it");
    conn.ok("CLIENT SETINFO lib-name lib");
    let id = conn.call("CLIENT ID").int();
    conn.ok("PSYNC 1");
    let mut admin = primary.connect();
    let line = only_line(&mut admin, "TYPE replica");
    assert_eq!(field(&line, "id"), id.to_string());
    assert_eq!(
        [field(&line, "name"), field(&line, "lib-name")],
        ["it", "lib"]
    );
    assert_eq!([field(&line, "flags"), field(&line, "cmd")], ["S", "psync"]);
    assert_eq!(field(&line, "addr"), conn.local_addr());
    assert_eq!(admin.call(&format!("CLIENT KILL ID {id}")).int(), 1);
    assert_eq!(admin.call("CLIENT LIST TYPE replica").text(), "");
    wait_until("its link is closed", || {
        primary.info("connected_slaves") == "0"
    });
}
