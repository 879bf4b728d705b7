//! Starts and ends the server under test and the oracle.
//!
//! A server gets a directory of its own, a free port on loopback and a log file. Dropping it ends it with SIGKILL and
//! fails the test if the log holds a WARN or ERROR line, or a panic, that the test did not announce.

use std::cell::RefCell;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

use super::{Conn, DEADLINE, Value, holds_within, say_skipped, wait_until};

/// How a server is to be started.
pub struct Setup {
    program: OsString,
    stand_in: bool,
    oracle: bool,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup::new()
    }
}

impl Setup {
    /// The server under test: the binary just built, or `STILLPOINT_TEST_BIN`.
    pub fn new() -> Setup {
        let program = std::env::var_os("STILLPOINT_TEST_BIN")
            .unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_stillpoint")));
        let stand_in = is_redis_server(Path::new(&program));
        Setup {
            program,
            stand_in,
            oracle: false,
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// The oracle, Debian's redis-server 7.0. `None`, said aloud, where it is not installed.
    pub fn oracle(test: &str) -> Option<Setup> {
        let program = OsString::from("redis-server");
        let found = Command::new(&program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            say_skipped(
                test,
                "redis-server, which the replies are compared with, is not installed",
            );
            return None;
        }
        Some(Setup {
            program,
            stand_in: true,
            oracle: true,
            args: Vec::new(),
            env: Vec::new(),
        })
    }

    /// Adds a setting as on the command line: `arg("--maxclients", "4")`.
    pub fn arg(mut self, name: &str, value: &str) -> Setup {
        self.args.push(name.into());
        // The oracle takes several words only as several arguments.
        self.args.extend(if value.is_empty() {
            vec![String::new()]
        } else {
            value.split(' ').map(String::from).collect()
        });
        self
    }

    /// Sets an environment variable of the server's process.
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Whether this is redis-server standing in for Stillpoint.
    pub fn is_stand_in(&self) -> bool {
        self.stand_in
    }

    /// Allows DEBUG, which Redis 7.0 refuses by default.
    pub fn debug_commands(self) -> Setup {
        self.arg("--enable-debug-command", "yes")
    }

    /// Starts in a new directory, and returns when PING answers.
    pub fn start(self) -> Server {
        self.start_in(tempfile::tempdir().expect("a temporary directory"))
    }

    /// Starts in a directory that may hold data, and returns when PING answers.
    pub fn start_in(self, dir: TempDir) -> Server {
        let mut server = Server {
            setup: self,
            dir,
            child: None,
            port: 0,
            keeps_port: false,
            expected_log: RefCell::default(),
        };
        server.launch();
        server
    }

    /// Starts a server that is expected to give up by itself: its exit status and all it said, standard output, standard
    /// error and log file in this order. Panics when it still runs at the deadline.
    pub fn start_expecting_exit(self, dir: &Path) -> (ExitStatus, String) {
        let port = free_port();
        let mut child = self.spawn(dir, port);
        let mut status = None;
        let ended = holds_within(DEADLINE, || {
            status = child.try_wait().expect("the state of a child");
            status.is_some()
        });
        if !ended {
            let _ = child.kill();
            let _ = child.wait();
        }
        let said = all_output(dir);
        let status = status
            .unwrap_or_else(|| panic!("the server goes on instead of giving up; it said:\n{said}"));
        (status, said)
    }

    fn spawn(&self, dir: &Path, port: u16) -> Child {
        let file = |name: &str| {
            let mut options = std::fs::OpenOptions::new();
            options
                .create(true)
                .append(true)
                .open(dir.join(name))
                .expect("a file in the test's directory")
        };
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(dir);
        command.arg("--logfile").arg(dir.join(LOG_FILE));
        if self.stand_in {
            command.args(["--save", ""]);
            // Byte order in SORT ALPHA, whatever the machine's locale.
            command.env("LC_ALL", "C");
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(file(STDOUT_FILE))
            .stderr(file(STDERR_FILE));
        command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.program))
    }
}

/// A running server. Dropped, it is killed and its log is checked.
pub struct Server {
    setup: Setup,
    dir: TempDir,
    child: Option<Child>,
    port: u16,
    /// Restarts keep the port: other servers know this one by it.
    keeps_port: bool,
    expected_log: RefCell<Vec<String>>,
}

const LOG_FILE: &str = "server.log";
const STDOUT_FILE: &str = "stdout";
const STDERR_FILE: &str = "stderr";
/// How often a start is tried again because another process took the free port first.
const PORT_TRIES_MAX: usize = 20;

impl Server {
    /// The server under test with default settings.
    pub fn start() -> Server {
        Setup::new().start()
    }

    /// A new connection.
    pub fn connect(&self) -> Conn {
        Conn::connect(self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory that holds its data and log.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Whether this is redis-server standing in for Stillpoint, so that what only Stillpoint does cannot be tested.
    pub fn is_stand_in(&self) -> bool {
        self.setup.stand_in
    }

    /// Announces WARN or ERROR lines that contain `part`; others fail the test.
    pub fn expect_log(&self, part: &str) {
        self.expected_log.borrow_mut().push(part.into());
    }

    /// The log so far, standard error included.
    pub fn log(&self) -> String {
        all_output(self.dir.path())
    }

    /// The INFO field `name`; panics when it is missing.
    pub fn info(&self, name: &str) -> String {
        info_field(&mut self.connect(), name)
    }

    /// Ends it with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only if it ended by itself, which the log check then shows.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it with SIGTERM to end, and returns its exit status; panics when it has not ended by the deadline.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_for_exit()
    }

    /// Sends a signal by name, such as `TERM` or `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.pid())])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -{name} failed"
        );
    }

    /// Waits until the process has ended by itself.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running server");
        let mut status = None;
        let ended = holds_within(DEADLINE, || {
            status = child.try_wait().expect("the state of a child");
            status.is_some()
        });
        if !ended {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server did not end; its log:\n{}", self.log());
        }
        status.expect("an exit status")
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().expect("the state of a child").is_none(),
            None => false,
        }
    }

    /// Starts it again on the same directory after [`Server::kill`] or [`Server::stop`].
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Adds a setting for the next [`Server::restart`].
    pub fn set_for_restart(&mut self, name: &str, value: &str) {
        self.setup.args.extend([name.into(), value.into()]);
    }

    /// Ends the server and hands its directory on; the log is checked now.
    pub fn into_dir(mut self) -> TempDir {
        self.kill();
        self.check_log();
        std::mem::replace(
            &mut self.dir,
            tempfile::tempdir().expect("a temporary directory"),
        )
    }

    /// From now on restarts listen on the same port.
    pub fn keep_port(&mut self) {
        self.keeps_port = true;
    }

    fn launch(&mut self) {
        for _ in 0..PORT_TRIES_MAX {
            if !self.keeps_port {
                self.port = free_port();
            }
            self.child = Some(self.setup.spawn(self.dir.path(), self.port));
            let mut exited = false;
            let up = holds_within(DEADLINE, || {
                exited = !self.is_running();
                exited || answers_ping(self.port)
            });
            if up && !exited {
                return;
            }
            self.kill();
            let said = all_output(self.dir.path());
            let port_taken = exited && said.to_lowercase().contains("address already in use");
            assert!(
                port_taken,
                "{:?} did not start; it said:\n{said}",
                self.setup.program
            );
            // The lines about the port belong to nobody's expectations.
            for name in [LOG_FILE, STDOUT_FILE, STDERR_FILE] {
                let _ = std::fs::remove_file(self.dir.path().join(name));
            }
        }
        panic!("no free port in {PORT_TRIES_MAX} tries");
    }

    fn check_log(&self) {
        if self.setup.stand_in {
            return;
        }
        let expected = self.expected_log.borrow();
        let log = self.log();
        let unexpected: Vec<&str> = log
            .lines()
            .filter(|line| is_alarming(line) && !expected.iter().any(|part| line.contains(part)))
            .collect();
        assert!(
            unexpected.is_empty(),
            "unexpected lines in the server's log:\n{}",
            unexpected.join("\n")
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            if !self.setup.oracle {
                let log = self.log();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(40)..];
                eprintln!("the end of the server's log:\n{}", tail.join("\n"));
            }
        } else {
            self.check_log();
        }
    }
}

/// The value of one INFO field; panics when it is missing.
pub fn info_field(conn: &mut Conn, name: &str) -> String {
    let info = conn.call("INFO everything").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO has no field {name}"))
        .trim_end()
        .to_string()
}

/// How many clients INFO counts as blocked.
pub fn blocked_count(conn: &mut Conn) -> usize {
    let info = conn.call("INFO clients").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("blocked_clients:"))
        .expect("the field");
    line.trim_end().parse().expect("a number")
}

/// Waits until INFO counts `count` clients as blocked.
pub fn wait_for_blocked(conn: &mut Conn, count: usize) {
    wait_until(&format!("{count} blocked clients"), || {
        blocked_count(conn) == count
    });
}

/// Log lines that a test must have announced: env_logger's WARN and ERROR levels, and panics.
fn is_alarming(line: &str) -> bool {
    let level = |word: &str| line.split([' ', '[', ']']).any(|part| part == word);
    level("WARN") || level("ERROR") || line.contains("panicked at")
}

fn all_output(dir: &Path) -> String {
    let mut out = String::new();
    for name in [STDOUT_FILE, STDERR_FILE, LOG_FILE] {
        if let Ok(bytes) = std::fs::read(dir.join(name)) {
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    out
}

fn answers_ping(port: u16) -> bool {
    let Ok(mut conn) = Conn::try_connect(port) else {
        return false;
    };
    if conn.try_send_raw(b"PING\r\n").is_err() {
        return false;
    }
    // Asked again soon: this may be another process, which took the port first and says nothing.
    match conn.try_read(std::time::Duration::from_secs(1)) {
        Ok(Value::Simple(text)) => text == b"PONG",
        // A server with a password is up as well.
        Ok(Value::Error(text)) => text.starts_with(b"NOAUTH"),
        _ => false,
    }
}

/// A free port, not of those that the system gives to connections and to whoever asks for any: a server that is restarted
/// must find its own free.
fn free_port() -> u16 {
    use std::hash::{BuildHasher, Hasher};
    loop {
        let random = std::hash::RandomState::new().build_hasher().finish();
        let port = 10_000 + (random % 22_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn is_redis_server(program: &Path) -> bool {
    let resolved: PathBuf = program.canonicalize().unwrap_or_else(|_| program.into());
    let is_redis = |path: &Path| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("redis-server") || name.starts_with("redis-check")
        })
    };
    is_redis(program) || is_redis(&resolved)
}
