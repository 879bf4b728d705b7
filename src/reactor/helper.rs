//! What a helper thread with sockets of its own sleeps on: mio's poll, or in a simulation a list of what would have woken it.
//!
//! Everything is registered edge-triggered, once, for both directions, as in the reactor of the loop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};

use super::Stream;
#[cfg(test)]
use super::simulated::SimPoll;

const WAKER: Token = Token(usize::MAX);

/// One change of a socket's readiness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readiness {
    /// What the socket was registered as.
    pub number: u64,
    /// There may be bytes, an end or an error to read.
    pub is_readable: bool,
    pub is_writable: bool,
}

/// A poll of sockets and of one waker.
pub struct HelperPoll {
    poll: Poll,
    events: Events,
    /// Where events come from instead of `poll`.
    #[cfg(test)]
    simulated: Option<SimPoll>,
}

impl HelperPoll {
    /// A poll without sockets.
    pub fn new() -> io::Result<HelperPoll> {
        Ok(HelperPoll {
            poll: Poll::new()?,
            events: Events::with_capacity(256),
            #[cfg(test)]
            simulated: None,
        })
    }

    /// A poll of simulated sockets, which never waits.
    #[cfg(test)]
    pub fn simulated() -> io::Result<HelperPoll> {
        let mut poll = HelperPoll::new()?;
        poll.simulated = Some(SimPoll::default());
        Ok(poll)
    }

    /// Whether it is known that a poll would return at once: of a simulated one it always is, of a real one never.
    pub fn has_events(&self) -> bool {
        #[cfg(test)]
        return self.simulated.as_ref().is_some_and(SimPoll::has_events);
        #[cfg(not(test))]
        false
    }

    /// What wakes it; call it once.
    pub fn waker(&self) -> io::Result<HelperWaker> {
        Ok(HelperWaker(Arc::new(AnyWaker {
            waker: Waker::new(self.poll.registry(), WAKER)?,
            #[cfg(test)]
            simulated: self.simulated.clone(),
        })))
    }

    /// Joins a socket, as `number`, which is below `u64::MAX`.
    pub fn register(&self, stream: &mut Stream, number: u64) -> io::Result<()> {
        let token = Token(number as usize);
        #[cfg(test)]
        if let Some(poll) = &self.simulated {
            stream.register_simulated(poll, token);
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        stream.register(self.poll.registry(), token, interest)
    }

    /// Lets a socket go.
    pub fn deregister(&self, stream: &mut Stream) -> io::Result<()> {
        stream.deregister(self.poll.registry())
    }

    /// Waits for events, at most `timeout`; `None` waits for ever. A signal or the waker makes it return early.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<()> {
        ready.clear();
        #[cfg(test)]
        if let Some(poll) = &self.simulated {
            let events = poll.take().into_iter();
            ready.extend(
                events
                    .filter(|event| event.token != WAKER)
                    .map(|event| Readiness {
                        number: event.token.0 as u64,
                        is_readable: event.is_readable || event.is_hung_up,
                        is_writable: event.is_writable,
                    }),
            );
            return Ok(());
        }
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let events = self.events.iter();
        ready.extend(
            events
                .filter(|event| event.token() != WAKER)
                .map(|event| Readiness {
                    number: event.token().0 as u64,
                    is_readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                    is_writable: event.is_writable(),
                }),
        );
        Ok(())
    }
}

/// Wakes a [`HelperPoll`] from any thread; clones wake the same one.
#[derive(Clone)]
pub struct HelperWaker(Arc<AnyWaker>);

struct AnyWaker {
    waker: Waker,
    #[cfg(test)]
    simulated: Option<SimPoll>,
}

impl HelperWaker {
    /// Makes the poll return, now or when it is called next.
    pub fn wake(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(poll) = &self.0.simulated {
            poll.wake(WAKER);
            return Ok(());
        }
        self.0.waker.wake()
    }
}
