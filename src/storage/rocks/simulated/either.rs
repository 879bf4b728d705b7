//! The handle's types where a database may be simulated: RocksDB's own form, or ours.

use std::ops::Deref;
use std::sync::Arc;

use rocksdb::{DB, DBPinnableSlice, DBRawIteratorWithThreadMode, SnapshotWithThreadMode};

use super::super::Engine;
use super::{Cursor, Image, Store};

pub(in super::super) enum Backing {
    Engine(Arc<Engine>),
    Simulated(Store),
}

impl Backing {
    pub fn simulated(&self) -> Option<&Store> {
        match self {
            Backing::Engine(_) => None,
            Backing::Simulated(store) => Some(store),
        }
    }
}

impl Deref for Backing {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        match self {
            Backing::Engine(engine) => engine,
            Backing::Simulated(_) => panic!("the simulated database lacks this call"),
        }
    }
}

pub(in super::super) enum Slice<'a> {
    Engine(DBPinnableSlice<'a>),
    Simulated(Arc<[u8]>),
}

impl Deref for Slice<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Slice::Engine(slice) => slice,
            Slice::Simulated(bytes) => bytes,
        }
    }
}

pub(in super::super) enum Raw<'a> {
    Engine(DBRawIteratorWithThreadMode<'a, DB>),
    Simulated(Cursor),
}

impl Raw<'_> {
    pub fn item(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Raw::Engine(raw) => raw.item(),
            Raw::Simulated(cursor) => cursor.item(),
        }
    }

    pub fn status(&self) -> Result<(), rocksdb::Error> {
        match self {
            Raw::Engine(raw) => raw.status(),
            Raw::Simulated(_) => Ok(()),
        }
    }

    pub fn seek_to_first(&mut self) {
        match self {
            Raw::Engine(raw) => raw.seek_to_first(),
            Raw::Simulated(cursor) => cursor.seek_to_first(),
        }
    }

    pub fn seek_to_last(&mut self) {
        match self {
            Raw::Engine(raw) => raw.seek_to_last(),
            Raw::Simulated(cursor) => cursor.seek_to_last(),
        }
    }

    pub fn seek(&mut self, key: &[u8]) {
        match self {
            Raw::Engine(raw) => raw.seek(key),
            Raw::Simulated(cursor) => cursor.seek(key),
        }
    }

    pub fn seek_for_prev(&mut self, key: &[u8]) {
        match self {
            Raw::Engine(raw) => raw.seek_for_prev(key),
            Raw::Simulated(cursor) => cursor.seek_for_prev(key),
        }
    }

    pub fn next(&mut self) {
        match self {
            Raw::Engine(raw) => raw.next(),
            Raw::Simulated(cursor) => cursor.next(),
        }
    }

    pub fn prev(&mut self) {
        match self {
            Raw::Engine(raw) => raw.prev(),
            Raw::Simulated(cursor) => cursor.prev(),
        }
    }
}

pub(in super::super) enum State {
    Engine(SnapshotWithThreadMode<'static, DB>),
    Simulated(Image),
}

impl State {
    pub fn sequence_number(&self) -> u64 {
        match self {
            State::Engine(snapshot) => snapshot.sequence_number(),
            State::Simulated(image) => image.seq().get(),
        }
    }
}

pub(in super::super) fn backing(engine: &Arc<Engine>) -> Backing {
    Backing::Engine(Arc::clone(engine))
}

pub(in super::super) fn slice(slice: DBPinnableSlice<'_>) -> Slice<'_> {
    Slice::Engine(slice)
}

pub(in super::super) fn raw<'a>(iterator: DBRawIteratorWithThreadMode<'a, DB>) -> Raw<'a> {
    Raw::Engine(iterator)
}

pub(in super::super) fn state(snapshot: SnapshotWithThreadMode<'static, DB>) -> State {
    State::Engine(snapshot)
}

pub(in super::super) fn engine_state(state: &State) -> &SnapshotWithThreadMode<'static, DB> {
    match state {
        State::Engine(snapshot) => snapshot,
        State::Simulated(_) => panic!("a simulated snapshot is read through its image"),
    }
}
