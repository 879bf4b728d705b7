//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, PERSIST, and what asks for the time left: TTL, PTTL, EXPIRETIME, PEXPIRETIME.

use super::GROUP;
use crate::clock::UnixMs;
use crate::command::parse::{self, TimeBase, TimeUnit};
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, invalid_expire};
use crate::resp::Args;
use crate::storage::store::EventClass;

pub(super) const EXPIRE: Spec = Spec::write("expire", -3, ONE_KEY, |ctx, args| {
    set_time(ctx, args, TimeUnit::Seconds, TimeBase::Now, "expire")
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Set a key's time to live in seconds",
);

pub(super) const PEXPIRE: Spec = Spec::write("pexpire", -3, ONE_KEY, |ctx, args| {
    set_time(ctx, args, TimeUnit::Milliseconds, TimeBase::Now, "pexpire")
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "2.6.0",
    "O(1)",
    "Set a key's time to live in milliseconds",
);

pub(super) const EXPIREAT: Spec = Spec::write("expireat", -3, ONE_KEY, |ctx, args| {
    set_time(ctx, args, TimeUnit::Seconds, TimeBase::Epoch, "expireat")
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "1.2.0",
    "O(1)",
    "Set the expiration for a key as a UNIX timestamp",
);

pub(super) const PEXPIREAT: Spec = Spec::write("pexpireat", -3, ONE_KEY, |ctx, args| {
    set_time(
        ctx,
        args,
        TimeUnit::Milliseconds,
        TimeBase::Epoch,
        "pexpireat",
    )
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "2.6.0",
    "O(1)",
    "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
);

/// On which keys the time is set.
#[derive(Clone, Copy, Default)]
struct Conditions {
    /// NX: without a time so far.
    nx: bool,
    /// XX: with one.
    xx: bool,
    /// GT: with an earlier one; none counts as infinite.
    gt: bool,
    /// LT: with a later one; none counts as infinite.
    lt: bool,
}

impl Conditions {
    fn parse(args: Args<'_>) -> Result<Conditions, ReplyError> {
        let mut conditions = Conditions::default();
        for option in args.from(3).iter() {
            let Conditions { nx, xx, gt, lt } = &mut conditions;
            let names = [("nx", nx), ("xx", xx), ("gt", gt), ("lt", lt)];
            let known = names
                .into_iter()
                .find(|(name, _)| option.eq_ignore_ascii_case(name.as_bytes()));
            match known {
                Some((_, flag)) => *flag = true,
                None => return Err(ReplyError::quoting("ERR Unsupported option ", option, "")),
            }
        }
        if conditions.nx && (conditions.xx || conditions.gt || conditions.lt) {
            return Err(ReplyError::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.gt && conditions.lt {
            return Err(ReplyError::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// Whether a key that expires at `current` may get the new time `at_ms`, which may lie before the epoch.
    fn allow(&self, current: Option<UnixMs>, at_ms: i64) -> bool {
        let current = current.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX));
        !(self.nx && current.is_some()
            || self.xx && current.is_none()
            || self.gt && current.is_none_or(|current| at_ms <= current)
            || self.lt && current.is_some_and(|current| at_ms >= current))
    }
}

fn set_time(
    ctx: &mut DataCtx<'_>,
    args: Args<'_>,
    unit: TimeUnit,
    base: TimeBase,
    command: &'static str,
) -> Run {
    let conditions = Conditions::parse(args)?;
    let number = parse::integer(args.at(2))?;
    let now = ctx.turn.unix();
    let milliseconds = match unit {
        TimeUnit::Seconds => number.checked_mul(1000),
        TimeUnit::Milliseconds => Some(number),
    };
    let at_ms = milliseconds
        .and_then(|milliseconds| match base {
            TimeBase::Now => milliseconds.checked_add(now.0 as i64),
            TimeBase::Epoch => Some(milliseconds),
        })
        .ok_or_else(|| invalid_expire(command))?;
    let key = args.at(1);
    let Some(meta) = ctx.store.meta(key)? else {
        ctx.reply.int(0);
        return Ok(());
    };
    if !conditions.allow(meta.header.expire(), at_ms) {
        ctx.reply.int(0);
        return Ok(());
    }
    match u64::try_from(at_ms) {
        Ok(at) if at > now.0 => {
            ctx.store.set_expire(key, meta, Some(UnixMs(at)));
            ctx.store.notify(EventClass::GENERIC, "expire", key);
        }
        _ => ctx.store.delete_key(key),
    }
    ctx.reply.int(1);
    Ok(())
}

pub(super) const PERSIST: Spec = Spec::write("persist", 2, ONE_KEY, persist)
    .flags(Flags::FAST)
    .doc(GROUP, "2.2.0", "O(1)", "Remove the expiration from a key");

fn persist(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let volatile = ctx
        .store
        .meta(key)?
        .filter(|meta| meta.header.expire().is_some());
    let is_volatile = volatile.is_some();
    if let Some(meta) = volatile {
        ctx.store.set_expire(key, meta, None);
        ctx.store.notify(EventClass::GENERIC, "persist", key);
    }
    ctx.reply.int(i64::from(is_volatile));
    Ok(())
}

pub(super) const TTL: Spec = Spec::read("ttl", 2, ONE_KEY, |ctx, args| {
    reply_time(ctx, args, TimeUnit::Seconds, TimeBase::Now)
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "1.0.0",
    "O(1)",
    "Get the time to live for a key in seconds",
);

pub(super) const PTTL: Spec = Spec::read("pttl", 2, ONE_KEY, |ctx, args| {
    reply_time(ctx, args, TimeUnit::Milliseconds, TimeBase::Now)
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "2.6.0",
    "O(1)",
    "Get the time to live for a key in milliseconds",
);

pub(super) const EXPIRETIME: Spec = Spec::read("expiretime", 2, ONE_KEY, |ctx, args| {
    reply_time(ctx, args, TimeUnit::Seconds, TimeBase::Epoch)
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "7.0.0",
    "O(1)",
    "Get the expiration Unix timestamp for a key",
);

pub(super) const PEXPIRETIME: Spec = Spec::read("pexpiretime", 2, ONE_KEY, |ctx, args| {
    reply_time(ctx, args, TimeUnit::Milliseconds, TimeBase::Epoch)
})
.flags(Flags::FAST)
.doc(
    GROUP,
    "7.0.0",
    "O(1)",
    "Get the expiration Unix timestamp for a key in milliseconds",
);

/// -2 for no key, -1 for no time, else the time; seconds are rounded to the nearest.
fn reply_time(ctx: &mut DataCtx<'_>, args: Args<'_>, unit: TimeUnit, base: TimeBase) -> Run {
    let key = args.at(1);
    let header = ctx.store.header(key)?;
    ctx.store.looked_up(key, header.is_some());
    let Some(header) = header else {
        ctx.reply.int(-2);
        return Ok(());
    };
    let Some(at) = header.expire() else {
        ctx.reply.int(-1);
        return Ok(());
    };
    let milliseconds = match base {
        TimeBase::Now => at.0.saturating_sub(ctx.turn.unix().0),
        TimeBase::Epoch => at.0,
    };
    let number = match unit {
        TimeUnit::Seconds => milliseconds.saturating_add(500) / 1000,
        TimeUnit::Milliseconds => milliseconds,
    };
    ctx.reply.int(i64::try_from(number).unwrap_or(i64::MAX));
    Ok(())
}
