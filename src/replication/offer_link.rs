//! A connection of the old primary to the target of a failover: a thread that connects, authenticates, makes sure that somebody is there
//! who understands takeovers, and then sends each request and reads its one line of answer. Not pure: the sockets around
//! [`super::takeover::wire`].
//!
//! Without that question a target that wants a password, is no Stillpoint, or whose port is held open by something in between
//! would be found out by the offer: with writes stopped, and nobody knowing what became of it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::takeover::wire::{ANSWER_BYTES_MAX, Address, Answer, Request as TakeoverRequest, Token};
use super::wire::Request;
use crate::failover::machine::CONNECT_MS;

/// What the loop is told of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum OfferLinkEvent {
    /// It is open and authenticated, and the target understands takeovers.
    Connected,
    /// It could not be opened, or has ended, for this reason. Nothing follows.
    Ended(String),
    /// The target answered.
    Answered(Answer),
}

/// The loop's end of a connection. It closes when this goes.
pub struct OfferLink {
    requests: Option<Sender<Vec<u8>>>,
    stream: Arc<Mutex<Option<TcpStream>>>,
}

/// What to connect with.
pub struct OfferLinkStart {
    pub target: Address,
    /// `masteruser` and `masterauth`; no password, no AUTH.
    pub user: Option<Vec<u8>>,
    pub password: Vec<u8>,
    /// A token to ask for, whichever: the answer does not matter, that there is one does.
    pub token: Token,
}

impl OfferLink {
    /// Starts the thread; `notify` is called on it.
    pub fn start(
        start: OfferLinkStart,
        notify: impl Fn(OfferLinkEvent) + Send + 'static,
    ) -> io::Result<OfferLink> {
        let (requests, received) = mpsc::channel();
        let stream = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&stream);
        let thread = std::thread::Builder::new().name("offer-link".to_owned());
        thread.spawn(move || {
            if let Err(error) = talk(&start, &received, &shared, &notify) {
                notify(OfferLinkEvent::Ended(error.to_string()));
            }
        })?;
        Ok(OfferLink {
            requests: Some(requests),
            stream,
        })
    }

    /// Sends a request; its answer is an event.
    pub fn send(&self, request: Vec<u8>) {
        if let Some(requests) = &self.requests {
            // A thread that has ended has said so.
            let _ = requests.send(request);
        }
    }
}

impl Drop for OfferLink {
    fn drop(&mut self) {
        self.requests = None;
        // Wakes the thread from a read.
        if let Ok(stream) = self.stream.lock()
            && let Some(stream) = &*stream
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn talk(
    start: &OfferLinkStart,
    requests: &Receiver<Vec<u8>>,
    shared: &Mutex<Option<TcpStream>>,
    notify: &impl Fn(OfferLinkEvent),
) -> io::Result<()> {
    let mut stream = connect(&start.target)?;
    if let Ok(mut place) = shared.lock() {
        *place = Some(stream.try_clone()?);
    }
    if !start.password.is_empty() {
        let user = start.user.as_deref();
        let password = &start.password;
        let request = Request::Auth { user, password }.to_bytes();
        stream.write_all(&request)?;
        let answer = read_line(&mut stream)?;
        if answer != b"+OK" {
            let text = String::from_utf8_lossy(&answer).into_owned();
            return Err(io::Error::other(format!("AUTH was answered: {text}")));
        }
    }
    stream.write_all(&TakeoverRequest::State(start.token).encode())?;
    let line = read_line(&mut stream)?;
    if let Answer::TryAgain(why) | Answer::Refused(why) = Answer::parse(&line) {
        return Err(io::Error::other(why));
    }
    notify(OfferLinkEvent::Connected);
    while let Ok(request) = requests.recv() {
        stream.write_all(&request)?;
        let line = read_line(&mut stream)?;
        notify(OfferLinkEvent::Answered(Answer::parse(&line)));
    }
    Ok(())
}

fn connect(target: &Address) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for addr in (target.host.as_str(), target.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&addr, Duration::from_millis(CONNECT_MS)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Reads one line, without its end. Byte by byte: a line is short, and nothing follows it.
fn read_line(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut byte) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) if byte == *b"\n" => {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the answer is too long"))
}
