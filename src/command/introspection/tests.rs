//! COMMAND's replies, and every declaration of the table against redis-server.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{describe, facts};
use crate::command::spec::Spec;
use crate::command::table;
use crate::command::testing::Bench;
use crate::resp::{Proto, Reply};

/// Where this server's commands differ from redis-server 7.0.15's on purpose, and why.
const INTENDED: &[(&str, &str)] = &[
    ("client|no-touch", "of Redis 7.2"),
    ("client|setinfo", "of Redis 7.2"),
    ("compact", "of Kvrocks"),
    ("clusterx", "of Kvrocks"),
    ("_db_name", "of Kvrocks"),
    ("_fetch_meta", "of Kvrocks"),
    ("_fetch_file", "of Kvrocks"),
    ("psync", "Kvrocks's form has one argument"),
];

/// A redis-server on a socket in a directory of its own, ended with this value.
struct Oracle {
    server: Child,
    stream: BufReader<UnixStream>,
    _dir: tempfile::TempDir,
}

impl Oracle {
    /// `None` when redis-server is not installed.
    fn start() -> Option<Oracle> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let socket = dir.path().join("socket");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "redis-server: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut oracle = Oracle {
            server,
            stream: BufReader::new(stream),
            _dir: dir,
        };
        oracle.ask(&["hello", "3"]);
        Some(oracle)
    }

    /// The reply's bytes.
    fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).expect("a request");
        let mut reply = Vec::new();
        self.read(&mut reply);
        reply
    }

    fn read(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.stream.read_until(b'\n', reply).expect("a reply");
        let number = || -> usize {
            let digits = String::from_utf8_lossy(&reply[start + 1..reply.len() - 2]);
            digits.parse().expect("a length")
        };
        let elements = match reply[start] {
            b'$' => {
                let at = reply.len();
                let len = number() + 2;
                reply.resize(at + len, 0);
                self.stream.read_exact(&mut reply[at..]).expect("a string");
                0
            }
            b'*' | b'~' => number(),
            b'%' => number() * 2,
            _ => 0,
        };
        (0..elements).for_each(|_| self.read(reply));
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn everything() -> impl Iterator<Item = &'static Spec> {
    table::all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
}

/// What differs between `spec` and redis-server's command of that name.
fn difference(oracle: &mut Oracle, spec: &Spec) -> Option<String> {
    let mut ours = Reply::new(Proto::Resp3);
    ours.array(1);
    describe::info_without_subcommands(&mut ours, spec);
    let theirs = oracle.ask(&["command", "info", spec.name]);
    if theirs == b"*1\r\n_\r\n" {
        return Some("redis-server does not have it".to_owned());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", " ");
    if !theirs.starts_with(ours.bytes()) {
        let (ours, theirs) = (text(ours.bytes()), text(&theirs));
        return Some(format!("\n  here  {ours}\n  there {theirs}"));
    }
    let mut documented = Reply::new(Proto::Resp3);
    for word in ["since", spec.since, "group", spec.group] {
        documented.bulk(word.as_bytes());
    }
    let docs = text(&oracle.ask(&["command", "docs", spec.name]));
    let documented = text(documented.bytes());
    (!docs.contains(&documented)).then(|| format!("\n  here  {documented}\n  there {docs}"))
}

#[test]
fn declarations_are_those_of_redis() {
    let Some(mut oracle) = Oracle::start() else {
        // The harness keeps what a passing test prints; this must be seen.
        let mut out = std::io::stderr();
        writeln!(
            out,
            "SKIPPED declarations_are_those_of_redis: no redis-server here"
        )
        .ok();
        return;
    };
    let mut unintended = Vec::new();
    for spec in everything() {
        let intended = INTENDED.iter().find(|(name, _)| *name == spec.name);
        match (difference(&mut oracle, spec), intended) {
            (Some(difference), None) => {
                unintended.push(format!("{}: {difference}", spec.name));
            }
            (None, Some(_)) => {
                unintended.push(format!("{}: listed, but it does not differ", spec.name));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    assert!(unintended.is_empty(), "{}", unintended.join("\n"));
    for (name, _) in INTENDED {
        assert!(everything().any(|spec| spec.name == *name), "{name}");
    }
}

#[test]
fn entries_have_the_shape_of_redis() {
    Bench::both_ways(|bench| {
        bench.expect(&[
            (
                "command info zadd nope zadd|x",
                "*3 *10 $4 zadd :-4 *3 +write +denyoom +fast :1 :1 :1 *3 +@write +@sortedset +@fast *0 \
                 *1 *6 $5 flags *2 +RW +update $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 \
                 $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 \
                 *0 $-1 $-1",
            ),
            (
                "command docs ZCARD nope",
                "*2 $5 zcard *10 $7 summary $41 Get the number of members in a sorted set \
                 $5 since $5 1.2.0 $5 group $10 sorted-set $10 complexity $4 O(1) \
                 $9 arguments *1 *4 $4 name $3 key $4 type $3 key",
            ),
            ("command docs nope", "*0"),
        ]);
        bench.proto = Proto::Resp3;
        bench.expect(&[(
            "command info Command|Count",
            "*1 *10 $13 command|count :2 ~2 +loading +stale :0 :0 :0 ~2 +@slow +@connection ~0 ~0 ~0",
        )]);
    });
}

#[test]
fn all_commands_are_told() {
    let mut bench = Bench::new();
    let count = table::all().count();
    assert_eq!(bench.run("command count"), format!(":{count}"));
    let whole = bench.run("command");
    assert!(whole.starts_with(&format!("*{count} *10 ")));
    assert_eq!(bench.run("command info"), whole);
    assert!(
        bench
            .run("command docs")
            .starts_with(&format!("*{} ", count * 2))
    );
    let listed = everything().count();
    assert!(
        bench
            .run("command list")
            .starts_with(&format!("*{listed} "))
    );
    bench.expect(&[
        (
            "command list filterby pattern Z*CARD",
            "*2 $5 zcard $10 zintercard",
        ),
        (
            "command list FILTERBY pattern command|in*",
            "*1 $12 command|info",
        ),
        ("command list filterby module any", "*0"),
        ("command list filterby aclcat nope", "*0"),
        ("command list filterby pattern", "-ERR syntax error"),
        ("command list filterby type x", "-ERR syntax error"),
        ("command list x", "-ERR syntax error"),
        (
            "command count x",
            "-ERR wrong number of arguments for 'command|count' command",
        ),
    ]);
    let sorted = bench.run("command list filterby aclcat SORTEDSET");
    for name in ["zadd", "bzmpop", "sort_ro"] {
        assert!(sorted.contains(&format!(" {name}")), "{name}");
    }
    assert!(!sorted.contains("$3 get"));
    assert!(
        bench
            .run("command help")
            .starts_with("*21 +COMMAND <subcommand>")
    );
}

#[test]
fn keys_are_found_in_calls() {
    const NO_KEYS: &str = "-ERR The command has no key arguments";
    const UNKNOWN: &str = "-ERR Invalid command specified";
    const WRONG_COUNT: &str = "-ERR Invalid number of arguments specified for command";
    const WRONG_ARGUMENTS: &str = "-ERR Invalid arguments specified for command";
    let mut bench = Bench::new();
    for (call, keys, flags) in [
        ("get k", "*1 $1 k", "*1 *2 $1 k *2 +RO +access"),
        ("set k v", "*1 $1 k", "*1 *2 $1 k *2 +OW +update"),
        (
            "set k v GET",
            "*1 $1 k",
            "*1 *2 $1 k *3 +RW +access +update",
        ),
        (
            "rename a b",
            "*2 $1 a $1 b",
            "*2 *2 $1 a *3 +RW +access +delete *2 $1 b *2 +OW +update",
        ),
        (
            "blpop a b 0",
            "*2 $1 a $1 b",
            "*2 *2 $1 a *3 +RW +access +delete *2 $1 b *3 +RW +access +delete",
        ),
        (
            "zunionstore d 2 a b weights 1 2",
            "*3 $1 d $1 a $1 b",
            "*3 *2 $1 d *2 +OW +update *2 $1 a *2 +RO +access *2 $1 b *2 +RO +access",
        ),
        (
            "sort k by w_* store d",
            "*2 $1 k $1 d",
            "*2 *2 $1 k *2 +RO +access *2 $1 d *2 +OW +update",
        ),
        ("object encoding k", "*1 $1 k", "*1 *2 $1 k *1 +RO"),
        ("nope a b", UNKNOWN, UNKNOWN),
        ("object nope k", UNKNOWN, UNKNOWN),
        ("config get x", NO_KEYS, NO_KEYS),
        ("spublish a b", NO_KEYS, NO_KEYS),
        ("command count", NO_KEYS, NO_KEYS),
        ("get a b", WRONG_COUNT, WRONG_COUNT),
        ("zunion 3 a b", WRONG_ARGUMENTS, WRONG_ARGUMENTS),
        ("zunion x a", WRONG_ARGUMENTS, WRONG_ARGUMENTS),
    ] {
        assert_eq!(
            bench.run(&format!("command getkeys {call}")),
            keys,
            "{call}"
        );
        let reply = bench.run(&format!("command getkeysandflags {call}"));
        assert_eq!(reply, flags, "{call}");
    }
}

#[test]
fn categories_have_redis_names() {
    for spec in everything() {
        let categories = facts::categories(spec);
        let speeds = ["fast", "slow"].map(|speed| categories.contains(&speed));
        assert_ne!(speeds[0], speeds[1], "{}", spec.name);
    }
}
