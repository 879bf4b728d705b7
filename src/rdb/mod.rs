//! DUMP and RESTORE payloads: one value in Redis's RDB encoding, with a footer of version and checksum.
//!
//! ```text
//! type (1 byte) | value | RDB version (2 bytes, little-endian) | CRC-64 of all before it (8 bytes, little-endian)
//! ```
//!
//! [`mod@encode`] writes the plain types, which every redis-server since 4.0 restores. [`mod@decode`] reads what redis-server 5 to 7.2
//! can produce for strings, lists, sets, hashes and sorted sets, compact encodings and compression included. Payloads come from
//! clients: every length is checked against the bytes that are there, and what cannot be a whole value is an error.
//! Bytes in, values out; no I/O.

mod compact;
#[cfg(test)]
mod damage_tests;
mod decode;
mod encode;
mod lzf;
mod reader;
#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{encode, encode_hash, encode_list, encode_set, encode_string, encode_zset};

/// Pairs of a field and its value.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A value as a payload carries it.
#[derive(Clone, Debug, PartialEq)]
pub enum RdbValue {
    String(Vec<u8>),
    /// From head to tail; not empty.
    List(Vec<Vec<u8>>),
    /// Distinct members in no order; not empty.
    Set(Vec<Vec<u8>>),
    /// Distinct fields with their values, in no order; not empty.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// Distinct members with their scores, none of which is NaN, in no order; not empty.
    Zset(Vec<(Vec<u8>, f64)>),
}

/// Why a payload cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdbError {
    /// The footer is missing, of a newer version, or its checksum is wrong: `ERR DUMP payload version or checksum are wrong`.
    Footer,
    /// The bytes are not a value: `ERR Bad data format`.
    Data,
    /// A stream or a module's value, which this module does not read.
    Unsupported,
}

/// The version that [`encode()`] writes, that of Redis 7.0.
const RDB_VERSION: u16 = 10;

/// The newest version that [`decode()`] takes, that of Redis 7.2.
const RDB_VERSION_MAX: u16 = 11;

/// Version and checksum.
const FOOTER_LEN: usize = 2 + 8;

/// Type bytes. Source: `rdb.h` of redis-server 7.2.
mod tag {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET_TEXT_SCORES: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET: u8 = 5;
    pub const MODULE_BEFORE_4_0: u8 = 6;
    pub const MODULE: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
}

/// The first byte of a length: its top two bits, or all of it, say what follows.
mod length {
    /// In the low six bits.
    pub const BITS_6: u8 = 0;
    /// In the low six bits and the next byte.
    pub const BITS_14: u8 = 1;
    /// No length: the low six bits name one of [`super::special`].
    pub const SPECIAL: u8 = 3;
    /// The whole byte: four bytes follow, big-endian.
    pub const BITS_32: u8 = 0x80;
    /// The whole byte: eight bytes follow, big-endian.
    pub const BITS_64: u8 = 0x81;
}

/// Strings that are not stored as their bytes.
mod special {
    pub const INT_8: u8 = 0;
    pub const INT_16: u8 = 1;
    pub const INT_32: u8 = 2;
    pub const LZF: u8 = 3;
}
