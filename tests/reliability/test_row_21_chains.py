"""Models that call each other, four deep, while workers or tritonserver are killed; row 21 of the table of faults."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.measure.endings import gone
from tests.support.measure.figures import FULL, figure
from tests.support.measure.growth import Holding, holding, segment_inodes, steady_slope
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, tritonserver
from tests.support.traffic.chain import CHAIN, Held, all_workers, ask, error_of, hold, passed, right
from tests.support.traffic.clients import Crowd
from tests.support.traffic.load import Load, Sent
from tests.support.traffic.scrape import values

KILLS, KILL_EACH, CLIENTS, WORKERS = (30, 2.0, 32, 3) if FULL else (3, 1.5, 12, 2)
SAMPLE_EACH = 0.25
LEAST_SAMPLES = 2
"""After each kill, also on a busy machine."""

PAUSE = 0.002
"""Seconds between two requests of a client, so that all of them can be held back for a sample."""

DEATHS = 5 if FULL else 2
"""Of tritonserver: with one more than five within a minute the host gives up."""

RECONNECT = 2.0
"""Seconds after which a client of gRPC surely tries again to connect."""

TOLD = 1.0
MEGABYTE = 1e6
GROWTH = {"host": 2.0, "tritonserver": 64.0, "a worker": 2.0 if FULL else 8.0}
"""Megabytes, in the last two thirds of the time. tritonserver's goes up and down with glibc's arenas; in the short form
a worker's segments may still grow for the first batch of a size.
"""

OPEN = ("pytriton_running_requests", "pytriton_queued_requests", "nv_inference_pending_request_count")
"""Each open call is a request of the called model, which runs or waits."""


@attrs.frozen
class Kill:
    """The end of a worker of ``model``: the time of the signal, and the time when the kernel had ended the process."""

    model: str
    began: float
    gone: float

    def explains(self, failed: Sent) -> bool:
        """Whether the request was in flight, and its error names this model and the calls that led to it."""
        error = failed.error.partition("] ")[2] or failed.error
        return failed.began <= self.gone and failed.ended >= self.began and error == error_of(self.model)


@attrs.frozen
class Outage:
    """The end of a tritonserver: the times of the signal, its end, the first answer after it, and readiness."""

    began: float
    gone: float
    answered: float
    ready: float

    def explains(self, failed: Sent) -> bool:
        """Whether the request was in flight at the end, or was sent while no tritonserver served the model."""
        is_other = any(part in failed.error for part in ("a wrong answer", "call of model", "worker"))
        return failed.ended >= self.began and failed.began <= self.ready + RECONNECT and not is_other


class Run:
    """A host of the four models, all of whose workers have run a request and made a call."""

    def __init__(self, host: RunningHost, folder: Path, crowd: Crowd, workers: int = WORKERS) -> None:
        self.host, self._folder, self._crowd, self._workers = host, folder, crowd, workers
        self.kills: list[Kill] = []
        self.told: list[float] = []
        kept = self.all_run()
        self._kept = {"host": [host.process.pid], "tritonserver": [tritonserver(host)], "a worker": kept}
        self._held: dict[int, list[Holding]] = {pid: [] for pids in self._kept.values() for pid in pids}
        self._before = self._settled()

    def all_run(self) -> list[int]:
        """Let each worker of each model run a request; the first worker of each model."""
        with all_workers(self._crowd, self._folder, CHAIN[-1], self._workers) as held:
            sent = [each.answer for each in held.values()]
        wait_until(self._is_idle, 10, "no call is open")
        ways = [answer.result().outputs["pids"][0].tolist() for answer in sent]
        return [oldest(pids)[0] for pids in zip(*ways, strict=True)]

    def go_on(self, load: Load) -> None:
        """Kill a worker of one model after the other, and measure in between."""
        began = time.monotonic()
        for number, model in zip(range(KILLS), itertools.cycle(reversed(CHAIN)), strict=False):
            self._kill_one_of(model, load, held=(number + number // len(CHAIN)) % 2 == 0)
            samples = 0
            while samples < LEAST_SAMPLES or time.monotonic() < began + (number + 1) * KILL_EACH:
                samples += 1
                self._measure(load, time.monotonic() + SAMPLE_EACH)

    def _measure(self, load: Load, due: float) -> None:
        """Measure at this time, while no request is in flight."""
        wait_until(lambda: time.monotonic() > due)
        with load.still():
            for pid, held in self._held.items():
                held.append(holding(pid, time.monotonic()))

    def _kill_one_of(self, model: str, load: Load, *, held: bool) -> None:
        """Kill the worker of ``model`` that has been there second longest: the first one lives through.

        ``held``: while it holds a request. Otherwise it may run a batch of any clients.
        """
        if not held:
            self._kill(model, self._second_of(model, load))
            return
        with all_workers(self._crowd, self._folder, model, self._workers) as running:
            lost = running.pop(oldest(running)[1])
            self._kill(model, lost.pid)
            answer = lost.answer.result()
            assert answer.error == error_of(model)
            self.told.append(answer.at - self.kills[-1].began)

    def _second_of(self, model: str, load: Load) -> int:
        """As seen in the answers since the last kill."""
        since = self.kills[-1].gone if self.kills else 0.0

        def seen() -> set[str]:
            late = itertools.takewhile(lambda each: each.ended > since, reversed(load.sent))
            return {each.by.split()[CHAIN.index(model)] for each in late if each.by and each.began > since}

        wait_until(lambda: len(seen()) == self._workers, 20, f"all workers of {model} serve")
        return oldest(map(int, seen()))[1]

    def _kill(self, model: str, pid: int) -> None:
        self.kills.append(Kill(model, *kill(pid)))

    def show_what_is_left(self, cause: str) -> None:
        """Report calls, descriptors and segments, of which there must not be more than before."""
        self.all_run()
        self._kept["tritonserver"] = [tritonserver(self.host)]
        for name, more in self._least(self._more).items():
            figure(21, f"{cause}: {name}: more descriptors", more, "", 0)
        for name, strange in self._least(self._strange).items():
            figure(21, f"{cause}: {name}: segments that the daemon does not count", strange, "", 0)

    def show_growth(self) -> None:
        """Report the memory of the processes that have lived through."""
        for name, pids in self._kept.items():
            late = [self._held[pid][len(self._held[pid]) // 3 :] for pid in pids]
            grown = [steady_slope(each) * (each[-1].seconds - each[0].seconds) / MEGABYTE for each in late]
            figure(21, f"{name}: growth of PSS without files", grown, "MB", GROWTH[name])

    def _least(self, count: Callable[[], dict[str, list[int]]]) -> dict[str, list[int]]:
        """What ``count`` returns when it finds nothing, or after ten seconds."""
        seen: list[dict[str, list[int]]] = []

        def is_none() -> bool:
            seen.append(count())
            return max(map(max, seen[-1].values())) <= 0

        with contextlib.suppress(TimeoutError):
            wait_until(is_none)
        return seen[-1]

    def _strange(self) -> dict[str, list[int]]:
        """How many segments each process has that the daemon does not count."""
        counted = segment_inodes(self.host.process.pid)
        return {name: [len(segment_inodes(pid) - counted) for pid in pids] for name, pids in self._kept.items()}

    def _more(self) -> dict[str, list[int]]:
        """How many more descriptors there are than before the first kill."""
        now = self._descriptors()
        return {
            name: [count - then for count, then in zip(now[name], before, strict=True)]
            for name, before in self._before.items()
        }

    def _settled(self) -> dict[str, list[int]]:
        """The numbers of open descriptors once twenty counts in a row are the same: clients' connections are closed."""
        seen = [self._descriptors()]

        def last() -> bool:
            seen.append(self._descriptors())
            return all(each == seen[-1] for each in seen[-20:]) and len(seen) > 20

        wait_until(last, 10, "no descriptor is opened or closed")
        return seen[-1]

    def _descriptors(self) -> dict[str, list[int]]:
        """The numbers of open descriptors."""
        return {name: [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids] for name, pids in self._kept.items()}

    def _is_idle(self) -> bool:
        return not any(sum(values(self.host.metrics, name).values()) for name in OPEN)


def kill(pid: int) -> tuple[float, float]:
    """The time of the signal, and the time when the kernel had ended the process."""
    descriptor, began = os.pidfd_open(pid), time.monotonic()
    os.kill(pid, signal.SIGKILL)
    return began, gone(descriptor)


def oldest(pids: Iterable[int]) -> list[int]:
    """The processes in the order of their start."""

    def started(pid: int) -> tuple[int, int]:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]), pid

    return sorted(set(pids), key=started)


def test_killed_workers(tmp_path: Path) -> None:
    """Only requests in flight fail, and nothing is left."""
    mark = Mark()
    env = {**mark.env, "HELD": str(tmp_path)}
    with run_host(MODELS / "chain.py", options=[f"--workers={WORKERS}"], env=env) as host:
        with Crowd(host, WORKERS) as crowd:
            run = Run(host, tmp_path, crowd)
            with Load(host, "a", ask, clients=CLIENTS, pause=PAUSE, right=right, by=passed) as load:
                run.go_on(load)
            assert [each for each in load.failed if not any(kill.explains(each) for kill in run.kills)] == []
            run.show_what_is_left("worker killed")
            run.show_growth()
        wait_until(lambda: sum(values(host.metrics, "pytriton_worker_restarts_total").values()) == KILLS)
        assert host.stop() == 0
    assert mark.processes() == {}
    figure(21, "requests answered rightly", [len(load.sent) - len(load.failed)], "")
    figure(21, "workers killed", [KILLS], "")
    figure(21, "seconds from the first kill to the last", [run.kills[-1].began - run.kills[0].began])
    figure(21, "requests failed, of those of all clients", [len(load.failed)], "")
    figure(21, "worker killed: until the client of what it ran knows", run.told, limit=TOLD)


def test_killed_tritonserver(tmp_path: Path) -> None:
    """Requests in flight fail at once, the same workers serve again, and nothing is left."""
    mark = Mark()
    env = {**mark.env, "HELD": str(tmp_path)}
    outages: list[Outage] = []
    with run_host(MODELS / "chain.py", options=["--workers=2"], env=env) as host:
        with Crowd(host, 2) as crowd:
            run, workers = Run(host, tmp_path, crowd, 2), mark.workers().keys()
            with Load(host, "a", ask, clients=16, pause=PAUSE, right=right, by=passed) as load:
                for _ in range(DEATHS):
                    held = hold(crowd, tmp_path, CHAIN[-1])
                    outages.append(outage(host, load, held))
            run.show_what_is_left("tritonserver killed")
        assert mark.workers().keys() == workers
        assert host.stop() == 0
    assert mark.processes() == {}
    assert [each for each in load.failed if not any(outage.explains(each) for outage in outages)] == []
    told = [each.ended - outage.began for outage in outages for each in load.in_flight(outage.began)]
    figure(21, "tritonserver killed: until the clients of calls in flight know", told, limit=TOLD)
    figure(21, "tritonserver killed: until requests are answered", [each.answered - each.gone for each in outages])


def outage(host: RunningHost, load: Load, held: Held) -> Outage:
    """Kill tritonserver while a worker of the last model holds a request, and wait for the next one."""
    began, gone = kill(tritonserver(host))
    assert held.answer.result().error
    held.gate.open()
    wait_until(lambda: load.answered_after(gone), 15, "requests are answered again")
    host.wait_ready()
    return Outage(began, gone, load.answered_after(gone) or 0.0, time.monotonic())
