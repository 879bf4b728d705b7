//! What goes wrong: crashes, stalls, refused appends and syncs, a process that stands still.

use super::{FAULT, RESTART, STALL_ENDS, Scenario};
use crate::storage::rocks::simulated::{Crash, Faults, Refusal};

impl Scenario<'_> {
    pub(super) fn disk_faults(&mut self, change: impl FnOnce(&mut Faults)) {
        self.world.nodes[self.node].disk.faults(change);
    }

    pub(super) fn do_harm(&mut self) {
        if !self.is_active {
            return;
        }
        let next_us = self.world.now_us + 20_000 + self.rng.below(700_000);
        self.world.at(next_us, FAULT);
        if self.world.nodes[self.node].server.is_none() {
            return;
        }
        match self.rng.below(12) {
            0..=2 => self.crash(),
            3..=5 => {
                self.world.note(format_args!("the disk stalls"));
                self.disk_faults(|faults| faults.is_stalled = true);
                let end_us = self.world.now_us + self.rng.below(200_000);
                self.world.at(end_us, STALL_ENDS);
            }
            6 | 7 => {
                let refusal = Refusal {
                    reached: self.rng.below(2) == 0,
                    is_known: self.rng.below(3) > 0,
                    syncs_still: self.rng.below(3) > 0,
                };
                let refuse_open = self.rng.below(8) == 0;
                self.world.note(format_args!("{refusal:?} is next"));
                self.disk_faults(|faults| {
                    faults.refuse_append = Some(refusal);
                    faults.refuse_open = refuse_open;
                });
            }
            8 => {
                self.world.note(format_args!("a refused sync is next"));
                self.disk_faults(|faults| faults.refuse_sync = true);
            }
            9 | 10 if self.reads_cold => self.disk_faults(|faults| faults.cold_reads = 20),
            _ => {
                let us = self.rng.below(50_000);
                self.world.freeze(self.node, us);
            }
        }
    }

    pub(super) fn crash(&mut self) {
        // Without a sync before each reply a power cut may take what was acknowledged.
        let crash = if self.syncs_always && self.rng.below(2) == 0 {
            self.world.power_cut(self.node)
        } else {
            Crash::Process
        };
        self.world.crash(self.node, crash);
        self.process_ended();
    }

    pub(super) fn process_ended(&mut self) {
        self.end_windows();
        self.operator.asked.clear();
        let at_us = self.world.now_us + 1000 + self.rng.below(100_000);
        self.world.at(at_us, RESTART);
    }

    pub(super) fn restart(&mut self) {
        if self.world.nodes[self.node].server.is_none()
            && let Err(text) = self.world.start(self.node)
        {
            panic!("the node does not start again: {text}");
        }
    }
}
