//! What a client has sent and the server holds, as CLIENT LIST shows it.

use crate::Bench;
use crate::common::conn::encode;
use crate::common::{Value, wait_until};

/// The number in field `name` of a line of CLIENT LIST.
fn number(line: &str, name: &str) -> usize {
    let mut fields = line.split_whitespace();
    let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no number {name} in: {line}"))
}

#[test]
fn the_running_command_is_part_of_its_clients_input() {
    let mut bench = Bench::start();
    let mut command = Vec::new();
    encode(&["CLIENT", "INFO"], &mut command);
    bench.admin.send_raw(&command);
    let line = bench.admin.read().text();
    assert_eq!(number(&line, "qbuf"), command.len(), "{line}");
    assert_eq!(number(&line, "argv-mem"), "CLIENTINFO".len(), "{line}");
    // Once it is done nothing of it is left.
    let mut other = bench.server.connect();
    let list = other.call("CLIENT LIST").text();
    let line = list.lines().next().expect("the older client's line");
    assert_eq!(number(line, "qbuf") + number(line, "argv-mem"), 0, "{line}");
}

#[test]
fn an_idle_client_holds_no_more_than_it_has_sent() {
    let mut bench = Bench::start();
    let mut conn = bench.server.connect();
    let id = conn.call("CLIENT ID").int();
    let value = vec![b'x'; 400_000];
    let mut command = Vec::new();
    encode(&[b"ECHO", value.as_slice()], &mut command);
    // A size at which a buffer that grows by doubling has much room to spare.
    let (sent, rest) = command.split_at(300_000);
    let mut line_of = |id: i64| bench.admin.call(&format!("CLIENT LIST ID {id}")).text();
    conn.send_raw(sent);
    wait_until("the unfinished command's spare room is taken back", || {
        let line = line_of(id);
        number(&line, "qbuf") == sent.len() && number(&line, "qbuf-free") <= 4096
    });
    conn.send_raw(rest);
    assert_eq!(conn.read(), Value::bulk(&value));
    wait_until("the buffer of the finished command is freed", || {
        let line = line_of(id);
        number(&line, "qbuf") + number(&line, "qbuf-free") == 0
    });
}
