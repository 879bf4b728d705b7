//! The replica's side of a link: from connecting to streaming, copying, or trying again. Pure: events and a time in, actions
//! out.
//!
//! ```text
//!             connected      +OK           name          any         any           +OK
//! Connecting ──────────► Auth ──► DbName ──────► Address ───► Extras ───► Psync ─────────► Streaming
//!     ▲                   │ (skipped without masterauth)                   │  -ERR not from there
//!     │ pause over        ▼ any step: error, end, silence                  ▼
//!  Waiting ◄──────────────┴──────────────────────────────────────────── Copying ── done ──► Connecting
//! ```
//!
//! The caller feeds events and then takes every [`Action`] with [`Link::poll_action`], in order; events of a connection that
//! was told to close are not fed any more. [`Link::tick`] is due at [`Link::next_deadline`].
//!
//! Nothing is final: whatever is wrong can be mended on the other node, so the link tries again, and says in the log and in
//! INFO what is the matter ([`Problem`]). How long it waits is the problem's sort ([`Problem::needs_operator`]):
//!
//! | sort | first wait | doubling up to | why |
//! | --- | --- | --- | --- |
//! | the primary is away, starting, or silent | 10 ms | 1 s | in a switch the peer is there again within milliseconds; a second is Kvrocks's own interval |
//! | it refuses, or sends what is wrong | 1 s | 10 s | somebody has to change something; Kvrocks's 10 s |
//!
//! The wait starts small again once records were applied, or a stream has lasted [`SETTLED_MS`]: a malformed record that
//! comes at once after each reconnect must not be asked for a hundred times a second.

use std::collections::VecDeque;

pub use self::problem::{LinkState, Problem};
use super::acks::SILENCE_MS_MIN;
use super::history::{Endings, Peer};
use super::parting::Parted;
use super::wire::{Answer, Extras, Request};
use crate::clock::MonoMs;
use crate::limits::CHAIN_NODES_MAX;
use crate::storage::replication_id::ReplicationId;
use crate::storage::seq::Seq;

/// Milliseconds for one answer of the handshake: a Kvrocks may be swapping its database under a lock.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// A Kvrocks pings after two seconds of silence at the earliest, whatever `repl-timeout` says.
const KVROCKS_SILENCE_MS: u64 = 10_000;
/// A stream that has lasted so long is a success.
pub const SETTLED_MS: u64 = 1000;

const QUICK_WAIT_MS: (u64, u64) = (10, 1000);
const SLOW_WAIT_MS: (u64, u64) = (1000, 10_000);

/// What a link needs to know of the configuration. A change is given with [`Link::set_settings`] and holds from the next
/// connection on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// `masteruser`, for a Redis-like primary with users.
    pub user: Option<Vec<u8>>,
    /// `masterauth`; empty for none.
    pub password: Vec<u8>,
    /// `db-name`; both nodes must have the same.
    pub db_name: Vec<u8>,
    /// `replica-announce-port`, else `port`.
    pub port: u16,
    /// `replica-announce-ip`, if set.
    pub ip: Option<String>,
    /// This node's run id.
    pub run_id: String,
    /// Milliseconds for a connection to come about.
    pub connect_ms: u64,
    /// `repl-timeout` in milliseconds.
    pub timeout_ms: u64,
}

/// Where this node stands when it asks for a stream. Everything received before must be in its WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The update after its last one.
    pub next: Seq,
    /// The id of its last record ([`super::history::History::presents`]).
    pub id: Option<ReplicationId>,
    /// Where the last histories ended ([`super::history::History::endings`]).
    pub endings: Endings,
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the primary; answer with [`Link::connected`] or [`Link::lost`].
    Connect,
    /// Close the connection, if there is one, and forget what arrived on it.
    Close,
    /// Send these bytes, and feed the next line that arrives to [`Link::line`].
    Send(Vec<u8>),
    /// These are the run ids of the primary and of those above it.
    Path(Vec<String>),
    /// Tell with [`Link::position`] where this node stands, once all that was received is applied.
    AskPosition,
    /// What arrives from here on are frames, the first record beginning at `next`.
    Stream { primary: Peer, next: Seq },
    /// Copy everything anew, over connections of its own; [`Link::copied`] or [`Link::copy_failed`] follows. What is
    /// replaced ends at `last`, and holds what the primary does not have behind where the histories parted.
    Copy {
        parted: Parted,
        last: Seq,
        /// The histories that this node remembers, whatever its log says.
        remembered: Endings,
    },
    /// A problem that was not there before, for the log.
    Report(Problem),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Auth,
    DbName,
    Address { with_ip: bool },
    Extras,
    Psync { position: Position, with_id: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        until: MonoMs,
    },
    Connecting {
        until: MonoMs,
    },
    Asking {
        step: Step,
        until: MonoMs,
    },
    /// The loop was asked where this node stands.
    Positioning,
    Streaming {
        since: MonoMs,
    },
    Copying,
}

/// One node's link to one primary. `REPLICAOF` to another makes another.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    state: State,
    actions: VecDeque<Action>,
    /// What is known about the primary of the present connection.
    primary: Peer,
    /// The primary takes `ip-address`: not so a very old Kvrocks.
    takes_ip: bool,
    /// Failures in a row.
    failures_count: u32,
    problem: Option<Problem>,
    /// There was a copy, and no stream that has lasted since: needing another one at once is a failure.
    has_copied: bool,
    heard_at: MonoMs,
    /// Since when there is no stream.
    down_since: Option<MonoMs>,
}

impl Link {
    /// A link that connects at once.
    pub fn new(settings: LinkSettings, now: MonoMs) -> Link {
        let mut link = Link {
            settings,
            state: State::Waiting { until: now },
            actions: VecDeque::new(),
            primary: Peer::Kvrocks,
            takes_ip: true,
            failures_count: 0,
            problem: None,
            has_copied: false,
            heard_at: now,
            down_since: Some(now),
        };
        link.connect(now);
        link
    }

    /// The settings in force.
    pub fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    // ---- events ----

    /// The connection stands.
    pub fn connected(&mut self, now: MonoMs) {
        if !matches!(self.state, State::Connecting { .. }) {
            return;
        }
        self.heard_at = now;
        if self.settings.password.is_empty() {
            self.ask(Step::DbName, now);
        } else {
            self.ask(Step::Auth, now);
        }
    }

    /// A line has arrived in answer to the last [`Action::Send`], without its end.
    pub fn line(&mut self, line: &[u8], now: MonoMs) {
        let State::Asking { step, .. } = self.state else {
            return;
        };
        self.heard_at = now;
        let problem = match (step, Answer::read(line)) {
            (_, Answer::Loading) => Problem::Loading,
            (_, Answer::MasterDown) => Problem::MasterDown,
            (_, Answer::NoAuth) => Problem::NoAuth,
            (Step::Auth, Answer::Ok) => return self.ask(Step::DbName, now),
            (_, Answer::BadAuth(text)) => Problem::BadAuth(shown(text)),
            (Step::Auth, _) => Problem::BadAuth(shown(line)),
            (Step::DbName, Answer::Line(name)) if name == self.settings.db_name => {
                let with_ip = self.takes_ip && self.settings.ip.is_some();
                return self.ask(Step::Address { with_ip }, now);
            }
            (Step::DbName, Answer::Line(name)) => Problem::OtherDbName(shown(name)),
            (Step::Address { with_ip: true }, Answer::UnknownOption) => {
                self.takes_ip = false;
                return self.ask(Step::Address { with_ip: false }, now);
            }
            // Kvrocks goes on after any other error here.
            (Step::Address { .. }, _) => return self.ask(Step::Extras, now),
            (Step::Extras, _) => match Extras::read_answer(line) {
                None => return self.positioning(Peer::Kvrocks),
                Some(extras) => match self.check_path(&extras.path) {
                    None => {
                        self.actions.push_back(Action::Path(extras.path));
                        return self.positioning(Peer::Stillpoint);
                    }
                    Some(problem) => problem,
                },
            },
            (Step::Psync { position, .. }, Answer::Ok) => return self.stream(position, now),
            (Step::Psync { position, .. }, Answer::Diverged { parted }) => {
                return self.copy(position, parted, now);
            }
            (
                Step::Psync {
                    position,
                    with_id: true,
                },
                Answer::WrongArity,
            ) => {
                let with_id = false;
                return self.ask(Step::Psync { position, with_id }, now);
            }
            // A Kvrocks replica copies everything after any other error too. An answer that nobody knows is no reason to
            // throw data away.
            (Step::DbName | Step::Psync { .. }, _) => Problem::NotAPrimary(shown(line)),
        };
        self.fail(problem, now);
    }

    /// Where this node stands, in answer to [`Action::AskPosition`].
    pub fn position(&mut self, position: Position, now: MonoMs) {
        if self.state == State::Positioning {
            let with_id = position.id.is_some();
            self.ask(Step::Psync { position, with_id }, now);
        }
    }

    /// The connection could not be made, or has ended. `text` says how.
    pub fn lost(&mut self, text: &str, now: MonoMs) {
        if !matches!(self.state, State::Waiting { .. } | State::Copying) {
            self.fail(Problem::Lost(text.to_owned()), now);
        }
    }

    /// Bytes have arrived on the stream, or for the copy.
    pub fn heard(&mut self, now: MonoMs) {
        self.heard_at = now;
    }

    /// A record of the stream is in this node's WAL.
    pub fn applied(&mut self) {
        if matches!(self.state, State::Streaming { .. }) {
            self.succeeded();
        }
    }

    /// What the stream brought is malformed, out of order, or not to be applied. The link begins anew.
    pub fn bad_stream(&mut self, text: &str, now: MonoMs) {
        if matches!(self.state, State::Streaming { .. }) {
            self.fail(Problem::BadStream(text.to_owned()), now);
        }
    }

    /// The primary has said who is above it.
    pub fn path(&mut self, path: &[String], now: MonoMs) {
        if let State::Streaming { .. } = self.state
            && let Some(problem) = self.check_path(path)
        {
            self.fail(problem, now);
        }
    }

    /// The copy is this node's database now.
    pub fn copied(&mut self, now: MonoMs) {
        if self.state == State::Copying {
            self.has_copied = true;
            self.connect(now);
        }
    }

    /// The copy failed; what was there before is still there. PSYNC is tried again before the next copy.
    pub fn copy_failed(&mut self, text: &str, now: MonoMs) {
        if self.state == State::Copying {
            self.fail(Problem::CopyFailed(text.to_owned()), now);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: MonoMs) {
        if let State::Streaming { since } = self.state
            && now.since(since) >= SETTLED_MS
        {
            self.has_copied = false;
            self.succeeded();
        }
        match self.next_deadline() {
            Some(deadline) if deadline <= now => match self.state {
                State::Waiting { .. } => self.connect(now),
                State::Connecting { .. } => {
                    self.fail(Problem::Lost("the connection timed out".to_owned()), now);
                }
                _ => self.fail(Problem::Silent, now),
            },
            _ => {}
        }
    }

    /// The configuration has changed. A waiting link tries at once: what was wrong may be mended.
    pub fn set_settings(&mut self, settings: LinkSettings, now: MonoMs) {
        self.settings = settings;
        self.takes_ip = true;
        if matches!(self.state, State::Waiting { .. }) {
            self.failures_count = 0;
            self.connect(now);
        }
    }

    // ---- what the caller reads ----

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Link::tick`] is due though nothing happens.
    pub fn next_deadline(&self) -> Option<MonoMs> {
        match self.state {
            State::Waiting { until }
            | State::Connecting { until }
            | State::Asking { until, .. } => Some(until),
            State::Streaming { .. } => self.heard_at.checked_add(self.silence_max_ms() + 1),
            // The loop answers, and the copy's own connections have their own times.
            State::Positioning | State::Copying => None,
        }
    }

    /// The state for INFO and ROLE.
    pub fn state(&self) -> LinkState {
        match self.state {
            State::Waiting { .. } => LinkState::Connect,
            State::Connecting { .. } | State::Asking { .. } | State::Positioning => {
                LinkState::Connecting
            }
            State::Streaming { .. } => LinkState::Connected,
            State::Copying => LinkState::Sync,
        }
    }

    /// What is, or was last, the matter; `None` while the stream flows.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// What the primary is: known from the handshake on.
    pub fn primary(&self) -> Peer {
        self.primary
    }

    /// When something last came from the primary (`master_last_io_seconds_ago`).
    pub fn heard_at(&self) -> MonoMs {
        self.heard_at
    }

    /// Since when there is no stream (`master_link_down_since_seconds`).
    pub fn down_since(&self) -> Option<MonoMs> {
        self.down_since
    }

    // ---- inside ----

    fn connect(&mut self, now: MonoMs) {
        self.primary = Peer::Kvrocks;
        let timeout_ms = self.settings.connect_ms.min(self.settings.timeout_ms);
        self.state = State::Connecting {
            until: later(now, timeout_ms),
        };
        self.actions.push_back(Action::Connect);
    }

    fn ask(&mut self, step: Step, now: MonoMs) {
        let timeout_ms = ANSWER_TIMEOUT_MS.min(self.settings.timeout_ms);
        let until = later(now, timeout_ms);
        self.state = State::Asking { step, until };
        let settings = &self.settings;
        let request = match step {
            Step::Auth => Request::Auth {
                user: settings.user.as_deref(),
                password: &settings.password,
            },
            Step::DbName => Request::DbName,
            Step::Address { with_ip } => Request::Address {
                port: settings.port,
                ip: settings.ip.as_deref().filter(|_| with_ip),
            },
            Step::Extras => Request::Extras {
                run_id: &settings.run_id,
            },
            Step::Psync { position, with_id } => Request::Psync {
                id: position.id.filter(|_| with_id),
                next: position.next,
            },
        };
        self.actions.push_back(Action::Send(request.to_bytes()));
    }

    fn positioning(&mut self, primary: Peer) {
        self.primary = primary;
        self.state = State::Positioning;
        self.actions.push_back(Action::AskPosition);
    }

    fn stream(&mut self, position: Position, now: MonoMs) {
        self.state = State::Streaming { since: now };
        self.down_since = None;
        let primary = self.primary;
        let next = position.next;
        self.actions.push_back(Action::Stream { primary, next });
    }

    fn copy(&mut self, position: Position, parted: Parted, now: MonoMs) {
        if std::mem::take(&mut self.has_copied) {
            let text = "the stream does not go on from it for long";
            return self.fail(Problem::CopyFailed(text.to_owned()), now);
        }
        self.state = State::Copying;
        let last = Seq::new(position.next.get().saturating_sub(1));
        let remembered = position.endings;
        let copy = Action::Copy {
            parted,
            last,
            remembered,
        };
        self.actions.extend([Action::Close, copy]);
    }

    fn check_path(&self, path: &[String]) -> Option<Problem> {
        let own = &self.settings.run_id;
        if path.first() == Some(own) {
            Some(Problem::Itself)
        } else if path.contains(own) || path.len() >= CHAIN_NODES_MAX {
            Some(Problem::Loop)
        } else {
            None
        }
    }

    fn succeeded(&mut self) {
        self.failures_count = 0;
        self.problem = None;
    }

    fn fail(&mut self, problem: Problem, now: MonoMs) {
        if !matches!(self.state, State::Copying) {
            self.actions.push_back(Action::Close);
        }
        self.down_since.get_or_insert(now);
        let (first_ms, last_ms) = if problem.needs_operator() {
            SLOW_WAIT_MS
        } else {
            QUICK_WAIT_MS
        };
        let doubled_ms = first_ms << self.failures_count.min(20);
        self.failures_count = self.failures_count.saturating_add(1);
        self.state = State::Waiting {
            until: later(now, doubled_ms.min(last_ms)),
        };
        if self.problem.as_ref() != Some(&problem) {
            self.problem = Some(problem.clone());
            self.actions.push_back(Action::Report(problem));
        }
    }

    fn silence_max_ms(&self) -> u64 {
        match self.primary {
            Peer::Stillpoint => self.settings.timeout_ms.max(SILENCE_MS_MIN),
            Peer::Kvrocks => self.settings.timeout_ms.max(KVROCKS_SILENCE_MS),
        }
    }
}

fn later(now: MonoMs, ms: u64) -> MonoMs {
    MonoMs(now.0.saturating_add(ms))
}

/// A peer's words as they may stand in one line of the log and of INFO.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

mod problem;
#[cfg(test)]
mod tests;
