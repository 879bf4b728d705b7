//! A connection of the old primary to the target of a failover: a thread that connects, authenticates, makes sure that somebody is there
//! who understands takeovers, and then sends each request and reads its one line of answer. Not pure: the sockets around
//! [`super::takeover::wire`].
//!
//! Without that question a target that wants a password, is no Stillpoint, or whose port is held open by something in between
//! would be found out by the offer: with writes stopped, and nobody knowing what became of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use super::takeover::wire::{ANSWER_BYTES_MAX, Address, Answer, Request as TakeoverRequest, Token};
use super::timed::{Halt, StopFlags, TimedStream};
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

/// The loop's end of a connection. When this goes, the thread gives up whatever it is at and closes the connection; nobody
/// waits for it.
pub struct OfferLink {
    requests: Sender<Vec<u8>>,
    stops: Arc<AtomicBool>,
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
        let stops = Arc::new(AtomicBool::new(false));
        let flags = StopFlags::new([Arc::clone(&stops)]);
        let thread = std::thread::Builder::new().name("offer-link".to_owned());
        thread.spawn(move || {
            if let Err(why) = talk(&start, &received, flags, &notify) {
                notify(OfferLinkEvent::Ended(why));
            }
        })?;
        Ok(OfferLink { requests, stops })
    }

    /// Sends a request; its answer is an event.
    pub fn send(&self, request: Vec<u8>) {
        // A thread that has ended has said so.
        let _ = self.requests.send(request);
    }
}

impl Drop for OfferLink {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
    }
}

fn talk(
    start: &OfferLinkStart,
    requests: &Receiver<Vec<u8>>,
    stop: StopFlags,
    notify: &impl Fn(OfferLinkEvent),
) -> Result<(), String> {
    let text = |halt: Halt| halt.to_string();
    let Address { host, port } = &start.target;
    // How long an answer may take is the machine's to say.
    let stall_ms = u64::MAX;
    let mut stream = TimedStream::connect(host, *port, CONNECT_MS, stall_ms, stop).map_err(text)?;
    if !start.password.is_empty() {
        let user = start.user.as_deref();
        let password = &start.password;
        let request = Request::Auth { user, password }.to_bytes();
        stream.write_all(&request).map_err(text)?;
        let answer = stream.read_line(ANSWER_BYTES_MAX).map_err(text)?;
        if answer[..] != b"+OK"[..] {
            let words = String::from_utf8_lossy(&answer);
            return Err(format!("AUTH was answered: {words}"));
        }
    }
    let question = TakeoverRequest::State(start.token).encode();
    stream.write_all(&question).map_err(text)?;
    let line = stream.read_line(ANSWER_BYTES_MAX).map_err(text)?;
    if let Answer::TryAgain(why) | Answer::Refused(why) = Answer::parse(&line) {
        return Err(why);
    }
    notify(OfferLinkEvent::Connected);
    while let Ok(request) = requests.recv() {
        stream.write_all(&request).map_err(text)?;
        let line = stream.read_line(ANSWER_BYTES_MAX).map_err(text)?;
        notify(OfferLinkEvent::Answered(Answer::parse(&line)));
    }
    Ok(())
}
