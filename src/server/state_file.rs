//! `stillpoint.state`, beside `db/`: what a node must remember across a restart and RocksDB cannot hold.
//!
//! A small text, so that an operator can read it: one `name value` a line, closed by a checksum over the lines before it. How it
//! lies on disk is [`super::state_copies`]. A file that does not check is refused: guessing a role may fork the data.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::failover::PendingOffer;
use crate::replication::takeover::fates::Fates;
use crate::replication::takeover::wire::{Address, Token};
use crate::storage::crc32c::crc32c;
use crate::storage::seq::Seq;

/// First line: the format's name and version.
const HEADER: &str = "stillpoint-state 1";

/// What a node was when it last said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurableRole {
    /// It accepts writes.
    Primary,
    /// It follows another node.
    Replica {
        /// The primary's host name or address.
        host: String,
        /// The primary's port.
        port: u16,
    },
}

/// The contents of the state file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurableState {
    /// The role to take at the next start.
    pub role: DurableRole,
    /// An offer to take over whose outcome is open: this node made it, and may no longer be the primary.
    pub pending_offer: Option<PendingOffer>,
    /// What became of the offers that this node was made.
    pub takeovers: Fates,
    /// The last update known to be synced: a WAL that ends before it has lost acknowledged writes.
    pub synced_seq: Option<Seq>,
    /// The server stopped in order; not so after a crash.
    pub clean_stop: bool,
}

impl Default for DurableState {
    /// A new node: a primary that has synced nothing.
    fn default() -> DurableState {
        DurableState {
            role: DurableRole::Primary,
            pending_offer: None,
            takeovers: Fates::default(),
            synced_seq: None,
            clean_stop: false,
        }
    }
}

/// Why the state file could not be used.
#[derive(Debug)]
pub enum StateError {
    /// Its bytes are not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A newer release wrote it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its first line.
        header: String,
    },
    /// The system refused.
    Io {
        /// What was tried, on which file.
        what: String,
        /// The system's error.
        error: io::Error,
    },
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateError::Damaged { path, what } => write!(
                f,
                "{} is damaged: {what}. It says whether this node is a primary or a replica; restore it, or remove it \
                 to start with the role in the configuration",
                path.display()
            ),
            StateError::Newer { path, header } => {
                write!(
                    f,
                    "{} was written by a newer release ({header})",
                    path.display()
                )
            }
            StateError::Io { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StateError {}

impl DurableState {
    /// The state as text; `version` tells which of two is the newer.
    pub fn encode(&self, version: u64) -> Vec<u8> {
        let mut text = format!("{HEADER}\nversion {version}\n");
        match &self.role {
            DurableRole::Primary => text.push_str("role primary\n"),
            DurableRole::Replica { host, port } => {
                text.push_str(&format!("role replica {} {port}\n", escape(host)))
            }
        }
        if let Some(offer) = &self.pending_offer {
            text.push_str(&format!(
                "pending-offer {} {} {}\n",
                escape(&offer.target.host),
                offer.target.port,
                offer.token
            ));
        }
        for line in self.takeovers.lines() {
            text.push_str(&format!("takeover {line}\n"));
        }
        if let Some(seq) = self.synced_seq {
            text.push_str(&format!("synced-seq {seq}\n"));
        }
        text.push_str(&format!(
            "clean-stop {}\n",
            if self.clean_stop { "yes" } else { "no" }
        ));
        let checksum = crc32c(text.as_bytes());
        text.push_str(&format!("crc32c {checksum:08x}\n"));
        text.into_bytes()
    }

    /// Reads the text: its version and the state. The error says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<(u64, DurableState), DecodeError> {
        let damaged = |what: &str| DecodeError::Damaged(what.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let header = text.lines().next().unwrap_or("");
        if header != HEADER {
            return Err(match header.strip_prefix("stillpoint-state ") {
                Some(version) if version.parse::<u32>().is_ok_and(|version| version > 1) => {
                    DecodeError::Newer(header.to_owned())
                }
                _ => damaged("it does not begin as a state file"),
            });
        }
        let (body, checksum) = text
            .rsplit_once("crc32c ")
            .ok_or_else(|| damaged("its checksum is missing"))?;
        if format!("{:08x}\n", crc32c(body.as_bytes())) != checksum {
            return Err(damaged("its checksum does not match"));
        }
        let mut role = None;
        let mut version = None;
        let mut state = DurableState::default();
        for line in body.lines().skip(1) {
            let fields: Vec<&str> = line.split(' ').collect();
            let unreadable =
                || DecodeError::Damaged(format!("the line '{line}' is not understood"));
            match fields[..] {
                ["version", number] => version = Some(number.parse().map_err(|_| unreadable())?),
                ["role", "primary"] => role = Some(DurableRole::Primary),
                ["role", "replica", host, port] => {
                    let port = port.parse().map_err(|_| unreadable())?;
                    role = Some(DurableRole::Replica {
                        host: unescape(host).ok_or_else(unreadable)?,
                        port,
                    });
                }
                ["pending-offer", host, port, token] => {
                    let host = unescape(host).ok_or_else(unreadable)?;
                    let port = port.parse().map_err(|_| unreadable())?;
                    state.pending_offer = Some(PendingOffer {
                        target: Address { host, port },
                        token: Token::parse(token.as_bytes()).ok_or_else(unreadable)?,
                    });
                }
                ["takeover", ref words @ ..] => {
                    state.takeovers.read_line(words).ok_or_else(unreadable)?
                }
                ["synced-seq", seq] => {
                    state.synced_seq = Some(Seq::new(seq.parse().map_err(|_| unreadable())?))
                }
                ["clean-stop", "yes"] => state.clean_stop = true,
                ["clean-stop", "no"] => state.clean_stop = false,
                _ => return Err(unreadable()),
            }
        }
        state.role = role.ok_or_else(|| damaged("it names no role"))?;
        let version = version.ok_or_else(|| damaged("it has no version"))?;
        Ok((version, state))
    }
}

/// A name as one word: hosts come from clients, and may hold anything.
fn escape(name: &str) -> String {
    let mut word = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => word.push(byte as char),
            _ => word.push_str(&format!("%{byte:02x}")),
        }
    }
    word
}

/// The name that [`escape`] made a word of.
fn unescape(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = rest.split_first_chunk::<2>()?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// What is wrong with a state file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They are not what was written.
    Damaged(String),
    /// A newer release wrote them; its first line.
    Newer(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::takeover::fates::Fate;
    use crate::server::state_copies::COPY_BYTES;
    use proptest::prelude::*;

    const RUN: &str = "0123456789abcdef0123456789abcdef01234567";

    fn token(count: u64) -> Token {
        Token::parse(format!("{RUN}-{count}").as_bytes()).unwrap()
    }

    fn full() -> DurableState {
        let mut takeovers = Fates::default();
        takeovers.record(token(1), Fate::Cancelled);
        takeovers.record(token(2), Fate::Taken(Seq::new(77)));
        DurableState {
            role: DurableRole::Replica {
                host: "fe80::1%eth0".to_owned(),
                port: 6666,
            },
            pending_offer: Some(PendingOffer {
                target: Address::new("node-b.example", 1),
                token: token(3),
            }),
            takeovers,
            synced_seq: Some(Seq::MAX),
            clean_stop: true,
        }
    }

    #[test]
    fn the_text_is_as_documented() {
        let text = String::from_utf8(full().encode(7)).unwrap();
        let body = format!(
            "stillpoint-state 1\nversion 7\nrole replica fe80::1%25eth0 6666\npending-offer node-b.example 1 {RUN}-3\n\
             takeover {RUN}-1 cancelled\ntakeover {RUN}-2 taken 77\nsynced-seq 72057594037927935\nclean-stop yes\n"
        );
        assert_eq!(
            text,
            format!("{body}crc32c {:08x}\n", crc32c(body.as_bytes()))
        );
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(DurableState::decode(&full().encode(1)), Ok((1, full())));
        let plain = DurableState::default();
        assert_eq!(
            DurableState::decode(&plain.encode(u64::MAX)),
            Ok((u64::MAX, plain))
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = full().encode(3);
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                assert!(
                    DurableState::decode(&flipped).is_err(),
                    "bit {bit} of byte {index}"
                );
            }
            assert!(
                DurableState::decode(&bytes[..index]).is_err(),
                "cut at {index}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_host_comes_back(host in ".*", port in any::<u16>()) {
            let state = DurableState { role: DurableRole::Replica { host, port }, ..full() };
            prop_assert_eq!(DurableState::decode(&state.encode(2)), Ok((2, state)));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = DurableState::decode(&bytes);
        }
    }

    #[test]
    fn lines_with_a_wrong_token_are_not_understood() {
        for line in [
            "pending-offer b 1 x-1",
            "takeover x-1 cancelled",
            "takeover",
            "pending-offer b 1",
        ] {
            let body = format!("{HEADER}\nrole primary\n{line}\n");
            let bytes = format!("{body}crc32c {:08x}\n", crc32c(body.as_bytes()));
            let error = DecodeError::Damaged(format!("the line '{line}' is not understood"));
            assert_eq!(DurableState::decode(bytes.as_bytes()), Err(error));
        }
    }

    #[test]
    fn the_longest_state_fits_its_bound() {
        let mut state = full();
        for run in 0..100 {
            let token = Token::parse(format!("{run:040x}-{}", u64::MAX).as_bytes()).unwrap();
            state.takeovers.record(token, Fate::Taken(Seq::MAX));
        }
        assert!(state.encode(u64::MAX).len() < COPY_BYTES / 2);
    }

    #[test]
    fn a_newer_file_is_named_as_such() {
        let newer = b"stillpoint-state 2\nanything\n";
        assert_eq!(
            DurableState::decode(newer),
            Err(DecodeError::Newer("stillpoint-state 2".to_owned()))
        );
    }
}
