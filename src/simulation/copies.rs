//! Full copies on order: a follower asks for one, and the world carries it out while time passes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A copy that a follower wants.
pub struct Order {
    pub number: u64,
    /// `host:port` of the node whose data it wants.
    pub addr: String,
}

#[derive(Default)]
struct DeskState {
    last_number: u64,
    /// Not seen by the world yet.
    orders: Vec<Order>,
    /// What is still wanted, and what has come of it.
    wanted: BTreeMap<u64, Option<Result<(), String>>>,
}

/// Where the followers of one process order copies; clones are the same one.
#[derive(Clone, Default)]
pub struct CopyDesk(Arc<Mutex<DeskState>>);

impl CopyDesk {
    fn state(&self) -> MutexGuard<'_, DeskState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders a copy of what the node at `addr` has; gives the order's number.
    pub fn order(&self, addr: &str) -> u64 {
        let mut state = self.state();
        state.last_number += 1;
        let number = state.last_number;
        state.orders.push(Order {
            number,
            addr: addr.to_owned(),
        });
        state.wanted.insert(number, None);
        number
    }

    /// What has come of an order, once.
    pub fn take_outcome(&self, number: u64) -> Option<Result<(), String>> {
        let mut state = self.state();
        let outcome = state.wanted.get_mut(&number)?.take()?;
        state.wanted.remove(&number);
        Some(outcome)
    }

    /// The order is not wanted any more.
    pub fn cancel(&self, number: u64) {
        self.state().wanted.remove(&number);
    }

    /// New orders, for the world.
    pub fn take_orders(&self) -> Vec<Order> {
        std::mem::take(&mut self.state().orders)
    }

    pub fn is_wanted(&self, number: u64) -> bool {
        self.state().wanted.contains_key(&number)
    }

    /// The copy is on the disk of who wants it, or why it is not.
    pub fn settle(&self, number: u64, outcome: Result<(), String>) {
        if let Some(wanted) = self.state().wanted.get_mut(&number) {
            *wanted = Some(outcome);
        }
    }
}
