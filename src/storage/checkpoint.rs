//! Checkpoints: the frozen copy of the database that a full copy ships, below `$dir/checkpoint`.
//!
//! [`CheckpointState`] is the rule, without I/O: who gets which checkpoint, and when it goes. [`CheckpointMaker::create`], [`remove`] and [`list`] do
//! the work, on a worker.
//!
//! A Kvrocks replica that resumes skips every file whose *name* it has, the MANIFEST too, so a name must not stand for other
//! contents within a day. Tables, blobs and OPTIONS never repeat a number in a database; a log is new in each checkpoint, as the memtables
//! are written out for it. Only the MANIFEST grows under its name: from a process's second checkpoint on it gets a number of its own
//! (RocksDB takes any that `CURRENT` names).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::rocks::Rocks;
use super::seq::Seq;
use crate::clock::MonoMs;

#[cfg(test)]
mod tests;

/// The checkpoint that is served, below the data directory.
const SERVED: &str = "checkpoint";
/// One that is being made or removed, and RocksDB's own name for one that it is making.
const LEFTOVERS: [&str; 3] = ["checkpoint.part", "checkpoint.part.tmp", "checkpoint.old"];

/// How far apart the numbers are that a MANIFEST gets in the checkpoints of one process: more than a database uses up in a day.
const MANIFEST_NUMBER_STEP: u64 = 1_000_000;

/// Milliseconds that a checkpoint is given to new replicas at most and at least, whatever the log is kept for.
const REUSE_MS_MAX: u64 = 3600 * 1000;
const REUSE_MS_MIN: u64 = 600 * 1000;
/// Milliseconds after which a checkpoint that nobody fetches goes.
const IDLE_MS_MAX: u64 = 30 * 1000;
/// Milliseconds after which a checkpoint goes even while it is fetched.
const AGE_MS_MAX: u64 = 24 * 3600 * 1000;

/// Where the checkpoint is that is served, below a data directory.
pub fn served_dir(dir: &Path) -> PathBuf {
    dir.join(SERVED)
}

/// The checkpoint in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    made_at: MonoMs,
    used_at: MonoMs,
    /// It holds every update up to this one, perhaps more.
    seq: Seq,
}

/// What to do for a replica that asks for the list of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve the checkpoint that is there.
    Serve,
    /// Have a worker remove what is there and make one; then tell [`CheckpointState::created`] or [`CheckpointState::failed`].
    Create,
    /// One is being made (or removed) for others: wait for it.
    Wait,
    /// Others still fetch one that is too old for this replica: it has to try later.
    TooOld,
}

/// Which checkpoint there is, who uses it, when it goes. Pure; the source of the numbers is `kvrocks-replication.md` 5.3. Other than
/// Kvrocks, one that is too old and that nobody fetches is replaced at once.
#[derive(Debug, Default)]
pub struct CheckpointState {
    current: Option<Current>,
    /// A worker makes or removes one.
    is_busy: bool,
    /// Connections that list or fetch.
    senders: usize,
}

impl CheckpointState {
    /// At the start of a process: a worker runs [`remove`], as what an earlier one left is of unknown age; then tell
    /// [`CheckpointState::removed`].
    pub fn at_start() -> CheckpointState {
        CheckpointState {
            is_busy: true,
            ..CheckpointState::default()
        }
    }

    /// Whether a worker makes or removes one now.
    pub fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Connections that list or fetch now.
    pub fn senders(&self) -> usize {
        self.senders
    }

    /// A replica asks for the files. `oldest` is the first update in the log, `last_seq` the last committed one, `wal_ttl_ms` how
    /// long the log is kept.
    pub fn request(
        &mut self,
        now: MonoMs,
        oldest: Option<Seq>,
        last_seq: Seq,
        wal_ttl_ms: u64,
    ) -> Decision {
        if self.is_busy {
            return Decision::Wait;
        }
        if let Some(current) = self.current {
            let reuse_ms = (wal_ttl_ms / 2).clamp(REUSE_MS_MIN, REUSE_MS_MAX);
            // The replica goes on after it: that must still be in the log.
            let continues = current.seq == last_seq
                || oldest.is_some_and(|oldest| oldest <= current.seq.next());
            if now.since(current.made_at) <= reuse_ms && continues {
                return Decision::Serve;
            }
            if self.senders > 0 {
                return Decision::TooOld;
            }
        }
        self.current = None;
        self.is_busy = true;
        Decision::Create
    }

    /// A checkpoint was made; `seq` was the last update before it was begun.
    pub fn created(&mut self, now: MonoMs, seq: Seq) {
        self.is_busy = false;
        self.current = Some(Current {
            made_at: now,
            used_at: now,
            seq,
        });
    }

    /// It was not made, and nothing is there.
    pub fn failed(&mut self) {
        self.is_busy = false;
    }

    /// Whether files may be sent: there is a checkpoint.
    pub fn is_served(&self) -> bool {
        self.current.is_some()
    }

    /// A connection begins to list or fetch.
    pub fn sender_began(&mut self) {
        self.senders += 1;
    }

    /// It ended.
    pub fn sender_ended(&mut self, now: MonoMs) {
        self.senders = self.senders.saturating_sub(1);
        if let Some(current) = &mut self.current {
            current.used_at = now;
        }
    }

    /// Whether a worker should remove the checkpoint now; then tell [`CheckpointState::removed`]. Asked every few seconds.
    pub fn remove_now(&mut self, now: MonoMs) -> bool {
        let Some(current) = self.current else {
            return false;
        };
        let is_idle = self.senders == 0 && now.since(current.used_at) > IDLE_MS_MAX;
        if self.is_busy || !(is_idle || now.since(current.made_at) > AGE_MS_MAX) {
            return false;
        }
        self.current = None;
        self.is_busy = true;
        true
    }

    /// The checkpoint is gone.
    pub fn removed(&mut self) {
        self.is_busy = false;
    }

    /// There is no use in the checkpoint any more: the database was replaced and it was removed with the old one, or its files cannot
    /// be read.
    pub fn forget(&mut self) {
        self.current = None;
    }

    /// The log cannot be read from this update on: a replica could not go on after a checkpoint from before it.
    pub fn log_broken_at(&mut self, seq: Seq) {
        self.current.take_if(|current| current.seq.next() <= seq);
    }
}

/// Makes checkpoints of one process's database; for the worker.
#[derive(Debug, Default)]
pub struct CheckpointMaker {
    made: u64,
}

impl CheckpointMaker {
    /// Replaces what is below `$dir/checkpoint` by a checkpoint of now. Gives the last update before it was begun: the
    /// checkpoint holds that and everything before it.
    pub fn create(&mut self, rocks: &Rocks) -> Result<Seq, StoreError> {
        let dir = rocks.options().dir.clone();
        let io_error = |error: io::Error| StoreError::Io {
            text: format!("no checkpoint in {}: {error}", dir.display()),
        };
        remove(&dir).map_err(io_error)?;
        let seq = rocks.last_seq();
        let part = dir.join(LEFTOVERS[0]);
        let serial = self.made;
        self.made += 1;
        let made = rocks.create_checkpoint(&part).and_then(|()| {
            if serial > 0 {
                renumber_manifest(&part, serial).map_err(io_error)?;
            }
            fs::rename(&part, dir.join(SERVED)).map_err(io_error)
        });
        if made.is_err() {
            // What it has taken up of the disk is wanted back, above all when the disk was full.
            remove(&dir).map_err(io_error)?;
        }
        made.map(|()| seq)
    }
}

/// Gives the MANIFEST of a checkpoint another number.
fn renumber_manifest(checkpoint: &Path, serial: u64) -> io::Result<()> {
    let bad_data = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let current = fs::read_to_string(checkpoint.join("CURRENT"))?;
    let name = current.trim_end();
    let number = name
        .strip_prefix("MANIFEST-")
        .and_then(|digits| digits.parse::<u64>().ok())
        .ok_or_else(|| bad_data("CURRENT names no MANIFEST"))?;
    let number = serial
        .checked_mul(MANIFEST_NUMBER_STEP)
        .and_then(|step| number.checked_add(step))
        .ok_or_else(|| bad_data("the MANIFEST's number is too large"))?;
    let renamed = format!("MANIFEST-{number:06}");
    fs::rename(checkpoint.join(name), checkpoint.join(&renamed))?;
    let mut file = File::create(checkpoint.join("CURRENT"))?;
    file.write_all(format!("{renamed}\n").as_bytes())?;
    file.sync_all()?;
    File::open(checkpoint)?.sync_all()
}

/// Removes the checkpoint and whatever a crash has left of others. Also for the start of the process: how old one is that was
/// found is not known.
pub fn remove(dir: &Path) -> io::Result<()> {
    // Out of sight first, so that nobody lists half of it.
    match fs::rename(dir.join(SERVED), dir.join(LEFTOVERS[2])) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // The earlier one is still there: then both go from where they are.
        Err(_) => remove_dir(&dir.join(SERVED))?,
    }
    for name in LEFTOVERS {
        remove_dir(&dir.join(name))?;
    }
    Ok(())
}

fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// The files of the checkpoint below `$dir/checkpoint`, by name: tables, blobs, logs and the rest; no directories, no links.
pub fn list(dir: &Path) -> io::Result<Vec<CheckpointFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir.join(SERVED))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
            files.push(CheckpointFile {
                name,
                bytes: metadata.len(),
            });
        }
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
