//! What stands behind the handle's types: RocksDB. In unit tests it may be a simulated database instead (`simulated`), so
//! every type has a second form there; in the program each is RocksDB's own, and these functions are the identity.

#[cfg(not(test))]
mod only_the_engine {
    use std::sync::Arc;

    use rocksdb::{DB, DBPinnableSlice, DBRawIteratorWithThreadMode, SnapshotWithThreadMode};

    use super::super::Engine;

    pub(in super::super) type Backing = Arc<Engine>;
    pub(in super::super) type Slice<'a> = DBPinnableSlice<'a>;
    pub(in super::super) type Raw<'a> = DBRawIteratorWithThreadMode<'a, DB>;
    pub(in super::super) type State = SnapshotWithThreadMode<'static, DB>;

    pub(in super::super) fn backing(engine: &Arc<Engine>) -> Backing {
        Arc::clone(engine)
    }

    pub(in super::super) fn slice(slice: DBPinnableSlice<'_>) -> Slice<'_> {
        slice
    }

    pub(in super::super) fn raw<'a>(iterator: DBRawIteratorWithThreadMode<'a, DB>) -> Raw<'a> {
        iterator
    }

    pub(in super::super) fn state(snapshot: SnapshotWithThreadMode<'static, DB>) -> State {
        snapshot
    }

    pub(in super::super) fn engine_state(state: &State) -> &SnapshotWithThreadMode<'static, DB> {
        state
    }
}

#[cfg(not(test))]
pub(super) use only_the_engine::*;

#[cfg(test)]
pub(super) use super::simulated::either::*;
