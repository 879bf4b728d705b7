//! Sets: single members ([`one`]), random ones ([`random`]), and whole sets against each other ([`algebra`]).

mod algebra;
mod one;
mod random;
#[cfg(test)]
mod tests;

use super::spec::Spec;

const GROUP: &str = "set";

/// The family's commands.
pub const SPECS: &[Spec] = &[
    one::SADD,
    one::SCARD,
    algebra::SDIFF,
    algebra::SDIFFSTORE,
    algebra::SINTER,
    algebra::SINTERCARD,
    algebra::SINTERSTORE,
    one::SISMEMBER,
    one::SMEMBERS,
    one::SMISMEMBER,
    one::SMOVE,
    random::SPOP,
    random::SRANDMEMBER,
    one::SREM,
    one::SSCAN,
    algebra::SUNION,
    algebra::SUNIONSTORE,
];
