//! Settings that change where the server listens, and how many it serves.

use std::net::TcpListener;

use crate::common::server::info_field;
use crate::common::*;

#[test]
fn a_changed_port_is_listened_on_at_once() {
    let server = Server::start();
    let mut conn = server.connect();
    let other = free_port();
    conn.ok(&format!("CONFIG SET port {other}"));
    wait_until("a connection to the new port", || {
        Conn::try_connect(other).is_ok_and(|mut conn| conn.call("PING") == Value::simple("PONG"))
    });
    assert!(Conn::try_connect(server.port()).is_err(), "still open");
    assert_eq!(info_field(&mut conn, "tcp_port"), other.to_string());
    // Those who came by the old one stay.
    conn.ok("SET a 1");
    conn.ok(&format!("CONFIG SET port {}", server.port()));
    wait_until("a connection to the old port", || {
        Conn::try_connect(server.port()).is_ok()
    });
}

#[test]
fn a_port_that_is_taken_is_refused_and_nothing_changes() {
    let server = Server::start();
    server.expect_log("CONFIG SET port");
    server.expect_log("CONFIG SET bind");
    let mut conn = server.connect();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port();
    assert_eq!(
        conn.call(&format!("CONFIG SET timeout 77 port {port}")),
        Value::error(
            "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
        )
    );
    let line = format!("CONFIG SET maxclients 77 bind 192.0.2.1 port {port}");
    assert_eq!(
        conn.call(&line),
        Value::error(
            "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
        )
    );
    let old = server.port().to_string();
    for (name, value) in [("timeout", "0"), ("port", &old), ("bind", "127.0.0.1")] {
        assert_eq!(
            conn.call(&format!("CONFIG GET {name}")),
            Value::bulks(&[name, value])
        );
    }
    assert_eq!(info_field(&mut conn, "maxclients"), "10000");
    assert_eq!(server.connect().call("PING"), Value::simple("PONG"));
}

#[test]
fn another_address_is_listened_on_at_once() {
    let server = Server::start();
    let mut conn = server.connect();
    let is_open = |ip: &str| std::net::TcpStream::connect((ip, server.port())).is_ok();
    assert!(!is_open("127.0.0.2"));
    assert_eq!(
        conn.cmd(&["CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2 -192.0.2.1"]),
        Value::ok()
    );
    server.expect_log("not listening on 192.0.2.1");
    assert!(is_open("127.0.0.2") && is_open("127.0.0.1"));
    conn.ok("CONFIG SET bind *");
    assert!(is_open("127.0.0.3"));
    conn.ok("CONFIG SET bind 127.0.0.1");
    wait_until("the other addresses are closed", || {
        !is_open("127.0.0.2") && !is_open("127.0.0.3")
    });
}

#[test]
fn limits_on_clients_hold_at_once() {
    let server = Server::start();
    let mut conn = server.connect();
    assert!(
        conn.call("CONFIG SET maxclients 4000000000")
            .text()
            .starts_with(
                "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle the specified number of clients, try with "
            )
    );
    let _second = server.connect().call("PING");
    conn.ok("CONFIG SET maxclients 1");
    let mut refused = server.connect();
    let text = String::from_utf8_lossy(&refused.read_to_close()).into_owned();
    assert_eq!(text, "-ERR max number of clients reached\r\n");
    conn.ok("CONFIG SET maxclients 100 requirepass hush");
    let mut later = server.connect();
    assert!(later.call("PING").text().starts_with("NOAUTH"));
    later.ok("AUTH hush");
    conn.ok("CONFIG SET timeout 1");
    wait_until("the idle client is closed", || {
        conn.call("CLIENT LIST").text().lines().count() == 1
    });
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
