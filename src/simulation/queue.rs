//! What must hold of a queue that items are offered on and taken from: each is taken once at most, and none is lost.

use std::collections::{BTreeMap, BTreeSet};

/// What clients were told of one queue.
#[derive(Default)]
pub struct Queue {
    offered: BTreeSet<String>,
    /// Their connections were gone before the reply: they are there or not.
    offers_unknown: BTreeSet<String>,
    /// How often each was taken.
    taken: BTreeMap<String, u64>,
    /// Takers whose connection was gone before the reply; each may have taken one.
    takes_unknown: usize,
    /// Offered, or taken, and not to be undone even where writes may be lost.
    confirmed_offers: BTreeSet<String>,
    confirmed_takes: BTreeSet<String>,
}

impl Queue {
    pub fn offered(&mut self, item: &str) {
        self.offered.insert(item.to_owned());
    }

    pub fn offer_lost(&mut self, item: &str) {
        self.offers_unknown.insert(item.to_owned());
    }

    pub fn take_lost(&mut self) {
        self.takes_unknown += 1;
    }

    /// Somebody has taken it; gives whether nobody had before.
    pub fn taken(&mut self, item: &str) -> bool {
        let times = self.taken.entry(item.to_owned()).or_default();
        *times += 1;
        *times == 1
    }

    /// The offer, which was acknowledged, survives.
    pub fn confirm_offer(&mut self, item: &str) {
        self.confirmed_offers.insert(item.to_owned());
    }

    /// The taking, which was acknowledged, survives.
    pub fn confirm_take(&mut self, item: &str) {
        self.confirmed_takes.insert(item.to_owned());
    }

    /// The queue at the end, when everything acknowledged must be there.
    pub fn finish(&self, left: &[String]) {
        self.finish_unrefused(left);
        let twice = self.taken.iter().find(|(_, times)| **times > 1);
        assert_eq!(twice, None, "an item was taken more than once");
        self.check_not_back(left, self.taken.keys());
        self.check_not_missing(left, &self.offered);
    }

    /// The same where what was not confirmed may be lost.
    pub fn finish_confirmed(&self, left: &[String]) {
        self.finish_unrefused(left);
        self.check_not_back(left, &self.confirmed_takes);
        self.check_not_missing(left, &self.confirmed_offers);
    }

    /// The same where everything may be lost.
    pub fn finish_unrefused(&self, left: &[String]) {
        let distinct: BTreeSet<&String> = left.iter().collect();
        assert_eq!(distinct.len(), left.len(), "an item stands twice: {left:?}");
        for item in self.taken.keys().chain(left) {
            assert!(
                self.offered.contains(item) || self.offers_unknown.contains(item),
                "{item} is there though it was refused"
            );
        }
    }

    fn check_not_back<'a>(&self, left: &[String], taken: impl IntoIterator<Item = &'a String>) {
        for item in taken {
            assert!(!left.contains(item), "{item} was taken and is there again");
        }
    }

    fn check_not_missing(&self, left: &[String], offered: &BTreeSet<String>) {
        let is_there = |item: &&String| left.contains(item) || self.taken.contains_key(*item);
        let missing: Vec<_> = offered.iter().filter(|item| !is_there(item)).collect();
        assert!(
            missing.len() <= self.takes_unknown,
            "{missing:?} are lost, {} takers are unknown",
            self.takes_unknown
        );
    }
}
