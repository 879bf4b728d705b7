//! What COMMAND tells of a command beyond its declaration, and nothing else here uses: ACL categories, hints for clients, what a
//! command does with its keys. Facts of redis-server 7.0.15; the tests compare them with it.

use crate::command::spec::{Class, Flags, Handler, KeySpec, Spec};
use crate::resp::Args;

/// The ACL categories, in Redis's order.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The ACL categories of a command, in Redis's order: by its class, its flags and its group, and a few of its own.
pub fn categories(spec: &Spec) -> Vec<&'static str> {
    let has = |flag| spec.flags.has(flag);
    let is_scripting = spec.group == "scripting";
    let own = own_categories(spec.name);
    let is_in = |category: &str| match category {
        "write" => spec.class == Class::Write,
        "read" => spec.class == Class::Read && !is_scripting,
        "admin" | "dangerous" if has(Flags::ADMIN) => true,
        "pubsub" => has(Flags::PUBSUB),
        "fast" => has(Flags::FAST),
        "slow" => !has(Flags::FAST),
        "blocking" => has(Flags::BLOCKING),
        category => own.contains(&category) || group_category(spec) == Some(category),
    };
    let categories = CATEGORIES.iter().copied();
    categories.filter(|category| is_in(category)).collect()
}

/// The category that goes with the group of the documentation. Containers have none.
fn group_category(spec: &Spec) -> Option<&'static str> {
    if matches!(spec.handler, Handler::Container) {
        return None;
    }
    Some(match spec.group {
        "generic" if !matches!(spec.name, "sort" | "sort_ro" | "wait") => "keyspace",
        "sorted-set" => "sortedset",
        "transactions" => "transaction",
        group => CATEGORIES.iter().find(|category| **category == group)?,
    })
}

/// Categories that follow from nothing else.
fn own_categories(name: &str) -> &'static [&'static str] {
    match name {
        "sort" | "sort_ro" => &["set", "sortedset", "list", "dangerous"],
        "swapdb" | "flushdb" | "flushall" => &["keyspace", "dangerous"],
        "lastsave" | "role" => &["admin", "dangerous"],
        "info" | "keys" | "restore" => &["dangerous"],
        "dbsize" => &["keyspace"],
        "wait" | "asking" | "readonly" | "readwrite" => &["connection"],
        _ if name == "command" || name.starts_with("command|") => &["connection"],
        _ => &[],
    }
}

/// Hints for clients and proxies.
pub fn tips(name: &str) -> &'static [&'static str] {
    const OUTPUT: &str = "nondeterministic_output";
    const ORDER: &str = "nondeterministic_output_order";
    match name {
        "cluster|bumpepoch"
        | "cluster|count-failure-reports"
        | "cluster|getkeysinslot"
        | "cluster|info"
        | "cluster|links"
        | "cluster|nodes"
        | "cluster|replicas"
        | "cluster|shards"
        | "cluster|slaves"
        | "cluster|slots" => &[OUTPUT],
        "client|info" | "client|list" | "dump" | "hrandfield" | "hscan" | "lastsave"
        | "object|encoding" | "object|freq" | "object|idletime" | "object|refcount" | "pttl"
        | "spop" | "srandmember" | "sscan" | "time" | "ttl" | "zrandmember" | "zscan" => &[OUTPUT],
        "command" | "command|docs" | "command|info" | "command|list" | "hgetall" | "hkeys"
        | "hvals" | "module|list" | "sdiff" | "sinter" | "smembers" | "sunion" => &[ORDER],
        "del" | "exists" | "touch" | "unlink" => {
            &["request_policy:multi_shard", "response_policy:agg_sum"]
        }
        "mget" => &["request_policy:multi_shard"],
        "mset" => &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        "msetnx" => &["request_policy:multi_shard", "response_policy:agg_min"],
        "dbsize" => &["request_policy:all_shards", "response_policy:agg_sum"],
        "flushall" | "flushdb" | "memory|purge" | "ping" => {
            &["request_policy:all_shards", "response_policy:all_succeeded"]
        }
        "keys" => &["request_policy:all_shards", ORDER],
        "randomkey" => &["request_policy:all_shards", OUTPUT],
        "info" | "memory|doctor" | "memory|malloc-stats" | "memory|stats" => &[
            OUTPUT,
            "request_policy:all_shards",
            "response_policy:special",
        ],
        "latency|doctor" | "latency|graph" | "latency|histogram" | "latency|history"
        | "latency|latest" => &[
            OUTPUT,
            "request_policy:all_nodes",
            "response_policy:special",
        ],
        "scan" => &[OUTPUT, "request_policy:special"],
        "wait" => &["request_policy:all_shards", "response_policy:agg_min"],
        "config|set" | "latency|reset" | "slowlog|reset" => {
            &["request_policy:all_nodes", "response_policy:all_succeeded"]
        }
        "slowlog|get" => &["request_policy:all_nodes", OUTPUT],
        "slowlog|len" => &[
            "request_policy:all_nodes",
            "response_policy:agg_sum",
            OUTPUT,
        ],
        _ => &[],
    }
}

/// What a command does with a key, or with some of its keys.
#[derive(Clone, Copy)]
pub struct KeyUse {
    /// Redis's flags, separated by spaces.
    pub flags: &'static str,
    pub notes: Option<&'static str>,
    /// Whether it stands for keys that cannot be found among the arguments.
    pub is_unknown: bool,
}

const fn only(flags: &'static str) -> KeyUse {
    KeyUse {
        flags,
        notes: None,
        is_unknown: false,
    }
}

const fn noted(flags: &'static str, notes: &'static str) -> KeyUse {
    KeyUse {
        flags,
        notes: Some(notes),
        is_unknown: false,
    }
}

const fn unknown(flags: &'static str, notes: &'static str) -> KeyUse {
    KeyUse {
        flags,
        notes: Some(notes),
        is_unknown: true,
    }
}

const MADE_UP: KeyUse = unknown(
    "RO access",
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
);
const ANYWHERE: KeyUse = unknown(
    "OW update",
    "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
);

/// What a command does with its keys: one use for all, or one for the first key (a destination, a source) and one for the
/// others; then those that are not among the arguments.
pub fn key_uses(spec: &Spec) -> &'static [KeyUse] {
    match spec.name {
        "exists" | "hexists" | "hlen" | "hstrlen" | "llen" | "memory|usage" | "object|encoding"
        | "object|freq" | "object|idletime" | "object|refcount" | "scard" | "sismember"
        | "strlen" | "touch" | "type" | "watch" | "zcard" => const { &[only("RO")] },
        "spublish" | "ssubscribe" | "sunsubscribe" => const { &[only("not_key")] },
        "expire" | "expireat" | "hmset" | "hset" | "lset" | "persist" | "pexpire" | "pexpireat"
        | "setrange" | "zadd" => const { &[only("RW update")] },
        "append" | "hsetnx" | "linsert" | "lpush" | "lpushx" | "rpush" | "rpushx" | "sadd" => {
            const { &[only("RW insert")] }
        }
        "decr" | "decrby" | "getset" | "hincrby" | "hincrbyfloat" | "incr" | "incrby"
        | "incrbyfloat" | "move" | "zincrby" => const { &[only("RW access update")] },
        "getex" => {
            const {
                &[noted(
                    "RW access update",
                    "RW and UPDATE because it changes the TTL",
                )]
            }
        }
        "set" => {
            const {
                &[noted(
                    "RW access update variable_flags",
                    "RW and ACCESS due to the optional `GET` argument",
                )]
            }
        }
        "hdel" | "lrem" | "ltrim" | "srem" | "zrem" | "zremrangebylex" | "zremrangebyrank"
        | "zremrangebyscore" => const { &[only("RW delete")] },
        "blmpop" | "blpop" | "brpop" | "bzmpop" | "bzpopmax" | "bzpopmin" | "getdel" | "lmpop"
        | "lpop" | "rpop" | "spop" | "zmpop" | "zpopmax" | "zpopmin" => {
            const { &[only("RW access delete")] }
        }
        "del" | "unlink" => const { &[only("RM delete")] },
        "mset" | "psetex" | "restore" | "setex" => const { &[only("OW update")] },
        "msetnx" | "setnx" => const { &[only("OW insert")] },
        "blmove" | "brpoplpush" | "lmove" | "rpoplpush" | "smove" => {
            const { &[only("RW access delete"), only("RW insert")] }
        }
        "copy" => const { &[only("RO access"), only("OW update")] },
        "rename" => const { &[only("RW access delete"), only("OW update")] },
        "renamenx" => const { &[only("RW access delete"), only("OW insert")] },
        "sdiffstore" | "sunionstore" | "zdiffstore" | "zinterstore" | "zrangestore"
        | "zunionstore" => const { &[only("OW update"), only("RO access")] },
        "sinterstore" => const { &[only("RW update"), only("RO access")] },
        "sort" => const { &[only("RO access"), MADE_UP, ANYWHERE] },
        "sort_ro" => const { &[only("RO access"), MADE_UP] },
        _ if spec.class == Class::Write => const { &[only("RW access update")] },
        _ => const { &[only("RO access")] },
    }
}

/// What this very call does with its key at `position`, as flags separated by spaces.
pub fn use_in_call(spec: &Spec, args: Args<'_>, position: usize) -> &'static str {
    if spec.name == "set" {
        let gets = args
            .from(3)
            .iter()
            .any(|arg| arg.eq_ignore_ascii_case(b"get"));
        return if gets {
            "RW access update"
        } else {
            "OW update"
        };
    }
    let uses = key_uses(spec);
    let is_first = match spec.keys {
        KeySpec::Range { first, .. } | KeySpec::Custom { first, .. } => position == first,
        KeySpec::Counted { destination, .. } => destination == Some(position),
        KeySpec::None => false,
    };
    if is_first {
        uses[0].flags
    } else {
        uses[uses.len() - 1].flags
    }
}
