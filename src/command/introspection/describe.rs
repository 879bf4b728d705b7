//! A command's entry in COMMAND INFO and in COMMAND DOCS.

use super::arguments;
use super::facts::{self, KeyUse};
use crate::command::spec::{Class, Flags, KeySpec, Spec};
use crate::resp::Reply;

/// The ten elements of COMMAND INFO.
pub fn info(reply: &mut Reply, spec: &Spec) {
    info_without_subcommands(reply, spec);
    if spec.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(spec.subcommands.len());
        for sub in spec.subcommands {
            info(reply, sub);
        }
    }
}

/// The header of COMMAND INFO's ten elements, and nine of them.
pub fn info_without_subcommands(reply: &mut Reply, spec: &Spec) {
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.int(i64::from(spec.arity));
    words(reply, &flags(spec));
    let (first, last, step) = legacy_range(spec);
    reply.int(first);
    reply.int(last);
    reply.int(step);
    let categories = facts::categories(spec);
    reply.set(categories.len());
    for category in categories {
        reply.simple(&format!("@{category}"));
    }
    let tips = facts::tips(spec.name);
    reply.set(tips.len());
    for tip in tips {
        reply.bulk(tip.as_bytes());
    }
    key_specs(reply, spec);
}

/// The flags, in Redis's order. MAY_REPLICATE is not told, as there.
fn flags(spec: &Spec) -> Vec<&'static str> {
    let by_class = match spec.class {
        Class::Write => Some("write"),
        Class::Read => Some("readonly"),
        Class::MayReplicate | Class::Control => None,
    };
    let declared = Flags::NAMES
        .iter()
        .filter(|(flag, _)| spec.flags.has(*flag) && *flag != Flags::MAY_REPLICATE)
        .map(|(_, name)| *name);
    by_class.into_iter().chain(declared).collect()
}

/// First key, last key and step, as far as three numbers can say it.
fn legacy_range(spec: &Spec) -> (i64, i64, i64) {
    match spec.keys {
        KeySpec::None
        | KeySpec::Counted {
            destination: None, ..
        } => (0, 0, 0),
        KeySpec::Counted {
            destination: Some(at),
            ..
        } => (at as i64, at as i64, 1),
        KeySpec::Range { first, last, step }
        | KeySpec::Custom {
            first, last, step, ..
        } => (first as i64, i64::from(last), step as i64),
    }
}

/// How the keys of one use are found.
enum Search {
    /// From `first` up to `last` (counted from `first`, or negative from the end).
    Range {
        first: usize,
        last: i64,
        step: usize,
    },
    /// A number of keys at `at`, and the keys behind it.
    Counted { at: usize },
    /// Not to be found.
    Unknown,
}

fn key_specs(reply: &mut Reply, spec: &Spec) {
    let searches = searches(spec);
    reply.set(searches.len());
    for (key_use, search) in searches {
        reply.map(3 + usize::from(key_use.notes.is_some()));
        if let Some(notes) = key_use.notes {
            reply.bulk(b"notes");
            reply.bulk(notes.as_bytes());
        }
        reply.bulk(b"flags");
        words(reply, &key_use.flags.split(' ').collect::<Vec<_>>());
        let (begin, find): (Part, Part) = match search {
            Search::Range { first, last, step } => (
                ("index", vec![("index", first as i64)]),
                (
                    "range",
                    vec![("lastkey", last), ("keystep", step as i64), ("limit", 0)],
                ),
            ),
            Search::Counted { at } => (
                ("index", vec![("index", at as i64)]),
                (
                    "keynum",
                    vec![("keynumidx", 0), ("firstkey", 1), ("keystep", 1)],
                ),
            ),
            Search::Unknown => (("unknown", vec![]), ("unknown", vec![])),
        };
        reply.bulk(b"begin_search");
        part(reply, begin);
        reply.bulk(b"find_keys");
        part(reply, find);
    }
}

/// A step of a search: its type and its numbers.
type Part = (&'static str, Vec<(&'static str, i64)>);

fn part(reply: &mut Reply, (kind, numbers): Part) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len());
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.int(number);
    }
}

/// Each use of keys with how its keys are found.
fn searches(spec: &Spec) -> Vec<(KeyUse, Search)> {
    let uses = facts::key_uses(spec);
    let one = |at| Search::Range {
        first: at,
        last: 0,
        step: 1,
    };
    let range = |first: usize, last: i32, step| Search::Range {
        first,
        last: match last {
            0.. => i64::from(last) - first as i64,
            _ => i64::from(last),
        },
        step,
    };
    let mut searches = match (spec.keys, uses) {
        (KeySpec::None, _) => vec![],
        (KeySpec::Range { first, last, step }, [first_use, other]) if !other.is_unknown => vec![
            (*first_use, one(first)),
            (*other, range(first + 1, last, step)),
        ],
        (
            KeySpec::Range { first, last, step }
            | KeySpec::Custom {
                first, last, step, ..
            },
            [first_use, ..],
        ) => vec![(*first_use, range(first, last, step))],
        (KeySpec::Counted { count, destination }, uses) => {
            let destination = destination.map(|at| (uses[0], one(at)));
            let sources = (uses[uses.len() - 1], Search::Counted { at: count });
            destination.into_iter().chain([sources]).collect()
        }
        (_, []) => vec![],
    };
    if !matches!(spec.keys, KeySpec::None) {
        let unknown = uses.iter().filter(|key_use| key_use.is_unknown);
        searches.extend(unknown.map(|key_use| (*key_use, Search::Unknown)));
    }
    searches
}

pub(super) fn words(reply: &mut Reply, words: &[&str]) {
    reply.set(words.len());
    for word in words {
        reply.simple(word);
    }
}

/// What COMMAND DOCS tells: a map.
pub fn docs(reply: &mut Reply, spec: &Spec) {
    let fields = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group),
        ("complexity", spec.complexity),
    ];
    let told = || fields.iter().filter(|(_, text)| !text.is_empty());
    let has_subcommands = !spec.subcommands.is_empty();
    let arguments = arguments::of(spec.name);
    let has_arguments = !arguments.is_empty();
    reply.map(told().count() + usize::from(has_subcommands) + usize::from(has_arguments));
    for (name, text) in told() {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if has_arguments {
        reply.bulk(b"arguments");
        arguments::tell(reply, &arguments);
    }
    if has_subcommands {
        reply.bulk(b"subcommands");
        reply.map(spec.subcommands.len());
        for sub in spec.subcommands {
            reply.bulk(sub.name.as_bytes());
            docs(reply, sub);
        }
    }
}
