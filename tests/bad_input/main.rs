//! Bad input over sockets: it gets redis-server 7.0's exact error or a closed connection, changes nothing, and never harms
//! another client.
//!
//! `protocol.rs` has the errors word for word, `pieces.rs` input that comes whole, in pieces or never to an end, `limits.rs`
//! the bounds on clients, buffers and sizes.

#[path = "../common/mod.rs"]
mod common;

mod limits;
mod pieces;
mod protocol;

use common::{Conn, Server, Value};

/// Another client, which must not notice anything.
pub struct Witness {
    conn: Conn,
    count: i64,
}

impl Witness {
    /// Connects and writes a value.
    pub fn of(server: &Server) -> Witness {
        let mut conn = server.connect();
        conn.ok("SET witness:value untouched");
        Witness { conn, count: 0 }
    }

    /// Reads, writes and is answered as ever.
    pub fn is_well(&mut self) {
        self.count += 1;
        assert_eq!(self.conn.call("INCR witness:count"), Value::Int(self.count));
        assert_eq!(
            self.conn.call("GET witness:value"),
            Value::bulk("untouched")
        );
    }

    /// Lets the server's loop take a turn: what was sent before has been read when this returns.
    pub fn take_turn(&mut self) {
        assert_eq!(self.conn.call("PING"), Value::simple("PONG"));
    }
}
