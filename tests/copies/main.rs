//! Full copies in rare but real situations: kill -9 of either side at every step, full disks, purged logs, and primaries whose data
//! changes meanwhile.
//!
//! `killed.rs` is about the replica's end, `disk.rs` about its disk, `purged.rs` about logs that do not go back far enough,
//! `primary.rs` about what happens on the other side.

#[path = "../common/mod.rs"]
mod common;
#[path = "../replication/data.rs"]
mod data;

mod disk;
mod killed;
mod primary;
mod purged;

use std::path::Path;

use common::nodes::{offset, start, wait_link_up};
use common::proxy::Proxy;
use common::{Conn, Rng, Server, Setup, Value, wait_until};

/// Settings by which a little data is in many tables, none of which is merged with others.
fn small_tables(setup: Setup) -> Setup {
    setup
        .arg("--rocksdb.write_buffer_size", "1")
        .arg("--rocksdb.disable_auto_compactions", "yes")
        .arg("--rocksdb.level0_slowdown_writes_trigger", "1000")
        .arg("--rocksdb.level0_stop_writes_trigger", "1024")
}

/// A server that keeps its port, and may say that it is slowed down: small memtables are full soon.
fn start_small(setup: Setup) -> Server {
    let server = start(small_tables(setup));
    server.expect_log("RocksDB slows down writes");
    server
}

/// Sets so many keys of 64 KiB each, which no compression makes smaller. Other seeds, other values under the same names.
fn fill(conn: &mut Conn, seed: u64, count: usize) {
    let mut rng = Rng::new(seed);
    for number in 0..count {
        let value = rng.bytes(64 << 10);
        let key = format!("filled:{number}");
        assert_eq!(conn.cmd(&[b"SET", key.as_bytes(), &value]), Value::ok());
    }
}

/// Has a replica follow whom a proxy leads to.
fn follow_through(replica: &Server, proxy: &Proxy) {
    replica
        .connect()
        .ok(&format!("REPLICAOF 127.0.0.1 {}", proxy.port()));
}

/// Nobody gets to the server behind the proxy until it leads there again.
fn close_off(proxy: &Proxy) {
    // Nothing listens there.
    proxy.lead_to(1);
    proxy.cut();
}

/// Waits until the replica is at the number where its primary is, and compares the data.
fn wait_same(replica: &Server, primary: &Server) {
    wait_link_up(replica);
    wait_until("the replica has what its primary has", || {
        offset(replica) == offset(primary)
    });
    data::assert_same(replica, primary);
}

/// The names in a directory; none if it is not there.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Whole tables that a replica has fetched.
fn fetched_tables(replica: &Server) -> usize {
    let names = names(&replica.dir().join("sync_checkpoint"));
    names.iter().filter(|name| name.ends_with(".sst")).count()
}

/// Waits until a replica has removed all that copies leave beside its database.
fn wait_cleared(replica: &Server) {
    wait_until("nothing is left of a copy", || {
        let names = names(replica.dir());
        let leftovers = ["sync_checkpoint", "db.tmp", "db.failed", "stillpoint.swap"];
        names.iter().any(|name| name == "db")
            && !leftovers
                .iter()
                .any(|left| names.iter().any(|name| name == left))
    });
}
