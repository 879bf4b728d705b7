"""The writers of failover-drill, as the drill sees them: the handle on their program, and what their ledgers mean.

The program is the cargo example `drill-writers`; scripts/drill_writers/main.rs says what the writers do.
"""

import json
import os
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import servers

VALUE_BYTES = 2048
# A key comes round again after this many pairs of its writer.
KEYS_A_WRITER = 1000
# The program gives a pair up after half as long.
STOP_TIMEOUT_S = 60.0


class WriterFailed(Exception):
    """The writers met what no switch explains."""


@dataclass
class Ledger:
    """What one writer has been promised: all of it must be found, and nothing beyond it but the unknown."""

    acked: dict = field(default_factory=dict)      # key number -> number of the last pair acknowledged under it
    unknown: dict = field(default_factory=dict)    # key number -> numbers of later pairs, whose reply is missing
    incr_acked: int = 0
    incr_unknown: int = 0

    @classmethod
    def from_report(cls, report):
        """The ledger as the program reports it: pairs by their numbers."""
        unknown = {}
        for number in report["unknown"]:
            unknown.setdefault(number % KEYS_A_WRITER, []).append(number)
        return cls({number % KEYS_A_WRITER: number for number in report["acked"]}, unknown,
                   report["incr_acked"], report["incr_unknown"])


@dataclass
class Phase:
    """What the writers saw between two stops. Times are of the monotonic clock, in seconds."""

    pairs: int
    unknown: int
    first_ack: dict      # port -> time of the first reply to a write in this phase
    last_ack: dict       # port -> time of the last one
    waits: list          # (sent, replied) of each pair that took longer than a millisecond
    ledgers: list
    late_s: float        # by how much the writers were behind their pace at most: that much is this machine's


def set_key(writer, number):
    """The key of a writer's pair."""
    return b"w%d:%d" % (writer, number % KEYS_A_WRITER)


def counter_key(writer):
    """The counter that a writer increments."""
    return b"w%d:counter" % writer


def value_number(value):
    """The number of the pair that wrote a value; None for a value that no writer wrote."""
    number, _, padding = value.partition(b":")
    return int(number) if number.isdigit() and padding == b"x" * (VALUE_BYTES - len(number) - 1) else None


def writers_binary(given=None):
    """The writers' program: `given`, else $DRILL_WRITERS_BIN, else the example of this tree, which is built."""
    named = given or os.environ.get("DRILL_WRITERS_BIN")
    path = shutil.which(named) if named else servers.build_example("drill-writers")
    if path is None:
        sys.exit(f"no program at {named}: name the example drill-writers, or let it be built")
    return path


class WriterProcess:
    """The handle on the writers' process."""

    def __init__(self, binary, ports, count, pairs_per_s, wait=False):
        line = [binary, ",".join(map(str, ports)), str(count), str(pairs_per_s)] + (["wait"] if wait else [])
        # It ends with its input: nothing outlives the drill.
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def pid(self):
        """The process id while it runs."""
        return self._process.pid

    def run(self):
        """Begins a phase."""
        self._tell(b"run\n")

    def stop(self):
        """Ends the phase when every pair in flight is over, and returns it."""
        self._tell(b"stop\n")
        if not select.select([self._process.stdout], [], [], STOP_TIMEOUT_S)[0]:
            raise WriterFailed("the writers did not stop")
        line = self._process.stdout.readline()
        if not line:
            raise WriterFailed("the writers' process has ended")
        report = json.loads(line)
        if "failed" in report:
            raise WriterFailed(report["failed"])
        return Phase(report["pairs"], report["unknown"], dict(report["first_ack"]), dict(report["last_ack"]),
                     report["waits"], [Ledger.from_report(ledger) for ledger in report["ledgers"]], report["late_s"])

    def _tell(self, word):
        try:
            self._process.stdin.write(word)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said before it ended is still to be read

    def end(self):
        """Ends the process."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
