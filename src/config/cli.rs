//! The command line: `stillpoint [config-file | -] [--setting value [value ...] ...]`, read as redis-server 7.0.15 reads its
//! own (`main` in `server.c`).
//!
//! Options become lines of a config file that are read behind the file and standard input, so they win.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::file::{Sources, load};
use super::{Config, words};

/// The version of Redis whose commands this server answers. Clients and tools decide by it what they may use.
pub const REDIS_VERSION: &str = "7.0.15";

/// What the command line asks for.
#[derive(Debug)]
pub enum Action {
    /// Run a server.
    Run(Box<Config>),
    /// Write this to standard output and end with status 0.
    Print(String),
    /// Write this to standard error and end with status 1.
    Fail(String),
}

/// Reads the command line: `arguments` without the program's name. `stdin` is read only if `-` asks for it; paths are
/// relative to `cwd`.
pub fn parse(arguments: &[Vec<u8>], stdin: &mut dyn Read, cwd: &Path) -> Action {
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Action::Print(version()),
        Some(b"-h" | b"--help") => return Action::Print(HELP.to_string()),
        _ => {}
    }
    let line = split_arguments(arguments);
    let mut text = Vec::new();
    if line.reads_stdin
        && let Err(error) = stdin.read_to_end(&mut text)
    {
        return Action::Fail(format!(
            "can't read the configuration from standard input: {error}"
        ));
    }
    let sources = Sources {
        file: line.file.map(|file| Path::new(OsStr::from_bytes(file))),
        stdin: line.reads_stdin.then_some(text.as_slice()),
        options: &line.options,
        cwd,
    };
    match load(&sources) {
        Ok(config) => Action::Run(Box::new(config)),
        Err(error) => Action::Fail(error.to_string()),
    }
}

/// The line that `--version` prints. Tools look for ` v=7.` in it.
fn version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    format!(
        "Stillpoint server v={REDIS_VERSION} stillpoint={own} malloc=jemalloc bits={}\n",
        usize::BITS
    )
}

const HELP: &str = "\
Usage: stillpoint [config-file | -] [--setting value [value ...] ...]
       stillpoint -v or --version
       stillpoint -h or --help

Examples:
       stillpoint                             (on 127.0.0.1:6666, with data in ./data)
       stillpoint /etc/stillpoint.conf
       stillpoint --port 7777 --dir /var/lib/stillpoint
       stillpoint /etc/stillpoint.conf --loglevel verbose
       echo 'port 7777' | stillpoint -        (configuration from standard input)

Settings have the names that Kvrocks and Redis give them; options win over the file.
README.md lists those that users reach for, and CONFIG GET * shows all of them.
";

/// The parts of the command line.
#[derive(Debug, PartialEq, Eq)]
struct CommandLine<'a> {
    file: Option<&'a [u8]>,
    reads_stdin: bool,
    options: Vec<u8>,
}

fn split_arguments(arguments: &[Vec<u8>]) -> CommandLine<'_> {
    let file = arguments
        .first()
        .map(Vec::as_slice)
        .filter(|first| !first.starts_with(b"-"));
    let start = usize::from(file.is_some());
    let mut line = CommandLine {
        file,
        reads_stdin: false,
        options: Vec::new(),
    };
    // Whether the setting named last has a value: until then even `--x` is one.
    let mut has_value = true;
    for (idx, argument) in arguments.iter().enumerate().skip(start) {
        let is_last = idx + 1 == arguments.len();
        if argument == b"-" && (idx == 0 || is_last) {
            line.reads_stdin = true;
        } else if has_value && argument.starts_with(b"--") {
            if !line.options.is_empty() {
                line.options.push(b'\n');
            }
            line.options.extend_from_slice(&argument[2..]);
            line.options.push(b' ');
            // `--port 6380` may also be one argument.
            has_value = words::split(argument).is_none_or(|words| words.len() != 1);
            let names_next = arguments
                .get(idx + 1)
                .is_some_and(|next| next.starts_with(b"--"));
            if argument.eq_ignore_ascii_case(b"--save") && (is_last || names_next) {
                // An empty list, as scripts produce it from an empty array.
                line.options.extend_from_slice(b"\"\"");
                has_value = true;
            }
        } else {
            line.options.extend_from_slice(&words::quote(argument));
            line.options.push(b' ');
            has_value = true;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> String {
        let arguments: Vec<Vec<u8>> = arguments
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        String::from_utf8(split_arguments(&arguments).options).unwrap()
    }

    fn run(arguments: &[&str], stdin: &str) -> Result<Config, String> {
        let arguments: Vec<Vec<u8>> = arguments
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        match parse(&arguments, &mut stdin.as_bytes(), Path::new("/here")) {
            Action::Run(config) => Ok(*config),
            Action::Print(text) | Action::Fail(text) => Err(text),
        }
    }

    #[test]
    fn options_become_the_lines_that_redis_makes_of_them() {
        for (arguments, lines) in [
            (&["--port", "6380"][..], "port \"6380\" "),
            (&["--port 6380", "--hz", "5"], "port 6380 \nhz \"5\" "),
            (
                &["--bind", "127.0.0.1", "::1", "--port", "1"],
                "bind \"127.0.0.1\" \"::1\" \nport \"1\" ",
            ),
            (&["--requirepass", "--secret"], "requirepass \"--secret\" "),
            (&["--save", "--port", "1"], "save \"\"\nport \"1\" "),
            (&["--save"], "save \"\""),
            (
                &["--save", "60", "1", "--hz", "5"],
                "save \"60\" \"1\" \nhz \"5\" ",
            ),
            (&["-x"], "\"-x\" "),
            (&["--"], " "),
        ] {
            assert_eq!(options(arguments), lines, "{arguments:?}");
        }
    }

    #[test]
    fn the_first_argument_may_be_a_file_and_the_first_or_last_standard_input() {
        let arguments = [
            b"a.conf".to_vec(),
            b"--port".to_vec(),
            b"1".to_vec(),
            b"-".to_vec(),
        ];
        let line = split_arguments(&arguments);
        assert_eq!(line.file, Some(b"a.conf".as_slice()));
        assert!(line.reads_stdin);
        let line = [
            b"--requirepass".to_vec(),
            b"-".to_vec(),
            b"--port".to_vec(),
            b"1".to_vec(),
        ];
        assert!(!split_arguments(&line).reads_stdin);

        let config = run(&["-", "--port", "2"], "port 1\nhz 20\n").unwrap();
        assert_eq!((config.port, config.hz, config.file), (2, 20, None));
        assert_eq!(run(&["--port", "2"], "port 1").unwrap().port, 2);
        assert_eq!(run(&[], "port 1").unwrap().port, 6666);
    }

    #[test]
    fn values_keep_their_bytes() {
        let config = run(&["--requirepass", "a \"b\" \u{e9}\n", "--dir", "x y"], "").unwrap();
        assert_eq!(config.requirepass, "a \"b\" \u{e9}\n".as_bytes());
        assert_eq!(config.dir, Path::new("/here/x y"));
    }

    #[test]
    fn version_and_help_are_printed() {
        let version = run(&["-v"], "").unwrap_err();
        assert!(version.contains(" v=7."), "{version}");
        assert!(
            version.contains(concat!("stillpoint=", env!("CARGO_PKG_VERSION"))),
            "{version}"
        );
        assert_eq!(run(&["--version"], "").unwrap_err(), version);
        assert!(
            run(&["--help"], "")
                .unwrap_err()
                .starts_with("Usage: stillpoint ")
        );
        assert_eq!(run(&["-h"], "").unwrap_err(), HELP);
    }

    #[test]
    fn a_bad_option_is_shown_with_its_line() {
        let error = run(&["--hz", "1", "--port", "abc"], "").unwrap_err();
        let expected = format!(
            "*** FATAL CONFIG FILE ERROR (Stillpoint {}) ***\n\
             Reading the options of the command line, at line 2\n\
             >>> 'port \"abc\"'\n\
             argument couldn't be parsed into an integer",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(error, expected);
        assert!(
            run(&["--foo", "bar"], "")
                .unwrap_err()
                .contains("Bad directive or wrong number of arguments")
        );
        assert!(run(&["-x"], "").unwrap_err().contains(">>> '\"-x\"'"));
        assert!(
            run(&["--port"], "")
                .unwrap_err()
                .contains("wrong number of arguments")
        );
        assert!(
            run(&["/nowhere/at/all.conf"], "")
                .unwrap_err()
                .contains("'/nowhere/at/all.conf'")
        );
    }
}
