//! Clients whose replies wait for a commit, and those whose replies wait no longer but have not been sent (pure).
//!
//! One commit may free thousands of clients, and a `send` costs some 8 us. The freed ones wait their turn here, so that a client who
//! comes meanwhile is not behind all of them.

use std::collections::VecDeque;

use super::session::ClientKey;
use crate::storage::commit::GroupId;

/// The two queues.
#[derive(Debug, Default)]
pub struct Gated {
    /// By the group that is waited for, in the order of groups.
    waiting: VecDeque<(GroupId, Vec<ClientKey>)>,
    freed: VecDeque<ClientKey>,
}

impl Gated {
    /// The output of `key` waits for `group`. Listing a client twice is the caller's to prevent.
    pub fn wait(&mut self, group: GroupId, key: ClientKey) {
        // Nearly always the newest group, else one of the few that are under way.
        let later = self.waiting.iter().rev().take_while(|(id, _)| *id > group);
        let at = self.waiting.len() - later.count();
        match at.checked_sub(1).map(|last| &mut self.waiting[last]) {
            Some((id, keys)) if *id == group => keys.push(key),
            _ => self.waiting.insert(at, (group, vec![key])),
        }
    }

    /// Everything up to `group` is committed, or has failed.
    pub fn committed(&mut self, group: GroupId) {
        while let Some((id, _)) = self.waiting.front()
            && *id <= group
            && let Some((_, keys)) = self.waiting.pop_front()
        {
            self.freed.extend(keys);
        }
    }

    /// The client who has been free for longest.
    pub fn take_freed(&mut self) -> Option<ClientKey> {
        self.freed.pop_front()
    }

    /// How many are free and not taken.
    pub fn freed_len(&self) -> usize {
        self.freed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> ClientKey {
        ClientKey {
            index: number as u32,
            generation: 1,
        }
    }

    fn taken(gated: &mut Gated) -> Vec<usize> {
        std::iter::from_fn(|| gated.take_freed())
            .map(|key| key.index as usize)
            .collect()
    }

    #[test]
    fn clients_are_freed_by_group_and_in_order() {
        let mut gated = Gated::default();
        for (group, client) in [(5, 1), (5, 2), (7, 3), (6, 4), (5, 5), (7, 6), (4, 7)] {
            gated.wait(GroupId(group), key(client));
        }
        gated.committed(GroupId(3));
        assert_eq!(gated.freed_len(), 0);
        gated.committed(GroupId(5));
        assert_eq!(gated.freed_len(), 4);
        assert_eq!(taken(&mut gated), [7, 1, 2, 5]);
        gated.committed(GroupId(9));
        assert_eq!(taken(&mut gated), [4, 3, 6]);
    }
}
