//! Time as values. The loop reads the clock once a turn into a [`Turn`]; everything else takes time as an argument.
//!
//! Deadlines are monotonic ([`MonoMs`]), stored expiry is Unix time ([`UnixMs`]); the two types do not mix, so a step of
//! the wall clock never moves a deadline. This is the only file that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock, in milliseconds since an arbitrary start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct MonoMs(pub u64);

impl MonoMs {
    /// The later point `ms` milliseconds on; `None` when it would overflow.
    pub fn checked_add(self, ms: u64) -> Option<MonoMs> {
        self.0.checked_add(ms).map(MonoMs)
    }

    /// Milliseconds from `earlier` to `self`, zero when `earlier` is later.
    pub fn since(self, earlier: MonoMs) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A point in Unix time, in milliseconds since the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct UnixMs(pub u64);

/// The time that one loop turn sees. A command, and a whole EXEC, see one frozen `Turn`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Monotonic, microseconds since an arbitrary start.
    pub mono_us: u64,
    /// Unix time, microseconds.
    pub unix_us: u64,
}

impl Turn {
    /// Monotonic milliseconds, for deadlines.
    pub fn now(&self) -> MonoMs {
        MonoMs(self.mono_us / 1000)
    }

    /// A later moment of the same turn: what a command sees that begins then. A turn may be long, and an expiry counted
    /// from its beginning would come early.
    pub fn at(self, mono_us: u64) -> Turn {
        let passed_us = mono_us.saturating_sub(self.mono_us);
        Turn {
            mono_us: self.mono_us + passed_us,
            unix_us: self.unix_us + passed_us,
        }
    }

    /// Unix milliseconds, for expiry.
    pub fn unix(&self) -> UnixMs {
        UnixMs(self.unix_us / 1000)
    }
}

/// Where turns come from: the system, or a simulation.
pub trait Clock {
    /// Reads the clock.
    fn turn(&self) -> Turn;

    /// Reads the monotonic side only, in microseconds: half the price, for measuring commands.
    fn mono_us(&self) -> u64 {
        self.turn().mono_us
    }
}

/// The machine's clocks.
#[derive(Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts near zero now.
    pub fn new() -> SystemClock {
        SystemClock {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn turn(&self) -> Turn {
        // In this order: whatever passes between the two makes `Turn::at` run ahead, and no expiry come early.
        let mono_us = self.start.elapsed().as_micros() as u64;
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Turn {
            mono_us,
            unix_us: unix.as_micros() as u64,
        }
    }

    fn mono_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

/// A clock that stands still until it is told to move; both sides move together.
#[derive(Default)]
pub struct SimClock {
    turn: std::cell::Cell<Turn>,
}

impl SimClock {
    /// A clock that shows `turn`.
    pub fn new(turn: Turn) -> SimClock {
        SimClock {
            turn: std::cell::Cell::new(turn),
        }
    }

    /// Moves on by `ms` milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.advance_us(ms * 1000);
    }

    /// Moves on by `us` microseconds.
    pub fn advance_us(&self, us: u64) {
        let turn = self.turn.get();
        self.turn.set(Turn {
            mono_us: turn.mono_us + us,
            unix_us: turn.unix_us + us,
        });
    }
}

impl Clock for std::rc::Rc<SimClock> {
    fn turn(&self) -> Turn {
        self.as_ref().turn()
    }
}

impl Clock for SimClock {
    fn turn(&self) -> Turn {
        self.turn.get()
    }
}
