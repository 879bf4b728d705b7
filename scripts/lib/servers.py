"""Starting, watching and ending the servers that the scripts measure: Stillpoint, and redis-server beside it.

A server runs on a free loopback port in a directory of its own, and is ended by its pid on every way out of the
`with` block; should the script itself be killed, the kernel ends the server (PR_SET_PDEATHSIG).
"""

import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import resp

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
REPOSITORY = Path(__file__).resolve().parents[2]


class ServerFailed(Exception):
    """A server did not start, died, or did not stop."""


def target_directory():
    """Where cargo builds: $CARGO_TARGET_DIR, else `target` of this tree if plain cargo has built there, else where
    scripts/run and scripts/test do (see scripts/environment)."""
    if os.environ.get("CARGO_TARGET_DIR"):
        return Path(os.environ["CARGO_TARGET_DIR"])
    plain = REPOSITORY / "target"
    if (plain / "release").is_dir():
        return plain
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stillpoint" / "target"


def stillpoint_binary(given=None):
    """The binary under test: `given`, else $STILLPOINT_BIN, else what `cargo build --release` left."""
    named = given or os.environ.get("STILLPOINT_BIN")
    path = shutil.which(named) if named else str(target_directory() / "release" / "stillpoint")
    if path is None or not os.access(path, os.X_OK):
        sys.exit(f"no server binary at {named or path}: run `cargo build --release`, or name one with --server")
    return path


def build_example(name):
    """Builds an example of this tree, and returns its path. Takes seconds where the server was built before."""
    target = target_directory()
    # rustup's own place, for shells that were started before it was installed.
    cargo = shutil.which("cargo") or shutil.which("cargo", path=Path.home() / ".cargo" / "bin")
    if cargo is None:
        sys.exit(f"cargo is needed to build {name}: run scripts/setup")
    if not (target / "release").is_dir():
        print("Building for the first time: RocksDB takes a quarter of an hour on two cores.", file=sys.stderr)
    built = subprocess.run([cargo, "build", "--manifest-path", str(REPOSITORY / "Cargo.toml"), "--release", "--example",
                            name], env={**os.environ, "CARGO_TARGET_DIR": str(target)}, stdin=subprocess.DEVNULL)
    if built.returncode != 0:
        sys.exit(f"{name} could not be built")
    return str(target / "release" / "examples" / name)


def redis_binary(given=None):
    """redis-server, to compare with."""
    path = shutil.which(given or "redis-server")
    if path is None:
        sys.exit("redis-server is not installed: apt-get install redis-server redis-tools")
    return path


def is_redis(binary):
    """Whether a binary is redis-server (by its name), which takes other settings for the same behaviour."""
    return "redis-server" in os.path.basename(binary)


def server_name(binary):
    """The name for tables."""
    return "redis-server" if is_redis(binary) else "stillpoint"


def free_port():
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_file_limit(needed):
    """Raises the soft limit of open files to the hard one; fails when that is below `needed`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"{needed} open files are needed but the hard limit is {hard}: raise it with `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def exit_on_signals():
    """Makes SIGTERM and SIGHUP leave through the `finally` blocks, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))


class Ended:
    """`with` starts it, and ends it on every way out; `start` and `end` are its own."""

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()


class Server(Ended):
    """One server process; `with Server(...) as server:` starts it and ends it.

    `wal_sync` is `always`, `everysec` or `no`. `data_dir` must exist; without one a temporary directory is made
    and removed. `environment` is added to the process's own. Each start takes a new free port, or `fixed_port`.
    """

    def __init__(self, binary, wal_sync="everysec", data_dir=None, log_path=None, extra=(), environment=None,
                 fixed_port=None):
        self.binary = binary
        self.name = server_name(binary)
        self.port = None
        self.process = None
        self.start_s = None
        self.fixed_port = fixed_port
        self._wal_sync = wal_sync
        self._extra = list(extra)
        self._environment = {**os.environ, **(environment or {})}
        self._own_dir = None
        if data_dir is None:
            self._own_dir = tempfile.mkdtemp(prefix=f"{self.name}-")
            data_dir = os.path.join(self._own_dir, "data")
            os.mkdir(data_dir)
            log_path = os.path.join(self._own_dir, "log")
        self.data_dir = data_dir
        self.log_path = log_path

    @property
    def pid(self):
        """The process id while it runs."""
        return self.process.pid

    def command_line(self):
        """The program and its arguments."""
        line = [self.binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.data_dir,
                "--logfile", self.log_path]
        if is_redis(self.binary):
            line += ["--save", "", "--appendonly", "yes", "--appendfsync", self._wal_sync]
        else:
            line += ["--wal-sync", self._wal_sync]
        return line + self._extra

    def spawn(self):
        """Starts the process, on a new port unless that is fixed, and does not wait for it."""
        self.port = self.fixed_port or free_port()
        with open(self.log_path + ".out", "ab") as output:
            self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, env=self._environment, preexec_fn=die_with_parent)

    def start(self, timeout_s=START_TIMEOUT_S):
        """Starts the process and waits until it answers PING; `start_s` says how long that took."""
        began = time.monotonic()
        self.spawn()
        while not self._answers():
            self.check_alive()
            if time.monotonic() - began > timeout_s:
                raise ServerFailed(f"{self.name} did not answer PING within {timeout_s:.0f} s\n{self.log_tail()}")
            time.sleep(0.0005)
        self.start_s = time.monotonic() - began

    def _answers(self):
        try:
            with self.connect(timeout_s=5.0) as connection:
                return connection.call("PING") == b"PONG"
        except (OSError, resp.Closed):
            return False

    def connect(self, timeout_s=10.0):
        """A new blocking connection."""
        return resp.Connection(self.port, timeout_s)

    def check_alive(self):
        """Raises when the process has ended by itself."""
        status = self.process.poll()
        if status is not None:
            raise ServerFailed(f"{self.name} ended by itself with status {status}\n{self.log_tail()}")

    def kill(self):
        """kill -9, and waits for the process to be gone."""
        self.process.kill()
        self.process.wait()

    def end(self):
        """Ends the process (TERM, and KILL if that takes too long) and removes a directory of its own."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    self.kill()
                    print(f"{self.name} did not stop within {STOP_TIMEOUT_S:.0f} s of SIGTERM", file=sys.stderr)
        finally:
            if self.process is not None and self.process.poll() is None:
                self.kill()
            if self._own_dir:
                shutil.rmtree(self._own_dir, ignore_errors=True)

    def log_tail(self, lines=15):
        """The last lines of what the server logged and printed."""
        text = []
        for path in (self.log_path, self.log_path + ".out"):
            if os.path.exists(path):
                text += Path(path).read_text(errors="replace").splitlines()[-lines:]
        return "\n".join("    " + line for line in text) or "    (it logged nothing)"

    def rss_bytes(self):
        """Resident memory of the process."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ServerFailed(f"{self.name} is gone")

    def cpu_s(self):
        """User and system time used by all threads so far, in seconds (steps of 10 ms)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def die_with_parent():
    """In a child before it runs its program: it is killed when this process dies."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
