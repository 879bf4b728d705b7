//! How the helpers of replication run: each on a thread of its own, or stepped by a simulation, which does the same rounds.

use std::io;

use crate::reactor::HelperPoll;
#[cfg(test)]
use crate::reactor::simulated::SimDialer;

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
}
