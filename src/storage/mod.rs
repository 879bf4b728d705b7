//! Storage in Kvrocks's format: bytes on disk ([`keys`], [`metadata`]), batches ([`record`]), uncommitted writes over the
//! database ([`view`], [`scan`], [`hot`]), typed keys ([`store`]), keys of any type ([`keyspace`]), and the engine underneath ([`rocks`], [`commit`]).

pub mod cf;
pub mod commit;
pub mod hot;
pub mod keys;
pub mod keyspace;
pub mod metadata;
pub mod record;
pub mod rocks;
pub mod scan;
pub mod seq;
pub mod store;
pub mod types;
pub mod view;
