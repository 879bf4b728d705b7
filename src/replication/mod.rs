//! Replication by sequence number: what primary and replica say to each other. Pure parts only: no socket, clock or thread.

pub mod takeover;
