//! COMMAND: what the table knows, told to clients.
//!
//! [`describe`] writes the entries, [`facts`] holds what only COMMAND tells. Commands come in the order of the table.

mod arguments;
mod describe;
mod facts;
mod syntax;
#[cfg(test)]
mod tests;

use crate::command::spec::{Class, Flags, KeySpec, Spec};
use crate::command::{DataCtx, Run, table};
use crate::error::{ReplyError, SYNTAX};
use crate::resp::reply::Aggregate;
use crate::resp::{Args, Reply};
use crate::text::glob;

/// The declaration.
pub const SPECS: &[Spec] = &[COMMAND];

const GROUP: &str = "server";
const FLAGS: Flags = Flags::LOADING.and(Flags::STALE);
const PER_COMMAND: &str = "O(N) where N is the number of commands to look up";
const PER_ARGUMENT: &str = "O(N) where N is the number of arguments to the command";
const PER_TABLE: &str = "O(N) where N is the total number of Redis commands";

const COMMAND: Spec = {
    let mut spec = told("command", -1, command).doc(
        GROUP,
        "2.8.13",
        PER_TABLE,
        "Get array of Redis command details",
    );
    spec.subcommands = SUBCOMMANDS;
    spec
};

const SUBCOMMANDS: &[Spec] = &[
    told("command|count", 2, count).doc(
        GROUP,
        "2.8.13",
        "O(1)",
        "Get total number of Redis commands",
    ),
    told("command|docs", -2, docs).doc(
        GROUP,
        "7.0.0",
        PER_COMMAND,
        "Get array of specific Redis command documentation",
    ),
    told("command|getkeys", -4, getkeys).doc(
        GROUP,
        "2.8.13",
        PER_ARGUMENT,
        "Extract keys given a full Redis command",
    ),
    told("command|getkeysandflags", -4, getkeysandflags).doc(
        GROUP,
        "7.0.0",
        PER_ARGUMENT,
        "Extract keys and access flags given a full Redis command",
    ),
    told("command|help", 2, help).doc(
        GROUP,
        "5.0.0",
        "O(1)",
        "Show helpful text about the different subcommands",
    ),
    told("command|info", -2, info).doc(
        GROUP,
        "2.8.13",
        PER_COMMAND,
        "Get array of specific Redis command details, or all when no argument is given.",
    ),
    told("command|list", -2, list).doc(
        GROUP,
        "7.0.0",
        PER_TABLE,
        "Get an array of Redis command names",
    ),
];

/// A declaration of this family. The handlers need no server, only the table.
const fn told(name: &'static str, arity: i32, run: fn(&mut DataCtx<'_>, Args<'_>) -> Run) -> Spec {
    Spec::read(name, arity, KeySpec::None, run)
        .class(Class::Control)
        .flags(FLAGS)
}

fn command(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    info_of_all(ctx.reply);
    Ok(())
}

fn info_of_all(reply: &mut Reply) {
    reply.array(table::all().count());
    table::all().for_each(|spec| describe::info(reply, spec));
}

fn count(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.count(table::all().count());
    Ok(())
}

fn info(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let names = args.from(2);
    if names.len() == 0 {
        info_of_all(ctx.reply);
        return Ok(());
    }
    ctx.reply.array(names.len());
    for name in names.iter() {
        match by_full_name(name) {
            Some(spec) => describe::info(ctx.reply, spec),
            None => ctx.reply.null(),
        }
    }
    Ok(())
}

fn docs(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let names = args.from(2);
    let told: Vec<&Spec> = match names.len() {
        0 => table::all().collect(),
        _ => names.iter().filter_map(by_full_name).collect(),
    };
    ctx.reply.map(told.len());
    for spec in told {
        ctx.reply.bulk(spec.name.as_bytes());
        describe::docs(ctx.reply, spec);
    }
    Ok(())
}

/// The command called `name`, or the subcommand called `container|sub`.
fn by_full_name(name: &[u8]) -> Option<&'static Spec> {
    let Some(bar) = memchr::memchr(b'|', name) else {
        return table::find(name);
    };
    table::find_subcommand(table::find(&name[..bar])?, &name[bar + 1..])
}

fn list(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let filter = Filter::read(args.from(2))?;
    let later = ctx.reply.begin();
    let mut len = 0;
    for spec in table::all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands)) {
        if filter.wants(spec) {
            ctx.reply.bulk(spec.name.as_bytes());
            len += 1;
        }
    }
    ctx.reply.end(later, Aggregate::Array, len);
    Ok(())
}

/// What COMMAND LIST is limited to.
enum Filter<'a> {
    Nothing,
    /// Commands of a module, of which there is none.
    Module,
    Category(&'a [u8]),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    /// `[FILTERBY MODULE name | ACLCAT category | PATTERN glob]`
    fn read(args: Args<'a>) -> Result<Filter<'a>, ReplyError> {
        if args.len() == 0 {
            return Ok(Filter::Nothing);
        }
        if args.len() != 3 || !args.is(0, "filterby") {
            return Err(SYNTAX);
        }
        match args.at(1).to_ascii_lowercase().as_slice() {
            b"module" => Ok(Filter::Module),
            b"aclcat" => Ok(Filter::Category(args.at(2))),
            b"pattern" => Ok(Filter::Pattern(args.at(2))),
            _ => Err(SYNTAX),
        }
    }

    fn wants(&self, spec: &Spec) -> bool {
        match self {
            Filter::Nothing => true,
            Filter::Module => false,
            Filter::Category(wanted) => facts::categories(spec)
                .iter()
                .any(|category| wanted.eq_ignore_ascii_case(category.as_bytes())),
            Filter::Pattern(pattern) => glob::matches(pattern, spec.name.as_bytes(), true),
        }
    }
}

fn getkeys(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let call = args.from(2);
    let (_, positions) = keys_of(call)?;
    ctx.reply.array(positions.len());
    for position in positions {
        ctx.reply.bulk(call.at(position));
    }
    Ok(())
}

fn getkeysandflags(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    let call = args.from(2);
    let (spec, positions) = keys_of(call)?;
    ctx.reply.array(positions.len());
    for position in positions {
        ctx.reply.array(2);
        ctx.reply.bulk(call.at(position));
        let flags: Vec<&str> = facts::use_in_call(spec, call, position)
            .split(' ')
            .collect();
        ctx.reply.set(flags.len());
        flags.iter().for_each(|flag| ctx.reply.simple(flag));
    }
    Ok(())
}

/// The command that `call` is, and where its keys are.
fn keys_of(call: Args<'_>) -> Result<(&'static Spec, Vec<usize>), ReplyError> {
    const UNKNOWN: ReplyError = ReplyError::fixed("ERR Invalid command specified");
    const NO_KEYS: ReplyError = ReplyError::fixed("ERR The command has no key arguments");
    const WRONG_COUNT: ReplyError =
        ReplyError::fixed("ERR Invalid number of arguments specified for command");
    const WRONG_ARGUMENTS: ReplyError =
        ReplyError::fixed("ERR Invalid arguments specified for command");
    let mut spec = table::find(call.at(0)).ok_or(UNKNOWN)?;
    if !spec.subcommands.is_empty()
        && let Some(sub) = call.get(1)
    {
        spec = table::find_subcommand(spec, sub).ok_or(UNKNOWN)?;
    }
    let is_channel = facts::key_uses(spec)[0].flags == "not_key";
    if matches!(spec.keys, KeySpec::None) || is_channel {
        return Err(NO_KEYS);
    }
    if !spec.accepts(call.len()) {
        return Err(WRONG_COUNT);
    }
    let positions = spec.key_positions(call).map_err(|_| WRONG_ARGUMENTS)?;
    if positions.is_empty() && !spec.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(WRONG_ARGUMENTS);
    }
    Ok((spec, positions))
}

fn help(ctx: &mut DataCtx<'_>, _: Args<'_>) -> Run {
    crate::command::help(
        ctx.reply,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}
