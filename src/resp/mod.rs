//! The Redis protocol, RESP2 and RESP3: requests in ([`parse`], [`args`]), replies out ([`reply`]). No sockets here.

pub mod args;
pub mod parse;
pub mod reply;

pub use args::{Args, OwnedArgs};
pub use reply::{Proto, Reply};
