//! A failover on a clock of its own, driven by hand, and what it said as words.

use crate::clock::Turn;
use crate::error::ReplyError;
use crate::failover::machine::Terms;
use crate::failover::machine::action::LinkId;
use crate::failover::report::Outcome;
use crate::failover::request::{Facts, Options, Replica};
use crate::failover::{Action, Durable, Failover, Ticket};
use crate::replication::takeover::wire::{Address, Answer, Request, RunId, Token};
use crate::storage::seq::Seq;

pub const STARTER: Ticket = Ticket(1);
pub const OTHER: Ticket = Ticket(2);

pub fn run_id() -> RunId {
    RunId::parse(format!("{:040x}", 7).as_bytes()).unwrap()
}

pub fn token(count: u64) -> Token {
    Token {
        run_id: run_id(),
        count,
    }
}

pub fn target() -> Address {
    Address::new("b", 1)
}

pub fn replica(id: u64, host: &str, acked: u64) -> Replica {
    Replica {
        id,
        address: Address::new(host, 1),
        is_online: true,
        acked_seq: Seq::new(acked),
    }
}

pub fn named(timeout_ms: Option<u64>, force: bool) -> Options {
    Options {
        to: Some((b"b".to_vec(), 1)),
        force,
        timeout_ms,
    }
}

/// A failover on a clock of its own, with what it said last.
pub struct Bench {
    pub failover: Failover,
    pub now: Turn,
    pub said: Vec<Action>,
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            failover: Failover::new(run_id()),
            now: Turn::default(),
            said: Vec::new(),
        }
    }

    pub fn begin(options: &Options, replicas: &[Replica]) -> Bench {
        let mut bench = Bench::new();
        bench.start(options, replicas).unwrap();
        bench
    }

    pub fn start(&mut self, options: &Options, replicas: &[Replica]) -> Result<(), ReplyError> {
        let facts = Facts {
            replicas: replicas.to_vec(),
            ..Facts::default()
        };
        let terms = Terms {
            starter: Some(STARTER),
            from: Address::new("a", 1),
        };
        self.said = self
            .failover
            .begin(options, &facts, 60_000, terms, &self.now)?;
        Ok(())
    }

    /// Paused and drained at 50; the target is at 40.
    pub fn synced() -> Bench {
        let mut bench = Bench::begin(&named(None, false), &[replica(9, "b", 40)]);
        bench.prepare(1, 1);
        bench.drain(50);
        bench
    }

    /// The offer has left.
    pub fn offered() -> Bench {
        let mut bench = Bench::synced();
        bench.ack(9, 50);
        bench
    }

    /// Nobody knows, and the question has been asked over link 2.
    pub fn unknown() -> Bench {
        let mut bench = Bench::offered();
        bench.cut(1);
        bench.connect(2);
        bench
    }

    pub fn prepare(&mut self, attempt: u64, link: LinkId) {
        self.store(attempt);
        self.connect(link);
    }

    pub fn store(&mut self, attempt: u64) {
        self.said = self.failover.stored(attempt, &self.now);
    }

    pub fn connect(&mut self, link: LinkId) {
        self.said = self.failover.connected(link, &self.now);
    }

    pub fn cut(&mut self, link: LinkId) {
        self.said = self.failover.disconnected(link, "cut", &self.now);
    }

    pub fn drain(&mut self, seq: u64) {
        self.said = self.failover.drained(Seq::new(seq), "AAAA", &self.now);
    }

    pub fn ack(&mut self, replica: u64, seq: u64) {
        self.said = self.failover.acked(replica, Seq::new(seq), &self.now);
    }

    pub fn gone(&mut self, replica: u64) {
        self.said = self.failover.replica_gone(replica, &self.now);
    }

    pub fn answer(&mut self, link: LinkId, answer: Answer) {
        self.said = self.failover.answered(link, answer, &self.now);
    }

    pub fn pass(&mut self, ms: u64) {
        self.now.mono_us += ms * 1000;
        self.said = self.failover.tick(&self.now);
    }

    pub fn abort(&mut self, ticket: Ticket) -> Result<(), ReplyError> {
        self.said = self.failover.abort(ticket, &self.now)?;
        Ok(())
    }

    /// What was said, a word each, without the log.
    pub fn words(&self) -> Vec<String> {
        self.said.iter().filter_map(word).collect()
    }

    pub fn state(&self) -> String {
        self.failover.fields().remove(0).1
    }

    pub fn outcome(&self) -> &Outcome {
        &self.failover.last().expect("one has ended").outcome
    }

    pub fn aborted(&self) -> &str {
        match self.outcome() {
            Outcome::Aborted(why) => why,
            other => panic!("{other:?}"),
        }
    }
}

pub fn word(action: &Action) -> Option<String> {
    Some(match action {
        Action::PauseWrites => "pause".to_owned(),
        Action::ReleasePause => "release".to_owned(),
        Action::RequestAcks => "ask".to_owned(),
        Action::Store { attempt, durable } => {
            let what = match durable {
                Durable::Pending(pending) => format!("pending {}", pending.target),
                Durable::Primary => "primary".to_owned(),
            };
            format!("store {attempt} {what}")
        }
        Action::Connect { link, target } => format!("connect {link} {target}"),
        Action::Send { link, request } => match request {
            Request::Offer(offer) => format!(
                "offer {link} {}{}",
                offer.seq,
                if offer.force { " force" } else { "" }
            ),
            Request::Cancel(_) => format!("cancel {link}"),
            Request::State(_) => format!("state {link}"),
        },
        Action::Close { link } => format!("close {link}"),
        Action::StopBeingPrimary { .. } => "stop".to_owned(),
        Action::ResumePrimary { new_history } => {
            format!("resume{}", if *new_history { " anew" } else { "" })
        }
        Action::Follow { target } => format!("follow {target}"),
        Action::Answer { ticket, reply } => match reply {
            Ok(()) => format!("{} OK", ticket.0),
            Err(error) => format!("{} {}", ticket.0, String::from_utf8_lossy(error.text())),
        },
        Action::Log(..) => return None,
    })
}
