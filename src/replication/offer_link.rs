//! A connection of the old primary to the target of a failover: a thread that connects, authenticates, makes sure that somebody is there
//! who understands takeovers, and then sends each request and reads its one line of answer. Not pure: the sockets around
//! [`super::takeover::wire`].
//!
//! Without that question a target that wants a password, is no Stillpoint, or whose port is held open by something in between
//! would be found out by the offer: with writes stopped, and nobody knowing what became of it.

mod rounds;
#[cfg(test)]
mod stepped;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use self::rounds::Rounds;
use super::runner::Runner;
use super::takeover::wire::{Address, Answer, Token};
use crate::reactor::HelperWaker;

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
    waker: HelperWaker,
    stops: Arc<AtomicBool>,
    #[cfg(test)]
    stepped: Option<stepped::Stepped>,
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
        runner: &Runner,
        start: OfferLinkStart,
        notify: impl Fn(OfferLinkEvent) + Send + 'static,
    ) -> io::Result<OfferLink> {
        let poll = runner.poll()?;
        let waker = poll.waker()?;
        let (requests, received) = mpsc::channel();
        let stops = Arc::new(AtomicBool::new(false));
        let notify = Box::new(notify);
        let rounds = Rounds::new(
            start,
            runner.clone(),
            waker.clone(),
            poll,
            received,
            Arc::clone(&stops),
            notify,
        );
        let mut link = OfferLink {
            requests,
            waker,
            stops,
            #[cfg(test)]
            stepped: None,
        };
        link.run(runner, rounds)?;
        Ok(link)
    }

    fn run(&mut self, runner: &Runner, rounds: Rounds) -> io::Result<()> {
        match runner {
            Runner::Threads => {
                let thread = std::thread::Builder::new().name("offer-link".to_owned());
                thread.spawn(move || rounds.run())?;
            }
            #[cfg(test)]
            Runner::Stepped(_) => {
                // The first round connects.
                self.wake();
                self.stepped = Some(stepped::Stepped::Begins(rounds));
            }
        }
        Ok(())
    }

    /// Sends a request; its answer is an event.
    pub fn send(&self, request: Vec<u8>) {
        // A thread that has ended has said so.
        if self.requests.send(request).is_ok() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("the connection to the target cannot be woken: {error}");
        }
    }
}

impl Drop for OfferLink {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        self.wake();
    }
}
