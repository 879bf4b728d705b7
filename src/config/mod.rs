//! Settings: what they are, and how they are read, shown, changed and written back.
//!
//! [`Config`] has one plain field for each setting. A setting is declared once, with its names, type, default, bounds and
//! unit, when it may change and what it does here: in `server.rs` (the server's own), `engine.rs` (RocksDB's) or `kept.rs`
//! (those of Redis and Kvrocks that nothing here reads). All else works on the table that those declarations make:
//!
//! - `cli.rs`: the command line;
//! - `file.rs`: config files, line by line;
//! - `live.rs`: `CONFIG GET` and `CONFIG SET`, as pure functions;
//! - `rewrite.rs`: `CONFIG REWRITE`;
//! - how values are read and shown: `forms.rs`, `numbers.rs`, `choices.rs` and one file for each form of its own;
//!   `words.rs`: quoting.
//!
//! Nothing here applies a setting: the server compares old and new [`Config`]s. Names and texts are those of redis-server
//! 7.0.15, and of Kvrocks for what only Kvrocks has.

mod addresses;
mod choices;
pub mod cli;
mod engine;
mod file;
mod forms;
mod kept;
pub mod live;
mod notify;
mod numbers;
mod output_limits;
pub mod rewrite;
mod server;
mod setting;
mod special;
mod words;

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

pub use addresses::{PrimaryAddress, is_host};
pub use choices::{BlockCache, Compression, LogLevel, Permission, Supervised, WalSync};
pub use engine::{EngineConfig, FamilyOption, LEVELS};
pub use file::{ConfigError, Sources, load};
pub use kept::KeptConfig;
pub use notify::NotifyFlags;
pub use numbers::Share;
pub use output_limits::{OutputLimit, OutputLimits};
pub use server::{Config, RenameCommand};
pub use setting::{Change, Effect, Setting, all, find};
pub use special::{ShutdownOptions, percentile_text};

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}

impl Config {
    /// The directory of the RocksDB database.
    pub fn db_dir(&self) -> PathBuf {
        self.dir.join("db")
    }

    /// The TCP port to listen on; `None` for no TCP at all, `Some(0)` for any free port.
    pub fn tcp_port(&self) -> Option<u16> {
        let only_unix = self.port == 0 && self.unixsocket.is_some();
        (!only_unix && !self.bind.is_empty()).then_some(self.port)
    }

    /// Where the log goes, from `logfile` and `log-dir`.
    pub fn log_target(&self) -> LogTarget {
        match (&self.logfile, &self.log_dir) {
            (Some(file), _) => LogTarget::File(file.clone()),
            (None, Some(dir)) if dir == OsStr::new("stdout") => LogTarget::Stdout,
            (None, Some(dir)) if dir != OsStr::new("stderr") => {
                LogTarget::File(dir.join("stillpoint.log"))
            }
            (None, _) => LogTarget::Stderr,
        }
    }

    /// One line for each setting that has another value than its default and changes nothing, with the reason: for the log.
    pub fn notices(&self) -> Vec<String> {
        let default = Config::default();
        all()
            .filter_map(|setting| self.notice(setting, &default))
            .collect()
    }

    /// The line of [`Config::notices`] for one setting, if there is one.
    fn notice(&self, setting: &Setting, default: &Config) -> Option<String> {
        let Effect::Unused(reason) = setting.effect else {
            return None;
        };
        let value = setting.show(self);
        if value == setting.show(default) {
            return None;
        }
        let value = if setting.sensitive {
            "(redacted)".into()
        } else {
            String::from_utf8_lossy(&value)
        };
        Some(format!(
            "setting {} '{value}' changes nothing: {reason}",
            setting.name
        ))
    }

    /// Makes paths absolute that clients see.
    fn resolve(&mut self, cwd: &Path) {
        let dir = cwd.join(&self.dir);
        // `./data` and `data/` are the same place: components drops what says nothing.
        self.dir = dir.components().collect();
    }

    /// Whether the settings go together; else the name of one that does not, and the reason.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.tcp_port().is_none() && self.unixsocket.is_none() {
            let reason = "there is nothing to listen on: no address and no unixsocket";
            return Err(("bind", reason.to_string()));
        }
        if self.logfile.is_some() && self.log_dir.is_some() {
            return Err((
                "log-dir",
                "logfile says already where the log goes".to_string(),
            ));
        }
        EngineConfig::check(self)
    }
}

impl fmt::Debug for Config {
    /// The settings that have another value than their default, without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Config::default();
        let mut map = f.debug_map();
        for setting in all() {
            let value = setting.show(self);
            if value == setting.show(&default) {
                continue;
            }
            let value = if setting.sensitive {
                "(redacted)".into()
            } else {
                String::from_utf8_lossy(&value)
            };
            map.entry(&setting.name, &value);
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests;
