"""A tritonserver whose models call each other: the tests are the workers."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.declaration import pack_declaration
from tests.support.backend.caller import Caller, caller_model
from tests.support.backend.server import TIMEOUT, WAIT, Arrays, Backend, run_backend

LIMIT = 1 << 20
MODELS = ["a", "b", "c", "d", "e"]
"""Models whose workers call; their numbers are 1 to 5. Model 6 is `ECHO`."""

ECHO = ModelDeclaration(
    "echo",
    1,
    "function",
    "echo",
    (Tensor("a", np.float32, (-1,)), Tensor("text", bytes, (-1,), optional=True)),
    (Tensor("b", np.float32, (-1,)), Tensor("out", bytes, (-1,))),
    max_batch_size=0,
)
PARTS = replace(caller_model("parts"), answers="stream", context="")
"""Model 7, a stream; its worker is a test too."""

STREAM = 8
"""A stream whose worker may call others."""

UNAVAILABLE = wire.OUTCOME_CODES["UNAVAILABLE"]
X = np.array([[1, 2, 3]], np.float32)


@contextlib.contextmanager
def run_calling(folder: Path, **settings: Any) -> Iterator[Backend]:
    """A server with the models of this module; ``settings`` are those of ServerSettings."""
    with run_backend(folder, **settings) as running:
        for number, name in enumerate(MODELS, 1):
            model = caller_model(name)
            running.serve(number, model, pack_declaration(model, wait=WAIT, largest_response=LIMIT), instances=4)
        running.serve(6, ECHO, pack_declaration(ECHO, wait=1.0, largest_response=LIMIT, loopback=True))
        running.serve(7, PARTS, pack_declaration(PARTS, wait=WAIT, largest_response=LIMIT))
        stream = replace(caller_model("stream"), answers="stream")
        running.serve(STREAM, stream, pack_declaration(stream, wait=WAIT, largest_response=LIMIT))
        yield running
        if running.alive:
            running.forget()


def started(backend: Backend, model: str = "a") -> tuple[Caller, Future[Arrays]]:
    """A worker of the model that has a batch of a client, and the answer to the client."""
    caller = Caller(backend, MODELS.index(model) + 1)
    answer = backend.infer(model, {"x": X})
    caller.begin()
    return caller, answer


def ended(caller: Caller, answer: Future[Arrays]) -> None:
    """The batch ends well."""
    caller.finish()
    assert answer.result(TIMEOUT)["y"].tolist() == X.tolist()


def refused(caller: Caller, number: int, chain: str, flags: int = wire.FINAL) -> None:
    """The next result refuses the call."""
    target = chain.split()[0]
    text = f"model {target}: this call can only wait for itself: {chain}"
    assert caller.failure(number, flags) == (UNAVAILABLE, text)


def called(caller: Caller, model: str) -> Caller:
    """A worker of the model that has a batch of the caller."""
    worker = Caller(caller.backend, MODELS.index(model) + 1)
    caller.call(model, ("x", X))
    worker.begin()
    return worker


def answered(caller: Caller, worker: Caller) -> None:
    """The called worker answers, and the caller gets the result."""
    worker.finish()
    assert caller.result().result.code == 0


def begun(slots: list[Caller]) -> Caller:
    """The worker among the idle ones that got a batch."""
    ready, _, _ = select.select([each.worker.sock for each in slots], [], [], TIMEOUT)
    (worker,) = (each for each in slots if each.worker.sock in ready)
    slots.remove(worker)
    worker.begin()
    return worker
