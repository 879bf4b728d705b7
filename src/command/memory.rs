//! MEMORY.

use super::context::ControlCtx;
use super::halt::Run;
use super::keyspace;
use super::spec::{Flags, Spec};
use crate::error::ReplyError;
use crate::resp::Args;
use crate::resp::reply::Reply;
use crate::stats::memory::{self, Memory};
use crate::stats::memory_advice;

/// The declaration.
pub const MEMORY: Spec = Spec::container(
    "memory",
    &[
        Spec::control("memory|doctor", 2, doctor).doc(
            "server",
            "4.0.0",
            "O(1)",
            "Outputs a memory problems report.",
        ),
        Spec::control("memory|help", 2, help)
            .flags(Flags::LOADING.and(Flags::STALE))
            .doc(
                "server",
                "4.0.0",
                "O(1)",
                "Returns helpful text about the different subcommands.",
            ),
        Spec::control("memory|malloc-stats", 2, malloc_stats).doc(
            "server",
            "4.0.0",
            "Depends on how much memory is allocated, could be slow",
            "Returns the allocator statistics.",
        ),
        Spec::control("memory|purge", 2, purge).doc(
            "server",
            "4.0.0",
            "Depends on how much memory is allocated, could be slow",
            "Asks the allocator to release memory.",
        ),
        Spec::control("memory|stats", 2, stats).doc(
            "server",
            "4.0.0",
            "O(1)",
            "Returns details about memory usage.",
        ),
        keyspace::MEMORY_USAGE,
    ],
)
.doc(
    "server",
    "4.0.0",
    "Depends on subcommand.",
    "A container for memory diagnostics commands.",
);

fn doctor(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let clients = ctx.node.clients.len() as u64;
    let text = memory_advice::report(&Memory::of(ctx.node), clients);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn malloc_stats(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    match memory::allocator_report() {
        Some(text) => ctx.reply.verbatim("txt", text.as_bytes()),
        None => ctx
            .reply
            .bulk(b"Stats not supported for the current allocator"),
    }
    Ok(())
}

fn purge(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    if !memory::purge() {
        return Err(ReplyError::fixed("ERR Error purging dirty pages").into());
    }
    ctx.reply.ok();
    Ok(())
}

/// Redis's fields in their order, then this server's own parts.
fn stats(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let counts = ctx.key_counts()?;
    let memory = Memory::of(ctx.node);
    let databases: Vec<u16> = counts
        .by_db
        .iter()
        .filter(|(_, count)| count.keys > 0)
        .map(|(db, _)| db.0)
        .collect();
    let before = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", memory.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", memory.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let own = [
        ("hot.cache", memory.hot_cache),
        ("uncommitted.writes", memory.overlay),
        ("rocksdb.block.cache", memory.block_cache),
        ("rocksdb.memtables", memory.memtables),
        ("rocksdb.table.readers", memory.table_readers),
    ];
    let reply = &mut *ctx.reply;
    reply.map(before.len() + databases.len() + 17 + own.len());
    for (name, bytes) in before {
        integer(reply, name, bytes as i64);
    }
    for db in databases {
        // Keys are on disk: no table of them is in memory.
        reply.bulk(format!("db.{db}").as_bytes());
        reply.map(3);
        integer(reply, "overhead.hashtable.main", 0);
        integer(reply, "overhead.hashtable.expires", 0);
        integer(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    let keys = counts.total();
    integer(reply, "overhead.total", memory.overhead() as i64);
    integer(reply, "keys.count", keys as i64);
    integer(
        reply,
        "keys.bytes-per-key",
        memory.bytes_per_key(keys) as i64,
    );
    integer(reply, "dataset.bytes", memory.dataset() as i64);
    double(reply, "dataset.percentage", memory.dataset_percent());
    double(reply, "peak.percentage", memory.peak_percent());
    let allocator = memory.allocator;
    integer(reply, "allocator.allocated", allocator.allocated as i64);
    integer(reply, "allocator.active", allocator.active as i64);
    integer(reply, "allocator.resident", allocator.resident as i64);
    for (name, (ratio, bytes)) in [
        ("allocator-fragmentation", memory.allocator_fragmentation()),
        ("allocator-rss", memory.allocator_slack()),
        ("rss-overhead", memory.process_overhead()),
    ] {
        double(reply, &format!("{name}.ratio"), ratio);
        integer(reply, &format!("{name}.bytes"), bytes);
    }
    let (ratio, bytes) = memory.fragmentation();
    double(reply, "fragmentation", ratio);
    integer(reply, "fragmentation.bytes", bytes);
    for (name, bytes) in own {
        integer(reply, name, bytes as i64);
    }
    Ok(())
}

fn integer(reply: &mut Reply, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.int(value);
}

fn double(reply: &mut Reply, name: &str, value: f64) {
    reply.bulk(name.as_bytes());
    reply.double(value);
}

fn help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "MEMORY",
        &[
            "DOCTOR",
            "    Report what is odd about the server's memory.",
            "MALLOC-STATS",
            "    Return what the memory allocator says of itself.",
            "PURGE",
            "    Give pages that hold nothing back to the operating system.",
            "STATS",
            "    Return what the server's memory is used for.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return the bytes that <key> and its value take as they are stored. Elements of a",
            "    collection are estimated from the first <count> of them (default: 5, 0 means all).",
        ],
    );
    Ok(())
}
