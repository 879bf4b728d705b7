//! What becomes of keys that have expired when somebody looks them up.

use super::info::field;
use crate::command::node_bench::NodeBench;

fn expired_keys(bench: &mut NodeBench) -> String {
    let reply = bench.run("INFO stats");
    field(&reply, "expired_keys").expect("a field").to_owned()
}

#[test]
fn a_key_found_expired_is_deleted_and_counted_at_once() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1 PX 10");
    bench.run("SET b 1 PX 10");
    bench.advance_ms(11);
    assert_eq!(expired_keys(&mut bench), "0");
    assert_eq!(bench.run("EXISTS a a b"), ":0");
    assert_eq!(expired_keys(&mut bench), "2");
    assert_eq!(bench.run("GET a"), "$-1");
    assert_eq!(expired_keys(&mut bench), "2");
}

#[test]
fn a_key_found_expired_and_written_again_stays() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1 PX 10");
    bench.advance_ms(11);
    assert_eq!(bench.run("APPEND a xy"), ":2");
    assert_eq!(bench.run("GET a"), "$2 xy");
    assert_eq!(expired_keys(&mut bench), "0");
}

#[test]
fn nothing_is_deleted_while_anything_is_paused() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1 PX 10");
    bench.run("CLIENT PAUSE 1000 WRITE");
    bench.advance_ms(11);
    assert_eq!(bench.run("GET a"), "$-1");
    assert_eq!(expired_keys(&mut bench), "0");
    bench.run("CLIENT UNPAUSE");
    assert_eq!(expired_keys(&mut bench), "0", "that look-up is over");
    assert_eq!(bench.run("GET a"), "$-1");
    assert_eq!(expired_keys(&mut bench), "1");
}

#[test]
fn the_deletion_of_a_key_that_had_expired_when_it_was_watched_is_no_change() {
    let mut bench = NodeBench::new();
    bench.run("SET a 1 PX 10");
    bench.advance_ms(11);
    bench.run("WATCH a");
    assert_eq!(expired_keys(&mut bench), "1");
    bench.run("MULTI");
    bench.run("PING");
    assert_eq!(bench.run("EXEC"), "*1 +PONG");
    // One that expires while it is watched is.
    bench.run("SET a 1 PX 10");
    bench.run("WATCH a");
    bench.advance_ms(11);
    assert_eq!(bench.run("EXISTS a"), ":0");
    bench.run("MULTI");
    bench.run("PING");
    assert_eq!(bench.run("EXEC"), "*-1");
}
