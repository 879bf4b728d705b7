//! Keyspace commands.
pub use crate::storage::counting::KeyCounts;
