#!/usr/bin/env python3
"""A client that sends one GET or SET at a time, twice a millisecond, and records how long each took.

It runs as a process of its own, so that the load generator's work does not count as the server's. Usage:
`prober.py PORT get|set`; prints `ready` after the first reply, goes on until its standard input is closed, then prints
one `sent_s latency_s` line a command (seconds of the monotonic clock, which all processes share). `Prober` starts and
ends such a process.
"""

import gc
import os
import select
import subprocess
import sys
import time

import resp

INTERVAL_S = 0.0005
KEYS = {"get": "bench:probe", "set": "bench:probe:set"}
VALUE_BYTES = 64
# Ends the process should the parent never do it.
RUN_TIMEOUT_S = 900.0
FINISH_S = 30.0


class ProberFailed(Exception):
    """The process that probes did not start, or ended with an error."""


class Prober:
    """The process that times another client's GETs, or SETs."""

    def __init__(self, port, command="get"):
        self.process = subprocess.Popen([sys.executable, "-B", __file__, str(port), command],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise ProberFailed(f"the {command} prober did not start")

    def finish(self):
        """Ends it and returns its `(sent, latency)` samples."""
        output, _ = self.process.communicate(timeout=FINISH_S)
        if self.process.returncode:
            raise ProberFailed("the prober failed")
        return [tuple(map(float, line.split())) for line in output.splitlines()]

    def end(self):
        """Makes sure that the process is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run_in_real_time():
    """Asks for real-time scheduling, so that waiting for a processor is not taken for waiting for the server."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass


def main():
    """Probes until standard input is closed."""
    port, command = int(sys.argv[1]), sys.argv[2]
    words = [command, KEYS[command]] + (["x" * VALUE_BYTES] if command == "set" else [])
    connection = resp.Connection(port, timeout_s=60.0)
    request = resp.encode(words)
    connection.call(*words)
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
