"""Calls between models in a real tritonserver: the test is the worker that calls."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from pytriton_plugins.model.declaration import ModelDeclaration
from pytriton_plugins.model.tensors import Tensor
from pytriton_plugins.shm import wire
from pytriton_plugins.shm.calls import Call, CallInput
from pytriton_plugins.shm.declaration import pack_declaration
from tests.support.backend.caller import FP32, HALF, Caller, caller_model
from tests.support.backend.server import TIMEOUT, WAIT, Arrays, Backend, run_backend

LIMIT = 1 << 20
ECHO = ModelDeclaration(
    "echo",
    1,
    "function",
    "echo",
    (Tensor("a", np.float32, (-1,)), Tensor("text", bytes, (-1,), optional=True)),
    (Tensor("b", np.float32, (-1,)), Tensor("out", bytes, (-1,))),
    max_batch_size=0,
)
X = np.array([[1, 2, 3]], np.float32)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with run_backend(tmp_path_factory.mktemp("calls")) as running:
        models = [caller_model("a"), caller_model("b"), caller_model("c")]
        for number, model in enumerate(models, 1):
            running.serve(number, model, pack_declaration(model, wait=WAIT, largest_response=LIMIT), instances=4)
        running.serve(4, ECHO, pack_declaration(ECHO, wait=1.0, largest_response=LIMIT, loopback=True))
        yield running


def started(backend: Backend, model: str = "a", number: int = 1) -> tuple[Caller, Future[Arrays]]:
    """A worker of the model that has a batch, and the answer to the client."""
    caller = Caller(backend, number)
    answer = backend.infer(model, {"x": X})
    caller.begin()
    return caller, answer


def ended(caller: Caller, answer: Future[Arrays]) -> None:
    """The batch ends well."""
    caller.finish()
    assert answer.result(TIMEOUT)["y"].tolist() == X.tolist()


def test_a_call_returns_the_outputs_in_its_area(backend: Backend) -> None:
    caller, answer = started(backend)
    text = np.array([b"one", b"", b"\xff"], np.object_)
    number = caller.call("echo", ("a", np.arange(3, dtype=np.float32)), ("text", text), id="some id")
    result = caller.result()
    assert (result.number, result.flags, result.result.code) == (number, wire.FINAL, 0)
    assert [each.name for each in result.result.outputs] == ["b", "out"]
    assert caller.output(result).tolist() == [0, 1, 2]
    assert caller.output(result, 1).tolist() == [b"one", b"", b"\xff"]
    assert [each.offset for each in result.result.outputs] == [HALF, HALF + 64]
    ended(caller, answer)


def test_an_input_of_the_batch_is_called_where_it_is(backend: Backend) -> None:
    caller, answer = started(backend)
    x = caller.worker.block(caller.batch).inputs[0]
    descriptor = caller.renew_segment()
    place = CallInput("a", FP32, (3,), x.offset, x.length, wire.IN_REQUEST_SEGMENT)
    caller.send_call(Call("echo", [place], outputs=["b"], area=(HALF, 64)), descriptor)
    result = caller.result()
    assert [each.name for each in result.result.outputs] == ["b"]
    assert caller.output(result).tolist() == [1, 2, 3]
    ended(caller, answer)


def test_a_response_that_does_not_fit_waits_for_room(backend: Backend) -> None:
    caller, answer = started(backend)
    number = caller.call("echo", ("a", np.arange(100, dtype=np.float32)), outputs=["b"], area=64)
    short = caller.result()
    assert (short.number, short.flags, short.result.needed) == (number, wire.NO_ROOM, 448)
    caller.room(number, 384)
    assert caller.result().result.needed == 448
    descriptor = caller.renew_segment()
    caller.room(number, 448, descriptor=descriptor)
    result = caller.result()
    assert (result.flags, caller.output(result).tolist()) == (wire.FINAL, list(range(100)))
    ended(caller, answer)
