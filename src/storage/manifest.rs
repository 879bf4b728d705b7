//! Reads what RocksDB's MANIFEST says about a database that is not open: its families, its last sequence number, and
//! which logs still count.
//!
//! The MANIFEST is a log of version edits in the format of [`super::wal`]; `CURRENT` names it. Only the edits' fields
//! needed here are kept, the others are stepped over. Source: RocksDB `db/version_edit.h`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::seq::Seq;
use super::wal::{self, Damage, LogReader, Step};

/// What the MANIFEST says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The families by id.
    pub families: BTreeMap<u32, Family>,
    /// The largest id ever given to a family; the next one gets the one after it.
    pub family_id_max: u32,
    /// A lower bound of the last update: everything written out is at or below it, the live logs may hold more.
    pub last_seq: Seq,
    /// The last update that the logs before the first live one hold, or a later one: the live logs begin at the one after
    /// it, or before.
    pub live_since: Seq,
    /// Logs with a smaller number are done with.
    log_number_min: u64,
}

/// A family in the MANIFEST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Logs with a smaller number hold nothing that this family has not written out.
    log_number: u64,
}

impl Manifest {
    /// The number of the first log that RocksDB replays.
    pub fn first_live_log(&self) -> u64 {
        let unflushed = self
            .families
            .values()
            .map(|family| family.log_number)
            .min()
            .unwrap_or(0);
        self.log_number_min.max(unflushed)
    }
}

/// Why the MANIFEST could not be read.
#[derive(Debug)]
pub enum ManifestError {
    /// `CURRENT` or the MANIFEST is missing or damaged.
    Damaged(Damage),
    /// It holds an edit of a release that is not known here. RocksDB has to judge it.
    Unknown {
        /// The edit's tag.
        tag: u32,
    },
    /// The system refused to read.
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// Reads the MANIFEST that `CURRENT` in `db_dir` names.
pub fn read(db_dir: &Path) -> Result<Manifest, ManifestError> {
    let current = db_dir.join("CURRENT");
    let text = fs::read(&current).map_err(|error| ManifestError::Io {
        path: current.clone(),
        error,
    })?;
    let (name, number) = parse_current(&text).ok_or_else(|| {
        ManifestError::Damaged(Damage {
            path: current,
            offset: 0,
            what: "it does not name a MANIFEST".to_owned(),
        })
    })?;
    let path = db_dir.join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = "the file that CURRENT names is missing".to_owned();
            return Err(ManifestError::Damaged(Damage {
                path,
                offset: 0,
                what,
            }));
        }
        Err(error) => return Err(ManifestError::Io { path, error }),
    };
    read_edits(file, number, &path)
}

/// The file name and number in a `CURRENT` file.
fn parse_current(text: &[u8]) -> Option<(&str, u64)> {
    let name = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let digits = name.strip_prefix("MANIFEST-")?;
    let number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    Some((name, number))
}

fn read_edits(file: File, number: u64, path: &Path) -> Result<Manifest, ManifestError> {
    let io_error = |error| ManifestError::Io {
        path: path.to_path_buf(),
        error,
    };
    let damaged = |offset, what: &str| {
        ManifestError::Damaged(Damage {
            path: path.to_path_buf(),
            offset,
            what: what.to_owned(),
        })
    };
    let mut reader = LogReader::new(file, number);
    let mut manifest = Manifest::default();
    let mut group = Vec::new();
    let mut payload = Vec::new();
    loop {
        payload.clear();
        match reader
            .step(|piece| payload.extend_from_slice(piece))
            .map_err(io_error)?
        {
            Step::End if manifest.families.is_empty() => {
                return Err(damaged(0, "it holds nothing"));
            }
            Step::End => return Ok(manifest),
            Step::Record(record) => match Edit::decode(&payload) {
                Ok(edit) => {
                    let open_group = edit.group_edits_left;
                    group.push(edit);
                    // Edits of a group count together, or not at all when the last of them is missing.
                    if open_group == 0 {
                        for edit in group.drain(..) {
                            manifest.apply(edit);
                        }
                    }
                }
                Err(Undecoded::Unknown { tag }) => return Err(ManifestError::Unknown { tag }),
                Err(Undecoded::Short) => return Err(damaged(record.offset, "an edit is cut off")),
            },
            Step::Broken {
                record_offset,
                offset,
                what,
                is_endless,
            } => {
                let file = File::open(path).map_err(io_error)?;
                let behind = wal::whole_fragment_behind(file, offset, number).map_err(io_error)?;
                if is_endless || behind.is_some() {
                    return Err(damaged(record_offset, what));
                }
                return Ok(manifest);
            }
        }
    }
}

impl Manifest {
    fn apply(&mut self, edit: Edit) {
        let first_live = self.first_live_log();
        if let Some(name) = edit.family_added {
            self.families.insert(
                edit.family,
                Family {
                    name,
                    log_number: 0,
                },
            );
            self.family_id_max = self.family_id_max.max(edit.family);
        } else if edit.family == 0 && !self.families.contains_key(&0) {
            // The default family is never added by an edit.
            self.families.insert(
                0,
                Family {
                    name: "default".to_owned(),
                    log_number: 0,
                },
            );
        }
        if edit.family_dropped {
            self.families.remove(&edit.family);
        }
        let mut family_log_was = None;
        if let (Some(log_number), Some(family)) =
            (edit.log_number, self.families.get_mut(&edit.family))
        {
            family_log_was = Some(family.log_number);
            family.log_number = family.log_number.max(log_number);
        }
        if let Some(id) = edit.family_id_max {
            self.family_id_max = self.family_id_max.max(id);
        }
        if let Some(seq) = edit.last_seq {
            self.last_seq = self.last_seq.max(Seq::new(seq));
        }
        if let Some(number) = edit.log_number_min {
            self.log_number_min = self.log_number_min.max(number);
        }
        // A recovery says that it is done with a log before it has said of every family what it wrote out of it.
        let now_first_live = self.first_live_log();
        if now_first_live != first_live || family_log_was.is_some_and(|log| log < now_first_live) {
            self.live_since = self.last_seq;
        }
    }
}

/// The fields of one version edit that count here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Edit {
    family: u32,
    family_added: Option<String>,
    family_dropped: bool,
    family_id_max: Option<u32>,
    log_number: Option<u64>,
    log_number_min: Option<u64>,
    last_seq: Option<u64>,
    group_edits_left: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Undecoded {
    Unknown { tag: u32 },
    Short,
}

/// A tag with this bit is followed by a length and may be stepped over.
const TAG_IGNORABLE: u32 = 1 << 13;

impl Edit {
    fn decode(payload: &[u8]) -> Result<Edit, Undecoded> {
        let mut input = Input(payload);
        let mut edit = Edit::default();
        while !input.0.is_empty() {
            let tag = input.u32()?;
            match tag {
                // Comparator, by name.
                1 => input.skip_prefixed()?,
                2 => edit.log_number = Some(input.u64()?),
                // Next file number, previous log number.
                3 | 9 => drop(input.u64()?),
                4 => edit.last_seq = Some(input.u64()?),
                // Compaction cursor: level, key.
                5 => {
                    input.u32()?;
                    input.skip_prefixed()?;
                }
                // Deleted file: level, number.
                6 => {
                    input.u32()?;
                    input.u64()?;
                }
                10 => edit.log_number_min = Some(input.u64()?),
                7 | 100 | 102 | 103 => input.skip_new_file(tag, &mut edit)?,
                200 => edit.family = input.u32()?,
                201 => {
                    edit.family_added =
                        Some(String::from_utf8_lossy(input.prefixed()?).into_owned())
                }
                202 => edit.family_dropped = true,
                203 => edit.family_id_max = Some(input.u32()?),
                300 => edit.group_edits_left = input.u32()?,
                // Blob file: number, values, bytes, checksum method and value, further fields.
                400 => {
                    for _ in 0..3 {
                        input.u64()?;
                    }
                    input.skip_prefixed()?;
                    input.skip_prefixed()?;
                    input.skip_fields(0)?;
                }
                // Garbage in a blob file: number, values, bytes, further fields.
                401 => {
                    for _ in 0..3 {
                        input.u64()?;
                    }
                    input.skip_fields(0)?;
                }
                // Blob and log edits of short-lived releases, which have no length in front.
                8194..=8197 => return Err(Undecoded::Unknown { tag }),
                tag if tag & TAG_IGNORABLE != 0 => input.skip_prefixed()?,
                tag => return Err(Undecoded::Unknown { tag }),
            }
        }
        Ok(edit)
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn u64(&mut self) -> Result<u64, Undecoded> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Undecoded::Short)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Undecoded::Short)
    }

    fn u32(&mut self) -> Result<u32, Undecoded> {
        u32::try_from(self.u64()?).map_err(|_| Undecoded::Short)
    }

    fn prefixed(&mut self) -> Result<&'a [u8], Undecoded> {
        let len = self.u32()? as usize;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Undecoded::Short)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn skip_prefixed(&mut self) -> Result<(), Undecoded> {
        self.prefixed().map(drop)
    }

    /// Steps over `tag, length, bytes` until the tag `end`.
    fn skip_fields(&mut self, end: u32) -> Result<(), Undecoded> {
        while self.u32()? != end {
            self.skip_prefixed()?;
        }
        Ok(())
    }

    /// Steps over a new file: level, number, (path), size, smallest and largest key, and what its form adds.
    fn skip_new_file(&mut self, tag: u32, edit: &mut Edit) -> Result<(), Undecoded> {
        self.u32()?;
        self.u64()?;
        if tag == 102 {
            self.u32()?;
        }
        self.u64()?;
        self.skip_prefixed()?;
        self.skip_prefixed()?;
        if tag != 7 {
            self.u64()?;
            self.u64()?;
        }
        if tag != 103 {
            return Ok(());
        }
        loop {
            let field = self.u32()?;
            if field == 1 {
                return Ok(());
            }
            let bytes = self.prefixed()?;
            // The smallest log to keep may hide in here, as eight bytes little endian.
            if let (3, Ok(number)) = (field, <[u8; 8]>::try_from(bytes)) {
                edit.log_number_min = Some(u64::from_le_bytes(number));
            }
        }
    }
}

#[cfg(test)]
mod tests;
