//! Commands of several clients, readers' steps and commits in any order.

use proptest::prelude::*;

use super::*;

const CLIENTS: usize = 4;

const LINES: &[&str] = &[
    "set a 1",
    "set b x",
    "get a",
    "get b",
    "setrange b 70000 z",
    "incr a",
    "incr c",
    "append b y",
    "setnx c 7",
    "mget a b c h",
    "del a b",
    "del h s",
    "exists a b c h s",
    "msetnx a 4 c 5",
    "type s",
    "rename a b",
    "rename s t",
    "hset h f 1 g 2",
    "hset h f 3",
    "hmget h f g x",
    "hdel h f g",
    "hincrby h f 2",
    "hgetall h",
    "sadd s 1 2 3",
    "sadd t 2 3 4",
    "smismember s 1 2 9",
    "srem s 1 2",
    "sinter s t",
    "sunionstore u s t",
    "zadd z 1 a 2 b",
    "zadd z 3 a 4 c",
    "zmscore z a b c",
    "zrem z a",
    "zrange z 0 -1",
    "zpopmin z",
    "rpush l 1 2 3",
    "lpop l",
    "lrange l 0 -1",
    "lset l 0 x",
    "watch a b",
    "unwatch",
    "multi",
    "multi",
    "exec",
    "exec",
    "discard",
    "publish c x",
    "flushall",
    "getset a 9",
    "getdel b",
    "copy h k replace",
    "select 1",
    "select 0",
];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Send(usize, usize),
    Reader(usize),
    Resume,
    Commit,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..CLIENTS, 0..LINES.len()).prop_map(|(client, line)| Event::Send(client, line)),
        6 => (0..64usize).prop_map(Event::Reader),
        4 => Just(Event::Resume),
        2 => Just(Event::Commit),
    ]
}

/// Runs on a plain node what has just come to its end on the cold one, and notes the reply.
fn follow(
    cold: &Cold,
    model: &mut NodeBench,
    pending: &mut [Option<&'static str>],
    expected: &mut [Vec<String>],
) {
    for client in 0..CLIENTS {
        if !cold.is_parked(client)
            && let Some(line) = pending[client].take()
        {
            expected[client].push(model.run_as(client, line));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever is not in memory, and whenever readers read and answer: every command answers as if it had run whole at the moment
    /// at which it came to its end.
    #[test]
    fn commands_run_whole_in_any_interleaving(
        events in prop::collection::vec(event(), 1..600),
        miss_percent in 0..100u64,
        mut state in any::<u64>(),
    ) {
        let mut cold = Cold::new(Box::new(move |_, _| {
            // A linear congruential generator (Knuth's MMIX).
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % 100 < miss_percent
        }));
        let mut model = NodeBench::new();
        for _ in 1..CLIENTS {
            cold.bench.connect();
            model.connect();
        }
        let mut pending = [None; CLIENTS];
        let mut expected = vec![Vec::new(); CLIENTS];
        for event in events {
            match event {
                Event::Send(client, _) if cold.is_parked(client) => {}
                Event::Send(client, line) => {
                    pending[client] = Some(LINES[line]);
                    cold.send(client, LINES[line]);
                }
                Event::Reader(at) if !cold.work.is_empty() => {
                    let at = at % cold.work.len();
                    cold.step(at);
                }
                Event::Reader(_) => {}
                Event::Resume => {
                    cold.resume();
                }
                Event::Commit => cold.bench.commit(),
            }
            follow(&cold, &mut model, &mut pending, &mut expected);
        }
        for _ in 0..10_000 {
            while cold.resume().is_some() {
                follow(&cold, &mut model, &mut pending, &mut expected);
            }
            if cold.work.is_empty() {
                break;
            }
            cold.step(0);
        }
        prop_assert_eq!(pending, [None; CLIENTS], "commands wait for ever");
        cold.bench.commit();
        for (client, expected) in expected.iter().enumerate() {
            prop_assert_eq!(cold.bench.received(client), expected.join(" "));
        }
        prop_assert_eq!(cold.bench.node.cold_reads.pending(), 0);
        prop_assert_eq!(cold.bench.node.cold_reads.room.bytes(), 0);
        prop_assert!(cold.bench.node.view.cold.is_idle());
    }
}
