//! The follower without its thread: a simulation does its rounds.

use std::time::Duration;

use super::Follower;
use crate::clock::MonoMs;
use crate::replication::runner::RoundClock;

/// Between two looks whether a full copy is there.
const LOOK: Duration = Duration::from_millis(20);

impl Follower {
    /// How long the follower's thread would sleep now.
    pub fn sleep_time(&mut self, now: MonoMs) -> Option<Duration> {
        let rounds = self.stepped.as_mut()?;
        rounds.set_now(now);
        if rounds.is_fetching {
            return Some(LOOK);
        }
        Some(rounds.sleep_time())
    }

    /// The follower's thread does a round. Told to stop, it does nothing any more.
    pub fn step(&mut self, now: MonoMs) {
        self.clock = RoundClock::Given(now);
        let Some(mut rounds) = self.stepped.take() else {
            return;
        };
        rounds.set_now(now);
        if rounds.is_fetching {
            // The thread would be at nothing else.
            rounds.fetch();
            rounds.act();
            self.stepped = Some(rounds);
            return;
        }
        rounds.act();
        // A simulated poll neither waits nor fails.
        if rounds.wait(None).is_ok() && rounds.round() {
            rounds.act();
            self.stepped = Some(rounds);
        }
    }
}
