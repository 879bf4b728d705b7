//! A key's value in the `metadata` family: flags, expiry and, for all but strings and JSON, version and size.
//!
//! ```text
//! Fixed8 flags | expire | ( Fixed64 version | size )
//! flags: bit 7 = 64-bit fields, bits 3..0 = type
//! bit 7 set: expire in milliseconds and size are Fixed64; clear: expire in seconds and size are Fixed32
//! ```
//! Both widths occur in one directory; an updated key keeps its own. Source: Kvrocks `storage/redis_metadata.{h,cc}`.

use crate::clock::UnixMs;

const WIDE: u8 = 0x80;
const TYPE_MASK: u8 = 0x0f;

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Type {
    String,
    Hash,
    List,
    Set,
    Zset,
    Bitmap,
    Sortedint,
    Stream,
    Bloom,
    Json,
    Hyperloglog,
    /// A type of a Kvrocks newer than this code: kept untouched.
    Other(u8),
}

impl Type {
    /// The type of a flags byte.
    pub fn from_flags(flags: u8) -> Type {
        match flags & TYPE_MASK {
            1 => Type::String,
            2 => Type::Hash,
            3 => Type::List,
            4 => Type::Set,
            5 => Type::Zset,
            6 => Type::Bitmap,
            7 => Type::Sortedint,
            8 => Type::Stream,
            9 => Type::Bloom,
            10 => Type::Json,
            11 => Type::Hyperloglog,
            other => Type::Other(other),
        }
    }

    /// The number in the flags byte, which LogData uses too.
    pub fn number(self) -> u8 {
        match self {
            Type::String => 1,
            Type::Hash => 2,
            Type::List => 3,
            Type::Set => 4,
            Type::Zset => 5,
            Type::Bitmap => 6,
            Type::Sortedint => 7,
            Type::Stream => 8,
            Type::Bloom => 9,
            Type::Json => 10,
            Type::Hyperloglog => 11,
            Type::Other(number) => number,
        }
    }

    /// What TYPE answers. Bitmaps and HyperLogLogs are strings to a Redis client; the rest have Kvrocks's names.
    pub fn name(self) -> &'static str {
        match self {
            Type::String | Type::Bitmap | Type::Hyperloglog => "string",
            Type::Hash => "hash",
            Type::List => "list",
            Type::Set => "set",
            Type::Zset => "zset",
            Type::Sortedint => "sortedint",
            Type::Stream => "stream",
            Type::Bloom => "MBbloom--",
            Type::Json => "ReJSON-RL",
            Type::Other(_) => "unknown",
        }
    }

    /// Whether the value stands in the metadata entry itself, without version and size.
    pub fn is_single(self) -> bool {
        matches!(self, Type::String | Type::Json)
    }

    /// Whether a size of zero is a key that exists.
    pub fn may_be_empty(self) -> bool {
        // Unknown types: never hide what may be data.
        matches!(
            self,
            Type::String
                | Type::Json
                | Type::Stream
                | Type::Bloom
                | Type::Hyperloglog
                | Type::Other(_)
        )
    }
}

/// A metadata header. For strings and JSON, `version` and `size` are zero and not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    flags: u8,
    /// Unix milliseconds; zero is none.
    expire_ms: u64,
    /// Which sub-keys are this key's; drawn anew whenever a key is created.
    pub version: u64,
    /// Number of elements (bytes for a bitmap). Zero makes a collection vanish.
    pub size: u64,
}

/// Bytes of the longest header.
pub const HEADER_BYTES_MAX: usize = 25;

/// An encoded header.
pub struct HeaderBytes {
    bytes: [u8; HEADER_BYTES_MAX],
    len: usize,
}

impl HeaderBytes {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The entry is too short for its own flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooShort;

impl Header {
    /// The header of a new key, without expiry, in 64-bit width.
    pub fn new(kind: Type, version: u64) -> Header {
        Header {
            flags: WIDE | kind.number(),
            expire_ms: 0,
            version,
            size: 0,
        }
    }

    /// What the key holds.
    pub fn kind(&self) -> Type {
        Type::from_flags(self.flags)
    }

    /// When the key expires.
    pub fn expire(&self) -> Option<UnixMs> {
        (self.expire_ms != 0).then_some(UnixMs(self.expire_ms))
    }

    /// Sets or clears the expiry. A narrow header keeps seconds, rounded as Kvrocks rounds.
    pub fn set_expire(&mut self, at: Option<UnixMs>) {
        let ms = at.map_or(0, |at| at.0);
        self.expire_ms = if self.is_wide() {
            ms
        } else {
            narrow_seconds(ms) * 1000
        };
    }

    /// Sets or clears the expiry to the millisecond: a narrow header becomes wide where it could not keep it.
    pub fn set_expire_exact(&mut self, at: Option<UnixMs>) {
        let ms = at.map_or(0, |at| at.0);
        if !ms.is_multiple_of(1000) || ms / 1000 > u64::from(u32::MAX) {
            self.widen();
        }
        self.set_expire(at);
    }

    /// Makes the header 64 bits wide, which a millisecond expiry needs.
    pub fn widen(&mut self) {
        self.flags |= WIDE;
    }

    /// Whether the expiry has passed at `now` (strictly, as in Kvrocks).
    pub fn is_expired(&self, now: UnixMs) -> bool {
        self.expire_ms != 0 && self.expire_ms < now.0
    }

    /// Whether the header at the beginning of `entry`, as written here, has an expiry.
    #[inline]
    pub fn is_expiring(entry: &[u8]) -> bool {
        let bytes = match entry.first() {
            Some(flags) if flags & WIDE != 0 => entry.get(1..9),
            Some(_) => entry.get(1..5),
            None => None,
        };
        bytes.is_some_and(|bytes| bytes.iter().any(|&byte| byte != 0))
    }

    /// Whether the key exists at `now`: not expired and, for a collection, not empty.
    pub fn is_live(&self, now: UnixMs) -> bool {
        !self.is_expired(now) && (self.size != 0 || self.kind().may_be_empty())
    }

    /// Bytes that the header takes.
    pub fn encoded_len(&self) -> usize {
        match (self.is_wide(), self.kind().is_single()) {
            (true, true) => 9,
            (true, false) => 25,
            (false, true) => 5,
            (false, false) => 17,
        }
    }

    /// Appends the header's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_bytes().as_slice());
    }

    /// The header's bytes, without a heap.
    #[inline]
    pub fn to_bytes(&self) -> HeaderBytes {
        let mut bytes = [0; HEADER_BYTES_MAX];
        bytes[0] = self.flags;
        let size_at = if self.is_wide() {
            bytes[1..9].copy_from_slice(&self.expire_ms.to_be_bytes());
            17
        } else {
            let seconds = narrow_seconds(self.expire_ms) as u32;
            bytes[1..5].copy_from_slice(&seconds.to_be_bytes());
            13
        };
        if !self.kind().is_single() {
            bytes[size_at - 8..size_at].copy_from_slice(&self.version.to_be_bytes());
            if self.is_wide() {
                bytes[size_at..size_at + 8].copy_from_slice(&self.size.to_be_bytes());
            } else {
                bytes[size_at..size_at + 4].copy_from_slice(&(self.size as u32).to_be_bytes());
            }
        }
        HeaderBytes {
            bytes,
            len: self.encoded_len(),
        }
    }

    /// Reads a header; the second part is where the rest of the entry begins.
    pub fn decode(entry: &[u8]) -> Result<(Header, &[u8]), TooShort> {
        let (&flags, rest) = entry.split_first().ok_or(TooShort)?;
        let wide = flags & WIDE != 0;
        let (expire_ms, rest) = if wide {
            take_u64(rest)?
        } else {
            let (seconds, rest) = take_u32(rest)?;
            (u64::from(seconds) * 1000, rest)
        };
        if Type::from_flags(flags).is_single() {
            return Ok((
                Header {
                    flags,
                    expire_ms,
                    version: 0,
                    size: 0,
                },
                rest,
            ));
        }
        let (version, rest) = take_u64(rest)?;
        let (size, rest) = if wide {
            take_u64(rest)?
        } else {
            let (size, rest) = take_u32(rest)?;
            (u64::from(size), rest)
        };
        Ok((
            Header {
                flags,
                expire_ms,
                version,
                size,
            },
            rest,
        ))
    }

    fn is_wide(&self) -> bool {
        self.flags & WIDE != 0
    }
}

/// Takes a Fixed64 off the front.
pub fn take_u64(bytes: &[u8]) -> Result<(u64, &[u8]), TooShort> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(TooShort)?;
    Ok((u64::from_be_bytes(*head), rest))
}

fn take_u32(bytes: &[u8]) -> Result<(u32, &[u8]), TooShort> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(TooShort)?;
    Ok((u32::from_be_bytes(*head), rest))
}

/// Seconds of a narrow header: 0 stays 0, below a second is 1, else rounded to the nearest with a half going down.
fn narrow_seconds(ms: u64) -> u64 {
    match ms {
        0 => 0,
        1..1000 => 1,
        _ => ((ms + 499) / 1000).min(u64::from(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(header: &Header) -> String {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        assert_eq!(bytes.len(), header.encoded_len());
        assert_eq!(Header::decode(&bytes), Ok((*header, &[][..])));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn headers_are_those_of_kvrocks() {
        assert_eq!(hex(&Header::new(Type::String, 0)), "810000000000000000");
        let mut string = Header::new(Type::String, 0);
        string.set_expire(Some(UnixMs(1_800_000_000_123)));
        assert_eq!(hex(&string), "81000001a3185c507b");
        let hash = Header {
            size: 1,
            ..Header::new(Type::Hash, 0x305120c0f2000005)
        };
        assert_eq!(
            hex(&hash),
            "820000000000000000305120c0f20000050000000000000001"
        );
    }

    #[test]
    fn narrow_headers_keep_their_width() {
        let bytes = [
            0x02, 0x6b, 0x49, 0xd2, 0x00, 0x30, 0x51, 0x20, 0xc0, 0xf2, 0, 0, 5, 0, 0, 0, 1,
        ];
        let (mut header, rest) = Header::decode(&bytes).expect("a whole header");
        assert!(rest.is_empty());
        assert_eq!((header.kind(), header.size), (Type::Hash, 1));
        assert_eq!(header.expire(), Some(UnixMs(1_800_000_000_000)));
        assert_eq!(hex(&header), "026b49d200305120c0f200000500000001");
        header.set_expire(Some(UnixMs(1)));
        assert_eq!(header.expire(), Some(UnixMs(1000)));
    }

    #[test]
    fn a_narrow_header_widens_only_for_what_it_cannot_keep() {
        let narrow = Header::decode(&[0x01, 0, 0, 0, 0])
            .expect("a whole header")
            .0;
        for (at, len) in [
            (Some(5000), 5),
            (None, 5),
            (Some(u64::from(u32::MAX) * 1000), 5),
            (Some(5001), 9),
            (Some((u64::from(u32::MAX) + 1) * 1000), 9),
        ] {
            let mut header = narrow;
            header.set_expire_exact(at.map(UnixMs));
            assert_eq!(
                (header.expire(), header.encoded_len()),
                (at.map(UnixMs), len)
            );
        }
    }

    #[test]
    fn an_expiry_passes_strictly_after_its_millisecond() {
        let mut header = Header::new(Type::String, 0);
        assert!(!Header::is_expiring(header.to_bytes().as_slice()));
        header.set_expire(Some(UnixMs(10)));
        assert!(!header.is_expired(UnixMs(10)));
        assert!(header.is_expired(UnixMs(11)));
    }

    #[test]
    fn an_empty_collection_does_not_exist() {
        assert!(!Header::new(Type::Set, 1).is_live(UnixMs(5)));
        assert!(Header::new(Type::Stream, 1).is_live(UnixMs(5)));
        assert!(Header::new(Type::String, 0).is_live(UnixMs(5)));
    }

    #[test]
    fn short_entries_are_errors() {
        for len in 0..25 {
            assert_eq!(Header::decode(&[0x82; 25][..len]), Err(TooShort));
        }
    }
}
