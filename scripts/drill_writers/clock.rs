//! The monotonic clock as Python's `time.monotonic()` reads it, and a timer that is finer than epoll's milliseconds.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds of CLOCK_MONOTONIC, which is the same in all processes of a machine.
///
/// `Instant` reads the same clock, but does not tell its value.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // Neither is ever negative on this clock.
    now.tv_sec as u64 * NS_PER_S + now.tv_nsec as u64
}

/// Wakes the poll at a moment, to some microseconds; a timeout of epoll is in whole milliseconds.
pub struct Timer {
    descriptor: OwnedFd,
    /// What it is set to, to spare a system call where nothing changes.
    set_to: Option<u64>,
}

impl Timer {
    /// A timer that is not set, whose events come under `token`.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        registry.register(
            &mut SourceFd(&descriptor.as_raw_fd()),
            token,
            Interest::READABLE,
        )?;
        Ok(Timer {
            descriptor,
            set_to: None,
        })
    }

    /// Sets the moment at which the poll shall wake, by `now_ns`; one that has passed wakes it at once.
    ///
    /// The events are edges, and each expiry is one: nobody need read the descriptor.
    pub fn set(&mut self, at_ns: u64) -> io::Result<()> {
        if self.set_to == Some(at_ns) {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: (at_ns / NS_PER_S) as i64,
                // All zero would mean "not set".
                tv_nsec: (at_ns % NS_PER_S).max(1) as _,
            },
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &once)?;
        self.set_to = Some(at_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn the_timer_wakes_the_poll_each_time_and_not_too_soon() {
        let mut poll = Poll::new().expect("a poll");
        let mut timer = Timer::new(poll.registry(), Token(7)).expect("a timer");
        let mut events = Events::with_capacity(4);
        for _ in 0..3 {
            let at_ns = now_ns() + 100_000;
            timer.set(at_ns).expect("set");
            poll.poll(&mut events, Some(Duration::from_secs(60)))
                .expect("polled");
            assert_eq!(
                events.iter().map(|event| event.token()).collect::<Vec<_>>(),
                [Token(7)]
            );
            assert!(now_ns() >= at_ns);
        }
    }
}
