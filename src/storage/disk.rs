//! The watch over free space: writes are refused below a reserve, so that RocksDB does not meet a full disk.
//!
//! [`DiskGauge`] is the rule, without I/O; [`free_bytes`] asks the system. What stands in memory counts as on the disk already: it is
//! in the log now and is written a second time when RocksDB writes its memtables out, whether new writes come or not.

use std::io;
use std::path::Path;

/// What a worker has seen of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Bytes free for this process.
    pub free_bytes: u64,
    /// Bytes in memtables, still to be written out.
    pub unflushed_bytes: u64,
}

impl Look {
    /// Bytes left once everything is written out.
    pub fn room_bytes(self) -> u64 {
        self.free_bytes.saturating_sub(self.unflushed_bytes)
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskEvent {
    /// The room fell below the reserve: refuse writes.
    Low,
    /// There is room again: accept writes.
    Ok,
}

/// Says when the room on the disk crosses the reserve. Going back needs an eighth of the reserve on top, so that a disk that
/// hovers at the line does not flap.
#[derive(Clone, Debug)]
pub struct DiskGauge {
    reserve_bytes: u64,
    low: bool,
    last: Look,
    /// Bytes that writes since the last look may have taken.
    spent_bytes: u64,
}

impl DiskGauge {
    /// A gauge for this reserve (0 switches it off), which takes the disk for roomy until it is told otherwise.
    pub fn new(reserve_bytes: u64) -> DiskGauge {
        DiskGauge {
            reserve_bytes,
            low: false,
            last: Look::default(),
            spent_bytes: 0,
        }
    }

    /// Whether the disk was low at the last look.
    pub fn is_low(&self) -> bool {
        self.low
    }

    /// The last look.
    pub fn last(&self) -> Look {
        self.last
    }

    /// Bytes that must be free for writes to be accepted again, if `look` is the present state and they are not.
    pub fn resume_bytes(&self, look: Look) -> u64 {
        let resume = self.reserve_bytes.saturating_add(self.reserve_bytes / 8);
        resume.saturating_add(look.unflushed_bytes)
    }

    /// Takes a look into account.
    pub fn observe(&mut self, look: Look) -> Option<DiskEvent> {
        self.last = look;
        self.spent_bytes = 0;
        let room = look.room_bytes();
        if !self.low && room < self.reserve_bytes {
            self.low = true;
            return Some(DiskEvent::Low);
        }
        if self.low && look.free_bytes >= self.resume_bytes(look) {
            self.low = false;
            return Some(DiskEvent::Ok);
        }
        None
    }

    /// Notes a write of so many bytes. Says whether half of what was above the reserve may be gone, so that it is time to look again,
    /// however short ago the last look was.
    pub fn spend(&mut self, bytes: u64) -> bool {
        // Once in the log, once in a table.
        self.spent_bytes = self.spent_bytes.saturating_add(bytes.saturating_mul(2));
        let above = self.last.room_bytes().saturating_sub(self.reserve_bytes);
        self.reserve_bytes > 0 && !self.low && self.spent_bytes > above / 2
    }
}

/// Bytes that this process may still write to the filesystem of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    #[cfg(test)]
    if let Some(disk) = super::rocks::simulated::disk_at(path) {
        return Ok(disk.free_bytes());
    }
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(free_bytes: u64) -> Look {
        Look {
            free_bytes,
            unflushed_bytes: 0,
        }
    }

    #[test]
    fn crossing_the_reserve_is_reported_once_and_needs_room_to_go_back() {
        let mut gauge = DiskGauge::new(800);
        assert_eq!(gauge.observe(room(5000)), None);
        assert_eq!(
            gauge.observe(room(800)),
            None,
            "exactly the reserve is enough"
        );
        assert_eq!(gauge.observe(room(799)), Some(DiskEvent::Low));
        assert_eq!(gauge.observe(room(0)), None);
        assert!(gauge.is_low());
        assert_eq!(
            gauge.observe(room(899)),
            None,
            "above the reserve, but not by an eighth"
        );
        assert_eq!(gauge.observe(room(900)), Some(DiskEvent::Ok));
        assert!(!gauge.is_low());
        assert_eq!(gauge.observe(room(850)), None);
    }

    #[test]
    fn what_memory_has_to_write_out_is_not_room() {
        let mut gauge = DiskGauge::new(800);
        let look = Look {
            free_bytes: 1000,
            unflushed_bytes: 201,
        };
        assert_eq!(gauge.observe(look), Some(DiskEvent::Low));
        assert_eq!(gauge.last(), look);
        let more_than_free = Look {
            free_bytes: 5,
            unflushed_bytes: 6,
        };
        assert_eq!(more_than_free.room_bytes(), 0);
    }

    #[test]
    fn a_reserve_of_nothing_is_never_low() {
        let mut gauge = DiskGauge::new(0);
        assert_eq!(gauge.observe(room(0)), None);
        assert!(!gauge.spend(u64::MAX));
    }

    #[test]
    fn writes_call_for_a_look_when_half_of_the_margin_may_be_gone() {
        let mut gauge = DiskGauge::new(800);
        gauge.observe(room(1800));
        assert!(!gauge.spend(250), "written twice, that is half of it");
        assert!(gauge.spend(1));
        gauge.observe(room(1300));
        assert!(!gauge.spend(125));
        assert!(gauge.spend(1));
        gauge.observe(room(100));
        assert!(!gauge.spend(1000), "it is low already");
    }

    #[test]
    fn free_space_of_a_real_directory_is_found_and_of_none_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert!(free_bytes(&dir.path().join("missing")).is_err());
    }
}
