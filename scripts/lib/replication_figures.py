"""How fast a replica catches up with what it missed, and what a full copy costs the primary's clients."""

import os
import time

import prober
import resp
import servers
import throughput

CATCH_UP_HEADER = ("replica stopped during", "writes", "primary wrote, updates/s", "replica applied, updates/s", "ratio",
                   "until level s", "full copies")
COPY_HEADER = ("full copy", "GiB", "took s", "MiB/s", "command", "p99 ms before", "p99 ms meanwhile", "worst ms before",
               "worst ms meanwhile")
LEVEL_TIMEOUT_S = 900.0
POLL_S = 0.005
# Of one value in the copy's data: four of them fill a small page of RocksDB, so that there are many keys.
VALUE_BYTES = 4096
VALUES_A_CALL = 250
QUIET_S = 10.0


class ReplicationFailed(Exception):
    """A replica did not become level, or took a full copy that it did not need."""


def info(connection, section):
    """One section of INFO as a dictionary."""
    text = connection.must("INFO", section).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def follow(replica, primary):
    """Makes `replica` one of `primary`, and waits for the link."""
    with replica.connect() as connection:
        connection.must("REPLICAOF", "127.0.0.1", primary.port)
    wait_level(replica, primary)


def wait_level(replica, primary, seen=lambda now, offset: None):
    """Waits until the replica stands where the primary does and its link is up; `seen` is told each offset."""
    deadline = time.monotonic() + LEVEL_TIMEOUT_S
    with primary.connect(60.0) as there, replica.connect(60.0) as here:
        while True:
            there_offset = int(info(there, "replication")["master_repl_offset"])
            state = info(here, "replication")
            offset, now = int(state["master_repl_offset"]), time.monotonic()
            seen(now, offset)
            if state.get("master_link_status") == "up" and offset >= there_offset:
                return now
            if now > deadline:
                raise ReplicationFailed(f"the replica is at {offset} of {there_offset} after {LEVEL_TIMEOUT_S:.0f} s")
            time.sleep(POLL_S)


def catch_up(binary, wal_sync, writes, note=lambda text: None):
    """The rows for a replica that was stopped during `writes` SETs of redis-benchmark."""
    with servers.Server(binary, wal_sync) as primary, servers.Server(binary, wal_sync) as replica:
        replica.fixed_port = replica.port
        follow(replica, primary)
        rows = []
        for pipeline in throughput.PIPELINES:
            note(f"{writes} writes at -P {pipeline}, with the replica stopped")
            replica.process.terminate()
            replica.process.wait(servers.STOP_TIMEOUT_S)
            with primary.connect() as connection:
                before = info(connection, "replication"), info(connection, "stats")
                rate, _ = throughput.run_once(primary.port, "set", pipeline, writes)
                missed = int(info(connection, "replication")["master_repl_offset"]) - int(before[0]["master_repl_offset"])
            # One SET is a fixed number of updates in the log.
            written_per_s = rate * missed / writes
            note("catching up")
            marks = []
            replica.start()
            level = wait_level(replica, primary, lambda now, offset, marks=marks: marks.append((now, offset)))
            moved = [mark for mark in marks if mark[1] > marks[0][1]]
            began = marks[0] if not moved else marks[marks.index(moved[0]) - 1]
            took_s = max(level - began[0], POLL_S)
            applied_per_s = (marks[-1][1] - began[1]) / took_s
            with primary.connect() as connection:
                copies = int(info(connection, "stats")["sync_full"]) - int(before[1]["sync_full"])
            if copies:
                raise ReplicationFailed("the replica took a full copy")
            rows.append((f"redis-benchmark -P {pipeline}", f"{writes:,}", f"{written_per_s:,.0f}",
                         f"{applied_per_s:,.0f}", f"{applied_per_s / written_per_s:.2f}", f"{took_s:.1f}", copies))
        return rows


def fill(server, size_bytes, note):
    """Writes that much in values that do not compress."""
    calls = max(size_bytes // (VALUE_BYTES * VALUES_A_CALL), 1)
    with server.connect(120.0) as connection:
        for call in range(calls):
            if call % 100 == 0:
                note(f"filling: {call * 100 // calls} %")
            data = os.urandom(VALUE_BYTES * VALUES_A_CALL)
            words = ["MSET"]
            for index in range(VALUES_A_CALL):
                words += [b"copy:%d" % (call * VALUES_A_CALL + index),
                          data[index * VALUE_BYTES:(index + 1) * VALUE_BYTES]]
            connection.must(*words)


def full_copy(binary, wal_sync, gib, extra=(), note=lambda text: None):
    """The rows for a copy of that many GiB: a new replica, with a client's GETs and SETs timed beside it."""
    with servers.Server(binary, wal_sync, extra=extra) as primary, servers.Server(binary, wal_sync) as replica:
        fill(primary, gib << 30, note)
        note("letting the primary come to rest")
        wait_until_at_rest(primary)
        probers = {}
        try:
            for command in ("get", "set"):
                probers[command] = prober.Prober(primary.port, command)
            quiet_since = time.monotonic()
            time.sleep(QUIET_S)
            note("copying")
            began = time.monotonic()
            follow(replica, primary)
            ended = time.monotonic()
            samples = {command: probing.finish() for command, probing in probers.items()}
        finally:
            for probing in probers.values():
                probing.end()
        check_same(primary, replica)
        rows = []
        for command, all_samples in samples.items():
            before = latencies(all_samples, quiet_since, began)
            during = latencies(all_samples, began, ended)
            rows.append(("" if rows else "a new replica", gib, f"{ended - began:.1f}",
                         f"{gib * 1024 / (ended - began):,.0f}", command.upper(), *map(_ms, (p99(before), p99(during),
                         before[-1], during[-1]))))
        return rows


def _ms(latency_s):
    return f"{latency_s * 1000:.2f}"


def latencies(samples, since, until):
    """The sorted latencies of the commands sent between the two times."""
    return sorted(latency for sent, latency in samples if since <= sent < until)


def p99(ordered):
    """The 99th percentile of sorted values."""
    return ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]


def wait_until_at_rest(server):
    """Waits until the server uses next to no processor for two seconds: flushes and compactions are done."""
    deadline = time.monotonic() + 180.0
    calm = 0
    used = server.cpu_s()
    while calm < 4 and time.monotonic() < deadline:
        time.sleep(0.5)
        now = server.cpu_s()
        calm = calm + 1 if now - used < 0.03 else 0
        used = now


def check_same(primary, replica):
    """Compares the number of keys, and a thousand values spread over them."""
    with primary.connect(60.0) as there, replica.connect(60.0) as here:
        counts = there.must("DBSIZE"), here.must("DBSIZE")
        keys = [b"copy:%d" % number for number in range(0, counts[0], max(counts[0] // 1000, 1))]
        for start in range(0, len(keys), 100):
            part = keys[start:start + 100]
            if there.must("MGET", *part) != here.must("MGET", *part):
                raise ReplicationFailed("the copy has other values than the primary")


FAILURES = (ReplicationFailed, prober.ProberFailed, servers.ServerFailed, throughput.BenchmarkFailed, resp.Closed, OSError)
