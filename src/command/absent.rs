//! Commands about what this server does not have: modules, access control lists, snapshots, an append-only file. They answer what is true of a
//! server without it, or say plainly that it is not there; none pretends to have done something.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use crate::command::connection::REDIS_VERSION;
use crate::error::{ReplyError, SYNTAX};
use crate::resp::Args;
use crate::text::int::parse_i64;

const HELP: Flags = Flags::LOADING.and(Flags::STALE);
const COMMON: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.and(COMMON);
const MODULES: Flags = Flags::ADMIN.and(Flags::NOSCRIPT);
const SNAPSHOTS: Flags = MODULES.and(Flags::NO_ASYNC_LOADING);

/// The family.
#[rustfmt::skip]
pub const SPECS: &[Spec] = &[
    Spec::container(
        "acl",
        &[
            no_acl("acl|cat", -2, COMMON, "6.0.0", "Lists the ACL categories, or the commands inside a category."),
            no_acl("acl|deluser", -3, ADMIN, "6.0.0", "Deletes ACL users, and terminates their connections."),
            no_acl("acl|dryrun", -4, ADMIN, "7.0.0", "Simulates the execution of a command by a user."),
            no_acl("acl|genpass", -2, COMMON, "6.0.0", "Generates a password for ACL users."),
            no_acl("acl|getuser", 3, ADMIN, "6.0.0", "Lists the ACL rules of a user."),
            Spec::control("acl|help", 2, acl_help).flags(HELP).doc(
                "server", "6.0.0", "O(1)", "Returns helpful text about the different subcommands.",
            ),
            no_acl("acl|list", 2, ADMIN, "6.0.0", "Lists the rules of all users in ACL file format."),
            no_acl("acl|load", 2, ADMIN, "6.0.0", "Reloads the rules from the ACL file."),
            no_acl("acl|log", -2, ADMIN, "6.0.0", "Lists recent security events."),
            no_acl("acl|save", 2, ADMIN, "6.0.0", "Saves the rules to the ACL file."),
            no_acl("acl|setuser", -3, ADMIN, "6.0.0", "Creates and modifies a user and its rules.").secrets(acl_secrets),
            no_acl("acl|users", 2, ADMIN, "6.0.0", "Lists all users."),
            Spec::control("acl|whoami", 2, whoami).flags(COMMON).doc(
                "server", "6.0.0", "O(1)", "Returns the user name of the connection.",
            ),
        ],
    )
    .doc("server", "6.0.0", "Depends on subcommand.", "A container for Access List Control commands."),
    Spec::container(
        "module",
        &[
            Spec::control("module|help", 2, module_help).flags(HELP).doc(
                "server", "5.0.0", "O(1)", "Returns helpful text about the different subcommands.",
            ),
            Spec::control("module|list", 2, module_list).flags(MODULES).doc(
                "server", "4.0.0", "O(N) where N is the number of loaded modules.", "Returns all loaded modules.",
            ),
            Spec::control("module|load", -3, no_modules).flags(SNAPSHOTS).doc(
                "server", "4.0.0", "O(1)", "Loads a module.",
            ),
            Spec::control("module|loadex", -3, no_modules).flags(SNAPSHOTS).doc(
                "server", "7.0.0", "O(1)", "Loads a module using extended parameters.",
            ),
            Spec::control("module|unload", 3, no_modules).flags(SNAPSHOTS).doc(
                "server", "4.0.0", "O(1)", "Unloads a module.",
            ),
        ],
    )
    .doc("server", "4.0.0", "Depends on subcommand.", "A container for module commands."),
    Spec::control("save", 1, no_snapshots).flags(SNAPSHOTS.and(Flags::NO_MULTI)).doc(
        "server", "1.0.0", "O(N) where N is the total number of keys in all databases", "Synchronously saves the database to disk.",
    ),
    Spec::control("bgsave", -1, bgsave).flags(SNAPSHOTS).doc(
        "server", "1.0.0", "O(1)", "Asynchronously saves the database to disk.",
    ),
    Spec::control("bgrewriteaof", 1, bgrewriteaof).flags(SNAPSHOTS).doc(
        "server", "1.0.0", "O(1)", "Asynchronously rewrites the append-only file to disk.",
    ),
    Spec::control("lolwut", -1, lolwut).class(super::Class::Read).flags(Flags::FAST).doc(
        "server", "5.0.0", "", "Displays the version of Redis that this server follows.",
    ),
];

/// An ACL subcommand that needs more than the one user there is.
const fn no_acl(
    name: &'static str,
    arity: i32,
    flags: Flags,
    since: &'static str,
    summary: &'static str,
) -> Spec {
    Spec::control(name, arity, no_access_lists)
        .flags(flags)
        .doc("server", since, "O(1)", summary)
}

/// Everything behind ACL SETUSER, as in Redis: the rules may hold passwords, and who has typed one does not expect it in a log.
fn acl_secrets(args: Args<'_>) -> Vec<usize> {
    (2..args.len()).collect()
}

fn no_access_lists(_: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    Err(ReplyError::fixed(
        "ERR access control lists are not supported: there is one user, 'default', with the password of the setting requirepass",
    )
    .into())
}

fn whoami(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.bulk(b"default");
    Ok(())
}

fn acl_help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "ACL",
        &[
            "WHOAMI",
            "    Return the name of the connection's user: always 'default'.",
        ],
    );
    Ok(())
}

fn module_list(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    ctx.reply.array(0);
    Ok(())
}

fn no_modules(_: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    Err(ReplyError::fixed("ERR modules are not supported").into())
}

fn module_help(ctx: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    super::help(
        ctx.reply,
        "MODULE",
        &["LIST", "    Return the loaded modules: none."],
    );
    Ok(())
}

fn no_snapshots(_: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    Err(ReplyError::fixed(
        "ERR snapshots are not in this build yet: every acknowledged write is in the write-ahead log already",
    )
    .into())
}

fn bgsave(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let is_known = args.len() == 1 || (args.len() == 2 && args.is(1, "schedule"));
    if !is_known {
        return Err(SYNTAX.into());
    }
    no_snapshots(ctx, args)
}

fn bgrewriteaof(_: &mut ControlCtx<'_>, _: Args<'_>) -> Run {
    Err(ReplyError::fixed(
        "ERR there is no append-only file to rewrite: COMPACT frees what deleted and expired data takes on disk",
    )
    .into())
}

/// `LOLWUT [VERSION n ...]`: the last line of Redis's, without the art.
fn lolwut(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    if args.len() >= 3 && args.is(1, "version") {
        parse_i64(args.at(2)).ok_or(crate::error::NOT_AN_INTEGER)?;
    }
    let text = format!("Redis ver. {REDIS_VERSION}\n");
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
