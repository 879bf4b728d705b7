"""Throughput and p99 of two servers side by side, by redis-benchmark.

The two servers take turns run by run, so that noise of the machine meets both; what is reported is the median of
the runs. Every row of redis-benchmark's output is checked: an error reply, a warning or a missing row stops all.
"""

import csv
import shutil
import statistics
import subprocess
import sys

CLIENTS = 50
KEY_SPACE = 1_000_000
VALUE_BYTES = 64
PIPELINES = (1, 16)
RUN_TIMEOUT_S = 180

# redis-benchmark's default tests, in its order.
TESTS = ("ping_inline", "ping_mbulk", "set", "get", "incr", "lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop",
         "zadd", "zpopmin", "lrange_100", "lrange_300", "lrange_500", "lrange_600", "mset")

# What a test needs in the database, so that choosing it alone measures the same as the whole list.
NEEDS = {"get": "set", "lpop": "lpush", "rpop": "rpush", "spop": "sadd", "zpopmin": "zadd"}

# The least ratio to redis-server that is aimed at, per pipeline depth.
AIMED_TESTS = ("set", "get", "incr", "hset", "lpush")
AIMS = {1: 1.0, 16: 0.6}

HEADER = ("test", "-P", "stillpoint/s", "redis/s", "ratio", "aim", "stillpoint p99 ms", "redis p99 ms")


class BenchmarkFailed(Exception):
    """redis-benchmark reported an error."""


def expand(names):
    """The tests that the given names mean: `ping` and `lrange` stand for their variants, nothing for all."""
    chosen = []
    for name in (part.lower() for given in names for part in given.split(",")):
        matching = [test for test in TESTS if test == name or test.startswith(name + "_")]
        if not matching:
            sys.exit(f"unknown test `{name}`; there are: {' '.join(TESTS)}")
        chosen += matching
    return chosen or list(TESTS)


def requests_for(test, pipeline, requests):
    """Requests of one run: LRANGE takes a fifth (its replies are long), a pipeline of 16 three times as many."""
    if test.startswith("lrange"):
        return max(requests // 5, 1000)
    return requests * 3 if pipeline > 1 else requests


def run_once(port, test, pipeline, requests):
    """One run of redis-benchmark: requests a second and p99 in milliseconds."""
    program = shutil.which("redis-benchmark")
    if program is None:
        sys.exit("redis-benchmark is not installed: apt-get install redis-tools")
    line = [program, "-h", "127.0.0.1", "-p", port, "-c", CLIENTS, "-n", requests, "-r", KEY_SPACE,
            "-d", VALUE_BYTES, "-P", pipeline, "-t", test, "--csv"]
    try:
        done = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=RUN_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise BenchmarkFailed(f"{test} -P {pipeline}: not finished after {RUN_TIMEOUT_S} s") from None
    rows = list(csv.reader(done.stdout.splitlines()))
    strange = done.stderr.splitlines() + [",".join(row) for row in rows if len(row) != 8]
    measured = [row for row in rows if len(row) == 8 and row[0].split(" ")[0].lower() == test]
    if done.returncode or strange or len(measured) != 1:
        raise BenchmarkFailed(f"{test} -P {pipeline}: redis-benchmark ended with status {done.returncode}\n"
                              + "\n".join("    " + text for text in strange or ["(no row for the test)"]))
    return float(measured[0][1]), float(measured[0][6])


def load_all_keys(server):
    """Sets every one of the keys that the SET and GET tests draw from."""
    value = b"x" * VALUE_BYTES
    with server.connect(timeout_s=60.0) as connection:
        for start in range(0, KEY_SPACE, 10_000):
            pairs = []
            for number in range(start, start + 10_000, 100):
                pairs.append(["MSET"])
                for key in range(number, number + 100):
                    pairs[-1] += [b"key:%012d" % key, value]
            connection.send(*pairs)
            for _ in pairs:
                if connection.receive() != b"OK":
                    raise BenchmarkFailed("loading the keys was answered with an error")


def measure(servers, test, pipeline, requests, repeat):
    """The median `(rate, p99)` of each server, over `repeat` runs taken in turns."""
    samples = [[] for _ in servers]
    for turn in range(repeat):
        order = range(len(servers)) if turn % 2 == 0 else reversed(range(len(servers)))
        for index in order:
            servers[index].check_alive()
            try:
                samples[index].append(run_once(servers[index].port, test, pipeline, requests))
            except BenchmarkFailed as failure:
                raise BenchmarkFailed(f"{servers[index].name}: {failure}\n{servers[index].log_tail()}") from None
    return [tuple(statistics.median(column) for column in zip(*runs)) for runs in samples]


def table(servers, tests, requests, repeat, note=lambda text: None):
    """The rows under `HEADER`, for `servers` being Stillpoint and redis-server; `note` is told the progress."""
    rows = []
    written = set()
    for test in tests:
        needed = NEEDS.get(test)
        if needed and needed not in written:
            for server in servers:
                for _ in range(repeat):
                    for pipeline in PIPELINES:
                        run_once(server.port, needed, 16, requests_for(needed, pipeline, requests))
        written.add(test)
        for pipeline in PIPELINES:
            note(f"{test} -P {pipeline}")
            count = requests_for(test, pipeline, requests)
            (rate, p99), (redis_rate, redis_p99) = measure(servers, test, pipeline, count, repeat)
            ratio = rate / redis_rate
            aim = AIMS[pipeline] if test in AIMED_TESTS else None
            verdict = "" if aim is None else f"{aim:.1f} {'met' if ratio >= aim else 'MISSED'}"
            rows.append((test, pipeline, f"{rate:.0f}", f"{redis_rate:.0f}", f"{ratio:.2f}", verdict,
                         f"{p99:.3f}", f"{redis_p99:.3f}"))
    return rows
