//! DEL, UNLINK, EXISTS, TOUCH and TYPE.

use super::GROUP;
use crate::command::spec::{ALL_KEYS, Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::resp::Args;

pub(super) const DEL: Spec = Spec::write("del", -2, ALL_KEYS, del).doc(
    GROUP,
    "1.0.0",
    "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the \
     individual complexity for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. \
     Removing a single key that holds a string value is O(1).",
    "Delete a key",
);

pub(super) const UNLINK: Spec = Spec::write("unlink", -2, ALL_KEYS, del)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "4.0.0",
        "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to \
         reclaim memory, where N is the number of allocations the deleted objects where composed of.",
        "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.",
    );

fn del(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let mut deleted = 0;
    for key in args.from(1).iter() {
        if ctx.store.header(key)?.is_some() {
            ctx.store.delete_key(key);
            deleted += 1;
        }
    }
    ctx.reply.count(deleted);
    Ok(())
}

pub(super) const EXISTS: Spec = Spec::read("exists", -2, ALL_KEYS, count_existing)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of keys to check.",
        "Determine if a key exists",
    );

/// Access times are not kept, so touching a key is looking it up.
pub(super) const TOUCH: Spec = Spec::read("touch", -2, ALL_KEYS, count_existing)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "3.2.1",
        "O(N) where N is the number of keys that will be touched.",
        "Alters the last access time of a key(s). Returns the number of existing keys specified.",
    );

fn count_existing(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let mut existing = 0;
    for key in args.from(1).iter() {
        let is_found = ctx.store.header(key)?.is_some();
        ctx.store.looked_up(key, is_found);
        existing += usize::from(is_found);
    }
    ctx.reply.count(existing);
    Ok(())
}

pub(super) const TYPE: Spec = Spec::read("type", 2, ONE_KEY, key_type)
    .flags(Flags::FAST)
    .doc(GROUP, "1.0.0", "O(1)", "Determine the type stored at key");

fn key_type(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let header = ctx.store.header(args.at(1))?;
    ctx.store.looked_up(args.at(1), header.is_some());
    ctx.reply
        .simple(header.map_or("none", |header| header.kind().name()));
    Ok(())
}
