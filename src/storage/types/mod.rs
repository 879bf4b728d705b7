//! The data types over [`Store`](super::store::Store): how each lays its elements out, and its operations. They give
//! Rust values; what a client sees of them is the commands' affair.

pub mod hash;
pub mod list;
pub mod list_edit;
pub mod members;
pub mod set;
pub mod set_algebra;
