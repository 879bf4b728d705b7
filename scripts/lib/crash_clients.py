"""The clients of crash-test: writers that keep a deep pipeline, and others that look on.

All are non-blocking and driven by `crash_round`. What an onlooker is shown is noted in the writer's `WriterLog`:
it must exist after the kill, whether the writer itself got its reply or not.
"""

import collections
import random
import socket
from dataclasses import dataclass, field

import resp
from crash_check import READS
from crash_model import ANY, Model
from crash_traffic import TOKEN, Traffic, wire

READ_BATCH = 12
DEPTHS = (1, 16, 150, 600)


class Violation(Exception):
    """The server answered what it must never answer."""


@dataclass
class WriterLog:
    """One writer's round: where it began, what it sent, and what was acknowledged and shown."""

    traffic: Traffic
    base: Model
    queue_base: list
    units: list = field(default_factory=list)
    acknowledged_commands: int = 0
    acknowledged_units: int = 0
    shown_unit: int = 0
    shown_counters: dict = field(default_factory=dict)
    popped: list = field(default_factory=list)


def fits(expected, reply):
    """Whether a reply is the one that is due."""
    if expected is ANY:
        return not isinstance(reply, resp.ErrorReply)
    if type(expected) is list and type(reply) is list:
        return len(expected) == len(reply) and all(map(fits, expected, reply))
    return expected == reply


def tokens_in(reply):
    """The `(writer, unit)` pairs of all tokens in a reply, however nested."""
    if isinstance(reply, bytes):
        return [(int(writer), int(unit)) for writer, unit in TOKEN.findall(reply)]
    if isinstance(reply, list):
        return [token for item in reply for token in tokens_in(item)]
    return []


class Client:
    """A non-blocking connection; subclasses say what to send and what a reply means."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = False
        self.output = bytearray()
        self._reader = resp.ReplyReader()

    def ask(self, *command):
        """One command and its reply, before the load starts."""
        self.socket.sendall(resp.encode(command))
        while (found := self._reader.next()) is None:
            data = self.socket.recv(resp.RECEIVE_BYTES)
            if not data:
                raise resp.Closed("the server closed the connection")
            self._reader.feed(data)
        if isinstance(found[0], resp.ErrorReply):
            raise Violation(f"{command} was answered {found[0]}")
        return found[0]

    def flush(self):
        """Sends as much of the output as the socket takes."""
        try:
            if self.output:
                del self.output[:self.socket.send(self.output)]
        except BlockingIOError:
            pass
        except OSError:
            # The server is gone; its last replies are still to be read.
            self.output.clear()

    def receive(self):
        """Reads what is there and handles every whole reply; sets `closed` at the end of the stream."""
        try:
            data = self.socket.recv(resp.RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        self._reader.feed(data)
        while (found := self._reader.next()) is not None:
            self.handle(found[0])

    def fill(self):
        """Queues more commands, if it is time to."""

    def handle(self, reply):
        """Takes one reply."""
        raise NotImplementedError


class Writer(Client):
    """Sends a writer's units with many in flight, and compares each reply with the model's."""

    def __init__(self, port, log, depth, on_acknowledged):
        super().__init__(port)
        self._log = log
        self._depth = depth
        self._due = collections.deque()
        self._on_acknowledged = on_acknowledged
        self.ask("SELECT", log.traffic.database)

    @property
    def in_flight(self):
        """Commands sent without a reply so far."""
        return len(self._due)

    def fill(self):
        # Refilled in bursts: at half of the depth.
        if len(self._due) <= self._depth // 2:
            self.send_up_to(self._depth)

    def send_up_to(self, depth):
        """Queues units until `depth` commands are in flight."""
        while len(self._due) < depth:
            unit = self._log.traffic.next_unit()
            self._log.units.append(unit)
            last = len(unit.commands) - 1
            for index, (command, reply) in enumerate(zip(unit.commands, unit.replies)):
                self.output += wire(command)
                self._due.append((command, reply, index == last))

    def handle(self, reply):
        command, expected, ends_unit = self._due.popleft()
        if not fits(expected, reply):
            raise Violation(f"writer {self._log.traffic.number}: {repr(command)[:200]} was answered "
                            f"{repr(reply)[:300]}, due was {repr(expected)[:300]}")
        self._log.acknowledged_commands += 1
        self._log.acknowledged_units += ends_unit
        self._on_acknowledged()


class Onlooker(Client):
    """Notes the units whose effects it is shown, by their tokens; `logs` are all writers' logs by number."""

    def __init__(self, port, logs):
        super().__init__(port)
        self._logs = logs

    def note(self, reply):
        """Notes every token."""
        for writer, unit in tokens_in(reply):
            log = self._logs[writer]
            log.shown_unit = max(log.shown_unit, unit)


class Reader(Onlooker):
    """Reads one writer's keys while they change."""

    def __init__(self, port, logs, log, seed):
        super().__init__(port, logs)
        self._log = log
        self._random = random.Random(seed)
        self._due = collections.deque()
        self.ask("SELECT", log.traffic.database)

    def fill(self):
        if self._due:
            return
        for _ in range(READ_BATCH):
            commands, check = self._random.choices((self._any, self._counter, self._agreeing, self._accounts,
                                                    self._counted), (6, 1, 1, 1, 2))[0]()
            for command in commands:
                self.output += resp.encode(command)
            self._due.extend([None] * (len(commands) - 1) + [check])

    def handle(self, reply):
        check = self._due.popleft()
        self.note(reply)
        if check is not None:
            check(reply)

    def _read_of(self, key):
        """The command that lists a key, for the type which it has about now, and the one that counts it."""
        entry = self._log.traffic.model.keys.get(key)
        listing, count = READS[(entry.kind if entry else "string").encode()]
        return (listing[0], key, *listing[1:]), (count, key)

    def _any(self):
        return [self._read_of(self._random.choice(self._log.traffic.general))[0]], None

    def _counter(self):
        key = self._random.choice(self._log.traffic.counters)

        def check(reply):
            shown = int(reply or 0)
            if shown < self._log.shown_counters.get(key, 0):
                raise Violation(f"{key!r} went back from {self._log.shown_counters[key]} to {shown}")
            if not self._log.traffic.may_flush:
                self._log.shown_counters[key] = shown
        return [("GET", key)], check

    def _agreeing(self):
        def check(reply):
            if len(set(reply)) > 1:
                raise Violation(f"keys that are only set together were seen to differ: {repr(reply)[:300]}")
        return [("MGET", *self._log.traffic.agreeing)], check

    def _accounts(self):
        def check(reply):
            if sum(int(amount or 0) for amount in reply):
                raise Violation(f"accounts whose sum is 0 were seen with another: {reply}")
        return [("MGET", *self._log.traffic.accounts)], check

    def _counted(self):
        key = self._random.choice(self._log.traffic.general)
        listing, count = self._read_of(key)

        def check(reply):
            listed, counted = reply
            if isinstance(listed, resp.ErrorReply) or isinstance(counted, resp.ErrorReply):
                return  # its type has changed since
            size = len(listed or ()) // (2 if count[0] in ("HLEN", "ZCARD") else 1)
            if size != counted:
                raise Violation(f"in one transaction {count} is {counted}, but {listing} shows {size}")
        return [("MULTI",), listing, count, ("EXEC",)], check


class Popper(Onlooker):
    """Takes what one writer pushes to its queue, blocking for each element."""

    def __init__(self, port, logs, log):
        super().__init__(port, logs)
        self._log = log
        self._waiting = False
        self.ask("SELECT", log.traffic.database)

    def fill(self):
        if not self._waiting:
            self._waiting = True
            self.output += resp.encode(("BLPOP", self._log.traffic.queue, 0))

    def handle(self, reply):
        if type(reply) is not list or len(reply) != 2:
            raise Violation(f"BLPOP was answered {reply!r}")
        self._waiting = False
        self._log.popped.append(reply[1])
        self.note(reply)


class Subscriber(Onlooker):
    """Receives what the writers publish, which must come in order."""

    def __init__(self, port, logs):
        super().__init__(port, logs)
        self._latest = {}
        for log in logs:
            self.ask("SUBSCRIBE", log.traffic.channel)

    def handle(self, reply):
        ((writer, unit),) = tokens_in(reply[2])
        if unit <= self._latest.get(writer, 0):
            raise Violation(f"messages of writer {writer} out of order: {unit} after {self._latest[writer]}")
        self._latest[writer] = unit
        self.note(reply)


class Watcher(Onlooker):
    """Runs MONITOR: what it shows has been executed."""

    def __init__(self, port, logs):
        super().__init__(port, logs)
        self.ask("MONITOR")

    def handle(self, reply):
        self.note(reply)
