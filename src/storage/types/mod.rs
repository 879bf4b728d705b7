//! The data types over the view, one file each.

pub mod sample;
pub mod score;
pub mod zset;
