"""The requests of the table of faults: what each asks of the model, and the clients that send them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from benchmarks.servers import Place
from tests.support.traffic.clients import PROTOCOLS, Arrays
from tests.support.traffic.load import Client, Load, Sent

MODEL: Final = "faulty"
WORK_MS = 20.0
"""The work of an ordinary request: long enough that some requests are in flight at any time."""

HANG, RAISE = 1.0, 2.0
"""Requests whose callable never returns, and whose callable raises."""


def inputs(task: float) -> Arrays:
    """Those of one request: milliseconds of work, `HANG` or `RAISE`."""
    return {"x": np.array([[task]], np.float32)}


def work(place: Place, timeout: float, clients: int = 8) -> Load:
    """Clients that send ordinary requests; of each four two connect anew for each request."""
    anew = (False, True)
    return Load(place.addresses, MODEL, lambda: inputs(WORK_MS), clients=clients, anew=anew, timeout=timeout)


@contextlib.contextmanager
def crowd(place: Place, tasks: list[float], timeout: float) -> Iterator[list[Future[Sent]]]:
    """One request of each task, all at once, each from a client of its own; awaited in the end."""

    def send(number: int, task: float) -> Sent:
        with contextlib.closing(Client(place.addresses, PROTOCOLS[number % 2], timeout)) as client:
            return client.send(MODEL, inputs(task))

    with ThreadPoolExecutor(len(tasks)) as pool:
        yield [pool.submit(send, number, task) for number, task in enumerate(tasks)]
