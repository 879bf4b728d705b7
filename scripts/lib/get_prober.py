#!/usr/bin/env python3
"""A client that sends one GET at a time, twice a millisecond, and records how long each took.

Runs as a process of its own, so that the load generator's work does not count as the server's. Usage:
`get_prober.py PORT`; prints `ready` after the first reply, goes on until its standard input is closed, then prints
one `sent_s latency_s` line a GET (seconds of the monotonic clock, which all processes share).
"""

import gc
import os
import select
import sys
import time

import resp

INTERVAL_S = 0.0005
KEY = "bench:probe"
# Ends the process should the parent never do it.
RUN_TIMEOUT_S = 120.0


def run_in_real_time():
    """Asks for real-time scheduling, so that waiting for a processor is not taken for waiting for the server."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass


def main():
    """Probes until standard input is closed."""
    connection = resp.Connection(int(sys.argv[1]), timeout_s=60.0)
    request = resp.encode(["GET", KEY])
    connection.call("GET", KEY)
    print("ready", flush=True)
    run_in_real_time()
    gc.disable()
    samples = []
    end = time.monotonic() + RUN_TIMEOUT_S
    stop = select.poll()
    stop.register(sys.stdin, select.POLLIN | select.POLLHUP)
    while not stop.poll(0):
        sent = time.monotonic()
        connection.socket.sendall(request)
        connection.receive()
        received = time.monotonic()
        samples.append((sent, received - sent))
        if received > end:
            break
        time.sleep(max(0.0, INTERVAL_S - (received - sent)))
    sys.stdout.write("".join("%.7f %.7f\n" % sample for sample in samples))


if __name__ == "__main__":
    main()
