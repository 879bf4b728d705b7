//! What is the matter with a link, and its state in the words of INFO and ROLE.

use std::fmt;

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No connection, or it ended; the system's words.
    Lost(String),
    /// Nothing came for too long.
    Silent,
    /// The primary reads or swaps its database.
    Loading,
    /// The primary is a replica that has lost its own primary.
    MasterDown,
    /// It wants a password.
    NoAuth,
    /// It refuses the password; its words.
    BadAuth(String),
    /// It has another `db-name`.
    OtherDbName(String),
    /// It is this very node.
    Itself,
    /// It follows this node, or the chain above it is too long.
    Loop,
    /// It answers as no primary does; its words.
    NotAPrimary(String),
    /// What it sent is wrong.
    BadStream(String),
    /// The copy failed.
    CopyFailed(String),
}

impl Problem {
    /// Whether it lasts until somebody changes something (`master_sync_unrecoverable_error`).
    pub fn needs_operator(&self) -> bool {
        match self {
            Problem::Lost(_) | Problem::Silent | Problem::Loading | Problem::MasterDown => false,
            Problem::NoAuth
            | Problem::BadAuth(_)
            | Problem::OtherDbName(_)
            | Problem::Itself
            | Problem::Loop
            | Problem::NotAPrimary(_)
            | Problem::BadStream(_)
            | Problem::CopyFailed(_) => true,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Lost(text) => write!(f, "no connection to the primary: {text}"),
            Problem::Silent => f.write_str("the primary is silent"),
            Problem::Loading => f.write_str("the primary is loading its data"),
            Problem::MasterDown => f.write_str("the primary has lost its own primary"),
            Problem::NoAuth => f.write_str("the primary wants a password: set masterauth"),
            Problem::BadAuth(text) => write!(f, "the primary refuses masterauth: {text}"),
            Problem::OtherDbName(theirs) => write!(f, "the primary's db-name is '{theirs}'"),
            Problem::Itself => f.write_str("the primary is this node itself"),
            Problem::Loop => f.write_str("the primary follows this node, or too long a chain"),
            Problem::NotAPrimary(text) => write!(f, "the primary does not replicate: {text}"),
            Problem::BadStream(text) => {
                write!(f, "the primary sent what cannot be applied: {text}")
            }
            Problem::CopyFailed(text) => write!(f, "the full copy failed: {text}"),
        }
    }
}

/// The link's state in the words of INFO and ROLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Waiting for the next try (`connect`).
    Connect,
    /// Connecting, or in the handshake (`connecting`).
    Connecting,
    /// Copying (`sync`).
    Sync,
    /// Streaming (`connected`); the only one in which `master_link_status` is `up`.
    Connected,
}

impl LinkState {
    /// ROLE's word.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connect => "connect",
            LinkState::Connecting => "connecting",
            LinkState::Sync => "sync",
            LinkState::Connected => "connected",
        }
    }
}
