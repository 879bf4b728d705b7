//! Tests against a stand-in for memory that holds what the test likes, and readers that read and answer when the test lets them.

mod interleaving;
mod large;

use super::*;
use crate::command::node_bench::NodeBench;
use crate::command::parked_scans;
use crate::command::parking;
use crate::config::Config;
use crate::node::{Request, WorkerJob};
use crate::storage::cold::{self, Misses};
use crate::storage::scan::{self, Pinned, WantedScan};

/// What readers have to do, and have done.
enum Work {
    Read(Vec<ColdRequest>),
    Answer(Vec<ColdAnswer>),
    Scan(ClientKey, Ticket, u64, WantedScan),
    Scanned(ClientKey, Ticket, Pinned),
}

/// A node without a cache of its own, whose memory misses by a rule.
struct Cold {
    bench: NodeBench,
    work: Vec<Work>,
}

/// Nothing that is committed is in memory.
fn everything() -> Misses {
    Box::new(|_, _| true)
}

impl Cold {
    fn new(misses: Misses) -> Cold {
        let config = Config {
            hot_cache_size: 0,
            ..Config::default()
        };
        let bench = NodeBench::with(config);
        bench.node.view.cold.misses.replace(Some(misses));
        Cold {
            bench,
            work: Vec::new(),
        }
    }

    fn send(&mut self, client: usize, line: &str) {
        self.bench.send(client, line);
        self.take_requests();
    }

    /// What the server does at the end of a turn.
    fn take_requests(&mut self) {
        let node = &mut self.bench.node;
        for request in std::mem::take(&mut node.requests) {
            if let Request::Work(WorkerJob::Scan {
                client,
                ticket,
                wanted,
            }) = request
                && let Some(number) = parked_scans::begin(node, client, ticket, &wanted.request)
            {
                self.work.push(Work::Scan(client, ticket, number, wanted));
            }
        }
        let messages = node.cold_reads.take_messages();
        self.work.extend(messages.into_iter().map(Work::Read));
    }

    /// A reader takes a step with a piece of work: it reads, or delivers what it has read.
    fn step(&mut self, at: usize) {
        let node = &mut self.bench.node;
        let rocks = node.view.database().expect("open").clone();
        match self.work.swap_remove(at) {
            Work::Read(requests) => {
                let room = node.cold_reads.room.clone();
                cold::read_all(&rocks, &requests, &room, |answers| {
                    self.work.push(Work::Answer(answers));
                });
            }
            Work::Scan(client, ticket, number, wanted) => {
                let pinned = scan::read_range(&rocks, wanted, number).expect("a range");
                self.work.push(Work::Scanned(client, ticket, pinned));
            }
            Work::Answer(answers) => answered(node, answers),
            Work::Scanned(client, ticket, pinned) => {
                parked_scans::answered(node, client, ticket, pinned);
            }
        }
    }

    /// Runs the next command again that is due; gives its client.
    fn resume(&mut self) -> Option<ClientKey> {
        let (_, key) = self.bench.node.waiting.next_due()?;
        parking::resume(&mut self.bench.node, key);
        parking::serve_written_keys(&mut self.bench.node);
        self.take_requests();
        Some(key)
    }

    /// Readers and commands go on until nothing is left to do; gives how many steps readers took.
    fn finish(&mut self) -> usize {
        let mut steps = 0;
        loop {
            while self.resume().is_some() {}
            if self.work.is_empty() {
                self.bench.commit();
                return steps;
            }
            self.step(0);
            steps += 1;
            assert!(steps < 10_000, "commands wait for ever");
        }
    }

    fn run(&mut self, line: &str) -> String {
        self.send(0, line);
        self.finish();
        self.bench.received(0)
    }

    fn is_parked(&self, client: usize) -> bool {
        let client = self.bench.node.clients.get(self.bench.key(client));
        client.is_some_and(|client| client.parked().is_some())
    }

    /// Times that commands have waited, and keys that were read for them.
    fn counts(&self) -> (u64, u64) {
        let cold = self.bench.node.stats.cold;
        (cold.rounds, cold.reads)
    }
}

#[test]
fn a_key_that_is_not_in_memory_is_waited_for_once() {
    let mut cold = Cold::new(everything());
    assert_eq!(cold.run("set a one"), "+OK");
    assert_eq!(cold.counts(), (0, 0), "a blind write reads nothing");
    assert_eq!(cold.run("get a"), "$3 one");
    assert_eq!(cold.run("get absent"), "$-1");
    assert_eq!(cold.counts(), (2, 2));
    assert_eq!(cold.run("append a !"), ":4");
    assert_eq!(cold.counts(), (3, 3));
    let node = &cold.bench.node;
    assert_eq!(
        (node.cold_reads.pending(), node.cold_reads.room.bytes()),
        (0, 0)
    );
    let get = node.renames.find(b"get").expect("a command");
    assert_eq!(node.stats.of(get).calls, 2);
    assert_eq!(
        (node.stats.keyspace_hits, node.stats.keyspace_misses),
        (1, 1)
    );
}

#[test]
fn the_keys_and_elements_of_a_command_are_asked_for_together() {
    let mut cold = Cold::new(everything());
    for (line, waits) in [
        ("mset a 1 b 2 c 3", 0),
        ("mget a b c d", 1),
        ("exists a b c d", 1),
        ("hset h f 1 g 2 i 3", 1),
        ("hmget h f g i x", 2),
        ("hset h f 4 g 5 x 6", 2),
        ("hdel h f g y", 2),
        ("sadd s 1 2 3", 1),
        ("sadd s 1 2 4", 2),
        ("smismember s 1 2 9", 2),
        ("srem s 1 2 9", 2),
        ("zadd z 1 a 2 b 3 c", 1),
        ("zadd z 4 a 5 b 6 d", 2),
        ("zmscore z a b x", 2),
        ("zrem z a b x", 2),
        ("watch a b c", 1),
    ] {
        let before = cold.counts().0;
        cold.run(line);
        assert_eq!(cold.counts().0 - before, waits, "{line}");
    }
    assert_eq!(cold.bench.node.stats.cold.direct, 0);
}

#[test]
fn clients_that_lack_the_same_key_share_one_read() {
    let mut cold = Cold::new(everything());
    cold.run("set a one");
    for _ in 0..3 {
        cold.bench.connect();
    }
    for client in 0..4 {
        cold.send(client, "get a");
    }
    assert_eq!(cold.bench.node.waiting.count(Reason::ColdRead), 4);
    cold.finish();
    assert_eq!(cold.counts(), (4, 1));
    for client in 0..4 {
        assert_eq!(cold.bench.received(client), "$3 one");
    }
}

#[test]
fn what_is_written_while_the_read_is_under_way_wins() {
    // Written before the reader reads, after it, and committed or not.
    for read_first in [false, true] {
        for commit in [false, true] {
            let mut cold = Cold::new(everything());
            cold.bench.connect();
            cold.run("set a old");
            cold.send(0, "get a");
            if read_first {
                cold.step(0);
            }
            cold.send(1, "set a new");
            if commit {
                cold.bench.commit();
            }
            cold.finish();
            assert_eq!(cold.bench.received(0), "$3 new", "{read_first} {commit}");
            assert_eq!(cold.bench.received(1), "+OK");
        }
    }
}

#[test]
fn a_write_that_fails_to_commit_is_not_seen() {
    let mut cold = Cold::new(everything());
    cold.bench.connect();
    cold.run("set a old");
    cold.send(0, "get a");
    cold.step(0);
    cold.send(1, "set a new");
    cold.bench.node.view.drop_uncommitted();
    cold.finish();
    assert_eq!(cold.bench.received(0), "$3 old");
}

#[test]
fn an_exec_waits_and_is_undone_as_a_whole() {
    let mut cold = Cold::new(everything());
    cold.bench.connect();
    cold.run("mset a 1 b 2");
    cold.run("hset h f 5");
    for line in ["multi", "incr a", "hincrby h f 1", "incr b", "publish c x"] {
        cold.send(0, line);
        assert!(!cold.is_parked(0));
    }
    cold.bench.received(0);
    cold.send(0, "exec");
    assert!(cold.is_parked(0));
    // Another client finds nothing done.
    cold.send(1, "set b 10");
    cold.finish();
    assert_eq!(cold.bench.received(0), "*4 :2 :6 :11 :0");
    assert_eq!(cold.run("mget a b"), "*2 $1 2 $2 11");
    // A watched key that is written while the EXEC waits breaks it.
    cold.run("watch a");
    cold.run("multi");
    cold.send(0, "incr b");
    cold.bench.received(0);
    cold.send(0, "exec");
    assert!(cold.is_parked(0));
    cold.send(1, "set a 3");
    cold.finish();
    assert_eq!(cold.bench.received(0), "*-1");
}

#[test]
fn who_must_read_before_it_takes_an_element_is_not_overtaken() {
    let mut cold = Cold::new(everything());
    cold.run("rpush d old");
    for line in ["blmove l d left left 0", "blpop l 0"] {
        let client = cold.bench.connect();
        cold.send(client, line);
        cold.finish();
    }
    assert_eq!(cold.bench.node.waiting.count(Reason::Keys), 2);
    assert_eq!(cold.run("rpush l x"), ":1");
    assert_eq!(cold.bench.received(1), "$1 x");
    assert_eq!(cold.bench.received(2), "");
    assert_eq!(cold.run("rpush l y z"), ":2");
    assert_eq!(cold.bench.received(2), "*2 $1 l $1 y");
    assert_eq!(cold.run("lrange d 0 -1"), "*2 $1 x $3 old");
}

#[test]
fn a_client_that_goes_leaves_nothing_behind() {
    let mut cold = Cold::new(everything());
    cold.bench.connect();
    cold.run("set a old");
    for steps in 0..2 {
        let client = cold.bench.connect();
        cold.send(client, "get a");
        for _ in 0..steps {
            cold.step(0);
        }
        let key = cold.bench.key(client);
        cold.bench.node.close_now(key);
        cold.bench.node.remove_client(key);
        cold.finish();
        let node = &cold.bench.node;
        assert_eq!((node.waiting.len(), node.cold_reads.pending()), (0, 0));
        assert_eq!(node.cold_reads.room.bytes(), 0);
    }
}

#[test]
fn a_command_that_a_pause_holds_back_is_run_afresh_after_it() {
    let mut cold = Cold::new(everything());
    cold.bench.connect();
    cold.run("set a 1");
    cold.send(0, "incr a");
    cold.send(1, "client pause 100000 write");
    cold.finish();
    assert!(cold.is_parked(0));
    assert_eq!(cold.bench.node.cold_reads.room.bytes(), 0);
    cold.send(1, "client unpause");
    cold.finish();
    assert_eq!(cold.bench.received(0), ":2");
}

#[test]
fn it_is_not_called_blocked() {
    let mut cold = Cold::new(everything());
    cold.bench.connect();
    cold.send(0, "get a");
    cold.send(1, "client list id 1");
    cold.send(1, "client unblock 1");
    cold.send(1, "info clients");
    cold.bench.commit();
    let text = cold.bench.received(1);
    assert!(text.contains(" flags=N "), "{text}");
    assert!(text.contains(" :0 "), "{text}");
    assert!(
        text.contains("blocked_clients:0 cold_read_clients:1"),
        "{text}"
    );
    cold.finish();
    assert_eq!(cold.bench.received(0), "$-1");
}

#[test]
fn who_is_never_answered_in_time_reads_the_disk_itself() {
    let mut cold = Cold::new(everything());
    cold.bench.connect();
    cold.run("set a 0");
    cold.send(0, "get a");
    for value in 1..10 {
        // The key is written, and out of memory again, whenever it has been read.
        while !cold.work.is_empty() {
            cold.step(0);
        }
        cold.send(1, &format!("set a {value}"));
        cold.bench.commit();
        cold.resume();
    }
    assert!(!cold.is_parked(0));
    assert_eq!(cold.bench.node.stats.cold.direct, 1);
    assert_eq!(cold.bench.received(0), "$1 3");
}

#[test]
fn a_short_range_is_read_by_a_reader() {
    let mut cold = Cold::new(everything());
    cold.run("rpush l 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
    cold.run("zadd z 1 a 2 b 3 c");
    let before = cold.counts().0;
    assert_eq!(cold.run("zrange z 0 -1"), "*3 $1 a $1 b $1 c");
    assert_eq!(cold.counts().0 - before, 2, "its metadata and its range");
    assert!(cold.run("lrange l 0 -1").starts_with("*20 $1 1 $1 2 "));
}
