//! LSET, LINSERT, LREM and LTRIM.

use super::GROUP;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{INDEX_OUT_OF_RANGE, NO_SUCH_KEY, SYNTAX};
use crate::resp::Args;
use crate::storage::store::EventClass;
use crate::storage::types::list::{self, List};
use crate::storage::types::list_edit;

pub(super) const LSET: Spec = Spec::write("lset", 4, ONE_KEY, lset)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
        "Set the value of an element in a list by its index",
    );

fn lset(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let list = List::load(store, key)?.ok_or(NO_SUCH_KEY)?;
    let index = parse::integer(args.at(2))?;
    let place = list.place(index).ok_or(INDEX_OUT_OF_RANGE)?;
    list_edit::set(store, key, &list, place, index, args.at(3));
    store.notify(EventClass::LIST, "lset", key);
    reply.ok();
    Ok(())
}

pub(super) const LINSERT: Spec = Spec::write("linsert", 5, ONE_KEY, linsert)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "2.2.0",
        "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
        "Insert an element before or after another element in a list",
    );

fn linsert(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let before = if args.is(2, "before") {
        true
    } else if args.is(2, "after") {
        false
    } else {
        return Err(SYNTAX.into());
    };
    let Some(list) = List::load(store, key)? else {
        reply.int(0);
        return Ok(());
    };
    match list_edit::insert(store, key, &list, before, args.at(3), args.at(4))? {
        Some(len) => {
            store.notify(EventClass::LIST, "linsert", key);
            reply.int(len as i64);
        }
        None => reply.int(-1),
    }
    Ok(())
}

pub(super) const LREM: Spec = Spec::write("lrem", 4, ONE_KEY, lrem).doc(
    GROUP,
    "1.0.0",
    "O(N+M) where N is the length of the list and M is the number of elements removed.",
    "Remove elements from a list",
);

fn lrem(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let count = parse::integer(args.at(2))?;
    let Some(list) = List::load(store, key)? else {
        reply.int(0);
        return Ok(());
    };
    let removed = list_edit::remove(store, key, &list, count, args.at(3))?;
    if removed.count > 0 {
        store.notify(EventClass::LIST, "lrem", key);
    }
    if removed.emptied {
        store.notify(EventClass::GENERIC, "del", key);
    }
    reply.int(removed.count as i64);
    Ok(())
}

pub(super) const LTRIM: Spec = Spec::write("ltrim", 4, ONE_KEY, ltrim).doc(
    GROUP,
    "1.0.0",
    "O(N) where N is the number of elements to be removed by the operation.",
    "Trim a list to the specified range",
);

fn ltrim(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let start = parse::integer(args.at(2))?;
    let stop = parse::integer(args.at(3))?;
    if let Some(list) = List::load(store, key)? {
        let log_data = format!("3 2 {start} {stop}").into_bytes();
        let kept = parse::index_range(start, stop, list.len());
        let (first, count) = kept.map_or((0, 0), |(first, last)| (first, last - first + 1));
        list::keep(store, key, &list, first, count, &log_data)?;
        store.notify(EventClass::LIST, "ltrim", key);
        if count == 0 {
            store.notify(EventClass::GENERIC, "del", key);
        }
    }
    reply.ok();
    Ok(())
}
