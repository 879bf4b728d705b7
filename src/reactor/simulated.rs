//! Simulated sockets: what the reactor sees of a network that a test carries byte by byte. Nothing of this is in the program.
//!
//! A [`Wire`] is one end of a connection. The reactor reads and writes it through a [`SimStream`] as it does a socket, edge-triggered
//! readiness included; the test takes what was written and puts in what arrives, when and in what pieces it likes.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Token;

use super::Event;
use crate::simulation::copies::CopyDesk;

/// What one reactor would be woken for: shared by its sockets.
#[derive(Clone, Default)]
pub struct SimPoll(Arc<Mutex<Vec<Event>>>);

impl SimPoll {
    fn raise(&self, event: Event) {
        lock(&self.0).push(event);
    }

    /// Makes a poll return at once, for no socket.
    pub(super) fn wake(&self, waker: Token) {
        self.raise(Event {
            token: waker,
            is_readable: false,
            is_writable: false,
            is_hung_up: false,
        });
    }

    /// Everything raised since; events of one socket are not merged, which no reader may rely on either.
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *lock(&self.0))
    }

    /// Whether a poll would return at once.
    pub fn has_events(&self) -> bool {
        !lock(&self.0).is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that a simulated socket takes before it is full.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct WireState {
    registered: Option<(SimPoll, Token)>,
    arrived: VecDeque<u8>,
    /// The peer sends nothing more.
    has_ended: bool,
    /// The connection broke.
    is_broken: bool,
    written: Vec<u8>,
    was_full: bool,
    /// The node has closed it.
    is_closed: bool,
}

impl WireState {
    fn raise(&self, is_readable: bool, is_writable: bool, is_hung_up: bool) {
        if let Some((poll, token)) = &self.registered {
            poll.raise(Event {
                token: *token,
                is_readable,
                is_writable,
                is_hung_up,
            });
        }
    }
}

/// The network's side of one end of a connection; clones are the same one.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<WireState>>);

impl Wire {
    /// An open connection's end, and the socket that a node has of it.
    pub fn new() -> (Wire, SimStream) {
        let wire = Wire::default();
        (wire.clone(), SimStream(wire))
    }

    fn state(&self) -> MutexGuard<'_, WireState> {
        lock(&self.0)
    }

    /// These bytes have arrived.
    pub fn arrive(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.arrived.extend(bytes);
        state.raise(true, false, false);
    }

    /// The peer has closed its sending side, and what it sent before has arrived.
    pub fn end(&self) {
        let mut state = self.state();
        state.has_ended = true;
        state.raise(true, false, true);
    }

    /// The connection broke.
    pub fn break_off(&self) {
        let mut state = self.state();
        state.is_broken = true;
        state.raise(true, true, true);
    }

    /// Takes what the node has written, for the network to carry.
    pub fn take_written(&self) -> Vec<u8> {
        let mut state = self.state();
        let written = std::mem::take(&mut state.written);
        if std::mem::take(&mut state.was_full) {
            state.raise(false, true, false);
        }
        written
    }

    /// Whether the node has closed it.
    pub fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Bytes that have arrived and that the node has not read.
    pub fn unread_bytes(&self) -> usize {
        self.state().arrived.len()
    }
}

/// A node's socket on a simulated network. Dropping it closes it.
pub struct SimStream(Wire);

impl SimStream {
    pub(super) fn register(&mut self, poll: &SimPoll, token: Token) {
        let mut state = self.0.state();
        state.registered = Some((poll.clone(), token));
        // As epoll does for what is there already.
        let is_readable = !state.arrived.is_empty() || state.has_ended || state.is_broken;
        let is_hung_up = state.has_ended || state.is_broken;
        state.raise(is_readable, true, is_hung_up);
    }

    pub(super) fn deregister(&mut self) {
        self.0.state().registered = None;
    }
}

impl Read for SimStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.is_broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if state.arrived.is_empty() && !state.has_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = state.arrived.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(state.arrived.drain(..bytes)) {
            *to = from;
        }
        Ok(bytes)
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        if state.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = SEND_BUFFER_BYTES.saturating_sub(state.written.len());
        let taken = room.min(bytes.len());
        state.was_full |= taken < bytes.len();
        if taken == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
    }
}

/// A connection on its way to a listener.
pub(super) struct Incoming {
    pub stream: SimStream,
    pub addr: String,
    pub fd: i32,
}

#[derive(Default)]
struct DoorState {
    waiting: VecDeque<Incoming>,
    registered: Option<(SimPoll, Token)>,
    is_closed: bool,
}

/// The network's side of a listener; clones are the same one.
#[derive(Clone, Default)]
pub struct SimDoor(Arc<Mutex<DoorState>>);

impl SimDoor {
    /// A connection from `addr` (`ip:port`) arrives. Fails when nobody listens.
    pub fn connect(&self, stream: SimStream, addr: String, fd: i32) -> io::Result<()> {
        let mut state = lock(&self.0);
        if state.is_closed {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        state.waiting.push_back(Incoming { stream, addr, fd });
        if let Some((poll, token)) = &state.registered {
            poll.raise(Event {
                token: *token,
                is_readable: true,
                is_writable: false,
                is_hung_up: false,
            });
        }
        Ok(())
    }

    pub(super) fn accept(&self) -> Option<Incoming> {
        lock(&self.0).waiting.pop_front()
    }

    pub(super) fn register(&self, poll: &SimPoll, token: Token) {
        lock(&self.0).registered = Some((poll.clone(), token));
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        state.waiting.clear();
    }
}

/// Someone on a node who has connected to another.
pub struct Dialed {
    /// `host:port`, as it was asked for.
    pub addr: String,
    pub wire: Wire,
}

#[derive(Default)]
struct DialerState {
    dialed: Vec<Dialed>,
    /// Addresses of nodes.
    peers: BTreeSet<String>,
    desk: CopyDesk,
}

/// Where a node's connections to others begin: the network takes them from here. Clones are the same one.
#[derive(Clone, Default)]
pub struct SimDialer(Arc<Mutex<DialerState>>);

impl SimDialer {
    /// A node is reached at this address.
    pub fn add_peer(&self, addr: &str) {
        lock(&self.0).peers.insert(addr.to_owned());
    }

    /// Where full copies are ordered.
    pub fn desk(&self) -> CopyDesk {
        lock(&self.0).desk.clone()
    }

    /// Connects. That nobody listens there shows as a connection that ends.
    pub(crate) fn dial(&self, host: &str, port: u16) -> io::Result<SimStream> {
        let addr = format!("{host}:{port}");
        let mut state = lock(&self.0);
        if !state.peers.contains(&addr) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (wire, stream) = Wire::new();
        state.dialed.push(Dialed { addr, wire });
        Ok(stream)
    }

    /// Who has connected since.
    pub fn take(&self) -> Vec<Dialed> {
        std::mem::take(&mut lock(&self.0).dialed)
    }
}

/// How many messages a simulated mailbox was sent, and how many of them the loop may see by now. Clones are the same one.
#[derive(Clone, Default)]
pub struct SimMail(Arc<(AtomicU64, AtomicU64)>);

impl SimMail {
    pub(super) fn sent(&self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that are on their way.
    pub fn under_way(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Messages that the loop finds when it looks.
    pub fn visible(&self) -> u64 {
        self.0.1.load(Ordering::Relaxed)
    }

    /// Lets the loop see the oldest message that is on its way.
    pub fn deliver(&self) {
        if self.under_way() > 0 {
            self.0.0.fetch_sub(1, Ordering::Relaxed);
            self.0.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn take(&self) -> bool {
        let is_there = self.visible() > 0;
        if is_there {
            self.0.1.fetch_sub(1, Ordering::Relaxed);
        }
        is_there
    }
}
