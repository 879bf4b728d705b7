//! Hashes: HSET and its kin write ([`mod@write`]), HGET and its kin read ([`read`]).

mod read;
#[cfg(test)]
mod tests;
mod write;

use super::spec::Spec;

const GROUP: &str = "hash";

/// The family's commands.
pub const SPECS: &[Spec] = &[
    write::HDEL,
    read::HEXISTS,
    read::HGET,
    read::HGETALL,
    write::HINCRBY,
    write::HINCRBYFLOAT,
    read::HKEYS,
    read::HLEN,
    read::HMGET,
    write::HMSET,
    read::HRANDFIELD,
    read::HSCAN,
    write::HSET,
    write::HSETNX,
    read::HSTRLEN,
    read::HVALS,
];
