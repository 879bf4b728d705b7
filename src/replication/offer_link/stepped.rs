//! The connection to a failover's target without its thread: a simulation does the rounds.

use super::OfferLink;
use super::rounds::Rounds;

/// What the thread would be at.
pub(super) enum Stepped {
    Begins(Rounds),
    Talks(Rounds),
    Ended,
}

impl OfferLink {
    /// Whether the thread would go on at once.
    pub fn has_work(&self) -> bool {
        match &self.stepped {
            Some(Stepped::Begins(_)) => true,
            Some(Stepped::Talks(rounds)) => rounds.has_events(),
            Some(Stepped::Ended) | None => false,
        }
    }

    /// The thread does a round.
    pub fn step(&mut self) {
        self.stepped = self.stepped.take().map(|stepped| match stepped {
            Stepped::Begins(mut rounds) => match rounds.connect() {
                true => Stepped::Talks(rounds),
                false => Stepped::Ended,
            },
            // A simulated poll neither waits nor fails.
            Stepped::Talks(mut rounds) => match rounds.wait(None).is_ok() && rounds.round() {
                true => Stepped::Talks(rounds),
                false => Stepped::Ended,
            },
            Stepped::Ended => Stepped::Ended,
        });
    }
}
