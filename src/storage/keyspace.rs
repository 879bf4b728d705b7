//! Keys of every type alike: deleting, expiry, copying under another name, and walking the keys of a database.

use std::ops::ControlFlow;

use super::cf::Cf;
use super::keys::{DbIndex, prefix_end};
use super::metadata::{HEADER_BYTES_MAX, Header, Type};
use super::scan::ScanRequest;
use super::store::{EventClass, Meta, Store};
use crate::clock::UnixMs;
use crate::command::halt::Run;
use crate::text::int::IntText;

/// All that a key holds.
pub struct KeyCopy {
    /// Its metadata entry.
    pub meta: Meta,
    elements: Vec<Element>,
}

/// Where an element stands, what stands behind its key's prefix, and its value.
type Element = (Cf, Box<[u8]>, Box<[u8]>);

impl KeyCopy {
    /// What a record says of the copy: the key's type alone.
    pub fn log_data(&self) -> IntText {
        IntText::new(i64::from(self.meta.header.kind().number()))
    }
}

impl Store<'_> {
    // ---- one key ----

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

    /// Reads all that `key` holds, whatever its type: what [`Store::write_copy`] takes. `None` when it does not exist.
    pub fn read_copy(&mut self, key: &[u8]) -> Run<Option<KeyCopy>> {
        let Some(meta) = self.meta(key)? else {
            return Ok(None);
        };
        let mut elements = Vec::new();
        let source = self.elements(key, &meta.header);
        for &family in element_families(meta.header.kind()) {
            let mut scan = self
                .view
                .scan(ScanRequest::prefix(family, source.prefix()))?;
            while let Some((entry, value)) = scan.next()? {
                elements.push((family, source.element(entry).into(), value.into()));
            }
        }
        Ok(Some(KeyCopy { meta, elements }))
    }

    /// Writes a copy under the name `key`, expiry included. What was there is replaced. The caller says what changes before it
    /// calls this.
    ///
    /// Elements are written under a new version, unlike in Kvrocks: with the old one, elements that an earlier copy of this
    /// name left behind, and compaction has not removed yet, would belong to the new key.
    pub fn write_copy(&mut self, key: &[u8], copy: &KeyCopy) {
        let mut header = copy.meta.header;
        if !header.kind().is_single() {
            header.version = self.view.new_version(self.turn.unix_us);
            let mut elements = self.elements(key, &header);
            for (family, element, value) in &copy.elements {
                self.view.put(*family, elements.key(element), value);
                if header.kind() == Type::Zset {
                    // A member's value is its score as the index has it.
                    self.view
                        .put(Cf::ZsetScore, elements.key2(value, element), b"");
                }
            }
        }
        self.put_meta(key, &header, &copy.meta.rest);
    }

    // ---- all keys ----

    /// A scan of the keys of this database that begin with `beginning`, for [`Store::each_key`].
    pub fn keys_beginning(&self, beginning: &[u8]) -> ScanRequest {
        let mut prefix = self.codec.namespace_prefix(self.db);
        // In a cluster's directory a slot stands in between, and the keys are all over the place.
        if !self.codec.slot_encoded {
            prefix.extend_from_slice(beginning);
        }
        ScanRequest::prefix(Cf::Metadata, &prefix).values_up_to(HEADER_BYTES_MAX)
    }

    /// A scan of the keys of this database that come behind `key`, in the order of the disk.
    pub fn keys_behind(&self, key: &[u8]) -> ScanRequest {
        let entry = self.codec.metadata_key(self.db, key);
        self.keys_beginning(b"").behind(&entry)
    }

    /// Calls `each` on the keys that a scan of the metadata meets, in its order, until it breaks: with the user's key, and its
    /// header when the key exists now. Entries that are no keys are passed over.
    pub fn each_key(
        &mut self,
        request: ScanRequest,
        mut each: impl FnMut(&[u8], Option<&Header>) -> ControlFlow<()>,
    ) -> Run {
        let now = self.turn.unix();
        let codec = self.codec;
        let mut scan = self.view.scan(request)?;
        while let Some((entry, value)) = scan.next()? {
            let Some(parts) = codec.split_metadata_key(entry) else {
                continue;
            };
            let header = Header::decode(value).ok().map(|(header, _)| header);
            let live = header.as_ref().filter(|header| header.is_live(now));
            if each(parts.user_key, live).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Deletes every key of this database; nothing is written when there is none. Elements go by compaction.
    pub fn flush_db(&mut self) -> Run {
        let prefix = self.codec.namespace_prefix(self.db);
        if self.first_entry(self.keys_beginning(b""))?.is_some()
            && let Some(end) = prefix_end(&prefix)
        {
            self.view.delete_range(Cf::Metadata, &prefix, &end);
            self.changes.flushed.push(self.db);
            self.changes.count += 1;
        }
        Ok(())
    }

    /// Deletes every key of the directory, those of namespaces that are no database included, as Kvrocks does.
    pub fn flush_all(&mut self, databases: u16) -> Run {
        let all = ScanRequest::prefix(Cf::Metadata, b"").values_up_to(0);
        if let Some(first) = self.first_entry(all.clone())?
            && let Some(last) = self.first_entry(all.reversed())?
            && let Some(end) = prefix_end(&last)
        {
            self.view.delete_range(Cf::Metadata, &first, &end);
            self.changes.flushed.extend((0..databases).map(DbIndex));
            self.changes.count += 1;
        }
        Ok(())
    }

    /// The first key that a scan meets.
    fn first_entry(&mut self, request: ScanRequest) -> Run<Option<Vec<u8>>> {
        let mut scan = self.view.scan(request.at_most(1))?;
        Ok(scan.next()?.map(|(entry, _)| entry.to_vec()))
    }
}

/// Where the elements of a key of this type are read for a copy. The index of a sorted set is made from its members: one
/// scan less.
fn element_families(kind: Type) -> &'static [Cf] {
    match kind {
        Type::String | Type::Json => &[],
        Type::Stream => &[Cf::Stream],
        Type::Hash
        | Type::List
        | Type::Set
        | Type::Zset
        | Type::Bitmap
        | Type::Sortedint
        | Type::Bloom
        | Type::Hyperloglog => &[Cf::Default],
        // Wherever a newer Kvrocks may have put them.
        Type::Other(_) => &[Cf::Default, Cf::ZsetScore, Cf::Stream],
    }
}
