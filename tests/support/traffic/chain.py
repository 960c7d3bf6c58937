"""Clients of the models of `tests/support/models/chain.py`: their requests, and requests that are held."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from pytriton_plugins.testing import wait_until
from tests.support.traffic.clients import Answered, Arrays, Crowd, Gate

CHAIN = "abcd"
ENDED = "model {}: its worker ended while it ran this request"
_SIZES = (1, 16, 1000, 10_000)
_HELD_SIZES = itertools.count(20)
"""Each held request has a length of its own, so that it shares no batch with another one."""


def ask() -> Arrays:
    """A random request, which is not held."""
    size = random.choice(_SIZES)
    return _request(np.arange(size) + random.randrange(1000), -1, 0)


def right(inputs: Arrays, result: Any) -> bool:
    """Whether a result of ``tritonclient`` is the exact answer of four models."""
    return bool(np.array_equal(result.as_numpy("y"), inputs["x"] * 10_000 + 1234))


def passed(result: Any) -> str:
    """The process ids of the four workers that a request has passed."""
    return " ".join(map(str, result.as_numpy("pids")[0]))


def error_of(model: str) -> str:
    """The error of a client of ``a`` whose request was in a worker of ``model`` that was killed."""
    called = CHAIN[1 : CHAIN.index(model) + 1]
    return "".join(f"call of model {each!r}: " for each in called) + ENDED.format(model)


@attrs.frozen
class Held:
    """A request to ``a`` that a worker, the process ``pid``, holds."""

    pid: int
    gate: Gate
    answer: Future[Answered]

    def release(self) -> Answered:
        """Let the worker go on; the answer, which must be right."""
        self.gate.open()
        answer = self.answer.result()
        assert answer.error == ""
        return answer


def hold(crowd: Crowd, folder: Path, model: str) -> Held:
    """Send a request, and return once a worker of ``model`` holds it."""
    size = next(_HELD_SIZES)
    gate, told = Gate(folder / str(size)), folder / f"{size}.pid"
    answer = crowd.send("a", _request(np.arange(size), CHAIN.index(model), size))
    wait_until(lambda: told.exists() and gate.is_reached(), 30, f"a worker of {model} holds the request")
    return Held(int(told.read_text()), gate, answer)


@contextlib.contextmanager
def all_workers(crowd: Crowd, folder: Path, model: str, count: int) -> Iterator[dict[int, Held]]:
    """Each of the ``count`` workers of ``model`` holds a request; in the end the remaining ones are released."""
    held = {each.pid: each for each in [hold(crowd, folder, model) for _ in range(count)]}
    try:
        assert len(held) == count
        yield held
    finally:
        for each in held.values():
            each.release()


def _request(x: Any, place: int, name: int) -> Arrays:
    return {"x": x[None].astype(np.int64), "hold": np.array([[place, name]])}
