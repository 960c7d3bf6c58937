"""Models of all sizes for a long time, with a worker killed now and then: nothing grows; row 17 of the table."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from pytriton_plugins.testing.host import PROGRAM
from tests.support.measure.figures import FULL, figure
from tests.support.measure.growth import Holding, holding, more, slope, steady_slope
from tests.support.sandbox.leftovers import Mark
from tests.support.traffic.clients import Answered, Crowd, texts
from tests.support.traffic.load import Load
from tests.support.traffic.scrape import values, workers
from tests.support.traffic.talks import TALKS, TARGETS

SECONDS, KILL_EACH, SAMPLE_EACH = (3600.0, 60.0, 10.0) if FULL else (20.0, 5.0, 0.5)
WORKERS = 2
IN_FLIGHT = "model {}: its worker ended while it ran this request"
TOLD = 1.0
MEGABYTE = 1e6
GROWTH = {"host": 2.0, "tritonserver": 2.0 if FULL else 64.0, "a worker": 2.0}
"""Megabytes, from a third of the time until the end. tritonserver's goes up and down by 75 as glibc's arenas take and
give back what large requests need, so that only the long form says much of it (benchmarks/README.md).
"""
STEADY = () if FULL else ("host", "a worker")
"""Whose growth is that of each part of the time: in the short form a segment may grow at any time, for the first batch
of its size; in the long form that is over. tritonserver's ups and downs are in each part.
"""
MORE = {"host": (0, 0, 0), "tritonserver": (3, 2, 3), "a worker": (0, 0, 0)}
"""Descriptors, threads, segments. In tritonserver a new worker's two segments come with its first requests, and the
threads are gRPC's: less than two killed workers' worth in the short form, of forty in the long one.
"""


class Run:
    """A host under load, the resources of its processes, and the requests of killed workers."""

    def __init__(self, host: RunningHost, mark: Mark, loads: dict[str, Load]) -> None:
        self._host = host
        self._loads = loads
        wait_until(lambda: all(len(pids) == WORKERS for pids in self._workers().values()), 30, "all workers serve")
        # The first worker of each model lives through.
        first = [pids[0] for pids in self._workers().values()]
        (server,) = (pid for pid, line in mark.processes().items() if "bin/tritonserver" in line)
        self._kept = {"host": [host.process.pid], "tritonserver": [server], "a worker": first}
        self._began = time.monotonic()
        self.held: dict[int, list[Holding]] = {pid: [] for pids in self._kept.values() for pid in pids}
        self.answered = 0
        self.told: list[float] = []

    def go_on(self) -> None:
        """Until the time is over: kill a worker, then measure."""
        models = itertools.cycle(self._loads)
        kills = KILL_EACH / 2
        while self._passed <= SECONDS:
            if self._passed > kills:
                kills += KILL_EACH
                self._kill_one_of(next(models))
            due = (self._passed // SAMPLE_EACH + 1) * SAMPLE_EACH  # no look is made up for after a long kill
            wait_until(lambda: self._passed > due, SAMPLE_EACH + 10)  # noqa: B023
            self.answered += sum(load.forget() for load in self._loads.values())
            self._look()

    def _look(self) -> None:
        """Measure while no request is in flight."""
        with contextlib.ExitStack() as stack:
            for load in self._loads.values():
                stack.enter_context(load.still())
            for pid, held in self.held.items():
                held.append(holding(pid, self._passed))

    def show(self) -> None:
        """Report the figures, each with its limit."""
        for name, pids in self._kept.items():
            late = [[each for each in self.held[pid] if each.seconds > SECONDS / 3] for pid in pids]
            growth = steady_slope if name in STEADY else slope
            grown = [growth(each) * SECONDS * 2 / 3 / MEGABYTE for each in late]
            figure(17, f"{name}: growth of PSS without files", grown, "MB", GROWTH[name])
            if FULL:
                figure(17, f"{name}: slope", [slope(each) * 3600 / MEGABYTE for each in late], "MB/h")
            for what, limit in zip(("descriptors", "threads", "segments"), MORE[name], strict=True):
                figure(17, f"{name}: more {what}", [more(each, what) for each in late], "", limit)

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._began

    def _kill_one_of(self, model: str) -> None:
        """Kill a worker: requests that it ran fail soon; all others run on another worker.

        The killed worker of ``life`` certainly runs a request; others may be idle.
        """
        load, victim = self._loads[model], self._workers()[model][-1]
        before = {each.began for each in load.failed}
        with self._busy(victim) if model == "life" else contextlib.nullcontext():
            began, gone = kill(victim)
        wait_until(lambda: victim not in self._workers()[model] and workers(self._host.metrics, model) == WORKERS, 20)
        failed = [each for each in load.failed if each.began not in before]
        assert all(each.began <= gone and each.ended >= began for each in failed), "they were in flight"
        self.told += [each.ended - began for each in failed]

    @contextlib.contextmanager
    def _busy(self, victim: int) -> Iterator[None]:
        """Each worker of ``life`` runs a request; at the end only the victim's has failed."""
        with tempfile.TemporaryDirectory() as folder, Crowd(self._host, WORKERS) as crowd:
            sent: dict[int, tuple[Path, Future[Answered]]] = {}
            for gate in (Path(folder, str(number)) for number in range(WORKERS)):
                os.mkfifo(gate)
                future = crowd.send("life", {"what": texts("wait"), "gate": texts(str(gate))})
                wait_until(gate.with_suffix(".pid").exists, what="the callable runs")
                sent[int(gate.with_suffix(".pid").read_text())] = gate, future
            killed = time.monotonic()
            yield
            _, lost = sent.pop(victim)
            assert lost.result().error == IN_FLIGHT.format("life")
            self.told.append(lost.result().at - killed)
            for gate, kept in sent.values():
                gate.write_bytes(b"")
                assert kept.result().error == ""

    def _workers(self) -> dict[str, list[int]]:
        """The process ids of each model's workers, in the order of their start."""
        command = [sys.executable, "-c", PROGRAM, "status", "--json", "--pid", str(self._host.process.pid)]
        status = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return {each["model"]: each["workers"]["pids"] for each in status["models"]}


def kill(pid: int) -> tuple[float, float]:
    """The time of the kill and of the end: requests that began up to 16 ms after the kill were seen to fail."""
    with open(os.pidfd_open(pid), "rb") as ended:
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        assert select.select([ended], [], [], 10)[0]
        return began, time.monotonic()


@contextlib.contextmanager
def under_load(host: RunningHost) -> Iterator[dict[str, Load]]:
    """Clients of all models over both protocols, by model."""
    with contextlib.ExitStack() as stack:
        yield {
            each.model: stack.enter_context(Load(host, each.model, each.ask, clients=4, pause=0.01, right=each.right))
            for each in TALKS
        }


@pytest.mark.parametrize(
    ("memory", "grown"),
    [
        pytest.param(lambda second: 160_000 * second, 2.1, id="all the time"),
        pytest.param(lambda second: 1_000_000 * ((second + 2.5) // 5), 3.1, id="at each kill"),
        pytest.param(lambda second: 8_000_000 * (second > 12), 0.0, id="once"),
    ],
)
def test_steady_growth_is_told_from_a_step(memory: Callable[[float], float], grown: float) -> None:
    """Of the samples of a short form."""
    moments = [number / 2 for number in range(14, 41)]
    held = [Holding(each, int(memory(each)), descriptors=0, threads=0, segments=0) for each in moments]
    assert steady_slope(held) * 13.3 / MEGABYTE == pytest.approx(grown, abs=0.05)


def test_nothing_grows() -> None:
    mark = Mark()
    with run_host(*TARGETS, options=[f"--workers={WORKERS}"], env=mark.env) as host:
        with under_load(host) as loads:
            run = Run(host, mark, loads)
            run.go_on()
        for model, load in loads.items():
            assert {each.error.partition("] ")[2] or each.error for each in load.failed} <= {IN_FLIGHT.format(model)}
        failures = sum(values(host.metrics, "nv_inference_request_failure").values())
        restarts = sum(values(host.metrics, "pytriton_worker_restarts_total").values())
        assert (failures, restarts) == (len(run.told), round(SECONDS / KILL_EACH))
        assert host.stop() == 0
    figure(17, "requests answered rightly", [run.answered], "")
    figure(17, "worker killed: until the clients of what it ran know", run.told, limit=TOLD)
    run.show()
