//! Input in pieces, broken off, in the wrong order, or endless, beside clients that are served as ever.

use crate::Witness;
use crate::common::conn::encode;
use crate::common::{Conn, DEADLINE, Rng, Server, Setup, Value, show, wait_until};

/// Some commands and their replies, with binary, empty and longer arguments.
fn conversation() -> (Vec<u8>, Vec<Value>) {
    let long = vec![b'x'; 300];
    let commands: [&[&[u8]]; 6] = [
        &[b"SET", b"k\x00\r\n\xff", b"binary\r\n*3\r\n$3\r\n"],
        &[b"GET", b"k\x00\r\n\xff"],
        &[b"ECHO", b""],
        &[b"NOSUCH", b"a"],
        &[b"APPEND", b"long", &long],
        &[b"DEL", b"long", b"k\x00\r\n\xff"],
    ];
    let mut bytes = Vec::new();
    for args in commands {
        encode(args, &mut bytes);
    }
    bytes.extend_from_slice(b"PING inline\r\n");
    let replies = vec![
        Value::ok(),
        Value::bulk(b"binary\r\n*3\r\n$3\r\n"),
        Value::bulk(""),
        Value::error("ERR unknown command 'NOSUCH', with args beginning with: 'a' "),
        Value::Int(300),
        Value::Int(2),
        Value::bulk("inline"),
    ];
    (bytes, replies)
}

fn read_all(conn: &mut Conn, replies: &[Value], context: &str) {
    for expected in replies {
        assert_eq!(conn.read(), *expected, "{context}");
    }
}

#[test]
fn one_byte_a_turn_is_understood() {
    let server = Server::start();
    let (mut witness, mut conn) = (Witness::of(&server), server.connect());
    let (bytes, replies) = conversation();
    for byte in bytes {
        conn.send_raw(&[byte]);
        witness.take_turn();
    }
    read_all(&mut conn, &replies, "one byte a turn");
    witness.is_well();
}

#[test]
fn every_cut_into_two_is_understood() {
    let server = Server::start();
    let (mut witness, mut conn) = (Witness::of(&server), server.connect());
    let (bytes, replies) = conversation();
    for cut in 0..=bytes.len() {
        conn.send_raw(&bytes[..cut]);
        witness.take_turn();
        conn.send_raw(&bytes[cut..]);
        read_all(&mut conn, &replies, &format!("cut at {cut}"));
    }
    witness.is_well();
}

/// A command that was not sent whole never runs, wherever it broke off.
#[test]
fn a_truncated_command_has_no_effect() {
    let server = Server::start();
    let mut witness = Witness::of(&server);
    let mut bytes = Vec::new();
    encode(&[&b"SET"[..], b"truncated", b"a value"], &mut bytes);
    for len in 0..bytes.len() {
        let mut conn = server.connect();
        conn.send_raw(&bytes[..len]);
        witness.take_turn();
        drop(conn);
        witness.is_well();
    }
    let mut conn = server.connect();
    wait_until("all of them are gone", || {
        conn.call("CLIENT LIST")
            .text()
            .lines()
            .filter(|line| line.contains("name="))
            .count()
            <= 2
    });
    assert_eq!(conn.call("EXISTS truncated"), Value::Int(0));
}

/// Many clients send their commands piece by piece, all of them at once.
#[test]
fn interleaved_pieces_stay_apart() {
    const CLIENTS: usize = 60;
    let server = Server::start();
    let mut witness = Witness::of(&server);
    let mut rng = Rng::new(1);
    let mut clients: Vec<(Conn, Vec<u8>, usize)> = (0..CLIENTS)
        .map(|n| {
            let mut bytes = Vec::new();
            for round in 0..5 {
                encode(
                    &[
                        "RPUSH".to_string(),
                        format!("list{n}"),
                        format!("{n}:{round}"),
                    ],
                    &mut bytes,
                );
                encode(
                    &["LRANGE".into(), format!("list{n}"), "0".into(), "-1".into()],
                    &mut bytes,
                );
            }
            (server.connect(), bytes, 0)
        })
        .collect();
    while let Some(busy) = Some(
        clients
            .iter()
            .filter(|(_, bytes, at)| *at < bytes.len())
            .count(),
    )
    .filter(|n| *n > 0)
    {
        let nth = rng.below(busy);
        let (conn, bytes, at) = clients
            .iter_mut()
            .filter(|(_, bytes, at)| *at < bytes.len())
            .nth(nth)
            .expect("a busy client");
        let len = (1 + rng.below(60)).min(bytes.len() - *at);
        conn.send_raw(&bytes[*at..*at + len]);
        *at += len;
    }
    for (n, (conn, ..)) in clients.iter_mut().enumerate() {
        let mut expected = Vec::new();
        for round in 0..5 {
            assert_eq!(conn.read(), Value::Int(round + 1), "client {n}");
            expected.push(format!("{n}:{round}"));
            assert_eq!(conn.read(), Value::bulks(&expected), "client {n}");
        }
    }
    witness.is_well();
}

/// Random bytes, and commands with a few bytes changed, on connections that then vanish or wait to be closed.
#[test]
fn random_input_harms_nobody() {
    const ROUNDS: usize = 1500;
    let server = Server::start();
    for part in ["Protocol error", "SECURITY ATTACK"] {
        server.expect_log(part);
    }
    let mut witness = Witness::of(&server);
    let mut rng = Rng::new(20_260_301);
    let (bytes, _) = conversation();
    for round in 0..ROUNDS {
        let mut input = match round % 3 {
            0 => {
                let len = 1 + rng.below(400);
                rng.bytes(len)
            }
            1 => [&b"*3\r\n$"[..], &rng.bytes(30)].concat(),
            _ => bytes.clone(),
        };
        if round % 3 == 2 {
            for _ in 0..1 + rng.below(4) {
                let at = rng.below(input.len());
                input[at] = *rng.pick(b"*$\r\n-0129\x00\xff\"' aZ");
            }
        }
        let mut conn = server.connect();
        let _ = conn.try_send_raw(&input);
        if rng.chance(30) {
            conn.end_sending();
            // Nothing more can come: the server must close, whatever state the parser is in.
            let closed = conn.try_read_to_close(DEADLINE);
            assert!(
                closed.is_ok(),
                "round {round}: {closed:?} after {}",
                show(&input)
            );
        }
        if round % 10 == 0 {
            witness.is_well();
        }
    }
    witness.is_well();
}

#[test]
fn a_hundred_thousand_commands_in_one_go_are_answered_in_order() {
    const COMMANDS: usize = 100_000;
    let server = Server::start();
    let mut witness = Witness::of(&server);
    let mut conn = server.connect();
    let mut sender = conn.second_handle();
    let mut bytes = Vec::new();
    for n in 0..COMMANDS {
        match n % 4 {
            0 => encode(&["SET", "key", &n.to_string()], &mut bytes),
            1 => encode(&["GET", "key"], &mut bytes),
            2 => encode(&["ECHO", &n.to_string()], &mut bytes),
            _ => bytes.extend_from_slice(b"NOSUCH\r\n"),
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send_raw(&bytes));
        for n in 0..COMMANDS {
            let reply = conn.read();
            match n % 4 {
                0 => assert_eq!(reply, Value::ok(), "command {n}"),
                1 => assert_eq!(reply, Value::bulk((n - 1).to_string()), "command {n}"),
                2 => assert_eq!(reply, Value::bulk(n.to_string()), "command {n}"),
                _ => assert!(reply.is_error(), "command {n}: {reply}"),
            }
            // Others are served meanwhile.
            if n % 20_000 == 0 {
                witness.is_well();
            }
        }
    });
    witness.is_well();
}

/// Who has said all it wanted and closed its side for sending is still answered.
#[test]
fn replies_reach_a_client_that_has_stopped_sending() {
    let server = Server::start();
    for _ in 0..20 {
        let mut conn = server.connect();
        conn.send_raw(b"SET k v\r\nGET k\r\nPING\r\n");
        conn.end_sending();
        assert_eq!(conn.read_to_close(), b"+OK\r\n$1\r\nv\r\n+PONG\r\n");
    }
}

/// A client that asks for much and reads nothing waits alone.
#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let server = Server::start();
    let mut witness = Witness::of(&server);
    let value = vec![b'v'; 1_000_000];
    assert_eq!(
        server
            .connect()
            .cmd(&[b"SET".to_vec(), b"large".to_vec(), value.clone()]),
        Value::ok()
    );
    let mut greedy = server.connect();
    for _ in 0..50 {
        greedy.send_line("GET large");
        witness.is_well();
    }
    for _ in 0..50 {
        assert_eq!(greedy.read(), Value::Bulk(value.clone()));
        witness.is_well();
    }
}

/// Wrong calls change nothing: neither the data nor its expiry.
#[test]
fn wrong_calls_change_nothing() {
    let server = Setup::new().start();
    let mut conn = server.connect();
    conn.ok("SET string v PXAT 4102444800000");
    conn.call("RPUSH list a b");
    conn.call("HSET hash f v");
    for line in [
        "SET string",
        "SET string x EX 0",
        "SET string x EX abc",
        "SET string x NX XX",
        "GETEX string EX -1",
        "EXPIRE string abc",
        "EXPIRE string 9223372036854775807",
        "PEXPIRE string 1 NX GT",
        "INCR string",
        "APPEND list x",
        "SETRANGE string -1 x",
        "SETRANGE string 536870912 x",
        "INCRBYFLOAT string abc",
        "LPUSH string x",
        "LSET list 9 x",
        "LSET list abc x",
        "LTRIM list a b",
        "HINCRBY hash f 1",
        "HSET hash f",
        "SADD list x",
        "ZADD list 1 m",
        "ZADD hash nan m",
        "RENAME nosuch other",
        "RENAMENX nosuch other",
        "COPY string list DB abc",
        "MOVE string abc",
        "MSET string",
        "MSET a 1 string",
        "LMOVE list hash LEFT RIGHT",
        "LINSERT list BEFORE",
        "SORT list",
        "RESTORE string 0 garbage",
        "RESTORE other 0 garbage",
        "GETDEL list",
        "LPOP list -1",
        "SPOP list",
        "PERSIST list x",
    ] {
        let reply = conn.call(line);
        assert!(reply.is_error(), "{line}: {reply}");
    }
    assert_eq!(conn.call("GET string"), Value::bulk("v"));
    assert_eq!(
        conn.call("PEXPIRETIME string"),
        Value::Int(4_102_444_800_000)
    );
    assert_eq!(conn.call("LRANGE list 0 -1"), Value::bulks(&["a", "b"]));
    assert_eq!(conn.call("HGETALL hash"), Value::bulks(&["f", "v"]));
    assert_eq!(conn.call("DBSIZE"), Value::Int(3));
}
