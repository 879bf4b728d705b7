//! What a command sees while it runs.

use std::borrow::Cow;

use super::cursors::Cursors;
use super::halt::{Halt, Run, Wait};
use crate::client::{Client, ClientKey};
use crate::clock::Turn;
use crate::node::Node;
use crate::node::key_counting::{Ask, KeyCounting};
use crate::resp::Reply;
use crate::storage::counting::{self, KeyCounts};
use crate::storage::seq::Seq;
use crate::storage::store::Store;

/// Settings that data commands look at; the server keeps them in step with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSettings {
    /// `proto-max-bulk-len`, bytes: the longest string.
    pub proto_max_bulk_len: u64,
    /// `databases`.
    pub databases: u16,
    /// `cluster-enabled`.
    pub cluster_enabled: bool,
    /// What OBJECT ENCODING's answers imitate.
    pub encoding: EncodingThresholds,
}

/// Above which sizes redis-server would leave its compact encodings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingThresholds {
    pub hash_max_listpack_entries: u64,
    pub hash_max_listpack_value: u64,
    /// Negative: -1..-5 are 4..64 KiB a node; positive: entries.
    pub list_max_listpack_size: i64,
    pub set_max_intset_entries: u64,
    pub zset_max_listpack_entries: u64,
    pub zset_max_listpack_value: u64,
}

impl Default for DataSettings {
    fn default() -> DataSettings {
        DataSettings {
            proto_max_bulk_len: 512 << 20,
            databases: 16,
            cluster_enabled: false,
            encoding: EncodingThresholds {
                hash_max_listpack_entries: 512,
                hash_max_listpack_value: 64,
                list_max_listpack_size: -2,
                set_max_intset_entries: 512,
                zset_max_listpack_entries: 128,
                zset_max_listpack_value: 64,
            },
        }
    }
}

/// A command on data: store, reply and the turn's time, and nothing else.
///
/// Everything here is the same when the command is evaluated again after waiting: the turn, and the random numbers.
pub struct DataCtx<'a> {
    pub store: Store<'a>,
    pub reply: &'a mut Reply,
    /// When the command was first evaluated.
    pub turn: Turn,
    pub rng: Rng,
    pub settings: &'a DataSettings,
    pub cursors: &'a mut Cursors,
    /// Whether the command may wait for keys; inside EXEC and scripts it may not, and answers as if the time were over.
    pub may_block: bool,
    /// The counts of keys that there are; [`DataCtx::key_counts`] says which are good.
    pub key_counting: &'a KeyCounting,
    /// What it remembers of asking for a count, when it is evaluated again after waiting for it.
    pub count_ask: Option<Ask>,
    /// Whether it is evaluated again after waiting for keys: keys of another type are then passed over, not an error.
    pub resumed: bool,
}

impl<'a> DataCtx<'a> {
    /// The last counts, however old.
    pub fn last_key_counts(&self) -> Option<&'a KeyCounts> {
        self.key_counting.last()
    }

    /// The keys of each database. Waits for a worker to count them unless a count is fresh.
    pub fn key_counts(&self) -> Run<Cow<'a, KeyCounts>> {
        self.key_counting
            .answer(self.store.view, self.count_ask, self.turn.now())
            .ok_or(Halt::Wait(Wait::KeyCount))
    }
}

/// A small seeded generator (splitmix64): what commands draw random elements with.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// A command on the server: it sees the whole node and which client asks.
pub struct ControlCtx<'a> {
    pub node: &'a mut Node,
    pub client: ClientKey,
    pub reply: &'a mut Reply,
    pub turn: Turn,
    /// The same numbers whenever the command is evaluated.
    pub rng: Rng,
    /// Whether EXEC runs it.
    pub in_exec: bool,
    /// What it remembers of asking for a count of keys, when it is evaluated again after waiting for it.
    pub count_ask: Option<Ask>,
}

impl ControlCtx<'_> {
    /// The session of the client that asks.
    pub fn session(&mut self) -> &mut Client {
        self.node
            .clients
            .get_mut(self.client)
            .expect("a command runs only while its client is there")
    }

    /// The client's database.
    pub fn store(&mut self) -> Store<'_> {
        let db = self.session().db;
        let turn = self.turn;
        let node = &mut *self.node;
        Store {
            view: &mut node.view,
            db,
            codec: node.codec,
            turn,
            changes: &mut node.changes,
        }
    }

    /// The keys of each database. Waits for a worker to count them unless a count is fresh; inside EXEC, and while the
    /// database is being reopened, it takes what can be had at once.
    pub fn key_counts(&mut self) -> Run<KeyCounts> {
        let node = &mut *self.node;
        if node.is_reopening {
            return Ok(node.key_counting.at_once(&node.view).into_owned());
        }
        if let Some(counts) = node
            .key_counting
            .answer(&node.view, self.count_ask, self.turn.now())
        {
            return Ok(counts.into_owned());
        }
        if !self.in_exec {
            return Err(Halt::Wait(Wait::KeyCount));
        }
        let counted = counting::count_view(&mut node.view, node.codec, self.turn.unix())?;
        Ok(counted.unwrap_or_else(|| node.key_counting.at_once(&node.view).into_owned()))
    }

    /// The sequence number of a state that holds everything executed so far, by anybody; the reply leaves when it is reached. While
    /// RocksDB holds commits up, who waits for none of them is shown the last committed number instead, at once: monitoring goes on.
    pub fn newest_seq(&mut self) -> Seq {
        let may_not_wait = self.node.is_commit_held_up && !self.in_exec;
        if may_not_wait && !self.session().output.is_gated() {
            return self.node.last_seq;
        }
        self.depend_on_all_writes();
        self.node.view.newest_seq()
    }

    /// The reply depends on everything written so far, by anybody.
    pub fn depend_on_all_writes(&mut self) {
        let newest = self.node.view.newest_group();
        self.node.view.depend_on(newest);
    }
}
