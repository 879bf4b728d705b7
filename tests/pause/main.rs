//! CLIENT PAUSE and UNPAUSE over sockets: every sentence that a client can observe without replicas.
//!
//! `command.rs` is about the two commands themselves, `holding.rs` about what a pause holds back, `parked.rs` about the
//! clients that wait, `leaving.rs` about SIGTERM and SHUTDOWN, `museum.rs` about bugs that other servers had here. Tests of
//! what redis-server 7.0 does differently skip themselves when it stands in (see `common`).

#[path = "../common/mod.rs"]
mod common;

mod command;
mod holding;
mod leaving;
mod museum;
mod parked;

use common::server::{blocked_count, wait_for_blocked};
use common::{Conn, Server, Value, say_skipped, wait_until};

/// A server under test with a connection that asks and pauses.
pub struct Bench {
    /// The server.
    pub server: Server,
    /// A connection that is never parked in a test.
    pub admin: Conn,
}

impl Bench {
    /// A new server.
    pub fn start() -> Bench {
        Bench::of(Server::start())
    }

    /// Around a server with settings of its own.
    pub fn of(server: Server) -> Bench {
        let admin = server.connect();
        Bench { server, admin }
    }

    /// A new server, unless it is redis-server, which behaves as `difference` says: then the test says so and is over.
    pub fn unless_stand_in(test: &str, difference: &str) -> Option<Bench> {
        let bench = Bench::start();
        if bench.server.is_stand_in() {
            say_skipped(test, &format!("redis-server stands in: {difference}"));
            return None;
        }
        Some(bench)
    }

    /// Pauses writes until the test says otherwise.
    pub fn pause_writes(&mut self) {
        self.admin.ok("CLIENT PAUSE 100000 WRITE");
    }

    /// Ends the pause.
    pub fn unpause(&mut self) {
        self.admin.ok("CLIENT UNPAUSE");
    }

    /// Sends `line` on a new connection and waits until the server has parked it.
    pub fn park(&mut self, line: &str) -> Conn {
        let mut conn = self.server.connect();
        self.park_on(&mut conn, line);
        conn
    }

    /// Sends `line` and waits until the server has parked it.
    pub fn park_on(&mut self, conn: &mut Conn, line: &str) {
        let before = blocked_count(&mut self.admin);
        conn.send_line(line);
        wait_until(&format!("{line} is parked"), || {
            blocked_count(&mut self.admin) > before
        });
        assert!(
            !conn.has_reply_now(),
            "{line} is parked, and answered nevertheless"
        );
    }

    /// Waits until `count` clients are blocked or parked.
    pub fn wait_for_blocked(&mut self, count: usize) {
        wait_for_blocked(&mut self.admin, count);
    }

    /// Sets keys that expire `ms` later; the returned wait ends when they have, as readers see it. Time must pass in some
    /// tests, and this is how it is seen to pass.
    pub fn lifetime(&mut self, key: &str, ms: u64) {
        self.admin.ok(&format!("SET {key} x PX {ms}"));
    }

    /// Waits until `key` of [`Bench::lifetime`] is over.
    pub fn wait_for_end_of(&mut self, key: &str) {
        wait_until(&format!("{key} has expired"), || {
            self.admin.call(&format!("GET {key}")).is_null()
        });
    }

    /// One field of INFO.
    pub fn info(&mut self, name: &str) -> String {
        common::server::info_field(&mut self.admin, name)
    }

    /// The line of CLIENT LIST about the connection with this address.
    pub fn client_line(&mut self, addr: &str) -> Option<String> {
        let list = self.admin.call("CLIENT LIST").text();
        list.lines()
            .find(|line| line.contains(&format!(" addr={addr} ")))
            .map(String::from)
    }
}

/// The value of `name=` in a line of CLIENT LIST.
pub fn client_field(line: &str, name: &str) -> String {
    let found = line
        .split(' ')
        .find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    found
        .unwrap_or_else(|| panic!("no field {name} in: {line}"))
        .to_string()
}

/// A command with `count` arguments in all, every one but the name being `k`: enough to pass the check of arity.
pub fn call_of_arity(name: &str, count: usize) -> Vec<String> {
    std::iter::once(name.to_string())
        .chain(std::iter::repeat_n("k".to_string(), count - 1))
        .collect()
}

/// Name, least number of words and flags of every command, as COMMAND says.
pub fn command_table(conn: &mut Conn) -> Vec<(String, usize, Vec<String>)> {
    let rows = conn.call("COMMAND");
    let row = |row: &Value| {
        let fields = row.items();
        let flags = fields[2].items().iter().map(Value::text).collect();
        (
            fields[0].text(),
            fields[1].int().unsigned_abs() as usize,
            flags,
        )
    };
    rows.items().iter().map(row).collect()
}
