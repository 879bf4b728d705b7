//! The pair that a writer has in flight: what is owed, what each answer means, and what the ledger notes of it.

use std::collections::VecDeque;

use crate::WriterFailed;
use crate::keys::{counter_key, set_key, value};
use crate::ledger::Ledger;
use crate::resp;

/// Longer than any kill: what is answered then is unknown, as with a broken connection.
const WAIT_MS: &[u8] = b"10000";

/// How much of an answer an error message shows.
const SHOWN_BYTES: usize = 200;

/// One command of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// `SET` of the pair's key.
    Set,
    /// `INCR` of the writer's counter.
    Incr,
    /// `WAIT 1`: until a replica has both.
    Wait,
}

/// What an answer said.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The write was done.
    Done,
    /// It was not, and shall be sent to another node.
    Refused,
    /// The answer to WAIT: how many writes no replica is known to have, which are now unknown.
    Replicated { unknown: u64 },
}

/// A writer's pair, one after the other, and its ledger. Knows nothing of connections.
pub struct Pair {
    writer: usize,
    /// Whether each pair is followed by WAIT.
    waits: bool,
    number: u64,
    /// The commands of the pair that have no answer yet.
    owed: VecDeque<Command>,
    /// Those that were refused, to be sent again.
    refused: VecDeque<Command>,
    /// Those that were answered, and that no replica is known to have; with `waits` alone.
    held: Vec<Command>,
    /// What was promised so far.
    pub ledger: Ledger,
}

impl Pair {
    /// No pair yet; the first has number 1.
    pub fn new(writer: usize, waits: bool) -> Pair {
        Pair {
            writer,
            waits,
            number: 0,
            owed: VecDeque::new(),
            refused: VecDeque::new(),
            held: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// Begins the next pair; the one before must be over.
    pub fn begin(&mut self) {
        assert!(self.owed.is_empty() && self.refused.is_empty() && self.held.is_empty());
        self.number += 1;
        self.owed.extend([Command::Set, Command::Incr]);
        if self.waits {
            self.owed.push_back(Command::Wait);
        }
    }

    /// Whether answers are still to come.
    pub fn is_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Appends the bytes of what is owed.
    pub fn request(&self, output: &mut Vec<u8>) {
        for command in &self.owed {
            match command {
                Command::Set => {
                    let key = set_key(self.writer, self.number);
                    resp::encode(output, &[b"SET", &key, &value(self.number)]);
                }
                Command::Incr => resp::encode(output, &[b"INCR", &counter_key(self.writer)]),
                Command::Wait => resp::encode(output, &[b"WAIT", b"1", WAIT_MS]),
            }
        }
    }

    /// Takes the answer to the next command that is owed; fails on one that no switch explains.
    pub fn answered(&mut self, line: &[u8]) -> Result<Answer, WriterFailed> {
        let command = self.owed.pop_front();
        match (command, resp::integer(line)) {
            (Some(Command::Wait), Some(replicas)) if self.refused.is_empty() => {
                return Ok(Answer::Replicated {
                    unknown: self.replicated(replicas > 0),
                });
            }
            (Some(Command::Set), _) if line == b"+OK" => self.acknowledged(Command::Set),
            (Some(Command::Incr), Some(_)) => self.acknowledged(Command::Incr),
            (Some(command), _) if resp::is_redirection(line) => {
                self.refused.push_back(command);
                return Ok(Answer::Refused);
            }
            _ => {
                let what = match command {
                    Some(Command::Set) => "SET",
                    Some(Command::Incr) => "INCR",
                    Some(Command::Wait) => "WAIT",
                    None => "nothing",
                };
                let shown = line[..line.len().min(SHOWN_BYTES)].escape_ascii();
                return Err(WriterFailed(format!("{what} was answered \"{shown}\"")));
            }
        }
        Ok(Answer::Done)
    }

    fn acknowledged(&mut self, command: Command) {
        if self.waits {
            self.held.push(command);
        } else {
            self.count(command);
        }
    }

    /// What was held is acknowledged, or unknown; how many are.
    fn replicated(&mut self, by_a_replica: bool) -> u64 {
        if !by_a_replica {
            return self.give_up();
        }
        for command in std::mem::take(&mut self.held) {
            self.count(command);
        }
        0
    }

    fn count(&mut self, command: Command) {
        match command {
            Command::Set => self.ledger.set_acked(self.number),
            Command::Incr => self.ledger.incr_acked += 1,
            Command::Wait => {}
        }
    }

    /// Notes what is owed or held as unknown; how many writes that is.
    pub fn give_up(&mut self) -> u64 {
        let mut count = 0;
        for command in self.held.drain(..).chain(self.owed.drain(..)) {
            match command {
                Command::Set => self.ledger.set_unknown(self.number),
                Command::Incr => self.ledger.incr_unknown += 1,
                Command::Wait => continue,
            }
            count += 1;
        }
        count
    }

    /// When nothing is owed: what was refused is owed again. Whether there is any.
    pub fn send_again(&mut self) -> bool {
        assert!(self.owed.is_empty());
        std::mem::swap(&mut self.owed, &mut self.refused);
        self.is_owed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READONLY: &[u8] = b"-READONLY You can't write against a read only replica.";

    fn begun(waits: bool) -> Pair {
        let mut pair = Pair::new(0, waits);
        pair.begin();
        pair
    }

    fn request(pair: &Pair) -> Vec<u8> {
        let mut output = Vec::new();
        pair.request(&mut output);
        output
    }

    /// Acknowledged and unknown SETs, acknowledged and unknown INCRs.
    fn counts(pair: &Pair) -> (usize, usize, u64, u64) {
        let ledger = &pair.ledger;
        (
            ledger.acked().count(),
            ledger.unknown().count(),
            ledger.incr_acked,
            ledger.incr_unknown,
        )
    }

    #[test]
    fn a_pair_is_set_and_incr() {
        let mut pair = begun(false);
        let mut expected = b"*3\r\n$3\r\nSET\r\n$4\r\nw0:1\r\n$2048\r\n".to_vec();
        expected.extend_from_slice(&value(1));
        expected.extend_from_slice(b"\r\n*2\r\n$4\r\nINCR\r\n$10\r\nw0:counter\r\n");
        assert_eq!(request(&pair), expected);
        assert_eq!(pair.answered(b"+OK").expect("done"), Answer::Done);
        assert_eq!(counts(&pair), (1, 0, 0, 0));
        assert!(pair.is_owed());
        assert_eq!(pair.answered(b":1").expect("done"), Answer::Done);
        assert_eq!(counts(&pair), (1, 0, 1, 0));
        assert!(!pair.is_owed() && !pair.send_again());
    }

    #[test]
    fn what_is_refused_is_sent_again_and_nothing_else() {
        let mut pair = begun(false);
        assert_eq!(pair.answered(b"+OK").expect("done"), Answer::Done);
        assert_eq!(pair.answered(READONLY).expect("refused"), Answer::Refused);
        assert!(!pair.is_owed() && pair.send_again());
        assert_eq!(request(&pair), b"*2\r\n$4\r\nINCR\r\n$10\r\nw0:counter\r\n");
        assert_eq!(pair.answered(b":7").expect("done"), Answer::Done);
        assert_eq!(counts(&pair), (1, 0, 1, 0));
    }

    #[test]
    fn a_broken_connection_leaves_what_is_owed_unknown_and_the_refused_to_be_sent() {
        let mut pair = begun(false);
        assert_eq!(pair.answered(READONLY).expect("refused"), Answer::Refused);
        assert_eq!(pair.give_up(), 1);
        assert_eq!(counts(&pair), (0, 0, 0, 1));
        assert!(pair.send_again());
        assert_eq!(pair.answered(b"+OK").expect("done"), Answer::Done);
        assert_eq!(counts(&pair), (1, 0, 0, 1));
        assert_eq!(pair.give_up(), 0);
    }

    #[test]
    fn with_wait_a_replica_must_have_it() {
        let mut pair = begun(true);
        assert!(request(&pair).ends_with(b"*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$5\r\n10000\r\n"));
        for line in [&b"+OK"[..], b":1"] {
            assert_eq!(pair.answered(line).expect("done"), Answer::Done);
        }
        assert_eq!(counts(&pair), (0, 0, 0, 0));
        assert_eq!(
            pair.answered(b":2").expect("replicated"),
            Answer::Replicated { unknown: 0 }
        );
        assert_eq!(counts(&pair), (1, 0, 1, 0));
    }

    #[test]
    fn with_wait_what_no_replica_has_is_unknown() {
        let mut pair = begun(true);
        for line in [&b"+OK"[..], b":1"] {
            assert_eq!(pair.answered(line).expect("done"), Answer::Done);
        }
        assert_eq!(
            pair.answered(b":0").expect("not replicated"),
            Answer::Replicated { unknown: 2 }
        );
        assert_eq!(counts(&pair), (0, 1, 0, 1));
        // And with a connection that breaks in between: one answered, one not.
        pair.begin();
        assert_eq!(pair.answered(b"+OK").expect("done"), Answer::Done);
        assert_eq!(pair.give_up(), 2);
        assert_eq!(counts(&pair), (0, 2, 0, 2));
        pair.begin();
    }

    #[test]
    fn what_no_switch_explains_is_a_failure() {
        for (line, words) in [
            (&b"-ERR out of \"luck\""[..], "SET was answered"),
            (b":1", "SET was answered \":1\""),
            (b"+QUEUED", "SET"),
        ] {
            let failure = begun(false).answered(line).expect_err("a failure");
            assert!(failure.0.contains(words), "{failure}");
        }
        let failure = Pair::new(0, false).answered(b"+OK").expect_err("a failure");
        assert_eq!(failure.0, "nothing was answered \"+OK\"");
        let mut pair = begun(false);
        assert_eq!(pair.answered(b"+OK").expect("done"), Answer::Done);
        assert!(pair.answered(b"+OK").is_err());
        let mut pair = begun(true);
        for line in [READONLY, READONLY] {
            assert_eq!(pair.answered(line).expect("refused"), Answer::Refused);
        }
        // Where writes were refused, WAIT has nothing to wait for.
        assert!(pair.answered(b":1").is_err());
    }
}
