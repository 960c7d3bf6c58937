"""A stop or kill of the host in every state: soon afterwards nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, ports_taken, shared_memory
from tests.support.traffic.clients import Arrays, Crowd, Gate, attempt, queued, texts

LIFE = MODELS / "life.py"
SOON = 30
"""Seconds, many times what it takes: how long that is stands in the table of faults."""
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


def request(what: str = "", gate: Path = Path("/-")) -> Arrays:
    return {"what": texts(what), "gate": texts(str(gate))}


@contextlib.contextmanager
def idle(host: RunningHost, folder: Path) -> Iterator[None]:
    host.wait_ready()
    yield


@contextlib.contextmanager
def with_clients(host: RunningHost, folder: Path) -> Iterator[None]:
    """Eight clients send until they are refused."""
    host.wait_ready()
    answered = [0] * 8

    def client(number: int) -> None:
        while not attempt(host, "grpc" if number % 2 else "http", "life", request()).error:
            answered[number] += 1

    threads = [threading.Thread(target=client, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: min(answered) > 2, what="every client was answered")
    yield
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def stuck(host: RunningHost, folder: Path) -> Iterator[None]:
    """A callable sleeps for a minute and blocks all other threads of its worker."""
    host.wait_ready()
    with Crowd(host, 1) as crowd:
        failed = crowd.send("life", request("stuck", folder / "stuck"))
        wait_until((folder / "stuck.pid").exists, what="the callable runs")
        yield
        assert failed.result(30).error


@contextlib.contextmanager
def starting(host: RunningHost, folder: Path) -> Iterator[None]:
    """The import of the plugin hangs."""
    wait_until(lambda: host.status("/v2/health/live") == 200, 30, "tritonserver answers")
    assert host.status("/v2/health/ready") == 400
    yield


State = Callable[[RunningHost, Path], AbstractContextManager[None]]
STATES: dict[State, str] = {
    idle: "",
    with_clients: "",
    stuck: "fork",
    starting: "fork block",
}
"""The plugin's actions at its import, by state."""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_nothing_is_left(tmp_path: Path, state: State, number: signal.Signals) -> None:
    os.mkfifo(tmp_path / "import")
    mark = Mark()
    env = {**mark.env, "LIFE_AT_IMPORT": STATES[state], "LIFE_GATE": str(tmp_path / "import"), "TMPDIR": str(tmp_path)}
    names = shared_memory()
    with run_host(LIFE, env=env, ready=False) as host, state(host, tmp_path):
        wait_until(lambda: len(mark.workers()) == (2 if STATES[state] else 1), what="the worker, and what it forks")
        wait_until(lambda: ports_taken(host) == list(host.ports), what="all three ports are in use")
        host.process.send_signal(number)
        code = host.process.wait(SOON)
        wait_until(lambda: not mark.processes(), SOON, "every process ends")
        wait_until(lambda: not ports_taken(host), SOON, "the ports are free")
        # Tests beside this one have names there for a moment, too.
        wait_until(lambda: shared_memory() <= names, SOON, "no shared memory is left")
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert left_in(tmp_path) == [] or number == signal.SIGKILL


def left_in(folder: Path) -> list[Path]:
    """Run directories of hosts in ``folder``."""
    return list(folder.glob("pytriton-host-*"))


def test_the_next_start_sweeps_what_a_killed_host_left(tmp_path: Path) -> None:
    with run_host(LIFE, env={"TMPDIR": str(tmp_path)}) as host:
        host.stop(signal.SIGKILL)
    (left,) = left_in(tmp_path)
    with run_host(LIFE, env={"TMPDIR": str(tmp_path)}) as host:
        (own,) = left_in(tmp_path)
        assert own != left
        assert host.stop() == 0
    assert left_in(tmp_path) == []


def test_a_process_that_left_its_workers_session_ends_too() -> None:
    """A process that has left the worker's session ends with the host."""
    mark = Mark()
    with run_host(LIFE, env={**mark.env, "LIFE_AT_IMPORT": "daemon"}) as host:
        assert len(mark.workers()) == 2
        assert host.stop() == 0
        assert mark.processes() == {}


@pytest.mark.parametrize("seconds", [None, 1.0], ids=["a second signal", "drain-timeout"])
def test_a_stop_says_what_it_waits_for_and_what_fails(tmp_path: Path, seconds: float | None) -> None:
    gate = Gate(tmp_path / "gate")
    with run_host(LIFE, drain_timeout=seconds) as host, Crowd(host, 2) as crowd:
        held = [crowd.send("life", request("wait", tmp_path / "gate"), "grpc")]
        wait_until(gate.is_reached, what="the callable runs")  # sent at once, both could be one batch
        held.append(crowd.send("life", request("wait", tmp_path / "gate"), "http"))
        wait_until(lambda: queued(host, "life") == 1, what="the other waits")
        host.process.send_signal(signal.SIGTERM)
        waits = f"waiting for 2 requests in flight, {seconds or 30:.0f} s at most; a second signal ends the wait"
        wait_until(lambda: waits in host.log, what="the stop says what it waits for")
        if seconds is None:
            wait_until(lambda: host.log.count("waiting for 2 requests in flight") == 2, what="it says so again")
            host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(60) == 0
        assert [each.result(60).error for each in held] == ["model life: the server is stopping"] * 2
        why = "a second signal came" if seconds is None else "drain-timeout (1 s) expired"
        assert f"{why}; 2 requests in flight fail" in host.log


def test_requests_in_flight_are_answered_before_the_end(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    with run_host(LIFE, drain_timeout=None) as host, Crowd(host, 1) as crowd:
        held = crowd.send("life", request("wait", tmp_path / "gate"))
        wait_until(gate.is_reached, what="the callable runs")
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: host.status("/v2/health/ready") == 400, what="not ready while draining")
        gate.open()
        assert held.result().error == ""
        assert host.process.wait(60) == 0
