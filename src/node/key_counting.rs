//! The counts of keys that DBSIZE and INFO show: which worker's count is fresh enough for whom.
//!
//! A count is fresh while nothing was written since it began. A command that finds none waits for one that begins after it
//! asked: under a constant load of writes it waits for one count, not for ever. And it does not wait for ever for a worker: after
//! [`WAIT_MAX_MS`] it takes what there is.

use std::borrow::Cow;

use crate::clock::{MonoMs, Turn};
use crate::storage::commit::GroupId;
use crate::storage::counting::KeyCounts;
use crate::storage::view::View;

/// Milliseconds after which a command takes what there is.
pub const WAIT_MAX_MS: u64 = 1000;
/// Milliseconds after which a count begins although writes before it are not committed yet: they may be stalled.
const COMMIT_WAIT_MAX_MS: u64 = 100;
/// Milliseconds from which on a count is dear: one that took longer is good for [`DEAR_FACTOR`] times as long, so that who asks
/// every second does not keep a worker busy.
const DEAR_MS: u64 = 50;
const DEAR_FACTOR: u64 = 10;
/// Keys below which a count is never dear, so that it is exact for who asks: what made it slow was a busy machine.
const DEAR_KEYS_MIN: u64 = 100_000;

/// What a command remembers that waits for a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Counts begun before it asked.
    after: u64,
    since: MonoMs,
}

#[derive(Debug)]
struct Counted {
    number: u64,
    /// Everything up to this group is in.
    group: GroupId,
    counts: KeyCounts,
    took_ms: u64,
    ended: MonoMs,
}

#[derive(Debug)]
struct Running {
    group: GroupId,
    began: MonoMs,
    /// What it will find is not true any more.
    is_void: bool,
}

#[derive(Clone, Copy, Debug)]
struct Want {
    group: GroupId,
    since: MonoMs,
}

/// Counts made, under way and wanted.
#[derive(Debug, Default)]
pub struct KeyCounting {
    latest: Option<Counted>,
    /// Counts begun so far; the running one has this number.
    begun: u64,
    running: Option<Running>,
    wanted: Option<Want>,
}

impl KeyCounting {
    /// Asks for a count of everything that is in the view now. `earlier` is what the command remembers of asking before.
    pub fn ask(&mut self, view: &View, earlier: Option<Ask>, now: MonoMs) -> Ask {
        let ask = earlier.unwrap_or(Ask {
            after: self.begun,
            since: now,
        });
        // The one that runs may be what an earlier question waits for.
        let is_coming = self
            .running
            .as_ref()
            .is_some_and(|running| !running.is_void && self.begun > ask.after);
        if !is_coming {
            self.wanted = Some(Want {
                group: view.newest_group(),
                since: self.wanted.map_or(now, |want| want.since),
            });
        }
        ask
    }

    /// What a command may show: fresh counts, or what there is when it has waited long enough; `None` when it must wait.
    pub fn answer(&self, view: &View, ask: Option<Ask>, now: MonoMs) -> Option<Cow<'_, KeyCounts>> {
        if let Some(latest) = &self.latest {
            let is_newest = latest.group >= view.newest_group();
            let was_asked_for = ask.is_some_and(|ask| latest.number > ask.after);
            let is_dear = latest.took_ms >= DEAR_MS
                && latest.counts.total() >= DEAR_KEYS_MIN
                && now.since(latest.ended) < latest.took_ms * DEAR_FACTOR;
            if is_newest || was_asked_for || is_dear {
                return Some(Cow::Borrowed(&latest.counts));
            }
        }
        let gives_up = ask.is_some_and(|ask| now.since(ask.since) >= WAIT_MAX_MS);
        gives_up.then(|| self.at_once(view))
    }

    /// What can be shown without waiting: the last counts, or RocksDB's own estimate before there are any.
    pub fn at_once(&self, view: &View) -> Cow<'_, KeyCounts> {
        match &self.latest {
            Some(latest) => Cow::Borrowed(&latest.counts),
            None => Cow::Owned(
                view.database()
                    .map(KeyCounts::estimated)
                    .unwrap_or_default(),
            ),
        }
    }

    /// The last counts, however old.
    pub fn last(&self) -> Option<&KeyCounts> {
        self.latest.as_ref().map(|latest| &latest.counts)
    }

    /// Whether a count should begin now.
    pub fn is_due(&self, view: &View, now: MonoMs) -> bool {
        self.running.is_none()
            && self.wanted.is_some_and(|want| {
                view.committed_group() >= want.group
                    || !view.has_uncommitted()
                    || now.since(want.since) >= COMMIT_WAIT_MAX_MS
            })
    }

    /// A worker begins to count.
    pub fn begin(&mut self, view: &View, now: MonoMs) {
        self.wanted = None;
        self.begun += 1;
        let group = if view.has_uncommitted() {
            view.committed_group()
        } else {
            view.newest_group()
        };
        self.running = Some(Running {
            group,
            began: now,
            is_void: false,
        });
    }

    /// The worker has counted.
    pub fn end(&mut self, counts: KeyCounts, turn: Turn) {
        if let Some(running) = self.running.take()
            && !running.is_void
        {
            self.latest = Some(Counted {
                number: self.begun,
                group: running.group,
                counts,
                took_ms: turn.now().since(running.began),
                ended: turn.now(),
            });
        }
    }

    /// What was counted, or is being counted, is far from the truth: writes were dropped, or a database was emptied.
    pub fn forget(&mut self) {
        self.latest = None;
        if let Some(running) = &mut self.running {
            running.is_void = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::cf::Cf;
    use crate::storage::counting::DbCount;
    use crate::storage::keys::DbIndex;
    use crate::storage::options::OpenOptions;
    use crate::storage::replication_id::ReplicationId;
    use crate::storage::rocks::Rocks;

    struct Fixture {
        counting: KeyCounting,
        view: View,
        now_ms: u64,
        _dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Fixture {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let rocks = Rocks::open(&OpenOptions::new(dir.path())).expect("an empty database");
            Fixture {
                counting: KeyCounting::default(),
                view: View::new(
                    rocks,
                    ReplicationId::from_bytes(b"ABCDEFGHI0123456").expect("an id"),
                    0,
                ),
                now_ms: 1000,
                _dir: dir,
            }
        }

        fn now(&self) -> MonoMs {
            MonoMs(self.now_ms)
        }

        fn write(&mut self) {
            self.view.put(Cf::Metadata, b"key", b"value");
        }

        fn commit(&mut self) {
            if let Some(group) = self.view.close_group() {
                self.view.committed(group.id);
            }
        }

        fn begin(&mut self) {
            assert!(self.counting.is_due(&self.view, self.now()));
            self.counting.begin(&self.view, MonoMs(self.now_ms));
        }

        fn end(&mut self, keys: u64) {
            let mut counts = KeyCounts::default();
            let count = DbCount {
                keys,
                ..DbCount::default()
            };
            counts.by_db.insert(DbIndex(0), count);
            let turn = Turn {
                mono_us: self.now_ms * 1000,
                unix_us: 0,
            };
            self.counting.end(counts, turn);
        }

        fn ask(&mut self, earlier: Option<Ask>) -> Ask {
            self.counting.ask(&self.view, earlier, MonoMs(self.now_ms))
        }

        fn answer(&self, ask: Option<Ask>) -> Option<u64> {
            let answer = self.counting.answer(&self.view, ask, self.now());
            answer.map(|counts| counts.of(DbIndex(0)))
        }
    }

    #[test]
    fn a_count_is_fresh_until_something_is_written() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.answer(None), None);
        let ask = fixture.ask(None);
        fixture.begin();
        fixture.end(7);
        assert_eq!(
            (fixture.answer(Some(ask)), fixture.answer(None)),
            (Some(7), Some(7))
        );
        fixture.write();
        assert_eq!(fixture.answer(None), None);
        fixture.commit();
        assert_eq!(fixture.answer(None), None);
    }

    #[test]
    fn who_asks_while_writes_go_on_waits_for_one_count_only() {
        let mut fixture = Fixture::new();
        let first = fixture.ask(None);
        fixture.begin();
        fixture.write();
        // The running count may have missed what the second one has written.
        let second = fixture.ask(None);
        fixture.end(7);
        assert_eq!(fixture.answer(Some(first)), Some(7));
        assert_eq!(fixture.answer(Some(second)), None);
        assert_eq!(fixture.ask(Some(second)), second);
        assert!(
            !fixture.counting.is_due(&fixture.view, fixture.now()),
            "not committed"
        );
        fixture.commit();
        fixture.begin();
        fixture.write();
        fixture.end(8);
        assert_eq!(fixture.answer(Some(second)), Some(8));
    }

    #[test]
    fn a_count_that_comes_is_not_asked_for_again() {
        let mut fixture = Fixture::new();
        let ask = fixture.ask(None);
        fixture.begin();
        fixture.ask(Some(ask));
        fixture.end(1);
        assert!(!fixture.counting.is_due(&fixture.view, fixture.now()));
    }

    #[test]
    fn stalled_writes_do_not_hold_a_count_back_for_long() {
        let mut fixture = Fixture::new();
        fixture.write();
        fixture.ask(None);
        assert!(!fixture.counting.is_due(&fixture.view, fixture.now()));
        fixture.now_ms += COMMIT_WAIT_MAX_MS;
        fixture.begin();
        fixture.end(3);
        assert_eq!(fixture.answer(None), None, "the write is not in");
    }

    #[test]
    fn a_dear_count_serves_for_a_while() {
        let mut fixture = Fixture::new();
        fixture.ask(None);
        fixture.begin();
        fixture.now_ms += 200;
        fixture.end(DEAR_KEYS_MIN);
        fixture.write();
        fixture.now_ms += 1999;
        assert_eq!(fixture.answer(None), Some(DEAR_KEYS_MIN));
        fixture.now_ms += 1;
        assert_eq!(fixture.answer(None), None);
    }

    #[test]
    fn a_count_of_few_keys_is_not_dear_however_long_it_took() {
        let mut fixture = Fixture::new();
        fixture.ask(None);
        fixture.begin();
        fixture.now_ms += 200;
        fixture.end(DEAR_KEYS_MIN - 1);
        assert_eq!(fixture.answer(None), Some(DEAR_KEYS_MIN - 1));
        fixture.write();
        assert_eq!(fixture.answer(None), None);
    }

    #[test]
    fn who_has_waited_long_takes_what_there_is() {
        let mut fixture = Fixture::new();
        let ask = fixture.ask(None);
        fixture.now_ms += WAIT_MAX_MS - 1;
        assert_eq!(fixture.answer(Some(ask)), None);
        fixture.now_ms += 1;
        assert_eq!(fixture.answer(Some(ask)), Some(0));
    }

    #[test]
    fn dropped_writes_make_the_count_worthless() {
        let mut fixture = Fixture::new();
        fixture.ask(None);
        fixture.begin();
        fixture.end(5);
        fixture.counting.forget();
        assert_eq!(fixture.answer(None), None);
        // One that is under way then as well, and who waited for it asks again.
        let ask = fixture.ask(None);
        fixture.begin();
        fixture.counting.forget();
        fixture.now_ms += DEAR_MS;
        fixture.end(5);
        assert_eq!(
            (fixture.answer(Some(ask)), fixture.answer(None)),
            (None, None)
        );
        fixture.ask(Some(ask));
        fixture.begin();
        fixture.end(6);
        assert_eq!(fixture.answer(Some(ask)), Some(6));
    }
}
