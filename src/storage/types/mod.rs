//! The data types over the view, one file each.

pub mod hash;
pub mod list;
pub mod list_edit;
pub mod members;
pub mod score;
pub mod set;
pub mod set_algebra;
pub mod string;
pub mod whole;
pub mod zset;
