//! SUBSCRIBE and kin, PUBLISH, PUBSUB.
//!
//! A message costs no sequence number and no disk: it travels beside the batches. It leaves when what its publisher was shown before is
//! committed, like the publisher's own reply.

use bytes::Bytes;

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Class, Flags, KeySpec, Spec};
use crate::error::ReplyError;
use crate::failover::sentinel::HELLO_CHANNEL;
use crate::node::Role;
use crate::pubsub::{Kind, Subscriptions};
use crate::replication::frames::Message;
use crate::resp::{Args, Reply};

const SUBSCRIBER: Flags = Flags::PUBSUB
    .and(Flags::NOSCRIPT)
    .and(Flags::LOADING)
    .and(Flags::STALE);
const PUBLISHER: Flags = Flags::PUBSUB
    .and(Flags::LOADING)
    .and(Flags::STALE)
    .and(Flags::FAST)
    .and(Flags::MAY_REPLICATE);
const LOOKER: Flags = Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE);

/// The family.
pub const SPECS: &[Spec] = &[
    Spec::control("subscribe", -2, subscribe).flags(SUBSCRIBER).never_held().doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of channels to subscribe to.",
        "Listens for messages published to channels.",
    ),
    Spec::control("unsubscribe", -1, unsubscribe).flags(SUBSCRIBER).never_held().doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of clients already subscribed to a channel.",
        "Stops listening to messages posted to channels.",
    ),
    Spec::control("psubscribe", -2, psubscribe).flags(SUBSCRIBER).never_held().doc(
        "pubsub",
        "2.0.0",
        "O(N) where N is the number of patterns the client is already subscribed to.",
        "Listens for messages published to channels that match one or more patterns.",
    ),
    Spec::control("punsubscribe", -1, punsubscribe).flags(SUBSCRIBER).never_held().doc(
        "pubsub",
        "2.0.0",
        "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total patterns subscribed in the system (by any client).",
        "Stops listening to messages published to channels that match one or more patterns.",
    ),
    Spec::control("ssubscribe", -2, ssubscribe)
        .flags(SUBSCRIBER)
        .keys(KeySpec::Range { first: 1, last: -1, step: 1 })
        .never_held()
        .doc(
            "pubsub",
            "7.0.0",
            "O(N) where N is the number of shard channels to subscribe to.",
            "Listens for messages published to shard channels.",
        ),
    Spec::control("sunsubscribe", -1, sunsubscribe)
        .flags(SUBSCRIBER)
        .keys(KeySpec::Range { first: 1, last: -1, step: 1 })
        .never_held()
        .doc(
            "pubsub",
            "7.0.0",
            "O(N) where N is the number of clients already subscribed to a shard channel.",
            "Stops listening to messages posted to shard channels.",
        ),
    Spec::control("publish", 3, publish).flags(PUBLISHER).class(Class::MayReplicate).doc(
        "pubsub",
        "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
        "Posts a message to a channel.",
    ),
    Spec::control("spublish", 3, spublish)
        .flags(PUBLISHER)
        .class(Class::MayReplicate)
        .keys(KeySpec::Range { first: 1, last: 1, step: 1 })
        .doc(
            "pubsub",
            "7.0.0",
            "O(N) where N is the number of clients subscribed to the receiving shard channel.",
            "Post a message to a shard channel",
        ),
    Spec::container(
        "pubsub",
        &[
            Spec::control("pubsub|channels", -2, pubsub_channels).flags(LOOKER).doc(
                "pubsub",
                "2.8.0",
                "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
                "Returns the active channels.",
            ),
            Spec::control("pubsub|help", 2, pubsub_help).flags(Flags::LOADING.and(Flags::STALE)).doc(
                "pubsub",
                "6.2.0",
                "O(1)",
                "Returns helpful text about the different subcommands.",
            ),
            Spec::control("pubsub|numpat", 2, pubsub_numpat).flags(LOOKER).doc(
                "pubsub",
                "2.8.0",
                "O(1)",
                "Returns a count of unique pattern subscriptions.",
            ),
            Spec::control("pubsub|numsub", -2, pubsub_numsub).flags(LOOKER).doc(
                "pubsub",
                "2.8.0",
                "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
                "Returns a count of subscribers to channels.",
            ),
            Spec::control("pubsub|shardchannels", -2, pubsub_shardchannels).flags(LOOKER).doc(
                "pubsub",
                "7.0.0",
                "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short channels).",
                "Returns the active shard channels.",
            ),
            Spec::control("pubsub|shardnumsub", -2, pubsub_shardnumsub).flags(LOOKER).doc(
                "pubsub",
                "7.0.0",
                "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
                "Returns the count of subscribers of shard channels.",
            ),
        ],
    )
    .doc("pubsub", "2.8.0", "Depends on subcommand.", "A container for Pub/Sub commands."),
];

fn subscribe(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    add_all(ctx, Kind::Channel, args)
}

fn psubscribe(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    add_all(ctx, Kind::Pattern, args)
}

fn ssubscribe(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    add_all(ctx, Kind::Shard, args)
}

fn unsubscribe(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    remove_all(ctx, Kind::Channel, args)
}

fn punsubscribe(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    remove_all(ctx, Kind::Pattern, args)
}

fn sunsubscribe(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    remove_all(ctx, Kind::Shard, args)
}

/// The names of one kind that a client subscribes to.
fn names(
    subscriptions: &mut Subscriptions,
    kind: Kind,
) -> &mut std::collections::BTreeSet<Box<[u8]>> {
    match kind {
        Kind::Channel => &mut subscriptions.channels,
        Kind::Pattern => &mut subscriptions.patterns,
        Kind::Shard => &mut subscriptions.shard_channels,
    }
}

/// What the confirmations count: channels and patterns together, shard channels apart.
fn shown_count(subscriptions: &Subscriptions, kind: Kind) -> usize {
    match kind {
        Kind::Channel | Kind::Pattern => {
            subscriptions.channels.len() + subscriptions.patterns.len()
        }
        Kind::Shard => subscriptions.shard_channels.len(),
    }
}

fn verb(kind: Kind, adds: bool) -> &'static [u8] {
    match (kind, adds) {
        (Kind::Channel, true) => b"subscribe",
        (Kind::Pattern, true) => b"psubscribe",
        (Kind::Shard, true) => b"ssubscribe",
        (Kind::Channel, false) => b"unsubscribe",
        (Kind::Pattern, false) => b"punsubscribe",
        (Kind::Shard, false) => b"sunsubscribe",
    }
}

fn add_all(ctx: &mut ControlCtx<'_>, kind: Kind, args: Args<'_>) -> Run {
    // Redis lets the older two into a transaction, where their confirmations stand among its replies.
    if ctx.in_exec && kind == Kind::Shard {
        return Err(
            ReplyError::fixed("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client").into(),
        );
    }
    for name in args.from(1).iter() {
        let client = ctx.client;
        let session = ctx.session();
        let subscriptions = session.subscriptions.get_or_insert_default();
        let is_new = names(subscriptions, kind).insert(name.into());
        let count = shown_count(subscriptions, kind);
        if is_new {
            ctx.node.pubsub.add(kind, name, client);
        }
        confirm(ctx, verb(kind, true), Some(name), count);
    }
    Ok(())
}

fn remove_all(ctx: &mut ControlCtx<'_>, kind: Kind, args: Args<'_>) -> Run {
    let held: Vec<Box<[u8]>> = if args.len() > 1 {
        args.from(1).iter().map(Box::from).collect()
    } else {
        ctx.session()
            .subscriptions
            .as_mut()
            .map(|all| names(all, kind).iter().cloned().collect())
            .unwrap_or_default()
    };
    if held.is_empty() {
        let count = ctx
            .session()
            .subscriptions
            .as_ref()
            .map_or(0, |all| shown_count(all, kind));
        confirm(ctx, verb(kind, false), None, count);
    }
    for name in held {
        let client = ctx.client;
        let subscriptions = ctx.session().subscriptions.get_or_insert_default();
        let was_there = names(subscriptions, kind).remove(&name);
        let count = shown_count(subscriptions, kind);
        if was_there {
            ctx.node.pubsub.remove(kind, &name, client);
        }
        confirm(ctx, verb(kind, false), Some(&name), count);
    }
    if ctx
        .session()
        .subscriptions
        .as_ref()
        .is_some_and(|all| all.count() == 0)
    {
        ctx.session().subscriptions = None;
    }
    Ok(())
}

fn confirm(ctx: &mut ControlCtx<'_>, verb: &[u8], name: Option<&[u8]>, count: usize) {
    let client = ctx.client;
    let session = ctx.session();
    if session.sends_replies() {
        write_confirmation(ctx.reply, verb, name, count);
        return;
    }
    // CLIENT REPLY OFF holds back replies, and this is one that a subscriber needs.
    let group = session.dependency;
    let mut message = Reply::new(session.proto);
    write_confirmation(&mut message, verb, name, count);
    ctx.node.deliver_message(client, message.bytes(), group);
}

fn write_confirmation(reply: &mut Reply, verb: &[u8], name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(verb);
    reply.bulk_or_null(name);
    reply.count(count);
}

/// Drops every subscription of the client without telling it (RESET).
pub fn drop_all(ctx: &mut ControlCtx<'_>) {
    let client = ctx.client;
    let Some(mut subscriptions) = ctx.session().subscriptions.take() else {
        return;
    };
    for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
        for name in std::mem::take(names(&mut subscriptions, kind)) {
            ctx.node.pubsub.remove(kind, &name, client);
        }
    }
}

fn publish(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    publish_to(ctx, Kind::Channel, args)
}

fn spublish(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    publish_to(ctx, Kind::Shard, args)
}

fn publish_to(ctx: &mut ControlCtx<'_>, kind: Kind, args: Args<'_>) -> Run {
    // In a transaction it stands for all of it, also for what is written behind it.
    let group = (!ctx.in_exec).then(|| ctx.session().dependency.max(ctx.node.view.dependency()));
    let receivers = ctx.node.publish(kind, args.at(1), args.at(2), group);
    // A replica's own messages are its own clients' affair, as in Redis.
    let is_shard = kind == Kind::Shard;
    let is_replicated = is_shard || args.at(1) != HELLO_CHANNEL;
    let replication = &mut ctx.node.replication;
    if is_replicated && ctx.node.role == Role::Primary && !replication.progress.is_empty() {
        let message = Message {
            is_shard,
            channel: Bytes::copy_from_slice(args.at(1)),
            payload: Bytes::copy_from_slice(args.at(2)),
        };
        replication.note_message(message, group);
    }
    ctx.reply.count(receivers);
    Ok(())
}

fn pubsub_channels(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    active(ctx, Kind::Channel, args)
}

fn pubsub_shardchannels(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    active(ctx, Kind::Shard, args)
}

fn active(ctx: &mut ControlCtx<'_>, kind: Kind, args: Args<'_>) -> Run {
    if args.len() > 3 {
        return Err(super::subcommand_syntax("PUBSUB", args.at(1)).into());
    }
    let later = ctx.reply.begin();
    let mut count = 0;
    for name in ctx.node.pubsub.active(kind, args.get(2)) {
        ctx.reply.bulk(name);
        count += 1;
    }
    ctx.reply
        .end(later, crate::resp::reply::Aggregate::Array, count);
    Ok(())
}

fn pubsub_numpat(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.count(ctx.node.pubsub.count(Kind::Pattern));
    Ok(())
}

fn pubsub_numsub(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    numsub(ctx, Kind::Channel, args)
}

fn pubsub_shardnumsub(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    numsub(ctx, Kind::Shard, args)
}

fn numsub(ctx: &mut ControlCtx<'_>, kind: Kind, args: Args<'_>) -> Run {
    ctx.reply.array((args.len() - 2) * 2);
    for name in args.from(2).iter() {
        ctx.reply.bulk(name);
        ctx.reply.count(ctx.node.pubsub.listeners(kind, name).len());
    }
    Ok(())
}

fn pubsub_help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    );
    Ok(())
}
