//! Commands on keys of every type: existence ([`exist`]), expiry ([`expire`]), renaming and copying ([`copy`]), walking
//! ([`iterate`], [`random`]), counting and emptying databases ([`database`]), looking into keys ([`object`]),
//! and values as payloads ([`dump`]).

mod copy;
mod database;
mod dump;
mod exist;
mod expire;
mod iterate;
mod object;
mod random;
#[cfg(test)]
mod tests;

pub use object::{MEMORY_USAGE, SAMPLES, encoding_of, stored_bytes};

use super::spec::Spec;

/// Every command of the family.
pub const SPECS: &[Spec] = &[
    copy::COPY,
    database::DBSIZE,
    exist::DEL,
    dump::DUMP,
    exist::EXISTS,
    expire::EXPIRE,
    expire::EXPIREAT,
    expire::EXPIRETIME,
    database::FLUSHALL,
    database::FLUSHDB,
    iterate::KEYS,
    copy::MOVE,
    object::OBJECT,
    expire::PERSIST,
    expire::PEXPIRE,
    expire::PEXPIREAT,
    expire::PEXPIRETIME,
    expire::PTTL,
    random::RANDOMKEY,
    copy::RENAME,
    copy::RENAMENX,
    dump::RESTORE,
    iterate::SCAN,
    database::SWAPDB,
    exist::TOUCH,
    expire::TTL,
    exist::TYPE,
    exist::UNLINK,
];

const GROUP: &str = "generic";
