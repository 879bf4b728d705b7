//! What a node says that it is while it hands over: a replica of the target, as redis-server says in the same state.

use crate::common::nodes::{attach, start};
use crate::common::server::info_field;
use crate::common::{Conn, Server, Setup, Value, wait_until};
use crate::load::Load;
use crate::pair::{Pair, Step, wait_aligned};
use crate::{state, wait_over, wait_role};

/// Its role by INFO, ROLE and HELLO, and whom it says it follows, by the first two.
#[derive(PartialEq, Eq, Debug)]
struct Said {
    roles: [String; 3],
    follows: [Option<u16>; 2],
}

impl Said {
    fn by(server: &Server) -> Said {
        let mut conn = server.connect();
        let info = conn.call("INFO replication").text();
        let port = info
            .lines()
            .find_map(|line| line.trim_end().strip_prefix("master_port:"));
        let role = conn.call("ROLE");
        let words = role.items();
        let is_replica = words[0].text() == "slave";
        let hello = conn.call("HELLO 2");
        let pairs: Vec<&Value> = hello.items().iter().collect();
        let at = pairs
            .iter()
            .step_by(2)
            .position(|name| **name == Value::bulk("role"));
        let at = at.expect("a role in HELLO");
        Said {
            roles: [
                info_field(&mut conn, "role"),
                words[0].text(),
                pairs[2 * at + 1].text(),
            ],
            follows: [
                port.map(|port| port.parse().expect("a port")),
                is_replica.then(|| u16::try_from(words[2].int()).expect("a port")),
            ],
        }
    }

    fn replica_of(port: u16) -> Said {
        Said {
            roles: ["slave", "slave", "replica"].map(str::to_owned),
            follows: [Some(port); 2],
        }
    }

    fn primary() -> Said {
        Said {
            roles: ["master"; 3].map(str::to_owned),
            follows: [None; 2],
        }
    }
}

/// What INFO says of the link while nobody has taken over yet.
fn check_link(server: &Server) {
    let mut conn = server.connect();
    for (name, value) in [
        ("master_host", "127.0.0.1"),
        ("master_link_status", "down"),
        ("master_last_io_seconds_ago", "-1"),
        ("master_sync_in_progress", "0"),
        ("master_failover_state", "failover-in-progress"),
    ] {
        assert_eq!(info_field(&mut conn, name), value, "{name}");
    }
    assert_eq!(
        info_field(&mut conn, "slave_repl_offset"),
        info_field(&mut conn, "master_repl_offset")
    );
    let role = conn.call("ROLE");
    let words = role.items();
    assert_eq!(words.len(), 5);
    assert_eq!(words[1].text(), "127.0.0.1");
    let link = words[3].text();
    assert!(
        ["connect", "connecting", "handshake"].contains(&&*link),
        "{link}"
    );
}

#[test]
fn it_names_the_target_until_that_says_what_became_of_the_offer() {
    for step in [Step::Offer, Step::Answer] {
        let pair = Pair::start();
        let load = Load::start(&pair.one, "w");
        pair.stop_at(Step::Acknowledgement);
        // Before that it is a primary, whose writes are paused.
        assert_eq!(Said::by(&pair.one), Said::primary());
        pair.one.connect().ok("FAILOVER ABORT");
        pair.before_one.let_pass();
        wait_aligned(&pair.two, &pair.one);
        pair.stop_at(step);
        let target = Said::replica_of(pair.before_two.port());
        assert_eq!(Said::by(&pair.one), target);
        check_link(&pair.one);
        // The link to it is lost, and it is asked again.
        pair.wait_unknown();
        assert_eq!(Said::by(&pair.one), target);
        check_link(&pair.one);
        pair.before_two.let_pass();
        wait_over(&pair.one);
        match pair.settled_somehow(&load.end()).port() == pair.one.port() {
            true => {
                assert_eq!(Said::by(&pair.one), Said::primary());
                assert_eq!(
                    Said::by(&pair.two),
                    Said::replica_of(pair.before_one.port())
                );
            }
            false => {
                assert_eq!(Said::by(&pair.one), target);
                assert_eq!(Said::by(&pair.two), Said::primary());
            }
        }
    }
}

#[test]
fn it_is_a_primary_again_when_the_offer_was_refused() {
    let pair = Pair::start();
    let load = Load::start(&pair.one, "w");
    pair.stop_at(Step::Offer);
    assert_eq!(
        Said::by(&pair.one),
        Said::replica_of(pair.before_two.port())
    );
    // The offer is lost, and the target says that it has not seen it.
    pair.before_two.let_later_ones_pass();
    pair.before_two.cut();
    wait_over(&pair.one);
    wait_role(&pair.one, "master");
    assert_eq!(Said::by(&pair.one), Said::primary());
    pair.settled_after_a_cancelled_offer(load);
}

#[test]
fn restarted_it_names_the_target_until_that_has_answered() {
    let mut pair = Pair::start();
    let ended = Load::start(&pair.one, "w").end();
    wait_aligned(&pair.two, &pair.one);
    pair.stop_at(Step::Answer);
    pair.one.kill();
    pair.one.restart();
    pair.wait_unknown();
    let target = Said::replica_of(pair.before_two.port());
    assert_eq!(Said::by(&pair.one), target);
    check_link(&pair.one);
    pair.before_two.let_pass();
    pair.settled(&pair.two, &ended);
    assert_eq!(Said::by(&pair.one), target);
}

#[test]
fn what_it_reads_may_be_stale_and_its_writes_wait() {
    const DOWN: &str =
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    let pair = Pair::with(|| Setup::new().arg("--replica-serve-stale-data", "no"));
    let mut conn = pair.one.connect();
    conn.ok("SET a 1");
    wait_aligned(&pair.two, &pair.one);
    pair.stop_at(Step::Offer);
    assert_eq!(conn.call("GET a"), Value::error(DOWN));
    let mut held = pair.one.connect();
    held.send_line("SET a 2");
    wait_until("the write waits", || {
        pair.one.info("blocked_clients") == "1"
    });
    assert!(!held.has_reply_now());
    pair.before_two.let_later_ones_pass();
    pair.before_two.cut();
    wait_over(&pair.one);
    assert_eq!(held.read(), Value::ok());
    assert_eq!(conn.call("GET a").text(), "2");
}

/// A switch with FORCE to a target that is stopped: it is in progress until the target goes on.
fn stop_in_progress(primary: &Server, target: &Server) -> Conn {
    let mut conn = primary.connect();
    conn.ok("SET a 1");
    assert_eq!(conn.call("WAIT 1 30000"), Value::Int(1));
    assert_eq!(Said::by(primary), Said::primary());
    assert_eq!(Said::by(target), Said::replica_of(primary.port()));
    target.signal("STOP");
    conn.ok("SET a 2");
    conn.ok(&format!(
        "FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 100",
        target.port()
    ));
    wait_until("the switch is in progress", || {
        state(primary) == "failover-in-progress"
    });
    conn
}

/// Every stage that both have.
fn check_as_redis(primary: &Server, target: &Server) {
    let mut conn = stop_in_progress(primary, target);
    assert_eq!(Said::by(primary), Said::replica_of(target.port()));
    check_link(primary);
    conn.ok("FAILOVER ABORT");
    assert_eq!(Said::by(primary), Said::primary());
    target.signal("CONT");
}

#[test]
fn a_node_that_hands_over_says_what_redis_says() {
    let test = "a_node_that_hands_over_says_what_redis_says";
    let (primary, target) = (start(Setup::new()), start(Setup::new()));
    for node in [&primary, &target] {
        node.expect_log("failover");
    }
    attach(&target, &primary);
    check_as_redis(&primary, &target);

    let setup = || Setup::oracle(test).map(|setup| setup.arg("--repl-diskless-sync-delay", "0"));
    let (Some(primary), Some(target)) = (setup(), setup()) else {
        return;
    };
    let (primary, target) = (primary.start(), target.start());
    attach(&target, &primary);
    check_as_redis(&primary, &target);
}
