//! To the sockets: one write a client a turn, output limits, and closing.

use std::io::IoSlice;

use super::Server;
use super::input::{key_of, token_of};
use crate::client::{ClientKey, Flag, OutputClass};
use crate::limits::FREED_SENDS_PER_TURN_MAX;
use crate::reactor::WriteOutcome;

/// Up to so many bytes of output no limit is exceeded: in Redis they lie in the client's own reply buffer
/// (`PROTO_REPLY_CHUNK_BYTES`). Above, Redis counts what it has allocated for the rest, here all counts.
const OUTPUT_BYTES_FREE: usize = 16 * 1024;

/// Pieces that one write is given at most; more would be above a turn's share of bytes anyhow, or are the next turn's.
const PARTS_PER_WRITE_MAX: usize = 64;

impl Server {
    pub(super) fn send_output(&mut self) {
        for token in std::mem::take(&mut self.ready.writable) {
            let key = key_of(token);
            if self
                .node
                .clients
                .get(key)
                .is_some_and(|client| !client.output.is_empty())
            {
                self.node.list_output(key);
            }
        }
        let list = std::mem::take(&mut self.node.output_list);
        for &key in &list {
            self.send_to(key);
        }
        // Used again, so that a turn allocates no list.
        if self.node.output_list.is_empty() {
            self.node.output_list = list;
            self.node.output_list.clear();
        }
        // Behind those who were served this turn; the rest goes on in the next one.
        for _ in 0..FREED_SENDS_PER_TURN_MAX {
            let Some(key) = self.node.gated.take_freed() else {
                return;
            };
            if let Some(client) = self.node.clients.get_mut(key) {
                client.set(Flag::GateListed, false);
            }
            self.send_to(key);
        }
    }

    fn send_to(&mut self, key: ClientKey) {
        let committed = self.node.view.committed_group();
        let Some(client) = self.node.clients.get_mut(key) else {
            return;
        };
        client.set(Flag::OutputListed, false);
        if client.has(Flag::CloseNow) {
            return;
        }
        client.output.release(committed);
        // As in Redis, replies above the limit close a client that would read them too: what one may ask for at once is bounded.
        if client.output.pending_bytes() > OUTPUT_BYTES_FREE && self.check_output_limit(key) {
            return;
        }
        let Some(client) = self.node.clients.get_mut(key) else {
            return;
        };
        if !client.output.sendable().is_empty() {
            let Some(connection) = self.reactor.get_mut(token_of(key)) else {
                return;
            };
            let outcome = if client.output.has_parts() {
                let mut parts = [IoSlice::new(&[]); PARTS_PER_WRITE_MAX];
                let count = client.output.sendable_parts(&mut parts);
                connection.write_parts(&parts[..count])
            } else {
                connection.write(client.output.sendable())
            };
            match outcome {
                WriteOutcome::Wrote(bytes) => {
                    let is_writable = connection.is_writable;
                    client.output.advance(bytes);
                    client.last_interaction = self.node.turn.now();
                    self.node.stats.net_output_bytes += bytes as u64;
                    self.node.stats.writes += 1;
                    // What is left is above a turn's share; no event will tell of room that is there already.
                    if is_writable && !client.output.sendable().is_empty() {
                        self.node.list_output(key);
                    }
                }
                WriteOutcome::Full => {}
                WriteOutcome::Closed => return self.node.close_now(key),
            }
        }
        let Some(client) = self.node.clients.get_mut(key) else {
            return;
        };
        if let Some(group) = client.output.first_gate()
            && !client.has(Flag::GateListed)
        {
            client.set(Flag::GateListed, true);
            self.node.gated.wait(group, key);
        }
        if client.has(Flag::CloseAfterReply) && client.output.is_empty() {
            return self.node.close_now(key);
        }
        self.check_output_limit(key);
    }

    /// Closes a client whose output has outgrown `client-output-buffer-limit`; returns whether it did.
    pub(super) fn check_output_limit(&mut self, key: ClientKey) -> bool {
        let now = self.node.turn.now();
        let Some(client) = self.node.clients.get_mut(key) else {
            return false;
        };
        let limits = &self.node.config.client_output_buffer_limit;
        let limit = match client.output_class() {
            OutputClass::Normal => limits.normal,
            OutputClass::Replica => limits.replica,
            OutputClass::Pubsub => limits.pubsub,
        };
        let pending = match client.output.pending_bytes() {
            0..=OUTPUT_BYTES_FREE => 0,
            bytes => bytes as u64,
        };
        let above_hard = limit.hard_bytes != 0 && pending > limit.hard_bytes;
        if limit.soft_bytes != 0 && pending > limit.soft_bytes {
            client.soft_limit_since.get_or_insert(now);
        } else {
            client.soft_limit_since = None;
        }
        let above_soft = client
            .soft_limit_since
            .is_some_and(|since| now.since(since) > limit.soft_seconds.saturating_mul(1000));
        let is_above = above_hard || above_soft;
        if is_above {
            log::warn!(
                "closing client {}: {pending} bytes of output are above its limit",
                client.id
            );
            self.node.stats.output_limit_disconnections += 1;
            self.node.close_now(key);
        }
        is_above
    }

    pub(super) fn close_clients(&mut self) {
        for key in std::mem::take(&mut self.node.closing_list) {
            self.node.remove_client(key);
            self.reactor.remove(token_of(key));
        }
    }
}
