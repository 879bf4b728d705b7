"""A planned switch where Redis Sentinel watches: Sentinel promotes, and writes are paused while it does.

Sentinel by itself promotes first and tells the old primary later, which loses what was acknowledged in between. So
writes are paused, every replica is aligned (Sentinel chooses among them), and the old primary is demoted as soon as
one of them is a primary, and released only then.
"""

from nodes import Address, NodeError
from switch import NeedsOperator, Refused, Switch, Undone, as_command, check_follows

# Sentinel asks the promoted node once a second, and then tells the other replicas.
SENTINEL_DONE_S = 20.0
PROMOTION_SHARE = 0.5


class SentinelSwitch(Switch):
    """One switch of the primary that `sentinel` (a `Node`) knows as `name`; `node_at(address)` makes nodes of the
    replicas it names. The `target` is known once Sentinel has chosen it."""

    steps = ("check", "pause", "align", "promote", "demote", "unpause", "repoint", "confirm")

    def __init__(self, primary, sentinel, name, node_at, others=(), timeout_s=0.5, pause_s=30.0,
                 say=lambda text: None, **clock):
        super().__init__(primary, None, others, timeout_s, pause_s, say, **clock)
        self._sentinel = sentinel
        self._name = name
        self._node_at = node_at
        self._replicas = []

    def run(self):
        """As `Switch.run`, and then waits until Sentinel names the new primary."""
        super().run()
        self._step("confirm", self._confirm)

    def check(self):
        """Raises Refused unless Sentinel could switch now; changes nothing."""
        try:
            named = self._named_primary()
            if not named.same_place(self.primary.address):
                raise Refused(f"Sentinel's primary of {self._name} is {named}, not {self.primary}")
            view = self.primary.view()
            if not view.is_primary:
                raise Refused(f"{self.primary} is not a primary: it follows {view.primary}")
            self._replicas = [self._node_at(where) for where in self._named_replicas()]
            if not self._replicas:
                raise Refused(f"Sentinel knows no replica of {self._name}")
            for replica in self._replicas:
                check_follows(replica, self.primary, view)
                self._check_keeps_up(replica, view.offset)
        except NodeError as error:
            raise Refused(str(error)) from error
        return f"{', '.join(map(str, self._replicas))} follow {self.primary} and keep up"

    def _named_primary(self):
        reply = self._sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        if not reply:
            raise Refused(f"Sentinel knows no primary of the name {self._name}")
        return Address(reply[0].decode(), int(reply[1]))

    def _named_replicas(self):
        for entry in self._sentinel.call("SENTINEL", "REPLICAS", self._name):
            fields = dict(zip(entry[::2], entry[1::2]))
            if b"down" not in fields[b"flags"] and b"disconnected" not in fields[b"flags"]:
                yield Address(fields[b"ip"].decode(), int(fields[b"port"]))

    def _align(self, replicas=None):
        return super()._align(self._replicas)

    def _promote(self):
        try:
            self._sentinel.call("SENTINEL", "FAILOVER", self._name)
        except NodeError as error:
            if error.unchanged:
                raise self._released(error) from error
        promoted = []

        def one_promoted():
            for replica in self._replicas:
                try:
                    if replica.view().is_primary:
                        promoted.append(replica)
                        return True
                except NodeError:
                    pass
            return False

        # While the pause lasts nothing is lost; beyond its half it is taken for failed, and Sentinel told so.
        self._wait_s(one_promoted, self._pause_s * PROMOTION_SHARE)
        if not promoted:
            self._abandon()
        self.target = promoted[0]
        self.others += [node for node in self._replicas if node is not self.target
                        and not any(node.address.same_place(other.address) for other in self.others)]
        self.others = [node for node in self.others if not node.address.same_place(self.target.address)]
        return f"Sentinel chose {self.target}"

    def _abandon(self):
        """No replica was promoted in time. Sentinel cannot be told to stop, so it is only safe to go on if it has."""
        try:
            flags = self._sentinel_flags()
        except (NodeError, Refused) as error:
            flags = f"unknown ({error})"
        if "failover_in_progress" not in flags and "unknown" not in flags:
            raise self._released(Undone("Sentinel gave the failover up (its log says why)"))
        raise NeedsOperator(
            f"Sentinel has promoted nobody yet, and its state is: {flags}. Writes on {self.primary} stay paused until "
            f"the pause ends by itself. Watch:\n  {as_command(self._sentinel, 'SENTINEL', 'MASTER', self._name)}\n"
            f"and if it promotes a replica after that, point the old primary to it at once with REPLICAOF.")

    def _sentinel_flags(self):
        entry = self._sentinel.call("SENTINEL", "MASTER", self._name)
        return dict(zip(entry[::2], entry[1::2]))[b"flags"].decode()

    def _confirm(self):
        def named():
            try:
                return self._named_primary().same_place(self.target.address)
            except NodeError:
                return False

        if not self._wait_s(named, SENTINEL_DONE_S, poll_s=0.02):
            raise NeedsOperator(f"The switch is done, but Sentinel does not name {self.target} yet:\n  "
                                f"{as_command(self._sentinel, 'SENTINEL', 'MASTER', self._name)}")
        return f"Sentinel names {self.target}"
