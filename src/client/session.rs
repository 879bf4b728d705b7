//! One client's session, and the slab of all of them.

use std::collections::HashMap;

use super::input::Input;
use super::output::Output;
use super::transaction::{Transaction, Watch};
use super::waiting::Ticket;
use crate::clock::{MonoMs, Turn};
use crate::command::halt::OnTimeout;
use crate::command::parked_reads::ParkedReads;
use crate::command::parked_scans::ParkedScans;
use crate::command::table::Command;
use crate::node::key_counting::Ask;
use crate::node::replication::LinkOptions;
use crate::pubsub::Subscriptions;
use crate::resp::{OwnedArgs, Proto};
use crate::storage::commit::GroupId;
use crate::storage::keys::DbIndex;

/// A connection's place in the slab, with a generation so that a stale one finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey {
    pub index: u32,
    pub generation: u32,
}

/// Properties of a connection, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Flag {
    /// Has given the password, or none is asked for.
    Authenticated = 1 << 0,
    /// Gets every command of the others (MONITOR).
    Monitor = 1 << 1,
    /// To be closed once its output is sent; reads nothing more.
    CloseAfterReply = 1 << 2,
    /// CLIENT NO-EVICT on.
    NoEvict = 1 << 3,
    /// CLIENT NO-TOUCH on.
    NoTouch = 1 << 4,
    /// Came over the unix socket.
    UnixSocket = 1 << 5,
    /// To be closed at once, output or not.
    CloseNow = 1 << 6,
    /// Its output is on the list of this turn.
    OutputListed = 1 << 7,
    /// It is on the list of those with input left over.
    InputListed = 1 << 8,
    /// The peer has closed its sending side; there may be bytes left to read.
    HungUp = 1 << 9,
    /// Its output waits for a commit, or has done so and waits to be sent.
    GateListed = 1 << 10,
}

/// `CLIENT REPLY ON|OFF|SKIP`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command's reply is not sent.
    SkipNext,
}

/// Which row of `client-output-buffer-limit` applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputClass {
    Normal,
    Replica,
    Pubsub,
}

/// The two ends of a connection, as CLIENT LIST shows them.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// `ip:port`, or the unix socket's path and `:0`.
    pub addr: String,
    /// The same of our end.
    pub laddr: String,
    /// The file descriptor.
    pub fd: i32,
}

/// A command that waits on the blocked list.
#[derive(Debug)]
pub struct Parked {
    pub ticket: Ticket,
    pub command: &'static Command,
    pub args: OwnedArgs,
    /// When it was first evaluated: time and random seed stay the same across restarts.
    pub turn: Turn,
    pub seed: u64,
    /// What is answered when its own time runs out; `None` while it has not asked for a key.
    pub on_timeout: Option<OnTimeout>,
    /// The end of its wait for keys, fixed when it first waited.
    pub deadline: Option<MonoMs>,
    /// Time spent on evaluating it so far.
    pub spent_us: u64,
    /// Monitors have seen it.
    pub was_shown: bool,
    pub keys: Vec<Box<[u8]>>,
    pub extra: Option<Box<ParkedExtra>>,
}

/// The rare part of a parked command.
#[derive(Debug, Default)]
pub struct ParkedExtra {
    /// What workers have read for it.
    pub scans: ParkedScans,
    /// What readers have read for it.
    pub reads: ParkedReads,
    /// It waits for a count of keys, or has.
    pub count_ask: Option<Ask>,
}

/// Whether a client reads commands now, and why not.
#[derive(Debug, Default)]
pub enum State {
    #[default]
    Reading,
    Parked(Parked),
}

/// One connection's session.
#[derive(Debug)]
pub struct Client {
    pub key: ClientKey,
    /// What CLIENT ID answers: counts up, never used twice.
    pub id: u64,
    pub db: DbIndex,
    pub proto: Proto,
    flags: u16,
    pub reply_mode: ReplyMode,
    /// Set by CLIENT REPLY SKIP for the command being executed.
    pub skip_this_reply: bool,
    pub input: Input,
    pub output: Output,
    pub state: State,
    /// The newest group that any of its replies depends on.
    pub dependency: GroupId,
    /// The group that holds its last write, for WAIT.
    pub last_write: GroupId,
    /// What it has said with `replconf`.
    pub link: Option<Box<LinkOptions>>,
    pub transaction: Option<Box<Transaction>>,
    pub watch: Option<Box<Watch>>,
    pub subscriptions: Option<Box<Subscriptions>>,
    pub peer: Box<Peer>,
    pub name: Option<Box<str>>,
    pub lib_name: Option<Box<str>>,
    pub lib_version: Option<Box<str>>,
    pub created: MonoMs,
    pub last_interaction: MonoMs,
    /// Since when its output is above the soft limit.
    pub soft_limit_since: Option<MonoMs>,
    pub last_command: Option<&'static Command>,
}

impl Client {
    /// A fresh session.
    pub fn new(key: ClientKey, id: u64, peer: Peer, now: MonoMs) -> Client {
        Client {
            key,
            id,
            db: DbIndex(0),
            proto: Proto::Resp2,
            flags: 0,
            reply_mode: ReplyMode::On,
            skip_this_reply: false,
            input: Input::default(),
            output: Output::default(),
            state: State::Reading,
            dependency: GroupId(0),
            last_write: GroupId(0),
            link: None,
            transaction: None,
            watch: None,
            subscriptions: None,
            peer: Box::new(peer),
            name: None,
            lib_name: None,
            lib_version: None,
            created: now,
            last_interaction: now,
            soft_limit_since: None,
            last_command: None,
        }
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag as u16 != 0
    }

    /// Sets or clears `flag`.
    pub fn set(&mut self, flag: Flag, on: bool) {
        if on {
            self.flags |= flag as u16;
        } else {
            self.flags &= !(flag as u16);
        }
    }

    /// Whether it may execute its next command.
    pub fn is_reading(&self) -> bool {
        matches!(self.state, State::Reading) && !self.is_closing()
    }

    /// Whether the command being executed is answered (CLIENT REPLY).
    pub fn sends_replies(&self) -> bool {
        self.reply_mode != ReplyMode::Off && !self.skip_this_reply
    }

    /// Whether it is on its way out.
    pub fn is_closing(&self) -> bool {
        self.flags & (Flag::CloseAfterReply as u16 | Flag::CloseNow as u16) != 0
    }

    /// The command it waits with.
    pub fn parked(&self) -> Option<&Parked> {
        match &self.state {
            State::Parked(parked) => Some(parked),
            State::Reading => None,
        }
    }

    /// Whether it subscribes to anything.
    pub fn is_subscriber(&self) -> bool {
        self.subscriptions
            .as_ref()
            .is_some_and(|subscriptions| subscriptions.count() > 0)
    }

    /// Bytes of input that it makes the server hold: not yet executed, or queued for EXEC.
    pub fn input_bytes(&self) -> usize {
        let queued = self.transaction.as_ref();
        self.input.buf.len() + queued.map_or(0, |transaction| transaction.bytes)
    }

    /// Which output limits apply.
    pub fn output_class(&self) -> OutputClass {
        if self.is_subscriber() {
            OutputClass::Pubsub
        } else {
            OutputClass::Normal
        }
    }

    /// Memory that the session holds.
    pub fn heap_bytes(&self) -> usize {
        let queued = self
            .transaction
            .as_ref()
            .map_or(0, |transaction| transaction.bytes);
        let parked = self.parked().map_or(0, |parked| parked.args.heap_bytes());
        size_of::<Client>() + self.input.buf.capacity() + self.output.heap_bytes() + queued + parked
    }
}

/// All sessions.
#[derive(Default)]
pub struct Clients {
    slots: Vec<Option<Client>>,
    by_id: HashMap<u64, ClientKey, foldhash::fast::RandomState>,
    count: usize,
}

impl Clients {
    /// Adds a session at its place.
    pub fn insert(&mut self, client: Client) {
        let index = client.key.index as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        assert!(
            self.slots[index].is_none(),
            "the reactor gave a place in use"
        );
        self.by_id.insert(client.id, client.key);
        self.slots[index] = Some(client);
        self.count += 1;
    }

    /// Takes a session out.
    pub fn remove(&mut self, key: ClientKey) -> Option<Client> {
        self.get(key)?;
        let client = self.slots[key.index as usize].take()?;
        self.by_id.remove(&client.id);
        self.count -= 1;
        Some(client)
    }

    /// The session at `key`, unless it has gone.
    pub fn get(&self, key: ClientKey) -> Option<&Client> {
        self.slots
            .get(key.index as usize)?
            .as_ref()
            .filter(|client| client.key == key)
    }

    /// The session at `key`, to change.
    pub fn get_mut(&mut self, key: ClientKey) -> Option<&mut Client> {
        self.slots
            .get_mut(key.index as usize)?
            .as_mut()
            .filter(|client| client.key == key)
    }

    /// The session with this id.
    pub fn key_of_id(&self, id: u64) -> Option<ClientKey> {
        self.by_id.get(&id).copied()
    }

    /// All sessions, in slab order.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().flatten()
    }

    /// Places in the slab, free ones included.
    pub fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The session at a place of the slab.
    pub fn at_slot(&self, slot: usize) -> Option<&Client> {
        self.slots.get(slot)?.as_ref()
    }

    /// The session at a place of the slab, to change.
    pub fn at_slot_mut(&mut self, slot: usize) -> Option<&mut Client> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
