//! An unmodified redis-sentinel beside a paused primary. Where it is not installed these tests say that they did not run.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::common::nodes::{attach, start_all};
use crate::common::server::info_field;
use crate::common::{Conn, DEADLINE, Server, Value, holds_within, say_skipped, wait_until};
use crate::load::Load;

/// One Sentinel that watches a primary alone: its own word is enough for a failover.
struct Sentinel {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Sentinel {
    /// Starts it, with `down-after-milliseconds`; `None`, said aloud, where it is not installed.
    fn watch(test: &str, primary: &Server, down_after_ms: u64) -> Option<Sentinel> {
        let found = Command::new("redis-sentinel")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            say_skipped(test, "redis-sentinel is not installed");
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("sentinel.conf");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let primary = primary.port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {dir}\nlogfile {dir}/sentinel.log\nsentinel monitor ours 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds ours {down_after_ms}\nsentinel failover-timeout ours 5000\n",
            dir = dir.path().display()
        );
        std::fs::write(&file, text).expect("its configuration");
        let child = Command::new("redis-sentinel")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-sentinel starts");
        let sentinel = Sentinel { child, port, dir };
        wait_until("Sentinel answers", || {
            Conn::try_connect(sentinel.port).is_ok()
        });
        Some(sentinel)
    }

    fn connect(&self) -> Conn {
        Conn::connect(self.port)
    }

    /// A field of SENTINEL MASTER.
    fn field(&self, name: &str) -> String {
        let reply = self.connect().call("SENTINEL MASTER ours");
        let words: Vec<String> = reply.items().iter().map(Value::text).collect();
        let at = words.iter().step_by(2).position(|word| word == name);
        let at = at.unwrap_or_else(|| panic!("Sentinel has no {name}"));
        words[2 * at + 1].clone()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("sentinel.log")).unwrap_or_default()
    }

    /// The primary's port, as Sentinel tells clients.
    fn primary_port(&self) -> String {
        let reply = self.connect().call("SENTINEL GET-MASTER-ADDR-BY-NAME ours");
        reply.items()[1].text()
    }

    fn wait_for_replicas(&self, count: usize) {
        wait_until("Sentinel knows the replicas", || {
            self.field("num-slaves") == count.to_string()
        });
        // And listens on the primary.
        wait_until("Sentinel has subscribed", || {
            self.field("flags") == "master"
        });
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Sentinel's log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How often Sentinel's PINGs and hellos have been answered by this node since it started.
fn answered(conn: &mut Conn, command: &str) -> u64 {
    let stats = conn.call("INFO commandstats").text();
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    let calls = line.and_then(|line| line.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

/// Waits for an INFO field, on a new connection each time: Sentinel ends those of clients when it changes a role.
fn wait_field(server: &Server, name: &str, value: &str) {
    let line = format!("{name}:{value}");
    // Sentinel reconfigures ten seconds after it has made up its mind at the earliest.
    let found = holds_within(3 * DEADLINE, || {
        let mut conn = server.connect();
        let sent = conn.try_send_raw(b"INFO replication\r\n");
        let info = conn.try_read(DEADLINE);
        sent.is_ok()
            && info.is_ok_and(|info| info.text().lines().any(|found| found.trim_end() == line))
    });
    assert!(found, "INFO never said {line}");
}

fn no_failover_in_a_pause(test: &str, pause_ms: u64, mode: &str) {
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let Some(sentinel) = Sentinel::watch(test, &primary, 1000) else {
        return;
    };
    sentinel.wait_for_replicas(1);
    let load = Load::start(&primary, "w");
    let mut admin = primary.connect();
    admin.ok(&format!("CLIENT PAUSE {pause_ms} {mode}"));
    let frozen = info_field(&mut admin, "master_repl_offset");
    // PINGs come once a second, hellos every two: the pause outlasts the patience of a second by many of both.
    let (pings, hellos) = (
        answered(&mut admin, "ping"),
        answered(&mut admin, "publish"),
    );
    let hello_count = pause_ms / 3000;
    wait_until("Sentinel's hellos and pings are answered", || {
        answered(&mut admin, "publish") >= hellos + hello_count
            && answered(&mut admin, "ping") >= pings + hello_count
    });
    assert_eq!(info_field(&mut admin, "master_repl_offset"), frozen);
    assert_eq!(info_field(&mut admin, "role"), "master");
    admin.ok("CLIENT UNPAUSE");
    load.wait_for_writes(20);
    let ended = load.end();
    ended.check(&primary);
    assert_eq!(sentinel.primary_port(), primary.port().to_string());
    assert_eq!(sentinel.field("flags"), "master");
    let log = sentinel.log();
    for event in ["+sdown", "+odown", "+try-failover", "+switch-master"] {
        assert!(!log.contains(event), "{log}");
    }
}

/// ecosystem.md 1.8, line 1: redis-server's own Sentinel called it down 9 s into a pause, and failed over in the middle of it.
#[test]
fn a_pause_of_writes_was_taken_for_a_death() {
    no_failover_in_a_pause("a_pause_of_writes_was_taken_for_a_death", 12_000, "WRITE");
}

#[test]
fn a_pause_of_everything_was_taken_for_a_death() {
    no_failover_in_a_pause("a_pause_of_everything_was_taken_for_a_death", 9_000, "ALL");
}

#[test]
fn sentinel_fails_over_on_a_kill_and_the_old_primary_comes_back_as_a_replica() {
    let test = "sentinel_fails_over_on_a_kill_and_the_old_primary_comes_back_as_a_replica";
    let [mut primary, replica] = start_all();
    attach(&replica, &primary);
    // More than a second: Sentinel pings a new primary for the first time a second after it has connected, and with no more patience
    // than that it may call it down before, and make the old one, which is just back, the primary again.
    let Some(sentinel) = Sentinel::watch(test, &primary, 2500) else {
        return;
    };
    sentinel.wait_for_replicas(1);
    let load = Load::start(&primary, "w");
    let mut conn = primary.connect();
    conn.ok("SET last 1");
    let ended = load.end();
    conn.ok("SET last 2");
    assert_eq!(conn.call("WAIT 1 30000"), Value::Int(1));
    primary.kill();
    wait_until("Sentinel has switched", || {
        sentinel.primary_port() == replica.port().to_string()
    });
    wait_field(&replica, "role", "master");
    ended.check(&replica);
    replica.connect().ok("SET after 1");
    primary.restart();
    // Sentinel makes it one.
    wait_field(&primary, "role", "slave");
    wait_field(&primary, "master_link_status", "up");
    crate::pair::wait_aligned(&primary, &replica);
    assert_eq!(primary.info("sync_full"), "0");
    assert_eq!(replica.info("sync_full"), "0");
    ended.check(&primary);
}

#[test]
fn sentinel_fails_over_on_command_inside_a_pause_and_loses_nothing() {
    let test = "sentinel_fails_over_on_command_inside_a_pause_and_loses_nothing";
    let [primary, replica] = start_all();
    attach(&replica, &primary);
    let Some(sentinel) = Sentinel::watch(test, &primary, 5000) else {
        return;
    };
    sentinel.wait_for_replicas(1);
    // FAILOVER behind its back is refused, and says what to do.
    let reply = primary.connect().call("FAILOVER");
    let text = reply.text();
    assert!(
        reply.is_error() && text.contains("SENTINEL FAILOVER"),
        "{text}"
    );
    let load = Load::start(&primary, "w");
    primary.connect().ok("CLIENT PAUSE 20000 WRITE");
    crate::pair::wait_aligned(&replica, &primary);
    wait_until("Sentinel begins", || {
        // It may not know yet that the replica is well.
        sentinel.connect().call("SENTINEL FAILOVER ours") == Value::ok()
    });
    wait_until("Sentinel has switched", || {
        sentinel.primary_port() == replica.port().to_string()
    });
    wait_field(&primary, "role", "slave");
    let ended = load.end();
    wait_field(&primary, "master_link_status", "up");
    crate::pair::wait_aligned(&primary, &replica);
    ended.check(&replica);
    ended.check(&primary);
    assert_eq!(replica.info("sync_full"), "0");
}
