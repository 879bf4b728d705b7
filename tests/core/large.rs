//! Replies of many megabytes: whole and in order, counted while they wait, and limited.

use crate::Bench;
use crate::common::{Conn, Value, wait_until};

/// Keys of large values, and the bytes of each: more than the loop takes out of memory itself, and than a socket holds.
const COUNT: usize = 12;
const VALUE_BYTES: usize = 3 << 20;

fn value(number: usize) -> Vec<u8> {
    (0..VALUE_BYTES)
        .map(|at| (at * 7 + at / 1000 + number) as u8)
        .collect()
}

/// A field of the line that CLIENT LIST shows of `id`.
fn shown(admin: &mut Conn, id: i64, field: &str) -> usize {
    let line = admin.call(&format!("CLIENT LIST ID {id}")).text();
    let prefix = format!("{field}=");
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(&prefix)?.parse().ok())
        .unwrap_or_else(|| panic!("no {field} in {line}"))
}

fn fill(bench: &mut Bench) -> Vec<Vec<u8>> {
    let mut mget = vec![b"MGET".to_vec()];
    for number in 0..COUNT {
        let key = format!("large{number}").into_bytes();
        let set = [b"SET".to_vec(), key.clone(), value(number)];
        assert_eq!(bench.admin.cmd(&set), Value::ok());
        mget.push(key);
    }
    mget
}

#[test]
fn large_values_arrive_whole_between_small_replies() {
    let mut bench = Bench::start();
    let mget = fill(&mut bench);
    let mut conn = bench.server.connect();
    let id = conn.call("CLIENT ID").int();
    conn.send_line("PING before");
    conn.send(&mget);
    conn.send_line("SET written 1");
    conn.send_line("GETRANGE large1 10 -1");
    conn.send_line("PING behind");
    // Not read yet: it waits here, in pieces, and costs nobody's time.
    wait_until("the reply is made", || {
        shown(&mut bench.admin, id, "omem") > COUNT * VALUE_BYTES / 2
    });
    assert!(shown(&mut bench.admin, id, "oll") > COUNT / 2);
    assert!(shown(&mut bench.admin, id, "obl") < VALUE_BYTES);
    assert_eq!(conn.read(), Value::bulk("before"));
    let values: Vec<Vec<u8>> = (0..COUNT).map(value).collect();
    assert!(conn.read() == Value::bulks(&values), "another reply");
    assert_eq!(conn.read(), Value::ok());
    assert!(conn.read() == Value::bulk(&values[1][10..]), "another part");
    assert_eq!(conn.read(), Value::bulk("behind"));
    for field in ["omem", "oll", "obl"] {
        assert_eq!(shown(&mut bench.admin, id, field), 0, "{field}");
    }
}

#[test]
fn pieces_count_against_the_output_limit() {
    let mut bench = Bench::start();
    bench.server.expect_log("above its limit");
    let mget = fill(&mut bench);
    let limit = (COUNT * VALUE_BYTES / 2).to_string();
    let limit = format!("normal {limit} 0 0");
    let setting = ["CONFIG", "SET", "client-output-buffer-limit", &limit];
    assert_eq!(bench.admin.cmd(&setting), Value::ok());
    let mut conn = bench.server.connect();
    assert_eq!(conn.cmd(&mget[..COUNT / 3]).items().len(), COUNT / 3 - 1);
    conn.send(&mget);
    assert_eq!(conn.read_to_close(), b"");
    assert_eq!(bench.admin.call("EXISTS large0"), Value::Int(1));
}
