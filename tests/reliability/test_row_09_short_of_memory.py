"""512 MB for everything, 64 MB of /dev/shm, and requests of up to 512 MB; row 9 of the table of faults."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from pytriton_plugins.testing import RunningHost, run_host
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.cgroups import SHARES, Cgroup, cgroup
from tests.support.traffic.clients import PROTOCOLS, attempt, infer

ECHO = f"{MODELS / 'memory.py'}:echo"
SMALL_SHM = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"', "sh"]
PLAIN = ["--no-plugin=memory-guard", "--no-plugin=kubernetes"]
"""Policies of hook plugins that are installed as well would refuse earlier."""

MIB = 1 << 20
LIMIT = 512 * MIB
SUCCEED = {"http": 96, "grpc": 48}
"""MiB in either direction that are answered in any case: Triton holds a body over gRPC three times."""

REFUSED = {"http": {128}, "grpc": set()}
"""MiB that are received, and refused in any case because the answer would not fit."""

SIZES = {
    "http": [1, 128, 32, 96, 256, 512] if FULL else [1, 128, 96, 512],
    "grpc": [1, 8, 32, 48, 64, 256, 512] if FULL else [1, 48, 64, 512],
}
RUNS = 10 if FULL else 1
OURS = r"a batch needs [\d.]+ MiB of shared memory and [\d.]+ MiB of memory are left on this machine or in this "
BROKEN = (
    "HTTPConnectionClosed",
    "Socket closed",
    "Stream removed",
    "ConnectionReset",
    "Connection reset",
    "BrokenPipe",
    "Broken pipe",
    "its worker",
)
"""The errors of clients when the kernel kills the server or a worker."""


class Run:
    """The results of requests of each size, in MiB, over one protocol."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.answered: list[int] = []
        self.refused: list[int] = []
        self.killed: list[int] = []
        """Those at which the kernel killed tritonserver, a worker, or both."""
        self.back: list[float] = []
        """Seconds from an end until the next one answers."""

    def send_all(self) -> None:
        with (
            cgroup("memory", {"memory.limit_in_bytes": LIMIT}) as memory,
            cgroup("cpu", {"cpu.shares": SHARES}) as cpu,
            run_host(ECHO, options=PLAIN, prefix=[*cpu.prefix, *memory.prefix, *SMALL_SHM]) as host,
        ):
            host.wait_settled()
            for size in SIZES[self.protocol]:
                self._send(host, size)
                assert host.process.poll() is None, host.log
            self._check(host, memory)
            assert host.stop() == 0

    def _send(self, host: RunningHost, size: int) -> None:
        sent = numbers(size * MIB)
        answer = attempt(host, self.protocol, "echo", {"x": sent})
        if answer.outputs:
            assert np.array_equal(answer.outputs["y"], sent)
            self.answered.append(size)
        elif answer.status in ("503", "StatusCode.UNAVAILABLE") and re.search(OURS, answer.error):
            self.refused.append(size)
        else:
            assert any(text in answer.error for text in BROKEN), answer.error
            self.killed.append(size)
        host.wait_ready()
        assert infer(host, "http", "echo", {"x": numbers(1000)})["y"].size == 1000
        if size in self.killed:
            self.back.append(time.monotonic() - answer.at)

    def _check(self, host: RunningHost, memory: Cgroup) -> None:
        assert "SIGBUS" not in host.log
        ends = host.log.count("tritonserver ended with killed by SIGKILL")
        assert ends <= len(self.killed) <= memory.number("memory.oom_control", "oom_kill")
        assert {size for size in SIZES[self.protocol] if size <= SUCCEED[self.protocol]} <= set(self.answered)
        assert REFUSED[self.protocol] <= set(self.refused)


def numbers(size: int) -> NDArray[np.uint8]:
    """``size`` bytes with a long period that is not a multiple of the page size."""
    return np.resize(np.arange(251, dtype=np.uint8), (1, size))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_requests_of_all_sizes(protocol: str) -> None:
    runs = [Run(protocol) for _ in range(RUNS)]
    for run in runs:
        run.send_all()
    what = f"over {protocol}, of {', '.join(map(str, SIZES[protocol]))} MiB in 512 MiB of memory"
    figure(9, f"{what}: largest answered", [max(run.answered) for run in runs], "MiB")
    figure(9, f"{what}: refused", [len(run.refused) for run in runs], "")
    figure(9, f"{what}: the kernel kills", [len(run.killed) for run in runs], "", 4)
    if back := [each for run in runs for each in run.back]:
        # Each further end of a worker within a minute costs it twice the pause.
        figure(9, f"over {protocol}: from there until a request is answered", back, limit=5.0)
