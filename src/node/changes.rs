//! What a change of keys sets off: WATCH, clients that wait for keys, keyspace events.

use super::{Node, Role};
use crate::client::ClientKey;
use crate::config::NotifyFlags;
use crate::pubsub::Kind;
use crate::storage::commit::GroupId;
use crate::storage::expiry::Expired;
use crate::storage::keys::DbIndex;
use crate::storage::store::{EventClass, KeyEvent, Store};

impl Node {
    /// Acts on what the last command changed. Its messages depend on `group`.
    pub fn apply_changes(&mut self, group: GroupId) {
        if !self.changes.keys.is_empty() {
            for (db, key) in std::mem::take(&mut self.changes.keys) {
                self.key_changed(db, &key);
            }
        }
        for db in std::mem::take(&mut self.changes.flushed) {
            self.database_flushed(db);
        }
        if !self.changes.events.is_empty() {
            for event in std::mem::take(&mut self.changes.events) {
                self.publish_event(&event, group);
            }
        }
        self.stats.changes_since_save += std::mem::take(&mut self.changes.count);
        self.stats.keyspace_hits += std::mem::take(&mut self.changes.hits);
        self.stats.keyspace_misses += std::mem::take(&mut self.changes.misses);
    }

    /// Forgets what a command noted before it was undone.
    pub fn forget_changes(&mut self, keys: usize, flushed: usize, events: usize, count: u64) {
        self.changes.keys.truncate(keys);
        self.changes.flushed.truncate(flushed);
        self.changes.events.truncate(events);
        self.changes.count = count;
    }

    /// Whether expired keys may be deleted now: by a primary, and never while anything is paused.
    pub fn may_delete_expired(&self) -> bool {
        self.role == Role::Primary
            && !self.pause.stops_background_writes()
            && self.write_refusal.is_none()
            && !self.is_stalled
            && !self.is_reopening
    }

    /// Deletes the expired keys that the last command looked up, as Redis does: a counter or an event shows it at once.
    pub fn delete_looked_up_expired(&mut self) {
        if self.changes.expired.is_empty() {
            return;
        }
        let found = std::mem::take(&mut self.changes.expired);
        if self.may_delete_expired() {
            self.delete_expired(&found);
        }
    }

    /// Deletes keys that were found expired, those that still are, by ordinary writes.
    pub fn delete_expired(&mut self, found: &[Expired]) {
        let turn = self.turn.at(self.stamp_us);
        for Expired { db, key } in found {
            self.view.begin_command();
            let codec = self.codec;
            let mut store = Store {
                view: &mut self.view,
                db: *db,
                codec,
                turn,
                changes: &mut self.changes,
            };
            // It may have been written again, or be gone, since it was found.
            if !matches!(store.is_expired(key), Ok(true)) {
                continue;
            }
            store.delete_expired(key);
            self.stats.expired_keys += 1;
            let group = self.view.dependency();
            self.apply_changes(group);
        }
    }

    /// Every client's WATCH fails, as after a commit that failed: what they saw may not exist.
    pub fn dirty_all_watches(&mut self) {
        let watchers: Vec<ClientKey> = self
            .clients
            .iter()
            .filter(|client| client.watch.is_some())
            .map(|client| client.key)
            .collect();
        for key in watchers {
            self.dirty_watch(key);
        }
    }

    /// `client` watches nothing any more.
    pub fn unwatch(&mut self, key: ClientKey) {
        let Some(watch) = self
            .clients
            .get_mut(key)
            .and_then(|client| client.watch.take())
        else {
            return;
        };
        for (db, name, _) in &watch.keys {
            self.watches.remove(*db, name, key);
        }
        self.update_wants_keys();
    }

    /// Commands collect changed keys only while somebody wants them.
    pub fn update_wants_keys(&mut self) {
        self.changes.wants_keys = !self.watches.is_empty() || self.waiting.has_key_waits();
    }

    fn key_changed(&mut self, db: DbIndex, key: &[u8]) {
        for watcher in self.watches.of_key(db, key).to_vec() {
            self.dirty_watch(watcher);
        }
        self.waiting.key_written(db, key);
    }

    fn database_flushed(&mut self, db: DbIndex) {
        self.key_counting.forget();
        // A key that was absent when it was watched is absent still, or its creation has failed the WATCH already.
        let had_key = |watcher: &ClientKey, name: &[u8]| {
            let watch = self
                .clients
                .get(*watcher)
                .and_then(|client| client.watch.as_ref());
            watch.is_some_and(|watch| {
                watch
                    .keys
                    .iter()
                    .any(|(at, key, existed)| *existed && *at == db && **key == *name)
            })
        };
        let watchers: Vec<ClientKey> = self
            .watches
            .of_db(db)
            .flat_map(|(name, clients)| {
                clients.iter().filter(move |watcher| had_key(watcher, name))
            })
            .copied()
            .collect();
        for watcher in watchers {
            self.dirty_watch(watcher);
        }
    }

    fn dirty_watch(&mut self, key: ClientKey) {
        if let Some(watch) = self
            .clients
            .get_mut(key)
            .and_then(|client| client.watch.as_mut())
        {
            watch.is_dirty = true;
        }
    }

    fn publish_event(&mut self, event: &KeyEvent, group: GroupId) {
        let wanted = self.changes.wants_events;
        if wanted.intersects(EventClass::KEYSPACE) {
            let mut channel = format!("__keyspace@{}__:", event.db.0).into_bytes();
            channel.extend_from_slice(&event.key);
            self.publish(Kind::Channel, &channel, event.name.as_bytes(), Some(group));
        }
        if wanted.intersects(EventClass::KEYEVENT) {
            let channel = format!("__keyevent@{}__:{}", event.db.0, event.name);
            self.publish(Kind::Channel, channel.as_bytes(), &event.key, Some(group));
        }
    }
}

/// The event classes that a setting asks for.
pub fn event_classes(flags: NotifyFlags) -> EventClass {
    let table = [
        (NotifyFlags::KEYSPACE, EventClass::KEYSPACE),
        (NotifyFlags::KEYEVENT, EventClass::KEYEVENT),
        (NotifyFlags::GENERIC, EventClass::GENERIC),
        (NotifyFlags::STRING, EventClass::STRING),
        (NotifyFlags::LIST, EventClass::LIST),
        (NotifyFlags::SET, EventClass::SET),
        (NotifyFlags::HASH, EventClass::HASH),
        (NotifyFlags::ZSET, EventClass::ZSET),
        (NotifyFlags::EXPIRED, EventClass::EXPIRED),
        (NotifyFlags::EVICTED, EventClass::EVICTED),
        (NotifyFlags::STREAM, EventClass::STREAM),
        (NotifyFlags::KEY_MISS, EventClass::KEY_MISS),
        (NotifyFlags::MODULE, EventClass::MODULE),
        (NotifyFlags::NEW, EventClass::NEW),
    ];
    let wanted = table
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(0, |bits, (_, class)| bits | class.0);
    EventClass(wanted)
}
