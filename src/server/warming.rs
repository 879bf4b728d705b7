//! Pipelines: what the next commands will look up is fetched from memory for all of them at once.
//!
//! A look at a cached value misses the processor's caches three or four times, each miss depending on the one before it; with a
//! million keys that was half of a pipelined GET (measured: 1.1 us an operation, 0.55 of it in the hash table and the comparison of the key).
//! Looks at different keys do not depend on each other, and the processor overlaps them when nothing else stands between.

use super::Server;
use crate::resp::parse::{self, ParseLimits, ParseState, Parsed, Span};
use crate::storage::hot::WARM_MAX;
use crate::storage::keys::DbIndex;

/// A smaller cache is in the processor's caches already.
const CACHE_BYTES_MIN: usize = 1 << 20;
/// Bytes that are looked at ahead: pipelines of small commands gain, others only pay.
const BYTES_MAX: usize = 8 * 1024;

/// Memory that is used again.
#[derive(Default)]
pub(super) struct Scratch {
    key: Vec<u8>,
    spans: Vec<Span>,
}

impl Server {
    /// Fetches what the commands at the front of `bytes` will look up by their first argument; gives how many there were. Changes
    /// nothing that anybody could see.
    pub(super) fn warm_up(&mut self, db: DbIndex, bytes: &[u8], limits: &ParseLimits) -> usize {
        if self.node.view.cache_bytes() < CACHE_BYTES_MIN {
            return WARM_MAX;
        }
        let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
        let mut hashes = [0; WARM_MAX];
        let mut count = 0;
        let mut at = 0;
        let mut state = ParseState::default();
        let Scratch { key, spans } = &mut self.warming;
        spans.clear();
        while count < WARM_MAX && bytes.get(at) == Some(&b'*') {
            let rest = &bytes[at..];
            let parsed = parse::parse(rest, &mut state, spans, &mut Vec::new(), limits);
            let Ok(Parsed::Command { consumed, .. }) = parsed else {
                break;
            };
            if let Some(span) = spans.get(1) {
                key.clear();
                let codec = &self.node.codec;
                codec.push_metadata_key(db, span.of(rest), key);
                hashes[count] = self.node.view.hash_of_entry(key);
            }
            count += 1;
            at += consumed;
            spans.clear();
        }
        // A command that is not whole may have left some.
        spans.clear();
        self.node.view.warm(&hashes[..count]);
        count
    }
}
