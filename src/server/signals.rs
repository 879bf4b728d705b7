//! Signals: a thread that turns them into messages, and what they ask for.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{LoopEvent, Server};
use crate::command::shutdown;
use crate::reactor::LoopSender;

/// Starts the thread. A write to a peer that is gone must be an error, not the end of the process: Rust ignores SIGPIPE already.
pub(super) fn start(sender: LoopSender<LoopEvent>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || {
        for signal in signals.forever() {
            sender.send(LoopEvent::Signal(signal));
        }
    })?;
    Ok(())
}

impl Server {
    pub(super) fn signal(&mut self, signal: i32) {
        let config = &self.node.config;
        let (name, options) = if signal == SIGINT {
            ("SIGINT", config.shutdown_on_sigint)
        } else {
            ("SIGTERM", config.shutdown_on_sigterm)
        };
        if self.node.shutdown.is_some() {
            // Asked twice: somebody does not want to wait.
            log::warn!("{name} again: leaving now");
            self.exit = Some(0);
            return;
        }
        log::info!("{name}: shutting down");
        let haste = if options.now {
            shutdown::Haste::Now
        } else if options.failover {
            shutdown::Haste::HandOver
        } else {
            shutdown::Haste::Graceful
        };
        shutdown::begin(&mut self.node, haste);
    }
}
