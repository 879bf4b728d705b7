"""A power cut, played after a kill -9: takes from a data directory what the process had not made durable.

The process runs under the shim `powercut.c`, which records what it synced. What is left after the cut:

- a name, if its directory was synced while it was there (a creation or rename that no fsync of the directory
  followed is undone, a removal too: the name is back, with its old contents);
- of a file's contents, the length at its last fsync or fdatasync. With `tails`, a random part of what was appended
  after that, as some disks keep it, at times with its last bytes zeroed.

Directories themselves count as durable at once. Names and contents are thus lost as strictly as POSIX allows, and
more strictly than ext4 or XFS do.
"""

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SHIM_SOURCE = Path(__file__).resolve().parent / "powercut.c"
ZEROED_TAIL_MAX = 4096
ZEROED_TAIL_CHANCE = 0.3
COMPILE_TIMEOUT_S = 300


class NotFollowed(Exception):
    """The process wrote in a way that the record cannot undo, so that the cut would prove nothing."""


@dataclass
class Loss:
    """What a cut took."""

    bytes_cut: int = 0
    names_lost: int = 0
    names_back: int = 0


def compile_shim(path):
    """Compiles the shim to a shared library at `path`."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        sys.exit("--power-cut needs a C compiler: apt-get install gcc libc6-dev")
    subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(path), str(SHIM_SOURCE), "-ldl"],
                   check=True, timeout=COMPILE_TIMEOUT_S)


class PowerCut:
    """Records one data directory; `work_dir` must be on the same filesystem, outside of it."""

    def __init__(self, work_dir, data_dir):
        self._data_dir = os.path.realpath(data_dir)
        self._dir = Path(work_dir).resolve() / "powercut"
        self._grave = self._dir / "grave"
        self._stage = self._dir / "stage"
        self._log = self._dir / "log"
        self._shim = self._dir / "powercut.so"
        self._durable_names = {}
        self._durable_lengths = {}
        self._grave.mkdir(parents=True)
        compile_shim(self._shim)

    def environment(self):
        """What the process must be started with."""
        return {"LD_PRELOAD": str(self._shim), "POWERCUT_ROOT": self._data_dir, "POWERCUT_LOG": str(self._log),
                "POWERCUT_GRAVE": str(self._grave)}

    def arm(self):
        """Begins a record, before the process starts: all that is there now counts as durable."""
        self._clear(self._grave)
        self._log.write_bytes(b"")
        self._durable_names = {}
        self._durable_lengths = {}
        for directory, name, status in self._files():
            self._durable_names.setdefault(directory, {})[name] = status.st_ino
            self._durable_lengths[status.st_ino] = status.st_size

    def cut(self, tails=None):
        """Takes what is not durable; `tails` is a random source if parts of unsynced appends are to stay."""
        self._read_log()
        loss = Loss()
        lengths = self._link_all_into_stage()
        names_before = set()
        for directory, name, _ in list(self._files()):
            names_before.add((directory, name))
            os.unlink(os.path.join(directory, name))
        names_after = set()
        for directory, names in self._durable_names.items():
            os.makedirs(directory, exist_ok=True)
            for name, inode in names.items():
                if inode not in lengths:
                    raise NotFollowed(f"the contents of {directory}/{name} were removed unseen")
                os.link(self._stage / str(inode), os.path.join(directory, name))
                names_after.add((directory, name))
        for inode in {inode for names in self._durable_names.values() for inode in names.values()}:
            loss.bytes_cut += self._cut_contents(inode, lengths[inode], tails)
        loss.names_lost = len(names_before - names_after)
        loss.names_back = len(names_after - names_before)
        self._clear(self._stage)
        self._clear(self._grave)
        return loss

    def _files(self):
        """`(directory, name, status)` of every regular file below the data directory."""
        for directory, _, names in os.walk(self._data_dir):
            for name in names:
                status = os.lstat(os.path.join(directory, name))
                if stat.S_ISREG(status.st_mode):
                    yield directory, name, status

    def _read_log(self):
        """Brings names and lengths up to date with what the shim recorded."""
        lines = iter(self._log.read_text(errors="surrogateescape").splitlines())
        for line in lines:
            kind, rest = line.split(" ", 1)
            if kind == "S":
                inode, length = map(int, rest.split())
                self._durable_lengths[inode] = max(self._durable_lengths.get(inode, 0), length)
            elif kind == "T":
                inode, length = map(int, rest.split())
                self._durable_lengths[inode] = min(self._durable_lengths.get(inode, 0), length)
            elif kind == "D":
                self._durable_names[os.path.normpath(rest)] = self._read_entries(lines)
            else:
                raise NotFollowed(f"a power cut cannot be played: {rest}")

    @staticmethod
    def _read_entries(lines):
        entries = {}
        for line in lines:
            if line == ".":
                return entries
            _, inode, name = line.split(" ", 2)
            entries[name] = int(inode)
        # Cannot happen while each record is one write.
        raise NotFollowed("the record ends in the middle of a directory")

    def _link_all_into_stage(self):
        """Gives every file, the removed ones too, a name by its inode; returns their lengths."""
        self._clear(self._stage)
        lengths = {}
        found = [(os.path.join(directory, name), status) for directory, name, status in self._files()]
        found += [(entry.path, entry.stat()) for entry in os.scandir(self._grave)]
        for path, status in found:
            if status.st_ino not in lengths:
                os.link(path, self._stage / str(status.st_ino))
                lengths[status.st_ino] = status.st_size
        return lengths

    def _cut_contents(self, inode, length, tails):
        """Shortens one file; the number of bytes taken."""
        durable = min(self._durable_lengths.get(inode, 0), length)
        kept = durable
        path = self._stage / str(inode)
        if tails is not None and length > durable:
            kept = tails.randint(durable, length)
        if kept == length:
            return 0
        os.truncate(path, kept)
        if kept > durable and tails.random() < ZEROED_TAIL_CHANCE:
            zeroed = min(kept - durable, tails.randint(1, ZEROED_TAIL_MAX))
            with open(path, "r+b") as file:
                file.seek(kept - zeroed)
                file.write(bytes(zeroed))
        return length - kept

    @staticmethod
    def _clear(directory):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
