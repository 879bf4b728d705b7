//! The server's own parts; so far the state file.

pub mod state_file;
