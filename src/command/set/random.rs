//! SPOP and SRANDMEMBER.

use super::GROUP;
use crate::command::members as shared;
use crate::command::parse;
use crate::command::spec::{Flags, ONE_KEY, Spec};
use crate::command::{DataCtx, Run};
use crate::error::SYNTAX;
use crate::resp::Args;
use crate::storage::metadata::Type;
use crate::storage::store::EventClass;
use crate::storage::types::members::{self, Draw};
use crate::storage::types::set;

pub(super) const SPOP: Spec = Spec::write("spop", -2, ONE_KEY, spop)
    .flags(Flags::FAST)
    .doc(
        GROUP,
        "1.0.0",
        "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        "Remove and return one or multiple random members from a set",
    );

fn spop(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if args.len() > 3 {
        return Err(SYNTAX.into());
    }
    let key = args.at(1);
    let count = args.get(2).map(parse::non_negative).transpose()?;
    let DataCtx {
        store, reply, rng, ..
    } = ctx;
    let popped = match store.typed(key, Type::Set)? {
        Some(meta) => {
            let (popped, removed) = set::pop(store, key, meta, count.unwrap_or(1), rng)?;
            if removed.count > 0 {
                store.notify(EventClass::SET, "spop", key);
            }
            if removed.emptied {
                store.notify(EventClass::GENERIC, "del", key);
            }
            popped
        }
        None => Vec::new(),
    };
    if count.is_some() {
        reply.set(popped.len());
        popped.iter().for_each(|member| reply.bulk(member));
    } else {
        reply.bulk_or_null(popped.first().map(|member| &member[..]));
    }
    Ok(())
}

pub(super) const SRANDMEMBER: Spec = Spec::read("srandmember", -2, ONE_KEY, srandmember).doc(
    GROUP,
    "1.0.0",
    "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
    "Get one or multiple random members from a set",
);

fn srandmember(ctx: &mut DataCtx<'_>, args: Args<'_>) -> Run {
    if args.len() > 3 {
        return Err(SYNTAX.into());
    }
    let key = args.at(1);
    let count = match args.get(2) {
        Some(count) => Some(parse::integer_between(count, -i64::MAX, i64::MAX)?),
        None => None,
    };
    let DataCtx {
        store, reply, rng, ..
    } = ctx;
    let drawn = match set::header(store, key)? {
        Some(header) => {
            let draw = count.map_or(Ok(Draw::Distinct(1)), shared::draw)?;
            members::draw(store, key, &header, draw, rng)?
        }
        None => Vec::new(),
    };
    if count.is_some() {
        reply.array(drawn.len());
        drawn.iter().for_each(|(member, _)| reply.bulk(member));
    } else {
        reply.bulk_or_null(drawn.first().map(|(member, _)| &member[..]));
    }
    Ok(())
}
