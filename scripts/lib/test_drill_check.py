#!/usr/bin/env python3
"""Tests of what failover-drill demands: it must notice every kind of loss, and no more.

Run with `python3 -m unittest discover scripts/lib`.
"""

import unittest

import drill_check
from drill_writers import KEYS_A_WRITER, VALUE_BYTES, Ledger, set_key, value_number


def value(number):
    return (b"%d:" % number).ljust(VALUE_BYTES, b"x")


class FakeConnection:
    """Answers from a dictionary."""

    def __init__(self, data):
        self._data = data

    def must(self, name, *keys):
        return self._data.get(keys[0]) if name == "GET" else [self._data.get(key) for key in keys]


class CheckTest(unittest.TestCase):
    """One writer: pairs 1 to 3 acknowledged, pair 4 unknown."""

    def setUp(self):
        self.ledger = Ledger.from_report({"acked": [1, 2, 3], "unknown": [4], "incr_acked": 3, "incr_unknown": 1})
        self.data = {set_key(0, number): value(number) for number in (1, 2, 3)}
        self.data[b"w0:counter"] = b"3"

    def judge(self):
        verdict = drill_check.check(FakeConnection(self.data), [self.ledger])
        return verdict.lost, verdict.doubled, len(verdict.problems)

    def test_all_there(self):
        self.assertEqual(self.judge(), (0, 0, 0))

    def test_the_unknown_may_have_run(self):
        self.data[set_key(0, 4)] = value(4)
        self.data[b"w0:counter"] = b"4"
        self.assertEqual(self.judge(), (0, 0, 0))

    def test_a_missing_key_is_lost(self):
        del self.data[set_key(0, 2)]
        self.assertEqual(self.judge(), (1, 0, 1))

    def test_an_older_or_damaged_value_is_lost(self):
        for wrong in (value(1), value(3)[:-1], b"", b"2", b"x" * VALUE_BYTES):
            self.data[set_key(0, 3)] = wrong
            self.assertEqual(self.judge(), (1, 0, 1), wrong[:10])

    def test_a_counter_below_is_lost_and_above_doubled(self):
        for counter, expected in ((b"1", (2, 0, 1)), (b"5", (0, 1, 1)), (None, (3, 0, 1))):
            self.data[b"w0:counter"] = counter
            self.assertEqual(self.judge(), expected)

    def test_a_later_round_of_keys_counts_and_not_the_one_before(self):
        self.ledger = Ledger.from_report({"acked": [4 + KEYS_A_WRITER],
                                          "unknown": [4 + 2 * KEYS_A_WRITER, 4 + 3 * KEYS_A_WRITER],
                                          "incr_acked": 3, "incr_unknown": 0})
        self.data[set_key(0, 4)] = value(4)
        self.assertEqual(self.judge(), (1, 0, 1))
        for rounds in (1, 2, 3):
            self.data[set_key(0, 4)] = value(4 + rounds * KEYS_A_WRITER)
            self.assertEqual(self.judge(), (0, 0, 0))

    def test_values_carry_their_number(self):
        self.assertEqual(value_number(value(17)), 17)
        self.assertIsNone(value_number(value(17) + b"x"))


if __name__ == "__main__":
    unittest.main()
