//! A bench for the unit tests of server commands: a whole node with clients, a clock that stands still until it is moved, and
//! workers that do their work when they are asked for it.

use std::rc::Rc;

use super::{dispatch, parking};
use crate::client::waiting::Reason;
use crate::client::{Client, ClientKey, Peer};
use crate::clock::{Clock, MonoMs, SimClock, Turn};
use crate::config::Config;
use crate::node::Node;
use crate::resp::OwnedArgs;
use crate::stats::process::Process;
use crate::storage::counting;
use crate::storage::options::OpenOptions;
use crate::storage::rocks::{Rocks, WriteMode};

struct Shared(Rc<SimClock>);

impl Clock for Shared {
    fn turn(&self) -> Turn {
        self.0.turn()
    }
}

/// A node with one client, number 0.
pub struct NodeBench {
    pub node: Node,
    clock: Rc<SimClock>,
    clients: Vec<ClientKey>,
    _dir: tempfile::TempDir,
}

impl NodeBench {
    /// A node with these settings.
    pub fn with(config: Config) -> NodeBench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rocks = Rocks::open(&OpenOptions::new(dir.path())).expect("an empty database");
        let clock = Rc::new(SimClock::new(Turn {
            mono_us: 100_000_000,
            unix_us: 1_700_000_000_000_000,
        }));
        let process = Process {
            id: 4711,
            supervised: "no",
            ..Process::default()
        };
        let shared = Box::new(Shared(Rc::clone(&clock)));
        let node = Node::new(config, rocks, None, shared, process, 1);
        let mut bench = NodeBench {
            node,
            clock,
            clients: Vec::new(),
            _dir: dir,
        };
        bench.connect();
        bench
    }

    /// A node with default settings.
    #[allow(clippy::new_without_default, reason = "a test says that it begins one")]
    pub fn new() -> NodeBench {
        NodeBench::with(Config::default())
    }

    /// Adds a client; gives its number.
    pub fn connect(&mut self) -> usize {
        let number = self.clients.len();
        let key = ClientKey {
            index: number as u32,
            generation: 1,
        };
        let peer = Peer {
            addr: format!("127.0.0.1:{}", 50_000 + number),
            ..Peer::default()
        };
        let mut client = Client::new(key, number as u64 + 1, peer, self.node.now());
        let is_open = self.node.config.requirepass.is_empty();
        client.set(crate::client::Flag::Authenticated, is_open);
        self.node.clients.insert(client);
        self.clients.push(key);
        number
    }

    /// The key of a client.
    pub fn key(&self, number: usize) -> ClientKey {
        self.clients[number]
    }

    /// Moves the clock.
    pub fn advance_ms(&mut self, ms: u64) {
        self.clock.advance_ms(ms);
        self.node.turn = self.clock.turn();
    }

    /// Now, in milliseconds.
    pub fn now(&self) -> MonoMs {
        self.clock.turn().now()
    }

    /// Client 0 sends a command given as words separated by spaces; gives what it received as text, `\r\n` shown as spaces.
    pub fn run(&mut self, line: &str) -> String {
        self.run_as(0, line)
    }

    /// The same for another client.
    pub fn run_as(&mut self, number: usize, line: &str) -> String {
        self.send(number, line);
        self.work();
        self.received(number)
    }

    /// A client sends a command; nothing is committed, counted or received yet.
    pub fn send(&mut self, number: usize, line: &str) {
        let parts: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = OwnedArgs::from_parts(&parts);
        self.node.turn = self.clock.turn();
        self.node.stamp();
        dispatch::command(&mut self.node, self.clients[number], args.as_args());
    }

    /// Commits what was written, counts keys if somebody waits for it, and serves those who are woken.
    pub fn work(&mut self) {
        self.commit();
        self.count();
        while let Some((_, key)) = self.node.waiting.next_due() {
            parking::resume(&mut self.node, key);
        }
        self.commit();
    }

    /// What a client has received since it was asked last.
    pub fn received(&mut self, number: usize) -> String {
        let committed = self.node.view.committed_group();
        let client = self
            .node
            .clients
            .get_mut(self.clients[number])
            .expect("a client");
        client.output.release(committed);
        let mut bytes = Vec::new();
        while !client.output.sendable().is_empty() {
            let part = client.output.sendable().to_vec();
            client.output.advance(part.len());
            bytes.extend(part);
        }
        String::from_utf8_lossy(&bytes)
            .trim_end()
            .replace("\r\n", " ")
    }

    /// Commits what was written.
    pub fn commit(&mut self) {
        if let Some(group) = self.node.view.close_group() {
            let rocks = self.node.view.database().expect("open");
            rocks
                .write(&group.record, WriteMode::default())
                .expect("a commit");
            self.node.last_seq = rocks.last_seq();
            self.node.view.committed(group.id);
        }
    }

    fn count(&mut self) {
        let turn = self.node.turn;
        if self.node.key_counting.is_due(&self.node.view, turn.now()) {
            self.node.key_counting.begin(&self.node.view, turn.now());
            let rocks = self.node.view.database().expect("open").clone();
            let counts = counting::count_keys(&rocks, self.node.codec, turn.unix());
            self.node.key_counting.end(counts, turn);
            self.node.waiting.release(Reason::Counts);
        }
    }
}
