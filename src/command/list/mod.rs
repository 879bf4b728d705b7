//! Lists: their ends ([`ends`]), several lists and waiting for elements ([`blocking`]), moves between lists ([`moves`]), the middle
//! ([`edit`]), and reading ([`read`]).

mod blocking;
mod edit;
mod ends;
mod moves;
mod read;
#[cfg(test)]
mod tests;

use super::spec::Spec;
use crate::error::{ReplyError, SYNTAX};
use crate::storage::types::list::End;

const GROUP: &str = "list";

/// The family's commands.
pub const SPECS: &[Spec] = &[
    moves::BLMOVE,
    blocking::BLMPOP,
    blocking::BLPOP,
    blocking::BRPOP,
    moves::BRPOPLPUSH,
    read::LINDEX,
    edit::LINSERT,
    read::LLEN,
    moves::LMOVE,
    blocking::LMPOP,
    ends::LPOP,
    read::LPOS,
    ends::LPUSH,
    ends::LPUSHX,
    read::LRANGE,
    edit::LREM,
    edit::LSET,
    edit::LTRIM,
    ends::RPOP,
    moves::RPOPLPUSH,
    ends::RPUSH,
    ends::RPUSHX,
];

/// `LEFT` or `RIGHT`.
fn end_of(arg: &[u8]) -> Result<End, ReplyError> {
    if arg.eq_ignore_ascii_case(b"left") {
        Ok(End::Left)
    } else if arg.eq_ignore_ascii_case(b"right") {
        Ok(End::Right)
    } else {
        Err(SYNTAX)
    }
}

/// The event of a pop at `end`.
fn pop_event(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

/// The event of a push at `end`.
fn push_event(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}
