//! Where the histories in the logs end.

use super::{OpenLog, WalSource, WalSourceError, Whole, behind};
use crate::limits::ENDINGS_MAX;
use crate::storage::received::replication_id_of;
use crate::storage::replication_id::{Ending, ReplicationId};
use crate::storage::seq::Seq;
use crate::storage::wal::LogReader;

impl WalSource {
    /// The histories in the logs, the newest first, down to one that `is_enough`: at most [`ENDINGS_MAX`]. Reads the logs from the newest back, whole
    /// files, until it has them or `bytes_max` bytes were read: a file that is not read to its end tells nothing. Damage hides
    /// what is behind it in its file.
    pub fn endings(
        &self,
        is_enough: &dyn Fn(ReplicationId) -> bool,
        bytes_max: u64,
    ) -> Result<Vec<Ending>, WalSourceError> {
        let mut endings = Endings::default();
        #[cfg(test)]
        if let Some(disk) = crate::storage::rocks::simulated::disk_at(self.0.db_dir()) {
            for record in disk.newest_first() {
                let ending = |id| Ending {
                    id,
                    last: Seq::new(record.last()),
                };
                let found = replication_id_of(&record.bytes).map(ending);
                if endings.are_complete_with(found.into_iter().collect(), is_enough) {
                    break;
                }
            }
            return Ok(endings.0);
        }
        let mut bytes_left = bytes_max;
        let mut batch = Vec::new();
        for file in self.0.list()?.into_iter().rev() {
            let io_error = |error| WalSourceError::Io {
                path: file.path.clone(),
                error,
            };
            let Some((opened, path)) = self.0.open(file.number).map_err(io_error)? else {
                continue;
            };
            let mut log = OpenLog {
                number: file.number,
                path,
                reader: LogReader::new(opened, file.number),
            };
            // In the order of the file.
            let mut found: Vec<Ending> = Vec::new();
            while let Whole::Record(head, (first, count)) = log.step(&mut batch)? {
                let Some(left) = bytes_left.checked_sub(head.bytes) else {
                    return Ok(endings.0);
                };
                bytes_left = left;
                let Some(id) = replication_id_of(&batch).filter(|_| count > 0) else {
                    continue;
                };
                let last = Seq::new(behind(first, count).get() - 1);
                match found.last_mut() {
                    Some(newest) if newest.id == id => newest.last = last,
                    _ => found.push(Ending { id, last }),
                }
            }
            found.reverse();
            if endings.are_complete_with(found, is_enough) {
                break;
            }
        }
        Ok(endings.0)
    }
}

/// Histories found so far, the newest first.
#[derive(Default)]
struct Endings(Vec<Ending>);

impl Endings {
    /// Adds older ones, the newest first; gives whether that is all that was wanted.
    fn are_complete_with(
        &mut self,
        older: Vec<Ending>,
        is_enough: &dyn Fn(ReplicationId) -> bool,
    ) -> bool {
        for ending in older {
            if self.0.iter().all(|newer| newer.id != ending.id) {
                self.0.push(ending);
            }
            if is_enough(ending.id) || self.0.len() == ENDINGS_MAX {
                return true;
            }
        }
        false
    }
}
