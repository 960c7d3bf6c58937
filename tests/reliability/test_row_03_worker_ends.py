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

import attrs
import numpy as np
import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.endings import watched
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
"""Seconds for which the kernel frees a gigabyte, before it closes the files; on a busy machine it takes up to 0.6 s."""

EATEN = 0.25
"""Gigabytes that a worker has when its cgroup has no more."""


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
        # All of both: the replacement of a worker queues behind workers that are still starting.
        wait_until(
            lambda: {workers(host.metrics, name) for name in ("life", "doubled")} == {count}, 30, "all workers serve"
        )
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


@attrs.frozen
class Ended:
    """The end of one worker: the seconds until the kernel had ended it, its client knew, and another served."""

    gone: float
    known: float
    served: float


def ends_of_all(host: RunningHost, folder: Path, what: str, count: int = WORKERS) -> list[Ended]:
    """End all workers but one, one by one."""
    gates = [folder / str(number) for number in range(count - 1)]
    with Crowd(host, len(gates)) as crowd:
        sent = []
        for gate in gates:
            os.mkfifo(gate)
            sent.append(crowd.send("life", {"what": texts(f"wait {what}"), "gate": texts(str(gate))}))
            # Only then the next: one batch runs what its first row says.
            wait_until(gate.with_suffix(".pid").exists, what="the callable runs")
        return [ended(host, gate, future, what, count) for gate, future in zip(gates, sent, strict=True)]


def ended(host: RunningHost, gate: Path, sent: Future[Answered], what: str, count: int) -> Ended:
    before, pid = restarts(host), int(gate.with_suffix(".pid").read_text())
    with watched(pid) as over:
        began = end(what, pid, gate)
        answered = sent.result()
    assert answered.error == IN_FLIGHT
    wait_until(lambda: restarts(host) > before and workers(host.metrics, "life") == count)
    return Ended(over.result() - began, answered.at - began, time.monotonic() - began)


def show(cause: str, ends: list[Ended], gigabytes: float, known: float, served: float | None = None) -> None:
    """Report the times, without those that the kernel takes beyond `PER_GB` to end a worker of ``gigabytes``.

    ``known`` and ``served`` are limits.
    """
    slow = [max(0.0, min(each.gone, each.known) - PER_GB * gigabytes) if gigabytes else 0.0 for each in ends]
    if gigabytes:
        figure(3, f"worker {cause}: the kernel takes longer to end it than {PER_GB * 1000:g} ms per GB by", slow)
    pairs = [*zip(ends, slow, strict=True)]
    figure(3, f"worker {cause}: until its client knows", [each.known - late for each, late in pairs], limit=known)
    if served is not None:
        figure(3, f"worker {cause}: until another serves", [each.served - late for each, late in pairs], limit=served)


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
        before = import_time()
        ends = ends_of_all(host, tmp_path, what)
        imported = max(before, import_time())
    cause = f"ends ({CAUSES[what]}{', its forked child lives on' if at_import else ''})"
    show(cause, ends, EATEN if what == "eat" else 0.0, AT_ONCE, 1.0 + imported)


def test_workers_with_a_gigabyte_each(tmp_path: Path) -> None:
    """The kernel frees a worker's memory before it closes its files."""
    with under_load("gigabyte", WITH_GIGABYTES) as host:
        ends = ends_of_all(host, tmp_path, "", WITH_GIGABYTES)
    show("with 1 GB ends by SIGKILL", ends, 1.0, AT_ONCE + PER_GB)
