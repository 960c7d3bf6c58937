"""Jumps of the time of day, and clocks that differ widely; row 14 of the table of faults.

The machine's clock is not set: libfaketime (Debian's package of that name) changes it for one host's processes.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import time
from pathlib import Path

import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import PROTOCOLS, infer, texts
from tests.support.traffic.load import Load

LIFE = MODELS / "life.py"
IDLE = {"what": texts(""), "gate": texts("/-")}
JUMPS = [3600, -7200, 86400 * 365, -86400, 0] * 2 + [3600] if FULL else [-7200, 0, 3600]
"""Seconds beside the true time."""

AFTER = 1.5
"""Seconds that each holds: longer than a period of everything that looks on its own."""

OTHER_CLOCKS = ["unshare", "--time", "--monotonic", "1000000", "--boottime", "3000000", "--fork", "--kill-child"]


SLEEP = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
  return syscall(SYS_clock_nanosleep, clock, flags, time, left) == 0 ? 0 : errno;
}
"""
"""libfaketime 0.9.10 makes an invalid argument of some: Python's sleep by the monotonic clock fails by it."""


def faked(offset: Path) -> dict[str, str]:
    """Variables with which the time of day is ahead by the content of ``offset``, which is read each time."""
    found = [str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
    if not found:
        pytest.skip("needs libfaketime")
    source, sleep = offset.with_name("sleep.c"), offset.with_name("sleep.so")
    source.write_text(SLEEP)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", sleep, source], check=True)
    alone = {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": f"{sleep}:{found[0]}", "FAKETIME_TIMESTAMP_FILE": str(offset), **alone}


def test_the_time_of_day_jumps(tmp_path: Path) -> None:
    mark, offset = Mark(), tmp_path / "offset"
    offset.write_text("+0")
    with run_host(LIFE, MODELS / "gated.py", env={**mark.env, **faked(offset)}) as host:
        host.wait_settled()
        before, back = mark.processes().keys(), []
        with Load(host, "life", lambda: IDLE) as load:
            for jump in JUMPS:
                offset.write_text(f"{jump:+}")
                jumped = time.monotonic()
                answered = wait_until(lambda: load.answered_after(jumped), 10, "requests are answered") or jumped  # noqa: B023
                back.append(answered - jumped)
                wait_until(lambda: time.monotonic() > jumped + AFTER, AFTER + 10)  # noqa: B023
        assert mark.processes().keys() == before
        assert "not ready" not in host.log
        assert host.stop() == 0
        stopped = next(line for line in host.log.splitlines() if line.endswith("stopping"))
    written = datetime.datetime.fromisoformat(stopped.split(",")[0])
    ahead = (written - datetime.datetime.now()).total_seconds()
    assert abs(ahead - JUMPS[-1]) < 60, "the host has seen no jump"
    figure(14, "the time of day jumps: requests lost", [len(load.failed)], "", 0)
    figure(14, "until a request is answered", back, limit=1.0)


def test_clocks_that_are_far_from_each_other() -> None:
    """A time namespace in which the monotonic clocks differ from the time of day."""
    with run_host(LIFE, prefix=OTHER_CLOCKS) as host:
        for protocol in PROTOCOLS:
            infer(host, protocol, "life", IDLE)
        assert "not answered" not in host.log
