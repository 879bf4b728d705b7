//! RocksDB's checkpoints.

use std::path::Path;

use rocksdb::checkpoint::Checkpoint;

use super::{Rocks, StoreError, store_error};

impl Rocks {
    /// Makes a checkpoint of the database in `dir`, which must not exist: table files as hard links, the rest as copies. The
    /// memtables are written out for it. Blocks for that, writers go on. What a crash leaves behind is `dir` with `.tmp` behind its name,
    /// which the next call clears away.
    pub(in super::super) fn create_checkpoint(&self, dir: &Path) -> Result<(), StoreError> {
        Checkpoint::new(&self.engine().db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(dir))
            .map_err(store_error)
    }
}
