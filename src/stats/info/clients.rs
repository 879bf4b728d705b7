//! INFO clients.

use super::{Facts, Fields};
use crate::client::waiting::Reason;
use crate::pause::{Purpose, Scope, Until};

/// What a client waits for and counts as blocked by. [`Reason::is_blocked_to_the_eye`] says why cold reads are not among them. A count of keys is not among them: it is INFO itself that waits for it.
const BLOCKING: [Reason; 7] = [
    Reason::Paused,
    Reason::Keys,
    Reason::Worker,
    Reason::Stalled,
    Reason::Shutdown,
    Reason::Role,
    Reason::Acks,
];

pub(super) fn clients(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let (input_bytes, output_bytes) = node.stats.recent_max.largest(node.now().0 / 1000);
    let blocked: usize = BLOCKING
        .iter()
        .map(|&reason| node.waiting.count(reason))
        .sum();
    // As in Redis, the link to the primary counts and those of replicas do not.
    let primary = usize::from(node.replication.primary_link().is_some());
    fields.add("connected_clients", node.clients.len() + primary);
    fields.add("cluster_connections", 0);
    fields.add("maxclients", node.config.maxclients);
    fields.add("client_recent_max_input_buffer", input_bytes);
    fields.add("client_recent_max_output_buffer", output_bytes);
    fields.add("blocked_clients", blocked);
    fields.add("cold_read_clients", node.waiting.count(Reason::ColdRead));
    fields.add("tracking_clients", 0);
    fields.add("clients_in_timeout_table", node.waiting.with_deadline());
    paused(facts, fields);
}

/// The fields of Valkey 8.1. A pause without an end shows -1 milliseconds.
fn paused(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let in_force = node.pause.in_force();
    let reason = match in_force.map(|in_force| in_force.purpose) {
        None => "none",
        Some(Purpose::Command) => "client_pause",
        Some(Purpose::Failover) => "failover_in_progress",
        Some(Purpose::Shutdown) => "shutdown_in_progress",
    };
    let actions = match in_force.map(|in_force| in_force.scope) {
        None => "none",
        Some(Scope::Writes) => "write",
        Some(Scope::All) => "all",
    };
    let left_ms = match in_force.map(|in_force| in_force.until) {
        None => 0,
        Some(Until::At(end)) => end.since(node.now()) as i64,
        Some(Until::Released) => -1,
    };
    fields.add("paused_reason", reason);
    fields.add("paused_actions", actions);
    fields.add("paused_timeout_milliseconds", left_ms);
}
