//! The string commands: reading ([`read`]), writing ([`mod@write`], with its options in [`options`]), counting ([`count`]) and
//! LCS ([`lcs`]).

mod count;
mod lcs;
mod options;
mod read;
#[cfg(test)]
mod tests;
mod write;

use super::spec::Spec;

/// Every command of the family.
pub const SPECS: &[Spec] = &[
    write::APPEND,
    count::DECR,
    count::DECRBY,
    read::GET,
    write::GETDEL,
    write::GETEX,
    read::GETRANGE,
    write::GETSET,
    count::INCR,
    count::INCRBY,
    count::INCRBYFLOAT,
    lcs::LCS,
    read::MGET,
    write::MSET,
    write::MSETNX,
    write::PSETEX,
    write::SET,
    write::SETEX,
    write::SETNX,
    write::SETRANGE,
    read::STRLEN,
    read::SUBSTR,
];

const GROUP: &str = "string";
