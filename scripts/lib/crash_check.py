"""What crash-test does after a restart: read everything back, and find out which commands it is the result of.

The rule, a connection: the recovered state is the one after some prefix of the units sent, and that prefix holds
every acknowledged unit and every unit whose effect another client was shown.
"""

import time
from dataclasses import dataclass, field

from crash_model import Entry, Model, keys_of

SCAN_COUNT = 1000
DBSIZE_WAIT_S = 5.0
DIFFERENCES_SHOWN = 4
# What counting and what listing a key of each type is; both must agree.
READS = {
    b"string": (("GET",), "STRLEN"),
    b"hash": (("HGETALL",), "HLEN"),
    b"list": (("LRANGE", 0, -1), "LLEN"),
    b"set": (("SMEMBERS",), "SCARD"),
    b"zset": (("ZRANGE", 0, -1, "WITHSCORES"), "ZCARD"),
}
MEMBER_READS = {b"hash": "HMGET", b"set": "SMISMEMBER", b"zset": "ZMSCORE"}


@dataclass
class Verdict:
    """What the check found for one writer. `lost` counts commands; the problems are sentences."""

    acknowledged: int = 0
    unknown: int = 0
    lost: int = 0
    shown_lost: int = 0
    torn: int = 0
    problems: list = field(default_factory=list)

    def add(self, other):
        """Adds up two verdicts."""
        self.acknowledged += other.acknowledged
        self.unknown += other.unknown
        self.lost += other.lost
        self.shown_lost += other.shown_lost
        self.torn += other.torn
        self.problems += other.problems

    @property
    def failed(self):
        """Whether anything was wrong."""
        return bool(self.lost or self.shown_lost or self.torn or self.problems)


def read_database(connection, database):
    """`(entries by key, problems)` of one database: contents, expiries, and whether counts and lookups agree."""
    connection.must("SELECT", database)
    names, cursor = set(), b"0"
    while True:
        cursor, found = connection.must("SCAN", cursor, "COUNT", SCAN_COUNT)
        names.update(found)
        if cursor == b"0":
            break
    names = sorted(names)
    problems = _dbsize_problems(connection, database, len(names))
    heads = connection.pipeline([command for name in names for command in (("TYPE", name), ("PEXPIRETIME", name))])
    kinds = dict(zip(names, heads[::2]))
    reads = []
    for name in names:
        if kinds[name] not in READS:
            problems.append(f"db {database}: SCAN lists {name!r}, of which TYPE says {kinds[name]!r}")
            continue
        listing, count = READS[kinds[name]]
        reads += [(listing[0], name, *listing[1:]), (count, name)]
    replies = connection.pipeline(reads, batch=50)
    entries = {}
    expiries = dict(zip(names, heads[1::2]))
    for (_, name, *_), listed, count in zip(reads[::2], replies[::2], replies[1::2]):
        entry = _entry(kinds[name].decode(), listed, expiries[name])
        entries[name] = entry
        if count != len(entry.value):
            problems.append(f"db {database}: {name!r} counts {count}, but lists {len(entry.value)}: {entry!r}")
    problems += _lookup_problems(connection, database, entries)
    return entries, problems


def _dbsize_problems(connection, database, expected):
    """DBSIZE must equal the keys listed; a server that counts in the background is given some seconds."""
    end = time.monotonic() + DBSIZE_WAIT_S
    while (size := connection.must("DBSIZE")) != expected:
        if time.monotonic() > end:
            return [f"db {database}: DBSIZE says {size}, SCAN lists {expected} keys"]
        time.sleep(0.05)
    return []


def _entry(kind, listed, expires_ms):
    """A key as read back."""
    if kind == "hash":
        value = dict(zip(listed[::2], listed[1::2]))
    elif kind == "zset":
        value = {member: float(score) for member, score in zip(listed[::2], listed[1::2])}
    elif kind == "set":
        value = set(listed)
    else:
        value = listed
    return Entry(kind, value, None if expires_ms == -1 else (expires_ms, expires_ms))


def _lookup_problems(connection, database, entries):
    """Every member that a listing shows must be found by asking for it."""
    asked = [(name, entry, list(entry.value)) for name, entry in entries.items()
             if entry.kind.encode() in MEMBER_READS and entry.value]
    replies = connection.pipeline(
        [(MEMBER_READS[entry.kind.encode()], name, *members) for name, entry, members in asked], batch=50)
    problems = []
    for (name, entry, members), reply in zip(asked, replies):
        if entry.kind == "zset":
            expected, reply = list(entry.value.values()), [None if score is None else float(score) for score in reply]
        else:
            expected = list(entry.value.values()) if entry.kind == "hash" else [1] * len(members)
        if reply != expected:
            problems.append(f"db {database}: the members of {name!r} that it lists are not all found by lookup")
    return problems


@dataclass
class Match:
    """How the prefixes of a round's units explain a recovered state: the longest one that does, or None, and the one
    that comes closest."""

    longest: int | None
    closest: int


def match(base, units, recovered):
    """Compares `recovered` (entries by key) with `base` after 0, 1, 2 ... of the units."""
    model = base.copy()
    keys = model.keys
    differing = {key for key in keys.keys() | recovered.keys() if not _agrees(keys, recovered, key)}
    found = Match(None, 0)
    fewest = len(differing)
    for applied in range(len(units) + 1):
        if applied:
            commands = units[applied - 1].commands
            touched = set(keys) if commands[0] == ("FLUSHDB",) else set()
            model.apply_unit(commands)
            for key in touched.union(*map(keys_of, commands)):
                (differing.discard if _agrees(keys, recovered, key) else differing.add)(key)
        if not differing:
            found.longest = applied
        if len(differing) <= fewest:
            found.closest, fewest = applied, len(differing)
    return found


def differences(base, units, applied, recovered):
    """What `recovered` has otherwise than `base` after the first `applied` units, a sentence a key."""
    model = base.copy()
    for unit in units[:applied]:
        model.apply_unit(unit.commands)
    keys = model.keys
    return [f"  {key.decode()}: must be {keys.get(key)!r}, is {recovered.get(key)!r}"
            for key in sorted(keys.keys() | recovered.keys()) if not _agrees(keys, recovered, key)]


def _agrees(keys, recovered, key):
    expected = keys.get(key)
    return recovered.get(key) is None if expected is None else expected.same_as(recovered.get(key))


def judge(log, recovered):
    """Checks one writer after a kill; `log` is its `WriterLog`, `recovered` its keys as read back."""
    traffic = log.traffic
    units = log.units
    commands = [len(unit.commands) for unit in units]
    verdict = Verdict(log.acknowledged_commands, sum(commands) - log.acknowledged_commands)
    found = match(log.base, units, recovered)
    shown_units = max(0, log.shown_unit - units[0].number + 1) if units else 0
    if found.longest is None:
        verdict.torn = 1
        closest = describe(units[found.closest - 1]) if found.closest else "nothing"
        verdict.problems.append(
            f"writer {traffic.number}: none of the states after 0 to {len(units)} units (acknowledged: "
            f"{log.acknowledged_units}) is the recovered one; closest is the one after {found.closest}, {closest}:")
        verdict.problems += differences(log.base, units, found.closest, recovered)[:DIFFERENCES_SHOWN]
    elif found.longest < max(log.acknowledged_units, shown_units):
        verdict.lost = sum(commands[found.longest:log.acknowledged_units])
        verdict.shown_lost = sum(commands[max(found.longest, log.acknowledged_units):shown_units])
        verdict.problems.append(
            f"writer {traffic.number}: the recovered state is the one after {found.longest} units, but "
            f"{log.acknowledged_units} were acknowledged and the effect of number {shown_units} was shown to another "
            f"client; the first lost is {describe(units[found.longest])}; against all acknowledged:")
        verdict.problems += differences(log.base, units, log.acknowledged_units, recovered)[:DIFFERENCES_SHOWN]
    if not verdict.problems:
        for key, shown in log.shown_counters.items():
            count = int(recovered[key].value) if key in recovered else 0
            if count < shown:
                verdict.shown_lost += shown - count
                verdict.problems.append(f"{key.decode()}: another client was shown {shown}, now it is {count}")
    verdict.problems += _agreement_problems(traffic, recovered)
    return verdict, found


def _agreement_problems(traffic, recovered):
    """Keys that are only set together must agree, and the accounts' sum is 0."""
    values = {recovered[key].value if key in recovered else None for key in traffic.agreeing}
    problems = []
    if len(values) > 1:
        problems.append(f"writer {traffic.number}: the keys set in one transaction hold {len(values)} values")
    total = sum(int(recovered[key].value) for key in traffic.accounts if key in recovered)
    if total:
        problems.append(f"writer {traffic.number}: the accounts' sum is {total}, not 0")
    return problems


def judge_queue(log, found, recovered):
    """Checks the queue that another client pops: it holds what was pushed and not popped, in order.

    A pop in flight at the kill may have happened or not. Returns the problems; none when the writer itself has lost
    writes, which has been told then.
    """
    pushed = {unit.number: command[2] for unit in log.units for command in unit.commands if command[0] == "QUEUE"}
    entry = recovered.get(log.traffic.queue)
    now = entry.value if entry is not None else []
    problems = []
    if log.popped != (log.queue_base + list(pushed.values()))[:len(log.popped)]:
        problems.append(f"{log.traffic.queue.decode()}: elements were popped in another order than pushed")
    if found.longest is not None and found.longest >= log.acknowledged_units:
        applied = {unit.number for unit in log.units[:found.longest]}
        all_pushed = log.queue_base + [token for number, token in pushed.items() if number in applied]
        popped = len(all_pushed) - len(now)
        if now != all_pushed[max(popped, 0):] or not len(log.popped) <= popped <= len(log.popped) + 1:
            problems.append(f"{log.traffic.queue.decode()}: {len(all_pushed)} pushed and {len(log.popped)} popped, but "
                            f"it holds {len(now)}: {now[:5]!r} ...")
    return problems


def describe(unit):
    """A unit in one line."""
    commands = unit.commands
    command = commands[-2 if len(commands) > 1 else 0]
    shown = " ".join(ascii(part[:24])[1:] if isinstance(part, bytes) else str(part) for part in command[:6])
    inside = f"a transaction of {len(commands) - 2} commands, the last " if len(commands) > 1 else ""
    return f"unit {unit.number}, {inside}{shown} ..."


def adopt(traffic, recovered):
    """Goes on from the recovered keys."""
    traffic.adopt({key: entry.copy() for key, entry in recovered.items()})
    return Model({key: entry.copy() for key, entry in recovered.items()})
