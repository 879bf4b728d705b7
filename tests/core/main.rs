//! The core over sockets: connections that come and go, clients that wait, what is counted and shown of them, and what holds
//! whatever the commands are.
//!
//! `closing.rs` is about connections that end, or cannot begin, `input.rs` about what they have sent, `large.rs` about replies of many megabytes, `reads.rs` about commands
//! that workers read for, `waiting.rs` about clients that wait for keys.

#[path = "../common/mod.rs"]
mod common;

mod closing;
mod input;
mod large;
mod reads;
mod waiting;

use common::{Conn, Server, wait_until};

/// A server under test with a connection that asks.
pub struct Bench {
    /// The server.
    pub server: Server,
    /// A connection that waits for nothing.
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

    /// The lines of CLIENT LIST.
    pub fn clients(&mut self) -> Vec<String> {
        let list = self.admin.call("CLIENT LIST").text();
        list.lines().map(String::from).collect()
    }

    /// Waits until there are `count` clients beside the one that asks.
    pub fn wait_for_others(&mut self, count: usize) {
        wait_until(&format!("{count} other clients"), || {
            self.clients().len() == count + 1
        });
    }

    /// How many clients CLIENT LIST shows as blocked.
    pub fn blocked(&mut self) -> usize {
        let is_blocked = |line: &String| line.contains(" flags=b ");
        self.clients()
            .iter()
            .filter(|line| is_blocked(line))
            .count()
    }

    /// Waits until `count` clients are blocked.
    pub fn wait_for_blocked(&mut self, count: usize) {
        wait_until(&format!("{count} blocked clients"), || {
            self.blocked() == count
        });
    }

    /// Sends `line` on a new connection and waits until the server has parked it.
    pub fn park(&mut self, line: &str) -> Conn {
        let mut conn = self.server.connect();
        let before = self.blocked();
        conn.send_line(line);
        self.wait_for_blocked(before + 1);
        conn
    }
}
