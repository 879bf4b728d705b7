//! Storage in Kvrocks's format: bytes on disk ([`keys`], [`metadata`]), batches ([`record`], and [`received`] from elsewhere),
//! uncommitted writes over the database ([`view`], [`scan`], [`hot`], [`edges`], [`samples`], [`cold`]), typed keys ([`store`]), keys of any
//! type ([`keyspace`]), and the engine underneath.
//!
//! The engine, in reading order: [`cf`], [`seq`] and [`replication_id`] are its vocabulary, [`rocks`] is the handle over RocksDB (the only
//! module that names its types), [`commit`] decides on which thread a group of writes is appended and [`flusher`] holds
//! the two helper threads behind it. [`options`], [`inspect`], [`survey`], [`wal`], [`manifest`] and [`probe`] are what opening a directory safely needs,
//! [`filters`] what compaction drops, [`disk`] the watch over free space. For replication: [`wal_source`] reads the log,
//! [`checkpoint`] makes what a full copy ships, [`swap`] puts a copy in the database's place.

pub mod cf;
pub mod checkpoint;
pub mod cold;
pub mod commit;
pub mod counting;
pub mod crc32c;
pub mod disk;
pub mod edges;
pub mod error;
pub mod expiry;
pub mod filters;
pub mod flusher;
pub mod hot;
pub mod inspect;
pub mod keys;
pub mod keyspace;
pub mod manifest;
pub mod metadata;
pub mod options;
pub mod probe;
pub mod received;
pub mod record;
pub mod replication_id;
pub mod rocks;
pub mod samples;
pub mod scan;
pub mod seq;
pub mod store;
pub mod survey;
pub mod swap;
pub mod types;
pub mod view;
pub mod wal;
pub mod wal_source;
pub mod watched;
