//! What the server tells about itself: INFO's sections, latency histograms and the latency monitor, memory, what the
//! operating system knows of the process.
//!
//! Counters live with the node ([`crate::node::stats`]); this turns them, and the state of the node, into answers. Nothing here
//! changes the node.

pub mod graph;
pub mod histogram;
pub mod info;
pub mod latency;
pub mod latency_advice;
pub mod memory;
pub mod memory_advice;
pub mod os;
pub mod process;
pub mod recent;
