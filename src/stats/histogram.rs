//! How long the calls of one command took: a histogram whose buckets grow with what they count.
//!
//! Below 256 microseconds every value has a bucket of its own; above, each doubling is cut into 128, so that a value is known to
//! within 0.8 %. Buckets are kept up to the highest one used: a command that never took a millisecond costs 4 KiB.

/// Values below this have buckets of their own.
const EXACT: u64 = 256;
/// Buckets of each doubling above.
const PER_DOUBLING: u64 = 128;
/// Longer calls, 71 minutes and more, count as this long.
const MAX_US: u64 = u32::MAX as u64;

/// Calls by duration in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts a call that took `us`.
    #[inline]
    pub fn record(&mut self, us: u64) {
        let bucket = bucket_of(us.min(MAX_US));
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// How many calls were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that `percent` (0 to 100) of the calls did not exceed, to within a bucket; 0 without calls.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.total as f64 + 0.5) as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest_in(bucket);
            }
        }
        0
    }

    /// The cumulative distribution in doublings, as LATENCY HISTOGRAM shows it: pairs of a duration and of how many calls
    /// did not exceed it. Doublings in which no call ended are left out.
    pub fn doublings(&self) -> Vec<(u64, u64)> {
        let mut shown = Vec::new();
        let mut seen = 0;
        let mut from = 0;
        let mut power = 1;
        while from < self.counts.len() {
            let end = bucket_of(power) + 1;
            let in_it: u64 = self.counts[from..end.min(self.counts.len())].iter().sum();
            seen += in_it;
            if in_it > 0 {
                shown.push((highest_in(end - 1), seen));
            }
            from = end;
            power *= 2;
        }
        shown
    }

    /// Bytes held on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
    }
}

fn bucket_of(us: u64) -> usize {
    if us < EXACT {
        return us as usize;
    }
    // The eight highest bits tell the bucket within its doubling.
    let dropped = u64::from(us.ilog2()) - 7;
    (EXACT + (dropped - 1) * PER_DOUBLING + (us >> dropped) - PER_DOUBLING) as usize
}

fn highest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let dropped = (bucket - EXACT) / PER_DOUBLING + 1;
    let high_bits = (bucket - EXACT) % PER_DOUBLING + PER_DOUBLING;
    ((high_bits + 1) << dropped) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_join_without_a_gap() {
        let mut next = 0;
        for bucket in 0..bucket_of(MAX_US) {
            assert_eq!(
                bucket_of(next),
                bucket,
                "the first value of bucket {bucket}"
            );
            assert_eq!(bucket_of(highest_in(bucket)), bucket);
            next = highest_in(bucket) + 1;
        }
        assert_eq!(highest_in(bucket_of(MAX_US)), MAX_US);
    }

    #[test]
    fn percentiles_are_exact_below_256_and_close_above() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50.0), 0);
        for us in 1..=100 {
            histogram.record(us);
        }
        assert_eq!(
            [0.0, 1.0, 50.0, 99.0, 100.0].map(|percent| histogram.percentile(percent)),
            [1, 1, 50, 99, 100]
        );
        histogram.record(50_000);
        let highest = histogram.percentile(100.0);
        assert!((50_000..=50_400).contains(&highest), "{highest}");
        histogram.record(u64::MAX);
        assert_eq!(histogram.percentile(100.0), MAX_US);
        assert_eq!(histogram.total(), 102);
    }

    #[test]
    fn doublings_are_cumulative_and_leave_out_empty_ones() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.doublings(), []);
        for us in [0, 1, 2, 3, 4, 5, 300, 300] {
            histogram.record(us);
        }
        assert_eq!(
            histogram.doublings(),
            [(1, 2), (2, 3), (4, 5), (8, 6), (515, 8)]
        );
    }
}
