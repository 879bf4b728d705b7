//! Giving bytes to clients, and seeing them off.

use super::Node;
use crate::client::{ClientKey, Flag, State, Stretch};
use crate::pubsub::Kind;
use crate::resp::reply::{Proto, Reply};
use crate::storage::commit::GroupId;

impl Node {
    /// Appends the reply to a command of `key`, which depends on `group` and on the client's earlier replies.
    pub fn deliver_reply(&mut self, key: ClientKey, mut reply: Reply, group: GroupId) {
        let committed = self.view.committed_group();
        if let Some(client) = self.clients.get_mut(key) {
            client.dependency = client.dependency.max(group);
            if !reply.is_empty() {
                let dependency = client.dependency;
                if reply.has_parts() {
                    let parts = reply.take_parts();
                    client
                        .output
                        .push_parts(parts, dependency, committed, Stretch::Reply);
                } else {
                    client
                        .output
                        .push_vec(reply.buffer(), dependency, committed, Stretch::Reply);
                }
                self.list_output(key);
            }
        }
        self.give_back(reply);
    }

    /// Appends a message that `key` did not ask for, which depends on `group`.
    pub fn deliver_message(&mut self, key: ClientKey, bytes: &[u8], group: GroupId) {
        let committed = self.view.committed_group();
        // One that is to be closed after its last reply would otherwise never come to its end.
        if let Some(client) = self.clients.get_mut(key)
            && !client.is_closing()
        {
            client
                .output
                .push(bytes, group, committed, Stretch::Message);
            self.list_output(key);
        }
    }

    /// Delivers the messages that the command of `key` has noted, now that what it depends on is known: `group`, and what this client
    /// was shown before.
    pub fn deliver_noted(&mut self, key: ClientKey, group: GroupId) {
        let shown = self.clients.get(key).map(|client| client.dependency);
        let group = group.max(shown.unwrap_or_default());
        self.replication.release_messages(group);
        for (to, bytes) in std::mem::take(&mut self.noted) {
            self.deliver_message(to, &bytes, group);
        }
    }

    /// Forgets the messages of a command that will run again.
    pub fn forget_noted(&mut self) {
        self.noted.clear();
        self.replication.forget_messages();
    }

    /// Gives `bytes` to `to` at once when `group` says what they depend on, else at the end of the command that runs.
    fn tell(&mut self, to: ClientKey, bytes: &[u8], group: Option<GroupId>) {
        match group {
            Some(group) => self.deliver_message(to, bytes, group),
            None => self.noted.push((to, bytes.into())),
        }
    }

    /// Publishes `message` and says how many clients get it. `group` is what the message depends on; `None` when only the end of the
    /// running command shows it.
    pub fn publish(
        &mut self,
        kind: Kind,
        channel: &[u8],
        message: &[u8],
        group: Option<GroupId>,
    ) -> usize {
        let mut receivers: Vec<(ClientKey, Option<Box<[u8]>>)> = self
            .pubsub
            .listeners(kind, channel)
            .iter()
            .map(|&key| (key, None))
            .collect();
        if kind == Kind::Channel {
            for (pattern, clients) in self.pubsub.matching_patterns(channel) {
                receivers.extend(clients.iter().map(|&key| (key, Some(Box::from(pattern)))));
            }
        }
        // At most two forms of a plain message exist, whatever the number of its receivers.
        let mut plain: [Option<Vec<u8>>; 2] = [None, None];
        for (key, pattern) in &receivers {
            let Some(proto) = self.clients.get(*key).map(|client| client.proto) else {
                continue;
            };
            match pattern {
                None => {
                    let form = &mut plain[usize::from(proto == Proto::Resp3)];
                    let name: &[u8] = if kind == Kind::Shard {
                        b"smessage"
                    } else {
                        b"message"
                    };
                    let bytes = form
                        .take()
                        .unwrap_or_else(|| push_of(proto, &[name, channel, message]));
                    self.tell(*key, &bytes, group);
                    plain[usize::from(proto == Proto::Resp3)] = Some(bytes);
                }
                Some(pattern) => {
                    let bytes = push_of(proto, &[b"pmessage", pattern, channel, message]);
                    self.tell(*key, &bytes, group);
                }
            }
        }
        receivers.len()
    }

    /// Marks `key` as having output to send or gate this turn.
    pub fn list_output(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key)
            && !client.has(Flag::OutputListed)
        {
            client.set(Flag::OutputListed, true);
            self.output_list.push(key);
        }
    }

    /// Marks `key` as having commands to run although nothing new was read.
    pub fn list_input(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key)
            && !client.has(Flag::InputListed)
        {
            client.set(Flag::InputListed, true);
            self.input_list.push(key);
        }
    }

    /// Closes `key` once its output is sent; it reads nothing more.
    pub fn close_after_reply(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key) {
            client.set(Flag::CloseAfterReply, true);
        }
        self.list_output(key);
    }

    /// Closes `key` at the end of the turn, whatever it still had to get. A parked command never runs.
    pub fn close_now(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get_mut(key)
            && !client.has(Flag::CloseNow)
        {
            client.set(Flag::CloseNow, true);
            self.closing_list.push(key);
            self.forget_waiting(key);
        }
    }

    /// Takes `key` off the blocked list; its command is dropped.
    pub fn forget_waiting(&mut self, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let db = client.db;
        if let State::Parked(parked) = std::mem::take(&mut client.state) {
            for name in &parked.keys {
                self.waiting.unwatch_key(parked.ticket, db, name);
            }
            self.waiting.remove(parked.ticket);
            self.update_wants_keys();
        }
    }

    /// Removes a session whose socket is gone, and every trace of it.
    pub fn remove_client(&mut self, key: ClientKey) {
        self.forget_waiting(key);
        self.unwatch(key);
        let Some(client) = self.clients.remove(key) else {
            return;
        };
        if let Some(subscriptions) = &client.subscriptions {
            for name in &subscriptions.channels {
                self.pubsub.remove(Kind::Channel, name, key);
            }
            for name in &subscriptions.patterns {
                self.pubsub.remove(Kind::Pattern, name, key);
            }
            for name in &subscriptions.shard_channels {
                self.pubsub.remove(Kind::Shard, name, key);
            }
        }
        self.monitors.retain(|&other| other != key);
    }
}

/// A push message of bulk strings.
fn push_of(proto: Proto, parts: &[&[u8]]) -> Vec<u8> {
    let mut reply = Reply::new(proto);
    reply.push(parts.len());
    for part in parts {
        reply.bulk(part);
    }
    reply.into_buffer()
}
