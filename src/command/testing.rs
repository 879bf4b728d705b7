//! A bench for the unit tests of data commands: one client, a store of its own, time that stands still until it is moved.

use super::context::{DataCtx, DataSettings, Rng};
use super::cursors::Cursors;
use super::halt::{Halt, Wait};
use super::spec::{Handler, Spec};
use super::table;
use crate::clock::Turn;
use crate::node::key_counting::KeyCounting;
use crate::resp::{OwnedArgs, Proto, Reply};
use crate::storage::counting;
use crate::storage::keys::{DbIndex, KeyCodec};
use crate::storage::options::OpenOptions;
use crate::storage::replication_id::ReplicationId;
use crate::storage::rocks::{Rocks, WriteMode};
use crate::storage::scan::{self, Pinned, PinnedScan, ScanRequest, WantedScan};
use crate::storage::store::{Changes, EventClass, Store};
use crate::storage::view::View;

/// A store and a client in database 0.
pub struct Bench {
    pub view: View,
    pub changes: Changes,
    pub settings: DataSettings,
    pub cursors: Cursors,
    pub key_counting: KeyCounting,
    pub turn: Turn,
    pub db: DbIndex,
    pub proto: Proto,
    pub seed: u64,
    /// Whether each command's writes are committed before the next one: reads then meet RocksDB, else the open record.
    pub commit_each: bool,
    /// Whether commands may wait for keys (they may not in EXEC and scripts).
    pub may_block: bool,
    /// Whether commands are run again after waiting.
    pub resumed: bool,
    /// The range that the last command waits for.
    wanted_range: Option<ScanRequest>,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// An empty store whose commands are committed one by one.
    #[allow(clippy::new_without_default, reason = "a test says that it begins one")]
    pub fn new() -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rocks = Rocks::open(&OpenOptions::new(dir.path())).expect("an empty database");
        Bench {
            // No cache, so that reads really go to the record and the database.
            view: View::new(
                rocks,
                ReplicationId::from_bytes(b"ABCDEFGHI0123456").expect("an id"),
                0,
            ),
            changes: Changes {
                wants_keys: true,
                wants_events: EventClass(u16::MAX),
                ..Changes::default()
            },
            settings: DataSettings::default(),
            cursors: Cursors::default(),
            key_counting: KeyCounting::default(),
            turn: Turn {
                mono_us: 1_000_000,
                unix_us: 1_700_000_000_000_000,
            },
            db: DbIndex(0),
            proto: Proto::Resp2,
            seed: 1,
            commit_each: true,
            may_block: true,
            resumed: false,
            wanted_range: None,
            _dir: dir,
        }
    }

    /// Runs a test twice on an empty store: with every command committed at once, and with none committed.
    pub fn both_ways(test: impl Fn(&mut Bench)) {
        for commit_each in [true, false] {
            let mut bench = Bench::new();
            bench.commit_each = commit_each;
            test(&mut bench);
        }
    }

    /// Runs each command and compares its reply, as [`Bench::run`] shows it.
    pub fn expect(&mut self, table: &[(&str, &str)]) {
        for (line, reply) in table {
            assert_eq!(self.run(line), *reply, "{line}");
        }
    }

    /// The events since the last call, as `name:key`, with `@db` behind it outside database 0.
    pub fn events(&mut self) -> Vec<String> {
        self.changes
            .events
            .drain(..)
            .map(|event| {
                let key = String::from_utf8_lossy(&event.key).into_owned();
                match event.db.0 {
                    0 => format!("{}:{key}", event.name),
                    db => format!("{}:{key}@{db}", event.name),
                }
            })
            .collect()
    }

    /// The client's database, for a test that looks beneath the commands.
    pub fn store(&mut self) -> Store<'_> {
        Store {
            view: &mut self.view,
            db: self.db,
            codec: KeyCodec {
                slot_encoded: self.settings.cluster_enabled,
            },
            turn: self.turn,
            changes: &mut self.changes,
        }
    }

    /// Moves the clock.
    pub fn advance_ms(&mut self, ms: u64) {
        self.turn.mono_us += ms * 1000;
        self.turn.unix_us += ms * 1000;
    }

    /// Runs a command given as words separated by spaces; gives the reply as text with `\r\n` shown as spaces, or
    /// `WAIT keys...` when it would wait.
    pub fn run(&mut self, line: &str) -> String {
        let parts: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.run_parts(&parts))
            .trim_end()
            .replace("\r\n", " ")
    }

    /// Runs a command to its end, with workers reading the ranges that it waits for; gives the reply and their number.
    /// `meanwhile` is called while each range is read.
    pub fn run_with_workers(
        &mut self,
        line: &str,
        meanwhile: impl Fn(&mut Bench),
    ) -> (String, usize) {
        for ranges in 0.. {
            let seed = self.seed;
            self.view.pinned.retain_mut(PinnedScan::refresh);
            let reply = self.run(line);
            let Some(request) = self.wanted_range.take() else {
                self.view.pinned.clear();
                return (reply, ranges);
            };
            assert!(ranges < 10, "{line} never ends");
            let mut pinned = std::mem::take(&mut self.view.pinned);
            pinned.retain(PinnedScan::is_used);
            let watch = self.view.watch_range(&request);
            let answer = self.read_range(request);
            meanwhile(self);
            pinned.push(PinnedScan::new(answer, watch));
            self.view.pinned = pinned;
            self.seed = seed;
        }
        unreachable!("the loop has no end")
    }

    /// Reads a range as a worker does, for the next commands.
    pub fn pin(&mut self, request: ScanRequest) {
        let watch = self.view.watch_range(&request);
        let answer = self.read_range(request);
        self.view.pinned.push(PinnedScan::new(answer, watch));
    }

    fn read_range(&self, request: ScanRequest) -> Pinned {
        let database = self.view.database().expect("open");
        scan::read_range(database, WantedScan::whole(request), 1).expect("a range")
    }

    /// Runs a command given in parts; gives the reply's bytes.
    pub fn run_parts(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        let mut spec = table::find(parts[0]).expect("a known command");
        if !spec.subcommands.is_empty() && parts.len() > 1 {
            spec = table::find_subcommand(spec, parts[1]).expect("a known subcommand");
        }
        self.run_spec(spec, parts)
    }

    /// Runs a command by its declaration; gives the reply's bytes.
    pub fn run_spec(&mut self, spec: &Spec, parts: &[&[u8]]) -> Vec<u8> {
        let args = OwnedArgs::from_parts(parts);
        let args = args.as_args();
        let mut reply = Reply::new(self.proto);
        if !spec.accepts(args.len()) {
            reply.error(&crate::error::wrong_arity(spec.name));
            return reply.bytes().to_vec();
        }
        let Handler::Data(handler) = spec.handler else {
            panic!("{} is no data command", spec.name)
        };
        let mark = self.view.begin_command();
        self.seed += 1;
        let mut ctx = DataCtx {
            store: Store {
                view: &mut self.view,
                db: self.db,
                codec: KeyCodec {
                    slot_encoded: self.settings.cluster_enabled,
                },
                turn: self.turn,
                changes: &mut self.changes,
            },
            reply: &mut reply,
            turn: self.turn,
            rng: Rng::new(self.seed),
            settings: &self.settings,
            cursors: &mut self.cursors,
            key_counting: &self.key_counting,
            count_ask: None,
            may_block: self.may_block,
            resumed: self.resumed,
        };
        let result = handler(&mut ctx, args);
        match result {
            Ok(()) => {}
            Err(halt) => {
                self.view.undo(mark);
                reply.truncate(0);
                match halt {
                    Halt::Error(error) => reply.error(&error),
                    Halt::Wait(Wait::Keys(wait)) => {
                        reply.raw(b"WAIT");
                        for key in wait.keys {
                            reply.raw(b" ");
                            reply.raw(&key);
                        }
                    }
                    Halt::Wait(Wait::Scan(wanted)) => {
                        reply.raw(b"WAIT Scan");
                        self.wanted_range = Some(wanted.request);
                    }
                    Halt::Wait(other) => reply.raw(format!("WAIT {other:?}").as_bytes()),
                }
            }
        }
        if self.commit_each {
            self.commit();
        }
        reply.bytes().to_vec()
    }

    /// Counts the keys, as a worker would.
    pub fn count_keys(&mut self) {
        let rocks = self.view.database().expect("open").clone();
        let codec = KeyCodec {
            slot_encoded: self.settings.cluster_enabled,
        };
        self.key_counting.begin(&self.view, self.turn.now());
        let counts = counting::count_keys(&rocks, codec, self.turn.unix());
        self.key_counting.end(counts, self.turn);
    }

    /// Commits what was written.
    pub fn commit(&mut self) {
        if let Some(group) = self.view.close_group() {
            self.view
                .database()
                .expect("open")
                .write(&group.record, WriteMode::default())
                .expect("a commit");
            self.view.committed(group.id);
        }
    }
}
