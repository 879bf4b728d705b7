//! The log files of a database, live and archived, by the update each begins with.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::super::seq::Seq;
use super::super::survey::list_logs;
use super::super::wal::{Damage, LogReader, Step};
use super::WalSourceError;

/// RocksDB moves a log here once its contents are in table files, and deletes it when it is old enough.
const ARCHIVE: &str = "archive";

/// How a log begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// With this update (or with a record without updates in front of it).
    At(Seq),
    /// It holds nothing yet.
    Empty,
    /// With records that cannot be read here.
    Compressed,
    /// With something that is no record.
    Broken(Damage),
}

/// One log.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub number: u64,
    pub path: PathBuf,
    pub first: First,
}

/// Lists logs, and remembers how they begin: what stands at a log's start never changes.
pub(super) struct LogFiles {
    db_dir: PathBuf,
    known: Mutex<HashMap<u64, First>>,
}

impl LogFiles {
    pub fn new(db_dir: PathBuf) -> LogFiles {
        LogFiles {
            db_dir,
            known: Mutex::new(HashMap::new()),
        }
    }

    pub fn db_dir(&self) -> &Path {
        &self.db_dir
    }

    /// Every log that is there, oldest first, without those whose contents were given up by a recovery.
    pub fn list(&self) -> Result<Vec<LogFile>, WalSourceError> {
        let mut files = Vec::new();
        for (number, path) in self.numbers()? {
            if let Some((path, first)) = self.first(number, &path)? {
                files.push(LogFile {
                    number,
                    path,
                    first,
                });
            }
        }
        let mut known = match self.known.lock() {
            Ok(known) => known,
            Err(poisoned) => poisoned.into_inner(),
        };
        known.retain(|number, _| files.iter().any(|file| file.number == *number));
        drop(known);
        Ok(without_given_up(files))
    }

    /// Opens a log wherever it is by now; `None` when it was deleted.
    pub fn open(&self, number: u64) -> io::Result<Option<(File, PathBuf)>> {
        let name = format!("{number:06}.log");
        // From the live to the archived ones, as a log moves; twice, should it move in between.
        let live = self.db_dir.join(&name);
        let archived = self.db_dir.join(ARCHIVE).join(&name);
        for path in [&live, &archived, &live, &archived] {
            match File::open(path) {
                Ok(file) => return Ok(Some((file, path.clone()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn numbers(&self) -> Result<BTreeMap<u64, PathBuf>, WalSourceError> {
        let io_error = |path: &Path, error| WalSourceError::Io {
            path: path.to_path_buf(),
            error,
        };
        // The live ones first: one that is archived in between is seen in both, not in none.
        let live = list_logs(&self.db_dir).map_err(|error| io_error(&self.db_dir, error))?;
        let archive = self.db_dir.join(ARCHIVE);
        let archived = match list_logs(&archive) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            archived => archived.map_err(|error| io_error(&archive, error))?,
        };
        Ok(live.into_iter().chain(archived).collect())
    }

    /// How a log begins and where it is; `None` when it was deleted meanwhile.
    fn first(&self, number: u64, path: &Path) -> Result<Option<(PathBuf, First)>, WalSourceError> {
        if let Ok(known) = self.known.lock()
            && let Some(first) = known.get(&number)
        {
            return Ok(Some((path.to_path_buf(), first.clone())));
        }
        let io_error = |error| WalSourceError::Io {
            path: path.to_path_buf(),
            error,
        };
        let Some((file, path)) = self.open(number).map_err(io_error)? else {
            return Ok(None);
        };
        let first = read_first(file, number, &path).map_err(io_error)?;
        if matches!(first, First::At(_) | First::Compressed)
            && let Ok(mut known) = self.known.lock()
        {
            known.insert(number, first.clone());
        }
        Ok(Some((path, first)))
    }
}

fn read_first(file: File, number: u64, path: &Path) -> io::Result<First> {
    let mut reader = LogReader::new(file, number);
    let step = reader.step(|_| {})?;
    if reader.is_compressed() {
        return Ok(First::Compressed);
    }
    let damage = |offset, what: &str| {
        First::Broken(Damage {
            path: path.to_path_buf(),
            offset,
            what: what.to_owned(),
        })
    };
    Ok(match step {
        Step::End => First::Empty,
        Step::Record(head) => match head.batch {
            Some((seq, _)) => First::At(seq),
            None => damage(head.offset, "a record is too short"),
        },
        Step::Broken { offset, what, .. } => damage(offset, what),
    })
}

/// Leaves out a log that begins where a later one has already begun: a recovery gave up what was behind some damage, and
/// the history went on from there in the later log.
fn without_given_up(mut files: Vec<LogFile>) -> Vec<LogFile> {
    let mut begun = Seq::MAX;
    files.reverse();
    files.retain(|file| match file.first {
        First::At(first) => {
            let counts = first <= begun;
            begun = begun.min(first);
            counts
        }
        _ => true,
    });
    files.reverse();
    files
}
