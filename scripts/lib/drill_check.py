"""What failover-drill demands after a switch: every acknowledged write is there, and none counted twice."""

from dataclasses import dataclass, field

from drill_writers import counter_key, set_key, value_number

PROBLEMS_KEPT = 20


@dataclass
class Verdict:
    """Writes that are gone, writes that count twice, and what was found in words."""

    lost: int = 0
    doubled: int = 0
    problems: list = field(default_factory=list)

    def add(self, other):
        """Counts another verdict in."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.problems += other.problems[:PROBLEMS_KEPT - len(self.problems)]


def judge_counter(key, reply, ledger, verdict):
    """A counter is the number of acknowledged INCRs, and may exceed it by the unknown ones only."""
    value = int(reply or 0)
    if value < ledger.incr_acked:
        verdict.lost += ledger.incr_acked - value
        verdict.problems.append(f"{key.decode()} is {value}, with {ledger.incr_acked} acknowledged")
    elif value > ledger.incr_acked + ledger.incr_unknown:
        verdict.doubled += value - ledger.incr_acked - ledger.incr_unknown
        verdict.problems.append(f"{key.decode()} is {value}, with {ledger.incr_acked} acknowledged and "
                                f"{ledger.incr_unknown} unknown")


def judge_key(key, reply, acked, unknown, verdict):
    """A key holds the value that was acknowledged last, or that of a later SET whose reply is missing. One of an
    earlier SET whose reply is missing may only have run after it, which would be a write out of order."""
    number = None if reply is None else value_number(reply)
    if number is not None and (number == acked or number in unknown):
        return
    if acked is None and reply is None:
        return
    verdict.lost += 1
    found = "missing" if reply is None else "damaged" if number is None else f"that of pair {number}"
    verdict.problems.append(f"{key.decode()} is {found}, with that of pair {acked} acknowledged")


def check(connection, ledgers):
    """Reads every writer's keys over `connection`, and judges them."""
    verdict = Verdict()
    for writer, ledger in enumerate(ledgers):
        judge_counter(counter_key(writer), connection.must("GET", counter_key(writer)), ledger, verdict)
        numbers = sorted(set(ledger.acked) | set(ledger.unknown))
        keys = [set_key(writer, number) for number in numbers]
        replies = []
        for start in range(0, len(keys), 100):
            replies += connection.must("MGET", *keys[start:start + 100])
        for number, key, reply in zip(numbers, keys, replies):
            judge_key(key, reply, ledger.acked.get(number), ledger.unknown.get(number, ()), verdict)
    verdict.problems = verdict.problems[:PROBLEMS_KEPT]
    return verdict
