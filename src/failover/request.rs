//! `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`: its arguments, and whether it may begin.
//!
//! The order of checks is redis-server 7.0.15's, compared by hand for every combination: cluster mode, then the words from left to
//! right (an option that is given twice is a syntax error before its value is looked at), then the state of the server.

use super::sentinel;
use crate::error::{NOT_AN_INTEGER, ReplyError, SYNTAX};
use crate::replication::takeover::wire::Address;
use crate::resp::Args;
use crate::storage::seq::Seq;
use crate::text::int::parse_i64;

/// `FAILOVER ABORT` when none runs.
pub const NOT_IN_PROGRESS: ReplyError = ReplyError::fixed("ERR No failover in progress.");
/// A second one.
pub const IN_PROGRESS: ReplyError = ReplyError::fixed("ERR FAILOVER already in progress.");
/// `REPLICAOF` while one runs.
pub const REPLICAOF_REFUSED: ReplyError =
    ReplyError::fixed("ERR REPLICAOF not allowed while failing over.");
/// `FAILOVER ABORT` when nobody can say whether the target has taken over.
pub const MAY_HAVE_TAKEN_OVER: ReplyError =
    ReplyError::fixed("ERR target may have taken over; REPLICAOF NO ONE forces");

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `FAILOVER ABORT`
    Abort,
    /// Any other.
    Begin(Options),
}

/// The options of a failover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `TO host port`; as in Redis any integer passes for a port, and then names no replica.
    pub to: Option<(Vec<u8>, i64)>,
    /// `FORCE`
    pub force: bool,
    /// `TIMEOUT`, from 1 up.
    pub timeout_ms: Option<u64>,
}

/// Reads the arguments; `args` are all of the command's.
pub fn parse(args: Args<'_>) -> Result<Request, ReplyError> {
    const TIMEOUT: ReplyError = ReplyError::fixed("ERR FAILOVER timeout must be greater than 0");
    // ABORT stands alone.
    if args.len() == 2 && args.is(1, "abort") {
        return Ok(Request::Abort);
    }
    let mut options = Options::default();
    let mut at = 1;
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "timeout") && left >= 1 && options.timeout_ms.is_none() {
            let timeout_ms = parse_i64(args.at(at + 1)).ok_or(NOT_AN_INTEGER)?;
            let timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
            options.timeout_ms = Some((timeout_ms > 0).then_some(timeout_ms).ok_or(TIMEOUT)?);
            at += 2;
        } else if args.is(at, "to") && left >= 2 && options.to.is_none() {
            let port = parse_i64(args.at(at + 2)).ok_or(NOT_AN_INTEGER)?;
            options.to = Some((args.at(at + 1).to_vec(), port));
            at += 3;
        } else if args.is(at, "force") && !options.force {
            options.force = true;
            at += 1;
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(Request::Begin(options))
}

/// Cluster mode has a command of its own; checked before the arguments are read.
pub fn check_cluster(cluster_enabled: bool) -> Result<(), ReplyError> {
    const CLUSTER: ReplyError = ReplyError::fixed(
        "ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.",
    );
    if cluster_enabled {
        Err(CLUSTER)
    } else {
        Ok(())
    }
}

/// A replica of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Names its link; a replica that comes back has another.
    pub id: u64,
    /// Where it is reached, as it announced it.
    pub address: Address,
    /// It takes the stream, and it acknowledges: an older Kvrocks never does.
    pub is_online: bool,
    /// The last update that it acknowledged.
    pub acked_seq: Seq,
}

/// What the server is when FAILOVER comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It follows another node.
    pub is_replica: bool,
    /// Its replicas.
    pub replicas: Vec<Replica>,
    /// Clients that are subscribed to [`sentinel::HELLO_CHANNEL`].
    pub hello_subscribers: usize,
}

/// Whether a failover with these options may begin on a server like this, and to which replica: the named one, else the one
/// that is furthest.
pub fn choose<'a>(options: &Options, facts: &'a Facts) -> Result<&'a Replica, ReplyError> {
    const IS_REPLICA: ReplyError =
        ReplyError::fixed("ERR FAILOVER is not valid when server is a replica.");
    const NO_REPLICAS: ReplyError = ReplyError::fixed("ERR FAILOVER requires connected replicas.");
    const FORCE: ReplyError = ReplyError::fixed(
        "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
    );
    const UNKNOWN: ReplyError =
        ReplyError::fixed("ERR FAILOVER target HOST and PORT is not a replica.");
    const NOT_ONLINE: ReplyError = ReplyError::fixed("ERR FAILOVER target replica is not online.");
    if facts.is_replica {
        return Err(IS_REPLICA);
    }
    if facts.replicas.is_empty() {
        return Err(NO_REPLICAS);
    }
    if options.force && (options.timeout_ms.is_none() || options.to.is_none()) {
        return Err(FORCE);
    }
    let replica = match &options.to {
        Some((host, port)) => {
            let is_named = |replica: &&Replica| {
                let address = &replica.address;
                address.host.as_bytes().eq_ignore_ascii_case(host)
                    && i64::from(address.port) == *port
            };
            let mut named = facts.replicas.iter().filter(is_named).peekable();
            let first = *named.peek().ok_or(UNKNOWN)?;
            // A replica that has just come back may still have its old link here.
            let replica = named.find(|replica| replica.is_online).unwrap_or(first);
            replica.is_online.then_some(replica).ok_or(NOT_ONLINE)?
        }
        // Redis would wait for one to come online, with writes paused.
        None => furthest(&facts.replicas).ok_or(NOT_ONLINE)?,
    };
    sentinel::check(facts.hello_subscribers)?;
    Ok(replica)
}

/// The replica that is online and has acknowledged most; the older link among equals.
pub fn furthest(replicas: &[Replica]) -> Option<&Replica> {
    let online = replicas.iter().filter(|replica| replica.is_online);
    online.max_by_key(|replica| (replica.acked_seq, std::cmp::Reverse(replica.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    fn parsed(line: &str) -> Result<Request, String> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let request = parse(OwnedArgs::from_parts(&words).as_args());
        request.map_err(|error| String::from_utf8_lossy(error.text()).into_owned())
    }

    fn begin(
        to: Option<(&str, i64)>,
        force: bool,
        timeout_ms: Option<u64>,
    ) -> Result<Request, String> {
        let to = to.map(|(host, port)| (host.as_bytes().to_vec(), port));
        Ok(Request::Begin(Options {
            to,
            force,
            timeout_ms,
        }))
    }

    #[test]
    fn arguments_are_read_as_redis_7_0_15_reads_them() {
        let syntax = || Err("ERR syntax error".to_owned());
        let integer = || Err("ERR value is not an integer or out of range".to_owned());
        let positive = || Err("ERR FAILOVER timeout must be greater than 0".to_owned());
        let table = [
            ("FAILOVER", begin(None, false, None)),
            ("FAILOVER abort", Ok(Request::Abort)),
            ("FAILOVER ABORT ABORT", syntax()),
            ("FAILOVER abort timeout 5", syntax()),
            ("FAILOVER timeout 5 abort", syntax()),
            ("FAILOVER ABORT TO a 1", syntax()),
            ("FAILOVER ABORT foo", syntax()),
            ("FAILOVER FORCE ABORT", syntax()),
            ("FAILOVER TO a 1 ABORT", syntax()),
            ("FAILOVER TIMEOUT", syntax()),
            ("FAILOVER TIMEOUT 0", positive()),
            ("FAILOVER TIMEOUT -1", positive()),
            ("FAILOVER TIMEOUT abc", integer()),
            ("FAILOVER TIMEOUT 99999999999999999999", integer()),
            (
                "FAILOVER TIMEOUT 9223372036854775807",
                begin(None, false, Some(i64::MAX as u64)),
            ),
            ("FAILOVER TIMEOUT 5 TIMEOUT 6", syntax()),
            ("FAILOVER TIMEOUT 5 TIMEOUT 0", syntax()),
            ("FAILOVER TIMEOUT 0 TIMEOUT 5", positive()),
            ("FAILOVER FORCE", begin(None, true, None)),
            ("FAILOVER FORCE TIMEOUT 5", begin(None, true, Some(5))),
            ("FAILOVER FORCE FORCE", syntax()),
            ("FAILOVER TO", syntax()),
            ("FAILOVER TO a", syntax()),
            ("FAILOVER TO a b", integer()),
            ("FAILOVER TO a -1", begin(Some(("a", -1)), false, None)),
            (
                "FAILOVER TO a 65536",
                begin(Some(("a", 65536)), false, None),
            ),
            ("FAILOVER TO a 99999999999999999999", integer()),
            ("FAILOVER TO a 1 FORCE FORCE", syntax()),
            (
                "FAILOVER TO a 1 TIMEOUT 5 FORCE",
                begin(Some(("a", 1)), true, Some(5)),
            ),
            (
                "FAILOVER timeout 5 to a 1 force",
                begin(Some(("a", 1)), true, Some(5)),
            ),
            ("FAILOVER TO a 1 TO b 2", syntax()),
            ("FAILOVER TO a 1 TO b x", syntax()),
            (
                "FAILOVER TO timeout 5",
                begin(Some(("timeout", 5)), false, None),
            ),
            ("FAILOVER TO  1", begin(Some(("", 1)), false, None)),
            ("FAILOVER foo", syntax()),
        ];
        for (line, expected) in table {
            assert_eq!(parsed(line), expected, "{line}");
        }
    }

    fn replica(id: u64, port: u16, is_online: bool, acked: u64) -> Replica {
        Replica {
            id,
            address: Address::new("Node-B", port),
            is_online,
            acked_seq: Seq::new(acked),
        }
    }

    fn chosen(options: &Options, facts: &Facts) -> Result<u64, String> {
        let replica = choose(options, facts);
        replica
            .map(|replica| replica.id)
            .map_err(|error| String::from_utf8_lossy(error.text()).into_owned())
    }

    #[test]
    fn the_server_is_looked_at_in_redis_order() {
        let mut options = Options {
            to: None,
            force: true,
            timeout_ms: None,
        };
        let mut facts = Facts {
            is_replica: true,
            ..Facts::default()
        };
        let refused = |options: &Options, facts: &Facts| chosen(options, facts).unwrap_err();
        assert_eq!(
            refused(&options, &facts),
            "ERR FAILOVER is not valid when server is a replica."
        );
        facts.is_replica = false;
        assert_eq!(
            refused(&options, &facts),
            "ERR FAILOVER requires connected replicas."
        );
        facts.replicas = vec![replica(1, 7000, false, 9)];
        facts.hello_subscribers = 1;
        let force =
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.";
        assert_eq!(refused(&options, &facts), force);
        options.timeout_ms = Some(5);
        assert_eq!(refused(&options, &facts), force);
        options.to = Some((b"node-b".to_vec(), 7001));
        assert_eq!(
            refused(&options, &facts),
            "ERR FAILOVER target HOST and PORT is not a replica."
        );
        for wrong in [-1, 65536 + 7000] {
            options.to = Some((b"node-b".to_vec(), wrong));
            assert_eq!(
                refused(&options, &facts),
                "ERR FAILOVER target HOST and PORT is not a replica."
            );
        }
        options.to = Some((b"node-b".to_vec(), 7000));
        assert_eq!(
            refused(&options, &facts),
            "ERR FAILOVER target replica is not online."
        );
        facts.replicas[0].is_online = true;
        assert!(refused(&options, &facts).contains("Sentinel"));
        facts.hello_subscribers = 0;
        assert_eq!(chosen(&options, &facts), Ok(1));
        // A stale link of the same replica does not hide the live one.
        facts.replicas.insert(0, replica(9, 7000, false, 0));
        assert_eq!(chosen(&options, &facts), Ok(1));
    }

    #[test]
    fn without_a_name_the_furthest_online_replica_is_chosen() {
        let mut facts = Facts {
            replicas: vec![
                replica(1, 1, false, 99),
                replica(2, 2, true, 5),
                replica(3, 3, true, 8),
                replica(4, 4, true, 8),
            ],
            ..Facts::default()
        };
        assert_eq!(chosen(&Options::default(), &facts), Ok(3));
        facts.replicas.truncate(1);
        let error = chosen(&Options::default(), &facts).unwrap_err();
        assert_eq!(error, "ERR FAILOVER target replica is not online.");
    }

    #[test]
    fn cluster_mode_has_its_own_command() {
        assert!(check_cluster(false).is_ok());
        let error = check_cluster(true).unwrap_err();
        assert!(
            error
                .text()
                .ends_with(b"Use CLUSTER FAILOVER command instead.")
        );
    }
}
