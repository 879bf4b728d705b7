//! The latency monitor: for each kind of event, when it took longer than `latency-monitor-threshold`.
//!
//! Rules of Redis 7.0's `latencyAddSample`: one sample a second and event, the worst of that second; the last 160 are kept.

use std::collections::{BTreeMap, VecDeque};

/// A command took long.
pub const COMMAND: &str = "command";
/// A command that is declared fast took long.
pub const FAST_COMMAND: &str = "fast-command";
/// The loop's own append of a turn's writes to the WAL.
pub const COMMIT: &str = "commit";
/// From handing a group of writes to the flusher until it was in the WAL.
pub const COMMIT_QUEUED: &str = "commit-queued";
/// One turn of the event loop, from waking up to going to sleep.
pub const EVENT_LOOP: &str = "eventloop";
/// Deleting the expired keys that a search has found.
pub const EXPIRE_CYCLE: &str = "expire-cycle";

/// Samples kept of one event.
const SAMPLES_MAX: usize = 160;

/// The worst latency of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub unix_s: u64,
    pub ms: u64,
}

/// What is kept of one event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Oldest first, at least one.
    pub samples: VecDeque<Sample>,
    /// The worst of all times.
    pub max_ms: u64,
}

/// What the samples of an event say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub samples: u64,
    pub mean_ms: u64,
    /// The mean distance from the mean.
    pub deviation_ms: u64,
    pub min_ms: u64,
    pub max_ms: u64,
    /// From the oldest sample to now, at least 1.
    pub period_s: u64,
}

/// All events.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    /// `latency-monitor-threshold` in milliseconds; 0 samples nothing.
    pub threshold_ms: u64,
    events: BTreeMap<&'static str, Event>,
}

impl Monitor {
    /// A monitor with this threshold in milliseconds.
    pub fn with_threshold(threshold_ms: u64) -> Monitor {
        Monitor {
            threshold_ms,
            events: BTreeMap::new(),
        }
    }

    /// Whether anything is sampled: those who would have to read a clock for it ask first.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.threshold_ms != 0
    }

    /// Whether something that took `us` microseconds is kept.
    #[inline]
    pub fn is_slow(&self, us: u64) -> bool {
        self.threshold_ms != 0 && us / 1000 >= self.threshold_ms
    }

    /// `event` has taken `us` microseconds. Kept if that is at or above the threshold.
    #[inline]
    pub fn note(&mut self, event: &'static str, us: u64, unix_s: u64) {
        if self.is_slow(us) {
            self.keep(event, us / 1000, unix_s);
        }
    }

    fn keep(&mut self, name: &'static str, ms: u64, unix_s: u64) {
        let event = self.events.entry(name).or_default();
        event.max_ms = event.max_ms.max(ms);
        if let Some(last) = event.samples.back_mut()
            && last.unix_s == unix_s
        {
            last.ms = last.ms.max(ms);
            return;
        }
        if event.samples.len() == SAMPLES_MAX {
            event.samples.pop_front();
        }
        event.samples.push_back(Sample { unix_s, ms });
    }

    /// The events with samples, by name.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }

    /// One event, named exactly.
    pub fn event(&self, name: &[u8]) -> Option<(&'static str, &Event)> {
        let name = std::str::from_utf8(name).ok()?;
        self.events
            .get_key_value(name)
            .map(|(name, event)| (*name, event))
    }

    /// Forgets one event, named in any letter case; says whether it was there.
    pub fn forget(&mut self, name: &[u8]) -> bool {
        let before = self.events.len();
        self.events
            .retain(|known, _| !known.as_bytes().eq_ignore_ascii_case(name));
        self.events.len() < before
    }

    /// Forgets all events; says how many there were.
    pub fn forget_all(&mut self) -> usize {
        let count = self.events.len();
        self.events.clear();
        count
    }
}

impl Event {
    /// The newest sample.
    pub fn latest(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    /// What the samples say at `now_s`.
    pub fn summary(&self, now_s: u64) -> Summary {
        let count = self.samples.len() as u64;
        let (Some(first), Some(min_ms), Some(max_ms)) = (
            self.samples.front(),
            self.samples.iter().map(|sample| sample.ms).min(),
            self.samples.iter().map(|sample| sample.ms).max(),
        ) else {
            return Summary::default();
        };
        let mean_ms = self.samples.iter().map(|sample| sample.ms).sum::<u64>() / count;
        let distance: u64 = self
            .samples
            .iter()
            .map(|sample| sample.ms.abs_diff(mean_ms))
            .sum();
        Summary {
            samples: count,
            mean_ms,
            deviation_ms: distance / count,
            min_ms,
            max_ms,
            period_s: now_s.saturating_sub(first.unix_s).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor() -> Monitor {
        Monitor::with_threshold(10)
    }

    #[test]
    fn only_what_reaches_the_threshold_is_kept() {
        let mut monitor = monitor();
        monitor.note(COMMAND, 9_999, 1);
        assert_eq!(monitor.events().len(), 0);
        monitor.note(COMMAND, 10_000, 1);
        assert_eq!(
            monitor
                .event(b"command")
                .and_then(|(_, event)| event.latest()),
            Some(Sample { unix_s: 1, ms: 10 })
        );
        monitor.threshold_ms = 0;
        monitor.note(COMMAND, 99_000, 2);
        assert_eq!(
            monitor.event(b"command").map(|(_, event)| event.max_ms),
            Some(10)
        );
    }

    #[test]
    fn a_second_keeps_its_worst_and_old_samples_leave() {
        let mut monitor = monitor();
        for (second, ms) in [(1, 20), (1, 50), (1, 30)] {
            monitor.note(COMMIT, ms * 1000, second);
        }
        let event = monitor.event(b"commit").map(|(_, event)| event.clone());
        assert_eq!(
            event.map(|event| event.samples),
            Some(VecDeque::from([Sample { unix_s: 1, ms: 50 }]))
        );
        for second in 2..=200 {
            monitor.note(COMMIT, 11_000, second);
        }
        let (_, event) = monitor.event(b"commit").expect("an event");
        assert_eq!((event.samples.len(), event.max_ms), (160, 50));
        assert_eq!(event.samples.front().map(|sample| sample.unix_s), Some(41));
    }

    #[test]
    fn events_are_forgotten_one_by_one_or_together() {
        let mut monitor = monitor();
        for name in [COMMAND, COMMIT, EVENT_LOOP] {
            monitor.note(name, 10_000, 1);
        }
        assert!(monitor.forget(b"COMMIT"));
        assert!(!monitor.forget(b"commit"));
        assert_eq!(monitor.forget_all(), 2);
        assert_eq!(monitor.forget_all(), 0);
    }

    #[test]
    fn a_summary_has_mean_deviation_and_period() {
        let mut monitor = monitor();
        for (second, ms) in [(100, 10), (110, 20), (120, 60)] {
            monitor.note(COMMAND, ms * 1000, second);
        }
        let (_, event) = monitor.event(b"command").expect("an event");
        let expected = Summary {
            samples: 3,
            mean_ms: 30,
            deviation_ms: 20,
            min_ms: 10,
            max_ms: 60,
            period_s: 30,
        };
        assert_eq!(event.summary(130), expected);
        assert_eq!(event.summary(0).period_s, 1, "a clock that was set back");
        assert_eq!(Event::default().summary(5), Summary::default());
    }
}
