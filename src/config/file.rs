//! Config files, standard input and the options of the command line: lines of settings, read in order.
//!
//! The rules are those of redis-server 7.0.15 (`loadServerConfig`): blank lines and lines that begin with `#` say nothing, a
//! name is followed by words, a later line wins, `include` reads other files in place. The first bad line ends it.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::server::RenameCommand;
use super::{Config, find, words};

/// How deep files may include files.
const INCLUDE_DEPTH_MAX: usize = 16;

/// What settings are read from. Later ones win: file, standard input, options.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Path of the config file.
    pub file: Option<&'a Path>,
    /// What standard input holds.
    pub stdin: Option<&'a [u8]>,
    /// Lines made of the command line's options.
    pub options: &'a [u8],
    /// Directory that paths are relative to.
    pub cwd: &'a Path,
}

/// Why the settings cannot be used; what it displays is made for an operator's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where: `the configuration file '/etc/stillpoint.conf', at line 3`.
    pub place: Option<String>,
    /// The line, with a secret left out.
    pub line: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "*** FATAL CONFIG FILE ERROR (Stillpoint {}) ***",
            env!("CARGO_PKG_VERSION")
        )?;
        if let Some(place) = &self.place {
            writeln!(f, "Reading {place}")?;
        }
        if let Some(line) = &self.line {
            writeln!(f, ">>> '{line}'")?;
        }
        write!(f, "{}", self.reason)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// An error that belongs to no line.
    fn of(reason: String) -> ConfigError {
        ConfigError {
            place: None,
            line: None,
            reason,
        }
    }
}

/// Reads all settings. Touches nothing but the files it reads.
pub fn load(sources: &Sources<'_>) -> Result<Config, ConfigError> {
    let mut loader = Loader {
        config: Config::default(),
        cwd: sources.cwd,
        depth: 0,
    };
    if let Some(path) = sources.file {
        let path = sources.cwd.join(path);
        let text = read_file(&path).map_err(ConfigError::of)?;
        loader.read_text(
            &format!("the configuration file '{}'", path.display()),
            &text,
        )?;
        loader.config.file = Some(path);
    }
    if let Some(text) = sources.stdin {
        loader.read_text("standard input", text)?;
    }
    loader.read_text("the options of the command line", sources.options)?;

    let mut config = loader.config;
    config.resolve(sources.cwd);
    config
        .check()
        .map_err(|(name, reason)| ConfigError::of(format!("{name}: {reason}")))?;
    Ok(config)
}

/// The words of a line; none for a blank line or a comment. `None` when a quote is not closed.
pub(super) fn line_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        Some(Vec::new())
    } else {
        words::split(line)
    }
}

/// The settings read so far.
struct Loader<'a> {
    config: Config,
    cwd: &'a Path,
    /// Files that are being read because another one includes them.
    depth: usize,
}

impl Loader<'_> {
    /// Reads the lines of `text`, which came from `source`.
    fn read_text(&mut self, source: &str, text: &[u8]) -> Result<(), ConfigError> {
        for (idx, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let place = format!("{source}, at line {}", idx + 1);
            self.read_line(&place, line).map_err(|wrong| match wrong {
                Wrong::Here(reason) => ConfigError {
                    place: Some(place),
                    line: Some(shown_line(line)),
                    reason,
                },
                Wrong::Included(error) => *error,
            })?;
        }
        Ok(())
    }

    fn read_line(&mut self, place: &str, line: &[u8]) -> Result<(), Wrong> {
        let words = line_words(line).ok_or("Unbalanced quotes in configuration line")?;
        let Some((name, arguments)) = words.split_first() else {
            return Ok(());
        };
        if let Some((setting, _)) = find(name) {
            return Ok(setting.assign_line(&mut self.config, arguments)?);
        }
        match (name.to_ascii_lowercase().as_slice(), arguments) {
            (b"include", [pattern]) => self.include(pattern),
            (b"rename-command", [from, to]) => {
                let place = place.to_string();
                self.config.rename_commands.push(RenameCommand {
                    from: from.clone(),
                    to: to.clone(),
                    place,
                });
                Ok(())
            }
            // Redis takes these three as well, and they have not meant anything since 3.2 and 7.0.
            (
                b"list-max-ziplist-entries" | b"list-max-ziplist-value" | b"lua-replicate-commands",
                [_],
            ) => Ok(()),
            (directive, _) => Err(Wrong::Here(refusal(directive))),
        }
    }

    /// Reads the files that `pattern` names, in place. No file is an error only where the pattern has no wildcard.
    fn include(&mut self, pattern: &[u8]) -> Result<(), Wrong> {
        if self.depth == INCLUDE_DEPTH_MAX {
            return Err(Wrong::Here(format!(
                "more than {INCLUDE_DEPTH_MAX} files include each other"
            )));
        }
        let pattern = Path::new(std::ffi::OsStr::from_bytes(pattern));
        for path in expand(&self.cwd.join(pattern)) {
            let text = read_file(&path).map_err(Wrong::Here)?;
            self.depth += 1;
            let read = self.read_text(
                &format!("the configuration file '{}'", path.display()),
                &text,
            );
            self.depth -= 1;
            read.map_err(|error| Wrong::Included(Box::new(error)))?;
        }
        Ok(())
    }
}

/// What is wrong with a line.
enum Wrong {
    /// The line itself.
    Here(String),
    /// A line of a file that it includes.
    Included(Box<ConfigError>),
}

impl From<&str> for Wrong {
    fn from(reason: &str) -> Wrong {
        Wrong::Here(reason.to_string())
    }
}

impl From<String> for Wrong {
    fn from(reason: String) -> Wrong {
        Wrong::Here(reason)
    }
}

/// Why a line that names no setting is refused.
fn refusal(directive: &[u8]) -> String {
    let reason = match directive {
        b"user" => "users are not in this build yet: requirepass is the one password",
        b"loadmodule" => "there are no modules here",
        b"sentinel" => {
            "sentinel directive while not in sentinel mode: run redis-sentinel, which can watch this server"
        }
        _ if directive.starts_with(b"namespace.") => {
            "namespaces are not in this build: database n is Kvrocks's namespace 'db<n>'"
        }
        _ if directive.starts_with(b"tls-") => "TLS is not in this build yet",
        _ => "Bad directive or wrong number of arguments",
    };
    reason.to_string()
}

/// The line for an error message: trimmed, and without what a secret setting is set to.
fn shown_line(line: &[u8]) -> String {
    let line = line.trim_ascii();
    let name_end = line
        .iter()
        .position(|&byte| words::is_space(byte))
        .unwrap_or(line.len());
    let name = &line[..name_end];
    match find(name) {
        Some((setting, _)) if setting.sensitive => {
            format!("{} (redacted)", String::from_utf8_lossy(name))
        }
        _ => String::from_utf8_lossy(line).into_owned(),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("can't open config file '{}': {error}", path.display()))
}

/// The files that a path with wildcards names, in the order of their names; a path without is one file, whether it exists or
/// not. `*`, `?` and `[...]` stand for characters of one component, and not for a leading dot.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let has_wildcard = |text: &[u8]| text.iter().any(|byte| b"*?[".contains(byte));
    if !has_wildcard(pattern.as_os_str().as_bytes()) {
        return vec![pattern.to_path_buf()];
    }
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().as_bytes();
        if has_wildcard(text) {
            paths = paths
                .iter()
                .flat_map(|dir| matching_entries(dir, text))
                .collect();
        } else {
            paths.iter_mut().for_each(|path| path.push(component));
        }
    }
    paths.retain(|path| path.exists());
    paths
}

/// The entries of `dir` that match `pattern`, sorted. A directory that cannot be read has none, as with glob(3).
fn matching_entries(dir: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let matches = |entry: &io::Result<std::fs::DirEntry>| {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name();
        let name = name.as_bytes();
        (pattern.starts_with(b".") || !name.starts_with(b"."))
            && crate::text::glob::matches(pattern, name, false)
    };
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter(matches)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests;
