//! The data types over the view, one file each.

pub mod hash;
pub mod members;
pub mod score;
pub mod string;
pub mod zset;
