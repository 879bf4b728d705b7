//! A limit in bytes a second that several senders share (`max-replication-mb`). Pure but for the lock that makes it shared.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who sends asks before each piece how long to wait. Each piece takes its time in the order of asking, so that the senders together
/// keep the limit, however many they are, and pieces of one size share it evenly.
#[derive(Debug, Default)]
pub struct RateLimit {
    bytes_per_second: AtomicU64,
    /// Microseconds at which everything promised so far will have been sent.
    free_at_us: Mutex<u64>,
}

impl RateLimit {
    /// A limit; 0 is none.
    pub fn new(bytes_per_second: u64) -> RateLimit {
        let limit = RateLimit::default();
        limit.set(bytes_per_second);
        limit
    }

    /// Changes the limit, for pieces asked for from now on.
    pub fn set(&self, bytes_per_second: u64) {
        self.bytes_per_second
            .store(bytes_per_second, Ordering::Relaxed);
    }

    /// Microseconds to wait before so many bytes are sent. All senders read `now_us` off the same clock.
    pub fn delay_us(&self, now_us: u64, bytes: u64) -> u64 {
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        if rate == 0 {
            return 0;
        }
        let cost_us = (u128::from(bytes) * 1_000_000 / u128::from(rate)) as u64;
        let mut free_at_us = match self.free_at_us.lock() {
            Ok(free_at_us) => free_at_us,
            Err(poisoned) => poisoned.into_inner(),
        };
        let start_us = (*free_at_us).max(now_us);
        *free_at_us = start_us.saturating_add(cost_us);
        start_us - now_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_spaced_by_what_they_cost_whoever_sends_them() {
        let limit = RateLimit::new(1_000_000);
        assert_eq!(limit.delay_us(5, 1000), 0);
        assert_eq!(limit.delay_us(5, 1000), 1000, "another sender");
        assert_eq!(limit.delay_us(505, 500), 1500);
        assert_eq!(limit.delay_us(2000, 1), 505);
        assert_eq!(
            limit.delay_us(1_000_000, 1000),
            0,
            "no credit for idle time"
        );
        assert_eq!(limit.delay_us(1_000_000, 1000), 1000);
    }

    #[test]
    fn no_limit_is_no_delay_and_the_limit_may_change() {
        let limit = RateLimit::new(0);
        assert_eq!(limit.delay_us(0, u64::MAX), 0);
        limit.set(1 << 20);
        assert_eq!(limit.delay_us(0, 1 << 20), 0);
        assert_eq!(limit.delay_us(0, 1 << 20), 1_000_000);
    }
}
