//! Everything that touches the disk: the engine layer over RocksDB.
//!
//! Reading order: [`cf`] and [`seq`] are the vocabulary, [`rocks`] is the handle over RocksDB (the only module that names
//! its types), [`commit`] decides on which thread a group of writes is appended and [`flusher`] holds the two helper
//! threads behind it. [`options`], [`wal`], [`manifest`] and [`probe`] are what opening a directory safely needs,
//! [`filters`] what compaction drops, [`disk`] the watch over free space.

pub mod cf;
pub mod commit;
pub mod crc32c;
pub mod disk;
pub mod error;
pub mod filters;
pub mod flusher;
pub mod manifest;
pub mod options;
pub mod probe;
pub mod rocks;
pub mod seq;
pub mod wal;
