//! All writers and their loop.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token, Waker};

use crate::clock::{Timer, now_ns};
use crate::connection::Connection;
use crate::control::{self, Order, Phase};
use crate::pair::{Answer, Pair};
use crate::primary::Askers;
use crate::resp;
use crate::{Load, WriterFailed};

/// The tokens of nodes' connections follow from 0.
const TIMER: Token = Token(usize::MAX - 2);
const CONTROL: Token = Token(usize::MAX - 3);

/// How closely the pace is kept: what is due within it is sent together, so that not every pair wakes all processes.
/// Much shorter than a switch, which would seem to begin when the last pairs before it were sent.
const TICK_NS: u64 = 250_000;
/// A pair that takes longer is reported.
const LONG_WAIT_NS: u64 = 1_000_000;
/// How much of its pace a writer makes up for.
const CATCH_UP_NS: u64 = 10_000_000;
const STUCK_S: u64 = 30;
/// How often to look for a stuck writer while nothing else happens.
const IDLE: Duration = Duration::from_millis(50);

/// One writer: its connections, and the pair in flight.
struct Writer {
    pair: Pair,
    /// By node; none to a node that is down, which is connected to when it is the primary.
    connections: Vec<Option<Connection>>,
    /// The node that it writes to; None while it looks for the primary.
    home: Option<usize>,
    /// When the next pair is to be sent.
    due_ns: u64,
    /// When the pair in flight was first sent; None between pairs.
    sent_ns: Option<u64>,
}

/// All writers.
pub struct Writers {
    ports: Vec<u16>,
    /// Between two pairs of one writer.
    period_ns: u64,
    poll: Poll,
    timer: Timer,
    orders: Receiver<Result<Order, WriterFailed>>,
    writers: Vec<Writer>,
    askers: Askers,
    running: bool,
    /// A report is due when every pair in flight is over.
    stopping: bool,
    phase: Phase,
}

/// What the operating system refused; the program cannot go on without.
fn failed(what: &str) -> impl FnOnce(io::Error) -> WriterFailed {
    move |error| WriterFailed(format!("{what}: {error}"))
}

impl Writers {
    /// The writers, at rest and unconnected, and the thread that reads orders.
    pub fn new(load: &Load) -> Result<Writers, WriterFailed> {
        let poll = Poll::new().map_err(failed("epoll"))?;
        let timer = Timer::new(poll.registry(), TIMER).map_err(failed("timerfd"))?;
        let waker = Waker::new(poll.registry(), CONTROL).map_err(failed("eventfd"))?;
        let nodes = load.ports.len();
        let writer = |index| Writer {
            pair: Pair::new(index, load.wait),
            connections: (0..nodes).map(|_| None).collect(),
            home: None,
            due_ns: 0,
            sent_ns: None,
        };
        let asker = |(node, &port)| (port, Token(load.writers * nodes + node));
        Ok(Writers {
            ports: load.ports.clone(),
            period_ns: load.writers as u64 * 1_000_000_000 / load.pairs_per_s,
            poll,
            timer,
            orders: control::orders(Arc::new(waker)),
            writers: (0..load.writers).map(writer).collect(),
            askers: Askers::new(load.ports.iter().enumerate().map(asker)),
            running: false,
            stopping: false,
            phase: Phase::default(),
        })
    }

    /// Obeys until the orders end.
    pub fn serve(mut self) -> Result<(), WriterFailed> {
        let mut events = Events::with_capacity(256);
        loop {
            let now = now_ns();
            let mut wake_ns = u64::MAX;
            if self.running {
                wake_ns = self.send_due(now)?.max(now + TICK_NS);
            }
            let in_flight = self.writers.iter().any(|writer| writer.sent_ns.is_some());
            if self.stopping && !in_flight {
                self.stopping = false;
                let ledgers = self.writers.iter().map(|writer| &writer.pair.ledger);
                control::answer(&control::report_line(&self.phase, &self.ports, ledgers));
            }
            let homeless = self.writers.iter().any(|writer| writer.home.is_none());
            if homeless && (self.running || in_flight) {
                wake_ns = wake_ns.min(self.askers.ask(now, self.poll.registry()));
            }
            if wake_ns != u64::MAX {
                self.timer.set(wake_ns).map_err(failed("timerfd"))?;
            }
            match self.poll.poll(&mut events, Some(IDLE)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(failed("epoll")(error));
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    TIMER => {}
                    CONTROL => {
                        if !self.obey()? {
                            return Ok(());
                        }
                    }
                    Token(token) => self.ready(token, event)?,
                }
            }
            self.check_stuck(now)?;
        }
    }

    /// Takes all orders that have come; false at their end.
    fn obey(&mut self) -> Result<bool, WriterFailed> {
        loop {
            match self.orders.try_recv() {
                Ok(order) => match order? {
                    Order::Run => self.run(),
                    Order::Stop => (self.running, self.stopping) = (false, true),
                },
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
    }

    fn run(&mut self) {
        for index in 0..self.writers.len() {
            self.open_spares(index);
        }
        self.phase = Phase {
            acks: vec![None; self.ports.len()],
            ..Phase::default()
        };
        let (now, count) = (now_ns(), self.writers.len() as u64);
        for (index, writer) in (0..).zip(&mut self.writers) {
            writer.due_ns = now + self.period_ns * index / count;
        }
        self.running = true;
    }

    /// Sends the pairs that are due; when the next is.
    fn send_due(&mut self, now: u64) -> Result<u64, WriterFailed> {
        let mut soonest = u64::MAX;
        for index in 0..self.writers.len() {
            let writer = &mut self.writers[index];
            if writer.sent_ns.is_some() || writer.home.is_none() {
                continue;
            }
            if writer.due_ns > now {
                soonest = soonest.min(writer.due_ns);
                continue;
            }
            self.phase.late_ns = self.phase.late_ns.max(now - writer.due_ns);
            // The pace is kept over a few pairs, but after a long wait there is no burst to catch up.
            let earliest = now.saturating_sub(CATCH_UP_NS);
            writer.due_ns = (writer.due_ns + self.period_ns).max(earliest);
            writer.pair.begin();
            writer.sent_ns = Some(now_ns());
            self.send(index);
        }
        Ok(soonest)
    }

    // --- one writer's connections -----------------------------------------------------------------------------

    /// The token of a writer's connection to a node.
    fn token(&self, writer: usize, node: usize) -> Token {
        Token(writer * self.ports.len() + node)
    }

    fn open(&self, writer: usize, node: usize) -> Option<Connection> {
        let token = self.token(writer, node);
        Connection::open(self.ports[node], self.poll.registry(), token).ok()
    }

    /// A connection to each node that is up.
    fn open_spares(&mut self, index: usize) {
        for node in 0..self.ports.len() {
            let writer = &self.writers[index];
            let is_open = writer.connections[node]
                .as_ref()
                .is_some_and(Connection::is_open);
            // That the one in use is gone is for its event to say.
            if !is_open && writer.home != Some(node) {
                self.writers[index].connections[node] = self.open(index, node);
            }
        }
    }

    /// Sends what is owed to the node that the writer writes to.
    fn send(&mut self, index: usize) {
        let writer = &mut self.writers[index];
        let connection = writer
            .home
            .and_then(|node| writer.connections[node].as_mut());
        let pair = &writer.pair;
        let sent = connection.map(|connection| connection.send(|output| pair.request(output)));
        if !matches!(sent, Some(Ok(()))) {
            self.broken(index);
        }
    }

    /// Something came from a node, or can be sent to it.
    fn ready(&mut self, token: usize, event: &Event) -> Result<(), WriterFailed> {
        let (index, node) = (token / self.ports.len(), token % self.ports.len());
        if index == self.writers.len() {
            if self.askers.ready(node, event) {
                self.move_in(node);
            }
            return Ok(());
        }
        let Some(connection) = &mut self.writers[index].connections[node] else {
            return Ok(());
        };
        let mut is_open = !event.is_writable() || connection.flush().is_ok();
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            is_open &= connection.receive(event);
        }
        self.replies(index, node)?;
        let writer = &mut self.writers[index];
        if is_open {
            return Ok(());
        }
        if writer.home == Some(node) {
            self.broken(index);
        } else {
            writer.connections[node] = None;
        }
        Ok(())
    }

    /// Takes the whole lines that came from a node.
    fn replies(&mut self, index: usize, node: usize) -> Result<(), WriterFailed> {
        let now = now_ns();
        let writer = &mut self.writers[index];
        let Some(connection) = &mut writer.connections[node] else {
            return Ok(());
        };
        let mut rest = connection.input.as_slice();
        let mut answers = 0;
        while let Some((line, after)) = resp::split_line(rest) {
            rest = after;
            answers += 1;
            let port = self.ports[node];
            let answer = if writer.home == Some(node) {
                writer.pair.answered(line)
            } else {
                Pair::new(index, false).answered(line)
            };
            let answer = answer.map_err(|WriterFailed(words)| {
                WriterFailed(format!("writer {index} at port {port}: {words}"))
            })?;
            match answer {
                Answer::Done => {
                    let times = self.phase.acks[node].get_or_insert((now, now));
                    times.1 = now;
                }
                Answer::Replicated { unknown } => self.phase.unknown += unknown,
                Answer::Refused => {}
            }
        }
        let taken = connection.input.len() - rest.len();
        connection.input.drain(..taken);
        if answers == 0 || writer.pair.is_owed() {
            return Ok(());
        }
        if writer.pair.send_again() {
            writer.home = None;
        } else {
            self.end_pair(index, now);
        }
        Ok(())
    }

    fn end_pair(&mut self, index: usize, now: u64) {
        let Some(sent) = self.writers[index].sent_ns.take() else {
            return;
        };
        self.phase.pairs += 1;
        if now - sent > LONG_WAIT_NS {
            self.phase.waits.push((sent, now));
        }
    }

    /// Its connection is gone: what is owed is unknown, and the next pair goes to wherever the primary is.
    fn broken(&mut self, index: usize) {
        let writer = &mut self.writers[index];
        self.phase.unknown += writer.pair.give_up();
        writer.pair.send_again();
        if let Some(node) = writer.home.take() {
            writer.connections[node] = None;
        }
    }

    /// All writers that look for the primary go to `node`.
    fn move_in(&mut self, node: usize) {
        for index in 0..self.writers.len() {
            if self.writers[index].home.is_some() {
                continue;
            }
            let spare = self.writers[index].connections[node].take();
            let connection = spare
                .filter(Connection::is_open)
                .or_else(|| self.open(index, node));
            let writer = &mut self.writers[index];
            writer.home = connection.is_some().then_some(node);
            writer.connections[node] = connection;
            if writer.home.is_none() {
                continue;
            }
            if writer.pair.is_owed() {
                self.send(index);
            } else {
                // All of it is unknown: the wait ends where the writer can go on.
                self.end_pair(index, now_ns());
            }
        }
    }

    fn check_stuck(&self, now: u64) -> Result<(), WriterFailed> {
        for (index, writer) in self.writers.iter().enumerate() {
            let waited_ns = writer.sent_ns.map_or(0, |sent| now.saturating_sub(sent));
            if waited_ns > STUCK_S * 1_000_000_000 {
                let place = match writer.home {
                    Some(node) => format!("at port {}", self.ports[node]),
                    None => "for a primary".to_owned(),
                };
                return Err(WriterFailed(format!(
                    "writer {index} has waited for {STUCK_S} s {place}"
                )));
            }
        }
        Ok(())
    }
}
