//! What a run is made of. A run is a list of steps that follows from its seed alone, never from a reply: so it can be
//! replayed, and any part of it can be left out to find out what matters.

use crate::common::{show, show_args};
use crate::grammar::Args;

/// How many data connections each server gets.
pub const DATA_CONNS: usize = 2;
/// How many subscriber connections each server gets.
pub const SUBSCRIBERS: usize = 2;

/// What a key is given that shall expire: on a busy machine one millisecond is over before the command that sets it.
pub const SHORT_LIFE_MS: &[u8] = b"20";

/// One step, done on both servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Commands on a data connection that belong together; each has exactly one reply.
    Commands { conn: usize, commands: Vec<Args> },
    /// Commands on a subscriber connection; all frames up to the next fence are compared.
    Subscriber { conn: usize, commands: Vec<Args> },
    /// Raw bytes on a connection of their own; everything up to its end is compared.
    Raw { bytes: Vec<u8> },
    /// A whole SCAN, HSCAN, SSCAN or ZSCAN: `before`, the cursor, `after`, until the cursor is 0 again.
    Scan {
        db: usize,
        before: Args,
        after: Args,
    },
    /// DUMP of a key on one server, or each on its own, then RESTORE of the payload.
    DumpRestore {
        db: usize,
        source: Vec<u8>,
        target: Vec<u8>,
        options: Args,
        payload: Payload,
    },
    /// Clients that block on keys of `db`, and what another client then does (`scenarios.rs`).
    Blocked {
        resp3: bool,
        db: usize,
        clients: Vec<Args>,
        then: Vec<Args>,
    },
    /// A time to live of a millisecond: waits until both servers say that the key is gone.
    Expires { db: usize, key: Vec<u8> },
    /// `notify-keyspace-events`: from here on, what a client is told about keys is compared too (`events.rs`).
    Notify { classes: String },
}

/// Whose DUMP payload is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Each server restores what it dumped itself.
    Own,
    /// Both restore what the oracle dumped: Redis's encodings must be read.
    Oracles,
    /// Both restore what the server under test dumped: Redis must read it.
    Tested,
}

impl Step {
    /// The commands in it, for those that look for keys; empty for raw input.
    pub fn commands(&self) -> Vec<Args> {
        match self {
            Step::Commands { commands, .. } | Step::Subscriber { commands, .. } => commands.clone(),
            Step::Raw { .. } => Vec::new(),
            Step::Scan { before, after, .. } => {
                vec![[&before[..], &[b"0".to_vec()], after].concat()]
            }
            Step::DumpRestore { source, target, .. } => {
                vec![
                    vec![b"DUMP".to_vec(), source.clone()],
                    vec![b"RESTORE".to_vec(), target.clone()],
                ]
            }
            Step::Blocked { clients, then, .. } => [&clients[..], then].concat(),
            Step::Expires { key, .. } => {
                vec![vec![
                    b"PEXPIRE".to_vec(),
                    key.clone(),
                    SHORT_LIFE_MS.to_vec(),
                ]]
            }
            Step::Notify { classes } => {
                let setting = ["CONFIG", "SET", "notify-keyspace-events", classes];
                vec![setting.map(|word| word.as_bytes().to_vec()).to_vec()]
            }
        }
    }
}

/// One line a step, as a person would type it.
impl std::fmt::Display for Step {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |commands: &[Args]| {
            commands
                .iter()
                .map(|args| show_args(args))
                .collect::<Vec<_>>()
                .join(" ; ")
        };
        match self {
            Step::Commands { conn, commands } => write!(out, "c{conn}: {}", list(commands)),
            Step::Subscriber { conn, commands } => write!(out, "sub{conn}: {}", list(commands)),
            Step::Raw { bytes } => write!(out, "raw: {}", show(bytes)),
            Step::Scan { db, before, after } => {
                write!(
                    out,
                    "db{db}: {} CURSOR {}",
                    show_args(before),
                    show_args(after)
                )
            }
            Step::DumpRestore {
                db,
                source,
                target,
                options,
                payload,
            } => write!(
                out,
                "db{db}: RESTORE {} {} {payload:?} payload of DUMP {}",
                show_args(&[target]),
                show_args(options),
                show_args(&[source])
            ),
            Step::Blocked {
                resp3,
                db,
                clients,
                then,
            } => {
                write!(
                    out,
                    "db{db}, resp3 {resp3}: blocked [{}] then [{}]",
                    list(clients),
                    list(then)
                )
            }
            Step::Expires { db, key } => write!(
                out,
                "db{db}: PEXPIRE {} 20, wait until it is gone",
                show_args(&[key])
            ),
            Step::Notify { .. } => write!(out, "{}", list(&self.commands())),
        }
    }
}
