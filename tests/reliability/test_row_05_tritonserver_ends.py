"""tritonserver ends while it serves: a new one starts and uses the same workers; row 5 of the table of faults."""

from __future__ import annotations

import itertools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.testing import run_host, wait_until
from tests.support.measure.figures import FULL, figure
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, ports_taken
from tests.support.sandbox.stops import stopped
from tests.support.traffic.clients import PROTOCOLS, Gate, infer, texts
from tests.support.traffic.load import Load
from tests.support.traffic.streams import count, grpc_stream

IDLE = {"what": texts(""), "gate": texts("/-")}
DEATHS = 5
"""Of one host: with one more within a minute it gives up."""
MAX_STOP = 5.0
"""Seconds for a stop while there is no tritonserver: it does not wait for the next one."""


def server_of(mark: Mark) -> int:
    """The process id of tritonserver, once it has started."""
    found = wait_until(lambda: [pid for pid, line in mark.processes().items() if "bin/tritonserver" in line.split()[0]])
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_another_serves_through_the_same_workers(number: signal.Signals) -> None:
    back, ready = [], []
    for _ in range(2 if FULL else 1):
        mark = Mark()
        with run_host(MODELS / "life.py", options=["--workers=2"], env=mark.env) as host:
            workers = mark.workers().keys()
            with Load(host, "life", lambda: IDLE) as load:
                for _ in range(DEATHS):
                    wait_until(lambda: load.answered_after(time.monotonic() - 0.2))
                    old = server_of(mark)
                    os.kill(old, number)
                    # With SIGSEGV it writes its stack and goes on to answer meanwhile: what counts begins at its end.
                    wait_until(lambda: old not in mark.processes())  # noqa: B023
                    gone = time.monotonic()
                    answered = wait_until(lambda: load.answered_after(gone), 15, "requests are answered again")  # noqa: B023
                    back.append((answered or gone) - gone)
                    wait_until(lambda: host.status("/v2/health/ready") == 200)
                    ready.append(time.monotonic() - gone)
            assert mark.workers().keys() == workers
            assert host.stop() == 0
    # The pauses before the second start to the fifth are 0.1, 0.2, 0.4 and 0.8 s.
    figure(5, f"tritonserver {number.name}: until requests are answered", back, limit=2.0)
    figure(5, f"tritonserver {number.name}: until ready", ready, limit=2.0)


@pytest.mark.counted
def test_readiness_is_gone_and_comes_back_with_the_last_model() -> None:
    mark = Mark()
    with run_host(MODELS / "life.py", MODELS / "forms.py", env=mark.env) as host:
        os.kill(server_of(mark), signal.SIGKILL)
        wait_until(lambda: host.status("/v2/health/ready") == 0, what="the port is closed")
        wait_until(lambda: host.status("/v2/health/ready") == 200)
        for protocol in PROTOCOLS:
            infer(host, protocol, "life", IDLE)
        assert "not ready: tritonserver: it has ended, and another is being started" in host.log
        assert "tritonserver ended with killed by SIGKILL" in host.log


@pytest.mark.counted
def test_a_callable_that_runs_meanwhile_finishes_and_serves_again(tmp_path: Path) -> None:
    """Its result is dropped."""
    mark, gate = Mark(), Gate(tmp_path / "gate")
    with run_host(MODELS / "life.py", env=mark.env) as host:
        (worker,) = mark.workers()
        with Load(host, "life", lambda: {"what": texts("wait"), "gate": gate.tensor}, clients=1, protocols=("grpc",)):
            wait_until(gate.is_reached, what="the callable runs")
            os.kill(server_of(mark), signal.SIGKILL)
            wait_until(lambda: "runs again" in host.log)
        gate.open()
        host.wait_ready()
        assert infer(host, "grpc", "life", IDLE)["pid"].item() == worker


@pytest.mark.counted
def test_while_models_are_being_loaded(tmp_path: Path) -> None:
    mark, gate = Mark(), Gate(tmp_path / "gate")
    env = {**mark.env, "WARM_GATE": str(tmp_path / "gate")}
    with run_host(f"{MODELS / 'warm.py'}:Warm", MODELS / "life.py", env=env, ready=False) as host:
        wait_until(gate.is_reached, 20, "the warm-up runs")
        os.kill(server_of(mark), signal.SIGKILL)
        wait_until(lambda: "runs again" in host.log)
        gate.open()
        host.wait_ready()
        assert infer(host, "grpc", "Warm", {"x": np.ones((1, 2), np.float32)})["zeros"].item() == 3


@pytest.mark.counted
def test_servers_that_end_too_often_end_the_host() -> None:
    """The exit code is 1, and no process is left."""
    mark = Mark()
    with run_host(MODELS / "life.py", env=mark.env) as host:
        seen: set[int] = set()

        def next_server() -> bool:
            seen.update(kill_unseen(mark, seen))
            return host.process.poll() is not None

        wait_until(next_server, 30, "the host gives up")
        assert (host.process.returncode, len(seen)) == (1, 6)
        assert "it ended 6 times within 60 s: giving up" in host.log
        wait_until(lambda: not mark.processes(), what="nothing is left")
        assert ports_taken(host) == []


def kill_unseen(mark: Mark, seen: set[int]) -> list[int]:
    """Kill the running server if it is not one of ``seen``."""
    found = [pid for pid, line in mark.processes().items() if "bin/tritonserver" in line and pid not in seen]
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return found


def test_a_stop_while_there_is_no_server() -> None:
    mark = Mark()
    with run_host(MODELS / "life.py", env=mark.env) as host:
        for death in range(1, DEATHS):
            os.kill(server_of(mark), signal.SIGKILL)
            wait_until(lambda: host.log.count("runs again") == death, 15)  # noqa: B023
        os.kill(server_of(mark), signal.SIGKILL)
        wait_until(lambda: host.log.count("starting another") == DEATHS)
        assert stopped(host) < MAX_STOP
        assert mark.processes() == {}


@pytest.mark.counted
def test_each_form_of_callable_serves_again() -> None:
    mark = Mark()
    with run_host(MODELS / "forms.py", env=mark.env) as host:
        workers = mark.workers().keys()
        os.kill(server_of(mark), signal.SIGKILL)
        wait_until(lambda: host.status("/v2/health/ready") == 0, what="the port is closed")
        host.wait_ready()
        for protocol, (model, factor) in itertools.product(PROTOCOLS, (("Awaited", 3), ("one_by_one", 1))):
            y = infer(host, protocol, model, {"x": np.array([[1, 2]], np.float32)})["y"]
            assert y.tolist() == [[factor, 2 * factor]]
        assert grpc_stream(host, "counted", count(3), "number") == ([[0], [1], [2]], "")
        with ThreadPoolExecutor(3) as pool:
            alone = [{"x": np.array([number], np.float32)} for number in (1, 2, 3)]
            answers = pool.map(lambda each: infer(host, "grpc", "three_at_once", each)["y"].tolist(), alone)
            assert list(answers) == [[2], [3], [4]]
        assert mark.workers().keys() == workers


@pytest.mark.counted
def test_while_triton_loads_a_model() -> None:
    """The worker keeps running."""
    mark = Mark()
    loading = ": loading: slow_0:1\n"
    targets = [f"{MODELS / 'slow.py'}:slow_0"]
    with run_host(*targets, options=["--log-level=debug"], env=mark.env, ready=False) as host:
        for death in range(1, 4):
            wait_until(lambda: host.log.count(loading) == death, 30, "Triton loads it")  # noqa: B023
            workers = mark.workers().keys()
            os.kill(server_of(mark), signal.SIGKILL)
        host.wait_ready()
        assert mark.workers().keys() == workers
        assert "out of service" not in host.log
