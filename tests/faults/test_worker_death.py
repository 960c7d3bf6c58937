"""A worker that ends during requests: those in flight fail at once and clearly, all others are answered."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from pytriton_plugins.testing import RunningHost, run_host, wait_until
from tests.support.paths import MODELS
from tests.support.sandbox.leftovers import Mark, freeze
from tests.support.traffic.clients import Answered, Arrays, Crowd, Queues, attempt, infer, queued, queues, texts

LIFE = MODELS / "life.py"
SOON = 20.0
"""Seconds, of the thirty that a request waits for a worker; the table of faults shows how soon it is."""

IN_FLIGHT = "model life: its worker ended while it ran this request"


@pytest.fixture
def host() -> Iterator[RunningHost]:
    """A new host for each test, because a model whose worker ends often is given up."""
    with run_host(LIFE) as running:
        yield running


@pytest.fixture(scope="module")
def four() -> Iterator[RunningHost]:
    with run_host(LIFE, options=["--workers=4"]) as running:
        yield running


def request(what: str = "", gate: Path = Path("/-")) -> Arrays:
    return {"what": texts(what), "gate": texts(str(gate))}


def pid_at(gate: Path) -> int:
    """The worker that runs the request with this gate."""
    path = gate.with_suffix(".pid")
    wait_until(path.exists, what="the callable runs")
    return int(path.read_text())


@pytest.mark.parametrize(("what", "end"), [("exit", "exit code 3"), ("segfault", "killed by SIGSEGV")])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_callable_that_ends_its_process(
    host: RunningHost, tmp_path: Path, protocol: str, what: str, end: str
) -> None:
    before = infer(host, protocol, "life", request())["pid"].item()
    started = time.monotonic()
    failed = attempt(host, protocol, "life", request(what, tmp_path / "gate"))
    assert failed.error == IN_FLIGHT
    assert failed.status in ("503", "StatusCode.UNAVAILABLE")
    assert failed.at - started < SOON
    assert infer(host, protocol, "life", request())["pid"].item() != before
    message = f"its worker {before} ended with {end}; starting another"
    wait_until(lambda: message in host.log, what="the log says how it ended")


def test_killed_with_eight_requests_in_flight(host: RunningHost, tmp_path: Path) -> None:
    first, eight = tmp_path / "first", tmp_path / "eight"
    os.mkfifo(first)
    os.mkfifo(eight)
    with Crowd(host, 13) as crowd:
        opener = crowd.send("life", request("wait", first))
        pid = pid_at(first)
        in_flight = [crowd.send("life", request("wait", eight)) for _ in range(8)]
        # In the backend: what is still in Triton's queue would not be in the same batch.
        wait_until(lambda: queues(host.metrics, "life") == Queues(0, 8), what="eight requests wait for the worker")
        first.write_bytes(b"")
        assert pid_at(eight) == pid
        waiting = [crowd.send("life", request()) for _ in range(4)]
        wait_until(lambda: queued(host, "life") == 4, what="four more wait")
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        failed = [future.result() for future in in_flight]
        rest = [future.result() for future in waiting]
    assert opener.result().outputs["pid"].item() == pid
    assert [answer.error for answer in failed] == [IN_FLIGHT] * 8
    assert max(answer.at for answer in failed) - killed < SOON
    assert [answer.error for answer in rest] == [""] * 4
    assert {answer.outputs["pid"].item() for answer in rest}.isdisjoint({pid})


def test_requests_that_a_killed_worker_had_not_taken_go_to_the_next(host: RunningHost) -> None:
    """Requests that a killed worker has not read run on the next one."""
    pid = infer(host, "grpc", "life", request())["pid"].item()
    answers: list[Future[Answered]] = []

    def one_waits_in_the_queue() -> bool:
        # Then another is sent to the worker, for Triton queues nothing while an instance is free.
        answers.append(crowd.send("life", request()))
        return queued(host, "life") > 0

    with Crowd(host, 50) as crowd:
        freeze(pid)
        try:
            wait_until(one_waits_in_the_queue, timeout=20)
        finally:
            os.kill(pid, signal.SIGKILL)
        assert {answer.result().error for answer in answers} == {""}
    assert pid not in pids([answer.result() for answer in answers])


def test_one_of_four_killed_costs_only_what_it_ran(four: RunningHost, tmp_path: Path) -> None:
    """Only the requests of the killed worker fail."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    answers: list[Answered] = []
    enough = threading.Event()

    def client() -> None:
        while not enough.is_set():
            answers.append(attempt(four, "grpc", "life", request()))

    clients = [threading.Thread(target=client) for _ in range(8)]
    with Crowd(four, 1) as crowd:
        held = crowd.send("life", request("wait", gate))
        pid = pid_at(gate)
        for thread in clients:
            thread.start()
        try:
            wait_until(lambda: len(pids(answers)) == 3, what="the three others answer")
            before = pids(answers)
            os.kill(pid, signal.SIGKILL)
            assert held.result().error == IN_FLIGHT
            wait_until(lambda: pids(answers) - before, timeout=20, what="the new worker answers too")
        finally:
            enough.set()
            for thread in clients:
                thread.join()
    assert [answer.error for answer in answers if answer.error] == []
    assert pid not in pids(answers)


def pids(answers: list[Answered]) -> set[int]:
    return {answer.outputs["pid"].item() for answer in list(answers) if not answer.error}


def test_processes_that_a_killed_worker_forked_end_with_it() -> None:
    mark = Mark()
    with run_host(LIFE, env={**mark.env, "LIFE_AT_IMPORT": "fork"}) as host:
        pid = infer(host, "grpc", "life", request())["pid"].item()
        before = set(mark.workers())
        assert len(before) == 2
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: before.isdisjoint(mark.workers()), what="the worker's child ends")
        assert infer(host, "grpc", "life", request())["pid"].item() not in before
