//! One line of CLIENT LIST and CLIENT INFO.

use std::fmt::Write;

use crate::client::waiting::Reason;
use crate::client::{Client, ClientKey, Flag};
use crate::node::Node;
use crate::resp::{Args, Proto};

/// Appends the line of `client`, in redis-server 7.0's order of fields and with 7.2's `lib-name` and `lib-ver`.
///
/// `running` is who runs a command now, and its arguments. As in Redis, `qbuf` is all that its buffer holds, the running
/// command included; `qbuf-free` is of the shared buffer where that is the one, and `tot-mem` counts only what is its own.
pub fn write(node: &Node, client: &Client, running: (ClientKey, Args<'_>), text: &mut String) {
    let mut flags = String::new();
    for (flag, letter) in [
        (Flag::Monitor, 'O'),
        (Flag::NoEvict, 'e'),
        (Flag::NoTouch, 'T'),
        (Flag::UnixSocket, 'U'),
    ] {
        if client.has(flag) {
            flags.push(letter);
        }
    }
    if client.is_subscriber() {
        flags.push('P');
    }
    if client.transaction.is_some() {
        flags.push('x');
    }
    let reason = client
        .parked()
        .and_then(|parked| node.waiting.reason(parked.ticket));
    if reason.is_some_and(Reason::is_blocked_to_the_eye) {
        flags.push('b');
    }
    if client.watch.as_ref().is_some_and(|watch| watch.is_dirty) {
        flags.push('d');
    }
    if client.has(Flag::CloseAfterReply) {
        flags.push('c');
    }
    if client.has(Flag::CloseNow) {
        flags.push('A');
    }
    if flags.is_empty() {
        flags.push('N');
    }
    let subscriptions = client.subscriptions.as_deref();
    let queued = client
        .transaction
        .as_ref()
        .map_or(-1, |transaction| transaction.queue.len() as i64);
    let multi_bytes = client
        .transaction
        .as_ref()
        .map_or(0, |transaction| transaction.bytes);
    let argument_bytes = match client.parked() {
        Some(parked) => parked.args.heap_bytes(),
        None if running.0 == client.key => running.1.iter().map(<[u8]>::len).sum(),
        None => 0,
    };
    let buf = &client.input.buf;
    let mut input = (buf.len(), buf.capacity() - buf.len());
    let mut memory = client.heap_bytes();
    if let Some(reading) = node.reading.filter(|reading| reading.client == client.key) {
        input = (reading.len, reading.free);
        if reading.is_own {
            memory += reading.len + reading.free;
        }
    }
    let now = node.now();
    let _ = write!(
        text,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} qbuf={} \
         qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl={} oll={} omem={} tot-mem={} events=r cmd={} user=default \
         redir=-1 resp={} lib-name={} lib-ver={}",
        client.id,
        client.peer.addr,
        client.peer.laddr,
        client.peer.fd,
        client.name.as_deref().unwrap_or(""),
        now.since(client.created) / 1000,
        now.since(client.last_interaction) / 1000,
        flags,
        client.db.0,
        subscriptions.map_or(0, |all| all.channels.len()),
        subscriptions.map_or(0, |all| all.patterns.len()),
        subscriptions.map_or(0, |all| all.shard_channels.len()),
        queued,
        input.0,
        input.1,
        argument_bytes,
        multi_bytes,
        client.output.buffered_bytes(),
        client.output.parts_count(),
        client.output.pending_heap_bytes(),
        memory,
        client
            .last_command
            .map_or("NULL", |command| command.spec.name),
        if client.proto == Proto::Resp3 { 3 } else { 2 },
        client.lib_name.as_deref().unwrap_or(""),
        client.lib_version.as_deref().unwrap_or(""),
    );
}
