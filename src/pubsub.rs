//! Publish and subscribe: who listens to which channel. Pure; delivering is the caller's.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::ClientKey;
use crate::text::glob;

/// What one client subscribes to.
#[derive(Default, Debug)]
pub struct Subscriptions {
    pub channels: BTreeSet<Box<[u8]>>,
    pub patterns: BTreeSet<Box<[u8]>>,
    pub shard_channels: BTreeSet<Box<[u8]>>,
}

impl Subscriptions {
    /// Channels, patterns and shard channels together.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard_channels.len()
    }
}

/// The three kinds of subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Channel,
    Pattern,
    Shard,
}

/// Listeners by channel. Clients of a channel are in order of subscription.
#[derive(Default, Debug)]
pub struct PubSub {
    channels: BTreeMap<Box<[u8]>, Vec<ClientKey>>,
    patterns: BTreeMap<Box<[u8]>, Vec<ClientKey>>,
    shard_channels: BTreeMap<Box<[u8]>, Vec<ClientKey>>,
}

impl PubSub {
    /// `client` listens to `name` from now on. The caller has checked that it did not yet.
    pub fn add(&mut self, kind: Kind, name: &[u8], client: ClientKey) {
        self.of_mut(kind)
            .entry(name.into())
            .or_default()
            .push(client);
    }

    /// `client` no longer listens to `name`.
    pub fn remove(&mut self, kind: Kind, name: &[u8], client: ClientKey) {
        let listeners = self.of_mut(kind);
        if let Some(clients) = listeners.get_mut(name) {
            clients.retain(|&other| other != client);
            if clients.is_empty() {
                listeners.remove(name);
            }
        }
    }

    /// Those who listen to exactly `name`.
    pub fn listeners(&self, kind: Kind, name: &[u8]) -> &[ClientKey] {
        self.of(kind).get(name).map_or(&[], Vec::as_slice)
    }

    /// The patterns that match `channel`, with their listeners.
    pub fn matching_patterns(&self, channel: &[u8]) -> impl Iterator<Item = (&[u8], &[ClientKey])> {
        self.patterns
            .iter()
            .filter(move |(pattern, _)| glob::matches(pattern, channel, false))
            .map(|(pattern, clients)| (&pattern[..], &clients[..]))
    }

    /// The channels with listeners, those that match `pattern` if one is given.
    pub fn active(&self, kind: Kind, pattern: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
        self.of(kind)
            .keys()
            .filter(move |name| pattern.is_none_or(|pattern| glob::matches(pattern, name, false)))
            .map(|name| &name[..])
    }

    /// How many names of this kind have listeners.
    pub fn count(&self, kind: Kind) -> usize {
        self.of(kind).len()
    }

    /// Whether anyone listens to anything that `PUBLISH` reaches.
    pub fn has_listeners(&self) -> bool {
        !(self.channels.is_empty() && self.patterns.is_empty())
    }

    fn of(&self, kind: Kind) -> &BTreeMap<Box<[u8]>, Vec<ClientKey>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard_channels,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeMap<Box<[u8]>, Vec<ClientKey>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard_channels,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ClientKey = ClientKey {
        index: 1,
        generation: 1,
    };
    const B: ClientKey = ClientKey {
        index: 2,
        generation: 1,
    };

    #[test]
    fn listeners_come_and_go() {
        let mut pubsub = PubSub::default();
        pubsub.add(Kind::Channel, b"news", B);
        pubsub.add(Kind::Channel, b"news", A);
        pubsub.add(Kind::Pattern, b"n*", A);
        assert_eq!(pubsub.listeners(Kind::Channel, b"news"), [B, A]);
        assert_eq!(pubsub.matching_patterns(b"news").count(), 1);
        assert_eq!(pubsub.matching_patterns(b"other").count(), 0);
        assert_eq!(pubsub.active(Kind::Channel, Some(b"x*")).count(), 0);
        assert_eq!(
            pubsub.active(Kind::Channel, None).collect::<Vec<_>>(),
            [b"news"]
        );
        pubsub.remove(Kind::Channel, b"news", B);
        pubsub.remove(Kind::Channel, b"news", A);
        assert_eq!(pubsub.count(Kind::Channel), 0);
        assert!(pubsub.has_listeners());
        pubsub.remove(Kind::Pattern, b"n*", A);
        assert!(!pubsub.has_listeners());
    }
}
