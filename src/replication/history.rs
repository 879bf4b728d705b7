//! Histories: which ids a node writes under and shows, and whether a peer may continue from where it stands. Pure.
//!
//! A replication id names the records that one node wrote in one *term*, from becoming a primary to ceasing to be one. Every
//! record of ours ends in its term's id, so two nodes whose records at one sequence number end in the same id hold the same
//! records up to there: only one node ever writes under an id, in one order, and each record of a replica is its primary's,
//! unchanged. That is the whole proof, it needs no list of earlier ids, and it holds after any number of switches.
//!
//! # Which id is drawn when
//!
//! At each start as a primary and at each promotion ([`History::begin_term`]), also when a failover is undone: whoever
//! accepts writes again after having stopped may have missed what others wrote meanwhile. It is written by the first record
//! of the term and never alone, so a term without a write leaves no trace, and neither siblings nor the old primary notice
//! it.
//!
//! # What is shown to Redis's tools
//!
//! `master_replid` has forty hexadecimal digits in Redis, and tools (exporters, `redis-shake`, operators comparing two
//! nodes) check its shape or compare it for equality; nobody derives anything from its digits, and Sentinel reads none of
//! these fields (it goes by `run_id`). So the sixteen characters are shown as their codes in hexadecimal with zeros behind
//! ([`long_id`]): of the right shape, equal exactly where the ids are, and readable back. `master_replid2` and
//! `second_repl_offset` say what Redis's say: the history before this one, and the first number that is no longer in it.

use crate::replication::parting::Parted;
use crate::replication::wire::{OUT_OF_RANGE, WRONG_ID};
use crate::storage::replication_id::{Ending, ReplicationId};
use crate::storage::seq::Seq;

/// What a WAL record is to the question whether a peer may continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordFacts {
    /// Its first sequence number.
    pub first: Seq,
    /// The id that it ends in; `None` in one of a Kvrocks without `use-rsid-psync`.
    pub id: Option<ReplicationId>,
}

/// What this node's WAL says about a peer that wants to go on with `next`. Read from the log by whoever asks
/// ([`may_continue`] says why each is needed).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// The record that holds `next - 1`, if the log still has it.
    pub holding: Option<RecordFacts>,
    /// The first record that begins at `next` or later.
    pub following: Option<RecordFacts>,
    /// The id stored in the database (key `replication_id_` of the `propagate` family).
    pub stored: Option<ReplicationId>,
    /// Where the histories in the log end, from the newest back to the one that the peer presents: where theirs and ours parted.
    pub endings: Vec<Ending>,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// A Stillpoint, which presents the id of its last record, or nothing when that has none.
    Stillpoint,
    /// A Kvrocks: it presents an id only with `use-rsid-psync yes`, and then possibly an older, stored one.
    Kvrocks,
}

/// Why a peer may continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grounds {
    /// Its last record and ours at that place end in the same id.
    SameHistory,
    /// It has nothing yet, and our log goes back to the first update.
    FromTheStart,
    /// The numbers fit and nothing is known against it. That is all Kvrocks asks of a peer without an id, and all there is
    /// when records carry none. A directory with another past whose numbers happen to fit is then accepted, and its data is
    /// a mixture from there on: worth a line in the log, and a reason to set `use-rsid-psync yes` on every Kvrocks.
    NumbersAlone,
}

/// Why it may not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Our log does not go back there, the number is ahead of us, or no record begins there.
    OutOfRange(Parted),
    /// Another history.
    WrongId(Parted),
}

impl Refusal {
    /// The error line, without `-` and line end. Kvrocks's words exactly; a Stillpoint is also told what is known of where the
    /// histories parted, so that it can say in its log how many writes it gives up.
    pub fn line(&self, peer: Peer) -> String {
        let (text, parted) = match self {
            Refusal::OutOfRange(parted) => (OUT_OF_RANGE, parted),
            Refusal::WrongId(parted) => (WRONG_ID, parted),
        };
        match peer {
            Peer::Stillpoint => text.to_owned() + &parted.mark(),
            Peer::Kvrocks => text.to_owned(),
        }
    }
}

/// Whether a peer that presents `id` may continue with `next`, when the last update here is `latest`.
///
/// The order of the checks is Kvrocks's (`kvrocks-replication.md` 4.2), so that either side gives the same error: first the
/// id, then the numbers. Where Kvrocks passes a check for want of evidence, a Stillpoint peer is held to its word: it would
/// have presented an id if its record had one.
pub fn may_continue(
    peer: Peer,
    id: Option<ReplicationId>,
    next: Seq,
    latest: Seq,
    evidence: &Evidence,
) -> Result<Grounds, Refusal> {
    let parted = parted(id, next, evidence);
    if next == Seq::ZERO || next > latest.next() {
        return Err(Refusal::OutOfRange(parted));
    }
    let grounds = match id_check(peer, id, next, evidence) {
        Some(grounds) => grounds,
        None => return Err(Refusal::WrongId(parted)),
    };
    if next == latest.next() {
        return Ok(grounds);
    }
    match evidence.following {
        Some(record) if record.first == next => Ok(grounds),
        // The log does not go back there, and what the peer has is ours too.
        _ if grounds != Grounds::NumbersAlone && evidence.holding.is_none() => {
            let last = Seq::new(next.get() - 1);
            Err(Refusal::OutOfRange(Parted::At(last)))
        }
        _ => Err(Refusal::OutOfRange(parted)),
    }
}

/// Where this node's history and the peer's parted.
fn parted(presented: Option<ReplicationId>, next: Seq, evidence: &Evidence) -> Parted {
    let mut endings = evidence.endings.iter();
    match endings.find(|ending| Some(ending.id) == presented) {
        Some(ending) if ending.last < next => Parted::At(ending.last),
        // The peer presents its last record: it cannot share what it does not have.
        Some(_) => Parted::UNKNOWN,
        None => Parted::Among(evidence.endings.clone()),
    }
}

/// What the ids say; `None` when they say that the histories differ.
fn id_check(
    peer: Peer,
    presented: Option<ReplicationId>,
    next: Seq,
    evidence: &Evidence,
) -> Option<Grounds> {
    if next == Seq::ZERO.next() {
        // Nothing comes before the first update that could differ.
        return Some(Grounds::FromTheStart);
    }
    // The record behind `next - 1` proves as much as the one that holds it: under one id the order is one. Where the log has
    // neither, the stored id does: the first record of each term stores it, and it is replicated like all else.
    let (ours, is_stored) = match (evidence.holding, evidence.following) {
        (Some(record), _) | (None, Some(record)) => (record.id, false),
        (None, None) => (evidence.stored, true),
    };
    match (presented, ours) {
        (Some(presented), Some(ours)) => (presented == ours).then_some(Grounds::SameHistory),
        (None, None) => Some(Grounds::NumbersAlone),
        // A Kvrocks presents a stored id of long ago, or none at all, without that meaning anything.
        (Some(_), None) | (None, Some(_)) => {
            let is_excused = peer == Peer::Kvrocks && (presented.is_none() || !is_stored);
            is_excused.then_some(Grounds::NumbersAlone)
        }
    }
}

/// The last histories that a node remembers, the newest first.
pub type Endings = [Option<Ending>; 2];

/// The ids that this node has to do with: what it writes under, what it presents, what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What the last record in the database ends in: what this node presents as a replica.
    last_record: Option<ReplicationId>,
    /// The term under way; `None` on a replica.
    term: Option<ReplicationId>,
    /// The id that the primary says it writes under.
    heard: Option<ReplicationId>,
    /// The history before the one shown, and the first number that is not in it.
    before: Option<(ReplicationId, Seq)>,
}

impl History {
    /// Of a node that was just started; `last_record` is the id of the last record in its WAL, or the stored one when that
    /// has no record any more.
    pub fn of_directory(last_record: Option<ReplicationId>) -> History {
        History {
            last_record,
            ..History::default()
        }
    }

    /// This node accepts writes from here on, under an id drawn just now. `latest` is its last update.
    pub fn begin_term(&mut self, drawn: ReplicationId, latest: Seq) {
        self.before = self.last_record.map(|id| (id, latest.next()));
        self.term = Some(drawn);
        self.heard = None;
    }

    /// It accepts no writes any more.
    pub fn end_term(&mut self) {
        self.term = None;
    }

    /// The id that records end in; `None` on a replica, which ends none.
    pub fn writes_under(&self) -> Option<ReplicationId> {
        self.term
    }

    /// A record of this node's own is in the WAL.
    pub fn note_own_record(&mut self) {
        self.last_record = self.term;
    }

    /// A record of the primary, with this id, is in the WAL; `first` is its first update.
    pub fn note_received(&mut self, id: Option<ReplicationId>, first: Seq) {
        if id != self.last_record {
            self.before = self.last_record.map(|before| (before, first));
            self.last_record = id;
        }
    }

    /// A record that was noted is not in the WAL after all, as its commit has failed: the last one ends in this.
    pub fn correct(&mut self, last_record: Option<ReplicationId>) {
        if self.last_record == last_record {
            return;
        }
        self.last_record = last_record;
        // On a replica the lost record began a history. What came before the one that goes on is not remembered.
        let is_no_longer_before = self.before.is_some_and(|(id, _)| Some(id) == last_record);
        if self.term.is_none() && is_no_longer_before {
            self.before = None;
        }
    }

    /// The primary says what it writes under. `None`: it writes nothing under any (it follows a Kvrocks that has no ids).
    pub fn note_heard(&mut self, id: Option<ReplicationId>, latest: Seq) {
        if let Some(id) = id
            && Some(id) != self.last_record
            && Some(id) != self.heard
        {
            self.before = self.last_record.map(|before| (before, latest.next()));
        }
        self.heard = id;
    }

    /// The database was replaced by a copy of the primary's.
    pub fn replace(&mut self, last_record: Option<ReplicationId>) {
        *self = History::of_directory(last_record);
    }

    /// What this node presents when it wants to continue: the id of its last record.
    pub fn presents(&self) -> Option<ReplicationId> {
        self.last_record
    }

    /// Where the histories ended that this node remembers: its log may not go back to them. `latest` is its last update.
    pub fn endings(&self, latest: Seq) -> Endings {
        let newest = self.last_record.map(|id| Ending { id, last: latest });
        let before = self.before.filter(|(id, _)| Some(*id) != self.last_record);
        let before = before.and_then(|(id, end)| {
            let last = Seq::new(end.get().checked_sub(1)?);
            Some(Ending { id, last })
        });
        [newest, before]
    }

    /// The history in force, for INFO: this node's term, else its primary's, else that of its last record.
    pub fn current(&self) -> Option<ReplicationId> {
        self.term.or(self.heard).or(self.last_record)
    }

    /// `master_replid`.
    pub fn master_replid(&self) -> String {
        long_id(self.current())
    }

    /// `master_replid2`: zeros when nothing came before.
    pub fn master_replid2(&self) -> String {
        long_id(self.before.map(|(id, _)| id))
    }

    /// `second_repl_offset`: the first number that is no longer in the history before, -1 when there was none.
    pub fn second_repl_offset(&self) -> i64 {
        self.before.map_or(-1, |(_, end)| end.get() as i64)
    }
}

/// Digits of a replication id as Redis shows it.
const LONG_ID_DIGITS: usize = 40;

/// An id in the form that Redis's tools expect: the codes of its characters in hexadecimal, zeros behind them; all zeros for
/// none.
pub fn long_id(id: Option<ReplicationId>) -> String {
    let digits: String = id.map_or_else(String::new, |id| {
        id.as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    });
    format!("{digits:0<LONG_ID_DIGITS$}")
}

#[cfg(test)]
mod tests;
