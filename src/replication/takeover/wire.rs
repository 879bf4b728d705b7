//! What old primary and target say to each other about a takeover: tokens, requests and answers, as bytes.
//!
//! Requests are commands of an ordinary, authenticated connection to the target's client port:
//!
//! ```text
//! REPLCONF TAKEOVER OFFER <token> <replication-id> <seq> <host> <port> [FORCE]
//! REPLCONF TAKEOVER CANCEL <token>      cancels a token that was not taken; from then on it is never honored
//! REPLCONF TAKEOVER STATE <token>       asks and changes nothing; the first question on each connection, to see who is there
//! ```
//!
//! `<host> <port>` is where the old primary is reached by its replicas, `<seq>` the last update of its history. The answer is one line:
//!
//! | line | answers | meaning |
//! | --- | --- | --- |
//! | `+TAKEN <seq>` | all | the token was taken: this node is, or was, the primary from `seq` on |
//! | `+CANCELLED` | CANCEL, STATE | the token is cancelled, on disk |
//! | `+UNSEEN` | STATE | nothing is known of the token |
//! | `+DECIDING` | STATE | it is being taken or cancelled at this moment |
//! | `-REFUSED <reason>` | OFFER | the offer is refused and its token cancelled, on disk |
//! | any other error | all | nothing is decided by this answer |
//!
//! Only TAKEN, CANCELLED and REFUSED are definite. An older release and a foreign server answer an error, which decides nothing.

use std::fmt;

use crate::error::{ReplyError, SYNTAX};
use crate::limits::HOST_BYTES_MAX;
use crate::resp::Args;
use crate::storage::seq::Seq;
use crate::text::int::parse_u64;

/// Bytes of a replication id in an offer: Kvrocks's and ours have 16, Redis's 40.
pub const REPLICATION_ID_BYTES_MAX: usize = 40;
/// Bytes of a reason in an answer; the rest is cut off.
pub const REASON_BYTES_MAX: usize = 256;
/// Bytes of one answer's line with its end; a longer one is not an answer.
pub const ANSWER_BYTES_MAX: usize = 512;
/// Digits of a run id.
const RUN_ID_LEN: usize = 40;

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// `host` and `port` together.
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        Address {
            host: host.into(),
            port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Names one run of a server: 40 lower-case hexadecimal digits, drawn at each start (`run_id` in INFO).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; RUN_ID_LEN]);

impl RunId {
    /// The run id of these digits; every byte that is no lower-case hexadecimal digit counts as a zero.
    pub fn from_digits(digits: [u8; RUN_ID_LEN]) -> RunId {
        RunId(digits.map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'f' => byte,
            _ => b'0',
        }))
    }

    /// Reads a run id; `None` if it is not 40 lower-case hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<RunId> {
        let digits: [u8; RUN_ID_LEN] = text.try_into().ok()?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        digits.iter().all(is_digit).then_some(RunId(digits))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|&digit| write!(f, "{}", digit as char))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names one attempt to hand over: the run that makes it, and which of its attempts. Written `<run id>-<count>`.
///
/// Tokens of one run are ordered, so that a target can forget the older ones of a run and still refuse them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The run of the old primary.
    pub run_id: RunId,
    /// From 1 up.
    pub count: u64,
}

impl Token {
    /// Reads a token; `None` if it is not written as [`Token`] is displayed.
    pub fn parse(text: &[u8]) -> Option<Token> {
        let (run_id, rest) = text.split_at_checked(RUN_ID_LEN)?;
        let count = parse_u64(rest.strip_prefix(b"-")?)?;
        Some(Token {
            run_id: RunId::parse(run_id)?,
            count: (count > 0).then_some(count)?,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run_id, self.count)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An offer to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub token: Token,
    /// The id of the history that is offered.
    pub replication_id: String,
    /// Its last update.
    pub seq: Seq,
    /// Take over even if the last updates are missing.
    pub force: bool,
    /// Where the old primary is reached.
    pub from: Address,
}

/// What an old primary asks of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Take over.
    Offer(Offer),
    /// Never honor this token, unless it was taken.
    Cancel(Token),
    /// What became of this token.
    State(Token),
}

impl Request {
    /// Reads `REPLCONF TAKEOVER ...`; `args` are all of the command's. Names of options are read in any case.
    ///
    /// Errors: `ERR syntax error`, or which argument is wrong; nothing has been changed then.
    pub fn parse(args: Args<'_>) -> Result<Request, ReplyError> {
        const TOKEN: ReplyError = ReplyError::fixed("ERR Invalid takeover token");
        let token = || args.get(3).and_then(Token::parse).ok_or(TOKEN);
        if args.len() < 4 {
            return Err(SYNTAX);
        }
        match args.len() {
            4 if args.is(2, "cancel") => Ok(Request::Cancel(token()?)),
            4 if args.is(2, "state") => Ok(Request::State(token()?)),
            8 | 9 if args.is(2, "offer") => {
                if args.len() == 9 && !args.is(8, "force") {
                    return Err(SYNTAX);
                }
                const ID: ReplyError = ReplyError::fixed("ERR Invalid replication id");
                const SEQ: ReplyError = ReplyError::fixed("ERR Invalid sequence number");
                const ADDRESS: ReplyError = ReplyError::fixed("ERR Invalid address");
                Ok(Request::Offer(Offer {
                    token: token()?,
                    replication_id: word(args.at(4), REPLICATION_ID_BYTES_MAX).ok_or(ID)?,
                    seq: seq(args.at(5)).ok_or(SEQ)?,
                    force: args.len() == 9,
                    from: Address {
                        host: word(args.at(6), HOST_BYTES_MAX).ok_or(ADDRESS)?,
                        port: port(args.at(7)).ok_or(ADDRESS)?,
                    },
                }))
            }
            _ => Err(SYNTAX),
        }
    }

    /// The request as the bytes of a command.
    pub fn encode(&self) -> Vec<u8> {
        let mut words = vec!["REPLCONF".to_owned(), "TAKEOVER".to_owned()];
        match self {
            Request::Offer(offer) => {
                words.extend([
                    "OFFER".to_owned(),
                    offer.token.to_string(),
                    offer.replication_id.clone(),
                    offer.seq.to_string(),
                    offer.from.host.clone(),
                    offer.from.port.to_string(),
                ]);
                words.extend(offer.force.then(|| "FORCE".to_owned()));
            }
            Request::Cancel(token) => words.extend(["CANCEL".to_owned(), token.to_string()]),
            Request::State(token) => words.extend(["STATE".to_owned(), token.to_string()]),
        }
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        bytes.into_bytes()
    }
}

/// Printable text without a space, from 1 to `bytes_max` bytes.
fn word(bytes: &[u8], bytes_max: usize) -> Option<String> {
    let is_word =
        !bytes.is_empty() && bytes.len() <= bytes_max && bytes.iter().all(u8::is_ascii_graphic);
    is_word.then(|| String::from_utf8_lossy(bytes).into_owned())
}

fn seq(text: &[u8]) -> Option<Seq> {
    parse_u64(text).map(Seq::new).filter(|&seq| seq <= Seq::MAX)
}

fn port(text: &[u8]) -> Option<u16> {
    let port = u16::try_from(parse_u64(text)?).ok()?;
    (port > 0).then_some(port)
}

/// What a target answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is, or was, the primary from here on.
    Taken(Seq),
    /// The token is cancelled, on disk.
    Cancelled,
    /// Nothing is known of the token.
    Unseen,
    /// The token is being taken or cancelled.
    Deciding,
    /// The offer is refused and its token cancelled, on disk; why.
    Refused(String),
    /// Nothing is decided by this answer; why.
    TryAgain(String),
}

impl Answer {
    /// Reads a line of the target, with or without its end. Never fails: what is not understood decides nothing.
    pub fn parse(line: &[u8]) -> Answer {
        let strange = || Answer::TryAgain(format!("it answered '{}'", reason(line)));
        if line.len() > ANSWER_BYTES_MAX {
            return strange();
        }
        match line.trim_ascii_end() {
            b"+CANCELLED" => Answer::Cancelled,
            b"+UNSEEN" => Answer::Unseen,
            b"+DECIDING" => Answer::Deciding,
            line => {
                if let Some(taken) = line.strip_prefix(b"+TAKEN ") {
                    return seq(taken).map_or_else(strange, Answer::Taken);
                }
                match line.strip_prefix(b"-REFUSED ") {
                    Some(why) => Answer::Refused(reason(why)),
                    None => strange(),
                }
            }
        }
    }

    /// The answer as the bytes of a reply, the same in RESP2 and RESP3.
    pub fn encode(&self) -> Vec<u8> {
        let line = match self {
            Answer::Taken(seq) => format!("+TAKEN {seq}\r\n"),
            Answer::Cancelled => "+CANCELLED\r\n".to_owned(),
            Answer::Unseen => "+UNSEEN\r\n".to_owned(),
            Answer::Deciding => "+DECIDING\r\n".to_owned(),
            Answer::Refused(why) => format!("-REFUSED {}\r\n", reason(why.as_bytes())),
            Answer::TryAgain(why) => format!("-TRYAGAIN {}\r\n", reason(why.as_bytes())),
        };
        line.into_bytes()
    }
}

/// A peer's words as they may stand in one line of a reply or a log: printable, and cut to a bound.
fn reason(bytes: &[u8]) -> String {
    let shown = &bytes.trim_ascii()[..bytes.trim_ascii().len().min(REASON_BYTES_MAX)];
    let printable = |byte: &u8| match byte {
        b' '..=b'~' => *byte as char,
        _ => '?',
    };
    shown.iter().map(printable).collect()
}

#[cfg(test)]
mod tests;
