//! How the helpers of replication run: each on a thread of its own, or stepped by a simulation, which does the same rounds.

use std::io;

use super::connect::connect;
use super::timed::{Halt, StopFlags};
use crate::clock::{Clock, MonoMs, SystemClock};
#[cfg(test)]
use crate::reactor::simulated::SimDialer;
use crate::reactor::{HelperPoll, Stream};

/// Where the rounds of helpers are done.
#[derive(Clone)]
pub enum Runner {
    /// On threads, over real sockets.
    Threads,
    /// By a simulation, over its network.
    #[cfg(test)]
    Stepped(SimDialer),
}

impl Runner {
    /// What one helper sleeps on.
    pub fn poll(&self) -> io::Result<HelperPoll> {
        match self {
            Runner::Threads => HelperPoll::new(),
            #[cfg(test)]
            Runner::Stepped(_) => HelperPoll::simulated(),
        }
    }

    /// The clock of one helper.
    pub fn clock(&self) -> RoundClock {
        match self {
            Runner::Threads => RoundClock::System(SystemClock::new()),
            #[cfg(test)]
            Runner::Stepped(_) => RoundClock::Given(MonoMs(0)),
        }
    }

    /// Connects to another node, as [`connect`] does: for the helper's own thread. The socket does not block.
    pub fn connect(
        &self,
        host: &str,
        port: u16,
        connect_ms: u64,
        stop: &StopFlags,
    ) -> Result<Stream, Halt> {
        match self {
            Runner::Threads => {
                let stream = connect(host, port, connect_ms, stop)?;
                Ok(Stream::Tcp(mio::net::TcpStream::from_std(stream)))
            }
            #[cfg(test)]
            Runner::Stepped(dialer) => dialer
                .dial(host, port)
                .map(Stream::Simulated)
                .map_err(Halt::Io),
        }
    }
}

/// A helper's clock.
#[derive(Clone, Copy)]
pub enum RoundClock {
    /// The machine's.
    System(SystemClock),
    /// Stands still at this time within a round.
    #[cfg(test)]
    Given(MonoMs),
}

impl RoundClock {
    /// What it shows.
    pub fn now(&self) -> MonoMs {
        match self {
            RoundClock::System(clock) => clock.turn().now(),
            #[cfg(test)]
            RoundClock::Given(now) => *now,
        }
    }
}
