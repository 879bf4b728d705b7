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
mod tests {
    use super::*;

    fn load_text(text: &str) -> Result<Config, ConfigError> {
        load(&Sources {
            file: None,
            stdin: Some(text.as_bytes()),
            options: b"",
            cwd: Path::new("/here"),
        })
    }

    fn reason(text: &str) -> String {
        load_text(text).unwrap_err().reason
    }

    #[test]
    fn lines_are_read_in_order_and_the_last_one_wins() {
        let config = load_text(
            "# a comment\n\n\tPORT 7000\r\nport '7001'\n  bind 127.0.0.1 -::1\nmaxclients 5\n\
             save 900 1\nsave 300 10\nshutdown-on-sigterm \"nosave now\"\n",
        )
        .unwrap();
        assert_eq!(config.port, 7001);
        assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
        assert_eq!(config.maxclients, 5);
        assert_eq!(
            super::super::find(b"save").unwrap().0.show(&config),
            b"900 1 300 10"
        );
        assert!(config.shutdown_on_sigterm.nosave && config.shutdown_on_sigterm.now);
        assert_eq!(config.dir, Path::new("/here/data"));
    }

    #[test]
    fn names_of_redis_and_kvrocks_are_the_same_setting() {
        let config =
            load_text("log-level info\nredis-databases 4\nappendfsync always\nlua-time-limit 7\n")
                .unwrap();
        assert_eq!(config.loglevel, crate::config::LogLevel::Notice);
        assert_eq!(config.databases, 4);
        assert_eq!(config.wal_sync, crate::config::WalSync::Always);
        assert_eq!(config.busy_reply_threshold_ms, 7);
    }

    #[test]
    fn a_bad_line_is_named_with_its_place() {
        let error = load_text("port 1\nloglevel loud\n").unwrap_err();
        assert_eq!(error.place.as_deref(), Some("standard input, at line 2"));
        assert_eq!(error.line.as_deref(), Some("loglevel loud"));
        assert_eq!(
            error.reason,
            "argument(s) must be one of the following: debug, verbose, notice, warning"
        );
        for (text, expected) in [
            (
                "bind \"127.0.0.1",
                "Unbalanced quotes in configuration line",
            ),
            (
                "bind \"127.0.0.1 'x\"",
                "Unbalanced quotes in configuration line",
            ),
            ("port 1 2", "wrong number of arguments"),
            ("port", "wrong number of arguments"),
            ("port 6666 # the port", "wrong number of arguments"),
            ("replicaof a", "wrong number of arguments"),
            ("foo 1 2", "Bad directive or wrong number of arguments"),
            ("include", "Bad directive or wrong number of arguments"),
            (
                "rename-command KEYS",
                "Bad directive or wrong number of arguments",
            ),
            (
                "rocksdb.no_such_option 1",
                "Bad directive or wrong number of arguments",
            ),
        ] {
            assert_eq!(reason(text), expected, "{text:?}");
        }
    }

    #[test]
    fn features_that_are_not_there_are_refused_with_the_reason() {
        for (text, expected) in [
            ("slave-read-only no", "equal sequences"),
            ("maxmemory 100mb", "data is on disk"),
            ("maxmemory-policy allkeys-lru", "nothing is evicted"),
            ("daemonize yes", "does not put itself in the background"),
            ("user alice on", "requirepass"),
            ("namespace.shop token", "namespaces are not in this build"),
            ("tls-cert-file a.pem", "TLS"),
            ("tls-port 6379", "TLS"),
            ("loadmodule a.so", "modules"),
            ("sentinel", "redis-sentinel"),
            ("tls-replication yes", "TLS"),
            ("master-use-repl-port yes", "before 2.0"),
            ("bind-source-addr 10.0.0.1", "the system chooses"),
            ("repl-namespace-enabled yes", "namespaces"),
            (
                "rocksdb.write_options.disable_wal yes",
                "lose acknowledged writes",
            ),
        ] {
            let reason = reason(text);
            assert!(reason.contains(expected), "{text:?}: {reason}");
        }
        let defaults = "replicaof no one\nmaxmemory 0\nmaxmemory-policy noeviction\ndaemonize no\ntls-port 0\n";
        assert_eq!(load_text(defaults), load_text(""));
    }

    /// What Kvrocks has for replication, and Redis beside it: each is read, or says that it changes nothing.
    #[test]
    fn the_settings_of_replication_are_all_known() {
        let read = "replicaof h 1\nmasterauth p\nmasteruser u\nslave-serve-stale-data no\nslave-priority 1\n\
                    replica-announce-ip i\nreplica-announce-port 1\nreplica-announced no\nrepl-timeout 1\n\
                    replication-connect-timeout-ms 1\nmax-replication-mb 1\nmin-slaves-to-write 1\n\
                    min-slaves-max-lag 1\ndb-name d\n";
        assert_eq!(load_text(read).unwrap().notices(), [""; 0]);
        let idle = [
            "use-rsid-psync yes",
            "slave-empty-db-before-fullsync yes",
            "fullsync-recv-file-delay 1",
            "replication-recv-timeout-ms 1",
            "replication-group-sync yes",
            "replication-no-slowdown no",
            "replication-delay-bytes 1",
            "replication-delay-updates 1",
            "purge-backup-on-fullsync yes",
            "repl-ping-replica-period 1",
            "repl-disable-tcp-nodelay yes",
            "repl-backlog-size 1mb",
            "repl-backlog-ttl 1",
            "repl-diskless-sync no",
            "repl-diskless-load swapdb",
        ];
        for line in idle {
            let name = line.split(' ').next().unwrap();
            let notices = load_text(line).unwrap().notices();
            let is_default = line.starts_with("repl-backlog-size");
            assert_eq!(notices.len(), usize::from(!is_default), "{line}");
            assert!(notices.iter().all(|it| it.contains(name)), "{notices:?}");
        }
    }

    #[test]
    fn secrets_stay_out_of_errors() {
        let error = load_text("requirepass \"hush").unwrap_err();
        assert_eq!(error.line.as_deref(), Some("requirepass (redacted)"));
        assert!(!error.to_string().contains("hush"));
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused() {
        assert!(reason("bind \"\"").starts_with("bind: there is nothing to listen on"));
        for (text, port) in [
            ("port 7", Some(7)),
            ("port 0", Some(0)),
            ("port 0\nunixsocket /run/s", None),
            ("port 7\nunixsocket /run/s", Some(7)),
            ("bind \"\"\nunixsocket /run/s", None),
        ] {
            assert_eq!(load_text(text).unwrap().tcp_port(), port, "{text:?}");
        }
        assert!(reason("logfile a\nlog-dir b").starts_with("log-dir: "));
        assert!(
            reason("rocksdb.level0_stop_writes_trigger 10")
                .starts_with("rocksdb.level0_stop_writes_trigger: ")
        );
    }

    #[test]
    fn rename_command_lines_are_kept_with_their_place() {
        let config =
            load_text("rename-command KEYS hidden\nrename-command FLUSHALL \"\"\n").unwrap();
        let renames: Vec<_> = config
            .rename_commands
            .iter()
            .map(|rename| (&*rename.from, &*rename.to))
            .collect();
        assert_eq!(
            renames,
            [(&b"KEYS"[..], &b"hidden"[..]), (&b"FLUSHALL"[..], &b""[..])]
        );
        assert_eq!(config.rename_commands[1].place, "standard input, at line 2");
    }

    #[test]
    fn files_are_included_in_place_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        write(
            "main.conf",
            "port 1\ninclude conf.d/*.conf\ninclude empty.d/*.conf\nhz 20\n",
        );
        write("conf.d/20.conf", "port 3\n");
        write("conf.d/10.conf", "port 2\nmaxclients 7\n");
        write("conf.d/.30.conf", "port 4\n");
        write("conf.d/40.txt", "port 5\n");
        let main = Path::new("main.conf");
        let sources = Sources {
            file: Some(main),
            stdin: None,
            options: b"",
            cwd: dir.path(),
        };
        let config = load(&sources).unwrap();
        assert_eq!((config.port, config.maxclients, config.hz), (3, 7, 20));
        assert_eq!(config.file, Some(dir.path().join(main)));

        write("conf.d/20.conf", "hz 1\nport x\n");
        let error = load(&sources).unwrap_err();
        let place = format!(
            "the configuration file '{}', at line 2",
            dir.path().join("conf.d/20.conf").display()
        );
        assert_eq!(error.place, Some(place));
        assert_eq!(error.line.as_deref(), Some("port x"));

        write("main.conf", "include missing.conf\n");
        let error = load(&sources).unwrap_err();
        assert!(
            error.reason.starts_with("can't open config file "),
            "{error}"
        );
        assert!(error.reason.contains("missing.conf"), "{error}");
        assert_eq!(error.line.as_deref(), Some("include missing.conf"));

        write("main.conf", "include main.conf\n");
        assert_eq!(
            load(&sources).unwrap_err().reason,
            "more than 16 files include each other"
        );
    }

    #[test]
    fn words_without_meaning_since_long_are_taken() {
        let config =
            load_text("list-max-ziplist-entries 512\nlua-replicate-commands yes\n").unwrap();
        assert_eq!(Ok(config), load_text(""));
    }
}
