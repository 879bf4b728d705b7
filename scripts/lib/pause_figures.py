"""What 8,000 paused clients cost a server, and how fast they are served once CLIENT UNPAUSE comes.

The receiving side is kept light, because it shares the processors with the server: every client's reply is one
one-shot epoll event, counted without a read; the replies are read and checked after the clock has stopped. Another
client's GETs are timed by a separate process (`prober`).
"""

import contextlib
import gc
import select
import socket
import statistics
import time
from dataclasses import dataclass

import prober
import resp
import servers

CLIENTS = 8000
VALUE_BYTES = 64
PAUSE_MS = 60_000
# An UNPAUSE later than this would race with the end of the pause itself.
UNPAUSE_BEFORE_S = 50.0
CPU_WINDOW_S = 3.0
SETTLE_WINDOW_S = 6.0
SETTLE_BYTES = 64 * 1024
IDLE_SETTLE_S = 60.0
PAUSED_SETTLE_S = 30.0
WAIT_S = 30.0
EVENTS_A_POLL = 256
MAXCLIENTS = 10_000
FILES_NEEDED = CLIENTS + 200


class PauseFailed(Exception):
    """A figure could not be taken."""


@dataclass
class Release:
    """What one UNPAUSE showed, in seconds."""

    answered_s: float
    last_served_s: float
    get_max_s: float
    get_p99_s: float


@dataclass
class Figures:
    """All pause figures of one server."""

    rss_per_client: float
    used_per_client: float
    cpu_percent: float
    paused_get_max_s: float
    paused_get_p99_s: float
    releases: list


class Crowd:
    """The clients that will be paused."""

    def __init__(self, port):
        self.epoll = select.epoll(CLIENTS + 16)
        self.clients = []
        self.unpauser = None
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.clients.append(client)
        # One exchange each, so that a paused client is compared with one that has been served before.
        for client in self.clients:
            client.sendall(resp.encode(["PING"]))
        self.check_replies(b"+PONG\r\n")
        for client in self.clients:
            client.setblocking(False)
            self.epoll.register(client.fileno(), 0)

    def close(self):
        """Closes every connection."""
        self.epoll.close()
        for client in self.clients:
            client.close()

    def check_replies(self, expected):
        """Reads what has arrived for each client and compares it."""
        for number, client in enumerate(self.clients):
            got = client.recv(4096)
            if got != expected:
                raise PauseFailed(f"client {number} received {got[:200]!r} where {expected!r} was due")

    def send_sets(self):
        """Every client sends its SET."""
        value = b"v" * VALUE_BYTES
        for number, client in enumerate(self.clients):
            request = resp.encode(["SET", b"key:%d" % number, value])
            if client.send(request) != len(request):
                raise PauseFailed("a socket did not take a whole SET")

    def release(self, unpauser):
        """Sends UNPAUSE on the socket `unpauser`; `(sent, answered, last client served)` on the monotonic clock."""
        for client in self.clients:
            self.epoll.modify(client.fileno(), select.EPOLLIN | select.EPOLLONESHOT)
        if early := self.epoll.poll(0):
            raise PauseFailed(f"{len(early)} clients were served or closed while writes were paused")
        control = unpauser.fileno()
        self.epoll.register(control, select.EPOLLIN | select.EPOLLONESHOT)
        request = resp.encode(["CLIENT", "UNPAUSE"])
        waiting, answered, poll, clock = CLIENTS, None, self.epoll.poll, time.monotonic
        gc.disable()
        try:
            sent = clock()
            unpauser.sendall(request)
            while waiting or answered is None:
                events = poll(WAIT_S, EVENTS_A_POLL)
                now = clock()
                if not events:
                    raise PauseFailed(f"{waiting} clients were not served within {WAIT_S:.0f} s of UNPAUSE")
                waiting -= len(events)
                if answered is None and any(fd == control for fd, _ in events):
                    answered = now
                    waiting += 1
        finally:
            gc.enable()
            self.epoll.unregister(control)
        self.check_replies(b"+OK\r\n")
        return sent, answered, now


def worst_and_p99(samples, since, until):
    """`(max, p99)` of the latencies of the GETs that were under way at some moment between the two times."""
    latencies = sorted(latency for sent, latency in samples if sent <= until and sent + latency >= since)
    if not latencies:
        raise PauseFailed("no GET was answered in the time that was to be measured")
    return latencies[-1], latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]


def settled_memory(server, control, limit_s):
    """`(RSS, used_memory)` in bytes once both have kept still for some seconds, or when `limit_s` is over."""
    samples = []
    end = time.monotonic() + limit_s
    needed = int(SETTLE_WINDOW_S / 0.5)
    while True:
        samples.append((server.rss_bytes(), int(control.info()["used_memory"])))
        recent = samples[-needed:]
        still = all(max(column) - min(column) <= SETTLE_BYTES for column in zip(*recent))
        if time.monotonic() > end or (len(recent) == needed and still):
            return tuple(statistics.median(column) for column in zip(*recent))
        time.sleep(0.5)


def pause(control, crowd):
    """Pauses writes, has every client send its SET, and waits until all are blocked; returns when it began."""
    began = time.monotonic()
    control.must("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
    crowd.send_sets()
    while int(control.info()["blocked_clients"]) != CLIENTS:
        if time.monotonic() > began + WAIT_S:
            raise PauseFailed(f"blocked_clients is {control.info()['blocked_clients']}, not {CLIENTS}")
        time.sleep(0.02)
    return began


def unpause(server, control, crowd, paused_since, quiet_s):
    """One release under the prober's eyes, after `quiet_s` of probing while paused: a `Release`, and the samples of
    the quiet time as `(max, p99)`."""
    probing = prober.Prober(server.port)
    try:
        quiet_since = time.monotonic()
        time.sleep(quiet_s)
        if time.monotonic() > paused_since + UNPAUSE_BEFORE_S:
            raise PauseFailed("the pause would have ended by itself before UNPAUSE: the machine is too slow")
        sent, answered, last = crowd.release(control.socket)
        if control.receive() != b"OK":
            raise PauseFailed("CLIENT UNPAUSE was answered with an error")
        time.sleep(0.02)
        samples = probing.finish()
    finally:
        probing.end()
    release = Release(answered - sent, last - sent, *worst_and_p99(samples, sent, last))
    return release, worst_and_p99(samples, quiet_since, sent)


def measure(binary, wal_sync, repeat):
    """Takes all figures of one server; UNPAUSE is measured `repeat` times."""
    servers.raise_file_limit(FILES_NEEDED)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.Server(binary, wal_sync, extra=["--maxclients", str(MAXCLIENTS)]))
        control = stack.enter_context(server.connect(timeout_s=WAIT_S))
        control.must("SET", prober.KEYS["get"], "x" * VALUE_BYTES)
        crowd = Crowd(server.port)
        stack.callback(crowd.close)
        idle = settled_memory(server, control, IDLE_SETTLE_S)
        began = pause(control, crowd)
        paused = settled_memory(server, control, PAUSED_SETTLE_S)
        cpu_s = server.cpu_s()
        time.sleep(CPU_WINDOW_S)
        cpu_percent = (server.cpu_s() - cpu_s) / CPU_WINDOW_S * 100
        first, quiet = unpause(server, control, crowd, began, 1.0)
        releases = [first]
        for _ in range(repeat - 1):
            began = pause(control, crowd)
            releases.append(unpause(server, control, crowd, began, 0.3)[0])
        per_client = [(after - before) / CLIENTS for before, after in zip(idle, paused)]
        return Figures(*per_client, cpu_percent, *quiet, releases)


def table(binaries, wal_sync, repeat, note=lambda text: None):
    """Header and rows for the given binaries, one column each, and the goal."""
    columns = []
    for binary in binaries:
        note(f"pause figures of {servers.server_name(binary)}")
        columns.append(measure(binary, wal_sync, repeat))

    def row(label, goal, show):
        return (label, *map(show, columns), goal)

    def median_and_worst(field):
        def show(figures):
            times = [getattr(release, field) * 1000 for release in figures.releases]
            return f"{statistics.median(times):.2f} ({max(times):.2f})"
        return show

    rows = [
        row("bytes a paused client, RSS", "< 256", lambda figures: f"{figures.rss_per_client:.0f}"),
        row("bytes a paused client, used_memory", "< 256", lambda figures: f"{figures.used_per_client:.0f}"),
        row("CPU while paused, %", "< 1", lambda figures: f"{figures.cpu_percent:.2f}"),
        row("GET while paused, p99, ms", "", lambda figures: f"{figures.paused_get_p99_s * 1000:.2f}"),
        row("GET while paused, max, ms", "< 2", lambda figures: f"{figures.paused_get_max_s * 1000:.2f}"),
        row("UNPAUSE answered after, ms", "<= 2", median_and_worst("answered_s")),
        row("last client served after, ms", "<= 80", median_and_worst("last_served_s")),
        row("GET meanwhile, p99, ms", "", median_and_worst("get_p99_s")),
        row("GET meanwhile, max, ms", "< 2", median_and_worst("get_max_s")),
    ]
    header = (f"{CLIENTS:,} paused clients, median (worst) of {repeat}", *map(servers.server_name, binaries), "goal")
    return header, rows
