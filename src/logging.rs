//! The log: `log`'s records through `env_logger`, to standard error or to a file, one line each.
//!
//! A line reads `<pid> <UTC time> <level> <message>`; line ends in a message are escaped, so that one line is one event and
//! no client can forge one. `loglevel` says what is written and may change at any time; `RUST_LOG`, when it is set, says it
//! instead, with `env_logger`'s filters.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use env_logger::fmt::Formatter;
use log::{LevelFilter, Record};

use crate::config::{LogLevel, LogTarget};

/// The environment variable that overrides `loglevel`.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// The installed log.
#[derive(Debug)]
pub struct Log {
    /// Whether `RUST_LOG` decides what is written.
    filtered_by_environment: bool,
}

/// Installs the log of this process. Fails if the file cannot be opened, or if there is a log already.
pub fn init(target: &LogTarget, level: LogLevel) -> io::Result<Log> {
    let filter = std::env::var(FILTER_VARIABLE)
        .ok()
        .filter(|filter| !filter.trim().is_empty());
    let logger = build(target, filter.as_deref())?;
    let filter_level = logger.filter();
    log::set_boxed_logger(Box::new(logger)).map_err(io::Error::other)?;
    let log = Log {
        filtered_by_environment: filter.is_some(),
    };
    log::set_max_level(filter_level);
    log.set_level(level);
    Ok(log)
}

impl Log {
    /// One that belongs to no process: it changes nothing.
    #[cfg(test)]
    pub fn of_a_test() -> Log {
        Log {
            filtered_by_environment: true,
        }
    }

    /// Writes lines of `level` and above from now on, unless `RUST_LOG` decides.
    pub fn set_level(&self, level: LogLevel) {
        if !self.filtered_by_environment {
            log::set_max_level(level_filter(level));
        }
    }
}

/// What `log` calls a level of `loglevel`: Redis's `verbose` and `notice` are its `debug` and `info`.
fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::Trace,
        LogLevel::Verbose => LevelFilter::Debug,
        LogLevel::Notice => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Nothing => LevelFilter::Off,
    }
}

/// A logger to `target`. Without `filter` it lets everything through: the level is then the process's.
fn build(target: &LogTarget, filter: Option<&str>) -> io::Result<env_logger::Logger> {
    let mut builder = env_logger::Builder::new();
    match filter {
        Some(filter) => builder.parse_filters(filter),
        None => builder.filter_level(LevelFilter::Trace),
    };
    builder.format(write_line);
    builder.target(match target {
        LogTarget::Stderr => env_logger::Target::Stderr,
        LogTarget::Stdout => env_logger::Target::Stdout,
        LogTarget::File(path) => env_logger::Target::Pipe(Box::new(LogFile::open(path)?)),
    });
    Ok(builder.build())
}

fn write_line(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = out.timestamp_millis();
    let message = one_line(&record.args().to_string());
    writeln!(
        out,
        "{} {time} {:<5} {message}",
        std::process::id(),
        record.level()
    )
}

/// The message with control characters escaped.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for character in message.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A file that lines are appended to. When it has been moved away or removed, as logrotate does, the next line goes to a new
/// one.
struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile {
            path: path.to_path_buf(),
            file: open_to_append(path)?,
        })
    }

    /// Whether `path` still names the open file. A path that cannot be looked at does not.
    fn is_current(&self) -> bool {
        match (std::fs::metadata(&self.path), self.file.metadata()) {
            (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            _ => false,
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One look at the directory a line: lines are rare, and a signal to reopen would be one more thing to set up. If a
        // new file cannot be had, the old one still takes the line.
        if !self.is_current()
            && let Ok(file) = open_to_append(&self.path)
        {
            self.file = file;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::{Level, Log as _};

    fn write(logger: &env_logger::Logger, level: Level, message: &str) {
        logger.log(
            &Record::builder()
                .level(level)
                .target("stillpoint::server")
                .args(format_args!("{message}"))
                .build(),
        );
    }

    #[test]
    fn a_line_has_pid_time_level_and_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let logger = build(&LogTarget::File(path.clone()), None).unwrap();
        write(&logger, Level::Info, "Ready to accept connections");
        write(&logger, Level::Error, "a\nb\r\t\u{1b}[0m \u{e9}");
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let [first, second] = lines[..] else {
            panic!("{lines:?}")
        };

        let fields: Vec<&str> = first.splitn(3, ' ').collect();
        assert_eq!(fields[0], std::process::id().to_string());
        // 2026-01-31T23:59:59.123Z
        let shape: String = fields[1]
            .chars()
            .map(|c| if c.is_ascii_digit() { '9' } else { c })
            .collect();
        assert_eq!(shape, "9999-99-99T99:99:99.999Z");
        assert_eq!(fields[2], "INFO  Ready to accept connections");
        assert!(
            second.ends_with(" ERROR a\\nb\\r\\t\\u{1b}[0m \u{e9}"),
            "{second}"
        );
    }

    #[test]
    fn a_file_is_appended_to_and_made_anew_when_it_was_moved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "before\n").unwrap();
        let logger = build(&LogTarget::File(path.clone()), None).unwrap();
        write(&logger, Level::Info, "one");
        let moved = dir.path().join("log.1");
        std::fs::rename(&path, &moved).unwrap();
        write(&logger, Level::Info, "two");
        let old = std::fs::read_to_string(moved).unwrap();
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(
            old.starts_with("before\n") && old.ends_with("one\n"),
            "{old:?}"
        );
        assert_eq!(new.lines().count(), 1);
        assert!(new.ends_with("two\n"), "{new:?}");
        std::fs::remove_dir_all(dir.path()).unwrap();
        // Neither the old file nor a new one can be seen; the line is not an error.
        write(&logger, Level::Info, "three");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let missing = LogTarget::File(PathBuf::from("/nowhere/at/all/log"));
        assert_eq!(
            build(&missing, None).map(drop).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn levels_of_both_worlds_keep_their_order() {
        use LogLevel::{Debug, Error, Nothing, Notice, Verbose, Warning};
        let levels = [Debug, Verbose, Notice, Warning, Error, Nothing].map(level_filter);
        assert!(levels.is_sorted_by(|chatty, quiet| chatty > quiet));
        assert_eq!(level_filter(Notice), LevelFilter::Info);
    }

    #[test]
    fn the_environment_filters_by_module() {
        let logger = build(&LogTarget::Stderr, Some("warn,stillpoint::server=debug")).unwrap();
        let enabled = |level, target| {
            logger.enabled(&log::Metadata::builder().level(level).target(target).build())
        };
        assert!(enabled(Level::Debug, "stillpoint::server"));
        assert!(!enabled(Level::Info, "stillpoint::storage"));
        assert!(enabled(Level::Warn, "stillpoint::storage"));
    }

    #[test]
    fn the_level_of_the_process_follows_loglevel() {
        // The only test that touches the level of the process.
        let log = Log {
            filtered_by_environment: false,
        };
        log.set_level(LogLevel::Warning);
        assert_eq!(log::max_level(), LevelFilter::Warn);
        Log {
            filtered_by_environment: true,
        }
        .set_level(LogLevel::Debug);
        assert_eq!(log::max_level(), LevelFilter::Warn);
        log.set_level(LogLevel::Nothing);
        assert_eq!(log::max_level(), LevelFilter::Off);
    }
}
