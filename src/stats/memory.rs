//! Memory of the process: what the allocator says, what the operating system says, and the parts that the server knows.

use tikv_jemalloc_ctl::{Access, AsName, arenas, epoch, stats};

use super::os;
use crate::node::Node;
use crate::storage::cf::Cf;

/// What jemalloc says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocator {
    /// Bytes that the program holds.
    pub allocated: u64,
    /// Bytes of pages with such bytes in them.
    pub active: u64,
    /// Bytes of its pages in memory, unused ones and its own records included.
    pub resident: u64,
    /// Bytes of its own records.
    pub metadata: u64,
    /// Bytes of address space in use.
    pub mapped: u64,
    /// Bytes of address space kept for later.
    pub retained: u64,
    pub arenas: u64,
}

/// Asks jemalloc; `None` where another allocator serves the program. Takes some ten microseconds.
pub fn allocator() -> Option<Allocator> {
    // Its counters stand still until the epoch is moved on.
    epoch::advance().ok()?;
    let counters = Allocator {
        allocated: stats::allocated::read().ok()? as u64,
        active: stats::active::read().ok()? as u64,
        resident: stats::resident::read().ok()? as u64,
        metadata: stats::metadata::read().ok()? as u64,
        mapped: stats::mapped::read().ok()? as u64,
        retained: stats::retained::read().ok()? as u64,
        arenas: u64::from(arenas::narenas::read().ok()?),
    };
    (counters.allocated > 0).then_some(counters)
}

/// Bytes that the program holds; without jemalloc, what the process has in memory.
pub fn used_bytes() -> u64 {
    match allocator() {
        Some(allocator) => allocator.allocated,
        None => os::resident_bytes().unwrap_or(0),
    }
}

/// Gives pages that hold nothing back to the operating system, as MEMORY PURGE does. Says whether the allocator did.
///
/// A decay time of zero makes jemalloc give an arena's free pages back at once; the time before is then put back.
pub fn purge() -> bool {
    let Ok(count) = arenas::narenas::read() else {
        return false;
    };
    let mut purged = false;
    for arena in 0..count {
        for kind in ["dirty", "muzzy"] {
            let name = format!("arena.{arena}.{kind}_decay_ms\0");
            let name = name.as_bytes().name();
            // An arena that was never used has no such value: there is nothing in it.
            let before: Result<isize, _> = name.read();
            if let Ok(before) = before {
                purged |= name.write(0isize).is_ok() && name.write(before).is_ok();
            }
        }
    }
    purged
}

/// The server's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What the program holds; without jemalloc, what the process has in memory.
    pub used: u64,
    pub peak: u64,
    /// When the server began to serve.
    pub startup: u64,
    pub resident: u64,
    pub allocator: Allocator,
    /// Sessions with their buffers, queues and parked commands, as the last walk over them found.
    pub clients: u64,
    /// Values that the loop keeps at hand.
    pub hot_cache: u64,
    /// Writes that are not committed yet.
    pub overlay: u64,
    pub block_cache: u64,
    pub memtables: u64,
    /// Readers of RocksDB's files: indexes and filters outside the block cache.
    pub table_readers: u64,
    /// Of the machine.
    pub machine: u64,
}

impl Memory {
    /// Looks everywhere.
    pub fn of(node: &Node) -> Memory {
        let resident = os::resident_bytes().unwrap_or(0);
        let from_allocator = allocator();
        let used = from_allocator.map_or(resident, |allocator| allocator.allocated);
        // Without its word the pages in memory stand for everything.
        let allocator = from_allocator.unwrap_or(Allocator {
            allocated: resident,
            active: resident,
            resident,
            ..Allocator::default()
        });
        let rocks = node.view.database().ok();
        let sum_of = |property: &str| {
            rocks.map_or(0, |rocks| {
                Cf::ALL
                    .iter()
                    .filter_map(|&cf| rocks.property_int(Some(cf), property))
                    .sum()
            })
        };
        Memory {
            used,
            peak: node.stats.peak_memory_bytes.max(used),
            startup: node.process.startup_memory_bytes,
            resident,
            allocator,
            clients: node.stats.client_memory_bytes,
            hot_cache: node.view.cache_bytes() as u64,
            overlay: node.view.uncommitted_bytes() as u64,
            block_cache: rocks.map_or(0, |rocks| rocks.block_cache_usage()),
            memtables: sum_of("rocksdb.cur-size-all-mem-tables"),
            table_readers: sum_of("rocksdb.estimate-table-readers-mem"),
            machine: os::machine_memory_bytes().unwrap_or(0),
        }
    }

    /// What the server itself costs: everything that is no data.
    pub fn overhead(&self) -> u64 {
        (self.startup + self.clients + self.overlay + self.table_readers).min(self.used)
    }

    /// Data held in memory: hot values, blocks, memtables and what else is not overhead.
    pub fn dataset(&self) -> u64 {
        self.used - self.overhead()
    }

    /// The data's share of what was allocated since the start, in percent.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used.saturating_sub(self.startup))
    }

    /// What is used now, in percent of the peak.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }

    /// Bytes a key, over all keys, of what was allocated since the start.
    pub fn bytes_per_key(&self, keys: u64) -> u64 {
        self.used
            .saturating_sub(self.startup)
            .checked_div(keys)
            .unwrap_or(0)
    }

    /// Pages of the allocator that are in use only in part: ratio and bytes.
    pub fn allocator_fragmentation(&self) -> (f64, i64) {
        compare(self.allocator.active, self.allocator.allocated)
    }

    /// Pages that the allocator holds without using them: ratio and bytes.
    pub fn allocator_slack(&self) -> (f64, i64) {
        compare(self.allocator.resident, self.allocator.active)
    }

    /// Memory of the process that is not the allocator's: ratio and bytes.
    pub fn process_overhead(&self) -> (f64, i64) {
        compare(self.resident, self.allocator.resident)
    }

    /// All of the process's memory against what is used: ratio and bytes.
    pub fn fragmentation(&self) -> (f64, i64) {
        compare(self.resident, self.used)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn compare(larger: u64, smaller: u64) -> (f64, i64) {
    (
        larger as f64 / smaller.max(1) as f64,
        larger as i64 - smaller as i64,
    )
}

/// The allocator with its version, as `INFO memory` names it.
pub fn allocator_name() -> String {
    if allocator().is_none() {
        return "libc".to_owned();
    }
    let version = tikv_jemalloc_ctl::version::read().unwrap_or("unknown");
    // `5.3.1-0-g1234`: what stands behind the number is of no interest.
    let number = version
        .split_once('-')
        .map_or(version, |(number, _)| number);
    format!("jemalloc-{number}")
}

/// What jemalloc says, as text: MEMORY MALLOC-STATS.
pub fn allocator_report() -> Option<String> {
    let allocator = allocator()?;
    let version = tikv_jemalloc_ctl::version::read().unwrap_or("unknown");
    Some(format!(
        "jemalloc {version}\n\
         arenas: {}\n\
         allocated: {}\n\
         active: {}\n\
         metadata: {}\n\
         resident: {}\n\
         mapped: {}\n\
         retained: {}\n",
        allocator.arenas,
        allocator.allocated,
        allocator.active,
        allocator.metadata,
        allocator.resident,
        allocator.mapped,
        allocator.retained
    ))
}

/// Bytes in the largest unit that leaves at least one, as Redis 7.0 shows them: `1.50M`.
pub fn human(bytes: u64) -> String {
    let units = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let power = (bytes.ilog2() / 10) as usize;
    let scaled = bytes as f64 / (1u64 << (10 * power)) as f64;
    format!("{scaled:.2}{}", units[power - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_largest_unit() {
        for (bytes, shown) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_600_000, "1.53M"),
            (5 << 30, "5.00G"),
            (u64::MAX, "16.00E"),
        ] {
            assert_eq!(human(bytes), shown);
        }
    }

    #[test]
    fn shares_add_up_and_never_divide_by_zero() {
        let memory = Memory {
            used: 1000,
            peak: 2000,
            startup: 200,
            resident: 3000,
            clients: 50,
            overlay: 50,
            allocator: Allocator {
                allocated: 1000,
                active: 1500,
                resident: 2000,
                ..Allocator::default()
            },
            ..Memory::default()
        };
        assert_eq!((memory.overhead(), memory.dataset()), (300, 700));
        assert_eq!(
            (memory.dataset_percent(), memory.peak_percent()),
            (87.5, 50.0)
        );
        assert_eq!((memory.bytes_per_key(8), memory.bytes_per_key(0)), (100, 0));
        assert_eq!(memory.allocator_fragmentation(), (1.5, 500));
        assert_eq!(memory.process_overhead(), (1.5, 1000));
        assert_eq!(memory.fragmentation(), (3.0, 2000));
        assert_eq!(Memory::default().fragmentation(), (0.0, 0));
        assert_eq!(Memory::default().dataset_percent(), 0.0);
    }

    #[test]
    fn asking_the_allocator_never_fails_the_program() {
        // Whichever allocator this test program has: an answer or none, and a purge that does no harm.
        if let Some(allocator) = allocator() {
            assert!(allocator.allocated <= allocator.active);
            assert!(allocator.active <= allocator.mapped);
        }
        purge();
    }
}
