"""The queue of `FuturesModelClient` by itself, with a sender whose requests end when the test says so."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pytriton.client.calls import Call, Outputs
from pytriton.client.exceptions import PyTritonClientClosedError
from pytriton.client.queueing import RequestQueue
from pytriton_plugins.testing import wait_until


class Sender:
    def __init__(self) -> None:
        self.sent: list[object] = []
        self.responses: list[Future[Any]] = []

    def prepare(self) -> None: ...

    def begin(self, call: Call) -> Future[Any]:
        response: Future[Any] = Future()
        self.sent.append(call)
        self.responses.append(response)
        return response

    def finish(self, call: Call, response: Future[Any]) -> Outputs:
        return {}

    def end(self) -> None: ...


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def calls() -> Iterator[Any]:
    """Stands for the arguments of a request: the queue only passes them on."""
    return (object() for _ in range(100))


class CountingQueue(RequestQueue):
    """Notes each time that it was found open: twice for a request that is taken."""

    def __init__(self, sender: Sender, running: int, waiting: int) -> None:
        self.found_open: list[None] = []
        super().__init__(sender, running, waiting)

    def check_open(self) -> None:
        super().check_open()
        self.found_open.append(None)


def test_closing_wakes_all_that_wait_for_a_place(sender: Sender, calls: Iterator[Any]) -> None:
    requests = CountingQueue(sender, 1, 1)
    taken = [requests.put(next(calls), block=True) for _ in range(2)]
    with ThreadPoolExecutor(5) as pool:
        late = [pool.submit(requests.put, next(calls), block=True) for _ in range(5)]
        wait_until(lambda: len(requests.found_open) == 2 * len(taken) + len(late), what="all wait for a place")
        requests.close()
        wait_until(lambda: len(sender.sent) == 1, what="the first is sent")
        sender.responses[0].set_result(None)
        errors = [type(each.exception(60)) for each in late]
    assert set(errors) == {PyTritonClientClosedError}
    wait_until(lambda: len(sender.sent) == 2, what="the second is sent")
    sender.responses[1].set_result(None)
    requests.join()
    assert all(each.done() for each in taken)


def test_what_is_cancelled_while_it_waits_is_not_sent(sender: Sender, calls: Iterator[Any]) -> None:
    requests = RequestQueue(sender, 1, None)
    first, second, third = (requests.put(next(calls), block=True) for _ in range(3))
    assert second.cancel()
    wait_until(lambda: len(sender.sent) == 1, what="the first is sent")
    sender.responses[0].set_result(None)
    wait_until(lambda: len(sender.sent) == 2, what="the third is sent")
    sender.responses[1].set_result(None)
    assert concurrent.futures.wait([first, second, third], 60).not_done == set()
    requests.close()
    requests.join()
    assert third.result(0) == {}
    assert len(sender.sent) == 2
