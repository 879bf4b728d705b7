//! How a primary reads what a replica asks for: the arguments of `replconf` and `PSYNC`. Pure.
//!
//! Source: `kvrocks-replication.md` section 3 (Kvrocks commands/cmd_replication.cc). Both run before a peer is known to be
//! anything but some client, so what they say is checked like any client's, and what is shown in INFO later holds no
//! separator of its lines.

use super::wire::{EXTRAS_VERSION, Extras, WRONG_ID, read_run_id};
use crate::error::{NOT_AN_INTEGER, ReplyError};
use crate::limits::HOST_BYTES_MAX;
use crate::storage::replication_id::{REPLICATION_ID_BYTES, ReplicationId};
use crate::storage::seq::Seq;
use crate::text::int::parse_u64;

/// To an option that is not known: what a Stillpoint hears from a Kvrocks.
const UNKNOWN_OPTION: ReplyError = ReplyError::fixed("ERR unknown option");
/// To an option without a value.
const WRONG_ARITY: ReplyError = ReplyError::fixed("ERR wrong number of arguments");
/// To a PSYNC with an id that is too long or too short.
const WRONG_ID_LENGTH: ReplyError = ReplyError::fixed("ERR Wrong replication id length");
/// To a PSYNC without a number.
const NOT_UNSIGNED: ReplyError =
    ReplyError::fixed("ERR value is not an unsigned long long or out of range");
/// To an address that no node can have.
const BAD_ADDRESS: ReplyError = ReplyError::fixed("ERR invalid ip-address");
/// To a Stillpoint that presents itself in other words.
const BAD_EXTRAS: ReplyError = ReplyError::fixed("ERR invalid stillpoint option");

/// Kvrocks takes ports up to here.
const PORT_MAX: u64 = 65534;

/// What `replconf` has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOptions {
    /// `listening-port`
    pub port: Option<u16>,
    /// `ip-address`
    pub ip: Option<String>,
    /// `stillpoint <version> run-id <id>`: the peer is one of us. To be answered with [`Extras::answer`].
    pub extras: Option<Extras>,
}

impl ReplicaOptions {
    /// Reads the words behind `replconf`, in pairs; names in any case. The first option that is wrong fails the whole
    /// command.
    pub fn read(words: &[&[u8]]) -> Result<ReplicaOptions, ReplyError> {
        let mut options = ReplicaOptions::default();
        let mut version = None;
        let mut run_id = None;
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                return Err(WRONG_ARITY);
            };
            match &name.to_ascii_lowercase()[..] {
                b"listening-port" => {
                    let port = parse_u64(value).filter(|port| (1..=PORT_MAX).contains(port));
                    options.port = Some(port.ok_or(NOT_AN_INTEGER)? as u16);
                }
                b"ip-address" => options.ip = Some(read_address(value).ok_or(BAD_ADDRESS)?),
                b"stillpoint" => {
                    let known = parse_u64(value).filter(|version| *version > 0);
                    version = Some(known.ok_or(BAD_EXTRAS)?);
                }
                b"run-id" => run_id = Some(read_run_id(value).ok_or(BAD_EXTRAS)?),
                _ => return Err(UNKNOWN_OPTION),
            }
        }
        options.extras = match (version, run_id) {
            (None, None) => None,
            (Some(version), Some(run_id)) => Some(Extras {
                version: version.min(EXTRAS_VERSION),
                path: vec![run_id],
            }),
            _ => return Err(BAD_EXTRAS),
        };
        Ok(options)
    }
}

/// A host name or address: nothing that could end a field or a line of INFO.
fn read_address(value: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".:-_%".contains(byte);
    let is_good = (1..=HOST_BYTES_MAX).contains(&value.len()) && value.iter().all(is_plain);
    is_good.then(|| String::from_utf8_lossy(value).into_owned())
}

/// What `PSYNC` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PsyncRequest {
    /// The id that the peer presents, if it does.
    pub id: Option<ReplicationId>,
    /// Where it wants to go on.
    pub next: Seq,
}

impl PsyncRequest {
    /// Reads the words behind `PSYNC`: with exactly two of them an id and a number, else a number first. Redis's own form
    /// (`PSYNC ? -1`) is refused by the length of its id, as by Kvrocks.
    pub fn read(words: &[&[u8]]) -> Result<PsyncRequest, ReplyError> {
        let (id, next) = match words {
            [] => return Err(WRONG_ARITY),
            [id, _] if id.len() != REPLICATION_ID_BYTES => return Err(WRONG_ID_LENGTH),
            // Sixteen bytes that are no id name no history of ours.
            [id, next] => {
                let id = ReplicationId::from_bytes(id).ok_or(ReplyError::fixed(WRONG_ID))?;
                (Some(id), next)
            }
            [next, ..] => (None, next),
        };
        let next = parse_u64(next).ok_or(NOT_UNSIGNED)?;
        Ok(PsyncRequest {
            id,
            next: Seq::new(next),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::wire::Request;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split_ascii_whitespace().map(str::as_bytes).collect()
    }

    fn options(line: &str) -> Result<ReplicaOptions, String> {
        ReplicaOptions::read(&words(line))
            .map_err(|error| String::from_utf8_lossy(error.text()).into_owned())
    }

    fn psync(line: &str) -> Result<PsyncRequest, String> {
        PsyncRequest::read(&words(line))
            .map_err(|error| String::from_utf8_lossy(error.text()).into_owned())
    }

    /// The words of a request behind its name.
    fn sent(request: Request<'_>) -> String {
        let text = String::from_utf8(request.to_bytes()).unwrap();
        let words: Vec<&str> = text.split("\r\n").skip(4).step_by(2).collect();
        words.join(" ")
    }

    #[test]
    fn a_primary_reads_what_a_replica_sends() {
        let run_id = "0".repeat(40);
        let address = Request::Address {
            port: 7777,
            ip: Some("10.0.0.2"),
        };
        let read = options(&sent(address)).unwrap();
        assert_eq!(
            (read.port, read.ip.as_deref()),
            (Some(7777), Some("10.0.0.2"))
        );
        assert_eq!(read.extras, None);
        let read = options(&sent(Request::Extras { run_id: &run_id })).unwrap();
        let path = vec![run_id];
        assert_eq!(read.extras, Some(Extras { version: 1, path }));
        for id in [None, ReplicationId::from_bytes(b"ABCDEFGHIJ012345")] {
            let next = Seq::new(951);
            assert_eq!(
                psync(&sent(Request::Psync { id, next })),
                Ok(PsyncRequest { id, next })
            );
        }
    }

    #[test]
    fn options_come_in_pairs_and_in_any_case() {
        let read = options("Listening-Port 1 IP-ADDRESS fe80::1%eth0").unwrap();
        assert_eq!(
            (read.port, read.ip.as_deref()),
            (Some(1), Some("fe80::1%eth0"))
        );
        assert_eq!(options(""), Ok(ReplicaOptions::default()));
        let id = "F".repeat(40);
        let newer = options(&format!("STILLPOINT 9 Run-Id {id}")).unwrap();
        assert_eq!(
            newer.extras.map(|extras| extras.version),
            Some(EXTRAS_VERSION)
        );
    }

    #[test]
    fn wrong_options_fail_the_whole_command() {
        let id = "a".repeat(40);
        let long = format!("ip-address {}", "a".repeat(256));
        let cases = [
            ("listening-port", "ERR wrong number of arguments"),
            ("listening-port 1 capa", "ERR wrong number of arguments"),
            ("capa eof", "ERR unknown option"),
            ("listening-port 1 capa psync2", "ERR unknown option"),
            (
                "listening-port 0",
                "ERR value is not an integer or out of range",
            ),
            (
                "listening-port 65535",
                "ERR value is not an integer or out of range",
            ),
            (
                "listening-port x",
                "ERR value is not an integer or out of range",
            ),
            ("ip-address a,port=1", "ERR invalid ip-address"),
            (&long, "ERR invalid ip-address"),
            ("stillpoint 1", "ERR invalid stillpoint option"),
            (&format!("run-id {id}"), "ERR invalid stillpoint option"),
            (
                &format!("stillpoint 0 run-id {id}"),
                "ERR invalid stillpoint option",
            ),
            ("stillpoint 1 run-id abc", "ERR invalid stillpoint option"),
        ];
        for (line, error) in cases {
            assert_eq!(options(line), Err(error.to_owned()), "{line}");
        }
        let empty = ReplicaOptions::read(&[b"ip-address", b""]);
        assert!(empty.is_err());
    }

    #[test]
    fn a_psync_is_read_as_kvrocks_reads_it() {
        let next = Seq::new(7);
        assert_eq!(psync("7"), Ok(PsyncRequest { id: None, next }));
        assert_eq!(psync("7 more words"), Ok(PsyncRequest { id: None, next }));
        for (line, error) in [
            ("", "ERR wrong number of arguments"),
            ("? -1", "ERR Wrong replication id length"),
            ("ABCDEFGHIJ01234 7", "ERR Wrong replication id length"),
            (
                "ABCDEFGHIJ01234- 7",
                "ERR wrong replication id of the last log",
            ),
            (
                "ABCDEFGHIJ012345 x",
                "ERR value is not an unsigned long long or out of range",
            ),
            (
                "-1",
                "ERR value is not an unsigned long long or out of range",
            ),
            (
                "18446744073709551616",
                "ERR value is not an unsigned long long or out of range",
            ),
        ] {
            assert_eq!(psync(line), Err(error.to_owned()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_words_panic(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6)) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let _ = ReplicaOptions::read(&words);
            let _ = PsyncRequest::read(&words);
        }

        /// Whatever address is taken is one word of one field.
        #[test]
        fn an_address_that_is_taken_cannot_end_its_field(ip in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(ReplicaOptions { ip: Some(ip), .. }) = ReplicaOptions::read(&[b"ip-address", &ip]) {
                prop_assert!(!ip.contains([',', '=', ' ', '\r', '\n', '\0']) && !ip.is_empty());
            }
        }
    }
}
