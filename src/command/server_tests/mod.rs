//! Unit tests of the server commands over a whole node.

mod counts;
mod expiry;
mod info;
mod latency;
mod monitors;
mod offsets;
mod reopening;
mod settings;
mod shutdown;
mod slow;
