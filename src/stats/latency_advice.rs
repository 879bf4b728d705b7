//! LATENCY DOCTOR: what the latency monitor has seen, and what could be done about it.

use super::latency::{self, Monitor};

/// The settings and facts that the advice looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// `slowlog-log-slower-than`, microseconds; negative for off.
    pub slowlog_slower_than_us: i64,
    pub hz: u32,
    pub wal_sync_always: bool,
    /// Bytes of the process in huge pages.
    pub huge_page_bytes: u64,
}

/// The report at `now_s`, Unix time.
pub fn report(monitor: &Monitor, circumstances: &Circumstances, now_s: u64) -> String {
    if monitor.events().len() == 0 && !monitor.is_on() {
        return "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> switches it on; \
                a threshold of some 10 to 100 milliseconds is a good start.\n"
            .to_owned();
    }
    if monitor.events().len() == 0 {
        return format!(
            "Nothing has taken {} milliseconds or longer since the latency monitor was switched on or reset.\n",
            monitor.threshold_ms
        );
    }
    let mut text = "These events were slower than the latency monitor's threshold:\n\n".to_owned();
    for (at, (name, event)) in monitor.events().enumerate() {
        let summary = event.summary(now_s);
        text.push_str(&format!(
            "{}. {name}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} sec). Worst all time event {}ms.\n",
            at + 1,
            summary.samples,
            summary.mean_ms,
            summary.deviation_ms,
            summary.period_s as f64 / summary.samples.max(1) as f64,
            event.max_ms
        ));
    }
    let advice = advice(monitor, circumstances);
    if !advice.is_empty() {
        text.push_str("\nWhat may help:\n\n");
        for line in advice {
            text.push_str("- ");
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn advice(monitor: &Monitor, circumstances: &Circumstances) -> Vec<String> {
    let has = |name: &str| monitor.event(name.as_bytes()).is_some();
    let mut lines = Vec::new();
    if has(latency::COMMAND) || has(latency::FAST_COMMAND) {
        let slower_than_us = circumstances.slowlog_slower_than_us;
        let threshold_us = monitor.threshold_ms.saturating_mul(1000);
        if slower_than_us < 0 || slower_than_us as u64 > threshold_us {
            lines.push(format!(
                "The slow log does not show all commands that the latency monitor sees: CONFIG SET slowlog-log-slower-than {threshold_us}."
            ));
        }
        lines.push(
            "SLOWLOG GET shows which commands were slow. Those that visit many elements (KEYS, SORT, SMEMBERS, LRANGE over a \
             long list) have a cheaper form that goes in steps: SCAN and its sisters, or ranges."
                .to_owned(),
        );
    }
    if has(latency::FAST_COMMAND) || has(latency::EVENT_LOOP) {
        lines.push(
            "A fast command, or a turn of the event loop, is slow when the process does not get the processor or the data \
             are not in memory: look at the load of the machine, at a larger rocksdb.block_cache_size or hot-cache-size, and \
             at what `redis-cli --intrinsic-latency 100` says of the machine alone."
                .to_owned(),
        );
    }
    if has(latency::COMMIT) {
        lines.push(
            "Appending to the write-ahead log was slow: the operating system was writing back, or the disk is shared. A \
             disk of its own for the data directory, or a lower vm.dirty_background_bytes, keeps it short."
                .to_owned(),
        );
    }
    if has(latency::COMMIT_QUEUED) {
        lines.push(if circumstances.wal_sync_always {
            "With 'wal-sync always' every group of writes waits for the disk. 'everysec' gives up at most the last second \
             when the machine, not the server, fails."
                .to_owned()
        } else {
            "Groups of writes had to wait for RocksDB: compaction does not keep up. INFO rocksdb shows stalls; more \
             rocksdb.max_background_jobs or a faster disk help."
                .to_owned()
        });
    }
    if has(latency::EXPIRE_CYCLE) {
        let mut line =
            "Many keys expire at the same moment: a little randomness in their times to live spreads the work.".to_owned();
        if circumstances.hz < 100 {
            line.push_str(" 'CONFIG SET hz 100' cuts it into smaller pieces.");
        }
        lines.push(line);
    }
    if circumstances.huge_page_bytes > 0 {
        lines.push(format!(
            "The process has {} in transparent huge pages; they make RocksDB's memtables faster and page faults longer. Where \
             the tail matters more, `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled` and a restart switch them off.",
            super::memory::human(circumstances.huge_page_bytes)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Circumstances = Circumstances {
        slowlog_slower_than_us: 10_000,
        hz: 100,
        wal_sync_always: false,
        huge_page_bytes: 0,
    };

    fn seen(events: &[(&'static str, u64)]) -> Monitor {
        let mut monitor = Monitor::with_threshold(50);
        for &(name, ms) in events {
            monitor.note(name, ms * 1000, 1000);
        }
        monitor
    }

    #[test]
    fn a_monitor_that_is_off_says_how_to_switch_it_on() {
        let text = report(&Monitor::default(), &CALM, 0);
        assert!(
            text.contains("CONFIG SET latency-monitor-threshold"),
            "{text}"
        );
        let text = report(&seen(&[]), &CALM, 0);
        assert!(
            text.starts_with("Nothing has taken 50 milliseconds"),
            "{text}"
        );
    }

    #[test]
    fn events_are_listed_with_their_figures() {
        let text = report(&seen(&[(latency::COMMAND, 80)]), &CALM, 1010);
        assert!(
            text.contains(
                "1. command: 1 latency spikes (average 80ms, mean deviation 0ms, period 10.00 sec). Worst all time event 80ms.\n"
            ),
            "{text}"
        );
        assert!(text.contains("SLOWLOG GET") && !text.contains("slowlog-log-slower-than"));
    }

    #[test]
    fn advice_follows_events_and_settings() {
        let all = [
            latency::COMMAND,
            latency::COMMIT,
            latency::COMMIT_QUEUED,
            latency::EVENT_LOOP,
            latency::EXPIRE_CYCLE,
        ];
        let monitor = seen(&all.map(|name| (name, 60)));
        let calm = report(&monitor, &CALM, 1000);
        assert!(calm.contains("compaction does not keep up") && !calm.contains("hz 100"));
        let bad = Circumstances {
            slowlog_slower_than_us: -1,
            hz: 10,
            wal_sync_always: true,
            huge_page_bytes: 2 << 20,
        };
        let text = report(&monitor, &bad, 1000);
        for part in [
            "slowlog-log-slower-than 50000",
            "'wal-sync always'",
            "hz 100",
            "2.00M in transparent huge pages",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
