"""The three nodes of failover-drill, and the ways of switching their primary."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

import resp
import sentinel_switch
import servers
import switch
from nodes import Address, Node, NodeError, wait_until

NODES = 3
LINKS_UP_S = 60.0
SWITCH_S = 30.0
# Longer than an operator would allow: a busy machine shall show in the figures, and not end the drill.
STEPS_TIMEOUT_S, STEPS_PAUSE_S = 3.0, 10.0
SENTINEL_NAME = "drill"
SENTINEL_CONFIG = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {name} 127.0.0.1 {primary} 1
sentinel down-after-milliseconds {name} 5000
sentinel failover-timeout {name} 10000
"""
# What a comparison needs: redis-server starts a full copy at once, and remembers enough to need no second one.
REDIS_SETTINGS = ("--repl-diskless-sync-delay", "0", "--repl-backlog-size", "256mb", "--hz", "10")
HAND_OVER = ("--shutdown-on-sigterm", "failover")
FAILOVER_TIMEOUT_MS = 10_000


class DrillFailed(Exception):
    """A switch did not happen, or the nodes did not find together again."""


class Cluster(servers.Ended):
    """Three servers of one binary, one of them the primary."""

    def __init__(self, binary, extra=(), with_sentinel=False, hand_over=False, keep=False):
        self.is_redis = servers.is_redis(binary)
        settings = REDIS_SETTINGS if self.is_redis else HAND_OVER if hand_over else ()
        self._keep = keep
        self._folder = tempfile.mkdtemp(prefix="failover-drill-")
        self._servers = []
        for number in range(NODES):
            data_dir = os.path.join(self._folder, f"node{number}")
            os.mkdir(data_dir)
            self._servers.append(servers.Server(
                binary, data_dir=data_dir, log_path=os.path.join(self._folder, f"node{number}.log"),
                extra=[*settings, *extra], fixed_port=servers.free_port()))
        self._by_port = {server.fixed_port: server for server in self._servers}
        self.nodes = [Node(Address("127.0.0.1", server.fixed_port)) for server in self._servers]
        self.primary = self.nodes[0]
        self._with_sentinel = with_sentinel
        self._sentinel = None
        self._sentinel_process = None
        self._copies_of_the_dead = 0
        self._copies_at_start = 0
        self.steps_s = {}

    def end(self):
        """Ends everything that was started; the directory goes too, unless it shall be kept."""
        if self._sentinel_process is not None:
            self._sentinel_process.terminate()
            self._sentinel_process.wait(10)
        for server in self._servers:
            # A graceful end would wait for replicas, and hand over.
            if server.process is not None and server.process.poll() is None:
                server.kill()
        if self._keep:
            print(f"  the directory is kept: {self._folder}", flush=True)
        else:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def ports(self):
        """Of all nodes."""
        return [node.address.port for node in self.nodes]

    def log_tails(self):
        """The end of each node's log."""
        return "\n".join(f"  {node}:\n{self._server(node).log_tail()}" for node in self.nodes)

    def connect(self, node):
        """A connection of its own to a node."""
        return resp.Connection(node.address.port, 30.0)

    def others(self, *but):
        """The nodes besides the ones given."""
        return [node for node in self.nodes if node not in but]

    def next_target(self):
        """The node to switch to: each in turn."""
        return self.nodes[(self.nodes.index(self.primary) + 1) % NODES]

    def full_copies(self):
        """Full copies since the three nodes found together."""
        return self._copies_now() - self._copies_at_start

    def start(self):
        """Starts the nodes, and has two follow the first."""
        for server in self._servers:
            server.start()
        for node in self.others(self.primary):
            node.follow(self.primary.address)
        self.wait_for_links()
        self._copies_at_start = self._copies_now()
        if self._with_sentinel:
            self._start_sentinel()

    def _start_sentinel(self):
        port = servers.free_port()
        config = os.path.join(self._folder, "sentinel.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(SENTINEL_CONFIG.format(port=port, folder=self._folder, name=SENTINEL_NAME,
                                              primary=self.primary.address.port))
        with open(os.path.join(self._folder, "sentinel.log"), "ab") as log:
            self._sentinel_process = subprocess.Popen(
                [servers.redis_binary(), config, "--sentinel"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=servers.die_with_parent)
        self._sentinel = Node(Address("127.0.0.1", port))
        self._wait(self._sentinel_is_ready, "Sentinel to find both replicas")

    def _sentinel_is_ready(self):
        """Whether Sentinel sees the nodes as they are; a replica may be chosen once it is linked to the primary."""
        named = self._sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SENTINEL_NAME)
        replicas = [dict(zip(entry[::2], entry[1::2]))
                    for entry in self._sentinel.call("SENTINEL", "REPLICAS", SENTINEL_NAME)]
        return (int(named[1]) == self.primary.address.port and len(replicas) == NODES - 1
                and all(replica[b"flags"] == b"slave" and replica[b"master-link-status"] == b"ok"
                        and int(replica[b"master-port"]) == self.primary.address.port for replica in replicas))

    def _copies_now(self):
        return self._copies_of_the_dead + sum(self._sync_full(node) for node in self.nodes)

    def _sync_full(self, node):
        for line in node.call("INFO", "stats").decode().splitlines():
            if line.startswith("sync_full:"):
                return int(line.split(":")[1])
        raise DrillFailed(f"{node} shows no sync_full")

    def _server(self, node):
        return self._by_port[node.address.port]

    def _wait(self, condition, what, timeout_s=LINKS_UP_S):
        def answer():
            try:
                return condition()
            except NodeError:
                return False

        if not wait_until(answer, timeout_s, poll_s=0.005):
            raise DrillFailed(f"waited {timeout_s:.0f} s for {what}\n{self.log_tails()}")

    def wait_for_links(self):
        """Waits until both others follow the primary, are linked, and have all it has. Writers must be still."""
        def linked():
            offset = self.primary.view().offset
            views = [node.view() for node in self.others(self.primary)]
            return all(not view.is_primary and view.link_up and view.offset == offset
                       and view.primary.port == self.primary.address.port for view in views)

        self._wait(linked, f"both replicas to follow {self.primary}")
        if self._sentinel is not None:
            self._wait(self._sentinel_is_ready, "Sentinel to see the nodes as they are")

    # --- switching --------------------------------------------------------------------------------------------

    def switch_by(self, how):
        """Switches the primary; returns when the new one is, and all others are pointed to it."""
        target = getattr(self, f"_by_{how}")()
        self.primary = target

    def _by_steps(self):
        target = self.next_target()
        self._run(switch.Switch(self.primary, target, self.others(self.primary, target), STEPS_TIMEOUT_S,
                                STEPS_PAUSE_S))
        return target

    def _by_sentinel(self):
        by_sentinel = sentinel_switch.SentinelSwitch(self.primary, self._sentinel, SENTINEL_NAME, self._node_at,
                                                     timeout_s=STEPS_TIMEOUT_S)
        self._run(by_sentinel)
        return by_sentinel.target

    def _node_at(self, address):
        return next(node for node in self.nodes if node.address.port == address.port)

    def _run(self, planned):
        try:
            planned.run()
        except (switch.Refused, switch.Undone, switch.NeedsOperator) as failure:
            raise DrillFailed(f"{failure}\n{self.log_tails()}") from failure
        for name, took_s in planned.took_s.items():
            self.steps_s.setdefault(name, []).append(took_s)

    def _by_failover(self):
        target, old = self.next_target(), self.primary
        old.call("FAILOVER", "TO", target.address.host, target.address.port, "TIMEOUT", FAILOVER_TIMEOUT_MS)

        def over():
            view = old.view()
            return view.failover_state == "no-failover" and (view.is_primary or target.view().is_primary)

        self._wait(over, f"FAILOVER TO {target}", SWITCH_S)
        if old.view().is_primary:
            raise DrillFailed(f"FAILOVER TO {target} was aborted\n{self.log_tails()}")
        self._repoint(old, target)
        return target

    def _repoint(self, old, target):
        """The nodes that the switch itself did not tell."""
        for node in self.others(old, target):
            node.follow(target.address)

    def _by_sigterm(self):
        """The primary is ended by SIGTERM. redis-server waits for its replicas and ends; Stillpoint hands over first.
        Then the old primary starts again on its directory, as a replica."""
        old, server = self.primary, self._server(self.primary)
        self._copies_of_the_dead += self._sync_full(old)
        os.kill(server.pid, signal.SIGTERM)
        if self.is_redis:
            target = self.next_target()
            self._await_exit(server)
            target.promote()
        else:
            found = []
            self._wait(lambda: found.extend(node for node in self.others(old) if node.view().is_primary) or found,
                       "the primary to hand over at SIGTERM", SWITCH_S)
            target = found[0]
            self._await_exit(server)
        old.close()
        self._repoint(old, target)
        server.start()
        old.follow(target.address)
        return target

    def _by_kill(self):
        """The primary is killed, and the replica that is furthest takes its place by REPLICAOF NO ONE. The old primary starts again,
        and what it alone has is given up."""
        old, server = self.primary, self._server(self.primary)
        self._copies_of_the_dead += self._sync_full(old)
        server.kill()
        target = max(self.others(old), key=lambda node: node.view().offset)
        target.promote()
        old.close()
        self._repoint(old, target)
        server.start()
        old.follow(target.address)
        return target

    def _await_exit(self, server):
        try:
            status = server.process.wait(SWITCH_S)
        except subprocess.TimeoutExpired as error:
            raise DrillFailed(f"SIGTERM did not end the primary within {SWITCH_S:.0f} s\n{self.log_tails()}") from error
        if status != 0:
            raise DrillFailed(f"after SIGTERM the primary ended with status {status}\n{server.log_tail()}")
