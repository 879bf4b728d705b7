//! The feeder without its threads: a simulation does their rounds.

use std::time::Duration;

use super::Feeder;
use super::reader::{Reader, ToReader};
use super::rounds::Rounds;
use crate::clock::MonoMs;

/// What the two threads would hold.
pub(super) struct Stepped {
    rounds: Rounds,
    reader: Reader,
    /// What the reading thread was asked first.
    asked: Option<ToReader>,
    now: MonoMs,
}

impl Stepped {
    pub fn new(rounds: Rounds, reader: Reader) -> Stepped {
        Stepped {
            rounds,
            reader,
            asked: None,
            now: MonoMs(0),
        }
    }

    fn round(&mut self, now: MonoMs) -> bool {
        self.now = now;
        // A simulated poll neither waits nor fails.
        self.rounds.wait(None).is_ok() && self.rounds.round(now)
    }

    /// Does what is left to do up to the word to stop, at the time of the last round.
    pub fn stop(mut self) {
        let now = self.now;
        while self.round(now) {}
    }
}

impl Feeder {
    /// How long the feeder's thread would sleep now; `None` for ever.
    pub fn sleep_time(&self, now: MonoMs) -> Option<Duration> {
        self.stepped.as_ref()?.rounds.sleep_time(now)
    }

    /// The feeder's thread does a round.
    pub fn step(&mut self, now: MonoMs) {
        if let Some(stepped) = &mut self.stepped {
            stepped.round(now);
        }
    }

    /// Whether the reading thread has something to read.
    pub fn has_reading(&mut self) -> bool {
        self.stepped.as_mut().is_some_and(|stepped| {
            stepped.asked = stepped.asked.take().or_else(|| stepped.reader.next());
            stepped.asked.is_some()
        })
    }

    /// The reading thread answers one request.
    pub fn step_reading(&mut self) {
        if self.has_reading()
            && let Some(stepped) = &mut self.stepped
            && let Some(asked) = stepped.asked.take()
        {
            stepped.reader.take(asked);
        }
    }
}
