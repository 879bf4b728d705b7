//! What the loop does by the clock: ten times a second, or as often as `hz` says.

use super::LoopEvent;
use super::Server;
use super::workers::Job;
use crate::client::ClientKey;
use crate::client::waiting::Reason;
use crate::clock::MonoMs;
use crate::command::shutdown;
use crate::error::ReplyError;
use crate::stats::memory;
use crate::storage::counting::KeyCounts;
use crate::storage::disk::{self, DiskEvent, Look};

/// Milliseconds between looks at the disk.
const DISK_INTERVAL_MS: u64 = 1000;
/// Milliseconds between looks at the allocator's counters, which take some ten microseconds.
const MEMORY_INTERVAL_MS: u64 = 100;
/// Idle clients looked at in one round.
const IDLE_CHECKS_PER_ROUND_MAX: usize = 2000;

/// Timers and what is under way by the clock.
pub(super) struct Cron {
    next: MonoMs,
    next_disk_look: MonoMs,
    next_memory_look: MonoMs,
    looking_at_disk: bool,
    idle_position: usize,
    /// Memory of the clients that the walk has seen since its beginning.
    walked_bytes: u64,
}

impl Cron {
    pub(super) fn new() -> Cron {
        Cron {
            next: MonoMs(0),
            next_disk_look: MonoMs(0),
            next_memory_look: MonoMs(0),
            looking_at_disk: false,
            idle_position: 0,
            walked_bytes: 0,
        }
    }

    pub(super) fn look_at_disk_soon(&mut self) {
        self.next_disk_look = MonoMs(0);
    }

    pub(super) fn next_deadline(&self) -> MonoMs {
        self.next
    }
}

impl Server {
    pub(super) fn run_timers(&mut self) {
        let now = self.node.turn.now();
        if now < self.cron.next {
            return;
        }
        let period_ms = 1000 / u64::from(self.node.config.hz.max(1));
        self.cron.next = MonoMs(now.0 + period_ms);
        let stats = &mut self.node.stats;
        stats.ops_per_second.sample(stats.commands_processed, now.0);
        stats.input_rate.sample(stats.net_input_bytes, now.0);
        stats.output_rate.sample(stats.net_output_bytes, now.0);
        self.look_at_memory();
        self.walk_clients();
        self.search_expired();
        self.look_at_disk_in_time();
        self.save_durable();
        self.look_at_gauges();
        self.look_at_link();
        self.remove_old_checkpoint();
        // Those who wait for a count do not wait for ever, whatever the workers have to do.
        if self.node.waiting.count(Reason::Counts) > 0 {
            self.node.waiting.release(Reason::Counts);
        }
        if !self.accept_later.is_empty() {
            self.accept_more.append(&mut self.accept_later);
            self.look_again = true;
        }
        shutdown::step(&mut self.node);
    }

    /// Remembers the peak of the memory in use.
    fn look_at_memory(&mut self) {
        let now = self.node.turn.now();
        if now < self.cron.next_memory_look {
            return;
        }
        self.cron.next_memory_look = MonoMs(now.0 + MEMORY_INTERVAL_MS);
        let used = memory::used_bytes();
        let stats = &mut self.node.stats;
        stats.peak_memory_bytes = stats.peak_memory_bytes.max(used);
    }

    /// Looks at some clients each round: takes unused room from their input buffers, notes what memory they hold, whether
    /// their output is over its limit for too long, and whether they have been idle for `timeout`. A waiting or subscribed
    /// client is not idle.
    fn walk_clients(&mut self) {
        let now = self.node.turn.now();
        let timeout_ms = u64::from(self.node.config.timeout_s) * 1000;
        let slots = self.node.clients.slot_count();
        let mut idle: Vec<ClientKey> = Vec::new();
        let mut slow: Vec<ClientKey> = Vec::new();
        for _ in 0..slots.min(IDLE_CHECKS_PER_ROUND_MAX) {
            self.cron.idle_position = (self.cron.idle_position + 1) % slots;
            if self.cron.idle_position == 0 {
                self.node.stats.client_memory_bytes = std::mem::take(&mut self.cron.walked_bytes);
            }
            let Some(client) = self.node.clients.at_slot_mut(self.cron.idle_position) else {
                continue;
            };
            let idle_ms = now.since(client.last_interaction);
            client.input.fit(idle_ms);
            self.cron.walked_bytes += client.heap_bytes() as u64;
            let recent = &mut self.node.stats.recent_max;
            recent.note(
                now.0 / 1000,
                client.input.buf.capacity(),
                client.output.heap_bytes(),
            );
            if client.soft_limit_since.is_some() {
                slow.push(client.key);
            }
            let exempt = client.parked().is_some()
                || client.is_subscriber()
                || client.has(crate::client::Flag::Monitor);
            if timeout_ms != 0 && !exempt && idle_ms > timeout_ms {
                idle.push(client.key);
            }
        }
        for key in idle {
            log::debug!("closing an idle client");
            self.node.close_now(key);
        }
        for key in slow {
            self.check_output_limit(key);
        }
    }

    fn look_at_disk_in_time(&mut self) {
        let now = self.node.turn.now();
        if now >= self.cron.next_disk_look {
            self.cron.next_disk_look = MonoMs(now.0 + DISK_INTERVAL_MS);
            self.look_at_disk();
        }
    }

    /// Sends a worker to look at the disk, unless one is under way.
    pub(super) fn look_at_disk(&mut self) {
        if std::mem::replace(&mut self.cron.looking_at_disk, true) {
            return;
        }
        let dir = self.node.config.dir.clone();
        let rocks = self.node.view.database().ok().cloned();
        self.workers.give(Job::new(move |sender| {
            let look = disk::free_bytes(&dir).map(|free_bytes| Look {
                free_bytes,
                unflushed_bytes: rocks.map_or(0, |rocks| rocks.unflushed_bytes()),
            });
            if let Err(error) = &look {
                log::warn!("the free space of {} is unknown: {error}", dir.display());
            }
            sender.send(LoopEvent::Disk(look.ok()));
        }));
    }

    pub(super) fn disk_seen(&mut self, look: Option<Look>) {
        self.cron.looking_at_disk = false;
        let Some(look) = look else { return };
        self.node.disk_free_bytes = Some(look.free_bytes);
        match self.disk.observe(look) {
            Some(DiskEvent::Low) => log::error!("{}: writes are refused", self.describe_disk()),
            Some(DiskEvent::Ok) => {
                log::info!(
                    "{} bytes are free on the disk: writes are accepted again",
                    look.free_bytes
                );
            }
            None => {}
        }
        if self.reopening.is_needed() {
            self.reopen_if_useful(look);
        } else {
            self.node.write_refusal = self.disk_refusal();
        }
    }

    /// Why the disk does not allow writes now, if it does not.
    pub(super) fn disk_refusal(&self) -> Option<ReplyError> {
        self.disk.is_low().then(|| {
            ReplyError::new(format!(
                "MISCONF Writes are refused: {}",
                self.describe_disk()
            ))
        })
    }

    fn describe_disk(&self) -> String {
        let look = self.disk.last();
        format!(
            "less than disk-reserve ({} bytes) is free on the disk of {}: {} bytes, of which what is in memory still takes {}",
            self.node.config.disk_reserve,
            self.node.config.dir.display(),
            look.free_bytes,
            look.unflushed_bytes
        )
    }

    pub(super) fn keys_counted(&mut self, counts: KeyCounts) {
        let turn = self.node.turn;
        self.node.key_counting.end(counts, turn);
        self.node.waiting.release(Reason::Counts);
    }
}
