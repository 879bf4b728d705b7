//! The watch over free space: writes are refused below a reserve, so that RocksDB never meets a full disk.
//!
//! [`DiskGauge`] is the rule, without I/O; [`watch`] is the loop around it that a worker runs.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Time between two looks at the disk.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskEvent {
    /// Free space fell below the reserve: refuse writes.
    Low {
        /// Bytes free.
        free_bytes: u64,
        /// The reserve they fell below.
        reserve_bytes: u64,
    },
    /// There is room again: accept writes.
    Ok {
        /// Bytes free.
        free_bytes: u64,
    },
}

/// Says when free space crosses the reserve. Going back needs an eighth of the reserve on top, so that a disk that
/// hovers at the line does not flap.
#[derive(Clone, Debug)]
pub struct DiskGauge {
    reserve_bytes: u64,
    low: bool,
}

impl DiskGauge {
    /// A gauge for this reserve (0 switches it off), which takes the disk for roomy until it is told otherwise.
    pub fn new(reserve_bytes: u64) -> DiskGauge {
        DiskGauge {
            reserve_bytes,
            low: false,
        }
    }

    /// Whether the disk was low at the last look.
    pub fn is_low(&self) -> bool {
        self.low
    }

    /// Takes a look into account.
    pub fn observe(&mut self, free_bytes: u64) -> Option<DiskEvent> {
        let resume_bytes = self.reserve_bytes.saturating_add(self.reserve_bytes / 8);
        if !self.low && free_bytes < self.reserve_bytes {
            self.low = true;
            return Some(DiskEvent::Low {
                free_bytes,
                reserve_bytes: self.reserve_bytes,
            });
        }
        if self.low && free_bytes >= resume_bytes {
            self.low = false;
            return Some(DiskEvent::Ok { free_bytes });
        }
        None
    }
}

/// Ends a [`watch`] from another thread.
#[derive(Default)]
pub struct StopSignal {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl StopSignal {
    /// Ends the watch at once.
    pub fn stop(&self) {
        *self
            .stopped
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        self.changed.notify_all();
    }

    /// Waits; true when stopped, false when the time is over.
    fn wait(&self, interval: Duration) -> bool {
        let stopped = self
            .stopped
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let (stopped, _) = self
            .changed
            .wait_timeout_while(stopped, interval, |stopped| !*stopped)
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *stopped
    }
}

/// Looks at the disk every `interval` until stopped, and reports each crossing. Blocks: for a worker.
///
/// `probe` gives the bytes free, [`free_bytes`] of the data directory as a rule. A look that fails changes nothing; the
/// first of a run of failures is logged.
pub fn watch(
    mut gauge: DiskGauge,
    interval: Duration,
    stop: &StopSignal,
    mut probe: impl FnMut() -> io::Result<u64>,
    mut notify: impl FnMut(DiskEvent),
) {
    let mut failing = false;
    loop {
        match probe() {
            Ok(free) => {
                failing = false;
                if let Some(event) = gauge.observe(free) {
                    notify(event);
                }
            }
            Err(error) => {
                if !failing {
                    log::warn!("cannot find out the free space of the disk: {error}");
                }
                failing = true;
            }
        }
        if stop.wait(interval) {
            return;
        }
    }
}

/// Bytes that this process may still write to the filesystem of `path`.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all fields of the structure are integers, for which zero is a value.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in a zero byte and `stat` is writable for the length of the call.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut stat) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing_the_reserve_is_reported_once_and_needs_room_to_go_back() {
        let mut gauge = DiskGauge::new(800);
        assert_eq!(gauge.observe(5000), None);
        assert_eq!(gauge.observe(800), None, "exactly the reserve is enough");
        assert_eq!(
            gauge.observe(799),
            Some(DiskEvent::Low {
                free_bytes: 799,
                reserve_bytes: 800
            })
        );
        assert_eq!(gauge.observe(0), None);
        assert!(gauge.is_low());
        assert_eq!(
            gauge.observe(899),
            None,
            "above the reserve, but not by an eighth"
        );
        assert_eq!(gauge.observe(900), Some(DiskEvent::Ok { free_bytes: 900 }));
        assert!(!gauge.is_low());
        assert_eq!(gauge.observe(850), None);
    }

    #[test]
    fn a_reserve_of_nothing_is_never_low() {
        let mut gauge = DiskGauge::new(0);
        assert_eq!(gauge.observe(0), None);
    }

    #[test]
    fn the_watch_reports_and_ends() {
        let stop = StopSignal::default();
        let mut looks = [1000, 10, 10, 2000].into_iter();
        let mut events = Vec::new();
        watch(
            DiskGauge::new(100),
            Duration::ZERO,
            &stop,
            || match looks.next() {
                Some(free) => Ok(free),
                None => {
                    stop.stop();
                    Err(io::Error::other("no more looks"))
                }
            },
            |event| events.push(event),
        );
        assert_eq!(
            events,
            [
                DiskEvent::Low {
                    free_bytes: 10,
                    reserve_bytes: 100
                },
                DiskEvent::Ok { free_bytes: 2000 }
            ]
        );
    }

    #[test]
    fn free_space_of_a_real_directory_is_found_and_of_none_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert!(free_bytes(&dir.path().join("missing")).is_err());
    }
}
