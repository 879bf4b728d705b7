//! What a client sees when a command cannot be answered.
//!
//! The texts are redis-server 7.0's, byte for byte; each stands here once when more than one command uses it.

use std::borrow::Cow;

/// An error reply: code and text, without the leading `-` and the line end.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyError(Cow<'static, [u8]>);

impl ReplyError {
    /// An error with a fixed text, such as `ERR syntax error`.
    pub const fn fixed(text: &'static str) -> ReplyError {
        ReplyError(Cow::Borrowed(text.as_bytes()))
    }

    /// An error with a text made up now. Line ends in it become spaces when it is written.
    pub fn new(text: impl Into<Vec<u8>>) -> ReplyError {
        ReplyError(Cow::Owned(text.into()))
    }

    /// An error that repeats `shown`, which came from a client, between two texts.
    pub fn quoting(before: &str, shown: &[u8], after: &str) -> ReplyError {
        ReplyError::new([before.as_bytes(), printed(shown), after.as_bytes()].concat())
    }

    /// Code and text.
    pub fn text(&self) -> &[u8] {
        &self.0
    }

    /// The first word, such as `WRONGTYPE`: what `INFO errorstats` counts by.
    pub fn code(&self) -> &[u8] {
        let end = memchr::memchr(b' ', &self.0).unwrap_or(self.0.len());
        &self.0[..end]
    }
}

impl std::fmt::Debug for ReplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReplyError({})", String::from_utf8_lossy(&self.0))
    }
}

/// What of a client's bytes stands in an error: what is before a NUL, because Redis prints them as a C string.
pub fn printed(bytes: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    &bytes[..end]
}

/// To a replica whose link cannot come about just now. Kvrocks's words: its replicas compare the whole line, and after any other
/// they copy everything.
pub const RESTORING: ReplyError =
    ReplyError::fixed("LOADING kvrocks is restoring the db from backup");
/// `ERR syntax error`
pub const SYNTAX: ReplyError = ReplyError::fixed("ERR syntax error");
/// The key holds another type.
pub const WRONG_TYPE: ReplyError =
    ReplyError::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
/// `ERR value is not an integer or out of range`
pub const NOT_AN_INTEGER: ReplyError =
    ReplyError::fixed("ERR value is not an integer or out of range");
/// `ERR value is not a valid float`
pub const NOT_A_FLOAT: ReplyError = ReplyError::fixed("ERR value is not a valid float");
/// `ERR value is out of range, must be positive`
pub const MUST_BE_POSITIVE: ReplyError =
    ReplyError::fixed("ERR value is out of range, must be positive");
/// `ERR value is out of range`
pub const OUT_OF_RANGE: ReplyError = ReplyError::fixed("ERR value is out of range");
/// `ERR index out of range`
pub const INDEX_OUT_OF_RANGE: ReplyError = ReplyError::fixed("ERR index out of range");
/// `ERR no such key`
pub const NO_SUCH_KEY: ReplyError = ReplyError::fixed("ERR no such key");
/// `ERR increment or decrement would overflow`
pub const INCR_OVERFLOW: ReplyError =
    ReplyError::fixed("ERR increment or decrement would overflow");
/// `ERR min or max is not a float`
pub const MIN_MAX_NOT_FLOAT: ReplyError = ReplyError::fixed("ERR min or max is not a float");
/// `ERR min or max not valid string range item`
pub const MIN_MAX_NOT_STRING: ReplyError =
    ReplyError::fixed("ERR min or max not valid string range item");
/// `ERR DB index is out of range`
pub const DB_OUT_OF_RANGE: ReplyError = ReplyError::fixed("ERR DB index is out of range");
/// `ERR timeout is not a float or out of range`
pub const TIMEOUT_NOT_FLOAT: ReplyError =
    ReplyError::fixed("ERR timeout is not a float or out of range");
/// `ERR timeout is negative`
pub const TIMEOUT_NEGATIVE: ReplyError = ReplyError::fixed("ERR timeout is negative");
/// `ERR timeout is out of range`
pub const TIMEOUT_OUT_OF_RANGE: ReplyError = ReplyError::fixed("ERR timeout is out of range");
/// `ERR invalid cursor`
pub const INVALID_CURSOR: ReplyError = ReplyError::fixed("ERR invalid cursor");
/// A write to a replica.
pub const READONLY: ReplyError =
    ReplyError::fixed("READONLY You can't write against a read only replica.");

/// `ERR wrong number of arguments for 'NAME' command`; subcommands as `container|sub`.
pub fn wrong_arity(name: &str) -> ReplyError {
    ReplyError::new(format!(
        "ERR wrong number of arguments for '{name}' command"
    ))
}

/// `ERR invalid expire time in 'NAME' command`
pub fn invalid_expire(name: &str) -> ReplyError {
    ReplyError::new(format!("ERR invalid expire time in '{name}' command"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_bytes_are_shown_up_to_the_first_nul() {
        let error = ReplyError::quoting("ERR Unsupported option ", b"a\0b", "!");
        assert_eq!(error.text(), b"ERR Unsupported option a!");
        assert_eq!(error.code(), b"ERR");
        assert_eq!(printed(b"\0"), b"");
        assert_eq!(printed(b"\xff\r"), b"\xff\r");
    }

    #[test]
    fn line_ends_are_spaces_inside_and_nothing_at_the_end() {
        let mut reply = crate::resp::Reply::new(crate::resp::Proto::Resp2);
        reply.error(&ReplyError::new("ERR no\r\nsuch\r\n\n"));
        reply.error(&ReplyError::fixed("ERR"));
        assert_eq!(reply.bytes(), b"-ERR no  such\r\n-ERR\r\n");
    }
}
