//! The search for expired keys: a worker reads the key space round after round, the loop deletes what it finds.

use super::Server;
use crate::clock::MonoMs;
use crate::node::WorkerJob;
use crate::stats::latency;
use crate::storage::expiry::Search;

/// Expired keys asked for at a time; they are deleted in one turn.
const EXPIRED_PER_ROUND_MAX: usize = 256;
/// Milliseconds until the next search when one has met damage.
const FAILED_SEARCH_PAUSE_MS: u64 = 60_000;
/// A search of the whole key space takes at most this share of the time, in percent per point of `active-expire-effort`.
const EXPIRY_SHARE_PERCENT: u64 = 5;

/// Where the search stands.
#[derive(Default)]
pub(super) struct Expiring {
    /// A worker looks, since then.
    since: Option<MonoMs>,
    /// When the next one may.
    next: MonoMs,
    /// Where it goes on: the last key it has seen.
    pub position: Vec<u8>,
    /// The view's count of expiries when the pass over the key space began.
    count: u64,
    /// The pass has met a key with an expiry, passed or not, or there may be one that it cannot see.
    may_expire: bool,
    /// A whole pass has found that nothing can expire, when the view's count was this.
    nothing_at: Option<u64>,
}

impl Server {
    /// Asks a worker for expired keys, unless nothing may be written now or there is nothing to find.
    pub(super) fn search_expired(&mut self) {
        let now = self.node.turn.now();
        let may_delete = self.node.active_expire && self.node.may_delete_expired();
        let is_pointless = self.expiring.nothing_at == Some(self.node.view.expiring_count());
        if !may_delete || is_pointless || self.expiring.since.is_some() || now < self.expiring.next
        {
            return;
        }
        if self.expiring.position.is_empty() {
            self.expiring.count = self.node.view.expiring_count();
            self.expiring.may_expire = !self.node.view.are_expiring_committed();
        }
        self.expiring.since = Some(now);
        self.start_work(WorkerJob::FindExpired {
            limit: EXPIRED_PER_ROUND_MAX,
        });
    }

    pub(super) fn expired_found(&mut self, search: Search) {
        let now = self.node.turn.now();
        let took_ms = self
            .expiring
            .since
            .take()
            .map_or(0, |since| now.since(since));
        let share = EXPIRY_SHARE_PERCENT * u64::from(self.node.config.active_expire_effort);
        let pause_ms = took_ms * (100 / share.clamp(1, 100));
        let least_ms = if search.failed {
            FAILED_SEARCH_PAUSE_MS
        } else {
            0
        };
        self.expiring.next = MonoMs(now.0 + pause_ms.max(least_ms));
        self.expiring.position = search.position;
        self.expiring.may_expire |= search.seen_ttl;
        if search.complete {
            let nothing = !self.expiring.may_expire;
            self.expiring.nothing_at = nothing.then_some(self.expiring.count);
        }
        if !self.node.may_delete_expired() {
            return;
        }
        let began_us = self.node.clock.mono_us();
        self.node.delete_expired(&search.found);
        let took_us = self.node.clock.mono_us().saturating_sub(began_us);
        self.node.stats.expire_cycle_us += took_us;
        self.note_latency(latency::EXPIRE_CYCLE, Some(began_us));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Server;
    use super::super::testing::Bench;

    /// Whether a search is begun within so many turns of a millisecond.
    fn searches(bench: &mut Bench, turns: usize) -> bool {
        (0..turns).any(|_| {
            bench.step();
            bench.server().expiring.since.is_some()
        })
    }

    /// Whether a whole pass has found nothing since the last key got an expiry.
    fn rests(server: &Server) -> bool {
        server.expiring.nothing_at == Some(server.node.view.expiring_count())
    }

    #[test]
    fn the_key_space_is_searched_while_something_in_it_can_expire() {
        let mut bench = Bench::start("expiring-searches");
        let wire = bench.connect();
        bench.until("nothing is known to expire", rests);
        wire.arrive(b"SET plain 1\r\nSET other 2\r\n");
        bench.answer(&wire);
        assert!(!searches(&mut bench, 500));
        wire.arrive(b"SET brief 1 PX 300\r\n");
        bench.answer(&wire);
        assert!(searches(&mut bench, 500));
        bench.until(
            "it is deleted and there is nothing more to find",
            |server| server.node.stats.expired_keys == 1 && rests(server),
        );
        wire.arrive(b"SET plain 2\r\nEXPIRE plain 1000\r\nPERSIST plain\r\n");
        bench.answer(&wire);
        assert!(searches(&mut bench, 500), "it had one");
        bench.until("a pass has met none", rests);
        assert!(!searches(&mut bench, 500));
    }

    #[test]
    fn another_database_is_searched_once_also_where_nothing_is_written() {
        let mut bench = Bench::start("expiring-another-database");
        bench.until("nothing is known to expire", rests);
        let view = &mut bench.server().node.view;
        let rocks = view.take_database().expect("it is open");
        view.set_database(rocks);
        assert!(searches(&mut bench, 500), "it may hold anything");
        bench.until("a pass has met none", rests);
        assert!(!searches(&mut bench, 500));
    }
}
