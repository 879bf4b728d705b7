"""What a server costs that does nothing: resident memory, start time with an empty directory, size of the binary."""

import os
import statistics
import time

import servers

SETTLE_S = 2.0
HEADER_FIRST = "with an empty directory"


def measure(binary, wal_sync, starts):
    """Medians of `starts`: resident bytes after two idle seconds, seconds from spawn to PING answered; binary bytes."""
    rss, start_s = [], []
    for _ in range(starts):
        with servers.Server(binary, wal_sync) as server:
            start_s.append(server.start_s)
            time.sleep(SETTLE_S)
            rss.append(server.rss_bytes())
    return statistics.median(rss), statistics.median(start_s), os.stat(os.path.realpath(binary)).st_size


def table(binaries, wal_sync, starts, note=lambda text: None):
    """Header and rows for the given binaries, one column each."""
    columns = []
    for binary in binaries:
        note(f"idle figures of {servers.server_name(binary)}")
        columns.append(measure(binary, wal_sync, starts))
    rows = [
        ("resident memory, MiB", *(f"{rss / 2**20:.1f}" for rss, _, _ in columns)),
        ("start until PING is answered, ms", *(f"{start_s * 1000:.1f}" for _, start_s, _ in columns)),
        ("binary, MiB", *(f"{size / 2**20:.1f}" for _, _, size in columns)),
    ]
    return (HEADER_FIRST, *map(servers.server_name, binaries)), rows
