//! Looks at a database directory before RocksDB opens it, and refuses what RocksDB would make worse.
//!
//! Three things RocksDB does without an error: it creates an empty database where `CURRENT` is lost, and later deletes
//! the files of the old one; it opens a log that is damaged in its middle, or whose file is missing, silently short;
//! and it opens short of what is known to have been synced, if that was lost. Each is found here from the files alone,
//! so that nothing has changed when the start is refused.

use std::fs;
use std::io;
use std::path::Path;

use super::cf::Cf;
use super::error::OpenError;
use super::manifest::{self, Manifest, ManifestError};
use super::options::OpenOptions;
use super::seq::Seq;
use super::survey::{self, WalError};
use super::wal::Damage;

/// How to open a damaged log all the same, after its error.
const CONSENT: &str = " (accept-wal-loss yes opens it without what is lost)";

/// What is in a database directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or what a creation that was cut off leaves behind.
    Fresh,
    /// A database, whose last update is this one; `None` when that can only be seen by opening it.
    Database {
        /// The last update in its files and logs.
        last_seq: Option<Seq>,
        /// Its column families, once those that are missing are created, have the ids from 0 up to here, this one not
        /// included; at least [`Cf::COUNT`]. One with an id behind a gap is not counted.
        families_count: u32,
    },
}

impl Found {
    /// Whether the database has to be created.
    pub fn is_fresh(&self) -> bool {
        matches!(self, Found::Fresh)
    }

    /// How many column families there are once it is open; see [`Found::Database`].
    pub fn families_count(&self) -> u32 {
        match self {
            Found::Fresh => Cf::COUNT as u32,
            Found::Database { families_count, .. } => *families_count,
        }
    }

    /// Compares what RocksDB recovered with what was found before.
    pub fn check_recovered(&self, recovered: Seq, options: &OpenOptions) -> Result<(), OpenError> {
        if options.accept_wal_loss {
            return Ok(());
        }
        if let Some(synced) = options.last_synced_seq
            && recovered < synced
        {
            return Err(OpenError::WalLoss { recovered, synced });
        }
        match self {
            Found::Database {
                last_seq: Some(found),
                ..
            } if recovered < *found => Err(OpenError::Damaged {
                what: format!(
                    "RocksDB recovered the log up to sequence {recovered}, it holds records up to {found}"
                ),
            }),
            _ => Ok(()),
        }
    }
}

/// Looks at `db_dir`.
pub fn inspect(db_dir: &Path, options: &OpenOptions) -> Result<Found, OpenError> {
    if !has_database(db_dir)? {
        return match options.last_synced_seq {
            Some(synced) if synced > Seq::ZERO && !options.accept_wal_loss => {
                Err(OpenError::WalLoss {
                    recovered: Seq::ZERO,
                    synced,
                })
            }
            _ => Ok(Found::Fresh),
        };
    }
    let manifest = match manifest::read(db_dir) {
        Ok(manifest) => Some(manifest),
        Err(ManifestError::Damaged(damage)) => {
            return Err(OpenError::Damaged {
                what: damage.to_string(),
            });
        }
        Err(ManifestError::Io { path, error }) => return Err(io_error("read", &path, &error)),
        Err(ManifestError::Unknown { tag }) => {
            log::warn!(
                "the MANIFEST holds an edit of kind {tag}, which is not known here; RocksDB judges it alone"
            );
            None
        }
    };
    let last_seq = inspect_logs(db_dir, manifest.as_ref(), options)?;
    if let Some(manifest) = &manifest {
        check_families(manifest, last_seq)?;
    }
    let found = Found::Database {
        last_seq,
        families_count: families_count(manifest.as_ref()),
    };
    if let Some(last_seq) = last_seq {
        found.check_recovered(last_seq, options)?;
    }
    Ok(found)
}

/// Whether there is a database, refusing the remains of one.
fn has_database(db_dir: &Path) -> Result<bool, OpenError> {
    let entries = match fs::read_dir(db_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("read", db_dir, &error)),
    };
    let mut remains = None;
    for entry in entries {
        let name = entry
            .map_err(|error| io_error("read", db_dir, &error))?
            .file_name();
        let name = name.to_string_lossy();
        if name == "CURRENT" {
            return Ok(true);
        }
        // A creation that was cut off has its first MANIFEST and nothing that came after it.
        let first_manifest = name == "MANIFEST-000001";
        if !first_manifest && (name.starts_with("MANIFEST-") || is_data_file(&name)) {
            remains = Some(name.into_owned());
        }
    }
    match remains {
        None => Ok(false),
        Some(name) => Err(OpenError::Damaged {
            what: format!("{} has no file CURRENT, but {name}", db_dir.display()),
        }),
    }
}

fn is_data_file(name: &str) -> bool {
    name.strip_suffix(".sst")
        .or_else(|| name.strip_suffix(".log"))
        .or_else(|| name.strip_suffix(".blob"))
        .is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Reads the live logs; gives the last update of the database, where it can be told.
fn inspect_logs(
    db_dir: &Path,
    manifest: Option<&Manifest>,
    options: &OpenOptions,
) -> Result<Option<Seq>, OpenError> {
    let first_live = manifest.map_or(0, Manifest::first_live_log);
    let survey = match survey::survey(db_dir, first_live) {
        Ok(survey) => survey,
        Err(WalError::Io { path, error }) => return Err(io_error("read", &path, &error)),
        Err(WalError::Damaged(damage) | WalError::Endless(damage)) if !options.accept_wal_loss => {
            return Err(OpenError::Damaged {
                what: format!("{damage}{CONSENT}"),
            });
        }
        Err(WalError::Damaged(damage)) => {
            log::warn!("{damage}; opening all the same, what comes after it is given up");
            return Ok(None);
        }
        Err(WalError::Endless(damage)) => {
            log::warn!("{damage}; opening all the same, what comes after it is set aside");
            cut_off(&damage, &options.dir)
                .map_err(|error| io_error("set aside the end of", &damage.path, &error))?;
            return Ok(None);
        }
    };
    if let Some(torn) = &survey.torn {
        log::info!(
            "the write-ahead log was cut off while it was written: {torn}; the record is dropped"
        );
    }
    let Some(manifest) = manifest else {
        return Ok(None);
    };
    if let Some(first) = survey.first_seq
        && first > manifest.live_since.next()
        && !options.accept_wal_loss
    {
        return Err(OpenError::Damaged {
            what: format!(
                "the first log in {} begins at sequence {first} instead of {} or before: a log file is missing{CONSENT}",
                db_dir.display(),
                manifest.live_since.next()
            ),
        });
    }
    match survey.next_seq {
        Some(next) => Ok(Some(
            manifest
                .last_seq
                .max(Seq::new(next.get().saturating_sub(1))),
        )),
        None if survey.records_count == 0 => Ok(Some(manifest.last_seq)),
        None => Ok(None),
    }
}

/// Keeps a copy of a damaged log in `dir`, and cuts the log off within the header of the damaged record, where RocksDB
/// takes it for one that a crash cut off.
fn cut_off(damage: &Damage, dir: &Path) -> io::Result<()> {
    let name = damage
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    fs::copy(&damage.path, dir.join(format!("damaged-{name}")))?;
    let log = fs::OpenOptions::new().write(true).open(&damage.path)?;
    log.set_len(damage.offset + 3)?;
    log.sync_all()
}

/// The ids without a gap. Ours are all there, or get the next ones ([`check_families`]); a newer Kvrocks has further ones.
fn families_count(manifest: Option<&Manifest>) -> u32 {
    let is_there = |id: &u32| manifest.is_some_and(|it| it.families.contains_key(id));
    let ours = Cf::COUNT as u32;
    ours + (ours..).take_while(is_there).count() as u32
}

/// Checks that every family has, or will get, the id that records use.
fn check_families(manifest: &Manifest, last_seq: Option<Seq>) -> Result<(), OpenError> {
    let foreign = |what: String| Err(OpenError::Foreign { what });
    let has = |cf: Cf| {
        manifest
            .families
            .values()
            .any(|family| family.name == cf.name())
    };
    if !has(Cf::Metadata) && last_seq != Some(Seq::ZERO) {
        return foreign("it holds data but has no column family metadata".to_owned());
    }
    for (id, family) in &manifest.families {
        match Cf::from_name(&family.name) {
            Some(cf) if cf.id() != *id => {
                return foreign(format!(
                    "the column family {} has the id {id} instead of {}",
                    family.name,
                    cf.id()
                ));
            }
            None if Cf::from_id(*id).is_some() => {
                return foreign(format!(
                    "there is a column family {} with the id {id}",
                    family.name
                ));
            }
            _ => {}
        }
    }
    let missing = Cf::ALL.into_iter().filter(|cf| !has(*cf));
    for (cf, id) in missing.zip(manifest.family_id_max + 1..) {
        if cf.id() != id {
            return foreign(format!(
                "the column family {} is missing and would get the id {id}",
                cf.name()
            ));
        }
    }
    Ok(())
}

fn io_error(verb: &str, path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io {
        what: format!("cannot {verb} {}: {error}", path.display()),
    }
}
