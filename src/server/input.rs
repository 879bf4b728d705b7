//! From sockets to commands: accepting, reading once a turn, parsing.

use super::Server;
use crate::client::{Client, ClientKey, Flag, Peer, Reading};
use crate::command::{dispatch, parking};
use crate::error::ReplyError;
use crate::limits::{
    CLIENT_TURN_OUTPUT_BYTES_MAX, CLIENT_TURN_US_MAX, COMMANDS_PER_CLIENT_PER_TURN_MAX,
    READ_BYTES_PER_TURN_MAX,
};
use crate::reactor::{Accepted, ConnToken, ReadOutcome};
use crate::resp::Args;
use crate::resp::parse::{self, ParseLimits, Parsed, ProtocolError};
use crate::storage::commit::GroupId;

/// Redis's bound on the length of an inline command, in bytes.
const INLINE_LEN_MAX: usize = 64 * 1024;
/// Spans of a command's arguments for which room is kept from one command to the next.
const SPANS_KEPT_MAX: usize = 16 * 1024;
/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN_MAX: usize = 1000;

/// How reading a client's commands ended.
enum Stop {
    /// All whole commands are executed.
    Drained,
    /// It waits, is closing, or has had its share of the turn.
    Held,
}

impl Server {
    pub(super) fn accept_connections(&mut self) {
        let mut list = std::mem::take(&mut self.ready.listeners);
        list.append(&mut self.accept_more);
        for index in list {
            self.accept_from(index);
        }
    }

    /// Accepts from one listener. It is told of once only: what is left behind must be remembered.
    fn accept_from(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            match self.reactor.listeners().accept(index) {
                Ok(Some(accepted)) => self.admit(accepted),
                Ok(None) => return,
                // The peer has left before it was accepted.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    log::warn!("a connection could not be accepted: {error}");
                    return self.accept_later.push(index);
                }
            }
        }
        self.accept_more.push(index);
        self.look_again = true;
    }

    fn admit(&mut self, accepted: Accepted) {
        let connections = self.reactor.len() + self.node.linked_count();
        if connections >= self.node.config.maxclients as usize {
            self.node.stats.rejected_connections += 1;
            return accepted.refuse(b"-ERR max number of clients reached\r\n");
        }
        if self.node.config.protected_mode
            && self.node.config.requirepass.is_empty()
            && !accepted.is_unix
            && !accepted.is_loopback()
        {
            self.node.stats.rejected_connections += 1;
            return accepted.refuse(PROTECTED);
        }
        if let Err(error) = accepted.set_keepalive(u64::from(self.node.config.tcp_keepalive_s)) {
            log::debug!("tcp-keepalive cannot be set for {}: {error}", accepted.addr);
        }
        let peer = Peer {
            addr: accepted.addr.clone(),
            laddr: accepted.laddr.clone(),
            fd: accepted.fd,
        };
        let is_unix = accepted.is_unix;
        let token = match self.reactor.insert(accepted) {
            Ok(token) => token,
            Err(error) => return log::warn!("a connection could not be registered: {error}"),
        };
        self.next_client_id += 1;
        let key = ClientKey {
            index: token.index,
            generation: token.generation,
        };
        let mut client = Client::new(key, self.next_client_id, peer, self.node.turn.now());
        client.set(Flag::UnixSocket, is_unix);
        client.set(Flag::Authenticated, self.node.config.requirepass.is_empty());
        self.node.stats.connections_received += 1;
        self.node.clients.insert(client);
        self.readable.push(token);
    }

    /// A peer that is gone takes a command with it that may wait for long; what it sent before is noticed by reading.
    pub(super) fn note_hang_ups(&mut self) {
        for token in std::mem::take(&mut self.ready.hung_up) {
            parking::peer_hung_up(&mut self.node, key_of(token));
        }
    }

    pub(super) fn run_leftover_input(&mut self) {
        for key in std::mem::take(&mut self.node.input_list) {
            let Some(client) = self.node.clients.get_mut(key) else {
                continue;
            };
            client.set(Flag::InputListed, false);
            if !client.is_reading() {
                continue;
            }
            let bytes = std::mem::take(&mut client.input.buf);
            self.run_buffered(key, bytes);
            // It may have become readable while it was not read.
            self.readable.push(token_of(key));
        }
    }

    pub(super) fn read_clients(&mut self) {
        let mut again = Vec::new();
        self.read_round += 1;
        // In the order in which the sockets became readable, so that what one client sent before another did is executed first.
        for token in std::mem::take(&mut self.readable) {
            if self.read_client(token) {
                again.push(token);
            }
        }
        self.readable = again;
    }

    /// Reads once and executes what is whole. Returns whether the socket may hold more that can be read now.
    fn read_client(&mut self, token: ConnToken) -> bool {
        let key = key_of(token);
        let Some(client) = self.node.clients.get_mut(key) else {
            return false;
        };
        let Some(connection) = self.reactor.get_mut(token) else {
            return false;
        };
        if !connection.is_readable || !client.is_reading() || client.has(Flag::InputListed) {
            return false;
        }
        // It is listed twice when it was left with more to read and has become readable anew.
        if connection.read_in_round == self.read_round {
            return false;
        }
        connection.read_in_round = self.read_round;
        let (bytes, more) = match connection.read(&mut self.read_buffer) {
            ReadOutcome::Read { bytes, more } => (bytes, more),
            ReadOutcome::Dry => return false,
            ReadOutcome::Ended if !client.output.is_empty() => {
                // It has said all it wanted, and may still read: replies that wait for a commit, or for room, are its own.
                self.node.close_after_reply(key);
                return false;
            }
            ReadOutcome::Ended | ReadOutcome::Closed => {
                self.node.close_now(key);
                return false;
            }
        };
        self.node.stats.net_input_bytes += bytes as u64;
        self.node.stats.reads += 1;
        if client.input.buf.is_empty() {
            let buffer = std::mem::take(&mut self.read_buffer);
            self.run_fresh(key, &buffer[..bytes]);
            self.read_buffer = buffer;
        } else {
            let mut buffered = std::mem::take(&mut client.input.buf);
            buffered.extend_from_slice(&self.read_buffer[..bytes]);
            self.run_buffered(key, buffered);
        }
        more
    }

    /// Executes the commands in bytes that were just read; what is left over is copied to the client.
    fn run_fresh(&mut self, key: ClientKey, bytes: &[u8]) {
        self.node.reading = Some(Reading {
            client: key,
            len: bytes.len(),
            free: READ_BYTES_PER_TURN_MAX - bytes.len(),
            is_own: false,
        });
        let (consumed, stop) = self.run_commands(key, bytes);
        self.node.reading = None;
        if let Some(client) = self.node.clients.get_mut(key)
            && !client.is_closing()
        {
            client.input.note(bytes.len());
            client.input.buf.extend_from_slice(&bytes[consumed..]);
        }
        self.after_input(key, stop);
    }

    /// Executes the commands in a client's own buffer; what is left over stays there.
    fn run_buffered(&mut self, key: ClientKey, bytes: Vec<u8>) {
        self.node.reading = Some(Reading {
            client: key,
            len: bytes.len(),
            free: bytes.capacity() - bytes.len(),
            is_own: true,
        });
        let (consumed, stop) = self.run_commands(key, &bytes);
        self.node.reading = None;
        if let Some(client) = self.node.clients.get_mut(key)
            && !client.is_closing()
        {
            client.input.note(bytes.len());
            client.input.give_back(bytes, consumed);
        }
        self.after_input(key, stop);
    }

    fn after_input(&mut self, key: ClientKey, stop: Stop) {
        let Some(client) = self.node.clients.get_mut(key) else {
            return;
        };
        let limit = self.node.config.client_query_buffer_limit;
        if client.input_bytes() as u64 > limit {
            log::warn!(
                "closing client {}: its query buffer is above {limit} bytes",
                client.id
            );
            self.node.stats.query_limit_disconnections += 1;
            return self.node.close_now(key);
        }
        // Held by its share of the turn: the rest runs next turn. Held by waiting: it is listed when it wakes.
        if matches!(stop, Stop::Held) && client.is_reading() && !client.input.buf.is_empty() {
            self.node.list_input(key);
        }
    }

    fn run_commands(&mut self, key: ClientKey, bytes: &[u8]) -> (usize, Stop) {
        let mut consumed = 0;
        let Some(client) = self.node.clients.get_mut(key) else {
            return (0, Stop::Held);
        };
        client.last_interaction = self.node.turn.now();
        let mut state = std::mem::take(&mut client.input.parse);
        let mut partial = std::mem::take(&mut client.input.spans);
        let mut spans = std::mem::take(&mut self.spans);
        let mut inline = std::mem::take(&mut self.inline);
        if !partial.is_empty() {
            std::mem::swap(&mut partial, &mut spans);
        }
        let mut stop = Stop::Held;
        // How many of the next commands have been looked at ahead.
        let mut warm = 1;
        let output_max = client.output.pending_bytes() + CLIENT_TURN_OUTPUT_BYTES_MAX;
        let end_us = self.node.stamp() + CLIENT_TURN_US_MAX;
        for _ in 0..COMMANDS_PER_CLIENT_PER_TURN_MAX {
            let Some(client) = self.node.clients.get(key) else {
                break;
            };
            if !client.is_reading()
                || client.output.pending_bytes() > output_max
                || self.node.stamp_us > end_us
            {
                break;
            }
            let limits = ParseLimits {
                bulk_len_max: self.node.settings.proto_max_bulk_len,
                multibulk_len_max: i64::from(i32::MAX),
                inline_len_max: INLINE_LEN_MAX,
                authenticated: client.has(Flag::Authenticated),
            };
            // The first command may be the only one; what follows it is a pipeline.
            if warm == 0 && spans.is_empty() && consumed < bytes.len() {
                let db = client.db;
                warm = self.warm_up(db, &bytes[consumed..], &limits).max(1);
            }
            warm = warm.saturating_sub(1);
            match parse::parse(
                &bytes[consumed..],
                &mut state,
                &mut spans,
                &mut inline,
                &limits,
            ) {
                Ok(Parsed::Command {
                    consumed: taken,
                    inline: is_inline,
                }) => {
                    let source: &[u8] = if is_inline {
                        &inline
                    } else {
                        &bytes[consumed..]
                    };
                    dispatch::command(&mut self.node, key, Args::new(source, &spans));
                    consumed += taken;
                    spans.clear();
                    self.commit_if_full();
                }
                Ok(Parsed::Nothing { consumed: taken }) => {
                    consumed += taken;
                    spans.clear();
                }
                Ok(Parsed::Incomplete { .. }) => {
                    stop = Stop::Drained;
                    break;
                }
                Err(error) => {
                    self.protocol_error(key, &error);
                    consumed = bytes.len();
                    break;
                }
            }
        }
        // A command that is not whole keeps its spans with the client; the common case keeps none.
        if let Some(client) = self.node.clients.get_mut(key)
            && matches!(stop, Stop::Drained)
            && consumed < bytes.len()
            && !client.is_closing()
        {
            client.input.parse = state;
            client.input.spans = std::mem::take(&mut spans);
        } else {
            debug_assert!(consumed <= bytes.len());
        }
        spans.clear();
        // One command of very many arguments must not hold its memory for ever.
        spans.shrink_to(SPANS_KEPT_MAX);
        self.spans = spans;
        self.inline = inline;
        (consumed, stop)
    }

    fn protocol_error(&mut self, key: ClientKey, error: &ProtocolError) {
        let mut text = b"ERR ".to_vec();
        error.write_text(&mut text);
        log::debug!("client {key:?}: {}", String::from_utf8_lossy(&text));
        let Some(proto) = self.node.clients.get(key).map(|client| client.proto) else {
            return;
        };
        let mut reply = self.node.take_reply(proto);
        reply.error(&ReplyError::new(text));
        self.node.stats.error(b"ERR");
        self.node.deliver_reply(key, reply, GroupId(0));
        self.node.close_after_reply(key);
    }
}

/// What a connection from outside is told in protected mode. Redis's rule; the words are ours.
const PROTECTED: &[u8] = b"-DENIED Stillpoint is running in protected mode: no password is set, so connections are accepted from this machine only. Set one with 'requirepass', or turn protected mode off with 'protected-mode no'.\r\n";

/// The session of a connection.
pub(super) fn key_of(token: ConnToken) -> ClientKey {
    ClientKey {
        index: token.index,
        generation: token.generation,
    }
}

/// The connection of a session.
pub(super) fn token_of(key: ClientKey) -> ConnToken {
    ConnToken {
        index: key.index,
        generation: key.generation,
    }
}
