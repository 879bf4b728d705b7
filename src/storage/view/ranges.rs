//! What the view does for ranges that workers read while the loop goes on.

use super::View;
use crate::storage::cf::Cf;
use crate::storage::scan::ScanRequest;
use crate::storage::watched::RangeWatch;

impl View {
    /// Notes what is written to a range from now on, while a worker reads it.
    pub fn watch_range(&mut self, request: &ScanRequest) -> RangeWatch {
        let watch = self.watched.watch(request);
        // The worker's snapshot may lack what is not committed yet, and when the answer is there it may be committed.
        let View {
            open,
            handed,
            watched,
            ..
        } = self;
        let mut is_range_deleted = false;
        for record in handed
            .iter()
            .map(|(_, record)| record)
            .chain(std::iter::once(&*open))
        {
            is_range_deleted |= record.ranges_of(request.cf).next().is_some();
            let upper = request.upper.as_deref();
            record.points_in(request.cf, &request.lower, upper, |key, value| {
                watched.note(request.cf, key, value.map(|value| (value, &b""[..])));
            });
        }
        if is_range_deleted {
            self.watched.lose_all();
        }
        watch
    }

    /// Notes for the watched ranges what `key` holds now, after a write to it was undone.
    pub(super) fn note_present(&mut self, cf: Cf, key: &[u8]) {
        let consulted = self.consulted;
        match self.get(cf, key) {
            Ok(value) => {
                let value = value.as_deref().map(|value| (value, &b""[..]));
                self.watched.note(cf, key, value);
            }
            Err(_) => self.watched.lose_all(),
        }
        self.consulted = consulted;
    }
}
