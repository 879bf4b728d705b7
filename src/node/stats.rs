//! Counters that INFO, LATENCY and SLOWLOG show.

use std::collections::{BTreeMap, VecDeque};

use crate::command::table::{self, Command};
use crate::stats::histogram::Histogram;
use crate::stats::latency::Monitor;
use crate::stats::recent::RecentMax;

/// Errors of distinct codes that are counted apart; beyond, as in Redis, no further ones are.
const ERROR_CODES_MAX: usize = 128;

/// One command's counters.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    pub calls: u64,
    pub usec: u64,
    pub rejected: u64,
    pub failed: u64,
    /// Calls by duration, while `latency-tracking` is on.
    pub histogram: Histogram,
}

/// An entry of the slow log.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    pub id: u64,
    pub unix_s: u64,
    pub took_us: u64,
    pub args: Vec<Vec<u8>>,
    pub addr: String,
    pub name: String,
}

/// The slow log, newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    pub entries: VecDeque<SlowEntry>,
    pub next_id: u64,
}

/// Commands that met keys which are not in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColdStats {
    /// Commands that have waited for such keys.
    pub commands: u64,
    /// Times that they have waited.
    pub rounds: u64,
    /// Keys that readers were asked for.
    pub reads: u64,
    /// Commands that had waited often enough and were let read the disk on the loop.
    pub direct: u64,
}

/// Everything counted.
#[derive(Debug)]
pub struct Stats {
    by_command: Vec<CommandStats>,
    /// `latency-tracking`: whether histograms are kept.
    pub tracks_latency: bool,
    pub errors: BTreeMap<Box<[u8]>, u64>,
    pub total_error_replies: u64,
    pub commands_processed: u64,
    pub connections_received: u64,
    pub rejected_connections: u64,
    pub net_input_bytes: u64,
    pub net_output_bytes: u64,
    /// Reads from and writes to clients' sockets.
    pub reads: u64,
    pub writes: u64,
    pub expired_keys: u64,
    /// Time that the loop has spent on deleting expired keys.
    pub expire_cycle_us: u64,
    pub keyspace_hits: u64,
    pub keyspace_misses: u64,
    pub paused_commands: u64,
    pub cold: ColdStats,
    pub changes_since_save: u64,
    pub output_limit_disconnections: u64,
    pub query_limit_disconnections: u64,
    pub commits: u64,
    pub turns: u64,
    pub slowlog: SlowLog,
    pub latency: Monitor,
    pub recent_max: RecentMax,
    /// Memory of all sessions, as the last walk over them found.
    pub client_memory_bytes: u64,
    pub ops_per_second: Sampled,
    pub input_rate: Sampled,
    pub output_rate: Sampled,
    pub peak_memory_bytes: u64,
}

/// A rate over the last sixteen samples of a counter.
#[derive(Clone, Debug, Default)]
pub struct Sampled {
    last_count: u64,
    last_ms: u64,
    rates: VecDeque<u64>,
}

impl Sampled {
    /// The counter stood at `count` at `now_ms` (monotonic).
    pub fn sample(&mut self, count: u64, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.last_ms);
        if elapsed == 0 {
            return;
        }
        if self.last_ms != 0 {
            self.rates
                .push_back(count.saturating_sub(self.last_count) * 1000 / elapsed);
            if self.rates.len() > 16 {
                self.rates.pop_front();
            }
        }
        self.last_count = count;
        self.last_ms = now_ms;
    }

    /// The mean rate, a second.
    pub fn per_second(&self) -> u64 {
        if self.rates.is_empty() {
            0
        } else {
            self.rates.iter().sum::<u64>() / self.rates.len() as u64
        }
    }
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            by_command: vec![CommandStats::default(); table::count()],
            tracks_latency: true,
            errors: BTreeMap::new(),
            total_error_replies: 0,
            commands_processed: 0,
            connections_received: 0,
            rejected_connections: 0,
            net_input_bytes: 0,
            net_output_bytes: 0,
            reads: 0,
            writes: 0,
            expired_keys: 0,
            expire_cycle_us: 0,
            keyspace_hits: 0,
            keyspace_misses: 0,
            paused_commands: 0,
            cold: ColdStats::default(),
            changes_since_save: 0,
            output_limit_disconnections: 0,
            query_limit_disconnections: 0,
            commits: 0,
            turns: 0,
            slowlog: SlowLog::default(),
            latency: Monitor::default(),
            recent_max: RecentMax::default(),
            client_memory_bytes: 0,
            ops_per_second: Sampled::default(),
            input_rate: Sampled::default(),
            output_rate: Sampled::default(),
            peak_memory_bytes: 0,
        }
    }
}

impl Stats {
    /// A command has run for `took_us` microseconds.
    pub fn executed(&mut self, command: &'static Command, took_us: u64, failed: bool) {
        let stats = &mut self.by_command[command.id];
        stats.calls += 1;
        stats.usec += took_us;
        stats.failed += u64::from(failed);
        if self.tracks_latency {
            stats.histogram.record(took_us);
        }
        self.commands_processed += 1;
    }

    /// The gate refused a command.
    pub fn rejected(&mut self, command: &'static Command) {
        self.by_command[command.id].rejected += 1;
    }

    /// An error reply with this code was given.
    pub fn error(&mut self, code: &[u8]) {
        self.total_error_replies += 1;
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.into(), 1);
        }
    }

    /// A command's counters.
    pub fn of(&self, command: &Command) -> &CommandStats {
        &self.by_command[command.id]
    }

    /// CONFIG RESETSTAT: counters start again, the logs stay.
    pub fn reset(&mut self) {
        let fresh = Stats::default();
        let old = std::mem::replace(self, fresh);
        self.slowlog = old.slowlog;
        self.latency = old.latency;
        self.tracks_latency = old.tracks_latency;
        self.recent_max = old.recent_max;
        self.client_memory_bytes = old.client_memory_bytes;
        self.changes_since_save = old.changes_since_save;
        self.peak_memory_bytes = old.peak_memory_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_mean_of_its_samples() {
        let mut rate = Sampled::default();
        for (count, ms) in [(0, 100), (100, 200), (300, 300)] {
            rate.sample(count, ms);
        }
        assert_eq!(rate.per_second(), 1500);
    }
}
