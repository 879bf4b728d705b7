"""One round of crash-test: load until a number of replies has come in, kill -9, and read what had still been sent."""

import random
import selectors
import time

import servers
from crash_clients import DEPTHS, Popper, Reader, Subscriber, Watcher, Writer

STUCK_S = 30.0
BURST_CHANCE = 0.8
BURST_MAX = 1000
# About the slowest that a server takes for a command of a pipeline.
BURST_S_A_COMMAND = 8e-6
WATCHED_ROUNDS = 0.25


class Round:
    """Runs the clients of one round against one server."""

    def __init__(self, server, logs, threshold, seed):
        self._server = server
        self._logs = logs
        self._threshold = threshold
        self._random = random.Random(seed)
        self._acknowledged = 0
        self._killed = False
        self._clients = []

    def run(self):
        """Loads the server, kills it, and returns when every connection has been read to its end."""
        try:
            self._connect()
            self._drive()
        finally:
            for client in self._clients:
                client.socket.close()
        self._server.process.wait()

    def _connect(self):
        port = self._server.port
        self._clients.append(Subscriber(port, self._logs))
        if self._random.random() < WATCHED_ROUNDS:
            self._clients.append(Watcher(port, self._logs))
        for log in self._logs:
            self._clients.append(Reader(port, self._logs, log, self._random.random()))
            if not log.traffic.may_flush:
                self._clients.append(Popper(port, self._logs, log))
        for log in self._logs:
            depth = self._random.choice(DEPTHS)
            self._clients.append(Writer(port, log, depth, self._count))

    def _count(self):
        self._acknowledged += 1

    def _kill(self):
        """The kill: at once in some rounds; in most, while the server has a burst of commands before it.

        The burst is needed because these clients are slower than the server, which would mostly be idle when the
        kill comes; the wait makes the kill hit any moment of its work.
        """
        if self._random.random() < BURST_CHANCE:
            writers = [client for client in self._clients if isinstance(client, Writer)]
            for writer in writers:
                writer.send_up_to(self._random.randint(1, BURST_MAX))
            for writer in writers:
                writer.flush()
            in_flight = sum(writer.in_flight for writer in writers)
            # Squared, for the sake of servers that are far faster than that.
            time.sleep(self._random.random() ** 2 * in_flight * BURST_S_A_COMMAND)
        self._server.process.kill()
        self._killed = True

    def _drive(self):
        selector = selectors.DefaultSelector()
        interest = {}
        for client in self._clients:
            client.socket.setblocking(False)
            interest[client] = selectors.EVENT_READ
            selector.register(client.socket, selectors.EVENT_READ, client)
        last_progress, seen = time.monotonic(), 0
        with selector:
            while interest:
                for client in list(interest):
                    if not self._killed:
                        client.fill()
                    client.flush()
                    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.output else 0)
                    if wanted != interest[client]:
                        interest[client] = wanted
                        selector.modify(client.socket, wanted, client)
                for key, events in selector.select(timeout=1.0):
                    if events & selectors.EVENT_READ:
                        key.data.receive()
                    if self._acknowledged >= self._threshold and not self._killed:
                        self._kill()
                    if key.data.closed:
                        if not self._killed:
                            raise servers.ServerFailed(f"the server closed {type(key.data).__name__}'s connection "
                                                       f"before the kill\n{self._server.log_tail()}")
                        selector.unregister(key.data.socket)
                        del interest[key.data]
                if self._acknowledged > seen or self._killed and not interest:
                    last_progress, seen = time.monotonic(), self._acknowledged
                elif time.monotonic() > last_progress + STUCK_S:
                    raise servers.ServerFailed(f"no reply for {STUCK_S:.0f} s\n{self._server.log_tail()}")
