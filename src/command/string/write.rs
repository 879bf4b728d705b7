//! SET and its kin, GETSET, GETDEL, GETEX, MSET, MSETNX, APPEND and SETRANGE.

use super::GROUP;
use super::count::notify_changed;
use super::options::{Condition, SetOptions, Ttl, getex_options, set_options};
use super::read::reply_with_value;
use crate::clock::UnixMs;
use crate::command::parse;
use crate::command::spec::{Flags, KEY_VALUE_PAIRS, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, wrong_arity};
use crate::resp::Args;
use crate::storage::metadata::Type;
use crate::storage::store::{EventClass, Store};
use crate::storage::types::string;

pub(super) const SET: Spec = Spec::write("set", -3, ONE_KEY, set)
    .flags(Flags::DENYOOM)
    .doc(GROUP, "1.0.0", "O(1)", "Set the string value of a key");

fn set(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let options = if args.len() == 3 {
        SetOptions::NONE
    } else {
        set_options(args)?
    };
    let is_set = set_with(ctx, args.at(1), args.at(2), options, "set")?;
    if !options.get {
        match is_set {
            true => ctx.reply.ok(),
            false => ctx.reply.null(),
        }
    }
    Ok(())
}

pub(super) const SETNX: Spec = Spec::write("setnx", 3, ONE_KEY, setnx)
    .flags(Flags::DENYOOM.and(Flags::FAST))
    .doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "Set the value of a key, only if the key does not exist",
    );

fn setnx(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let options = SetOptions {
        condition: Condition::Absent,
        ..SetOptions::NONE
    };
    let is_set = set_with(ctx, args.at(1), args.at(2), options, "setnx")?;
    ctx.reply.int(i64::from(is_set));
    Ok(())
}

pub(super) const SETEX: Spec = Spec::write("setex", 4, ONE_KEY, setex)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "2.0.0",
        "O(1)",
        "Set the value and expiration of a key",
    );

fn setex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    set_for(ctx, args, parse::TimeUnit::Seconds, "setex")
}

pub(super) const PSETEX: Spec = Spec::write("psetex", 4, ONE_KEY, psetex)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "2.6.0",
        "O(1)",
        "Set the value and expiration in milliseconds of a key",
    );

fn psetex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    set_for(ctx, args, parse::TimeUnit::Milliseconds, "psetex")
}

fn set_for(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    unit: parse::TimeUnit,
    command: &'static str,
) -> Run {
    let options = SetOptions {
        ttl: Ttl::At {
            number: args.at(2),
            unit,
            base: parse::TimeBase::Now,
        },
        ..SetOptions::NONE
    };
    set_with(ctx, args.at(1), args.at(3), options, command)?;
    ctx.reply.ok();
    Ok(())
}

/// SET with its options; says whether the value was written. With GET the reply is written here.
///
/// Without GET, NX, XX and KEEPTTL nothing is read, unless somebody asked for the events of new keys.
fn set_with(
    ctx: &mut DataCtx<'_>,
    key: &[u8],
    value: &[u8],
    options: SetOptions<'_>,
    command: &'static str,
) -> Run<bool> {
    let mut expire = options.ttl.expire_at(ctx.turn.unix(), command)?;
    let has_time = expire.is_some();
    if options.get {
        reply_with_value(ctx, key)?;
    }
    let store = &mut ctx.store;
    let must_look = options.condition != Condition::Always || options.ttl == Ttl::Keep;
    let mut is_new = false;
    if must_look || store.changes.wants_events.intersects(EventClass::NEW) {
        let found = store.header(key)?;
        is_new = found.is_none();
        if options.condition == Condition::Absent && !is_new
            || options.condition == Condition::Present && is_new
        {
            return Ok(false);
        }
        if options.ttl == Ttl::Keep {
            expire = found.and_then(|header| header.expire());
        }
    }
    string::set(store, key, value, expire);
    notify_changed(store, key, is_new, "set");
    if has_time {
        store.notify(EventClass::GENERIC, "expire", key);
    }
    Ok(true)
}

pub(super) const GETSET: Spec = Spec::write("getset", 3, ONE_KEY, getset)
    .flags(Flags::DENYOOM.and(Flags::FAST))
    .doc(
        GROUP,
        "1.0.0",
        "O(1)",
        "Set the string value of a key and return its old value",
    );

fn getset(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let is_found = reply_with_value(ctx, args.at(1))?;
    string::set(&mut ctx.store, args.at(1), args.at(2), None);
    notify_changed(&mut ctx.store, args.at(1), !is_found, "set");
    Ok(())
}

pub(super) const GETDEL: Spec = Spec::write("getdel", 2, ONE_KEY, getdel)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "6.2.0",
        "O(1)",
        "Get the value of a key and delete the key",
    );

fn getdel(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if reply_with_value(ctx, args.at(1))? {
        ctx.store.delete_key(args.at(1));
    }
    Ok(())
}

pub(super) const GETEX: Spec = Spec::write("getex", -2, ONE_KEY, getex)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "6.2.0",
        "O(1)",
        "Get the value of a key and optionally set its expiration",
    );

fn getex(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let ttl = getex_options(args)?;
    if !reply_with_value(ctx, key)? {
        return Ok(());
    }
    let now = ctx.turn.unix();
    let expire = ttl.expire_at(now, "getex")?;
    let store = &mut ctx.store;
    match (expire, ttl) {
        // Only a point in time can have passed already; a time from now on is still to come.
        (Some(at), _) if at <= now => store.delete_key(key),
        (Some(at), _) => set_expire(store, key, Some(at), "expire")?,
        (None, Ttl::Persist) => {
            if store
                .header(key)?
                .is_some_and(|header| header.expire().is_some())
            {
                set_expire(store, key, None, "persist")?;
            }
        }
        (None, _) => {}
    }
    Ok(())
}

fn set_expire(store: &mut Store<'_>, key: &[u8], at: Option<UnixMs>, event: &'static str) -> Run {
    if let Some(meta) = store.typed(key, Type::String)? {
        store.set_expire(key, meta, at);
        store.notify(EventClass::GENERIC, event, key);
    }
    Ok(())
}

pub(super) const MSET: Spec = Spec::write("mset", -3, KEY_VALUE_PAIRS, mset)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.0.1",
        "O(N) where N is the number of keys to set.",
        "Set multiple keys to multiple values",
    );

fn mset(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if args.len().is_multiple_of(2) {
        return Err(wrong_arity("mset").into());
    }
    set_pairs(&mut ctx.store, args)?;
    ctx.reply.ok();
    Ok(())
}

pub(super) const MSETNX: Spec = Spec::write("msetnx", -3, KEY_VALUE_PAIRS, msetnx)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "1.0.1",
        "O(N) where N is the number of keys to set.",
        "Set multiple keys to multiple values, only if none of the keys exist",
    );

fn msetnx(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if args.len().is_multiple_of(2) {
        return Err(wrong_arity("msetnx").into());
    }
    for key in args.from(1).iter().step_by(2) {
        if ctx.store.header(key)?.is_some() {
            ctx.reply.int(0);
            return Ok(());
        }
    }
    set_pairs(&mut ctx.store, args)?;
    ctx.reply.int(1);
    Ok(())
}

fn set_pairs(store: &mut Store<'_>, args: Args<'_>) -> Run {
    let wants_new = store.changes.wants_events.intersects(EventClass::NEW);
    for at in (1..args.len()).step_by(2) {
        let is_new = wants_new && store.header(args.at(at))?.is_none();
        string::set(store, args.at(at), args.at(at + 1), None);
        notify_changed(store, args.at(at), is_new, "set");
    }
    Ok(())
}

pub(super) const APPEND: Spec = Spec::write("append", 3, ONE_KEY, append)
    .flags(Flags::DENYOOM.and(Flags::FAST))
    .doc(
        GROUP,
        "2.0.0",
        "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of \
         any size, since the dynamic string library used by Redis will double the free space available on every \
         reallocation.",
        "Append a value to a key",
    );

fn append(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let bytes_max = ctx.settings.proto_max_bulk_len;
    let len = string::append(&mut ctx.store, key, args.at(2), bytes_max)?;
    notify_changed(&mut ctx.store, key, len.is_new, "append");
    ctx.reply.count(len.value);
    Ok(())
}

pub(super) const SETRANGE: Spec = Spec::write("setrange", 4, ONE_KEY, setrange)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "2.2.0",
        "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the \
         amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
        "Overwrite part of a string at key starting at the specified offset",
    );

fn setrange(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const NEGATIVE: ReplyError = ReplyError::fixed("ERR offset is out of range");
    let (key, part) = (args.at(1), args.at(3));
    let offset = u64::try_from(parse::integer(args.at(2))?).map_err(|_| NEGATIVE)?;
    let bytes_max = ctx.settings.proto_max_bulk_len;
    let len = string::set_range(&mut ctx.store, key, offset, part, bytes_max)?;
    if !part.is_empty() {
        notify_changed(&mut ctx.store, key, len.is_new, "setrange");
    }
    ctx.reply.count(len.value);
    Ok(())
}
