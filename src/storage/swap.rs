//! Putting a fetched copy in the place of the database, so that a crash at any moment leaves the old or the new data, and the
//! next start knows which.
//!
//! ```text
//! what                                     db     db.tmp  sync_checkpoint  stillpoint.swap
//! the copy is fetched                      old    -       new              -
//! DiscardLeftovers, SyncCopy, WriteNote    old    -       new              note
//! SetOldAside                              -      old     new              note
//! PutNewInPlace                            new    old     -                note
//!   opened, the state file written
//! finish                                   new    -       -                -
//! ```
//!
//! A start that finds no `db` takes back the old data. One that finds the note and both opens the new data, and takes the old
//! back if it does not open. The old data goes last, once the new one has been opened and the state file speaks of it: the state file's
//! last fsynced sequence is the old data's until then, and the note says so.
//!
//! Everything here blocks: for a worker, and the start. The directory's lock is held throughout, as it is on `$dir` itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::checkpoint;
use super::error::OpenError;
use super::inspect;
use super::options::OpenOptions;
#[cfg(test)]
use super::rocks::simulated::disk_at;
use super::rocks::{self, Closed, Rocks, db_dir};
use super::seq::Seq;

#[cfg(test)]
mod tests;

/// Old data while the new one is put in place; Kvrocks's name for it.
const OLD: &str = "db.tmp";
/// New data that did not open.
const FAILED: &str = "db.failed";
/// Says that a replacement is under way.
const NOTE: &str = "stillpoint.swap";
const NOTE_TEMPORARY: &str = "stillpoint.swap.tmp";
const NOTE_HEADER: &str = "stillpoint-swap 1";

/// Where a copy is fetched to, below a data directory.
pub fn copy_dir(dir: &Path) -> PathBuf {
    dir.join("sync_checkpoint")
}

/// What came of [`exchange`].
pub enum Exchanged {
    /// The copy is open. The caller stores a state file that speaks of it, then calls [`finish`].
    New(Rocks),
    /// The copy was not taken; the old data is open again.
    Old {
        /// The old data.
        rocks: Rocks,
        /// Why.
        why: String,
    },
    /// Neither could be opened.
    Neither {
        /// The directory, still locked; [`Closed::open`] tries again.
        closed: Closed,
        /// Why.
        why: String,
    },
}

/// Looks at a fetched copy as a start would at a database, before anything is done for it: families, manifest, logs.
pub fn check_copy(options: &OpenOptions) -> Result<(), OpenError> {
    let options = OpenOptions {
        last_synced_seq: None,
        accept_wal_loss: false,
        ..options.clone()
    };
    let copy = copy_dir(&options.dir);
    #[cfg(test)]
    if disk_at(&options.dir).is_some_and(|disk| disk.has_copy()) {
        return Ok(());
    }
    if inspect::inspect(&copy, &options)?.is_fresh() {
        return Err(OpenError::Damaged {
            what: format!("there is no database in {}", copy.display()),
        });
    }
    Ok(())
}

/// Opens every table of a fetched copy, which a start does with the first few: each must be the very one that the MANIFEST means, by its
/// size and by the unique id that both have. Nothing is written but RocksDB's own log of it. Takes some milliseconds a table.
pub fn check_tables(options: &OpenOptions) -> Result<(), OpenError> {
    rocks::check_tables(&copy_dir(&options.dir), options)
}

/// Puts the fetched copy in the place of a closed database and opens it; on any failure the old data is taken back and opened.
/// `synced_before` is what the state file says of the old data.
pub fn exchange(closed: Closed, synced_before: Option<Seq>) -> Exchanged {
    let dir = closed.dir().to_path_buf();
    let (closed, why) = match replace(&dir, synced_before) {
        Ok(()) => match closed.open(None) {
            Ok(rocks) => return Exchanged::New(rocks),
            Err((closed, error)) => (closed, format!("the copy does not open: {error}")),
        },
        Err(error) => (closed, format!("the copy cannot be put in place: {error}")),
    };
    if let Err(error) = take_back(&dir) {
        let why = format!("{why}; and the old data cannot be taken back: {error}");
        return Exchanged::Neither { closed, why };
    }
    match closed.open(synced_before) {
        Ok(rocks) => Exchanged::Old { rocks, why },
        Err((closed, error)) => Exchanged::Neither {
            closed,
            why: format!("{why}; and the old data does not open: {error}"),
        },
    }
}

/// One step of a replacement. Between any two of them, and in the middle of any, a crash does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Remove what earlier attempts left, and the checkpoint of the old data.
    DiscardLeftovers,
    /// What is renamed later must be on the disk before.
    SyncCopy,
    WriteNote,
    SetOldAside,
    PutNewInPlace,
}

const STEPS: [Step; 5] = [
    Step::DiscardLeftovers,
    Step::SyncCopy,
    Step::WriteNote,
    Step::SetOldAside,
    Step::PutNewInPlace,
];

/// Puts the copy in place. The database is closed.
fn replace(dir: &Path, synced_before: Option<Seq>) -> io::Result<()> {
    #[cfg(test)]
    if disk_at(dir).is_some_and(|disk| disk.replace()) {
        return Ok(());
    }
    STEPS
        .into_iter()
        .try_for_each(|step| run_step(dir, synced_before, step))
}

fn run_step(dir: &Path, synced_before: Option<Seq>, step: Step) -> io::Result<()> {
    match step {
        Step::DiscardLeftovers => {
            // The data that was open until now is good, so whatever an earlier replacement has set aside is not needed.
            finish(dir)?;
            checkpoint::remove(dir)
        }
        Step::SyncCopy => sync_all(&copy_dir(dir)),
        Step::WriteNote => write_note(dir, synced_before),
        Step::SetOldAside => rename(dir, &db_dir(dir), &dir.join(OLD)),
        Step::PutNewInPlace => rename(dir, &copy_dir(dir), &db_dir(dir)),
    }
}

/// What a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// `db` holds the data that the state file speaks of.
    Settled,
    /// `db` holds a copy that was put in place and may not have been opened yet. If it does not open, [`take_back`].
    Replaced {
        /// What was known to be synced of the data before.
        synced_before: Option<Seq>,
    },
}

/// Settles what a crash in the middle of a replacement has left. [`Rocks::open`] calls this, with the directory locked.
pub fn recover(dir: &Path) -> io::Result<Found> {
    let (db, old) = (db_dir(dir), dir.join(OLD));
    let note = read_note(dir)?;
    match (exists(&db)?, exists(&old)?, note) {
        (true, true, Some(synced_before)) => return Ok(Found::Replaced { synced_before }),
        // Set aside, and nothing put in its place: also what a crash of Kvrocks in the middle of a full copy leaves.
        (false, true, _) => {
            log::warn!(
                "a full copy was cut off while it was put in place; the data from before is taken back"
            );
            rename(dir, &old, &db)?;
        }
        _ => {}
    }
    if note.is_some() {
        remove_note(dir)?;
    }
    Ok(Found::Settled)
}

/// Takes the old data back, as far as it was set aside. The database is closed.
pub fn take_back(dir: &Path) -> io::Result<()> {
    let (db, old, failed) = (db_dir(dir), dir.join(OLD), dir.join(FAILED));
    if read_note(dir)?.is_some() && exists(&old)? {
        if exists(&db)? {
            remove_dir(&failed)?;
            rename(dir, &db, &failed)?;
        }
        rename(dir, &old, &db)?;
    }
    remove_note(dir)?;
    remove_dir(&failed)
}

/// Ends a replacement: the data in `db` is open and the state file speaks of it. Removes the old data; takes its time.
pub fn finish(dir: &Path) -> io::Result<()> {
    #[cfg(test)]
    if let Some(disk) = disk_at(dir) {
        disk.finish_replacement();
        return Ok(());
    }
    remove_note(dir)?;
    remove_dir(&dir.join(OLD))?;
    remove_dir(&dir.join(FAILED))
}

/// Writes the note, whole or not at all.
fn write_note(dir: &Path, synced_before: Option<Seq>) -> io::Result<()> {
    let synced = synced_before.map_or("none".to_owned(), |seq| seq.to_string());
    let temporary = dir.join(NOTE_TEMPORARY);
    let mut file = File::create(&temporary)?;
    file.write_all(format!("{NOTE_HEADER}\nsynced-before {synced}\n").as_bytes())?;
    file.sync_all()?;
    rename(dir, &temporary, &dir.join(NOTE))
}

/// What the note says, if there is one.
fn read_note(dir: &Path) -> io::Result<Option<Option<Seq>>> {
    let text = match fs::read_to_string(dir.join(NOTE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let synced = text
        .strip_prefix(NOTE_HEADER)
        .and_then(|rest| rest.trim().strip_prefix("synced-before "));
    let bad = || {
        let text = format!("{NOTE} is damaged; it says that {OLD} holds data from before a copy");
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    match synced.ok_or_else(bad)? {
        "none" => Ok(Some(None)),
        number => {
            let number = number.parse().map_err(|_| bad())?;
            Ok(Some(Some(Seq::new(number))))
        }
    }
}

fn remove_note(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(NOTE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.and_then(|()| File::open(dir)?.sync_all()),
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Renames within `dir`, for good.
fn rename(dir: &Path, from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    File::open(dir)?.sync_all()
}

fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Syncs every file of a directory, and the directory.
fn sync_all(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.metadata()?.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(dir)?.sync_all()
}
