"""Workers and hosts that are frozen for a while; row 4 of the table of faults."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytriton_plugins.host.watchdog import PING_TIMEOUT
from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.figures import figure
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic import scrape
from tests.support.traffic.clients import attempt, infer, texts
from tests.support.traffic.load import Load

LIFE = MODELS / "life.py"
IDLE = {"what": texts(""), "gate": texts("/-")}
WORKERS = 10


def stop(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def go_on(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def after(seconds: float) -> None:
    """Return when that time has passed."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, seconds + 10)


def test_three_seconds_cost_nothing() -> None:
    """Ten workers are frozen together under load."""
    mark = Mark()
    with run_host(LIFE, options=[f"--workers={WORKERS}"], env=mark.env) as host:
        wait_until(lambda: scrape.workers(host.metrics, "life") == WORKERS, 20, "all workers serve")
        workers = set(mark.workers())
        with Load(host, "life", lambda: IDLE, clients=16) as load:
            wait_until(lambda: len(load.sent) > 100, 20, "the clients are at work")
            stop(workers)
            frozen = time.monotonic()
            wait_until(lambda: host.status("/v2/health/live") == 200, 5, "the server answers")
            after(3)
            thawed = time.monotonic()
            go_on(workers)
            back = wait_until(lambda: load.answered_after(thawed), what="requests are answered") or 0.0
        between = [each for each in load.sent if frozen < each.ended < thawed]
        assert len(between) <= 16
        lost = [len(load.failed)]
        replaced = len(workers - set(mark.workers()))
    figure(4, f"{WORKERS} workers frozen 3 s under load: requests lost", lost, "", 0)
    figure(4, "workers replaced", [replaced], "", 0)
    figure(4, "from the thaw until requests are answered", [back - thawed], limit=1.0)


def test_an_idle_worker_that_stays_frozen_is_replaced(tmp_path: Path) -> None:
    """A worker that runs a batch is not replaced, because its model has no timeout."""
    mark = Mark()
    with run_host(LIFE, options=[f"--workers={WORKERS}"], env=mark.env) as host, ThreadPoolExecutor(1) as client:
        wait_until(lambda: scrape.workers(host.metrics, "life") == WORKERS, 20, "all workers serve")
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        sent = client.submit(attempt, host, "grpc", "life", {"what": texts("wait"), "gate": texts(str(gate))})
        wait_until(gate.with_suffix(".pid").exists, what="the callable runs")
        busy = int(gate.with_suffix(".pid").read_text())
        workers = set(mark.workers())
        stop(workers)
        began = time.monotonic()
        wait_until(
            lambda: host.log.count("is idle and has not answered") == WORKERS - 1, PING_TIMEOUT + 5, "all are seen"
        )
        duration = time.monotonic() - began
        assert duration > PING_TIMEOUT
        wait_until(lambda: len(mark.workers()) == WORKERS, 20, "others are there")
        go_on([busy])
        gate.write_bytes(b"")
        assert sent.result().outputs["pid"].item() == busy
        assert set(mark.workers()) & workers == {busy}
        infer(host, "http", "life", IDLE)
    figure(4, f"{WORKERS - 1} idle workers frozen for good: until all are replaced", [duration], limit=PING_TIMEOUT + 3)


@pytest.mark.counted
def test_a_host_that_was_frozen_itself_replaces_no_worker() -> None:
    """A host that was frozen itself replaces no worker."""
    mark = Mark()
    with run_host(LIFE, env=mark.env) as host:
        workers = set(mark.workers())
        frozen = all_of(host, mark)
        stop(frozen)
        after(PING_TIMEOUT + 2)
        go_on([host.process.pid])  # first, so that it looks before its workers can answer
        after(0.5)
        go_on(frozen)
        infer(host, "grpc", "life", IDLE)
        after(1.5)
        assert set(mark.workers()) == workers
        assert "has not answered" not in host.log


def all_of(host: RunningHost, mark: Mark) -> list[int]:
    """Every process of the host, the daemon first."""
    return [host.process.pid, *(pid for pid in mark.processes() if pid != host.process.pid)]
