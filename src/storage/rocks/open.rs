//! Opening a directory: every check that can be made before RocksDB writes to it, then the database itself.
//!
//! The order, and why:
//! 1. Take the directory's lock, so that nothing below looks at files that another server is changing. Settle a full copy
//!    that a crash has cut off while it was put in place ([`super::super::swap`]).
//! 2. Inspect the files ([`super::super::inspect`]): what RocksDB would overwrite, or open silently short, is refused.
//! 3. Open, with the compaction filters still blind.
//! 4. Compare what was recovered with what the inspection found and with what is known to have been synced.
//! 5. Check the key layout. Only then may the filters see the database.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rocksdb::{ColumnFamily, ColumnFamilyDescriptor, DB, ErrorKind, ReadTier, WriteOptions};

use super::super::cf::Cf;
use super::super::error::OpenError;
use super::super::filters::{FilterSettings, ScanRegistry};
use super::super::inspect::{self, Found};
use super::super::options::OpenOptions;
use super::super::probe;
use super::super::swap;
use super::backing::backing;
use super::filter::{self, FilterLink};
use super::tune::Tuned;
use super::{Engine, Rocks, Shared, db_dir, read_tier};

/// Opens the database; see [`Rocks::open`].
pub(super) fn open(options: &OpenOptions) -> Result<Rocks, OpenError> {
    fs::create_dir_all(&options.dir).map_err(|error| io_error("create", &options.dir, &error))?;
    let lock = DirLock::take(&options.dir)?;
    let swap_error = |error: io::Error| io_error("settle the full copy in", &options.dir, &error);
    let synced_before = match swap::recover(&options.dir).map_err(swap_error)? {
        swap::Found::Settled => return open_locked(options, lock),
        swap::Found::Replaced { synced_before } => synced_before,
    };
    let copy = OpenOptions {
        last_synced_seq: None,
        ..options.clone()
    };
    let mut rocks = match open_locked(&copy, lock.clone()) {
        // Neither says anything about the copy.
        Err(error @ (OpenError::Io { .. } | OpenError::Locked { .. })) => return Err(error),
        Err(error) => {
            log::error!(
                "the full copy that was put in place does not open, the data from before is taken back: {error}"
            );
            swap::take_back(&options.dir).map_err(swap_error)?;
            let before = OpenOptions {
                last_synced_seq: synced_before,
                ..options.clone()
            };
            open_locked(&before, lock)?
        }
        Ok(rocks) => rocks,
    };
    if let Some(shared) = Arc::get_mut(&mut rocks.0) {
        shared.is_replaced = true;
    }
    Ok(rocks)
}

/// Opens the database in a directory that is locked already.
pub(super) fn open_locked(
    options: &OpenOptions,
    lock: Option<DirLock>,
) -> Result<Rocks, OpenError> {
    #[cfg(test)]
    if let Some(disk) = super::simulated::disk_at(&options.dir) {
        return super::simulated::open(disk, options);
    }
    let db_dir = db_dir(&options.dir);
    let found = inspect::inspect(&db_dir, options)?;
    let tuned = Tuned::new(&options.rocksdb).map_err(|error| OpenError::Settings {
        what: error.into_string(),
    })?;
    let scans = Arc::new(ScanRegistry::default());
    let link = Arc::new(FilterLink::default());
    let filters = Arc::new(FilterSettings {
        slot_encoded: options.slot_encoded,
        scans: Arc::clone(&scans),
        unix_now: options.unix_now,
        is_patient: Arc::clone(&options.patient_filters),
    });
    let db = open_db(&db_dir, &found, &tuned, &link, &filters)?;
    let families = family_handles(&db)?;
    let engine = Arc::new(Engine {
        db,
        families,
        read: read_tier(ReadTier::All),
        read_cached: read_tier(ReadTier::BlockCache),
        read_uncached: {
            let mut read = read_tier(ReadTier::All);
            read.fill_cache(false);
            read
        },
        write: [false, true]
            .map(|sync| [false, true].map(|no_slowdown| write_options(sync, no_slowdown))),
        tuned,
        append_refused: AtomicBool::new(false),
    });
    let rocks = Rocks(Arc::new(Shared {
        engine: backing(&engine),
        link: Arc::clone(&link),
        scans,
        lock,
        options: options.clone(),
        families_count: found.families_count(),
        is_replaced: false,
    }));
    found.check_recovered(rocks.last_seq(), options)?;
    probe::check_slot_encoding(&rocks, options.slot_encoded)?;
    link.connect(engine);
    Ok(rocks)
}

/// Opens all tables of a database that is not in use; see [`super::super::swap::check_tables`].
pub(in super::super) fn check_tables(
    db_dir: &Path,
    options: &OpenOptions,
) -> Result<(), OpenError> {
    let tuned = Tuned::new(&options.rocksdb).map_err(|error| OpenError::Settings {
        what: error.into_string(),
    })?;
    let mut all_open = tuned.db().clone();
    // RocksDB opens no more than sixteen tables at first where their number is bounded.
    all_open.set_max_open_files(-1);
    let names = DB::list_cf(&all_open, db_dir).map_err(|error| open_error(db_dir, error))?;
    let families = names.into_iter().map(|name| {
        let options = tuned.family(Cf::from_name(&name));
        ColumnFamilyDescriptor::new(name, options)
    });
    DB::open_cf_descriptors_read_only(&all_open, db_dir, families, false)
        .map(drop)
        .map_err(|error| open_error(db_dir, error))
}

fn open_db(
    db_dir: &Path,
    found: &Found,
    tuned: &Tuned,
    link: &Arc<FilterLink>,
    filters: &Arc<FilterSettings>,
) -> Result<DB, OpenError> {
    let mut options = tuned.db().clone();
    options.create_if_missing(found.is_fresh());
    options.create_missing_column_families(true);
    let existing = if found.is_fresh() {
        Vec::new()
    } else {
        DB::list_cf(&options, db_dir).map_err(|error| open_error(db_dir, error))?
    };
    let further = existing
        .into_iter()
        .filter(|name| Cf::from_name(name).is_none());
    let descriptors: Vec<ColumnFamilyDescriptor> = Cf::ALL
        .into_iter()
        .map(|cf| {
            let mut options = tuned.family(Some(cf));
            filter::install(&mut options, cf, link, filters);
            ColumnFamilyDescriptor::new(cf.name(), options)
        })
        .chain(further.map(|name| ColumnFamilyDescriptor::new(name, tuned.family(None))))
        .collect();
    DB::open_cf_descriptors(&options, db_dir, descriptors)
        .map_err(|error| open_error(db_dir, error))
}

fn family_handles(db: &DB) -> Result<[&'static ColumnFamily; Cf::COUNT], OpenError> {
    let mut handles = Vec::with_capacity(Cf::COUNT);
    for cf in Cf::ALL {
        let handle = db.cf_handle(cf.name()).ok_or_else(|| OpenError::Foreign {
            what: format!("there is no column family {}", cf.name()),
        })?;
        let handle: *const ColumnFamily = handle;
        // SAFETY: the handle is owned by a heap-allocated map inside `db` that is never changed after opening, so it
        // stays where it is when `db` is moved, and `Engine` drops its references together with `db`.
        handles.push(unsafe { &*handle });
    }
    match <[&'static ColumnFamily; Cf::COUNT]>::try_from(handles) {
        Ok(handles) => Ok(handles),
        Err(_) => unreachable!("one handle was pushed for each family"),
    }
}

fn write_options(sync: bool, no_slowdown: bool) -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(sync);
    options.set_no_slowdown(no_slowdown);
    options
}

/// Sorts RocksDB's open errors.
fn open_error(db_dir: &Path, error: rocksdb::Error) -> OpenError {
    let text = error.as_ref();
    if error.kind() == ErrorKind::IOError
        && (text.contains("lock file") || text.contains("lock hold"))
    {
        return OpenError::Locked {
            dir: db_dir.to_path_buf(),
        };
    }
    match error.kind() {
        ErrorKind::Corruption | ErrorKind::NotFound => OpenError::Damaged {
            what: error.into_string(),
        },
        ErrorKind::InvalidArgument | ErrorKind::NotSupported => OpenError::Settings {
            what: error.into_string(),
        },
        _ => OpenError::Io {
            what: format!("cannot open {}: {}", db_dir.display(), error.into_string()),
        },
    }
}

fn io_error(verb: &str, path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io {
        what: format!("cannot {verb} {}: {error}", path.display()),
    }
}

/// The lock on a data directory, held as long as this lives, a `kill -9` included.
///
/// Clones are the same lock. It is an advisory lock on the directory itself, so that it leaves no file behind and covers the state file too.
/// RocksDB's own lock inside `db/` is taken as well, which keeps Kvrocks out.
#[derive(Clone)]
pub struct DirLock {
    _dir: Arc<File>,
}

impl DirLock {
    /// Takes the lock; `None` on a filesystem that cannot lock directories, where RocksDB's own lock remains.
    pub fn take(dir: &Path) -> Result<Option<DirLock>, OpenError> {
        let file = File::open(dir).map_err(|error| io_error("open", dir, &error))?;
        // SAFETY: a plain system call on a descriptor that is open for the length of the call.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(DirLock {
                _dir: Arc::new(file),
            }));
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => Err(OpenError::Locked {
                dir: dir.to_path_buf(),
            }),
            _ => {
                log::warn!(
                    "cannot lock the directory {}: {error}; relying on RocksDB's lock",
                    dir.display()
                );
                Ok(None)
            }
        }
    }
}
