//! Where two histories parted, and how many updates a full copy gives up. For a line in the log; pure.
//!
//! A primary that refuses a PSYNC knows the histories in its own log, the replica those in its own. Under one id the order is one
//! ([`super::history`]), so both have the same up to where the newest history that both know ended in the shorter of the two logs.
//! The primary can say it alone when it has written, or was sent, records of the history that the replica presents. When both have
//! begun histories since, it names those that it knows and the replica looks for them in its own log.

use std::fmt;

use super::history::Endings;
use crate::limits::{ENDINGS_MAX, LINK_LINE_BYTES_MAX};
use crate::storage::replication_id::{Ending, REPLICATION_ID_BYTES, ReplicationId};
use crate::storage::seq::Seq;
use crate::text::int::parse_u64;

/// What a Stillpoint adds to a refusal of another one: the last update that both have.
pub const COMMON_MARK: &str = "; common up to ";
/// Or the histories in its log, the newest first, each with the last update in it.
pub const HISTORIES_MARK: &str = "; histories";

/// Bytes of one history in a line: space, id, colon, number.
const ENDING_BYTES_MAX: usize = REPLICATION_ID_BYTES + 22;
const _: () = assert!(ENDINGS_MAX * ENDING_BYTES_MAX <= LINK_LINE_BYTES_MAX / 2);

/// What the side that refuses knows of where the histories parted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parted {
    /// The last update that both have.
    At(Seq),
    /// At the end of one of these that both know, if there is one: the histories in its log, the newest first.
    Among(Vec<Ending>),
}

impl Parted {
    /// Nothing is known.
    pub const UNKNOWN: Parted = Parted::Among(Vec::new());

    /// What is added to the refusal.
    pub fn mark(&self) -> String {
        match self {
            Parted::At(common) => format!("{COMMON_MARK}{common}"),
            Parted::Among(endings) if endings.is_empty() => String::new(),
            Parted::Among(endings) => {
                let named = endings.iter().take(ENDINGS_MAX);
                let named: String = named
                    .map(|ending| format!(" {}:{}", ending.id, ending.last))
                    .collect();
                format!("{HISTORIES_MARK}{named}")
            }
        }
    }

    /// Reads it off a refusal; what is not understood tells nothing.
    pub fn read(error: &[u8]) -> Parted {
        let behind = |mark: &str| {
            let at = memchr::memmem::rfind(error, mark.as_bytes())?;
            Some(&error[at + mark.len()..])
        };
        if let Some(common) = behind(COMMON_MARK) {
            return read_seq(common).map_or(Parted::UNKNOWN, Parted::At);
        }
        let named = behind(HISTORIES_MARK).unwrap_or_default();
        let words = named.split(|&byte| byte == b' ').skip(1);
        let endings: Option<Vec<Ending>> = words.take(ENDINGS_MAX).map(read_ending).collect();
        Parted::Among(endings.unwrap_or_default())
    }
}

fn read_seq(text: &[u8]) -> Option<Seq> {
    let number = parse_u64(text)?;
    (number <= Seq::MAX.get()).then_some(Seq::new(number))
}

fn read_ending(word: &[u8]) -> Option<Ending> {
    let (id, rest) = word.split_at_checked(REPLICATION_ID_BYTES)?;
    Some(Ending {
        id: ReplicationId::from_bytes(id)?,
        last: read_seq(rest.strip_prefix(b":")?)?,
    })
}

/// Adds histories that are remembered, unless the log, whose histories these are, tells of them itself.
pub fn add_endings(endings: &mut Vec<Ending>, remembered: Endings) {
    for ending in remembered.into_iter().flatten() {
        if endings.iter().all(|known| known.id != ending.id) {
            endings.push(ending);
        }
    }
}

/// How many updates of this node are given up by a full copy: those that the primary does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GivenUp {
    /// So many.
    Exactly(u64),
    /// Where the histories parted is not known: all that this node has may be among them.
    AtMost(u64),
}

impl GivenUp {
    /// By a node whose last update is `last`. `ours` gives the histories in its log, the newest first, down to one that satisfies its argument; it is asked
    /// only when that decides.
    pub fn count(
        last: Seq,
        parted: &Parted,
        ours: impl FnOnce(&dyn Fn(ReplicationId) -> bool) -> Vec<Ending>,
    ) -> GivenUp {
        let behind = |common: Seq| last.get().saturating_sub(common.get());
        let theirs = match parted {
            Parted::At(common) => return GivenUp::Exactly(behind(*common)),
            Parted::Among(theirs) => theirs,
        };
        if last == Seq::ZERO {
            return GivenUp::Exactly(0);
        }
        if theirs.is_empty() {
            return GivenUp::AtMost(last.get());
        }
        let known = |id: ReplicationId| theirs.iter().find(|ending| ending.id == id);
        let ours = ours(&|id| known(id).is_some());
        let both = ours
            .iter()
            .find_map(|ours| Some(ours.last.min(known(ours.id)?.last)));
        both.map_or(GivenUp::AtMost(last.get()), |common| {
            GivenUp::Exactly(behind(common))
        })
    }
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bound, count) = match self {
            GivenUp::Exactly(0) => return f.write_str("this node gives up no write for it"),
            GivenUp::Exactly(count) => ("", count),
            GivenUp::AtMost(count) => ("at most ", count),
        };
        write!(
            f,
            "{bound}{count} writes of this node that it does not have are given up"
        )
    }
}

#[cfg(test)]
mod tests;
