//! The data directories that Apache Kvrocks wrote (`tests/fixtures`): copies of them, and the reads that go with them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::json::Json;
use super::{Conn, Server, Setup, Value, say_skipped, show_args};

/// One read and what Kvrocks answered.
pub struct Read {
    /// The command.
    pub args: Vec<Vec<u8>>,
    /// Kvrocks's reply.
    pub reply: Value,
}

/// One of the three directories.
pub struct Fixture {
    /// Its folder.
    pub name: &'static str,
    /// Whether it was written with `cluster-enabled yes`.
    pub cluster: bool,
    /// The number in the names of its keys.
    pub number: u32,
}

/// Written with the defaults.
pub const STANDALONE: Fixture = Fixture {
    name: "standalone",
    cluster: false,
    number: 1,
};
/// Written with `use-rsid-psync yes`.
pub const STANDALONE_RSID: Fixture = Fixture {
    name: "standalone-rsid",
    cluster: false,
    number: 2,
};
/// Written with `cluster-enabled yes`.
pub const CLUSTER: Fixture = Fixture {
    name: "cluster",
    cluster: true,
    number: 3,
};
/// All three.
pub const FIXTURES: &[&Fixture] = &[&STANDALONE, &STANDALONE_RSID, &CLUSTER];

/// Commands of types that come with later issues: each answers that it does not exist, or exactly as Kvrocks did.
pub const OF_OTHER_TYPES: &[&str] = &[
    "GETBIT",
    "BITCOUNT",
    "BITPOS",
    "XRANGE",
    "XLEN",
    "XPENDING",
    "PFCOUNT",
    "GEOHASH",
    "GEOSEARCH",
    "SIRANGE",
    "BF.MEXISTS",
    "BF.CARD",
    "JSON.GET",
];

/// Keys of other types by the start of their name, with what TYPE answers. Redis has no types of their own for bitmaps
/// and HyperLogLogs, which are strings there, nor for places, which are sorted sets; of the types that only Kvrocks has,
/// TYPE answers Kvrocks's own name.
pub const OTHER_TYPES: &[(&str, &str)] = &[
    ("bits", "string"),
    ("stream", "stream"),
    ("hll", "string"),
    ("geo", "zset"),
    ("si", "sortedint"),
    ("bf", "MBbloom--"),
    ("json", "ReJSON-RL"),
];

/// Where Redis 7.0 answers differently from Kvrocks, and the reply is Redis's. Floats are not among them: Kvrocks prints
/// 17 digits as Redis 7.0 does, which `the_expected_replies_are_those_of_redis_for_the_same_data` shows.
pub fn reply_of_redis(args: &[Vec<u8>], reply: &Value) -> Value {
    let key = String::from_utf8_lossy(args.get(1).map_or(&[], Vec::as_slice)).into_owned();
    match (args[0].as_slice(), key.split(':').next()) {
        // TYPE of a bitmap: Kvrocks says bitmap.
        (b"TYPE", Some("bits")) => Value::simple("string"),
        // TYPE answers a simple string; the fixtures do not tell the two kinds apart.
        (b"TYPE", _) => Value::Simple(reply.bytes().expect("TYPE answers a string").to_vec()),
        _ => reply.clone(),
    }
}

impl Fixture {
    /// Where it is in the repository.
    pub fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(self.name)
    }

    /// The reads and their replies.
    pub fn reads(&self) -> Vec<Read> {
        let text =
            std::fs::read_to_string(self.path().join("expected.jsonl")).expect("the list of reads");
        let reads: Vec<Read> = text
            .lines()
            .map(|line| read_of(&Json::read(line)))
            .collect();
        let about = Json::read(
            &std::fs::read_to_string(self.path().join("about.json")).expect("about.json"),
        );
        assert_eq!(
            *about.field("reads"),
            Json::Int(reads.len() as i64),
            "reads of {}",
            self.name
        );
        reads
    }

    /// A copy that a server may open.
    pub fn copy(&self) -> TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        copy_tree(&self.path().join("db"), &dir.path().join("db"));
        dir
    }

    /// A server on a copy; `None`, said aloud, where it is redis-server, which cannot read it.
    pub fn open(&self, test: &str) -> Option<Server> {
        let mut setup = Setup::new();
        if self.cluster {
            setup = setup.arg("--cluster-enabled", "yes");
        }
        if setup.is_stand_in() {
            say_skipped(test, "redis-server does not read directories of Kvrocks");
            return None;
        }
        Some(setup.start_in(self.copy()))
    }

    /// The name of its key that starts with `start`.
    pub fn key(&self, start: &str) -> String {
        format!("{start}:{}", self.number)
    }
}

pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new directory");
    for entry in std::fs::read_dir(from).expect("a directory of the fixtures") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

pub fn read_of(line: &Json) -> Read {
    let arg = |arg: &Json| match arg {
        Json::Text(text) => text.clone(),
        Json::Int(number) => number.to_string().into_bytes(),
        other => panic!("an argument must be a string or a number, not {other:?}"),
    };
    Read {
        args: line.field("cmd").items().iter().map(arg).collect(),
        reply: reply_of(line.field("reply")),
    }
}

pub fn reply_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::NullBulk,
        Json::Int(number) => Value::Int(*number),
        Json::Text(text) => Value::bulk(text),
        Json::List(items) => Value::Array(items.iter().map(reply_of).collect()),
        Json::Object(_) => {
            let Json::Text(text) = json.field("error") else {
                panic!("an error must be a string")
            };
            Value::Error(text.clone())
        }
        Json::Bool(_) => panic!("RESP2 has no booleans"),
    }
}

/// The replies whose order is not defined, in the order of the fixtures.
pub fn in_order(args: &[Vec<u8>], reply: Value) -> Value {
    match (args[0].as_slice(), reply) {
        (b"SMEMBERS", Value::Array(mut items)) => {
            items.sort();
            Value::Array(items)
        }
        (b"HGETALL", Value::Array(items)) => {
            let mut pairs: Vec<&[Value]> = items.chunks(2).collect();
            pairs.sort();
            Value::Array(pairs.concat())
        }
        (_, reply) => reply,
    }
}

/// Does all `reads` and returns what differs, one line each; says which commands do not exist.
pub fn differences(conn: &mut Conn, reads: &[Read]) -> Vec<String> {
    let mut out = Vec::new();
    for Read { args, reply } in reads {
        let got = in_order(args, conn.cmd(args));
        let expected = in_order(args, reply_of_redis(args, reply));
        let name = String::from_utf8_lossy(&args[0]).into_owned();
        let does_not_exist = got.is_error() && got.text().starts_with("ERR unknown command");
        let may_be_missing = OF_OTHER_TYPES.contains(&name.as_str());
        if got != expected && !(does_not_exist && may_be_missing) {
            out.push(format!(
                "{}\n  expected {expected}\n  got      {got}",
                show_args(args)
            ));
        }
    }
    out
}

pub fn assert_reads_back(conn: &mut Conn, fixture: &Fixture, reads: &[Read]) {
    let differences = differences(conn, reads);
    assert!(
        differences.is_empty(),
        "{}: {} of {} reads differ:\n{}",
        fixture.name,
        differences.len(),
        reads.len(),
        differences.join("\n")
    );
}
