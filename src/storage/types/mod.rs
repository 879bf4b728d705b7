//! The data types over the view, one file each.

pub mod string;
