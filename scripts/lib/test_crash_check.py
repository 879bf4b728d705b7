#!/usr/bin/env python3
"""Tests of crash-test's judgement: what may be gone after a kill and what may not.

Run with `python3 -m unittest discover scripts/lib`.
"""

import unittest

import crash_check
from crash_clients import WriterLog, fits, tokens_in
from crash_model import ANY, Entry, Model
from crash_traffic import Traffic, Unit, wire

KEY = b"w0:k1"


def unit(number, *commands):
    """A unit as a writer logs it."""
    return Unit(number, list(commands), [])


def transaction(number, *commands):
    """A transaction of the given commands."""
    return unit(number, ("MULTI",), *commands, ("EXEC",))


class JudgeTest(unittest.TestCase):
    """A writer that sent four units, of which two were acknowledged."""

    def setUp(self):
        self.log = WriterLog(Traffic(0, 0, may_flush=False), Model({b"w0:old": Entry("string", b"kept")}), [])
        self.log.units = [
            unit(11, ("RPUSH", KEY, b"one")),
            transaction(12, ("SET", b"w0:a", b"1"), ("SET", b"w0:b", b"1")),
            transaction(13, ("SET", b"w0:a", b"2"), ("SET", b"w0:b", b"2")),
            unit(14, ("DEL", KEY)),
        ]
        self.log.acknowledged_units, self.log.acknowledged_commands = 2, 5

    def recovered(self, applied):
        """The keys after a prefix of the units."""
        model = self.log.base.copy()
        for done in self.log.units[:applied]:
            model.apply_unit(done.commands)
        return model.keys

    def judge(self, recovered):
        """The verdict alone."""
        return crash_check.judge(self.log, recovered)[0]

    def test_every_prefix_from_the_acknowledged_on_is_right(self):
        for applied in (2, 3, 4):
            self.setUp()
            verdict = self.judge(self.recovered(applied))
            self.assertFalse(verdict.failed, verdict.problems)
            self.assertEqual((verdict.acknowledged, verdict.unknown), (5, 5))

    def test_a_shorter_prefix_has_lost_what_was_acknowledged(self):
        verdict = self.judge(self.recovered(1))
        self.assertEqual((verdict.lost, verdict.torn), (4, 0))

    def test_what_was_shown_counts_without_a_reply(self):
        self.log.shown_unit = 13
        self.assertFalse(self.judge(self.recovered(3)).failed)
        self.setUp()
        self.log.shown_unit = 13
        self.assertEqual(self.judge(self.recovered(2)).shown_lost, 4)

    def test_half_a_transaction_is_torn(self):
        recovered = self.recovered(2)
        recovered[b"w0:a"] = Entry("string", b"2")
        self.assertEqual(self.judge(recovered).torn, 1)

    def test_a_gap_is_torn(self):
        recovered = self.recovered(2)
        del recovered[KEY]
        self.assertEqual(self.judge(recovered).torn, 1)

    def test_what_was_there_before_the_round_counts(self):
        recovered = self.recovered(2)
        del recovered[b"w0:old"]
        self.assertEqual(self.judge(recovered).torn, 1)

    def test_a_key_that_was_never_written_is_torn(self):
        recovered = self.recovered(2)
        recovered[b"w0:ghost"] = Entry("string", b"boo")
        self.assertEqual(self.judge(recovered).torn, 1)

    def test_a_lost_expiry_is_lost(self):
        self.log.units[1] = unit(12, ("PEXPIREAT", KEY, 5_000_000_000_000))
        self.assertFalse(self.judge(self.recovered(2)).failed)
        self.setUp()
        self.log.units[1] = unit(12, ("PEXPIREAT", KEY, 5_000_000_000_000))
        recovered = self.recovered(2)
        recovered[KEY].expires = None
        self.assertEqual(self.judge(recovered).lost, 1)

    def test_a_flush_is_followed(self):
        self.log.units[3] = unit(14, ("FLUSHDB",))
        found = crash_check.match(self.log.base, self.log.units, {})
        self.assertEqual(found.longest, 4)

    def test_counters_must_not_go_back(self):
        self.log.shown_counters[b"w0:counter0"] = 3
        self.assertEqual(self.judge(self.recovered(2)).shown_lost, 3)

    def test_accounts_and_agreeing_keys(self):
        self.log.units = [unit(11, ("INCRBY", b"w0:account0", 5)), unit(12, ("SET", b"w0:agreeing0", b"1"))]
        self.assertEqual(len(self.judge(self.recovered(2)).problems), 2)


class QueueTest(unittest.TestCase):
    """A queue to which three elements were pushed, and from which one was popped."""

    def problems(self, held, popped):
        """What the check says of a queue that holds `held`."""
        log = WriterLog(Traffic(0, 0, may_flush=False), Model(), [b"base"])
        log.units = [transaction(n, ("QUEUE", b"queue:0", b"%d" % n), ("SET", KEY, b"%d" % n)) for n in (1, 2, 3)]
        log.acknowledged_units = 3
        log.popped = popped
        found = crash_check.Match(3, 3)
        return crash_check.judge_queue(log, found, {b"queue:0": Entry("list", held)} if held else {})

    def test_what_was_not_popped_is_there(self):
        self.assertEqual(self.problems([b"1", b"2", b"3"], [b"base"]), [])
        self.assertEqual(self.problems([], [b"base", b"1", b"2", b"3"]), [])

    def test_a_pop_in_flight_may_have_happened(self):
        self.assertEqual(self.problems([b"2", b"3"], [b"base"]), [])

    def test_popped_elements_must_not_come_back(self):
        self.assertEqual(len(self.problems([b"base", b"1", b"2", b"3"], [b"base"])), 1)

    def test_elements_must_not_vanish(self):
        self.assertEqual(len(self.problems([b"3"], [b"base"])), 1)
        self.assertEqual(len(self.problems([b"1", b"3"], [b"base"])), 1)

    def test_order_counts(self):
        self.assertEqual(len(self.problems([b"2", b"3"], [b"1", b"base"])), 1)


class TrafficTest(unittest.TestCase):
    """What writers send."""

    def test_the_same_seed_makes_the_same_units(self):
        def commands(seed):
            traffic = Traffic(3, 0, may_flush=True)
            traffic.begin_round(seed)
            return [b"".join(map(wire, traffic.next_unit().commands)) for _ in range(200)]

        # Expiries follow the clock, so only units without one are compared.
        first, again, other = (
            [text for text in commands(seed) if b"PEXPIREAT" not in text and b"PXAT" not in text] for seed in (5, 5, 6))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_replies_are_compared_deeply(self):
        self.assertTrue(fits([b"OK", [1, ANY]], [b"OK", [1, 7]]))
        self.assertFalse(fits([b"OK", [1, ANY]], [b"OK", [2, 7]]))
        self.assertFalse(fits([1], None))

    def test_tokens_are_found_in_nested_replies(self):
        self.assertEqual(tokens_in([b"x", [b"w2u17;abc", None, 5]]), [(2, 17)])


if __name__ == "__main__":
    unittest.main()
