//! How a failover goes on, and how it ends.

use super::action::{Action, Durable};
use super::switch::Switch;
use super::syncing::Next;
use super::{Failover, Phase};
use crate::clock::Turn;
use crate::error::ReplyError;
use crate::failover::report::{Outcome, Report};
use crate::storage::seq::Seq;

impl Failover {
    /// Goes on in Syncing as far as it goes.
    pub(super) fn go_on(&mut self, mut actions: Vec<Action>, now: &Turn) -> Vec<Action> {
        while let Phase::Syncing(syncing) = &mut self.phase {
            match syncing.next(&mut self.names, now) {
                Next::Wait => break,
                Next::Do(more) => actions.extend(more),
                Next::Abort(why) => actions.extend(self.stay(&why, now)),
                Next::HandOver => {
                    if let Phase::Syncing(syncing) = std::mem::take(&mut self.phase) {
                        let (handing, more) = syncing.into_handing(now.now());
                        actions.extend(more);
                        self.phase = Phase::Handing(handing);
                    }
                }
            }
        }
        actions
    }

    /// This node is, or becomes again, the primary.
    pub(super) fn stay(&mut self, why: &str, now: &Turn) -> Vec<Action> {
        let mut actions = Vec::new();
        let switch = match std::mem::take(&mut self.phase) {
            Phase::Syncing(mut syncing) => {
                actions.extend(syncing.close());
                actions.extend(syncing.switch.paused_us.map(|_| Action::ReleasePause));
                // Nothing has happened yet that FAILOVER would have said OK to.
                let reply = Err(ReplyError::new(format!("ERR FAILOVER aborted: {why}")));
                actions.extend(
                    syncing
                        .starter
                        .take()
                        .map(|ticket| Action::Answer { ticket, reply }),
                );
                syncing.switch
            }
            Phase::Handing(mut handing) => {
                actions.extend(handing.close(now.now()));
                actions.push(Action::ResumePrimary { new_history: false });
                actions.push(Action::ReleasePause);
                actions.extend(handing.answer_aborts(&Ok(())));
                handing.switch
            }
            other => {
                self.phase = other;
                return actions;
            }
        };
        actions.push(self.names.store(Durable::Primary).1);
        let line = format!(
            "failover to {} ended, this node stays the primary: {why}",
            switch.target
        );
        actions.push(Action::Log(log::Level::Warn, line));
        self.end(&switch, Outcome::Aborted(why.to_owned()), 0, now);
        actions
    }

    /// The target is the primary, since `seq`.
    pub(super) fn follow(&mut self, seq: Seq, now: &Turn) -> Vec<Action> {
        let Phase::Handing(mut handing) = std::mem::take(&mut self.phase) else {
            return Vec::new();
        };
        let target = handing.switch.target.clone();
        if let Some(gap) = handing
            .switch
            .final_seq
            .and_then(|last| last.checked_gap(seq))
        {
            handing.given_up = gap;
        }
        let mut actions = Vec::new();
        actions.extend(handing.close(now.now()));
        actions.push(Action::Follow {
            target: target.clone(),
        });
        actions.push(Action::ReleasePause);
        let late = ReplyError::new(format!("ERR {target} has taken over"));
        actions.extend(handing.answer_aborts(&Err(late)));
        self.end(&handing.switch, Outcome::TakenOver, handing.given_up, now);
        let stop_us = self.last.as_ref().and_then(|last| last.write_stop_us);
        let lost = match handing.given_up {
            0 => String::new(),
            count => format!(", {count} updates given up"),
        };
        let took = stop_us.map_or(String::new(), |us| {
            format!(", writes stood still for {us} us")
        });
        let line = format!("failover: {target} took over at sequence {seq}{lost}{took}");
        let level = if handing.given_up > 0 {
            log::Level::Warn
        } else {
            log::Level::Info
        };
        actions.push(Action::Log(level, line));
        actions
    }

    pub(super) fn end(&mut self, switch: &Switch, outcome: Outcome, given_up: u64, now: &Turn) {
        self.last = Some(Report {
            target: switch.target.clone(),
            outcome,
            final_seq: switch.final_seq,
            given_up,
            write_stop_us: switch
                .paused_us
                .map(|paused_us| now.mono_us.saturating_sub(paused_us)),
        });
    }
}
