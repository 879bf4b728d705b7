"""The writers of failover-drill: SET and INCR at a fixed rate, from connections that go where the primary is.

All writers live in one process with one selector, because they share the processors with the servers. Each has one
pair in flight: `SET key value` and `INCR counter`, sent together, replied to in turn. A command that is answered
READONLY has not run: every node is asked for its role, and the writer sends it again to the primary. It has a
connection to each node from the beginning, as clients of a cluster do, so that what is measured is the servers' doing
and not sixteen connects of one process. A command whose connection broke before its reply is *unknown*: it may have
run or not, and is not sent again.

With `wait`, a pair is followed by `WAIT 1`, and counts as acknowledged only when a replica has it.
"""

import gc
import multiprocessing
import selectors
import socket
import time
from dataclasses import dataclass, field

import resp

VALUE_BYTES = 2048
# A key comes round again after this many pairs of its writer: over a second, longer than a switch may take.
KEYS_A_WRITER = 1000
ROLE = resp.encode(("ROLE",))
# Longer than any kill: what it answers then is unknown, as with a broken connection.
WAIT = resp.encode(("WAIT", "1", "10000"))
# The shortest time between two questions for the primary, while there is none.
ASK_AGAIN_S = 0.001
LONG_WAIT_S = 0.001
CATCH_UP_S = 0.01
STUCK_S = 30.0
REDIRECTIONS = (b"-READONLY", b"-MASTERDOWN", b"-LOADING", b"-UNBLOCKED")


class WriterFailed(Exception):
    """The writers met what no switch explains."""


@dataclass
class Ledger:
    """What one writer has been promised: all of it must be found, and nothing beyond it but the unknown."""

    acked: dict = field(default_factory=dict)      # key number -> number of the last pair acknowledged under it
    unknown: dict = field(default_factory=dict)    # key number -> numbers of later pairs, whose reply is missing
    incr_acked: int = 0
    incr_unknown: int = 0


@dataclass
class Phase:
    """What the writers saw between two stops. Times are of the monotonic clock, in seconds."""

    pairs: int
    unknown: int
    first_ack: dict      # port -> time of the first reply to a write in this phase
    last_ack: dict       # port -> time of the last one
    waits: list          # (sent, replied) of each pair that took longer than LONG_WAIT_S
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
    return int(number) if number.isdigit() and padding == _padding(number) else None


def _padding(number):
    return b"x" * (VALUE_BYTES - len(number) - 1)


def connect(port):
    """A connection to a node: made with a deadline, then non-blocking."""
    made = socket.socket()
    try:
        made.settimeout(0.5)
        made.connect(("127.0.0.1", port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _is_open(idle):
    """Whether the peer of a connection on which nothing is owed still has it open."""
    try:
        return bool(idle.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


class Writer:
    """One writer: its connection, the pair in flight, and its ledger."""

    __slots__ = ("index", "waits", "held", "socket", "port", "spares", "ledger", "number", "due", "sent_at", "owed", "output", "input", "counter",
                 "refused")

    def __init__(self, index, waits=False):
        self.index = index
        self.waits = waits       # for a replica to have it
        self.held = []           # commands that were answered, and that no replica is known to have
        self.socket = None
        self.port = None
        self.spares = {}         # port -> connection to a node that is not the primary
        self.ledger = Ledger()
        self.number = 0
        self.due = 0.0
        self.sent_at = None      # when the pair in flight was first sent; None between pairs
        self.owed = []           # the commands of the pair that have no reply yet: "set", "incr"
        self.refused = []        # those answered READONLY, to be sent again
        self.output = b""
        self.input = b""
        self.counter = resp.encode(("INCR", counter_key(index)))

    def request(self):
        """The bytes of what is owed."""
        data = b""
        if "set" in self.owed:
            number = b"%d" % self.number
            data = resp.encode(("SET", set_key(self.index, self.number), number + b":" + _padding(number)))
        if "incr" in self.owed:
            data += self.counter
        return data + WAIT if "wait" in self.owed else data

    def acknowledge(self, command):
        """Notes that a command was acknowledged."""
        if self.waits:
            self.held.append(command)
        else:
            self._count(command)

    def replicated(self, replicas):
        """The answer to WAIT: what was held is acknowledged, or unknown."""
        held, self.held = self.held, []
        for command in held if replicas else ():
            self._count(command)
        if not replicas:
            self.owed = held
            self.give_up()

    def _count(self, command):
        ledger = self.ledger
        if command == "incr":
            ledger.incr_acked += 1
            return
        key = self.number % KEYS_A_WRITER
        ledger.acked[key] = self.number
        ledger.unknown.pop(key, None)

    def give_up(self):
        """Notes what is owed as unknown; how many that is."""
        owed, self.held = self.held + [command for command in self.owed if command != "wait"], []
        count = len(owed)
        for command in owed:
            if command == "incr":
                self.ledger.incr_unknown += 1
            else:
                self.ledger.unknown.setdefault(self.number % KEYS_A_WRITER, []).append(self.number)
        self.owed = []
        return count


class Writers:
    """All writers and their loop, in a process of their own."""

    def __init__(self, ports, count, pairs_per_s, wait, control):
        self._ports = ports
        self._wait = wait
        self._control = control
        self._period_s = count / pairs_per_s
        self._selector = selectors.EpollSelector()
        self._selector.register(control.fileno(), selectors.EVENT_READ, None)
        self._writers = [Writer(index, wait) for index in range(count)]
        self._homeless = []      # writers without a connection
        self._askers = {}        # port -> connection for asking the node there for its role
        self._asked = set()      # ports of those whose answer is due
        self._asked_at = 0.0
        self._running = self._stopping = False
        self._begin_phase()

    def _begin_phase(self):
        self._pairs = self._unknown = 0
        self._first_ack, self._last_ack, self._waits, self._late_s = {}, {}, [], 0.0

    def serve(self):
        """Obeys "run" and "stop" from the control pipe until it is closed."""
        gc.disable()  # a collection would be a pause of its own making
        while True:
            now = time.monotonic()
            timeout = None
            if self._running:
                timeout = self._send_due(now)
            elif any(writer.sent_at is not None for writer in self._writers):
                timeout = 0.05
            elif self._stopping:
                self._stopping = False
                self._report()
            if self._homeless and not self._asked:
                self._ask(now)
                timeout = ASK_AGAIN_S
            for key, events in self._selector.select(timeout):
                if key.data is None:
                    if not self._obey():
                        return
                elif type(key.data) is Writer:
                    self._ready(key.data, events)
                else:
                    self._role(key.data)
            self._check_stuck(now)

    def _obey(self):
        try:
            word = self._control.recv()
        except EOFError:
            return False
        if word == "run":
            self._begin_phase()
            now = time.monotonic()
            for writer in self._writers:
                self._open_spares(writer)
                writer.due = now + self._period_s * writer.index / len(self._writers)
                if writer.socket is None and writer not in self._homeless:
                    self._homeless.append(writer)
            self._running = True
        else:
            self._running, self._stopping = False, True
            gc.collect()
        return True

    def _report(self):
        self._control.send(Phase(self._pairs, self._unknown, self._first_ack, self._last_ack, self._waits,
                                 [writer.ledger for writer in self._writers], self._late_s))

    def _send_due(self, now):
        """Sends the pairs that are due; the time until the next is."""
        soonest = now + 0.05
        for writer in self._writers:
            if writer.sent_at is not None or writer.socket is None:
                continue
            if writer.due <= now:
                self._late_s = max(self._late_s, now - writer.due)
                writer.number += 1
                writer.owed = ["set", "incr", "wait"] if self._wait else ["set", "incr"]
                # The pace is kept over a few pairs, but after a long wait there is no burst to catch up.
                writer.due = max(writer.due + self._period_s, now - CATCH_UP_S)
                writer.sent_at = time.monotonic()
                self._send(writer)
            elif writer.due < soonest:
                soonest = writer.due
        # epoll waits in whole milliseconds, so that several writers are due at a time.
        return max(soonest - now, 0.0)

    # --- one writer's connection ------------------------------------------------------------------------------

    def _send(self, writer):
        writer.output = writer.request()
        self._flush(writer)

    def _flush(self, writer):
        try:
            sent = writer.socket.send(writer.output)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._broken(writer)
            return
        writer.output = writer.output[sent:]
        if writer.output:
            self._selector.modify(writer.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, writer)

    def _ready(self, writer, events):
        if writer.socket is None:
            return
        if events & selectors.EVENT_WRITE:
            self._selector.modify(writer.socket, selectors.EVENT_READ, writer)
            self._flush(writer)
            if writer.socket is None:
                return
        if events & selectors.EVENT_READ:
            try:
                data = writer.socket.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._broken(writer)
                return
            writer.input += data
            self._replies(writer)

    def _replies(self, writer):
        now = time.monotonic()
        *lines, writer.input = writer.input.split(b"\r\n")
        for line in lines:
            command = writer.owed.pop(0) if writer.owed else "nothing"
            if command == "wait" and line.startswith(b":") and not writer.refused:
                writer.replicated(int(line[1:]))
            elif line == b"+OK" if command == "set" else command == "incr" and line.startswith(b":"):
                writer.acknowledge(command)
                self._first_ack.setdefault(writer.port, now)
                self._last_ack[writer.port] = now
            elif line.startswith(REDIRECTIONS) and command != "nothing":
                writer.refused.append(command)
            else:
                raise WriterFailed(f"{command.upper()} at port {writer.port} was answered {line[:200]!r}")
        if writer.owed:
            return
        if writer.refused:
            writer.owed, writer.refused = writer.refused, []
            self._selector.unregister(writer.socket)
            writer.spares[writer.port] = writer.socket
            self._leave(writer)
        else:
            self._end_pair(writer, now)

    def _end_pair(self, writer, now):
        self._pairs += 1
        if now - writer.sent_at > LONG_WAIT_S:
            self._waits.append((writer.sent_at, now))
        writer.sent_at = None

    def _broken(self, writer):
        """Its connection is gone: what is owed is unknown, and the next pair goes to wherever the primary is."""
        self._unknown += writer.give_up()
        writer.owed, writer.refused = writer.refused, []
        self._selector.unregister(writer.socket)
        writer.socket.close()
        self._leave(writer)

    def _leave(self, writer):
        writer.socket, writer.port, writer.output, writer.input = None, None, b"", b""
        self._homeless.append(writer)

    # --- finding the primary ----------------------------------------------------------------------------------

    def _ask(self, now):
        """Asks each node for its role, over a connection that is kept for this."""
        if now - self._asked_at < ASK_AGAIN_S:
            return
        self._asked_at = now
        for port in self._ports:
            asker = self._askers.get(port)
            try:
                if asker is None:
                    asker = self._askers[port] = connect(port)
                    self._selector.register(asker, selectors.EVENT_READ, port)
                asker.send(ROLE)
                self._asked.add(port)
            except OSError:
                self._drop_asker(port)

    def _drop_asker(self, port):
        asker = self._askers.pop(port, None)
        self._asked.discard(port)
        if asker is not None:
            if asker.fileno() in self._selector.get_map():
                self._selector.unregister(asker)
            asker.close()

    def _role(self, port):
        if port not in self._askers:
            return
        try:
            data = self._askers[port].recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._asked.discard(port)
        if not data:
            self._drop_asker(port)
        # A primary that is being demoted may still call itself one; then READONLY follows, and all are asked again.
        if b"\r\nmaster\r\n" in data:
            homeless, self._homeless = self._homeless, []
            for writer in homeless:
                self._move_in(writer, port)

    def _open_spares(self, writer):
        """A connection to each node; one that is down is connected to when it is the primary."""
        for port in self._ports:
            spare = writer.spares.pop(port, None)
            if spare is not None and _is_open(spare):
                writer.spares[port] = spare
            elif port != writer.port:
                try:
                    writer.spares[port] = connect(port)
                except OSError:
                    pass

    def _move_in(self, writer, port):
        spare = writer.spares.pop(port, None)
        try:
            writer.socket = spare if spare is not None and _is_open(spare) else connect(port)
        except OSError:
            self._homeless.append(writer)
            return
        writer.port = port
        self._selector.register(writer.socket, selectors.EVENT_READ, writer)
        if writer.owed:
            self._send(writer)
        elif writer.sent_at is not None:
            # All of it is unknown: the wait ends where the writer can go on.
            self._end_pair(writer, time.monotonic())

    def _check_stuck(self, now):
        for writer in self._writers:
            if writer.sent_at is not None and now - writer.sent_at > STUCK_S:
                raise WriterFailed(f"writer {writer.index} has waited for {STUCK_S:.0f} s (port {writer.port})")


class WriterProcess:
    """The handle on the writers' process."""

    def __init__(self, ports, count, pairs_per_s, wait=False):
        self._control, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_main, args=(ports, count, pairs_per_s, wait, theirs, self._control),
                                        daemon=True)
        self._process.start()
        theirs.close()

    def run(self):
        """Begins a phase."""
        self._control.send("run")

    def stop(self):
        """Ends the phase when every pair in flight is over, and returns it."""
        self._control.send("stop")
        try:
            if not self._control.poll(STUCK_S * 2):
                raise WriterFailed("the writers did not stop")
            phase = self._control.recv()
        except EOFError as error:
            raise WriterFailed("the writers' process has ended") from error
        if isinstance(phase, str):
            raise WriterFailed(phase)
        return phase

    def end(self):
        """Ends the process."""
        self._control.close()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.terminate()


def _main(ports, count, pairs_per_s, wait, control, inherited):
    inherited.close()
    try:
        Writers(ports, count, pairs_per_s, wait, control).serve()
    except WriterFailed as failure:
        control.send(str(failure))
    except (KeyboardInterrupt, BrokenPipeError):
        pass
