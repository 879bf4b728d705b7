//! One turn of the loop, from waking up to going to sleep.

use std::time::Duration;

use super::{LoopEvent, Server};
use crate::client::waiting::Reason;
use crate::command::{parked_reads, parked_scans, parking, shutdown};
use crate::failover::leave::Leaving;
use crate::limits::{FREED_SENDS_PER_TURN_MAX, MAILBOX_EVENTS_PER_TURN_MAX, RELEASES_PER_TURN_MAX};
use crate::node::Request;
use crate::replication::feeder::ToFeeder;
use crate::replication::follower::ToFollower;
use crate::stats::latency;

type Stage = fn(&mut Server);

/// What happens in a turn after the poll, in order, and why each stands before the next.
pub const STAGES: &[(&str, Stage)] = &[
    // What helpers have done may free clients that are looked at below.
    ("take mailbox", Server::take_mailbox),
    ("accept connections", Server::accept_connections),
    // A pause that has run out and a time that is over release clients for the next stage.
    ("end lapsed pauses", Server::end_lapsed_pauses),
    ("end overdue waits", Server::end_overdue_waits),
    // Older commands before newer ones; and whoever releases many (UNPAUSE) is answered in its own turn, ahead of them.
    ("release parked clients", Server::release_parked),
    // Commands that were read in an earlier turn go before newer ones of other clients.
    ("run leftover input", Server::run_leftover_input),
    ("read clients", Server::read_clients),
    ("run timers", Server::run_timers),
    // Everything executed above becomes one group; its replies leave below.
    ("commit", Server::commit),
    ("do requests", Server::do_requests),
    ("send output", Server::send_output),
    ("close clients", Server::close_clients),
    ("check invariants", Server::check_invariants),
];

impl Server {
    /// Turns until something asks the process to end; gives its exit status.
    pub(super) fn turns(&mut self) -> i32 {
        loop {
            let timeout = self.sleep_time();
            if let Some(status) = self.turn(timeout) {
                return status;
            }
        }
    }

    /// Sleeps until something happens, at most for `timeout`, and deals with it; gives the exit status at the end.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> Option<i32> {
        self.look_again = false;
        let mut ready = std::mem::take(&mut self.ready);
        if let Err(error) = self.reactor.poll(timeout, &mut ready) {
            log::error!("poll failed: {error}");
            return Some(1);
        }
        self.readable.extend_from_slice(&ready.readable);
        self.ready = ready;
        self.node.turn = self.node.clock.turn();
        self.node.stats.turns += 1;
        self.note_hang_ups();
        for (_, stage) in STAGES {
            stage(self);
        }
        if self.node.stats.latency.is_on() {
            self.note_latency(latency::EVENT_LOOP, Some(self.node.turn.mono_us));
        }
        self.exit
    }

    /// How long the poll may sleep.
    pub(super) fn sleep_time(&self) -> Option<Duration> {
        let node = &self.node;
        let busy = self.look_again
            || !(self.readable.is_empty()
                && node.input_list.is_empty()
                && node.output_list.is_empty()
                && node.closing_list.is_empty()
                && node.requests.is_empty())
            || node.gated.freed_len() > 0
            || node.waiting.has_due();
        if busy {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            node.pause.next_deadline(),
            node.waiting.next_deadline(),
            node.failover.next_deadline(),
            node.shutdown.as_ref().and_then(Leaving::next_deadline),
            node.takeover.next_deadline(),
            Some(self.cron.next_deadline()),
        ];
        let next = deadlines.into_iter().flatten().min()?;
        // The clock is read in microseconds and deadlines are milliseconds: round up, or the loop spins through the last one.
        let now_us = node.clock.turn().mono_us;
        Some(Duration::from_micros(
            (next.0 * 1000).saturating_sub(now_us),
        ))
    }

    fn take_mailbox(&mut self) {
        self.look_at_gauges();
        for _ in 0..MAILBOX_EVENTS_PER_TURN_MAX {
            let Some(event) = self.mailbox.take() else {
                return;
            };
            self.handle(event);
        }
        // There may be more, and their wake-up is spent: do not sleep before they are taken.
        self.look_again = true;
    }

    fn handle(&mut self, event: LoopEvent) {
        match event {
            LoopEvent::Commit(event) => self.commit_event(event),
            LoopEvent::Scanned {
                client,
                ticket,
                pinned,
            } => {
                parked_scans::answered(&mut self.node, client, ticket, pinned);
            }
            LoopEvent::ScanFailed {
                client,
                ticket,
                text,
            } => {
                let is_waiting = self
                    .node
                    .clients
                    .get(client)
                    .and_then(|client| client.parked());
                if is_waiting.is_some_and(|parked| parked.ticket == ticket) {
                    let error = crate::error::ReplyError::new(format!("ERR storage: {text}"));
                    parking::unblock_with_error(&mut self.node, client, &error);
                }
            }
            LoopEvent::ColdRead(answers) => parked_reads::answered(&mut self.node, answers),
            LoopEvent::Counted(counts) => self.keys_counted(counts),
            LoopEvent::Expired(search) => self.expired_found(search),
            LoopEvent::Disk(look) => self.disk_seen(look),
            LoopEvent::Compacted => log::info!("the compaction asked for has ended"),
            LoopEvent::Reopened(result) => self.reopened(result),
            LoopEvent::Judged(judged) => self.judged(judged),
            LoopEvent::Feeder(event) => self.feeder_event(event),
            LoopEvent::Copy(event) => self.copy_event(event),
            LoopEvent::OfferLink(link, event) => self.offer_link_event(link, event),
            LoopEvent::Follower(number, event) => self.follower_event(number, event),
            LoopEvent::Written(version) => self.written(version),
            LoopEvent::Stored(version, result) => self.stored(version, &result),
            LoopEvent::Signal(signal) => self.signal(signal),
        }
    }

    fn end_lapsed_pauses(&mut self) {
        if self.node.pause.expire(self.node.turn.now()) {
            self.node.waiting.release(Reason::Paused);
        }
    }

    fn end_overdue_waits(&mut self) {
        let now = self.node.turn.now();
        while let Some((_, key, _)) = self.node.waiting.next_overdue(now) {
            self.node.view.begin_command();
            parking::time_out(&mut self.node, key);
        }
    }

    fn release_parked(&mut self) {
        // What the server itself has written this turn, by no command of a client.
        parking::serve_written_keys(&mut self.node);
        // Who was released before them and has not been sent its reply goes first.
        if self.node.gated.freed_len() >= FREED_SENDS_PER_TURN_MAX {
            return;
        }
        for _ in 0..RELEASES_PER_TURN_MAX {
            let Some((_, key)) = self.node.waiting.next_due() else {
                return;
            };
            parking::resume(&mut self.node, key);
            parking::serve_written_keys(&mut self.node);
            self.commit_if_full();
        }
    }

    fn do_requests(&mut self) {
        for request in std::mem::take(&mut self.node.requests) {
            match request {
                Request::Work(job) => self.start_work(job),
                Request::ConfigChanged(names) => self.config_changed(&names),
                Request::Exit(status) => self.exit = Some(status),
                Request::Compact => self.start_compaction(),
                Request::RoleChanged => {}
                Request::Failover(actions) => self.do_failover(actions),
                Request::Takeover(actions) => self.do_takeover(actions),
                Request::CloseReplica(id) => self.feeding.tell(ToFeeder::Close(Some(id))),
                Request::ClosePrimaryLink => self.tell_follower(ToFollower::Reconnect),
                Request::Ship { client, request } => self.ship(client, request),
                Request::JudgePsync {
                    client,
                    ticket,
                    id,
                    next,
                } => self.judge_psync(client, ticket, id, next),
            }
        }
        self.send_messages();
        self.apply_received();
        self.swap_if_wanted();
        self.step_role_change();
        self.step_failover();
        shutdown::step(&mut self.node);
        self.await_acks();
        self.send_cold_reads();
        self.count_keys_if_due();
    }

    fn check_invariants(&mut self) {
        let node = &self.node;
        // Looks at every entry, so only while they are few.
        let stuck = node.waiting.len() <= 64
            && node.waiting.has_undue(Reason::Paused)
            && !node.pause.is_active();
        assert!(
            !stuck,
            "a client is parked by a pause and nothing is paused"
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_turn_reads_then_commits_then_sends() {
        let names: Vec<&str> = super::STAGES.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "take mailbox",
                "accept connections",
                "end lapsed pauses",
                "end overdue waits",
                "release parked clients",
                "run leftover input",
                "read clients",
                "run timers",
                "commit",
                "do requests",
                "send output",
                "close clients",
                "check invariants",
            ]
        );
    }
}
