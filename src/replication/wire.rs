//! What a replica sends to get a link, in exact bytes, and what the lines that come back mean. Pure.
//!
//! Requests are RESP arrays; answers are bare lines that end in CR LF, with or without a RESP type in front (`_db_name` and
//! `_fetch_meta` answer without). Source: `kvrocks-replication.md` sections 2 to 5.

use bytes::{Buf, Bytes, BytesMut};

use super::parting::Parted;
use crate::limits::{CHAIN_NODES_MAX, LINK_LINE_BYTES_MAX};
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;
use crate::text::int::{parse_u64, write_u64};

/// The version of what two Stillpoints do beyond Kvrocks's protocol. The lower one of both sides holds.
pub const EXTRAS_VERSION: u64 = 1;

/// Digits of a run id.
const RUN_ID_DIGITS: usize = 40;

/// One request of a replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// `AUTH [user] password`
    Auth {
        user: Option<&'a [u8]>,
        password: &'a [u8],
    },
    /// `_db_name`: asks for the setting `db-name`, which must be the same.
    DbName,
    /// `replconf listening-port <port> [ip-address <ip>]`: where clients reach this replica.
    Address { port: u16, ip: Option<&'a str> },
    /// `replconf stillpoint <version> run-id <id>`: this is a Stillpoint; is that one too?
    Extras { run_id: &'a str },
    /// `PSYNC [<id>] <next>`: the stream from `next` on.
    Psync {
        id: Option<ReplicationId>,
        next: Seq,
    },
    /// `_fetch_meta`: the files of a checkpoint.
    FetchMeta,
    /// `_fetch_file <names>`: the contents of these, comma-separated.
    FetchFile { names: &'a [u8] },
    /// `replconf ack <seq>`: everything up to here is applied.
    Ack { seq: Seq },
}

impl Request<'_> {
    /// Appends the request's bytes. The spelling of each word is Kvrocks's.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Request::Auth { user, password } => match user {
                None => push_array(out, &[b"AUTH", password]),
                Some(user) => push_array(out, &[b"AUTH", user, password]),
            },
            Request::DbName => push_array(out, &[b"_db_name"]),
            Request::Address { port, ip } => {
                let port = decimal(u64::from(port));
                match ip {
                    None => push_array(out, &[b"replconf", b"listening-port", &port]),
                    Some(ip) => {
                        let ip = ip.as_bytes();
                        push_array(
                            out,
                            &[b"replconf", b"listening-port", &port, b"ip-address", ip],
                        )
                    }
                }
            }
            Request::Extras { run_id } => {
                let version = decimal(EXTRAS_VERSION);
                let run_id = run_id.as_bytes();
                push_array(
                    out,
                    &[b"replconf", b"stillpoint", &version, b"run-id", run_id],
                )
            }
            Request::Psync { id, next } => {
                let next = decimal(next.get());
                match id {
                    None => push_array(out, &[b"PSYNC", &next]),
                    Some(id) => push_array(out, &[b"PSYNC", id.as_bytes(), &next]),
                }
            }
            Request::FetchMeta => push_array(out, &[b"_fetch_meta"]),
            Request::FetchFile { names } => push_array(out, &[b"_fetch_file", names]),
            Request::Ack { seq } => {
                push_array(out, &[b"replconf", b"ack", &decimal(seq.get())]);
            }
        }
    }

    /// The request's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

fn push_array(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.push(b'*');
    write_u64(out, words.len() as u64);
    out.extend_from_slice(b"\r\n");
    for word in words {
        out.push(b'$');
        write_u64(out, word.len() as u64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn decimal(number: u64) -> Vec<u8> {
    let mut digits = Vec::with_capacity(20);
    write_u64(&mut digits, number);
    digits
}

/// A line is longer than it may be: the peer does not speak this protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineTooLong;

/// Takes one line off the front of what arrived; remembers how far it has looked, so that bytes that come one by one cost no
/// more than those that come at once.
#[derive(Debug)]
pub struct LineReader {
    searched: usize,
    bytes_max: usize,
}

impl LineReader {
    /// Reads lines of at most so many bytes, without their ends.
    pub fn new(bytes_max: usize) -> LineReader {
        LineReader {
            searched: 0,
            bytes_max,
        }
    }

    /// The next line without its end (CR LF, or LF alone), or `None` when it is not whole yet. Nothing is copied.
    pub fn take(&mut self, arrived: &mut BytesMut) -> Result<Option<Bytes>, LineTooLong> {
        let Some(found) = memchr::memchr(b'\n', &arrived[self.searched..]) else {
            self.searched = arrived.len();
            // One more for the CR of an end that is not whole yet.
            return if self.searched > self.bytes_max + 1 {
                Err(LineTooLong)
            } else {
                Ok(None)
            };
        };
        let end = self.searched + found;
        self.searched = 0;
        let mut line = arrived.split_to(end);
        arrived.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(end - 1);
        }
        if line.len() > self.bytes_max {
            return Err(LineTooLong);
        }
        Ok(Some(line.freeze()))
    }
}

impl Default for LineReader {
    /// For the answers of the handshake.
    fn default() -> LineReader {
        LineReader::new(LINK_LINE_BYTES_MAX)
    }
}

/// What an answer of the primary means to the handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer<'a> {
    /// Exactly `+OK`.
    Ok,
    /// Anything else without an error's mark, as it came: a bare line, or `+OK` with words behind it.
    Line(&'a [u8]),
    /// `-LOADING`: its database is being read or swapped.
    Loading,
    /// `-MASTERDOWN`: it is a replica itself, has lost its primary, and serves no stale data.
    MasterDown,
    /// `-NOAUTH`: it wants a password.
    NoAuth,
    /// The password, or the user, is wrong; or it has no password and ours is one too many.
    BadAuth(&'a [u8]),
    /// `-ERR unknown option`: an old Kvrocks, to `ip-address`, or any Kvrocks to an option of ours.
    UnknownOption,
    /// `-ERR wrong number of arguments...`: a Kvrocks from before 2.1, to a PSYNC with an id.
    WrongArity,
    /// PSYNC refused in words that mean "not from there": only a full copy helps. Where the histories parted, as far as it was said.
    Diverged { parted: Parted },
    /// Any other error, without its `-`.
    Error(&'a [u8]),
}

/// Kvrocks's two refusals of a PSYNC, as errors without their `-`.
pub const OUT_OF_RANGE: &str = "ERR sequence out of range, please use fullsync";
/// The other one.
pub const WRONG_ID: &str = "ERR wrong replication id of the last log";

impl<'a> Answer<'a> {
    /// Reads one line, without its end.
    pub fn read(line: &'a [u8]) -> Answer<'a> {
        let Some(error) = line.strip_prefix(b"-") else {
            return match line {
                b"+OK" => Answer::Ok,
                _ => Answer::Line(line),
            };
        };
        let is = |prefix: &str| error.starts_with(prefix.as_bytes());
        let has = |part: &str| memchr::memmem::find(error, part.as_bytes()).is_some();
        if is("LOADING") {
            Answer::Loading
        } else if is("MASTERDOWN") {
            Answer::MasterDown
        } else if is("NOAUTH") {
            Answer::NoAuth
        } else if is("WRONGPASS")
            || has("invalid password")
            || has("Invalid password")
            || has("no password is set")
            || has("without any password")
        {
            Answer::BadAuth(error)
        } else if is("ERR unknown option") {
            Answer::UnknownOption
        } else if is("ERR wrong number of arguments") {
            Answer::WrongArity
        } else if has("sequence out of range") || has("wrong replication id") {
            Answer::Diverged {
                parted: Parted::read(error),
            }
        } else {
            Answer::Error(error)
        }
    }
}

/// What another Stillpoint has said about itself, in `replconf stillpoint` ([`super::requests`]) or in the answer to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extras {
    /// What both sides do.
    pub version: u64,
    /// Run ids: its own, and for a primary those of the primaries above it, to the top.
    pub path: Vec<String>,
}

impl Extras {
    /// Reads the answer to [`Request::Extras`] (`+OK <version> <run id> ...`); `None` for anything else, a bare `+OK`
    /// included: the peer knows nothing beyond Kvrocks's protocol. Words behind what is known here are a later version's,
    /// and skipped by it.
    pub fn read_answer(line: &[u8]) -> Option<Extras> {
        let mut words = line.strip_prefix(b"+OK ")?.split(|byte| *byte == b' ');
        let version = parse_u64(words.next()?)?.min(EXTRAS_VERSION);
        let path = read_path(words)?;
        (version > 0 && !path.is_empty()).then_some(Extras { version, path })
    }

    /// The line, without its end, that answers a replica which has asked with `version`. `path` begins with this node's own
    /// run id.
    pub fn answer(version: u64, path: &[String]) -> String {
        format!("+OK {} {}", version.min(EXTRAS_VERSION), path.join(" "))
    }
}

/// Run ids, at most as many as a chain may be long.
pub(super) fn read_path<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<Vec<String>> {
    let path: Vec<String> = words
        .take(CHAIN_NODES_MAX + 1)
        .map(read_run_id)
        .collect::<Option<_>>()?;
    (path.len() <= CHAIN_NODES_MAX).then_some(path)
}

/// A run id: forty hexadecimal digits.
pub(super) fn read_run_id(word: &[u8]) -> Option<String> {
    let is_id = word.len() == RUN_ID_DIGITS && word.iter().all(u8::is_ascii_hexdigit);
    is_id.then(|| String::from_utf8_lossy(word).into_owned())
}

#[cfg(test)]
mod tests;
