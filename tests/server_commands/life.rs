//! SHUTDOWN, and what the service manager is told.

use std::os::unix::net::UnixDatagram;

use crate::common::server::info_field;
use crate::common::*;

#[test]
fn a_shutdown_ends_the_process_and_keeps_the_data() {
    for line in ["SHUTDOWN", "SHUTDOWN NOSAVE", "SHUTDOWN SAVE NOW FORCE"] {
        let mut server = Server::start();
        let mut conn = server.connect();
        conn.ok("SET a 1");
        let mut parked = server.connect();
        parked.send_line("BLPOP nothing 0");
        wait_until("a parked client", || {
            info_field(&mut conn, "blocked_clients") == "1"
        });
        // What stands behind it in the pipeline never runs.
        conn.send_raw(format!("{line}\r\nSET a 2\r\nPING\r\n").as_bytes());
        assert_eq!(conn.read_to_close(), b"");
        assert_eq!(server.wait_for_exit().code(), Some(0), "{line}");
        assert_eq!(parked.read_to_close(), b"");
        server.restart();
        assert_eq!(server.connect().call("GET a"), Value::bulk("1"));
    }
}

#[test]
fn the_service_manager_is_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager
        .set_read_timeout(Some(DEADLINE))
        .expect("a timeout above zero");
    let receive = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let path = path.display().to_string();
    let mut server = Setup::new()
        .arg("--supervised", "systemd")
        .env("NOTIFY_SOCKET", &path)
        .start();
    assert!(receive().ends_with("READY=1\n"));
    assert_eq!(server.info("process_supervised"), "systemd");
    assert_eq!(server.stop().code(), Some(0));
    assert_eq!(receive(), "STOPPING=1\n");
}
