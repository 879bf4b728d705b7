//! When a replica tells its primary what it has applied. Pure.
//!
//! To a Stillpoint, and to a Kvrocks that has asked before and so reads the answers: as soon as something new is applied,
//! and every second for a sign of life. To any other Kvrocks once a second: one from 2.14 on uses it, an older one leaves it
//! unread in its socket. The sender drops an acknowledgement that its socket does not take; the next one says more anyway.

use super::history::Peer;
use crate::clock::MonoMs;
use crate::storage::seq::Seq;

/// Milliseconds between two acknowledgements when nothing is new. Redis's interval, which `min-replicas-max-lag` (in
/// seconds) relies on.
pub const ACK_INTERVAL_MS: u64 = 1000;
/// No smaller `repl-timeout` holds on a link between Stillpoints, on which both sides say something once a second: a link
/// would end although nobody is late.
pub const SILENCE_MS_MIN: u64 = 2 * ACK_INTERVAL_MS + 500;

/// What is to be acknowledged on one link, and when. `acked_seq <= applied_seq`.
#[derive(Debug)]
pub struct AckSchedule {
    /// Each advance is told at once.
    is_prompt: bool,
    applied_seq: Seq,
    acked_seq: Option<Seq>,
    /// The primary has asked when everything up to here had been received.
    asked_for: Option<Seq>,
    acked_at: MonoMs,
}

impl AckSchedule {
    /// For a link whose stream begins now, behind `applied_seq`. A Stillpoint is told at once where this replica stands.
    pub fn new(primary: Peer, applied_seq: Seq, now: MonoMs) -> AckSchedule {
        AckSchedule {
            is_prompt: primary == Peer::Stillpoint,
            applied_seq,
            acked_seq: None,
            asked_for: None,
            acked_at: now,
        }
    }

    /// Everything up to `seq` is in this node's WAL and in its view.
    pub fn applied(&mut self, seq: Seq) {
        self.applied_seq = self.applied_seq.max(seq);
    }

    /// The primary wants an acknowledgement of what it has sent, the last of it `received_seq`.
    pub fn asked(&mut self, received_seq: Seq) {
        self.is_prompt = true;
        self.asked_for = self.asked_for.max(Some(received_seq));
    }

    /// What to acknowledge now, if anything; it counts as sent.
    pub fn take(&mut self, now: MonoMs) -> Option<Seq> {
        let is_news = self.is_prompt && self.acked_seq != Some(self.applied_seq);
        let is_answer = self
            .asked_for
            .is_some_and(|received| self.applied_seq >= received);
        if !(is_news || is_answer || now >= self.next_deadline()) {
            return None;
        }
        if is_answer {
            self.asked_for = None;
        }
        self.acked_seq = Some(self.applied_seq);
        self.acked_at = now;
        self.acked_seq
    }

    /// When [`AckSchedule::take`] has something to say though nothing happens.
    pub fn next_deadline(&self) -> MonoMs {
        MonoMs(self.acked_at.0.saturating_add(ACK_INTERVAL_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(primary: Peer) -> AckSchedule {
        AckSchedule::new(primary, Seq::new(10), MonoMs(0))
    }

    #[test]
    fn a_stillpoint_is_told_at_once_and_every_second() {
        let mut acks = schedule(Peer::Stillpoint);
        assert_eq!(acks.take(MonoMs(0)), Some(Seq::new(10)));
        assert_eq!(acks.take(MonoMs(1)), None);
        acks.applied(Seq::new(12));
        acks.applied(Seq::new(11));
        assert_eq!(acks.take(MonoMs(1)), Some(Seq::new(12)));
        assert_eq!(acks.next_deadline(), MonoMs(1001));
        assert_eq!(acks.take(MonoMs(1000)), None);
        assert_eq!(acks.take(MonoMs(1001)), Some(Seq::new(12)));
    }

    #[test]
    fn a_question_is_answered_when_what_came_before_it_is_applied() {
        let mut acks = schedule(Peer::Stillpoint);
        acks.take(MonoMs(0));
        acks.asked(Seq::new(10));
        assert_eq!(
            acks.take(MonoMs(1)),
            Some(Seq::new(10)),
            "nothing new, but asked"
        );
        assert_eq!(acks.take(MonoMs(1)), None);
        acks.asked(Seq::new(13));
        acks.asked(Seq::new(12));
        assert_eq!(acks.take(MonoMs(1)), None);
        acks.applied(Seq::new(12));
        assert_eq!(
            acks.take(MonoMs(2)),
            Some(Seq::new(12)),
            "progress is told anyway"
        );
        acks.applied(Seq::new(13));
        assert_eq!(acks.take(MonoMs(2)), Some(Seq::new(13)));
        assert_eq!(acks.take(MonoMs(2)), None);
    }

    #[test]
    fn a_kvrocks_is_told_once_a_second_until_it_asks() {
        let mut acks = schedule(Peer::Kvrocks);
        acks.applied(Seq::new(11));
        assert_eq!(acks.take(MonoMs(999)), None);
        assert_eq!(acks.take(MonoMs(1000)), Some(Seq::new(11)));
        acks.applied(Seq::new(12));
        assert_eq!(acks.take(MonoMs(1001)), None);
        acks.asked(Seq::new(12));
        assert_eq!(acks.take(MonoMs(1001)), Some(Seq::new(12)));
        acks.applied(Seq::new(13));
        assert_eq!(
            acks.take(MonoMs(1001)),
            Some(Seq::new(13)),
            "it reads what it asks for"
        );
    }
}
