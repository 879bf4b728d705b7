//! FAILOVER and Sentinel: a switch behind Sentinel's back is undone by it.
//!
//! Measured on redis-server 7.0.15 with three nodes: 45 s after `FAILOVER TO B`, Sentinel, which still waits for the old primary to
//! come back as one, promotes the third node without a pause, and acknowledged writes are lost. So while a Sentinel watches, a switch is
//! Sentinel's to make, inside a pause of the operator's; both FAILOVER and the hand-over at SIGTERM are refused.

use crate::error::ReplyError;

/// Sentinels subscribe to this channel, and greet each other on it, on every node that they watch. What is published here is never held
/// back and never replicated.
pub const HELLO_CHANNEL: &[u8] = b"__sentinel__:hello";

/// Refuses a switch while clients are subscribed to [`HELLO_CHANNEL`], and says what to do instead.
pub fn check(hello_subscribers: usize) -> Result<(), ReplyError> {
    if hello_subscribers == 0 {
        return Ok(());
    }
    Err(ReplyError::new(format!(
        "ERR FAILOVER not allowed while Sentinel watches this server ({hello_subscribers} subscribed to \
         __sentinel__:hello): it would promote another node. Use CLIENT PAUSE <ms> WRITE here, then SENTINEL FAILOVER <name> on a Sentinel"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_sentinels_while_one_watches() {
        assert!(check(0).is_ok());
        let error = check(2).unwrap_err();
        let text = String::from_utf8_lossy(error.text());
        assert!(text.starts_with(
            "ERR FAILOVER not allowed while Sentinel watches this server (2 subscribed"
        ));
        assert!(text.contains("SENTINEL FAILOVER <name>"), "{text}");
    }
}
