//! Hand-written peers: a primary that says what a test tells it to, and a replica that does so.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use crate::common::{DEADLINE, Server, Value, show, wait_until};

/// One end of a replication link, in the test's hands.
pub struct Link {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Link {
    /// Connects to a server as a replica would.
    pub fn connect(server: &Server) -> Link {
        Link::over(TcpStream::connect(("127.0.0.1", server.port())).expect("a connection"))
    }

    /// Around a connected socket.
    pub fn over(stream: TcpStream) -> Link {
        stream.set_nonblocking(false).expect("a socket that blocks");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        Link {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends bytes; that the other side has closed the link already is its right.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends words as a command.
    pub fn command(&mut self, words: &[&str]) {
        let mut bytes = Vec::new();
        crate::common::conn::encode(words, &mut bytes);
        self.send(&bytes);
    }

    /// Sends words and reads the line that answers.
    pub fn ask(&mut self, words: &[&str]) -> String {
        self.command(words);
        self.line()
    }

    fn receive(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came; before it: \"{}\"", show(&self.received))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(),
            Err(_) => false,
        }
    }

    /// The next line without its end.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            assert!(
                self.receive(),
                "closed before a line: \"{}\"",
                show(&self.received)
            );
        }
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            assert!(self.receive(), "closed after \"{}\"", show(&self.received));
        }
        self.received.drain(..count).collect()
    }

    /// The words of the next command; `None` when the link is closed.
    pub fn words(&mut self) -> Option<Vec<String>> {
        loop {
            if let Ok(Some((value, used))) = Value::read(&self.received) {
                self.received.drain(..used);
                return Some(value.items().iter().map(Value::text).collect());
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// Waits until the other side has closed; gives what it had still sent.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let end = Instant::now() + DEADLINE;
        while self.receive() {
            assert!(Instant::now() < end, "the link is not closed");
        }
        std::mem::take(&mut self.received)
    }

    /// Asks for the stream like a Kvrocks, and returns when it has begun.
    pub fn follow(server: &Server, next: u64) -> Link {
        let mut link = Link::connect(server);
        assert_eq!(link.ask(&["_db_name"]), "change.me.db");
        assert_eq!(link.ask(&["replconf", "listening-port", "7777"]), "+OK");
        assert_eq!(link.ask(&["PSYNC", &next.to_string()]), "+OK");
        link
    }

    /// Likewise like a Stillpoint.
    pub fn follow_with_extras(server: &Server, next: u64) -> Link {
        Link::follow_as(server, next, 7777)
    }

    /// Likewise, with a port at which it says that it is reached.
    pub fn follow_as(server: &Server, next: u64, port: u16) -> Link {
        let mut link = Link::connect(server);
        let port = port.to_string();
        assert_eq!(link.ask(&["replconf", "listening-port", &port]), "+OK");
        let run_id = "a".repeat(40);
        let answer = link.ask(&["replconf", "stillpoint", "1", "run-id", &run_id]);
        assert!(answer.starts_with("+OK 1 "), "{answer}");
        assert_eq!(link.ask(&["PSYNC", &next.to_string()]), "+OK");
        link
    }

    /// The next record of the stream: its first number, its count, and all its bytes. Passes over what else comes.
    pub fn record(&mut self) -> (u64, u32, Vec<u8>) {
        loop {
            let line = self.line();
            let Some(bytes) = line.strip_prefix('$') else {
                assert!(line.starts_with('+'), "{line}");
                continue;
            };
            let bytes: usize = bytes.parse().expect("a length");
            let mut record = self.bytes(bytes + 2);
            record.truncate(bytes);
            if bytes < 12 {
                continue;
            }
            let first = u64::from_le_bytes(record[..8].try_into().expect("eight bytes"));
            let count = u32::from_le_bytes(record[8..12].try_into().expect("four bytes"));
            return (first, count, record);
        }
    }
}

/// A primary in the test's hands.
pub struct FakePrimary {
    listener: TcpListener,
}

impl FakePrimary {
    /// Listens on a free port.
    pub fn new() -> FakePrimary {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener
            .set_nonblocking(true)
            .expect("a listener that does not block");
        FakePrimary { listener }
    }

    /// Makes a server follow it.
    pub fn lead(&self, server: &Server) {
        let port = self.listener.local_addr().expect("an address").port();
        server.connect().ok(&format!("REPLICAOF 127.0.0.1 {port}"));
    }

    /// The next connection.
    pub fn accept(&self) -> Link {
        let mut link = None;
        wait_until("a replica connects", || {
            link = self.listener.accept().ok();
            link.is_some()
        });
        Link::over(link.expect("a connection").0)
    }

    /// The next connection, which is for files: a Stillpoint tells another one who asks for them.
    pub fn accept_fetch(&self) -> Link {
        let mut link = self.accept();
        for (option, answer) in [
            ("listening-port", "+OK\r\n".to_owned()),
            ("stillpoint", format!("+OK 1 {}\r\n", "b".repeat(40))),
        ] {
            let words = link.words().expect("an introduction");
            assert_eq!(words[..2], ["replconf", option]);
            link.send(answer.as_bytes());
        }
        link
    }

    /// The next connection, up to its PSYNC, which stays unanswered: the link and the words of the PSYNC.
    pub fn accept_psync(&self, extras: bool) -> (Link, Vec<String>) {
        let mut link = self.accept();
        loop {
            let words = link.words().expect("the next step of the handshake");
            let names: Vec<&str> = words.iter().map(String::as_str).collect();
            match names[..] {
                ["_db_name"] => link.send(b"change.me.db\r\n"),
                ["replconf", "stillpoint", ..] if extras => {
                    let run_id = "b".repeat(40);
                    link.send(format!("+OK 1 {run_id}\r\n").as_bytes());
                }
                ["replconf", "stillpoint", ..] => link.send(b"-ERR unknown option\r\n"),
                ["replconf", ..] => link.send(b"+OK\r\n"),
                ["PSYNC", ..] => return (link, words),
                _ => panic!("a replica says {words:?}"),
            }
        }
    }

    /// The next connection, with its stream begun.
    pub fn stream(&self, extras: bool) -> Link {
        let (mut link, _) = self.accept_psync(extras);
        link.send(b"+OK\r\n");
        link
    }
}

/// A record that sets a key of one letter to `bar`, of this first number and said count.
pub fn record(first: u64, count: u32, key: u8) -> Vec<u8> {
    let mut bytes = first.to_le_bytes().to_vec();
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(b"\x03\x011\x05\x01\x0d\x0b__namespace");
    bytes.push(key);
    bytes.extend_from_slice(b"\x0c\x81\0\0\0\0\0\0\0\0bar");
    bytes
}

/// A record as it stands in the stream.
pub fn framed(record: &[u8]) -> Vec<u8> {
    let mut bytes = format!("${}\r\n", record.len()).into_bytes();
    bytes.extend_from_slice(record);
    bytes.extend_from_slice(b"\r\n");
    bytes
}
