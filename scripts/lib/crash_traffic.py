"""The commands that one writer of crash-test sends: random, seeded, and made so that every effect can be told apart.

A writer owns the keys `w<n>:*` of its database, so what they must hold follows from its own commands alone. They go
out as units: one command, or a transaction. Every value carries the token `w<n>u<unit>;`, so whoever reads it knows
which unit had been executed by then.
"""

import random
import re
import time
from dataclasses import dataclass

import resp
from crash_model import Model

TOKEN = re.compile(rb"w(\d+)u(\d+);")
GENERAL_KEYS = 40
COUNTERS = 4
AGREEING = 8
ACCOUNTS = 6
HASH_FIELDS = 40
ZSET_MEMBERS = 30
ELEMENTS_MAX = 80
STRING_BYTES_MAX = 4000
KINDS = ("string", "hash", "list", "set", "zset")
# Expiries are hours away: none may happen during a test, each must survive it.
EXPIRY_S = (3600, 360_000)
FLUSH_CHANCE = 0.01
WRONG_TYPE_CHANCE = 0.02

# Random bytes to fill values with; no semicolon, so that no token can appear in them by chance.
PADDING = random.Random(1).randbytes(1 << 19).replace(b";", b":")


@dataclass
class Unit:
    """What is applied as a whole: its commands, the replies due, and its number, which counts up for ever."""

    number: int
    commands: list
    replies: list


def wire(command):
    """The bytes sent for a command of the model."""
    if command[0] == "EXPIRE":
        command = command[:3]
    elif command[0] == "QUEUE":
        command = ("RPUSH", *command[1:])
    return resp.encode(command)


class Traffic:
    """One writer's keys, its model of them, and the maker of its units."""

    def __init__(self, number, database, may_flush):
        self.number = number
        self.database = database
        self.may_flush = may_flush
        self.prefix = b"w%d:" % number
        self.general = [self.prefix + b"k%d" % key for key in range(GENERAL_KEYS)]
        # What a key mostly holds; else overwriting would leave strings only.
        self._home = {key: KINDS[index % len(KINDS)] for index, key in enumerate(self.general)}
        self.counters = [self.prefix + b"counter%d" % key for key in range(COUNTERS)]
        self.agreeing = [self.prefix + b"agreeing%d" % key for key in range(AGREEING)]
        self.accounts = [self.prefix + b"account%d" % key for key in range(ACCOUNTS)]
        self.queue_last = self.prefix + b"queue-last"
        # Another client pops it, so it is checked apart: its name is outside the prefix.
        self.queue = b"queue:%d" % number
        self.channel = b"news:%d" % number
        self.model = Model()
        self.next_number = 1
        self._random = random.Random()
        self._token = b""
        # A share of the units each; a writer that flushes keeps nothing that may only grow.
        makers = [(self._one, 60), (self._transaction, 12), (self._agree, 8), (self._transfer, 8)]
        if not may_flush:
            makers += [(self._count, 8), (self._news, 4), (self._push, 4)]
        self._makers = [maker for maker, _ in makers]
        self._weights = [weight for _, weight in makers]

    def begin_round(self, seed):
        """Seeds the choices of the coming round."""
        self._random.seed(seed)

    def next_unit(self):
        """Makes the next unit and applies it to the model."""
        self._token = b"w%du%d;" % (self.number, self.next_number)
        if self.may_flush and self._random.random() < FLUSH_CHANCE:
            commands, replies = self._play([("FLUSHDB",)])
        else:
            commands, replies = self._random.choices(self._makers, self._weights)[0]()
        unit = Unit(self.next_number, commands, replies)
        self.next_number += 1
        return unit

    def adopt(self, entries):
        """Takes what was recovered as the state from which to go on."""
        self.model = Model(entries)

    # --- units ------------------------------------------------------------------------------------------------

    def _play(self, commands):
        return commands, [self.model.apply(command) for command in commands]

    def _atomic(self, commands):
        """A transaction of the given commands."""
        unit = [("MULTI",), *commands, ("EXEC",)]
        return unit, self.model.apply_unit(unit)

    def _one(self):
        return self._play([self._command()])

    def _transaction(self):
        count = 150 if self._random.random() < 0.03 else self._random.randint(2, 20)
        if self._random.random() < 0.1:
            body = [("SET", self._key(), self._value()) for _ in range(count)]
            unit = [("MULTI",), *body, ("DISCARD",)]
            return unit, self.model.apply_unit(unit)
        # Each command is chosen for the state that the ones before it leave.
        body, results = [], []
        for _ in range(count):
            body.append(self._command())
            results.append(self.model.apply(body[-1]))
        return [("MULTI",), *body, ("EXEC",)], [b"OK"] + [b"QUEUED"] * count + [results]

    def _agree(self):
        """Keys that are only ever set together, to one value."""
        value = self._value()
        if self._random.random() < 0.2:
            return self._play([("MSET", *(part for key in self.agreeing for part in (key, value)))])
        return self._atomic([("SET", key, value) for key in self.agreeing])

    def _transfer(self):
        """Accounts whose sum stays 0."""
        source, target = self._random.sample(self.accounts, 2)
        amount = self._random.randint(1, 1000)
        return self._atomic([("DECRBY", source, amount), ("INCRBY", target, amount)])

    def _count(self):
        return self._play([("INCR", self._random.choice(self.counters))])

    def _news(self):
        return self._play([("PUBLISH", self.channel, self._token)])

    def _push(self):
        return self._atomic([("QUEUE", self.queue, self._token), ("SET", self.queue_last, self._token)])

    # --- commands ---------------------------------------------------------------------------------------------

    def _key(self):
        return self._random.choice(self.general)

    def _key_of(self, kind):
        """A key whose home kind is `kind`, whatever it holds at the moment."""
        return self.general[KINDS.index(kind) + len(KINDS) * self._random.randrange(GENERAL_KEYS // len(KINDS))]

    def _value(self):
        """The token and some padding: mostly short, sometimes longer than a block or a WAL buffer."""
        chance = self._random.random()
        bound = 100 if chance < 0.9 else 2000 if chance < 0.985 else 40_000 if chance < 0.999 else 400_000
        length = self._random.randrange(bound)
        start = self._random.randrange(len(PADDING) - length)
        return self._token + PADDING[start:start + length]

    def _command(self):
        """Any command on the general keys, in general one that fits what the key holds."""
        key = self._key()
        entry = self.model.keys.get(key)
        home = self._home[key]
        if entry is not None and entry.kind != home and self._random.random() < 0.5:
            return ("DEL", key)
        if entry is None or self._random.random() < WRONG_TYPE_CHANCE:
            kind = home if self._random.random() < 0.7 else self._random.choice(KINDS)
        else:
            kind = entry.kind
        if self._random.random() < 0.15:
            return self._keyspace(key)
        held = entry.value if entry is not None and entry.kind == kind else None
        return getattr(self, "_" + kind)(key, held)

    def _keyspace(self, key):
        choice = self._random.randrange(10)
        if choice < 2:
            return (("DEL", "UNLINK")[choice], *self._random.sample(self.general, self._random.randint(1, 3)))
        if choice < 4:
            return ("EXPIRE", key, self._random.randint(*EXPIRY_S), int(time.time() * 1000))
        if choice < 6:
            return ("PEXPIREAT", key, 1 if self._random.random() < 0.2 else self._far_ms())
        if choice < 7:
            return ("PERSIST", key)
        source, target = self._random.sample(self.general, 2)
        return ("RENAME", source, target) if choice < 9 else ("COPY", source, target, "REPLACE")

    def _far_ms(self):
        return int(time.time() * 1000) + self._random.randint(*EXPIRY_S) * 1000

    def _string(self, key, held):
        choice = self._random.randrange(12)
        if held is not None and choice < 4:
            if len(held) > STRING_BYTES_MAX:
                return ("GETDEL", key)
            if choice < 3:
                return ("APPEND", key, self._value())
            return ("SETRANGE", key, self._random.randrange(len(held) + 20), self._token)
        if choice == 4 and self._random.random() < 0.3:
            keys = self._random.sample(self.general, self._random.randint(2, 5))
            return ("MSET", *(part for name in keys for part in (name, self._value())))
        options = {5: ("NX",), 6: ("XX",), 7: ("KEEPTTL",)}.get(choice, ())
        if choice == 8:
            options = ("PXAT", self._far_ms())
        return ("SET", key, self._value(), *options)

    def _hash(self, key, held):
        choice = self._random.randrange(10)
        if held and choice < 3:
            return ("HDEL", key, *self._random.sample(list(held), min(len(held), self._random.randint(1, 4))))
        if choice == 3:
            return ("HSETNX", key, self._field(), self._value())
        fields = {self._field(): self._value() for _ in range(self._random.randint(1, 5))}
        return ("HSET", key, *(part for pair in fields.items() for part in pair))

    def _field(self):
        return b"f%d" % self._random.randrange(HASH_FIELDS)

    def _list(self, key, held):
        choice = self._random.randrange(10)
        if held and len(held) > ELEMENTS_MAX:
            return ("LTRIM", key, 10, 39)
        if held and choice < 5:
            if choice < 2:
                return (("LPOP", "RPOP")[choice], key, self._random.randint(1, 6))
            if choice == 2:
                return ("LSET", key, self._random.randrange(len(held)), self._value())
            ends = [self._random.choice(("LEFT", "RIGHT")) for _ in range(2)]
            return ("LMOVE", key, self._key_of("list"), *ends)
        values = [self._value() for _ in range(self._random.randint(1, 5))]
        return (self._random.choice(("LPUSH", "RPUSH")), key, *values)

    def _set(self, key, held):
        choice = self._random.randrange(10)
        if held and (choice < 3 or len(held) > ELEMENTS_MAX):
            return ("SREM", key, *sorted(held)[:self._random.randint(1, 20)])
        if choice == 3:
            return ("SUNIONSTORE", key, self._key_of("set"), self._key_of("set"))
        return ("SADD", key, *(self._token + b"%d" % number for number in range(self._random.randint(1, 5))))

    def _zset(self, key, held):
        choice = self._random.randrange(10)
        if held and len(held) > ELEMENTS_MAX:
            return ("ZPOPMIN", key, 40)
        if held and choice < 3:
            if choice == 0:
                return ("ZPOPMIN", key, self._random.randint(1, 3))
            return ("ZREM", key, *self._random.sample(list(held), min(len(held), self._random.randint(1, 4))))
        if choice < 6:
            return ("ZINCRBY", key, self._random.randint(-20, 20) / 2, self._member())
        members = {self._member(): self._random.randint(-200, 200) / 2 for _ in range(self._random.randint(1, 4))}
        return ("ZADD", key, *(part for member, score in members.items() for part in (score, member)))

    def _member(self):
        """One of a few members, or a new one that carries the token."""
        return self._token if self._random.random() < 0.3 else b"m%d" % self._random.randrange(ZSET_MEMBERS)
