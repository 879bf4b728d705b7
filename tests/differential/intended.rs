//! Every place where Stillpoint's reply differs from redis-server 7.0's on purpose, with its reason. Nothing else may
//! differ. `DIFF_STRICT=1` switches this list off, which is how redis-server is compared with itself.

use crate::common::Value;
use crate::normalise::Exchange;

/// One intended difference.
pub struct Intended {
    /// What differs, for the report.
    pub what: &'static str,
    /// Why it must.
    pub reason: &'static str,
    /// Whether this exchange shows it, and nothing beyond it.
    pub applies: fn(&Exchange) -> bool,
}

/// The list.
pub const INTENDED: &[Intended] = &[
    Intended {
        what: "OBJECT ENCODING of a value whose encoding Redis chose by its history",
        reason: "on disk there are no encodings; the name is derived from the value as it is now, and Redis keeps a large \
                 encoding when the value shrinks, and raw after APPEND or SETRANGE",
        applies: |exchange| {
            let encodings: &[&[&str]] = &[
                &["embstr", "raw", "int"],
                &["listpack", "hashtable", "intset"],
                &["listpack", "skiplist"],
                &["listpack", "quicklist"],
            ];
            let name = |value: &Value| {
                value
                    .bytes()
                    .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            is(exchange, "OBJECT", Some("ENCODING"))
                && match (name(&exchange.ours), name(&exchange.theirs)) {
                    (Some(ours), Some(theirs)) => encodings.iter().any(|group| {
                        group.contains(&ours.as_str()) && group.contains(&theirs.as_str())
                    }),
                    _ => false,
                }
        },
    },
    Intended {
        what: "OBJECT REFCOUNT",
        reason: "values are not shared objects in memory: it is 1 where Redis shares small integers",
        applies: |exchange| {
            is(exchange, "OBJECT", Some("REFCOUNT"))
                && exchange.ours == Value::Int(1)
                && is_int(&exchange.theirs)
        },
    },
    Intended {
        what: "OBJECT IDLETIME",
        reason: "access times are not kept, they would have to be written with every read; an invented one would mislead \
                 whoever evicts by it",
        applies: |exchange| {
            is(exchange, "OBJECT", Some("IDLETIME"))
                && matches!(&exchange.ours, Value::Error(_))
                && is_int(&exchange.theirs)
        },
    },
    Intended {
        what: "a cursor that was not issued",
        reason: "a cursor stands for a position that the server remembers, not for a place in a hash table; a number that \
                 it never gave is refused instead of beginning anywhere",
        applies: |exchange| {
            ["SCAN", "HSCAN", "SSCAN", "ZSCAN"]
                .iter()
                .any(|name| is(exchange, name, None))
                && matches!(&exchange.ours, Value::Error(text) if text == b"ERR invalid cursor")
                && matches!(exchange.theirs, Value::Array(_))
        },
    },
    Intended {
        what: "which key serves a client that waits for several, filled by one transaction",
        reason: "its command is run again and takes from its own first key that holds something, as in Redis 7.2; Redis 7.0 \
                 serves it from the key that was filled first",
        applies: |exchange| {
            let sorted = |value: &Value| {
                let mut replies = value.items().to_vec();
                replies.sort();
                replies
            };
            exchange.args[0] == b"(blocked)"
                && exchange.args.contains(&b"EXEC".to_vec())
                && sorted(&exchange.ours) == sorted(&exchange.theirs)
        },
    },
    Intended {
        what: "LPOS with the smallest integer as RANK",
        reason: "there are not that many matches; Redis negates it, which overflows, and takes any match as late enough \
                 (later versions refuse the number)",
        applies: |exchange| {
            is(exchange, "LPOS", None)
                && exchange
                    .args
                    .iter()
                    .any(|arg| arg == i64::MIN.to_string().as_bytes())
                && (exchange.ours.is_null() || exchange.ours == Value::Array(Vec::new()))
        },
    },
    Intended {
        what: "SORT after a number out of range in another command",
        reason: "Redis looks at an errno that it has not cleared, and finds the weights no numbers because of an earlier \
                 command's argument",
        applies: |exchange| {
            is(exchange, "SORT", None)
                && matches!(exchange.ours, Value::Array(_))
                && exchange.theirs
                    == Value::error("ERR One or more scores can't be converted into double")
        },
    },
    Intended {
        what: "ROLE's offset",
        reason: "a sequence number of RocksDB, which moves with every write, also without replicas",
        applies: |exchange| match (&exchange.ours, &exchange.theirs) {
            (Value::Array(ours), Value::Array(theirs)) => {
                is(exchange, "ROLE", None)
                    && ours.len() == 3
                    && is_int(&ours[1])
                    && (&ours[0], &ours[2]) == (&theirs[0], &theirs[2])
            }
            _ => false,
        },
    },
    Intended {
        what: "HELP texts",
        reason: "they list the subcommands that there are, in our own words; the form is Redis's: simple strings, the \
                 first of which names the command",
        applies: |exchange| {
            exchange
                .args
                .get(1)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"HELP"))
                && match (&exchange.ours, &exchange.theirs) {
                    (Value::Array(ours), Value::Array(theirs)) => {
                        ours.first() == theirs.first()
                            && ours.iter().all(|line| matches!(line, Value::Simple(_)))
                    }
                    _ => false,
                }
        },
    },
    Intended {
        what: "HELLO's version",
        reason: "the version of Redis whose behaviour is offered need not be the oracle's",
        applies: |exchange| {
            is(exchange, "HELLO", None) && hello_equal(&exchange.ours, &exchange.theirs)
        },
    },
    Intended {
        what: "the event class n beside A in notify-keyspace-events",
        reason: "A does not stand for it; Redis 7.0 forgets to spell it, and CONFIG REWRITE would lose it",
        applies: |exchange| {
            let spelled = |value: &Value| value.items().get(1).map(Value::text);
            is(exchange, "CONFIG", Some("GET"))
                && exchange.args[2].eq_ignore_ascii_case(b"notify-keyspace-events")
                && spelled(&exchange.ours).map(|text| text.replace('n', ""))
                    == spelled(&exchange.theirs)
        },
    },
    Intended {
        what: "a score of minus zero",
        reason: "Redis forgets the sign while the set is small and keeps it when it is large; here it is always zero",
        applies: |exchange| {
            let name = exchange.args[0].to_ascii_uppercase();
            (name.starts_with(b"Z") || name.starts_with(b"BZ"))
                && without_minus_zero(&exchange.ours) == without_minus_zero(&exchange.theirs)
        },
    },
    Intended {
        what: "LPOS with the rank -9223372036854775808",
        reason: "Redis 7.0 negates it, which overflows, and answers something; there is no such rank",
        applies: |exchange| {
            is(exchange, "LPOS", None)
                && exchange
                    .args
                    .iter()
                    .any(|arg| arg == b"-9223372036854775808")
        },
    },
];

/// The intended difference that explains `exchange`, if one does.
pub fn explanation(exchange: &Exchange) -> Option<&'static Intended> {
    INTENDED
        .iter()
        .find(|intended| (intended.applies)(exchange))
}

/// Whether two frames of raw input are equal but for HELLO's version.
pub fn hello_equal(ours: &Value, theirs: &Value) -> bool {
    let fields = |value: &Value| -> Option<Vec<(Value, Value)>> {
        let pairs = match value {
            Value::Map(pairs) => pairs.clone(),
            Value::Array(items) => items
                .chunks_exact(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
            _ => return None,
        };
        let hidden = |key: &Value| matches!(key.bytes(), Some(b"version" | b"id"));
        pairs
            .first()
            .is_some_and(|(key, _)| key.bytes() == Some(b"server"))
            .then(|| {
                let hide = |(key, value): (Value, Value)| {
                    if hidden(&key) {
                        (key, Value::Null)
                    } else {
                        (key, value)
                    }
                };
                pairs.into_iter().map(hide).collect()
            })
    };
    match (fields(ours), fields(theirs)) {
        (Some(ours_fields), Some(theirs_fields)) => {
            ours_fields == theirs_fields
                && std::mem::discriminant(ours) == std::mem::discriminant(theirs)
        }
        _ => false,
    }
}

/// The reply with every score of minus zero made zero.
fn without_minus_zero(value: &Value) -> Value {
    match value {
        Value::Bulk(text) if text == b"-0" => Value::bulk("0"),
        Value::Double(text) if text == b"-0" => Value::Double(b"0".to_vec()),
        Value::Array(items) => Value::Array(items.iter().map(without_minus_zero).collect()),
        other => other.clone(),
    }
}

fn is(exchange: &Exchange, name: &str, subcommand: Option<&str>) -> bool {
    let word_is = |idx: usize, word: &str| {
        exchange
            .args
            .get(idx)
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    word_is(0, name) && subcommand.is_none_or(|subcommand| word_is(1, subcommand))
}

fn is_int(value: &Value) -> bool {
    matches!(value, Value::Int(number) if *number >= 0)
}
