//! Servers that follow each other: what tests of replication and of failovers do with them.

use super::server::info_field;
use super::{Conn, Server, Setup, wait_until};

/// Servers of one test, each on a port that it keeps.
pub fn start_all<const N: usize>() -> [Server; N] {
    std::array::from_fn(|_| start(Setup::new()))
}

/// A server that keeps its port. What is said about lost links is part of every test here.
pub fn start(setup: Setup) -> Server {
    let mut server = setup.start();
    server.keep_port();
    server.expect_log("the link to");
    server
}

/// Sends REPLICAOF, without waiting for the link.
pub fn follow(replica: &Server, primary: &Server) {
    replica
        .connect()
        .ok(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
}

/// Makes one the replica of the other, and returns when the stream flows and the replica holds what the primary holds.
pub fn attach(replica: &Server, primary: &Server) {
    follow(replica, primary);
    wait_caught_up(replica, primary);
}

/// Makes it a primary.
pub fn promote(server: &Server) {
    server.connect().ok("REPLICAOF NO ONE");
}

/// An INFO field as a number.
pub fn number(server: &Server, field: &str) -> u64 {
    let text = server.info(field);
    text.parse()
        .unwrap_or_else(|_| panic!("INFO's {field} is {text}"))
}

/// The last sequence number.
pub fn offset(server: &Server) -> u64 {
    number(server, "master_repl_offset")
}

/// Waits until the stream flows.
pub fn wait_link_up(replica: &Server) {
    let mut conn = replica.connect();
    wait_until("the link is up", || {
        info_field(&mut conn, "master_link_status") == "up"
    });
}

/// Waits until the replica's link to this primary is up and both stand at one number.
pub fn wait_caught_up(replica: &Server, primary: &Server) {
    wait_link_up(replica);
    assert_eq!(replica.info("master_port"), primary.port().to_string());
    let (mut ours, mut theirs) = (replica.connect(), primary.connect());
    wait_until("the replica holds what its primary holds", || {
        info_field(&mut ours, "master_repl_offset") == info_field(&mut theirs, "master_repl_offset")
    });
}

/// Waits until a command answers this text.
pub fn wait_reply(conn: &mut Conn, line: &str, text: &str) {
    wait_until(&format!("{line} answers {text}"), || {
        let reply = conn.call(line);
        !reply.is_null() && reply.text() == text
    });
}

/// Waits until INFO's `master_link_problem` holds these words.
pub fn wait_problem(replica: &Server, words: &str) {
    let mut conn = replica.connect();
    wait_until(&format!("INFO says: {words}"), || {
        let info = conn.call("INFO replication").text();
        let problem = info
            .lines()
            .find_map(|line| line.strip_prefix("master_link_problem:"));
        problem.is_some_and(|problem| problem.contains(words))
    });
}

/// The next write works, and is read back.
pub fn still_serves(server: &Server) {
    let mut conn = server.connect();
    conn.ok("SET next-write works");
    assert_eq!(conn.call("GET next-write").text(), "works");
}
