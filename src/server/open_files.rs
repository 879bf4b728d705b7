//! How many files the process may open: enough for `maxclients`, RocksDB's files and the server's own, or fewer clients.

use super::copying::SENDERS_MAX;
use crate::stats::os::{self, FileLimit};

/// Files beside clients and RocksDB's: listeners, the log, the polls, the write-ahead log, files of running compactions; what senders of full
/// copies read, and the logs that replicas read which are behind. Links count as clients.
const RESERVE: u64 = 96 + SENDERS_MAX as u64;
/// What RocksDB is supposed to need where `rocksdb.max_open_files` sets no bound.
const UNBOUNDED_ENGINE_FILES: u64 = 1024;

/// What the limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The soft limit to set.
    pub soft: u64,
    pub maxclients: u32,
    /// `max_open_files` for RocksDB; negative for no bound.
    pub engine_files: i32,
}

/// Files that RocksDB may have open under this setting.
fn engine_need(engine_files: i32) -> u64 {
    u64::try_from(engine_files).unwrap_or(UNBOUNDED_ENGINE_FILES)
}

/// What can be had of what is asked for. Where it is not enough RocksDB gets what clients leave, and at least a quarter.
pub(super) fn plan(limit: FileLimit, maxclients: u32, engine_files: i32) -> Plan {
    let engine = engine_need(engine_files);
    let wanted = u64::from(maxclients) + engine + RESERVE;
    if wanted <= limit.hard {
        return Plan {
            soft: wanted.max(limit.soft),
            maxclients,
            engine_files,
        };
    }
    let left = limit.hard.saturating_sub(u64::from(maxclients) + RESERVE);
    let engine = engine.min(left.max(limit.hard / 4));
    let clients = limit.hard.saturating_sub(engine + RESERVE).max(1);
    Plan {
        soft: limit.hard,
        maxclients: maxclients.min(clients.min(u64::from(u32::MAX)) as u32),
        engine_files: engine as i32,
    }
}

/// Raises the limit for so many clients, as far as the system allows; gives what is possible.
pub(super) fn prepare(maxclients: u32, engine_files: i32) -> Plan {
    let limit = os::file_limit();
    let mut possible = plan(limit, maxclients, engine_files);
    if possible.soft != limit.soft {
        let raised = FileLimit {
            soft: possible.soft,
            ..limit
        };
        if let Err(error) = os::set_file_limit(raised) {
            log::warn!("the limit on open files stays at {}: {error}", limit.soft);
            let fixed = FileLimit {
                hard: limit.soft,
                ..limit
            };
            possible = plan(fixed, maxclients, engine_files);
        }
    }
    if possible.maxclients < maxclients {
        log::warn!(
            "maxclients is {} instead of {maxclients}: the limit on open files (ulimit -n) is {}",
            possible.maxclients,
            possible.soft
        );
    }
    possible
}

/// Raises the limit for so many clients while RocksDB is open with `engine_files`; on an error, how many are possible.
pub(super) fn allow(maxclients: u32, engine_files: i32) -> Result<(), u32> {
    let limit = os::file_limit();
    let others = engine_need(engine_files) + RESERVE;
    let wanted = u64::from(maxclients) + others;
    if wanted <= limit.soft {
        return Ok(());
    }
    let possible = limit.hard.saturating_sub(others).min(u64::from(u32::MAX)) as u32;
    if wanted > limit.hard {
        return Err(possible);
    }
    let raised = FileLimit {
        soft: wanted,
        ..limit
    };
    os::set_file_limit(raised).map_err(|_| possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn limit(soft: u64, hard: u64) -> FileLimit {
        FileLimit { soft, hard }
    }

    #[test]
    fn the_soft_limit_is_raised_as_far_as_needed() {
        let enough = plan(limit(1024, 1 << 20), 10_000, 8096);
        assert_eq!(
            (enough.soft, enough.maxclients, enough.engine_files),
            (18_224, 10_000, 8096)
        );
        assert_eq!(plan(limit(50_000, 1 << 20), 10_000, 8096).soft, 50_000);
        assert_eq!(plan(limit(1024, 1 << 20), 10_000, -1).engine_files, -1);
    }

    #[test]
    fn clients_and_files_share_what_is_not_enough() {
        let few = plan(limit(1024, 4096), 10_000, 8096);
        assert_eq!(
            (few.soft, few.maxclients, few.engine_files),
            (4096, 2944, 1024)
        );
        assert_eq!(plan(limit(10, 20), 10_000, 8096).maxclients, 1);
        let small = plan(limit(1024, 4096), 100, 8096);
        assert_eq!((small.maxclients, small.engine_files), (100, 3868));
    }

    #[test]
    fn what_the_limit_holds_already_is_allowed() {
        assert_eq!(allow(1, 0), Ok(()));
    }
}
