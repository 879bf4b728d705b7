//! The options of SET and GETEX.

use crate::clock::UnixMs;
use crate::command::parse::{TimeBase, TimeUnit, expire_option};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;

/// On which keys SET writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Always,
    /// NX
    Absent,
    /// XX
    Present,
}

/// What becomes of the key's time to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ttl<'a> {
    /// Nothing was said: SET clears it, GETEX leaves it.
    Unsaid,
    /// KEEPTTL
    Keep,
    /// PERSIST
    Persist,
    /// EX, PX, EXAT, PXAT; the number is not looked at yet.
    At {
        number: &'a [u8],
        unit: TimeUnit,
        base: TimeBase,
    },
}

impl Ttl<'_> {
    /// The point in time that was asked for, if one was; `command` is for the error.
    pub(super) fn expire_at(
        &self,
        now: UnixMs,
        command: &str,
    ) -> Result<Option<UnixMs>, ReplyError> {
        match *self {
            Ttl::At { number, unit, base } => {
                expire_option(number, unit, base, now, command).map(Some)
            }
            Ttl::Unsaid | Ttl::Keep | Ttl::Persist => Ok(None),
        }
    }
}

/// The options of a SET.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SetOptions<'a> {
    pub(super) condition: Condition,
    /// GET: the old value is the reply.
    pub(super) get: bool,
    pub(super) ttl: Ttl<'a>,
}

impl SetOptions<'_> {
    /// Those of a SET without any.
    pub(super) const NONE: SetOptions<'static> = SetOptions {
        condition: Condition::Always,
        get: false,
        ttl: Ttl::Unsaid,
    };
}

/// The options behind `SET key value`. The same option may stand there twice; the last number counts then.
pub(super) fn set_options(args: Args<'_>) -> Result<SetOptions<'_>, ReplyError> {
    let mut options = SetOptions::NONE;
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "nx") && options.condition != Condition::Present {
            options.condition = Condition::Absent;
        } else if args.is(at, "xx") && options.condition != Condition::Absent {
            options.condition = Condition::Present;
        } else if args.is(at, "get") {
            options.get = true;
        } else if args.is(at, "keepttl") && !matches!(options.ttl, Ttl::At { .. }) {
            options.ttl = Ttl::Keep;
        } else {
            options.ttl = time_option(args, at, options.ttl)?;
            at += 1;
        }
        at += 1;
    }
    Ok(options)
}

/// The options behind `GETEX key`.
pub(super) fn getex_options(args: Args<'_>) -> Result<Ttl<'_>, ReplyError> {
    let mut ttl = Ttl::Unsaid;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "persist") && !matches!(ttl, Ttl::At { .. }) {
            ttl = Ttl::Persist;
        } else {
            ttl = time_option(args, at, ttl)?;
            at += 1;
        }
        at += 1;
    }
    Ok(ttl)
}

/// A time option at `at` and its number behind it, which go with `before` only when that says nothing or is the same option.
fn time_option<'a>(args: Args<'a>, at: usize, before: Ttl<'a>) -> Result<Ttl<'a>, ReplyError> {
    const OPTIONS: [(&str, TimeUnit, TimeBase); 4] = [
        ("ex", TimeUnit::Seconds, TimeBase::Now),
        ("px", TimeUnit::Milliseconds, TimeBase::Now),
        ("exat", TimeUnit::Seconds, TimeBase::Epoch),
        ("pxat", TimeUnit::Milliseconds, TimeBase::Epoch),
    ];
    let number = args.get(at + 1).ok_or(SYNTAX)?;
    let (_, unit, base) = OPTIONS
        .into_iter()
        .find(|(name, _, _)| args.is(at, name))
        .ok_or(SYNTAX)?;
    match before {
        Ttl::Unsaid => {}
        Ttl::At {
            unit: unit_before,
            base: base_before,
            ..
        } if (unit_before, base_before) == (unit, base) => {}
        _ => return Err(SYNTAX),
    }
    Ok(Ttl::At { number, unit, base })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    fn set(words: &str) -> Result<String, ReplyError> {
        let line = format!("set k v {words}");
        let parts: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        set_options(OwnedArgs::from_parts(&parts).as_args()).map(|options| {
            let ttl = match options.ttl {
                Ttl::At { number, unit, base } => {
                    format!("{} {unit:?} {base:?}", String::from_utf8_lossy(number))
                }
                other => format!("{other:?}"),
            };
            format!("{:?} {} {ttl}", options.condition, options.get)
        })
    }

    #[test]
    fn options_that_exclude_each_other() {
        for (words, expected) in [
            ("", "Always false Unsaid"),
            ("nx get", "Absent true Unsaid"),
            ("XX KEEPTTL", "Present false Keep"),
            ("get get nx nx", "Absent true Unsaid"),
            ("ex 10", "Always false 10 Seconds Now"),
            ("ex 10 ex 20", "Always false 20 Seconds Now"),
            ("px 1 nx", "Absent false 1 Milliseconds Now"),
            ("exat x", "Always false x Seconds Epoch"),
            ("pxat 7 get", "Always true 7 Milliseconds Epoch"),
        ] {
            assert_eq!(set(words).as_deref(), Ok(expected), "{words}");
        }
        for words in [
            "nx xx",
            "xx nx",
            "ex",
            "ex 1 px 1",
            "px 1 exat 1",
            "ex 1 keepttl",
            "keepttl ex 1",
            "persist",
            "what",
            "ex 1 what",
            "keepttl keepttl px 1",
        ] {
            assert_eq!(set(words), Err(SYNTAX), "{words}");
        }
    }

    #[test]
    fn getex_takes_one_option() {
        let getex = |words: &str| {
            let line = format!("getex k {words}");
            let parts: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
            getex_options(OwnedArgs::from_parts(&parts).as_args()).map(|ttl| match ttl {
                Ttl::At { .. } => "at",
                Ttl::Persist => "persist",
                Ttl::Unsaid => "unsaid",
                Ttl::Keep => "keep",
            })
        };
        assert_eq!(getex(""), Ok("unsaid"));
        assert_eq!(getex("persist"), Ok("persist"));
        assert_eq!(getex("pxat 5"), Ok("at"));
        for words in [
            "persist ex 1",
            "ex 1 persist",
            "ex 1 px 2",
            "keepttl",
            "nx",
            "ex",
        ] {
            assert_eq!(getex(words), Err(SYNTAX), "{words}");
        }
    }
}
