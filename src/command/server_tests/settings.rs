//! CONFIG SET's hook to the world outside, passwords, DEBUG, and the commands about what is not there.

use std::cell::RefCell;
use std::rc::Rc;

use crate::command::node_bench::NodeBench;
use crate::config::{Config, Permission};
use crate::node::{Applier, Refused};

/// Takes note of what it is asked for, and refuses port 1.
struct Noting(Rc<RefCell<Vec<String>>>);

impl Applier for Noting {
    fn apply(&mut self, config: &Config, changed: &[&'static str]) -> Result<(), Refused> {
        self.0
            .borrow_mut()
            .push(format!("{} at {}", changed.join("+"), config.port));
        if config.port == 1 {
            return Err(Refused {
                setting: "port",
                reason: "no".to_owned(),
            });
        }
        Ok(())
    }
}

#[test]
fn what_cannot_be_applied_changes_nothing() {
    let mut bench = NodeBench::new();
    let asked = Rc::new(RefCell::new(Vec::new()));
    bench.node.applier = Some(Box::new(Noting(Rc::clone(&asked))));
    assert_eq!(bench.run("CONFIG SET port 7000 timeout 5"), "+OK");
    assert_eq!(
        bench.run("CONFIG SET timeout 9 port 1"),
        "-ERR CONFIG SET failed (possibly related to argument 'port') - no"
    );
    assert_eq!(
        (bench.node.config.port, bench.node.config.timeout_s),
        (7000, 5)
    );
    // What changes nothing, or is wrong by itself, asks nobody.
    assert_eq!(bench.run("CONFIG SET timeout 5"), "+OK");
    assert!(
        bench
            .run("CONFIG SET timeout x")
            .starts_with("-ERR CONFIG SET failed")
    );
    assert_eq!(
        *asked.borrow(),
        ["port+timeout at 7000", "timeout+port at 1"]
    );
}

#[test]
fn a_password_holds_for_those_who_come_later() {
    let mut bench = NodeBench::new();
    assert_eq!(bench.run("CONFIG SET requirepass hush"), "+OK");
    assert_eq!(bench.run("PING"), "+PONG");
    let later = bench.connect();
    assert_eq!(
        bench.run_as(later, "PING"),
        "-NOAUTH Authentication required."
    );
    assert!(bench.run_as(later, "HELLO 3").starts_with("-NOAUTH HELLO"));
    assert_eq!(bench.run_as(later, "AUTH hush"), "+OK");
    let last = bench.connect();
    bench.run("CONFIG SET requirepass nothing");
    assert!(bench.run_as(last, "AUTH hush").starts_with("-WRONGPASS"));
    // Taken away, it is asked of nobody.
    bench.node.config.requirepass.clear();
    assert_eq!(bench.run_as(last, "PING"), "+PONG");
    assert!(bench.run_as(last, "HELLO 2").starts_with("*14 "));
}

#[test]
fn settings_take_effect_at_once() {
    let mut bench = NodeBench::new();
    bench.run(
        "CONFIG SET latency-monitor-threshold 7 latency-tracking no notify-keyspace-events KEA",
    );
    let stats = &bench.node.stats;
    assert_eq!(
        (stats.latency.threshold_ms, stats.tracks_latency),
        (7, false)
    );
    assert!(bench.node.changes.wants_events.0 != 0);
    bench.run("SET key value");
    assert!(bench.node.view.cache_bytes() > 0);
    bench.run("CONFIG SET hot-cache-size 0");
    assert_eq!(bench.node.view.cache_bytes(), 0);
}

#[test]
fn debug_is_for_those_who_may() {
    let mut bench = NodeBench::new();
    assert!(
        bench
            .run("DEBUG SLEEP 0")
            .starts_with("-ERR DEBUG command not allowed.")
    );
    let mut bench = NodeBench::with(Config {
        enable_debug_command: Permission::Yes,
        ..Config::default()
    });
    let wrong = |word: &str| {
        format!(
            "-ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
        )
    };
    for (line, word) in [
        ("DEBUG jmap", "jmap"),
        ("DEBUG SLEEP", "SLEEP"),
        ("DEBUG sleep 0 0", "sleep"),
    ] {
        assert_eq!(bench.run(line), wrong(word));
    }
    assert_eq!(bench.run("DEBUG SLEEP 0"), "+OK");
    assert_eq!(bench.run("DEBUG SLEEP x"), "+OK");
    assert_eq!(bench.run("DEBUG SET-ACTIVE-EXPIRE 0"), "+OK");
    assert!(!bench.node.active_expire);
    bench.run("DEBUG SET-ACTIVE-EXPIRE 1");
    assert!(bench.node.active_expire);
    assert_eq!(bench.run("DEBUG OBJECT a"), "-ERR no such key");
    bench.run("RPUSH a 1 2 3");
    let reply = bench.run("DEBUG OBJECT a");
    assert!(
        reply.starts_with("+Value at:0x")
            && reply.contains(" refcount:1 encoding:quicklist serializedlength:"),
        "{reply}"
    );
    assert!(reply.ends_with(" size:3"), "{reply}");
}

#[test]
fn debug_protocol_has_a_reply_of_every_kind() {
    let mut bench = NodeBench::with(Config {
        enable_debug_command: Permission::Yes,
        ..Config::default()
    });
    let kinds = [
        ("string", "$11 Hello World", "$11 Hello World"),
        ("integer", ":12345", ":12345"),
        ("double", "$5 3.141", ",3.141"),
        ("null", "$-1", "_"),
        ("array", "*3 :0 :1 :2", "*3 :0 :1 :2"),
        ("set", "*3 :0 :1 :2", "~3 :0 :1 :2"),
        ("map", "*6 :0 :0 :1 :1 :2 :0", "%3 :0 #f :1 #t :2 #f"),
        ("true", ":1", "#t"),
        ("false", ":0", "#f"),
        (
            "bignum",
            "$37 1234567999999999999999999999999999999",
            "(1234567999999999999999999999999999999",
        ),
        (
            "verbatim",
            "$25 This is a verbatim\nstring",
            "=29 txt:This is a verbatim\nstring",
        ),
        (
            "attrib",
            "$39 Some real reply following the attribute",
            "|1 $14 key-popularity *2 $7 key:123 :90 $39 Some real reply following the attribute",
        ),
        (
            "push",
            "-ERR RESP2 is not supported by this command",
            ">2 $16 server-cpu-usage :42 $40 Some real reply following the push reply",
        ),
    ];
    for (kind, old, _) in kinds {
        let reply = bench.run(&format!("DEBUG PROTOCOL {kind}"));
        assert_eq!(reply, old, "{kind}");
    }
    bench.run("HELLO 3");
    for (kind, _, new) in kinds {
        let reply = bench.run(&format!("DEBUG PROTOCOL {kind}"));
        assert_eq!(reply, new, "{kind}");
    }
    assert!(
        bench
            .run("DEBUG PROTOCOL x")
            .starts_with("-ERR Wrong protocol type name.")
    );
}

#[test]
fn what_is_not_there_says_so() {
    let mut bench = NodeBench::new();
    for (line, reply) in [
        ("ACL WHOAMI", "$7 default"),
        ("MODULE LIST", "*0"),
        ("MODULE LOAD x", "-ERR modules are not supported"),
        ("BGSAVE x", "-ERR syntax error"),
        ("LOLWUT", "$18 Redis ver. 7.0.15"),
        (
            "LOLWUT VERSION x",
            "-ERR value is not an integer or out of range",
        ),
        (
            "CLUSTER INFO",
            "-ERR This instance has cluster support disabled",
        ),
        (
            "CLUSTER KEYSLOT a",
            "-ERR This instance has cluster support disabled",
        ),
        (
            "CLUSTER HELP",
            "-ERR This instance has cluster support disabled",
        ),
        (
            "CLUSTER FOO",
            "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.",
        ),
        ("ACL FOO", "-ERR unknown subcommand 'FOO'. Try ACL HELP."),
    ] {
        assert_eq!(bench.run(line), reply, "{line}");
    }
    for line in [
        "ACL LIST",
        "ACL SETUSER x",
        "SAVE",
        "BGSAVE",
        "BGSAVE SCHEDULE",
        "BGREWRITEAOF",
    ] {
        assert!(bench.run(line).starts_with("-ERR "), "{line}");
    }
}

#[test]
fn a_cluster_node_without_topology_knows_slots_only() {
    let mut bench = NodeBench::with(Config {
        cluster_enabled: true,
        ..Config::default()
    });
    assert_eq!(bench.run("CLUSTER KEYSLOT foo"), ":12182");
    assert_eq!(bench.run("CLUSTER KEYSLOT {foo}bar"), ":12182");
    for line in ["CLUSTER INFO", "CLUSTER NODES", "CLUSTER MYID"] {
        assert_eq!(
            bench.run(line),
            "-CLUSTERDOWN The cluster is not initialized"
        );
    }
}
