//! Keys of every type alike: deleting, expiry, copying under another name, and walking the keys of a database.

use super::store::{EventClass, Meta, Store};
use crate::clock::UnixMs;

impl Store<'_> {
    /// Deletes `key`, which exists, with its event. Elements go by compaction.
    pub fn delete_key(&mut self, key: &[u8]) {
        self.changing(key, b"0");
        self.delete_meta(key);
        self.notify(EventClass::GENERIC, "del", key);
    }

    /// Sets or clears the expiry of `key`, whose metadata entry is `meta`; to the millisecond.
    pub fn set_expire(&mut self, key: &[u8], meta: Meta, at: Option<UnixMs>) {
        let mut header = meta.header;
        header.set_expire_exact(at);
        self.changing(key, b"0 8");
        self.put_meta(key, &header, &meta.rest);
    }
}
