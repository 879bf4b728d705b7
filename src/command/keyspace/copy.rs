//! RENAME, RENAMENX, COPY and MOVE. Any type, those that only a newer Kvrocks knows included.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec, TWO_KEYS};
use crate::command::{DataCtx, Run};
use crate::error::{DB_OUT_OF_RANGE, NO_SUCH_KEY, ReplyError, SYNTAX};
use crate::resp::Args;
use crate::storage::keys::DbIndex;
use crate::storage::store::EventClass;

const SAME_OBJECT: ReplyError =
    ReplyError::fixed("ERR source and destination objects are the same");

pub(super) const RENAME: Spec =
    Spec::write("rename", 3, TWO_KEYS, |ctx, args| rename(ctx, args, false)).doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "Rename a key",
    );

pub(super) const RENAMENX: Spec =
    Spec::write("renamenx", 3, TWO_KEYS, |ctx, args| rename(ctx, args, true))
        .flags(Flags::FAST)
        .doc(
            GROUP,
            "1.0.0",
            "O(1)",
            "Rename a key, only if the new key does not exist",
        );

fn rename(ctx: &mut DataCtx<'_>, args: Args<'_>, only_if_free: bool) -> Run {
    let (from, to) = (args.at(1), args.at(2));
    let store = &mut ctx.store;
    if store.header(from)?.is_none() {
        return Err(NO_SUCH_KEY.into());
    }
    let is_free = from != to && (!only_if_free || store.header(to)?.is_none());
    if is_free && let Some(copy) = store.read_copy(from)? {
        store.changing(from, copy.log_data().as_bytes());
        store.also_changing(to);
        store.write_copy(to, &copy);
        store.delete_meta(from);
        store.notify(EventClass::NEW, "new", to);
        store.notify(EventClass::GENERIC, "rename_from", from);
        store.notify(EventClass::GENERIC, "rename_to", to);
    }
    match only_if_free {
        true => ctx.reply.int(i64::from(is_free)),
        false => ctx.reply.ok(),
    }
    Ok(())
}

pub(super) const COPY: Spec = Spec::write("copy", -3, TWO_KEYS, copy)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "6.2.0",
        "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
        "Copy a key",
    );

fn copy(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const IN_CLUSTER: ReplyError =
        ReplyError::fixed("ERR Copying to another database is not allowed in cluster mode");
    let (from, to) = (args.at(1), args.at(2));
    let mut to_db = ctx.store.db;
    let mut replace = false;
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "replace") {
            replace = true;
        } else if args.is(at, "db") && at + 1 < args.len() {
            to_db = database(ctx, args.at(at + 1))?;
            at += 1;
        } else {
            return Err(SYNTAX.into());
        }
        at += 1;
    }
    if ctx.settings.cluster_enabled && (ctx.store.db, to_db) != (DbIndex(0), DbIndex(0)) {
        return Err(IN_CLUSTER.into());
    }
    if to_db == ctx.store.db && from == to {
        return Err(SAME_OBJECT.into());
    }
    let store = &mut ctx.store;
    let is_found = store.header(from)?.is_some();
    let is_free = replace || store.at(to_db).header(to)?.is_none();
    let copy = match is_free {
        true => store.read_copy(from)?,
        false => None,
    };
    store.looked_up(from, is_found);
    if let Some(copy) = &copy {
        let mut target = store.at(to_db);
        target.changing(to, copy.log_data().as_bytes());
        target.write_copy(to, copy);
        target.notify(EventClass::NEW, "new", to);
        target.notify(EventClass::GENERIC, "copy_to", to);
    }
    ctx.reply.int(i64::from(copy.is_some()));
    Ok(())
}

pub(super) const MOVE: Spec = Spec::write("move", 3, ONE_KEY, move_key)
    .flags(Flags::FAST)
    .doc(GROUP, "1.0.0", "O(1)", "Move a key to another database");

fn move_key(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const IN_CLUSTER: ReplyError = ReplyError::fixed("ERR MOVE is not allowed in cluster mode");
    if ctx.settings.cluster_enabled {
        return Err(IN_CLUSTER.into());
    }
    let key = args.at(1);
    let to_db = database(ctx, args.at(2))?;
    let store = &mut ctx.store;
    if to_db == store.db {
        return Err(SAME_OBJECT.into());
    }
    let is_free = store.at(to_db).header(key)?.is_none();
    let copy = match is_free {
        true => store.read_copy(key)?,
        false => None,
    };
    if let Some(copy) = &copy {
        store.changing(key, copy.log_data().as_bytes());
        store.delete_meta(key);
        let mut target = store.at(to_db);
        target.also_changing(key);
        target.write_copy(key, copy);
        target.notify(EventClass::NEW, "new", key);
        store.notify(EventClass::GENERIC, "move_from", key);
        store.at(to_db).notify(EventClass::GENERIC, "move_to", key);
    }
    ctx.reply.int(i64::from(copy.is_some()));
    Ok(())
}

/// The database that an argument names.
fn database(ctx: &DataCtx<'_>, arg: &[u8]) -> Result<DbIndex, ReplyError> {
    u16::try_from(parse::integer32(arg)?)
        .ok()
        .filter(|&index| index < ctx.settings.databases)
        .map(DbIndex)
        .ok_or(DB_OUT_OF_RANGE)
}
