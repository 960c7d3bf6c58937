"""Workers that end in every way under load: requests in flight fail soon; row 3 of the table of faults."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.cgroups import cgroup
from tests.support.traffic.clients import Answered, Crowd, texts
from tests.support.traffic.load import Load
from tests.support.traffic.scrape import value, workers

IDLE = {"what": texts(""), "gate": texts("/-")}
OTHER = {"x": np.ones((1, 2), np.float32)}
WORKERS = 11
"""Ten of them end, each once: who ends often is not replaced at once."""

WITH_GIGABYTES = WORKERS if FULL else 4
BATCH = 8
IN_FLIGHT = "model life: its worker ended while it ran this request"
AT_ONCE = 0.1
PER_GB = 0.09


@contextlib.contextmanager
def under_load(at_import: str, count: int = WORKERS) -> Iterator[RunningHost]:
    """A host of two models with clients; only requests of ended workers of the first model fail."""
    options = [f"--workers={count}"]
    targets = (MODELS / "life.py", f"{MODELS / 'forms.py'}:doubled")
    with (
        run_host(*targets, options=options, env={"LIFE_AT_IMPORT": at_import}) as host,
        Load(host, "life", lambda: IDLE, clients=4, pause=0.01) as load,
        Load(host, "doubled", lambda: OTHER, clients=4, pause=0.01) as other,
    ):
        wait_until(lambda: load.sent and other.sent, what="the clients are at work")
        wait_until(lambda: workers(host.metrics, "life") == count, 30, "all workers serve")
        yield host
        load.stop()
        other.stop()
        assert other.failed == []
        assert {each.error.partition("] ")[2] or each.error for each in load.failed} <= {IN_FLIGHT}
        assert len(load.failed) <= count * BATCH
        assert host.status("/v2/health/ready") == 200


def import_time() -> float:
    """The slowest of three imports of a worker's modules in a new Python, in seconds, under the same load."""
    durations = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import numpy, pytriton_plugins.worker.main"], check=True)
        durations.append(time.monotonic() - began)
    return max(durations)


def ends_of_all(host: RunningHost, folder: Path, what: str, count: int = WORKERS) -> list[tuple[float, float]]:
    """End all workers but one, one by one; each time the seconds until the client knows and until another serves."""
    gates = [folder / str(number) for number in range(count - 1)]
    with Crowd(host, len(gates)) as crowd:
        sent = []
        for gate in gates:
            os.mkfifo(gate)
            sent.append(crowd.send("life", {"what": texts(f"wait {what}"), "gate": texts(str(gate))}))
            # Only then the next: one batch runs what its first row says.
            wait_until(gate.with_suffix(".pid").exists, what="the callable runs")
        return [ended(host, gate, future, what, count) for gate, future in zip(gates, sent, strict=True)]


def ended(host: RunningHost, gate: Path, sent: Future[Answered], what: str, count: int) -> tuple[float, float]:
    before = restarts(host)
    began = end(what, int(gate.with_suffix(".pid").read_text()), gate)
    answered = sent.result()
    assert answered.error == IN_FLIGHT
    wait_until(lambda: restarts(host) > before and workers(host.metrics, "life") == count)
    return answered.at - began, time.monotonic() - began


def end(what: str, pid: int, gate: Path) -> float:
    """End the worker; returns the time at which its end begins."""
    if what == "eat":
        with cgroup("memory", {"memory.limit_in_bytes": 256 << 20}) as group:
            group.write("cgroup.procs", pid)
            gate.write_bytes(b"")
            wait_until(lambda: group.number("memory.oom_control", "oom_kill") > 0, what="the kernel kills it")
            return time.monotonic()
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL) if not what else gate.write_bytes(b"")
    return began


def restarts(host: RunningHost) -> float:
    return value(host.metrics, "pytriton_worker_restarts_total", model="life", version="1") or 0.0


CAUSES = {"": "SIGKILL", "segfault": "segfault", "exit": "os._exit", "eat": "out of its cgroup's memory"}


@pytest.mark.parametrize(("what", "at_import"), [("", ""), ("", "fork"), ("segfault", ""), ("exit", ""), ("eat", "")])
def test_ten_workers_end(tmp_path: Path, what: str, at_import: str) -> None:
    with under_load(at_import) as host:
        seconds = ends_of_all(host, tmp_path, what)
        imported = import_time()
    cause = CAUSES[what] + (", its forked child lives on" if at_import else "")
    figure(3, f"worker ends ({cause}): until its client knows", [each[0] for each in seconds], limit=AT_ONCE)
    figure(3, f"worker ends ({cause}): until another serves", [each[1] for each in seconds], limit=1.0 + imported)


def test_workers_with_a_gigabyte_each(tmp_path: Path) -> None:
    """The kernel frees a worker's memory before it closes its files."""
    with under_load("gigabyte", WITH_GIGABYTES) as host:
        known = [each[0] for each in ends_of_all(host, tmp_path, "", WITH_GIGABYTES)]
    figure(3, "worker with 1 GB ends by SIGKILL: until its client knows", known, limit=AT_ONCE + PER_GB)
