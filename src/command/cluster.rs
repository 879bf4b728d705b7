//! CLUSTER. Topology is a later part's: a node of a cluster serves all slots, and can only tell which slot a key has.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use crate::error::ReplyError;
use crate::resp::Args;
use crate::text::crc::slot;

const LOOKS: Flags = Flags::STALE;
const ADMIN: Flags = Flags::ADMIN.and(Flags::STALE);
const CHANGES: Flags = ADMIN.and(Flags::NO_ASYNC_LOADING);

const CONNECTION_FLAGS: Flags = Flags::LOADING.and(Flags::STALE).and(Flags::FAST);

/// A command that needs a topology.
const fn needs_topology(
    name: &'static str,
    arity: i32,
    flags: Flags,
    since: &'static str,
    summary: &'static str,
) -> Spec {
    Spec::control(name, arity, no_topology)
        .flags(flags)
        .never_held()
        .doc("cluster", since, "O(1)", summary)
}

/// The declaration.
#[rustfmt::skip]
pub const CLUSTER: Spec = Spec::container(
    "cluster",
    &[
        needs_topology("cluster|addslots", -3, CHANGES, "3.0.0", "Assigns hash slots to this node."),
        needs_topology("cluster|addslotsrange", -4, CHANGES, "7.0.0", "Assigns ranges of hash slots to this node."),
        needs_topology("cluster|bumpepoch", 2, CHANGES, "3.0.0", "Advances the configuration epoch."),
        needs_topology("cluster|count-failure-reports", 3, ADMIN, "3.0.0", "Counts the failure reports about a node."),
        needs_topology("cluster|countkeysinslot", 3, LOOKS, "3.0.0", "Counts the keys of a hash slot."),
        needs_topology("cluster|delslots", -3, CHANGES, "3.0.0", "Takes hash slots from this node."),
        needs_topology("cluster|delslotsrange", -4, CHANGES, "7.0.0", "Takes ranges of hash slots from this node."),
        needs_topology("cluster|failover", -2, CHANGES, "3.0.0", "Makes a replica the primary of its shard."),
        needs_topology("cluster|flushslots", 2, CHANGES, "3.0.0", "Takes all hash slots from this node."),
        needs_topology("cluster|forget", 3, CHANGES, "3.0.0", "Removes a node from the node table."),
        needs_topology("cluster|getkeysinslot", 4, LOOKS, "3.0.0", "Returns keys of a hash slot."),
        needs_topology("cluster|info", 2, LOOKS, "3.0.0", "Returns the state of the cluster as this node sees it."),
        Spec::control("cluster|help", 2, help).flags(Flags::LOADING.and(Flags::STALE)).never_held().doc(
            "cluster", "5.0.0", "O(1)", "Returns helpful text about the different subcommands.",
        ),
        Spec::control("cluster|keyslot", 3, keyslot).flags(LOOKS).never_held().doc(
            "cluster", "3.0.0", "O(N) where N is the number of bytes in the key", "Returns the hash slot of a key.",
        ),
        needs_topology("cluster|links", 2, LOOKS, "7.0.0", "Returns the links to and from other nodes."),
        needs_topology("cluster|meet", -4, CHANGES, "3.0.0", "Makes this node meet another one."),
        needs_topology("cluster|myid", 2, LOOKS, "3.0.0", "Returns the id of this node."),
        needs_topology("cluster|nodes", 2, LOOKS, "3.0.0", "Returns the node table."),
        needs_topology("cluster|replicas", 3, ADMIN, "5.0.0", "Lists the replicas of a primary."),
        needs_topology("cluster|replicate", 3, CHANGES, "3.0.0", "Makes this node a replica of another."),
        needs_topology("cluster|reset", -2, ADMIN.and(Flags::NOSCRIPT), "3.0.0", "Forgets the cluster."),
        needs_topology("cluster|saveconfig", 2, CHANGES, "3.0.0", "Writes the state of the cluster to disk."),
        needs_topology("cluster|set-config-epoch", 3, CHANGES, "3.0.0", "Sets the configuration epoch of a new node."),
        needs_topology("cluster|setslot", -4, CHANGES, "3.0.0", "Binds a hash slot to a node."),
        needs_topology("cluster|shards", 2, LOOKS, "7.0.0", "Returns the shards with their slots and nodes."),
        needs_topology("cluster|slaves", 3, ADMIN, "3.0.0", "Lists the replicas of a primary."),
        needs_topology("cluster|slots", 2, LOOKS, "3.0.0", "Returns which nodes serve which slots."),
    ],
)
.doc("cluster", "3.0.0", "Depends on subcommand.", "A container for cluster commands.");

/// What clients of a cluster send on a connection before they read from a replica, write again, or follow a redirection.
#[rustfmt::skip]
pub const CONNECTION: &[Spec] = &[
    needs_topology("asking", 1, Flags::FAST, "3.0.0", "Lets the next command through to a slot that is being imported."),
    needs_topology("readonly", 1, CONNECTION_FLAGS, "3.0.0", "Lets the connection read from a replica of its slots."),
    needs_topology("readwrite", 1, CONNECTION_FLAGS, "3.0.0", "Ends what READONLY began."),
];

/// Redis's error for every subcommand while the cluster is off.
fn check_enabled(ctx: &ControlCtx<'_>) -> Result<(), ReplyError> {
    const DISABLED: ReplyError =
        ReplyError::fixed("ERR This instance has cluster support disabled");
    if ctx.node.settings.cluster_enabled {
        Ok(())
    } else {
        Err(DISABLED)
    }
}

/// What Kvrocks answers before its topology is set.
fn no_topology(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    check_enabled(ctx)?;
    Err(ReplyError::fixed("CLUSTERDOWN The cluster is not initialized").into())
}

fn keyslot(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    check_enabled(ctx)?;
    ctx.reply.int(i64::from(slot(args.at(2))));
    Ok(())
}

fn help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    check_enabled(ctx)?;
    super::help(
        ctx.reply,
        "CLUSTER",
        &[
            "KEYSLOT <key>",
            "    Return the hash slot of <key>.",
            "INFO, NODES, SLOTS and the others",
            "    Answer once the node has a topology.",
        ],
    );
    Ok(())
}
