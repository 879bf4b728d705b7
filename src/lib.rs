//! Stillpoint.
pub mod client;
pub mod clock;
pub mod command;
pub mod config;
pub mod error;
pub mod limits;
pub mod logging;
pub mod node;
pub mod pause;
pub mod pubsub;
pub mod rdb;
pub mod reactor;
pub mod resp;
pub mod server;
pub mod storage;
pub mod text;
