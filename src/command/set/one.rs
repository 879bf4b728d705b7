//! SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS and SSCAN.

use super::GROUP;
use crate::command::members as shared;
use crate::command::spec::{Flags, ONE_KEY, Spec, TWO_KEYS};
use crate::command::{DataCtx, Run};
use crate::resp::Args;
use crate::resp::reply::Aggregate;
use crate::storage::metadata::Type;
use crate::storage::store::{EventClass, Store};
use crate::storage::types::members::{self, Removed};
use crate::storage::types::set;

pub(super) const SADD: Spec = Spec::write("sadd", -3, ONE_KEY, sadd)
    .flags(Flags::DENYOOM.and(Flags::FAST))
    .doc(
        GROUP,
        "1.0.0",
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        "Add one or more members to a set",
    );

fn sadd(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let added = set::add(&mut ctx.store, key, args.from(2))?;
    if added > 0 {
        ctx.store.notify(EventClass::SET, "sadd", key);
    }
    ctx.reply.int(added as i64);
    Ok(())
}

pub(super) const SREM: Spec = Spec::write("srem", -3, ONE_KEY, srem)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        "O(N) where N is the number of members to be removed.",
        "Remove one or more members from a set",
    );

fn srem(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let removed = set::remove(&mut ctx.store, key, args.from(2).iter())?;
    notify_removed(&mut ctx.store, key, removed);
    ctx.reply.int(removed.count as i64);
    Ok(())
}

fn notify_removed(store: &mut Store<'_>, key: &[u8], removed: Removed) {
    if removed.count > 0 {
        store.notify(EventClass::SET, "srem", key);
    }
    if removed.emptied {
        store.notify(EventClass::GENERIC, "del", key);
    }
}

pub(super) const SMOVE: Spec = Spec::write("smove", 4, TWO_KEYS, smove)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "Move a member from one set to another",
    );

fn smove(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let (source, destination) = (args.at(1), args.at(2));
    let moved = args.from(3);
    let store = &mut ctx.store;
    let Some(header) = set::header(store, source)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    set::header(store, destination)?;
    let was_member = if source == destination {
        set::contains(store, source, &header, moved.at(0))?
    } else {
        let removed = set::remove(store, source, moved.iter())?;
        notify_removed(store, source, removed);
        if removed.count > 0 && set::add(store, destination, moved)? > 0 {
            store.notify(EventClass::SET, "sadd", destination);
        }
        removed.count > 0
    };
    ctx.reply.int(i64::from(was_member));
    Ok(())
}

pub(super) const SISMEMBER: Spec = Spec::read("sismember", 3, ONE_KEY, sismember)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "Determine if a given value is a member of a set",
    );

fn sismember(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    set::contains_each(store, args.at(1), args.from(2), |is_member| {
        reply.int(i64::from(is_member))
    })
}

pub(super) const SMISMEMBER: Spec = Spec::read("smismember", -3, ONE_KEY, smismember)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "6.2.0",
        "O(N) where N is the number of elements being checked for membership",
        "Returns the membership associated with the given elements for a set",
    );

fn smismember(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let asked = args.from(2);
    reply.array(asked.len());
    set::contains_each(store, args.at(1), asked, |is_member| {
        reply.int(i64::from(is_member))
    })
}

pub(super) const SCARD: Spec = Spec::read("scard", 2, ONE_KEY, scard)
    .flags(Flags::FAST)
    .doc(GROUP, "1.0.0", "O(1)", "Get the number of members in a set");

fn scard(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let header = set::header(&mut ctx.store, args.at(1))?;
    ctx.reply.int(header.map_or(0, |header| header.size as i64));
    Ok(())
}

pub(super) const SMEMBERS: Spec = Spec::read("smembers", 2, ONE_KEY, smembers).doc(
    GROUP,
    "1.0.0",
    "O(N) where N is the set cardinality.",
    "Get all the members in a set",
);

fn smembers(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let DataCtx { store, reply, .. } = ctx;
    let key = args.at(1);
    let later = reply.begin();
    let mut count = 0;
    if let Some(header) = set::header(store, key)? {
        members::walk(store, key, &header, |member, _| {
            reply.bulk(member);
            count += 1;
        })?;
    }
    reply.end(later, Aggregate::Set, count);
    Ok(())
}

pub(super) const SSCAN: Spec = Spec::read("sscan", -3, ONE_KEY, sscan).doc(
    GROUP,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
    "Incrementally iterate Set elements",
);

fn sscan(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    shared::scan(ctx, args, Type::Set, 1, |reply, member, _| {
        reply.bulk(member)
    })
}
