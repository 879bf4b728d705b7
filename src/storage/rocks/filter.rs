//! Joins the compaction filters of [`super::super::filters`] to RocksDB.

use std::ffi::CStr;
use std::sync::{Arc, RwLock};

use rocksdb::compaction_filter::CompactionFilter;
use rocksdb::compaction_filter_factory::{CompactionFilterContext, CompactionFilterFactory};
use rocksdb::{CompactionDecision, Options};

use super::super::cf::Cf;
use super::super::filters::{FilterKind, FilterSettings, FilterState, MetadataSource, Verdict};
use super::Engine;

/// The filters' way back into the database: empty until it is open and its key layout is proven, empty again from the
/// moment it closes.
///
/// A filter borrows the database under the read lock and never keeps it, so the database is never closed by one of
/// its own compaction threads, which would wait for itself.
#[derive(Default)]
pub(super) struct FilterLink {
    engine: RwLock<Option<Arc<Engine>>>,
}

impl FilterLink {
    /// Lets the filters look into the database from now on.
    pub(super) fn connect(&self, engine: Arc<Engine>) {
        *self
            .engine
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(engine);
    }

    /// Ends it; waits for a look-up in progress.
    pub(super) fn disconnect(&self) {
        self.engine
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
    }
}

impl MetadataSource for FilterLink {
    fn with_metadata<R>(&self, key: &[u8], look: impl FnOnce(Option<&[u8]>) -> R) -> Option<R> {
        let engine = self
            .engine
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let engine = engine.as_ref()?;
        match engine
            .db
            .get_pinned_cf_opt(engine.handle(Cf::Metadata), key, &engine.read_uncached)
        {
            Ok(value) => Some(look(value.as_deref())),
            Err(_) => None,
        }
    }

    fn is_open(&self) -> bool {
        self.engine
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .is_some()
    }
}

/// Gives a family's options its filter, where it has one.
pub(super) fn install(
    options: &mut Options,
    cf: Cf,
    link: &Arc<FilterLink>,
    settings: &Arc<FilterSettings>,
) {
    let Some(kind) = FilterKind::of(cf) else {
        return;
    };
    options.set_compaction_filter_factory(Factory {
        kind,
        link: Arc::clone(link),
        settings: Arc::clone(settings),
    });
}

struct Factory {
    kind: FilterKind,
    link: Arc<FilterLink>,
    settings: Arc<FilterSettings>,
}

impl CompactionFilterFactory for Factory {
    type Filter = Filter;

    fn create(&mut self, _context: CompactionFilterContext) -> Filter {
        Filter {
            kind: self.kind,
            state: FilterState::new(self.kind, Arc::clone(&self.settings)),
            link: Arc::clone(&self.link),
        }
    }

    fn name(&self) -> &CStr {
        name(self.kind)
    }
}

/// One compaction's filter; RocksDB uses it on one thread.
struct Filter {
    kind: FilterKind,
    state: FilterState,
    link: Arc<FilterLink>,
}

impl CompactionFilter for Filter {
    fn filter(&mut self, _level: u32, key: &[u8], value: &[u8]) -> CompactionDecision {
        match self.state.judge(key, value, &*self.link) {
            Verdict::Keep => CompactionDecision::Keep,
            Verdict::Remove => CompactionDecision::Remove,
        }
    }

    fn name(&self) -> &CStr {
        name(self.kind)
    }
}

/// Only for RocksDB's log; nothing on disk depends on it.
fn name(kind: FilterKind) -> &'static CStr {
    match kind {
        FilterKind::Metadata => c"MetadataFilter",
        FilterKind::Subkey => c"SubkeyFilter",
        FilterKind::Pubsub => c"PubsubFilter",
        FilterKind::Propagate => c"PropagateFilter",
    }
}
