"""Workers that end in every way, under load: what was in flight fails soon; row 3 of the table of faults."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cgroups import cgroup
from clients import Crowd, texts
from figures import figure
from load import Load
from scrape import value

from pytriton_plugins.testing import RunningHost, run_host, wait_until

MODELS = Path(__file__).parents[2] / "models"
IDLE = {"what": texts(""), "gate": texts("/-")}
OTHER = {"x": np.ones((1, 2), np.float32)}
WORKERS = 3
HOSTS, DEATHS = 3, 4
"""A worker that ends a fifth time within a minute is not replaced at once."""

BATCH = 8
IN_FLIGHT = "model life: its worker ended while it ran this request"
AT_ONCE = 0.1
PER_GB = 0.09


@contextlib.contextmanager
def under_load(at_import: str) -> Iterator[RunningHost]:
    """A host of two models, clients of both. In the end nothing failed but what a worker had, and of the other none."""
    options = [f"--workers={WORKERS}"]
    targets = (MODELS / "life.py", f"{MODELS / 'forms.py'}:doubled")
    with (
        run_host(*targets, options=options, env={"LIFE_AT_IMPORT": at_import}) as host,
        Load(host, "life", lambda: IDLE, clients=4, pause=0.01) as load,
        Load(host, "doubled", lambda: OTHER, clients=4, pause=0.01) as other,
    ):
        wait_until(lambda: load.sent and other.sent, what="the clients are at work")
        yield host
        load.stop()
        other.stop()
        assert other.failed == []
        assert {each.error.partition("] ")[2] or each.error for each in load.failed} <= {IN_FLIGHT}
        assert len(load.failed) <= DEATHS * BATCH
        assert host.status("/v2/health/ready") == 200


def import_time() -> float:
    """Seconds in which a Python imports what a worker imports, beside the same load: the slowest of three."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "import numpy, pytriton_plugins.worker.main"], check=True)
        took.append(time.monotonic() - began)
    return max(took)


def live(host: RunningHost) -> float | None:
    return value(host.metrics, "pytriton_workers", model="life", version="1")


def ended_by(host: RunningHost, crowd: Crowd, what: str, gate: Path) -> tuple[float, float]:
    """Have the worker that takes the next request end; the seconds until its client knows, and until another serves."""
    before = restarts(host)
    if what == "wait":
        os.mkfifo(gate)
    sent = crowd.send("life", {"what": texts(what), "gate": texts(str(gate))})
    path = gate.with_suffix(".pid")
    wait_until(path.exists, what="the callable runs")
    began = end(what, int(path.read_text()))
    answered = sent.result()
    assert answered.error == IN_FLIGHT
    wait_until(lambda: restarts(host) > before and live(host) == WORKERS)
    return answered.at - began, time.monotonic() - began


def end(what: str, pid: int) -> float:
    """When the end of the worker begins."""
    if what == "wait":
        os.kill(pid, signal.SIGKILL)
    elif what == "eat":
        with cgroup("memory", {"memory.limit_in_bytes": 256 << 20}) as group:
            group.write("cgroup.procs", pid)
            wait_until(lambda: group.number("memory.oom_control", "oom_kill") > 0, what="the kernel kills it")
            return time.monotonic()
    return time.monotonic()


def restarts(host: RunningHost) -> float:
    return value(host.metrics, "pytriton_worker_restarts_total", model="life", version="1") or 0.0


CAUSES = {"wait": "SIGKILL", "segfault": "segfault", "exit": "os._exit", "eat": "out of its cgroup's memory"}


@pytest.mark.parametrize(
    ("what", "at_import"), [("wait", ""), ("wait", "fork"), ("segfault", ""), ("exit", ""), ("eat", "")]
)
def test_workers_end(tmp_path: Path, what: str, at_import: str) -> None:
    """Seen red with the end of a channel not told from a broken message (`channel_receive`, backend/channel.c); with a
    child that lives on and no pidfd (`Worker._fail_with_exit`), the clients wait for the child."""
    known, replaced = [], []
    for turn in range(HOSTS):
        with under_load(at_import) as host, Crowd(host, 2) as crowd:
            for number in range(DEATHS):
                seconds = ended_by(host, crowd, what, tmp_path / f"{turn}-{number}")
                known.append(seconds[0])
                replaced.append(seconds[1])
            imported = import_time()
    cause = CAUSES[what] + (", its forked child lives on" if at_import else "")
    figure(3, f"worker ends ({cause}): until its client knows", known, limit=AT_ONCE)
    figure(3, f"worker ends ({cause}): until another serves", replaced, limit=1.0 + imported)


def test_workers_with_a_gigabyte_each(tmp_path: Path) -> None:
    """Memory is freed before files are closed. Seen red without the word of the host (`ModelLink.gone`)."""
    known = []
    for turn in range(HOSTS):
        with under_load("gigabyte") as host, Crowd(host, 2) as crowd:
            known += [ended_by(host, crowd, "wait", tmp_path / f"{turn}-{number}")[0] for number in range(DEATHS)]
    figure(3, "worker with 1 GB ends by SIGKILL: until its client knows", known, limit=AT_ONCE + PER_GB)
