//! One line of CLIENT LIST and CLIENT INFO: of a client, of a replica, and of the link to the primary.

use std::fmt;

use crate::client::waiting::Reason;
use crate::client::{Client, ClientKey, Flag, Linked};
use crate::node::Node;
use crate::node::copies::CopyLink;
use crate::node::replication::Followed;
use crate::replication::progress::Replica;
use crate::resp::{Args, Proto};

/// What is shown, in redis-server 7.0's order of fields and with 7.2's `lib-name` and `lib-ver`.
pub struct Line<'a> {
    id: u64,
    addr: &'a str,
    laddr: &'a str,
    fd: i32,
    name: &'a str,
    age_s: u64,
    idle_s: u64,
    flags: String,
    db: u16,
    /// Channels, patterns and shard channels.
    subscriptions: [usize; 3],
    queued: i64,
    input_bytes: usize,
    input_free_bytes: usize,
    argument_bytes: usize,
    multi_bytes: usize,
    output_bytes: usize,
    output_parts: usize,
    output_heap_bytes: usize,
    heap_bytes: usize,
    command: &'a str,
    user: &'a str,
    proto: Proto,
    lib_name: &'a str,
    lib_version: &'a str,
}

impl<'a> Line<'a> {
    /// The line of a client. `running` is who runs a command now, and its arguments. As in Redis, `qbuf` is all that its buffer
    /// holds, the running command included; `qbuf-free` is of the shared buffer where that is the one, and `tot-mem` counts only
    /// what is its own.
    pub fn of(node: &Node, client: &'a Client, running: (ClientKey, Args<'_>)) -> Line<'a> {
        let subscriptions = client.subscriptions.as_deref();
        let transaction = client.transaction.as_ref();
        let argument_bytes = match client.parked() {
            Some(parked) => parked.args.heap_bytes(),
            None if running.0 == client.key => running.1.iter().map(<[u8]>::len).sum(),
            None => 0,
        };
        let buf = &client.input.buf;
        let mut input = (buf.len(), buf.capacity() - buf.len());
        let mut heap_bytes = client.heap_bytes();
        if let Some(reading) = node.reading.filter(|reading| reading.client == client.key) {
            input = (reading.len, reading.free);
            if reading.is_own {
                heap_bytes += reading.len + reading.free;
            }
        }
        let now = node.now();
        Line {
            id: client.id,
            addr: &client.peer.addr,
            laddr: &client.peer.laddr,
            fd: client.peer.fd,
            name: client.name.as_deref().unwrap_or(""),
            age_s: now.since(client.created) / 1000,
            idle_s: now.since(client.last_interaction) / 1000,
            flags: flags(node, client),
            db: client.db.0,
            subscriptions: subscriptions.map_or([0; 3], |all| {
                [&all.channels, &all.patterns, &all.shard_channels].map(|names| names.len())
            }),
            queued: transaction.map_or(-1, |transaction| transaction.queue.len() as i64),
            input_bytes: input.0,
            input_free_bytes: input.1,
            argument_bytes,
            multi_bytes: transaction.map_or(0, |transaction| transaction.bytes),
            output_bytes: client.output.buffered_bytes(),
            output_parts: client.output.parts_count(),
            output_heap_bytes: client.output.pending_heap_bytes(),
            heap_bytes,
            command: client
                .last_command
                .map_or("NULL", |command| command.spec.name),
            user: "default",
            proto: client.proto,
            lib_name: client.lib_name.as_deref().unwrap_or(""),
            lib_version: client.lib_version.as_deref().unwrap_or(""),
        }
    }

    /// The line of a replica's link.
    pub fn of_replica(node: &Node, link: &'a Linked, replica: &Replica) -> Line<'a> {
        let now = node.now();
        let queued_bytes = replica.queued_bytes() as usize;
        Line {
            idle_s: replica.lag_seconds(now),
            flags: "S".to_owned(),
            output_heap_bytes: queued_bytes,
            heap_bytes: queued_bytes,
            // Its acknowledgements are commands in Redis.
            command: match replica.acked_seq() {
                Some(_) => "replconf",
                None => "psync",
            },
            user: "default",
            ..Line::of_linked(node, link)
        }
    }

    /// The line of a connection on which files of a full copy are sent.
    pub fn of_copy(node: &Node, copy: &'a CopyLink) -> Line<'a> {
        Line {
            flags: "S".to_owned(),
            command: copy.command,
            user: "default",
            ..Line::of_linked(node, &copy.link)
        }
    }

    /// The line of the link to the primary.
    pub fn of_primary(node: &Node, link: &'a Linked, followed: &Followed) -> Line<'a> {
        Line {
            idle_s: followed.silence_ms / 1000,
            flags: "M".to_owned(),
            user: "(superuser)",
            ..Line::of_linked(node, link)
        }
    }

    fn of_linked(node: &Node, link: &'a Linked) -> Line<'a> {
        Line {
            id: link.id,
            addr: &link.peer.addr,
            laddr: &link.peer.laddr,
            fd: link.peer.fd,
            name: link.name.as_deref().unwrap_or(""),
            age_s: node.now().since(link.created) / 1000,
            idle_s: 0,
            flags: String::new(),
            db: 0,
            subscriptions: [0; 3],
            queued: -1,
            input_bytes: 0,
            input_free_bytes: 0,
            argument_bytes: 0,
            multi_bytes: 0,
            output_bytes: 0,
            output_parts: 0,
            output_heap_bytes: 0,
            heap_bytes: 0,
            command: "NULL",
            user: "",
            proto: Proto::Resp2,
            lib_name: link.lib_name.as_deref().unwrap_or(""),
            lib_version: link.lib_version.as_deref().unwrap_or(""),
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, patterns, shard_channels] = self.subscriptions;
        write!(
            f,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={channels} psub={patterns} \
             ssub={shard_channels} multi={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl={} oll={} omem={} \
             tot-mem={} events=r cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.addr,
            self.laddr,
            self.fd,
            self.name,
            self.age_s,
            self.idle_s,
            self.flags,
            self.db,
            self.queued,
            self.input_bytes,
            self.input_free_bytes,
            self.argument_bytes,
            self.multi_bytes,
            self.output_bytes,
            self.output_parts,
            self.output_heap_bytes,
            self.heap_bytes,
            self.command,
            self.user,
            match self.proto {
                Proto::Resp2 => 2,
                Proto::Resp3 => 3,
            },
            self.lib_name,
            self.lib_version,
        )
    }
}

fn flags(node: &Node, client: &Client) -> String {
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
    flags
}
