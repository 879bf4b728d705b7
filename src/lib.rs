//! Stillpoint.
pub mod clock;
pub mod command;
pub mod error;
pub mod limits;
pub mod resp;
pub mod server;
pub mod storage;
pub mod text;
