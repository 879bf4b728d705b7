//! Connecting: what it gives up for, and what it does not wait for. The waits here would last for ever if they were not given up.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;

/// A flag that is set a moment later, while the caller waits.
fn set_soon() -> (StopFlags, std::thread::JoinHandle<()>) {
    let flag = Arc::new(AtomicBool::new(false));
    let stop = StopFlags::new([Arc::clone(&flag)]);
    let setter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        flag.store(true, Ordering::Release);
    });
    (stop, setter)
}

/// An address that leaves a connection unanswered: the queue of its listener, which lets nobody in, is full.
struct Mute {
    _listener: Socket,
    _queued: Vec<Socket>,
    addr: SocketAddr,
}

impl Mute {
    fn new() -> Mute {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        // More than the queue takes: the last of these is not answered.
        let mut queued = Vec::new();
        while queued.len() < 8 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&addr.into());
            queued.push(socket);
        }
        Mute {
            _listener: listener,
            _queued: queued,
            addr,
        }
    }
}

#[test]
fn a_connection_that_is_not_answered_is_given_up_when_told_to() {
    let mute = Mute::new();
    let (stop, setter) = set_soon();
    let result = connect("127.0.0.1", mute.addr.port(), u64::MAX, &stop);
    assert!(matches!(result, Err(Halt::Cancelled)), "{result:?}");
    setter.join().unwrap();
}

#[test]
fn a_connection_that_is_not_answered_is_given_up_after_its_time() {
    let mute = Mute::new();
    let result = connect("127.0.0.1", mute.addr.port(), 10, &StopFlags::default());
    let is_timed_out =
        matches!(&result, Err(Halt::Io(error)) if error.kind() == io::ErrorKind::TimedOut);
    assert!(is_timed_out, "{result:?}");
}

#[test]
fn a_lookup_without_end_is_left_behind_when_told_to() {
    let (hold, held) = mpsc::channel::<()>();
    let look_up = move || {
        // Until the test has ended.
        let _ = held.recv();
        Ok(Vec::new())
    };
    let (stop, setter) = set_soon();
    let result = look_up_aside(look_up, &stop);
    assert!(matches!(result, Err(Halt::Cancelled)), "{result:?}");
    drop(hold);
    setter.join().unwrap();
}

#[test]
fn names_and_addresses_are_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let stream = connect(host, port, 10_000, &StopFlags::default()).unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        assert!(stream.nodelay().unwrap());
    }
}

#[test]
fn what_the_lookup_says_is_told() {
    let refuse = || Err(io::Error::other("no such name"));
    let result = look_up_aside(refuse, &StopFlags::default());
    assert!(
        matches!(&result, Err(Halt::Io(error)) if error.to_string() == "no such name"),
        "{result:?}"
    );
    let result = look_up_aside(|| Ok(Vec::new()), &StopFlags::default());
    assert!(matches!(&result, Ok(found) if found.is_empty()));
}
