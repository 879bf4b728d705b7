"""What a database must hold after a sequence of commands: the model that crash-test compares a server with.

It knows the commands that `crash_traffic` sends and nothing else, computes the reply that Redis 7.0 gives, and keeps
keys as `Entry` values. Scores are integers and halves, which every float format prints alike.
"""

from resp import ErrorReply

WRONG_TYPE = ErrorReply("WRONGTYPE Operation against a key holding the wrong kind of value")
NOT_AN_INTEGER = ErrorReply("ERR value is not an integer or out of range")
# A reply that is not foreseen: the subscribers that PUBLISH reached, the length of a queue that another client pops.
ANY = object()
# EXPIRE's moment is the server's: this long after the command was made it has been executed, or never will be.
EXPIRE_SLACK_MS = 60_000


class Entry:
    """One key: `kind` is TYPE's word; `expires` is None or the `(earliest, latest)` Unix milliseconds of its expiry."""

    __slots__ = ("kind", "value", "expires")

    def __init__(self, kind, value, expires=None):
        self.kind = kind
        self.value = value
        self.expires = expires

    def copy(self):
        """An entry that shares nothing changeable."""
        value = self.value if self.kind == "string" else self.value.copy()
        return Entry(self.kind, value, self.expires)

    def same_as(self, other):
        """Whether a recovered entry may be this one: equal contents, and an expiry within this one's bounds."""
        if other is None or self.kind != other.kind or self.value != other.value:
            return False
        if self.expires is None or other.expires is None:
            return self.expires is other.expires
        return self.expires[0] <= other.expires[0] <= self.expires[1]

    def __repr__(self):
        shown = repr(self.value)
        expires = "" if self.expires is None else f" expiring {self.expires[0]}"
        return f"{self.kind} {shown if len(shown) <= 90 else shown[:80] + f'... ({len(shown)} characters)'}{expires}"


def empty(kind):
    """A new container."""
    return {"hash": dict, "list": list, "set": set, "zset": dict}[kind]()


def score_text(score):
    """A score as Redis prints it."""
    return b"%d" % score if score == int(score) else repr(score).encode()


class Model:
    """The keys of one writer."""

    def __init__(self, keys=None):
        self.keys = keys if keys is not None else {}

    def copy(self):
        """A model that shares nothing changeable."""
        return Model({key: entry.copy() for key, entry in self.keys.items()})

    def apply(self, command):
        """Executes one command and returns the reply that is due."""
        return getattr(self, "_" + command[0].lower())(*command[1:])

    def apply_unit(self, unit):
        """Executes a unit (one command, or a whole MULTI ... EXEC) and returns its replies."""
        if unit[0] != ("MULTI",):
            return [self.apply(command) for command in unit]
        body = unit[1:-1]
        head = [b"OK"] + [b"QUEUED"] * len(body)
        if unit[-1] == ("DISCARD",):
            return head + [b"OK"]
        return head + [[self.apply(command) for command in body]]

    # --- access -----------------------------------------------------------------------------------------------

    def _container(self, key, kind):
        """The entry for a write, made if absent; None when the key holds another type."""
        entry = self.keys.get(key)
        if entry is None:
            entry = self.keys[key] = Entry(kind, empty(kind) if kind != "string" else b"")
        return entry if entry.kind == kind else None

    def _existing(self, key, kind):
        """`(entry or None, wrong type?)` for a command that creates nothing."""
        entry = self.keys.get(key)
        return entry, entry is not None and entry.kind != kind

    def _drop_if_empty(self, key):
        if not self.keys[key].value:
            del self.keys[key]

    # --- keys -------------------------------------------------------------------------------------------------

    def _del(self, *keys):
        return sum(self.keys.pop(key, None) is not None for key in keys)

    _unlink = _del

    def _expire(self, key, seconds, made_ms):
        """`made_ms` (not sent to the server) is when the command was made."""
        if key not in self.keys:
            return 0
        self.keys[key].expires = (made_ms + seconds * 1000, made_ms + seconds * 1000 + EXPIRE_SLACK_MS)
        return 1

    def _pexpireat(self, key, unix_ms):
        if key not in self.keys:
            return 0
        if unix_ms <= 1:
            del self.keys[key]
        else:
            self.keys[key].expires = (unix_ms, unix_ms)
        return 1

    def _persist(self, key):
        entry = self.keys.get(key)
        if entry is None or entry.expires is None:
            return 0
        entry.expires = None
        return 1

    def _rename(self, source, target):
        if source not in self.keys:
            return ErrorReply("ERR no such key")
        self.keys[target] = self.keys.pop(source)
        return b"OK"

    def _copy(self, source, target, _replace):
        if source not in self.keys:
            return 0
        self.keys[target] = self.keys[source].copy()
        return 1

    def _flushdb(self):
        self.keys.clear()
        return b"OK"

    def _publish(self, _channel, _message):
        return ANY

    def _queue(self, _key, _value):
        """RPUSH to a queue that another client pops, so that its contents are not this writer's alone."""
        return ANY

    # --- strings ----------------------------------------------------------------------------------------------

    def _set(self, key, value, *options):
        entry = self.keys.get(key)
        expires = None
        if "NX" in options and entry is not None or "XX" in options and entry is None:
            return None
        if "KEEPTTL" in options and entry is not None:
            expires = entry.expires
        if "PXAT" in options:
            unix_ms = options[options.index("PXAT") + 1]
            expires = (unix_ms, unix_ms)
        self.keys[key] = Entry("string", value, expires)
        return b"OK"

    def _mset(self, *pairs):
        for key, value in zip(pairs[::2], pairs[1::2]):
            self.keys[key] = Entry("string", value)
        return b"OK"

    def _append(self, key, value):
        entry = self._container(key, "string")
        if entry is None:
            return WRONG_TYPE
        entry.value += value
        return len(entry.value)

    def _setrange(self, key, offset, value):
        entry = self._container(key, "string")
        if entry is None:
            return WRONG_TYPE
        padded = entry.value.ljust(offset, b"\0")
        entry.value = padded[:offset] + value + padded[offset + len(value):]
        return len(entry.value)

    def _getdel(self, key):
        entry, wrong = self._existing(key, "string")
        if wrong:
            return WRONG_TYPE
        return self.keys.pop(key).value if entry else None

    def _incrby(self, key, amount):
        entry = self._container(key, "string")
        if entry is None:
            return WRONG_TYPE
        try:
            number = int(entry.value or 0) + amount
        except ValueError:
            return NOT_AN_INTEGER
        entry.value = b"%d" % number
        return number

    def _decrby(self, key, amount):
        return self._incrby(key, -amount)

    def _incr(self, key):
        return self._incrby(key, 1)

    # --- hashes -----------------------------------------------------------------------------------------------

    def _hset(self, key, *pairs):
        entry = self._container(key, "hash")
        if entry is None:
            return WRONG_TYPE
        before = len(entry.value)
        entry.value.update(zip(pairs[::2], pairs[1::2]))
        return len(entry.value) - before

    def _hsetnx(self, key, field, value):
        entry = self._container(key, "hash")
        if entry is None:
            return WRONG_TYPE
        if field in entry.value:
            return 0
        entry.value[field] = value
        return 1

    def _hdel(self, key, *fields):
        entry, wrong = self._existing(key, "hash")
        return WRONG_TYPE if wrong else self._remove(key, entry, fields)

    def _remove(self, key, entry, members):
        """Takes members out of a hash, set or sorted set; the number that were there."""
        if entry is None:
            return 0
        found = entry.value.keys() & members if entry.kind != "set" else entry.value.intersection(members)
        for member in found:
            entry.value.remove(member) if entry.kind == "set" else entry.value.pop(member)
        self._drop_if_empty(key)
        return len(found)

    # --- lists ------------------------------------------------------------------------------------------------

    def _lpush(self, key, *values):
        entry = self._container(key, "list")
        if entry is None:
            return WRONG_TYPE
        entry.value[:0] = reversed(values)
        return len(entry.value)

    def _rpush(self, key, *values):
        entry = self._container(key, "list")
        if entry is None:
            return WRONG_TYPE
        entry.value.extend(values)
        return len(entry.value)

    def _lpop(self, key, count, at_head=True):
        entry, wrong = self._existing(key, "list")
        if wrong:
            return WRONG_TYPE
        if entry is None:
            return None
        if at_head:
            taken, entry.value = entry.value[:count], entry.value[count:]
        else:
            taken, entry.value = entry.value[:-count - 1:-1], entry.value[:-count]
        self._drop_if_empty(key)
        return taken

    def _rpop(self, key, count):
        return self._lpop(key, count, at_head=False)

    def _lset(self, key, index, value):
        entry, wrong = self._existing(key, "list")
        if wrong:
            return WRONG_TYPE
        if entry is None:
            return ErrorReply("ERR no such key")
        if index >= len(entry.value):
            return ErrorReply("ERR index out of range")
        entry.value[index] = value
        return b"OK"

    def _ltrim(self, key, start, stop):
        entry, wrong = self._existing(key, "list")
        if wrong:
            return WRONG_TYPE
        if entry:
            entry.value = entry.value[start:stop + 1]
            self._drop_if_empty(key)
        return b"OK"

    def _lmove(self, source, target, source_end, target_end):
        entry, wrong = self._existing(source, "list")
        if wrong or (entry and self._existing(target, "list")[1]):
            return WRONG_TYPE
        if entry is None:
            return None
        moved = entry.value.pop(0 if source_end == "LEFT" else -1)
        goal = self._container(target, "list").value
        goal.insert(0 if target_end == "LEFT" else len(goal), moved)
        self._drop_if_empty(source)
        return moved

    # --- sets -------------------------------------------------------------------------------------------------

    def _sadd(self, key, *members):
        entry = self._container(key, "set")
        if entry is None:
            return WRONG_TYPE
        before = len(entry.value)
        entry.value.update(members)
        return len(entry.value) - before

    def _srem(self, key, *members):
        entry, wrong = self._existing(key, "set")
        return WRONG_TYPE if wrong else self._remove(key, entry, members)

    def _sunionstore(self, target, *sources):
        entries = [self.keys[key] for key in sources if key in self.keys]
        if any(entry.kind != "set" for entry in entries):
            return WRONG_TYPE
        union = set().union(*(entry.value for entry in entries))
        self.keys.pop(target, None)
        if union:
            self.keys[target] = Entry("set", union)
        return len(union)

    # --- sorted sets ------------------------------------------------------------------------------------------

    def _zadd(self, key, *pairs):
        entry = self._container(key, "zset")
        if entry is None:
            return WRONG_TYPE
        before = len(entry.value)
        entry.value.update(zip(pairs[1::2], pairs[::2]))
        return len(entry.value) - before

    def _zincrby(self, key, amount, member):
        entry = self._container(key, "zset")
        if entry is None:
            return WRONG_TYPE
        score = entry.value.get(member, 0) + amount
        entry.value[member] = score
        return score_text(score)

    def _zrem(self, key, *members):
        entry, wrong = self._existing(key, "zset")
        return WRONG_TYPE if wrong else self._remove(key, entry, members)

    def _zpopmin(self, key, count):
        entry, wrong = self._existing(key, "zset")
        if wrong:
            return WRONG_TYPE
        if entry is None:
            return []
        taken = sorted((score, member) for member, score in entry.value.items())[:count]
        for _, member in taken:
            del entry.value[member]
        self._drop_if_empty(key)
        return [part for score, member in taken for part in (member, score_text(score))]


def keys_of(command):
    """The keys whose contents a command may change."""
    name = command[0]
    if name in ("RENAME", "COPY", "LMOVE"):
        return command[1:3]
    if name == "MSET":
        return command[1::2]
    if name in ("DEL", "UNLINK"):
        return command[1:]
    return () if name in ("MULTI", "EXEC", "DISCARD", "PUBLISH", "QUEUE", "FLUSHDB") else command[1:2]
