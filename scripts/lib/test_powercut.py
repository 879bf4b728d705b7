#!/usr/bin/env python3
"""Tests of the power cut: a child process writes under the shim and dies, the cut must leave what it had synced.

Run with `python3 -m unittest discover scripts/lib`.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import unittest

import powercut

PRELUDE = """
import os, signal
def write(name, data, mode="ab", sync=False):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if mode == "ab" else os.O_TRUNC))
    os.write(fd, data)
    if sync: os.fsync(fd)
    os.close(fd)
def sync_dir(name="."):
    fd = os.open(name, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
"""


class PowerCutTest(unittest.TestCase):
    """Each case runs a few lines of Python in the data directory, ended by kill -9, and looks at what is left."""

    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        self.data = os.path.join(self.work.name, "data")
        os.mkdir(self.data)
        self.cut = powercut.PowerCut(self.work.name, self.data)

    def run_and_cut(self, program, tails=None):
        """What is left, as contents by name."""
        self.cut.arm()
        child = subprocess.run([sys.executable, "-c", PRELUDE + program + "\nos.kill(os.getpid(), signal.SIGKILL)"],
                               cwd=self.data, env={**os.environ, **self.cut.environment()}, timeout=300)
        self.assertEqual(child.returncode, -signal.SIGKILL)
        self.cut.cut(tails)
        left = {}
        for directory, _, names in os.walk(self.data):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    left[os.path.relpath(path, self.data)] = file.read()
        return left

    def test_appends_after_the_sync_are_lost(self):
        left = self.run_and_cut('write("a", b"one", sync=True); sync_dir(); write("a", b"two")')
        self.assertEqual(left, {"a": b"one"})

    def test_a_file_never_synced_is_empty(self):
        self.assertEqual(self.run_and_cut('write("a", b"one"); sync_dir()'), {"a": b""})

    def test_a_name_whose_directory_was_not_synced_is_lost(self):
        self.assertEqual(self.run_and_cut('write("a", b"one", sync=True)'), {})

    def test_what_a_cut_left_is_durable_in_the_next_run(self):
        self.run_and_cut('write("a", b"one", sync=True); sync_dir()')
        self.assertEqual(self.run_and_cut('write("a", b"two")'), {"a": b"one"})
        self.assertEqual(self.run_and_cut('write("a", b"two"); write("a", b"!", sync=True)'), {"a": b"onetwo!"})

    def test_a_rename_is_undone_with_the_contents_it_replaced(self):
        self.run_and_cut('write("a", b"old", sync=True); sync_dir()')
        program = 'write("b", b"new", sync=True); os.rename("b", "a")'
        self.assertEqual(self.run_and_cut(program), {"a": b"old"})
        self.assertEqual(self.run_and_cut(program + "; sync_dir()"), {"a": b"new"})

    def test_a_removal_is_undone_until_the_directory_is_synced(self):
        self.run_and_cut('write("a", b"old", sync=True); sync_dir()')
        self.assertEqual(self.run_and_cut('os.unlink("a")'), {"a": b"old"})
        self.assertEqual(self.run_and_cut('os.unlink("a"); sync_dir()'), {})

    def test_directories_are_followed_apart(self):
        left = self.run_and_cut('os.mkdir("d"); write("d/a", b"one", sync=True); write("b", b"two", sync=True)\n'
                                'sync_dir("d")')
        self.assertEqual(left, {"d/a": b"one"})

    def test_a_truncated_file_stays_short(self):
        left = self.run_and_cut('write("a", b"long text", sync=True); sync_dir(); os.truncate("a", 4)')
        self.assertEqual(left, {"a": b"long"})

    def test_tails_keep_the_synced_part_whole(self):
        for seed in range(8):
            left = self.run_and_cut('write("a", b"x" * 100, "wb", sync=True); sync_dir(); write("a", b"y" * 100)',
                                    random.Random(seed))
            self.assertEqual(left["a"][:100], b"x" * 100)
            self.assertLessEqual(len(left["a"]), 200)

    def test_overwriting_durable_bytes_is_reported(self):
        with self.assertRaises(powercut.NotFollowed):
            self.run_and_cut('write("a", b"one", sync=True)\nfd = os.open("a", os.O_WRONLY); os.write(fd, b"x")')

    def test_a_shared_writable_mapping_is_reported(self):
        with self.assertRaises(powercut.NotFollowed):
            self.run_and_cut('import mmap\nwrite("a", b"one"); fd = os.open("a", os.O_RDWR); mmap.mmap(fd, 3)')


if __name__ == "__main__":
    unittest.main()
