//! The gate: the checks before a command runs, in order. The pause is the last one, so that every trivial error comes back
//! at once; a command that was parked passes the whole gate again.

use super::spec::{Class, Flags, KeySpec};
use super::table::Command;
use crate::client::waiting::Reason;
use crate::client::{Client, Flag};
use crate::error::{READONLY, RESTORING, ReplyError};
use crate::node::{Node, Role};
use crate::resp::{Args, Proto};
use crate::text::crc::slot;

/// What the gate says of a command.
#[derive(Clone, Debug)]
pub enum Verdict {
    Pass,
    Reject(ReplyError),
    /// Not now: park the client.
    Postpone(Reason),
}

/// What the checks look at. For EXEC, class and pause are those of the whole queue.
pub struct Candidate<'a> {
    pub command: &'static Command,
    pub args: Args<'a>,
    pub class: Class,
    pub held_by_pause_all: bool,
}

type Check = fn(&Node, &Client, &Candidate<'_>) -> Verdict;

/// The order, and why each stands before the next: Redis 7.0 `processCommand`, spec section 3.
pub const CHECKS: &[(&str, Check)] = &[
    // A wrong call is wrong for everybody: nothing about the server is told by it.
    ("arity", arity),
    // Who has not given the password learns nothing further.
    ("auth", auth),
    ("in-transaction", in_transaction),
    // Where a key lives is told before what this node could do with it.
    ("slot", slots),
    // A disk that is full stops the writes of a primary; a replica would only say READONLY.
    ("disk", disk),
    ("replicas", replicas),
    ("role", role),
    ("pubsub-context", pubsub_context),
    // Of a replica that answers nothing for now, it is told why.
    ("stale", stale),
    ("loading", loading),
    // Waiting comes last of all: everything above is answered at once.
    ("pause", pause),
    ("promotion", promotion),
    ("stall", stall),
];

/// Runs the checks.
pub fn check(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    for (_, check) in CHECKS {
        match check(node, client, candidate) {
            Verdict::Pass => {}
            other => return other,
        }
    }
    Verdict::Pass
}

fn arity(_: &Node, _: &Client, candidate: &Candidate<'_>) -> Verdict {
    if candidate.command.spec.accepts(candidate.args.len()) {
        Verdict::Pass
    } else {
        Verdict::Reject(crate::error::wrong_arity(candidate.command.spec.name))
    }
}

fn auth(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    const NO_AUTH: ReplyError = ReplyError::fixed("NOAUTH Authentication required.");
    // A password that was taken away is asked of nobody, also of those who came while there was one.
    if client.has(Flag::Authenticated)
        || candidate.command.spec.flags.has(Flags::NO_AUTH)
        || node.config.requirepass.is_empty()
    {
        Verdict::Pass
    } else {
        Verdict::Reject(NO_AUTH)
    }
}

fn in_transaction(_: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    const NOT_ALLOWED: ReplyError =
        ReplyError::fixed("ERR Command not allowed inside a transaction");
    if client.transaction.is_some() && candidate.command.spec.flags.has(Flags::NO_MULTI) {
        Verdict::Reject(NOT_ALLOWED)
    } else {
        Verdict::Pass
    }
}

fn slots(node: &Node, _: &Client, candidate: &Candidate<'_>) -> Verdict {
    const CROSS_SLOT: ReplyError =
        ReplyError::fixed("CROSSSLOT Keys in request don't hash to the same slot");
    if !node.settings.cluster_enabled || matches!(candidate.command.spec.keys, KeySpec::None) {
        return Verdict::Pass;
    }
    // Arguments that are wrong are the command's own to complain about.
    let Ok(positions) = candidate.command.spec.key_positions(candidate.args) else {
        return Verdict::Pass;
    };
    let mut slots = positions.iter().map(|&at| slot(candidate.args.at(at)));
    let Some(first) = slots.next() else {
        return Verdict::Pass;
    };
    if slots.all(|slot| slot == first) {
        Verdict::Pass
    } else {
        Verdict::Reject(CROSS_SLOT)
    }
}

fn disk(node: &Node, _: &Client, candidate: &Candidate<'_>) -> Verdict {
    if let (Some(refusal), Class::Read | Class::Write) = (&node.read_refusal, candidate.class)
        && !node.is_reopening
    {
        return Verdict::Reject(refusal.clone());
    }
    match (&node.write_refusal, candidate.class) {
        (Some(refusal), Class::Write) if node.role == Role::Primary => {
            Verdict::Reject(refusal.clone())
        }
        _ => Verdict::Pass,
    }
}

fn role(node: &Node, _: &Client, candidate: &Candidate<'_>) -> Verdict {
    match (node.role, candidate.class) {
        (Role::Replica, Class::Write) => Verdict::Reject(READONLY),
        _ => Verdict::Pass,
    }
}

/// A node that is about to be a primary lets writes wait until it is one.
fn promotion(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    let queues = client.transaction.is_some()
        && !super::transactions::runs_at_once(candidate.command.spec.name);
    match (node.role, candidate.class) {
        (Role::Promoting | Role::HandingOver, Class::Write) if !queues => {
            Verdict::Postpone(Reason::Role)
        }
        _ => Verdict::Pass,
    }
}

/// Too few replicas keep up for writes to be accepted. Source: Redis 7.0 `min-replicas-to-write`.
fn replicas(node: &Node, _: &Client, candidate: &Candidate<'_>) -> Verdict {
    const NO_REPLICAS: ReplyError =
        ReplyError::fixed("NOREPLICAS Not enough good replicas to write.");
    if candidate.class != Class::Write || node.role != Role::Primary {
        return Verdict::Pass;
    }
    let needed = node.config.min_replicas_to_write as usize;
    let lag_max_s = u64::from(node.config.min_replicas_max_lag_s);
    let progress = &node.replication.progress;
    if progress.refuses_writes(needed, lag_max_s, node.now()) {
        Verdict::Reject(NO_REPLICAS)
    } else {
        Verdict::Pass
    }
}

/// Whether a command, or one that EXEC would run, may not run where `flag` is asked for. Source: Redis 7.0 `processCommand`, which
/// judges EXEC by all that is queued: the state may have changed since.
fn lacks(client: &Client, candidate: &Candidate<'_>, flag: Flags) -> bool {
    let spec = candidate.command.spec;
    let queue = client
        .transaction
        .iter()
        .filter(|_| spec.name == "exec")
        .flat_map(|transaction| &transaction.queue);
    !spec.flags.has(flag)
        || queue
            .into_iter()
            .any(|queued| !queued.command.spec.flags.has(flag))
}

/// A replica whose link is down, told not to serve what may be stale. So may be what a node has that hands over, but its writes wait.
fn stale(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    const MASTER_DOWN: ReplyError = ReplyError::fixed(
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    );
    let followed = node.replication.followed.as_ref();
    let is_down = match node.role {
        Role::HandingOver => candidate.class != Class::Write,
        _ => followed.is_some_and(|followed| !followed.is_up()),
    };
    if is_down && !node.config.replica_serve_stale_data && lacks(client, candidate, Flags::STALE) {
        Verdict::Reject(MASTER_DOWN)
    } else {
        Verdict::Pass
    }
}

/// While a copy of the primary's data is put in the place of this node's, nothing can be read.
fn loading(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    const LOADING: ReplyError =
        ReplyError::fixed("LOADING Stillpoint is loading the dataset in memory");
    let is_swapping = node
        .replication
        .followed
        .as_ref()
        .is_some_and(|followed| followed.is_swapping);
    if is_swapping && lacks(client, candidate, Flags::LOADING) {
        let is_link = candidate.command.spec.name == "psync";
        Verdict::Reject(if is_link { RESTORING } else { LOADING })
    } else {
        Verdict::Pass
    }
}

fn pubsub_context(_: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    let name = candidate.command.spec.name;
    let allowed = matches!(
        name,
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "psubscribe"
            | "unsubscribe"
            | "sunsubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    );
    if client.proto == Proto::Resp2 && client.is_subscriber() && !allowed {
        return Verdict::Reject(ReplyError::new(format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        )));
    }
    Verdict::Pass
}

fn pause(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    #[cfg(test)]
    if crate::simulation::mutation::is_out(crate::simulation::mutation::Part::PauseCheck) {
        return Verdict::Pass;
    }
    // Queuing in MULTI is not held back: it has no effect; EXEC is judged by what it holds.
    let queues = client.transaction.is_some()
        && !super::transactions::runs_at_once(candidate.command.spec.name);
    if !queues
        && node
            .pause
            .holds(candidate.class, candidate.held_by_pause_all)
    {
        Verdict::Postpone(Reason::Paused)
    } else {
        Verdict::Pass
    }
}

fn stall(node: &Node, client: &Client, candidate: &Candidate<'_>) -> Verdict {
    let queues = client.transaction.is_some()
        && !super::transactions::runs_at_once(candidate.command.spec.name);
    let must_wait = match candidate.class {
        Class::Write => node.is_stalled || node.is_reopening,
        Class::Read => node.is_reopening,
        Class::MayReplicate => false,
        Class::Control => {
            node.is_reopening && super::transactions::looks_at_keys(client, candidate.command)
        }
    };
    if must_wait && !queues {
        Verdict::Postpone(Reason::Stalled)
    } else {
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pause_comes_after_every_check_that_answers_at_once() {
        let names: Vec<&str> = super::CHECKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "arity",
                "auth",
                "in-transaction",
                "slot",
                "disk",
                "replicas",
                "role",
                "pubsub-context",
                "stale",
                "loading",
                "pause",
                "promotion",
                "stall"
            ]
        );
    }
}
