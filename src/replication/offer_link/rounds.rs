//! What the thread of a connection to a failover's target does, in rounds. The sockets come in, so that a simulation can run the
//! rounds as well.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{OfferLinkEvent, OfferLinkStart};
use crate::failover::machine::CONNECT_MS;
use crate::reactor::{HelperPoll, HelperWaker, Readiness, Stream};
use crate::replication::runner::Runner;
use crate::replication::takeover::wire::{
    ANSWER_BYTES_MAX, Address, Answer, Request as TakeoverRequest,
};
use crate::replication::timed::{Halt, StopFlags};
use crate::replication::wire::{LineReader, Request};

const SOCKET: u64 = 0;

/// What the next line answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    Auth,
    /// Whether there is somebody who understands takeovers.
    Question,
    Request,
}

/// The thread's state.
pub(super) struct Rounds {
    start: OfferLinkStart,
    runner: Runner,
    /// Kept, or the wake-up for the end would go with the loop's end of the connection.
    _waker: HelperWaker,
    poll: HelperPoll,
    ready: Vec<Readiness>,
    requests: Receiver<Vec<u8>>,
    stops: Arc<AtomicBool>,
    notify: Box<dyn Fn(OfferLinkEvent) + Send>,
    stream: Option<Stream>,
    out: Vec<u8>,
    arrived: BytesMut,
    lines: LineReader,
    awaited: Awaited,
}

impl Rounds {
    pub fn new(
        start: OfferLinkStart,
        runner: Runner,
        waker: HelperWaker,
        poll: HelperPoll,
        requests: Receiver<Vec<u8>>,
        stops: Arc<AtomicBool>,
        notify: Box<dyn Fn(OfferLinkEvent) + Send>,
    ) -> Rounds {
        Rounds {
            start,
            runner,
            _waker: waker,
            poll,
            ready: Vec::new(),
            requests,
            stops,
            notify,
            stream: None,
            out: Vec::new(),
            arrived: BytesMut::new(),
            lines: LineReader::new(ANSWER_BYTES_MAX),
            awaited: Awaited::Nothing,
        }
    }

    /// The thread: connects, and does rounds until it is told to stop or the connection ends.
    pub fn run(mut self) {
        if !self.connect() {
            return;
        }
        loop {
            if let Err(error) = self.wait(None) {
                return self.ended(&error.to_string());
            }
            if !self.round() {
                return;
            }
        }
    }

    /// Waits until something is ready or somebody wakes it, at most for `timeout`. How long an answer may take is the machine's to say.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.poll.poll(timeout, &mut self.ready)
    }

    /// Whether a simulated thread would go on at once.
    #[cfg(test)]
    pub fn has_events(&self) -> bool {
        self.poll.has_events()
    }

    fn ended(&self, why: &str) {
        (self.notify)(OfferLinkEvent::Ended(why.to_owned()));
    }

    /// Connects and begins to talk. False when that failed.
    pub fn connect(&mut self) -> bool {
        let stop = StopFlags::new([Arc::clone(&self.stops)]);
        let Address { host, port } = &self.start.target;
        let connected = self.runner.connect(host, *port, CONNECT_MS, &stop);
        let registered = connected.and_then(|mut stream| {
            self.poll.register(&mut stream, SOCKET).map_err(Halt::Io)?;
            Ok(stream)
        });
        match registered {
            Ok(stream) => self.stream = Some(stream),
            Err(halt) => {
                self.ended(&halt.to_string());
                return false;
            }
        }
        if self.start.password.is_empty() {
            self.ask();
        } else {
            let user = self.start.user.as_deref();
            let password = &self.start.password;
            self.out = Request::Auth { user, password }.to_bytes();
            self.awaited = Awaited::Auth;
        }
        true
    }

    fn ask(&mut self) {
        self.out = TakeoverRequest::State(self.start.token).encode();
        self.awaited = Awaited::Question;
    }

    /// Reads what has come and sends what is asked. False at the end.
    pub fn round(&mut self) -> bool {
        if self.stops.load(Ordering::Acquire) {
            return false;
        }
        match self.talk() {
            Ok(goes_on) => goes_on,
            Err(why) => {
                self.ended(&why);
                false
            }
        }
    }

    fn talk(&mut self) -> Result<bool, String> {
        // In this order: an answer that came before the end counts.
        let read = self.read();
        while let Some(line) = self.line()? {
            self.answered(&line)?;
        }
        read?;
        if self.awaited == Awaited::Nothing {
            match self.requests.try_recv() {
                Ok(request) => {
                    self.out = request;
                    self.awaited = Awaited::Request;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
        self.write()?;
        Ok(true)
    }

    fn line(&mut self) -> Result<Option<Bytes>, String> {
        self.lines
            .take(&mut self.arrived)
            .map_err(|_| Halt::LineTooLong.to_string())
    }

    fn answered(&mut self, line: &[u8]) -> Result<(), String> {
        match std::mem::replace(&mut self.awaited, Awaited::Nothing) {
            Awaited::Auth if line == b"+OK" => self.ask(),
            Awaited::Auth => {
                let words = String::from_utf8_lossy(line);
                return Err(format!("AUTH was answered: {words}"));
            }
            Awaited::Question => match Answer::parse(line) {
                Answer::TryAgain(why) | Answer::Refused(why) => return Err(why),
                _ => (self.notify)(OfferLinkEvent::Connected),
            },
            Awaited::Request => (self.notify)(OfferLinkEvent::Answered(Answer::parse(line))),
            Awaited::Nothing => return Err("it says something that nobody asked for".to_owned()),
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), String> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let mut buffer = [0; ANSWER_BYTES_MAX];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Err(Halt::Closed.to_string()),
                Ok(bytes) => {
                    self.arrived.extend_from_slice(&buffer[..bytes]);
                    // An answer is one line: more than two of the longest is nothing that will be read.
                    if self.arrived.len() > 2 * ANSWER_BYTES_MAX {
                        return Err(Halt::LineTooLong.to_string());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Halt::from(error).to_string()),
            }
        }
    }

    fn write(&mut self) -> Result<(), String> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        while !self.out.is_empty() {
            match stream.write(&self.out) {
                Ok(written) => {
                    self.out.drain(..written);
                }
                // A round follows when the socket takes more.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Halt::from(error).to_string()),
            }
        }
        Ok(())
    }
}
