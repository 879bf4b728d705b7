"""The Redis protocol (RESP2), client side: encoding commands, reading replies, one blocking connection.

Replies become Python values: a status or a bulk string is `bytes`, an integer `int`, nil `None`, an array a `list`,
and an error an `ErrorReply` (returned, not raised, because a pipeline may hold several).
"""

import socket

RECEIVE_BYTES = 1 << 16


class ErrorReply:
    """An error that the server answered; `text` is the line without its leading minus."""

    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text

    @property
    def code(self):
        """The first word, `WRONGTYPE` for instance."""
        return self.text.split(" ", 1)[0]

    def __eq__(self, other):
        return isinstance(other, ErrorReply) and self.text == other.text

    def __repr__(self):
        return f"-{self.text}"


class ProtocolError(Exception):
    """The bytes received are no reply."""


class Closed(Exception):
    """The server closed the connection."""


def encode(command):
    """One command, a sequence of `bytes`, `str` or `int`, as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        if type(argument) is not bytes:
            argument = str(argument).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class ReplyReader:
    """Turns the received bytes into replies, whatever the boundaries they arrive in."""

    def __init__(self):
        self._buffer = b""
        self._position = 0

    def feed(self, data):
        """Adds received bytes."""
        if self._position:
            self._buffer = self._buffer[self._position:] + data
            self._position = 0
        else:
            self._buffer += data

    def next(self):
        """`(reply,)` when a whole reply is there, else `None` (a reply may itself be `None`, hence the tuple)."""
        parsed = self._parse(self._position)
        if parsed is None:
            return None
        reply, self._position = parsed
        return (reply,)

    def _parse(self, start):
        buffer = self._buffer
        end = buffer.find(b"\r\n", start)
        if end < 0:
            return None
        kind, line, after = buffer[start:start + 1], buffer[start + 1:end], end + 2
        if kind == b"+":
            return line, after
        if kind == b":":
            return int(line), after
        if kind == b"$":
            length = int(line)
            if length < 0:
                return None, after
            if len(buffer) < after + length + 2:
                return None
            return buffer[after:after + length], after + length + 2
        if kind == b"-":
            return ErrorReply(line.decode(errors="replace")), after
        if kind == b"*":
            count = int(line)
            if count < 0:
                return None, after
            items = []
            for _ in range(count):
                parsed = self._parse(after)
                if parsed is None:
                    return None
                item, after = parsed
                items.append(item)
            return items, after
        raise ProtocolError(f"a reply begins with {buffer[start:start + 40]!r}")


class Connection:
    """A blocking connection with a deadline on every read and write."""

    def __init__(self, port, timeout_s=10.0, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = ReplyReader()

    def close(self):
        """Closes the socket."""
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *commands):
        """Sends commands without waiting for their replies."""
        self.socket.sendall(b"".join(map(encode, commands)))

    def receive(self):
        """The next reply."""
        while True:
            found = self._reader.next()
            if found is not None:
                return found[0]
            data = self.socket.recv(RECEIVE_BYTES)
            if not data:
                raise Closed("the server closed the connection")
            self._reader.feed(data)

    def call(self, *command):
        """Sends one command and returns its reply."""
        self.send(command)
        return self.receive()

    def must(self, *command):
        """Like `call`, but an error reply raises."""
        reply = self.call(*command)
        if isinstance(reply, ErrorReply):
            raise RuntimeError(f"{' '.join(map(str, command))[:80]} was answered: {reply.text}")
        return reply

    def pipeline(self, commands, batch=500):
        """Sends the commands in batches and returns all replies, in order."""
        replies = []
        for start in range(0, len(commands), batch):
            chunk = commands[start:start + batch]
            self.send(*chunk)
            replies.extend(self.receive() for _ in chunk)
        return replies

    def info(self):
        """INFO's fields in one dictionary of strings."""
        lines = self.must("INFO").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)
