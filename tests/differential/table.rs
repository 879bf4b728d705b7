//! What COMMAND INFO says of each command, and how each answers a call with too few or too many arguments.

use std::collections::BTreeSet;

use crate::common::{Conn, Value, show_args};
use crate::families::FAMILIES;
use crate::scenarios::{BLOCKING, SUBSCRIBER};

/// Commands that change what the connection understands, or end it or the server: other tests have them.
const NOT_CALLED: &[&str] = &[
    "EXEC",
    "MULTI",
    "DISCARD",
    "RESET",
    "QUIT",
    "MONITOR",
    "SHUTDOWN",
    "HELLO",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "TIME",
    "RANDOMKEY",
    "LASTSAVE",
    "INFO",
    "ROLE",
    "COMMAND",
];
/// Commands of no template that belong to the families as well.
const FURTHER: &[&str] = &[
    "MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "MONITOR", "QUIT", "FLUSHALL", "SHUTDOWN",
];
/// Arguments of a call, at most.
const ARGS_MAX: usize = 6;

/// The names of all commands in the templates.
pub fn names() -> BTreeSet<String> {
    let lines = FAMILIES
        .iter()
        .flat_map(|family| family.templates)
        .chain(BLOCKING)
        .chain(SUBSCRIBER);
    let mut names: BTreeSet<String> = FURTHER.iter().map(|name| (*name).into()).collect();
    for line in lines {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| word.ends_with(':'));
        match words.next() {
            // A choice of names: those up to the closing parenthesis.
            Some("(") => names.extend(
                words
                    .take_while(|word| *word != ")")
                    .filter(|word| *word != "|")
                    .map(String::from),
            ),
            Some(word) => {
                names.insert(word.into());
            }
            None => {}
        }
    }
    names.retain(|name| {
        name.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            && !name.starts_with("NOSUCH")
    });
    names.remove("GETT");
    names
}

/// What COMMAND INFO says of `name` on both servers, where it differs.
pub fn info_difference(ours: &mut Conn, theirs: &mut Conn, name: &str) -> Option<String> {
    let row = |conn: &mut Conn| -> Vec<Value> {
        let reply = conn.cmd(&["COMMAND", "INFO", name]);
        match &reply.items()[0] {
            Value::Array(fields) => fields.iter().take(7).map(in_order).collect(),
            other => vec![other.clone()],
        }
    };
    let (ours, theirs) = (row(ours), row(theirs));
    let show = |fields: &[Value]| {
        fields
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    (ours != theirs).then(|| {
        format!(
            "{name}\n  tested: {}\n  oracle: {}",
            show(&ours),
            show(&theirs)
        )
    })
}

/// Calls `name` with none to [`ARGS_MAX`] arguments that name nothing, and returns where the replies differ.
pub fn call_differences(ours: &mut Conn, theirs: &mut Conn, name: &str) -> Vec<String> {
    if NOT_CALLED.contains(&name) {
        return Vec::new();
    }
    let mut differences = Vec::new();
    for count in 0..=ARGS_MAX {
        let args: Vec<&str> = std::iter::once(name)
            .chain(std::iter::repeat_n("x", count))
            .collect();
        // The same start for every call: DEL x, then FLUSHALL's work is not needed.
        for conn in [&mut *ours, &mut *theirs] {
            conn.call("DEL x");
        }
        let (ours, theirs) = (ours.cmd(&args), theirs.cmd(&args));
        if ours != theirs {
            differences.push(format!(
                "{}\n  tested: {ours}\n  oracle: {theirs}",
                show_args(&args)
            ));
        }
    }
    differences
}

/// Flags and categories are sets.
fn in_order(field: &Value) -> Value {
    match field {
        Value::Array(items) | Value::Set(items) => {
            let mut items = items.clone();
            items.sort();
            Value::Array(items)
        }
        other => other.clone(),
    }
}
