//! The state file on disk: two copies of the state in one file that keeps its length.
//!
//! A new state is written over the older copy and synced. Nothing about the file itself changes, so that costs one write of the
//! disk (0.4 to 1.9 ms under load) where replacing a file costs its journal's commits too (1 to 10 ms); a change of role waits for it.
//! A crash in the middle leaves a copy that does not check, and the other is the state. Once there is time the newest state is
//! written over the other copy as well: from then on a byte that rots in one of them does no harm.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::state_file::{DecodeError, DurableState, StateError};
#[cfg(test)]
use crate::storage::rocks::simulated::{Disk, disk_at};

/// Its name in the data directory.
pub const FILE_NAME: &str = "stillpoint.state";
const TEMPORARY_NAME: &str = "stillpoint.state.tmp";
/// Bytes of a copy; the text is shorter, and zeros follow. A multiple of a disk's block.
pub const COPY_BYTES: usize = 16 * 1024;
const COPIES: usize = 2;

/// The file, for its only writer.
#[derive(Debug)]
pub struct StateFile {
    dir: PathBuf,
    /// Which copy is the newest.
    newest: usize,
    /// The number of the newest state; each is greater than the one before.
    version: u64,
    /// What the other copy lacks.
    unmirrored: Option<Vec<u8>>,
    /// Written over the other copy, and not synced yet.
    unsynced: Option<(InPlace, Vec<u8>)>,
}

/// The file, open to be written in place.
#[derive(Debug)]
enum InPlace {
    File(File),
    /// On the disk of a simulation.
    #[cfg(test)]
    Simulated(Disk),
}

impl InPlace {
    fn write_at(&self, bytes: &[u8], at: usize) -> io::Result<()> {
        match self {
            InPlace::File(file) => file.write_all_at(bytes, at as u64),
            #[cfg(test)]
            InPlace::Simulated(disk) => {
                disk.write_state_at(bytes, at);
                Ok(())
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self {
            InPlace::File(file) => file.sync_data(),
            #[cfg(test)]
            InPlace::Simulated(disk) => {
                disk.sync_state();
                Ok(())
            }
        }
    }
}

impl StateFile {
    /// The state file of the data directory `dir` and what it says; `None` when there is none yet.
    ///
    /// Refuses a file neither of whose copies checks, and leaves it as it is.
    pub fn open(dir: &Path) -> Result<(StateFile, Option<DurableState>), StateError> {
        let mut file = StateFile {
            dir: dir.to_path_buf(),
            newest: 0,
            version: 0,
            unmirrored: None,
            unsynced: None,
        };
        let path = file.path();
        let bytes = match file.read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((file, None)),
            Err(error) => {
                return Err(StateError::Io {
                    what: format!("read {}", path.display()),
                    error,
                });
            }
        };
        let state = file.take_newest(&bytes)?;
        // After a kill the newest copy may be in the system's memory alone, and the next write goes over the other one.
        file.sync_what_was_read().map_err(|error| StateError::Io {
            what: format!("sync {}", path.display()),
            error,
        })?;
        Ok((file, Some(state)))
    }

    /// What a simulated disk holds.
    #[cfg(test)]
    pub fn simulated(&self) -> Option<DurableState> {
        disk_at(&self.dir)?;
        StateFile::open(&self.dir).ok()?.1
    }

    /// The process ends in the middle of the next write, be it of this state or of the second copy: so many bytes of it are there.
    #[cfg(test)]
    pub fn tear(&mut self, state: Option<&DurableState>, bytes: usize) {
        let state = state.map(|state| padded(state.encode(self.version + 1)));
        if let Some(whole) = state.or_else(|| self.unmirrored.clone())
            && let Ok(file) = self.open_or_create(&whole)
        {
            let torn = &whole[..bytes.min(COPY_BYTES)];
            file.write_at(torn, offset(self.older()))
                .expect("a simulated disk");
        }
    }

    /// Makes this the state, on disk when it returns. Blocks for the disk: not on the loop while it serves clients.
    ///
    /// After an error the old state stands, or the new one; never a mixture.
    pub fn store(&mut self, state: &DurableState) -> Result<(), StateError> {
        self.write(state)?;
        self.sync()
    }

    /// The first half of [`StateFile::store`]: a crash of the process leaves this state, one of the machine may leave the old one.
    pub fn write(&mut self, state: &DurableState) -> Result<(), StateError> {
        self.version += 1;
        let bytes = padded(state.encode(self.version));
        let written = self.open_or_create(&bytes).and_then(|file| {
            file.write_at(&bytes, offset(self.older()))?;
            Ok(file)
        });
        let file = written.map_err(|error| self.write_error(error))?;
        self.unsynced = Some((file, bytes));
        Ok(())
    }

    /// The second half: nothing takes this state back.
    pub fn sync(&mut self) -> Result<(), StateError> {
        let Some((file, bytes)) = self.unsynced.take() else {
            return Ok(());
        };
        file.sync().map_err(|error| self.write_error(error))?;
        self.newest = self.older();
        self.unmirrored = Some(bytes);
        Ok(())
    }

    /// Whether the copies differ.
    pub fn is_unmirrored(&self) -> bool {
        self.unmirrored.is_some()
    }

    /// Writes the newest state over the older copy as well. Blocks for the disk. After an error the state is still what it was.
    pub fn mirror(&mut self) -> Result<(), StateError> {
        let Some(bytes) = self.unmirrored.take() else {
            return Ok(());
        };
        let mirrored = self.open_or_create(&bytes).and_then(|file| {
            file.write_at(&bytes, offset(self.older()))?;
            file.sync()
        });
        mirrored.map_err(|error| self.write_error(error))
    }

    /// The copy that is written next.
    fn older(&self) -> usize {
        (self.newest + 1) % COPIES
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        #[cfg(test)]
        if let Some(disk) = disk_at(&self.dir) {
            return disk.state_file().ok_or(io::ErrorKind::NotFound.into());
        }
        read_bounded(&self.path())
    }

    fn sync_what_was_read(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some(disk) = disk_at(&self.dir) {
            disk.sync_state();
            return Ok(());
        }
        File::open(self.path())?.sync_data()
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE_NAME)
    }

    fn write_error(&self, error: io::Error) -> StateError {
        StateError::Io {
            what: format!("write {}", self.path().display()),
            error,
        }
    }

    /// The newer copy of those that check.
    fn take_newest(&mut self, bytes: &[u8]) -> Result<DurableState, StateError> {
        let path = self.path();
        if bytes.len() > COPIES * COPY_BYTES {
            let what = "it is too long".to_owned();
            return Err(StateError::Damaged { path, what });
        }
        let mut newest: Option<(u64, usize, DurableState)> = None;
        let mut damage = None;
        for (at, copy) in bytes.chunks(COPY_BYTES).enumerate() {
            match DurableState::decode(without_padding(copy)) {
                Ok((version, state)) => {
                    if newest.as_ref().is_none_or(|(other, ..)| version > *other) {
                        newest = Some((version, at, state));
                    }
                }
                // An older release must not go on with the older copy.
                Err(DecodeError::Newer(header)) => return Err(StateError::Newer { path, header }),
                Err(DecodeError::Damaged(what)) => {
                    damage.get_or_insert(what);
                }
            }
        }
        let Some((version, at, state)) = newest else {
            let what = damage.unwrap_or_else(|| "it is empty".to_owned());
            return Err(StateError::Damaged { path, what });
        };
        if damage.is_some() {
            log::info!(
                "one of the two copies in {} does not check, as after a crash in the middle of a write; the other is taken",
                path.display()
            );
        }
        self.newest = at;
        self.version = version;
        Ok(state)
    }

    /// The file if it is there and whole, else a new one that holds `bytes`.
    fn open_or_create(&self, bytes: &[u8]) -> io::Result<InPlace> {
        #[cfg(test)]
        if let Some(disk) = disk_at(&self.dir) {
            if disk.state_file().is_none() {
                disk.create_state_file(bytes.repeat(COPIES));
            }
            return Ok(InPlace::Simulated(disk));
        }
        let open = || OpenOptions::new().write(true).open(self.path());
        match open() {
            Ok(file) if file.metadata()?.len() == offset(COPIES) as u64 => {
                return Ok(InPlace::File(file));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.create(bytes)?;
        open().map(InPlace::File)
    }

    /// A file whose copies are both `bytes` takes the place of whatever there is.
    fn create(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.dir.join(TEMPORARY_NAME);
        let mut file = File::create(&temporary)?;
        for _ in 0..COPIES {
            file.write_all(bytes)?;
        }
        file.sync_all()?;
        drop(file);
        fs::rename(temporary, self.path())?;
        File::open(&self.dir)?.sync_all()
    }
}

fn offset(copy: usize) -> usize {
    copy * COPY_BYTES
}

fn padded(mut text: Vec<u8>) -> Vec<u8> {
    assert!(text.len() <= COPY_BYTES, "a state of {} bytes", text.len());
    text.resize(COPY_BYTES, 0);
    text
}

fn without_padding(copy: &[u8]) -> &[u8] {
    let zeros = copy.iter().rev().take_while(|byte| **byte == 0).count();
    &copy[..copy.len() - zeros]
}

/// A file that is not much longer than it may be.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = (COPIES * COPY_BYTES + 1) as u64;
    io::Read::read_to_end(&mut io::Read::take(File::open(path)?, most), &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::state_file::DurableRole;
    use crate::storage::rocks::simulated::{Crash, Mounted};
    use crate::storage::seq::Seq;

    fn synced(seq: u64) -> DurableState {
        DurableState {
            synced_seq: Some(Seq::new(seq)),
            ..DurableState::default()
        }
    }

    fn load(dir: &Path) -> Option<DurableState> {
        StateFile::open(dir).unwrap().1
    }

    fn stored(dir: &Path, seqs: &[u64]) -> StateFile {
        let (mut file, _) = StateFile::open(dir).unwrap();
        for seq in seqs {
            file.store(&synced(*seq)).unwrap();
        }
        file
    }

    fn damage(dir: &Path, at: usize) {
        let path = dir.join(FILE_NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn stored_state_is_loaded_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()), None);
        for seq in 1..6 {
            stored(dir.path(), &[seq]);
            assert_eq!(load(dir.path()), Some(synced(seq)));
        }
        let file = stored(dir.path(), &[6, 7, 8]);
        assert_eq!((file.version, file.is_unmirrored()), (8, true));
        assert_eq!(load(dir.path()), Some(synced(8)));
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [FILE_NAME], "no temporary file is left");
    }

    #[test]
    fn a_write_that_was_cut_off_leaves_the_state_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = stored(dir.path(), &[1, 2, 3]);
        damage(dir.path(), file.newest * COPY_BYTES + 40);
        assert_eq!(load(dir.path()), Some(synced(2)));
        // And the next one is written over what is damaged.
        stored(dir.path(), &[9]);
        assert_eq!(load(dir.path()), Some(synced(9)));
        assert!(stored(dir.path(), &[10]).is_unmirrored());
        assert_eq!(load(dir.path()), Some(synced(10)));
    }

    #[test]
    fn a_power_cut_in_the_first_write_after_a_kill_leaves_what_was_found() {
        let dir = Path::new("/simulated/state-copies");
        let mounted = Mounted::new(dir);
        let mut file = stored(dir, &[1, 2]);
        file.write(&synced(3)).unwrap();
        mounted.disk.crash(Crash::Process);
        let (mut file, found) = StateFile::open(dir).unwrap();
        assert_eq!(found, Some(synced(3)), "written, and not synced");
        file.write(&synced(4)).unwrap();
        mounted.disk.crash(Crash::Power {
            unsynced_records_left: 0,
            state_bytes_left: 30,
        });
        assert_eq!(load(dir), Some(synced(3)));
    }

    #[test]
    fn once_mirrored_either_copy_will_do() {
        for copy in 0..COPIES {
            let dir = tempfile::tempdir().unwrap();
            let mut file = stored(dir.path(), &[1, 2, 3]);
            file.mirror().unwrap();
            assert!(!file.is_unmirrored());
            damage(dir.path(), copy * COPY_BYTES + 3);
            assert_eq!(load(dir.path()), Some(synced(3)));
        }
    }

    #[test]
    fn a_file_that_was_removed_meanwhile_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = stored(dir.path(), &[1]);
        fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        file.store(&synced(2)).unwrap();
        assert_eq!(load(dir.path()), Some(synced(2)));
        fs::write(dir.path().join(TEMPORARY_NAME), b"half a sta").unwrap();
        fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
        file.store(&synced(3)).unwrap();
        assert_eq!(load(dir.path()), Some(synced(3)));
    }

    #[test]
    fn a_file_without_a_copy_that_checks_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        for bytes in [
            &b"stillpoint-state 1\nrole primary\n"[..],
            b"",
            &[b'x'; COPIES * COPY_BYTES],
            &[0; COPIES * COPY_BYTES + 1],
        ] {
            fs::write(&path, bytes).unwrap();
            let error = StateFile::open(dir.path()).unwrap_err();
            assert!(matches!(error, StateError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("stillpoint.state is damaged"));
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn a_copy_of_a_newer_release_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        stored(dir.path(), &[1, 2]);
        let path = dir.path().join(FILE_NAME);
        let mut bytes = fs::read(&path).unwrap();
        let newer = b"stillpoint-state 2\nanything\n";
        bytes[..newer.len()].copy_from_slice(newer);
        fs::write(&path, bytes).unwrap();
        let error = StateFile::open(dir.path()).unwrap_err();
        assert!(matches!(error, StateError::Newer { .. }), "{error}");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, _) = StateFile::open(&dir.path().join("missing")).unwrap();
        let error = file
            .store(&DurableState {
                role: DurableRole::Primary,
                ..DurableState::default()
            })
            .unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }
}
