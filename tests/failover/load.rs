//! Writers whose every acknowledged write is checked at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::common::{Conn, DEADLINE, Server, Value, wait_until};

/// Writers of one node, running. Each appends 1, 2, 3 ... to a list of its own until it is told to stop, is refused, or loses
/// its connection.
pub struct Load {
    stops: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Written>>,
}

/// What a writer was told.
#[derive(Debug)]
struct Written {
    key: String,
    acknowledged: usize,
    /// Its last write was neither acknowledged nor refused.
    is_last_unknown: bool,
}

/// What all writers were told.
pub struct Ended(Vec<Written>);

impl Load {
    /// Starts writers whose keys begin with `name`, and returns when each has written.
    pub fn start(server: &Server, name: &str) -> Load {
        const WRITERS: usize = 2;
        let load = Load {
            stops: Arc::default(),
            written: Arc::default(),
            writers: Vec::new(),
        };
        let writer = |number: usize| {
            let (stops, written) = (Arc::clone(&load.stops), Arc::clone(&load.written));
            let (conn, key) = (server.connect(), format!("{name}:{number}"));
            std::thread::spawn(move || write(conn, key, &stops, &written))
        };
        let writers = (0..WRITERS).map(writer).collect();
        let load = Load { writers, ..load };
        load.wait_for_writes(20 * WRITERS as u64);
        load
    }

    /// Waits for so many more acknowledged writes.
    pub fn wait_for_writes(&self, count: u64) {
        let start = self.written.load(Ordering::Relaxed);
        wait_until("the writers get on", || {
            self.written.load(Ordering::Relaxed) >= start + count
        });
    }

    /// Tells the writers to stop; those that are parked end when they are answered.
    pub fn end(self) -> Ended {
        self.stops.store(true, Ordering::Relaxed);
        let writers = self.writers.into_iter();
        Ended(
            writers
                .map(|writer| writer.join().expect("a writer"))
                .collect(),
        )
    }
}

fn write(mut conn: Conn, key: String, stops: &AtomicBool, written: &AtomicU64) -> Written {
    let mut told = Written {
        key,
        acknowledged: 0,
        is_last_unknown: false,
    };
    while !stops.load(Ordering::Relaxed) {
        let number = told.acknowledged + 1;
        let line = format!("RPUSH {} {number}\r\n", told.key);
        told.is_last_unknown = true;
        if conn.try_send_raw(line.as_bytes()).is_err() {
            break;
        }
        match conn.try_read(DEADLINE) {
            Ok(Value::Int(length)) => {
                assert_eq!(length as usize, number, "{}: doubled or lost", told.key);
                told.acknowledged = number;
                told.is_last_unknown = false;
                written.fetch_add(1, Ordering::Relaxed);
            }
            Ok(refusal) => {
                let text = refusal.text();
                assert!(text.starts_with("READONLY"), "{}: {text}", told.key);
                told.is_last_unknown = false;
                break;
            }
            Err(_) => break,
        }
    }
    told
}

impl Ended {
    /// Everything acknowledged is on this node, once and in order, and nothing that was refused.
    pub fn check(&self, server: &Server) {
        let mut conn = server.connect();
        for written in &self.0 {
            let list = conn.call(&format!("LRANGE {} 0 -1", written.key));
            let there: Vec<String> = list.items().iter().map(Value::text).collect();
            let all: Vec<String> = (1..=there.len()).map(|number| number.to_string()).collect();
            assert_eq!(there, all, "{written:?}");
            let extra = usize::from(written.is_last_unknown);
            let expected = written.acknowledged..=written.acknowledged + extra;
            assert!(
                expected.contains(&there.len()),
                "{} there, {written:?}",
                there.len()
            );
        }
    }

    /// Like [`Ended::check`], where so many of the last acknowledged writes may have been given up.
    pub fn check_but_for(&self, server: &Server, given_up: usize) {
        let mut conn = server.connect();
        let mut missing = 0;
        for written in &self.0 {
            let list = conn.call(&format!("LRANGE {} 0 -1", written.key));
            let there: Vec<String> = list.items().iter().map(Value::text).collect();
            let all: Vec<String> = (1..=there.len()).map(|number| number.to_string()).collect();
            assert_eq!(there, all, "{written:?}");
            missing += written.acknowledged.saturating_sub(there.len());
        }
        assert!(missing <= given_up, "{missing} writes are missing");
    }
}
