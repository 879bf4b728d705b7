//! INFO.

use super::context::ControlCtx;
use super::halt::Run;
use super::spec::{Flags, Spec};
use crate::resp::Args;
use crate::stats::info::{self, Facts, Selection};

/// `INFO [section ...]`
pub const INFO: Spec = Spec::control("info", -1, info)
    .flags(Flags::LOADING.and(Flags::STALE))
    .never_held()
    .doc(
        "server",
        "1.0.0",
        "O(1)",
        "Returns information and statistics about the server.",
    );

/// Answers at once, but for the counts of keys when they are asked for and not fresh.
fn info(ctx: &mut ControlCtx<'_>, args: Args<'_>) -> Run {
    let selection = Selection::named(args.from(1).iter());
    let key_counts = if selection.needs_key_counts() {
        Some(ctx.key_counts()?)
    } else {
        None
    };
    let seq = if selection.needs_seq() {
        ctx.newest_seq()
    } else {
        ctx.node.last_seq
    };
    let facts = Facts {
        node: ctx.node,
        seq,
        key_counts: key_counts.as_ref(),
    };
    let text = info::render(selection, &facts);
    ctx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
