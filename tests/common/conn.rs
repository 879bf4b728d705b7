//! A client connection of the tests: sends commands or raw bytes, reads typed replies, with a deadline on every read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{DEADLINE, Value, show, show_args};

/// How long the rest of a long reply may keep still before what has arrived is looked at.
const PIECE_LIMIT: Duration = Duration::from_millis(2);

/// A connection to a server under test.
pub struct Conn {
    stream: TcpStream,
    received: Vec<u8>,
    consumed: usize,
}

/// How a read ended without a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum NoReply {
    /// Nothing whole came in the time given.
    TimedOut,
    /// The server closed, or reset, the connection.
    Closed,
    /// What came is not RESP.
    Malformed(String),
}

impl Conn {
    /// Connects to a port on loopback; panics if nothing listens there.
    pub fn connect(port: u16) -> Conn {
        Conn::try_connect(port)
            .unwrap_or_else(|error| panic!("cannot connect to port {port}: {error}"))
    }

    /// Connects to a port on loopback.
    pub fn try_connect(port: u16) -> std::io::Result<Conn> {
        let stream =
            TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Conn {
            stream,
            received: Vec::new(),
            consumed: 0,
        })
    }

    /// A second handle of the same connection, for sending from one thread while another reads. Only one may read.
    pub fn second_handle(&self) -> Conn {
        let stream = self
            .stream
            .try_clone()
            .expect("a second handle of the socket");
        Conn {
            stream,
            received: Vec::new(),
            consumed: 0,
        }
    }

    /// Sends a command and returns its reply; panics when none comes in time.
    pub fn cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.send(args);
        self.try_read(DEADLINE)
            .unwrap_or_else(|error| panic!("no reply to {}: {error:?}", show_args(args)))
    }

    /// Sends a command given as words separated by blanks (no quoting) and returns its reply.
    pub fn call(&mut self, line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.cmd(&words)
    }

    /// Like [`Conn::call`], and panics unless the reply is `+OK`.
    pub fn ok(&mut self, line: &str) {
        let reply = self.call(line);
        assert_eq!(reply, Value::ok(), "reply to {line}");
    }

    /// Sends a command without reading anything.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) {
        let mut bytes = Vec::new();
        encode(args, &mut bytes);
        self.send_raw(&bytes);
    }

    /// Sends a command given as words, without reading anything.
    pub fn send_line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.send(&words);
    }

    /// Sends bytes as they are; panics if the server does not take them within the deadline.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes)
            .unwrap_or_else(|error| panic!("cannot send {} bytes: {error}", bytes.len()));
    }

    /// Sends bytes as they are; a server that closed the connection is an error here.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends as much of `bytes` as the socket takes before `limit` passes without progress, and says how much that was.
    pub fn send_what_fits(&mut self, bytes: &[u8], limit: Duration) -> usize {
        self.stream
            .set_write_timeout(Some(limit))
            .expect("a timeout above zero");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a timeout above zero");
        sent
    }

    /// Sends several commands in one write and returns their replies in order.
    pub fn pipeline<A: AsRef<[u8]>>(&mut self, commands: &[Vec<A>]) -> Vec<Value> {
        let mut bytes = Vec::new();
        for args in commands {
            encode(args, &mut bytes);
        }
        self.send_raw(&bytes);
        commands.iter().map(|_| self.read()).collect()
    }

    /// The next reply or push frame; panics when none comes in time.
    pub fn read(&mut self) -> Value {
        self.try_read(DEADLINE)
            .unwrap_or_else(|error| panic!("expected a reply: {error:?}"))
    }

    /// The next reply or push frame, if it comes within `limit`.
    pub fn try_read(&mut self, limit: Duration) -> Result<Value, NoReply> {
        let end = Instant::now() + limit;
        // A long reply is not looked at again for every piece that arrives, or reading it would take quadratic time.
        let mut len_to_read_at = 1;
        let mut ended = None;
        loop {
            let pending = &self.received[self.consumed..];
            if pending.len() >= len_to_read_at || ended.is_some() {
                match Value::read(pending) {
                    Ok(Some((value, used))) => {
                        self.consumed += used;
                        if self.consumed == self.received.len() {
                            self.received.clear();
                            self.consumed = 0;
                        }
                        return Ok(value);
                    }
                    Ok(None) => {
                        if let Some(error) = ended {
                            return Err(error);
                        }
                        len_to_read_at = 2 * pending.len();
                    }
                    Err(error) => {
                        let start = &pending[..pending.len().min(200)];
                        return Err(NoReply::Malformed(format!(
                            "{error}, in \"{}\"",
                            show(start)
                        )));
                    }
                }
            }
            let soon = end.min(Instant::now() + PIECE_LIMIT);
            match self.receive(soon) {
                Err(NoReply::TimedOut) if soon < end => len_to_read_at = 1,
                // What came before the end may be the whole reply.
                Err(error) => ended = Some(error),
                Ok(()) => {}
            }
        }
    }

    /// Whether a reply waits or comes within `limit`; the reply stays unread.
    pub fn has_reply_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while !matches!(Value::read(&self.received[self.consumed..]), Ok(Some(_))) {
            if self.receive(end).is_err() {
                return false;
            }
        }
        true
    }

    /// Whether a whole reply has already arrived; it stays unread.
    pub fn has_reply_now(&mut self) -> bool {
        self.has_reply_within(Duration::from_micros(100))
    }

    /// Reads raw bytes until the server closes; panics if it does not within the deadline.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        self.try_read_to_close(DEADLINE).unwrap_or_else(|error| {
            let got = show(&self.received[self.consumed..]);
            panic!("the server did not close the connection: {error:?}; it sent \"{got}\"")
        })
    }

    /// Reads raw bytes until the server closes, if it does within `limit`.
    pub fn try_read_to_close(&mut self, limit: Duration) -> Result<Vec<u8>, NoReply> {
        let end = Instant::now() + limit;
        loop {
            match self.receive(end) {
                Ok(()) => {}
                Err(NoReply::Closed) => return Ok(self.received.split_off(self.consumed)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the server has closed the connection, waiting at most `limit`. Bytes that came before are kept.
    pub fn closes_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            match self.receive(end) {
                Ok(()) => {}
                Err(NoReply::Closed) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Tells the server that nothing more will be sent.
    pub fn end_sending(&mut self) {
        // Already closed by the server is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// This end's address, as CLIENT LIST shows it.
    pub fn local_addr(&self) -> String {
        self.stream
            .local_addr()
            .expect("a connected socket")
            .to_string()
    }

    /// Waits until `end` for more bytes and appends them to what was received.
    fn receive(&mut self, end: Instant) -> Result<(), NoReply> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NoReply::TimedOut);
        }
        if self.consumed > 0 {
            self.received.drain(..self.consumed);
            self.consumed = 0;
        }
        self.stream
            .set_read_timeout(Some(left))
            .expect("a timeout above zero");
        let len = self.received.len();
        self.received.resize(len + 256 * 1024, 0);
        let outcome = self.stream.read(&mut self.received[len..]);
        self.received
            .truncate(len + *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(0) => Err(NoReply::Closed),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => Ok(()),
                ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(NoReply::TimedOut),
                _ => Err(NoReply::Closed),
            },
        }
    }
}

/// Appends a command as an array of bulk strings.
pub fn encode<A: AsRef<[u8]>>(args: &[A], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        let arg = arg.as_ref();
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}
