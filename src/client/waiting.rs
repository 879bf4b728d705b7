//! The blocked list: every client whose command could not run yet, in order of arrival, whatever it waits for.
//!
//! One list serves pauses, blocking commands and worker reads. An entry leaves when its client goes or its command has
//! finished; an entry whose reason may be over is *due*: the server takes due entries a bounded number a turn, evaluates each command again from
//! the start, and either removes the entry or puts it to wait again in its old place. Those who wait for a key that was
//! written are not all due: they are asked one after the other, as long as there is something for them. Pure: no client,
//! no clock in here.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use crate::client::ClientKey;
use crate::clock::MonoMs;
use crate::storage::keys::DbIndex;

/// A place in the blocked list. Ordered by arrival; the default one is nobody's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ticket(u64);

/// What an entry waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// A pause.
    Paused,
    /// A write to one of its keys.
    Keys,
    /// A worker's answer.
    Worker,
    /// Keys that are not in memory.
    ColdRead,
    /// A worker's count of all keys.
    Counts,
    /// Room for writes: the engine's, or the overlay's.
    Stalled,
    /// The end of the process that it has asked for.
    Shutdown,
    /// This node to be a primary.
    Role,
    /// Acknowledgements of replicas.
    Acks,
    /// An answer about a replication link.
    Link,
}

impl Reason {
    const COUNT: usize = Reason::Link as usize + 1;

    /// Whether CLIENT LIST and INFO call a client blocked that waits for this. One that waits for the disk is not: Redis has no such
    /// wait, a command there that is merely slow blocks nobody to the eye, and who watches `blocked_clients` looks for consumers of
    /// queues and for pauses, not for reads that miss a cache. INFO counts these apart (`cold_read_clients`).
    pub fn is_blocked_to_the_eye(self) -> bool {
        !matches!(self, Reason::ColdRead | Reason::Link)
    }
}

#[derive(Debug)]
struct Entry {
    client: ClientKey,
    deadline: Option<MonoMs>,
    reason: Reason,
    due: bool,
}

/// A key of a database.
pub type DbKey = (DbIndex, Box<[u8]>);

/// Who waits for one key.
#[derive(Default, Debug)]
struct KeyWaiters {
    tickets: BTreeSet<Ticket>,
    /// It stands in the queue of written keys.
    is_queued: bool,
}

/// The blocked list.
#[derive(Default, Debug)]
pub struct Waiting {
    entries: BTreeMap<Ticket, Entry>,
    deadlines: BTreeSet<(MonoMs, Ticket)>,
    by_key: HashMap<DbKey, KeyWaiters, foldhash::fast::RandomState>,
    /// Entries of each reason.
    by_reason: [usize; Reason::COUNT],
    due: VecDeque<Ticket>,
    /// Keys that were written and that somebody waits for, in order: served right after the command that wrote them.
    written: VecDeque<DbKey>,
    next: u64,
}

impl Waiting {
    /// Appends `client`. `deadline` is when it must be told that its time is over.
    pub fn park(&mut self, client: ClientKey, reason: Reason, deadline: Option<MonoMs>) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        self.by_reason[reason as usize] += 1;
        self.entries.insert(
            ticket,
            Entry {
                client,
                deadline,
                reason,
                due: false,
            },
        );
        if let Some(at) = deadline {
            self.deadlines.insert((at, ticket));
        }
        ticket
    }

    /// Puts a due entry to wait again where it stood, perhaps for something else and with another end.
    pub fn repark(&mut self, ticket: Ticket, reason: Reason, deadline: Option<MonoMs>) {
        let Some(entry) = self.entries.get_mut(&ticket) else {
            return;
        };
        entry.due = false;
        self.by_reason[entry.reason as usize] -= 1;
        self.by_reason[reason as usize] += 1;
        entry.reason = reason;
        if let Some(at) = std::mem::replace(&mut entry.deadline, deadline) {
            self.deadlines.remove(&(at, ticket));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, ticket));
        }
    }

    /// The entry is asked when `key` is written.
    pub fn watch_key(&mut self, ticket: Ticket, db: DbIndex, key: &[u8]) {
        let waiters = self.by_key.entry((db, key.into())).or_default();
        waiters.tickets.insert(ticket);
    }

    /// The entry is no longer asked when `key` is written.
    pub fn unwatch_key(&mut self, ticket: Ticket, db: DbIndex, key: &[u8]) {
        // Looked up with an owned key: entries leave far less often than keys are written.
        let name = (db, Box::from(key));
        if let Some(waiters) = self.by_key.get_mut(&name) {
            waiters.tickets.remove(&ticket);
            if waiters.tickets.is_empty() {
                self.by_key.remove(&name);
            }
        }
    }

    /// Removes an entry. Its keys must have been unwatched.
    pub fn remove(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entries.remove(&ticket) {
            self.by_reason[entry.reason as usize] -= 1;
            if let Some(at) = entry.deadline {
                self.deadlines.remove(&(at, ticket));
            }
        }
    }

    /// `key` was written: those who wait for it are to be asked.
    pub fn key_written(&mut self, db: DbIndex, key: &[u8]) {
        if self.by_key.is_empty() {
            return;
        }
        let name = (db, Box::from(key));
        if let Some(waiters) = self.by_key.get_mut(&name)
            && !std::mem::replace(&mut waiters.is_queued, true)
        {
            self.written.push_back(name);
        }
    }

    /// Takes the next key that was written, for [`Waiting::next_waiter`]. Written again it comes again.
    pub fn next_written(&mut self) -> Option<DbKey> {
        while let Some(name) = self.written.pop_front() {
            // Gone when the last who waited for it has left.
            if let Some(waiters) = self.by_key.get_mut(&name) {
                waiters.is_queued = false;
                return Some(name);
            }
        }
        None
    }

    /// Who waits for `name` and arrived next after `after`; the default ticket for the first. Entries that wait for
    /// something else at the moment (a pause) are passed over.
    pub fn next_waiter(&self, name: &DbKey, after: Ticket) -> Option<(Ticket, ClientKey)> {
        let tickets = &self.by_key.get(name)?.tickets;
        tickets
            .range((Bound::Excluded(after), Bound::Unbounded))
            .find_map(|&ticket| {
                let entry = self.entries.get(&ticket)?;
                (entry.reason == Reason::Keys).then_some((ticket, entry.client))
            })
    }

    /// Every entry with this reason is due, in order of arrival.
    pub fn release(&mut self, reason: Reason) {
        let tickets: Vec<Ticket> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.reason == reason)
            .map(|(&ticket, _)| ticket)
            .collect();
        for ticket in tickets {
            self.make_due(ticket);
        }
    }

    /// This entry is due.
    pub fn make_due(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entries.get_mut(&ticket)
            && !entry.due
        {
            entry.due = true;
            self.due.push_back(ticket);
        }
    }

    /// Takes the next due entry. It stays in the list until it is removed or parked again.
    pub fn next_due(&mut self) -> Option<(Ticket, ClientKey)> {
        while let Some(ticket) = self.due.pop_front() {
            if let Some(entry) = self.entries.get(&ticket)
                && entry.due
            {
                return Some((ticket, entry.client));
            }
        }
        None
    }

    /// Whether anything is due, or a written key is to be served.
    pub fn has_due(&self) -> bool {
        !(self.due.is_empty() && self.written.is_empty())
    }

    /// Takes an entry whose time is over at `now`. It stays in the list until it is removed.
    pub fn next_overdue(&mut self, now: MonoMs) -> Option<(Ticket, ClientKey, Reason)> {
        let &(at, ticket) = self.deadlines.first()?;
        if at > now {
            return None;
        }
        self.deadlines.pop_first();
        let entry = self.entries.get_mut(&ticket)?;
        entry.deadline = None;
        Some((ticket, entry.client, entry.reason))
    }

    /// The earliest end.
    pub fn next_deadline(&self) -> Option<MonoMs> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// How many clients wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What an entry waits for.
    pub fn reason(&self, ticket: Ticket) -> Option<Reason> {
        self.entries.get(&ticket).map(|entry| entry.reason)
    }

    /// Whether any entry waits for this reason and is not due.
    pub fn has_undue(&self, reason: Reason) -> bool {
        self.entries
            .values()
            .any(|entry| entry.reason == reason && !entry.due)
    }

    /// The clients that wait for this reason, in order of arrival.
    pub fn clients(&self, reason: Reason) -> Vec<ClientKey> {
        let waiting = self.entries.values();
        waiting
            .filter(|entry| entry.reason == reason)
            .map(|entry| entry.client)
            .collect()
    }

    /// How many wait for this reason.
    pub fn count(&self, reason: Reason) -> usize {
        self.by_reason[reason as usize]
    }

    /// How many wait with an end of their own.
    pub fn with_deadline(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether any client waits for keys.
    pub fn has_key_waits(&self) -> bool {
        !self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DB: DbIndex = DbIndex(0);

    fn client(index: u32) -> ClientKey {
        ClientKey {
            index,
            generation: 1,
        }
    }

    fn due(waiting: &mut Waiting) -> Vec<u32> {
        std::iter::from_fn(|| waiting.next_due())
            .map(|(_, client)| client.index)
            .collect()
    }

    /// Whom a written key would be offered to, in order, while nobody takes it.
    fn asked(waiting: &mut Waiting) -> Vec<u32> {
        let mut asked = Vec::new();
        while let Some(name) = waiting.next_written() {
            let mut after = Ticket::default();
            while let Some((ticket, client)) = waiting.next_waiter(&name, after) {
                asked.push(client.index);
                after = ticket;
            }
        }
        asked
    }

    #[test]
    fn the_paused_are_released_in_order_of_arrival() {
        let mut waiting = Waiting::default();
        waiting.park(client(3), Reason::Paused, None);
        waiting.park(client(1), Reason::Keys, None);
        waiting.park(client(2), Reason::Paused, None);
        waiting.release(Reason::Paused);
        waiting.release(Reason::Paused);
        assert!(waiting.has_due());
        assert_eq!(due(&mut waiting), [3, 2], "once each");
        assert_eq!((waiting.len(), waiting.count(Reason::Keys)), (3, 1));
    }

    #[test]
    fn entries_are_counted_by_what_they_wait_for() {
        let mut waiting = Waiting::default();
        let first = waiting.park(client(1), Reason::Paused, None);
        let second = waiting.park(client(2), Reason::Keys, Some(MonoMs(9)));
        let counts = |waiting: &Waiting| {
            [Reason::Paused, Reason::Keys, Reason::Counts].map(|reason| waiting.count(reason))
        };
        assert_eq!(counts(&waiting), [1, 1, 0]);
        waiting.repark(first, Reason::Counts, None);
        assert_eq!((counts(&waiting), waiting.with_deadline()), ([0, 1, 1], 1));
        waiting.remove(second);
        waiting.remove(second);
        assert_eq!((counts(&waiting), waiting.with_deadline()), ([0, 0, 1], 0));
    }

    #[test]
    fn a_written_key_is_offered_oldest_first() {
        let mut waiting = Waiting::default();
        let first = waiting.park(client(1), Reason::Keys, None);
        let second = waiting.park(client(2), Reason::Keys, None);
        for ticket in [second, first] {
            waiting.watch_key(ticket, DB, b"list");
        }
        waiting.key_written(DbIndex(1), b"list");
        assert!(!waiting.has_due());
        waiting.key_written(DB, b"list");
        waiting.key_written(DB, b"list");
        assert!(waiting.has_due());
        assert_eq!(asked(&mut waiting), [1, 2], "once, though written twice");
        assert!(!waiting.has_due());
        // The first finds nothing and waits on in its old place.
        waiting.repark(first, Reason::Keys, None);
        waiting.unwatch_key(second, DB, b"list");
        waiting.remove(second);
        waiting.key_written(DB, b"list");
        assert_eq!(asked(&mut waiting), [1]);
        // Behind a pause it is not asked, and keeps its place.
        waiting.repark(first, Reason::Paused, None);
        waiting.key_written(DB, b"list");
        assert_eq!(asked(&mut waiting), [0u32; 0]);
        waiting.key_written(DB, b"list");
        waiting.unwatch_key(first, DB, b"list");
        assert!(!waiting.has_key_waits());
        assert_eq!(asked(&mut waiting), [0u32; 0]);
        assert!(!waiting.has_due());
    }

    #[test]
    fn an_entry_that_left_is_not_due() {
        let mut waiting = Waiting::default();
        let ticket = waiting.park(client(1), Reason::Paused, Some(MonoMs(5)));
        waiting.release(Reason::Paused);
        waiting.remove(ticket);
        assert_eq!(due(&mut waiting), [0u32; 0]);
        assert_eq!(waiting.next_overdue(MonoMs(100)), None);
        assert!(waiting.is_empty());
        waiting.repark(ticket, Reason::Paused, Some(MonoMs(1)));
        assert_eq!(waiting.next_deadline(), None);
    }

    #[test]
    fn ends_come_in_order_and_once() {
        let mut waiting = Waiting::default();
        waiting.park(client(1), Reason::Keys, Some(MonoMs(20)));
        let second = waiting.park(client(2), Reason::Keys, Some(MonoMs(10)));
        waiting.park(client(3), Reason::Keys, Some(MonoMs(30)));
        assert_eq!(waiting.next_deadline(), Some(MonoMs(10)));
        assert_eq!(waiting.next_overdue(MonoMs(9)), None);
        assert_eq!(
            waiting
                .next_overdue(MonoMs(25))
                .map(|(_, client, _)| client.index),
            Some(2)
        );
        waiting.remove(second);
        assert_eq!(
            waiting
                .next_overdue(MonoMs(25))
                .map(|(_, client, _)| client.index),
            Some(1)
        );
        assert_eq!(waiting.next_overdue(MonoMs(25)), None);
        assert_eq!(waiting.next_deadline(), Some(MonoMs(30)));
    }
}
