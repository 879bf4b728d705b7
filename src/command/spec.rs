//! What a command declares. The table, COMMAND, the gate and the pause all read this one value.

use super::context::{ControlCtx, DataCtx};
use super::halt::Run;
use crate::error::ReplyError;
use crate::resp::Args;

/// What a command may do to the data: what the read-only check and a write pause look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Reads data.
    Read,
    /// May change data.
    Write,
    /// Changes no data but may have to reach replicas (PUBLISH).
    MayReplicate,
    /// Touches connections, settings and the server, not the data.
    Control,
}

/// Redis's command flags, as COMMAND INFO names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal $text:literal;)*) => {
        impl Flags {
            $($(#[$doc])* pub const $name: Flags = Flags(1 << $bit);)*
            /// Every flag with its name in COMMAND INFO, in Redis's order.
            pub const NAMES: &'static [(Flags, &'static str)] = &[$((Flags::$name, $text),)*];
        }
    };
}

flags! {
    /// May add memory: refused when memory is short.
    DENYOOM = 0 "denyoom";
    ADMIN = 1 "admin";
    PUBSUB = 2 "pubsub";
    NOSCRIPT = 3 "noscript";
    BLOCKING = 4 "blocking";
    /// Runs while the data set is being loaded or copied.
    LOADING = 5 "loading";
    /// Runs on a replica that lost its primary.
    STALE = 6 "stale";
    SKIP_MONITOR = 7 "skip_monitor";
    SKIP_SLOWLOG = 8 "skip_slowlog";
    ASKING = 9 "asking";
    /// Constant or logarithmic time.
    FAST = 10 "fast";
    /// Runs before authentication.
    NO_AUTH = 11 "no_auth";
    MAY_REPLICATE = 12 "may_replicate";
    /// May be called without any of its keys (EVAL).
    NO_MANDATORY_KEYS = 16 "no_mandatory_keys";
    /// Refused while a full copy replaces the data set.
    NO_ASYNC_LOADING = 17 "no_async_loading";
    /// Not queued nor allowed inside MULTI.
    NO_MULTI = 13 "no_multi";
    MOVABLE_KEYS = 14 "movablekeys";
    ALLOW_BUSY = 15 "allow_busy";
}

impl Flags {
    /// None at all.
    pub const NONE: Flags = Flags(0);

    /// Both sets together.
    pub const fn and(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all of `other` are in.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a command's keys are.
#[derive(Clone, Copy)]
pub enum KeySpec {
    /// It has none.
    None,
    /// Arguments `first`, `first + step`, ... up to `last`; negative `last` counts from the end (-1 is the last argument).
    Range {
        first: usize,
        last: i32,
        step: usize,
    },
    /// A count at argument `count`, the keys right behind it; and the key at `destination`, if any, before them.
    Counted {
        count: usize,
        destination: Option<usize>,
    },
    /// Positions computed from the arguments. `first`, `last`, `step` are what COMMAND INFO shows.
    Custom {
        positions: fn(Args<'_>) -> Result<Vec<usize>, ReplyError>,
        first: usize,
        last: i32,
        step: usize,
    },
}

/// Which context a command runs in.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Sees store, reply and the turn's time.
    Data(fn(&mut DataCtx<'_>, Args<'_>) -> Run),
    /// Also sees clients, pause, role, settings.
    Control(fn(&mut ControlCtx<'_>, Args<'_>) -> Run),
    /// Has subcommands only.
    Container,
}

/// A command, declared once beside its handler.
pub struct Spec {
    /// Lower case; a subcommand as `container|sub`.
    pub name: &'static str,
    /// Arguments, names counted: exactly this many, or at least `-arity` when negative.
    pub arity: i32,
    pub class: Class,
    pub flags: Flags,
    pub keys: KeySpec,
    /// COMMAND DOCS' group: `string`, `hash`, `generic`, `connection`, `server`, `pubsub`, `transactions` ...
    pub group: &'static str,
    /// The first Redis version that has it.
    pub since: &'static str,
    pub complexity: &'static str,
    pub summary: &'static str,
    /// Whether a pause of ALL holds it back. Said outright for each command: an operator is never locked out.
    pub held_by_pause_all: bool,
    /// The positions of arguments that must not be shown to others, given all of them.
    pub secrets: Option<fn(Args<'_>) -> Vec<usize>>,
    /// Whether it replies with whole values as they are stored: they may then take the memory that the reply takes.
    pub shows_values: bool,
    pub handler: Handler,
    pub subcommands: &'static [Spec],
}

impl Spec {
    const fn base(
        name: &'static str,
        arity: i32,
        class: Class,
        keys: KeySpec,
        handler: Handler,
    ) -> Spec {
        Spec {
            name,
            arity,
            class,
            flags: Flags::NONE,
            keys,
            group: "",
            since: "1.0.0",
            complexity: "",
            summary: "",
            held_by_pause_all: true,
            secrets: None,
            shows_values: false,
            handler,
            subcommands: &[],
        }
    }

    /// A command that reads data.
    pub const fn read(
        name: &'static str,
        arity: i32,
        keys: KeySpec,
        run: fn(&mut DataCtx<'_>, Args<'_>) -> Run,
    ) -> Spec {
        Spec::base(name, arity, Class::Read, keys, Handler::Data(run))
    }

    /// A command that may change data.
    pub const fn write(
        name: &'static str,
        arity: i32,
        keys: KeySpec,
        run: fn(&mut DataCtx<'_>, Args<'_>) -> Run,
    ) -> Spec {
        Spec::base(name, arity, Class::Write, keys, Handler::Data(run))
    }

    /// A command about the server or the connection.
    pub const fn control(
        name: &'static str,
        arity: i32,
        run: fn(&mut ControlCtx<'_>, Args<'_>) -> Run,
    ) -> Spec {
        Spec::base(
            name,
            arity,
            Class::Control,
            KeySpec::None,
            Handler::Control(run),
        )
    }

    /// A command that is only the name before its subcommands.
    pub const fn container(name: &'static str, subcommands: &'static [Spec]) -> Spec {
        let mut spec = Spec::base(name, -2, Class::Control, KeySpec::None, Handler::Container);
        spec.subcommands = subcommands;
        spec.held_by_pause_all = false;
        spec
    }

    /// With these flags.
    pub const fn flags(mut self, flags: Flags) -> Spec {
        self.flags = flags;
        self
    }

    /// It replies with whole values.
    pub const fn shows_values(mut self) -> Spec {
        self.shows_values = true;
        self
    }

    /// With its documentation.
    pub const fn doc(
        mut self,
        group: &'static str,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> Spec {
        self.group = group;
        self.since = since;
        self.complexity = complexity;
        self.summary = summary;
        self
    }

    /// With keys among its arguments.
    pub const fn keys(mut self, keys: KeySpec) -> Spec {
        self.keys = keys;
        self
    }

    /// In another class than its constructor's.
    pub const fn class(mut self, class: Class) -> Spec {
        self.class = class;
        self
    }

    /// Not held back by a pause of ALL.
    pub const fn never_held(mut self) -> Spec {
        self.held_by_pause_all = false;
        self
    }

    /// With arguments that MONITOR and SLOWLOG do not show: a function that finds their positions.
    pub const fn secrets(mut self, find: fn(Args<'_>) -> Vec<usize>) -> Spec {
        self.secrets = Some(find);
        self
    }

    /// Whether `count` arguments (names counted) are right for it.
    pub const fn accepts(&self, count: usize) -> bool {
        if self.arity >= 0 {
            count == self.arity as usize
        } else {
            count >= self.arity.unsigned_abs() as usize
        }
    }

    /// The positions of the keys among `args`.
    pub fn key_positions(&self, args: Args<'_>) -> Result<Vec<usize>, ReplyError> {
        const INVALID: ReplyError =
            ReplyError::fixed("ERR Invalid arguments specified for command");
        match self.keys {
            KeySpec::None => Ok(Vec::new()),
            KeySpec::Range { first, last, step } => {
                let last = if last < 0 {
                    args.len() as i64 + i64::from(last)
                } else {
                    i64::from(last)
                };
                Ok((first..args.len())
                    .step_by(step)
                    .take_while(|&at| at as i64 <= last)
                    .collect())
            }
            KeySpec::Counted { count, destination } => {
                let number = args
                    .get(count)
                    .and_then(crate::text::int::parse_i64)
                    .ok_or(INVALID)?;
                let number = usize::try_from(number).map_err(|_| INVALID)?;
                if number == 0 || number > args.len().saturating_sub(count + 1) {
                    return Err(INVALID);
                }
                Ok(destination
                    .into_iter()
                    .chain(count + 1..count + 1 + number)
                    .collect())
            }
            KeySpec::Custom { positions, .. } => positions(args),
        }
    }
}

/// One key, the first argument.
pub const ONE_KEY: KeySpec = KeySpec::Range {
    first: 1,
    last: 1,
    step: 1,
};
/// The first two arguments are keys.
pub const TWO_KEYS: KeySpec = KeySpec::Range {
    first: 1,
    last: 2,
    step: 1,
};
/// All arguments are keys.
pub const ALL_KEYS: KeySpec = KeySpec::Range {
    first: 1,
    last: -1,
    step: 1,
};
/// All arguments but the last are keys (BLPOP).
pub const ALL_BUT_LAST: KeySpec = KeySpec::Range {
    first: 1,
    last: -2,
    step: 1,
};
/// Keys and values in turn (MSET).
pub const KEY_VALUE_PAIRS: KeySpec = KeySpec::Range {
    first: 1,
    last: -1,
    step: 2,
};
