"""Waits for descriptors, also for those with numbers over 1023."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

from pytriton_plugins.shm.polling import readable, wait_until_writable

HIGH_NUMBERS = """
import os, resource
from pytriton_plugins.shm.polling import readable, wait_until_writable

resource.setrlimit(resource.RLIMIT_NOFILE, (3000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for number, end in zip((2000, 2001), os.pipe()):
    os.dup2(end, number)
wait_until_writable(2001)
os.write(2001, b"x")
print(readable(2000))
"""


def test_a_descriptor_is_writable_once_its_reader_reads() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    start = time.monotonic()
    wait_until_writable(writer, 0.05)
    assert time.monotonic() - start >= 0.04
    waiting = threading.Thread(target=wait_until_writable, args=(writer,), daemon=True)
    waiting.start()
    os.read(reader, 1 << 20)
    waiting.join(10)
    assert not waiting.is_alive()
    os.close(reader)
    wait_until_writable(writer)  # a write would fail at once
    os.close(writer)


def test_those_with_data_or_an_end_are_readable() -> None:
    (quiet, open_end), (ended, closed_end) = os.pipe(), os.pipe()
    os.close(closed_end)
    assert readable(quiet, ended) == [ended]
    assert readable(quiet, seconds=0) == []
    os.write(open_end, b"x")
    assert readable(quiet) == [quiet]
    for descriptor in (quiet, open_end, ended):
        os.close(descriptor)


def test_a_number_over_1023_is_waited_for() -> None:
    done = subprocess.run([sys.executable, "-c", HIGH_NUMBERS], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode, done.stderr) == ("[2000]\n", 0, "")
