//! A connection's session: who it is, what it sent and has not been told yet, and why it is not reading commands now.
//! Sockets are the reactor's; nothing here does I/O.

pub mod gated;
pub mod input;
pub mod linked;
pub mod output;
pub mod session;
pub mod transaction;
pub mod waiting;

pub use input::{Input, Reading};
pub use linked::Linked;
pub use output::{Output, Stretch};
pub use session::{Client, ClientKey, Clients, Flag, OutputClass, Parked, Peer, ReplyMode, State};
