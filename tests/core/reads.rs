//! Commands that need more than the loop reads in one turn, while others write to what they read.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Bench;
use crate::common::Conn;

/// More fields than the loop reads in one turn, and enough for a worker to be busy with.
const FIELDS: usize = 30_000;
const BATCH: usize = 50;

/// Adds fields to `hash` until it is told to stop; gives those that were acknowledged.
fn add_fields(mut conn: Conn, writer: usize, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let names: Vec<String> = (0..BATCH)
            .map(|number| format!("w{writer}-{:07}", acknowledged.len() + number))
            .collect();
        let commands: Vec<Vec<&str>> = names
            .iter()
            .map(|name| vec!["HSET", "hash", name, "x"])
            .collect();
        for reply in conn.pipeline(&commands) {
            reply.int();
        }
        acknowledged.extend(names);
    }
    acknowledged
}

/// RENAME of a key that others write to all the time took what a worker had read long before, and lost what was written since.
#[test]
fn a_long_rename_takes_everything_that_was_acknowledged_before_it() {
    let mut bench = Bench::start();
    let mut fill = vec!["HSET".to_owned(), "hash".to_owned()];
    for number in 0..FIELDS {
        fill.extend([format!("f{number:07}"), "v".to_owned()]);
    }
    bench.admin.cmd(&fill);
    let stop = AtomicBool::new(false);
    let names: Vec<String> = (0..4).map(|number| format!("moved{number}")).collect();
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let conn = bench.server.connect();
                let stop = &stop;
                scope.spawn(move || add_fields(conn, writer, stop))
            })
            .collect();
        for name in &names {
            // There is something to take whenever the writers have come so far again.
            crate::common::wait_until("the hash is long again", || {
                bench.admin.call("HLEN hash").int() > 6000
            });
            bench.admin.ok(&format!("RENAME hash {name}"));
        }
        stop.store(true, Ordering::Relaxed);
        let acknowledged = writers.into_iter().map(|writer| writer.join());
        acknowledged
            .flat_map(|fields| fields.expect("a writer"))
            .collect()
    });
    let mut found = HashSet::new();
    for name in names.iter().map(String::as_str).chain(["hash"]) {
        let fields = bench.admin.call(&format!("HKEYS {name}"));
        let len = bench.admin.call(&format!("HLEN {name}")).int();
        assert_eq!(fields.items().len() as i64, len, "fields of {name}");
        found.extend(fields.items().iter().map(|field| field.text()));
    }
    let lost = acknowledged
        .iter()
        .filter(|field| !found.contains(*field))
        .count();
    assert_eq!(lost, 0, "of {} acknowledged fields", acknowledged.len());
    assert_eq!(found.len(), FIELDS + acknowledged.len());
}
