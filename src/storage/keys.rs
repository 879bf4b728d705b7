//! Keys on disk: what a user's key becomes in the `metadata` family and in the families of its elements.
//!
//! ```text
//! metadata key:  Fixed8 ns_len | ns | [Fixed16 slot] | user_key
//! sub-key:       Fixed8 ns_len | ns | [Fixed16 slot] | Fixed32 key_len | user_key | Fixed64 version | sub_key
//! ```
//! The slot is there only in a directory of a cluster. Database 0 is Kvrocks's default namespace, database n is the namespace
//! `db<n>` (Kvrocks 2.15's `redis-databases`). Source: Kvrocks `storage/redis_metadata.cc`, `common/encoding.h`.

use crate::text::crc::slot;

/// The namespace of database 0 in Kvrocks.
pub const DEFAULT_NAMESPACE: &[u8] = b"__namespace";

/// A logical database's number, as SELECT takes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DbIndex(pub u16);

/// Encodes and decodes keys for one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCodec {
    /// Whether keys carry their cluster slot.
    pub slot_encoded: bool,
}

/// A metadata key taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataKey<'a> {
    /// The namespace's bytes.
    pub namespace: &'a [u8],
    /// The user's key.
    pub user_key: &'a [u8],
}

impl KeyCodec {
    /// The length-prefixed namespace of `db`: where all its keys begin.
    pub fn namespace_prefix(&self, db: DbIndex) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        push_namespace(db, &mut out);
        out
    }

    /// The key of `user_key` in the `metadata` family.
    pub fn metadata_key(&self, db: DbIndex, user_key: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(14 + user_key.len());
        self.push_metadata_key(db, user_key, &mut out);
        out
    }

    /// Appends the key of `user_key` in the `metadata` family to `out`.
    #[inline]
    pub fn push_metadata_key(&self, db: DbIndex, user_key: &[u8], out: &mut Vec<u8>) {
        push_namespace(db, out);
        if self.slot_encoded {
            out.extend_from_slice(&slot(user_key).to_be_bytes());
        }
        out.extend_from_slice(user_key);
    }

    /// What all sub-keys of one version of `user_key` begin with. Has room for a short sub-key behind it.
    pub fn subkey_prefix(&self, db: DbIndex, user_key: &[u8], version: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(26 + user_key.len() + 48);
        push_namespace(db, &mut out);
        if self.slot_encoded {
            out.extend_from_slice(&slot(user_key).to_be_bytes());
        }
        out.extend_from_slice(&(user_key.len() as u32).to_be_bytes());
        out.extend_from_slice(user_key);
        out.extend_from_slice(&version.to_be_bytes());
        out
    }

    /// The namespace and the user's key of a sub-key; `None` when it is too short to be one.
    pub fn split_subkey<'a>(&self, key: &'a [u8]) -> Option<MetadataKey<'a>> {
        let (&len, rest) = key.split_first()?;
        let (namespace, rest) = rest.split_at_checked(len as usize)?;
        let rest = if self.slot_encoded {
            rest.get(2..)?
        } else {
            rest
        };
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let user_key = rest.get(..u32::from_be_bytes(*len) as usize)?;
        Some(MetadataKey {
            namespace,
            user_key,
        })
    }

    /// Takes a key of the `metadata` family apart; `None` when it is too short to be one.
    pub fn split_metadata_key<'a>(&self, key: &'a [u8]) -> Option<MetadataKey<'a>> {
        let (&len, rest) = key.split_first()?;
        let (namespace, rest) = rest.split_at_checked(len as usize)?;
        let user_key = if self.slot_encoded {
            rest.get(2..)?
        } else {
            rest
        };
        Some(MetadataKey {
            namespace,
            user_key,
        })
    }
}

/// The database whose namespace this is, if it is one's.
pub fn db_of_namespace(namespace: &[u8]) -> Option<DbIndex> {
    if namespace == DEFAULT_NAMESPACE {
        return Some(DbIndex(0));
    }
    let digits = namespace.strip_prefix(b"db")?;
    let number = crate::text::int::parse_i64(digits)?;
    u16::try_from(number).ok().filter(|&n| n > 0).map(DbIndex)
}

/// The least key above every key that begins with `prefix`; `None` when there is none.
///
/// Kvrocks ends its range deletes so: the last byte that is not 0xff goes up by one and the bytes after it stay.
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix.to_vec();
    end[last] += 1;
    Some(end)
}

fn push_namespace(db: DbIndex, out: &mut Vec<u8>) {
    if db.0 == 0 {
        out.push(DEFAULT_NAMESPACE.len() as u8);
        out.extend_from_slice(DEFAULT_NAMESPACE);
    } else {
        let start = out.len();
        out.extend_from_slice(b"\0db");
        crate::text::int::write_i64(out, i64::from(db.0));
        out[start] = (out.len() - start - 1) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDALONE: KeyCodec = KeyCodec {
        slot_encoded: false,
    };
    const CLUSTER: KeyCodec = KeyCodec { slot_encoded: true };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_are_those_of_kvrocks() {
        assert_eq!(
            hex(&STANDALONE.metadata_key(DbIndex(0), b"k")),
            "0b5f5f6e616d6573706163656b"
        );
        assert_eq!(
            hex(&CLUSTER.metadata_key(DbIndex(0), b"k")),
            "0b5f5f6e616d6573706163651dcd6b"
        );
        assert_eq!(
            hex(&STANDALONE.metadata_key(DbIndex(12), b"k")),
            "04646231326b"
        );
        let mut sub = CLUSTER.subkey_prefix(DbIndex(0), b"h", 0x305120c0f2000005);
        sub.push(b'f');
        assert_eq!(
            hex(&sub),
            "0b5f5f6e616d6573706163652dae0000000168305120c0f200000566"
        );
    }

    #[test]
    fn metadata_keys_come_apart_again() {
        for codec in [STANDALONE, CLUSTER] {
            for db in [DbIndex(0), DbIndex(7), DbIndex(65535)] {
                let key = codec.metadata_key(db, b"some key");
                let parts = codec.split_metadata_key(&key).expect("a whole key");
                assert_eq!(parts.user_key, b"some key");
                assert_eq!(db_of_namespace(parts.namespace), Some(db));
            }
        }
        assert_eq!(STANDALONE.split_metadata_key(b"\x05ab"), None);
        assert_eq!(db_of_namespace(b"db0"), None);
        assert_eq!(db_of_namespace(b"tenant"), None);
    }

    #[test]
    fn a_prefix_ends_as_kvrocks_ends_it() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xff"), Some(b"b\xff".to_vec()));
        assert_eq!(prefix_end(b"\xff"), None);
    }
}
