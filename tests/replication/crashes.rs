//! Kill -9 under load, of replicas and of primaries: what was acknowledged is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::common::{Conn, DEADLINE, Value, wait_until};
use crate::data::assert_same;
use crate::{attach, follow, number, promote, start_all, wait_caught_up};

/// Threads that write numbered keys and count what was acknowledged. Each stops when told, or when its connection ends.
struct Load {
    stops: Arc<AtomicBool>,
    writers: Vec<JoinHandle<(usize, u64)>>,
}

impl Load {
    /// Each of `count` writers sets key after key, and appends to a list of its own; with `waits`, what a replica has not
    /// acknowledged does not count.
    fn start(port: u16, count: usize, waits: bool) -> Load {
        let stops = Arc::new(AtomicBool::new(false));
        let writers = (0..count)
            .map(|writer| {
                let stops = Arc::clone(&stops);
                std::thread::spawn(move || (writer, write(port, writer, waits, &stops)))
            })
            .collect();
        Load { stops, writers }
    }

    /// What each writer was told is written.
    fn end(self) -> Vec<(usize, u64)> {
        self.stops.store(true, Ordering::Relaxed);
        let ends = self
            .writers
            .into_iter()
            .map(|writer| writer.join().expect("a writer"));
        ends.collect()
    }
}

fn write(port: u16, writer: usize, waits: bool, stops: &AtomicBool) -> u64 {
    let mut conn = Conn::connect(port);
    let mut acknowledged = 0;
    while !stops.load(Ordering::Relaxed) {
        let number = acknowledged + 1;
        for line in [
            format!("SET w{writer}:{number} {number}"),
            format!("INCR c{writer}"),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            let mut bytes = Vec::new();
            crate::common::conn::encode(&words, &mut bytes);
            if conn.try_send_raw(&bytes).is_err() {
                return acknowledged;
            }
            match conn.try_read(DEADLINE) {
                Ok(reply) if !reply.is_error() => {}
                _ => return acknowledged,
            }
        }
        if waits {
            let mut bytes = Vec::new();
            crate::common::conn::encode(&["WAIT", "1", "0"], &mut bytes);
            if conn.try_send_raw(&bytes).is_err() {
                return acknowledged;
            }
            match conn.try_read(DEADLINE) {
                Ok(Value::Int(1..)) => {}
                _ => return acknowledged,
            }
        }
        acknowledged = number;
    }
    acknowledged
}

/// Every acknowledged write is there, and no counter ran ahead of what was sent.
fn check(conn: &mut Conn, acknowledged: &[(usize, u64)]) {
    for (writer, count) in acknowledged {
        assert!(*count > 0, "writer {writer} wrote nothing");
        for number in 1..=*count {
            let reply = conn.call(&format!("GET w{writer}:{number}"));
            assert_eq!(
                reply,
                Value::bulk(number.to_string()),
                "w{writer}:{number} of {count}"
            );
        }
        let counter: u64 = conn
            .call(&format!("GET c{writer}"))
            .text()
            .parse()
            .expect("a number");
        assert!(
            counter == *count || counter == count + 1,
            "counter {counter}, {count} acknowledged"
        );
    }
}

fn wait_for_load(conn: &mut Conn, keys: i64) {
    let start = conn.call("DBSIZE").int();
    wait_until("the writers get on", || {
        conn.call("DBSIZE").int() >= start + keys
    });
}

#[test]
fn a_replica_killed_under_load_loses_and_doubles_nothing() {
    let [primary, mut replica] = start_all();
    attach(&replica, &primary);
    let load = Load::start(primary.port(), 2, false);
    let mut conn = primary.connect();
    for _ in 0..4 {
        wait_for_load(&mut conn, 300);
        replica.kill();
        wait_for_load(&mut conn, 200);
        replica.restart();
    }
    let acknowledged = load.end();
    wait_caught_up(&replica, &primary);
    check(&mut replica.connect(), &acknowledged);
    assert_same(&primary, &replica);
    assert_eq!(number(&primary, "sync_full"), 0);
}

#[test]
fn a_primary_killed_under_load_has_all_it_acknowledged() {
    let [mut primary, replica] = start_all();
    attach(&replica, &primary);
    for _ in 0..3 {
        let load = Load::start(primary.port(), 4, false);
        wait_for_load(&mut primary.connect(), 500);
        primary.kill();
        let acknowledged = load.end();
        primary.restart();
        check(&mut primary.connect(), &acknowledged);
        primary.connect().ok("SET again 1");
        wait_caught_up(&replica, &primary);
        check(&mut replica.connect(), &acknowledged);
        assert_same(&primary, &replica);
        primary.connect().ok("FLUSHALL");
    }
    assert_eq!(number(&primary, "sync_full"), 0);
}

#[test]
fn what_wait_confirmed_is_on_the_promoted_replica() {
    let [mut one, mut two] = start_all();
    for server in [&one, &two] {
        server.expect_log("copying all data");
    }
    for _ in 0..4 {
        attach(&two, &one);
        let load = Load::start(one.port(), 4, true);
        wait_for_load(&mut one.connect(), 200);
        one.kill();
        let acknowledged = load.end();
        promote(&two);
        check(&mut two.connect(), &acknowledged);
        two.connect().ok("FLUSHALL");
        // The old primary comes back with what it alone has, and gives it up.
        one.restart();
        follow(&one, &two);
        wait_caught_up(&one, &two);
        assert_eq!(one.connect().call("DBSIZE"), two.connect().call("DBSIZE"));
        promote(&one);
        std::mem::swap(&mut one, &mut two);
        promote(&one);
    }
}

#[test]
fn a_role_survives_a_kill_right_behind_its_reply() {
    let [one, mut two] = start_all();
    one.connect().ok("SET a 1");
    for _ in 0..5 {
        follow(&two, &one);
        two.kill();
        two.restart();
        assert_eq!(two.info("role"), "slave");
        wait_caught_up(&two, &one);
        promote(&two);
        two.kill();
        two.restart();
        assert_eq!(two.info("role"), "master");
    }
}
