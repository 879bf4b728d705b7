#!/usr/bin/env python3
"""Tests of the planned switch: nodes that exist in memory only, and fail at a chosen command.

Run with `python3 -m unittest discover scripts/lib`.
"""

import unittest

import switch
from nodes import Address, NodeError, View
from switch import NeedsOperator, Refused, Switch, Undone

READS = ("view", "sentinels")


class World:
    """The virtual time, and the nodes by port."""

    def __init__(self):
        self.now = 0.0
        self.nodes = {}
        self.calls = []

    def clock(self):
        return self.now

    def sleep(self, duration_s):
        self.now += duration_s


class FakeNode:
    """A node as `nodes.Node` shows it; a replica has all of its primary's writes, less `behind`."""

    def __init__(self, world, port, primary=None):
        self.world = world
        self.address = Address("10.0.0.1", port)
        self.following = primary and primary.address
        self.writes = 100
        self.behind = 0
        self.paused_until = 0.0
        self.listeners = 0
        self.link_up = True
        self.failover_state = "no-failover"
        self.faults = {}     # command -> (how often, NodeError, whether it is carried out nevertheless)
        world.nodes[port] = self

    def __str__(self):
        return str(self.address)

    def fail(self, command, error, carried_out=False, times=1000):
        self.faults[command] = (times, error, carried_out)

    def takes_writes(self):
        return self.following is None and self.world.now >= self.paused_until

    def offset(self):
        source = self if self.following is None else self.world.nodes[self.following.port]
        return source.writes - self.behind

    def _do(self, command, action):
        self.world.now += 0.0001
        self.world.calls.append((self.address.port, command))
        times, error, carried_out = self.faults.get(command, (0, None, False))
        if times:
            self.faults[command] = (times - 1, error, carried_out)
            if carried_out:
                action()
            raise error
        return action()

    def view(self):
        return self._do("view", lambda: View(self.following is None, self.offset(), self.following, self.link_up,
                                             "history", self.failover_state, {}))

    def sentinels(self):
        return self._do("sentinels", lambda: self.listeners)

    def follow(self, primary):
        def action():
            self.following = primary
        self._do("follow", action)

    def promote(self):
        def action():
            self.writes = self.offset()
            self.behind = 0
            self.following = None
        self._do("promote", action)

    def forget_unanswered(self):
        self._do("forget", lambda: None)

    def call(self, *command):
        def action():
            self.paused_until = self.world.now + command[2] / 1000 if command[1] == "PAUSE" else 0.0
        self._do(command[1].lower(), action)


def no_answer():
    return NodeError("no answer")


def refusal():
    return NodeError("ERR no", answered=True)


class SwitchTest(unittest.TestCase):
    """A is the primary, B the target, C another replica."""

    def setUp(self):
        self.world = World()
        self.a = FakeNode(self.world, 1)
        self.b = FakeNode(self.world, 2, self.a)
        self.c = FakeNode(self.world, 3, self.a)
        self.said = []
        self.switch = Switch(self.a, self.b, [self.c], timeout_s=0.1, pause_s=1.0, say=self.said.append,
                             clock=self.world.clock, sleep=self.world.sleep)

    def primaries(self):
        return [node.address.port for node in (self.a, self.b, self.c) if node.takes_writes()]

    def test_a_switch_moves_the_role_and_all_replicas(self):
        self.switch.run()
        self.assertEqual(self.primaries(), [2])
        self.assertEqual([self.a.following, self.c.following], [self.b.address] * 2)
        self.assertEqual([line.split(":")[0] for line in self.said], list(Switch.steps))
        self.assertEqual(set(self.switch.took_s), set(Switch.steps))

    def test_the_order_of_the_steps(self):
        self.switch.run()
        changes = [call for call in self.world.calls if call[1] not in READS]
        self.assertEqual(changes, [(1, "pause"), (2, "promote"), (1, "follow"), (1, "unpause"), (3, "follow")])

    def test_a_check_that_fails_changes_nothing(self):
        def lagging():
            self.b.behind = 5

        def linkless():
            self.b.link_up = False

        def astray():
            self.b.following = Address("10.0.0.1", 3)

        def promoted():
            self.b.following = None

        def demoted():
            self.a.following = self.c.address

        def handing_over():
            self.a.following = self.b.address
            self.a.failover_state = "failover-in-progress"

        def watched():
            self.a.listeners = 1

        for spoil, words in ((lagging, "5 behind"), (linkless, "is down"), (astray, "follows 10.0.0.1:3, not"),
                             (promoted, "not a replica"), (demoted, "not a primary"),
                             (handing_over, "in a failover already"), (watched, "--sentinel")):
            with self.subTest(spoil.__name__):
                self.setUp()
                spoil()
                with self.assertRaises(Refused) as caught:
                    self.switch.run()
                self.assertIn(words, str(caught.exception))
                self.assertEqual({call[1] for call in self.world.calls} - set(READS), set())

    def test_the_target_must_be_another_node(self):
        with self.assertRaises(Refused):
            Switch(self.a, self.a, clock=self.world.clock, sleep=self.world.sleep).run()

    def test_no_alignment_is_undone(self):
        self.switch.check()
        self.b.behind = 1
        self.switch.check = lambda: "skipped"
        with self.assertRaises(Undone) as caught:
            self.switch.run()
        self.assertIn("no alignment within 100 ms", str(caught.exception))
        self.assertEqual(self.primaries(), [1])

    def test_no_promotion_when_too_little_of_the_pause_is_left(self):
        slow = self.b.view
        self.switch.check = lambda: "skipped"

        def view():
            self.world.now += 0.8
            return slow()

        self.b.view = view
        with self.assertRaises(Undone) as caught:
            self.switch.run()
        self.assertIn("--pause-ms", str(caught.exception))
        self.assertEqual(self.primaries(), [1])
        self.assertNotIn((2, "promote"), self.world.calls)

    def test_a_pause_or_a_promotion_that_is_refused_is_undone(self):
        for node, command in (("a", "pause"), ("b", "promote")):
            with self.subTest(command):
                self.setUp()
                getattr(self, node).fail(command, refusal())
                with self.assertRaises(Undone):
                    self.switch.run()
                self.assertEqual(self.primaries(), [1])

    def test_a_pause_without_an_answer_is_ended(self):
        self.a.fail("pause", no_answer(), carried_out=True)
        with self.assertRaises(Undone):
            self.switch.run()
        self.assertEqual(self.primaries(), [1])

    def test_a_promotion_without_an_answer_that_has_happened_is_carried_through(self):
        self.b.fail("promote", no_answer(), carried_out=True)
        self.switch.run()
        self.assertEqual(self.primaries(), [2])

    def test_a_promotion_without_an_answer_that_has_not_happened_is_undone(self):
        self.b.fail("promote", no_answer())
        with self.assertRaises(Undone):
            self.switch.run()
        self.assertEqual(self.primaries(), [1])
        self.assertIn((2, "forget"), self.world.calls)

    def test_a_target_that_is_gone_after_the_promotion_keeps_writes_paused(self):
        for carried_out in (False, True):
            with self.subTest(carried_out=carried_out):
                self.setUp()
                self.b.fail("promote", no_answer(), carried_out=carried_out)
                self.b.fail("forget", no_answer())
                with self.assertRaises(NeedsOperator) as caught:
                    self.switch.run()
                self.assertIn("redis-cli -h 10.0.0.1 -p 2 REPLICAOF 10.0.0.1 1", str(caught.exception))
                self.assertNotIn(1, self.primaries())
                self.assertNotIn((1, "unpause"), self.world.calls)

    def test_a_demotion_is_tried_until_it_is_answered(self):
        self.a.fail("follow", no_answer(), times=3)
        self.switch.run()
        self.assertEqual(self.primaries(), [2])

    def test_a_demotion_that_nobody_hears_is_left_to_the_operator(self):
        self.a.fail("follow", no_answer())
        with self.assertRaises(NeedsOperator) as caught:
            self.switch.run()
        self.assertIn("redis-cli -h 10.0.0.1 -p 1 REPLICAOF 10.0.0.1 2", str(caught.exception))
        self.assertEqual(self.primaries(), [2])

    def test_a_demotion_that_is_refused_is_taken_back(self):
        self.a.fail("follow", refusal())
        with self.assertRaises(Undone):
            self.switch.run()
        self.assertEqual(self.primaries(), [1])
        self.assertEqual(self.b.following, self.a.address)
        self.assertEqual(self.b.paused_until, 0.0)

    def test_nothing_is_taken_back_once_the_target_has_taken_a_write(self):
        self.a.fail("follow", refusal())
        promote = self.b.promote

        def promoted_and_written():
            promote()
            self.b.writes += 1

        self.b.promote = promoted_and_written
        with self.assertRaises(NeedsOperator) as caught:
            self.switch.run()
        self.assertIn("1 past the switch", str(caught.exception))
        self.assertIsNone(self.b.following)

    def test_an_unpause_that_fails_spoils_nothing(self):
        self.a.fail("unpause", no_answer())
        self.switch.run()
        self.assertIsNone(self.b.following)

    def test_a_replica_that_cannot_be_repointed_is_named(self):
        self.c.fail("follow", refusal())
        with self.assertRaises(NeedsOperator) as caught:
            self.switch.run()
        self.assertIn("The switch is done, but", str(caught.exception))
        self.assertIn("redis-cli -h 10.0.0.1 -p 3 REPLICAOF 10.0.0.1 2", str(caught.exception))
        self.assertEqual(self.primaries(), [2])


class ParsingTest(unittest.TestCase):
    """Addresses and INFO."""

    def test_addresses(self):
        self.assertEqual(Address.parse("db-1:6379"), Address("db-1", 6379))
        self.assertEqual(Address.parse("[::1]:7"), Address("::1", 7))
        self.assertEqual(Address.parse(":7"), Address("127.0.0.1", 7))
        for wrong in ("", "db-1", "db-1:", "db-1:0", "db-1:65536", "db-1:x"):
            with self.assertRaises(ValueError):
                Address.parse(wrong)

    def test_views(self):
        redis = View.parse("# Replication\r\nrole:slave\r\nmaster_host:h\r\nmaster_port:1\r\nmaster_link_status:up\r\n"
                           "slave_repl_offset:5\r\nmaster_repl_offset:9\r\nmaster_replid:ab\r\n")
        self.assertEqual((redis.is_primary, redis.offset, redis.primary, redis.link_up, redis.history),
                         (False, 5, Address("h", 1), True, "ab"))
        kvrocks = View.parse("role:master\r\nconnected_slaves:0\r\nmaster_repl_offset:7\r\n")
        self.assertEqual((kvrocks.is_primary, kvrocks.offset, kvrocks.history), (True, 7, ""))
        self.assertEqual(View.parse("role:master\r\nsequence:8\r\n").offset, 8)
        for wrong in ("", "role:master\r\n", "loading:1\r\n"):
            with self.assertRaises(ValueError):
                View.parse(wrong)


class CommandTest(unittest.TestCase):
    """What operators are told to run."""

    def test_addresses_become_two_words(self):
        node = FakeNode(World(), 9)
        self.assertEqual(switch.as_command(node, "REPLICAOF", Address("h", 1)), "redis-cli -h 10.0.0.1 -p 9 REPLICAOF h 1")


if __name__ == "__main__":
    unittest.main()
