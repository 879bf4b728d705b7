"""A planned switch of the primary by the controller's steps: pause, align, promote, demote, unpause, repoint.

The order of the steps is what keeps writes safe. The target is promoted only when it has everything that the paused
primary has acknowledged, and while enough of the pause is left; the old primary is released only when it is known to
be a replica, or when the target is known not to have been promoted.
"""

import time

from nodes import NodeError, wait_until

# A promotion begins only with this share of the pause left: the rest must suffice for two commands.
PAUSE_LEFT_MIN = 0.3
# For a node to continue from its new primary, once it was told to; writes wait for none of this.
LINK_TIMEOUT_S = 10.0
SENTINEL_ADVICE = """\
a Sentinel is connected to {primary}. A switch behind its back would be undone, and it may promote a node that lacks
writes. Let it do the switch, inside a pause: --sentinel HOST:PORT --master-name NAME"""


class Refused(Exception):
    """The switch was not begun; nothing has changed."""


class Undone(Exception):
    """The switch failed, and everything is as it was."""


class NeedsOperator(Exception):
    """The switch stopped half-way, or something is left to do; the text says what to run."""


class Switch:
    """One switch from `primary` to `target`, both `Node`; `others` are pointed to the target afterwards.

    `say(text)` is told each step. `took_s` holds the time of each step by its name, when it is over.
    """

    steps = ("check", "pause", "align", "promote", "demote", "unpause", "repoint")

    def __init__(self, primary, target, others=(), timeout_s=0.5, pause_s=2.0, say=lambda text: None,
                 clock=time.monotonic, sleep=time.sleep):
        self.primary = primary
        self.target = target
        self.others = list(others)
        self.took_s = {}
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._say = say
        self._clock = clock
        self._sleep = sleep
        self._pause_ends = None
        self._final_offset = None

    def run(self):
        """Checks and switches; returns when it is done, raises Refused, Undone or NeedsOperator when it is not."""
        self._step("check", self.check)
        try:
            self._step("pause", self._pause)
            self._step("align", self._align)
            self._require_pause_left()
        except (NodeError, Undone) as failure:
            raise self._released(failure) from failure
        self._step("promote", self._promote)
        self._step("demote", self._demote)
        self._step("unpause", self._unpause)
        self._step("repoint", self._repoint)

    def _step(self, name, action):
        began = self._clock()
        said = action()
        self.took_s[name] = self._clock() - began
        self._say(f"{name}: {said or 'done'} ({self.took_s[name] * 1000:.1f} ms)")

    # --- before anything changes ------------------------------------------------------------------------------

    def check(self):
        """Raises Refused unless the switch can be expected to succeed; changes nothing."""
        try:
            self._check_nodes()
            if self.primary.sentinels():
                raise Refused(SENTINEL_ADVICE.format(primary=self.primary))
        except NodeError as error:
            raise Refused(str(error)) from error
        return f"{self.target} follows {self.primary} and keeps up"

    def _check_nodes(self):
        if self.primary.address.same_place(self.target.address):
            raise Refused("the primary and the target are the same node")
        before = self.primary.view()
        # First: a node that hands over calls itself a replica of the target, which may not be a primary yet.
        if before.failover_state != "no-failover":
            raise Refused(f"{self.primary} is in a failover already: {before.failover_state}")
        if not before.is_primary:
            raise Refused(f"{self.primary} is not a primary: it follows {before.primary}")
        check_follows(self.target, self.primary, before)
        for other in self.others:
            if other.address.same_place(self.target.address) or other.address.same_place(self.primary.address):
                raise Refused(f"{other} is not another node")
            if other.view().is_primary:
                raise Refused(f"{other} is a primary itself")
        # Offsets are bytes here and sequence numbers there, so how far the target is behind is measured in time.
        self._check_keeps_up(self.target, before.offset)

    def _check_keeps_up(self, replica, offset):
        reached = self._wait(lambda: replica.view().offset >= offset)
        if not reached:
            behind = self.primary.view().offset - replica.view().offset
            raise Refused(f"{replica} is {behind} behind, and did not reach in {self._timeout_s * 1000:.0f} ms "
                          f"where {self.primary} was")

    def _wait(self, condition):
        return self._wait_s(condition, self._timeout_s)

    def _wait_s(self, condition, timeout_s, poll_s=0.0002):
        return wait_until(condition, timeout_s, poll_s, self._clock, self._sleep)

    # --- what can be taken back -------------------------------------------------------------------------------

    def _pause(self):
        # From before the command is sent, hence never later than the server's own end.
        self._pause_ends = self._clock() + self._pause_s
        self.primary.call("CLIENT", "PAUSE", round(self._pause_s * 1000), "WRITE")
        return f"writes on {self.primary} are paused for at most {self._pause_s * 1000:.0f} ms"

    def _align(self, replicas=None):
        """Waits until the replicas have the offset at which the primary has come to a standstill."""
        replicas = replicas or [self.target]
        positions = {}

        def aligned():
            if self._final_offset is None:
                self._final_offset = self.primary.view().offset
            for replica in replicas:
                view = replica.view()
                if view.is_primary:
                    raise Undone(f"{replica} has become a primary meanwhile")
                positions[str(replica)] = view.offset
            if min(positions.values()) < self._final_offset:
                return False
            # Redis counts its own keep-alives, so its offset may have moved on.
            self._final_offset, known = self.primary.view().offset, self._final_offset
            return self._final_offset == known

        if not self._wait(aligned):
            place = ", ".join(f"{name} {offset}" for name, offset in positions.items())
            raise Undone(f"no alignment within {self._timeout_s * 1000:.0f} ms: {self.primary} "
                         f"{self._final_offset}, {place}")
        return f"at {self._final_offset}"

    def _require_pause_left(self):
        if self._pause_ends - self._clock() < self._pause_s * PAUSE_LEFT_MIN:
            raise Undone("too little of the pause was left to promote safely: use a longer --pause-ms")

    def _released(self, failure):
        """Ends the pause after a failure; the exception to raise."""
        try:
            self.primary.call("CLIENT", "UNPAUSE")
        except NodeError as error:
            return Undone(f"{failure}\nThe pause could not be ended ({error}); it ends by itself within "
                          f"{self._pause_s * 1000:.0f} ms. The roles are unchanged.")
        return Undone(f"{failure}\nWrites go on at {self.primary}; the roles are unchanged.")

    # --- the switch itself ------------------------------------------------------------------------------------

    def _promote(self):
        try:
            self.target.promote()
        except NodeError as error:
            if error.unchanged:
                raise self._released(error) from error
            self._settle_promotion(error)
        return f"{self.target} is a primary"

    def _settle_promotion(self, failure):
        """After a promotion without an answer: returns if it has happened, raises if it has not or may yet."""
        state = {}

        def settled():
            try:
                self.target.forget_unanswered()
                state["view"] = self.target.view()
            except NodeError:
                return False
            return True

        if not self._wait(settled):
            raise NeedsOperator(
                f"{failure}\n{self.target} may or may not have become a primary, and does not answer. Writes on "
                f"{self.primary} stay paused until the pause ends by itself. When {self.target} is back, one of:\n"
                f"  {as_command(self.target, 'REPLICAOF', self.primary.address)}    (stay with {self.primary})\n"
                f"  {as_command(self.primary, 'REPLICAOF', self.target.address)}    (if {self.target} took writes)")
        if not state["view"].is_primary:
            raise self._released(failure)

    def _demote(self):
        refusals = []

        def demoted():
            try:
                self.primary.follow(self.target.address)
            except NodeError as error:
                refusals[:] = [error]
                return error.answered
            refusals.clear()
            return True

        self._wait(demoted)
        if refusals and refusals[0].answered:
            self._take_back(refusals[0])
        if refusals:
            raise NeedsOperator(
                f"{refusals[0]}\n{self.target} is the primary now, but {self.primary} could not be told, and takes "
                f"writes again when its pause ends. Run now:\n"
                f"  {as_command(self.primary, 'REPLICAOF', self.target.address)}")
        return f"{self.primary} follows {self.target}"

    def _take_back(self, failure):
        """The old primary refuses to be demoted: the target becomes a replica again if it has taken no write."""
        try:
            self.target.call("CLIENT", "PAUSE", round(self._pause_s * 1000), "WRITE")
            taken = self.target.view().offset - self._final_offset
            if taken == 0:
                self.target.follow(self.primary.address)
                self.target.call("CLIENT", "UNPAUSE")
        except NodeError as error:
            taken = error
        if taken != 0:
            raise NeedsOperator(
                f"{failure}\n{self.target} was promoted and cannot be taken back ({taken} past the switch), while "
                f"{self.primary} refuses to follow it. Run now:\n"
                f"  {as_command(self.primary, 'REPLICAOF', self.target.address)}") from failure
        raise self._released(failure) from failure

    def _unpause(self):
        try:
            self.primary.call("CLIENT", "UNPAUSE")
        except NodeError as error:
            return f"failed ({error}), the pause ends by itself"
        return f"clients of {self.primary} are told to go"

    def _repoint(self):
        failures = []
        for other in self.others:
            try:
                other.follow(self.target.address)
            except NodeError as error:
                failures.append((error, as_command(other, "REPLICAOF", self.target.address)))
        for node in (self.primary, *self.others):
            if not self._wait_s(lambda node=node: self._follows_target(node), LINK_TIMEOUT_S):
                failures.append((f"{node} has no link to {self.target} yet", as_command(node, "INFO", "replication")))
        if failures:
            raise NeedsOperator("The switch is done, but:\n" + "\n".join(
                f"{problem}\n  {command}" for problem, command in failures))
        return "all follow the new primary" if self.others else f"{self.primary} has its link"

    def _follows_target(self, node):
        try:
            view = node.view()
        except NodeError:
            return False
        return not view.is_primary and view.primary.port == self.target.address.port and view.link_up


def check_follows(replica, primary, primary_view):
    """Raises Refused unless `replica` is linked to `primary`, of which `primary_view` was taken."""
    view = replica.view()
    if view.is_primary:
        raise Refused(f"{replica} is a primary, not a replica of {primary}")
    # Behind a translated address only the port and the history tell.
    same_history = view.history and view.history == primary_view.history
    if not view.primary.same_place(primary.address) and not (
            same_history and view.primary.port == primary.address.port):
        raise Refused(f"{replica} follows {view.primary}, not {primary}")
    if not view.link_up:
        raise Refused(f"the link of {replica} to {primary} is down")


def as_command(node, *words):
    """What an operator would type to tell `node` the same."""
    tail = " ".join(f"{word.host} {word.port}" if hasattr(word, "host") else str(word) for word in words)
    return f"redis-cli -h {node.address.host} -p {node.address.port} {tail}"
