//! Values that are large: how many bytes of them are held, and who copies them.

use super::*;
use crate::limits::{COLD_BYTES_MAX, LARGE_VALUE_BYTES_ON_LOOP_MAX, SHARED_BULK_BYTES_MIN};

#[test]
fn values_beyond_the_room_are_read_and_not_held() {
    let mut cold = Cold::new(everything());
    let value = "x".repeat(COLD_BYTES_MAX / 2);
    let names = ["a", "b", "c"];
    for name in names {
        cold.run(&format!("set {name} {value}"));
    }
    cold.send(0, "exists a b c");
    cold.step(0);
    let held = cold.bench.node.cold_reads.room.bytes();
    assert!(held > 0 && held <= COLD_BYTES_MAX, "{held}");
    cold.finish();
    assert_eq!(cold.bench.received(0), ":3");
    assert_eq!(cold.bench.node.cold_reads.room.bytes(), 0);
    // What the reply shows is held for it, and read once.
    let before = cold.counts();
    cold.send(0, "mget a b c");
    cold.step(0);
    let held = cold.bench.node.cold_reads.room.bytes();
    assert!(held > COLD_BYTES_MAX, "{held}");
    cold.finish();
    let reply = cold.bench.received(0);
    assert_eq!(reply.matches(&value).count(), 3);
    assert_eq!(cold.counts(), (before.0 + 1, before.1 + 3));
    assert_eq!(cold.bench.node.cold_reads.room.bytes(), 0);
}

#[test]
fn large_values_are_taken_out_of_memory_by_readers() {
    let mut cold = Cold::new(Box::new(|_, _| false));
    let count = LARGE_VALUE_BYTES_ON_LOOP_MAX / SHARED_BULK_BYTES_MIN;
    let names: Vec<String> = (0..count).map(|number| format!("k{number}")).collect();
    let value = "x".repeat(SHARED_BULK_BYTES_MIN);
    for name in &names {
        cold.run(&format!("set {name} {value}"));
    }
    let before = cold.counts();
    let reply = cold.run(&format!("mget {}", names[1..].join(" ")));
    assert_eq!(reply.matches(&value).count(), count - 1);
    assert_eq!(cold.counts(), before, "as many as the loop takes itself");
    let reply = cold.run(&format!("mget {} k0 small", names.join(" ")));
    assert!(reply.starts_with(&format!("*{} ${} x", count + 2, value.len())));
    assert!(reply.ends_with("x $-1"), "{}", &reply[reply.len() - 20..]);
    assert_eq!(reply.matches(&value).count(), count + 1);
    let after = cold.counts();
    assert_eq!(after.0 - before.0, 1);
    assert!(after.1 - before.1 >= count as u64, "{after:?}");
}

#[test]
fn a_large_value_read_for_a_command_is_shared_with_its_reply() {
    let mut cold = Cold::new(everything());
    let value = "x".repeat(SHARED_BULK_BYTES_MIN);
    cold.run(&format!("set a {value}"));
    cold.run(&format!("hset h f {value} g small"));
    for (line, reply) in [
        ("get a", format!("${} {value}", value.len())),
        (
            "hmget h f g",
            format!("*2 ${} {value} $5 small", value.len()),
        ),
        ("getrange a 0 -1", format!("${} {value}", value.len())),
    ] {
        cold.send(0, line);
        cold.finish();
        let key = cold.bench.key(0);
        let client = cold.bench.node.clients.get(key).expect("a client");
        assert!(client.output.parts_count() >= 3, "{line}");
        assert!(client.output.pending_bytes() >= value.len());
        assert_eq!(cold.bench.received(0), reply);
    }
}
