"""One node of a replicated set, seen over one connection: Stillpoint, Redis or Kvrocks."""

import socket
import time
from dataclasses import dataclass

import resp

HELLO_CHANNEL = "__sentinel__:hello"


@dataclass(frozen=True)
class Address:
    """Where a node listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text):
        """`host:port`, `[v6 address]:port` or `:port` (loopback); ValueError otherwise."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} is not host:port")
        return cls(host.strip("[]") or "127.0.0.1", int(port))

    def __str__(self):
        return f"{self.host}:{self.port}"

    def same_place(self, other):
        """Whether both lead to the same port of the same machine, by name or by number."""
        return self.port == other.port and (self.host == other.host or bool(_numbers(self) & _numbers(other)))


def _numbers(address):
    try:
        return {entry[4][0] for entry in socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


class NodeError(Exception):
    """A node did not do what it was told. `answered`: it answered an error. `unchanged`: it has not done it and will
    not, because it answered an error or was never told; otherwise it may have done it, or may yet."""

    def __init__(self, text, answered=False, unchanged=False):
        super().__init__(text)
        self.answered = answered
        self.unchanged = answered or unchanged


@dataclass(frozen=True)
class View:
    """What a node says about its part in replication.

    `offset` counts bytes in Redis and sequence numbers in Stillpoint and Kvrocks; either way a replica that shows
    its primary's offset has all of its writes.
    """

    is_primary: bool
    offset: int
    primary: Address | None
    link_up: bool
    history: str
    failover_state: str
    fields: dict

    @classmethod
    def parse(cls, text):
        """From the text of INFO; ValueError when it does not tell."""
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line and line[0] != "#")
        is_primary = fields.get("role") == "master"
        if not is_primary and fields.get("role") != "slave":
            raise ValueError("INFO names no role: it may still be loading, or lack the right to tell")
        offset = fields.get("master_repl_offset" if is_primary else "slave_repl_offset", fields.get("sequence"))
        if offset is None:
            raise ValueError("INFO names no offset")
        primary = None if is_primary else Address(fields.get("master_host", "?"), int(fields.get("master_port", 0)))
        return cls(is_primary, int(offset), primary, fields.get("master_link_status") == "up",
                   fields.get("master_replid", ""), fields.get("master_failover_state", "no-failover"), fields)


class Node:
    """A node and the connection to it, which is made anew after it broke."""

    def __init__(self, address, user=None, password=None, timeout_s=5.0):
        self.address = address
        self._credentials = () if password is None else (user, password) if user else (password,)
        self._timeout_s = timeout_s
        self._connection = None
        self._client_id = None

    def __str__(self):
        return str(self.address)

    def close(self):
        """Closes the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connect(self):
        """Connects and authenticates, unless that is done."""
        if self._connection is not None:
            return
        connection = None
        try:
            connection = resp.Connection(self.address.port, self._timeout_s, self.address.host)
            if self._credentials:
                connection.must("AUTH", *self._credentials)
            self._client_id = connection.must("CLIENT", "ID")
        except (OSError, resp.Closed, resp.ProtocolError, RuntimeError) as error:
            if connection is not None:
                connection.close()
            # Nothing but AUTH was sent, so that nothing can have changed.
            raise NodeError(f"{self}: no connection: {error}", unchanged=True) from error
        self._connection = connection

    def call(self, *command):
        """The reply to a command; NodeError for an error or for none in time."""
        self.connect()
        try:
            reply = self._connection.call(*command)
        except (OSError, resp.Closed, resp.ProtocolError) as error:
            self.close()
            text = f"{self}: {' '.join(map(str, command))}: no answer: {error or type(error).__name__}"
            raise NodeError(text) from error
        if isinstance(reply, resp.ErrorReply):
            raise NodeError(f"{self}: {' '.join(map(str, command))}: {reply.text}", answered=True)
        return reply

    def view(self):
        """Its part in replication."""
        text = self.call("INFO", "replication").decode()
        if "repl_offset:" not in text:
            text += self.call("INFO", "keyspace").decode()
        try:
            return View.parse(text)
        except ValueError as error:
            raise NodeError(f"{self}: {error}", answered=True) from error

    def forget_unanswered(self):
        """Makes sure that a command whose answer never came can no longer run: its connection is closed at the
        server's end too."""
        unanswered = self._client_id
        self.close()
        self.connect()
        if unanswered is not None:
            self.call("CLIENT", "KILL", "ID", unanswered)

    def sentinels(self):
        """How many clients listen to Sentinel's channel."""
        try:
            return int(self.call("PUBSUB", "NUMSUB", HELLO_CHANNEL)[1])
        except NodeError as error:
            if not error.answered:
                raise
            return 0

    def follow(self, primary):
        """Makes it a replica of the address `primary`."""
        self.call("REPLICAOF", primary.host, primary.port)

    def promote(self):
        """Makes it a primary."""
        self.call("REPLICAOF", "NO", "ONE")


def wait_until(condition, timeout_s, poll_s=0.0002, clock=time.monotonic, sleep=time.sleep):
    """Asks until the answer is true or the time has passed; the last answer."""
    deadline = clock() + timeout_s
    while not (answer := condition()) and clock() < deadline:
        sleep(poll_s)
    return answer
