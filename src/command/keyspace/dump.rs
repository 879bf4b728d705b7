//! DUMP and RESTORE.

use super::GROUP;
use crate::clock::UnixMs;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::{ReplyError, SYNTAX};
use crate::rdb::{self, RdbError};
use crate::resp::Args;
use crate::storage::metadata::Type;
use crate::storage::store::EventClass;
use crate::storage::types::whole::{self, Whole};

const COMPLEXITY_OF_DUMP: &str = "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis \
     objects composing the value and M their average size. For small string values the time complexity is thus \
     O(1)+O(1*M) where M is small, so simply O(1).";

pub(super) const DUMP: Spec = Spec::read("dump", 2, ONE_KEY, dump).doc(
    GROUP,
    "2.6.0",
    COMPLEXITY_OF_DUMP,
    "Return a serialized version of the value stored at the specified key.",
);

fn dump(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let key = args.at(1);
    let found = whole::read(&mut ctx.store, key)?;
    ctx.store.looked_up(key, found.is_some());
    match found {
        None => ctx.reply.null(),
        Some(Whole::Value(value)) => ctx.reply.bulk(&rdb::encode(&value)),
        Some(Whole::NoPayload(kind)) => {
            let name = match kind {
                // To TYPE they are strings.
                Type::Bitmap => "bitmap",
                Type::Hyperloglog => "hyperloglog",
                other => other.name(),
            };
            let text = format!("ERR DUMP does not support keys of type {name}");
            return Err(ReplyError::new(text).into());
        }
    }
    Ok(())
}

pub(super) const RESTORE: Spec = Spec::write("restore", -4, ONE_KEY, restore)
    .flags(Flags::DENYOOM)
    .doc(
        GROUP,
        "2.6.0",
        "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis \
         objects composing the value and M their average size. For small string values the time complexity is thus \
         O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) \
         because inserting values into sorted sets is O(log(N)).",
        "Create a key using the provided serialized value, previously obtained using DUMP.",
    );

/// What stands behind the payload. IDLETIME and FREQ are checked and have no effect: access times are not kept.
#[derive(Default)]
struct Options {
    replace: bool,
    is_absolute: bool,
}

fn options(args: Args<'_>) -> Result<Options, ReplyError> {
    const IDLETIME: ReplyError = ReplyError::fixed("ERR Invalid IDLETIME value, must be >= 0");
    const FREQ: ReplyError = ReplyError::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
    let mut options = Options::default();
    let (mut idle_time, mut frequency) = (None, None);
    let mut at = 4;
    while at < args.len() {
        let value = args.get(at + 1);
        match value {
            _ if args.is(at, "replace") => options.replace = true,
            _ if args.is(at, "absttl") => options.is_absolute = true,
            Some(value) if args.is(at, "idletime") && frequency.is_none() => {
                let seconds = parse::integer(value)?;
                idle_time = Some(u64::try_from(seconds).map_err(|_| IDLETIME)?);
                at += 1;
            }
            Some(value) if args.is(at, "freq") && idle_time.is_none() => {
                let counter = parse::integer(value)?;
                frequency = Some(u8::try_from(counter).map_err(|_| FREQ)?);
                at += 1;
            }
            _ => return Err(SYNTAX),
        }
        at += 1;
    }
    Ok(options)
}

fn restore(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    const BUSY_KEY: ReplyError = ReplyError::fixed("BUSYKEY Target key name already exists.");
    const BAD_TTL: ReplyError = ReplyError::fixed("ERR Invalid TTL value, must be >= 0");
    let options = options(args)?;
    let key = args.at(1);
    let is_there = ctx.store.header(key)?.is_some();
    if is_there && !options.replace {
        return Err(BUSY_KEY.into());
    }
    let ttl_ms = u64::try_from(parse::integer(args.at(2))?).map_err(|_| BAD_TTL)?;
    let value = rdb::decode(args.at(3)).map_err(reply_error)?;
    let now = ctx.turn.unix();
    let expire = match ttl_ms {
        0 => None,
        at if options.is_absolute => Some(UnixMs(at)),
        // What would overflow Redis's signed milliseconds has passed there.
        ms => Some(UnixMs(
            i64::try_from(now.0.saturating_add(ms)).map_or(0, |at| at as u64),
        )),
    };
    let store = &mut ctx.store;
    if expire.is_some_and(|at| at <= now) {
        if is_there {
            store.delete_key(key);
        }
    } else {
        whole::write(store, key, &value, expire);
        store.notify(EventClass::NEW, "new", key);
        store.notify(EventClass::GENERIC, "restore", key);
    }
    ctx.reply.ok();
    Ok(())
}

fn reply_error(error: RdbError) -> ReplyError {
    ReplyError::fixed(match error {
        RdbError::Footer => "ERR DUMP payload version or checksum are wrong",
        RdbError::Data => "ERR Bad data format",
        RdbError::Unsupported => "ERR RESTORE does not support streams and values of modules",
    })
}
