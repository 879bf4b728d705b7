//! The pause: who stopped which commands until when.
//!
//! A pause belongs to a purpose; there is at most one a purpose, and each is lifted by its own purpose only. The scope in
//! force is the widest of the live ones, its end the latest among those of that scope. Pure: time comes in as an argument,
//! no socket, no clock, no lock. Its rules are those of spec `pause-and-failover.md` section 2; tests below cover each branch.
//!
//! What a pause means for a command is answered here ([`Pause::holds`]); parking and waking are the blocked list's
//! ([`crate::client::waiting`]).

use crate::clock::MonoMs;
use crate::command::spec::Class;

/// Who asked for a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// `CLIENT PAUSE`.
    Command,
    /// A switch of the primary.
    Failover,
    /// Leaving gracefully.
    Shutdown,
}

/// What is held back. Ordered: the later one holds back more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// Everything that may change or replicate data.
    Writes,
    /// Every command of an ordinary client, but for those that declare otherwise.
    All,
}

/// When a pause ends by itself. Ordered: [`Until::Released`] is later than any time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Until {
    /// At this time.
    At(MonoMs),
    /// Only when its purpose lifts it.
    Released,
}

/// One purpose's pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    scope: Scope,
    until: Until,
}

/// What is in force, and for whom INFO shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InForce {
    pub scope: Scope,
    pub until: Until,
    /// The purpose that the end in force is of.
    pub purpose: Purpose,
}

/// All pauses of this server.
#[derive(Default, Debug)]
pub struct Pause {
    slots: [Option<Slot>; 3],
    /// The command's pause was given to a replica: it stands still as a whole.
    holds_replication: bool,
}

const PURPOSES: [Purpose; 3] = [Purpose::Command, Purpose::Failover, Purpose::Shutdown];

impl Pause {
    /// Pauses for `purpose`. Over an earlier pause of the same purpose the wider scope and the later end win.
    ///
    /// Cannot fail; commands from the next gate check on see it. Source: Redis 7.0 `pauseClients`.
    pub fn set(&mut self, purpose: Purpose, scope: Scope, until: Until) {
        let slot = &mut self.slots[purpose as usize];
        *slot = Some(match *slot {
            None => Slot { scope, until },
            Some(earlier) => Slot {
                scope: earlier.scope.max(scope),
                until: earlier.until.max(until),
            },
        });
    }

    /// Lifts the pause of `purpose` and no other. Returns whether less is held back now, so that the parked must be
    /// evaluated again.
    pub fn lift(&mut self, purpose: Purpose) -> bool {
        let before = self.scope();
        self.slots[purpose as usize] = None;
        self.forget_hold();
        self.scope() < before
    }

    fn forget_hold(&mut self) {
        self.holds_replication &= self.is_paused_by(Purpose::Command);
    }

    /// Removes the pauses that have run out at `now`. Returns whether less is held back now.
    pub fn expire(&mut self, now: MonoMs) -> bool {
        let before = self.scope();
        for slot in &mut self.slots {
            if slot.is_some_and(|slot| slot.until <= Until::At(now)) {
                *slot = None;
            }
        }
        self.forget_hold();
        self.scope() < before
    }

    /// The scope in force, `None` when nothing is paused.
    pub fn scope(&self) -> Option<Scope> {
        self.slots.iter().flatten().map(|slot| slot.scope).max()
    }

    /// Scope, end and purpose in force: the latest end among the pauses of the widest scope.
    pub fn in_force(&self) -> Option<InForce> {
        let scope = self.scope()?;
        let live = PURPOSES
            .iter()
            .filter_map(|&purpose| Some((purpose, self.slots[purpose as usize]?)));
        live.filter(|(_, slot)| slot.scope == scope)
            .map(|(purpose, slot)| InForce {
                scope,
                until: slot.until,
                purpose,
            })
            .max_by_key(|in_force| in_force.until)
    }

    /// The pause that a command has just set holds the primary's stream back too, or (`false`) does not: one that was set on a
    /// primary does not stop it from following after a demotion.
    pub fn set_holds_replication(&mut self, holds: bool) {
        self.holds_replication |= holds;
    }

    /// Whether batches of the primary have to wait.
    pub fn holds_replication(&self) -> bool {
        self.holds_replication && self.is_paused_by(Purpose::Command)
    }

    /// Whether anything is paused.
    pub fn is_active(&self) -> bool {
        self.slots.iter().any(Option::is_some)
    }

    /// Whether `purpose` pauses.
    pub fn is_paused_by(&self, purpose: Purpose) -> bool {
        self.slots[purpose as usize].is_some()
    }

    /// Whether a command of this class must wait; `held_by_all` is what it declares for a pause of everything.
    pub fn holds(&self, class: Class, held_by_all: bool) -> bool {
        match self.scope() {
            None => false,
            Some(Scope::Writes) => matches!(class, Class::Write | Class::MayReplicate),
            Some(Scope::All) => held_by_all || matches!(class, Class::Write | Class::MayReplicate),
        }
    }

    /// Whether expiry, eviction and every other write of the server's own must stand still: under any pause.
    pub fn stops_background_writes(&self) -> bool {
        self.is_active()
    }

    /// The next time at which a pause runs out.
    pub fn next_deadline(&self) -> Option<MonoMs> {
        self.slots
            .iter()
            .flatten()
            .filter_map(|slot| match slot.until {
                Until::At(at) => Some(at),
                Until::Released => None,
            })
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Until {
        Until::At(MonoMs(ms))
    }

    #[test]
    fn nothing_is_held_back_without_a_pause() {
        let mut pause = Pause::default();
        assert!(!pause.is_active() && !pause.stops_background_writes());
        assert_eq!(
            (pause.scope(), pause.in_force(), pause.next_deadline()),
            (None, None, None)
        );
        for class in [
            Class::Read,
            Class::Write,
            Class::MayReplicate,
            Class::Control,
        ] {
            assert!(!pause.holds(class, true));
        }
        assert!(!pause.lift(Purpose::Command));
        assert!(!pause.expire(MonoMs(u64::MAX)));
    }

    #[test]
    fn within_a_purpose_the_wider_scope_and_the_later_end_win() {
        // (first scope, end), (second scope, end) -> in force
        let table = [
            (
                (Scope::Writes, at(10)),
                (Scope::Writes, at(20)),
                (Scope::Writes, at(20)),
            ),
            (
                (Scope::Writes, at(20)),
                (Scope::Writes, at(10)),
                (Scope::Writes, at(20)),
            ),
            (
                (Scope::All, at(20)),
                (Scope::Writes, at(10)),
                (Scope::All, at(20)),
            ),
            (
                (Scope::All, at(10)),
                (Scope::Writes, at(20)),
                (Scope::All, at(20)),
            ),
            (
                (Scope::Writes, at(20)),
                (Scope::All, at(10)),
                (Scope::All, at(20)),
            ),
            (
                (Scope::Writes, Until::Released),
                (Scope::All, at(10)),
                (Scope::All, Until::Released),
            ),
        ];
        for (first, second, (scope, until)) in table {
            let mut pause = Pause::default();
            pause.set(Purpose::Command, first.0, first.1);
            pause.set(Purpose::Command, second.0, second.1);
            assert_eq!(
                pause.in_force(),
                Some(InForce {
                    scope,
                    until,
                    purpose: Purpose::Command
                })
            );
        }
    }

    #[test]
    fn the_end_in_force_is_the_latest_of_the_widest_scope() {
        let mut pause = Pause::default();
        pause.set(Purpose::Command, Scope::All, at(10));
        pause.set(Purpose::Failover, Scope::Writes, Until::Released);
        let in_force = InForce {
            scope: Scope::All,
            until: at(10),
            purpose: Purpose::Command,
        };
        assert_eq!(pause.in_force(), Some(in_force));
        pause.set(Purpose::Shutdown, Scope::All, at(30));
        let in_force = InForce {
            scope: Scope::All,
            until: at(30),
            purpose: Purpose::Shutdown,
        };
        assert_eq!(pause.in_force(), Some(in_force));
        assert_eq!(pause.next_deadline(), Some(MonoMs(10)));
    }

    #[test]
    fn lifting_concerns_its_own_purpose_only() {
        let mut pause = Pause::default();
        pause.set(Purpose::Command, Scope::All, at(10));
        pause.set(Purpose::Shutdown, Scope::Writes, Until::Released);
        assert!(pause.lift(Purpose::Command), "less is held back");
        assert_eq!(pause.scope(), Some(Scope::Writes));
        assert!(pause.is_paused_by(Purpose::Shutdown) && !pause.is_paused_by(Purpose::Command));
        assert!(!pause.lift(Purpose::Failover), "nothing changed");
        assert!(pause.lift(Purpose::Shutdown));
        assert!(!pause.is_active());
    }

    #[test]
    fn lifting_one_of_two_equal_scopes_releases_nothing() {
        let mut pause = Pause::default();
        pause.set(Purpose::Command, Scope::Writes, at(10));
        pause.set(Purpose::Failover, Scope::Writes, Until::Released);
        assert!(!pause.lift(Purpose::Command));
        assert!(pause.is_active());
    }

    #[test]
    fn a_pause_runs_out_at_its_end() {
        let mut pause = Pause::default();
        pause.set(Purpose::Command, Scope::All, at(10));
        pause.set(Purpose::Failover, Scope::Writes, at(20));
        assert!(!pause.expire(MonoMs(9)));
        assert!(pause.expire(MonoMs(10)));
        assert_eq!(
            (pause.scope(), pause.next_deadline()),
            (Some(Scope::Writes), Some(MonoMs(20)))
        );
        assert!(pause.expire(MonoMs(25)));
        assert!(!pause.is_active());
        pause.set(Purpose::Failover, Scope::Writes, Until::Released);
        assert!(!pause.expire(MonoMs(u64::MAX)));
    }

    #[test]
    fn an_old_longer_end_does_not_survive_lifting() {
        // Redis r#9467: the end of an earlier pause came back.
        let mut pause = Pause::default();
        pause.set(Purpose::Command, Scope::Writes, at(100_000));
        pause.lift(Purpose::Command);
        pause.set(Purpose::Command, Scope::Writes, at(50));
        assert_eq!(
            pause.in_force().map(|in_force| in_force.until),
            Some(at(50))
        );
    }

    #[test]
    fn what_each_scope_holds() {
        let mut pause = Pause::default();
        pause.set(Purpose::Command, Scope::Writes, at(10));
        assert!(pause.holds(Class::Write, true) && pause.holds(Class::MayReplicate, true));
        assert!(!pause.holds(Class::Read, true) && !pause.holds(Class::Control, true));
        assert!(pause.stops_background_writes());
        pause.set(Purpose::Command, Scope::All, at(10));
        assert!(pause.holds(Class::Read, true) && pause.holds(Class::Control, true));
        assert!(!pause.holds(Class::Control, false) && !pause.holds(Class::Read, false));
        assert!(
            pause.holds(Class::Write, false),
            "a write is held by every pause"
        );
    }
}
