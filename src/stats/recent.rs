//! The largest buffers of any client in the last seconds: `client_recent_max_input_buffer` and its sister.

/// Seconds that count as recent, as in Redis 7.0.
const SECONDS: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    input_bytes: usize,
    output_bytes: usize,
}

/// The largest buffers seen in each of the last seconds.
#[derive(Clone, Debug, Default)]
pub struct RecentMax {
    slots: [Slot; SECONDS],
}

impl RecentMax {
    /// A client had buffers of these sizes at second `now_s` (monotonic).
    pub fn note(&mut self, now_s: u64, input_bytes: usize, output_bytes: usize) {
        let slot = &mut self.slots[now_s as usize % SECONDS];
        if slot.second != now_s {
            *slot = Slot {
                second: now_s,
                ..Slot::default()
            };
        }
        slot.input_bytes = slot.input_bytes.max(input_bytes);
        slot.output_bytes = slot.output_bytes.max(output_bytes);
    }

    /// The largest input and output buffers of the last seconds at `now_s`.
    pub fn largest(&self, now_s: u64) -> (usize, usize) {
        let recent = self
            .slots
            .iter()
            .filter(|slot| slot.second + SECONDS as u64 > now_s);
        recent.fold((0, 0), |(input, output), slot| {
            (input.max(slot.input_bytes), output.max(slot.output_bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maximum_is_forgotten_after_eight_seconds() {
        let mut recent = RecentMax::default();
        recent.note(100, 10, 500);
        recent.note(100, 20, 400);
        recent.note(103, 5, 600);
        assert_eq!(recent.largest(103), (20, 600));
        assert_eq!(recent.largest(107), (20, 600));
        assert_eq!(recent.largest(108), (5, 600));
        assert_eq!(recent.largest(111), (0, 0));
        recent.note(111, 7, 7);
        assert_eq!(recent.largest(111), (7, 7));
    }
}
