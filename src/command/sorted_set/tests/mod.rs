//! What the sorted set commands reply, change and announce, against redis-server 7.0.15's answers.

mod changes;
mod replies;

use crate::command::testing::Bench;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// Makes `key` a set with these members.
fn make_set(bench: &mut Bench, key: &str, members: &[&str]) {
    use crate::storage::cf::Cf;
    use crate::storage::metadata::Type;
    let mut store = bench.store();
    let mut header = store.new_header(Type::Set);
    let mut elements = store.elements(key.as_bytes(), &header);
    for member in members {
        let entry = elements.key(member.as_bytes()).to_vec();
        store.view.put(Cf::Default, &entry, b"");
        header.size += 1;
    }
    store.put_meta(key.as_bytes(), &header, b"");
    if bench.commit_each {
        bench.commit();
    }
}
