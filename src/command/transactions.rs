//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! EXEC runs its queue on one savepoint and in one record: all of it or none. It is judged by what it holds: a pause of writes holds back an EXEC
//! that writes, not one that reads. Queuing itself is never held back.

use super::context::ControlCtx;
use super::dispatch::{self, Evaluation};
use super::halt::{Halt, Run, Wait};
use super::spec::{Class, Flags, KeySpec, Spec};
use super::table::Command;
use super::{account, monitor, parked_reads};
use crate::client::transaction::{Queued, Transaction, Watch};
use crate::client::{Client, ClientKey};
use crate::error::ReplyError;
use crate::node::Node;
use crate::resp::Args;
use crate::storage::cold::DiskReads;

const MULTI: Spec = Spec::control("multi", 1, multi)
    .flags(
        Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::ALLOW_BUSY),
    )
    .never_held()
    .doc("transactions", "1.2.0", "O(1)", "Starts a transaction.");

const EXEC: Spec = Spec::control("exec", 1, exec)
    .flags(
        Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::SKIP_SLOWLOG),
    )
    .doc(
        "transactions",
        "1.2.0",
        "Depends on commands in the transaction",
        "Executes all commands in a transaction.",
    );

const DISCARD: Spec = Spec::control("discard", 1, discard)
    .flags(
        Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::ALLOW_BUSY),
    )
    .never_held()
    .doc(
        "transactions",
        "2.0.0",
        "O(N), when N is the number of queued commands",
        "Discards a transaction.",
    );

const WATCH: Spec = Spec::control("watch", -2, watch)
    .flags(
        Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::ALLOW_BUSY),
    )
    .keys(KeySpec::Range {
        first: 1,
        last: -1,
        step: 1,
    })
    .doc(
        "transactions",
        "2.2.0",
        "O(1) for every key.",
        "Monitors changes to keys to determine the execution of a transaction.",
    );

const UNWATCH: Spec = Spec::control("unwatch", 1, unwatch)
    .flags(
        Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::ALLOW_BUSY),
    )
    .never_held()
    .doc(
        "transactions",
        "2.2.0",
        "O(1)",
        "Forgets about watched keys of a transaction.",
    );

/// The family.
pub const SPECS: &[Spec] = &[MULTI, EXEC, DISCARD, WATCH, UNWATCH];

/// Whether a command is executed although its client is inside MULTI.
pub fn runs_at_once(name: &str) -> bool {
    matches!(
        name,
        "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
    )
}

/// Whether a command that is none on data looks at keys all the same: WATCH, and EXEC at what was watched.
pub fn looks_at_keys(client: &Client, command: &'static Command) -> bool {
    match command.spec.name {
        "watch" => true,
        "exec" => client.watch.is_some(),
        _ => false,
    }
}

/// What the gate must think of `command` from this client: EXEC is what its queue is. A Sentinel's hello is held by no
/// pause: it touches neither the WAL nor the stream, and without it Sentinel calls a paused primary down.
pub fn class_of(client: &Client, command: &'static Command, args: Args<'_>) -> (Class, bool) {
    let spec = command.spec;
    if spec.name == "publish" && args.get(1) == Some(crate::failover::sentinel::HELLO_CHANNEL) {
        return (Class::Control, false);
    }
    if spec.name != "exec" {
        return (spec.class, spec.held_by_pause_all);
    }
    // One that will be refused does nothing, and is told so at once.
    let queue = client
        .transaction
        .iter()
        .filter(|transaction| !transaction.has_errors)
        .flat_map(|transaction| &transaction.queue);
    let mut class = Class::Control;
    let mut held = false;
    for queued in queue {
        let (queued_class, queued_held) = class_of(client, queued.command, queued.args.as_args());
        held |= queued_held;
        class = match (class, queued_class) {
            (Class::Write, _) | (_, Class::Write) => Class::Write,
            (Class::MayReplicate, _) | (_, Class::MayReplicate) => Class::MayReplicate,
            (Class::Read, _) | (_, Class::Read) => Class::Read,
            (Class::Control, Class::Control) => Class::Control,
        };
    }
    (class, held)
}

/// Queues the command if its client is inside MULTI; returns whether it did.
pub fn queue(node: &mut Node, key: ClientKey, command: &'static Command, args: Args<'_>) -> bool {
    let Some(client) = node.clients.get_mut(key) else {
        return false;
    };
    let Some(transaction) = &mut client.transaction else {
        return false;
    };
    if runs_at_once(command.spec.name) {
        return false;
    }
    let args = args.to_owned();
    transaction.bytes += size_of::<Queued>() + args.heap_bytes();
    transaction.queue.push(Queued { command, args });
    let proto = client.proto;
    let mut reply = node.take_reply(proto);
    reply.simple("QUEUED");
    node.view.begin_command();
    dispatch::finish_reply(node, key, reply);
    true
}

/// A command did not pass the checks: EXEC will refuse, or has been refused itself, which ends its transaction. Returns what
/// the client is told.
pub fn rejected(
    node: &mut Node,
    key: ClientKey,
    command: Option<&'static Command>,
    error: ReplyError,
) -> ReplyError {
    let Some(client) = node.clients.get_mut(key) else {
        return error;
    };
    if command.is_some_and(|command| command.spec.name == "exec") {
        client.transaction = None;
        node.unwatch(key);
        let text = error.text();
        let reason = text.strip_prefix(b"ERR ").unwrap_or(text);
        return ReplyError::new([b"EXECABORT Transaction discarded because of: ", reason].concat());
    }
    if let Some(transaction) = &mut client.transaction {
        transaction.has_errors = true;
    }
    error
}

fn multi(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    if ctx.session().transaction.is_some() {
        return Err(ReplyError::fixed("ERR MULTI calls can not be nested").into());
    }
    ctx.session().transaction = Some(Box::new(Transaction::default()));
    ctx.reply.ok();
    Ok(())
}

fn discard(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    if ctx.session().transaction.take().is_none() {
        return Err(ReplyError::fixed("ERR DISCARD without MULTI").into());
    }
    ctx.node.unwatch(ctx.client);
    ctx.reply.ok();
    Ok(())
}

fn watch(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    if ctx.session().transaction.is_some() {
        return Err(ReplyError::fixed("ERR WATCH inside MULTI is not allowed").into());
    }
    let db = ctx.session().db;
    // All or none: it may have to wait for a key that is not in memory, and be gone before that is read.
    for key in args.from(1).iter() {
        ctx.store().header(key)?;
    }
    for key in args.from(1).iter() {
        let watch = ctx.session().watch.get_or_insert_default();
        if watch
            .keys
            .iter()
            .any(|(at, name, _)| *at == db && **name == *key)
        {
            continue;
        }
        let existed = ctx.store().header(key)?.is_some();
        ctx.node.watches.add(db, key, ctx.client);
        ctx.session()
            .watch
            .get_or_insert_default()
            .keys
            .push((db, key.into(), existed));
    }
    ctx.node.update_wants_keys();
    ctx.reply.ok();
    Ok(())
}

fn unwatch(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.node.unwatch(ctx.client);
    ctx.reply.ok();
    Ok(())
}

fn exec(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    let Some(transaction) = ctx.session().transaction.take() else {
        return Err(ReplyError::fixed("ERR EXEC without MULTI").into());
    };
    if transaction.has_errors {
        ctx.node.unwatch(ctx.client);
        return Err(ReplyError::fixed(
            "EXECABORT Transaction discarded because of previous errors.",
        )
        .into());
    }
    let watch = ctx.session().watch.take();
    let result = match is_broken(ctx, watch.as_deref()) {
        Ok(false) => run_queue(ctx, &transaction),
        Ok(true) => {
            ctx.reply.null_array();
            Ok(())
        }
        Err(halt) => Err(halt),
    };
    // Parked as a whole: it must find everything as it was when it runs again.
    ctx.session().watch = watch;
    match result {
        Err(halt @ Halt::Wait(_)) => {
            ctx.session().transaction = Some(transaction);
            Err(halt)
        }
        other => {
            ctx.node.unwatch(ctx.client);
            other
        }
    }
}

/// Whether a watched key was changed, or has expired since it was watched.
fn is_broken(ctx: &mut ControlCtx<'_>, watch: Option<&Watch>) -> Run<bool> {
    let Some(watch) = watch else {
        return Ok(false);
    };
    if watch.is_dirty {
        return Ok(true);
    }
    for (db, key, existed) in &watch.keys {
        if *existed && ctx.store().at(*db).header(key)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn run_queue(ctx: &mut ControlCtx<'_>, transaction: &Transaction) -> Run {
    // What has effects beyond the view cannot be run twice: such a queue reads on the loop, however long.
    let could_wait = ctx.node.view.scans_may_wait();
    let may_wait = transaction
        .queue
        .iter()
        .all(|queued| matches!(queued.command.spec.class, Class::Read | Class::Write));
    let disk_reads = ctx.node.view.cold.disk_reads;
    if !may_wait {
        parked_reads::look_for_queue(ctx.node, ctx.client, &transaction.queue)?;
        ctx.node.view.cold.disk_reads = DiskReads::Direct;
    }
    ctx.node.view.set_scans_may_wait(could_wait && may_wait);
    ctx.reply.array(transaction.queue.len());
    let mut result = Ok(());
    let mut executed = Vec::new();
    for queued in &transaction.queue {
        match run_queued(ctx, queued) {
            Ok(done) if may_wait => executed.push((queued, done)),
            Ok(done) => book(ctx, queued, &done),
            Err(halt) => {
                result = Err(halt);
                break;
            }
        }
    }
    // A queue that waits runs again from its start: only then do its commands count.
    if result.is_ok() {
        for (queued, done) in executed {
            book(ctx, queued, &done);
        }
    }
    ctx.node.view.set_scans_may_wait(could_wait);
    ctx.node.view.cold.disk_reads = disk_reads;
    result
}

/// How one command of a queue went.
struct Done {
    took_us: u64,
    error: Option<ReplyError>,
}

fn book(ctx: &mut ControlCtx<'_>, queued: &Queued, done: &Done) {
    let args = queued.args.as_args();
    account::executed(
        ctx.node,
        ctx.client,
        queued.command,
        args,
        done.took_us,
        done.error.as_ref(),
    );
    monitor::note(ctx.node, ctx.client, queued.command, args);
}

fn run_queued(ctx: &mut ControlCtx<'_>, queued: &Queued) -> Run<Done> {
    let mark = ctx.node.view.mark();
    let changes = &ctx.node.changes;
    let noted = (
        changes.keys.len(),
        changes.flushed.len(),
        changes.events.len(),
        changes.count,
    );
    let written = ctx.reply.len();
    let evaluation = Evaluation {
        turn: ctx.turn,
        seed: ctx.rng.next_u64(),
        resumed: false,
        count_ask: ctx.count_ask,
    };
    let began_us = ctx.node.stamp();
    let result = dispatch::invoke(
        ctx.node,
        ctx.client,
        queued.command,
        queued.args.as_args(),
        &evaluation,
        ctx.reply,
        true,
    );
    let took_us = ctx.node.stamp().saturating_sub(began_us);
    let error = match result {
        Ok(()) => {
            ctx.reply.proto = ctx.session().proto;
            return Ok(Done {
                took_us,
                error: None,
            });
        }
        Err(Halt::Wait(wait @ (Wait::Scan(_) | Wait::ColdRead | Wait::KeyCount))) => {
            return Err(Halt::Wait(wait));
        }
        // A handler that may not block does not ask to wait for keys, and SHUTDOWN is not queued.
        Err(Halt::Wait(
            Wait::Keys(_)
            | Wait::Shutdown
            | Wait::Acks { .. }
            | Wait::Psync { .. }
            | Wait::Link
            | Wait::Ship(_),
        )) => ReplyError::fixed("ERR this command cannot wait inside a transaction"),
        Err(Halt::Error(error)) => error,
    };
    ctx.node.view.undo(mark);
    ctx.node.forget_changes(noted.0, noted.1, noted.2, noted.3);
    ctx.reply.truncate(written);
    ctx.reply.error(&error);
    Ok(Done {
        took_us,
        error: Some(error),
    })
}
